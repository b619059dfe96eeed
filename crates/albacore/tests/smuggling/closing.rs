//! Which request is the last on its connection to the target. Source: ALB 4.9.

use crate::client::{Client, Got};
use crate::judge::{self, number};
use crate::recorder::Connection;
use crate::world::{Kind, Lane, World};
use testkit::until;

/// What becomes of the connection to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It carries the next request.
    GoesOn,
    /// It is closed, at once.
    Ends,
    /// The request does not get there.
    Blocked,
}
use Fate::{Blocked, Ends, GoesOn};

/// Requests, and their fates in `monitor` and `defensive` mode.
const CASES: &[(&str, Fate, Fate)] = &[
    // Compliant.
    ("GET /case/###### HTTP/1.1\r\nHost: localhost\r\n\r\n", GoesOn, GoesOn),
    (
        "POST /case/###### HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
        GoesOn,
        GoesOn,
    ),
    (
        "POST /case/###### HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        GoesOn,
        GoesOn,
    ),
    // Acceptable.
    (
        "GET /case/###### HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        Ends,
        GoesOn,
    ),
    ("GET /case/######/x y HTTP/1.1\r\nHost: localhost\r\n\r\n", Ends, GoesOn),
    ("GET /case/###### HTTP/1.2\r\nHost: localhost\r\n\r\n", Ends, GoesOn),
    (
        "GET /case/###### HTTP/1.1\r\nHost: localhost\r\nX: \u{1}\r\n\r\n",
        Ends,
        GoesOn,
    ),
    (
        "GET /case/###### HTTP/1.1\r\nHost: localhost\r\nX Y: z\r\n\r\n",
        Ends,
        GoesOn,
    ),
    ("GET /case/###### HTTP/1.1\nHost: localhost\r\n\r\n", Ends, GoesOn),
    // Ambiguous.
    (
        "GET /case/###### HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
        Ends,
        Ends,
    ),
    (
        "POST /case/###### HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        Ends,
        Ends,
    ),
    (
        "POST /case/###### HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\n",
        Ends,
        Ends,
    ),
    (
        "POST /case/###### HTTP/1.1\r\nHost: localhost\r\nTransfer_Encoding: chunked\r\n\r\n",
        Ends,
        Ends,
    ),
    (
        "GET /case/###### HTTP/1.1\r\nHost: localhost\r\nX: y\r\n folded\r\n\r\n",
        Ends,
        Ends,
    ),
    ("GET /case/######\tx HTTP/1.1\r\nHost: localhost\r\n\r\n", Ends, Ends),
    // Severe.
    (
        "POST /case/###### HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\nhello",
        Ends,
        Blocked,
    ),
    (
        "GET /case/###### HTTP/1.1\r\nHost: localhost\r\nX: y\0\r\n\r\n",
        Ends,
        Blocked,
    ),
    ("G@T /case/###### HTTP/1.1\r\nHost: localhost\r\n\r\n", Ends, Blocked),
];

/// The connection that has carried a request for this path; `None` while there is none.
fn carrier(connections: &[Connection], path: &str) -> Option<Connection> {
    let carries = |connection: &&Connection| connection.requests.iter().any(|it| it.target.starts_with(path));
    connections.iter().find(carries).cloned()
}

/// Another request of the client's, with an answer of its own.
fn ask(client: &mut Client, path: &str) {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    let expected = Got::Answer(200, format!("GET {path}"), true);
    assert_eq!(client.answer(), expected);
}

/// A request before the case, the case, and a request after it: all of one client, so all on one core.
fn fate(lane: &Lane, index: usize, request: &str) -> Fate {
    let Kind::Recorder(recorder) = &lane.kind else {
        panic!("{} shows no connections", lane.stack)
    };
    let number = number(lane, index);
    let [before, case, after] = ["probe", "case", "after"].map(|kind| format!("/{kind}/{number}"));
    let mut client = Client::open(lane.clear);
    ask(&mut client, &before);
    let bytes: Vec<u8> = request.chars().map(|it| it as u8).collect();
    client.send(&judge::numbered(&bytes, &number));
    let got = client.answer();
    let goes_on = matches!(got, Got::Answer(_, _, true));
    match got {
        Got::Answer(200, _, true) => ask(&mut client, &after),
        Got::Answer(200, _, false) => {
            assert_eq!(client.answer(), Got::End);
            client = Client::open(lane.clear);
            ask(&mut client, &after);
        }
        got => {
            assert!(matches!(got, Got::Answer(400, _, false)), "{got:?}: {request:?}");
            assert!(carrier(&recorder.connections(), &case).is_none(), "{request:?}");
            return Blocked;
        }
    }
    let connections = recorder.connections();
    let carried = carrier(&connections, &case).unwrap_or_else(|| panic!("nobody saw {request:?}"));
    let its: Vec<_> = carried.requests.iter().map(|it| it.target.as_str()).collect();
    let at = its.iter().position(|target| target.starts_with(&case)).unwrap();
    assert_eq!(
        its[at - 1],
        before,
        "nothing was on its connection before it, so it proves nothing: {request:?}"
    );
    match its.get(at + 1) {
        Some(next) => {
            assert!(*next == after && goes_on, "{request:?}");
            GoesOn
        }
        None => {
            // The client may go on in `monitor` mode alone.
            assert!(!goes_on || lane.mode == "monitor", "{request:?}");
            let is_closed = || carrier(&recorder.connections(), &case).filter(|carried| carried.is_closed);
            until("its connection is closed", is_closed);
            Ends
        }
    }
}

// ALB-D-001: in defensive an ambiguous request is forwarded, and both connections close
// ALB-D-016: monitor forwards what is severe, and closes the connection that carried it
#[test]
fn a_suspicious_request_is_the_last_on_its_connection() {
    // Nothing is closed because it was idle.
    let world = World::start(&[("monitor", &["recorder"]), ("defensive", &["recorder"])], 300);
    for lane in &world.lanes {
        for (index, (request, in_monitor, in_defensive)) in CASES.iter().enumerate() {
            let expected = match lane.mode {
                "monitor" => in_monitor,
                _ => in_defensive,
            };
            assert_eq!(fate(lane, index, request), *expected, "{}: {request:?}", lane.mode);
        }
    }
}
