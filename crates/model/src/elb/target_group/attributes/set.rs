//! Attributes by AWS's text keys. Source: ALB 1.6.

use super::{Algorithm, CrossZone, StickinessType, TargetGroupAttributes, WafInspection};
use crate::elb::attribute::{AttributeRefusal, boolean, nearest_key, number, number_or_off, only, refused};
use crate::elb::target_group::LambdaTargets;
use crate::limits::{SLOW_START_SECS, STICKINESS_SECS, TARGETS_PER_TARGET_GROUP};
use std::time::Duration;

/// Every key of target groups. Source: ALB 1.6.
const KEYS: &[&str] = &[
    "deregistration_delay.timeout_seconds",
    MULTI_VALUE_HEADERS,
    "load_balancing.algorithm.anomaly_mitigation",
    "load_balancing.algorithm.type",
    CROSS_ZONE,
    "slow_start.duration_seconds",
    "stickiness.app_cookie.cookie_name",
    "stickiness.app_cookie.duration_seconds",
    "stickiness.enabled",
    "stickiness.lb_cookie.duration_seconds",
    "stickiness.type",
    "target_group_health.dns_failover.minimum_healthy_targets.count",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
    "waf.http2.traffic_inspection_behavior",
];

const MULTI_VALUE_HEADERS: &str = "lambda.multi_value_headers.enabled";
const CROSS_ZONE: &str = "load_balancing.cross_zone.enabled";

/// Characters of the application's cookie name.
const COOKIE_NAME_CHARS_MAX: usize = 1024;

const OF_SERVERS: &str = "'instance' or 'ip'";
const OF_LAMBDA: &str = "'lambda'";

const ONE_FUNCTION: &str = "a target group with target type 'lambda' has one target for all zones";

impl TargetGroupAttributes {
    /// Every key of target groups, those of groups with a function included. Source: ALB 1.6.
    pub const KEYS: &'static [&'static str] = KEYS;

    /// Sets the attribute that AWS calls `key`. Nothing is changed when it is refused. Whether the attributes go
    /// together is asked when all are set: [`TargetGroupAttributes::conflicts`].
    ///
    /// # Errors
    /// The key is unknown or one of groups with a function, or the value does not fit.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), AttributeRefusal> {
        let known = known(key)?;
        match known {
            "deregistration_delay.timeout_seconds" => {
                self.deregistration_delay = Duration::from_secs(number(known, value, 0..=3600)?.into());
            }
            "load_balancing.algorithm.type" => self.algorithm = algorithm(known, value)?,
            "load_balancing.algorithm.anomaly_mitigation" => {
                self.anomaly_mitigation = match value {
                    "on" => true,
                    "off" => false,
                    _ => return Err(refused(known, value, "`on` or `off`")),
                };
            }
            CROSS_ZONE => self.cross_zone = cross_zone(known, value)?,
            "slow_start.duration_seconds" => self.slow_start = slow_start(known, value)?,
            "waf.http2.traffic_inspection_behavior" => self.waf_inspection = waf_inspection(known, value)?,
            MULTI_VALUE_HEADERS => return Err(other_target_type(known, OF_SERVERS)),
            _ if known.starts_with("stickiness.") => self.set_stickiness(known, value)?,
            _ => self.set_health(known, value)?,
        }
        Ok(())
    }

    fn set_stickiness(&mut self, known: &'static str, value: &str) -> Result<(), AttributeRefusal> {
        let stickiness = &mut self.stickiness;
        let seconds = || Ok(Duration::from_secs(number(known, value, STICKINESS_SECS)?.into()));
        match known {
            "stickiness.enabled" => stickiness.enabled = boolean(known, value)?,
            "stickiness.type" => {
                stickiness.stickiness_type = match value {
                    "lb_cookie" => StickinessType::LbCookie,
                    "app_cookie" => StickinessType::AppCookie,
                    _ => return Err(refused(known, value, "`lb_cookie` or `app_cookie`")),
                };
            }
            "stickiness.lb_cookie.duration_seconds" => stickiness.lb_cookie_duration = seconds()?,
            "stickiness.app_cookie.duration_seconds" => stickiness.app_cookie_duration = seconds()?,
            _ => stickiness.app_cookie_name = cookie_name(known, value)?,
        }
        Ok(())
    }

    fn set_health(&mut self, known: &'static str, value: &str) -> Result<(), AttributeRefusal> {
        let targets = 1..=u32::from(TARGETS_PER_TARGET_GROUP);
        let count = |number: u32| u16::try_from(number).unwrap_or(TARGETS_PER_TARGET_GROUP);
        let percent = |number: u32| u8::try_from(number).unwrap_or(100);
        let MinimumHealthyKey { of_dns, percentage } = minimum_healthy(known);
        let minimum = if of_dns {
            &mut self.dns_failover
        } else {
            &mut self.unhealthy_state_routing
        };
        match (percentage, of_dns) {
            (true, _) => minimum.percentage = number_or_off(known, value, 1..=100)?.map(percent),
            (false, true) => minimum.count = number_or_off(known, value, targets)?.map(count),
            // Routing failover cannot be switched off: with no healthy target at all it always happens.
            (false, false) => minimum.count = Some(count(number(known, value, targets)?)),
        }
        Ok(())
    }
}

impl LambdaTargets {
    /// Sets the attribute that AWS calls `key`. Nothing is changed when it is refused.
    ///
    /// # Errors
    /// The key is unknown or one of groups of servers, or the value does not fit.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), AttributeRefusal> {
        match known(key)? {
            MULTI_VALUE_HEADERS => self.multi_value_headers = boolean(MULTI_VALUE_HEADERS, value)?,
            CROSS_ZONE => only(CROSS_ZONE, value, "use_load_balancer_configuration", ONE_FUNCTION)?,
            known => return Err(other_target_type(known, OF_LAMBDA)),
        }
        Ok(())
    }
}

struct MinimumHealthyKey {
    of_dns: bool,
    percentage: bool,
}

fn minimum_healthy(key: &str) -> MinimumHealthyKey {
    MinimumHealthyKey {
        of_dns: key.starts_with("target_group_health.dns_failover."),
        percentage: key.ends_with(".percentage"),
    }
}

fn known(key: &str) -> Result<&'static str, AttributeRefusal> {
    KEYS.iter()
        .copied()
        .find(|known| *known == key)
        .ok_or_else(|| AttributeRefusal::Unknown {
            key: key.to_owned(),
            nearest: nearest_key(key, KEYS),
        })
}

fn other_target_type(key: &'static str, target_type: &'static str) -> AttributeRefusal {
    AttributeRefusal::OtherTargetType { key, target_type }
}

fn algorithm(key: &'static str, value: &str) -> Result<Algorithm, AttributeRefusal> {
    let all = [
        Algorithm::RoundRobin,
        Algorithm::LeastOutstandingRequests,
        Algorithm::WeightedRandom,
    ];
    all.into_iter().find(|it| it.as_str() == value).ok_or_else(|| {
        let expected = "`round_robin`, `least_outstanding_requests` or `weighted_random`";
        refused(key, value, expected)
    })
}

fn cross_zone(key: &'static str, value: &str) -> Result<CrossZone, AttributeRefusal> {
    match value {
        "true" => Ok(CrossZone::On),
        "false" => Ok(CrossZone::Off),
        "use_load_balancer_configuration" => Ok(CrossZone::UseLoadBalancerConfiguration),
        _ => Err(refused(
            key,
            value,
            "`true`, `false` or `use_load_balancer_configuration`",
        )),
    }
}

fn waf_inspection(key: &'static str, value: &str) -> Result<WafInspection, AttributeRefusal> {
    match value {
        "inspect_immediately" => Ok(WafInspection::Immediately),
        "inspect_after_sufficient_data" => Ok(WafInspection::AfterSufficientData),
        _ => Err(refused(
            key,
            value,
            "`inspect_immediately` or `inspect_after_sufficient_data`",
        )),
    }
}

fn slow_start(key: &'static str, value: &str) -> Result<Option<Duration>, AttributeRefusal> {
    if value == "0" {
        return Ok(None);
    }
    let (from, to) = (SLOW_START_SECS.start(), SLOW_START_SECS.end());
    number(key, value, SLOW_START_SECS)
        .map(|secs| Some(Duration::from_secs(secs.into())))
        .map_err(|_| refused(key, value, format!("0 or a whole number from {from} to {to}")))
}

/// Empty, or a name that a cookie can have (RFC 6265, 4.1.1) and that is none of the load balancer's own. The length is
/// albacore's: the most that an attribute may have (unverified).
fn cookie_name(key: &'static str, value: &str) -> Result<String, AttributeRefusal> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !value.bytes().all(token) || value.len() > COOKIE_NAME_CHARS_MAX {
        let expected = "the name of a cookie: letters, digits and ! # $ % & ' * + - . ^ _ ` | ~";
        return Err(refused(key, value, expected));
    }
    if value.starts_with("AWSALB") {
        let expected = "a name that does not begin with `AWSALB`, as the load balancer's own cookies do";
        return Err(refused(key, value, expected));
    }
    Ok(value.to_owned())
}
