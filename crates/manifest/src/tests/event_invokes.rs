//! `functions.<name>`: what becomes of asynchronous invocations.

use super::*;
use model::lambda::event_invoke::{Destination, EventInvokeConfig, QualifiedArn};
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
    let to = Some(Destination::latest(arn("g")));
    assert_eq!((&settings.on_success, &settings.on_failure), (&to, &to));
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
            "2:52: destinations are functions: queues, topics, event buses and buckets are not built",
        ),
        (
            "on_sucess: g",
            "2:40: found the unknown key `on_sucess`; did you mean `on_success`?",
        ),
    ] {
        check(&function(more), &[expected]);
    }
}
