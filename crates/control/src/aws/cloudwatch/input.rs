//! Members of a call, taken one by one: what is left at the end is known to nobody.

use super::error::{Error, Kind};
use crate::aws::json::shown;
use wire::value::Value;

/// A structure of the input.
#[derive(Debug)]
pub(super) struct Input {
    /// What the names of its members begin with, for people.
    path: String,
    members: Vec<(String, Value)>,
    /// The query protocol writes every value as a text.
    texts_only: bool,
}

impl Input {
    /// The input of a call; `None` when it is no structure.
    pub(super) fn new(value: Value, texts_only: bool) -> Option<Self> {
        match value {
            Value::Structure(members) => Some(Self {
                path: String::new(),
                members,
                texts_only,
            }),
            _ => None,
        }
    }

    /// The name of a member as errors say it.
    pub(super) fn name(&self, member: &str) -> String {
        format!("{}{member}", self.path)
    }

    /// A text, which is still to be taken.
    pub(super) fn peek(&self, name: &str) -> Option<&str> {
        match self.members.iter().find(|(its, _)| its == name)? {
            (_, Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Takes a member. One that is nothing is not there.
    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.members.iter().position(|(its, _)| its == name)?;
        let (_, value) = self.members.remove(at);
        (value != Value::Null).then_some(value)
    }

    fn is_no(&self, member: &str, what: &str) -> Error {
        let message = format!("The parameter {} must be {what}.", self.name(member));
        Error::new(Kind::Serialization, message)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.is_no(name, "a text")),
        }
    }

    /// A text of a bounded length, in characters.
    pub(super) fn bounded(&mut self, name: &str, max: usize) -> Result<Option<String>, Error> {
        let text = self.text(name)?;
        match &text {
            Some(text) if !(1..=max).contains(&text.chars().count()) => Err(Error::invalid(format!(
                "The parameter {} must have between 1 and {max} characters.",
                self.name(name)
            ))),
            _ => Ok(text),
        }
    }

    pub(super) fn required(&mut self, name: &str, max: usize) -> Result<String, Error> {
        self.bounded(name, max)?.ok_or_else(|| Error::missing(&self.name(name)))
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => self
                .as_number(&value)
                .map(Some)
                .ok_or_else(|| self.is_no(name, "a number")),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "doubles are what CloudWatch takes")]
    fn as_number(&self, value: &Value) -> Option<f64> {
        match value {
            Value::Integer(number) => Some(*number as f64),
            Value::Number(number) => Some(*number),
            Value::Text(text) if self.texts_only => text.parse().ok(),
            // JSON has no other way to write them.
            Value::Text(text) => match text.as_str() {
                "NaN" => Some(f64::NAN),
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                _ => None,
            },
            _ => None,
        }
    }

    /// A whole number.
    #[expect(clippy::cast_possible_truncation, reason = "it is compared with what it was")]
    #[expect(clippy::cast_precision_loss, reason = "it is compared with what it was")]
    pub(super) fn whole(&mut self, name: &str) -> Result<Option<i64>, Error> {
        let whole = |number: f64| {
            let whole = number as i64;
            (whole as f64 == number).then_some(whole)
        };
        match self.number(name)?.map(whole) {
            None => Ok(None),
            Some(Some(number)) => Ok(Some(number)),
            Some(None) => Err(self.is_no(name, "a whole number")),
        }
    }

    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Boolean(truth)) => Ok(Some(truth)),
            Some(Value::Text(text)) if self.texts_only && text == "true" => Ok(Some(true)),
            Some(Value::Text(text)) if self.texts_only && text == "false" => Ok(Some(false)),
            Some(_) => Err(self.is_no(name, "true or false")),
        }
    }

    /// A moment, in seconds since the epoch.
    #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch are far below 2^53")]
    pub(super) fn time(&mut self, name: &str) -> Result<Option<f64>, Error> {
        let seconds = match self.take(name) {
            None => return Ok(None),
            Some(Value::Time(seconds) | Value::Number(seconds)) => Some(seconds),
            Some(Value::Integer(seconds)) => Some(seconds as f64),
            Some(Value::Text(text)) => wire::time::from_iso8601(&text),
            Some(_) => None,
        };
        let seconds = seconds.filter(|seconds| (0.0..253_402_300_800.0).contains(seconds));
        seconds.map(Some).ok_or_else(|| self.is_no(name, "a time"))
    }

    /// The members of a list. One that is not there has none.
    fn list(&mut self, name: &str) -> Result<Vec<Value>, Error> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::List(values)) => Ok(values),
            Some(Value::Text(text)) if self.texts_only && text.is_empty() => Ok(Vec::new()),
            Some(_) => Err(self.is_no(name, "a list")),
        }
    }

    pub(super) fn texts(&mut self, name: &str) -> Result<Vec<String>, Error> {
        let texts = self.list(name)?.into_iter().map(|value| match value {
            Value::Text(text) => Ok(text),
            _ => Err(self.is_no(name, "a list of texts")),
        });
        texts.collect()
    }

    pub(super) fn numbers(&mut self, name: &str) -> Result<Vec<f64>, Error> {
        let values = self.list(name)?;
        let numbers = values.iter().map(|value| self.as_number(value));
        let numbers: Option<_> = numbers.collect();
        numbers.ok_or_else(|| self.is_no(name, "a list of numbers"))
    }

    pub(super) fn structure(&mut self, name: &str) -> Result<Option<Self>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Structure(members)) => Ok(Some(Self {
                path: format!("{}.", self.name(name)),
                members,
                texts_only: self.texts_only,
            })),
            Some(_) => Err(self.is_no(name, "a structure")),
        }
    }

    pub(super) fn structures(&mut self, name: &str) -> Result<Vec<Self>, Error> {
        let path = self.name(name);
        let values = self.list(name)?.into_iter().enumerate();
        let structures = values.map(|(at, value)| match value {
            Value::Structure(members) => Ok(Self {
                path: format!("{path}.member.{}.", at + 1),
                members,
                texts_only: self.texts_only,
            }),
            _ => Err(self.is_no(name, "a list of structures")),
        });
        structures.collect()
    }

    /// Refuses what nobody has taken: it would have no effect.
    pub(super) fn finish(self) -> Result<(), Error> {
        let left = self.members.iter().find(|(_, value)| *value != Value::Null);
        left.map_or(Ok(()), |(name, _)| {
            let name = shown(&self.name(name)).to_string();
            Err(Error::not_built(format!(
                "The parameter {name} is not known, or not built"
            )))
        })
    }
}
