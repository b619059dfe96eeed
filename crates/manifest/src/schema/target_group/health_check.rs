//! `target_groups.<name>.health_check` of a group with a function.

use super::{NOT_BUILT, SERVERS, Walk};
use crate::reader::quantity::duration;
use crate::reader::{Fields, accepted, boolean, fields, integer, text, written};
use crate::yaml::Node;
use model::elb::health_check::{
    HealthCheck, HealthCheckPath, HealthCheckRefusal, HealthCheckTiming, HealthThreshold, HttpMatcher,
};

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

impl Walk<'_> {
    /// What the group says, and AWS's defaults for what it does not. Writing `health_check` switches it on.
    pub(super) fn health_check(&mut self, group: &Fields<'_>) -> Option<HealthCheck> {
        let defaults = HealthCheck::of_lambda();
        let Some((key, node)) = group.entry("health_check") else {
            return Some(defaults);
        };
        let of_servers: Vec<_> = NOT_BUILT.iter().map(|(name, _)| *name).collect();
        if group.get("function").is_none() && !group.present(&of_servers).is_empty() {
            self.report
                .mistake(key.spot, format!("found `health_check`: {SERVERS}"));
            return None;
        }
        let fields = fields(&mut self.report, node, "a health check", &KEYS, OF_SERVERS)?;
        let enabled = match fields.get("enabled") {
            Some(node) => boolean(&mut self.report, node),
            None => Some(true),
        };
        let path = match fields.get("path") {
            Some(node) => self.health_check_path(node),
            None => Some(defaults.path),
        };
        let timing = self.timing(&fields, defaults.timing);
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

    fn health_check_path(&mut self, node: &Node) -> Option<HealthCheckPath> {
        let path = text(&mut self.report, node, "a path such as `/health`")?;
        accepted(&mut self.report, node.spot, HealthCheckPath::try_from(path))
    }

    /// Both at once, because each bounds the other. A mistake stands where the value is that is to be changed.
    fn timing(&mut self, fields: &Fields<'_>, defaults: HealthCheckTiming) -> Option<HealthCheckTiming> {
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
        let judged = HealthCheckTiming::of_lambda(
            interval.unwrap_or(defaults.interval()),
            timeout.unwrap_or(defaults.timeout()),
        );
        let refusal = match judged {
            Ok(timing) => return (interval.is_some() && timeout.is_some()).then_some(timing),
            Err(refusal) => refusal,
        };
        let both = interval.is_some() && timeout.is_some();
        let node = match &refusal {
            HealthCheckRefusal::Interval(_) => interval_node,
            HealthCheckRefusal::TimeoutOverInterval { .. } if !both => None,
            _ => timeout_node.or(interval_node),
        };
        if let Some(node) = node {
            let default = match (&refusal, timeout_node) {
                (HealthCheckRefusal::TimeoutOverInterval { .. }, None) => "; it is the default, write a `timeout` too",
                _ => "",
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
}

#[cfg(test)]
mod tests {
    use crate::testing::{TestFolder, apply};
    use model::elb::health_check::HealthCheck;
    use model::elb::target_group::TargetKind;
    use model::{Command, State};

    fn manifest(group: &str) -> String {
        format!(
            "functions: {{ f: {{ code: fn }} }}\ntarget_groups:\n  g: {group}\nload_balancers:\n  a:\n    listeners: [{{ port: 80, default: {{ forward: g }} }}]\n"
        )
    }

    fn folder() -> TestFolder {
        let folder = TestFolder::new();
        folder.put_executable("fn/bootstrap");
        folder
    }

    fn health_check(group: &str) -> HealthCheck {
        let loaded = folder()
            .load(&manifest(group))
            .unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let state = apply(&State::default(), &loaded.desired.batch(&State::default()).commands);
        let group = state.target_groups().next().unwrap();
        let TargetKind::Lambda(lambda) = &group.targets;
        lambda.health_check.clone()
    }

    #[test]
    fn what_is_not_written_is_aws_default() {
        assert_eq!(health_check("{ function: f }"), HealthCheck::of_lambda());
        let on = HealthCheck {
            enabled: true,
            ..HealthCheck::of_lambda()
        };
        assert_eq!(health_check("{ function: f, health_check: {} }"), on);
        assert_eq!(
            health_check("{ function: f, health_check: { enabled: false } }"),
            HealthCheck::of_lambda()
        );
    }

    #[test]
    fn everything_can_be_written() {
        let check = health_check(
            "{ function: f, health_check: { path: /health, interval: 1m, timeout: 10s, healthy_threshold: 3, unhealthy_threshold: 4, matcher: \"200,302-304\", enabled: true } }",
        );
        let timing = (check.timing.interval().as_secs(), check.timing.timeout().as_secs());
        assert!(check.enabled);
        assert_eq!((check.path.as_str(), timing), ("/health", (60, 10)));
        assert_eq!(
            (check.healthy_threshold.count(), check.unhealthy_threshold.count()),
            (3, 4)
        );
        assert_eq!(check.matcher.as_str(), "200,302-304");
        assert!(
            health_check("{ function: f, health_check: { matcher: 204 } }")
                .matcher
                .matches(204)
        );
        assert!(
            health_check("{ function: f, health_check: { matcher: 200-299 } }")
                .matcher
                .matches(250)
        );
    }

    #[test]
    fn every_mistake_has_its_place() {
        let cases: &[(&str, &[&str])] = &[
            (
                "health_check: yes",
                &["3:35: found the text `yes`; expected a health check as a mapping"],
            ),
            (
                "health_check: { paht: / }",
                &["3:37: found the unknown key `paht`; did you mean `path`?"],
            ),
            (
                "health_check: { port: 80, protocol: http }",
                &[
                    "3:37: found `port`: a function is invoked; it has no port to be checked on",
                    "3:47: found `protocol`: a function is invoked; it has no protocol to be checked with",
                ],
            ),
            (
                "health_check: { path: health, enabled: on, matcher: 2xx }",
                &[
                    "3:43: health check path \"health\" must be 1 to 1024 visible ASCII characters and begin with \"/\"",
                    "3:60: found the text `on`; expected `true` or `false`",
                    "3:73: matcher \"2xx\" must be statuses from 200 to 499, such as \"200\", \"200,302\" or \"200-299\"",
                ],
            ),
            (
                "health_check: { healthy_threshold: 1, unhealthy_threshold: 11 }",
                &[
                    "3:56: healthy threshold 1 must be 2 to 10",
                    "3:80: unhealthy threshold 11 must be 2 to 10",
                ],
            ),
            (
                "health_check: { healthy_threshold: \"3\" }",
                &["3:56: found the text `3`; expected a number of checks from 2 to 10"],
            ),
            (
                "health_check: { interval: 4s, timeout: 121s }",
                &[
                    "3:47: health check interval 4s must be 5 to 300 whole seconds",
                    "3:60: health check timeout 121s must be 2 to 120 whole seconds",
                ],
            ),
            (
                "health_check: { interval: 10, timeout: 1s }",
                &[
                    "3:47: found the number `10`; expected a duration such as `10s`, `1m30s`, `500ms` or `1h`",
                    "3:60: health check timeout 1s must be 2 to 120 whole seconds",
                ],
            ),
            (
                "health_check: { interval: 10s }",
                &[
                    "3:47: health check timeout 30s must be smaller than or equal to the interval 10s; it is the default, write a `timeout` too",
                ],
            ),
            (
                "health_check: { interval: 10s, timeout: 11s }",
                &["3:61: health check timeout 11s must be smaller than or equal to the interval 10s"],
            ),
            (
                "health_check: { timeout: 36s }",
                &["3:46: health check timeout 36s must be smaller than or equal to the interval 35s"],
            ),
        ];
        for (written, expected) in cases {
            let text = manifest(&format!("{{ function: f, {written} }}"));
            let mistakes = folder().load(&text).unwrap_err();
            let said: Vec<_> = mistakes
                .all
                .iter()
                .map(|it| format!("{}:{}: {}", it.place.line(), it.place.column(), it.message))
                .collect();
            assert_eq!(said, *expected, "{written}");
        }
    }

    #[test]
    fn a_changed_health_check_is_one_command() {
        let folder = folder();
        let load = |group: &str| {
            folder
                .load(&manifest(group))
                .unwrap_or_else(|mistakes| panic!("{mistakes}"))
        };
        let before = load("{ function: f }").desired;
        let state = apply(&State::default(), &before.batch(&State::default()).commands);
        let after = load("{ function: f, health_check: { path: /up } }").desired;
        let commands = after.batch(&state).commands;
        assert!(
            matches!(&commands[..], [Command::SetHealthCheck { .. }]),
            "{commands:?}"
        );
        let state = apply(&state, &commands);
        assert_eq!(after.batch(&state).commands, []);
        let commands = before.batch(&state).commands;
        assert!(
            matches!(&commands[..], [Command::SetHealthCheck { .. }]),
            "{commands:?}"
        );
    }
}
