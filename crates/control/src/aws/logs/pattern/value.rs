//! What fields are compared with.

use super::{NotUnderstood, terms};

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::aws::logs) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::aws::logs) enum Value {
    Number(f64),
    /// `*` stands for anything.
    Text(String),
}

impl Comparison {
    /// Takes a comparison off a text.
    pub(super) fn read(text: &str) -> Option<(Self, &str)> {
        let known = [
            ("!=", Self::NotEqual),
            ("<=", Self::LessOrEqual),
            (">=", Self::GreaterOrEqual),
            ("=", Self::Equal),
            ("<", Self::Less),
            (">", Self::Greater),
        ];
        known
            .into_iter()
            .find_map(|(word, comparison)| Some((comparison, text.strip_prefix(word)?)))
    }

    fn is_order(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }

    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            #[allow(clippy::float_cmp)] // the same text is the same number
            Self::Equal => left == right,
            #[allow(clippy::float_cmp)]
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

impl Value {
    /// Takes a value off a text; without quotation marks it ends at one of `ends`.
    pub(super) fn read<'a>(
        text: &'a str,
        comparison: Comparison,
        ends: &[char],
    ) -> Result<(Self, &'a str), NotUnderstood> {
        let (value, rest) = if let Some(quoted) = text.strip_prefix('"') {
            let (phrase, rest) = terms::phrase(quoted)?;
            (Self::Text(phrase), rest)
        } else {
            let end = text
                .find(|c: char| c.is_whitespace() || ends.contains(&c))
                .unwrap_or(text.len());
            let (word, rest) = text.split_at(end);
            let plain = |c: char| c.is_alphanumeric() || "*_-.:/$@#+".contains(c);
            let value = match word.parse::<f64>() {
                _ if word.is_empty() => return Err(NotUnderstood::because("a value is missing")),
                Ok(number) if number.is_finite() => Self::Number(number),
                _ if word.starts_with('%') => {
                    return Err(NotUnderstood::because("regular expressions are not built"));
                }
                _ if word.chars().all(plain) => Self::Text(word.to_owned()),
                _ => return Err(NotUnderstood::because(format!("the value {word} is not understood"))),
            };
            (value, rest)
        };
        match value {
            Self::Text(text) if comparison.is_order() => Err(NotUnderstood::because(format!(
                "{text} is not a number, and has no order"
            ))),
            value => Ok((value, rest)),
        }
    }

    /// Whether a text compares so.
    pub(super) fn holds_for_text(&self, comparison: Comparison, field: &str) -> bool {
        match self {
            Self::Number(number) => match field.parse::<f64>() {
                Ok(field) => comparison.holds(field, *number),
                Err(_) => comparison == Comparison::NotEqual,
            },
            Self::Text(wanted) => is_like(field, wanted) == (comparison == Comparison::Equal),
        }
    }

    /// Whether a number compares so.
    pub(super) fn holds_for_number(&self, comparison: Comparison, field: f64) -> bool {
        match self {
            Self::Number(number) => comparison.holds(field, *number),
            Self::Text(wanted) => is_like(&field.to_string(), wanted) == (comparison == Comparison::Equal),
        }
    }
}

/// Whether a text is like another in which `*` stands for anything. Linear in both but for the stars.
fn is_like(text: &str, wanted: &str) -> bool {
    let mut parts = wanted.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}
