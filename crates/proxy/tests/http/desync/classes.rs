//! What each mode does with each class.

use crate::played::*;
use crate::support::*;

const MODES: [&str; 3] = ["monitor", "defensive", "strictest"];
const NON_COMPLIANT: &str = "albacore_proxy_non_compliant_requests_total";

/// What the client of one request saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Answered by the function, and the connection serves another request.
    Served,
    /// Answered by the function, and the connection ends.
    ServedThenClosed,
    /// Answered with this status by the load balancer, and the connection ends. The function is not asked.
    Refused(u16),
}
use Fate::{Refused, Served, ServedThenClosed};

/// A request and what becomes of it in `monitor`, `defensive` and `strictest` mode.
struct Case {
    request: &'static str,
    class: &'static str,
    reason: &'static str,
    fates: [Fate; 3],
}

const fn case(request: &'static str, class: &'static str, reason: &'static str, fates: [Fate; 3]) -> Case {
    Case {
        request,
        class,
        reason,
        fates,
    }
}

/// The request behind the one under test.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

#[track_caller]
fn check(cases: &[Case]) {
    for (mode, name) in MODES.into_iter().enumerate() {
        let seen = Seen::default();
        let server = Setup::lambda(false, seen.answering(r#"{"statusCode":200}"#))
            .attribute("routing.http.desync_mitigation_mode", name)
            .start();
        let mut expected = Vec::new();
        for case in cases {
            let before = seen.count();
            let mut client = server.connect();
            client.send(case.request.as_bytes());
            let response = client.response();
            let served = seen.count() - before;
            let keeps = response.header("connection") == Some("keep-alive");
            let fate = match (served, keeps) {
                (1, true) => Served,
                (1, false) => ServedThenClosed,
                _ => Refused(response.status),
            };
            assert_eq!(fate, case.fates[mode], "{name}: {:?}", case.request);
            expected.push([
                response.status.to_string(),
                case.class.to_owned(),
                case.reason.to_owned(),
            ]);
            if keeps {
                client.send(NEXT.as_bytes());
                assert_eq!(client.response().status, 200, "{name}: {:?}", case.request);
                assert_eq!(seen.events().pop().unwrap()["path"], "/next");
                expected.push(["200", "-", "-"].map(str::to_owned));
            } else {
                assert_eq!(client.rest(), b"", "{name}: {:?}", case.request);
            }
        }
        let non_compliant = cases.iter().filter(|case| case.class != "-").count();
        assert_eq!(server.counter(NON_COMPLIANT), non_compliant as f64, "{name}");
        let logged: Vec<_> = server
            .log()
            .into_iter()
            .map(|line| [line[8].clone(), line[27].clone(), line[28].clone()])
            .collect();
        assert_eq!(logged, expected, "{name}");
    }
}

/// The usual row of the table in ALB 4.9.
const COMPLIANT: [Fate; 3] = [Served, Served, Served];
const ACCEPTABLE: [Fate; 3] = [Served, Served, Refused(400)];
/// `monitor` closes too where the framing is not to be trusted.
const AMBIGUOUS: [Fate; 3] = [ServedThenClosed, ServedThenClosed, Refused(400)];
const AMBIGUOUS_KEPT: [Fate; 3] = [Served, ServedThenClosed, Refused(400)];
const SEVERE: [Fate; 3] = [ServedThenClosed, Refused(400), Refused(400)];
const SEVERE_KEPT: [Fate; 3] = [Served, Refused(400), Refused(400)];

// ALB-D-001: one length twice is Ambiguous; in defensive mode it is forwarded and the connection closes
// ALB-D-002: two lengths are Severe and 400 in defensive mode
// ALB-D-003: a length that is no number is Severe
// ALB-D-004: Transfer-Encoding with Content-Length is Ambiguous
// ALB-D-016: monitor mode forwards severe requests and logs the class
// ALB-D-018: each non-compliant request is counted
#[test]
fn lengths() {
    check(&[
        case(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
            "-",
            "-",
            COMPLIANT,
        ),
        case(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            "Ambiguous",
            "DuplicateContentLength",
            AMBIGUOUS_KEPT,
        ),
        case(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            "Severe",
            "MultipleContentLength",
            SEVERE,
        ),
        case(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
            "Severe",
            "BadContentLength",
            SEVERE,
        ),
        case(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello",
            "Severe",
            "BadContentLength",
            SEVERE,
        ),
        case(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
            "Severe",
            "BadContentLength",
            SEVERE,
        ),
        case(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
            "Severe",
            "BadContentLength",
            SEVERE,
        ),
        case(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            "Ambiguous",
            "BothTeClPresent",
            AMBIGUOUS,
        ),
    ]);
}

// ALB-D-005: Transfer_Encoding is Ambiguous SuspiciousHeader
// ALB-D-006: so is a space before the colon
// ALB-D-015: chunked twice is Severe
// ALB-H-028: br is 501 or 400
#[test]
fn codings() {
    check(&[
        case(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            "-",
            "-",
            COMPLIANT,
        ),
        case(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n",
            "Ambiguous",
            "SuspiciousHeader",
            AMBIGUOUS,
        ),
        case(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
            "Ambiguous",
            "SuspiciousHeader",
            AMBIGUOUS,
        ),
        case(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
            "Severe",
            "MultipleTransferEncodingChunked",
            SEVERE_KEPT,
        ),
        case(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: br\r\n\r\n",
            "Severe",
            "BadTransferEncoding",
            [Refused(501), Refused(400), Refused(400)],
        ),
        case(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n",
            "Severe",
            "BadTransferEncoding",
            [Refused(501), Refused(400), Refused(400)],
        ),
        case(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding\t: chunked\r\n\r\nhell",
            "Severe",
            "SuspiciousTeClPresent",
            SEVERE,
        ),
    ]);
}

// ALB-D-007: GET with a length of 0 is Acceptable, blocked only in strictest mode
// ALB-D-008: GET with a length is Ambiguous
// ALB-D-009: GET with Transfer-Encoding is Ambiguous
// ALB-D-010: HTTP/1.0 with Transfer-Encoding is Ambiguous
// ALB-D-017: strictest mode answers 400 to Acceptable requests
#[test]
fn undefined_semantics() {
    check(&[
        case(
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            "Acceptable",
            "GetHeadZeroContentLength",
            ACCEPTABLE,
        ),
        case(
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            "Ambiguous",
            "UndefinedContentLengthSemantics",
            AMBIGUOUS_KEPT,
        ),
        case(
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Ambiguous",
            "UndefinedTransferEncodingSemantics",
            AMBIGUOUS_KEPT,
        ),
        case(
            "POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Ambiguous",
            "UndefinedTransferEncodingSemantics",
            AMBIGUOUS,
        ),
    ]);
}

// ALB-D-011: HTTP/1.2 is Acceptable, HTTP/x is Severe
// ALB-D-012: a space in the URI is Acceptable
// ALB-D-013: a tab in the URI is Ambiguous
// ALB-D-014: NUL in a header is Severe
// ALB-D-020: a space in the URI is served in defensive mode and 400 in strictest
#[test]
fn request_lines_and_bytes() {
    check(&[
        case(
            "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
            "Acceptable",
            "NonCompliantVersion",
            ACCEPTABLE,
        ),
        case(
            "GET / HTTP/x\r\nHost: a\r\n\r\n",
            "Severe",
            "BadVersion",
            [Refused(505), Refused(400), Refused(400)],
        ),
        case(
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            "Acceptable",
            "SpaceInUri",
            ACCEPTABLE,
        ),
        case(
            "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n",
            "Ambiguous",
            "AmbiguousUri",
            AMBIGUOUS_KEPT,
        ),
        case("GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n", "Severe", "BadUri", SEVERE_KEPT),
        case("GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", "Severe", "BadMethod", SEVERE_KEPT),
        case(
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
            "Severe",
            "BadHeader",
            SEVERE_KEPT,
        ),
        case(
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
            "Severe",
            "BadHeader",
            SEVERE_KEPT,
        ),
        case(
            "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
            "Ambiguous",
            "EmptyHeader",
            AMBIGUOUS_KEPT,
        ),
        case(
            "GET / HTTP/1.1\r\nHost: a\r\nX: \u{1}\r\n\r\n",
            "Acceptable",
            "NonCompliantHeader",
            ACCEPTABLE,
        ),
        case(
            "GET / HTTP/1.1\nHost: a\n\n",
            "Acceptable",
            "NonCrLfLineTermination",
            ACCEPTABLE,
        ),
        case(
            "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n",
            "Ambiguous",
            "MultilineHeader",
            AMBIGUOUS_KEPT,
        ),
        case(
            "GET / HTTP/1.1\r\nHost: a\r\nno colon here\r\n\r\n",
            "Ambiguous",
            "MissingHeaderColon",
            AMBIGUOUS_KEPT,
        ),
    ]);
}

#[test]
fn http_0_9_is_acceptable() {
    for (mode, body) in [("monitor", "old"), ("defensive", "old")] {
        let server = Setup {
            default: fixed(200, "old"),
            ..Setup::default()
        }
        .attribute("routing.http.desync_mitigation_mode", mode)
        .start();
        assert_eq!(server.until_closed(b"GET /\r\n"), body.as_bytes());
        assert_eq!(server.log()[0][27..29], ["Acceptable", "NonCompliantVersion"]);
    }
}

// A URL that no header can carry becomes a Location only in an encoded form.
#[test]
fn unsendable_urls_are_encoded_in_redirects() {
    let to_https = model::elb::action::redirect::RedirectParts {
        protocol: Some("HTTPS"),
        ..Default::default()
    };
    let server = Setup {
        default: redirect(&to_https),
        ..Setup::default()
    }
    .attribute("routing.http.desync_mitigation_mode", "monitor")
    .start();
    let response = server.ask("GET /a\rX-Evil:1 HTTP/1.1\r\nHost: a\0b\r\n\r\n");
    assert_eq!(response.header("location"), Some("https://a%00b:8080/a%0DX-Evil:1"));
    assert!(!response.head.contains("\rX-Evil"));
}
