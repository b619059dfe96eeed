use super::*;
use proptest::prelude::*;

#[track_caller]
fn check(pattern: &str, taken: &[&str], others: &[&str]) {
    let read = Pattern::read(pattern).unwrap_or_else(|error| panic!("{pattern}: {error:?}"));
    for message in taken {
        assert!(read.takes(message), "{pattern} must take {message}");
    }
    for message in others {
        assert!(!read.takes(message), "{pattern} must not take {message}");
    }
}

#[test]
fn terms_are_all_wanted() {
    check("", &["", "anything"], &[]);
    check("ERROR", &["[ERROR] 1", "ERROR"], &["error", ""]);
    check("ERROR ARGUMENTS", &["ARGUMENTS of ERROR"], &["ERROR", "ARGUMENTS"]);
    check("\"not found\"", &["it was not found"], &["found not"]);
    check("\"a \\\"b\\\"\"", &["a \"b\""], &["a b"]);
    check("ERROR -EXITING", &["ERROR 1"], &["ERROR EXITING", "1"]);
    check("?a ?\"b c\"", &["a", "b c"], &["b", "c"]);
    check("x ?a", &["x", "xa"], &["a"]);
    check("größe_1", &["die größe_1"], &["grösse_1"]);
}

#[test]
fn json_is_compared_by_member() {
    let event = r#"{"status":503,"ip":"10.1.2.3","ok":true,"no":null,"list":[1,{"a":"x"}],"o":{"a.b":"c","d":1.5}}"#;
    for pattern in [
        "{ $.status = 503 }",
        "{$.status>=500&&$.status<600}",
        "{ $.ip = \"10.1.*\" }",
        "{ $.ip = 10.* }",
        "{ $.ip != 11.* }",
        "{ $.ok IS TRUE }",
        "{ $.no IS NULL }",
        "{ $.missing NOT EXISTS }",
        "{ $.list[0] = 1 }",
        "{ $.list[1].a = x }",
        "{ $.list[*] = 1 }",
        "{ $.o[\"a.b\"] = \"c\" }",
        "{ $.o.d = 1.5 }",
        "{ $.o.* = c }",
        "{ ($.status = 1 || $.status = 503) && $.ok IS TRUE }",
        "{ $.status = 1 && $.ok IS FALSE || $.status > 1 }",
        "{ $.status = \"5*\" }",
    ] {
        check(pattern, &[event], &["{}x", "not json", "[]"]);
    }
    for pattern in [
        "{ $.status = 500 }",
        "{ $.ip = \"10.1\" }",
        "{ $.ok IS FALSE }",
        "{ $.status NOT EXISTS }",
        "{ $.list[2] = 1 }",
        "{ $.missing != 1 }",
        "{ ($.status = 1 || $.status = 503) && $.ok IS FALSE }",
    ] {
        check(pattern, &[], &[event]);
    }
}

#[test]
fn columns_are_counted_from_both_ends() {
    let line = "127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] \"GET /index.html HTTP/1.0\" 404 1534";
    for pattern in [
        "[ip, user, username, timestamp, request, status_code, bytes]",
        "[ip, user, username, timestamp, request, status_code = 4*, bytes > 1000]",
        "[..., status_code = 404, bytes]",
        "[ip = 127.0.0.1, ...]",
        "[ip, ..., request = \"*index.html*\", status_code=404 || status_code=410, bytes]",
        "[ip, user, username, timestamp, request, status_code != 200 && status_code != 500, bytes]",
        "[ip, ..., request = \"GET /index.html HTTP/1.0\", status, bytes]",
    ] {
        check(pattern, &[line], &["10.0.0.1"]);
    }
    for pattern in ["[ip, user]", "[..., bytes < 1000]", "[ip != 127.*, ...]"] {
        check(pattern, &[], &[line]);
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for pattern in [
        "%regex%",
        "a.b",
        "\"open",
        "-",
        "\"a\"b",
        "{",
        "{ }",
        "{ $.a }",
        "{ a = 1 }",
        "{ $ = 1 }",
        "{ $.a = }",
        "{ $.a = 1 && }",
        "{ ($.a = 1 }",
        "{ $.a = 1 ) }",
        "{ $.a = %x% }",
        "{ $.a > x }",
        "{ $.a[x] = 1 }",
        "{ $.a[\"b = 1 }",
        "{ $.a = 1 $.b = 2 }",
        "[",
        "[a, ]",
        "[a b]",
        "[..., ...]",
        "[a = 1 && b = 2]",
        "[a = ]",
    ] {
        assert!(Pattern::read(pattern).is_err(), "{pattern}");
    }
    assert!(Pattern::read(&"a".repeat(1025)).is_err());
    assert!(Pattern::read(&format!("{{{}", "(".repeat(500))).is_err());
}

proptest! {
    #[test]
    fn no_pattern_is_a_reason_to_panic(pattern in "[{\\[]?[ $.a1*\"\\\\()&|=!<>,\\]}%ü-]{0,40}", message: String) {
        if let Ok(pattern) = Pattern::read(&pattern) {
            pattern.takes(&message);
            pattern.takes("{\"a\":[1,\"a\"],\"1\":{\"a\":1}}");
            pattern.takes("\"a [ü] \"ü");
        }
    }
}
