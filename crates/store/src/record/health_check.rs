//! Health checks of target groups.

use super::Invalid;
use super::value::{Lasting, Text, Word};
use model::elb::health_check::{
    GrpcMatcher, HealthCheck, HealthCheckPath, HealthCheckPort, HealthCheckTiming, HealthThreshold, HttpMatcher,
    Matcher, ServerHealthCheck,
};
use model::elb::target_group::TargetProtocol;
use serde::{Deserialize, Serialize};

/// Of a group with a function.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HealthCheckV1 {
    enabled: bool,
    path: Text<HealthCheckPath>,
    timing: TimingV1,
    matcher: Text<HttpMatcher>,
}

/// Of a group of servers. No port is `traffic-port`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerHealthCheckV1 {
    protocol: Word<TargetProtocol>,
    port: Option<u16>,
    path: Text<HealthCheckPath>,
    timing: TimingV1,
    matcher: MatcherV1,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimingV1 {
    interval_secs: Lasting,
    timeout_secs: Lasting,
    healthy_threshold: u8,
    unhealthy_threshold: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MatcherV1 {
    Http(Text<HttpMatcher>),
    Grpc(Text<GrpcMatcher>),
}

impl HealthCheckV1 {
    pub(super) fn of(check: HealthCheck) -> Self {
        let HealthCheck {
            enabled,
            path,
            timing,
            healthy_threshold,
            unhealthy_threshold,
            matcher,
        } = check;
        Self {
            enabled,
            path: Text(path),
            timing: TimingV1::of(timing, healthy_threshold, unhealthy_threshold),
            matcher: Text(matcher),
        }
    }

    pub(super) fn into_check(self) -> Result<HealthCheck, Invalid> {
        let (interval, timeout) = (self.timing.interval_secs.0, self.timing.timeout_secs.0);
        let (healthy_threshold, unhealthy_threshold) = self.timing.thresholds()?;
        Ok(HealthCheck {
            enabled: self.enabled,
            path: self.path.0,
            timing: HealthCheckTiming::of_lambda(interval, timeout).map_err(Invalid::because)?,
            healthy_threshold,
            unhealthy_threshold,
            matcher: self.matcher.0,
        })
    }
}

impl ServerHealthCheckV1 {
    pub(super) fn of(check: ServerHealthCheck) -> Self {
        let ServerHealthCheck {
            protocol,
            port,
            path,
            timing,
            healthy_threshold,
            unhealthy_threshold,
            matcher,
        } = check;
        Self {
            protocol: Word(protocol),
            port: match port {
                HealthCheckPort::TrafficPort => None,
                HealthCheckPort::Port(port) => Some(port),
            },
            path: Text(path),
            timing: TimingV1::of(timing, healthy_threshold, unhealthy_threshold),
            matcher: match matcher {
                Matcher::Http(matcher) => MatcherV1::Http(Text(matcher)),
                Matcher::Grpc(matcher) => MatcherV1::Grpc(Text(matcher)),
            },
        }
    }

    pub(super) fn into_check(self) -> Result<ServerHealthCheck, Invalid> {
        let (interval, timeout) = (self.timing.interval_secs.0, self.timing.timeout_secs.0);
        let (healthy_threshold, unhealthy_threshold) = self.timing.thresholds()?;
        Ok(ServerHealthCheck {
            protocol: self.protocol.0,
            port: self.port.map_or(HealthCheckPort::TrafficPort, HealthCheckPort::Port),
            path: self.path.0,
            timing: HealthCheckTiming::of_servers(interval, timeout).map_err(Invalid::because)?,
            healthy_threshold,
            unhealthy_threshold,
            matcher: match self.matcher {
                MatcherV1::Http(matcher) => Matcher::Http(matcher.0),
                MatcherV1::Grpc(matcher) => Matcher::Grpc(matcher.0),
            },
        })
    }
}

impl TimingV1 {
    fn of(timing: HealthCheckTiming, healthy: HealthThreshold, unhealthy: HealthThreshold) -> Self {
        Self {
            interval_secs: Lasting(timing.interval()),
            timeout_secs: Lasting(timing.timeout()),
            healthy_threshold: healthy.count(),
            unhealthy_threshold: unhealthy.count(),
        }
    }

    fn thresholds(&self) -> Result<(HealthThreshold, HealthThreshold), Invalid> {
        let healthy = HealthThreshold::healthy(self.healthy_threshold.into()).map_err(Invalid::because)?;
        let unhealthy = HealthThreshold::unhealthy(self.unhealthy_threshold.into()).map_err(Invalid::because)?;
        Ok((healthy, unhealthy))
    }
}
