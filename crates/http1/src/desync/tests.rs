use super::*;
use Class::{Acceptable, Ambiguous, Compliant, Severe};

#[track_caller]
fn classified(bytes: &[u8]) -> Classification {
    let mut head = RequestHead::new();
    assert_eq!(head.tokenize(bytes), Ok(()), "{:?}", String::from_utf8_lossy(bytes));
    classify(&head, bytes)
}

/// The class and reason of a head, and what each mode does with it.
#[track_caller]
fn check_head(bytes: &[u8], class: Class, reason: Option<Reason>) {
    use Verdict::{Allow, AllowThenClose, Block};
    let found = classified(bytes);
    assert_eq!(
        found,
        Classification { class, reason },
        "{:?}",
        String::from_utf8_lossy(bytes)
    );
    let verdicts = [Mode::Monitor, Mode::Defensive, Mode::Strictest].map(|mode| mode.verdict(found.class));
    let expected = match class {
        Compliant => [Allow, Allow, Allow],
        Acceptable => [Allow, Allow, Block],
        Ambiguous => [Allow, AllowThenClose, Block],
        Severe => [Allow, Block, Block],
    };
    assert_eq!(verdicts, expected);
}

/// The same for a request line and field lines.
#[track_caller]
fn check(line: &str, fields: &[&str], class: Class, reason: Reason) {
    check_head(head(line, fields).as_bytes(), class, Some(reason));
}

#[track_caller]
fn check_compliant(line: &str, fields: &[&str]) {
    check_head(head(line, fields).as_bytes(), Compliant, None);
}

fn head(line: &str, fields: &[&str]) -> String {
    format!(
        "{line}\r\nHost: a\r\n{}\r\n",
        fields.iter().map(|field| format!("{field}\r\n")).collect::<String>()
    )
}

const GET: &str = "GET / HTTP/1.1";
const POST: &str = "POST / HTTP/1.1";

#[test]
fn ordinary_requests_are_compliant() {
    check_compliant(GET, &[]);
    check_compliant("GET / HTTP/1.0", &["Accept: \"\u{e9}\" \t;x", "x_y.z!: 1", "Empty:"]);
    check_compliant(POST, &["Content-Length: 5"]);
    check_compliant(POST, &["Content-Length: 0"]);
    check_compliant("POST / HTTP/1.0", &["Content-Length: 5"]);
    check_compliant(POST, &["transfer-encoding: gzip ; q=1 , Chunked"]);
    check_compliant("DELETE /caf\u{e9} HTTP/1.1", &["Transfer-Encoding: identity"]);
    check_compliant("BREW* /[]{}|\\\"<> HTTP/1.1", &[]);
}

// ALB-D-001: Content-Length 5 twice is Ambiguous DuplicateContentLength; defensive forwards and closes
#[test]
fn duplicate_content_length() {
    check(
        POST,
        &["Content-Length: 5", "Content-Length: 5"],
        Ambiguous,
        Reason::DuplicateContentLength,
    );
    check(
        POST,
        &["Content-Length: 5", "content-length: 005"],
        Ambiguous,
        Reason::DuplicateContentLength,
    );
}

// ALB-D-002: Content-Length 5 and 6 is Severe MultipleContentLength and is blocked in defensive
#[test]
fn multiple_content_length() {
    check(
        POST,
        &["Content-Length: 5", "Content-Length: 6"],
        Severe,
        Reason::MultipleContentLength,
    );
}

// ALB-D-003: Content-Length x is Severe BadContentLength
#[test]
fn bad_content_length() {
    for value in [
        "x",
        "",
        "-5",
        "+5",
        "0x5",
        "5,5",
        "5 5",
        "5.0",
        "18446744073709551616",
        "\u{665}",
    ] {
        check(
            POST,
            &[&format!("Content-Length: {value}")],
            Severe,
            Reason::BadContentLength,
        );
    }
    check(POST, &["Content-Length"], Severe, Reason::BadContentLength);
    check(
        POST,
        &["Content-Length: 5", "Content-Length: x"],
        Severe,
        Reason::BadContentLength,
    );
    check_compliant(POST, &["Content-Length: 18446744073709551615"]);
}

// ALB-D-004: Transfer-Encoding chunked with Content-Length is Ambiguous BothTeClPresent
#[test]
fn both_te_and_cl() {
    check(
        POST,
        &["Transfer-Encoding: chunked", "Content-Length: 5"],
        Ambiguous,
        Reason::BothTeClPresent,
    );
    check(
        POST,
        &["Content-Length: 5", "Transfer-Encoding: identity"],
        Ambiguous,
        Reason::BothTeClPresent,
    );
}

// ALB-D-005: Transfer_Encoding chunked is Ambiguous SuspiciousHeader
#[test]
fn suspicious_names() {
    for name in [
        "Transfer_Encoding",
        "Transfer.Encoding",
        "Transfer-Encoding\t",
        "\u{1}Transfer-Encoding",
        "Tran\u{17f}fer-Encoding",
        "Transfer-Encod\u{131}ng",
        "TransferEncoding",
    ] {
        check(
            POST,
            &[&format!("{name}: chunked")],
            Ambiguous,
            Reason::SuspiciousHeader,
        );
    }
    for name in [
        "Content_Length",
        "Content Length",
        "\u{b}Content-Length",
        "ContentLength",
    ] {
        check(POST, &[&format!("{name}: 5")], Ambiguous, Reason::SuspiciousHeader);
    }
}

// ALB-D-006: `Transfer-Encoding : chunked` is Ambiguous SuspiciousHeader
#[test]
fn space_before_the_colon_of_a_framing_header() {
    check(
        POST,
        &["Transfer-Encoding : chunked"],
        Ambiguous,
        Reason::SuspiciousHeader,
    );
    check(POST, &["Content-Length : 5"], Ambiguous, Reason::SuspiciousHeader);
}

#[test]
fn a_continuation_line_is_classified_as_the_header_it_is_sent_on_as() {
    check(
        POST,
        &["a: b", " Transfer-Encoding: chunked"],
        Ambiguous,
        Reason::SuspiciousHeader,
    );
    check(
        POST,
        &["a: b", "\tContent-Length: 5"],
        Ambiguous,
        Reason::SuspiciousHeader,
    );
    check(
        POST,
        &["Content-Length: 5", " Transfer-Encoding: chunked"],
        Severe,
        Reason::SuspiciousTeClPresent,
    );
    check(POST, &["a: b", " c: d"], Ambiguous, Reason::MultilineHeader);
    check(POST, &["a: b", " c"], Ambiguous, Reason::MultilineHeader);
    check_head(
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        Ambiguous,
        Some(Reason::MultilineHeader),
    );
}

#[test]
fn both_framing_headers_and_one_is_suspicious() {
    for (te, cl) in [
        ("Transfer_Encoding: chunked", "Content-Length: 5"),
        ("Transfer-Encoding: chunked", "Content_Length: 5"),
        ("Transfer-Encoding : chunked", "Content-Length : 5"),
    ] {
        check(POST, &[te, cl], Severe, Reason::SuspiciousTeClPresent);
        check(POST, &[cl, te], Severe, Reason::SuspiciousTeClPresent);
        check("POST / HTTP/1.0", &[cl, te], Severe, Reason::SuspiciousTeClPresent);
    }
    check(
        POST,
        &["Transfer_Encoding: br", "Content-Length: 5"],
        Severe,
        Reason::BadTransferEncoding,
    );
    check(
        POST,
        &["Transfer_Encoding: chunked", "Transfer-Encoding: gzip"],
        Ambiguous,
        Reason::SuspiciousHeader,
    );
}

// ALB-D-007: GET with Content-Length 0 is Acceptable and is blocked only in strictest
#[test]
fn get_with_zero_length() {
    check(
        GET,
        &["Content-Length: 0"],
        Acceptable,
        Reason::GetHeadZeroContentLength,
    );
    check(
        "HEAD / HTTP/1.1",
        &["Content-Length: 00"],
        Acceptable,
        Reason::GetHeadZeroContentLength,
    );
    check_compliant("get / HTTP/1.1", &["Content-Length: 0"]);
}

// ALB-D-008: GET with Content-Length 3 is Ambiguous UndefinedContentLengthSemantics
#[test]
fn undefined_content_length() {
    check(
        GET,
        &["Content-Length: 3"],
        Ambiguous,
        Reason::UndefinedContentLengthSemantics,
    );
    check(
        "HEAD / HTTP/1.1",
        &["Content-Length: 3"],
        Ambiguous,
        Reason::UndefinedContentLengthSemantics,
    );
    check(
        "POST / HTTP/0.9",
        &["Content-Length: 3"],
        Ambiguous,
        Reason::UndefinedContentLengthSemantics,
    );
}

// ALB-D-009: GET with Transfer-Encoding chunked is Ambiguous UndefinedTransferEncodingSemantics
#[test]
fn get_with_transfer_encoding() {
    check(
        GET,
        &["Transfer-Encoding: chunked"],
        Ambiguous,
        Reason::UndefinedTransferEncodingSemantics,
    );
    check(
        "HEAD / HTTP/1.1",
        &["Transfer-Encoding: identity"],
        Ambiguous,
        Reason::UndefinedTransferEncodingSemantics,
    );
}

// ALB-D-010: HTTP/1.0 with Transfer-Encoding is Ambiguous UndefinedTransferEncodingSemantics
#[test]
fn old_versions_with_transfer_encoding() {
    for version in ["HTTP/1.0", "HTTP/0.9"] {
        let line = format!("POST / {version}");
        check(
            &line,
            &["Transfer-Encoding: chunked"],
            Ambiguous,
            Reason::UndefinedTransferEncodingSemantics,
        );
    }
}

// ALB-D-011: HTTP/1.2 is Acceptable NonCompliantVersion; HTTP/x is Severe BadVersion
#[test]
fn versions() {
    for version in ["HTTP/1.2", "HTTP/1.9", "HTTP/0.9", "HTTP/1.1 ", "\tHTTP/1.0"] {
        check(
            &format!("GET / {version}"),
            &[],
            Acceptable,
            Reason::NonCompliantVersion,
        );
    }
    check_head(b"GET /\r\n", Acceptable, Some(Reason::NonCompliantVersion));
    for version in [
        "HTTP/x",
        "HTTP/1",
        "HTTP/1.",
        "HTTP/1.10",
        "HTTP/3.0",
        "HTTP/2.0",
        "http/1.1",
        "HTTP/01.1",
        "b",
    ] {
        check(&format!("GET / {version}"), &[], Severe, Reason::BadVersion);
    }
    check_head(b"PRI * HTTP/2.0\r\n\r\n", Compliant, None);
}

// ALB-D-012: a literal space in the URI is Acceptable SpaceInUri
// ALB-D-020: a literal space in the URI is served in defensive and blocked in strictest
#[test]
fn space_in_the_uri() {
    check("GET /a b HTTP/1.1", &[], Acceptable, Reason::SpaceInUri);
    check("GET  /a HTTP/1.1", &[], Acceptable, Reason::SpaceInUri);
}

// ALB-D-013: a tab in the URI is Ambiguous AmbiguousUri
#[test]
fn control_bytes_in_the_uri() {
    for uri in ["/a\tb", "/\u{1}", "/\u{7f}", "/a b\u{b}"] {
        check(&format!("GET {uri} HTTP/1.1"), &[], Ambiguous, Reason::AmbiguousUri);
    }
    for uri in ["/a\0b", "/a\rb", "/ \t\0"] {
        check(&format!("GET {uri} HTTP/1.1"), &[], Severe, Reason::BadUri);
    }
}

// ALB-D-014: NUL in a header is Severe BadHeader
#[test]
fn bad_bytes_in_a_header() {
    for field in ["a: b\0", "a\0: b", "a: b\rc", "a\r: b", "a: \0\u{1}", "\r"] {
        check(GET, &[field], Severe, Reason::BadHeader);
    }
}

#[test]
fn odd_bytes_in_a_header() {
    for field in ["a: b\u{1}", "a b: c", "a\t: b", "a(: b", "\u{e9}: b", "a: \u{7f}"] {
        check(GET, &[field], Acceptable, Reason::NonCompliantHeader);
    }
}

#[test]
fn empty_names() {
    for field in [": a", ":", "  : a", "\t:"] {
        check(GET, &[field], Ambiguous, Reason::EmptyHeader);
    }
}

// ALB-D-015: `chunked, chunked` is Severe MultipleTransferEncodingChunked
#[test]
fn chunked_twice() {
    let reason = Reason::MultipleTransferEncodingChunked;
    check(POST, &["Transfer-Encoding: chunked, chunked"], Severe, reason);
    check(
        POST,
        &["Transfer-Encoding: chunked", "Transfer-Encoding: Chunked"],
        Severe,
        reason,
    );
    check(POST, &["Transfer-Encoding: chunked, identity, chunked"], Severe, reason);
    check(
        POST,
        &["Transfer-Encoding: chunked", "Transfer_Encoding: chunked"],
        Severe,
        reason,
    );
}

#[test]
fn bad_transfer_encoding() {
    for value in [
        "br",
        "xchunked",
        "",
        "chunked,",
        "chunked chunked",
        "chunked\u{b}",
        "\"chunked\"",
        ";chunked",
    ] {
        check(
            POST,
            &[&format!("Transfer-Encoding: {value}")],
            Severe,
            Reason::BadTransferEncoding,
        );
    }
}

#[test]
fn bad_methods() {
    for method in ["GE(T", "\u{e9}", "G\tT", "G\0T", "\u{1}GET"] {
        check(&format!("{method} / HTTP/1.1"), &[], Severe, Reason::BadMethod);
    }
}

// ALB-D-017: strictest blocks Acceptable requests
#[test]
fn bare_line_feeds_and_missing_colons() {
    check_head(
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        Acceptable,
        Some(Reason::NonCrLfLineTermination),
    );
    check_head(
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        Acceptable,
        Some(Reason::NonCrLfLineTermination),
    );
    check_head(
        b"GET / HTTP/1.1\r\nHost: a\r\n\n",
        Acceptable,
        Some(Reason::NonCrLfLineTermination),
    );
    check(GET, &["nocolon"], Ambiguous, Reason::MissingHeaderColon);
    assert_eq!(Mode::Strictest.verdict(Acceptable), Verdict::Block);
}

#[test]
fn the_worst_class_wins_and_its_first_reason_is_reported() {
    check(
        POST,
        &["a: \u{1}", "Content-Length: x"],
        Severe,
        Reason::BadContentLength,
    );
    check(
        POST,
        &["a: \u{1}", "Transfer-Encoding: x", "Content-Length: y"],
        Severe,
        Reason::BadTransferEncoding,
    );
    check(
        "GET /\t HTTP/1.1",
        &["a: \u{1}", "Content-Length: 9"],
        Ambiguous,
        Reason::UndefinedContentLengthSemantics,
    );
    check("G(T / HTTP/x", &["a: \0"], Severe, Reason::BadHeader);
    check("G(T / HTTP/x", &[], Severe, Reason::BadMethod);
    check("GET /\r HTTP/x", &[], Severe, Reason::BadVersion);
    check("GET /a b HTTP/1.2", &[], Acceptable, Reason::NonCompliantVersion);
    check(
        POST,
        &[": a", "Transfer_Encoding: chunked"],
        Ambiguous,
        Reason::EmptyHeader,
    );
    check(
        POST,
        &["Transfer_Encoding: chunked", ": a"],
        Ambiguous,
        Reason::SuspiciousHeader,
    );
    check_head(b"GET /a b HTTP/1.1\n\n", Acceptable, Some(Reason::SpaceInUri));
}

#[test]
fn http2_requests_are_not_classified() {
    let (mut head, mut bytes) = (RequestHead::new(), Vec::new());
    head.begin(&mut bytes, b"GET", b"/a", Version::H2).unwrap();
    head.push(&mut bytes, b"content-length", b"x").unwrap();
    head.push(&mut bytes, b"transfer_encoding", b"\x01").unwrap();
    assert_eq!(classify(&head, &bytes), Classification::COMPLIANT);
}
