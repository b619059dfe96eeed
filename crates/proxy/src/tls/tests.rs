//! Handshakes in memory: whom a listener lets in, what it calls those whom it does not, and what its tickets are good for.

use super::authority::{Authority, Client, as_is, key, serial_number, trust_store, trust_store_arn};
use super::*;
use model::elb::security_policy::SecurityPolicy;
use model::{AccountId, Change, LoadBalancerArn, Owner, Region, ResourceId, Scope, Secret, Timestamp};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::server::Acceptor;
use rustls::sign::SigningKey;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ServerConnection};
use rustls_pki_types::{ServerName, UnixTime};
use std::io;

fn scope() -> Scope {
    Scope {
        region: Region::try_from("us-east-1").unwrap(),
        account: AccountId::try_from("123456789012").unwrap(),
    }
}

fn listener(number: u64) -> ListenerArn {
    ListenerArn::new(
        &LoadBalancerArn::new(&scope(), "shop", ResourceId(1)),
        ResourceId(number),
    )
}

fn certificate(number: u128) -> Certificate {
    let key = key();
    let own = Authority::root("Servers").client_with("shop", &key, as_is);
    let pem = |label: &str, der: &[u8]| {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    };
    Certificate {
        arn: CertificateArn::new(&scope(), number),
        names: vec!["shop.example".to_owned()],
        key: CertificateKey::Ecdsa(256),
        not_before: Timestamp(0),
        not_after: Timestamp(u64::MAX),
        chain_pem: pem("CERTIFICATE", &own.chain[0]).into(),
        private_key_pem: Secret::new(key.serialize_pem().into()),
        owner: Owner::Manifest,
    }
}

fn verify() -> MutualAuthentication {
    MutualAuthentication::Verify {
        trust_store: trust_store_arn(),
        ignore_client_certificate_expiry: false,
        advertise_trust_store_ca_names: false,
    }
}

/// Everything that listeners of one process are made from.
struct World {
    state: State,
    shared: TlsShared,
    root: Authority,
}

impl World {
    fn new() -> Self {
        let root = Authority::root("Root");
        let mut state = State::default();
        let store = trust_store(&[&root], &[root.revokes(&[666])]);
        state.apply(&Change::PutTrustStore(Arc::new(store)));
        for number in [1, 2] {
            state.apply(&Change::PutCertificate(Arc::new(certificate(number))));
        }
        Self {
            state,
            shared: TlsShared::new().unwrap(),
            root,
        }
    }

    fn tls(&self, mutual: MutualAuthentication) -> Tls {
        Tls {
            default_certificate: CertificateArn::new(&scope(), 1),
            certificates: Vec::new(),
            policy: SecurityPolicy::named("ELBSecurityPolicy-TLS13-1-2-Res-2021-06").unwrap(),
            mutual_authentication: mutual,
        }
    }

    fn listener(&self, number: u64, tls: &Tls) -> ListenerTls {
        ListenerTls::build(&self.state, &listener(number), tls, true, &self.shared).unwrap()
    }
}

/// Takes every server, and signs with a key of its choice.
#[derive(Debug)]
struct Anybody(rustls::crypto::WebPkiSupportedAlgorithms);

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
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        signature::verify(message, leaf, signed, &self.0, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        signature::verify(message, leaf, signed, &self.0, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

type Version = &'static SupportedProtocolVersion;
const VERSIONS: [Version; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// A client's configuration; it remembers its sessions. Without a certificate when there is no `client`.
fn config(version: Version, client: Option<&Client>) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider.signature_verification_algorithms)));
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let key: Arc<dyn SigningKey> = provider.key_provider.load_private_key(client.key.clone_key()).unwrap();
            // It is not looked at whether the key belongs to the certificate, or whether that is one.
            let shown = SingleCertAndKey::from(CertifiedKey::new(client.chain.clone(), key));
            builder.with_client_cert_resolver(Arc::new(shown))
        }
    };
    config.resumption = Resumption::in_memory_sessions(8);
    Arc::new(config)
}

/// What came of a handshake, on the listener's side.
struct Shaken {
    kind: HandshakeKind,
    identity: Option<ClientIdentity>,
}

#[derive(Debug, PartialEq)]
struct Refused {
    code: FailureCode,
    subject: Option<String>,
}

/// As `listener.rs` does it, without sockets.
fn shake(tls: &ListenerTls, config: &Arc<ClientConfig>) -> Result<Shaken, Refused> {
    let name = ServerName::try_from("shop.example").unwrap();
    let mut client = ClientConnection::new(config.clone(), name).unwrap();
    let mut acceptor = Acceptor::default();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    acceptor.read_tls(&mut &bytes[..]).unwrap();
    let accepted = acceptor.accept().ok().flatten().unwrap();
    let choice = tls.choose(&accepted.client_hello()).unwrap();
    let refused = |error: rustls::Error| {
        let seen = choice.seen.as_deref();
        let error = io::Error::other(error);
        Refused {
            code: seen
                .and_then(Seen::refused)
                .unwrap_or_else(|| FailureCode::of_handshake(&error, seen.is_some())),
            subject: seen.and_then(Seen::certificate).map(|certificate| certificate.subject),
        }
    };
    let mut server = accepted
        .into_connection(choice.config.clone())
        .map_err(|(error, _)| refused(error))?;
    while server.wants_write() || client.wants_write() {
        exchange(&mut server, &mut client, &mut bytes).map_err(refused)?;
    }
    assert!(!server.is_handshaking());
    Ok(Shaken {
        kind: server.handshake_kind().unwrap(),
        identity: server.peer_certificates().and_then(|chain| tls.identity(chain)),
    })
}

fn exchange(
    server: &mut ServerConnection,
    client: &mut ClientConnection,
    bytes: &mut Vec<u8>,
) -> Result<(), rustls::Error> {
    bytes.clear();
    while server.wants_write() {
        server.write_tls(bytes).unwrap();
    }
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        client.read_tls(&mut rest).unwrap();
        let _ = client.process_new_packets(); // a client that is refused has nothing more to say
    }
    bytes.clear();
    while client.wants_write() {
        client.write_tls(bytes).unwrap();
    }
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        server.read_tls(&mut rest).unwrap();
        server.process_new_packets()?;
    }
    Ok(())
}

fn refused(code: FailureCode, subject: Option<&str>) -> Option<Refused> {
    let subject = subject.map(str::to_owned);
    Some(Refused { code, subject })
}

#[test]
fn who_is_let_in_where_certificates_are_verified() {
    use FailureCode as F;
    let world = World::new();
    let root = &world.root;
    let tls = world.listener(1, &world.tls(verify()));
    let own_key = |client: Client| Client {
        key: root.client("x", as_is).key,
        ..client
    };
    let one = root.under("One", as_is);
    let large = |bytes: usize| {
        root.client("large", |params| {
            let padding = rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 9999], vec![0; bytes]);
            params.custom_extensions.push(padding);
        })
    };
    let garbage = |bytes: &[u8]| Client {
        chain: vec![CertificateDer::from(bytes.to_vec())],
        key: root.client("x", as_is).key,
    };
    for version in VERSIONS {
        let outcome = |client: &Client| shake(&tls, &config(version, Some(client))).err();
        assert_eq!(outcome(&root.client("good", as_is)), None);
        assert_eq!(outcome(&one.client("good", as_is).with(&[&one])), None);
        assert_eq!(outcome(&large(30_000)), None);

        let without = shake(&tls, &config(version, None)).err();
        assert_eq!(without, refused(F::UnmappedConnectionError, None));
        let thief = own_key(root.client("stolen", as_is));
        assert_eq!(outcome(&thief), refused(F::UnmappedConnectionError, Some("CN=stolen")));
        let foreign = Authority::root("Other").client("foreign", as_is);
        assert_eq!(outcome(&foreign), refused(F::ClientCertUntrusted, Some("CN=foreign")));
        let revoked = root.client("revoked", serial_number(666));
        assert_eq!(outcome(&revoked), refused(F::ClientCertCrlHit, Some("CN=revoked")));
        let deep = root.client("deep", as_is).with(&[&one, &one, &one, &one]);
        assert_eq!(
            outcome(&deep),
            refused(F::ClientCertMaxChainDepthExceeded, Some("CN=deep"))
        );
        assert_eq!(
            outcome(&large(33_000)),
            refused(F::ClientCertMaxSizeExceeded, Some("CN=large"))
        );
        // More than a message of TLS may have: it is not even read.
        let mut huge = large(60_000);
        huge.chain.push(large(60_000).chain.remove(0));
        assert_eq!(outcome(&huge), refused(F::ClientCertMaxSizeExceeded, None));
        for bytes in [&b"garbage"[..], b"\x30\x00", &[0; 5000]] {
            assert_eq!(outcome(&garbage(bytes)), refused(F::ClientCertInvalid, None));
        }
        let edwards = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let edwards = root.client_with("edwards", &edwards, as_is);
        assert_eq!(
            outcome(&edwards),
            refused(F::UnmappedConnectionError, None),
            "it cannot even say so"
        );
    }
}

#[test]
fn what_a_verified_client_is_known_by() {
    let world = World::new();
    let tls = world.listener(1, &world.tls(verify()));
    let client = world.root.client("client", serial_number(0xa5b1)).with(&[&world.root]);
    for version in VERSIONS {
        let shaken = shake(&tls, &config(version, Some(&client))).unwrap();
        let Some(ClientIdentity::Verified { certificate, leaf }) = shaken.identity else {
            panic!("{:?}", shaken.identity);
        };
        assert_eq!((&*certificate.serial_number, &*certificate.issuer), ("A5B1", "CN=Root"));
        assert_eq!(certificate.subject, "CN=client");
        assert_eq!(&*leaf, client_certificate::escaped_pem(&client.chain[..1]));
    }
}

#[test]
fn who_is_let_in_where_certificates_are_passed_through() {
    use FailureCode as F;
    let world = World::new();
    let tls = world.listener(1, &world.tls(MutualAuthentication::Passthrough));
    let other = Authority::root("Other");
    let expired = other
        .client("expired", super::authority::valid(-3, -2))
        .with(&[&other, &world.root]);
    let many: Vec<_> = (0..15).map(|_| &other).collect();
    let edwards = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    for version in VERSIONS {
        let passed = |client: &Client| {
            let shaken = shake(&tls, &config(version, Some(client))).unwrap();
            match shaken.identity {
                Some(ClientIdentity::PassedThrough { certificate, chain }) => (certificate, chain),
                other => panic!("{other:?}"),
            }
        };
        assert!(shake(&tls, &config(version, None)).unwrap().identity.is_none());
        let (certificate, chain) = passed(&expired);
        assert_eq!(certificate.unwrap().subject, "CN=expired");
        assert_eq!(&*chain, client_certificate::escaped_pem(&expired.chain));
        passed(&other.client("many", as_is).with(&many));

        let outcome = |client: &Client| shake(&tls, &config(version, Some(client))).err();
        let thief = Client {
            key: other.client("x", as_is).key,
            ..other.client("stolen", as_is)
        };
        assert_eq!(outcome(&thief), refused(F::UnmappedConnectionError, Some("CN=stolen")));
        let too_many = other.client("many", as_is).with(&many).with(&[&other, &other]);
        assert_eq!(
            outcome(&too_many),
            refused(F::ClientCertMaxChainDepthExceeded, Some("CN=many"))
        );
        let garbage = Client {
            chain: vec![CertificateDer::from(b"garbage".to_vec())],
            key: other.client("x", as_is).key,
        };
        assert_eq!(outcome(&garbage), refused(F::ClientCertInvalid, None));
        let unprovable = Client {
            chain: other.client_with("edwards", &edwards, as_is).chain,
            key: other.client("x", as_is).key,
        };
        assert_eq!(
            outcome(&unprovable),
            refused(F::ClientCertTypeUnsupported, Some("CN=edwards"))
        );
    }
}

#[test]
fn a_client_is_told_the_authorities_only_where_that_is_on() {
    #[derive(Debug, Default)]
    struct Told(std::sync::Mutex<Vec<Vec<u8>>>);
    impl rustls::client::ResolvesClientCert for Told {
        fn resolve(&self, hints: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            *self.0.lock().unwrap() = hints.iter().map(|hint| hint.to_vec()).collect();
            None
        }
        fn has_certs(&self) -> bool {
            true
        }
    }
    let world = World::new();
    let subject = {
        let anchor = webpki::anchor_from_trusted_cert(world.root.certificate.der()).unwrap();
        rustls::DistinguishedName::in_sequence(&anchor.subject)
            .as_ref()
            .to_vec()
    };
    let advertising = MutualAuthentication::Verify {
        trust_store: trust_store_arn(),
        ignore_client_certificate_expiry: false,
        advertise_trust_store_ca_names: true,
    };
    for (mutual, expected) in [
        (verify(), Vec::new()),
        (MutualAuthentication::Passthrough, Vec::new()),
        (advertising, vec![subject]),
    ] {
        let tls = world.listener(1, &world.tls(mutual));
        for version in VERSIONS {
            let told = Arc::new(Told::default());
            let mut asking = ClientConfig::clone(&config(version, None));
            asking.client_auth_cert_resolver = told.clone();
            drop(shake(&tls, &Arc::new(asking)));
            assert_eq!(*told.0.lock().unwrap(), expected);
        }
    }
}

#[test]
fn a_ticket_never_saves_a_client_its_certificate() {
    let world = World::new();
    let client = world.root.client("client", as_is);
    let off = world.listener(1, &world.tls(MutualAuthentication::Off));
    let passing = world.listener(1, &world.tls(MutualAuthentication::Passthrough));
    let verifying = world.listener(1, &world.tls(verify()));
    for version in VERSIONS {
        // Sessions from before it asked are worth nothing where it asks.
        let anonymous = config(version, None);
        assert_eq!(shake(&off, &anonymous).unwrap().kind, HandshakeKind::Full);
        assert_eq!(shake(&off, &anonymous).unwrap().kind, HandshakeKind::Resumed);
        assert_eq!(shake(&passing, &anonymous).unwrap().kind, HandshakeKind::Full);
        let without = shake(&verifying, &anonymous).err();
        assert_eq!(without, refused(FailureCode::UnmappedConnectionError, None));
        // Who has shown a certificate shows it again the next time.
        for listener in [&verifying, &passing] {
            let config = config(version, Some(&client));
            for _ in 0..3 {
                let shaken = shake(listener, &config).unwrap();
                assert_eq!(shaken.kind, HandshakeKind::Full);
                assert!(shaken.identity.is_some());
            }
            // It was given no ticket at all.
            assert_eq!(shake(&off, &config).unwrap().kind, HandshakeKind::Full);
        }
    }
}

#[test]
fn a_ticket_is_good_for_the_listener_that_gave_it() {
    let mut world = World::new();
    let plain = world.tls(MutualAuthentication::Off);
    let giving = world.listener(1, &plain);
    let other_policy = Tls {
        policy: SecurityPolicy::named("ELBSecurityPolicy-FS-1-2-Res-2020-10").unwrap(),
        ..plain.clone()
    };
    let other_certificate = Tls {
        default_certificate: CertificateArn::new(&scope(), 2),
        ..plain.clone()
    };
    let same = world.listener(1, &plain);
    let others = [
        ("another listener", world.listener(2, &plain)),
        ("another certificate", world.listener(1, &other_certificate)),
        ("another policy", world.listener(1, &other_policy)),
    ];
    world.state.apply(&Change::PutCertificate(Arc::new(certificate(1))));
    let renewed = ("a renewed certificate", world.listener(1, &plain));
    let version = &rustls::version::TLS12; // all of them speak it
    for (what, other) in others.iter().chain([&renewed]) {
        let config = config(version, None);
        assert_eq!(shake(&giving, &config).unwrap().kind, HandshakeKind::Full);
        assert_eq!(shake(&same, &config).unwrap().kind, HandshakeKind::Resumed);
        assert_eq!(shake(other, &config).unwrap().kind, HandshakeKind::Full, "{what}");
        assert_eq!(shake(other, &config).unwrap().kind, HandshakeKind::Resumed, "{what}");
    }
    // Keys that have travelled open them too.
    let elsewhere = TlsShared::new().unwrap();
    elsewhere.ticketing.import(&world.shared.ticketing.export()).unwrap();
    let taken_over = ListenerTls::build(&world.state, &listener(1), &plain, true, &elsewhere).unwrap();
    for version in VERSIONS {
        let config = config(version, None);
        assert_eq!(shake(&renewed.1, &config).unwrap().kind, HandshakeKind::Full);
        assert_eq!(shake(&taken_over, &config).unwrap().kind, HandshakeKind::Resumed);
    }
}

#[test]
fn a_trust_store_that_cannot_be_used_keeps_the_listener_from_serving() {
    let mut world = World::new();
    let tls = world.tls(verify());
    let refused = |world: &World| {
        let built = ListenerTls::build(&world.state, &listener(1), &tls, true, &world.shared);
        built.map(drop).unwrap_err()
    };
    let mut empty = trust_store(&[&world.root], &[]);
    empty.bundle_pem = "# nobody\n".into();
    world.state.apply(&Change::PutTrustStore(Arc::new(empty)));
    assert!(matches!(
        refused(&world),
        TlsError::TrustStore {
            source: TrustStoreError::Empty,
            ..
        }
    ));
    world.state.apply(&Change::DeleteTrustStore(trust_store_arn()));
    assert!(matches!(refused(&world), TlsError::NoSuchTrustStore(_)));
}
