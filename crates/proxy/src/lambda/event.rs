//! The event, written by hand into one buffer. Source: ALB 3.2.

use crate::reply::HeaderLine;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashMap;

/// What an event is made of. Everything is raw: as received, or as the rule's transforms made it.
#[derive(Debug)]
pub(crate) struct EventParts<'a> {
    pub(crate) target_group_arn: &'a str,
    pub(crate) multi_value: bool,
    pub(crate) method: &'a [u8],
    pub(crate) path: &'a [u8],
    pub(crate) query: Option<&'a [u8]>,
    /// Header lines in the order they go on, names in any case.
    pub(crate) headers: Vec<HeaderLine<'a>>,
    pub(crate) body: &'a [u8],
}

/// Something in the request is not UTF-8; the answer is `LambdaBadRequest`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotUtf8;

/// Appends the event to `out`.
pub(crate) fn write(mut parts: EventParts<'_>, out: &mut Vec<u8>) -> Result<(), NotUtf8> {
    out.reserve(512 + parts.body.len() * 4 / 3);
    out.extend_from_slice(b"{\"requestContext\":{\"elb\":{\"targetGroupArn\":");
    string(parts.target_group_arn.as_bytes(), out)?;
    out.extend_from_slice(b"}},\"httpMethod\":");
    string(parts.method, out)?;
    out.extend_from_slice(b",\"path\":");
    string(parts.path, out)?;
    out.extend_from_slice(if parts.multi_value {
        b",\"multiValueQueryStringParameters\":".as_slice()
    } else {
        b",\"queryStringParameters\":"
    });
    map(
        &routing::parameters(parts.query.unwrap_or_default()).collect::<Vec<_>>(),
        parts.multi_value,
        out,
    )?;
    out.extend_from_slice(if parts.multi_value {
        b",\"multiValueHeaders\":".as_slice()
    } else {
        b",\"headers\":"
    });
    let raw = body_is_text(&parts.headers);
    for (name, _) in &mut parts.headers {
        if name.iter().any(u8::is_ascii_uppercase) {
            name.to_mut().make_ascii_lowercase();
        }
    }
    // Stable, so that lines of one name stay in their order.
    parts.headers.sort_by(|(left, _), (right, _)| left.cmp(right));
    map(
        &parts
            .headers
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect::<Vec<_>>(),
        parts.multi_value,
        out,
    )?;
    out.extend_from_slice(b",\"body\":");
    if parts.body.is_empty() || raw {
        string(parts.body, out)?;
        out.extend_from_slice(b",\"isBase64Encoded\":false}");
    } else {
        out.push(b'"');
        let start = out.len();
        out.resize(start + parts.body.len().div_ceil(3) * 4, 0);
        let written = STANDARD.encode_slice(parts.body, &mut out[start..]).unwrap_or(0);
        out.truncate(start + written);
        out.extend_from_slice(b"\",\"isBase64Encoded\":true}");
    }
    Ok(())
}

/// An object of strings (the last of equal keys wins) or of arrays of strings, keys in the order of their first
/// occurrence.
fn map(pairs: &[(&[u8], &[u8])], multi_value: bool, out: &mut Vec<u8>) -> Result<(), NotUtf8> {
    out.push(b'{');
    let mut first = true;
    let mut values = Vec::new();
    let mut groups = Groups::of(pairs);
    for (at, (key, _)) in pairs.iter().enumerate() {
        if !groups.values(pairs, at, &mut values) {
            continue; // an earlier pair has the key and brought this value along
        }
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        string(key, out)?;
        out.push(b':');
        if multi_value {
            out.push(b'[');
            for (position, value) in values.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                string(value, out)?;
            }
            out.push(b']');
        } else {
            string(values.last().copied().unwrap_or_default(), out)?;
        }
    }
    out.push(b'}');
    Ok(())
}

/// Pairs up to which keys are compared one by one.
const FEW: usize = 64;

/// Brings the values of equal keys together. Few pairs are searched; many, as only a hostile client sends, are hashed, so
/// that their cost stays in proportion to their number.
enum Groups<'a> {
    Few,
    Many(HashMap<&'a [u8], Vec<&'a [u8]>>),
}

impl<'a> Groups<'a> {
    fn of(pairs: &[(&'a [u8], &'a [u8])]) -> Self {
        if pairs.len() <= FEW {
            return Self::Few;
        }
        let mut groups: HashMap<&[u8], Vec<&[u8]>> = HashMap::with_capacity(pairs.len());
        for (key, value) in pairs {
            groups.entry(key).or_default().push(value);
        }
        Self::Many(groups)
    }

    /// Fills `values` with those of the key at `at`, in order. `false` when an earlier pair has the key.
    fn values(&mut self, pairs: &[(&'a [u8], &'a [u8])], at: usize, values: &mut Vec<&'a [u8]>) -> bool {
        let key = pairs[at].0;
        match self {
            Self::Few if pairs[..at].iter().any(|(other, _)| *other == key) => false,
            Self::Few => {
                values.clear();
                values.extend(
                    pairs[at..]
                        .iter()
                        .filter(|(other, _)| *other == key)
                        .map(|(_, value)| value),
                );
                true
            }
            Self::Many(groups) => match groups.remove(key) {
                Some(group) => {
                    *values = group;
                    true
                }
                None => false,
            },
        }
    }
}

/// Whether the body goes into the event as it is: no `content-encoding`, and one of the listed media types.
fn body_is_text(headers: &[HeaderLine<'_>]) -> bool {
    let mut text = false;
    for (name, value) in headers {
        if name.eq_ignore_ascii_case(b"content-encoding") {
            return false;
        }
        if name.eq_ignore_ascii_case(b"content-type") {
            text = is_text(value);
        }
    }
    text
}

fn is_text(content_type: &[u8]) -> bool {
    let media = content_type
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    media.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"text/"))
        || [&b"application/json"[..], b"application/javascript", b"application/xml"]
            .iter()
            .any(|known| media.eq_ignore_ascii_case(known))
}

/// A JSON string of bytes that must be UTF-8.
fn string(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), NotUtf8> {
    std::str::from_utf8(bytes).map_err(|_| NotUtf8)?;
    out.push(b'"');
    let mut clean = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0c => b"\\f",
            0..=0x1f => b"\\u00",
            _ => continue,
        };
        out.extend_from_slice(&bytes[clean..at]);
        out.extend_from_slice(escape);
        if escape == b"\\u00" {
            crate::trace::push_hex(out, u64::from(*byte), 2);
        }
        clean = at + 1;
    }
    out.extend_from_slice(&bytes[clean..]);
    out.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ARN: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/orders/0123456789abcdef";

    fn written(multi_value: bool, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<String, NotUtf8> {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.as_bytes())),
            None => (target, None),
        };
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into()))
            .collect();
        let mut out = Vec::new();
        write(
            EventParts {
                target_group_arn: ARN,
                multi_value,
                method: b"GET",
                path: path.as_bytes(),
                query,
                headers,
                body,
            },
            &mut out,
        )?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn value(multi_value: bool, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Value {
        serde_json::from_str(&written(multi_value, target, headers, body).unwrap()).unwrap()
    }

    // ALB-L-007: the order of the keys
    // ALB-L-008: exactly one of the two forms
    // ALB-L-009: the target group's ARN
    #[test]
    fn the_event_byte_for_byte() {
        let headers = [("Host", "shop.example.net"), ("accept", "*/*")];
        assert_eq!(
            written(false, "/orders/7?q=a%20b&tag=y&tag=z", &headers, b"").unwrap(),
            format!(
                r#"{{"requestContext":{{"elb":{{"targetGroupArn":"{ARN}"}}}},"httpMethod":"GET","path":"/orders/7","queryStringParameters":{{"q":"a%20b","tag":"z"}},"headers":{{"accept":"*/*","host":"shop.example.net"}},"body":"","isBase64Encoded":false}}"#
            )
        );
        assert_eq!(
            written(true, "/orders/7?tag=y&tag=z", &headers, b"").unwrap(),
            format!(
                r#"{{"requestContext":{{"elb":{{"targetGroupArn":"{ARN}"}}}},"httpMethod":"GET","path":"/orders/7","multiValueQueryStringParameters":{{"tag":["y","z"]}},"multiValueHeaders":{{"accept":["*/*"],"host":["shop.example.net"]}},"body":"","isBase64Encoded":false}}"#
            )
        );
    }

    // ALB-L-010: header names are lower-case
    // ALB-L-011: in single mode the last of repeated headers wins
    // ALB-L-012: in multi mode repeated headers are an array in order
    // ALB-L-013: one line with commas is one element
    // ALB-L-069: Cookie lines are no exception
    #[test]
    fn repeated_headers() {
        let headers = [("X-A", "1, 2"), ("Cookie", "a=1"), ("x-a", "3"), ("cookie", "b=2")];
        assert_eq!(
            value(false, "/", &headers, b"")["headers"],
            json!({"cookie": "b=2", "x-a": "3"})
        );
        assert_eq!(
            value(true, "/", &headers, b"")["multiValueHeaders"],
            json!({"cookie": ["a=1", "b=2"], "x-a": ["1, 2", "3"]})
        );
    }

    // ALB-L-014: in single mode the last of repeated keys wins
    // ALB-L-015: in multi mode repeated keys are an array in order
    // ALB-L-016: values are not decoded
    // ALB-L-017: keys are not decoded
    // ALB-L-018: a leading & makes no empty key
    // ALB-L-019: no query is an empty object in both modes
    #[test]
    fn queries() {
        let cases = [
            ("/", json!({}), json!({})),
            ("/?", json!({}), json!({})),
            ("/?a=1&a=2", json!({"a": "2"}), json!({"a": ["1", "2"]})),
            ("/?q=a%20b+c", json!({"q": "a%20b+c"}), json!({"q": ["a%20b+c"]})),
            ("/?a%5B0%5D=1", json!({"a%5B0%5D": "1"}), json!({"a%5B0%5D": ["1"]})),
            ("/?&a=1&&b", json!({"a": "1", "b": ""}), json!({"a": ["1"], "b": [""]})),
            ("/?=x&a==", json!({"": "x", "a": "="}), json!({"": ["x"], "a": ["="]})),
            (
                "/?a;b=1&A=2",
                json!({"a;b": "1", "A": "2"}),
                json!({"a;b": ["1"], "A": ["2"]}),
            ),
        ];
        for (target, single, multi) in cases {
            assert_eq!(
                value(false, target, &[], b"")["queryStringParameters"],
                single,
                "{target}"
            );
            assert_eq!(
                value(true, target, &[], b"")["multiValueQueryStringParameters"],
                multi,
                "{target}"
            );
        }
    }

    #[test]
    fn a_thousand_keys_come_out_as_few_do() {
        let query: Vec<_> = (0..1000).map(|at| format!("k{}={at}", at % 500)).collect();
        let event = value(true, &format!("/?{}", query.join("&")), &[], b"");
        let parameters = event["multiValueQueryStringParameters"].as_object().unwrap();
        assert_eq!(parameters.len(), 500);
        assert_eq!(parameters["k7"], json!(["7", "507"]));
    }

    // ALB-L-020: the path is not decoded
    #[test]
    fn the_path_is_raw() {
        for path in ["/a%2Fb", "//a/../b/./", "/%zz\"\\"] {
            assert_eq!(value(false, path, &[], b"")["path"], json!(path));
        }
    }

    // ALB-L-026: an empty body is not base64, whatever the type
    // ALB-L-027: application/json with a charset is raw
    // ALB-L-028: text/csv is raw
    // ALB-L-029: a form is base64
    // ALB-L-030: application/vnd.api+json is base64
    // ALB-L-031: no content type is base64
    // ALB-L-032: gzip is base64
    // ALB-L-033: even identity is base64
    #[test]
    fn bodies() {
        let raw = |body: &str| (json!(body), json!(false));
        let encoded = (json!("aGk="), json!(true));
        type Headers<'a> = &'a [(&'a str, &'a str)];
        let cases: &[(Headers<'_>, &[u8], _)] = &[
            (&[("content-type", "image/png")], b"", raw("")),
            (&[("Content-Type", "application/json; charset=utf-8")], b"hi", raw("hi")),
            (&[("content-type", "text/csv")], b"a,\"b\"\n", raw("a,\"b\"\n")),
            (&[("content-type", "TEXT/html")], b"\x01\x1f", raw("\u{1}\u{1f}")),
            (&[("content-type", "application/xml")], b"hi", raw("hi")),
            (
                &[("content-type", "application/x-www-form-urlencoded")],
                b"hi",
                encoded.clone(),
            ),
            (&[("content-type", "application/vnd.api+json")], b"hi", encoded.clone()),
            (&[], b"hi", encoded.clone()),
            (
                &[("content-type", "application/json"), ("content-encoding", "gzip")],
                b"hi",
                encoded.clone(),
            ),
            (
                &[("content-type", "text/plain"), ("Content-Encoding", "identity")],
                b"hi",
                encoded.clone(),
            ),
            (&[("content-type", "text")], b"hi", encoded),
        ];
        for (headers, body, (text, base64)) in cases {
            let event = value(false, "/", headers, body);
            assert_eq!(
                (&event["body"], &event["isBase64Encoded"]),
                (text, base64),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn what_is_not_utf8_is_refused() {
        assert_eq!(
            written(false, "/", &[("content-type", "application/json")], b"\xff"),
            Err(NotUtf8)
        );
        assert!(written(false, "/", &[("content-type", "image/png")], b"\xff").is_ok());
        let mut out = Vec::new();
        let headers = vec![(b"x".as_slice().into(), b"\xe4".as_slice().into())];
        let parts = EventParts {
            target_group_arn: ARN,
            multi_value: false,
            method: b"GET",
            path: b"/",
            query: None,
            headers,
            body: b"",
        };
        assert_eq!(write(parts, &mut out), Err(NotUtf8));
    }
}
