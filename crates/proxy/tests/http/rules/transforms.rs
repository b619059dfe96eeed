//! Transforms, as the function and the access log see them.

use crate::played::*;
use crate::support::*;
use model::elb::transform::{Rewrite, Transforms};
use serde_json::{Value, json};

fn rewrite(regex: &str, replace: &str) -> Option<Rewrite> {
    Some(Rewrite::new(regex, replace).unwrap())
}

/// A server whose rule for `/*` rewrites and forwards.
fn rewriting(transforms: Transforms, seen: &Seen) -> Server {
    let mut setup = Setup::lambda(false, seen.answering(r#"{"statusCode":200}"#));
    setup.default = fixed(404, "no rule");
    setup
        .rules
        .push((7, vec![path(&["/*"])], transforms, forward(&[("orders", 1)], None)));
    setup.start()
}

/// Fields 31 to 33 and the actions.
fn logged(line: &[String]) -> [&str; 4] {
    [&line[22], &line[30], &line[31], &line[32]].map(String::as_str)
}

fn last_event(seen: &Seen) -> Value {
    seen.events().pop().unwrap()
}

// ALB-A-026: a url-rewrite changes path and query that the target sees
// ALB-A-027: one that does not match forwards the request unchanged and logs `-`
#[test]
fn url_rewrites() {
    let seen = Seen::default();
    let transforms = Transforms {
        host: None,
        url: rewrite("^/dp/([A-Za-z0-9]+)/?$", "/product.php?id=$1"),
    };
    let server = rewriting(transforms, &seen);
    assert_eq!(server.get("/dp/B00").status, 200);
    let event = last_event(&seen);
    assert_eq!(event["path"], "/product.php");
    assert_eq!(event["queryStringParameters"], json!({"id": "B00"}));
    assert_eq!(event["headers"]["host"], "shop.example:8080");
    assert_eq!(server.get("/dp/B-0?x=1").status, 200);
    let event = last_event(&seen);
    assert_eq!(event["path"], "/dp/B-0");
    assert_eq!(event["queryStringParameters"], json!({"x": "1"}));
    let log = server.log();
    assert_eq!(
        logged(&log[0]),
        ["rewrite,forward", "-", "/product.php?id=B00", "TransformSuccess"]
    );
    assert_eq!(logged(&log[1]), ["forward", "-", "-", "-"]);
    // The request is logged as it was sent.
    assert_eq!(log[0][12], "GET http://shop.example:8080/dp/B00 HTTP/1.1");
}

#[test]
fn host_rewrites() {
    let seen = Seen::default();
    let transforms = Transforms {
        host: rewrite("^(.*)\\.example$", "$1.internal"),
        url: None,
    };
    let server = rewriting(transforms, &seen);
    server.get("/x");
    assert_eq!(last_event(&seen)["headers"]["host"], "shop.internal:8080");
    let log = server.log();
    assert_eq!(
        logged(&log[0]),
        ["rewrite,forward", "shop.internal", "-", "TransformSuccess"]
    );
}

// ALB-A-028: an invalid host is 500 and TransformInvalidHost
#[test]
fn rewrites_that_fail() {
    for (transforms, status) in [
        (
            Transforms {
                host: rewrite("^.*$", "not a host"),
                url: None,
            },
            "TransformInvalidHost",
        ),
        (
            Transforms {
                host: rewrite("^.*$", "a/b"),
                url: rewrite("^/", "/y/"),
            },
            "TransformInvalidHost",
        ),
        (
            Transforms {
                host: None,
                url: rewrite("^/", "no slash"),
            },
            "TransformInvalidPath",
        ),
        (
            Transforms {
                host: None,
                url: rewrite("^/(.)", "/$7"),
            },
            "TransformReplaceError",
        ),
    ] {
        let seen = Seen::default();
        let server = rewriting(transforms, &seen);
        let response = server.get("/x");
        assert_eq!(
            (response.status, response.body.len(), seen.count()),
            (500, 142, 0),
            "{status}"
        );
        let log = server.log();
        assert_eq!(logged(&log[0])[1..], ["-", "-", status]);
        assert_eq!((log[0][8].as_str(), log[0][9].as_str()), ("500", "-"));
    }
}

// ALB-A-029: rewriting does not change which rule matched
#[test]
fn rewriting_does_not_route_again() {
    let seen = Seen::default();
    let mut setup = Setup::lambda(false, seen.answering(r#"{"statusCode":200}"#));
    let transforms = Transforms {
        host: None,
        url: rewrite("^/old", "/new"),
    };
    let to_function = forward(&[("orders", 1)], None);
    setup.rules.push((10, vec![path(&["/old"])], transforms, to_function));
    let server = setup
        .rule(20, vec![path(&["/new"])], fixed(200, "the other rule"))
        .start();
    assert_eq!(server.get("/old").text(), "");
    assert_eq!(last_event(&seen)["path"], "/new");
    let log = server.log();
    assert_eq!((log[0][20].as_str(), log[0][31].as_str()), ("10", "/new"));
}
