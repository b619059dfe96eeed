//! Certificates, with their private keys: whoever reads a record of this kind has the key.

use super::value::{Text, Word};
use super::{Invalid, Shape};
use model::elb::certificate::{Certificate, CertificateKey};
use model::{CertificateArn, Owner, Secret, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificateV1 {
    arn: Text<CertificateArn>,
    names: Vec<String>,
    key: KeyV1,
    not_before_ms: u64,
    not_after_ms: u64,
    chain_pem: String,
    private_key_pem: String,
    owner: Word<Owner>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeyV1 {
    Rsa(u16),
    Ecdsa(u16),
}

impl Shape for CertificateV1 {
    type Resource = Certificate;

    fn of(resource: &Certificate) -> Self {
        let Certificate {
            arn,
            names,
            key,
            not_before,
            not_after,
            chain_pem,
            private_key_pem,
            owner,
        } = resource;
        Self {
            arn: Text(arn.clone()),
            names: names.clone(),
            key: match *key {
                CertificateKey::Rsa(bits) => KeyV1::Rsa(bits),
                CertificateKey::Ecdsa(bits) => KeyV1::Ecdsa(bits),
            },
            not_before_ms: not_before.0,
            not_after_ms: not_after.0,
            chain_pem: chain_pem.to_string(),
            private_key_pem: private_key_pem.expose().to_string(),
            owner: Word(*owner),
        }
    }

    fn into_resource(self) -> Result<Certificate, Invalid> {
        Ok(Certificate {
            arn: self.arn.0,
            names: self.names,
            key: match self.key {
                KeyV1::Rsa(bits) => CertificateKey::Rsa(bits),
                KeyV1::Ecdsa(bits) => CertificateKey::Ecdsa(bits),
            },
            not_before: Timestamp(self.not_before_ms),
            not_after: Timestamp(self.not_after_ms),
            chain_pem: self.chain_pem.into(),
            private_key_pem: Secret::new(self.private_key_pem.into()),
            owner: self.owner.0,
        })
    }
}
