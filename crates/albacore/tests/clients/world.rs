//! What the clients meet: two load balancers, three certificates, a function that shows its event.

use rustix::process::Pid;
use std::process::Command;
use std::sync::LazyLock;
use testkit::{Authority, Finished, Folder, Pem, Server, get, repository, run};

/// Answers with its event. A large body is counted instead of shown; some paths have answers of their own.
const ECHO: &str = r#"#!/usr/bin/env python3
import base64, gzip, http.client, json, os

def handle(event):
    path = event["path"]
    if path.startswith("/status/"):
        return {"statusCode": int(path.removeprefix("/status/")), "body": "said so"}
    if path == "/gzip":
        packed = base64.b64encode(gzip.compress(b"packed " * 100)).decode()
        headers = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}
        return {"statusCode": 200, "headers": headers, "body": packed, "isBase64Encoded": True}
    if len(event["body"]) > 10_000:
        body = event.pop("body")
        event["body_bytes"] = len(base64.b64decode(body) if event["isBase64Encoded"] else body)
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}

api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = api.getresponse()
    answer = handle(json.loads(invocation.read()))
    path = "/2018-06-01/runtime/invocation/%s/response" % invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    api.request("POST", path, json.dumps(answer))
    api.getresponse().read()
"#;

/// `REDIRECT` is the socket of the HTTPS listener, which is known when it is open.
const MANIFEST: &str = r#"
functions:
  echo: { code: ./echo, timeout: 30s, concurrency: 4 }
target_groups:
  echo: { function: echo }
load_balancers:
  shop:
    listeners:
      - port: 8080
        rules:
          - { priority: 10, path: "/secure/*", redirect: { protocol: https, port: REDIRECT } }
          - { priority: 20, path: "/moved", redirect: { path: "/echo", port: "HTTP", status: 301 } }
          - { priority: 30, path: "/fixed*", fixed_response: { status: 200, body: fixed } }
        default: { forward: echo }
      - port: 8443
        protocol: https
        certificates:
          - { certificate: rsa.pem, private_key: rsa.key }
          - { domain: shop.localhost }
        rules:
          - { priority: 30, path: "/fixed*", fixed_response: { status: 200, body: fixed } }
        default: { forward: echo }
      - port: 8444
        protocol: https
        ssl_policy: ELBSecurityPolicy-TLS13-1-3-2021-06
        certificates: [{ certificate: rsa.pem, private_key: rsa.key }]
        default: { fixed_response: { status: 200, body: strict } }
  plain:
    attributes: { routing.http2.enabled: false }
    listeners:
      - port: 8445
        protocol: https
        certificates: [{ certificate: rsa.pem, private_key: rsa.key }]
        default: { fixed_response: { status: 200, body: plain } }
"#;

/// Made once: keys take their time.
static CERTIFICATES: LazyLock<(Authority, Pem)> = LazyLock::new(|| {
    let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
    let authority = Authority::new(&folder);
    let pem = authority.issue(&folder, &["rsa.localhost", "localhost", "127.0.0.1"]);
    (authority, pem)
});

/// A server and what clients have to know of it.
pub(crate) struct World {
    // Dropped first: the folder is the server's.
    pub(crate) server: Server,
    folder: Folder,
}

impl World {
    #[track_caller]
    pub(crate) fn start() -> Self {
        let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
        let (authority, pem) = &*CERTIFICATES;
        folder.write_program("echo", ECHO);
        folder.write("rsa.pem", &pem.certificate);
        folder.write("rsa.key", &pem.private_key);
        folder.write("ca.pem", &authority.certificate);
        folder.write(
            "albacore.yaml",
            &MANIFEST.replace("REDIRECT", "8443").replace("HTTP\"", "8080\""),
        );
        let publish = ["--publish", "8443:0,8444:0,8445:0", "--cores", "2"];
        let mut server = folder.up(&publish);
        let sockets = [8443, 8080].map(|port| server.socket(port).port().to_string());
        folder.write(
            "albacore.yaml",
            &MANIFEST
                .replace("REDIRECT", &sockets[0])
                .replace("HTTP\"", &format!("{}\"", sockets[1])),
        );
        server.notice("revision");
        let local = std::fs::read_to_string(folder.path(".albacore/ca/ca.pem")).unwrap();
        folder.write("both.pem", &format!("{}\n{local}", authority.certificate));
        Self { server, folder }
    }

    /// Runs a program of `tests/clients` to its end.
    #[track_caller]
    pub(crate) fn client(&self, interpreter: &str, name: &str) -> Finished {
        let mut command = Command::new(interpreter);
        command
            .arg(repository(&format!("tests/clients/{name}")))
            .current_dir(self.folder.path(""))
            .env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        for (variable, port) in [
            ("HTTP_PORT", 8080),
            ("HTTPS_PORT", 8443),
            ("TLS13_PORT", 8444),
            ("HTTP1_PORT", 8445),
        ] {
            command.env(variable, self.server.socket(port).port().to_string());
        }
        for (variable, file) in [
            ("CA", "ca.pem"),
            ("LOCAL_CA", ".albacore/ca/ca.pem"),
            ("BOTH_CAS", "both.pem"),
            ("NODE_EXTRA_CA_CERTS", "both.pem"),
        ] {
            command.env(variable, self.folder.path(file));
        }
        command.env("ENDPOINT", self.server.endpoint().to_string());
        command.env("SERVER_PID", Pid::as_raw_nonzero(self.server.pid()).to_string());
        run(&mut command)
    }

    /// One request to each kind of target.
    #[track_caller]
    pub(crate) fn warm_up(&self) {
        let http = self.server.socket(8080);
        assert_eq!((get(http, "/fixed").0, get(http, "/echo").0), (200, 200));
    }
}

/// The Python that has the packages of `tests/requirements.txt`.
#[track_caller]
pub(crate) fn python() -> String {
    let Ok(python) = std::env::var("ALBACORE_TEST_PYTHON") else {
        panic!("ALBACORE_TEST_PYTHON names no Python; run `make setup`, then the tests with `make test`");
    };
    let found = run(Command::new(&python).args(["-c", "import h2, httpx, requests"]));
    assert_eq!(
        found.code,
        Some(0),
        "{python} misses packages; run `make setup`:\n{}",
        found.err
    );
    python
}
