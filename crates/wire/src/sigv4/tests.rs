//! Signatures of AWS's own examples, and what must not pass for them.

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30T12:36:00Z
const NOW: u64 = 1_440_938_160;

/// A request with the headers of AWS's test suite.
fn signed_lines(service: &str, headers: &str, signature: &str) -> Vec<(&'static str, Vec<u8>)> {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, SignedHeaders={headers}, \
         Signature={signature}"
    );
    vec![
        ("x-amz-date", b"20150830T123600Z".to_vec()),
        ("authorization", authorization.into_bytes()),
    ]
}

fn borrowed<'a>(lines: &'a [(&'a str, Vec<u8>)]) -> Vec<(&'a str, &'a [u8])> {
    lines.iter().map(|(name, value)| (*name, value.as_slice())).collect()
}

#[track_caller]
fn check(request: &Request<'_>, now: u64) -> Result<(), Refused> {
    Signed::read(request)?.check(request, SECRET, now)
}

/// `get-vanilla` of AWS's test suite.
fn vanilla() -> Vec<(&'static str, Vec<u8>)> {
    let mut lines = signed_lines(
        "service",
        "host;x-amz-date",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    );
    lines.push(("host", b"example.amazonaws.com".to_vec()));
    lines
}

fn get<'a>(query: &'a str, headers: &'a [(&'a str, &'a [u8])]) -> Request<'a> {
    Request {
        method: "GET",
        path: "/",
        query,
        headers,
        body: b"",
    }
}

#[test]
fn examples_of_aws_are_accepted() {
    let lines = vanilla();
    assert_eq!(check(&get("", &borrowed(&lines)), NOW), Ok(()));
    // The example of the developer's guide.
    let mut lines = signed_lines(
        "iam",
        "content-type;host;x-amz-date",
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    );
    lines.push(("host", b"iam.amazonaws.com".to_vec()));
    lines.push((
        "content-type",
        b"application/x-www-form-urlencoded; charset=utf-8".to_vec(),
    ));
    let query = "Version=2010-05-08&Action=ListUsers";
    assert_eq!(check(&get(query, &borrowed(&lines)), NOW), Ok(()));
}

#[test]
fn what_was_changed_on_the_way_is_refused() {
    let lines = vanilla();
    let lines = borrowed(&lines);
    let good = get("", &lines);
    for request in [
        Request { method: "POST", ..good },
        Request { path: "/a", ..good },
        Request { query: "a=b", ..good },
        Request { body: b"x", ..good },
    ] {
        assert_eq!(check(&request, NOW), Err(Refused::Mismatch), "{request:?}");
    }
    let signed = Signed::read(&good).unwrap();
    assert_eq!(signed.check(&good, "another secret", NOW), Err(Refused::Mismatch));
    let mut more = lines.clone();
    more.push(("x-amz-target", b"Service.Delete"));
    assert_eq!(
        check(&get("", &more), NOW),
        Err(Refused::Unsigned("x-amz-target".to_owned()))
    );
}

#[test]
fn clocks_may_be_fifteen_minutes_apart() {
    let lines = vanilla();
    let lines = borrowed(&lines);
    let at = |now: u64| check(&get("", &lines), now);
    assert_eq!((at(NOW + SKEW_SECS), at(NOW - SKEW_SECS)), (Ok(()), Ok(())));
    let late = at(NOW + SKEW_SECS + 1).unwrap_err();
    assert_eq!(
        late.to_string(),
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)"
    );
    let early = at(NOW - SKEW_SECS - 1).unwrap_err();
    assert!(early.to_string().starts_with("Signature not yet current: "), "{early}");
    assert_eq!([late.code().1, early.code().1], ["SignatureDoesNotMatch"; 2]);
}

#[test]
fn presigned_requests_hold_for_their_time() {
    let query = |signature: &str| {
        format!(
            "Action=Delete%2A&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1\
             %2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host\
             &X-Amz-Signature={signature}"
        )
    };
    let headers: [(&str, &[u8]); 1] = [("host", b"example.amazonaws.com")];
    let unsigned = query(&"0".repeat(64));
    let request = get(&unsigned, &headers);
    let read = Signed::read(&request).unwrap();
    assert_eq!(
        (read.form, read.check(&request, SECRET, NOW)),
        (Form::Presigned, Err(Refused::Mismatch))
    );
    let signature = read.sign(
        &canonical::request(&read, &request, &sha256_hex(request.body)).unwrap(),
        &read.key(SECRET),
    );
    let signed = query(&signature);
    let request = get(&signed, &headers);
    assert_eq!(check(&request, NOW + 60), Ok(()));
    assert_eq!(check(&request, NOW + 61), Err(Refused::PresignedExpired));
}

#[test]
fn signatures_that_cannot_be_read_say_why() {
    let good = "AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/s/aws4_request, SignedHeaders=host, Signature=";
    let good = format!("{good}{}", "0".repeat(64));
    let with = |authorization: &str| {
        let lines: [(&str, &[u8]); 2] = [
            ("authorization", authorization.as_bytes()),
            ("x-amz-date", b"20150830T123600Z"),
        ];
        Signed::read(&get("", &lines)).map(|_| ())
    };
    assert_eq!(with(&good), Ok(()));
    assert_eq!(Signed::read(&get("", &[])), Err(Refused::Missing));
    for (from, to) in [
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        ("AWS4-HMAC-SHA256", "Basic"),
        ("Credential=", "Other="),
        ("/aws4_request", ""),
        ("/aws4_request", "/other"),
        ("20150830/", "20150831/"),
        ("AKID", ""),
        ("SignedHeaders=host", "SignedHeaders=host;a"),
        ("SignedHeaders=host", "SignedHeaders=Host"),
        ("SignedHeaders=host", "SignedHeaders="),
        (", SignedHeaders=host", ""),
        ("Signature=0", "Signature=A"),
        ("Signature=0", "Signature="),
        (", Signature=", ", Signature=0, Signature="),
    ] {
        assert!(with(&good.replacen(from, to, 1)).is_err(), "{from} -> {to}");
    }
    let lines: [(&str, &[u8]); 1] = [("authorization", good.as_bytes())];
    assert!(matches!(Signed::read(&get("", &lines)), Err(Refused::Incomplete(_))));
    let both = get("X-Amz-Algorithm=AWS4-HMAC-SHA256", &lines);
    assert!(matches!(Signed::read(&both), Err(Refused::Incomplete(_))));
}

#[test]
fn paths_are_normalised_and_encoded_once_more() {
    let lines = vanilla();
    let lines = borrowed(&lines);
    for (path, expected) in [
        ("/", "/"),
        ("", "/"),
        ("/a/./b/../c", "/a/c"),
        ("//a//", "/a/"),
        ("/../..", "/"),
        ("/functions/arn%3Aaws", "/functions/arn%253Aaws"),
    ] {
        let request = Request {
            path,
            ..get("", &lines)
        };
        let canonical = canonical::request(&Signed::read(&request).unwrap(), &request, &sha256_hex(b"")).unwrap();
        assert_eq!(canonical.lines().nth(1), Some(expected), "{path}");
    }
}
