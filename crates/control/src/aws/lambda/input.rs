//! What a caller sends: a JSON object, whose members are read one by one. Unknown ones are ignored (Lambda 8.1).

use super::Call;
use crate::aws::json;
use crate::lambda::error::LambdaError;
use model::Timestamp;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};
use wire::query::{COMPLAINTS_MAX, Complaint};

/// What was found wrong with the members of a call while they were read. Whoever reads goes on, with something in the
/// place of the member, and nothing of what comes of it is used: the caller is told everything at once. Source: Lambda 8.3.
#[derive(Default)]
pub(super) struct Found(RefCell<Vec<Complaint>>);

impl Found {
    /// Keeps what is wrong with members that break rules of their own, and passes other errors on.
    fn note(&self, error: LambdaError) -> Result<(), LambdaError> {
        let mut found = self.0.borrow_mut();
        for complaint in error.into_violations()? {
            // Of one member only the first counts: those that follow come from what stands in its place.
            if found.len() < COMPLAINTS_MAX && found.iter().all(|it| it.place != complaint.place) {
                found.push(complaint);
            }
        }
        Ok(())
    }

    /// What came of a call, unless members were found wrong.
    fn told<T>(&self, result: Result<T, LambdaError>) -> Result<T, LambdaError> {
        match result {
            Err(error) if error.is_about_content() => return Err(error),
            result if self.0.borrow().is_empty() => return result,
            // What else is wrong comes up when these are mended.
            Err(error) => drop(self.note(error)),
            Ok(_) => {}
        }
        Err(LambdaError::all_violations(self.0.take()))
    }
}

impl Call<'_> {
    /// What an operation makes of the call. Members that break rules of their own are told before everything else that is
    /// wrong, and all at once.
    pub(super) fn answered<T>(&self, by: fn(&Call<'_>) -> Result<T, LambdaError>) -> Result<T, LambdaError> {
        self.found.told(by(self))
    }

    /// The members of the body.
    pub(super) fn members(&self) -> Result<Members<'_>, LambdaError> {
        self.members_of(self.json)
    }

    /// The members of the body, where it was read elsewhere.
    pub(super) fn members_of<'a>(&'a self, json: &'a Value) -> Result<Members<'a>, LambdaError> {
        Ok(Members {
            found: Some(&self.found),
            ..Members::of(json)?
        })
    }

    /// As [`Members::noted`].
    pub(super) fn noted<T>(&self, read: Result<T, LambdaError>, instead: T) -> Result<T, LambdaError> {
        match read {
            Err(error) => self.found.note(error).map(|()| instead),
            read => read,
        }
    }
}

/// The members of a call's body, or of an object in it.
#[derive(Clone)]
pub(super) struct Members<'a> {
    object: Option<&'a Map<String, Value>>,
    /// Where the object stands, as AWS's messages have it: `ephemeralStorage.`; empty at the top.
    place: String,
    /// Where mistakes are kept. `None`: the first one is an error.
    found: Option<&'a Found>,
}

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
        let object = match value {
            Value::Null => None,
            Value::Object(map) => Some(map),
            _ => return Err(malformed("the body", "an object")),
        };
        Ok(Self {
            object,
            place: String::new(),
            found: None,
        })
    }

    /// Goes on with `instead` where a member breaks a rule of its own, and keeps the mistake.
    pub(super) fn noted<T>(&self, read: Result<T, LambdaError>, instead: T) -> Result<T, LambdaError> {
        match (read, self.found) {
            (Err(error), Some(found)) => found.note(error).map(|()| instead),
            (read, _) => read,
        }
    }

    /// Where a member stands, as AWS's messages have it.
    pub(super) fn place(&self, name: &str) -> String {
        format!("{}{}", self.place, path(name))
    }

    /// A member that is there and is not `null`.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.object?.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, LambdaError> {
        let value = self.get(name);
        value
            .map(|value| value.as_str().ok_or_else(|| malformed(name, "a string")))
            .transpose()
    }

    pub(super) fn required(&self, name: &str) -> Result<&'a str, LambdaError> {
        let text = self.text(name)?;
        text.map_or_else(|| self.noted(Err(LambdaError::null(&self.place(name))), ""), Ok)
    }

    /// A text that is not longer than it may be.
    pub(super) fn text_within(&self, name: &str, chars_max: usize) -> Result<Option<&'a str>, LambdaError> {
        let text = self.text(name)?;
        let checked = text.map_or(Ok(()), |text| at_most(text, &self.place(name), chars_max));
        self.noted(checked, ())?;
        Ok(text)
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
        let rule = match number {
            _ if number < min => Some(format!("have value greater than or equal to {min}")),
            _ if number > max => Some(format!("have value less than or equal to {max}")),
            _ => None,
        };
        if let Some(rule) = rule {
            let outside = LambdaError::constraint(&number.to_string(), &self.place(name), &rule);
            self.noted(Err(outside), ())?;
        }
        let number = u32::try_from(number.clamp(min, max)).map_err(|_| malformed(name, "an integer"))?;
        Ok(Some(number))
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<Members<'a>>, LambdaError> {
        let value = self.get(name);
        value
            .map(|value| match value {
                Value::Object(map) => Ok(Members {
                    object: Some(map),
                    place: format!("{}.", self.place(name)),
                    found: self.found,
                }),
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
        self.object
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
