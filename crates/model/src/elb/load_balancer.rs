//! Load balancers and their attributes. Source: ALB 1.3, 1.4.

mod list;
mod log_delivery;

pub use log_delivery::LogDelivery;

use super::attribute::{AttributeRefusal, boolean, nearest_key, number, only, refused};
use super::name::LoadBalancerName;
use crate::arn::LoadBalancerArn;
use crate::ec2::ids::{SecurityGroupId, SubnetId};
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
    /// Its subnets, one in each of its zones. None: those of the default VPC.
    pub subnets: Vec<SubnetId>,
    /// Its security groups: who may connect. None: everybody may, as to those of the manifest.
    pub security_groups: Vec<SecurityGroupId>,
    /// Who may change it.
    pub owner: Owner,
}

impl LoadBalancer {
    /// The DNS name with the case of the load balancer's name, as AWS shows it. Source: ALB 1.1.
    pub fn dns_name_shown(&self) -> String {
        let name = self.name.as_str();
        let lower = name.to_ascii_lowercase();
        let prefix = match self.scheme {
            Scheme::InternetFacing => "",
            Scheme::Internal => "internal-",
        };
        let rest = self
            .dns_name
            .strip_prefix(prefix)
            .and_then(|it| it.strip_prefix(&lower));
        match rest.filter(|rest| rest.starts_with('-')) {
            Some(rest) => format!("{prefix}{name}{rest}"),
            // The manifest may have given it another one.
            None => self.dns_name.clone(),
        }
    }
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

/// The attributes that can be set; every other key of ALB 1.4 accepts its default only and says so.
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
    /// `access_logs.s3.*`.
    pub access_logs: LogDelivery,
    /// `connection_logs.s3.*`.
    pub connection_logs: LogDelivery,
    /// `health_check_logs.s3.*`.
    pub health_check_logs: LogDelivery,
    /// `waf.fail_open.enabled`: what happens when AWS WAF cannot be reached. Nobody is asked here, as on AWS without a web ACL.
    pub waf_fail_open: bool,
    /// `zonal_shift.config.enabled`: permits zonal shift, which nobody makes here.
    pub zonal_shift: bool,
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
            access_logs: LogDelivery::default(),
            connection_logs: LogDelivery::default(),
            health_check_logs: LogDelivery::default(),
            waf_fail_open: false,
            zonal_shift: false,
        }
    }
}

const ZONES: &str = "`true`: an Application Load Balancer always balances across zones; a target group may not";
const IPV6: &str = "load balancers have addresses of IPv4 only";

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

    /// Sets the attribute that AWS calls `key`. Nothing is changed when it is refused. Whether the attributes go
    /// together is asked when all are set: [`LoadBalancerAttributes::conflicts`].
    ///
    /// # Errors
    /// The key is unknown, or the value does not fit.
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
                    _ => return Err(refused(known, value, "`monitor`, `defensive` or `strictest`")),
                };
            }
            "routing.http.xff_header_processing.mode" => {
                self.xff_mode = match value {
                    "append" => ForwardedForMode::Append,
                    "preserve" => ForwardedForMode::Preserve,
                    "remove" => ForwardedForMode::Remove,
                    _ => return Err(refused(known, value, "`append`, `preserve` or `remove`")),
                };
            }
            "load_balancing.cross_zone.enabled" if value == "true" => {}
            "load_balancing.cross_zone.enabled" => return Err(refused(known, value, ZONES)),
            "ipv6.deny_all_igw_traffic" => only(known, value, "false", IPV6)?,
            "waf.fail_open.enabled" => self.waf_fail_open = boolean(known, value)?,
            "zonal_shift.config.enabled" => self.zonal_shift = boolean(known, value)?,
            _ if known.starts_with("access_logs.") => self.access_logs.set(known, value)?,
            _ if known.starts_with("connection_logs.") => self.connection_logs.set(known, value)?,
            _ => self.health_check_logs.set(known, value)?,
        }
        Ok(())
    }

    /// Whether the attributes go together.
    ///
    /// # Errors
    /// The first of [`LoadBalancerAttributes::conflicts`].
    pub fn check(&self) -> Result<(), AttributeRefusal> {
        self.conflicts().into_iter().next().map_or(Ok(()), Err)
    }

    /// Everything that does not go together: logs that are enabled have a bucket.
    pub fn conflicts(&self) -> Vec<AttributeRefusal> {
        let logs = [
            (&self.access_logs, "access_logs.s3.enabled", "access_logs.s3.bucket"),
            (
                &self.connection_logs,
                "connection_logs.s3.enabled",
                "connection_logs.s3.bucket",
            ),
            (
                &self.health_check_logs,
                "health_check_logs.s3.enabled",
                "health_check_logs.s3.bucket",
            ),
        ];
        let without_bucket = logs
            .into_iter()
            .filter(|(log, ..)| log.enabled && log.bucket.is_empty());
        without_bucket
            .map(|(_, needed_by, missing)| AttributeRefusal::Missing { missing, needed_by })
            .collect()
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
        check("load_balancing.cross_zone.enabled", &["true"], &["false", ""]);
        check("waf.fail_open.enabled", &["true", "false"], &["on"]);
        check("zonal_shift.config.enabled", &["true", "false"], &[""]);
    }

    #[test]
    fn logs_that_are_delivered_have_a_bucket() {
        let mut attributes = LoadBalancerAttributes::default();
        for log in ["access_logs", "connection_logs", "health_check_logs"] {
            attributes.set(&format!("{log}.s3.enabled"), "true").unwrap();
            attributes.set(&format!("{log}.s3.prefix"), log).unwrap();
        }
        let said = |attributes: &LoadBalancerAttributes| -> Vec<String> {
            attributes.conflicts().iter().map(AttributeRefusal::to_string).collect()
        };
        assert_eq!(
            said(&attributes),
            [
                "attribute \"access_logs.s3.enabled\" needs \"access_logs.s3.bucket\", which is not set",
                "attribute \"connection_logs.s3.enabled\" needs \"connection_logs.s3.bucket\", which is not set",
                "attribute \"health_check_logs.s3.enabled\" needs \"health_check_logs.s3.bucket\", which is not set",
            ]
        );
        assert_eq!(attributes.check().ok(), None);
        attributes.set("access_logs.s3.bucket", "logs").unwrap();
        attributes.set("connection_logs.s3.enabled", "false").unwrap();
        attributes.set("health_check_logs.s3.bucket", "more-logs").unwrap();
        assert_eq!(attributes.check(), Ok(()));
        let deliveries = [
            &attributes.access_logs,
            &attributes.connection_logs,
            &attributes.health_check_logs,
        ];
        let deliveries = deliveries.map(|it| (it.enabled, it.bucket.as_str(), it.prefix.as_str()));
        assert_eq!(
            deliveries,
            [
                (true, "logs", "access_logs"),
                (false, "", "connection_logs"),
                (true, "more-logs", "health_check_logs"),
            ]
        );
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

    #[test]
    fn dns_names_are_shown_with_the_case_of_the_name() {
        let (region, account) = ("eu-west-1".try_into().unwrap(), "111122223333".try_into().unwrap());
        let scope = crate::ids::Scope { region, account };
        let shown = |name: &str, scheme, dns: Option<&str>| {
            let name = LoadBalancerName::try_from(name).unwrap();
            let made = dns_name(&name, ResourceId(7), scheme, &scope.region, "elb.localhost");
            LoadBalancer {
                arn: LoadBalancerArn::new(&scope, name.as_str(), ResourceId(7)),
                dns_name: dns.map_or(made, str::to_owned),
                name,
                scheme,
                created: Timestamp(0),
                attributes: LoadBalancerAttributes::default(),
                subnets: Vec::new(),
                security_groups: Vec::new(),
                owner: Owner::Api,
            }
            .dns_name_shown()
        };
        let facing = Scheme::InternetFacing;
        assert_eq!(
            shown("My-Shop", facing, None),
            "My-Shop-100000007.eu-west-1.elb.localhost"
        );
        assert_eq!(
            shown("Shop", Scheme::Internal, None),
            "internal-Shop-100000007.eu-west-1.elb.localhost"
        );
        assert_eq!(shown("Shop", facing, Some("shop.example")), "shop.example");
        assert_eq!(shown("Shop", facing, Some("shops-1.example")), "shops-1.example");
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
