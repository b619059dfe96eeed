//! The attributes of a target group as AWS lists them: every key, with its value as text. Source: ALB 1.6.

use super::{CrossZone, MinimumHealthy, StickinessType, TargetGroupAttributes};
use crate::elb::target_group::LambdaTargets;

impl TargetGroupAttributes {
    /// Every key of groups of servers with its value, by key.
    pub fn list(&self) -> Vec<(&'static str, String)> {
        let keys = Self::KEYS.iter().filter(|key| !key.starts_with("lambda."));
        keys.map(|key| (*key, self.value(key))).collect()
    }

    fn value(&self, key: &str) -> String {
        let stickiness = &self.stickiness;
        match key {
            "deregistration_delay.timeout_seconds" => self.deregistration_delay.as_secs().to_string(),
            "load_balancing.algorithm.anomaly_mitigation" => {
                if self.anomaly_mitigation { "on" } else { "off" }.to_owned()
            }
            "load_balancing.algorithm.type" => self.algorithm.as_str().to_owned(),
            "load_balancing.cross_zone.enabled" => self.cross_zone.as_str().to_owned(),
            "slow_start.duration_seconds" => self.slow_start.unwrap_or_default().as_secs().to_string(),
            "stickiness.app_cookie.cookie_name" => stickiness.app_cookie_name.clone(),
            "stickiness.app_cookie.duration_seconds" => stickiness.app_cookie_duration.as_secs().to_string(),
            "stickiness.enabled" => stickiness.enabled.to_string(),
            "stickiness.lb_cookie.duration_seconds" => stickiness.lb_cookie_duration.as_secs().to_string(),
            "stickiness.type" => stickiness.stickiness_type.as_str().to_owned(),
            _ if key.starts_with("target_group_health.dns_failover.") => minimum(self.dns_failover, key),
            "waf.http2.traffic_inspection_behavior" => self.waf_inspection.as_str().to_owned(),
            _ => minimum(self.unhealthy_state_routing, key),
        }
    }
}

impl LambdaTargets {
    /// Every key of groups with a function with its value, by key. Source: ALB 1.6.
    pub fn list(&self) -> Vec<(&'static str, String)> {
        vec![
            (
                "lambda.multi_value_headers.enabled",
                self.multi_value_headers.to_string(),
            ),
            (
                "load_balancing.cross_zone.enabled",
                CrossZone::UseLoadBalancerConfiguration.as_str().to_owned(),
            ),
        ]
    }
}

fn minimum(minimum: MinimumHealthy, key: &str) -> String {
    let number = match key.ends_with(".percentage") {
        true => minimum.percentage.map(u16::from),
        false => minimum.count,
    };
    number.map_or_else(|| "off".to_owned(), |number| number.to_string())
}

impl CrossZone {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UseLoadBalancerConfiguration => "use_load_balancer_configuration",
            Self::On => "true",
            Self::Off => "false",
        }
    }
}

impl StickinessType {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LbCookie => "lb_cookie",
            Self::AppCookie => "app_cookie",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elb::health_check::HealthCheck;

    // ALB-R-025: a fresh group of servers
    #[test]
    fn a_fresh_target_group() {
        let listed = TargetGroupAttributes::default().list();
        let value = |key: &str| listed.iter().find(|(its_key, _)| *its_key == key).unwrap().1.as_str();
        for (key, expected) in [
            ("load_balancing.algorithm.type", "round_robin"),
            ("slow_start.duration_seconds", "0"),
            ("stickiness.enabled", "false"),
            ("deregistration_delay.timeout_seconds", "300"),
            ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
            (
                "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
                "off",
            ),
        ] {
            assert_eq!(value(key), expected, "{key}");
        }
    }

    #[test]
    fn what_is_listed_can_be_set() {
        let mut changed = TargetGroupAttributes::default();
        for (key, value) in [
            ("deregistration_delay.timeout_seconds", "7"),
            ("load_balancing.algorithm.anomaly_mitigation", "on"),
            ("load_balancing.algorithm.type", "weighted_random"),
            ("load_balancing.cross_zone.enabled", "false"),
            ("slow_start.duration_seconds", "31"),
            ("stickiness.app_cookie.cookie_name", "session"),
            ("stickiness.app_cookie.duration_seconds", "8"),
            ("stickiness.enabled", "true"),
            ("stickiness.lb_cookie.duration_seconds", "9"),
            ("stickiness.type", "app_cookie"),
            ("target_group_health.dns_failover.minimum_healthy_targets.count", "off"),
            (
                "target_group_health.dns_failover.minimum_healthy_targets.percentage",
                "10",
            ),
            (
                "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
                "3",
            ),
            ("waf.http2.traffic_inspection_behavior", "inspect_after_sufficient_data"),
        ] {
            changed.set(key, value).unwrap();
        }
        let mut again = TargetGroupAttributes::default();
        for (key, value) in changed.list() {
            again.set(key, &value).unwrap();
        }
        assert_eq!(again, changed);
        let lambda = LambdaTargets {
            function: None,
            multi_value_headers: true,
            health_check: HealthCheck::of_lambda(),
        };
        let mut again = LambdaTargets {
            multi_value_headers: false,
            ..lambda.clone()
        };
        for (key, value) in lambda.list() {
            again.set(key, &value).unwrap();
        }
        assert_eq!(again, lambda);
    }
}
