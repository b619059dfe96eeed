//! Which log events somebody wants, as a query says it, and in which groups they are.

use super::filter::Level;
use crate::own_api::query;
use model::State;
use model::lambda::function::{Function, FunctionName};
use observe::LogGroupReader;
use std::io;

/// Events that are shown unless another number or a time is asked for.
const LIMIT_DEFAULT: usize = 100;
/// The most events that are shown but for live ones, and all of a time unless another number is asked for.
const LIMIT_MAX: usize = 10_000;
/// What somebody wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// None for all.
    pub(super) functions: Vec<FunctionName>,
    pub(super) group: Option<String>,
    pub(super) since_ms: Option<u64>,
    pub(super) limit: usize,
    pub(super) follow: bool,
    /// Only of this invocation.
    pub(super) request_id: Option<String>,
    /// Only from this level on, where the log is JSON.
    pub(super) level: Option<Level>,
}

/// Functions that are named at once.
const FUNCTIONS_MAX: usize = 100;

impl Wish {
    pub(super) fn read(query: &str, now_ms: u64) -> Result<Self, String> {
        let mut wish = Self {
            functions: Vec::new(),
            group: None,
            since_ms: None,
            limit: LIMIT_DEFAULT,
            follow: false,
            request_id: None,
            level: None,
        };
        let mut limit = None;
        for (name, value) in query::pairs(query) {
            match name.as_str() {
                "function" => {
                    let function = FunctionName::try_from(value.as_str()).map_err(|error| error.to_string())?;
                    if wish.functions.len() == FUNCTIONS_MAX {
                        return Err(format!("at most {FUNCTIONS_MAX} functions are named at once"));
                    }
                    if !wish.functions.contains(&function) {
                        wish.functions.push(function);
                    }
                }
                "group" => wish.group = Some(value),
                "since" => {
                    let since = since(&value, now_ms).ok_or_else(|| {
                        format!("since {value:?} is neither a time like 10m nor milliseconds since the epoch")
                    })?;
                    wish.since_ms = Some(since);
                }
                "limit" => {
                    let number = value.parse().ok().filter(|number| *number <= LIMIT_MAX);
                    limit = Some(number.ok_or_else(|| format!("limit is a whole number up to {LIMIT_MAX}"))?);
                }
                "follow" => {
                    wish.follow = value.parse().map_err(|_| "follow is true or false".to_owned())?;
                }
                "request_id" => wish.request_id = Some(value).filter(|id| !id.is_empty()),
                "level" => {
                    let level = Level::named(&value);
                    wish.level = Some(level.ok_or("level is TRACE, DEBUG, INFO, WARN, ERROR or FATAL")?);
                }
                _ => {
                    return Err(format!(
                        "parameter {name:?} is unknown; there are function, group, since, limit, follow, request_id and level"
                    ));
                }
            }
        }
        let default = if wish.since_ms.is_some() {
            LIMIT_MAX
        } else {
            LIMIT_DEFAULT
        };
        wish.limit = limit.unwrap_or(default);
        Ok(wish)
    }

    /// The groups that may hold what is wanted.
    pub(super) fn groups(&self, state: &State, reader: &LogGroupReader) -> io::Result<Vec<String>> {
        if let Some(group) = &self.group {
            return Ok(vec![group.clone()]);
        }
        if self.functions.is_empty() {
            return reader.groups();
        }
        let mut groups = Vec::new();
        for name in &self.functions {
            let function = state.functions().find(|function| function.name == *name);
            groups.push(default_group(name));
            groups.extend(function.map(|function| group_of(function)));
        }
        groups.sort();
        groups.dedup();
        Ok(groups)
    }

    pub(super) fn wants(&self, group: &str, stream: &str) -> bool {
        let its = function_of(group, stream);
        self.functions.is_empty() || self.functions.iter().any(|wanted| wanted.as_str() == its)
    }
}

/// A time span before now, such as `10m`, or milliseconds since the epoch.
fn since(text: &str, now_ms: u64) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "" => return Some(number),
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return None,
    };
    Some(now_ms.saturating_sub(number.saturating_mul(millis)))
}

const DEFAULT_GROUPS: &str = "/aws/lambda/";

pub(super) fn default_group(function: &FunctionName) -> String {
    format!("{DEFAULT_GROUPS}{}", function.as_str())
}

fn group_of(function: &Function) -> String {
    match &function.configuration.logging.group {
        Some(group) => group.as_str().to_owned(),
        None => default_group(&function.name),
    }
}

/// The function that wrote an event. Its name stands in the stream of a group of its own choice, and otherwise in the
/// group. Source: Lambda 9.3.
pub(super) fn function_of<'a>(group: &'a str, stream: &'a str) -> &'a str {
    let last = stream.rsplit('/').next().unwrap_or_default();
    match last.split_once('[') {
        Some((name, _)) if !name.is_empty() => name,
        _ => group.strip_prefix(DEFAULT_GROUPS).unwrap_or(group),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read() {
        let wish = |query: &str| Wish::read(query, 1_000_000);
        let usual = wish("").unwrap();
        assert_eq!((usual.limit, usual.since_ms, usual.follow), (100, None, false));
        assert_eq!(wish("since=10s").unwrap().since_ms, Some(990_000));
        assert_eq!(wish("since=10s").unwrap().limit, LIMIT_MAX);
        assert_eq!(
            wish("since=5&limit=7").unwrap(),
            Wish {
                since_ms: Some(5),
                limit: 7,
                ..usual.clone()
            }
        );
        assert_eq!(wish("since=1d").unwrap().since_ms, Some(0));
        assert!(wish("follow=true&function=orders&group=%2Fa").unwrap().follow);
        let several = wish("function=a&function=b&function=a&level=warn&request_id=1-2").unwrap();
        let names: Vec<_> = several.functions.iter().map(FunctionName::as_str).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(
            (several.level, several.request_id.as_deref()),
            (Level::named("WARN"), Some("1-2"))
        );
        for bad in [
            "x=1",
            "limit=-1",
            "limit=10001",
            "since=soon",
            "since=1y",
            "follow=1",
            "function=a%20b",
            "level=loud",
        ] {
            assert!(wish(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_event_names_its_function() {
        for (group, stream, expected) in [
            ("/aws/lambda/orders", "2026/01/02/[$LATEST]ab", "orders"),
            ("/shop", "2026/01/02/orders[$LATEST]ab", "orders"),
            ("/aws/lambda/other", "2026/01/02/orders[7]ab", "orders"),
            ("/shop", "by hand", "/shop"),
        ] {
            assert_eq!(function_of(group, stream), expected, "{group} {stream}");
        }
    }
}
