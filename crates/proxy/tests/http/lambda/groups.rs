//! Forwards to several groups: weights and stickiness.

use crate::played::*;
use crate::support::*;
use std::time::Duration;

/// Two groups with a function each.
fn two(weights: [u16; 2], stickiness: Option<Duration>, seen: &Seen) -> Setup {
    Setup {
        default: forward(&[("red", weights[0]), ("blue", weights[1])], stickiness),
        groups: vec![("red", false, Some("red")), ("blue", false, Some("blue"))],
        function: seen.answering(r#"{"statusCode":200}"#),
        ..Setup::default()
    }
}

/// Sends requests one behind the other on one connection; their statuses.
fn many(server: &Server, count: usize, headers: &str) -> Vec<u16> {
    let mut client = server.connect();
    let mut statuses = Vec::new();
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    for batch in 0..count.div_ceil(100) {
        let size = 100.min(count - batch * 100);
        client.send(request.repeat(size).as_bytes());
        statuses.extend((0..size).map(|_| client.response().status));
    }
    statuses
}

// ALB-A-003: weights 10 and 20 split 1:2
#[test]
fn weights_split_the_requests() {
    let seen = Seen::default();
    let server = two([10, 20], None, &seen).start();
    many(&server, 3000, "");
    let red = seen.count_of("red");
    // 1000 expected with a standard deviation of 26: this fails by chance once in a hundred million runs.
    assert!((850..=1150).contains(&red), "{red} of 3000");
    assert_eq!(red + seen.count_of("blue"), 3000);
}

// ALB-A-004: a group of weight 0 gets nothing
#[test]
fn weight_0_gets_nothing() {
    let seen = Seen::default();
    let server = two([0, 1], None, &seen).start();
    many(&server, 300, "");
    assert_eq!((seen.count_of("red"), seen.count_of("blue")), (0, 300));
}

#[test]
fn no_weight_at_all_is_503() {
    let seen = Seen::default();
    let server = two([0, 0], None, &seen).start();
    assert_eq!((server.get("/").status, seen.count()), (503, 0));
}

// ALB-A-005: when the chosen group is empty the answer is 503, though another has a function
#[test]
fn no_other_group_steps_in() {
    let seen = Seen::default();
    let mut setup = two([1, 1], None, &seen);
    setup.groups[0].2 = None;
    let server = setup.start();
    let statuses = many(&server, 200, "");
    let served = statuses.iter().filter(|status| **status == 200).count();
    let refused = statuses.iter().filter(|status| **status == 503).count();
    assert_eq!((served + refused, seen.count_of("blue")), (200, served));
    assert!(served > 0 && refused > 0, "{served} and {refused}");
}

/// The value of a cookie that a response sets, and what follows it.
fn set_cookie<'a>(response: &'a Response, name: &str) -> Option<(&'a str, &'a str)> {
    let prefix = format!("{name}=");
    let cookies: Vec<_> = response.headers("set-cookie").collect();
    cookies
        .iter()
        .find_map(|line| line.strip_prefix(&prefix)?.split_once("; "))
}

fn with_cookie(server: &Server, cookie: &str) -> Response {
    server.ask(&format!(
        "GET / HTTP/1.1\r\nHost: a\r\nCookie: theme=dark; {cookie}\r\n\r\n"
    ))
}

/// A cookie for each of the two groups, red first.
fn both_cookies(server: &Server, seen: &Seen) -> [String; 2] {
    let (mut red, mut blue) = (None, None);
    while red.is_none() || blue.is_none() {
        let before = seen.count_of("red");
        let response = server.get("/");
        let value = set_cookie(&response, "AWSALBTG").unwrap().0.to_owned();
        *(if seen.count_of("red") > before {
            &mut red
        } else {
            &mut blue
        }) = Some(value);
    }
    [red.unwrap(), blue.unwrap()]
}

const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

// ALB-A-008: two cookies keep a client on one group
#[test]
fn a_client_stays_with_its_group() {
    let seen = Seen::default();
    let server = two([1, 1], HOUR, &seen).start();
    let response = server.get("/");
    let (value, attributes) = set_cookie(&response, "AWSALBTG").unwrap();
    let (cors_value, cors_attributes) = set_cookie(&response, "AWSALBTGCORS").unwrap();
    assert_eq!((value, response.headers("set-cookie").count()), (cors_value, 2));
    let (expires, path) = attributes.split_once("; ").unwrap();
    assert!(
        expires.starts_with("Expires=") && expires.ends_with(" GMT"),
        "{expires}"
    );
    assert_eq!(path, "Path=/");
    assert_eq!(cors_attributes, format!("{attributes}; SameSite=None; Secure"));
    let first = if seen.count_of("red") == 1 { "red" } else { "blue" };
    let mut cookie = value.to_owned();
    for turn in 2..=20 {
        let response = with_cookie(&server, &format!("AWSALBTG={cookie}"));
        assert_eq!(seen.count_of(first), turn);
        // Renewed with every answer.
        let renewed = set_cookie(&response, "AWSALBTG").unwrap().0;
        assert_ne!(renewed, cookie);
        cookie = renewed.to_owned();
    }
    // The function sees the client's cookies as they are.
    let forwarded = seen.events().pop().unwrap()["headers"]["cookie"].clone();
    assert!(forwarded.as_str().unwrap().starts_with("theme=dark; AWSALBTG="));
}

#[test]
fn the_cors_cookie_wins() {
    let seen = Seen::default();
    let server = two([1, 1], HOUR, &seen).start();
    let [red, blue] = both_cookies(&server, &seen);
    let before = seen.count_of("blue");
    for _ in 0..20 {
        with_cookie(&server, &format!("AWSALBTG={red}; AWSALBTGCORS={blue}"));
    }
    assert_eq!(seen.count_of("blue"), before + 20);
}

#[test]
fn cookies_of_nobody_bind_to_nothing() {
    let seen = Seen::default();
    let server = two([1, 1], HOUR, &seen).start();
    let [red, _] = both_cookies(&server, &seen);
    let cut = &red[..red.len() - 8];
    let swapped: String = red.chars().rev().collect();
    let long = "A".repeat(5000);
    for garbage in ["x", "", cut, &swapped, &long, "AAAA", "\"quoted\""] {
        let before = (seen.count_of("red"), seen.count_of("blue"));
        let statuses = many(&server, 60, &format!("Cookie: AWSALBTG={garbage}\r\n"));
        assert!(statuses.iter().all(|status| *status == 200), "{garbage}");
        let (red, blue) = (seen.count_of("red") - before.0, seen.count_of("blue") - before.1);
        assert!(red > 0 && blue > 0, "{garbage}: {red} and {blue}");
        let fresh = with_cookie(&server, &format!("AWSALBTG={garbage}"));
        assert!(set_cookie(&fresh, "AWSALBTG").is_some());
    }
}

#[test]
fn a_cookie_counts_for_its_rule_only() {
    let seen = Seen::default();
    let server = two([1, 1], HOUR, &seen)
        .rule(1, vec![path(&["/other"])], forward(&[("red", 1), ("blue", 1)], HOUR))
        .start();
    let [red, _] = both_cookies(&server, &seen);
    let before = seen.count_of("blue");
    for _ in 0..60 {
        server.ask(&format!(
            "GET /other HTTP/1.1\r\nHost: a\r\nCookie: AWSALBTG={red}\r\n\r\n"
        ));
    }
    assert!(seen.count_of("blue") > before);
}

#[test]
fn an_encoded_cookie_is_an_error() {
    let seen = Seen::default();
    let server = two([1, 1], HOUR, &seen).start();
    let [red, _] = both_cookies(&server, &seen);
    let asked = seen.count();
    let encoded = red.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D") + "%20";
    let response = with_cookie(&server, &format!("AWSALBTG={encoded}"));
    assert_eq!((response.status, seen.count()), (500, asked));
    let log = server.log();
    let line = log.last().unwrap();
    assert_eq!((line[8].as_str(), line[24].as_str()), ("500", "AWSALBTGCookieInvalid"));
}

#[test]
fn failures_keep_a_client_bound_too_and_single_groups_need_no_cookie() {
    let mut setup = two([1, 1], HOUR, &Seen::default());
    setup.function = answering("{}");
    let response = setup.start().get("/");
    assert_eq!((response.status, response.headers("set-cookie").count()), (502, 2));
    let mut setup = Setup::lambda(false, answering(r#"{"statusCode":200}"#));
    setup.default = forward(&[("orders", 1)], HOUR);
    assert_eq!(setup.start().get("/").header("set-cookie"), None);
}
