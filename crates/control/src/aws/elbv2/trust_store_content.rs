//! What trust stores are made of: bundles and revocation lists, read from S3 once and kept in the state. Source: ALB 6.5, 9.5.

use super::call::{Call, Fetch, Fetched, Plan, fresh_id};
use super::input::{one_of, required, required_list, shown};
use super::load_balancers::name_refused;
use super::trust_stores::{named, revocation};
use super::{errors, find, shapes, tags};
use crate::aws::error::AwsError;
use crate::objects::{Address, Missing};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::elb::trust_store::{Revocation, TrustStore, TrustStoreName};
use model::refusal::TrustStoreRefusal;
use model::{Command, Owner, State, TaggedArn, TrustStoreArn};
use pki::{REVOCATION_LIST_BYTES_MAX, REVOCATION_LISTS_MAX, RevocationList, TRUST_BUNDLE_BYTES_MAX, TrustBundle};
use wire::query::Fields;
use wire::xml::Xml;

/// Bytes of all revocation lists of one trust store, DER: ten times what as many entries as it may have need.
const REVOCATION_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Characters of a line in PEM. Source: RFC 7468 section 2.
const PEM_LINE: usize = 64;

/// CreateTrustStore: the bundle.
pub(super) fn created_from(call: &Call<'_>) -> Result<Fetch, AwsError> {
    let name = name(call)?;
    let taken = |it: &&std::sync::Arc<TrustStore>| it.name == name && find::in_scope(it.arn.as_str(), call.scope);
    if call.state.trust_stores().any(|it| taken(&it)) {
        let refusal = TrustStoreRefusal::NameTaken(name.to_string());
        return Err(errors::of(refusal.into(), &call.api.manifest));
    }
    bundle(call)
}

/// ModifyTrustStore: the bundle.
pub(super) fn modified_from(call: &Call<'_>) -> Result<Fetch, AwsError> {
    named(call)?;
    bundle(call)
}

fn bundle(call: &Call<'_>) -> Result<Fetch, AwsError> {
    let fields = &call.fields;
    let address = Address {
        bucket: required(fields, "CaCertificatesBundleS3Bucket")?.to_owned(),
        key: required(fields, "CaCertificatesBundleS3Key")?.to_owned(),
        version: fields.text("CaCertificatesBundleS3ObjectVersion").map(str::to_owned),
    };
    address.check(call.state, call.scope, call.caller)?;
    Ok(Box::new(move |objects| {
        let pem = objects
            .read(&address, TRUST_BUNDLE_BYTES_MAX)
            .map_err(|missing| not_read("CaCertificatesBundleNotFound", "InvalidCaCertificatesBundle", &missing))?;
        let bundle = TrustBundle::from_pem(&pem).map_err(|found| {
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            let message = format!("The CA certificates bundle is not valid: {}", found.join("; "));
            AwsError::new("InvalidCaCertificatesBundle", message)
        })?;
        Ok(Fetched::Bundle(bundle))
    }))
}

/// AddTrustStoreRevocations: the lists.
pub(super) fn revoked_by(call: &Call<'_>) -> Result<Fetch, AwsError> {
    named(call)?;
    let contents = required_list(&call.fields, "RevocationContents")?;
    if contents.len() > REVOCATION_LISTS_MAX {
        let message = format!("A trust store has at most {REVOCATION_LISTS_MAX} revocation lists");
        return Err(AwsError::new("TooManyTrustStoreRevocationEntries", message));
    }
    let addresses: Vec<_> = contents
        .iter()
        .map(|content| {
            let address = list_address(content)?;
            address.check(call.state, call.scope, call.caller)?;
            Ok(address)
        })
        .collect::<Result<_, AwsError>>()?;
    Ok(Box::new(move |objects| {
        let (mut lists, mut bytes_left) = (Vec::new(), REVOCATION_BYTES_MAX);
        for address in &addresses {
            let bytes = objects
                .read(address, REVOCATION_LIST_BYTES_MAX.min(bytes_left))
                .map_err(|missing| not_read("RevocationContentNotFound", "InvalidRevocationContent", &missing))?;
            let list = RevocationList::from_pem_or_der(&bytes).map_err(|error| {
                let message = format!("The revocation list '{}' is not valid: {error}", shown(&address.key));
                AwsError::new("InvalidRevocationContent", message)
            })?;
            bytes_left = bytes_left.saturating_sub(list.der().len());
            lists.push(list);
        }
        Ok(Fetched::RevocationLists(lists))
    }))
}

fn list_address(content: &Fields<'_>) -> Result<Address, AwsError> {
    one_of(content, "RevocationType", &[("CRL", ())])?;
    Ok(Address {
        bucket: required(content, "S3Bucket")?.to_owned(),
        key: required(content, "S3Key")?.to_owned(),
        version: content.text("S3ObjectVersion").map(str::to_owned),
    })
}

/// An object that cannot be read, in the words of trust stores.
fn not_read(absent: &'static str, invalid: &'static str, missing: &Missing) -> AwsError {
    let code = match missing.code {
        "EntityTooLarge" => invalid,
        _ => absent,
    };
    AwsError::new(code, format!("{} ({})", missing.message, missing.code))
}

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let name = name(call)?;
    let tags = tags::of_creation(call)?;
    let Fetched::Bundle(bundle) = call.fetched else {
        return Err(AwsError::internal("No bundle was read"));
    };
    let arn = TrustStoreArn::new(call.scope, name.as_str(), fresh_id()?);
    let created = TrustStore {
        arn: arn.clone(),
        name,
        bundle_pem: bundle.pem().into(),
        certificates: count(bundle),
        revocations: Vec::new(),
        owner: Owner::Api,
    };
    let mut commands = vec![Command::PutTrustStore(created)];
    commands.extend(tags::added(TaggedArn::TrustStore(arn.clone()), tags));
    Ok(Plan::new(commands, move |call| {
        // It can be used at once. Those who wait for `ACTIVE` find it with their first look.
        answer(call, &arn, "CREATING")
    }))
}

pub(super) fn modify(call: &Call<'_>) -> Result<Plan, AwsError> {
    let it = named(call)?;
    let Fetched::Bundle(bundle) = call.fetched else {
        return Err(AwsError::internal("No bundle was read"));
    };
    let changed = TrustStore {
        bundle_pem: bundle.pem().into(),
        certificates: count(bundle),
        ..it.clone()
    };
    let arn = it.arn.clone();
    let answer = move |call: &Call<'_>| answer(call, &arn, "ACTIVE");
    Ok(Plan::new(vec![Command::PutTrustStore(changed)], answer))
}

pub(super) fn add_revocations(call: &Call<'_>) -> Result<Plan, AwsError> {
    let it = named(call)?;
    let Fetched::RevocationLists(lists) = call.fetched else {
        return Err(AwsError::internal("No revocation lists were read"));
    };
    let mut changed = it.clone();
    let first = it.revocations.iter().map(|list| list.id).max().unwrap_or(0) + 1;
    let added = (first..).zip(lists).map(|(id, list)| Revocation {
        id,
        crl: list.der().into(),
        entries: list.entries(),
    });
    changed.revocations.extend(added);
    let bytes: usize = changed.revocations.iter().map(|list| list.crl.len()).sum();
    if bytes > REVOCATION_BYTES_MAX {
        let message =
            format!("The revocation lists of a trust store are at most {REVOCATION_BYTES_MAX} bytes together");
        return Err(AwsError::new("TooManyTrustStoreRevocationEntries", message));
    }
    let arn = it.arn.clone();
    Ok(Plan::new(vec![Command::PutTrustStore(changed)], move |call| {
        let it = find::trust_store(call, arn.as_str())?;
        let added: Vec<_> = it.revocations.iter().filter(|list| list.id >= first).collect();
        let mut xml = Xml::new();
        xml.list("TrustStoreRevocations", added, |xml, list| {
            shapes::revocation(xml, it, list);
        });
        Ok(xml)
    }))
}

fn answer(call: &Call<'_>, arn: &TrustStoreArn, status: &str) -> Result<Xml, AwsError> {
    let it = find::trust_store(call, arn.as_str())?;
    let mut xml = Xml::new();
    xml.list("TrustStores", [it], |xml, it| shapes::trust_store(xml, it, status));
    Ok(xml)
}

fn name(call: &Call<'_>) -> Result<TrustStoreName, AwsError> {
    let text = required(&call.fields, "Name")?;
    TrustStoreName::try_from(text).map_err(|refusal| name_refused("Trust store", text, &refusal))
}

fn count(bundle: &TrustBundle) -> u16 {
    u16::try_from(bundle.authorities().len()).unwrap_or(u16::MAX)
}

/// GetTrustStoreCaCertificatesBundle.
pub(super) fn bundle_link(call: &Call<'_>) -> Result<Xml, AwsError> {
    Ok(link(call, named(call)?, "ca-certificates-bundle.pem"))
}

/// GetTrustStoreRevocationContent.
pub(super) fn revocation_link(call: &Call<'_>) -> Result<Xml, AwsError> {
    let it = named(call)?;
    let id = revocation(it, required(&call.fields, "RevocationId")?)?.id;
    Ok(link(call, it, &format!("{id}.crl.pem")))
}

fn link(call: &Call<'_>, it: &TrustStore, file: &str) -> Xml {
    let mut xml = Xml::new();
    let path = format!("trust-stores/{}/{file}", short(&it.arn));
    xml.text("Location", &call.links.to(&path));
    xml
}

/// What a link leads to.
pub(in crate::aws) fn file(state: &State, path: &str) -> Option<(&'static str, String)> {
    let (short_arn, file) = path.strip_prefix("trust-stores/")?.rsplit_once('/')?;
    let it = state.trust_stores().find(|it| short(&it.arn) == short_arn)?;
    const PEM: &str = "application/x-pem-file";
    if file == "ca-certificates-bundle.pem" {
        return Some((PEM, it.bundle_pem.to_string()));
    }
    let id = file.strip_suffix(".crl.pem")?;
    Some((PEM, pem("X509 CRL", &revocation(it, id).ok()?.crl)))
}

/// Its name and its id, which nothing else has.
fn short(arn: &TrustStoreArn) -> &str {
    let tail = arn.as_str().split_once(":truststore/");
    tail.map_or("", |(_, tail)| tail)
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(PEM_LINE.min(rest.len()));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + &format!("-----END {label}-----\n")
}

/// A trust store is shared with other accounts, of which there are none; listeners of the own account have associations of
/// their own, which go with the listener's setting.
pub(super) fn delete_shared_association(call: &Call<'_>) -> Result<Xml, AwsError> {
    let it = named(call)?;
    let text = required(&call.fields, "ResourceArn")?;
    let is_own = call
        .state
        .listeners()
        .any(|listener| listener.arn.as_str() == text && listener.protocol.trust_store() == Some(&it.arn));
    Err(match is_own {
        true => AwsError::new(
            "DeleteAssociationSameAccount",
            "The specified association can't be deleted in the same account",
        ),
        false => AwsError::new(
            "AssociationNotFound",
            format!("The association of '{}' with '{}' was not found", shown(text), it.arn),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_given_out_as_it_was_read() {
        for length in [1, 47, 48, 49, 96, 1000] {
            let der: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let text = pem("X509 CRL", &der);
            let lines: Vec<_> = text.lines().collect();
            assert_eq!(lines.first(), Some(&"-----BEGIN X509 CRL-----"));
            assert_eq!(lines.last(), Some(&"-----END X509 CRL-----"));
            let body = &lines[1..lines.len() - 1];
            assert!(body.iter().all(|line| line.len() <= 64));
            assert_eq!(STANDARD.decode(body.concat()).unwrap(), der);
        }
    }
}
