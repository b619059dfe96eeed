//! The level and the time of what a function writes itself, when its log is JSON. Source: Lambda 2.10.

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

/// What a line that is a JSON object says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Object {
    /// INFO where it says nothing valid, and where it has no valid time.
    pub(super) level: ApplicationLogLevel,
    /// It has a timestamp as RFC 3339 wants it.
    pub(super) has_time: bool,
}

/// Looks at a line; `None` if it is no JSON object, which is then not filtered.
pub(super) fn of_line(line: &[u8]) -> Option<Object> {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    let text = |value: Option<&RawValue>| serde_json::from_str::<String>(value?.get()).ok();
    let is_time = |text: String| OffsetDateTime::parse(&text, &Rfc3339).is_ok();
    let has_time = text(line.timestamp).is_some_and(is_time);
    let level = match has_time {
        true => text(line.level).and_then(|level| named(&level)),
        false => None,
    };
    Some(Object {
        level: level.unwrap_or_default(),
        has_time,
    })
}

/// Writes an object with a time as its first member, and otherwise as it was. (unverified: where Lambda adds it, and what
/// becomes of a timestamp that is not valid; here it stays behind the valid one.)
pub(super) fn write_with_time(out: &mut Vec<u8>, object: &[u8], write_time: impl FnOnce(&mut Vec<u8>)) {
    let inside = memchr::memchr(b'{', object).map_or(0, |at| at + 1);
    let (before, rest) = object.split_at(inside);
    out.extend_from_slice(before);
    out.extend_from_slice(b"\"timestamp\":\"");
    write_time(out);
    out.push(b'"');
    if rest.trim_ascii_start().first() != Some(&b'}') {
        out.push(b',');
    }
    out.extend_from_slice(rest);
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
    use super::{of_line, write_with_time};
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
            assert_eq!(of_line(line.as_bytes()).map(|it| it.level), expected, "{line}");
        }
    }

    #[test]
    fn an_object_without_a_valid_time_gets_one() {
        for (line, expected) in [
            ("{}", r#"{"timestamp":"NOW"}"#),
            (" { } ", r#" {"timestamp":"NOW" } "#),
            (r#"{"level":"error"}"#, r#"{"timestamp":"NOW","level":"error"}"#),
            (r#"{ "a": [1] }"#, r#"{"timestamp":"NOW", "a": [1] }"#),
            (r#"{"timestamp":17}"#, r#"{"timestamp":"NOW","timestamp":17}"#),
        ] {
            assert!(of_line(line.as_bytes()).is_some_and(|it| !it.has_time), "{line}");
            let mut out = Vec::new();
            write_with_time(&mut out, line.as_bytes(), |out| out.extend_from_slice(b"NOW"));
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{line}");
        }
        let valid = br#"{"timestamp":"2026-10-08T07:00:00Z"}"#;
        assert!(of_line(valid).is_some_and(|it| it.has_time));
    }
}
