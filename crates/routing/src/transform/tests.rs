use super::*;
use crate::testing::Head;

fn transforms(host: Option<(&str, &str)>, url: Option<(&str, &str)>) -> Transforms {
    let rewrite = |(regex, replace)| written::Rewrite::new(regex, replace).unwrap();
    Transforms::compile(&written::Transforms {
        host: host.map(rewrite),
        url: url.map(rewrite),
    })
}

#[track_caller]
fn check_url(regex: &str, replace: &str, target: &str, uri: Option<&str>, status: &str) {
    let transformed = transforms(None, Some((regex, replace))).apply(&Head::get("h.example", target));
    assert_eq!(transformed.uri.as_deref(), uri.map(str::as_bytes), "{target}");
    assert_eq!(transformed.status.to_string(), status, "{target}");
    assert_eq!(transformed.host, None);
}

#[track_caller]
fn check_host(regex: &str, replace: &str, sent: &str, host: Option<&str>, status: &str) {
    let transformed = transforms(Some((regex, replace)), None).apply(&Head::get(sent, "/"));
    assert_eq!(transformed.host.as_deref(), host.map(str::as_bytes), "{sent}");
    assert_eq!(transformed.status.to_string(), status, "{sent}");
    assert_eq!(transformed.uri, None);
}

// ALB-A-026: a url-rewrite changes path and query
#[test]
fn urls_are_rewritten() {
    let done = "TransformSuccess";
    check_url(
        "^/dp/([A-Za-z0-9]+)/?$",
        "/product.php?id=$1",
        "/dp/B09",
        Some("/product.php?id=B09"),
        done,
    );
    check_url(r"\?id=(\d+)", "/$1", "/item?id=42", Some("/item/42"), done);
    check_url("a", "b", "/aa", Some("/ba"), done);
    check_url("^/(x)?y", "/[$1]", "/y", Some("/[]"), done);
    // The same text again is a success with nothing to show for it.
    check_url("a", "$0", "/a", None, done);
}

// ALB-A-027: what does not match stays as it is, with status `-`
#[test]
fn no_match_is_no_change() {
    check_url("^/dp/", "/x", "/DP/1", None, "-");
    check_host("nowhere", "x", "h.example", None, "-");
    let mut head = Head::get("", "/");
    head.host = None;
    assert_eq!(transforms(Some((".*", "x")), None).apply(&head), Transformed::default());
    assert!(transforms(None, None).is_empty());
}

#[test]
fn hosts_are_rewritten() {
    let done = "TransformSuccess";
    check_host(
        "^(.*)\\.old\\.example$",
        "$1.new.example",
        "a.OLD.example:8080",
        Some("a.new.example"),
        done,
    );
    check_host("^.*$", "[2001:db8::1]", "h.example", Some("[2001:db8::1]"), done);
    check_host("example", "example", "h.example", None, done);
}

// ALB-A-028: an invalid host fails with TransformInvalidHost
#[test]
fn results_are_checked() {
    for bad in ["", "a b", "a/b", "a:80", "ä", "a\r\nX: y", "[::1", "[::zz]"] {
        check_host("^.*$", bad, "h.example", None, "TransformInvalidHost");
    }
    for bad in ["", "x", "/a b", "/a\r\nX: y", "/\0", "/\x7f"] {
        check_url("^.*$", bad, "/a", None, "TransformInvalidPath");
    }
}

#[test]
fn both_rewrites_look_at_the_original_and_fail_together() {
    let head = Head::get("a.example", "/b");
    let both = transforms(Some(("a", "b")), Some(("b", "a"))).apply(&head);
    assert_eq!(both.host.as_deref(), Some(&b"b.example"[..]));
    assert_eq!(both.uri.as_deref(), Some(&b"/a"[..]));
    let failed = transforms(Some(("a", "b")), Some(("^/", ""))).apply(&head);
    assert_eq!(
        failed,
        Transformed {
            status: TransformStatus::Failed(TransformFailure::InvalidPath),
            ..Transformed::default()
        }
    );
    let one = transforms(Some(("a", "b")), Some(("none", ""))).apply(&head);
    assert_eq!(one.status, TransformStatus::Success);
}

#[test]
fn other_failures() {
    check_url("(?:a{999}){999}", "/", "/x", None, "TransformCompileTooBig");
    check_url("/(a)", "/$2", "/a", None, "TransformReplaceError");
    check_url("/(a)", "/$2", "/b", None, "-");
    let long = format!("/{}", "x".repeat(1000));
    check_url(
        "^(.*)$",
        &"$1".repeat(16),
        &long,
        Some(&long.repeat(16)),
        "TransformSuccess",
    );
    check_url("^(.*)$", &"$1".repeat(17), &long, None, "TransformBufferTooSmall");
}
