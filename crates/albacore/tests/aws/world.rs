//! What callers meet: a load balancer of the manifest, and ports for those that they make.

use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use testkit::{Authority, Finished, Folder, Server, repository, run, run_within, venv_python};

const FUNCTION: &str = r#"#!/usr/bin/env python3
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = api.getresponse()
    invocation.read()
    path = "/2018-06-01/runtime/invocation/%s/response" % invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    api.request("POST", path, '{"statusCode":200,"body":"hello"}')
    api.getresponse().read()
"#;

/// Streams a prelude and then as much as it is asked for, or an error.
const STREAMING: &str = r#"#!/usr/bin/env python3
import base64, http.client, json, os, socket
address = os.environ["AWS_LAMBDA_RUNTIME_API"]
api = http.client.HTTPConnection(address)
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = api.getresponse()
    event = json.loads(invocation.read())
    host, port = address.split(":")
    line = socket.create_connection((host, int(port)))
    head = ("POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1", "Host: x",
        "Lambda-Runtime-Function-Response-Mode: streaming", "Transfer-Encoding: chunked",
        "Content-Type: application/vnd.awslambda.http-integration-response", "Connection: close", "", "")
    line.sendall(("\r\n".join(head) % invocation.headers["Lambda-Runtime-Aws-Request-Id"]).encode())
    chunk = lambda data: line.sendall(b"%x\r\n" % len(data) + data + b"\r\n")
    chunk(b'{"statusCode":201}' + bytes(8))
    for _ in range(event.get("bytes", 0) // 65536):
        chunk(b"x" * 65536)
    trailers = b""
    if event.get("fail"):
        document = base64.b64encode(b'{"errorMessage":"late"}')
        trailers = (b"Lambda-Runtime-Function-Error-Type: Function.Late\r\n"
            b"Lambda-Runtime-Function-Error-Body: " + document + b"\r\n")
    line.sendall(b"0\r\n" + trailers + b"\r\n")
    while line.recv(1000):
        pass
"#;

const MANIFEST: &str = "
functions:
  hello: { code: ./function, timeout: 30s }
  streams: { code: ./streaming, timeout: 60s }
  at_url: { code: ./function, timeout: 30s, url: { auth: aws_iam } }
instances: { i-0aaaaaaaaaaaaaaaa: 127.0.0.1 }
trust_stores:
  clients: { ca_certificates_bundle: clients.pem }
target_groups:
  hello: { function: hello }
  machines: { targets: ['i-0aaaaaaaaaaaaaaaa:9'] }
load_balancers:
  owned:
    listeners:
      - port: 8080
        protocol: http
        rules:
          - { priority: 1, path: /hello, forward: hello }
          - { priority: 2, path: /machines, forward: machines }
        default: { fixed_response: { status: 200, body: owned } }
      - port: 8443
        protocol: https
        certificates: [{ domain: one.localhost }, { domain: two.localhost }]
        default: { fixed_response: { status: 200, body: owned } }
";

/// Listener ports that callers may use; each is on a free socket.
const PORTS: std::ops::RangeInclusive<u16> = 9001..=9009;

/// The folder with buckets, which callers put objects into.
const OBJECTS: &str = "objects";

pub(crate) struct World {
    // Dropped first: the folder is the server's.
    pub(crate) server: Server,
    folder: Folder,
}

impl World {
    #[track_caller]
    pub(crate) fn start(args: &[&str]) -> Self {
        let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
        folder.write_program("function", FUNCTION);
        folder.write_program("streaming", STREAMING);
        folder.write("clients.pem", &Authority::new(&folder).certificate);
        folder.write("albacore.yaml", MANIFEST);
        Self::of(folder, args)
    }

    /// Kills the server, and starts another one on what it has left.
    #[track_caller]
    pub(crate) fn killed_and_started(self, args: &[&str]) -> Self {
        drop(self.server);
        Self::of(self.folder, args)
    }

    /// Stops the server, and starts another one on what it has left.
    #[track_caller]
    pub(crate) fn stopped_and_started(mut self, args: &[&str]) -> Self {
        self.server.signal(Signal::TERM);
        assert_eq!(self.server.exit_code(), Some(0));
        self.killed_and_started(args)
    }

    #[track_caller]
    fn of(folder: Folder, args: &[&str]) -> Self {
        let ports = std::iter::once(8443).chain(PORTS).map(|port| format!("{port}:0"));
        let ports = ports.collect::<Vec<_>>().join(",");
        let args = [&["--publish", &ports, "--s3-root", OBJECTS], args].concat();
        let server = folder.up(&args);
        Self { server, folder }
    }

    /// Changes the manifest, and waits until it is served.
    #[track_caller]
    pub(crate) fn change_manifest(&mut self, from: &str, to: &str) {
        self.folder.write("albacore.yaml", &MANIFEST.replace(from, to));
        self.server.notice("revision");
    }

    /// Runs a program of `tests/aws` to its end.
    #[track_caller]
    pub(crate) fn caller(&self, name: &str) -> Finished {
        self.caller_in(name, "only")
    }

    /// The same for a program that waits for long itself.
    #[track_caller]
    pub(crate) fn patient_caller(&self, name: &str) -> Finished {
        run_within(Duration::from_secs(900), &mut self.python(name, "only"))
    }

    /// The same for programs that sign with the server's key.
    #[track_caller]
    pub(crate) fn caller_with_key(&self, name: &str, access_key: &str, secret_key: &str) -> Finished {
        let mut command = self.python(name, "only");
        run(command.env("ACCESS_KEY", access_key).env("SECRET_KEY", secret_key))
    }

    /// The same, one of several runs, which may leave notes for each other.
    #[track_caller]
    pub(crate) fn caller_in(&self, name: &str, which: &str) -> Finished {
        run(&mut self.python(name, which))
    }

    fn python(&self, name: &str, which: &str) -> Command {
        let mut command = Command::new(venv_python());
        // Nothing of the caller's own configuration, and no file beside the sources.
        command
            .arg(repository(&format!("tests/aws/{name}")))
            .env("ENDPOINT", self.server.endpoint().to_string())
            .env("RUN", which)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("OBJECTS", self.folder.path(OBJECTS))
            .env("NODE_MODULES", repository("target/aws/node/node_modules"))
            .env("NOTES", self.folder.path("notes.json"));
        command
    }

    /// Runs a shell script of `tests/aws` that has the AWS CLI, one of several runs in the same folder.
    #[track_caller]
    pub(crate) fn shell_caller_in(&self, name: &str, which: &str) -> Finished {
        fs::create_dir_all(self.folder.path("caller")).unwrap();
        let python = venv_python();
        let mut command = Command::new(repository(&format!("tests/aws/{name}")));
        command
            .env("ENDPOINT", self.server.endpoint().to_string())
            .env("AWS", Path::new(&python).with_file_name("aws"))
            .env("PYTHON", &python)
            .env("FOLDER", self.folder.path("caller"))
            .env("RUN", which)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test-secret");
        run(&mut command)
    }

    /// Runs a program of `tests/aws` with Node.
    #[track_caller]
    pub(crate) fn node_caller(&self, name: &str, access_key: &str, secret_key: &str) -> Finished {
        let packages = repository("target/aws/node/node_modules");
        assert!(
            Path::new(&packages).exists(),
            "{packages} is not there; run `make setup`"
        );
        // Node looks for packages beside the program.
        symlink(packages, self.folder.path("node_modules")).unwrap();
        fs::copy(repository(&format!("tests/aws/{name}")), self.folder.path(name)).unwrap();
        let mut command = Command::new("node");
        command
            .arg(self.folder.path(name))
            .env("ENDPOINT", self.server.endpoint().to_string())
            .env("ACCESS_KEY", access_key)
            .env("SECRET_KEY", secret_key);
        run(&mut command)
    }
}
