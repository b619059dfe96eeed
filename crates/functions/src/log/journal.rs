//! The log of one environment: what it writes, and what Lambda writes about it, in the order in which it comes.
//!
//! Two things pass through here and nowhere else: the levels of a JSON log, and the end of an invocation's log for a
//! caller who asked for it.

use super::platform::{
    ExtensionState, InitReport, InitStart, Kind, Report, RuntimeDone, Status, Subscribed, json, level as level_of,
    text, write_time,
};
use super::{LOG_LINE_BYTES_MAX, LogEvent, LogSink, Source, level};
use crate::request_id::RequestId;
use crate::telemetry::{Api, Audience, RecordType, Telemetry};
use bytes::Bytes;
use invoke::LOG_TAIL_BYTES_MAX;
use model::lambda::function::Function;
use model::lambda::logging::{ApplicationLogLevel, LogFormat};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a timestamp adds to a line that has none, in bytes: `"timestamp":"2026-10-08T07:00:00.100Z",`.
const TIMESTAMP_BYTES: usize = 39;

/// Buffers that all environments of a core use in turn, so that an idle one holds none.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// What was just read from a pipe.
    pub(super) chunk: RefCell<Vec<u8>>,
    /// The line that is being made.
    line: RefCell<Vec<u8>>,
}

/// The log of one environment.
pub(crate) struct Journal {
    pub(crate) function: Arc<Function>,
    sink: Arc<dyn LogSink>,
    /// The stream, in its group.
    pub(crate) stream: String,
    group: String,
    born_ms: u64,
    pub(super) scratch: Rc<Scratch>,
    /// While an invocation runs whose caller wants the end of its log.
    tail: RefCell<Option<Vec<u8>>>,
    /// If extensions have subscribed to what is said here.
    telemetry: RefCell<Option<Rc<Telemetry>>>,
    /// The beginning of an init, for those who subscribe while it runs.
    init_started: RefCell<Option<Vec<u8>>>,
}

/// The configured group, or the default one. Source: Lambda 9.3.
fn group_name(function: &Function) -> String {
    match &function.configuration.logging.group {
        Some(group) => group.as_str().to_owned(),
        None => format!("/aws/lambda/{}", function.name),
    }
}

impl Journal {
    /// Can more be taken without losing any?
    pub(super) fn has_room(&self) -> bool {
        self.sink.has_room()
    }

    pub(crate) fn new(function: Arc<Function>, sink: Arc<dyn LogSink>, stream: String, scratch: Rc<Scratch>) -> Self {
        Self {
            group: group_name(&function),
            function,
            sink,
            stream,
            born_ms: now_ms(),
            scratch,
            tail: RefCell::default(),
            telemetry: RefCell::default(),
            init_started: RefCell::default(),
        }
    }

    /// A line that the function has written to its standard output or error.
    pub(super) fn line(&self, source: Source, timestamp_ms: u64, line: &[u8]) {
        // A line that is no object has no level.
        if let LogFormat::Json { application_level, .. } = self.format()
            && let Some(object) = level::of_line(line)
        {
            if object.level < application_level {
                return;
            }
            // One that would become too long for an event goes without; the event has its own time in any case.
            if !object.has_time && line.len() + TIMESTAMP_BYTES <= LOG_LINE_BYTES_MAX {
                let mut timed = self.scratch.line.borrow_mut();
                timed.clear();
                level::write_with_time(&mut timed, line, |out| write_time(out, timestamp_ms));
                return self.event(source, timestamp_ms, &timed);
            }
        }
        self.event(source, timestamp_ms, line);
    }

    /// A message of a managed runtime, with the time it names.
    pub(super) fn message(&self, level: Option<ApplicationLogLevel>, timestamp_ms: u64, message: &[u8]) {
        if let LogFormat::Json { application_level, .. } = self.format()
            && level.unwrap_or_default() < application_level
        {
            return;
        }
        // Nothing can have been written before the environment was there, or in the future.
        let timestamp_ms = timestamp_ms.min(now_ms()).max(self.born_ms);
        self.event(Source::Runtime, timestamp_ms, message);
    }

    /// Something for the person at the terminal.
    pub(crate) fn notice(&self, message: &str) {
        self.event(Source::Notice, now_ms(), message.as_bytes());
    }

    /// An extension has subscribed: from now on it hears what is said here, and what was said of this init.
    pub(crate) fn subscribed(&self, subscribed: &Subscribed<'_>, subscribe: impl FnOnce(&Telemetry)) {
        let telemetry = Rc::clone(self.telemetry.borrow_mut().get_or_insert_default());
        subscribe(&telemetry);
        // Those who have subscribed before have it already.
        if let Some(record) = self.init_started.take() {
            telemetry.platform(Audience::Only(Api::Telemetry), &record);
        }
        let timestamp_ms = now_ms();
        self.platform(
            timestamp_ms,
            Kind::Start,
            &Status::Success,
            |out, is_json| match is_json {
                true => json::subscribed(out, timestamp_ms, subscribed),
                false => text::subscribed(out, subscribed),
            },
        );
        self.tell(Audience::Both, |out| json::subscribed(out, timestamp_ms, subscribed));
    }

    /// Has anybody subscribed?
    pub(crate) fn is_heard(&self) -> bool {
        self.telemetry.borrow().is_some()
    }

    /// What waits for its delivery goes out now; waits for that for a moment.
    pub(crate) async fn flush_telemetry(&self) {
        let telemetry = self.telemetry.borrow().clone();
        if let Some(telemetry) = telemetry {
            telemetry.flush().await;
        }
    }

    /// The run is over, and with it its subscriptions.
    pub(crate) fn end_telemetry(&self) {
        self.telemetry.take();
        self.init_started.take();
    }

    /// Tells those who have subscribed of an event, whatever the log shows of it.
    fn tell(&self, audience: Audience, write: impl FnOnce(&mut Vec<u8>)) {
        if let Some(telemetry) = &*self.telemetry.borrow() {
            let mut record = Vec::new();
            write(&mut record);
            telemetry.platform(audience, &record);
        }
    }

    /// An init begins.
    pub(crate) fn init_start(&self, init: &InitStart<'_>) {
        let timestamp_ms = now_ms();
        let mut record = Vec::new();
        json::init_start(&mut record, timestamp_ms, init);
        self.init_started.replace(Some(record));
        self.platform(
            timestamp_ms,
            Kind::Start,
            &Status::Success,
            |out, is_json| match is_json {
                true => json::init_start(out, timestamp_ms, init),
                false => text::init_start(out, init),
            },
        );
    }

    /// How far an extension is at the end of an init.
    pub(crate) fn extension(&self, extension: &ExtensionState<'_>) {
        let timestamp_ms = now_ms();
        // Its level depends on whether it went well. Source: Lambda 2.10.
        let status = match extension.error_type {
            Some(error_type) => Status::Error(error_type.to_owned()),
            None => Status::Success,
        };
        self.platform(timestamp_ms, Kind::Report, &status, |out, is_json| match is_json {
            true => json::extension(out, timestamp_ms, extension),
            false => text::extension(out, extension),
        });
        self.tell(Audience::Both, |out| json::extension(out, timestamp_ms, extension));
    }

    /// The runtime has finished its part of an init.
    pub(crate) fn init_runtime_done(&self, report: &InitReport<'_>) {
        let timestamp_ms = now_ms();
        if self.is_json() {
            self.platform(timestamp_ms, Kind::Detail, report.status, |out, _| {
                json::init_runtime_done(out, timestamp_ms, report);
            });
        }
        self.tell(Audience::Only(Api::Telemetry), |out| {
            json::init_runtime_done(out, timestamp_ms, report);
        });
    }

    /// An init has ended. One that went well is only of interest in detail.
    pub(crate) fn init_end(&self, report: &InitReport<'_>) {
        let timestamp_ms = now_ms();
        self.init_started.take();
        self.tell(Audience::Only(Api::Telemetry), |out| {
            json::init_report(out, timestamp_ms, report);
        });
        if self.is_json() {
            self.platform(timestamp_ms, Kind::Detail, report.status, |out, _| {
                json::init_report(out, timestamp_ms, report);
            });
        } else if *report.status != Status::Success {
            self.platform(timestamp_ms, Kind::Detail, report.status, |out, _| {
                text::init_report(out, report);
            });
        }
    }

    /// An invocation begins, and with it the part of the log that its caller may have asked for.
    ///
    /// Only extensions hear of the trace.
    pub(crate) fn start(&self, id: &RequestId, trace_id: Option<&str>, wants_tail: bool) {
        if wants_tail {
            *self.tail.borrow_mut() = Some(Vec::new());
        }
        let timestamp_ms = now_ms();
        self.platform(
            timestamp_ms,
            Kind::Start,
            &Status::Success,
            |out, is_json| match is_json {
                true => json::start(out, timestamp_ms, id, self.function.arn.as_str()),
                false => text::start(out, id, super::platform::version(self.function.arn.as_str())),
            },
        );
        self.tell(Audience::Both, |out| {
            json::start(out, timestamp_ms, id, self.function.arn.as_str());
            json::add_trace(out, trace_id);
        });
    }

    /// The runtime has finished an invocation, or is lost; extensions may be busy with it still.
    pub(crate) fn runtime_done(&self, done: &RuntimeDone<'_>) {
        // As for most functions: nobody wants to know.
        if !self.is_json() && !self.is_heard() {
            return;
        }
        let timestamp_ms = now_ms();
        if self.is_json() {
            self.platform(timestamp_ms, Kind::Detail, done.status, |out, _| {
                json::runtime_done(out, timestamp_ms, done);
            });
        }
        self.tell(Audience::Both, |out| {
            json::runtime_done(out, timestamp_ms, done);
            json::add_trace(out, done.trace_id);
        });
    }

    /// The invocation has ended, and all it wrote has been read. Returns the end of its log if that was asked for at its
    /// start.
    pub(crate) fn report(&self, report: &Report<'_>) -> Option<Bytes> {
        let timestamp_ms = now_ms();
        self.tell(Audience::Only(Api::Logs), |out| json::end(out, timestamp_ms, report.id));
        self.tell(Audience::Both, |out| {
            json::report(out, timestamp_ms, report);
            json::add_trace(out, report.trace_id);
        });
        if !self.is_json() {
            self.platform(timestamp_ms, Kind::Report, report.status, |out, _| {
                text::end(out, report.id);
            });
        }
        self.platform(
            timestamp_ms,
            Kind::Report,
            report.status,
            |out, is_json| match is_json {
                true => json::report(out, timestamp_ms, report),
                false => text::report(out, report),
            },
        );
        self.tail.borrow_mut().take().map(|mut tail| {
            shorten(&mut tail);
            tail.into()
        })
    }

    /// One of Lambda's own events, if it is wanted.
    fn platform(&self, timestamp_ms: u64, kind: Kind, status: &Status, write: impl FnOnce(&mut Vec<u8>, bool)) {
        let is_json = match self.format() {
            LogFormat::Text => false,
            LogFormat::Json { system_level, .. } if level_of(kind, status) < system_level => return,
            LogFormat::Json { .. } => true,
        };
        let mut line = self.scratch.line.borrow_mut();
        line.clear();
        write(&mut line, is_json);
        self.event(Source::Platform, timestamp_ms, &line);
    }

    fn event(&self, source: Source, timestamp_ms: u64, message: &[u8]) {
        if source != Source::Notice
            && let Some(tail) = &mut *self.tail.borrow_mut()
        {
            append(tail, message);
        }
        if let Some(telemetry) = &*self.telemetry.borrow() {
            let record_type = match source {
                Source::Stdout | Source::Stderr | Source::Runtime => Some(RecordType::Function),
                Source::Extension => Some(RecordType::Extension),
                Source::Platform | Source::Notice => None,
            };
            if let Some(record_type) = record_type {
                telemetry.line(record_type, timestamp_ms, message, self.is_json());
            }
        }
        self.sink.event(LogEvent {
            function: &self.function.name,
            group: &self.group,
            stream: &self.stream,
            timestamp_ms,
            source,
            message,
        });
    }

    fn format(&self) -> LogFormat {
        self.function.configuration.logging.format
    }

    fn is_json(&self) -> bool {
        matches!(self.format(), LogFormat::Json { .. })
    }
}

/// Adds an event and its newline to a tail, which may grow to twice what is wanted of it.
fn append(tail: &mut Vec<u8>, message: &[u8]) {
    let from = message.len().saturating_sub(LOG_TAIL_BYTES_MAX);
    tail.extend_from_slice(&message[from..]);
    tail.push(b'\n');
    if tail.len() > 2 * LOG_TAIL_BYTES_MAX {
        shorten(tail);
    }
}

fn shorten(tail: &mut Vec<u8>) {
    tail.drain(..tail.len().saturating_sub(LOG_TAIL_BYTES_MAX));
}

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.as_ref().map_or(0, Duration::as_millis)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::append;
    use invoke::LOG_TAIL_BYTES_MAX;

    // LAM-G-014: the last 4096 bytes, cut at the front
    #[test]
    fn a_tail_is_the_end_of_everything() {
        let (mut tail, mut everything) = (Vec::new(), Vec::new());
        for length in [0, 10, 4000, 200, 3, 100_000, 5, 4096, 4095, 1, 9000, 0, 0] {
            let message: Vec<u8> = (0..length).map(|at: u32| at.to_le_bytes()[0]).collect();
            append(&mut tail, &message);
            everything.extend(message);
            everything.push(b'\n');
            assert!(tail.len() <= 2 * LOG_TAIL_BYTES_MAX + 1);
            let mut shortened = tail.clone();
            super::shorten(&mut shortened);
            let from = everything.len().saturating_sub(LOG_TAIL_BYTES_MAX);
            assert_eq!(shortened, everything[from..], "after {length}");
        }
    }
}
