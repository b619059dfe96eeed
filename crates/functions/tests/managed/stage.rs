//! What the cases of both languages need: functions made of files, and outcomes that are the same on every machine.

use crate::world::{Files, World, folder_of, until};
use functions::Source;
use invoke::InvokeOutcome;
use model::lambda::function::Function;
use std::path::Path;

/// Where the code is on Lambda; the folder of a function is shown as this.
const TASK_ROOT: &str = "/var/task";

/// Puts the function there, invokes it once with each event, and gives each outcome as text: an answer as it is, an
/// error as its recorded type, a space and the payload.
pub(crate) async fn outcomes(world: &World, function: Function, events: &[&str]) -> Vec<String> {
    let folder = folder_of(&function);
    world.put(function);
    let mut outcomes = Vec::new();
    for event in events {
        outcomes.push(shown(world.invoke(event).await, &folder));
    }
    outcomes
}

/// An outcome as text, free of what differs from run to run.
pub(crate) fn shown(outcome: InvokeOutcome, folder: &Path) -> String {
    let text = match outcome {
        InvokeOutcome::Buffered(payload) => String::from_utf8_lossy(&payload).into_owned(),
        InvokeOutcome::FunctionError { error_type, payload } => {
            format!("{error_type} {}", String::from_utf8_lossy(&payload))
        }
        other => format!("{other:?}"),
    };
    without_ids(&text.replace(folder.to_str().unwrap(), TASK_ROOT))
}

/// Every request id becomes `ID`.
pub(crate) fn without_ids(text: &str) -> String {
    let is_id = |part: &str| {
        let lengths: Vec<_> = part.split('-').map(str::len).collect();
        lengths == [8, 4, 4, 4, 12] && part.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match rest.get(..36) {
            Some(part) if is_id(part) => {
                out.push_str("ID");
                rest = &rest[36..];
            }
            _ => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

/// Every RFC 3339 time with milliseconds becomes `TIME`.
pub(crate) fn without_times(text: &str) -> String {
    const SHAPE: &str = "dddd-dd-ddTdd:dd:dd.dddZ";
    let is_time = |part: &str| {
        let fits = |(shape, byte): (u8, u8)| {
            if shape == b'd' {
                byte.is_ascii_digit()
            } else {
                shape == byte
            }
        };
        SHAPE.bytes().zip(part.bytes()).all(fits)
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match rest.get(..SHAPE.len()) {
            Some(part) if is_time(part) => {
                out.push_str("TIME");
                rest = &rest[SHAPE.len()..];
            }
            _ => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

/// Waits for `count` log events from `source`, and gives them without ids and times.
pub(crate) async fn log_lines(world: &World, folder: &Path, source: Source, count: usize) -> Vec<String> {
    let lines = || -> Vec<String> {
        let events = world.log.of(source).into_iter();
        events
            .map(|line| without_times(&without_ids(&line.replace(folder.to_str().unwrap(), TASK_ROOT))))
            .collect()
    };
    until(|| lines().len() >= count).await;
    lines()
}

/// One row of a table of handlers.
pub(crate) struct Row<'a> {
    pub(crate) what: &'a str,
    pub(crate) handler: &'a str,
    pub(crate) files: Files<'a>,
    /// Events and what comes of each.
    pub(crate) expected: &'a [(&'a str, &'a str)],
}

/// Runs every row with a function of its own.
pub(crate) async fn check(world: &World, runtime: &str, rows: &[Row<'_>]) {
    for row in rows {
        let function = world.function(runtime, row.handler, row.files);
        let events: Vec<_> = row.expected.iter().map(|(event, _)| *event).collect();
        let outcomes = outcomes(world, function, &events).await;
        let expected: Vec<_> = row.expected.iter().map(|(_, outcome)| *outcome).collect();
        assert_eq!(outcomes, expected, "{}", row.what);
    }
}
