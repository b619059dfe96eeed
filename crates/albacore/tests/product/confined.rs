//! Functions in the tier that `albacore up` chooses by itself. Where it is said that this machine has no namespaces, that is
//! the `process` tier, and there is nothing to be seen here.

use crate::support::*;
use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;

/// Does what its event says, and answers with what came of it.
const FUNCTION: &str = r#"
import json, os, socket
def handler(event, context):
    answer = {}
    for path in event.get('read', []):
        try:
            open(path).read()
            answer[path] = 'read'
        except OSError as error:
            answer[path] = type(error).__name__
    for port in event.get('connect', []):
        try:
            socket.create_connection(('127.0.0.1', port), 5)
            answer[str(port)] = 'connected'
        except OSError as error:
            answer[str(port)] = type(error).__name__
    answer['who'] = [os.getuid(), os.getgid(), os.getcwd(), os.environ['AWS_LAMBDA_RUNTIME_API']]
    answer['root'] = os.listdir('/')
    return answer
"#;

const MANIFEST: &str = "functions:
  python: { code: ./python, runtime: python3.12, handler: app.handler, timeout: 30s }
  node: { code: ./node, runtime: nodejs22.x, handler: app.handler, timeout: 30s }
  own: { code: ./own, timeout: 30s, environment: { MARK: the-mark-of-it } }
target_groups:
  python: { function: python }
load_balancers:
  shop:
    listeners:
      - { port: 8080, protocol: http, default: { forward: python } }
";

/// A runtime of its own, which says once that it is there.
const OWN: &str = r#"#!/usr/bin/env python3
import http.client, os, sys
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
print("I am here", flush=True)
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = api.getresponse()
    event = invocation.read()
    path = "/2018-06-01/runtime/invocation/%s/response" % invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    api.request("POST", path, b'{"own":' + event + b'}')
    api.getresponse().read()
"#;

/// `None` where there are no namespaces.
fn start() -> Option<(Folder, Server)> {
    let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
    for name in ["python", "node", "own"] {
        fs::create_dir(folder.path(name)).unwrap();
    }
    folder.write_program("python/app.py", FUNCTION);
    folder.write_program(
        "node/app.js",
        "exports.handler = async () => [process.getuid(), process.cwd()]\n",
    );
    folder.write_program("own/bootstrap", OWN);
    folder.write("albacore.yaml", MANIFEST);
    let server = folder.up(&[]);
    let tier = server.own_api("status").1["sandbox"].as_str().unwrap().to_owned();
    folder
        .run(&["doctor", "--publish", "8080:0"])
        .expect(0, &format!("tier {tier}"), "");
    has_namespaces(&tier).then_some((folder, server))
}

fn invoke(folder: &Folder, function: &str, event: &str) -> Value {
    let finished = folder.run(&["invoke", function, "--payload", event]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    serde_json::from_str(&finished.out).unwrap()
}

// LAM-E-001: the runtime starts in /var/task, as a user that is not root
#[test]
fn every_runtime_runs_in_namespaces() {
    let Some((folder, server)) = start() else { return };
    let python = invoke(&folder, "python", "{}");
    assert_eq!(
        python["who"],
        serde_json::json!([993, 990, "/var/task", "127.0.0.1:9001"])
    );
    let root: Vec<_> = python["root"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    // Every host has this folder.
    assert!(!root.contains(&"run") && root.contains(&"usr"), "{root:?}");
    assert_eq!(invoke(&folder, "node", "{}"), serde_json::json!([993, "/var/task"]));
    assert_eq!(invoke(&folder, "own", "[1]"), serde_json::json!({ "own": [1] }));
    let (status, body) = get(server.socket(8080), "/");
    assert!(status == 502 || status == 200, "{status} {body}");
}

#[test]
fn a_function_reaches_nothing_of_albacore() {
    let Some((folder, server)) = start() else { return };
    fs::write(folder.path(".albacore/canary"), "canary").unwrap();
    let neighbour = TcpListener::bind("127.0.0.1:0").unwrap();
    let paths =
        [".albacore/canary", "albacore.yaml", "node/app.js"].map(|name| folder.path(name).display().to_string());
    let ports = [
        server.endpoint().port(),
        server.socket(8080).port(),
        neighbour.local_addr().unwrap().port(),
    ];
    let event = serde_json::json!({ "read": paths, "connect": ports }).to_string();
    let answer = invoke(&folder, "python", &event);
    for path in &paths {
        assert!(fs::metadata(path).is_ok());
        assert_eq!(answer[path], "FileNotFoundError", "{path}");
    }
    for port in ports {
        assert_eq!(answer[port.to_string()], "ConnectionRefusedError", "{port}");
    }
}

#[test]
fn a_function_with_the_network_of_the_host_reaches_it() {
    let Some((folder, mut server)) = start() else { return };
    let neighbour = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = neighbour.local_addr().unwrap().port();
    let event = serde_json::json!({ "connect": [port] }).to_string();
    assert_eq!(
        invoke(&folder, "python", &event)[port.to_string()],
        "ConnectionRefusedError"
    );
    let open = MANIFEST.replace("timeout: 30s }\n  node", "timeout: 30s, network: host }\n  node");
    folder.write("albacore.yaml", &open);
    server.notice("revision");
    // Others are about interpreters.
    while !server.notice("warning")["message"]
        .as_str()
        .unwrap()
        .contains("with `network: host` it reaches what this machine reaches")
    {}
    let answer = invoke(&folder, "python", &event);
    assert_eq!(answer[port.to_string()], "connected");
    assert_ne!(answer["who"][3], "127.0.0.1:9001");
    // Nothing else of the host is there.
    assert_eq!(
        (&answer["who"][0], &answer["who"][2]),
        (&993.into(), &"/var/task".into())
    );
    let root: Vec<_> = answer["root"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    assert!(!root.contains(&"run") && root.contains(&"usr"), "{root:?}");
    folder.write("albacore.yaml", MANIFEST);
    server.notice("revision");
    assert_eq!(
        invoke(&folder, "python", &event)[port.to_string()],
        "ConnectionRefusedError"
    );
}

/// The processes whose environment has this.
fn processes_with(mark: &str) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let found = entries.filter(|entry| {
        let variables = fs::read(entry.path().join("environ")).unwrap_or_default();
        variables.windows(mark.len()).any(|window| window == mark.as_bytes())
    });
    found
        .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
        .collect()
}

#[test]
fn a_killed_albacore_leaves_no_function() {
    let Some((folder, mut server)) = start() else { return };
    let mark = format!("MARK=the-mark-of-{}", std::process::id());
    folder.write(
        "albacore.yaml",
        &MANIFEST.replace("MARK: the-mark-of-it", &mark.replace('=', ": ")),
    );
    server.notice("revision");
    assert_eq!(invoke(&folder, "own", "1"), serde_json::json!({ "own": 1 }));
    let [function] = processes_with(&mark)[..] else {
        panic!("one process")
    };
    let function = Process::of(function);
    server.signal(Signal::KILL);
    function.ended();
}
