//! Asynchronous invocations: kept before they are answered, run until they have an outcome, and there after a kill.

use crate::support::{Connection, Folder, Server, new_folder, until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

/// A function that tells the test what it is given, one line each, and fails when it is told to.
pub(crate) const FUNCTION: &str = r#"#!/usr/bin/env python3
import http.client, json, os, socket
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
host, port = os.environ["COLLECTOR"].split(":")
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = api.getresponse()
    event = json.loads(invocation.read())
    request_id = invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    line = json.dumps({"function": os.environ["AWS_LAMBDA_FUNCTION_NAME"], "event": event, "id": request_id})
    with socket.create_connection((host, int(port))) as collector:
        collector.sendall(line.encode() + b"\n")
    if isinstance(event, dict) and event.get("do") == "wait":
        open(os.environ["GATE"]).read()
    fails = isinstance(event, dict) and event.get("do") == "fail"
    path = "/2018-06-01/runtime/invocation/%s/" % request_id
    body = json.dumps({"errorMessage": "no", "errorType": "Error"} if fails else "done")
    api.request("POST", path + ("error" if fails else "response"), body)
    api.getresponse().read()
"#;

/// What functions were given, in order.
#[derive(Clone, Default)]
pub(crate) struct Collector(Arc<Mutex<Vec<Value>>>);

impl Collector {
    /// Listens until the process ends.
    pub(crate) fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let collector = Self::default();
        let lines = collector.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut line = String::new();
                if BufReader::new(stream).read_line(&mut line).is_ok()
                    && let Ok(line) = serde_json::from_str(&line)
                {
                    lines.0.lock().unwrap().push(line);
                }
            }
        });
        (collector, address)
    }

    pub(crate) fn of(&self, function: &str) -> Vec<Value> {
        let all = self.0.lock().unwrap();
        all.iter()
            .filter(|line| line["function"] == function)
            .cloned()
            .collect()
    }
}

fn folder(collector: SocketAddr) -> Folder {
    let folder = new_folder();
    folder.write_program("function", FUNCTION);
    folder.make_pipe("gate");
    let function = |name: &str, more: &str| {
        format!(
            "  {name}: {{ code: ./function, timeout: 60s, environment: {{ COLLECTOR: '{collector}', GATE: ./gate }}{more} }}\n"
        )
    };
    let work = function(
        "work",
        ", on_success: told, on_failure: failed, maximum_retry_attempts: 0",
    );
    let off = function("closed", ", on_failure: failed, concurrency: 0");
    let manifest = format!(
        "functions:\n{work}{off}{}{}",
        function("told", ""),
        function("failed", "")
    );
    folder.write("albacore.yaml", &manifest);
    folder
}

/// `None` when the server is gone before it has answered.
pub(crate) fn send(endpoint: SocketAddr, function: &str, payload: &str) -> Option<u16> {
    let path = format!("/_albacore/functions/{function}/invocations");
    let headers = [("X-Albacore", "1"), ("X-Amz-Invocation-Type", "Event")];
    let mut connection = Connection::open(endpoint).ok()?;
    let answer = connection.ask("POST", &path, &headers, payload.as_bytes()).ok()?;
    Some(answer.status)
}

pub(crate) fn waiting(server: &Server) -> u64 {
    let line = "albacore_functions_events ";
    let (_, metrics) = crate::support::get(server.endpoint(), "/_albacore/metrics");
    let found = metrics
        .lines()
        .find_map(|it| it.strip_prefix(line))
        .unwrap_or_else(|| panic!("{metrics}"));
    found.trim().parse().unwrap()
}

// LAM-I-001: Event is accepted with 202, DryRun with 204
// LAM-A-004: no retries, one run
#[test]
fn outcomes_are_told_to_other_functions() {
    let (collector, address) = Collector::start();
    let folder = folder(address);
    let server = folder.up(&[]);
    let accepted = folder.run(&["invoke", "work", "--event", "--payload", "{\"n\": 1}"]);
    assert_eq!(accepted.code, Some(0), "{}", accepted.err);
    let id = accepted.out.trim().strip_prefix("accepted as ").unwrap().to_owned();
    let told = until("the success is told", || collector.of("told").pop());
    let record = &told["event"];
    assert_eq!(record["requestContext"]["condition"], "Success");
    assert_eq!(record["requestContext"]["requestId"], id.as_str());
    assert_eq!(
        (&record["requestPayload"], &record["responsePayload"]),
        (&json!({ "n": 1 }), &json!("done"))
    );
    assert_eq!(
        record["responseContext"],
        json!({ "statusCode": 200, "executedVersion": "$LATEST" })
    );
    assert_eq!(collector.of("work")[0]["id"], id.as_str());

    let document = folder.run(&["invoke", "work", "--event", "--json", "--payload", "{\"do\": \"fail\"}"]);
    let document: Value = serde_json::from_str(&document.out).unwrap();
    assert_eq!(document["status"], 202);
    let failed = until("the failure is told", || collector.of("failed").pop());
    let context = &failed["event"]["requestContext"];
    assert_eq!(
        (&context["condition"], &context["approximateInvokeCount"]),
        (&json!("RetriesExhausted"), &json!(1))
    );
    assert_eq!(context["requestId"], document["request_id"]);
    assert_eq!(failed["event"]["responsePayload"]["errorMessage"], "no");

    assert_eq!(send(server.endpoint(), "closed", "[]"), Some(202));
    let closed = until("the switched-off one is told", || {
        collector.of("failed").get(1).cloned()
    });
    assert_eq!(
        closed["event"]["requestContext"]["condition"],
        "ZeroReservedConcurrency"
    );

    let dry = folder.run(&["invoke", "work", "--dry-run"]);
    assert_eq!((dry.code, dry.out.trim()), (Some(0), "it could be run"));
    assert_eq!(folder.run(&["invoke", "nobody", "--event"]).code, Some(2));
    assert_eq!(folder.run(&["invoke", "work", "--event", "--tail"]).code, Some(2));
    until("nothing waits", || (waiting(&server) == 0).then_some(()));
    assert_eq!((collector.of("work").len(), collector.of("closed").len()), (2, 0));
}

/// Sends events until the server is gone, and says which were accepted.
fn send_for_ever(endpoint: SocketAddr, prefix: &str, accepted: &Mutex<Vec<String>>) {
    for number in 0.. {
        let name = format!("{prefix}-{number}");
        match send(endpoint, "work", &format!("\"{name}\"")) {
            Some(202) => accepted.lock().unwrap().push(name),
            Some(status) => panic!("{status}"),
            None => return,
        };
    }
}

/// How often each event was run, by its text.
fn runs(collector: &Collector) -> BTreeMap<String, usize> {
    let mut runs = BTreeMap::new();
    for line in collector.of("work") {
        *runs.entry(line["event"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    runs
}

/// Every event that was answered 202 is run, and none more often than once and once more for each kill that may have come
/// before its end was recorded; each is told of, once its end was.
#[test]
fn what_was_accepted_is_run_whatever_is_killed() {
    const KILLS: usize = 5;
    let (collector, address) = Collector::start();
    let folder = folder(address);
    let accepted = Arc::new(Mutex::new(Vec::new()));
    for kill in 0..KILLS {
        let mut server = folder.up(&[]);
        let endpoint = server.endpoint();
        let clients: Vec<_> = (0..3)
            .map(|client| {
                let accepted = accepted.clone();
                std::thread::spawn(move || send_for_ever(endpoint, &format!("e{kill}-{client}"), &accepted))
            })
            .collect();
        let enough = accepted.lock().unwrap().len() + 10 + 3 * kill;
        until("events are accepted", || {
            (accepted.lock().unwrap().len() >= enough).then_some(())
        });
        server.signal(Signal::KILL);
        assert_eq!(server.exit_code(), None);
        clients.into_iter().for_each(|client| client.join().unwrap());
    }
    let server = folder.up(&[]);
    until("nothing waits", || (waiting(&server) == 0).then_some(()));
    let accepted = accepted.lock().unwrap();
    let told = collector.of("told");
    let runs = runs(&collector);
    for name in &*accepted {
        let times = runs.get(name).copied().unwrap_or_default();
        assert!((1..=1 + KILLS).contains(&times), "{name} was run {times} times");
        let of = told
            .iter()
            .filter(|line| line["event"]["requestPayload"] == name.as_str());
        assert!(of.count() >= 1, "{name} is not told of");
    }
    // What each client did not hear of any more may have been accepted too.
    assert!(
        runs.len() <= accepted.len() + 3 * KILLS,
        "{} of {}",
        runs.len(),
        accepted.len()
    );
}

/// What runs when a server is replaced finishes there, or is run again by the next one.
#[test]
fn the_next_process_goes_on_with_what_waits() {
    let (collector, address) = Collector::start();
    let folder = folder(address);
    let mut old = folder.up(&["--drain", "1s"]);
    assert_eq!(send(old.endpoint(), "work", "{\"do\": \"wait\"}"), Some(202));
    until("it runs", || collector.of("work").pop());
    let new = folder.up(&["--takeover"]);
    let again = until("it runs again", || collector.of("work").get(1).cloned());
    assert_eq!(again["id"], collector.of("work")[0]["id"], "the same event");
    assert_eq!(waiting(&new), 1);
    crate::support::open_gate(&folder);
    until("its end is told", || collector.of("told").pop());
    until("nothing waits", || (waiting(&new) == 0).then_some(()));
    assert_eq!(old.exit_code(), Some(0));
    assert_eq!(send(new.endpoint(), "work", "1"), Some(202));
    until("the new one accepts", || collector.of("work").get(2).cloned());
}

/// A stop lets run what runs, for as long as connections may take.
#[test]
fn a_stop_lets_what_runs_finish() {
    let (collector, address) = Collector::start();
    let folder = folder(address);
    let mut server = folder.up(&["--drain", "30s"]);
    assert_eq!(send(server.endpoint(), "work", "{\"do\": \"wait\"}"), Some(202));
    until("it runs", || collector.of("work").pop());
    server.signal(Signal::TERM);
    server.notice("stopping");
    crate::support::open_gate(&folder);
    assert_eq!(server.exit_code(), Some(0));
    let next = folder.up(&[]);
    until("its end is told", || collector.of("told").pop());
    until("nothing waits", || (waiting(&next) == 0).then_some(()));
    assert_eq!(collector.of("work").len(), 1, "its end was recorded");
}
