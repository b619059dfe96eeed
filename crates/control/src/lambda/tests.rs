use super::*;

fn parser_error(payload: &[u8]) -> (String, usize, usize) {
    let error = check_json(payload).unwrap_err();
    (error.text, error.line, error.column)
}

#[test]
fn any_json_value_is_a_payload() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for payload in [
        "{}",
        " null ",
        "\"a\"",
        "1e999",
        "[1,{\"a\":\"\\ud800\"}]",
        "\u{fc}".repeat(0).as_str(),
        &deep,
    ] {
        if !payload.is_empty() {
            assert!(check_json(payload.as_bytes()).is_ok(), "{payload:.20}");
        }
    }
    assert_eq!(parser_error(b"{\n \"a\": x }"), ("expected value".to_owned(), 2, 7));
    assert_eq!(parser_error(b"{}{}").1, 1);
    assert_eq!(parser_error(b" ").0, "EOF while parsing a value");
    assert_eq!(
        parser_error(b"[\n\"\x87\"]"),
        ("Invalid UTF-8 start byte 0x87".to_owned(), 2, 2)
    );
}

#[test]
fn client_contexts_are_objects_in_base64() {
    let encoded = |text: &str| STANDARD.encode(text);
    assert_eq!(client_context(&encoded("{\"custom\":{}}")).unwrap(), "{\"custom\":{}}");
    // Line breaks between the tokens are JSON, but no header.
    for (pretty, expected) in [
        ("{\n  \"a b\": [1,\t2]\r\n}\n", "{\"a b\":[1,2]}"),
        (
            "{\"q\":\"\\\" \\\\\",\n\"r\": \"\\n { \u{fc}\"}",
            "{\"q\":\"\\\" \\\\\",\"r\":\"\\n { \u{fc}\"}",
        ),
        ("{ \"a\": 1 }", "{ \"a\": 1 }"),
    ] {
        assert_eq!(client_context(&encoded(pretty)).unwrap(), expected);
    }
    let long = encoded(&format!("{{\"a\":\"{}\"}}", "x".repeat(2700)));
    assert!(long.len() > CLIENT_CONTEXT_BYTES_MAX);
    for bad in ["", "!", "e30", &encoded("[]"), &encoded("{"), &encoded("{} {}"), &long] {
        let refused = client_context(bad).unwrap_err().answer("");
        assert_eq!(
            refused.headers()["x-amzn-errortype"],
            "InvalidRequestContentException",
            "{bad:.20}"
        );
    }
}

#[test]
fn ids_have_their_shapes() {
    assert!(is_uuid(&aws::request_id()));
    for bad in [
        "",
        "0123456789abcdef0123456789abcdef0123",
        "01234567-89ab-cdef-0123-456789abcdeg",
    ] {
        assert!(!is_uuid(bad), "{bad}");
    }
    let trace = fresh_trace_id();
    let lengths: Vec<_> = trace.split([';', '-', '=']).map(str::len).collect();
    assert_eq!(lengths, [4, 1, 8, 24, 6, 16, 7, 1], "{trace}");
}
