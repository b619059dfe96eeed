//! Security policies: what of AWS's lists is served, and AWS's names for what was agreed. Source: ALB 6.4.

use model::elb::security_policy::{SecurityPolicy, TlsVersion};
use rustls::crypto::aws_lc_rs::{self, cipher_suite as suite, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{CipherSuite, NamedGroup, ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion};

/// The suites of a policy that can be served, in the policy's order: narrowed openly, never widened.
pub(crate) fn provider(policy: &SecurityPolicy) -> CryptoProvider {
    let classical: [&'static dyn SupportedKxGroup; 3] = [kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];
    let mut kx_groups = Vec::with_capacity(5);
    if policy.post_quantum() {
        kx_groups.extend([kx_group::X25519MLKEM768, kx_group::SECP256R1MLKEM768]);
    }
    kx_groups.extend(classical);
    let cipher_suites = policy.ciphers().filter_map(suite_named).collect();
    CryptoProvider {
        cipher_suites,
        kx_groups,
        ..aws_lc_rs::default_provider()
    }
}

/// The versions of a policy that are served.
pub(crate) fn versions(policy: &SecurityPolicy) -> Vec<&'static SupportedProtocolVersion> {
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
pub(crate) fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        _ => "-",
    }
}

/// The key exchange as the connection log spells it. Source: ALB 8.5, field 13.
pub(crate) fn key_exchange_name(group: NamedGroup) -> &'static str {
    match group {
        NamedGroup::X25519 => "x25519",
        NamedGroup::secp256r1 => "secp256r1",
        NamedGroup::secp384r1 => "secp384r1",
        NamedGroup::X25519MLKEM768 => "X25519MLKEM768",
        NamedGroup::secp256r1MLKEM768 => "SecP256r1MLKEM768",
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
    fn every_group_that_is_offered_has_a_name() {
        for policy in SecurityPolicy::all() {
            for group in provider(policy).kx_groups {
                assert_ne!(key_exchange_name(group.name()), "-", "{:?}", group.name());
            }
        }
    }

    #[test]
    fn post_quantum_groups_come_first_where_asked_for() {
        let first = |name: &str| provider(SecurityPolicy::named(name).unwrap()).kx_groups[0].name();
        assert_eq!(
            first("ELBSecurityPolicy-TLS13-1-3-PQ-2025-09"),
            NamedGroup::X25519MLKEM768
        );
        assert_eq!(first("ELBSecurityPolicy-TLS13-1-3-2021-06"), NamedGroup::X25519);
    }
}
