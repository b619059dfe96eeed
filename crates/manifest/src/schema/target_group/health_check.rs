//! `target_groups.<name>.health_check`.

use super::Walk;
use crate::reader::quantity::duration;
use crate::reader::{Fields, accepted, boolean, fields, integer, text, written};
use crate::yaml::Node;
use model::elb::health_check::{
    GrpcMatcher, HealthCheck, HealthCheckPath, HealthCheckPort, HealthCheckRefusal, HealthCheckTiming, HealthThreshold,
    HttpMatcher, Matcher, ServerHealthCheck,
};
use model::elb::target_group::ProtocolVersion;
use std::time::Duration;

const KEYS: [&str; 7] = [
    "enabled",
    "path",
    "interval",
    "timeout",
    "healthy_threshold",
    "unhealthy_threshold",
    "matcher",
];

const OF_SERVERS: crate::reader::NotBuilt = &[
    (
        "protocol",
        "a function is invoked; it has no protocol to be checked with",
    ),
    ("port", "a function is invoked; it has no port to be checked on"),
];

/// What bounds interval and timeout.
type Judge = fn(Duration, Duration) -> Result<HealthCheckTiming, HealthCheckRefusal>;

impl Walk<'_> {
    /// What a group with a function says, and AWS's defaults for what it does not. Writing `health_check` switches it on.
    pub(super) fn lambda_health_check(&mut self, group: &Fields<'_>) -> Option<HealthCheck> {
        let defaults = HealthCheck::of_lambda();
        let Some(node) = group.get("health_check") else {
            return Some(defaults);
        };
        let fields = fields(&mut self.report, node, "a health check", &KEYS, OF_SERVERS)?;
        let enabled = match fields.get("enabled") {
            Some(node) => boolean(&mut self.report, node),
            None => Some(true),
        };
        if enabled == Some(false) {
            for (key, _) in fields.present(&KEYS[1..]) {
                let message = format!("`{}` has no effect: `enabled` is `false`", key.text);
                self.report.warning(key.spot, message);
            }
        }
        let path = self.health_check_path(&fields, defaults.path);
        let timing = self.timing(&fields, defaults.timing, HealthCheckTiming::of_lambda);
        let healthy = self.threshold(&fields, "healthy_threshold", HealthThreshold::healthy);
        let unhealthy = self.threshold(&fields, "unhealthy_threshold", HealthThreshold::unhealthy);
        let matcher = match fields.get("matcher") {
            Some(node) => self.matcher(node),
            None => Some(defaults.matcher),
        };
        Some(HealthCheck {
            enabled: enabled?,
            path: path?,
            timing: timing?,
            healthy_threshold: healthy?.unwrap_or(defaults.healthy_threshold),
            unhealthy_threshold: unhealthy?.unwrap_or(defaults.unhealthy_threshold),
            matcher: matcher?,
        })
    }

    /// What a group of servers says, and AWS's defaults for what it does not. `version` is `None` where it is wrong
    /// itself; then nothing is said about what depends on it.
    pub(super) fn server_health_check(
        &mut self,
        group: &Fields<'_>,
        version: Option<ProtocolVersion>,
    ) -> Option<ServerHealthCheck> {
        let defaults = ServerHealthCheck::of_servers(version.unwrap_or_default());
        let Some(node) = group.get("health_check") else {
            return Some(defaults);
        };
        let known: Vec<_> = ["protocol", "port"].into_iter().chain(KEYS).collect();
        let fields = fields(&mut self.report, node, "a health check", &known, &[])?;
        if let Some(node) = fields.get("enabled")
            && boolean(&mut self.report, node) == Some(false)
        {
            self.report.mistake(node.spot, HealthCheckRefusal::CannotBeDisabled);
        }
        let protocol = match fields.get("protocol") {
            Some(node) => self.http_or_https(node),
            None => Some(defaults.protocol),
        };
        let port = match fields.get("port") {
            Some(node) => written(&mut self.report, node, "`traffic-port` or a port from 1 to 65535")
                .and_then(|port| accepted(&mut self.report, node.spot, HealthCheckPort::try_from(port))),
            None => Some(defaults.port),
        };
        let path = self.health_check_path(&fields, defaults.path);
        let timing = self.timing(&fields, defaults.timing, HealthCheckTiming::of_servers);
        let healthy = self.threshold(&fields, "healthy_threshold", HealthThreshold::healthy);
        let unhealthy = self.threshold(&fields, "unhealthy_threshold", HealthThreshold::unhealthy);
        let matcher = match (fields.get("matcher"), version) {
            (Some(node), Some(ProtocolVersion::Grpc)) => self.grpc_matcher(node).map(Matcher::Grpc),
            (Some(node), Some(ProtocolVersion::Http1 | ProtocolVersion::Http2)) => {
                self.matcher(node).map(Matcher::Http)
            }
            (Some(_), None) | (None, _) => Some(defaults.matcher),
        };
        Some(ServerHealthCheck {
            protocol: protocol?,
            port: port?,
            path: path?,
            timing: timing?,
            healthy_threshold: healthy?.unwrap_or(defaults.healthy_threshold),
            unhealthy_threshold: unhealthy?.unwrap_or(defaults.unhealthy_threshold),
            matcher: matcher?,
        })
    }

    fn health_check_path(&mut self, fields: &Fields<'_>, default: HealthCheckPath) -> Option<HealthCheckPath> {
        let Some(node) = fields.get("path") else {
            return Some(default);
        };
        let path = text(&mut self.report, node, "a path such as `/health`")?;
        accepted(&mut self.report, node.spot, HealthCheckPath::try_from(path))
    }

    /// Both at once, because each bounds the other. A mistake stands where the value is that is to be changed.
    fn timing(&mut self, fields: &Fields<'_>, defaults: HealthCheckTiming, judge: Judge) -> Option<HealthCheckTiming> {
        let (interval_node, timeout_node) = (fields.get("interval"), fields.get("timeout"));
        let interval = match interval_node {
            Some(node) => duration(&mut self.report, node),
            None => Some(defaults.interval()),
        };
        let timeout = match timeout_node {
            Some(node) => duration(&mut self.report, node),
            None => Some(defaults.timeout()),
        };
        // One that cannot be read leaves the other to be judged by itself.
        let judged = judge(
            interval.unwrap_or(defaults.interval()),
            timeout.unwrap_or(defaults.timeout()),
        );
        let refusal = match judged {
            Ok(timing) => return (interval.is_some() && timeout.is_some()).then_some(timing),
            Err(refusal) => refusal,
        };
        let both = interval.is_some() && timeout.is_some();
        let too_long = matches!(
            &refusal,
            HealthCheckRefusal::TimeoutOverInterval { .. } | HealthCheckRefusal::TimeoutNotUnderInterval { .. }
        );
        let node = match &refusal {
            HealthCheckRefusal::Interval(_) => interval_node,
            _ if too_long && !both => None,
            _ => timeout_node.or(interval_node),
        };
        if let Some(node) = node {
            let default = match too_long && timeout_node.is_none() {
                true => "; it is the default, write a `timeout` too",
                false => "",
            };
            self.report.mistake(node.spot, format!("{refusal}{default}"));
        }
        // The interval is judged first, which must not hide what is wrong with the timeout.
        if let (HealthCheckRefusal::Interval(_), Some(timeout), Some(node)) = (&refusal, timeout, timeout_node)
            && let Err(refusal @ HealthCheckRefusal::Timeout(_)) =
                HealthCheckTiming::of_lambda(timeout.max(defaults.interval()), timeout)
        {
            self.report.mistake(node.spot, refusal);
        }
        None
    }

    /// `Some(None)` when it is not written.
    fn threshold(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        read: fn(i64) -> Result<HealthThreshold, HealthCheckRefusal>,
    ) -> Option<Option<HealthThreshold>> {
        let Some(node) = fields.get(key) else {
            return Some(None);
        };
        let value = integer(&mut self.report, node, "a number of checks from 2 to 10")?;
        accepted(&mut self.report, node.spot, read(value)).map(Some)
    }

    fn matcher(&mut self, node: &Node) -> Option<HttpMatcher> {
        let expected = "statuses such as `200`, `\"200,302\"` or `200-299`";
        let matcher = written(&mut self.report, node, expected)?;
        accepted(&mut self.report, node.spot, HttpMatcher::try_from(matcher))
    }

    fn grpc_matcher(&mut self, node: &Node) -> Option<GrpcMatcher> {
        let expected = "gRPC statuses such as `12`, `\"0,12\"` or `0-99`";
        let matcher = written(&mut self.report, node, expected)?;
        accepted(&mut self.report, node.spot, GrpcMatcher::try_from(matcher))
    }
}

#[cfg(test)]
mod tests;
