//! Functions of the managed runtimes: which interpreter serves them, and code that changes while they run.

use crate::support::*;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::Command;

/// The program of the machine's Python, and its minor version.
fn python() -> (String, u32) {
    let say = "import os, sys; print(os.path.realpath(sys.executable), sys.version_info.minor)";
    let said = run(Command::new("python3").args(["-c", say])).out;
    let (program, minor) = said.trim().split_once(' ').unwrap();
    (program.to_owned(), minor.parse().unwrap())
}

/// A folder with a Python function in `code`, and a `PATH` of only the machine's Python.
fn folder() -> (Folder, String) {
    let folder = new_folder();
    fs::create_dir(folder.path("bin")).unwrap();
    symlink(python().0, folder.path("bin/python3")).unwrap();
    fs::create_dir(folder.path("code")).unwrap();
    folder.write("code/app.py", &handler("one"));
    let path = folder.path("bin").display().to_string();
    (folder, path)
}

fn handler(word: &str) -> String {
    format!(
        "import os\n\ndef handler(event, context):\n    if event['path'] == '/slow':\n        print('waiting', flush=True)\n        \
         open(os.environ['GATE']).read()\n    return {{'statusCode': 200, 'body': '{word}'}}\n"
    )
}

fn function(name: &str, minor: u32) -> String {
    format!(
        "  {name}:\n    runtime: python3.{minor}\n    handler: app.handler\n    code: ./code\n    timeout: 60s\n    \
         environment: {{ GATE: ../gate }}\n"
    )
}

/// These functions; the first is called `a`, and a listener leads to it.
fn manifest(functions: &[String]) -> String {
    format!(
        "functions:\n{}target_groups:\n  a: {{ function: a }}\nload_balancers:\n  shop:\n    listeners:\n      \
         - {{ port: 8080, protocol: http, default: {{ forward: a }} }}\n",
        functions.concat()
    )
}

/// A minor version that this machine's Python is not.
fn another(minor: u32) -> u32 {
    if minor == 9 { 10 } else { 9 }
}

fn up(folder: &Folder, path: &str, args: &[&str]) -> Server {
    let usual = [
        "up",
        "--json",
        "--endpoint",
        "127.0.0.1:0",
        "--publish",
        "8080:0",
        "--cores",
        "1",
    ];
    Server::start(folder.albacore(&[&usual, args].concat()).env("PATH", path))
}

#[track_caller]
fn message(told: &Value) -> &str {
    told["message"].as_str().unwrap()
}

#[test]
fn the_nearest_version_serves_and_is_told_once() {
    let ((folder, path), (_, minor)) = (folder(), python());
    let wanted = another(minor);
    folder.write("albacore.yaml", &manifest(&[function("a", wanted)]));
    let mut server = up(&folder, &path, &[]);
    assert_eq!(get(server.socket(8080), "/"), (200, "one".to_owned()));
    let notice = |name: &str| format!("function {name}: python3.{wanted} is served by Python 3.{minor}");
    let warning = server.notice("warning");
    assert!(message(&warning).starts_with(&notice("a")), "{warning}");
    // Only the news is told at a change.
    folder.write(
        "albacore.yaml",
        &manifest(&[function("a", wanted), function("b", wanted), function("c", minor)]),
    );
    assert_eq!(server.notice("revision")["change"], "2 functions added");
    let warning = server.notice("warning");
    assert!(message(&warning).starts_with(&notice("b")), "{warning}");
    assert_eq!(
        (&warning["file"], &warning["line"]),
        (&"albacore.yaml".into(), &8.into()),
        "{warning}"
    );
    drop(server);
    let refused = folder
        .albacore(&["up"])
        .env("PATH", &path)
        .env("ALBACORE_STRICT_RUNTIMES", "true")
        .output();
    let refused = String::from_utf8(refused.unwrap().stderr).unwrap();
    for part in [
        "albacore.yaml:2:3: function a: ",
        "albacore.yaml:8:3: function b: ",
        "start without --strict-runtimes",
        "2 mistakes; nothing was started",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
}

/// What a user saw: a server without any traffic for its functions was late, because an interpreter was slow.
#[test]
fn nobody_waits_for_a_slow_interpreter_unless_runtimes_are_strict() {
    let folder = new_folder();
    fs::create_dir(folder.path("bin")).unwrap();
    folder.make_pipe("bin/gate");
    let gate = folder.path("bin/gate");
    let program = format!("#!/bin/sh\nread -r line < '{}'\n", gate.display());
    folder.write_program("bin/python3", &program);
    // Open for both, so that nobody waits. With a line in it, the interpreter ends.
    let mut gate = fs::File::options().read(true).write(true).open(gate).unwrap();
    fs::create_dir(folder.path("code")).unwrap();
    folder.write("code/app.py", &handler("one"));
    let fixed = "      - { port: 8081, protocol: http, default: { fixed_response: { status: 200, body: here } } }\n";
    folder.write("albacore.yaml", &(manifest(&[function("a", 12)]) + fixed));
    let path = folder.path("bin").display().to_string();
    let mut server = up(&folder, &path, &["--publish", "8081:0"]);
    assert_eq!(get(server.socket(8081), "/"), (200, "here".to_owned()));
    assert_eq!(server.own_api("ready").0, 200);
    gate.write_all(b"\n").unwrap();
    let warning = server.notice("warning");
    assert!(
        message(&warning).starts_with("function a: python3.12: no Python"),
        "{warning}"
    );
    drop(server);
    gate.write_all(b"\n").unwrap();
    let refused = run(folder.albacore(&["up", "--strict-runtimes"]).env("PATH", &path)).err;
    assert!(
        refused.contains("nothing was started") && !refused.contains("ready after"),
        "{refused}"
    );
}

#[test]
fn strict_runtimes_keep_what_was() {
    let ((folder, path), (_, minor)) = (folder(), python());
    folder.write("albacore.yaml", &manifest(&[function("a", minor)]));
    let mut server = up(&folder, &path, &["--strict-runtimes"]);
    assert_eq!(get(server.socket(8080), "/"), (200, "one".to_owned()));
    folder.write("albacore.yaml", &manifest(&[function("a", another(minor))]));
    let mistake = server.notice("mistake");
    assert!(message(&mistake).starts_with("function a: "), "{mistake}");
    assert_eq!(server.notice("kept")["revision"], 1);
    assert_eq!(get(server.socket(8080), "/"), (200, "one".to_owned()));
    folder.write("albacore.yaml", &manifest(&[function("a", minor)]));
    assert_eq!(server.notice("unchanged")["revision"], 1);
}

/// What a user saw: a setting that has no effect on this machine was refused because runtimes were to be exact.
#[test]
fn strict_runtimes_are_about_runtimes_alone() {
    let ((folder, path), (_, minor)) = (folder(), python());
    let bounded = function("a", minor).replace("timeout: 60s", "timeout: 60s\n    memory: 256MB");
    folder.write("albacore.yaml", &manifest(&[bounded]));
    let mut server = up(&folder, &path, &["--strict-runtimes", "--sandbox", "process"]);
    assert_eq!(get(server.socket(8080), "/"), (200, "one".to_owned()));
    let warning = server.notice("warning");
    assert_eq!(
        message(&warning),
        "function a: its `memory` is told to it, but no limit: the tier `process` has none"
    );
}

// LAM-I-003: a handler that returns nothing produces null. LAM-I-018: error payloads arrive as their runtimes posted them
#[test]
fn python_and_node_are_invoked_alike() {
    let folder = new_folder();
    for name in ["python", "node"] {
        fs::create_dir(folder.path(name)).unwrap();
    }
    let python = "def handler(event, context):\n    print('in python')\n    if event:\n        raise ValueError('no ' + event['thing'])\n";
    let node = "exports.handler = async (event) => { console.log('in node'); if (event.thing) throw new RangeError('no ' + event.thing); };\n";
    folder.write("python/app.py", python);
    folder.write("node/index.js", node);
    folder.write(
        "albacore.yaml",
        "functions:\n  python: { runtime: python3.12, handler: app.handler, code: ./python, timeout: 60s }\n  \
         node: { runtime: nodejs22.x, handler: index.handler, code: ./node, timeout: 60s }\n",
    );
    let _server = folder.up(&[]);
    for (name, kind, order) in [
        ("python", "ValueError", ["errorMessage", "errorType"]),
        ("node", "RangeError", ["errorType", "errorMessage"]),
    ] {
        let answered = folder.run(&["invoke", name, "--tail"]);
        answered.expect(0, "null", &format!("in {name}\n"));
        let failed = folder.run(&["invoke", name, "-p", "{\"thing\":\"stock\"}"]);
        failed.expect(1, "", &format!("function {name} failed: {kind}: no stock\n"));
        let places = order.map(|key| failed.out.find(key).unwrap());
        assert!(places.is_sorted(), "{failed:?}");
        until("the log group has it", || {
            let logs = folder.run(&["logs", name]).out;
            (logs.matches(&format!("in {name}\n")).count() == 2).then_some(())
        });
    }
}

#[test]
fn a_syntax_error_is_shown_at_once_and_mended_by_the_next_save() {
    let ((folder, path), (_, minor)) = (folder(), python());
    folder.write("albacore.yaml", &manifest(&[function("a", minor)]));
    folder.make_pipe("gate");
    let mut server = up(&folder, &path, &[]);
    let slow = send(
        server.socket(8080),
        "GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    server.log_line("waiting");
    folder.write(
        "code/app.py",
        &handler("two").replace("event['path'] ==", "event['path' =="),
    );
    assert_eq!(server.notice("revision")["change"], "1 function changed");
    // Without any request.
    let error = server.log_line("SyntaxError");
    let (text, name) = (message(&error), &error["function"]);
    assert_eq!(name, "a");
    assert!(text.contains("app.py") && text.contains("line 4"), "{text}");
    let (status, page) = get(server.socket(8080), "/");
    assert_eq!((status, page.contains("502 Bad Gateway")), (502, true), "{page}");
    folder.write("code/app.py", &handler("three"));
    server.notice("revision");
    assert_eq!(get(server.socket(8080), "/"), (200, "three".to_owned()));
    open_gate(&folder);
    assert_eq!(
        receive(slow),
        (200, "one".to_owned()),
        "the running request finishes on the code it began with"
    );
}
