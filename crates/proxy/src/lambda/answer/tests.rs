use super::*;

fn single(document: &str) -> Result<Answer<'_>, Refused> {
    read(document.as_bytes(), false)
}

fn multi(document: &str) -> Result<Answer<'_>, Refused> {
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
        body: vec![].into(),
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
    let pairs = |answer: Answer<'_>| {
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
    assert_eq!(single(document).unwrap().headers, [("X".into(), "1".into())]);
}

#[test]
fn phrases_come_from_the_description() {
    let phrase = |text: &str| {
        single(&format!(r#"{{"statusCode":299,"statusDescription":"{text}"}}"#))
            .unwrap()
            .phrase
            .map(Cow::into_owned)
    };
    assert_eq!(phrase("299 Custom Thing").as_deref(), Some("Custom Thing"));
    assert_eq!(phrase("OK"), None);
    assert_eq!(phrase("299 a\\r\\nb"), None);
}

#[test]
fn bodies() {
    let body = |document: &str| single(document).map(|answer| answer.body.into_owned());
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

// Which of two equal names counts is unverified; that nothing of the other is seen is not.
#[test]
fn of_repeated_names_the_last_counts() {
    assert_eq!(
        single(r#"{"statusCode":"x","statusCode":201}"#).map(|answer| answer.status),
        Ok(201)
    );
    let repeated = single(r#"{"statusCode":200,"headers":{"a":1,"b":"2","a":"3"}}"#).unwrap();
    assert_eq!(repeated.headers, [("b".into(), "2".into()), ("a".into(), "3".into())]);
    let many: Vec<_> = (0..1000).map(|at| format!(r#""k{}":"{at}""#, at % 400)).collect();
    let document = format!(r#"{{"statusCode":200,"headers":{{{}}}}}"#, many.join(","));
    let lines = single(&document).unwrap().headers;
    assert_eq!(lines.len(), 400);
    assert_eq!(lines[0], ("k200".into(), "600".into()));
    assert_eq!(lines[399], ("k199".into(), "999".into()));
}

#[test]
fn numbers_of_every_form() {
    for (number, status) in [
        ("200", Some(200)),
        ("2e2", Some(200)),
        ("200.0", Some(200)),
        ("20000e-2", Some(200)),
        ("599", Some(599)),
        ("2.005e2", None),
        ("-200", None),
        ("-0", None),
        ("99", None),
        ("1000", None),
        ("65736", None),
        ("4294967496", None),
        ("18446744073709551816", None),
        ("1e400", None),
        ("0200", None),
        ("+200", None),
        ("0xc8", None),
        ("NaN", None),
        ("200.", None),
    ] {
        let document = format!("{{\"statusCode\":{number}}}");
        assert_eq!(single(&document).ok().map(|answer| answer.status), status, "{number}");
    }
    let long = format!("{{\"statusCode\":{}}}", "9".repeat(100_000));
    assert!(single(&long).unwrap_err().0.len() < 300);
}

#[test]
fn strange_json() {
    // What is ignored may be anything that is JSON, however deep.
    let deep = format!(
        r#"{{"statusCode":200,"x":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert!(single(&deep).is_ok());
    assert!(single(r#"{"statusCode":200,"x":1e999,"y":"\u0000","":null}"#).is_ok());
    for broken in [
        "\u{feff}{\"statusCode\":200}",
        r#"{"statusCode":200}}"#,
        r#"{"statusCode":200}{}"#,
        r#"{"statusCode":200,}"#,
        r#"{'statusCode':200}"#,
        r#"{"statusCode":200,"body":"a"#,
        "{\"statusCode\":200,\"body\":\"a\nb\"}",
        r#"{"statusCode":200,"body":"\x"}"#,
        r#"{"statusCode":200 /* fine */}"#,
        &format!(r#"{{"statusCode":200,"x":{}"#, "[".repeat(100_000)),
    ] {
        let Refused(sentence) = single(broken).unwrap_err();
        assert!(sentence.contains("not JSON"), "{sentence}");
    }
    let not_utf8 = b"{\"statusCode\":200,\"ignored\":\"\xff\"}";
    assert!(read(not_utf8, false).unwrap_err().0.contains("not JSON"));
    // Half of a pair is no character, so no bytes of UTF-8 stand for it.
    for lone in ["\\ud800", "\\udc00", "\\ud800x", "\\ud800\\ud800"] {
        let document = format!(r#"{{"statusCode":200,"body":"{lone}"}}"#);
        assert!(
            single(&document)
                .unwrap_err()
                .0
                .starts_with("body is not a valid string"),
            "{lone}"
        );
    }
    let pair = single(r#"{"statusCode":200,"body":"\ud83d\ude00"}"#).unwrap();
    assert_eq!(&*pair.body, "\u{1f600}".as_bytes());
    // Escapes in names count too.
    assert_eq!(
        single(r#"{"status\u0043ode":204}"#).map(|answer| answer.status),
        Ok(204)
    );
}

#[test]
fn a_sentence_is_short_and_harmless() {
    let long = "x".repeat(10_000);
    for name in [long.as_str(), "a\\nb", "a\\u001b[31m"] {
        for value in ["1", "\"ok\""] {
            let document = format!(r#"{{"statusCode":200,"headers":{{"{name}":{value}}}}}"#);
            let Err(Refused(sentence)) = single(&document) else {
                assert!(name == long && value != "1");
                continue;
            };
            assert!(sentence.len() < 300, "{sentence}");
            assert!(!sentence.chars().any(char::is_control), "{sentence}");
        }
    }
}

#[test]
fn nothing_is_copied_that_stands_in_the_document() {
    let answer = single(r#"{"statusCode":200,"statusDescription":"200 Fine","headers":{"a":"b"},"body":"c"}"#).unwrap();
    assert!(matches!(answer.body, Cow::Borrowed(_)));
    assert!(matches!(answer.phrase, Some(Cow::Borrowed("Fine"))));
    assert!(matches!(answer.headers[..], [(Cow::Borrowed("a"), Cow::Borrowed("b"))]));
}
