//! `albacore invoke`, and the call of the own API behind it.

use crate::support::*;
use rustix::process::Signal;
use serde_json::json;
use std::fs;
use std::process::{Command, Stdio};

/// A function that does what its event says, and answers with its event and its client context.
const TOOL: &str = r#"#!/usr/bin/env python3
import http.client, json, os, sys
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = api.getresponse()
    payload = invocation.read().decode()
    event = json.loads(payload)
    print("got", payload, flush=True)
    wish = event.get("do") if isinstance(event, dict) else None
    if wish == "exit":
        sys.exit(3)
    if wish == "wait":
        open(os.environ["GATE"]).read()
        print("done", flush=True)
    if wish == "hang":
        open(os.environ["NEVER"]).read()
    path = "/2018-06-01/runtime/invocation/%s/" % invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    if wish == "fail":
        error = {"errorMessage": "no such order", "errorType": "OrderError", "requestId": "x", "stackTrace": []}
        api.request("POST", path + "error", json.dumps(error))
    else:
        answer = {"event": event, "context": invocation.headers.get("Lambda-Runtime-Client-Context")}
        api.request("POST", path + "response", json.dumps(answer))
    api.getresponse().read()
"#;

const MANIFEST: &str = "\
functions:
  tool:
    code: ./tool
    timeout: 60s
    environment: { GATE: ./gate, NEVER: ./never }
  hasty:
    code: ./tool
    timeout: 1s
    environment: { NEVER: ./never }
  closed:
    code: ./tool
    concurrency: 0
";

fn folder() -> Folder {
    let folder = new_folder();
    folder.write_program("tool", TOOL);
    folder.write("albacore.yaml", MANIFEST);
    folder.make_pipe("gate");
    folder.make_pipe("never");
    folder
}

/// Runs a shell command with albacore as `$0`.
fn shell(folder: &Folder, command: &str) -> Finished {
    let mut shell = Command::new("sh");
    shell.args(["-c", command, env!("CARGO_BIN_EXE_albacore")]);
    run(shell.current_dir(folder.path("")).env_remove("ALBACORE_DATA_DIR"))
}

#[test]
fn a_payload_comes_from_a_flag_a_file_or_standard_input() {
    let folder = folder();
    let _server = folder.up(&[]);
    folder.write("event.json", " {\"n\": 1}\n");
    for (args, event) in [
        (vec![], json!({})),
        (vec!["--payload", "{\"n\": 1}"], json!({ "n": 1 })),
        (vec!["-p", "\"\u{fc}\""], json!("\u{fc}")),
        (vec!["-p", "null"], json!(null)),
        (vec!["--payload-file", "event.json"], json!({ "n": 1 })),
    ] {
        let finished = folder.run(&[&["invoke", "tool"], args.as_slice()].concat());
        assert_eq!((finished.code, finished.err.as_str()), (Some(0), ""), "{finished:?}");
        assert_eq!(finished.json(), json!({ "event": event, "context": null }));
    }
    for flags in ["--payload-file -", "-p -"] {
        let finished = shell(&folder, &format!("\"$0\" invoke tool {flags} < event.json"));
        assert_eq!(finished.json()["event"], json!({ "n": 1 }), "{flags}");
    }
    let context = folder.run(&["invoke", "tool", "--client-context", "{\"custom\":{\"a\":1}}"]);
    assert_eq!(context.json()["context"], "{\"custom\":{\"a\":1}}");
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:tool:$LATEST";
    folder
        .run(&["invoke", arn, "--json"])
        .expect(0, "\"payload\":{\"event\": {}", "");
}

// LAM-G-014: the log tail starts at START in Text mode when it fits, and includes REPORT
#[test]
fn the_log_tail_is_this_invocations() {
    let folder = folder();
    let _server = folder.up(&[]);
    folder.run(&["invoke", "tool", "-p", "1"]).expect_success();
    let finished = folder.run(&["invoke", "tool", "--tail", "-p", "2"]);
    assert_eq!(finished.json()["event"], 2);
    let lines: Vec<_> = finished.err.lines().collect();
    let begins: Vec<_> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(
        (begins, lines[1]),
        (vec!["START", "got", "END", "REPORT"], "got 2"),
        "{finished:?}"
    );
    let document = folder.run(&["invoke", "tool", "--tail", "--json"]).json();
    let (id, tail) = (
        document["request_id"].as_str().unwrap(),
        document["log_tail"].as_str().unwrap(),
    );
    assert!(
        tail.starts_with(&format!("START RequestId: {id} Version: $LATEST\n")),
        "{document}"
    );
    assert_eq!(
        (&document["function_error"], &document["executed_version"]),
        (&json!(null), &json!("$LATEST"))
    );
}

// LAM-I-010: a timeout is Sandbox.Timedout with the configured timeout
#[test]
fn a_function_that_fails_is_exit_status_1() {
    let folder = folder();
    let _server = folder.up(&[]);
    let failed = folder.run(&["invoke", "tool", "-p", "{\"do\":\"fail\"}"]);
    failed.expect(1, "\"errorType\": \"OrderError\"", "");
    assert_eq!(
        failed.err,
        "albacore: function tool failed: OrderError: no such order\n"
    );
    folder.run(&["invoke", "tool", "-p", "{\"do\":\"exit\"}"]).expect(
        1,
        "\"errorType\":\"Runtime.ExitError\"",
        "Runtime exited with error: exit status 3",
    );
    let timed_out = folder.run(&["invoke", "hasty", "-p", "{\"do\":\"hang\"}", "--json"]);
    let document = timed_out.json();
    let id = document["request_id"].as_str().unwrap();
    assert_eq!(
        (timed_out.code, &document["function_error"], &document["payload"]),
        (
            Some(1),
            &json!("Unhandled"),
            &json!({
                "errorType": "Sandbox.Timedout",
                "errorMessage": format!("RequestId: {id} Error: Task timed out after 1.00 seconds"),
            })
        )
    );
    folder.run(&["invoke", "tool"]).expect_success();
}

// LAM-N-005: reserved concurrency 0 throttles
#[test]
fn what_was_not_run_is_exit_status_2() {
    let folder = folder();
    folder.run(&["invoke", "tool"]).expect(
        2,
        "",
        "no albacore is running on .albacore; start one with `albacore up`",
    );
    // Found before anything is asked.
    folder.write("bad.json", "{\n  \"a\": nope\n}\n");
    for (args, error) in [
        (
            ["-p", "{'a': 1}"],
            "--payload is no JSON document: key must be a string at line 1 column 2",
        ),
        (
            ["--payload-file", "bad.json"],
            "bad.json is no JSON document: expected ident at line 2 column 9",
        ),
        (["--payload-file", "missing"], "cannot open missing"),
        (["--client-context", "[]"], "--client-context is no JSON object"),
        (["--payload-file", "/dev/zero"], "/dev/zero is over 6291456 bytes"),
    ] {
        folder
            .run(&[&["invoke", "tool"], &args[..]].concat())
            .expect(2, "", error);
    }
    let server = folder.up(&[]);
    folder.run(&["invoke", "tol"]).expect(
        2,
        "",
        "ResourceNotFoundException: Function not found: arn:aws:lambda:us-east-1:000000000000:function:tol:$LATEST; \
         there are closed, hasty, tool",
    );
    folder.run(&["invoke", "closed"]).expect(
        2,
        "",
        "TooManyRequestsException: Rate Exceeded. ReservedFunctionConcurrentInvocationLimitExceeded",
    );
    folder.run(&["invoke"]).expect(2, "", "Usage");
    let (_, status) = server.own_api("status");
    assert!(
        status["functions"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["invocations"] == 0),
        "{status}"
    );
}

#[test]
fn a_client_that_leaves_does_not_stop_the_function() {
    let folder = folder();
    let mut server = folder.up(&[]);
    let mut client = folder
        .albacore(&["invoke", "tool", "-p", "{\"do\":\"wait\"}"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    server.log_line("got");
    client.kill().unwrap();
    client.wait().unwrap();
    // Opening the pipe for writing waits for the function, which reads until it is closed.
    drop(fs::OpenOptions::new().write(true).open(folder.path("gate")).unwrap());
    server.log_line("done");
    server.log_line("END RequestId");
    folder.run(&["invoke", "tool"]).expect_success();
}

#[test]
fn a_stop_ends_an_invocation_and_its_caller_is_told() {
    let folder = folder();
    let mut server = folder.up(&["--drain", "1s"]);
    let caller = folder
        .albacore(&["invoke", "tool", "-p", "{\"do\":\"hang\"}"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    server.log_line("got");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    let finished = caller.wait_with_output().unwrap();
    let error = String::from_utf8(finished.stderr).unwrap();
    assert_eq!(finished.status.code(), Some(2), "{error}");
    assert!(error.contains("ServiceException"), "{error}");
}

// LAM-I-007: a payload over 6291456 bytes is 413
#[test]
fn six_megabytes_go_in_and_out() {
    let folder = folder();
    let _server = folder.up(&[]);
    // The answer repeats the event with some bytes around it.
    fs::write(folder.path("large.json"), format!("\"{}\"", "x".repeat(6_291_400))).unwrap();
    let finished = folder.run(&["invoke", "tool", "--payload-file", "large.json"]);
    assert_eq!(finished.json()["event"].as_str().unwrap().len(), 6_291_400);
    fs::write(folder.path("large.json"), format!("\"{}\"", "x".repeat(6_291_455))).unwrap();
    folder.run(&["invoke", "tool", "--payload-file", "large.json"]).expect(
        2,
        "",
        "large.json is over 6291456 bytes, the limit of an invocation",
    );
}

#[test]
fn with_an_access_key_only_readers_of_the_data_folder_run_functions() {
    let folder = folder();
    let mut server = folder.up(&[
        "--access-key",
        "AKIAIOSFODNN7EXAMPLE",
        "--secret-key",
        "a/secret/of/mine",
    ]);
    let endpoint = server.endpoint();
    folder.run(&["invoke", "tool"]).expect(0, "\"event\": {}", "");
    folder.run(&["logs", "tool"]).expect(0, "got {}", "");
    // The same server, named by its address.
    let named = endpoint.to_string();
    folder
        .run(&["invoke", "tool", "--endpoint", &named])
        .expect(0, "\"event\": {}", "");
    folder
        .run(&["invoke", "tool", "--endpoint", &named, "--data-dir", "another"])
        .expect(2, "", "needs the token of the running server");
    let strange = |method: &str, path: &str| {
        let mut connection = Connection::open(endpoint).unwrap();
        let headers = [("X-Albacore", "1"), ("Connection", "close")];
        connection.ask(method, path, &headers, b"{}").unwrap().status
    };
    assert_eq!(strange("POST", "/_albacore/functions/tool/invocations"), 403);
    for (path, status) in [("logs", 403), ("requests", 403), ("health", 200), ("status", 200)] {
        assert_eq!(strange("GET", &format!("/_albacore/{path}")), status, "{path}");
    }
    // What was shown to a server that has ended is worth nothing to the next one.
    let told = fs::read_to_string(folder.path(".albacore/endpoint")).unwrap();
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    let server = folder.up(&[
        "--access-key",
        "AKIAIOSFODNN7EXAMPLE",
        "--secret-key",
        "a/secret/of/mine",
    ]);
    let mut connection = Connection::open(server.endpoint()).unwrap();
    let token = told.lines().nth(2).unwrap();
    let answer = connection
        .ask("GET", "/_albacore/logs", &[("X-Albacore", token)], b"")
        .unwrap();
    assert_eq!(answer.status, 403);
}

// Source: Lambda 4.7: nothing waits
#[test]
fn nobody_waits_for_a_place_when_it_is_said_so() {
    for (args, manifest) in [
        (
            vec!["--queue-timeout", "0s"],
            MANIFEST.replace("timeout: 60s", "timeout: 60s\n    concurrency: 1"),
        ),
        (
            vec!["--queue-timeout", "0s", "--environments-max", "1"],
            MANIFEST.to_owned(),
        ),
    ] {
        let folder = folder();
        folder.write("albacore.yaml", &manifest);
        let mut server = folder.up(&args);
        let caller = folder
            .albacore(&["invoke", "tool", "-p", "{\"do\":\"wait\"}"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        server.log_line("got");
        // The place is taken until this has been answered.
        let refused = folder.run(&["invoke", "tool"]);
        refused.expect(2, "", "TooManyRequestsException");
        fs::write(folder.path("gate"), "go").unwrap();
        assert_eq!(caller.wait_with_output().unwrap().status.code(), Some(0));
        // It is free as soon as the runtime has asked for its next event.
        let answers = |function| folder.run(&["invoke", function]).code.filter(|code| *code == 0);
        until("the place is free", || answers("tool"));
        // Nobody keeps it who does nothing with it.
        until("another function has it", || answers("hasty"));
    }
}
