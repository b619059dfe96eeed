//! TLS towards targets. Source: ALB 4.3, 6.3.
//!
//! A target's certificate is never verified: it may be self-signed, out of date or for another name. That the target holds
//! the key of the certificate it shows is verified. Whoever can stand between albacore and its targets can therefore read
//! along, as between an ALB and its own.

use crate::tls::{provider, signature, versions};
use model::elb::listener::ListenerProtocol;
use model::elb::security_policy::SecurityPolicy;
use model::{LoadBalancerArn, State};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, DnsName, ServerName, UnixTime};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Targets whose sessions are remembered, for each configuration. A target takes a few kilobytes.
const SESSIONS_MAX: usize = 512;

/// What is offered by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alpn {
    /// Nothing, for `HTTP1` groups: a server that speaks several protocols then answers in HTTP/1.1, and one that knows no
    /// `http/1.1` by name cannot refuse.
    Http1,
    /// `h2`, for `HTTP2` and `GRPC` groups.
    Http2,
}

/// The configurations towards the targets of one load balancer.
#[derive(Clone, Debug)]
pub(crate) struct TargetTls {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

/// Configurations are made once for each policy.
impl PartialEq for TargetTls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.http1, &other.http1)
    }
}

impl Eq for TargetTls {}

impl TargetTls {
    /// By the policies of its HTTPS listeners. Not for traffic threads.
    pub(crate) fn of(state: &State, load_balancer: &LoadBalancerArn) -> Self {
        let listeners = state.listeners_of(load_balancer);
        let policies = listeners.filter_map(|listener| match &listener.protocol {
            ListenerProtocol::Https(tls) => Some(tls.policy),
            ListenerProtocol::Http => None,
        });
        let policy = target_policy(&policies.collect::<Vec<_>>());
        Self {
            http1: client_config(policy, Alpn::Http1),
            http2: client_config(policy, Alpn::Http2),
        }
    }

    pub(crate) fn config(&self, alpn: Alpn) -> &Arc<ClientConfig> {
        match alpn {
            Alpn::Http1 => &self.http1,
            Alpn::Http2 => &self.http2,
        }
    }
}

/// The policy towards targets, by the policies of a load balancer's HTTPS listeners: the first row of ALB 6.3 that matches.
pub(crate) fn target_policy(listeners: &[&SecurityPolicy]) -> &'static SecurityPolicy {
    type Is = fn(&SecurityPolicy) -> bool;
    const ROWS: [(Is, &str); 5] = [
        (
            |policy| policy.name.contains("-RFC9151-"),
            "ELBSecurityPolicy-TLS13-1-2-RFC9151-INTEROP4-FIPS-2023-07",
        ),
        (
            |policy| policy.name.contains("-FIPS-PQ-"),
            "ELBSecurityPolicy-TLS13-1-0-FIPS-PQ-2025-09",
        ),
        (
            |policy| policy.name.contains("-FIPS-"),
            "ELBSecurityPolicy-TLS13-1-0-FIPS-2023-04",
        ),
        (
            |policy| policy.name.contains("-PQ-"),
            "ELBSecurityPolicy-TLS13-1-0-PQ-2025-09",
        ),
        (
            |policy| policy.name.contains("-TLS13-"),
            "ELBSecurityPolicy-TLS13-1-0-2021-06",
        ),
    ];
    let row = ROWS.iter().find(|(is, _)| listeners.iter().any(|policy| is(policy)));
    let name = row.map_or("ELBSecurityPolicy-2016-08", |(_, name)| name);
    SecurityPolicy::named(name).expect("every row names a policy, and a test reads them all")
}

/// The configuration for all targets under a policy. Made once for the process, so that sessions outlive tables. Not for
/// traffic threads.
pub(crate) fn client_config(policy: &'static SecurityPolicy, alpn: Alpn) -> Arc<ClientConfig> {
    type Configs = BTreeMap<(&'static str, Alpn), Arc<ClientConfig>>;
    static CONFIGS: OnceLock<Mutex<Configs>> = OnceLock::new();
    let mut configs = CONFIGS
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let config = configs
        .entry((policy.name, alpn))
        .or_insert_with(|| Arc::new(build(policy, alpn)));
    config.clone()
}

fn build(policy: &SecurityPolicy, alpn: Alpn) -> ClientConfig {
    let provider = Arc::new(provider(policy));
    let verifier = Arc::new(HoldsItsKey(provider.signature_verification_algorithms));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(policy))
        .expect("every policy has suites for its versions, and a test builds them all")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.enable_sni = SENDS_SERVER_NAME;
    // Looked at once for each new connection: what cores share here they share for less than a microsecond.
    config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
    config.alpn_protocols = match alpn {
        Alpn::Http1 => Vec::new(),
        Alpn::Http2 => vec![b"h2".to_vec()],
    };
    config
}

/// Whether targets are told a server name. A target is an address; no source says that ALB sends a name (unverified).
const SENDS_SERVER_NAME: bool = false;

/// What a target is called towards the TLS library: its sessions are kept by this name. It is not sent.
pub(crate) fn server_name(target: SocketAddr) -> ServerName<'static> {
    // An address alone would mix the sessions of servers on several ports of one host.
    let name = target.to_string().replace(['.', ':', '[', ']', '%'], "-");
    match DnsName::try_from(format!("t{name}t.invalid")) {
        Ok(name) => ServerName::DnsName(name),
        Err(_) => ServerName::IpAddress(target.ip().into()),
    }
}

/// Takes every certificate, and has the signature of the handshake verified with its key.
#[derive(Debug)]
struct HoldsItsKey(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for HoldsItsKey {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature::verify(message, leaf, signed, &self.0, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signature::verify(message, leaf, signed, &self.0, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
