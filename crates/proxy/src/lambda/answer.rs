//! The response document of a function: read strictly, as ALB does, with a sentence for people when it is refused.
//! Source: ALB 3.3.
//!
//! Nothing is copied that need not be: an answer borrows from its document.

mod document;
mod headers;

use super::LIMIT_BYTES;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use document::Document;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A response document that ALB accepts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// The reason phrase after the code in `statusDescription`.
    pub(crate) phrase: Option<Cow<'a, str>>,
    /// Header lines in the order of the document, without those that the load balancer writes itself.
    pub(crate) headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(crate) body: Cow<'a, [u8]>,
}

/// Why a document is refused: one sentence that names the field, what it is and what ALB wants. It holds nothing of a value
/// but numbers, and nothing of any length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) String);

/// Characters of a name or a number that a sentence shows.
const SHOWN_CHARS_MAX: usize = 100;

/// What a function wrote, made harmless for a line or a sentence: cut, and without control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (at, character) in text.chars().enumerate() {
        match character {
            _ if at >= SHOWN_CHARS_MAX => {
                shown.push_str("...");
                break;
            }
            control if control.is_control() => shown.extend(control.escape_default()),
            other => shown.push(other),
        }
    }
    shown
}

/// The sentence about a document over the limit.
pub(crate) fn too_large(bytes: usize) -> String {
    format!("the response has {bytes} bytes; ALB accepts up to {LIMIT_BYTES}")
}

/// Where in a document a value stands.
#[derive(Clone, Copy)]
enum Field<'a> {
    Member(&'static str),
    /// A member of `headers` or `multiValueHeaders`.
    Header(&'static str, &'a str),
    /// An element of a member of `multiValueHeaders`.
    Element(&'static str, &'a str, usize),
}

impl fmt::Display for Field<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(name) => formatter.write_str(name),
            Self::Header(member, name) => write!(formatter, "{member}.{}", shown(name)),
            Self::Element(member, name, at) => write!(formatter, "{member}.{}[{at}]", shown(name)),
        }
    }
}

/// Reads a response document.
pub(crate) fn read(document: &[u8], multi_value: bool) -> Result<Answer<'_>, Refused> {
    let document = Document::read(document)?;
    let status = status(document.status_code)?;
    let phrase = match document.status_description {
        None => None,
        Some(raw) => phrase(text(Field::Member("statusDescription"), raw)?),
    };
    let headers = match (multi_value, document.headers, document.multi_value_headers) {
        (false, Some(raw), _) => headers::single(raw)?,
        (true, _, Some(raw)) => headers::multi(raw)?,
        _ => Vec::new(),
    };
    let encoded = match document.is_base64_encoded.map(|raw| (raw.get(), raw)) {
        None | Some(("false", _)) => false,
        Some(("true", _)) => true,
        Some((_, raw)) => return Err(wrong(Field::Member("isBase64Encoded"), raw, "true or false")),
    };
    let body = match document.body {
        None => Cow::Borrowed(&[][..]),
        Some(raw) => body(text(Field::Member("body"), raw)?, encoded)?,
    };
    Ok(Answer {
        status,
        phrase,
        headers,
        body,
    })
}

fn status(raw: Option<&RawValue>) -> Result<u16, Refused> {
    let Some(raw) = raw else {
        return Err(Refused(
            "statusCode is missing; ALB wants an integer from 200 to 599".to_owned(),
        ));
    };
    if kind(raw) != "a number" {
        return Err(wrong(Field::Member("statusCode"), raw, "integers only"));
    }
    let number = raw.get();
    let integral = number.parse::<u16>().ok().or_else(|| {
        let float = number.parse::<f64>().ok();
        let float = float.filter(|float| float.fract() == 0.0 && (0.0..1000.0).contains(float))?;
        Some(float as u16)
    });
    match integral {
        // Interim statuses announce an answer and are none, so a client would wait for ever.
        Some(status @ 200..=599) => Ok(status),
        _ => Err(Refused(format!(
            "statusCode is {}; ALB wants an integer from 200 to 599",
            shown(number)
        ))),
    }
}

/// What follows the first space; without one the standard phrase is used. Source: ALB 3.3 (unverified).
fn phrase(description: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let at = description.find(' ')? + 1;
    let visible = |byte: u8| byte == b' ' || byte == b'\t' || byte.is_ascii_graphic();
    if !description[at..].bytes().all(visible) {
        return None;
    }
    Some(match description {
        Cow::Borrowed(text) => Cow::Borrowed(&text[at..]),
        Cow::Owned(text) => Cow::Owned(text[at..].to_owned()),
    })
}

fn body(text: Cow<'_, str>, encoded: bool) -> Result<Cow<'_, [u8]>, Refused> {
    if encoded {
        return STANDARD.decode(text.as_bytes()).map(Cow::Owned).map_err(|error| {
            Refused(format!(
                "isBase64Encoded is true but body is not base64 ({error}); ALB decodes the standard alphabet with padding and without line breaks"
            ))
        });
    }
    Ok(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

/// The text of a JSON string, borrowed where nothing is escaped.
fn text<'a>(field: Field<'_>, raw: &'a RawValue) -> Result<Cow<'a, str>, Refused> {
    if kind(raw) != "a string" {
        return Err(wrong(field, raw, "strings only"));
    }
    let written = raw.get();
    // Between the quotes; what holds no backslash is its own text.
    match written.get(1..written.len() - 1) {
        Some(inner) if memchr::memchr(b'\\', inner.as_bytes()).is_none() => Ok(Cow::Borrowed(inner)),
        _ => serde_json::from_str(written)
            .map(Cow::Owned)
            .map_err(|error| Refused(format!("{field} is not a valid string: {error}"))),
    }
}

fn wrong(field: Field<'_>, raw: &RawValue, wanted: &str) -> Refused {
    Refused(format!("{field} is {}; ALB accepts {wanted}", kind(raw)))
}

fn kind(raw: &RawValue) -> &'static str {
    match raw.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests;
