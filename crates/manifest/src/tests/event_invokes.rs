//! `functions.<name>`: what becomes of asynchronous invocations.

use super::*;
use crate::Buckets;
use model::lambda::event_invoke::{Destination, EventInvokeConfig, FailureDestination, QualifiedArn};
use model::{FunctionArn, State};

fn function(more: &str) -> String {
    format!(
        "functions:\n  f: {{ code: run, url: {{ auth: none }}, {more} }}\n  g: {{ code: run, url: {{ auth: none }} }}\n"
    )
}

fn loaded(more: &str) -> Option<EventInvokeConfig> {
    let folder = folder();
    let loaded = folder
        .load(&function(more))
        .unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let commands = loaded.desired.batch(&State::default()).commands;
    let state = crate::testing::apply(&State::default(), &commands);
    let mut all = state.event_invokes().all();
    let config = all.next().map(|it| EventInvokeConfig::clone(it));
    assert_eq!(all.next(), None);
    config
}

#[test]
fn everything_that_can_be_said() {
    assert_eq!(loaded("timeout: 3s"), None);
    let config = loaded("maximum_retry_attempts: 0, maximum_event_age: 1h, on_success: g, on_failure: g").unwrap();
    let arn = |name: &str| FunctionArn::new(&settings().scope, name);
    assert_eq!(config.function, QualifiedArn::latest(&arn("f")));
    let settings = config.settings;
    assert_eq!((settings.retry_attempts(), settings.event_age().as_secs()), (0, 3600));
    let to = Destination::latest(arn("g"));
    assert_eq!(settings.on_success, Some(to.clone()));
    assert_eq!(settings.on_failure, Some(FailureDestination::Function(to)));
}

#[test]
fn failures_may_go_into_a_bucket() {
    let config = loaded("on_success: g, on_failure: 'arn:aws:s3:::dead-letters'").unwrap();
    assert_eq!(config.settings.bucket().map(|it| it.name()), Some("dead-letters"));
    let text = function("on_failure: 'arn:aws:s3:::dead-letters'");
    for (buckets, expected) in [
        (Buckets::Given, vec![]),
        (
            Buckets::Missing,
            vec!["2:52: buckets are folders in the one given with --s3-root, and none is given"],
        ),
    ] {
        let settings = Settings { buckets, ..settings() };
        assert_eq!(mistakes_with(&text, &settings), expected);
    }
}

#[test]
fn mistakes_of_asynchronous_invocations() {
    for (more, expected) in [
        (
            "maximum_retry_attempts: 3",
            "2:64: maximum retry attempts of 3 are not 0 to 2",
        ),
        (
            "maximum_event_age: 30s",
            "2:59: a maximum event age of 30 seconds is not between 60 and 21600",
        ),
        ("on_success: f", "2:52: a function cannot be a destination for itself"),
        (
            "on_failure: h",
            "2:52: found the unknown function `h`; did you mean `f`?",
        ),
        (
            "on_failure: 'arn:aws:sqs:us-east-1:000000000000:dead'",
            "2:52: destinations are functions, and `on_failure` may be a bucket (arn:aws:s3:::name): queues, topics and event buses are \
             not built",
        ),
        (
            "on_success: 'arn:aws:events:us-east-1:000000000000:event-bus/x'",
            "2:52: destinations are functions, and `on_failure` may be a bucket (arn:aws:s3:::name): queues, topics and event buses are \
             not built",
        ),
        (
            "on_success: 'arn:aws:s3:::dead'",
            "2:52: a bucket gets the records of failures only: name it as `on_failure`",
        ),
        (
            "on_failure: 'arn:aws:s3:::../dead'",
            "2:52: \"arn:aws:s3:::../dead\" is not the ARN of a bucket, `arn:aws:s3:::` and a name of 3 to 63 lower-case letters, \
             digits, hyphens and dots as S3 takes it",
        ),
        (
            "on_failure: 'arn:aws-cn:s3:::dead'",
            "2:52: a bucket of this region is `arn:aws:s3:::dead`",
        ),
        (
            "on_failure: [x]",
            "2:52: found a list; expected the name of a function that gets the outcome, or the ARN of a bucket",
        ),
        (
            "on_sucess: g",
            "2:40: found the unknown key `on_sucess`; did you mean `on_success`?",
        ),
    ] {
        check(&function(more), &[expected]);
    }
}
