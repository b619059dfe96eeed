//! TLS of HTTPS listeners: certificates and the choice by SNI. Source: ALB 6.1, 6.2.

mod client_auth;
mod client_certificate;
mod der;
mod failure;
mod name;
mod policy;
mod revocation;
pub(crate) mod signature;
mod ticketing;
mod trust;

use aws_lc_rs::digest;
use client_auth::{ClientAuth, ClientVerifier, Verification};
use model::elb::certificate::{Certificate, CertificateKey, covers};
use model::elb::listener::{MutualAuthentication, Tls};
use model::{CertificateArn, ListenerArn, State, TrustStoreArn};
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConfig};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{SignatureAlgorithm, SignatureScheme, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use ticketing::BoundTickets;
use trust::TrustStores;

pub(crate) use client_auth::{ClientIdentity, Seen};
pub(crate) use client_certificate::ClientCertificate;
pub(crate) use failure::{FailureCode, HandshakeFailure};
pub use policy::missing;
pub(crate) use policy::{cipher_name, key_exchange_name, provider, version_name, versions};
pub(crate) use ticketing::Ticketing;
pub use ticketing::UnreadableTicketKeys;
pub use trust::TrustStoreError;

/// The TLS side of one listener: one configuration per certificate, because the certificate is chosen before the
/// handshake goes on, and its ARN belongs into the access log.
#[derive(Debug)]
pub(crate) struct ListenerTls {
    /// The default certificate first.
    certificates: Vec<Served>,
    provider: Arc<CryptoProvider>,
    versions: Vec<&'static SupportedProtocolVersion>,
    client_auth: ClientAuth,
    mutual: MutualAuthentication,
}

#[derive(Debug)]
struct Served {
    arn: CertificateArn,
    names: Vec<String>,
    key: CertificateKey,
    not_after: u64,
    resolver: Arc<SingleCertAndKey>,
    /// For every client, unless each is asked for a certificate.
    config: Arc<ServerConfig>,
}

/// What a client gets.
pub(crate) struct Choice<'a> {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) certificate: &'a CertificateArn,
    /// What it shows, if it is asked for a certificate.
    pub(crate) seen: Option<Arc<Seen>>,
}

/// What the TLS sides of all listeners share, whatever table they are of.
#[derive(Debug)]
pub(crate) struct TlsShared {
    pub(crate) ticketing: Ticketing,
    trust_stores: TrustStores,
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
    /// The trust store is not in the state.
    #[error("trust store {0} does not exist")]
    NoSuchTrustStore(TrustStoreArn),
    /// The trust store cannot be used.
    #[error("trust store {arn} cannot be used")]
    TrustStore {
        /// The trust store.
        arn: TrustStoreArn,
        /// What is wrong with it.
        #[source]
        source: TrustStoreError,
    },
    /// Session tickets need random numbers.
    #[error("session tickets cannot be made: the system gives no random numbers")]
    Tickets,
}

impl TlsShared {
    pub(crate) fn new() -> Result<Self, TlsError> {
        Ok(Self {
            ticketing: Ticketing::new().map_err(|_| TlsError::Tickets)?,
            trust_stores: TrustStores::default(),
        })
    }
}

impl ListenerTls {
    pub(crate) fn build(
        state: &State,
        listener: &ListenerArn,
        tls: &Tls,
        http2: bool,
        shared: &TlsShared,
    ) -> Result<Self, TlsError> {
        let client_auth = client_auth(state, &tls.mutual_authentication, &shared.trust_stores)?;
        let mut built = Self {
            certificates: Vec::with_capacity(1 + tls.certificates.len()),
            provider: Arc::new(provider(tls.policy)),
            versions: versions(tls.policy),
            client_auth,
            mutual: tls.mutual_authentication.clone(),
        };
        for arn in std::iter::once(&tls.default_certificate).chain(&tls.certificates) {
            let certificate = state
                .certificate(arn)
                .ok_or_else(|| TlsError::NoSuchCertificate(arn.clone()))?;
            let tickets = shared.ticketing.bound_to(binding(listener, tls, certificate));
            let served = built.serve(certificate, http2, tickets)?;
            built.certificates.push(served);
        }
        Ok(built)
    }

    /// Whether clients are asked for a certificate, as the listener was set.
    pub(crate) fn mutual(&self) -> &MutualAuthentication {
        &self.mutual
    }

    /// What to remember of a client that showed these certificates and was let in.
    pub(crate) fn identity(&self, chain: &[CertificateDer<'_>]) -> Option<ClientIdentity> {
        self.client_auth.identity(chain)
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
    pub(crate) fn choose(&self, hello: &ClientHello<'_>) -> Result<Choice<'_>, rustls::Error> {
        let sni = hello.server_name().map(str::to_ascii_lowercase);
        let served = self.matching(sni.as_deref(), |served| served.usable_by(hello));
        let known = |offered: &[u8]| served.config.alpn_protocols.iter().any(|ours| ours == offered);
        let alpn = hello.alpn().is_none_or(|mut offered| offered.any(known));
        let (mut config, mut seen) = (served.config.clone(), None);
        if !matches!(self.client_auth, ClientAuth::Off) {
            let mut asking = self.config(&served.resolver, seen.insert(Arc::default()))?;
            asking.alpn_protocols.clone_from(&config.alpn_protocols);
            config = Arc::new(asking);
        }
        if !alpn {
            Arc::make_mut(&mut config).alpn_protocols.clear();
        }
        Ok(Choice {
            config,
            certificate: &served.arn,
            seen,
        })
    }

    fn matching(&self, sni: Option<&str>, usable: impl Fn(&Served) -> bool) -> &Served {
        let matches = |served: &&Served| sni.is_some_and(|sni| served.names.iter().any(|name| covers(name, sni)));
        self.certificates
            .iter()
            .filter(matches)
            .max_by_key(|served| (usable(served), served.key, served.not_after))
            .unwrap_or(&self.certificates[0])
    }

    fn serve(&self, certificate: &Certificate, http2: bool, tickets: BoundTickets) -> Result<Served, TlsError> {
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
        let key = self.provider.key_provider.load_private_key(key).map_err(refused)?;
        let resolver = Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)));
        let mut config = self.config(&resolver, &Arc::default()).map_err(refused)?;
        config.alpn_protocols = if http2 {
            vec![b"h2".to_vec(), b"http/1.1".to_vec()]
        } else {
            vec![b"http/1.1".to_vec()]
        };
        if matches!(self.client_auth, ClientAuth::Off) {
            config.ticketer = Arc::new(tickets);
            config.send_tls13_tickets = TICKETS;
        }
        Ok(Served {
            arn: arn.clone(),
            names: certificate.names.clone(),
            key: certificate.key,
            not_after: certificate.not_after.0,
            resolver,
            config: Arc::new(config),
        })
    }

    /// A configuration that resumes nothing: what its clients have shown holds for one connection.
    fn config(&self, resolver: &Arc<SingleCertAndKey>, seen: &Arc<Seen>) -> Result<ServerConfig, rustls::Error> {
        let builder =
            ServerConfig::builder_with_provider(self.provider.clone()).with_protocol_versions(&self.versions)?;
        let resolver: Arc<dyn ResolvesServerCert> = resolver.clone();
        let mut config = match &self.client_auth {
            ClientAuth::Off => builder.with_no_client_auth(),
            auth => builder.with_client_cert_verifier(Arc::new(ClientVerifier {
                auth: auth.clone(),
                seen: seen.clone(),
            })),
        }
        .with_cert_resolver(resolver);
        config.ignore_client_order = true;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

/// Tickets of TLS 1.3 that a client is given: each is good for one connection.
const TICKETS: usize = 2;

fn client_auth(
    state: &State,
    mutual: &MutualAuthentication,
    trust_stores: &TrustStores,
) -> Result<ClientAuth, TlsError> {
    let (arn, ignore_expiry, advertise) = match mutual {
        MutualAuthentication::Off => return Ok(ClientAuth::Off),
        MutualAuthentication::Passthrough => return Ok(ClientAuth::Passthrough),
        MutualAuthentication::Verify {
            trust_store,
            ignore_client_certificate_expiry,
            advertise_trust_store_ca_names,
        } => (
            trust_store,
            *ignore_client_certificate_expiry,
            *advertise_trust_store_ca_names,
        ),
    };
    let store = state
        .trust_store(arn)
        .ok_or_else(|| TlsError::NoSuchTrustStore(arn.clone()))?;
    let unusable = |source| TlsError::TrustStore {
        arn: arn.clone(),
        source,
    };
    let trust = trust_stores.compiled(store).map_err(unusable)?;
    let advertised = match advertise {
        true => trust.advertised().map_err(unusable)?,
        false => Vec::new(),
    };
    Ok(ClientAuth::Verify(Arc::new(Verification {
        trust,
        ignore_expiry,
        advertised,
    })))
}

/// What a ticket is good for: this listener, showing this very certificate, under this policy. (Listeners that ask for the
/// client's certificate give no tickets and take none.)
fn binding(listener: &ListenerArn, tls: &Tls, certificate: &Certificate) -> [u8; 32] {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in [
        "albacore ticket 1",
        listener.as_str(),
        certificate.arn.as_str(),
        &certificate.chain_pem,
        tls.policy.name,
    ] {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut binding = [0; 32];
    binding.copy_from_slice(hash.finish().as_ref());
    binding
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

#[cfg(test)]
#[path = "../tests/http/authority.rs"]
pub(crate) mod authority;
#[cfg(test)]
mod tests;
