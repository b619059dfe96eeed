//! What a developer reads when a function's answer does not reach the client.

use crate::played::*;
use crate::support::*;
use invoke::{InvokeOutcome, InvokeRefusal};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Every warning of the process, as `message field=value ...`.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

pub(crate) fn lines() -> MutexGuard<'static, Vec<String>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Collector;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            write!(self.0, " {}={value:?}", field.name()).unwrap();
        }
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("proxy")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        lines().push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

pub(crate) fn collect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Collector).unwrap());
}

/// A server whose function has a name of its own, so that its lines are told from those of other tests.
fn server(name: &'static str, outcome: InvokeOutcome) -> Server {
    collect();
    Setup {
        default: forward(&[(name, 1)], None),
        groups: vec![(name, false, Some(name))],
        function: ending(outcome),
        ..Setup::default()
    }
    .start()
}

fn about(name: &str) -> Vec<String> {
    let function = format!(":function:{name} ");
    lines()
        .iter()
        .filter(|line| line.contains(&function))
        .cloned()
        .collect()
}

const TRACED: &str = "GET / HTTP/1.1\r\nHost: a\r\nX-Amzn-Trace-Id: Root=r;a=\x1b[31m\r\n\r\n";

#[test]
fn each_kind_of_failure_is_one_line_without_the_body() {
    let error = InvokeOutcome::FunctionError {
        error_type: "Runtime.\nExitError".to_owned(),
        payload: r#"{"errorMessage":"secret"}"#.into(),
    };
    let document = r#"{"statusCode":200,"headers":{"x-count":1},"body":"secret"}"#;
    for (name, outcome, expected) in [
        (
            "refused",
            InvokeOutcome::Buffered(document.into()),
            &[
                "the answer of a function was refused ",
                "error_reason=\"LambdaInvalidResponse\"",
                "verdict=\"headers.x-count is a number; ALB accepts strings only\"",
            ],
        ),
        (
            "failed",
            error,
            &[
                "a function failed ",
                "error_reason=\"LambdaUnhandled\"",
                "error_type=\"Runtime.\\\\nExitError\"",
            ],
        ),
        (
            "throttled",
            InvokeOutcome::Refused(InvokeRefusal::Throttled),
            &[
                "a function was not run ",
                "error_reason=\"LambdaThrottling\"",
                "verdict=\"the function is throttled\"",
            ],
        ),
    ] {
        let server = server(name, outcome);
        assert_eq!(server.ask(TRACED).status, 502);
        let said = about(name);
        assert_eq!(said.len(), 1, "{said:?}");
        for part in expected {
            assert!(said[0].contains(part), "{part} in {said:?}");
        }
        let group = format!("target_group={}", group_arn(name));
        assert!(said[0].contains(&group), "{said:?}");
        assert!(said[0].contains("Root=r") && !said[0].contains('\x1b'), "{said:?}");
        assert!(!said[0].contains("secret") && !said[0].contains('\n'), "{said:?}");
        // The record says the same, and more of what the function said.
        let verdict = server.requests().pop().unwrap().verdict.unwrap();
        assert_eq!(verdict.contains("secret"), name == "failed", "{verdict}");
    }
}

#[test]
fn a_failing_function_does_not_flood_the_log() {
    let server = server("flooding", InvokeOutcome::Buffered("[]".into()));
    let mut client = server.connect();
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
    for _ in 0..10 {
        client.send(request.as_bytes());
        for _ in 0..100 {
            assert_eq!(client.response().status, 502);
        }
    }
    let suppressed = || -> usize {
        // As the summary says it: of which function, of which kind, and how many.
        let of = "kind=\"the answer of a function was refused\" lines=";
        let told = about("flooding")
            .into_iter()
            .filter(|line| line.starts_with("more lines about a function were not written "))
            .map(|line| line.split_once(of).unwrap().1.parse::<usize>().unwrap());
        told.sum()
    };
    let written = || {
        let written = about("flooding");
        written
            .iter()
            .filter(|line| line.starts_with("the answer of a function was refused "))
            .count()
    };
    until("the rest is counted", || written() + suppressed() == 1000);
    assert!(written() < 500, "{} lines", written());
}

/// What a developer saw: the first refused answer of one function was not told, because another one crashed.
#[test]
fn a_function_that_crashes_hides_no_refused_answer_of_another() {
    let played: Function = Arc::new(|invocation| {
        let outcome = match invocation.function.as_str().ends_with(":quiet") {
            true => InvokeOutcome::Buffered(r#"{"statusCode":200,"headers":{"x-count":1}}"#.into()),
            false => InvokeOutcome::FunctionError {
                error_type: "Runtime.ExitError".to_owned(),
                payload: "{}".into(),
            },
        };
        Box::pin(async move { outcome })
    });
    collect();
    let server = Setup {
        default: forward(&[("crashing", 1)], None),
        groups: vec![("crashing", false, Some("crashing")), ("quiet", false, Some("quiet"))],
        function: played,
        ..Setup::default()
    }
    .rule(1, vec![path(&["/quiet"])], forward(&[("quiet", 1)], None))
    .start();
    // All on one core, and in one second unless the machine stands still.
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100).as_bytes());
    client.send(b"GET /quiet HTTP/1.1\r\nHost: a\r\n\r\n");
    for _ in 0..101 {
        assert_eq!(client.response().status, 502);
    }
    let said = about("quiet");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("headers.x-count"), "{said:?}");
}
