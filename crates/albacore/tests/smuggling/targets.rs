//! Targets in several stacks. Each writes down what it has seen.

use crate::recorder::Recorder;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use testkit::{Folder, repository, until, venv_python};

/// What a target saw of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
}

/// A target in one stack.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    log: std::path::PathBuf,
    child: Child,
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Target {
    #[track_caller]
    pub(crate) fn start(folder: &Folder, name: &str, number: usize) -> Self {
        let log = folder.path(&format!("{number}-{name}.log"));
        let script = |interpreter: &str, file: &str, mode: &str| {
            let mut command = Command::new(interpreter);
            command
                .arg(repository(&format!("tests/smuggling/{file}")))
                .arg(&log)
                .arg(mode);
            started(command)
        };
        let (child, address, log) = match name {
            "node" => with_log(script("node", "target.mjs", ""), log),
            "python" => with_log(script(&venv_python(), "target.py", "simple"), log),
            "python-h11" => with_log(script(&venv_python(), "target.py", "strict"), log),
            _ => nginx(folder, number),
        };
        Self { address, log, child }
    }

    /// What it has seen, but for what it did not take for a request.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let seen = text.lines().filter_map(|line| {
            let it: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let field = |name: &str| it[name].as_str().unwrap_or_else(|| panic!("{line}")).to_owned();
            let is_refused = it.get("refused").is_some() || it.get("status").is_some_and(|status| status != "200");
            (!is_refused).then(|| Seen {
                method: field("method"),
                target: field("target"),
            })
        });
        seen.collect()
    }
}

fn started(mut command: Command) -> (Child, SocketAddr) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let port: u16 = line
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("{command:?} said {line:?}"));
    (child, (Ipv4Addr::LOCALHOST, port).into())
}

fn with_log((child, address): (Child, SocketAddr), log: std::path::PathBuf) -> (Child, SocketAddr, std::path::PathBuf) {
    (child, address, log)
}

/// nginx takes its port from its configuration.
fn nginx(folder: &Folder, number: usize) -> (Child, SocketAddr, std::path::PathBuf) {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let own = folder.path(&format!("nginx-{number}"));
    std::fs::create_dir(&own).unwrap();
    let text = std::fs::read_to_string(repository("tests/smuggling/nginx.conf")).unwrap();
    std::fs::write(
        own.join("nginx.conf"),
        text.replace("PORT", &address.port().to_string()),
    )
    .unwrap();
    // Debian has it where only root looks.
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(&own)
        .args(["-c", "nginx.conf", "-e", "nginx-errors.log"])
        .env("PATH", path);
    let child = command
        .stdin(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("nginx: {error}; run `make setup`"));
    until("nginx listens", || TcpStream::connect(address).ok());
    (child, address, own.join("nginx.log"))
}

/// What a recorder has seen.
pub(crate) fn recorded(recorder: &Recorder) -> Vec<Seen> {
    let connections = recorder.connections();
    let requests = connections
        .iter()
        .flat_map(|connection| connection.requests.iter().chain(&connection.unfinished));
    requests
        .map(|request| Seen {
            method: request.method.clone(),
            target: request.target.clone(),
        })
        .collect()
}
