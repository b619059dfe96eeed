//! `functions.<name>.url`.

use super::*;
use model::lambda::url::{Cors, FunctionUrl, InvokeMode, UrlAuth};

fn url(text: &str) -> String {
    format!("functions:\n  f: {{ code: run, url: {text} }}\n")
}

fn loaded(text: &str) -> FunctionUrl {
    let folder = folder();
    let loaded = folder.load(&url(text)).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let state = crate::testing::apply(
        &model::State::default(),
        &loaded.desired.batch(&model::State::default()).commands,
    );
    let url = state.function_urls().next().unwrap();
    FunctionUrl::clone(url)
}

#[test]
fn everything_that_can_be_said() {
    let plain = loaded("{ auth: none }");
    assert_eq!(
        (plain.auth, plain.invoke_mode, plain.cors),
        (UrlAuth::None, InvokeMode::Buffered, None)
    );
    let full = loaded(
        "{ auth: NONE, invoke_mode: BUFFERED, cors: { allow_origins: [https://a.example, https://b.example], \
         allow_methods: [GET, POST], allow_headers: x-a, expose_headers: [x-b], allow_credentials: true, max_age: 1h } }",
    );
    let cors = Cors {
        allow_credentials: true,
        allow_headers: vec!["x-a".into()],
        allow_methods: vec!["GET".into(), "POST".into()],
        allow_origins: vec!["https://a.example".into(), "https://b.example".into()],
        expose_headers: vec!["x-b".into()],
        max_age: 3600,
    };
    assert_eq!(full.cors, Some(cors));
}

#[test]
fn mistakes_of_urls() {
    let cases = [
        ("{}", "2:24: the key `auth` is missing; expected `none` or `aws_iam`"),
        (
            "{ auth: public }",
            "2:32: found the text `public`; expected `none` or `aws_iam`",
        ),
        (
            "{ auth: none, cors: { max_age: 48h } }",
            "2:44: max_age of 172800 seconds is not between 0 and 86400",
        ),
        (
            "{ auth: none, cors: { allow_methods: TRACE } }",
            "2:44: allow_methods: \"TRACE\" is not one of GET, PUT, HEAD, POST, PATCH, DELETE and *; OPTIONS needs no \
             permission",
        ),
        (
            "{ auth: none, cors: { allow_origin: x } }",
            "2:46: found the unknown key `allow_origin`; did you mean `allow_origins`?",
        ),
    ];
    for (text, expected) in cases {
        check(&url(text), &[expected]);
    }
}

#[test]
fn networks() {
    let text = |network: &str| format!("functions:\n  f: {{ code: run, url: {{ auth: none }}, network: {network} }}\n");
    for known in [
        "none",
        "host",
        "outbound",
        "{ outbound: {} }",
        "{ outbound: { allow_private: true } }",
    ] {
        check(&text(known), &[]);
    }
    let expected = "expected `none`, `outbound`, `host`, or `{ outbound: { allow_private: true } }`";
    let message = |found: &str| format!("2:49: found {found}; {expected}");
    check(&text("bridge"), &[&message("the text `bridge`")]);
    check(&text("[outbound]"), &[&message("a list")]);
    check(
        &text("{ inbound: {} }"),
        &["2:51: found the unknown key `inbound`; did you mean `outbound`?"],
    );
    check(
        &text("{}"),
        &["2:49: the key `outbound` is missing; expected `{ allow_private: true }`"],
    );
    check(
        &text("{ outbound: { allow_private: 10.0.0.0/8 } }"),
        &["2:78: found the text `10.0.0.0/8`; expected `true` or `false`"],
    );
    check(
        &text("{ outbound: { private: true } }"),
        &["2:63: found the unknown key `private`; expected `allow_private`"],
    );
}
