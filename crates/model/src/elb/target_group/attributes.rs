//! Attributes of target groups of servers. Source: ALB 1.6.

mod conflict;
mod list;
mod set;

pub use conflict::GroupAttributeRefusal;

use std::time::Duration;

/// The attributes of a target group of servers. Every key keeps its value, whether or not it acts with the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGroupAttributes {
    /// `deregistration_delay.timeout_seconds`, 0 to 3600 seconds.
    pub deregistration_delay: Duration,
    /// `load_balancing.algorithm.type`.
    pub algorithm: Algorithm,
    /// `load_balancing.algorithm.anomaly_mitigation`; only with `weighted_random`.
    pub anomaly_mitigation: bool,
    /// `load_balancing.cross_zone.enabled`.
    pub cross_zone: CrossZone,
    /// `slow_start.duration_seconds`: none, or 30 to 900 seconds.
    pub slow_start: Option<Duration>,
    /// `stickiness.*`.
    pub stickiness: Stickiness,
    /// `target_group_health.dns_failover.*`; `None`: both `off`.
    pub dns_failover: MinimumHealthy,
    /// `target_group_health.unhealthy_state_routing.*`.
    pub unhealthy_state_routing: MinimumHealthy,
    /// `waf.http2.traffic_inspection_behavior`.
    pub waf_inspection: WafInspection,
}

/// `load_balancing.algorithm.type`. Source: ALB 5.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `round_robin`.
    #[default]
    RoundRobin,
    /// `least_outstanding_requests`.
    LeastOutstandingRequests,
    /// `weighted_random`.
    WeightedRandom,
}

impl Algorithm {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LeastOutstandingRequests => "least_outstanding_requests",
            Self::WeightedRandom => "weighted_random",
        }
    }
}

/// `load_balancing.cross_zone.enabled` of a target group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CrossZone {
    /// `use_load_balancer_configuration`: for an Application Load Balancer that is on.
    #[default]
    UseLoadBalancerConfiguration,
    /// `true`.
    On,
    /// `false`: only targets of the own zone get requests.
    Off,
}

impl CrossZone {
    /// Whether targets of other zones get requests.
    pub fn is_on(self) -> bool {
        self != Self::Off
    }
}

/// `stickiness.*`. Source: ALB 5.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stickiness {
    /// `stickiness.enabled`.
    pub enabled: bool,
    /// `stickiness.type`.
    pub stickiness_type: StickinessType,
    /// `stickiness.lb_cookie.duration_seconds`, 1 second to 7 days.
    pub lb_cookie_duration: Duration,
    /// `stickiness.app_cookie.cookie_name`; may be empty while application cookies are not used.
    pub app_cookie_name: String,
    /// `stickiness.app_cookie.duration_seconds`, 1 second to 7 days.
    pub app_cookie_duration: Duration,
}

/// `stickiness.type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StickinessType {
    /// `lb_cookie`: `AWSALB`.
    #[default]
    LbCookie,
    /// `app_cookie`: the application's own cookie, and `AWSALBAPP-0` to `-3`.
    AppCookie,
}

/// `waf.http2.traffic_inspection_behavior`: when AWS WAF looks at a body of HTTP/2. Nobody looks here, as on AWS without a
/// web ACL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WafInspection {
    /// `inspect_immediately`.
    #[default]
    Immediately,
    /// `inspect_after_sufficient_data`.
    AfterSufficientData,
}

impl WafInspection {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Immediately => "inspect_immediately",
            Self::AfterSufficientData => "inspect_after_sufficient_data",
        }
    }
}

/// How many targets must be healthy; either breach triggers. Source: ALB 5.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MinimumHealthy {
    /// `.minimum_healthy_targets.count`; `None` is `off`.
    pub count: Option<u16>,
    /// `.minimum_healthy_targets.percentage`, 1 to 100; `None` is `off`.
    pub percentage: Option<u8>,
}

impl Default for TargetGroupAttributes {
    fn default() -> Self {
        let one = MinimumHealthy {
            count: Some(1),
            percentage: None,
        };
        Self {
            deregistration_delay: Duration::from_secs(300),
            algorithm: Algorithm::default(),
            anomaly_mitigation: false,
            cross_zone: CrossZone::default(),
            slow_start: None,
            stickiness: Stickiness::default(),
            dns_failover: one,
            unhealthy_state_routing: one,
            waf_inspection: WafInspection::default(),
        }
    }
}

impl Default for Stickiness {
    fn default() -> Self {
        Self {
            enabled: false,
            stickiness_type: StickinessType::default(),
            lb_cookie_duration: Duration::from_secs(86_400),
            app_cookie_name: String::new(),
            app_cookie_duration: Duration::from_secs(86_400),
        }
    }
}

#[cfg(test)]
mod tests;
