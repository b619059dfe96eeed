//! The headers of a response document.

use super::document::Members;
use super::{Field, Refused, kind, shown, text, wrong};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a header name may hold. Source: RFC 9110, 5.6.2.
const TOKEN: [bool; 256] = {
    let mut token = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        token[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let signs = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < signs.len() {
        token[signs[at] as usize] = true;
        at += 1;
    }
    token
};

type Lines<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Bytes of all header lines of an answer, each with its colon, blank and line end. Source: ALB 4.5; that it holds for
/// functions too is unverified. It also bounds what an HTTP/2 client is sent, and how many lines its header map holds.
const LINES_BYTES_MAX: usize = 32 * 1024;

/// What the load balancer writes itself, or what is about one connection only, in lower case. So is `Proxy-*`.
const OURS: [&str; 9] = [
    "connection",
    "transfer-encoding",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "content-length",
    "date",
    "server",
];

/// `headers`: an object of strings. Names that differ in case only are lines of their own (unverified).
pub(super) fn single(raw: &RawValue) -> Result<Lines<'_>, Refused> {
    const MEMBER: &str = "headers";
    let members = members(MEMBER, raw)?;
    let mut lines = Vec::with_capacity(members.len());
    for (name, value) in members {
        let value = text(Field::Header(MEMBER, &name), value)?;
        push(&mut lines, MEMBER, name, value)?;
    }
    bounded(MEMBER, lines)
}

/// `multiValueHeaders`: an object of arrays of strings, each a line.
pub(super) fn multi(raw: &RawValue) -> Result<Lines<'_>, Refused> {
    const MEMBER: &str = "multiValueHeaders";
    let members = members(MEMBER, raw)?;
    let mut lines = Vec::with_capacity(members.len());
    for (name, values) in members {
        let field = Field::Header(MEMBER, &name);
        if kind(values) != "an array" {
            return Err(wrong(field, values, "arrays of strings only"));
        }
        let values: Vec<&RawValue> =
            serde_json::from_str(values.get()).map_err(|error| Refused(format!("{field} cannot be read: {error}")))?;
        for (at, value) in values.into_iter().enumerate() {
            let value = text(Field::Element(MEMBER, &name, at), value)?;
            push(&mut lines, MEMBER, name.clone(), value)?;
        }
    }
    bounded(MEMBER, lines)
}

fn bounded<'a>(member: &'static str, lines: Lines<'a>) -> Result<Lines<'a>, Refused> {
    let bytes: usize = lines.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    match bytes <= LINES_BYTES_MAX {
        true => Ok(lines),
        false => Err(Refused(format!(
            "{member} has {bytes} bytes; ALB accepts up to {LINES_BYTES_MAX}"
        ))),
    }
}

fn members<'a>(member: &'static str, raw: &'a RawValue) -> Result<Vec<super::document::Member<'a>>, Refused> {
    let field = Field::Member(member);
    if kind(raw) != "an object" {
        return Err(wrong(field, raw, "an object"));
    }
    let members: Members<'a> =
        serde_json::from_str(raw.get()).map_err(|error| Refused(format!("{field} cannot be read: {error}")))?;
    Ok(members.0)
}

/// Takes a header line unless the load balancer writes that header itself. Source: ALB 3.3 "Mapping to HTTP".
fn push<'a>(
    lines: &mut Lines<'a>,
    member: &'static str,
    name: Cow<'a, str>,
    value: Cow<'a, str>,
) -> Result<(), Refused> {
    if name.is_empty() || !name.bytes().all(|byte| TOKEN[usize::from(byte)]) {
        return Err(Refused(format!(
            "{member} has the name \"{}\", which is no header name",
            shown(&name)
        )));
    }
    // Line breaks and NUL are ALB 3.3; HTTP/2 can carry none of the others either, and both protocols answer alike.
    let control = |byte: u8| (byte < b' ') & (byte != b'\t') | (byte == 0x7f);
    // Without an early end, so that many bytes are looked at at once.
    if value.bytes().fold(false, |found, byte| found | control(byte)) {
        return Err(Refused(format!(
            "{} contains a line break or another control character, which no header can carry",
            Field::Header(member, &name)
        )));
    }
    let is_ours = OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours))
        || name
            .as_bytes()
            .get(..6)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"proxy-"));
    if !is_ours {
        lines.push((name, value));
    }
    Ok(())
}
