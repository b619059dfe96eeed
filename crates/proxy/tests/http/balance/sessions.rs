//! Stickiness over real sockets.

use super::origin::{Origin, group, setup, until_healthy, web};
use super::{apply, deregister};
use crate::support::*;
use model::elb::target_group::{StickinessType, TargetGroupAttributes};
use std::time::Duration;

fn sticky(attributes: &mut TargetGroupAttributes) {
    attributes.stickiness.enabled = true;
}

fn by_application(attributes: &mut TargetGroupAttributes) {
    attributes.stickiness.enabled = true;
    attributes.stickiness.stickiness_type = StickinessType::AppCookie;
    "SESSION".clone_into(&mut attributes.stickiness.app_cookie_name);
}

/// The cookies of a response as a browser sends them back.
pub(super) fn cookie_line(response: &Response) -> String {
    let pairs: Vec<_> = response
        .headers("set-cookie")
        .map(|line| line.split_once(';').map_or(line, |(pair, _)| pair))
        .collect();
    format!("Cookie: {}", pairs.join("; "))
}

pub(super) fn ask(server: &Server, line: &str) -> Response {
    server.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n"))
}

fn names(response: &Response) -> Vec<&str> {
    response
        .headers("set-cookie")
        .map(|line| line.split_once('=').unwrap().0)
        .collect()
}

// ALB-B-003: AWSALB and AWSALBCORS with the same value on every response of a target
// ALB-B-004: Expires and Path, no Max-Age
// ALB-B-005: SameSite=None
#[test]
fn the_cookies_of_the_load_balancer() {
    let origins = ["a", "b", "c"].map(Origin::new);
    let all: Vec<_> = origins.iter().collect();
    let mut setup = web(&all, sticky);
    setup.cores = 2;
    let server = setup.start();
    until_healthy(&server, &all);
    let first = server.get("/");
    let mut cookies = cookie_line(&first);
    for _ in 0..10 {
        let response = ask(&server, &cookies);
        assert_eq!(response.text(), first.text());
        let set: Vec<_> = response.headers("set-cookie").collect();
        let [plain, cors] = set[..] else { panic!("{set:?}") };
        let (pair, attributes) = plain.split_once("; ").unwrap();
        let value = pair.strip_prefix("AWSALB=").unwrap();
        assert_eq!(cors, format!("AWSALBCORS={value}; {attributes}; SameSite=None"));
        assert!(
            attributes.starts_with("Expires=") && attributes.ends_with(" GMT; Path=/"),
            "{attributes}"
        );
        let renewed = cookie_line(&response);
        assert_ne!(renewed, cookies);
        cookies = renewed;
    }
    // Without cookies everybody has a turn.
    let mut turns: Vec<_> = (0..3).map(|_| server.get("/").text().to_owned()).collect();
    turns.sort();
    assert_eq!(turns, ["a", "b", "c"]);
}

// ALB-B-006: AWSALBCORS decides
// ALB-B-007: garbage leads to a fresh choice and a new cookie
#[test]
fn cookies_that_disagree_and_cookies_of_nobody() {
    let origins = ["a", "b"].map(Origin::new);
    let all: Vec<_> = origins.iter().collect();
    let server = web(&all, sticky).start();
    until_healthy(&server, &all);
    let (one, two) = (server.get("/"), server.get("/"));
    assert_ne!(one.text(), two.text());
    let value = |response: &Response| {
        let line = response.header("set-cookie").unwrap();
        line.split_once(';')
            .unwrap()
            .0
            .strip_prefix("AWSALB=")
            .unwrap()
            .to_owned()
    };
    for _ in 0..4 {
        let line = format!("Cookie: AWSALB={}; AWSALBCORS={}", value(&one), value(&two));
        assert_eq!(ask(&server, &line).text(), two.text());
    }
    for garbage in ["x", "", "%41%42", &value(&one)[8..]] {
        let response = ask(&server, &format!("Cookie: AWSALB={garbage}"));
        assert_eq!(
            (response.status, names(&response)),
            (200, vec!["AWSALB", "AWSALBCORS"]),
            "{garbage}"
        );
    }
}

// ALB-B-009: a client of a draining target moves to another
#[test]
fn a_client_of_a_draining_target_moves() {
    let origins = ["a", "b"].map(Origin::new);
    let all: Vec<_> = origins.iter().collect();
    let setup = web(&all, sticky);
    let mut commands = setup.commands();
    let server = setup.start();
    until_healthy(&server, &all);
    let first = server.get("/");
    let mut cookies = cookie_line(&first);
    let leaving = &origins[usize::from(first.text() == "b")];
    apply(&server, &mut commands, deregister(leaving));
    for _ in 0..4 {
        let moved = ask(&server, &cookies);
        assert_eq!(moved.status, 200);
        assert_ne!(moved.text(), first.text());
        cookies = cookie_line(&moved);
    }
}

// The key is kept across restarts, and targets are known by name.
#[test]
fn a_session_survives_a_restart() {
    let origins = ["a", "b", "c"].map(Origin::new);
    let [a, b, c] = &origins;
    let first = {
        let server = web(&[a, b, c], sticky).start();
        until_healthy(&server, &[a, b, c]);
        server.get("/")
    };
    let server = web(&[c, b, a], sticky).start();
    until_healthy(&server, &[a, b, c]);
    for _ in 0..6 {
        assert_eq!(ask(&server, &cookie_line(&first)).text(), first.text());
    }
}

// ALB-B-010: AWSALBAPP-0 only when the target set the configured cookie
// ALB-B-011: without it four cookies are removed
#[test]
fn application_cookies() {
    let origins = ["a", "b"].map(Origin::new);
    let all: Vec<_> = origins.iter().collect();
    let server = web(&all, by_application).start();
    until_healthy(&server, &all);
    let removed = ["AWSALBAPP-0", "AWSALBAPP-1", "AWSALBAPP-2", "AWSALBAPP-3"];
    let response = server.get("/");
    assert_eq!(names(&response), removed);
    assert!(
        response
            .headers("set-cookie")
            .all(|line| line.contains("=_remove_; Expires="))
    );
    for origin in &origins {
        origin.say("Set-Cookie: SESSION=42; HttpOnly\r\n");
    }
    let first = server.get("/");
    let mut set = names(&first);
    set.sort_unstable();
    assert_eq!(set, [&removed[..], &["SESSION"]].concat());
    assert!(first.headers("set-cookie").any(|line| line == "SESSION=42; HttpOnly"));
    // The target says nothing more of it, and the session goes on.
    for origin in &origins {
        origin.say("");
    }
    let mut cookies = cookie_line(&first);
    for _ in 0..5 {
        let response = ask(&server, &cookies);
        assert_eq!((response.text(), names(&response)), (first.text(), removed.to_vec()));
        cookies = format!("{}; SESSION=42", cookie_line(&response));
    }
    // Without the application's cookie there is no session.
    let without = cookies.replace("; SESSION=42", "");
    let mut turns: Vec<_> = (0..2).map(|_| ask(&server, &without).text().to_owned()).collect();
    turns.sort();
    assert_eq!(turns, ["a", "b"]);
}

// ALB-A-008: group stickiness keeps the client on one group, and target stickiness on one target of it
#[test]
fn group_and_target() {
    let origins = ["a", "b", "c", "d"].map(Origin::new);
    let [a, b, c, d] = &origins;
    let hour = Some(Duration::from_secs(3600));
    let groups = vec![group("red", &[a, b], sticky), group("blue", &[c, d], sticky)];
    let server = setup(groups, forward(&[("red", 1), ("blue", 1)], hour)).start();
    until_healthy(&server, &[a, b, c, d]);
    for _ in 0..6 {
        let first = server.get("/");
        assert_eq!(names(&first), ["AWSALBTG", "AWSALBTGCORS", "AWSALB", "AWSALBCORS"]);
        let mut cookies = cookie_line(&first);
        for _ in 0..6 {
            let response = ask(&server, &cookies);
            assert_eq!(response.text(), first.text());
            cookies = cookie_line(&response);
        }
    }
}
