//! The endpoint of the real server.

use crate::support::{receive, send, with_manifest, worker};

#[test]
fn web_pages_reach_nothing() {
    let folder = with_manifest("a", "");
    let server = folder.up(&[]);
    let ask = |method: &str, lines: &str| {
        let body = "{\"url\":\"/\"}";
        let request = format!(
            "{method} /_albacore/explain HTTP/1.1\r\n{lines}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        receive(send(server.endpoint(), &request)).0
    };
    for (method, lines, expected) in [
        ("POST", "Host: localhost\r\nX-Albacore: 1\r\n", 200),
        ("POST", "Host: localhost\r\nContent-Type: application/json\r\n", 403),
        ("POST", "Host: attacker.example\r\nX-Albacore: 1\r\n", 403),
        (
            "POST",
            "Host: localhost\r\nX-Albacore: 1\r\nOrigin: https://attacker.example\r\n",
            403,
        ),
        (
            "OPTIONS",
            "Host: localhost\r\nOrigin: https://attacker.example\r\n",
            403,
        ),
        ("GET", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", 403),
    ] {
        assert_eq!(ask(method, lines), expected, "{method} {lines:?}");
    }
}

#[test]
fn aws_calls_get_an_honest_error() {
    let folder = with_manifest("a", "");
    let server = folder.up(&[]);
    let call = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                Content-Length: 28\r\nConnection: close\r\n\r\nAction=DescribeLoadBalancers";
    let (status, body) = receive(send(server.endpoint(), call));
    assert_eq!(status, 403);
    assert!(body.contains("<Code>MissingAuthenticationToken</Code>"), "{body}");
}

#[test]
fn every_path_of_the_own_api_answers() {
    let folder = with_manifest("a", "");
    let server = folder.up(&[]);
    assert_eq!(worker(&server).0, "a");
    for name in [
        "health",
        "ready",
        "status",
        "metrics",
        "requests?limit=5",
        "explain?url=/",
        "targets",
        "logs?limit=5",
    ] {
        assert_eq!(server.own_api(name).0, 200, "{name}");
    }
    let (_, status) = server.own_api("status");
    let function = &status["functions"][0];
    assert_eq!(
        (&function["name"], &function["invocations"]),
        (&"worker".into(), &1.into()),
        "{status}"
    );
    let (_, targets) = server.own_api("targets");
    let target = &targets["targets"][0];
    assert_eq!(target["state"], "unavailable", "{targets}");
    assert_eq!(
        target["target"],
        "arn:aws:lambda:us-east-1:000000000000:function:worker"
    );
    assert_eq!(status["pid"], server.pid().as_raw_nonzero().get());
    assert_eq!(server.own_api("other").0, 404);
}
