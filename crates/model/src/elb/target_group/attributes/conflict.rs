//! Which attributes do not go together. Source: ALB 1.6 "cross rules".

use super::{Algorithm, StickinessType, TargetGroupAttributes};
use crate::elb::attribute::AttributeRefusal;

const ALGORITHM: &str = "load_balancing.algorithm.type";
const SLOW_START: &str = "slow_start.duration_seconds";
const STICKY: &str = "stickiness.enabled";
const STICKINESS_TYPE: &str = "stickiness.type";
const COOKIE_NAME: &str = "stickiness.app_cookie.cookie_name";
const MITIGATION: &str = "load_balancing.algorithm.anomaly_mitigation";
const CROSS_ZONE: &str = "load_balancing.cross_zone.enabled";
const COUNTS: [&str; 2] = [
    "target_group_health.dns_failover.minimum_healthy_targets.count",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
];
const PERCENTAGES: [&str; 2] = [
    "target_group_health.dns_failover.minimum_healthy_targets.percentage",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
];

/// Why the attributes of a target group do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupAttributeRefusal {
    /// One attribute by itself.
    #[error(transparent)]
    Attribute(#[from] AttributeRefusal),
    /// Slow start with another algorithm than round robin.
    #[error("{SLOW_START} must be 0 while {ALGORITHM} is {}; slow start needs round_robin", .0.as_str())]
    SlowStart(Algorithm),
    /// Stickiness with weighted random.
    #[error("{STICKY} must be false while {ALGORITHM} is weighted_random")]
    WeightedAndSticky,
    /// Anomaly mitigation with another algorithm than weighted random.
    #[error("{MITIGATION} must be off while {ALGORITHM} is {}; it needs weighted_random", .0.as_str())]
    AnomalyMitigation(Algorithm),
    /// Stickiness while targets of other zones get no requests.
    #[error("{STICKY} must be false while {CROSS_ZONE} is false")]
    StickyInOneZone,
    /// Application cookies without the application's cookie. Source: ALB 9.6.
    #[error("{COOKIE_NAME} must be set while {STICKINESS_TYPE} is app_cookie")]
    NoCookieName,
    /// The addresses would leave DNS later than fail-open begins. Source: ALB 5.6 "constraint".
    #[error("{} is {dns}; it must not be lower than {}, which is {routing}", .keys[0], .keys[1])]
    DnsBelowRouting {
        /// The key of the DNS threshold and the one of the routing threshold.
        keys: [&'static str; 2],
        /// The DNS threshold.
        dns: u16,
        /// The routing threshold.
        routing: u16,
    },
}

impl GroupAttributeRefusal {
    /// AWS's keys of the attributes that do not go together.
    pub fn keys(&self) -> &[&'static str] {
        match self {
            Self::Attribute(AttributeRefusal::Unknown { .. }) => &[],
            Self::Attribute(
                AttributeRefusal::Value { key, .. }
                | AttributeRefusal::Range { key, .. }
                | AttributeRefusal::NotBuilt { key, .. }
                | AttributeRefusal::OtherTargetType { key, .. }
                | AttributeRefusal::Missing { missing: key, .. },
            ) => std::slice::from_ref(key),
            Self::SlowStart(_) => &[SLOW_START, ALGORITHM],
            Self::WeightedAndSticky => &[STICKY, ALGORITHM],
            Self::AnomalyMitigation(_) => &[MITIGATION, ALGORITHM],
            Self::StickyInOneZone => &[STICKY, CROSS_ZONE],
            Self::NoCookieName => &[COOKIE_NAME, STICKINESS_TYPE],
            Self::DnsBelowRouting { keys, .. } => keys,
        }
    }
}

impl TargetGroupAttributes {
    /// Whether the attributes go together.
    ///
    /// # Errors
    /// The first of [`TargetGroupAttributes::conflicts`].
    pub fn check(&self) -> Result<(), GroupAttributeRefusal> {
        self.conflicts().into_iter().next().map_or(Ok(()), Err)
    }

    /// Everything that does not go together.
    pub fn conflicts(&self) -> Vec<GroupAttributeRefusal> {
        let algorithm = self.algorithm;
        let weighted = algorithm == Algorithm::WeightedRandom;
        let app_cookie = self.stickiness.stickiness_type == StickinessType::AppCookie;
        let mut all = Vec::new();
        if self.slow_start.is_some() && algorithm != Algorithm::RoundRobin {
            all.push(GroupAttributeRefusal::SlowStart(algorithm));
        }
        if self.stickiness.enabled && weighted {
            all.push(GroupAttributeRefusal::WeightedAndSticky);
        }
        if self.anomaly_mitigation && !weighted {
            all.push(GroupAttributeRefusal::AnomalyMitigation(algorithm));
        }
        if self.stickiness.enabled && !self.cross_zone.is_on() {
            all.push(GroupAttributeRefusal::StickyInOneZone);
        }
        if app_cookie && self.stickiness.app_cookie_name.is_empty() {
            all.push(GroupAttributeRefusal::NoCookieName);
        }
        let (dns, routing) = (self.dns_failover, self.unhealthy_state_routing);
        all.extend(below(COUNTS, dns.count, routing.count));
        let wide = |percentage: Option<u8>| percentage.map(u16::from);
        all.extend(below(PERCENTAGES, wide(dns.percentage), wide(routing.percentage)));
        all
    }
}

/// What is off is not compared: it never triggers.
fn below(keys: [&'static str; 2], dns: Option<u16>, routing: Option<u16>) -> Option<GroupAttributeRefusal> {
    let (dns, routing) = (dns?, routing?);
    (dns < routing).then_some(GroupAttributeRefusal::DnsBelowRouting { keys, dns, routing })
}
