//! Load balancers and their attributes. Source: ALB 1.3, 1.4.

use super::attribute::{AttributeRefusal, boolean, nearest_key, number, only};
use super::name::LoadBalancerName;
use crate::arn::LoadBalancerArn;
use crate::ids::{Owner, Region, ResourceId, Timestamp};
use std::time::Duration;

/// One Application Load Balancer.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadBalancer {
    /// Its ARN.
    pub arn: LoadBalancerArn,
    /// Its name.
    pub name: LoadBalancerName,
    /// Internet-facing or internal; fixed at creation.
    pub scheme: Scheme,
    /// The name clients may reach it by, lower-case.
    pub dns_name: String,
    /// When it was created. On a port that several load balancers share, the oldest answers what names none of them.
    pub created: Timestamp,
    /// Its attributes.
    pub attributes: LoadBalancerAttributes,
    /// Who may change it.
    pub owner: Owner,
}

/// Whether a load balancer is meant for the internet. Source: ALB 1.3 `Scheme`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `internet-facing`.
    #[default]
    InternetFacing,
    /// `internal`: its DNS name begins with `internal-`.
    Internal,
}

/// The DNS name of a load balancer: `{name}-{digits}.{region}.{suffix}`, lower-case. Source: ALB 1.1.
pub fn dns_name(name: &LoadBalancerName, id: ResourceId, scheme: Scheme, region: &Region, suffix: &str) -> String {
    let prefix = match scheme {
        Scheme::InternetFacing => "",
        Scheme::Internal => "internal-",
    };
    let digits = 100_000_000 + id.0 % 9_900_000_000;
    format!("{prefix}{name}-{digits}.{region}.{suffix}").to_ascii_lowercase()
}

/// How requests that could be read in two ways are treated. Source: ALB 4.9.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DesyncMode {
    /// Everything is let through and logged.
    Monitor,
    /// Severe requests are blocked, ambiguous ones are served on a connection that closes.
    #[default]
    Defensive,
    /// Only compliant requests are let through.
    Strictest,
}

/// What happens to `X-Forwarded-For`. Source: ALB 4.6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ForwardedForMode {
    /// The client's address is added at the end.
    #[default]
    Append,
    /// The header stays as the client sent it.
    Preserve,
    /// The header is removed.
    Remove,
}

/// The attributes that have an effect; every other key of ALB 1.4 accepts its default only and says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancerAttributes {
    /// `idle_timeout.timeout_seconds`, 1 to 4000 seconds.
    pub idle_timeout: Duration,
    /// `client_keep_alive.seconds`, 60 to 604800 seconds; fixed for a connection when it is accepted.
    pub client_keep_alive: Duration,
    /// `deletion_protection.enabled`.
    pub deletion_protection: bool,
    /// `routing.http2.enabled`: offer `h2` on HTTPS listeners.
    pub http2: bool,
    /// `routing.http.desync_mitigation_mode`.
    pub desync: DesyncMode,
    /// `routing.http.drop_invalid_header_fields.enabled`.
    pub drop_invalid_header_fields: bool,
    /// `routing.http.preserve_host_header.enabled`.
    pub preserve_host_header: bool,
    /// `routing.http.x_amzn_tls_version_and_cipher_suite.enabled`.
    pub tls_version_and_cipher_suite: bool,
    /// `routing.http.xff_client_port.enabled`; has an effect in `append` only.
    pub xff_client_port: bool,
    /// `routing.http.xff_header_processing.mode`.
    pub xff_mode: ForwardedForMode,
}

impl Default for LoadBalancerAttributes {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(60),
            client_keep_alive: Duration::from_secs(3600),
            deletion_protection: false,
            http2: true,
            desync: DesyncMode::Defensive,
            drop_invalid_header_fields: false,
            preserve_host_header: false,
            tls_version_and_cipher_suite: false,
            xff_client_port: false,
            xff_mode: ForwardedForMode::Append,
        }
    }
}

const LOGS: &str = "log delivery to an object store is not built yet; the access log goes to the file of --access-log";
const WAF: &str = "AWS WAF is not built yet";
const ZONES: &str = "albacore has one zone and no zonal shift";

impl LoadBalancerAttributes {
    /// Every key that `set` knows. Source: ALB 1.4.
    pub const KEYS: &'static [&'static str] = &[
        "access_logs.s3.bucket",
        "access_logs.s3.enabled",
        "access_logs.s3.prefix",
        "client_keep_alive.seconds",
        "connection_logs.s3.bucket",
        "connection_logs.s3.enabled",
        "connection_logs.s3.prefix",
        "deletion_protection.enabled",
        "health_check_logs.s3.bucket",
        "health_check_logs.s3.enabled",
        "health_check_logs.s3.prefix",
        "idle_timeout.timeout_seconds",
        "ipv6.deny_all_igw_traffic",
        "load_balancing.cross_zone.enabled",
        "routing.http.desync_mitigation_mode",
        "routing.http.drop_invalid_header_fields.enabled",
        "routing.http.preserve_host_header.enabled",
        "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
        "routing.http.xff_client_port.enabled",
        "routing.http.xff_header_processing.mode",
        "routing.http2.enabled",
        "waf.fail_open.enabled",
        "zonal_shift.config.enabled",
    ];

    /// Sets the attribute that AWS calls `key`. Nothing is changed when it is refused.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), AttributeRefusal> {
        let Some(&known) = Self::KEYS.iter().find(|known| **known == key) else {
            return Err(AttributeRefusal::Unknown {
                key: key.to_owned(),
                nearest: nearest_key(key, Self::KEYS),
            });
        };
        match known {
            "idle_timeout.timeout_seconds" => {
                self.idle_timeout = Duration::from_secs(number(known, value, 1..=4000)?.into());
            }
            "client_keep_alive.seconds" => {
                self.client_keep_alive = Duration::from_secs(number(known, value, 60..=604_800)?.into());
            }
            "deletion_protection.enabled" => self.deletion_protection = boolean(known, value)?,
            "routing.http2.enabled" => self.http2 = boolean(known, value)?,
            "routing.http.drop_invalid_header_fields.enabled" => {
                self.drop_invalid_header_fields = boolean(known, value)?;
            }
            "routing.http.preserve_host_header.enabled" => self.preserve_host_header = boolean(known, value)?,
            "routing.http.x_amzn_tls_version_and_cipher_suite.enabled" => {
                self.tls_version_and_cipher_suite = boolean(known, value)?;
            }
            "routing.http.xff_client_port.enabled" => self.xff_client_port = boolean(known, value)?,
            "routing.http.desync_mitigation_mode" => {
                self.desync = match value {
                    "monitor" => DesyncMode::Monitor,
                    "defensive" => DesyncMode::Defensive,
                    "strictest" => DesyncMode::Strictest,
                    _ => return Err(one_of(known, value, "`monitor`, `defensive` or `strictest`")),
                };
            }
            "routing.http.xff_header_processing.mode" => {
                self.xff_mode = match value {
                    "append" => ForwardedForMode::Append,
                    "preserve" => ForwardedForMode::Preserve,
                    "remove" => ForwardedForMode::Remove,
                    _ => return Err(one_of(known, value, "`append`, `preserve` or `remove`")),
                };
            }
            "load_balancing.cross_zone.enabled" => only(known, value, "true", ZONES)?,
            "zonal_shift.config.enabled" | "ipv6.deny_all_igw_traffic" => only(known, value, "false", ZONES)?,
            "waf.fail_open.enabled" => only(known, value, "false", WAF)?,
            "access_logs.s3.enabled" | "connection_logs.s3.enabled" | "health_check_logs.s3.enabled" => {
                only(known, value, "false", LOGS)?;
            }
            _ => only(known, value, "", LOGS)?,
        }
        Ok(())
    }
}

fn one_of(key: &'static str, value: &str, expected: &str) -> AttributeRefusal {
    AttributeRefusal::Value {
        key,
        value: value.to_owned(),
        expected: expected.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, good: &[&str], bad: &[&str]) {
        for value in good {
            let result = LoadBalancerAttributes::default().set(key, value);
            assert_eq!(result, Ok(()), "{key}={value}");
        }
        for value in bad {
            let mut attributes = LoadBalancerAttributes::default();
            assert!(attributes.set(key, value).is_err(), "{key}={value}");
            assert_eq!(
                attributes,
                LoadBalancerAttributes::default(),
                "a refused value changes nothing"
            );
        }
    }

    // ALB-R-012: a fresh load balancer's attributes
    #[test]
    fn defaults_are_those_of_aws() {
        let fresh = LoadBalancerAttributes::default();
        assert_eq!(fresh.idle_timeout.as_secs(), 60);
        assert_eq!(fresh.client_keep_alive.as_secs(), 3600);
        assert!(fresh.http2);
        assert_eq!(fresh.desync, DesyncMode::Defensive);
        assert_eq!(fresh.xff_mode, ForwardedForMode::Append);
        assert!(!fresh.deletion_protection && !fresh.drop_invalid_header_fields && !fresh.preserve_host_header);
        assert!(!fresh.tls_version_and_cipher_suite && !fresh.xff_client_port);
    }

    // ALB-R-013: the idle timeout's range
    #[test]
    fn idle_timeout_is_1_to_4000_seconds() {
        check(
            "idle_timeout.timeout_seconds",
            &["1", "4000"],
            &["0", "4001", "", "+5", "1.5", "a"],
        );
    }

    // ALB-R-014: the client keep-alive's range
    #[test]
    fn client_keep_alive_is_a_minute_to_a_week() {
        check("client_keep_alive.seconds", &["60", "604800"], &["59", "604801"]);
    }

    #[test]
    fn modes_and_switches() {
        check(
            "routing.http.desync_mitigation_mode",
            &["monitor", "defensive", "strictest"],
            &["Monitor", ""],
        );
        check(
            "routing.http.xff_header_processing.mode",
            &["append", "preserve", "remove"],
            &["drop"],
        );
        check("routing.http2.enabled", &["true", "false"], &["yes"]);
        check("load_balancing.cross_zone.enabled", &["true"], &["false"]);
        check("access_logs.s3.enabled", &["false"], &["true"]);
        check("access_logs.s3.bucket", &[""], &["logs"]);
    }

    #[test]
    fn an_unknown_key_names_its_neighbour() {
        let refusal = LoadBalancerAttributes::default()
            .set("idle_timeout.timeout_second", "5")
            .unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "attribute \"idle_timeout.timeout_second\" is not recognized; did you mean \"idle_timeout.timeout_seconds\"?"
        );
        let refusal = LoadBalancerAttributes::default().set("colour", "red").unwrap_err();
        assert_eq!(refusal.to_string(), "attribute \"colour\" is not recognized");
    }

    // ALB-R-005: the DNS name's form; the suffix is albacore's own
    #[test]
    fn dns_names() {
        let name = LoadBalancerName::try_from("Shop").unwrap();
        let region = Region::try_from("eu-west-1").unwrap();
        let made = dns_name(&name, ResourceId(7), Scheme::InternetFacing, &region, "elb.localhost");
        assert_eq!(made, "shop-100000007.eu-west-1.elb.localhost");
        let made = dns_name(&name, ResourceId(u64::MAX), Scheme::Internal, &region, "elb.localhost");
        let digits: String = made.chars().filter(char::is_ascii_digit).collect();
        assert!(
            made.starts_with("internal-shop-") && made.ends_with(".eu-west-1.elb.localhost"),
            "{made}"
        );
        assert!(
            (9..=11).contains(&digits.len()),
            "8 to 10 digits and the region's one: {made}"
        );
    }
}
