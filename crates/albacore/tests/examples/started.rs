//! A running example, and curl.

use serde_json::Value;
use std::cell::Cell;
use std::process::Command;
use testkit::{Folder, Server, repository, run};

/// An example that is up, on free sockets in the place of its ports.
pub(crate) struct Started {
    folder: Folder,
    server: Server,
    file: String,
    ports: &'static [u16],
    asked: Cell<u32>,
}

/// What curl has received.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The header lines as they came.
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Started {
    /// Starts `examples/NAME`, which listens on `ports`; one of them is 8080.
    pub(crate) fn new(name: &str, ports: &'static [u16]) -> Self {
        let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
        Self::with(folder, repository(&format!("examples/{name}/albacore.yaml")), ports)
    }

    /// Starts an example whose manifest is `file`, for those that cannot run as they stand.
    pub(crate) fn with(folder: Folder, file: String, ports: &'static [u16]) -> Self {
        Self {
            server: up(&folder, &file, ports, &[]),
            folder,
            file,
            ports,
            asked: Cell::new(0),
        }
    }

    /// Starts it once more, in the place of the one that runs, which ends.
    #[track_caller]
    pub(crate) fn take_over(&mut self) {
        let new = up(&self.folder, &self.file, self.ports, &["--takeover"]);
        let mut old = std::mem::replace(&mut self.server, new);
        assert_eq!(old.exit_code(), Some(0));
    }

    /// The folder that it runs in.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What a path of the own API answers.
    #[track_caller]
    pub(crate) fn own_api(&self, name: &str) -> Value {
        self.server.own_api(name).1
    }

    /// Asks with curl, for a URL as it stands in the example.
    #[track_caller]
    pub(crate) fn curl(&self, args: &[&str]) -> Answer {
        self.asked.set(self.asked.get() + 1);
        let file = |kind: &str| self.folder.path(&format!("answer-{}.{kind}", self.asked.get()));
        let (head, body) = (file("head"), file("body"));
        let mut command = self.command();
        command.args(["--globoff", "--path-as-is", "--write-out", "%{http_code}"]);
        command.arg("--dump-header").arg(&head).arg("--output").arg(&body);
        let finished = run(command.args(args));
        finished.expect_success();
        Answer {
            status: finished.out.parse().unwrap(),
            head: std::fs::read_to_string(head).unwrap(),
            // A HEAD request or a 204 leaves no file.
            body: std::fs::read(body).unwrap_or_default(),
        }
    }

    /// Asks with one curl for all URLs that a pattern stands for: the bodies, one after the other.
    #[track_caller]
    pub(crate) fn curl_all(&self, pattern: &str) -> String {
        let finished = run(self.command().args(["--fail", pattern]));
        finished.expect_success();
        finished.out
    }

    /// A curl for which the ports of the example lead to the sockets that stand for them, and which trusts the local
    /// authority.
    fn command(&self) -> Command {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "30", "--noproxy", "*"]);
        for port in self.ports {
            let socket = self.server.socket(*port);
            command.args(["--connect-to", &format!(":{port}:{socket}")]);
        }
        let authority = self.folder.path(".albacore/ca/ca.pem");
        if authority.exists() {
            command.arg("--cacert").arg(authority);
        }
        command
    }

    /// The next log line of a function with this text.
    #[track_caller]
    pub(crate) fn log_line(&mut self, text: &str) -> Value {
        self.server.log_line(text)
    }
}

/// On free sockets for all ports. For 8080 that is usual.
#[track_caller]
fn up(folder: &Folder, file: &str, ports: &[u16], args: &[&str]) -> Server {
    let publish: Vec<String> = ports.iter().map(|port| format!("{port}:0")).collect();
    let others = publish.iter().filter(|it| *it != "8080:0");
    let args: Vec<&str> = args
        .iter()
        .copied()
        .chain(others.flat_map(|it| ["--publish", it]))
        .collect();
    folder.up_with(file, &args)
}

impl Answer {
    /// The values of all header lines with this name, in order.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(of, _)| of.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} {:?}", self.head, self.text()))
    }
}
