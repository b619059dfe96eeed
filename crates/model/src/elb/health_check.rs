//! Health checks of target groups. Source: ALB 1.5, 5.6, 9.3.

mod matcher;
mod timing;

pub use matcher::{GrpcMatcher, HttpMatcher, Matcher};
pub use timing::{HealthCheckTiming, HealthThreshold};

use super::target_group::{ProtocolVersion, TargetProtocol};
use crate::limits::{
    GRPC_MATCHER_CODES, HEALTH_CHECK_INTERVAL_SECS, HEALTH_CHECK_PATH_CHARS, HEALTH_CHECK_THRESHOLD,
    HEALTH_CHECK_TIMEOUT_SECS, MATCHER_CODES,
};
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How the targets of a group are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// `HealthCheckEnabled`. Targets that are not checked are `unavailable` and get their traffic all the same.
    pub enabled: bool,
    /// `HealthCheckPath`.
    pub path: HealthCheckPath,
    /// `HealthCheckIntervalSeconds` and `HealthCheckTimeoutSeconds`.
    pub timing: HealthCheckTiming,
    /// `HealthyThresholdCount`: successes in a row after which an unhealthy target is healthy.
    pub healthy_threshold: HealthThreshold,
    /// `UnhealthyThresholdCount`: failures in a row after which a target is unhealthy.
    pub unhealthy_threshold: HealthThreshold,
    /// `Matcher.HttpCode`: the statuses that pass.
    pub matcher: HttpMatcher,
}

impl HealthCheck {
    /// What a new Lambda target group has: switched off, path `/`, every 35 seconds with a timeout of 30, thresholds 5 and
    /// 2, status 200. Source: ALB 1.5.
    pub fn of_lambda() -> Self {
        Self {
            enabled: false,
            path: HealthCheckPath("/".to_owned()),
            timing: HealthCheckTiming::LAMBDA,
            healthy_threshold: HealthThreshold::HEALTHY,
            unhealthy_threshold: HealthThreshold::UNHEALTHY,
            matcher: HttpMatcher::default(),
        }
    }
}

/// How the servers of a group are checked. Source: ALB 1.5, 5.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHealthCheck {
    /// `HealthCheckProtocol`.
    pub protocol: TargetProtocol,
    /// `HealthCheckPort`.
    pub port: HealthCheckPort,
    /// `HealthCheckPath`; of a gRPC group the method to call.
    pub path: HealthCheckPath,
    /// `HealthCheckIntervalSeconds` and `HealthCheckTimeoutSeconds`.
    pub timing: HealthCheckTiming,
    /// `HealthyThresholdCount`.
    pub healthy_threshold: HealthThreshold,
    /// `UnhealthyThresholdCount`.
    pub unhealthy_threshold: HealthThreshold,
    /// `Matcher`.
    pub matcher: Matcher,
}

/// `HealthCheckPort`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HealthCheckPort {
    /// `traffic-port`: the port the target is registered with.
    #[default]
    TrafficPort,
    /// A port of its own.
    Port(u16),
}

impl TryFrom<&str> for HealthCheckPort {
    type Error = HealthCheckRefusal;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            _ if text == "traffic-port" => Ok(Self::TrafficPort),
            Ok(port @ 1..) if digits => Ok(Self::Port(port)),
            _ => Err(HealthCheckRefusal::Port(text.chars().take(100).collect())),
        }
    }
}

impl ServerHealthCheck {
    /// What a new target group of servers has: every 30 seconds with a timeout of 5, thresholds 5 and 2, path `/` and
    /// status 200, or for gRPC `/AWS.ALB/healthcheck` and status 12. Source: ALB 1.5.
    pub fn of_servers(version: ProtocolVersion) -> Self {
        let grpc = version == ProtocolVersion::Grpc;
        Self {
            protocol: TargetProtocol::Http,
            port: HealthCheckPort::TrafficPort,
            path: HealthCheckPath(if grpc { "/AWS.ALB/healthcheck" } else { "/" }.to_owned()),
            timing: HealthCheckTiming::SERVERS,
            healthy_threshold: HealthThreshold::HEALTHY,
            unhealthy_threshold: HealthThreshold::UNHEALTHY,
            matcher: match grpc {
                true => Matcher::Grpc(GrpcMatcher::default()),
                false => Matcher::Http(HttpMatcher::default()),
            },
        }
    }
}

/// Why a health-check setting is refused. Each sentence names the setting and what it may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HealthCheckRefusal {
    /// The interval is out of range.
    #[error("health check interval {0:?} must be {range}", range = seconds(&HEALTH_CHECK_INTERVAL_SECS))]
    Interval(Duration),
    /// The timeout is out of range.
    #[error("health check timeout {0:?} must be {range}", range = seconds(&HEALTH_CHECK_TIMEOUT_SECS))]
    Timeout(Duration),
    /// A check could still run when the next one is due.
    #[error("health check timeout {timeout:?} must be smaller than or equal to the interval {interval:?}")]
    TimeoutOverInterval {
        /// The timeout.
        timeout: Duration,
        /// The interval.
        interval: Duration,
    },
    /// The same where both must not be equal either. Source: ALB 9.6.
    #[error("health check timeout {timeout:?} must be smaller than the interval {interval:?}")]
    TimeoutNotUnderInterval {
        /// The timeout.
        timeout: Duration,
        /// The interval.
        interval: Duration,
    },
    /// A threshold is out of range.
    #[error(
        "{field} {value} must be {} to {}",
        HEALTH_CHECK_THRESHOLD.start(),
        HEALTH_CHECK_THRESHOLD.end()
    )]
    Threshold {
        /// `healthy threshold` or `unhealthy threshold`.
        field: &'static str,
        /// The value as given.
        value: i64,
    },
    /// The path is none.
    #[error(
        "health check path {0:?} must be {min} to {max} visible ASCII characters and begin with \"/\"",
        min = HEALTH_CHECK_PATH_CHARS.start(),
        max = HEALTH_CHECK_PATH_CHARS.end()
    )]
    Path(String),
    /// The matcher cannot be read, or a status in it is out of range.
    #[error(
        "matcher {0:?} must be statuses from {min} to {max}, such as \"200\", \"200,302\" or \"200-299\"",
        min = MATCHER_CODES.start(),
        max = MATCHER_CODES.end()
    )]
    Matcher(String),
    /// The same of a gRPC group.
    #[error(
        "matcher {0:?} must be gRPC statuses from {min} to {max}, such as \"12\", \"0,12\" or \"0-99\"",
        min = GRPC_MATCHER_CODES.start(),
        max = GRPC_MATCHER_CODES.end()
    )]
    GrpcMatcher(String),
    /// A matcher for HTTP in a gRPC group, or the other way round.
    #[error("the matcher must be of {} because the protocol version is {}", by_matcher(*.0), .0.as_str())]
    OtherMatcher(ProtocolVersion),
    /// The port is none.
    #[error("health check port {0:?} must be `traffic-port` or a port from 1 to 65535")]
    Port(String),
    /// Only groups with a function may go without. Source: ALB 1.5.
    #[error("health checks of servers cannot be disabled; they can be of a target group with a function")]
    CannotBeDisabled,
}

fn by_matcher(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::Http1 | ProtocolVersion::Http2 => "HTTP statuses",
        ProtocolVersion::Grpc => "gRPC statuses",
    }
}

fn seconds(range: &RangeInclusive<u32>) -> String {
    format!("{} to {} whole seconds", range.start(), range.end())
}

/// Where a health check asks. 1 to 1024 characters, beginning with `/`.
///
/// ALB 1.2 names the length only; that other characters than visible ASCII are refused is albacore's (unverified).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheckPath(String);

impl HealthCheckPath {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for HealthCheckPath {
    type Error = HealthCheckRefusal;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        match text.starts_with('/') && visible && HEALTH_CHECK_PATH_CHARS.contains(&text.len()) {
            true => Ok(Self(text.to_owned())),
            false => Err(HealthCheckRefusal::Path(text.chars().take(100).collect())),
        }
    }
}

impl fmt::Display for HealthCheckPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    // ALB-R-021: off, interval 35, timeout 30, thresholds 5 and 2, path /, matcher 200
    #[test]
    fn a_new_lambda_target_group() {
        let check = HealthCheck::of_lambda();
        assert!(!check.enabled);
        assert_eq!(
            (check.timing.interval(), check.timing.timeout()),
            (35 * SECOND, 30 * SECOND)
        );
        assert_eq!(
            (check.healthy_threshold.count(), check.unhealthy_threshold.count()),
            (5, 2)
        );
        assert_eq!((check.path.as_str(), check.matcher.as_str()), ("/", "200"));
        // The defaults are values that users could write themselves.
        assert_eq!(HealthCheckTiming::of_lambda(35 * SECOND, 30 * SECOND), Ok(check.timing));
        assert_eq!(HttpMatcher::try_from("200"), Ok(check.matcher));
    }

    // ALB-R-022: interval 30, timeout 5, thresholds 5 and 2, traffic-port, path /, matcher 200
    #[test]
    fn a_new_target_group_of_servers() {
        for version in [ProtocolVersion::Http1, ProtocolVersion::Http2] {
            let check = ServerHealthCheck::of_servers(version);
            assert_eq!(HealthCheckTiming::of_servers(30 * SECOND, 5 * SECOND), Ok(check.timing));
            assert_eq!(
                (check.healthy_threshold.count(), check.unhealthy_threshold.count()),
                (5, 2)
            );
            assert_eq!(
                (check.protocol, check.port),
                (TargetProtocol::Http, HealthCheckPort::TrafficPort)
            );
            assert_eq!(check.path.as_str(), "/");
            assert_eq!(check.matcher, Matcher::Http(HttpMatcher::try_from("200").unwrap()));
        }
    }

    // ALB-R-023: a gRPC group's path and matcher
    #[test]
    fn a_new_grpc_target_group() {
        let check = ServerHealthCheck::of_servers(ProtocolVersion::Grpc);
        assert_eq!(check.path.as_str(), "/AWS.ALB/healthcheck");
        assert_eq!(check.matcher, Matcher::Grpc(GrpcMatcher::try_from("12").unwrap()));
    }

    #[test]
    fn paths() {
        let longest = format!("/{}", "x".repeat(1023));
        for good in ["/", "/health", "/a?b=c", "/%20", longest.as_str()] {
            assert_eq!(HealthCheckPath::try_from(good).map(|path| path.0), Ok(good.to_owned()));
        }
        let longer = format!("{longest}x");
        for bad in ["", "health", "/a b", "/é", "/\r\n", longer.as_str()] {
            assert!(HealthCheckPath::try_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ports() {
        assert_eq!(
            HealthCheckPort::try_from("traffic-port"),
            Ok(HealthCheckPort::TrafficPort)
        );
        for (good, port) in [("1", 1), ("8080", 8080), ("65535", 65_535)] {
            assert_eq!(HealthCheckPort::try_from(good), Ok(HealthCheckPort::Port(port)));
        }
        for bad in ["", "0", "65536", "+80", "-1", "80.0", "http", "Traffic-Port"] {
            assert_eq!(
                HealthCheckPort::try_from(bad).unwrap_err().to_string(),
                format!("health check port {bad:?} must be `traffic-port` or a port from 1 to 65535")
            );
        }
    }
}
