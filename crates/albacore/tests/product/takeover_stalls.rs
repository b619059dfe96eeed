//! A takeover in which somebody stands still or is killed: one process serves afterwards, never two and never none.
//! Source: design 4.

use crate::support::{BOUND, Folder, Process, get, new_folder, run, until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;

/// A load balancer that answers with `word`, and a function that makes `--strict-runtimes` ask for its interpreter.
fn manifest(word: &str) -> String {
    let said = run(Command::new("python3").args(["-c", "import sys; print(sys.version_info.minor)"])).out;
    format!(
        "functions:\n  worker: {{ runtime: python3.{}, handler: app.handler, code: ./code }}\n\
         load_balancers:\n  shop:\n    listeners:\n      \
         - {{ port: 8080, default: {{ fixed_response: {{ status: 200, body: {word} }} }} }}\n",
        said.trim()
    )
}

fn folder() -> Folder {
    let folder = new_folder();
    fs::create_dir(folder.path("code")).unwrap();
    folder.write("code/app.py", "def handler(event, context):\n    return None\n");
    folder.write("albacore.yaml", &manifest("one"));
    folder
}

/// A successor that has taken everything and waits at a gate before it serves: its interpreter does not answer.
struct AtTheGate {
    child: Child,
    gate: File,
}

impl AtTheGate {
    fn start(folder: &Folder) -> Self {
        fs::create_dir(folder.path("bin")).unwrap();
        folder.make_pipe("bin/gate");
        let gate = folder.path("bin/gate");
        let real = run(Command::new("python3").args(["-c", "import sys; print(sys.executable)"])).out;
        let program = format!(
            "#!/bin/sh\nread -r line < '{}'\nexec '{}' \"$@\"\n",
            gate.display(),
            real.trim()
        );
        folder.write_program("bin/python3", &program);
        let args = [
            "up",
            "albacore.yaml",
            "--json",
            "--endpoint",
            "127.0.0.1:0",
            "--publish",
            "8080:0",
            "--cores",
            "1",
            "--takeover",
            "--strict-runtimes",
        ];
        let mut command = folder.albacore(&args);
        command.env("PATH", folder.path("bin")).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        // Open as soon as somebody reads: the successor has everything then.
        let (tell, opened) = channel();
        std::thread::spawn(move || tell.send(File::options().write(true).open(gate).unwrap()));
        let gate = opened.recv_timeout(BOUND).expect("the successor gets that far");
        Self { child, gate }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Lets whoever waits at the gate pass, and those who come later: an interpreter is asked more than once.
    fn open(&mut self) {
        self.gate.write_all(&[b'\n'; 16]).unwrap();
    }

    /// Waits until it is ready.
    fn ready(&mut self) {
        let lines = BufReader::new(self.child.stderr.as_mut().unwrap()).lines();
        let mut passed = Vec::new();
        for line in lines.map_while(Result::ok) {
            if line.contains("\"event\":\"ready\"") {
                return;
            }
            passed.push(line);
        }
        panic!("it ended instead: {passed:#?}");
    }

    /// Waits for its end: its exit status and what it said.
    fn ended(&mut self) -> (Option<i32>, String) {
        Process::of(Pid::from_child(&self.child)).ended();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for AtTheGate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every one of many new connections is answered with this word.
#[track_caller]
fn all_hear(address: SocketAddr, word: &str) {
    for _ in 0..50 {
        assert_eq!(get(address, "/"), (200, word.to_owned()));
    }
}

/// What an operator saw: a successor was stopped for longer than the old process waits, and afterwards both served, one of
/// them by an old configuration. This test waits the ten seconds that the old process does.
#[test]
fn a_successor_that_stood_still_for_too_long_ends() {
    let folder = folder();
    let mut old = folder.up(&[]);
    let address = old.socket(8080);
    let mut new = AtTheGate::start(&folder);
    new.signal(Signal::STOP);
    // Answered by the old process as soon as it serves again.
    all_hear(address, "one");
    // The successor has the state as long as it lives.
    old.logged("changes and asynchronous invocations are refused until the successor has ended");
    new.open();
    new.signal(Signal::CONT);
    let (code, said) = new.ended();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("went on serving"), "{said}");
    old.logged("changes and asynchronous invocations are accepted again");
    folder.write("albacore.yaml", &manifest("two"));
    old.notice("revision");
    all_hear(address, "two");
    let told = fs::read_to_string(folder.path(".albacore/lock")).unwrap();
    assert_eq!(told.trim(), old.pid().as_raw_nonzero().to_string());
    // It is found, and another one may take over.
    folder.run(&["status"]).expect(0, "", "");
    let new = folder.up(&["--takeover"]);
    old.notice("handed_over");
    assert_eq!(get(new.socket(8080), "/"), (200, "two".to_owned()));
}

#[test]
fn when_the_old_process_is_killed_in_between_the_new_one_serves() {
    let folder = folder();
    let mut old = folder.up(&[]);
    let address = old.socket(8080);
    let mut new = AtTheGate::start(&folder);
    old.signal(Signal::KILL);
    assert_eq!(old.exit_code(), None);
    new.open();
    new.ready();
    all_hear(address, "one");
}

#[test]
fn an_old_process_that_stands_still_does_not_hold_up_the_new_one() {
    let folder = folder();
    let mut old = folder.up(&[]);
    let address = old.socket(8080);
    let mut new = AtTheGate::start(&folder);
    old.signal(Signal::STOP);
    new.open();
    new.ready();
    all_hear(address, "one");
    old.signal(Signal::CONT);
    old.notice("handed_over");
    assert_eq!(old.exit_code(), Some(0));
    all_hear(address, "one");
}

/// Whose the data folder is must be known before the old process tidies up.
#[test]
fn a_stop_that_is_asked_for_in_between_leaves_the_new_process_its_files() {
    let folder = folder();
    let mut old = folder.up(&[]);
    let address = old.socket(8080);
    let mut new = AtTheGate::start(&folder);
    old.signal(Signal::TERM);
    new.open();
    new.ready();
    assert_eq!(old.exit_code(), Some(0));
    all_hear(address, "one");
    folder.run(&["status"]).expect(0, "", "");
    folder.up(&["--takeover"]);
    assert_eq!(new.ended().0, Some(0));
}

#[test]
fn when_the_new_process_is_killed_in_between_the_old_one_serves_on() {
    let folder = folder();
    let mut old = folder.up(&[]);
    let address = old.socket(8080);
    let mut new = AtTheGate::start(&folder);
    new.signal(Signal::KILL);
    new.ended();
    all_hear(address, "one");
    folder.write("albacore.yaml", &manifest("two"));
    old.notice("revision");
    all_hear(address, "two");
}

/// A successor of our own making: it says that it is prepared, takes everything, the token too, and stands still before it serves.
const SUCCESSOR: &str = r#"#!/usr/bin/env python3
import json, signal, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
def exactly(count):
    received = b""
    while len(received) < count:
        received += line.recv(count - len(received))
    return received
def receive():
    return json.loads(exactly(int.from_bytes(exactly(4), "big")))
def say(word):
    text = json.dumps(word).encode()
    line.sendall(len(text).to_bytes(4, "big") + text)
hello = receive()
assert hello["token"]
say("hand_over_with_token")
receive()
_, descriptors, _, _ = socket.recv_fds(line, 1, 128)
token = socket.socket(fileno=descriptors[-1])
assert token.recv(1) == b"t"
print("stands still", flush=True)
signal.pause()
"#;

/// It is killed with this value.
struct Successor(Child);

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn successor(folder: &Folder) -> Successor {
    folder.write_program("successor", SUCCESSOR);
    let mut child = Command::new(folder.path("successor"))
        .arg(folder.path(".albacore/takeover.sock"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let stands_still = lines.map_while(Result::ok).any(|line| line == "stands still");
    assert!(stands_still, "it ended");
    Successor(child)
}

#[test]
fn a_successor_that_is_killed_when_it_could_serve_leaves_the_old_one_serving() {
    let folder = folder();
    let mut old = folder.up(&[]);
    let address = old.socket(8080);
    let mut new = successor(&folder);
    new.0.kill().unwrap();
    new.0.wait().unwrap();
    all_hear(address, "one");
    folder.write("albacore.yaml", &manifest("two"));
    old.notice("revision");
    all_hear(address, "two");
}

/// It can serve at any moment, so it must be dead before the old process serves. This test waits twenty seconds.
#[test]
fn a_successor_that_stands_still_when_it_could_serve_is_killed() {
    let folder = folder();
    let old = folder.up(&[]);
    let address = old.socket(8080);
    let mut new = successor(&folder);
    all_hear(address, "one");
    let status = new.0.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
}

/// What an operator saw: whoever said nothing more at the door held up every change for ever.
#[test]
fn whoever_says_nothing_at_the_door_holds_up_nothing() {
    let folder = folder();
    let mut old = folder.up(&[]);
    let address = old.socket(8080);
    let mut mute: Vec<_> = (0..3)
        .map(|_| UnixStream::connect(folder.path(".albacore/takeover.sock")).unwrap())
        .collect();
    // They were let in.
    mute.iter_mut().for_each(|line| line.read_exact(&mut [0; 8]).unwrap());
    // One of them stops in the middle of a word.
    mute[0].write_all(&[0, 0]).unwrap();
    folder.write("albacore.yaml", &manifest("two"));
    old.notice("revision");
    all_hear(address, "two");
    let new = folder.up(&["--takeover"]);
    old.notice("handed_over");
    assert_eq!(old.exit_code(), Some(0));
    assert_eq!(get(new.socket(8080), "/"), (200, "two".to_owned()));
}

/// A change between the last look at the manifest and the first moment in which somebody watches it.
#[test]
fn a_change_in_between_is_not_lost() {
    let folder = folder();
    let mut old = folder.up(&[]);
    let address = old.socket(8080);
    let mut new = AtTheGate::start(&folder);
    folder.write("albacore.yaml", &manifest("two"));
    new.open();
    new.ready();
    until("the change is served", || {
        (get(address, "/") == (200, "two".to_owned())).then_some(())
    });
    assert_eq!(old.exit_code(), Some(0));
}
