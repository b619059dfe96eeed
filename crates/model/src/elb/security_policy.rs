//! TLS security policies by AWS's names: which versions and cipher suites a listener offers. Source: ALB 6.4.
//!
//! The table says what AWS offers. What albacore can serve of it is decided by `proxy`, which narrows and never widens.

/// One predefined policy.
#[derive(Debug, PartialEq, Eq)]
pub struct SecurityPolicy {
    /// AWS's name, with `ELBSecurityPolicy-` in front.
    pub name: &'static str,
    /// The protocol versions, newest first.
    pub versions: &'static [TlsVersion],
    /// Cipher suites in order of preference, in groups; OpenSSL's names.
    groups: &'static [&'static [&'static str]],
}

/// A TLS protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.0.
    V1_0,
    /// TLS 1.1.
    V1_1,
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl TlsVersion {
    /// The name in AWS's lists and logs: `TLSv1.3`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "TLSv1",
            Self::V1_1 => "TLSv1.1",
            Self::V1_2 => "TLSv1.2",
            Self::V1_3 => "TLSv1.3",
        }
    }
}

/// No policy has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("security policy {0:?} does not exist; the names begin with ELBSecurityPolicy-, for example {DEFAULT}")]
pub struct NoSuchPolicy(pub String);

/// What a listener gets that names no policy through the API. Source: ALB 1.7 `SslPolicy`.
pub const DEFAULT: &str = "ELBSecurityPolicy-2016-08";

impl SecurityPolicy {
    /// The policy that AWS calls `name`.
    pub fn named(name: &str) -> Result<&'static Self, NoSuchPolicy> {
        POLICIES
            .iter()
            .find(|policy| policy.name == name)
            .ok_or_else(|| NoSuchPolicy(name.to_owned()))
    }

    /// All policies, in the order of ALB 6.4.
    pub fn all() -> &'static [Self] {
        POLICIES
    }

    /// Its cipher suites in order of preference.
    pub fn ciphers(&self) -> impl Iterator<Item = &'static str> {
        self.groups.iter().flat_map(|group| group.iter().copied())
    }

    /// Whether it asks for the hybrid post-quantum key exchange groups first.
    pub fn post_quantum(&self) -> bool {
        self.name.contains("-PQ-")
    }
}

const V3: &[TlsVersion] = &[TlsVersion::V1_3];
const V32: &[TlsVersion] = &[TlsVersion::V1_3, TlsVersion::V1_2];
const V321: &[TlsVersion] = &[TlsVersion::V1_3, TlsVersion::V1_2, TlsVersion::V1_1];
const V3210: &[TlsVersion] = &[TlsVersion::V1_3, TlsVersion::V1_2, TlsVersion::V1_1, TlsVersion::V1_0];
const V2: &[TlsVersion] = &[TlsVersion::V1_2];
const V21: &[TlsVersion] = &[TlsVersion::V1_2, TlsVersion::V1_1];
const V210: &[TlsVersion] = &[TlsVersion::V1_2, TlsVersion::V1_1, TlsVersion::V1_0];

const T3: &[&str] = &[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];
const F3: &[&str] = &["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"];
const S: &[&str] = &["TLS_AES_256_GCM_SHA384"];
const S128: &[&str] = &["TLS_AES_128_GCM_SHA256"];
const A: &[&str] = &["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"];
const B: &[&str] = &["ECDHE-ECDSA-AES128-SHA256", "ECDHE-RSA-AES128-SHA256"];
const C: &[&str] = &["ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA"];
const D: &[&str] = &["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"];
const E: &[&str] = &["ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA384"];
const G: &[&str] = &["ECDHE-RSA-AES256-SHA", "ECDHE-ECDSA-AES256-SHA"];
const GR: &[&str] = &["ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA"];
const R1: &[&str] = &["AES128-GCM-SHA256", "AES128-SHA256"];
const R2: &[&str] = &["AES128-SHA"];
const R3: &[&str] = &["AES256-GCM-SHA384", "AES256-SHA256"];
const R3A: &[&str] = &["AES256-GCM-SHA384"];
const R4: &[&str] = &["AES256-SHA"];
const RR: &[&str] = &[
    "AES256-GCM-SHA384",
    "AES256-SHA256",
    "AES256-SHA",
    "AES128-GCM-SHA256",
    "AES128-SHA256",
    "AES128-SHA",
];
const DES: &[&str] = &["DES-CBC3-SHA"];

const POLICIES: &[SecurityPolicy] = &[
    policy("ELBSecurityPolicy-TLS13-1-3-2021-06", V3, &[T3]),
    policy("ELBSecurityPolicy-TLS13-1-3-PQ-2025-09", V3, &[T3]),
    policy("ELBSecurityPolicy-TLS13-1-2-2021-06", V32, &[T3, A, B, D, E]),
    policy("ELBSecurityPolicy-TLS13-1-2-PQ-2025-09", V32, &[T3, A, B, D, E]),
    policy("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", V32, &[T3, A, D]),
    policy("ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09", V32, &[T3, A, D]),
    policy(
        "ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06",
        V32,
        &[T3, A, B, D, E, R1, R3],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-2-Ext1-PQ-2025-09",
        V32,
        &[T3, A, B, D, E, R1, R3],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06",
        V32,
        &[T3, A, B, C, D, E, G, R1, R2, R3, R4],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-2-Ext2-PQ-2025-09",
        V32,
        &[T3, A, B, C, D, E, G, R1, R2, R3, R4],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-1-2021-06",
        V321,
        &[T3, A, B, C, D, E, G, R1, R2, R3, R4],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-0-2021-06",
        V3210,
        &[T3, A, B, C, D, E, G, R1, R2, R3, R4],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-0-PQ-2025-09",
        V3210,
        &[T3, A, B, C, D, E, G, R1, R2, R3, R4],
    ),
    policy(
        "ELBSecurityPolicy-TLS-1-2-Ext-2018-06",
        V2,
        &[A, B, C, D, E, G, R1, R2, R3, R4],
    ),
    policy("ELBSecurityPolicy-TLS-1-2-2017-01", V2, &[A, B, D, E, R1, R3]),
    policy(
        "ELBSecurityPolicy-TLS-1-1-2017-01",
        V21,
        &[A, B, C, D, E, G, R1, R2, R3, R4],
    ),
    policy("ELBSecurityPolicy-2016-08", V210, &[A, B, C, D, E, G, R1, R2, R3, R4]),
    policy("ELBSecurityPolicy-2015-05", V210, &[A, B, C, D, E, G, R1, R2, R3, R4]),
    policy(
        "ELBSecurityPolicy-TLS-1-0-2015-04",
        V210,
        &[A, B, C, D, E, G, R1, R2, R3, R4, DES],
    ),
    policy("ELBSecurityPolicy-FS-2018-06", V210, &[A, B, C, D, E, G]),
    policy("ELBSecurityPolicy-FS-1-1-2019-08", V21, &[A, B, C, D, E, G]),
    policy("ELBSecurityPolicy-FS-1-2-2019-08", V2, &[A, B, C, D, E, G]),
    policy("ELBSecurityPolicy-FS-1-2-Res-2019-08", V2, &[A, B, D, E]),
    policy("ELBSecurityPolicy-FS-1-2-Res-2020-10", V2, &[A, D]),
    policy("ELBSecurityPolicy-TLS13-1-3-FIPS-2023-04", V3, &[F3]),
    policy("ELBSecurityPolicy-TLS13-1-3-FIPS-PQ-2025-09", V3, &[F3]),
    policy("ELBSecurityPolicy-TLS13-1-2-FIPS-2023-04", V32, &[F3, A, B, D, E]),
    policy("ELBSecurityPolicy-TLS13-1-2-FIPS-PQ-2025-09", V32, &[F3, A, B, D, E]),
    policy("ELBSecurityPolicy-TLS13-1-2-Res-FIPS-2023-04", V32, &[F3, A, D]),
    policy("ELBSecurityPolicy-TLS13-1-2-Res-FIPS-PQ-2025-09", V32, &[F3, A, D]),
    policy(
        "ELBSecurityPolicy-TLS13-1-2-Ext0-FIPS-2023-04",
        V32,
        &[F3, A, B, C, D, E, G],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-2-Ext0-FIPS-PQ-2025-09",
        V32,
        &[F3, A, B, C, D, E, G],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-2-Ext1-FIPS-2023-04",
        V32,
        &[F3, A, B, D, E, R1, R3],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-2-Ext1-FIPS-PQ-2025-09",
        V32,
        &[F3, A, B, D, E, R1, R3],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-2-Ext2-FIPS-2023-04",
        V32,
        &[F3, A, B, C, D, E, G, R1, R2, R3, R4],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-2-Ext2-FIPS-PQ-2025-09",
        V32,
        &[F3, A, B, C, D, E, G, R1, R2, R3, R4],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-1-FIPS-2023-04",
        V321,
        &[F3, A, B, C, D, E, G, R1, R2, R3, R4],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-0-FIPS-2023-04",
        V3210,
        &[F3, A, B, C, D, E, G, R1, R2, R3, R4],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-0-FIPS-PQ-2025-09",
        V3210,
        &[F3, A, B, C, D, E, G, R1, R2, R3, R4],
    ),
    policy("ELBSecurityPolicy-TLS13-1-3-RFC9151-FIPS-2023-07", V3, &[S]),
    policy("ELBSecurityPolicy-TLS13-1-2-RFC9151-FIPS-2023-07", V32, &[S, D]),
    policy(
        "ELBSecurityPolicy-TLS13-1-2-Ext0-RFC9151-FIPS-2023-07",
        V32,
        &[S, D, R3A],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-2-RFC9151-INTEROP1-FIPS-2023-07",
        V32,
        &[S, S128, D, A],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-2-RFC9151-INTEROP2-FIPS-2023-07",
        V32,
        &[S, S128, D, A, E, B],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-2-RFC9151-INTEROP3-FIPS-2023-07",
        V32,
        &[S, S128, D, E, GR, A, B, C],
    ),
    policy(
        "ELBSecurityPolicy-TLS13-1-2-RFC9151-INTEROP4-FIPS-2023-07",
        V32,
        &[S, S128, D, E, GR, A, B, C, RR],
    ),
];

const fn policy(
    name: &'static str,
    versions: &'static [TlsVersion],
    groups: &'static [&'static [&'static str]],
) -> SecurityPolicy {
    SecurityPolicy { name, versions, groups }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_found_by_name() {
        let policy = SecurityPolicy::named("ELBSecurityPolicy-TLS13-1-2-Res-2021-06").unwrap();
        assert_eq!(policy.versions, [TlsVersion::V1_3, TlsVersion::V1_2]);
        let ciphers: Vec<_> = policy.ciphers().collect();
        assert_eq!(ciphers[0], "TLS_AES_128_GCM_SHA256");
        assert_eq!(ciphers[3], "ECDHE-ECDSA-AES128-GCM-SHA256");
        assert_eq!(ciphers.len(), 7);
        assert!(SecurityPolicy::named("TLS13-1-2-Res-2021-06").is_err());
        assert!(SecurityPolicy::named(DEFAULT).is_ok());
    }

    #[test]
    fn names_are_unique_and_no_cipher_stands_twice() {
        for (at, policy) in POLICIES.iter().enumerate() {
            assert!(
                POLICIES[..at].iter().all(|earlier| earlier.name != policy.name),
                "{}",
                policy.name
            );
            let mut ciphers: Vec<_> = policy.ciphers().collect();
            let count = ciphers.len();
            ciphers.sort_unstable();
            ciphers.dedup();
            assert_eq!(ciphers.len(), count, "{}", policy.name);
        }
        assert_eq!(POLICIES.len(), 46);
    }
}
