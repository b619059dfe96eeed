//! What the client gets.

use super::*;
use invoke::InvokeRefusal;

fn body(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

#[track_caller]
fn check(document: &str, status: u16, content_type: &str, expected: &str) -> Response<Bytes> {
    let response = World::returning(document).ask(get());
    assert_eq!(
        (response.status().as_u16(), body(&response)),
        (status, expected),
        "{document}"
    );
    assert_eq!(response.headers()["content-type"], content_type, "{document}");
    response
}

#[track_caller]
fn check_no_answer(document: &str) {
    check(document, 502, "application/json", "Internal Server Error");
}

// LAM-U-012, LAM-U-013
#[test]
fn results_without_a_status() {
    let json = "application/json";
    check("{ \"hello\" : \"wor ld\" }", 200, json, "{\"hello\":\"wor ld\"}");
    check(" [ \"hello\", 3, true ] ", 200, json, "[\"hello\",3,true]");
    check("3", 200, json, "3");
    check("3.10", 200, json, "3.10");
    check("true", 200, json, "true");
    check("null", 200, json, "null");
    check("\"hello \\u00e9\\n\"", 200, json, "hello é\n");
    check(
        "{\"z\":1,\"a\":\"\\\" \\\\\"}",
        200,
        json,
        "{\"z\":1,\"a\":\"\\\" \\\\\"}",
    );
}

// LAM-U-014, LAM-U-015, LAM-U-016
#[test]
fn results_with_a_status() {
    let whole = check(
        "{\"statusCode\": \"418\", \"headers\": {\"Content-Type\": \"text/html\", \"X-Number\": 7, \"x-yes\": true,
          \"Connection\": \"close\", \"Content-Length\": \"99\"},
          \"cookies\": [\"a=1; Secure\", \"b=2\"], \"body\": \"aMOp\", \"isBase64Encoded\": true}",
        418,
        "text/html",
        "hé",
    );
    let cookies: Vec<_> = whole.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1; Secure", "b=2"]);
    assert_eq!(
        (&whole.headers()["x-number"], &whole.headers()["x-yes"]),
        (&"7".parse().unwrap(), &"true".parse().unwrap())
    );
    assert!(!whole.headers().contains_key("connection") && !whole.headers().contains_key("content-length"));
    check("{\"statusCode\":200}", 200, "application/json", "");
    check(
        "{\"statusCode\":200,\"body\":null,\"headers\":null,\"cookies\":null}",
        200,
        "application/json",
        "",
    );
    check(
        "{\"statusCode\":200,\"body\":{ \"a\": 1 }}",
        200,
        "application/json",
        "{\"a\":1}",
    );
    check(
        "{\"statusCode\":200,\"body\":\"aGk=\",\"isBase64Encoded\":false}",
        200,
        "application/json",
        "aGk=",
    );
}

#[test]
fn results_that_are_no_answers() {
    for document in [
        "not json",
        "",
        "{\"statusCode\":200} {}",
        "{\"statusCode\":99}",
        "{\"statusCode\":600}",
        "{\"statusCode\":101}",
        "{\"statusCode\":\"many\"}",
        "{\"statusCode\":2e2}",
        "{\"statusCode\":null}",
        "{\"statusCode\":200,\"headers\":[]}",
        "{\"statusCode\":200,\"headers\":{\"a b\":\"1\"}}",
        "{\"statusCode\":200,\"headers\":{\"a\":\"1\\r\\nX-Evil: 1\"}}",
        "{\"statusCode\":200,\"headers\":{\"a\":[\"1\"]}}",
        "{\"statusCode\":200,\"cookies\":[\"a=1\\nb\"]}",
        "{\"statusCode\":200,\"cookies\":\"a=1\"}",
        "{\"statusCode\":200,\"body\":\"***\",\"isBase64Encoded\":true}",
    ] {
        check_no_answer(document);
    }
}

// LAM-U-017, LAM-U-022
#[test]
fn functions_that_fail_or_do_not_run() {
    let answer = |outcome, concurrency| World::new(outcome, None, concurrency).ask(get());
    let failed = answer(
        InvokeOutcome::FunctionError {
            error_type: "Sandbox.Timedout".into(),
            payload: "{\"errorMessage\":\"secret\"}".into(),
        },
        None,
    );
    assert_eq!(
        (failed.status().as_u16(), body(&failed)),
        (502, "Internal Server Error")
    );
    for (refusal, concurrency, status, expected) in [
        (
            InvokeRefusal::Throttled,
            Some(0),
            429,
            "{\"Reason\":\"ReservedFunctionConcurrentInvocationLimitExceeded\",\"Type\":\"User\",\"message\":\"Rate Exceeded.\"}",
        ),
        (
            InvokeRefusal::Throttled,
            None,
            429,
            "{\"Reason\":\"ConcurrentInvocationLimitExceeded\",\"Type\":\"User\",\"message\":\"Rate Exceeded.\"}",
        ),
        (InvokeRefusal::InvalidRuntime, None, 502, "Internal Server Error"),
        (InvokeRefusal::ServiceFailure, None, 500, "Internal Server Error"),
    ] {
        let refused = answer(InvokeOutcome::Refused(refusal), concurrency);
        assert_eq!((refused.status().as_u16(), body(&refused)), (status, expected));
    }
}

// LAM-U-005
#[test]
fn ids_that_nobody_has() {
    let world = World::returning("1");
    for label in ["a", &"z".repeat(32), "..", ""] {
        let response = world.ask_of(label, get());
        assert_eq!(
            (response.status().as_u16(), body(&response)),
            (403, "{\"Message\":null}")
        );
        assert_eq!(response.headers()["x-amzn-errortype"], "AccessDeniedException");
        assert_eq!(response.headers()["content-type"], "application/json");
    }
    assert!(world.invoked.lock().unwrap().is_empty());
    assert_eq!(world.ask_of(&id().as_str().to_uppercase(), get()).status(), 200);
}

fn cors(allow_origins: &[&str]) -> Cors {
    Cors {
        allow_credentials: true,
        allow_headers: vec!["x-a".into(), "x-b".into()],
        allow_methods: vec!["GET".into(), "POST".into()],
        allow_origins: allow_origins.iter().map(|it| (*it).to_owned()).collect(),
        expose_headers: vec!["x-c".into()],
        max_age: 600,
    }
}

fn access_headers(response: &Response<Bytes>) -> Vec<String> {
    let named = response
        .headers()
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("access-control") || *name == http::header::VARY);
    let mut headers: Vec<_> = named
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    headers
}

const RETURNING: &str =
    "{\"statusCode\":200,\"headers\":{\"Access-Control-Allow-Origin\":\"*\",\"access-control-max-age\":\"1\"}}";

fn with_cors(cors: Option<Cors>) -> World {
    World::new(InvokeOutcome::Buffered(RETURNING.into()), cors, None)
}

const PREFLIGHT: [(&str, &str); 2] = [
    ("origin", "https://a.example"),
    ("access-control-request-method", "PUT"),
];

// LAM-U-020
#[test]
fn preflights_are_answered_without_the_function() {
    let world = with_cors(Some(cors(&["https://b.example", "https://A.example"])));
    let allowed = world.ask(asked("OPTIONS", "/", &PREFLIGHT, b""));
    assert_eq!((allowed.status().as_u16(), body(&allowed)), (200, ""));
    let expected = [
        "access-control-allow-credentials: true",
        "access-control-allow-headers: x-a,x-b",
        "access-control-allow-methods: GET,POST",
        "access-control-allow-origin: https://a.example",
        "access-control-max-age: 600",
        "vary: Origin",
    ];
    assert_eq!(access_headers(&allowed), expected);
    let stranger = [("origin", "https://a.example.evil"), PREFLIGHT[1]];
    let refused = world.ask(asked("OPTIONS", "/", &stranger, b""));
    assert_eq!((refused.status().as_u16(), access_headers(&refused)), (200, vec![]));
    assert!(world.invoked.lock().unwrap().is_empty());
    // One that asks for nothing is the function's, as everything without CORS settings is.
    assert_eq!(world.ask(asked("OPTIONS", "/", &PREFLIGHT[..1], b"")).status(), 200);
    assert_eq!(world.invoked.lock().unwrap().len(), 1);
    let without = with_cors(None);
    let answered = without.ask(asked("OPTIONS", "/", &PREFLIGHT, b""));
    assert_eq!(without.invoked.lock().unwrap().len(), 1);
    assert_eq!(
        access_headers(&answered),
        ["access-control-allow-origin: *", "access-control-max-age: 1"]
    );
}

// LAM-U-020
#[test]
fn settings_replace_what_the_function_says() {
    let world = with_cors(Some(cors(&["https://a.example"])));
    let allowed = world.ask(asked("GET", "/", &PREFLIGHT[..1], b""));
    let expected = [
        "access-control-allow-credentials: true",
        "access-control-allow-origin: https://a.example",
        "access-control-expose-headers: x-c",
        "vary: Origin",
    ];
    assert_eq!(access_headers(&allowed), expected);
    assert_eq!(access_headers(&world.ask(get())), [""; 0]);
    assert_eq!(
        access_headers(&world.ask(asked("GET", "/", &[("origin", "https://b.example")], b""))),
        [""; 0]
    );
    let any = with_cors(Some(cors(&["*"])));
    let answered = any.ask(asked("GET", "/", &PREFLIGHT[..1], b""));
    assert!(access_headers(&answered).contains(&"access-control-allow-origin: *".to_owned()));
    // Also where no function answers.
    let failing = World::new(
        InvokeOutcome::Refused(InvokeRefusal::Throttled),
        Some(cors(&["*"])),
        None,
    );
    let refused = failing.ask(asked("GET", "/", &PREFLIGHT[..1], b""));
    assert_eq!(refused.status(), 429);
    assert!(access_headers(&refused).contains(&"access-control-allow-origin: *".to_owned()));
}
