//! Filter patterns: which events are meant. Source: CloudWatch Logs, filter pattern syntax.
//!
//! ```text
//! ERROR "not found" -debug ?a ?b     terms: all of them, none of those, any of these
//! { $.status >= 500 && $.a = "x*" }  json: what an event that is a JSON object says
//! [ip, ..., status = 5*, bytes]      columns: what stands in which column
//! ```
//!
//! What is not understood is refused: a pattern that means something else hides events. Regular expressions (`%…%`) are not
//! built.

mod columns;
mod json;
mod terms;
mod value;

/// Characters of a pattern. Source: CloudWatch Logs `FilterPattern`.
const CHARS_MAX: usize = 1024;

/// A pattern that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pattern {
    /// Every event.
    All,
    Terms(terms::Terms),
    Json(json::Condition),
    Columns(columns::Columns),
}

/// Why a pattern is not understood, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotUnderstood(pub(super) String);

impl NotUnderstood {
    fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl Pattern {
    /// Reads a pattern.
    pub(super) fn read(text: &str) -> Result<Self, NotUnderstood> {
        let text = text.trim();
        if text.chars().count() > CHARS_MAX {
            return Err(NotUnderstood::because("it is longer than 1024 characters"));
        }
        match text.bytes().next() {
            None => Ok(Self::All),
            Some(b'{') => json::read(text).map(Self::Json),
            Some(b'[') => columns::read(text).map(Self::Columns),
            Some(b'%') => Err(NotUnderstood::because("regular expressions are not built")),
            Some(_) => terms::read(text).map(Self::Terms),
        }
    }

    /// Whether an event is meant.
    pub(super) fn takes(&self, message: &str) -> bool {
        match self {
            Self::All => true,
            Self::Terms(terms) => terms.takes(message),
            Self::Json(condition) => {
                // A message may end in a line end, and nothing but an object has members.
                match message.trim_start().starts_with('{') {
                    true => serde_json::from_str(message).is_ok_and(|event| condition.takes(&event)),
                    false => false,
                }
            }
            Self::Columns(columns) => columns.takes(message),
        }
    }
}

#[cfg(test)]
mod tests;
