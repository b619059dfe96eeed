//! What a caller sends: a JSON object, whose members are read one by one. Unknown ones are ignored (Lambda 8.1).

use crate::aws::json;
use crate::lambda::error::LambdaError;
use model::Timestamp;
use serde_json::{Map, Value};
use std::time::{SystemTime, UNIX_EPOCH};

/// The members of a call's body, or of an object in it.
#[derive(Clone, Copy)]
pub(super) struct Members<'a>(Option<&'a Map<String, Value>>);

/// A body as JSON; an empty one has no members.
pub(super) fn parsed(body: &[u8]) -> Result<Value, LambdaError> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let invalid = |why: &dyn std::fmt::Display| {
        LambdaError::invalid_content(&format!("Could not parse request body into json: {why}"))
    };
    json::bounded(body).map_err(|why| invalid(&why))?;
    serde_json::from_slice(body).map_err(|error| invalid(&error))
}

impl<'a> Members<'a> {
    pub(super) fn of(value: &'a Value) -> Result<Self, LambdaError> {
        match value {
            Value::Null => Ok(Self(None)),
            Value::Object(map) => Ok(Self(Some(map))),
            _ => Err(malformed("the body", "an object")),
        }
    }

    /// A member that is there and is not `null`.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.0?.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, LambdaError> {
        let value = self.get(name);
        value
            .map(|value| value.as_str().ok_or_else(|| malformed(name, "a string")))
            .transpose()
    }

    pub(super) fn required(&self, name: &str) -> Result<&'a str, LambdaError> {
        self.text(name)?.ok_or_else(|| LambdaError::null(&path(name)))
    }

    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, LambdaError> {
        let value = self.get(name);
        value
            .map(|value| value.as_bool().ok_or_else(|| malformed(name, "a boolean")))
            .transpose()
    }

    /// A whole number within limits.
    pub(super) fn number(&self, name: &str, min: i64, max: i64) -> Result<Option<u32>, LambdaError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_i64().ok_or_else(|| malformed(name, "an integer"))?;
        let outside = |rule: String| LambdaError::constraint(&number.to_string(), &path(name), &rule);
        match u32::try_from(number) {
            _ if number < min => Err(outside(format!("have value greater than or equal to {min}"))),
            _ if number > max => Err(outside(format!("have value less than or equal to {max}"))),
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(malformed(name, "an integer")),
        }
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<Members<'a>>, LambdaError> {
        let value = self.get(name);
        value
            .map(|value| match value {
                Value::Object(map) => Ok(Members(Some(map))),
                _ => Err(malformed(name, "an object")),
            })
            .transpose()
    }

    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<&'a str>>, LambdaError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let items = value.as_array().ok_or_else(|| malformed(name, "a list"))?;
        let texts = items.iter().map(|item| item.as_str());
        let texts: Option<Vec<_>> = texts.collect();
        texts.map(Some).ok_or_else(|| malformed(name, "a list of strings"))
    }

    /// A map of texts.
    pub(super) fn pairs(&self, name: &str) -> Result<Option<Vec<(&'a str, &'a str)>>, LambdaError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let map = value.as_object().ok_or_else(|| malformed(name, "an object"))?;
        let pairs = map.iter().map(|(key, value)| Some((key.as_str(), value.as_str()?)));
        let pairs: Option<Vec<_>> = pairs.collect();
        pairs.map(Some).ok_or_else(|| malformed(name, "a map of strings"))
    }

    /// All members.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        self.0
            .into_iter()
            .flat_map(|map| map.iter().map(|(name, value)| (name.as_str(), value)))
    }

    /// Refuses members that would have no effect, unless they are empty.
    pub(super) fn without(&self, names: &[(&str, &str)]) -> Result<(), LambdaError> {
        for (name, why) in names {
            if self.get(name).is_some_and(|value| !is_empty(value)) {
                return Err(LambdaError::not_built(&format!("{name} is not built: {why}")));
            }
        }
        Ok(())
    }
}

/// `null`, an empty text, list or object, or an object of such.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty() || text == "None",
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
    }
}

/// As AWS writes a member in an error: its first letter small.
pub(super) fn path(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// Refuses a text that is longer than it may be.
pub(super) fn at_most(text: &str, path: &str, chars_max: usize) -> Result<(), LambdaError> {
    match text.chars().count() > chars_max {
        true => {
            let rule = format!("have length less than or equal to {chars_max}");
            Err(LambdaError::constraint(text, path, &rule))
        }
        false => Ok(()),
    }
}

fn malformed(name: &str, expected: &str) -> LambdaError {
    LambdaError::invalid_content(&format!(
        "Could not parse request body into json: {name} is not {expected}"
    ))
}

/// The time of a call.
pub(super) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// `2025-11-25T02:26:54.123+0000`. Source: Lambda 1.4.
pub(super) fn shown(moment: Timestamp) -> String {
    let text = wire::time::iso8601(moment.0);
    match text.strip_suffix('Z') {
        Some(text) => format!("{text}+0000"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // LAM-C-022: milliseconds, and an offset without a colon
    #[test]
    fn moments_are_shown_as_lambda_shows_them() {
        assert_eq!(shown(Timestamp(1_764_037_614_123)), "2025-11-25T02:26:54.123+0000");
        assert_eq!(shown(Timestamp(1_764_037_614_000)), "2025-11-25T02:26:54.000+0000");
    }

    #[test]
    fn what_would_have_no_effect_is_refused_unless_it_is_empty() {
        let value =
            serde_json::json!({ "A": { "SubnetIds": [], "Flag": false }, "B": { "SubnetIds": ["x"] }, "C": null });
        let members = Members::of(&value).unwrap();
        assert!(members.without(&[("A", ""), ("C", ""), ("D", "")]).is_ok());
        assert!(members.without(&[("B", "")]).is_err());
    }
}
