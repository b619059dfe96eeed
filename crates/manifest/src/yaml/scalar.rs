//! Scalars and what they are taken for: YAML 1.2's core schema, section 10.3.2 of its specification.

use crate::mistake::shown;

/// A scalar: its text and what the text is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scalar {
    /// As written, without quotes.
    pub(crate) text: String,
    pub(crate) kind: ScalarKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ScalarKind {
    /// Quoted, or plain and nothing else.
    Text,
    /// `null`, `~` or nothing at all.
    Null,
    Bool(bool),
    /// A whole number; `None` when it is beyond 64 bits.
    Int(Option<i64>),
    Float,
    /// Something that was reported already.
    Absent,
}

impl Scalar {
    pub(crate) fn new(text: String, plain: bool) -> Self {
        let kind = if plain { resolve(&text) } else { ScalarKind::Text };
        Self { text, kind }
    }

    /// Stands where a value could not be read.
    pub(crate) fn absent() -> Self {
        Self {
            text: String::new(),
            kind: ScalarKind::Absent,
        }
    }

    pub(crate) fn found(&self) -> String {
        match self.kind {
            ScalarKind::Text => format!("the text {}", shown(&self.text)),
            ScalarKind::Null => "nothing".to_owned(),
            ScalarKind::Bool(_) => format!("the truth value {}", shown(&self.text)),
            ScalarKind::Int(_) | ScalarKind::Float => format!("the number {}", shown(&self.text)),
            ScalarKind::Absent => "an unknown alias".to_owned(),
        }
    }
}

fn resolve(text: &str) -> ScalarKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return ScalarKind::Null,
        "true" | "True" | "TRUE" => return ScalarKind::Bool(true),
        "false" | "False" | "FALSE" => return ScalarKind::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return ScalarKind::Float,
        _ => {}
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|digit| digit.is_digit(radix))
        {
            return ScalarKind::Int(i64::from_str_radix(digits, radix).ok());
        }
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return ScalarKind::Int(text.parse().ok());
    }
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || is_float(unsigned) {
        return ScalarKind::Float;
    }
    ScalarKind::Text
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let exponent_good = exponent.is_none_or(|exponent| {
        let unsigned = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !unsigned.is_empty() && digits(unsigned)
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    exponent_good && digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_what_the_core_schema_says() {
        let cases = [
            ("", ScalarKind::Null),
            ("~", ScalarKind::Null),
            ("null", ScalarKind::Null),
            ("true", ScalarKind::Bool(true)),
            ("False", ScalarKind::Bool(false)),
            ("yes", ScalarKind::Text),
            ("on", ScalarKind::Text),
            ("12", ScalarKind::Int(Some(12))),
            ("-3", ScalarKind::Int(Some(-3))),
            ("+3", ScalarKind::Int(Some(3))),
            ("007", ScalarKind::Int(Some(7))),
            ("0x1F", ScalarKind::Int(Some(31))),
            ("0o17", ScalarKind::Int(Some(15))),
            ("0xg", ScalarKind::Text),
            ("99999999999999999999", ScalarKind::Int(None)),
            ("1.5", ScalarKind::Float),
            (".5", ScalarKind::Float),
            ("1e3", ScalarKind::Float),
            ("-.inf", ScalarKind::Float),
            ("1e", ScalarKind::Text),
            (".", ScalarKind::Text),
            ("-", ScalarKind::Text),
            ("10s", ScalarKind::Text),
            ("1.2.3", ScalarKind::Text),
        ];
        for (text, kind) in cases {
            assert_eq!(Scalar::new(text.to_owned(), true).kind, kind, "{text:?}");
            assert_eq!(
                Scalar::new(text.to_owned(), false).kind,
                ScalarKind::Text,
                "quoted {text:?}"
            );
        }
    }
}
