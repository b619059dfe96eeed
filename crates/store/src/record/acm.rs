//! What ACM knows of certificates. The certificates, with their keys, are records of their own.

use super::value::{Text, Word};
use super::{Invalid, Shape};
use model::acm::{Origin, Record, Requested, Validation};
use model::{CertificateArn, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AcmCertificateV1 {
    arn: Text<CertificateArn>,
    created_at_ms: u64,
    origin: OriginV1,
    transparency_logging: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum OriginV1 {
    Requested(RequestedV1),
    Imported { at_ms: u64 },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestedV1 {
    domain_name: String,
    names: Vec<String>,
    validation: Word<Validation>,
    validation_domains: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    renewed_at_ms: Option<u64>,
}

impl Shape for AcmCertificateV1 {
    type Resource = Record;

    fn of(resource: &Record) -> Self {
        let Record {
            arn,
            created_at,
            origin,
            transparency_logging,
        } = resource;
        Self {
            arn: Text(arn.clone()),
            created_at_ms: created_at.0,
            origin: match origin {
                Origin::Requested(requested) => OriginV1::Requested(RequestedV1::of(requested)),
                Origin::Imported { at } => OriginV1::Imported { at_ms: at.0 },
            },
            transparency_logging: *transparency_logging,
        }
    }

    fn into_resource(self) -> Result<Record, Invalid> {
        Ok(Record {
            arn: self.arn.0,
            created_at: Timestamp(self.created_at_ms),
            origin: match self.origin {
                OriginV1::Requested(requested) => Origin::Requested(requested.into_requested()),
                OriginV1::Imported { at_ms } => Origin::Imported { at: Timestamp(at_ms) },
            },
            transparency_logging: self.transparency_logging,
        })
    }
}

impl RequestedV1 {
    fn of(requested: &Requested) -> Self {
        let Requested {
            domain_name,
            names,
            validation,
            validation_domains,
            token,
            renewed_at,
        } = requested;
        Self {
            domain_name: domain_name.clone(),
            names: names.clone(),
            validation: Word(*validation),
            validation_domains: validation_domains.clone(),
            token: token.clone(),
            renewed_at_ms: renewed_at.map(|at| at.0),
        }
    }

    fn into_requested(self) -> Requested {
        Requested {
            domain_name: self.domain_name,
            names: self.names,
            validation: self.validation.0,
            validation_domains: self.validation_domains,
            token: self.token,
            renewed_at: self.renewed_at_ms.map(Timestamp),
        }
    }
}
