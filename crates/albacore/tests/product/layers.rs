//! Layers of the manifest: their runtime, their tools, an extension in one of them, through a load balancer.

use crate::support::*;
use std::io::{Read, Write};
use std::net::TcpStream;

/// A runtime that only a layer has. What it answers comes from the code, a tool of the other layer, and the extension.
const BOOTSTRAP: &str = r#"#!/usr/bin/env python3
import http.client, json, os, subprocess, tempfile
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = api.getresponse()
    invocation.read()
    parts = [open("code.txt").read(), subprocess.check_output(["tool"]).decode(), open(tempfile.gettempdir() + "/said").read()]
    answer = json.dumps({"statusCode": 200, "body": " ".join(part.strip() for part in parts)})
    path = "/2018-06-01/runtime/invocation/%s/response" % invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    api.request("POST", path, answer.encode())
    api.getresponse().read()
"#;

const EXTENSION: &str = r#"#!/usr/bin/env python3
import http.client, json, os, sys, tempfile
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, headers, body=None):
    api.request(method, "/2020-01-01/extension" + path, body, headers)
    answer = api.getresponse()
    return json.loads(answer.read()), answer.headers
body, headers = call("POST", "/register", {"Lambda-Extension-Name": os.path.basename(sys.argv[0])}, '{"events":["INVOKE","SHUTDOWN"]}')
open(tempfile.gettempdir() + "/said", "w").write("extension of " + body["functionName"])
me = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
while call("GET", "/event/next", me)[0]["eventType"] != "SHUTDOWN":
    pass
"#;

const MANIFEST: &str = "
functions:
  layered: { code: ./code, layers: [./runtime, ./tools], timeout: 30s }
target_groups:
  layered: { function: layered }
load_balancers:
  shop: { listeners: [{ port: 8080, protocol: http, default: { forward: layered } }] }
";

fn ask(server: &Server) -> String {
    let mut socket = TcpStream::connect(server.socket(8080)).unwrap();
    socket
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

// LAM-L-002: layers are merged in list order, later entries overriding earlier files
// LAM-E-005: bootstrap is looked up in the code, then in the layers
#[test]
fn a_runtime_a_tool_and_an_extension() {
    let folder = new_folder();
    for name in ["code", "runtime/bin", "tools/bin", "tools/extensions"] {
        std::fs::create_dir_all(folder.path(name)).unwrap();
    }
    folder.write("code/code.txt", "code");
    folder.write_program("runtime/bootstrap", BOOTSTRAP);
    folder.write_program("runtime/bin/tool", "#!/bin/sh\necho the earlier tool\n");
    folder.write_program("tools/bin/tool", "#!/bin/sh\necho the later tool\n");
    folder.write_program("tools/extensions/watcher.py", EXTENSION);
    folder.write("albacore.yaml", MANIFEST);
    folder.run(&["check", "albacore.yaml"]).expect_success();
    let mut server = folder.up(&[]);
    assert_eq!(ask(&server), "code the later tool extension of layered");
    let line = server.log_line("watcher.py");
    assert_eq!(
        line["message"],
        "EXTENSION\tName: watcher.py\tState: Ready\tEvents: [INVOKE, SHUTDOWN]"
    );
    // A changed layer is a changed function.
    folder.write_program("tools/bin/tool", "#!/bin/sh\necho the newest tool\n");
    until("the new layer is used", || {
        ask(&server).contains("the newest tool").then_some(())
    });
    // The extension is told, and the server ends in time.
    server.signal(rustix::process::Signal::TERM);
    until("it has ended", || server.exit_code());
}
