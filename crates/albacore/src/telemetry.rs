//! Log lines on standard error: time, level, a fixed phrase, and values as fields.
//!
//! A subscriber of our own, because all it needs is events: no spans, no filters by target, and `--json` for machines.

use crate::cli::LogLevel;
use serde_json::{Map, Value};
use std::fmt::{Debug, Write as _};
use std::io::Write as _;
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
        let now = OffsetDateTime::now_utc();
        let now = now.replace_microsecond(now.microsecond()).unwrap_or(now);
        let time = now.format(&Rfc3339).unwrap_or_default();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = fields.line(&time, event.metadata().level().as_str(), self.json);
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
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
    fn a_line_can_be_json() {
        let line = fields(&[("error", "a \"b\"")]).line("T", "WARN", true);
        let document: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(document["message"], "it happened");
        assert_eq!(document["error"], "a \"b\"");
        assert_eq!(line.matches('\n').count(), 1);
    }
}
