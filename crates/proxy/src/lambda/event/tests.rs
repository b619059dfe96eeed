use super::*;
use serde_json::{Value, json};

const ARN: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/orders/0123456789abcdef";

fn written(multi_value: bool, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<String, NotUtf8> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.as_bytes())),
        None => (target, None),
    };
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let mut out = Vec::new();
    write(
        &EventParts {
            target_group_arn: ARN,
            multi_value,
            method: b"GET",
            path: path.as_bytes(),
            query,
            headers: &headers,
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
    let parts = EventParts {
        target_group_arn: ARN,
        multi_value: false,
        method: b"GET",
        path: b"/",
        query: None,
        headers: &[(b"x", b"\xe4")],
        body: b"",
    };
    assert_eq!(write(&parts, &mut out), Err(NotUtf8));
}

#[test]
fn every_byte_at_every_place_is_told_plain_or_not() {
    for length in 1..20 {
        for at in 0..length {
            for byte in 0..=u8::MAX {
                let mut text = vec![b'a'; length];
                text[at] = byte;
                let plain = byte.is_ascii() && byte >= b' ' && byte != b'"' && byte != b'\\';
                assert_eq!(is_plain(&text), plain, "{byte} at {at} of {length}");
            }
        }
    }
    assert!(is_plain(b""));
}

#[test]
fn strings_are_those_of_a_json_library() {
    for text in [
        "",
        "\u{7f}",
        "\"quoted\"; v=\"8\"",
        "a\\b",
        "\u{0}\u{1f}\t\r\n\u{8}\u{c}",
        "h\u{e9}\u{1f600}",
        "long \" after eight",
    ] {
        let mut out = Vec::new();
        string(text.as_bytes(), &mut out).unwrap();
        let read: String = serde_json::from_slice(&out).unwrap();
        assert_eq!(read, text);
        assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(text).unwrap());
    }
}

#[test]
fn names_are_ordered_in_lower_case() {
    let names = [
        "B",
        "a",
        "X-Forwarded-Port",
        "x-forwarded-for",
        "X-Forwarded-Po",
        "x-forwarded-PORTS",
        "A-Longer-Name",
        "a-longer-Nama",
        "Z_",
        "z[",
        "",
        "aB",
        "sixteen-letters",
        "Sixteen-letters-b",
        "sixteen-letters-A",
    ];
    let headers: Vec<_> = names.iter().map(|name| (*name, "1")).collect();
    let mut expected: Vec<_> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    expected.sort();
    let event = written(false, "/", &headers, b"").unwrap();
    let object = event.split("\"headers\":{").nth(1).unwrap().split('}').next().unwrap();
    let order: Vec<_> = object.split(',').map(|line| line.split('"').nth(1).unwrap()).collect();
    assert_eq!(order, expected);
    let alphabet = "aZ[@`{zABCDEFGHIJKLMNOP\u{e9}\u{c9}";
    for name in (0..alphabet.len()).filter_map(|end| alphabet.get(..end)) {
        let mut lower = name.to_ascii_lowercase().into_bytes();
        lower.resize(16.max(lower.len()), 0);
        let first: [u8; 16] = lower[..16].try_into().unwrap();
        assert_eq!(lower_prefix(name.as_bytes()), u128::from_be_bytes(first), "{name}");
    }
}

// Names that are told apart only behind their beginning do not mix, however their lines are ordered.
#[test]
fn long_names_that_begin_alike() {
    let headers = [
        ("x-a-very-long-name-two", "1"),
        ("X-A-Very-Long-Name-One", "2"),
        ("x-a-very-long-NAME-two", "3"),
        ("x-a-very-long-name", "4"),
        ("x-a-very-long-name-one", "5"),
    ];
    assert_eq!(
        value(true, "/", &headers, b"")["multiValueHeaders"],
        json!({"x-a-very-long-name": ["4"], "x-a-very-long-name-one": ["2", "5"], "x-a-very-long-name-two": ["1", "3"]})
    );
}

#[test]
fn a_thousand_lines_keep_their_order() {
    let names: Vec<_> = (0..1000).map(|at| format!("X-Name-{}", at % 7)).collect();
    let numbers: Vec<_> = (0..1000).map(|at| at.to_string()).collect();
    let headers: Vec<_> = names
        .iter()
        .zip(&numbers)
        .map(|(name, number)| (name.as_str(), number.as_str()))
        .collect();
    let event = value(true, "/", &headers, b"");
    for name in 0..7 {
        let expected: Vec<_> = (0..1000).filter(|at| at % 7 == name).map(|at| at.to_string()).collect();
        assert_eq!(event["multiValueHeaders"][format!("x-name-{name}")], json!(expected));
    }
}
