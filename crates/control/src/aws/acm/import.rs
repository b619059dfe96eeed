//! ImportCertificate, for the first time or again. Source: EDG 3.1.

use super::{Call, Plan, errors, fresh_arn, tags};
use crate::aws::error::AwsError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::acm::{Origin, Record};
use model::command::acm::Command as AcmCommand;
use model::elb::certificate::{Certificate, CertificateKey};
use model::{CertificateArn, Command, Owner, Secret, TaggedArn, Timestamp};
use pki::{CertificateError, ChainLinks, Part, ServerCertificate};
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const CERTIFICATE_BYTES_MAX: usize = 32_768;
const PRIVATE_KEY_BYTES_MAX: usize = 5120;
const CHAIN_BYTES_MAX: usize = 2_097_152;

pub(super) fn import(call: &Call<'_>) -> Result<Plan, AwsError> {
    let brought = Brought::read(call)?;
    let pair = brought.check(call.now)?;
    let tags = tags::of_call(call)?;
    let is_again = call.fields.has("CertificateArn");
    let (arn, created_at) = match is_again {
        false => (fresh_arn(call.scope)?, call.now),
        true if !tags.is_empty() => {
            let message = "Tags cannot be set when a certificate is imported again.";
            return Err(AwsError::new("ValidationException", message));
        }
        true => replaced(call)?,
    };
    let record = Record {
        arn: arn.clone(),
        created_at,
        origin: Origin::Imported { at: call.now },
        transparency_logging: false,
    };
    let certificate = kept(arn.clone(), &pair, &brought.chain_pem(), &brought.private_key);
    let put = Command::Acm(AcmCommand::Put {
        certificate: Box::new(certificate),
        record: Box::new(record),
    });
    let added = tags::added(TaggedArn::Certificate(arn.clone()), tags);
    Ok(Plan {
        commands: std::iter::once(put).chain(added).collect(),
        answer: json!({ "CertificateArn": arn.as_str() }),
    })
}

/// The certificate that is put in another's place, and when that one was made.
fn replaced(call: &Call<'_>) -> Result<(CertificateArn, Timestamp), AwsError> {
    let arn = call.arn()?;
    if !call.is_here(&arn) {
        return Err(errors::other_scope(call.scope, &arn));
    }
    let existing = call.certificate()?;
    match call.state.acm().record(&arn) {
        Some(record) if record.requested().is_some() => Err(errors::not_imported(&arn)),
        Some(record) => Ok((arn, record.created_at)),
        // One of the manifest's, which refuses unless it may be changed.
        None => Ok((arn, existing.not_before)),
    }
}

/// What was brought, as PEM.
struct Brought {
    certificate: Vec<u8>,
    chain: Vec<u8>,
    private_key: Secret<Vec<u8>>,
}

impl Brought {
    fn read(call: &Call<'_>) -> Result<Self, AwsError> {
        Ok(Self {
            certificate: blob(call, "Certificate", CERTIFICATE_BYTES_MAX)?
                .ok_or_else(|| call.fields.is_null("Certificate"))?,
            private_key: Secret::new(
                blob(call, "PrivateKey", PRIVATE_KEY_BYTES_MAX)?.ok_or_else(|| call.fields.is_null("PrivateKey"))?,
            ),
            chain: blob(call, "CertificateChain", CHAIN_BYTES_MAX)?.unwrap_or_default(),
        })
    }

    fn chain_pem(&self) -> Vec<u8> {
        let separator: &[u8] = if self.certificate.ends_with(b"\n") { b"" } else { b"\n" };
        [&self.certificate[..], separator, &self.chain].concat()
    }

    fn check(&self, now: Timestamp) -> Result<ServerCertificate, AwsError> {
        match pki::count_certificates(&self.certificate) {
            Ok(1) => {}
            Ok(_) => {
                return Err(invalid(
                    "The certificate field contains more than one certificate. You can specify only one certificate in \
                     this field.",
                ));
            }
            Err(error) => return Err(of_part(&error, "Could not parse certificate")),
        }
        if !self.chain.trim_ascii().is_empty() {
            pki::count_certificates(&self.chain)
                .map_err(|error| of_part(&error, "Could not parse certificate chain"))?;
        }
        let chain = self.chain_pem();
        let pair = ServerCertificate::from_pem(&chain, self.private_key.expose());
        let pair = pair.map_err(|errors| errors.first().map_or_else(|| invalid("Invalid"), refused))?;
        let now = UNIX_EPOCH + Duration::from_millis(now.0);
        let validity = pair.leaf().validity;
        if now > validity.not_after {
            return Err(invalid("The certificate has expired."));
        }
        if now < validity.not_before {
            return Err(invalid("The certificate is not valid yet."));
        }
        match pki::chain_links(&chain) {
            Ok(ChainLinks::Whole | ChainLinks::SelfSigned) => Ok(pair),
            Ok(ChainLinks::Alone) => Err(invalid(
                "Provided certificate is not a valid self signed. Please provide either a valid self-signed certificate \
                 or certificate chain.",
            )),
            Ok(ChainLinks::Broken) => Err(invalid(
                "Could not validate the certificate with the certificate chain.",
            )),
            Err(error) => Err(of_part(&error, "Could not parse certificate chain")),
        }
    }
}

/// A certificate as the state keeps it.
pub(super) fn kept(
    arn: CertificateArn,
    pair: &ServerCertificate,
    chain_pem: &[u8],
    private_key_pem: &Secret<Vec<u8>>,
) -> Certificate {
    let leaf = pair.leaf();
    let addresses = leaf.ip_addresses.iter().map(ToString::to_string);
    let bits = leaf.key_algorithm.bits();
    // Sections are ASCII; what stands around them may be anything.
    let text = |pem: &[u8]| String::from_utf8_lossy(pem).into_owned();
    Certificate {
        arn,
        names: leaf.dns_names.iter().cloned().chain(addresses).collect(),
        key: match leaf.key_algorithm.is_ecdsa() {
            true => CertificateKey::Ecdsa(bits),
            false => CertificateKey::Rsa(bits),
        },
        not_before: moment(leaf.validity.not_before),
        not_after: moment(leaf.validity.not_after),
        chain_pem: text(chain_pem).into(),
        private_key_pem: Secret::new(text(private_key_pem.expose()).into()),
        owner: Owner::Api,
    }
}

fn moment(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Bytes, which JSON carries in base64.
fn blob(call: &Call<'_>, name: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, AwsError> {
    let Some(text) = call.fields.text(name)? else {
        return Ok(None);
    };
    let Ok(bytes) = STANDARD.decode(text) else {
        return Err(AwsError::new("SerializationException", format!("{name} is not base64")));
    };
    // Never with the value: it may be a key.
    let rule = match bytes.len() {
        0 => "greater than or equal to 1".to_owned(),
        length if length > bytes_max => format!("less than or equal to {bytes_max}"),
        _ => return Ok(Some(bytes)),
    };
    let message = format!("1 validation error detected: {name} must have length {rule}");
    Err(AwsError::new("ValidationException", message))
}

fn refused(error: &CertificateError) -> AwsError {
    match error {
        CertificateError::KeyMismatch | CertificateError::LeafNotFirst { .. } => {
            invalid("The private key does not match the public key of the certificate.")
        }
        CertificateError::EncryptedPrivateKey => invalid("The private key must not be encrypted with a passphrase."),
        error if error.part() == Part::PrivateKey => of_part(error, "The private key is not supported"),
        error => of_part(error, "Could not parse certificate"),
    }
}

fn of_part(error: &CertificateError, what: &str) -> AwsError {
    AwsError::new("ValidationException", format!("{what}: {error}."))
}

fn invalid(message: &str) -> AwsError {
    AwsError::new("ValidationException", message)
}
