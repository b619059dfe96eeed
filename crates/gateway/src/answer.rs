//! What a function returned, as an HTTP answer. Source: Lambda 7.3.

use crate::{json, stream};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Headers that say how an answer travels, which is not the function's to say.
const OURS: [HeaderName; 5] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TRAILER,
];

/// The members of an object, in the order of the document.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    fn read(raw: &'a str) -> Result<Self, String> {
        serde_json::from_str(raw).map_err(|error| format!("the result is not JSON: {error}"))
    }

    /// Of several with one name the last one counts.
    fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, raw)| raw.get()).filter(|raw| *raw != "null")
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// The answer, or a sentence about why there is none.
pub(crate) fn infer(document: &[u8]) -> Result<Response<Bytes>, String> {
    // What a function streamed and was collected, because its URL does not stream.
    if let Some((head, body)) = stream::split_prelude(document) {
        return Ok(prelude(head)?.map(|()| Bytes::copy_from_slice(body)));
    }
    let Ok(text) = std::str::from_utf8(document) else {
        return Err("the result is not UTF-8".to_owned());
    };
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| format!("the result is not JSON: {error}"))?;
    let raw = raw.get();
    match raw.bytes().next() {
        Some(b'{') => integrated(raw),
        Some(b'"') => Ok(plain(string(raw)?)),
        _ => Ok(plain(json::compact(raw))),
    }
}

fn integrated(raw: &str) -> Result<Response<Bytes>, String> {
    let members = Members::read(raw)?;
    if members.0.iter().all(|(name, _)| name != "statusCode") {
        return Ok(plain(json::compact(raw)));
    }
    let body = body(&members)?;
    Ok(head(&members, "")?.map(|()| body))
}

/// What stands before the body of a streamed answer: status, headers and cookies. Without a status it is 200 (unverified).
pub(crate) fn prelude(raw: &[u8]) -> Result<Response<()>, String> {
    let raw = std::str::from_utf8(raw).map_err(|_| "the prelude is not UTF-8".to_owned())?;
    let members = Members::read(raw)?;
    head(&members, "200")
}

fn head(members: &Members<'_>, status_without: &str) -> Result<Response<()>, String> {
    let mut response = Response::new(());
    *response.status_mut() = status(members.get("statusCode").unwrap_or(status_without))?;
    let headers = response.headers_mut();
    if let Some(raw) = members.get("headers") {
        for (name, value) in Members::read(raw)?.0 {
            let (name, value) = field(&name, value.get())?;
            if !OURS.contains(&name) {
                headers.insert(name, value);
            }
        }
    }
    if let Some(raw) = members.get("cookies") {
        let cookies: Vec<String> = serde_json::from_str(raw).map_err(|_| "cookies is no array of texts".to_owned())?;
        for cookie in cookies {
            let value = HeaderValue::from_str(&cookie).map_err(|_| "a cookie cannot stand in a header".to_owned())?;
            headers.append(header::SET_COOKIE, value);
        }
    }
    json_unless_said(headers);
    Ok(response)
}

/// A number, or one as text. What no answer can end with is refused (unverified).
fn status(raw: &str) -> Result<StatusCode, String> {
    let digits = raw
        .strip_prefix('"')
        .and_then(|raw| raw.strip_suffix('"'))
        .unwrap_or(raw);
    let status = digits.parse::<u16>().ok().filter(|status| (200..=599).contains(status));
    status
        .and_then(|status| StatusCode::from_u16(status).ok())
        .ok_or_else(|| "statusCode is no status from 200 to 599".to_owned())
}

fn field(name: &str, raw: &str) -> Result<(HeaderName, HeaderValue), String> {
    let text = match raw.bytes().next() {
        Some(b'"') => string(raw)?,
        Some(b'[' | b'{' | b'n') | None => return Err("a header's value is no text".to_owned()),
        Some(_) => raw.to_owned(),
    };
    let name = HeaderName::try_from(name).map_err(|_| "a header's name is none".to_owned())?;
    let value = HeaderValue::from_str(&text).map_err(|_| format!("the value of {name} cannot stand in a header"))?;
    Ok((name, value))
}

/// Text as it is, or decoded; anything else as JSON (unverified).
fn body(members: &Members<'_>) -> Result<Bytes, String> {
    let text = match members.get("body") {
        None => return Ok(Bytes::new()),
        Some(raw) if raw.starts_with('"') => string(raw)?,
        Some(raw) => json::compact(raw),
    };
    if members.get("isBase64Encoded") != Some("true") {
        return Ok(text.into());
    }
    let decoded = STANDARD
        .decode(text)
        .map_err(|error| format!("the body is not base64: {error}"))?;
    Ok(decoded.into())
}

fn string(raw: &str) -> Result<String, String> {
    serde_json::from_str(raw).map_err(|error| format!("a text is none: {error}"))
}

fn plain(text: String) -> Response<Bytes> {
    let mut response = Response::new(text.into());
    json_unless_said(response.headers_mut());
    response
}

fn json_unless_said(headers: &mut HeaderMap) {
    let json = HeaderValue::from_static("application/json");
    headers.entry(header::CONTENT_TYPE).or_insert(json);
}
