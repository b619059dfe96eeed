//! What breaks while the server runs: functions, disks, clients, the spawner. Traffic goes on.

use crate::support::*;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;

/// The records of the requests so far, the newest first, as the own API shows them.
fn requests(server: &Server) -> Vec<Value> {
    let (_, answer) = server.own_api("requests");
    answer["requests"].as_array().unwrap().clone()
}

#[track_caller]
fn last_error(server: &Server, status: &str) -> String {
    let last = requests(server)[0].clone();
    assert_eq!(last["elb_status_code"], status, "{last}");
    last["error_reason"].as_str().unwrap().to_owned()
}

// ALB-L-061: the standard 502 page
#[test]
fn a_killed_function_is_a_502_and_the_next_request_works() {
    let folder = with_manifest("a", "");
    folder.make_pipe("gate");
    let mut server = folder.up(&[]);
    let slow = send(
        server.socket(8080),
        "GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    let function = function_of(&server.log_line("waiting"));
    function.kill();
    let (status, page) = receive(slow);
    assert_eq!((status, page.len(), page.lines().count()), (502, 122, 6), "{page}");
    assert_eq!(last_error(&server, "502"), "LambdaUnhandled");
    assert_eq!(worker(&server).0, "a");
}

// ALB-L-040: an answer that is no object. ALB-L-054: one above 1 MB. ALB-L-056: a function over its time
#[test]
fn a_function_that_misbehaves_harms_itself_alone() {
    let more = "  hasty:\n    code: ./function\n    timeout: 1s\n    environment: { GATE: ./gate }\n";
    let manifest = manifest(
        "a",
        "        rules:\n          - { priority: 1, path: /slow, forward: hasty }\n",
    )
    .replace(
        "target_groups:\n",
        &format!("{more}target_groups:\n  hasty: {{ function: hasty }}\n"),
    )
    .replace(
        "- { port: 8080, protocol: http, default: { forward: worker } }",
        "- port: 8080\n        default: { forward: worker }",
    );
    let folder = new_folder();
    folder.write("albacore.yaml", &manifest);
    folder.make_pipe("gate");
    let server = folder.up(&[]);
    let before = worker(&server);
    for (path, reason) in [
        ("/garbage", "LambdaInvalidResponse"),
        ("/huge", "LambdaResponseTooLarge"),
        ("/slow", "LambdaUnhandled"),
    ] {
        let (status, body) = get(server.socket(8080), path);
        assert_eq!(
            (status, body.contains("502 Bad Gateway")),
            (502, true),
            "{path}: {body}"
        );
        assert_eq!(last_error(&server, "502"), reason, "{path}");
        // Else the next request may come before the environment has asked for it, and get another one.
        until("no function is busy", || {
            let (_, status) = server.own_api("status");
            let functions = status["functions"].as_array()?;
            functions.iter().all(|function| function["busy"] == 0).then_some(())
        });
    }
    assert_eq!(worker(&server), before, "the same environment serves on");
}

// ALB-H-038: clients that leave early are logged as 460
#[test]
fn a_client_that_leaves_does_not_stop_its_function() {
    let folder = with_manifest("a", "");
    folder.make_pipe("gate");
    let mut server = folder.up(&[]);
    let slow = send(server.socket(8080), "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    server.log_line("waiting");
    drop(slow);
    let gone = until("the request is logged as 460", || {
        requests(&server)
            .into_iter()
            .find(|request| request["elb_status_code"] == "460")
    });
    assert!(gone["request"].as_str().unwrap().contains("/slow"), "{gone}");
    open_gate(&folder);
    server.log_line("done");
    assert_eq!(worker(&server).0, "a");
    let (_, status) = server.own_api("status");
    let function = &status["functions"][0];
    assert_eq!(
        (&function["invocations"], &function["errors"]),
        (&2.into(), &0.into()),
        "{status}"
    );
}

/// One load balancer whose listener answers `/fixed` itself.
fn with_fixed_response() -> Folder {
    let folder = with_manifest(
        "a",
        "        rules:\n          - { priority: 1, path: /fixed, fixed_response: { status: 200, body: here } }\n",
    );
    let text = std::fs::read_to_string(folder.path("albacore.yaml")).unwrap();
    let block = "- port: 8080\n        default: { forward: worker }";
    folder.write(
        "albacore.yaml",
        &text.replace("- { port: 8080, protocol: http, default: { forward: worker } }", block),
    );
    folder
}

#[test]
fn a_killed_spawner_costs_what_runs_and_is_started_again() {
    let folder = with_fixed_response();
    folder.make_pipe("gate");
    let mut server = folder.up(&[]);
    let slow = send(
        server.socket(8080),
        "GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    let function = function_of(&server.log_line("waiting"));
    let [spawner] = children(server.pid())[..] else {
        panic!("the server has one child")
    };
    Process::of(spawner).kill();
    assert_eq!(receive(slow).0, 502);
    function.ended();
    server.logged("the spawner process has ended, and all functions with it; another one is started");
    // The next request waits for the next spawner.
    assert_eq!(get(server.socket(8080), "/").0, 200);
    assert_eq!(server.own_api("ready").0, 200);
    assert_eq!(get(server.socket(8080), "/fixed"), (200, "here".to_owned()));
    let [next] = children(server.pid())[..] else {
        panic!("the server has one child again")
    };
    assert_ne!(next, spawner);
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_full_disk_costs_log_lines_and_no_answer() {
    let folder = with_fixed_response();
    let mut server = folder.up(&["--access-log", "/dev/full"]);
    let mut connection = Connection::open(server.socket(8080)).unwrap();
    for number in 0..100 {
        let answer = connection.get("/fixed").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "here"), "request {number}");
    }
    let lost = "albacore_access_log_lines_lost_total{reason=\"not_written\"}";
    until("every line is counted as lost", || {
        server.metric(lost).filter(|lost| *lost == 100.0)
    });
    assert_eq!(server.metric("albacore_access_log_lines_total"), Some(0.0));
    let failing = server.logged("the access log cannot be written");
    assert_eq!(
        (&failing["level"], failing["error"].as_str().unwrap().contains("space")),
        (&"ERROR".into(), true),
        "{failing}"
    );
    let (_, status) = server.own_api("status");
    assert_eq!(status["access_log"]["lines_lost"], 100, "{status}");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_stop_answers_a_hundred_running_requests() {
    let folder = new_folder();
    folder.write(
        "albacore.yaml",
        &manifest("a", "").replace("timeout: 60s", "timeout: 60s\n    concurrency: 8"),
    );
    folder.make_pipe("gate");
    let mut server = folder.up(&[]);
    let listener = server.socket(8080);
    let request = "GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let running: Vec<_> = (0..100).map(|_| send(listener, request)).collect();
    // Eight run, the others wait for one of them.
    for _ in 0..8 {
        server.log_line("waiting");
    }
    until("all connections were accepted", || {
        (server.own_api("status").1["connections"] == 100).then_some(())
    });
    // The traffic thread answers this after it has looked at each of them.
    requests(&server);
    server.signal(Signal::TERM);
    server.notice("stopping");
    open_gate(&folder);
    let mut answers = BTreeMap::new();
    for connection in running {
        *answers.entry(receive(connection).0).or_insert(0) += 1;
    }
    assert_eq!(answers, BTreeMap::from([(200, 100)]));
    assert_eq!(server.exit_code(), Some(0));
    let log = std::fs::read_to_string(folder.path(".albacore/access.log")).unwrap();
    assert_eq!(log.lines().count(), 100);
}
