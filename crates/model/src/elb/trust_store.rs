//! Trust stores: the certificate authorities that vouch for clients, and what they have revoked. Source: ALB 6.5.

use super::name::TargetGroupName;
use crate::arn::TrustStoreArn;
use crate::ids::Owner;
use std::sync::Arc;

/// The name of a trust store; written as target group names are. Source: ALB 1.2.
pub type TrustStoreName = TargetGroupName;

/// One trust store. `pki` read and checked what is in it before it came here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustStore {
    /// Its ARN.
    pub arn: TrustStoreArn,
    /// Its name.
    pub name: TrustStoreName,
    /// The authorities' certificates, PEM.
    pub bundle_pem: Arc<str>,
    /// How many there are.
    pub certificates: u16,
    /// Revocation lists, each with its id.
    pub revocations: Vec<Revocation>,
    /// Who may change it.
    pub owner: Owner,
}

/// A certificate revocation list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// `RevocationId`, from 1.
    pub id: u64,
    /// DER.
    pub crl: Arc<[u8]>,
    /// How many certificates it revokes.
    pub entries: u32,
}
