//! Log lines on standard error: time, level, a fixed phrase, and values as fields.
//!
//! A subscriber of our own, because all it needs is events: no spans, no filters by target, and `--json` for machines.
//!
//! A server writes its lines on a thread of their own, because traffic must not wait for a terminal. When it is too far
//! behind, lines are dropped, counted and told of. Commands write at once.

use crate::cli::LogLevel;
use observe::{Importance, QueueLimits, QueueReceiver, QueueSender, lossy_queue};
use serde_json::{Map, Value};
use std::fmt::{Debug, Write as _};
use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes events of `level` and above from now on.
pub(crate) fn install(level: LogLevel, json: bool) {
    let lines = Lines {
        level: level.into(),
        json,
    };
    // Fails only when there is one already, as in a test that runs two servers.
    let _ = tracing::subscriber::set_global_default(lines);
}

/// The way to the thread, once there is one.
static QUEUE: OnceLock<QueueSender> = OnceLock::new();

const LIMITS: QueueLimits = QueueLimits {
    bytes_max: 1024 * 1024,
    reserved_bytes: 0,
    pause: Duration::ZERO,
};

/// How long a flush waits. Longer than that, standard error is stuck, and so it stays.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Lines go through a thread from now on. A panic's message comes behind the lines before it.
pub(crate) fn write_behind(json: bool) -> io::Result<()> {
    let (sender, receiver) = lossy_queue(LIMITS);
    let lost = sender.clone();
    std::thread::Builder::new()
        .name("telemetry".to_owned())
        .spawn(move || write_all(receiver, &lost, json, &mut io::stderr()))?;
    if QUEUE.set(sender).is_ok() {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            flush();
            tell(panic);
        }));
    }
    Ok(())
}

/// Waits, with a bound, until the lines so far are written.
pub(crate) fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(FLUSH_TIMEOUT);
    }
}

/// Lines that standard error was too slow for.
pub(crate) fn lost() -> u64 {
    QUEUE.get().map_or(0, QueueSender::lost)
}

/// What the thread does.
fn write_all(mut queue: QueueReceiver, sender: &QueueSender, json: bool, out: &mut impl Write) {
    let (mut batch, mut told) = (Vec::new(), 0);
    while queue.next(&mut batch) {
        let lost = sender.lost();
        if lost > told {
            let lines = Fields {
                message: "log lines were dropped, because standard error was too slow".to_owned(),
                others: vec![("lines", (lost - told).to_string())],
            };
            batch.extend_from_slice(lines.line(&now(), "WARN", json).as_bytes());
            told = lost;
        }
        let _ = out.write_all(&batch); // whoever read it may have left
    }
}

/// The time as lines have it.
fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let now = now.replace_microsecond(now.microsecond()).unwrap_or(now);
    now.format(&Rfc3339).unwrap_or_default()
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::OFF,
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
        }
    }
}

struct Lines {
    level: LevelFilter,
    json: bool,
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = fields.line(&now(), event.metadata().level().as_str(), self.json);
        match QUEUE.get() {
            Some(queue) => {
                queue.push(&[line.as_bytes()], Importance::Usual);
            }
            None => {
                let _ = io::stderr().lock().write_all(line.as_bytes());
            }
        }
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1) // spans are not enabled, so none is made
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// The fields of one event, in order.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }
}

impl Fields {
    fn take(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            name => self.others.push((name, value)),
        }
    }

    fn line(self, time: &str, level: &str, json: bool) -> String {
        if json {
            let mut document = Map::new();
            let head = [("time", time), ("level", level), ("message", &self.message)];
            document.extend(head.map(|(name, value)| (name.to_owned(), Value::from(value))));
            document.extend(
                self.others
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), Value::from(value))),
            );
            return format!("{}\n", Value::Object(document));
        }
        let mut line = format!("{time} {level:<5} {}", self.message);
        for (name, value) in &self.others {
            let plain = !value.is_empty() && value.chars().all(|c| !c.is_whitespace() && c != '"');
            let _ = match plain {
                true => write!(line, " {name}={value}"),
                false => write!(line, " {name}={value:?}"),
            };
        }
        // What a peer sent must not steer a terminal or forge a line.
        let mut clean: String = line
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        clean.push('\n');
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(others: &[(&'static str, &str)]) -> Fields {
        Fields {
            message: "it happened".to_owned(),
            others: others
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn a_line_is_one_line_whatever_its_values_are() {
        let line = fields(&[("port", "80"), ("error", "no\nsuch \u{1b}[1m"), ("none", "")]).line("T", "WARN", false);
        assert_eq!(
            line,
            "T WARN  it happened port=80 error=\"no\\nsuch \\u{1b}[1m\" none=\"\"\n"
        );
        assert_eq!(
            fields(&[("a", "x\u{7}")]).line("T", "INFO", false),
            "T INFO  it happened a=x\u{fffd}\n"
        );
    }

    #[test]
    fn dropped_lines_are_told_of_once() {
        let (sender, receiver) = lossy_queue(QueueLimits { bytes_max: 8, ..LIMITS });
        for _ in 0..3 {
            sender.push(&[b"12345\n"], Importance::Usual);
        }
        assert_eq!(sender.lost(), 2);
        let writer = sender.clone();
        let mut out = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| write_all(receiver, &writer, false, &mut out));
            assert!(sender.flush(Duration::from_secs(20)));
            sender.push(&[b"6\n"], Importance::Usual);
            assert!(sender.close(Duration::from_secs(20)));
        });
        let out = String::from_utf8(out).unwrap();
        let lines: Vec<_> = out.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[2]), (3, "12345", "6"), "{out}");
        assert!(
            lines[1].ends_with("because standard error was too slow lines=2"),
            "{out}"
        );
    }

    #[test]
    fn a_line_can_be_json() {
        let line = fields(&[("error", "a \"b\"")]).line("T", "WARN", true);
        let document: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(document["message"], "it happened");
        assert_eq!(document["error"], "a \"b\"");
        assert_eq!(line.matches('\n').count(), 1);
    }
}
