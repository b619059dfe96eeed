//! What everything is judged by: what targets have seen, what the load balancer has seen, what clients got.

use crate::client::{Client, Got};
use crate::targets::Seen;
use crate::world::{Kind, Lane};
use std::collections::BTreeMap;

/// The number of a case before a target: six digits.
pub(crate) fn number(lane: &Lane, index: usize) -> String {
    format!("{:02}{index:04}", lane.number)
}

/// These bytes with the number in the place of `######`.
pub(crate) fn numbered(bytes: &[u8], number: &str) -> Vec<u8> {
    assert_eq!(number.len(), 6);
    let mut bytes = bytes.to_vec();
    while let Some(at) = bytes.windows(6).position(|window| window == b"######") {
        bytes[at..at + 6].copy_from_slice(number.as_bytes());
    }
    bytes
}

/// Somebody asks for something of his own, and gets it; `false` when the machine was too busy for that.
pub(crate) fn probe(lane: &Lane, index: usize) -> Result<bool, String> {
    let path = format!("/probe/{}", number(lane, index));
    let mut client = Client::open(lane.clear);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    match client.answer() {
        Got::Answer(200, body, true) if body == format!("GET {path}") => Ok(true),
        Got::Answer(504, ..) => Ok(false),
        got => Err(format!("somebody asked for {path} and got {got:?}")),
    }
}

/// Which request a target or a line of the log is about: its kind, and the number of its case.
pub(crate) fn about(text: &str) -> Option<(String, usize)> {
    let words = text.split('/').collect::<Vec<_>>();
    words.windows(2).find_map(|pair| {
        let kind = KINDS.into_iter().find(|kind| pair[0] == *kind)?;
        let number = pair[1].get(..6)?.parse().ok()?;
        Some((kind.to_owned(), number))
    })
}

/// The first words of paths.
const KINDS: [&str; 5] = ["case", "evil", "next", "after", "probe"];

/// How often the load balancer has seen a request, and its class.
pub(crate) type Logged = BTreeMap<(String, usize), (usize, String)>;

const CLASSES: [&str; 4] = ["-", "Acceptable", "Ambiguous", "Severe"];

/// Reads the access log.
pub(crate) fn logged(log: &str) -> Logged {
    let mut requests = Logged::new();
    for line in log.lines() {
        let quoted: Vec<_> = line.split('"').collect();
        let request = quoted.get(1).copied().unwrap_or_default();
        // Behind it stand the reason, and what transforms made of the request.
        let class = quoted.iter().rev().nth(9).copied().unwrap_or_default();
        assert!(CLASSES.contains(&class), "{class:?} in {line}");
        if let Some(key) = about(request) {
            let entry = requests.entry(key).or_default();
            entry.0 += 1;
            if entry.1.is_empty() || class != "-" {
                class.clone_into(&mut entry.1);
            }
        }
    }
    requests
}

/// What the target has seen, by number: nothing that is hidden, and nothing that the load balancer has not seen. `is_open`
/// says of which cases the hidden request may be seen, and `show` shows a case.
pub(crate) fn counts(
    lane: &Lane,
    logged: &Logged,
    is_open: impl Fn(usize) -> bool,
    show: impl Fn(usize) -> String,
) -> Vec<String> {
    let mut counts: BTreeMap<(String, usize), usize> = BTreeMap::new();
    let seen = lane.seen();
    for Seen { target, .. } in &seen {
        if let Some((kind, number)) = about(target).filter(|(_, number)| number / 10_000 == lane.number) {
            *counts.entry((kind, number)).or_default() += 1;
        }
    }
    let mut problems = Vec::new();
    for ((kind, number), count) in counts {
        let index = number % 10_000;
        let most = logged.get(&(kind.clone(), number)).map_or(0, |(times, _)| *times);
        if count > most || (kind == "evil" && !is_open(index)) {
            let shown: String = show(index).chars().take(400).collect();
            problems.push(format!(
                "{} before {}: the target saw {kind} {number} {count} times, and {most} stand in the log: {shown}",
                lane.mode, lane.stack
            ));
        }
    }
    problems
}

/// Every request on the wire can be read in one way alone, and one that was not compliant is the last on its connection.
pub(crate) fn recorder(lane: &Lane, logged: &Logged) -> Vec<String> {
    let mut problems = Vec::new();
    let Kind::Recorder(recorder) = &lane.kind else {
        return problems;
    };
    for connection in recorder.connections() {
        if !connection.rest.is_empty() {
            let rest = String::from_utf8_lossy(&connection.rest);
            problems.push(format!("half a head: {rest:?}"));
        }
        let all: Vec<_> = connection.requests.iter().chain(&connection.unfinished).collect();
        for (at, request) in all.iter().enumerate() {
            let oddities = request.oddities.iter().filter(|_| lane.mode == "strictest");
            for problem in request.problems.iter().chain(oddities) {
                problems.push(format!("{} {}: {problem}", request.method, request.target));
            }
            // No header of the client's has these dropped or made others. Source: ALB 4.6.
            let forwarded = request.values("x-forwarded-for");
            let is_ours = matches!(forwarded[..], [all] if all.rsplit(", ").next() == Some("127.0.0.1"));
            let single = |name: &str| request.values(name).len() == 1;
            if !is_ours || !single("x-forwarded-proto") || !single("x-forwarded-port") || !single("x-amzn-trace-id") {
                problems.push(format!("{} {} has lost a line of ours", request.method, request.target));
            }
            let class = about(&request.target)
                .and_then(|key| logged.get(&key))
                .map_or("-", |(_, class)| class);
            let ends = match lane.mode {
                "monitor" => class != "-",
                _ => class == "Ambiguous",
            };
            if ends && at + 1 < all.len() {
                problems.push(format!(
                    "{} {} is {class}, and is not the last on its connection",
                    request.method, request.target
                ));
            }
        }
    }
    problems
        .iter()
        .map(|problem| format!("{} before {}: {problem}", lane.mode, lane.stack))
        .collect()
}
