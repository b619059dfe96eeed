//! Trust stores.

use super::value::{Bytes, Text, Word};
use super::{Invalid, Shape};
use model::elb::trust_store::{Revocation, TrustStore, TrustStoreName};
use model::{Owner, TrustStoreArn};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrustStoreV1 {
    arn: Text<TrustStoreArn>,
    name: Text<TrustStoreName>,
    bundle_pem: String,
    certificates: u16,
    revocations: Vec<RevocationV1>,
    owner: Word<Owner>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevocationV1 {
    id: u64,
    crl: Bytes,
    entries: u32,
}

impl Shape for TrustStoreV1 {
    type Resource = TrustStore;

    fn of(resource: &TrustStore) -> Self {
        let TrustStore {
            arn,
            name,
            bundle_pem,
            certificates,
            revocations,
            owner,
        } = resource;
        let revocation = |it: &Revocation| {
            let Revocation { id, crl, entries } = it.clone();
            RevocationV1 {
                id,
                crl: Bytes(crl),
                entries,
            }
        };
        Self {
            arn: Text(arn.clone()),
            name: Text(name.clone()),
            bundle_pem: bundle_pem.to_string(),
            certificates: *certificates,
            revocations: revocations.iter().map(revocation).collect(),
            owner: Word(*owner),
        }
    }

    fn into_resource(self) -> Result<TrustStore, Invalid> {
        let revocation = |it: RevocationV1| Revocation {
            id: it.id,
            crl: it.crl.0,
            entries: it.entries,
        };
        Ok(TrustStore {
            arn: self.arn.0,
            name: self.name.0,
            bundle_pem: self.bundle_pem.into(),
            certificates: self.certificates,
            revocations: self.revocations.into_iter().map(revocation).collect(),
            owner: self.owner.0,
        })
    }
}
