//! Starts the binary and waits for what it says. Every wait has a bound, and none is for a time.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longer than anything takes on a busy machine.
const BOUND: Duration = Duration::from_secs(60);

/// A function that answers with its process id. On `/slow` it says so and waits until somebody writes to the pipe in
/// `GATE`.
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
    body = "%s %d" % (os.environ.get("STAGE", ""), os.getpid())
    answer = {"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": body}
    path = "/2018-06-01/runtime/invocation/%s/response" % invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    api.request("POST", path, json.dumps(answer))
    api.getresponse().read()
"#;

/// A folder that goes away, with a function and a manifest in it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("albacore-product-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let folder = Self(path);
        folder.write("function", FUNCTION);
        fs::set_permissions(folder.path("function"), fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    /// One with [`manifest`] in it.
    pub(crate) fn with_manifest(stage: &str, rest: &str) -> Self {
        let folder = Self::new();
        folder.write("albacore.yaml", &manifest(stage, rest));
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        // As editors do it: whoever reads sees the old file or the new one.
        fs::write(self.path(".new"), text).unwrap();
        fs::rename(self.path(".new"), self.path(name)).unwrap();
    }

    /// A command of albacore in this folder.
    pub(crate) fn albacore(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_albacore"));
        command.args(args).current_dir(&self.0).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Runs a command of albacore to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        Finished::from(self.albacore(args).output().unwrap())
    }

    /// Starts a server here, on free ports, and waits until it is ready.
    pub(crate) fn up(&self, args: &[&str]) -> Server {
        self.up_with("albacore.yaml", args)
    }

    /// The same with a manifest from elsewhere.
    pub(crate) fn up_with(&self, file: &str, args: &[&str]) -> Server {
        let usual = [
            "up",
            file,
            "--json",
            "--endpoint",
            "127.0.0.1:0",
            "--publish",
            "8080:0",
            "--cores",
            "1",
        ];
        let mut command = self.albacore(&[&usual, args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let notices = lines_of(child.stderr.take().unwrap());
        let log = lines_of(child.stdout.take().unwrap());
        let mut server = Server {
            child,
            notices,
            log,
            endpoint: None,
            listeners: Vec::new(),
        };
        let ready = server.notice("ready");
        server.endpoint = ready["endpoint"].as_str().unwrap().parse().ok();
        server
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One load balancer with a listener on port 8080 that leads to [`FUNCTION`], and `rest`.
pub(crate) fn manifest(stage: &str, rest: &str) -> String {
    format!(
        "functions:\n  worker:\n    code: ./function\n    timeout: 60s\n    environment: {{ STAGE: {stage}, GATE: ./gate }}\n\
         target_groups:\n  worker: {{ function: worker }}\n\
         load_balancers:\n  shop:\n    listeners:\n      - {{ port: 8080, protocol: http, default: {{ forward: worker }} }}\n{rest}"
    )
}

/// A command that ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Finished {
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, out: &str, err: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(
            self.out.contains(out) && self.err.contains(err),
            "expected {out:?} and {err:?}: {self:?}"
        );
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    notices: Receiver<String>,
    log: Receiver<String>,
    endpoint: Option<SocketAddr>,
    listeners: Vec<String>,
}

impl Server {
    /// The next notice of this kind; those before it pass.
    #[track_caller]
    pub(crate) fn notice(&mut self, event: &str) -> Value {
        let mut passed = Vec::new();
        loop {
            let Ok(line) = self.notices.recv_timeout(BOUND) else {
                panic!("{event:?} was never told, only {passed:#?}");
            };
            let notice: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            if notice["event"] == "listener" {
                self.listeners.push(notice["url"].as_str().unwrap().to_owned());
            }
            if notice["event"] == event {
                return notice;
            }
            passed.push(line);
        }
    }

    /// The next line of a function that contains `text`, as a JSON document.
    #[track_caller]
    pub(crate) fn log_line(&mut self, text: &str) -> Value {
        loop {
            let line = self.log.recv_timeout(BOUND).expect("a line of the function");
            if line.contains(text) {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }

    pub(crate) fn endpoint(&self) -> SocketAddr {
        self.endpoint.unwrap()
    }

    /// The URLs of the listeners that were told.
    pub(crate) fn listeners(&self) -> &[String] {
        &self.listeners
    }

    /// Asks a path of the own API.
    #[track_caller]
    pub(crate) fn own_api(&self, name: &str) -> (u16, Value) {
        let answer = get(self.endpoint(), &format!("/_albacore/{name}"));
        (
            answer.0,
            serde_json::from_str(&answer.1).unwrap_or(Value::String(answer.1)),
        )
    }

    /// The socket that is open for a listener.
    #[track_caller]
    pub(crate) fn socket(&self, port: u16) -> SocketAddr {
        let (_, status) = self.own_api("status");
        let listeners = status["listeners"].as_array().unwrap();
        let listener = listeners.iter().find(|listener| listener["port"] == port);
        listener.unwrap_or_else(|| panic!("{status}"))["socket"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// The stage that the function answers with, and its process id.
    #[track_caller]
    pub(crate) fn worker(&self) -> (String, Pid) {
        let (status, body) = get(self.socket(8080), "/");
        assert_eq!(status, 200, "{body}");
        let (stage, pid) = body.split_once(' ').unwrap();
        (stage.to_owned(), Pid::from_raw(pid.parse().unwrap()).unwrap())
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for the end, and says the exit status; `None` when it was killed.
    #[track_caller]
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        Process::of(self.pid()).ended();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that may end, and is not mistaken for another one then.
pub(crate) struct Process(OwnedFd);

impl Process {
    pub(crate) fn of(pid: Pid) -> Self {
        Self(pidfd_open(pid, PidfdFlags::empty()).expect("the process runs"))
    }

    /// Waits until it has ended.
    #[track_caller]
    pub(crate) fn ended(&self) {
        let bound = Timespec::try_from(BOUND).unwrap();
        let ready = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&bound)).unwrap();
        assert_eq!(ready, 1, "the process has not ended");
    }
}

/// The lines of a pipe, in a channel, until it is closed.
fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Sends a request, as curl does.
#[track_caller]
pub(crate) fn send(address: SocketAddr, request: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(BOUND)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    socket
}

/// Reads the whole answer to a request that closes its connection: status, and body.
#[track_caller]
pub(crate) fn receive(mut socket: TcpStream) -> (u16, String) {
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[track_caller]
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    receive(send(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    ))
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    root.join(path).to_str().unwrap().to_owned()
}
