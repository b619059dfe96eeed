//! Lambda 2.10 and 4.6.

use super::{
    ExtensionState, INITIALIZATION_TYPE, InitReport, InitStart, Report, RuntimeDone, Status, Subscribed, billed_ms,
    version, write_integer, write_string, write_time,
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
    text_field(out, "functionVersion", version(init.function.arn.as_str()));
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

pub(in crate::log) fn extension(out: &mut Vec<u8>, now_ms: u64, extension: &ExtensionState<'_>) {
    begin(out, now_ms, "platform.extension");
    out.extend(b"\"name\":");
    write_string(out, extension.name);
    text_field(out, "state", extension.state);
    out.extend(b",\"events\":[");
    for (at, event) in extension.events().enumerate() {
        out.extend_from_slice(if at == 0 { b"" } else { b"," });
        write_string(out, event);
    }
    out.push(b']');
    if let Some(error_type) = extension.error_type {
        text_field(out, "errorType", error_type);
    }
    out.extend(b"}}");
}

pub(in crate::log) fn subscribed(out: &mut Vec<u8>, now_ms: u64, subscribed: &Subscribed<'_>) {
    let event = match subscribed.api {
        "Logs" => "platform.logsSubscription",
        _ => "platform.telemetrySubscription",
    };
    begin(out, now_ms, event);
    out.extend(b"\"name\":");
    write_string(out, subscribed.name);
    text_field(out, "state", "Subscribed");
    out.extend(b",\"types\":[");
    for (at, name) in subscribed.types.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"" } else { b"," });
        write_string(out, name);
    }
    out.extend(b"]}}");
}

/// Only those who listen through the Logs API hear of it.
pub(in crate::log) fn end(out: &mut Vec<u8>, now_ms: u64, id: &RequestId) {
    begin(out, now_ms, "platform.end");
    out.extend(b"\"requestId\":");
    write_string(out, id.as_str());
    out.extend(b"}}");
}

pub(in crate::log) fn start(out: &mut Vec<u8>, now_ms: u64, id: &RequestId, function_arn: &str) {
    begin(out, now_ms, "platform.start");
    out.extend(b"\"requestId\":");
    write_string(out, id.as_str());
    text_field(out, "functionArn", function_arn);
    text_field(out, "version", version(function_arn));
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

/// Adds the trace to a record that is complete but for that, as extensions hear of it. Source: Lambda 4.6.
pub(in crate::log) fn add_trace(record: &mut Vec<u8>, trace_id: Option<&str>) {
    let Some(trace_id) = trace_id.filter(|it| !it.is_empty()) else {
        return;
    };
    // The ends of the record and of the event around it.
    record.truncate(record.len().saturating_sub(2));
    record.extend(b",\"tracing\":{\"type\":\"X-Amzn-Trace-Id\",\"value\":");
    write_string(record, trace_id);
    record.extend(b"}}}");
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
