//! Lambda 2.9, in the form since 2025.

use super::{ExtensionState, InitReport, InitStart, Report, Status, Subscribed, billed_ms};
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

pub(in crate::log) fn extension(out: &mut Vec<u8>, extension: &ExtensionState<'_>) {
    out.extend(b"EXTENSION\tName: ");
    out.extend(extension.name.as_bytes());
    out.extend(b"\tState: ");
    out.extend(extension.state.as_bytes());
    out.extend(b"\tEvents: [");
    for (at, event) in extension.events().enumerate() {
        out.extend_from_slice(if at == 0 { b"" } else { b", " });
        out.extend(event.as_bytes());
    }
    out.push(b']');
    if let Some(error_type) = extension.error_type {
        out.extend(b"\tError Type: ");
        out.extend(error_type.as_bytes());
    }
}

pub(in crate::log) fn subscribed(out: &mut Vec<u8>, subscribed: &Subscribed<'_>) {
    out.extend(subscribed.api.to_ascii_uppercase().as_bytes());
    out.extend(b"\tName: ");
    out.extend(subscribed.name.as_bytes());
    out.extend(b"\tState: Subscribed\tTypes: [");
    for (at, name) in subscribed.types.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"" } else { b", " });
        let (first, rest) = name.split_at(1);
        out.extend(first.to_ascii_uppercase().as_bytes());
        out.extend(rest.as_bytes());
    }
    out.push(b']');
}

pub(in crate::log) fn start(out: &mut Vec<u8>, id: &RequestId, version: &str) {
    out.extend(b"START RequestId: ");
    out.extend_from_slice(id.as_bytes());
    out.extend(b" Version: ");
    out.extend(version.as_bytes());
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
