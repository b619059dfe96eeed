//! What Lambda itself writes into a function's log, as text and as JSON. Plain functions over plain data; nothing here
//! reads a clock. Source: Lambda 2.9, 2.10, 4.6.
//!
//! No line has a newline at its end: an event has none.

use crate::json::{write_integer, write_string};
use crate::request_id::RequestId;
use model::lambda::function::Function;
use model::lambda::logging::SystemLogLevel;
use std::time::Duration;
use time::OffsetDateTime;

/// There are no others yet. Source: Lambda 4.6.
const INITIALIZATION_TYPE: &str = "on-demand";

/// The only version there is yet.
const VERSION: &str = "$LATEST";

/// How an init or an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    Timeout,
    /// With its type, for example `Runtime.ExitError`.
    Error(String),
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

/// The end of an invocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report<'a> {
    pub(crate) id: &'a RequestId,
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

pub(super) mod text {
    //! Lambda 2.9, in the form since 2025.

    use super::{InitReport, InitStart, Report, Status, VERSION, billed_ms};
    use crate::json::write_integer;
    use crate::request_id::RequestId;
    use std::time::Duration;

    /// The unit of what these lines show of a duration: two decimals of a millisecond.
    const UNIT_NANOS: u128 = 10_000;

    pub(in crate::log) fn init_start(out: &mut Vec<u8>, init: &InitStart<'_>) {
        out.extend(b"INIT_START Runtime Version: ");
        out.extend(init.runtime.text.as_bytes());
        out.extend(b"\tRuntime Version ARN: ");
        out.extend(init.runtime.arn.as_bytes());
    }

    pub(in crate::log) fn init_report(out: &mut Vec<u8>, report: &InitReport<'_>) {
        out.extend(b"INIT_REPORT Init Duration: ");
        write_milliseconds(out, report.duration);
        out.extend(b" ms\tPhase: ");
        out.extend(report.phase.as_str().as_bytes());
        write_status(out, report.status);
    }

    pub(in crate::log) fn start(out: &mut Vec<u8>, id: &RequestId) {
        out.extend(b"START RequestId: ");
        out.extend_from_slice(id.as_bytes());
        out.extend(b" Version: ");
        out.extend(VERSION.as_bytes());
    }

    pub(in crate::log) fn end(out: &mut Vec<u8>, id: &RequestId) {
        out.extend(b"END RequestId: ");
        out.extend_from_slice(id.as_bytes());
    }

    pub(in crate::log) fn report(out: &mut Vec<u8>, report: &Report<'_>) {
        out.extend(b"REPORT RequestId: ");
        out.extend_from_slice(report.id.as_bytes());
        out.extend(b"\tDuration: ");
        write_milliseconds(out, report.duration);
        out.extend(b" ms\tBilled Duration: ");
        write_integer(out, billed_ms(report.duration, report.init_duration, UNIT_NANOS));
        out.extend(b" ms\tMemory Size: ");
        write_integer(out, report.memory_mb.into());
        out.extend(b" MB\tMax Memory Used: ");
        write_integer(out, report.memory_used_mb);
        out.extend(b" MB");
        if let Some(init_duration) = report.init_duration {
            out.extend(b"\tInit Duration: ");
            write_milliseconds(out, init_duration);
            out.extend(b" ms");
        }
        match report.status {
            Status::Success => out.push(b'\t'),
            failure => write_status(out, failure),
        }
    }

    fn write_status(out: &mut Vec<u8>, status: &Status) {
        out.extend(b"\tStatus: ");
        match status {
            Status::Success => out.extend(b"success"),
            Status::Timeout => out.extend(b"timeout"),
            Status::Error(error_type) => {
                out.extend(b"error\tError Type: ");
                out.extend(error_type.as_bytes());
            }
        }
    }

    fn write_milliseconds(out: &mut Vec<u8>, duration: Duration) {
        let hundredths = super::rounded(duration, UNIT_NANOS);
        write_integer(out, hundredths / 100);
        out.push(b'.');
        out.extend([hundredths / 10 % 10, hundredths % 10].map(|digit| b'0' + digit as u8));
    }
}

pub(super) mod json {
    //! Lambda 2.10 and 4.6.

    use super::{
        INITIALIZATION_TYPE, InitReport, InitStart, Report, RuntimeDone, Status, VERSION, billed_ms, write_integer,
        write_string, write_time,
    };
    use crate::request_id::RequestId;
    use std::time::Duration;

    /// The unit of what these lines show of a duration: three decimals of a millisecond.
    const UNIT_NANOS: u128 = 1000;

    pub(in crate::log) fn init_start(out: &mut Vec<u8>, now_ms: u64, init: &InitStart<'_>) {
        begin(out, now_ms, "platform.initStart");
        out.extend(b"\"initializationType\":");
        write_string(out, INITIALIZATION_TYPE);
        text_field(out, "phase", init.phase.as_str());
        text_field(out, "runtimeVersion", &init.runtime.text);
        text_field(out, "runtimeVersionArn", &init.runtime.arn);
        text_field(out, "functionName", init.function.name.as_str());
        text_field(out, "functionVersion", VERSION);
        text_field(out, "instanceId", init.stream);
        let memory = u64::from(init.function.configuration.memory.megabytes()) * 1024 * 1024;
        integer_field(out, "instanceMaxMemory", memory);
        out.extend(b"}}");
    }

    pub(in crate::log) fn init_runtime_done(out: &mut Vec<u8>, now_ms: u64, report: &InitReport<'_>) {
        init_end(out, now_ms, "platform.initRuntimeDone", report);
        out.extend(b"}}");
    }

    pub(in crate::log) fn init_report(out: &mut Vec<u8>, now_ms: u64, report: &InitReport<'_>) {
        init_end(out, now_ms, "platform.initReport", report);
        out.extend(b",\"metrics\":{\"durationMs\":");
        write_milliseconds(out, report.duration);
        out.extend(b"}}}");
    }

    pub(in crate::log) fn start(out: &mut Vec<u8>, now_ms: u64, id: &RequestId, function_arn: &str) {
        begin(out, now_ms, "platform.start");
        out.extend(b"\"requestId\":");
        write_string(out, id.as_str());
        text_field(out, "functionArn", function_arn);
        text_field(out, "version", VERSION);
        out.extend(b"}}");
    }

    pub(in crate::log) fn runtime_done(out: &mut Vec<u8>, now_ms: u64, done: &RuntimeDone<'_>) {
        begin(out, now_ms, "platform.runtimeDone");
        out.extend(b"\"requestId\":");
        write_string(out, done.id.as_str());
        status_fields(out, done.status);
        if let Some(answer) = &done.answer {
            out.extend(b",\"spans\":[");
            for (name, span) in [
                ("responseLatency", answer.latency),
                ("responseDuration", answer.duration),
                ("runtimeOverhead", answer.overhead),
            ] {
                let separator: &[u8] = if name == "responseLatency" {
                    b"{\"name\":"
                } else {
                    b",{\"name\":"
                };
                out.extend(separator);
                write_string(out, name);
                out.extend(b",\"durationMs\":");
                write_milliseconds(out, span);
                out.push(b'}');
            }
            out.push(b']');
        }
        out.extend(b",\"metrics\":{\"durationMs\":");
        write_milliseconds(out, done.duration);
        if let Some(answer) = &done.answer {
            integer_field(out, "producedBytes", answer.produced_bytes);
        }
        out.extend(b"}}}");
    }

    pub(in crate::log) fn report(out: &mut Vec<u8>, now_ms: u64, report: &Report<'_>) {
        begin(out, now_ms, "platform.report");
        out.extend(b"\"requestId\":");
        write_string(out, report.id.as_str());
        out.extend(b",\"metrics\":{\"durationMs\":");
        write_milliseconds(out, report.duration);
        let billed = billed_ms(report.duration, report.init_duration, UNIT_NANOS);
        integer_field(out, "billedDurationMs", billed);
        integer_field(out, "memorySizeMB", report.memory_mb.into());
        integer_field(out, "maxMemoryUsedMB", report.memory_used_mb);
        if let Some(init_duration) = report.init_duration {
            out.extend(b",\"initDurationMs\":");
            write_milliseconds(out, init_duration);
        }
        out.push(b'}');
        status_fields(out, report.status);
        out.extend(b"}}");
    }

    fn init_end(out: &mut Vec<u8>, now_ms: u64, event: &str, report: &InitReport<'_>) {
        begin(out, now_ms, event);
        out.extend(b"\"initializationType\":");
        write_string(out, INITIALIZATION_TYPE);
        text_field(out, "phase", report.phase.as_str());
        status_fields(out, report.status);
    }

    fn begin(out: &mut Vec<u8>, now_ms: u64, event: &str) {
        out.extend(b"{\"time\":\"");
        write_time(out, now_ms);
        out.extend(b"\",\"type\":");
        write_string(out, event);
        out.extend(b",\"record\":{");
    }

    fn text_field(out: &mut Vec<u8>, name: &str, value: &str) {
        out.push(b',');
        write_string(out, name);
        out.push(b':');
        write_string(out, value);
    }

    fn integer_field(out: &mut Vec<u8>, name: &str, value: u64) {
        out.push(b',');
        write_string(out, name);
        out.push(b':');
        write_integer(out, value);
    }

    fn status_fields(out: &mut Vec<u8>, status: &Status) {
        match status {
            Status::Success => text_field(out, "status", "success"),
            Status::Timeout => text_field(out, "status", "timeout"),
            Status::Error(error_type) => {
                text_field(out, "status", "error");
                text_field(out, "errorType", error_type);
            }
        }
    }

    fn write_milliseconds(out: &mut Vec<u8>, duration: Duration) {
        let micros = super::rounded(duration, UNIT_NANOS);
        write_integer(out, micros / 1000);
        let decimals = [micros / 100 % 10, micros / 10 % 10, micros % 10];
        let shown = decimals
            .iter()
            .rposition(|&digit| digit != 0)
            .map_or(0, |last| last + 1);
        if shown > 0 {
            out.push(b'.');
            out.extend(decimals[..shown].iter().map(|&digit| b'0' + digit as u8));
        }
    }
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
pub(super) fn write_time(out: &mut Vec<u8>, now_ms: u64) {
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
