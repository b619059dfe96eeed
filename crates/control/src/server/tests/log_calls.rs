//! Calls of `logs`.

use super::*;
use observe::{Importance, LogGroupEvent, QueueLimits};
use tokio::io::{AsyncBufReadExt, BufReader};

/// Longer than anything takes on a busy machine.
const BOUND: Duration = Duration::from_secs(20);

fn put(logs: &Logs, group: &str, stream: &str, timestamp_ms: u64, message: &str) {
    let event = LogGroupEvent {
        group,
        stream,
        timestamp_ms,
        message: message.as_bytes(),
    };
    logs.groups.sender().put(&event, Importance::Usual);
}

/// Waits until so many events are in files.
async fn written(logs: &Logs, events: u64) {
    let (monitor, mut changed) = (logs.groups.monitor(), logs.groups.changed());
    let all = async {
        while monitor.written() < events {
            changed.changed().await.unwrap();
        }
    };
    timeout(BOUND, all).await.expect("the events are written");
}

async fn with_logs<T>(limits: Limits, client: impl AsyncFnOnce(SocketAddr, Arc<Logs>) -> T) -> T {
    with_these_logs(Logs::new(), limits, client).await
}

async fn with_these_logs<T>(
    logs: Arc<Logs>,
    limits: Limits,
    client: impl AsyncFnOnce(SocketAddr, Arc<Logs>) -> T,
) -> T {
    let facts = |endpoint| Facts {
        logs: logs.clone(),
        ..Facts::new(true, endpoint)
    };
    with_facts(limits, facts, async |address| client(address, logs.clone()).await).await
}

/// Function and message of each line.
fn shown(body: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        (text(&line["function"]), text(&line["message"]))
    };
    body.lines().map(line).collect()
}

async fn messages(address: SocketAddr, query: &str) -> String {
    let request = format!("GET /_albacore/logs?{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let (status, answer) = talk(address, &request).await;
    assert_eq!(status, 200, "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let messages: Vec<_> = shown(body)
        .into_iter()
        .map(|(function, message)| format!("{function}:{message}"))
        .collect();
    messages.join(" ")
}

const ORDERS: (&str, &str) = ("/aws/lambda/orders", "2026/01/02/[$LATEST]ab");
const USERS: (&str, &str) = ("/shop", "2026/01/02/users[$LATEST]cd");

#[tokio::test]
async fn events_are_found_by_function_group_and_time() {
    with_logs(Limits::default(), async |address, logs| {
        assert_eq!(messages(address, "").await, "");
        put(&logs, ORDERS.0, ORDERS.1, 1000, "a");
        put(&logs, USERS.0, USERS.1, 2000, "b");
        put(&logs, ORDERS.0, ORDERS.1, 3000, "c\nd");
        put(&logs, USERS.0, "2026/01/02/gone[$LATEST]ef", 4000, "e");
        written(&logs, 4).await;
        for (query, expected) in [
            ("", "orders:a users:b orders:c\nd gone:e"),
            ("limit=2", "orders:c\nd gone:e"),
            ("limit=0", ""),
            ("function=orders", "orders:a orders:c\nd"),
            ("function=users", "users:b"),
            ("function=users&since=2001", ""),
            ("group=%2Fshop", "users:b gone:e"),
            ("group=%2Fshop&function=gone", "gone:e"),
            ("since=2000", "users:b orders:c\nd gone:e"),
            ("since=2000&limit=1", "gone:e"),
        ] {
            assert_eq!(messages(address, query).await, expected, "{query}");
        }
        let refusal = async |query: &str| {
            let (status, answer) = get(address, &format!("/_albacore/logs?{query}")).await;
            (status, answer["error"].as_str().unwrap().to_owned())
        };
        assert_eq!(
            refusal("function=order").await,
            (404, "function order does not exist; there are orders, users".to_owned())
        );
        assert_eq!(
            refusal("group=/none").await,
            (
                404,
                "log group /none does not exist; there are /aws/lambda/orders, /shop".to_owned()
            )
        );
        assert_eq!(refusal("follow=yes").await.0, 400);
    })
    .await;
}

/// What a user saw: `albacore logs` after `albacore invoke` missed the last lines.
#[tokio::test]
async fn what_was_written_before_a_query_is_found() {
    // Without being asked, the writer would wait longer than this test.
    let defaults = LogGroupLimits::default();
    let lazy = LogGroupLimits {
        queue: QueueLimits {
            pause: 2 * BOUND,
            ..defaults.queue
        },
        ..defaults
    };
    let all = with_these_logs(Logs::with(lazy), Limits::default(), async |address, logs| {
        put(&logs, ORDERS.0, ORDERS.1, 1, "END");
        assert_eq!(messages(address, "function=orders").await, "orders:END");
        // A group that is as new as its first event.
        put(&logs, "/new", USERS.1, 2, "REPORT");
        assert_eq!(messages(address, "group=/new").await, "users:REPORT");
        put(&logs, ORDERS.0, ORDERS.1, 3, "START");
        let mut follower = Follower::connect(address, "function=orders").await;
        [follower.next().await, follower.next().await].map(Option::unwrap)
    });
    assert_eq!(
        timeout(BOUND, all).await.expect("nobody waits for the pause"),
        ["END", "START"]
    );
}

/// A client that follows.
struct Follower {
    lines: tokio::io::Lines<BufReader<TcpStream>>,
}

impl Follower {
    async fn connect(address: SocketAddr, query: &str) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        // HTTP/1.0 knows no chunks, so that every line of the body is one of ours.
        let request = format!("GET /_albacore/logs?follow=true&{query} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(socket).lines();
        let status = lines.next_line().await.unwrap().unwrap();
        assert!(status.contains(" 200 "), "{status}");
        while lines.next_line().await.unwrap().unwrap() != "" {}
        Self { lines }
    }

    async fn next(&mut self) -> Option<String> {
        let line = timeout(BOUND, self.lines.next_line()).await.expect("a line comes");
        line.unwrap().map(|line| shown(&line).remove(0).1)
    }
}

/// Waits until there is a place for a follower.
async fn place(address: SocketAddr) {
    let asked = async {
        loop {
            let request = "GET /_albacore/logs?follow=true&limit=0 HTTP/1.0\r\nHost: localhost\r\n\r\n";
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut begin = [0; 12];
            socket.read_exact(&mut begin).await.unwrap();
            if begin.ends_with(b"200") {
                return;
            }
        }
    };
    timeout(BOUND, asked).await.expect("a place comes back");
}

#[tokio::test]
async fn followers_get_what_comes_until_the_server_stops() {
    let logs = Logs::new();
    let facts = |endpoint| Facts {
        logs: logs.clone(),
        ..Facts::new(true, endpoint)
    };
    put(&logs, ORDERS.0, ORDERS.1, 1, "before");
    written(&logs, 1).await;
    let followers = with_facts(Limits::default(), facts, async |address| {
        let mut all = Follower::connect(address, "").await;
        let mut users = Follower::connect(address, "function=users&limit=0").await;
        assert_eq!(all.next().await.as_deref(), Some("before"));
        // The group of this one does not exist yet.
        put(&logs, USERS.0, USERS.1, 2, "one");
        for follower in [&mut all, &mut users] {
            assert_eq!(follower.next().await.as_deref(), Some("one"));
        }
        put(&logs, ORDERS.0, ORDERS.1, 3, "two");
        assert_eq!(all.next().await.as_deref(), Some("two"));
        put(&logs, USERS.0, USERS.1, 4, "last");
        written(&logs, 4).await;
        (all, users)
    })
    .await;
    for mut follower in [followers.0, followers.1] {
        assert_eq!(follower.next().await.as_deref(), Some("last"));
        assert_eq!(follower.next().await, None, "it ends with the server");
    }
}

#[tokio::test]
async fn followers_are_bounded_and_their_places_come_back() {
    let limits = Limits {
        followers_max: 1,
        ..Limits::default()
    };
    with_logs(limits, async |address, _| {
        let first = Follower::connect(address, "").await;
        let (status, answer) = get(address, "/_albacore/logs?follow=true").await;
        assert_eq!(status, 429, "{answer}");
        drop(first);
        place(address).await;
    })
    .await;
}

#[tokio::test]
async fn a_follower_that_takes_nothing_is_let_go() {
    let limits = Limits {
        request_timeout: Duration::from_millis(50),
        connection_lifetime: Duration::from_millis(50),
        followers_max: 1,
        ..Limits::default()
    };
    with_logs(limits, async |address, logs| {
        let mut stuck = Follower::connect(address, "").await;
        put(&logs, ORDERS.0, ORDERS.1, 1, "first");
        assert_eq!(stuck.next().await.as_deref(), Some("first"));
        // More than the buffers of two sockets, and then it reads no more.
        let large = "x".repeat(200 * 1024);
        for round in 0..40 {
            put(&logs, ORDERS.0, ORDERS.1, 2, &large);
            written(&logs, round + 2).await;
        }
        place(address).await;
    })
    .await;
}
