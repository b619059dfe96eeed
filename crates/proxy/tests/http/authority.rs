//! Certificate authorities of tests, with clients that they vouch for, or ought not to. Unit tests of `tls` use it too.

use model::elb::name::TargetGroupName;
use model::elb::trust_store::{Revocation, TrustStore};
use model::{AccountId, Owner, Region, ResourceId, Scope, TrustStoreArn};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    PublicKeyData, RevokedCertParams, SerialNumber, SigningKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::time::SystemTime;

pub(crate) struct Authority {
    pub(crate) certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// What a client shows, its own certificate first, and its key.
pub(crate) struct Client {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

pub(crate) fn as_is(_: &mut CertificateParams) {}

pub(crate) fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Days from now; negative ones have passed.
pub(crate) fn days(days: i64) -> time::OffsetDateTime {
    time::OffsetDateTime::from(SystemTime::now()) + time::Duration::days(days)
}

impl Authority {
    pub(crate) fn root(name: &str) -> Self {
        Self::root_with(name, key(), as_is)
    }

    pub(crate) fn root_with(name: &str, key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        Self {
            certificate: params.self_signed(&key).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    /// An authority that this one vouches for.
    pub(crate) fn under(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        self.under_with(name, key(), change)
    }

    pub(crate) fn under_with(&self, name: &str, key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        Self {
            certificate: params.signed_by(&key, &self.issuer).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn client(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Client {
        self.client_with(name, &key(), change)
    }

    pub(crate) fn client_with(&self, name: &str, key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Client {
        Client {
            chain: vec![self.certificate_for(name, key, change)],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        }
    }

    /// The authority as a client, or as a server: self-signed, if it is a root.
    pub(crate) fn shown(&self) -> Client {
        Client {
            chain: vec![self.certificate.der().clone()],
            key: PrivatePkcs8KeyDer::from(self.issuer.key().serialize_der()).into(),
        }
    }

    /// A certificate for a key of any kind.
    pub(crate) fn certificate_for(
        &self,
        name: &str,
        key: &impl PublicKeyData,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let mut params = params(name);
        change(&mut params);
        params.signed_by(key, &self.issuer).unwrap().der().clone()
    }

    /// A list in which these serial numbers are revoked.
    pub(crate) fn revokes(&self, serial_numbers: &[u64]) -> Vec<u8> {
        list(&self.issuer, serial_numbers)
    }
}

fn list(issuer: &Issuer<'_, impl SigningKey>, serial_numbers: &[u64]) -> Vec<u8> {
    let revoked = |serial_number: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*serial_number),
        revocation_time: days(-2),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: days(-2),
        next_update: days(-1), // out of date: that is not asked
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: serial_numbers.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).unwrap().der().to_vec()
}

impl Client {
    /// The same client, who sends these authorities' certificates too.
    pub(crate) fn with(mut self, authorities: &[&Authority]) -> Self {
        let certificates = authorities.iter().map(|authority| authority.certificate.der().clone());
        self.chain.extend(certificates);
        self
    }
}

pub(crate) fn serial_number(number: u64) -> impl FnOnce(&mut CertificateParams) {
    move |params| params.serial_number = Some(SerialNumber::from(number))
}

/// Valid from so many days to so many days from now.
pub(crate) fn valid(from: i64, to: i64) -> impl FnOnce(&mut CertificateParams) {
    move |params| (params.not_before, params.not_after) = (days(from), days(to))
}

pub(crate) fn trust_store_arn() -> TrustStoreArn {
    let scope = Scope {
        region: Region::try_from("us-east-1").unwrap(),
        account: AccountId::try_from("123456789012").unwrap(),
    };
    TrustStoreArn::new(&scope, "clients", ResourceId(7))
}

pub(crate) fn trust_store(authorities: &[&Authority], lists: &[Vec<u8>]) -> TrustStore {
    let pem: String = authorities
        .iter()
        .map(|authority| authority.certificate.pem())
        .collect();
    let revocation = |(id, list): (u64, &Vec<u8>)| Revocation {
        id,
        crl: list.as_slice().into(),
        entries: 0,
    };
    TrustStore {
        arn: trust_store_arn(),
        name: TargetGroupName::try_from("clients").unwrap(),
        bundle_pem: pem.into(),
        certificates: authorities.len().try_into().unwrap(),
        revocations: (1..).zip(lists).map(revocation).collect(),
        owner: Owner::Manifest,
    }
}
