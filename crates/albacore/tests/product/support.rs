//! What the tests of the product share: a function, a manifest that leads to it, and the names of the test kit.

use rustix::process::Pid;
use serde_json::Value;
use std::fs;
pub(crate) use testkit::*;

/// A function that answers with its stage and process id. On `/slow` it says `waiting`, waits until somebody writes to the
/// pipe in `GATE`, and says `done`. Other paths make it misbehave.
const FUNCTION: &str = r#"#!/usr/bin/env python3
import http.client, json, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = api.getresponse()
    event = json.loads(invocation.read())
    if event["path"] == "/slow":
        print("waiting", os.getpid(), flush=True)
        open(os.environ["GATE"]).read()
        print("done", os.getpid(), flush=True)
    body = "%s %d" % (os.environ.get("STAGE", ""), os.getpid())
    if event["path"] == "/huge":
        body = "x" * 2_000_000
    answer = json.dumps({"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": body})
    if event["path"] == "/garbage":
        answer = "\x00 this is no document"
    path = "/2018-06-01/runtime/invocation/%s/response" % invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    api.request("POST", path, answer)
    api.getresponse().read()
"#;

/// A folder with [`FUNCTION`] in it, for servers of the `process` tier: there a function reads pipes of the test and knows
/// its process id. Functions of the `namespace` tier are in `confined`.
pub(crate) fn new_folder() -> Folder {
    let folder = Folder::new(env!("CARGO_BIN_EXE_albacore")).with_variable("ALBACORE_SANDBOX", "process");
    folder.write_program("function", FUNCTION);
    folder
}

/// Has the tier that was found namespaces? It has to, unless a variable says that there are none on this machine for who
/// runs the tests: one that does not start may be broken.
#[track_caller]
pub(crate) fn has_namespaces(tier: &str) -> bool {
    const WITHOUT_NAMESPACES: &str = "ALBACORE_TEST_WITHOUT_NAMESPACES";
    let excused = match std::env::var(WITHOUT_NAMESPACES).as_deref() {
        Ok("1") => true,
        Ok("ordinary") => !rustix::process::geteuid().is_root(),
        _ => false,
    };
    assert!(
        excused || tier == "namespace",
        "the tier is {tier}; where no other can be had, set {WITHOUT_NAMESPACES}=1"
    );
    tier == "namespace"
}

/// One with [`manifest`] in it.
pub(crate) fn with_manifest(stage: &str, rest: &str) -> Folder {
    let folder = new_folder();
    folder.write("albacore.yaml", &manifest(stage, rest));
    folder
}

/// One load balancer with a listener on port 8080 that leads to [`FUNCTION`], and `rest`.
pub(crate) fn manifest(stage: &str, rest: &str) -> String {
    format!(
        "functions:\n  worker:\n    code: ./function\n    timeout: 60s\n    environment: {{ STAGE: {stage}, GATE: ./gate }}\n\
         target_groups:\n  worker: {{ function: worker }}\n\
         load_balancers:\n  shop:\n    listeners:\n      - {{ port: 8080, protocol: http, default: {{ forward: worker }} }}\n{rest}"
    )
}

/// The stage that the function answers with, and its process id.
#[track_caller]
pub(crate) fn worker(server: &Server) -> (String, Pid) {
    let (status, body) = get(server.socket(8080), "/");
    assert_eq!(status, 200, "{body}");
    let (stage, pid) = body.split_once(' ').unwrap();
    (stage.to_owned(), Pid::from_raw(pid.parse().unwrap()).unwrap())
}

/// The process of the function that says in this line that it waits.
#[track_caller]
pub(crate) fn function_of(line: &Value) -> Process {
    let pid = line["message"]
        .as_str()
        .and_then(|line| line.split(' ').nth(1))
        .unwrap();
    Process::of(Pid::from_raw(pid.parse().unwrap()).unwrap())
}

/// Opens the gate for every function that waits at it, and for those that come later.
pub(crate) fn open_gate(folder: &Folder) {
    // Opening it for writing lets the waiting ones in; they read until it is closed. Whoever comes later finds a file.
    let pipe = fs::OpenOptions::new().write(true).open(folder.path("gate")).unwrap();
    folder.write("gate", "");
    drop(pipe);
}
