//! Whoever should read our output does not: traffic goes on.

use crate::support::*;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

const CHATTER: &str = r#"#!/usr/bin/env python3
import http.client, os, sys
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = api.getresponse()
    invocation.read()
    for _ in range(100):
        sys.stdout.write("x" * 100_000 + "\n")
    sys.stdout.flush()
    path = "/2018-06-01/runtime/invocation/%s/response" % invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    api.request("POST", path, "null")
    api.getresponse().read()
"#;

#[test]
fn a_stuck_standard_output_costs_lines_and_no_answer() {
    let folder = new_folder();
    folder.write_program("chatter", CHATTER);
    folder.write(
        "albacore.yaml",
        "functions:\n  chatter: { code: ./chatter, timeout: 60s }\n",
    );
    folder.make_pipe("stuck");
    // Open for both, so that nobody waits; nothing is ever read.
    let _stuck = File::options()
        .read(true)
        .write(true)
        .open(folder.path("stuck"))
        .unwrap();
    let command = "exec \"$0\" up --json --endpoint 127.0.0.1:0 --cores 1 > stuck";
    let mut shell = Command::new("sh");
    shell.args(["-c", command, env!("CARGO_BIN_EXE_albacore")]);
    let mut server = Server::start(shell.current_dir(folder.path("")));
    for _ in 0..3 {
        folder.run(&["invoke", "chatter"]).expect(0, "null", "");
    }
    let lost = "albacore_functions_log_lines_lost_total";
    until("lines are counted as lost", || {
        server.metric(lost).filter(|lost| *lost > 0.0)
    });
    // The log group has what the terminal has not.
    until("the log group is written", || {
        server
            .metric("albacore_log_groups_events_total")
            .filter(|written| *written >= 100.0)
    });
    // A stop waits for the reader, and not for ever.
    server.signal(Signal::TERM);
    server.logged("lines of functions were not written, because standard output was too slow");
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_stuck_standard_error_costs_lines_and_no_answer() {
    let folder = new_folder();
    let manifest = "load_balancers:\n  shop:\n    listeners:\n      \
                    - { port: 8080, default: { fixed_response: { status: 200, body: here } } }\n";
    folder.write("albacore.yaml", manifest);
    let args = [
        "up",
        "--json",
        "--log",
        "debug",
        "--endpoint",
        "127.0.0.1:0",
        "--publish",
        "8080:0",
        "--cores",
        "1",
    ];
    let mut child = folder.albacore(&args).stderr(Stdio::piped()).spawn().unwrap();
    let process = Process::of(Pid::from_child(&child));
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // Reads until it is ready, and then no more.
    let ready = lines.by_ref().find_map(|line| {
        let told: Value = serde_json::from_str(&line.unwrap()).unwrap();
        (told["event"] == "ready").then_some(told)
    });
    let endpoint: SocketAddr = ready.unwrap()["endpoint"].as_str().unwrap().parse().unwrap();
    let (_, status) = get(endpoint, "/_albacore/status");
    let status: Value = serde_json::from_str(&status).unwrap();
    let listener = status["listeners"][0]["socket"].as_str().unwrap().parse().unwrap();
    let mut connection = Connection::open(listener).unwrap();
    let is_lost = |metrics: &str| {
        let lost = metrics
            .lines()
            .find_map(|line| line.strip_prefix("albacore_telemetry_lines_lost_total "));
        lost.is_some_and(|lost| lost != "0")
    };
    until("lines are counted as lost", || {
        for _ in 0..200 {
            let answer = connection.get("/").unwrap();
            assert_eq!((answer.status, answer.body.as_str()), (200, "here"));
        }
        is_lost(&get(endpoint, "/_albacore/metrics").1).then_some(())
    });
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    process.ended();
    child.wait().unwrap();
    drop(lines);
    assert!(fs::metadata(folder.path(".albacore/lock")).is_ok());
}
