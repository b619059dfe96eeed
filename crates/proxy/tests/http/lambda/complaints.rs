//! What a developer reads when a function's answer does not reach the client.

use crate::played::*;
use crate::support::*;
use invoke::{InvokeOutcome, InvokeRefusal};
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Every warning of the process, as `message field=value ...`.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn lines() -> MutexGuard<'static, Vec<String>> {
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

/// A server whose function has a name of its own, so that its lines are told from those of other tests.
fn server(name: &'static str, outcome: InvokeOutcome) -> Server {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Collector).unwrap());
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
        let all = lines();
        let told = all.iter().filter_map(|line| {
            line.strip_prefix("more answers of functions were refused than lines were written suppressed=")
        });
        told.map(|count| count.parse::<usize>().unwrap()).sum()
    };
    until("the rest is counted", || about("flooding").len() + suppressed() >= 1000);
    let written = about("flooding").len();
    assert!(written < 500, "{written} lines");
}
