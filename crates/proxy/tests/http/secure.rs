//! Certificates, HTTPS listeners, and clients that speak TLS.

use crate::authority;
use crate::support::*;
use model::elb::certificate::{Certificate, CertificateKey};
use model::elb::listener::{ListenerProtocol, MutualAuthentication, Tls};
use model::elb::security_policy::SecurityPolicy;
use model::elb::trust_store::TrustStore;
use model::{CertificateArn, Command, Owner, Secret, Timestamp};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

/// TLS 1.3 and 1.2 with the suites that are served.
pub(crate) const POLICY: &str = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06";

pub(crate) type SecureClient = Client<StreamOwned<ClientConnection, TcpStream>>;

/// A directory that is removed at the end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let unique = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("albacore-proxy-{}-{}", unique.0, unique.1));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn certificate(number: u128, names: &[&str], key: CertificateKey, chain: &str, private_key: &str) -> Certificate {
    Certificate {
        arn: CertificateArn::new(&scope(), number),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        key,
        not_before: Timestamp(0),
        not_after: Timestamp(u64::MAX),
        chain_pem: chain.into(),
        private_key_pem: Secret::new(private_key.into()),
        owner: Owner::Manifest,
    }
}

/// An ECDSA certificate of an authority of its own.
pub(crate) fn ecdsa(number: u128, names: &[&str]) -> Certificate {
    let scratch = Scratch::new();
    let authority = pki::Authority::open_or_create(&scratch.0, SystemTime::now()).unwrap();
    let issued = authority.issue(names, SystemTime::now()).unwrap();
    let key = CertificateKey::Ecdsa(256);
    certificate(number, names, key, &issued.chain_pem, issued.private_key_pem.expose())
}

/// A self-signed RSA certificate.
pub(crate) fn rsa(number: u128, name: &str) -> Certificate {
    let scratch = Scratch::new();
    let done = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"])
        .args(["-keyout", "key.pem", "-out", "chain.pem", "-subj", "/CN=test"])
        .args(["-addext", &format!("subjectAltName=DNS:{name}")])
        .current_dir(&scratch.0)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let read = |file| std::fs::read_to_string(scratch.0.join(file)).unwrap();
    let key = CertificateKey::Rsa(2048);
    certificate(number, &[name], key, &read("chain.pem"), &read("key.pem"))
}

impl Setup {
    /// An HTTPS listener; the first certificate is the default one.
    pub(crate) fn secure(mut self, policy: &str, certificates: &[&Certificate]) -> Self {
        let arns: Vec<_> = certificates.iter().map(|certificate| certificate.arn.clone()).collect();
        self.protocol = ListenerProtocol::Https(Tls {
            mutual_authentication: MutualAuthentication::Off,
            default_certificate: arns[0].clone(),
            certificates: arns[1..].to_vec(),
            policy: SecurityPolicy::named(policy).unwrap(),
        });
        let import = |certificate: &&Certificate| Command::ImportCertificate((*certificate).clone());
        self.extra.extend(certificates.iter().map(import));
        self
    }

    /// The same with a certificate for `shop.example`.
    pub(crate) fn with_tls(self) -> Self {
        self.secure(POLICY, &[&ecdsa(1, &["shop.example"])])
    }

    /// Clients of the HTTPS listener are asked for a certificate.
    pub(crate) fn asking(mut self, mutual: MutualAuthentication, store: Option<TrustStore>) -> Self {
        if let ListenerProtocol::Https(tls) = &mut self.protocol {
            tls.mutual_authentication = mutual;
        }
        self.extra.extend(store.map(Command::PutTrustStore));
        self
    }
}

/// What a client offers.
pub(crate) struct Offer {
    pub(crate) provider: CryptoProvider,
    pub(crate) versions: Vec<&'static rustls::SupportedProtocolVersion>,
    pub(crate) alpn: Vec<&'static str>,
    pub(crate) schemes: Vec<SignatureScheme>,
    /// What it shows when it is asked for a certificate.
    pub(crate) client: Option<authority::Client>,
}

impl Default for Offer {
    fn default() -> Self {
        let provider = aws_lc_rs::default_provider();
        Self {
            schemes: provider.signature_verification_algorithms.supported_schemes(),
            provider,
            versions: vec![&rustls::version::TLS13, &rustls::version::TLS12],
            alpn: Vec::new(),
            client: None,
        }
    }
}

impl Offer {
    pub(crate) fn showing(mut self, client: authority::Client) -> Self {
        self.client = Some(client);
        self
    }

    pub(crate) fn alpn(protocols: &[&'static str]) -> Self {
        Self {
            alpn: protocols.to_vec(),
            ..Self::default()
        }
    }

    pub(crate) fn tls12() -> Self {
        Self {
            versions: vec![&rustls::version::TLS12],
            ..Self::default()
        }
    }

    pub(crate) fn only_suites(mut self, keep: impl Fn(rustls::CipherSuite) -> bool) -> Self {
        self.provider.cipher_suites.retain(|suite| keep(suite.suite()));
        self
    }

    pub(crate) fn config(self) -> Arc<ClientConfig> {
        let provider = Arc::new(self.provider);
        let anybody = Arc::new(Anybody {
            provider: provider.clone(),
            schemes: self.schemes,
        });
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&self.versions)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(anybody);
        let mut config = match self.client {
            None => builder.with_no_client_auth(),
            Some(client) => {
                let key = provider.key_provider.load_private_key(client.key).unwrap();
                // Neither is looked at: a test may show what it likes.
                let shown = SingleCertAndKey::from(CertifiedKey::new(client.chain, key));
                builder.with_client_cert_resolver(Arc::new(shown))
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// Takes every certificate; tests compare it themselves. Signatures are checked.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

/// A finished handshake, or why there is none.
pub(crate) fn handshake(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> io::Result<SecureClient> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut session = ClientConnection::new(config.clone(), name).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    Ok(Client::new(StreamOwned::new(session, stream)))
}

impl Server {
    pub(crate) fn handshake(&self, config: &Arc<ClientConfig>, name: &str) -> io::Result<SecureClient> {
        handshake(self.address, config, name)
    }

    pub(crate) fn secure(&self, offer: Offer) -> SecureClient {
        self.handshake(&offer.config(), "shop.example").unwrap()
    }
}

impl SecureClient {
    pub(crate) fn get(&mut self) -> Response {
        self.send(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        self.response()
    }

    /// The leaf that the server showed.
    pub(crate) fn leaf(&self) -> &[u8] {
        &self.stream.conn.peer_certificates().unwrap()[0]
    }

    pub(crate) fn suite(&self) -> rustls::CipherSuite {
        self.stream.conn.negotiated_cipher_suite().unwrap().suite()
    }
}

/// The leaf of a certificate.
pub(crate) fn leaf_of(certificate: &Certificate) -> Vec<u8> {
    CertificateDer::from_pem_slice(certificate.chain_pem.as_bytes())
        .unwrap()
        .to_vec()
}
