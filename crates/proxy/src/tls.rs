//! TLS of HTTPS listeners: policies, certificates, the choice by SNI. Source: ALB 6.1, 6.2, 6.4.

use model::elb::certificate::{Certificate, CertificateKey, covers};
use model::elb::listener::Tls;
use model::elb::security_policy::{SecurityPolicy, TlsVersion};
use model::{CertificateArn, State};
use rustls::crypto::aws_lc_rs::{self, cipher_suite as suite, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ServerConfig};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CipherSuite, SignatureAlgorithm, SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// The TLS side of one listener: one configuration per certificate, because the certificate is chosen before the
/// handshake goes on, and its ARN belongs into the access log.
#[derive(Debug)]
pub(crate) struct ListenerTls {
    /// The default certificate first.
    certificates: Vec<Served>,
}

#[derive(Debug)]
struct Served {
    arn: CertificateArn,
    names: Vec<String>,
    key: CertificateKey,
    not_after: u64,
    config: Arc<ServerConfig>,
}

/// Why a listener's TLS side cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate is not in the state.
    #[error("certificate {0} does not exist")]
    NoSuchCertificate(CertificateArn),
    /// Chain or key cannot be read.
    #[error("the chain or the key of certificate {0} cannot be read")]
    Unreadable(CertificateArn),
    /// The library refuses it.
    #[error("certificate {arn} cannot be used")]
    Refused {
        /// The certificate.
        arn: CertificateArn,
        /// What the library says.
        #[source]
        source: rustls::Error,
    },
    /// Session tickets need random numbers.
    #[error("session tickets cannot be made")]
    Tickets(#[source] rustls::Error),
}

/// Session tickets that every listener and core shares; the key changes by itself every six hours.
#[derive(Debug)]
pub(crate) struct Ticketing(Arc<dyn ProducesTickets>);

impl Ticketing {
    pub(crate) fn new() -> Result<Self, TlsError> {
        aws_lc_rs::Ticketer::new().map(Self).map_err(TlsError::Tickets)
    }
}

impl ListenerTls {
    pub(crate) fn build(state: &State, tls: &Tls, http2: bool, ticketing: &Ticketing) -> Result<Self, TlsError> {
        let provider = Arc::new(provider(tls.policy));
        let versions = versions(tls.policy);
        let arns = std::iter::once(&tls.default_certificate).chain(&tls.certificates);
        let certificates = arns.map(|arn| {
            let certificate = state
                .certificate(arn)
                .ok_or_else(|| TlsError::NoSuchCertificate(arn.clone()))?;
            serve(certificate, &provider, &versions, http2, ticketing)
        });
        Ok(Self {
            certificates: certificates.collect::<Result<_, _>>()?,
        })
    }

    /// Every name of every certificate.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.certificates
            .iter()
            .flat_map(|served| served.names.iter().map(String::as_str))
    }

    /// The ARN of the default certificate.
    pub(crate) fn default_certificate(&self) -> &CertificateArn {
        &self.certificates[0].arn
    }

    /// The certificate for a client: of those that cover the SNI name the best one that the client can verify, otherwise
    /// the default certificate.
    ///
    /// A client that offers only protocols we do not know by ALPN goes on without one and gets HTTP/1.1, as at AWS (ALB
    /// 4.2, 6.2), where RFC 7301 would end the handshake: a gRPC client is told by a 464 what is wrong.
    pub(crate) fn choose(&self, hello: &ClientHello<'_>) -> (Arc<ServerConfig>, &CertificateArn) {
        let sni = hello.server_name().map(str::to_ascii_lowercase);
        let chosen = self.matching(sni.as_deref(), |served| served.usable_by(hello));
        let known = |offered: &[u8]| chosen.config.alpn_protocols.iter().any(|ours| ours == offered);
        if hello.alpn().is_none_or(|mut offered| offered.any(known)) {
            return (chosen.config.clone(), &chosen.arn);
        }
        let mut without = ServerConfig::clone(&chosen.config);
        without.alpn_protocols.clear();
        (Arc::new(without), &chosen.arn)
    }

    fn matching(&self, sni: Option<&str>, usable: impl Fn(&Served) -> bool) -> &Served {
        let matches = |served: &&Served| sni.is_some_and(|sni| served.names.iter().any(|name| covers(name, sni)));
        self.certificates
            .iter()
            .filter(matches)
            .max_by_key(|served| (usable(served), served.key, served.not_after))
            .unwrap_or(&self.certificates[0])
    }
}

impl Served {
    /// Whether a handshake with this certificate can succeed: the client can verify the key, and one of the suites it
    /// offers is for such keys (TLS 1.2 suites name the kind of key, those of TLS 1.3 do not).
    fn usable_by(&self, hello: &ClientHello<'_>) -> bool {
        let algorithm = match self.key {
            CertificateKey::Rsa(_) => SignatureAlgorithm::RSA,
            CertificateKey::Ecdsa(_) => SignatureAlgorithm::ECDSA,
        };
        let mut served = self.config.crypto_provider().cipher_suites.iter();
        speaks(hello.signature_schemes(), self.key)
            && served.any(|suite| {
                suite.usable_for_signature_algorithm(algorithm) && hello.cipher_suites().contains(&suite.suite())
            })
    }
}

/// Whether a client that offers these signature schemes can verify a certificate with such a key.
fn speaks(schemes: &[SignatureScheme], key: CertificateKey) -> bool {
    use SignatureScheme as S;
    let wanted: &[S] = match key {
        CertificateKey::Rsa(_) => &[
            S::RSA_PKCS1_SHA256,
            S::RSA_PKCS1_SHA384,
            S::RSA_PKCS1_SHA512,
            S::RSA_PSS_SHA256,
            S::RSA_PSS_SHA384,
            S::RSA_PSS_SHA512,
        ],
        CertificateKey::Ecdsa(256) => &[S::ECDSA_NISTP256_SHA256],
        CertificateKey::Ecdsa(384) => &[S::ECDSA_NISTP384_SHA384],
        CertificateKey::Ecdsa(_) => &[S::ECDSA_NISTP521_SHA512],
    };
    wanted.iter().any(|scheme| schemes.contains(scheme))
}

fn serve(
    certificate: &Certificate,
    provider: &Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    http2: bool,
    ticketing: &Ticketing,
) -> Result<Served, TlsError> {
    let arn = &certificate.arn;
    let refused = |source| TlsError::Refused {
        arn: arn.clone(),
        source,
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.chain_pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::Unreadable(arn.clone()))?;
    let key = PrivateKeyDer::from_pem_slice(certificate.private_key_pem.expose().as_bytes())
        .map_err(|_| TlsError::Unreadable(arn.clone()))?;
    let key = provider.key_provider.load_private_key(key).map_err(refused)?;
    let resolver = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(refused)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.ignore_client_order = true;
    config.ticketer = ticketing.0.clone();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.alpn_protocols = if http2 {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        vec![b"http/1.1".to_vec()]
    };
    Ok(Served {
        arn: arn.clone(),
        names: certificate.names.clone(),
        key: certificate.key,
        not_after: certificate.not_after.0,
        config: Arc::new(config),
    })
}

/// The suites of a policy that can be served, in the policy's order: narrowed openly, never widened.
fn provider(policy: &SecurityPolicy) -> CryptoProvider {
    let classical: [&'static dyn SupportedKxGroup; 3] = [kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];
    let mut kx_groups = classical.to_vec();
    if policy.post_quantum() {
        kx_groups.insert(0, kx_group::X25519MLKEM768);
    }
    let cipher_suites = policy.ciphers().filter_map(suite_named).collect();
    CryptoProvider {
        cipher_suites,
        kx_groups,
        ..aws_lc_rs::default_provider()
    }
}

fn versions(policy: &SecurityPolicy) -> Vec<&'static SupportedProtocolVersion> {
    let served = |version: &TlsVersion| match version {
        TlsVersion::V1_3 => Some(&rustls::version::TLS13),
        TlsVersion::V1_2 => Some(&rustls::version::TLS12),
        TlsVersion::V1_1 | TlsVersion::V1_0 => None,
    };
    policy.versions.iter().filter_map(served).collect()
}

/// What of a policy is not served, in AWS's names: for the start line and `doctor`.
pub fn missing(policy: &SecurityPolicy) -> Vec<&'static str> {
    let old = policy
        .versions
        .iter()
        .filter(|version| **version < TlsVersion::V1_2)
        .map(|version| version.as_str());
    old.chain(policy.ciphers().filter(|name| suite_named(name).is_none()))
        .collect()
}

const SUITES: [(&str, SupportedCipherSuite); 7] = [
    ("TLS_AES_128_GCM_SHA256", suite::TLS13_AES_128_GCM_SHA256),
    ("TLS_AES_256_GCM_SHA384", suite::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", suite::TLS13_CHACHA20_POLY1305_SHA256),
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-RSA-AES128-GCM-SHA256",
        suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "ECDHE-RSA-AES256-GCM-SHA384",
        suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
];

fn suite_named(name: &str) -> Option<SupportedCipherSuite> {
    SUITES.iter().find(|(known, _)| *known == name).map(|(_, suite)| *suite)
}

/// OpenSSL's name of a negotiated suite, as the access log and `x-amzn-tls-cipher-suite` spell it.
pub(crate) fn cipher_name(negotiated: CipherSuite) -> &'static str {
    SUITES
        .iter()
        .find(|(_, suite)| suite.suite() == negotiated)
        .map_or("-", |(name, _)| name)
}

/// The version as the access log and `x-amzn-tls-version` spell it.
pub(crate) fn version_name(version: rustls::ProtocolVersion) -> &'static str {
    match version {
        rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3",
        rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2",
        _ => "-",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ALB-X-003: the server's order decides, which is the policy's
    #[test]
    fn every_policy_can_be_served_in_its_own_order() {
        for policy in SecurityPolicy::all() {
            let served: Vec<_> = provider(policy)
                .cipher_suites
                .iter()
                .map(|suite| cipher_name(suite.suite()))
                .collect();
            let wanted: Vec<_> = policy.ciphers().filter(|name| served.contains(name)).collect();
            assert_eq!(served, wanted, "{}", policy.name);
            let of = |version| {
                served
                    .iter()
                    .any(|name| name.starts_with("TLS_") == (version == TlsVersion::V1_3))
            };
            for version in policy.versions.iter().filter(|version| **version >= TlsVersion::V1_2) {
                assert!(of(*version), "{} has no suite for {version:?}", policy.name);
            }
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing_of = |name: &str| missing(SecurityPolicy::named(name).unwrap());
        assert_eq!(
            missing_of("ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"),
            Vec::<&str>::new()
        );
        assert_eq!(
            missing_of("ELBSecurityPolicy-TLS13-1-2-2021-06").len(),
            4,
            "the CBC suites"
        );
        assert!(missing_of("ELBSecurityPolicy-2016-08").starts_with(&["TLSv1.1", "TLSv1"]));
    }

    #[test]
    fn post_quantum_groups_come_first_where_asked_for() {
        let first = |name: &str| provider(SecurityPolicy::named(name).unwrap()).kx_groups[0].name();
        assert_eq!(
            first("ELBSecurityPolicy-TLS13-1-3-PQ-2025-09"),
            rustls::NamedGroup::X25519MLKEM768
        );
        assert_eq!(first("ELBSecurityPolicy-TLS13-1-3-2021-06"), rustls::NamedGroup::X25519);
    }
}
