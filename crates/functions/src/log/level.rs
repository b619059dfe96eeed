//! The level of what a function writes itself, when its log is JSON. Source: Lambda 2.10.

use model::lambda::logging::ApplicationLogLevel;
use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The keys of a line that matter. Borrowed, so that a line costs no copy of itself.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    level: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
}

/// The level of a line; `None` if it is no JSON object, which is then not filtered.
///
/// An object without a valid timestamp is INFO, whatever it says. (unverified: where Lambda adds a timestamp then; the
/// event has its own here.)
pub(super) fn of_line(line: &[u8]) -> Option<ApplicationLogLevel> {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    let text = |value: Option<&RawValue>| serde_json::from_str::<String>(value?.get()).ok();
    let is_time = |text: String| OffsetDateTime::parse(&text, &Rfc3339).is_ok();
    let level = match text(line.timestamp).is_some_and(is_time) {
        true => text(line.level).and_then(|level| named(&level)),
        false => None,
    };
    Some(level.unwrap_or_default())
}

fn named(level: &str) -> Option<ApplicationLogLevel> {
    [
        ApplicationLogLevel::Trace,
        ApplicationLogLevel::Debug,
        ApplicationLogLevel::Info,
        ApplicationLogLevel::Warn,
        ApplicationLogLevel::Error,
        ApplicationLogLevel::Fatal,
    ]
    .into_iter()
    .find(|known| known.as_str().eq_ignore_ascii_case(level))
}

#[cfg(test)]
mod tests {
    use super::of_line;
    use model::lambda::logging::ApplicationLogLevel::{Error, Fatal, Info, Trace};

    #[test]
    fn levels_of_lines() {
        for (line, expected) in [
            ("", None),
            ("plain text", None),
            ("[1, 2]", None),
            ("{ not json", None),
            (r#"{"level":"error","timestamp":"2026-10-08T07:00:00Z"} and more"#, None),
            (r#"{"level":"error","timestamp":"2026-10-08T07:00:00Z"}"#, Some(Error)),
            (
                r#" {"timestamp":"2026-10-08T09:00:00.123+02:00","a":{"level":"x"},"level":"FATAL"} "#,
                Some(Fatal),
            ),
            (
                r#"{"level":"\u0054race","timestamp":"2026-10-08T07:00:00Z"}"#,
                Some(Trace),
            ),
            (r#"{"level":"loud","timestamp":"2026-10-08T07:00:00Z"}"#, Some(Info)),
            (r#"{"level":50,"timestamp":"2026-10-08T07:00:00Z"}"#, Some(Info)),
            (r#"{"level":"error","timestamp":"yesterday"}"#, Some(Info)),
            (r#"{"level":"error","timestamp":1791442800}"#, Some(Info)),
            (r#"{"level":"error"}"#, Some(Info)),
            ("{}", Some(Info)),
        ] {
            assert_eq!(of_line(line.as_bytes()), expected, "{line}");
        }
    }
}
