//! What Lambda itself writes into a function's log, as text and as JSON. Plain functions over plain data; nothing here
//! reads a clock. Source: Lambda 2.9, 2.10, 4.6.
//!
//! No line has a newline at its end: an event has none.

pub(super) mod json;
pub(super) mod text;

use crate::json::{write_integer, write_string};
use crate::request_id::RequestId;
use model::lambda::function::Function;
use model::lambda::logging::SystemLogLevel;
use std::time::Duration;
use time::OffsetDateTime;

/// There are no others yet. Source: Lambda 4.6.
const INITIALIZATION_TYPE: &str = "on-demand";

/// The version that a function's ARN means: a published one's number, or `$LATEST`.
pub(in crate::log) fn version(function_arn: &str) -> &str {
    function_arn.split(':').nth(7).unwrap_or("$LATEST")
}

/// How an init or an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    Timeout,
    /// With its type, for example `Runtime.ExitError`.
    Error(String),
}

/// The type of an error that is known by its status alone.
const OUT_OF_MEMORY: &str = "Runtime.OutOfMemory";

impl Status {
    pub(crate) fn out_of_memory() -> Self {
        Self::Error(OUT_OF_MEMORY.to_owned())
    }

    pub(crate) fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Error(error_type) if error_type == OUT_OF_MEMORY)
    }
}

/// To what an init belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InitPhase {
    /// To nothing else.
    Init,
    /// To an invocation, because the one before has failed.
    Invoke,
}

impl InitPhase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Invoke => "invoke",
        }
    }
}

/// What runs the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuntimeVersion {
    /// For example `python:3.12.7`.
    pub(crate) text: String,
    pub(crate) arn: String,
}

/// The beginning of an init.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InitStart<'a> {
    pub(crate) function: &'a Function,
    pub(crate) phase: InitPhase,
    pub(crate) runtime: &'a RuntimeVersion,
    pub(crate) stream: &'a str,
}

/// The end of an init.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InitReport<'a> {
    pub(crate) phase: InitPhase,
    pub(crate) duration: Duration,
    pub(crate) status: &'a Status,
}

/// How far an extension is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExtensionState<'a> {
    pub(crate) name: &'a str,
    /// For example `Ready`.
    pub(crate) state: &'static str,
    /// Whether it is told of invocations.
    pub(crate) invoke: bool,
    /// Whether it is told of the end.
    pub(crate) shutdown: bool,
    pub(crate) error_type: Option<&'a str>,
}

/// An extension has subscribed to telemetry.
#[derive(Clone, Debug)]
pub(crate) struct Subscribed<'a> {
    pub(crate) name: &'a str,
    /// `Telemetry` or `Logs`.
    pub(crate) api: &'static str,
    /// In lower case.
    pub(crate) types: Vec<&'static str>,
}

impl ExtensionState<'_> {
    fn events(&self) -> impl Iterator<Item = &'static str> {
        let invoke = self.invoke.then_some("INVOKE");
        invoke.into_iter().chain(self.shutdown.then_some("SHUTDOWN"))
    }
}

/// The end of an invocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report<'a> {
    pub(crate) id: &'a RequestId,
    /// Extensions hear of it; the log does not show it.
    pub(crate) trace_id: Option<&'a str>,
    pub(crate) duration: Duration,
    /// Of the init that was for this invocation, if there was one.
    pub(crate) init_duration: Option<Duration>,
    pub(crate) memory_mb: u32,
    pub(crate) memory_used_mb: u64,
    pub(crate) status: &'a Status,
}

/// What the runtime did with an invocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RuntimeDone<'a> {
    pub(crate) id: &'a RequestId,
    /// As in [`Report`].
    pub(crate) trace_id: Option<&'a str>,
    pub(crate) duration: Duration,
    pub(crate) status: &'a Status,
    /// If it has answered.
    pub(crate) answer: Option<AnswerSpans>,
}

/// The parts of an invocation that was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerSpans {
    /// From the event to the first byte of the answer.
    pub(crate) latency: Duration,
    /// From there to its last byte.
    pub(crate) duration: Duration,
    /// From there to the runtime asking for the next event.
    pub(crate) overhead: Duration,
    pub(crate) produced_bytes: u64,
}

/// The level of an event that says how something ended. Source: Lambda 2.10 (unverified).
pub(super) fn level(kind: Kind, status: &Status) -> SystemLogLevel {
    match (kind, status) {
        (Kind::Start, _) | (Kind::Report, Status::Success) => SystemLogLevel::Info,
        (Kind::Detail, Status::Success) => SystemLogLevel::Debug,
        (Kind::Report | Kind::Detail, Status::Timeout | Status::Error(_)) => SystemLogLevel::Warn,
    }
}

/// What the level of an event depends on, besides its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `initStart`, with a runtime version, and `start`.
    Start,
    /// `report`.
    Report,
    /// `initRuntimeDone`, `initReport` (of an on-demand init) and `runtimeDone`.
    Detail,
}

/// How many units of so many nanoseconds a duration is shown as.
fn rounded(duration: Duration, unit_nanos: u128) -> u64 {
    u64::try_from((duration.as_nanos() + unit_nanos / 2) / unit_nanos).unwrap_or(u64::MAX)
}

/// `Billed Duration`: what the line shows of both durations, together, rounded up to milliseconds. Source: Lambda 2.9,
/// since August 2025.
fn billed_ms(duration: Duration, init_duration: Option<Duration>, unit_nanos: u128) -> u64 {
    let units = rounded(duration, unit_nanos).saturating_add(rounded(init_duration.unwrap_or_default(), unit_nanos));
    let units_per_ms = u64::try_from(1_000_000 / unit_nanos).unwrap_or(1);
    units.div_ceil(units_per_ms)
}

/// `2026-10-08T07:00:00.100Z`.
pub(crate) fn write_time(out: &mut Vec<u8>, now_ms: u64) {
    let secs = i64::try_from(now_ms / 1000).unwrap_or_default();
    let now = OffsetDateTime::from_unix_timestamp(secs).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut padded = |number: u32, digits: usize, after: u8| {
        let mut text = itoa::Buffer::new();
        let text = text.format(number).as_bytes();
        out.extend(std::iter::repeat_n(b'0', digits.saturating_sub(text.len())));
        out.extend_from_slice(text);
        out.push(after);
    };
    padded(now.year().unsigned_abs(), 4, b'-');
    padded(u8::from(now.month()).into(), 2, b'-');
    padded(now.day().into(), 2, b'T');
    padded(now.hour().into(), 2, b':');
    padded(now.minute().into(), 2, b':');
    padded(now.second().into(), 2, b'.');
    padded(u32::try_from(now_ms % 1000).unwrap_or_default(), 3, b'Z');
}

#[cfg(test)]
mod tests;
