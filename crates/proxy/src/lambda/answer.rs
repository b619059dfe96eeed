//! The response document of a function: read strictly, as ALB does, with a sentence for people when it is refused.
//! Source: ALB 3.3.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A response document that ALB accepts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The reason phrase after the code in `statusDescription`.
    pub(crate) phrase: Option<String>,
    /// Header lines in the order of the document, without those that the load balancer writes itself.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Why a document is refused: one sentence that names the field, what it is and what ALB wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) String);

type Headers<'a> = Option<&'a RawValue>;

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, default, rename = "statusCode", deserialize_with = "present")]
    status_code: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "statusDescription", deserialize_with = "present")]
    status_description: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    headers: Headers<'a>,
    #[serde(borrow, default, rename = "multiValueHeaders", deserialize_with = "present")]
    multi_value_headers: Headers<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    body: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "isBase64Encoded", deserialize_with = "present")]
    is_base64_encoded: Option<&'a RawValue>,
}

/// Tells `null` from absent: a member that is there is `Some`, whatever it holds.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads a response document.
pub(crate) fn read(document: &[u8], multi_value: bool) -> Result<Answer, Refused> {
    let whole: &RawValue = serde_json::from_slice(document).map_err(|error| {
        Refused(format!(
            "the response is not JSON ({error}); ALB wants an object with statusCode"
        ))
    })?;
    if kind(whole) != "an object" {
        return Err(Refused(format!(
            "the response is {}; ALB wants an object with statusCode",
            kind(whole)
        )));
    }
    let document: Document<'_> =
        serde_json::from_str(whole.get()).map_err(|error| Refused(format!("the response cannot be read: {error}")))?;
    let status = status(document.status_code)?;
    let phrase = match document.status_description {
        None => None,
        Some(raw) => phrase(&text("statusDescription", raw)?),
    };
    let headers = match (multi_value, document.headers, document.multi_value_headers) {
        (false, Some(raw), _) => single_headers(raw)?,
        (true, _, Some(raw)) => multi_headers(raw)?,
        _ => Vec::new(),
    };
    let encoded = match document.is_base64_encoded {
        None => false,
        Some(raw) => match raw.get() {
            "true" => true,
            "false" => false,
            _ => return Err(wrong("isBase64Encoded", raw, "true or false")),
        },
    };
    let body = match document.body {
        None => Vec::new(),
        Some(raw) => {
            let text = text("body", raw)?;
            if encoded {
                STANDARD.decode(text.as_bytes()).map_err(|error| {
                    Refused(format!("isBase64Encoded is true but body is not base64 ({error}); ALB decodes the standard alphabet with padding and without line breaks"))
                })?
            } else {
                text.into_owned().into_bytes()
            }
        }
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
    let number = raw.get();
    let integral = number.parse::<u16>().ok().or_else(|| {
        let float = number
            .parse::<f64>()
            .ok()
            .filter(|float| float.fract() == 0.0 && (0.0..1000.0).contains(float))?;
        Some(float as u16)
    });
    match integral {
        Some(status @ 200..=599) if kind(raw) == "a number" => Ok(status),
        // Interim statuses announce an answer and are none, so a client would wait for ever.
        _ if kind(raw) == "a number" => Err(Refused(format!(
            "statusCode is {number}; ALB wants an integer from 200 to 599"
        ))),
        _ => Err(wrong("statusCode", raw, "integers only")),
    }
}

/// What follows the first space; without one the standard phrase is used. Source: ALB 3.3 (unverified).
fn phrase(description: &str) -> Option<String> {
    let (_, phrase) = description.split_once(' ')?;
    let visible = |c: char| c == ' ' || c == '\t' || c.is_ascii_graphic();
    phrase.chars().all(visible).then(|| phrase.to_owned())
}

fn text<'a>(field: &str, raw: &'a RawValue) -> Result<Cow<'a, str>, Refused> {
    if kind(raw) != "a string" {
        return Err(wrong(field, raw, "strings only"));
    }
    // Borrowed where nothing is escaped.
    serde_json::from_str::<Text<'a>>(raw.get())
        .map(|text| text.0)
        .map_err(|error| Refused(format!("{field} is not a valid string: {error}")))
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn single_headers(raw: &RawValue) -> Result<Vec<(String, String)>, Refused> {
    let mut lines = Vec::new();
    for (name, value) in members("headers", raw)? {
        let value = text(&format!("headers.{name}"), value)?;
        push_header(&mut lines, "headers", &name, &value)?;
    }
    Ok(lines)
}

fn multi_headers(raw: &RawValue) -> Result<Vec<(String, String)>, Refused> {
    let mut lines = Vec::new();
    for (name, values) in members("multiValueHeaders", raw)? {
        let field = format!("multiValueHeaders.{name}");
        if kind(values) != "an array" {
            return Err(wrong(&field, values, "arrays of strings only"));
        }
        let values: Vec<&RawValue> =
            serde_json::from_str(values.get()).map_err(|error| Refused(format!("{field} cannot be read: {error}")))?;
        for (at, value) in values.into_iter().enumerate() {
            let value = text(&format!("{field}[{at}]"), value)?;
            push_header(&mut lines, "multiValueHeaders", &name, &value)?;
        }
    }
    Ok(lines)
}

/// Takes a header line unless the load balancer writes that header itself. Source: ALB 3.3 "Mapping to HTTP".
fn push_header(lines: &mut Vec<(String, String)>, member: &str, name: &str, value: &str) -> Result<(), Refused> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(Refused(format!(
            "{member} has the name {name:?}, which is no header name"
        )));
    }
    // Line breaks and NUL are ALB 3.3; HTTP/2 can carry none of the others either, and both protocols answer alike.
    if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return Err(Refused(format!(
            "{member}.{name} contains a line break or another control character, which no header can carry"
        )));
    }
    let lower = name.to_ascii_lowercase();
    let ours = [
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
    if !ours.contains(&lower.as_str()) && !lower.starts_with("proxy-") {
        lines.push((name.to_owned(), value.to_owned()));
    }
    Ok(())
}

/// The members of an object, in order, repeated names included.
fn members<'a>(field: &str, raw: &'a RawValue) -> Result<Vec<(String, &'a RawValue)>, Refused> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    if kind(raw) != "an object" {
        return Err(wrong(field, raw, "an object"));
    }
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    (&mut deserializer)
        .deserialize_map(Members)
        .map_err(|error| Refused(format!("{field} cannot be read: {error}")))
}

fn wrong(field: &str, raw: &RawValue, wanted: &str) -> Refused {
    Refused(format!("{field} is {}; ALB accepts {wanted}", kind(raw)))
}

fn kind(raw: &RawValue) -> &'static str {
    match raw.get().bytes().next() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(document: &str) -> Result<Answer, Refused> {
        read(document.as_bytes(), false)
    }

    fn multi(document: &str) -> Result<Answer, Refused> {
        read(document.as_bytes(), true)
    }

    #[track_caller]
    fn refused(document: &str, sentence: &str) {
        assert_eq!(single(document), Err(Refused(sentence.to_owned())), "{document}");
    }

    #[test]
    fn a_status_code_alone_is_an_answer() {
        let bare = Answer {
            status: 200,
            phrase: None,
            headers: vec![],
            body: vec![],
        };
        assert_eq!(single(r#"{"statusCode":200}"#), Ok(bare));
        assert_eq!(
            single(" {\n\"statusCode\": 404.0 , \"other\": [1]}\n").map(|answer| answer.status),
            Ok(404)
        );
    }

    #[test]
    fn status_codes_of_other_types_and_ranges() {
        refused(
            r#"{"statusCode":"200"}"#,
            "statusCode is a string; ALB accepts integers only",
        );
        refused(
            r#"{"body":"x"}"#,
            "statusCode is missing; ALB wants an integer from 200 to 599",
        );
        refused(
            r#"{"statusCode":null}"#,
            "statusCode is null; ALB accepts integers only",
        );
        refused(
            r#"{"statusCode":200.5}"#,
            "statusCode is 200.5; ALB wants an integer from 200 to 599",
        );
        for number in ["99", "100", "101", "199", "600", "-200", "1e9"] {
            refused(
                &format!("{{\"statusCode\":{number}}}"),
                &format!("statusCode is {number}; ALB wants an integer from 200 to 599"),
            );
        }
    }

    #[test]
    fn documents_that_are_no_objects() {
        for (document, found) in [
            ("\"x\"", "a string"),
            ("[]", "an array"),
            ("7", "a number"),
            ("null", "null"),
            ("true", "a boolean"),
        ] {
            refused(
                document,
                &format!("the response is {found}; ALB wants an object with statusCode"),
            );
        }
        for broken in ["", "{", "{}x", "\u{feff}{}"] {
            assert!(single(broken).unwrap_err().0.contains("not JSON"), "{broken:?}");
        }
        assert!(read(b"{\"statusCode\":200,\"body\":\"\xff\"}", false).is_err());
    }

    #[test]
    fn null_is_not_absent() {
        refused(
            r#"{"statusCode":200,"statusDescription":null}"#,
            "statusDescription is null; ALB accepts strings only",
        );
        refused(
            r#"{"statusCode":200,"headers":null}"#,
            "headers is null; ALB accepts an object",
        );
        refused(
            r#"{"statusCode":200,"body":null}"#,
            "body is null; ALB accepts strings only",
        );
        refused(
            r#"{"statusCode":200,"isBase64Encoded":null}"#,
            "isBase64Encoded is null; ALB accepts true or false",
        );
        refused(
            r#"{"statusCode":200,"body":{}}"#,
            "body is an object; ALB accepts strings only",
        );
        assert!(single(r#"{"statusCode":200,"multiValueHeaders":null}"#).is_ok());
        assert!(multi(r#"{"statusCode":200,"headers":null}"#).is_ok());
        assert!(multi(r#"{"statusCode":200,"multiValueHeaders":null}"#).is_err());
    }

    #[test]
    fn header_values_are_strings() {
        refused(
            r#"{"statusCode":200,"headers":{"x-count":1}}"#,
            "headers.x-count is a number; ALB accepts strings only",
        );
        refused(
            r#"{"statusCode":200,"headers":{"content-length":3}}"#,
            "headers.content-length is a number; ALB accepts strings only",
        );
        refused(
            r#"{"statusCode":200,"headers":{"a":true}}"#,
            "headers.a is a boolean; ALB accepts strings only",
        );
        refused(
            r#"{"statusCode":200,"headers":["a"]}"#,
            "headers is an array; ALB accepts an object",
        );
        refused(
            r#"{"statusCode":200,"headers":{"a b":"x"}}"#,
            "headers has the name \"a b\", which is no header name",
        );
        refused(
            r#"{"statusCode":200,"headers":{"a":"x\r\nb: y"}}"#,
            "headers.a contains a line break or another control character, which no header can carry",
        );
        assert_eq!(
            multi(r#"{"statusCode":200,"multiValueHeaders":{"a":"x"}}"#),
            Err(Refused(
                "multiValueHeaders.a is a string; ALB accepts arrays of strings only".into()
            ))
        );
        assert_eq!(
            multi(r#"{"statusCode":200,"multiValueHeaders":{"a":["x",2]}}"#),
            Err(Refused(
                "multiValueHeaders.a[1] is a number; ALB accepts strings only".into()
            ))
        );
    }

    #[test]
    fn each_mode_reads_its_own_headers() {
        let both = r#"{"statusCode":200,"headers":{"A":"1","a":"2"},"multiValueHeaders":{"Set-Cookie":["x=1","y=2"]}}"#;
        let pairs = |answer: Answer| {
            answer
                .headers
                .into_iter()
                .map(|(n, v)| format!("{n}:{v}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(pairs(single(both).unwrap()), ["A:1", "a:2"]);
        assert_eq!(pairs(multi(both).unwrap()), ["Set-Cookie:x=1", "Set-Cookie:y=2"]);
    }

    #[test]
    fn what_the_load_balancer_writes_is_dropped() {
        let document = r#"{"statusCode":200,"headers":{"Connection":"close","Transfer-Encoding":"chunked","Content-Length":"9","Date":"x","Server":"y","Proxy-Foo":"z","X":"1"}}"#;
        assert_eq!(single(document).unwrap().headers, [("X".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn phrases_come_from_the_description() {
        let phrase = |text: &str| {
            single(&format!(r#"{{"statusCode":299,"statusDescription":"{text}"}}"#))
                .unwrap()
                .phrase
        };
        assert_eq!(phrase("299 Custom Thing").as_deref(), Some("Custom Thing"));
        assert_eq!(phrase("OK"), None);
        assert_eq!(phrase("299 a\\r\\nb"), None);
    }

    #[test]
    fn bodies() {
        let body = |document: &str| single(document).map(|answer| answer.body);
        assert_eq!(
            body(r#"{"statusCode":200,"body":"h\u00e9\n"}"#),
            Ok("hé\n".as_bytes().to_vec())
        );
        assert_eq!(
            body(r#"{"statusCode":200,"body":"/wD+","isBase64Encoded":true}"#),
            Ok(vec![0xff, 0, 0xfe])
        );
        assert_eq!(
            body(r#"{"statusCode":200,"body":"aGk=","isBase64Encoded":false}"#),
            Ok(b"aGk=".to_vec())
        );
        for broken in ["aGk", "aG\\nk=", "a_k=", "!"] {
            let document = format!(r#"{{"statusCode":200,"body":"{broken}","isBase64Encoded":true}}"#);
            assert!(body(&document).unwrap_err().0.contains("not base64"), "{broken}");
        }
        assert!(body(r#"{"statusCode":200,"isBase64Encoded":"true"}"#).is_err());
    }
}
