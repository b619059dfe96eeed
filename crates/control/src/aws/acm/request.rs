//! RequestCertificate and RenewCertificate: what the local authority issues.

use super::detail::is_eligible;
use super::import::kept;
use super::options::transparency;
use super::{Asked, Call, Plan, fresh_arn, submit, tags, validation};
use crate::aws::error::AwsError;
use crate::source::Source;
use model::acm::{Origin, Record, Requested};
use model::command::acm::Command as AcmCommand;
use model::elb::certificate::{Certificate, CertificateKey};
use model::{CertificateArn, Command, Secret, State, TaggedArn, Tags};
use pki::KeyAlgorithm;
use serde_json::{Value, json};
use std::sync::Arc;

/// How long a token names the same certificate. Source: EDG 3.1.
const TOKEN_MS: u64 = 60 * 60 * 1000;
const TOKEN_CHARS_MAX: usize = 32;

/// A request as it was asked for.
struct Wanted {
    requested: Requested,
    key: KeyAlgorithm,
    transparency_logging: bool,
    tags: Tags,
}

pub(super) async fn request<S: Source>(source: &S, asked: Asked) -> Result<Value, AwsError> {
    let state = source.state();
    let (wanted, same) = asked.call(&state, Wanted::with_same)?;
    if let Some(arn) = same {
        return Ok(answer(&arn));
    }
    let arn = fresh_arn(&asked.scope)?;
    let certificate = issue(source, arn, wanted.requested.names.clone(), wanted.key).await?;
    // Somebody may have asked for the same meanwhile.
    submit(source, move |state| plan(&asked, state, certificate)).await
}

pub(super) async fn renew<S: Source>(source: &S, asked: Asked) -> Result<Value, AwsError> {
    let state = source.state();
    let (arn, names, key) = asked.call(&state, |call| {
        let certificate = call.certificate()?;
        let record = call.state.acm().record(&certificate.arn);
        let requested = record.and_then(|it| it.requested());
        let Some(requested) = requested.filter(|_| is_eligible(call.state, certificate)) else {
            let message = format!("The certificate {} is not eligible for renewal.", certificate.arn);
            return Err(AwsError::new("ValidationException", message));
        };
        Ok((
            certificate.arn.clone(),
            requested.names.clone(),
            algorithm(certificate.key),
        ))
    })?;
    let certificate = issue(source, arn, names, key).await?;
    submit(source, move |_| {
        Ok(Plan {
            commands: vec![Command::Acm(AcmCommand::Renew(Box::new(certificate)))],
            answer: Value::Null,
        })
    })
    .await
}

async fn issue<S: Source>(
    source: &S,
    arn: CertificateArn,
    names: Vec<String>,
    key: KeyAlgorithm,
) -> Result<Certificate, AwsError> {
    let issued = source.issue(names, key).await;
    let issued =
        issued.map_err(|message| AwsError::internal(format!("The local authority cannot issue: {message}")))?;
    let key = Secret::new(issued.private_key_pem.expose().as_bytes().to_vec());
    Ok(kept(arn, &issued.certificate, issued.chain_pem.as_bytes(), &key))
}

fn answer(arn: &CertificateArn) -> Value {
    json!({ "CertificateArn": arn.as_str() })
}

impl Wanted {
    fn read(call: &Call<'_>) -> Result<Self, AwsError> {
        let fields = &call.fields;
        let names = validation::names(call)?;
        let (validation, validation_domains) = validation::method(call, &names)?;
        for (name, why) in [
            (
                "CertificateAuthorityArn",
                "private certificate authorities are not built",
            ),
            ("ManagedBy", "certificates of CloudFront are not built"),
        ] {
            if fields.value(name).is_some() {
                return Err(AwsError::not_built(format!("{name}: {why}")));
            }
        }
        let options = fields.object("Options")?;
        let transparency_logging = options.map(|options| transparency(&options)).transpose()?.flatten();
        Ok(Self {
            requested: Requested {
                domain_name: fields.required_text("DomainName")?.to_ascii_lowercase(),
                names,
                validation,
                validation_domains,
                token: token(call)?,
                renewed_at: None,
            },
            key: key(call)?,
            transparency_logging: transparency_logging.unwrap_or(true),
            tags: tags::of_call(call)?,
        })
    }

    /// The request, and the certificate that the same one has made already.
    fn with_same(call: &Call<'_>) -> Result<(Self, Option<CertificateArn>), AwsError> {
        let wanted = Self::read(call)?;
        let same = wanted.same(call);
        Ok((wanted, same))
    }

    /// The certificate that the same request with the same token has made within the hour.
    fn same(&self, call: &Call<'_>) -> Option<CertificateArn> {
        self.requested.token.as_ref()?;
        let is_same = |record: &&Arc<Record>| {
            let requested = record.requested().map(|it| Requested {
                renewed_at: None,
                ..it.clone()
            });
            let certificate = call.state.certificate(&record.arn);
            call.is_here(&record.arn)
                && call.now.0.saturating_sub(record.created_at.0) < TOKEN_MS
                && requested.as_ref() == Some(&self.requested)
                && certificate.is_some_and(|it| algorithm(it.key) == self.key)
        };
        call.state
            .acm()
            .records()
            .find(is_same)
            .map(|record| record.arn.clone())
    }
}

fn plan(asked: &Asked, state: &State, certificate: Certificate) -> Result<Plan, AwsError> {
    let (wanted, same) = asked.call(state, Wanted::with_same)?;
    if let Some(arn) = same {
        return Ok(Plan {
            commands: Vec::new(),
            answer: answer(&arn),
        });
    }
    let arn = certificate.arn.clone();
    let record = Record {
        arn: arn.clone(),
        created_at: asked.now,
        origin: Origin::Requested(wanted.requested),
        transparency_logging: wanted.transparency_logging,
    };
    let put = Command::Acm(AcmCommand::Put {
        certificate: Box::new(certificate),
        record: Box::new(record),
    });
    let tags = tags::added(TaggedArn::Certificate(arn.clone()), wanted.tags);
    Ok(Plan {
        commands: std::iter::once(put).chain(tags).collect(),
        answer: answer(&arn),
    })
}

/// The kind of key. RSA of 2048 bits is the default.
fn key(call: &Call<'_>) -> Result<KeyAlgorithm, AwsError> {
    let words = [
        ("RSA_1024", None),
        ("RSA_2048", Some(KeyAlgorithm::Rsa2048)),
        ("RSA_3072", Some(KeyAlgorithm::Rsa3072)),
        ("RSA_4096", Some(KeyAlgorithm::Rsa4096)),
        ("EC_prime256v1", Some(KeyAlgorithm::EcdsaP256)),
        ("EC_secp384r1", Some(KeyAlgorithm::EcdsaP384)),
        ("EC_secp521r1", Some(KeyAlgorithm::EcdsaP521)),
    ];
    match call.fields.word("KeyAlgorithm", &words)? {
        None => Ok(KeyAlgorithm::Rsa2048),
        Some(Some(key)) => Ok(key),
        Some(None) => {
            let message = "RSA_1024 is for imported certificates only.";
            Err(AwsError::new("InvalidParameterException", message))
        }
    }
}

fn token(call: &Call<'_>) -> Result<Option<String>, AwsError> {
    let Some(token) = call.fields.text("IdempotencyToken")? else {
        return Ok(None);
    };
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if token.is_empty() || token.len() > TOKEN_CHARS_MAX || !token.bytes().all(is_word) {
        let rule = "Member must satisfy regular expression pattern: \\w+";
        return Err(call.fields.broken("IdempotencyToken", rule));
    }
    Ok(Some(token.to_owned()))
}

/// The kind of key of a certificate that is there.
pub(super) fn algorithm(key: CertificateKey) -> KeyAlgorithm {
    match key {
        CertificateKey::Rsa(2048) => KeyAlgorithm::Rsa2048,
        CertificateKey::Rsa(3072) => KeyAlgorithm::Rsa3072,
        CertificateKey::Rsa(_) => KeyAlgorithm::Rsa4096,
        CertificateKey::Ecdsa(256) => KeyAlgorithm::EcdsaP256,
        CertificateKey::Ecdsa(384) => KeyAlgorithm::EcdsaP384,
        CertificateKey::Ecdsa(_) => KeyAlgorithm::EcdsaP521,
    }
}
