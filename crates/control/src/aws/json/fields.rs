//! The members of an input, read one by one with their types, and those that nobody has read.
//!
//! A member that breaks a rule of its own does not end the reading: it is complained of, and something takes its place. The
//! service tells the caller of all complaints at once, and uses nothing of what was made with what took their place.

use super::Protocol;
use crate::aws::error::AwsError;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::rc::Rc;
use wire::query::{COMPLAINTS_MAX, Complaint};

/// Characters of a caller's text in a message.
const SHOWN_CHARS_MAX: usize = 200;

/// An object of an input. Clones share what was read.
#[derive(Clone)]
pub(crate) struct Fields<'a> {
    protocol: &'a Protocol,
    object: &'a Map<String, Value>,
    /// Where it stands, as AWS's messages have it: `tags.1.member.`; empty at the top.
    path: String,
    read: Rc<RefCell<HashMap<String, Read>>>,
    complaints: Rc<RefCell<Vec<Complaint>>>,
}

/// How far a member was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    Whole,
    /// What is in it is told on its own.
    Entered,
}

impl<'a> Fields<'a> {
    /// The members of an input.
    pub(crate) fn new(protocol: &'a Protocol, object: &'a Map<String, Value>) -> Self {
        Self {
            protocol,
            object,
            path: String::new(),
            read: Rc::default(),
            complaints: Rc::default(),
        }
    }

    /// What came of the members, unless they were complained of.
    pub(crate) fn told<T>(&self, result: Result<T, AwsError>) -> Result<T, AwsError> {
        AwsError::or_violations(result, self.complaints.borrow().clone(), self.protocol.invalid)
    }

    /// Goes on with `instead` where a member breaks a rule of its own, and keeps the complaint.
    fn noted<T>(&self, read: Result<T, AwsError>, instead: T) -> Result<T, AwsError> {
        match read {
            Err(error) if !error.violations.is_empty() => {
                let mut complaints = self.complaints.borrow_mut();
                for complaint in error.violations {
                    if complaints.len() < COMPLAINTS_MAX && complaints.iter().all(|it| it.place != complaint.place) {
                        complaints.push(complaint);
                    }
                }
                Ok(instead)
            }
            read => read,
        }
    }

    /// Whether a member is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    /// A member as it is, for whoever reads all that is in it.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        self.taken(name, Read::Whole)
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, AwsError> {
        match self.taken(name, Read::Whole) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(cannot_be(other, "a String")),
        }
    }

    /// A text that must be there.
    pub(crate) fn required_text(&self, name: &str) -> Result<&'a str, AwsError> {
        let text = self.text(name)?.ok_or_else(|| self.is_null(name));
        self.noted(text, "")
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, AwsError> {
        match self.taken(name, Read::Whole) {
            None => Ok(None),
            Some(value @ Value::Number(number)) => match number.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(cannot_be(value, "a Long")),
            },
            Some(other) => Err(cannot_be(other, "a Long")),
        }
    }

    /// A number with bounds.
    pub(crate) fn number_within(&self, name: &str, bounds: RangeInclusive<i64>) -> Result<Option<i64>, AwsError> {
        let Some(number) = self.number(name)? else {
            return Ok(None);
        };
        let (nearest, rule) = match number {
            _ if number < *bounds.start() => (
                *bounds.start(),
                format!("Member must have value greater than or equal to {}", bounds.start()),
            ),
            _ if number > *bounds.end() => (
                *bounds.end(),
                format!("Member must have value less than or equal to {}", bounds.end()),
            ),
            _ => return Ok(Some(number)),
        };
        self.noted(Err(self.broken(name, &rule)), Some(nearest))
    }

    /// Yes or no.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, AwsError> {
        match self.taken(name, Read::Whole) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(cannot_be(other, "a Boolean")),
        }
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, AwsError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == text);
        let found = found.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.broken(
                name,
                &format!("Member must satisfy enum value set: [{}]", all.join(", ")),
            )
        });
        self.noted(found, None)
    }

    /// Texts; none where the member is missing.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&'a str>, AwsError> {
        let text = |value: &'a Value| value.as_str().ok_or_else(|| cannot_be(value, "a String"));
        self.items(name, Read::Whole)?.iter().map(text).collect()
    }

    /// Objects; none where the member is missing.
    pub(crate) fn objects(&self, name: &str) -> Result<Vec<Self>, AwsError> {
        let items = self.items(name, Read::Entered)?.iter().enumerate();
        items
            .map(|(at, item)| {
                let path = format!("{}.{}.member", self.place(name), at + 1);
                self.inside(&path, item)
            })
            .collect()
    }

    /// An object.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Self>, AwsError> {
        let value = self.taken(name, Read::Entered);
        value.map(|value| self.inside(&self.place(name), value)).transpose()
    }

    /// Texts by key; none where the member is missing.
    pub(crate) fn map(&self, name: &str) -> Result<Vec<(&'a str, &'a str)>, AwsError> {
        match self.taken(name, Read::Whole) {
            None => Ok(Vec::new()),
            Some(Value::Object(map)) => map
                .iter()
                .map(|(key, value)| {
                    let value = value.as_str().ok_or_else(|| cannot_be(value, "a String"))?;
                    Ok((key.as_str(), value))
                })
                .collect(),
            Some(other) => Err(cannot_be(other, "a Map")),
        }
    }

    /// The error for a member that is missing.
    pub(crate) fn is_null(&self, name: &str) -> AwsError {
        let place = self.place(name);
        let text = format!("Value null at '{place}' failed to satisfy constraint: Member must not be null");
        self.error(place, text)
    }

    /// The error for a member that breaks `rule`, in AWS's words.
    pub(crate) fn broken(&self, name: &str, rule: &str) -> AwsError {
        let place = self.place(name);
        let value = match self.object.get(name) {
            Some(Value::String(text)) => shown(text),
            Some(value) => shown(&value.to_string()),
            None => String::new(),
        };
        let text = format!("Value '{value}' at '{place}' failed to satisfy constraint: {rule}");
        self.error(place, text)
    }

    /// A member that nobody has read.
    pub(crate) fn unread(&self) -> Option<String> {
        self.object.iter().find_map(|(name, value)| {
            let place = self.place(name);
            let read = self.read.borrow().get(&place).copied();
            match (read, value) {
                (_, Value::Null) | (Some(Read::Whole), _) => None,
                (None, _) => Some(format!("{}{name}", self.path)),
                (Some(Read::Entered), Value::Array(items)) => items.iter().enumerate().find_map(|(at, item)| {
                    let inside = self.inside(&format!("{place}.{}.member", at + 1), item);
                    inside.ok()?.unread()
                }),
                (Some(Read::Entered), value) => self.inside(&place, value).ok()?.unread(),
            }
        })
    }

    fn error(&self, place: String, text: String) -> AwsError {
        AwsError::violations(self.protocol.invalid, vec![Complaint { place, text }])
    }

    fn items(&self, name: &str, read: Read) -> Result<&'a [Value], AwsError> {
        match self.taken(name, read) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(cannot_be(other, "a List")),
        }
    }

    fn inside(&self, place: &str, value: &'a Value) -> Result<Self, AwsError> {
        let object = value.as_object().ok_or_else(|| cannot_be(value, "a Structure"))?;
        Ok(Self {
            protocol: self.protocol,
            object,
            path: format!("{place}."),
            read: Rc::clone(&self.read),
            complaints: Rc::clone(&self.complaints),
        })
    }

    fn taken(&self, name: &str, how: Read) -> Option<&'a Value> {
        let value = self.object.get(name).filter(|value| !value.is_null())?;
        self.read.borrow_mut().insert(self.place(name), how);
        Some(value)
    }

    /// AWS writes members with a small letter there.
    fn place(&self, name: &str) -> String {
        let mut chars = name.chars();
        let first = chars.next().map(|it| it.to_ascii_lowercase());
        format!("{}{}{}", self.path, first.unwrap_or_default(), chars.as_str())
    }
}

/// A caller's text in a message: one line, and not too long.
pub(crate) fn shown(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(SHOWN_CHARS_MAX).map(clean).collect()
}

fn cannot_be(value: &Value, wanted: &str) -> AwsError {
    let message = match value {
        Value::Null => "NULL_VALUE can not be converted to ",
        Value::Bool(true) => "TRUE_VALUE can not be converted to ",
        Value::Bool(false) => "FALSE_VALUE can not be converted to ",
        Value::Number(number) if number.is_f64() => "DECIMAL_VALUE can not be converted to ",
        Value::Number(_) => "NUMBER_VALUE can not be converted to ",
        Value::String(_) => "STRING_VALUE can not be converted to ",
        Value::Array(_) => "START_ARRAY can not be converted to ",
        Value::Object(_) => "START_OBJECT can not be converted to ",
    };
    AwsError::new("SerializationException", format!("{message}{wanted}"))
}
