//! `albacore logs`, log groups on the disk, and what functions write on the terminal.

use crate::support::*;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// A function that writes what its event says, to standard output and to standard error, and then answers what it says.
const SCRIBE: &str = r#"#!/usr/bin/env python3
import http.client, json, os, sys
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
print("stream", os.environ["AWS_LAMBDA_LOG_STREAM_NAME"], flush=True)
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = api.getresponse()
    event = json.loads(invocation.read())
    sys.stdout.write(event.get("out", "")); sys.stdout.flush()
    sys.stderr.write(event.get("err", "")); sys.stderr.flush()
    path = "/2018-06-01/runtime/invocation/%s/response" % invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    api.request("POST", path, event.get("answer", "null").encode())
    api.getresponse().read()
"#;

const MANIFEST: &str = "functions:\n  scribe: { code: ./scribe }\n  other: { code: ./scribe }\n";

fn folder() -> Folder {
    let folder = new_folder();
    folder.write_program("scribe", SCRIBE);
    folder.write("albacore.yaml", MANIFEST);
    folder
}

#[track_caller]
fn say(folder: &Folder, function: &str, text: &str) {
    let event = serde_json::json!({ "out": format!("{text}\n") }).to_string();
    folder.run(&["invoke", function, "-p", &event]).expect_success();
}

/// The messages that `albacore logs` shows with these arguments.
#[track_caller]
fn messages(folder: &Folder, args: &[&str]) -> Vec<String> {
    let finished = folder.run(&[&["logs", "--json"], args].concat());
    finished.expect_success();
    let message = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["message"].as_str().unwrap().to_owned()
    };
    finished.out.lines().map(message).collect()
}

/// Waits until so many events with this message are in the log group of `scribe`.
#[track_caller]
fn stored(folder: &Folder, text: &str, times: usize) {
    until("it is stored", || {
        let found = messages(folder, &["scribe", "--limit", "10000"]);
        (found.iter().filter(|message| message.as_str() == text).count() == times).then_some(())
    });
}

// LAM-G-001: START, END and REPORT in this order
// LAM-G-016: the stream that is written is the one that the function was told
#[test]
fn the_terminal_and_the_log_group_say_the_same() {
    let folder = folder();
    let mut server = folder.up(&[]);
    let event = r#"{ "out": "one\rtwo\nthree \u001b[1m\n" }"#;
    folder.run(&["invoke", "scribe", "-p", event]).expect_success();
    let shown: Vec<Value> = ["stream ", "START ", "one", "three", "END ", "REPORT "]
        .iter()
        .map(|text| server.log_line(text))
        .collect();
    stored(&folder, "three \u{1b}[1m", 1);
    let document = folder.run(&["logs", "scribe", "--json"]);
    let found: Vec<Value> = document
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let stream = found
        .iter()
        .find_map(|line| line["message"].as_str()?.strip_prefix("stream "))
        .unwrap();
    for line in found.iter().chain(&shown) {
        assert_eq!(
            (&line["function"], &line["stream"]),
            (&"scribe".into(), &stream.into()),
            "{line}"
        );
    }
    let all: Vec<_> = found.iter().map(|line| line["message"].as_str().unwrap()).collect();
    let from_start = all.iter().position(|message| message.starts_with("START ")).unwrap();
    let of_invocation: Vec<_> = shown[1..]
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert_eq!(all[from_start..], of_invocation);
    assert_eq!(shown[2]["message"], "one\rtwo");
    assert_eq!(
        (&shown[2]["source"], &shown[4]["source"]),
        (&"stdout".into(), &"platform".into())
    );
    assert!(shown[4]["timestamp"].as_u64().unwrap() > 1_700_000_000_000);
    assert!(found.iter().all(|line| line["group"] == "/aws/lambda/scribe"));
    // For people: a line a line, with the function's name where several functions are shown.
    let text = folder.run(&["logs", "scribe"]);
    assert!(
        text.out.contains("\none\ntwo\nthree \u{1b}[1m\u{1b}[0m\nEND "),
        "{text:?}"
    );
    let text = folder.run(&["logs", "--timestamps", "--limit", "1"]);
    let (time, rest) = text.out.split_once(' ').unwrap();
    assert!(
        time.len() == 24 && time.ends_with('Z') && rest.starts_with("[scribe] REPORT "),
        "{text:?}"
    );
}

/// What a user saw: `albacore logs` after `albacore invoke` missed the last lines.
#[test]
fn logs_right_after_an_invocation_are_whole() {
    let folder = folder();
    let _server = folder.up(&[]);
    for round in 1..=10 {
        // With the tail of the log, the answer comes when the log of the invocation is whole.
        folder.run(&["invoke", "scribe", "--tail"]).expect_success();
        let reports = messages(&folder, &["scribe"]);
        let reports = reports.iter().filter(|message| message.starts_with("REPORT "));
        assert_eq!(reports.count(), round);
    }
}

/// Runs albacore with these arguments on a terminal; what is on it then. Its line ends are those of a terminal.
#[track_caller]
fn on_a_terminal(folder: &Folder, args: &[&str]) -> String {
    let script = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let mut python = Command::new("python3");
    python.args(["-c", script, env!("CARGO_BIN_EXE_albacore")]).args(args);
    let seen = run(python
        .current_dir(folder.path(""))
        .env_remove("ALBACORE_DATA_DIR")
        .stdin(Stdio::null()));
    seen.expect_success();
    seen.out.replace("\r\n", "\n")
}

/// What a user saw: a function that hid its text hid everybody's from then on.
#[test]
fn a_function_does_not_steer_a_terminal() {
    let folder = folder();
    let command = "exec \"$0\" up --endpoint 127.0.0.1:0 --cores 1 > out 2> err";
    let mut shell = Command::new("sh");
    shell.args(["-c", command, env!("CARGO_BIN_EXE_albacore")]);
    let _server = Killed(shell.current_dir(folder.path("")).spawn().unwrap());
    let read = |name: &str| fs::read_to_string(folder.path(name)).unwrap_or_default();
    until("it is ready", || read("err").contains("ready after").then_some(()));
    let event = r#"{ "out": "\u001b[8mHIDDEN\n\u001b[31mred \u001b]0;title\u0007\nplain\n" }"#;
    let tail = folder.run(&["invoke", "scribe", "--tail", "-p", event]);
    let shown = [
        "\u{fffd}[8mHIDDEN",
        "\u{1b}[31mred \u{fffd}]0;title\u{fffd}\u{1b}[0m",
        "plain",
    ];
    let with = |before: &str| shown.map(|line| format!("{before}{line}\n")).concat();
    // Also into a file, because a terminal may be behind it.
    until("it is written", || {
        read("out").contains(&with("[scribe] ")).then_some(())
    });
    assert!(tail.err.contains(&with("")), "{tail:?}");
    let logs = folder.run(&["logs", "scribe"]);
    assert!(logs.out.contains(&with("")), "{logs:?}");
    let seen = on_a_terminal(&folder, &["logs", "scribe"]);
    assert!(seen.contains(&with("")), "{seen:?}");
    // Programs get every character.
    assert!(messages(&folder, &["scribe"]).contains(&"\u{1b}[8mHIDDEN".to_owned()));
    // The same with answers, which need not be JSON.
    let event = r#"{ "answer": "\u001b[8mHIDDEN\n\u001b[31mred" }"#;
    let seen = on_a_terminal(&folder, &["invoke", "scribe", "-p", event]);
    assert_eq!(seen, "\u{fffd}[8mHIDDEN\n\u{1b}[31mred\u{1b}[0m\n");
    let piped = folder.run(&["invoke", "scribe", "-p", event]);
    assert_eq!(piped.out, "\u{1b}[8mHIDDEN\n\u{1b}[31mred");
}

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn logs_are_found_by_function_number_and_time() {
    let folder = folder();
    let _server = folder.up(&[]);
    say(&folder, "scribe", "a");
    say(&folder, "other", "b");
    say(&folder, "scribe", "c");
    stored(&folder, "c", 1);
    let own = |args: &[&str]| {
        let all = messages(&folder, args);
        all.into_iter().filter(|message| message.len() == 1).collect::<Vec<_>>()
    };
    assert_eq!(own(&[]), ["a", "b", "c"]);
    assert_eq!(own(&["other"]), ["b"]);
    assert_eq!(own(&["--since", "1h"]), ["a", "b", "c"]);
    assert_eq!(own(&["--since", "0s"]), [""; 0]);
    assert_eq!(messages(&folder, &["scribe", "--limit", "3"]).len(), 3);
    folder.run(&["logs", "scrib"]).expect(
        1,
        "",
        "albacore: function scrib does not exist; there are other, scribe",
    );
    folder.run(&["logs", "--since", "soon"]).expect(2, "", "--since");
}

#[test]
fn logs_stay_after_a_stop_and_after_being_killed() {
    let folder = folder();
    folder.run(&["logs"]).expect(
        1,
        "",
        "no albacore is running on .albacore; start one with `albacore up`",
    );
    let mut server = folder.up(&[]);
    say(&folder, "scribe", "a");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    let mut server = folder.up(&[]);
    stored(&folder, "a", 1);
    say(&folder, "scribe", "b");
    stored(&folder, "b", 1);
    server.signal(Signal::KILL);
    assert_eq!(server.exit_code(), None);
    // A line that was torn, and a function that is gone: its log is not.
    let segment = folder.path(".albacore/logs/%2Faws%2Flambda%2Fscribe/00000001.jsonl");
    let mut text = fs::read(&segment).unwrap();
    text.extend_from_slice(b"{\"time\":\"2026");
    fs::write(&segment, text).unwrap();
    folder.write("albacore.yaml", "functions:\n  other: { code: ./scribe }\n");
    let _server = folder.up(&[]);
    for text in ["a", "b"] {
        stored(&folder, text, 1);
    }
    folder.run(&["logs", "nobody"]).expect(1, "", "there are other");
}

fn lines_of(out: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (tell, lines) = channel();
    let out = BufReader::new(out);
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    lines
}

/// An `albacore logs -f` that runs.
struct Following {
    child: Child,
    lines: Receiver<String>,
    notices: Receiver<String>,
}

impl Following {
    fn start(folder: &Folder, args: &[&str]) -> Self {
        let mut command = folder.albacore(&[&["logs", "-f"], args].concat());
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let notices = lines_of(child.stderr.take().unwrap());
        Self { child, lines, notices }
    }

    /// Waits until it says so.
    #[track_caller]
    fn notice(&mut self, text: &str) {
        let notice = self.notices.recv_timeout(BOUND).unwrap();
        assert!(notice.contains(text), "{notice}");
    }

    /// The lines up to the one that contains `text`, which is the last.
    #[track_caller]
    fn until(&mut self, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(BOUND) {
            found.push(line);
            if found.last().is_some_and(|line| line.contains(text)) {
                return found;
            }
        }
        panic!("{text:?} never came: {found:?}");
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_follower_sees_what_comes_up_to_the_last_words() {
    let folder = folder();
    let mut server = folder.up(&[]);
    say(&folder, "other", "before");
    let mut all = Following::start(&folder, &[]);
    let mut other = Following::start(&folder, &["other"]);
    // What they show first says that they have begun.
    all.until("[other] before");
    other.until("before");
    say(&folder, "scribe", "only for one");
    let seen = all.until("[scribe] REPORT");
    assert!(seen.iter().any(|line| line == "[scribe] only for one"), "{seen:?}");
    say(&folder, "other", "for both");
    let seen = other.until("for both");
    assert!(seen.iter().all(|line| !line.contains("only for one")), "{seen:?}");
    all.until("[other] for both");
    say(&folder, "other", "the last words");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    for mut follower in [all, other] {
        follower.until("the last words");
        follower.notice("the server on .albacore has gone; waiting for the next one (Ctrl-C ends)");
    }
}

#[test]
fn a_follower_goes_on_with_the_next_server() {
    let folder = folder();
    let mut server = folder.up(&[]);
    let mut follower = Following::start(&folder, &["scribe", "other"]);
    for (round, signal) in [Signal::TERM, Signal::KILL].into_iter().enumerate() {
        let (before, after) = (format!("before {round}"), format!("after {round}"));
        say(&folder, "scribe", &before);
        follower.until(&format!("[scribe] {before}"));
        // What was shown is on the disk, so that another server knows it too.
        stored(&folder, &before, 1);
        server.signal(signal);
        let _ = server.exit_code();
        follower.notice("has gone");
        server = folder.up(&[]);
        follower.notice("a server is there again");
        say(&folder, "other", &after);
        let seen = follower.until(&format!("[other] {after}"));
        assert!(
            !seen.iter().any(|line| line.contains("before")),
            "shown twice: {seen:?}"
        );
    }
    server.signal(Signal::KILL);
    assert_eq!(server.exit_code(), None);
    folder
        .run(&["logs"])
        .expect(1, "", "it may have been killed. Start one with `albacore up`");
}

#[test]
fn logs_of_one_invocation_and_of_a_level() {
    let folder = folder();
    let _server = folder.up(&[]);
    let line = |level: &str| format!(r#"{{\"level\":\"{level}\",\"message\":\"of {level}\"}}"#);
    let event = format!(r#"{{ "out": "plain\n{}\n{}\n" }}"#, line("INFO"), line("ERROR"));
    folder
        .run(&["invoke", "scribe", "--tail", "-p", &event])
        .expect_success();
    folder.run(&["invoke", "scribe", "--tail", "-p", "{}"]).expect_success();
    let all = messages(&folder, &["scribe"]);
    let begin = all
        .iter()
        .find_map(|message| message.strip_prefix("START RequestId: "))
        .unwrap();
    let id = begin.split(' ').next().unwrap();
    let of_one = messages(&folder, &["scribe", "--request-id", id]);
    assert!(
        of_one[0].starts_with("START ") && of_one[5].starts_with("REPORT "),
        "{of_one:?}"
    );
    assert_eq!((of_one.len(), of_one[1].as_str()), (6, "plain"));
    let loud = messages(&folder, &["scribe", "--request-id", id, "--level", "error"]);
    let expected: Vec<_> = of_one
        .iter()
        .filter(|message| !message.contains("INFO"))
        .cloned()
        .collect();
    assert_eq!(loud, expected, "lines that are no JSON stay");
    assert!(
        !messages(&folder, &["--level", "warn"])
            .iter()
            .any(|message| message.contains("INFO"))
    );
    folder
        .run(&["logs", "--level", "loud"])
        .expect(1, "", "level is TRACE, DEBUG");
    let nobody = messages(&folder, &["--request-id", "11111111-2222-4333-8444-555555555555"]);
    assert_eq!(nobody, [""; 0]);
}

#[test]
fn functions_have_colours_on_a_terminal() {
    let folder = folder();
    let _server = folder.up(&[]);
    folder
        .run(&["invoke", "scribe", "--tail", "-p", r#"{ "out": "hello\n" }"#])
        .expect_success();
    let coloured = |text: &str| {
        text.lines()
            .any(|line| line.starts_with("\u{1b}[") && line.contains("[scribe]\u{1b}[0m hello"))
    };
    let seen = on_a_terminal(&folder, &["logs"]);
    assert!(coloured(&seen), "{seen:?}");
    let piped = folder.run(&["logs"]);
    assert!(piped.out.contains("[scribe] hello\n"), "{piped:?}");
}

#[test]
fn a_full_disk_costs_log_events_and_no_answer() {
    let folder = folder();
    let group = folder.path(".albacore/logs/%2Faws%2Flambda%2Fscribe");
    fs::create_dir_all(&group).unwrap();
    std::os::unix::fs::symlink("/dev/full", group.join("00000001.jsonl")).unwrap();
    let mut server = folder.up(&[]);
    (0..3).for_each(|_| say(&folder, "scribe", "lost"));
    let lost = "albacore_log_groups_events_lost_total{reason=\"not_written\"}";
    until("events are counted as lost", || {
        server.metric(lost).filter(|lost| *lost >= 9.0)
    });
    let failing = server.logged("what functions write cannot be kept");
    assert!(failing["error"].as_str().unwrap().contains("space"), "{failing}");
    let status = folder.run(&["status"]);
    status.expect(0, "cannot be written: ", "");
    // Room again: the log goes on, and that is told once.
    fs::remove_file(group.join("00000001.jsonl")).unwrap();
    say(&folder, "scribe", "kept");
    let recovered = server.logged("what functions write is kept again");
    assert!(
        recovered["events_lost"].as_str().unwrap().parse::<u64>().unwrap() >= 9,
        "{recovered}"
    );
    stored(&folder, "kept", 1);
}
