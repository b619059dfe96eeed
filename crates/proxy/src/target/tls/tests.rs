use super::*;
use crate::tls::authority::{Authority, valid};
use crate::tls::{cipher_name, version_name};
use model::elb::security_policy::SecurityPolicy;
use rustls::server::ServerConnection;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConnection, HandshakeKind, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn the_policy_follows_the_listeners() {
    for (listeners, expected) in [
        (&[][..], "2016-08"),
        (&["2016-08"], "2016-08"),
        (&["TLS-1-2-2017-01", "FS-1-2-Res-2020-10"], "2016-08"),
        (&["TLS13-1-2-2021-06"], "TLS13-1-0-2021-06"),
        (&["2016-08", "TLS13-1-3-2021-06"], "TLS13-1-0-2021-06"),
        (
            &["TLS13-1-2-Res-PQ-2025-09", "TLS13-1-2-2021-06"],
            "TLS13-1-0-PQ-2025-09",
        ),
        (
            &["TLS13-1-2-FIPS-2023-04", "TLS13-1-2-Res-PQ-2025-09"],
            "TLS13-1-0-FIPS-2023-04",
        ),
        (
            &["TLS13-1-2-FIPS-2023-04", "TLS13-1-3-FIPS-PQ-2025-09"],
            "TLS13-1-0-FIPS-PQ-2025-09",
        ),
        (
            &["TLS13-1-3-FIPS-PQ-2025-09", "TLS13-1-3-RFC9151-FIPS-2023-07"],
            "TLS13-1-2-RFC9151-INTEROP4-FIPS-2023-07",
        ),
        (
            &["TLS13-1-2-RFC9151-INTEROP1-FIPS-2023-07"],
            "TLS13-1-2-RFC9151-INTEROP4-FIPS-2023-07",
        ),
    ] {
        let named = |name: &&str| SecurityPolicy::named(&format!("ELBSecurityPolicy-{name}")).unwrap();
        let listeners: Vec<_> = listeners.iter().map(named).collect();
        assert_eq!(target_policy(&listeners).name, format!("ELBSecurityPolicy-{expected}"));
    }
    for policy in SecurityPolicy::all() {
        let towards = target_policy(&[policy]);
        for alpn in [Alpn::Http1, Alpn::Http2] {
            assert!(
                Arc::ptr_eq(&client_config(towards, alpn), &client_config(towards, alpn)),
                "made once"
            );
        }
    }
}

#[test]
fn each_target_has_a_name_of_its_own() {
    let name = |text: &str| match server_name(text.parse().unwrap()) {
        ServerName::DnsName(name) => name.as_ref().to_owned(),
        other => panic!("{other:?}"),
    };
    let all = [
        "10.0.0.1:443",
        "10.0.0.1:8443",
        "10.0.0.11:443",
        "[2001:db8::1]:443",
        "[::1]:443",
        "[fe80::1%3]:65535",
    ];
    let names: std::collections::BTreeSet<_> = all.iter().map(|text| name(text)).collect();
    assert_eq!(names.len(), all.len(), "{names:?}");
}

/// A target that speaks TLS, in memory.
struct Target(Arc<ServerConfig>);

impl Target {
    fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>, alpn: &[&str]) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = provider.key_provider.load_private_key(key).unwrap();
        // Not `with_single_cert`: that would look at the certificate.
        let resolver = SingleCertAndKey::from(CertifiedKey::new(chain, key));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self(Arc::new(config))
    }

    fn shake(&self, config: Arc<ClientConfig>, address: &str) -> Result<(ClientConnection, ServerConnection), Error> {
        let mut client = ClientConnection::new(config, server_name(address.parse().unwrap())).unwrap();
        let mut server = ServerConnection::new(self.0.clone()).unwrap();
        let mut bytes = Vec::new();
        while client.wants_write() || server.wants_write() {
            bytes.clear();
            client.write_tls(&mut bytes).unwrap();
            if !bytes.is_empty() {
                server.read_tls(&mut &bytes[..]).unwrap();
                server.process_new_packets()?;
            }
            bytes.clear();
            server.write_tls(&mut bytes).unwrap();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                client.read_tls(&mut rest).unwrap();
                client.process_new_packets()?;
            }
        }
        assert!(!client.is_handshaking() && !server.is_handshaking());
        Ok((client, server))
    }
}

fn policy(name: &str) -> &'static SecurityPolicy {
    SecurityPolicy::named(&format!("ELBSecurityPolicy-{name}")).unwrap()
}

/// What openssl makes of some commands, in a directory that is removed.
struct Openssl(PathBuf);

impl Openssl {
    fn new(commands: &[&str]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let unique = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let scratch = std::env::temp_dir().join(format!("albacore-target-{}-{}", unique.0, unique.1));
        std::fs::create_dir(&scratch).unwrap();
        let scratch = Self(scratch);
        for command in commands {
            let done = Command::new("openssl")
                .args(command.split(' '))
                .current_dir(&scratch.0)
                .output()
                .unwrap();
            assert!(
                done.status.success(),
                "{command}: {}",
                String::from_utf8_lossy(&done.stderr)
            );
        }
        scratch
    }

    fn target(&self, alpn: &[&str]) -> Target {
        let chain = CertificateDer::from_pem_file(self.0.join("c.pem")).unwrap();
        Target::new(
            vec![chain],
            PrivateKeyDer::from_pem_file(self.0.join("k.pem")).unwrap(),
            alpn,
        )
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const SELF_SIGNED: &str = "req -x509 -nodes -newkey rsa:2048 -subj /CN=somebody.else -keyout k.pem -out c.pem";

// ALB-H-041: self-signed target certificates are accepted
#[test]
fn no_certificate_is_refused() {
    let version_1 = [
        "req -new -nodes -newkey rsa:2048 -subj /CN=old -keyout k.pem -out r.pem",
        "x509 -req -in r.pem -signkey k.pem -out c.pem",
    ];
    for commands in [
        &[SELF_SIGNED][..],
        &["req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=a -keyout k.pem -out c.pem"],
        &["req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-384 -subj /CN=a -keyout k.pem -out c.pem"],
        &["req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-521 -subj /CN=a -keyout k.pem -out c.pem"],
        &["req -x509 -nodes -newkey ed25519 -subj /CN=a -keyout k.pem -out c.pem"],
        &version_1,
        &["req -x509 -nodes -newkey rsa:2048 -md5 -subj /CN=a -keyout k.pem -out c.pem"],
        &["req -x509 -nodes -newkey rsa:2048 -subj / -addext extendedKeyUsage=codeSigning -keyout k.pem -out c.pem"],
    ] {
        let target = Openssl::new(commands).target(&[]);
        accepted(&target, &format!("{commands:?}"));
    }
    let expired = Authority::root("Root").client("target", valid(-3, -2));
    accepted(&Target::new(expired.chain, expired.key, &[]), "expired");
}

#[track_caller]
fn accepted(target: &Target, what: &str) {
    for name in ["TLS13-1-0-2021-06", "2016-08"] {
        let shaken = target.shake(client_config(policy(name), Alpn::Http1), "10.0.0.1:443");
        let (client, server) = shaken.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(client.protocol_version(), server.protocol_version());
        assert_eq!(server.server_name(), None, "no name is sent");
        assert_eq!(server.alpn_protocol(), None);
    }
}

#[test]
fn a_target_without_the_key_of_its_certificate_is_refused() {
    for name in ["TLS13-1-0-2021-06", "2016-08"] {
        let (one, other) = (Openssl::new(&[SELF_SIGNED]), Openssl::new(&[SELF_SIGNED]));
        let chain = CertificateDer::from_pem_file(one.0.join("c.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(other.0.join("k.pem")).unwrap();
        let refused = Target::new(vec![chain], key, &[]).shake(build(policy(name), Alpn::Http1).into(), "10.0.0.1:443");
        let refused = refused.err().unwrap();
        assert_eq!(
            refused,
            Error::InvalidCertificate(rustls::CertificateError::BadSignature),
            "{name}"
        );
        let garbage = CertificateDer::from(b"garbage".to_vec());
        let key = PrivateKeyDer::from_pem_file(other.0.join("k.pem")).unwrap();
        let refused =
            Target::new(vec![garbage], key, &[]).shake(build(policy(name), Alpn::Http1).into(), "10.0.0.1:443");
        assert_eq!(
            refused.err(),
            Some(Error::InvalidCertificate(rustls::CertificateError::BadEncoding)),
            "{name}"
        );
    }
}

#[test]
fn versions_suites_and_protocols_of_the_policy() {
    let openssl = Openssl::new(&[SELF_SIGNED]);
    for (name, version, cipher) in [
        ("2016-08", "TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("TLS13-1-0-2021-06", "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
        ("TLS13-1-0-FIPS-2023-04", "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
        (
            "TLS13-1-2-RFC9151-INTEROP4-FIPS-2023-07",
            "TLSv1.3",
            "TLS_AES_256_GCM_SHA384",
        ),
    ] {
        let mut target = openssl.target(&["h2", "http/1.1"]);
        // The client's order decides, so that the policy's can be seen.
        Arc::get_mut(&mut target.0).unwrap().ignore_client_order = false;
        for (alpn, agreed) in [(Alpn::Http1, None), (Alpn::Http2, Some(&b"h2"[..]))] {
            let (client, _) = target.shake(build(policy(name), alpn).into(), "10.0.0.1:443").unwrap();
            assert_eq!(client.protocol_version().map(version_name), Some(version), "{name}");
            assert_eq!(
                client.negotiated_cipher_suite().map(|suite| cipher_name(suite.suite())),
                Some(cipher),
                "{name}"
            );
            assert_eq!(client.alpn_protocol(), agreed);
        }
    }
}

#[test]
fn sessions_with_targets_are_resumed() {
    let openssl = Openssl::new(&[SELF_SIGNED]);
    for name in ["2016-08", "TLS13-1-0-2021-06"] {
        let config = Arc::new(build(policy(name), Alpn::Http1));
        let (one, other) = (openssl.target(&[]), openssl.target(&[]));
        let kind = |target: &Target, address| {
            let (client, _) = target.shake(config.clone(), address).unwrap();
            client.handshake_kind().unwrap() == HandshakeKind::Resumed
        };
        assert!(!kind(&one, "10.0.0.1:443"), "{name}");
        assert!(kind(&one, "10.0.0.1:443"), "{name}");
        assert!(!kind(&other, "10.0.0.1:8443"), "{name}: another port is another server");
        assert!(kind(&one, "10.0.0.1:443"), "{name}");
        assert!(kind(&other, "10.0.0.1:8443"), "{name}");
        // A server that has forgotten the session shakes hands in full.
        assert!(!kind(&other, "10.0.0.1:443"), "{name}");
    }
}
