//! Which events of a log are shown: those of one invocation, or from a level on.

use super::wish::Wish;
use observe::StoredLogEvent;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// How loud an event is. Source: Lambda 2.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    pub(super) fn named(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "TRACE" => Self::Trace,
            "DEBUG" => Self::Debug,
            "INFO" => Self::Info,
            "WARN" | "WARNING" => Self::Warn,
            "ERROR" => Self::Error,
            "FATAL" | "CRITICAL" => Self::Fatal,
            _ => return None,
        })
    }

    /// Of an event that is a JSON object; one that says nothing of its level is `INFO`. A line of the platform about
    /// something that went wrong is a warning. `None` for what is no object.
    fn of(object: &Map<String, Value>) -> Self {
        let is_platform = object
            .get("type")
            .and_then(Value::as_str)
            .is_some_and(|kind| kind.starts_with("platform."));
        if is_platform {
            let status = object.get("record").and_then(|record| record.get("status"));
            return match status.and_then(Value::as_str) {
                None | Some("success") => Self::Info,
                Some(_) => Self::Warn,
            };
        }
        let level = object.get("level").and_then(Value::as_str);
        level.and_then(Self::named).unwrap_or(Self::Info)
    }
}

/// What is shown. Looks at the events of each stream in their order.
#[derive(Debug, Default)]
pub(super) struct Filter {
    request_id: Option<String>,
    level: Option<Level>,
    /// The streams, with their group, in which the invocation runs: what is written there is its own, because an
    /// environment has one invocation at a time.
    running: BTreeSet<(String, String)>,
}

impl Filter {
    pub(super) fn new(wish: &Wish) -> Self {
        Self {
            request_id: wish.request_id.clone(),
            level: wish.level,
            running: BTreeSet::new(),
        }
    }

    /// Whether events have to be looked at in their order.
    pub(super) fn needs_order(&self) -> bool {
        self.request_id.is_some()
    }

    /// Whether an event is shown.
    pub(super) fn shows(&mut self, group: &str, event: &StoredLogEvent) -> bool {
        self.is_of_invocation(group, event) && self.is_loud_enough(&event.message)
    }

    fn is_of_invocation(&mut self, group: &str, event: &StoredLogEvent) -> bool {
        let Some(wanted) = &self.request_id else { return true };
        let message = event.message.as_str();
        let names_it = message.contains(wanted.as_str());
        if let Some(id) = begun(message) {
            let place = (group.to_owned(), event.stream.clone());
            match id == wanted.as_str() {
                true => self.running.insert(place),
                false => self.running.remove(&place),
            };
            return names_it;
        }
        if self.running.is_empty() {
            return names_it;
        }
        let place = (group.to_owned(), event.stream.clone());
        if names_it && is_report(message) {
            self.running.remove(&place);
            return true;
        }
        names_it || self.running.contains(&place)
    }

    fn is_loud_enough(&self, message: &str) -> bool {
        let Some(least) = self.level else { return true };
        object(message).is_none_or(|object| Level::of(&object) >= least)
    }
}

fn object(message: &str) -> Option<Map<String, Value>> {
    let message = message.trim();
    if !message.starts_with('{') {
        return None;
    }
    serde_json::from_str(message).ok()
}

/// The request id of an invocation that begins. Source: Lambda 2.9, 2.10.
fn begun(message: &str) -> Option<String> {
    if let Some(rest) = message.strip_prefix("START RequestId: ") {
        return rest.split_whitespace().next().map(str::to_owned);
    }
    if !message.contains("platform.start") {
        return None;
    }
    let object = object(message)?;
    if object.get("type")? != "platform.start" {
        return None;
    }
    Some(object.get("record")?.get("requestId")?.as_str()?.to_owned())
}

/// The last line of an invocation.
fn is_report(message: &str) -> bool {
    let is_json = || object(message).is_some_and(|object| object.get("type").is_some_and(|it| it == "platform.report"));
    message.starts_with("REPORT RequestId: ") || message.contains("platform.report") && is_json()
}

#[cfg(test)]
mod tests {
    use super::*;
    use observe::LogPosition;

    fn event(stream: &str, message: &str) -> StoredLogEvent {
        StoredLogEvent {
            timestamp_ms: 1,
            ingested_ms: 1,
            stream: stream.to_owned(),
            message: message.to_owned(),
            position: LogPosition::START,
        }
    }

    fn shown(filter: &mut Filter, events: &[(&str, &'static str)]) -> Vec<&'static str> {
        let mut shown = Vec::new();
        for (stream, message) in events {
            if filter.shows("g", &event(stream, message)) {
                shown.push(*message);
            }
        }
        shown
    }

    #[test]
    fn an_invocation_is_what_its_environment_wrote_from_start_to_report() {
        let mut filter = Filter {
            request_id: Some("id-2".to_owned()),
            ..Filter::default()
        };
        let events = [
            ("a", "INIT_START"),
            ("a", "START RequestId: id-1 Version: 1"),
            ("a", "of one"),
            ("b", "START RequestId: id-2 Version: 1"),
            ("b", "of two"),
            ("a", "of one, about id-2"),
            ("a", "END RequestId: id-1"),
            ("b", "END RequestId: id-2"),
            ("b", "REPORT RequestId: id-2\tDuration"),
            ("b", "START RequestId: id-3 Version: 1"),
            ("b", "of three"),
        ];
        let expected = [
            "START RequestId: id-2 Version: 1",
            "of two",
            "of one, about id-2",
            "END RequestId: id-2",
            "REPORT RequestId: id-2\tDuration",
        ];
        assert_eq!(shown(&mut filter, &events), expected);
        let json = [
            (
                "a",
                r#"{"time":"t","type":"platform.start","record":{"requestId":"id-2"}}"#,
            ),
            ("a", "plain"),
            ("a", r#"{"level":"INFO","message":"platform.report of mine"}"#),
            (
                "a",
                r#"{"time":"t","type":"platform.report","record":{"requestId":"id-2"}}"#,
            ),
            ("a", "later"),
        ];
        assert_eq!(shown(&mut filter, &json).len(), 4);
    }

    #[test]
    fn levels_are_those_of_json() {
        let mut filter = Filter {
            level: Some(Level::Warn),
            ..Filter::default()
        };
        for (message, expected) in [
            ("plain", true),
            ("{not json", true),
            (r#"{"level":"warn","message":"x"}"#, true),
            (r#"{"level":"WARNING","message":"x"}"#, true),
            (r#"{"level":"FATAL"}"#, true),
            (r#"{"level":"INFO"}"#, false),
            (r#"{"level":"loud"}"#, false),
            (r#"{"message":"x"}"#, false),
            (r#"{"type":"platform.start","record":{}}"#, false),
            (r#"{"type":"platform.report","record":{"status":"success"}}"#, false),
            (r#"{"type":"platform.report","record":{"status":"timeout"}}"#, true),
        ] {
            assert_eq!(filter.shows("g", &event("a", message)), expected, "{message}");
        }
    }
}
