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
    let TargetKind::Lambda(lambda) = &group.targets else {
        panic!("a group of servers");
    };
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
