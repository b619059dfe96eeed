//! Start, stop, and being killed.

use crate::support::{
    Process, function_of, get, manifest, new_folder, receive, repository, send, with_manifest, worker,
};
use rustix::process::Signal;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;

#[test]
fn the_hello_example_answers_and_logs() {
    let folder = new_folder();
    let mut server = folder.up_with(&repository("examples/hello/albacore.yaml"), &[]);
    let url = server.listeners()[0].clone();
    assert_eq!(url, format!("http://localhost:{}/", server.socket(8080).port()));
    let answer = receive(send(
        server.socket(8080),
        "GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ));
    assert_eq!(answer, (200, "<h1>Hello from Lambda!</h1>".to_owned()));
    let line = server.log_line("serving");
    assert_eq!(
        (&line["function"], &line["message"]),
        (&"hello".into(), &"serving GET /a".into())
    );

    let (_, requests) = server.own_api("requests");
    let request = &requests["requests"][0];
    assert_eq!(
        (&request["elb_status_code"], &request["verdict"]),
        (&"200".into(), &().into()),
        "{requests}"
    );
    assert_eq!(request["request"], "GET http://localhost:8080/a HTTP/1.1");
    let (_, metrics) = server.own_api("metrics");
    assert!(
        metrics
            .as_str()
            .unwrap()
            .contains("albacore_functions_invocations_total{function=\"hello\"} 1\n")
    );

    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    let log = std::fs::read_to_string(folder.path(".albacore/access.log")).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[test]
fn a_stop_lets_requests_finish_and_refuses_new_ones() {
    let folder = with_manifest("a", "");
    folder.make_pipe("gate");
    let mut server = folder.up(&[]);
    let listener = server.socket(8080);
    let slow = send(
        listener,
        "GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    let function = function_of(&server.log_line("waiting"));
    server.signal(Signal::TERM);
    server.notice("stopping");
    assert_eq!(server.own_api("ready").0, 503, "the endpoint closes last");
    std::fs::write(folder.path("gate"), "go").unwrap();
    assert_eq!(receive(slow).0, 200);
    assert_eq!(server.exit_code(), Some(0));
    function.ended();
    assert!(TcpStream::connect(listener).is_err() && TcpStream::connect(server.endpoint()).is_err());
    assert!(!folder.path(".albacore/endpoint").exists());
    assert!(!folder.path(".albacore/environments").exists());
}

#[test]
fn a_second_interrupt_does_not_wait() {
    let folder = with_manifest("a", "");
    folder.make_pipe("gate");
    let mut server = folder.up(&["--drain", "24h"]);
    let _slow = send(server.socket(8080), "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let function = function_of(&server.log_line("waiting"));
    server.signal(Signal::INT);
    server.notice("stopping");
    server.signal(Signal::INT);
    assert_eq!(server.exit_code(), Some(1));
    function.ended();
}

#[test]
fn being_killed_leaves_no_process_and_the_next_start_is_clean() {
    let folder = with_manifest("a", "");
    let mut server = folder.up(&[]);
    let function = Process::of(worker(&server).1);
    server.signal(Signal::KILL);
    assert_eq!(server.exit_code(), None);
    function.ended();
    // What it left is recognised, by commands and by the next server.
    folder.run(&["status"]).expect(1, "", "may have been killed");
    let server = folder.up(&[]);
    assert_eq!(worker(&server).0, "a");
    folder.run(&["status"]).expect(0, "ready", "");
}

#[test]
fn one_server_for_each_data_folder() {
    let folder = with_manifest("a", "");
    let server = folder.up(&[]);
    let second = folder.run(&["up", "--endpoint", "127.0.0.1:0", "--publish", "8080:0"]);
    second.expect(1, "", &format!("process id {} ", server.pid().as_raw_nonzero()));
    assert_eq!(worker(&server).0, "a", "the first one is not disturbed");
}

#[test]
fn a_manifest_with_mistakes_starts_nothing() {
    let folder = with_manifest("a", "");
    folder.write(
        "albacore.yaml",
        &manifest("a", "    colour: red\n").replace("60s", "60 parsecs"),
    );
    let refused = folder.run(&["up", "--endpoint", "127.0.0.1:0", "--publish", "8080:0"]);
    refused.expect(1, "", "albacore.yaml:4:");
    refused.expect(1, "", "colour");
    refused.expect(1, "", "2 mistakes; nothing was started");
}

#[test]
fn a_port_in_use_is_an_error_that_says_what_to_do() {
    let theirs = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = theirs.local_addr().unwrap();
    let folder = with_manifest("a", "");
    let publish = format!("8080:{}", taken.port());
    let refused = folder.run(&["up", "--endpoint", "127.0.0.1:0", "--publish", &publish]);
    refused.expect(1, "", "in use by another process");
    refused.expect(1, "", "--publish 8080:PORT");
    let refused = folder.run(&["up", "--publish", "8080:0", "--endpoint", &taken.to_string()]);
    refused.expect(1, "", "choose another with --endpoint");
    let refused = folder.run(&["up", "--publish", "8080:0", "--endpoint", "0.0.0.0:0"]);
    refused.expect(1, "", "not a loopback address");
}

/// A user namespace that allows no further ones stands for a machine without them.
#[test]
fn a_tier_that_does_not_work_is_refused_or_replaced_with_the_reason() {
    let folder = with_manifest("a", "");
    let run = |command: &str| {
        let script = "echo 0 > /proc/sys/user/max_user_namespaces || exit 77; exec \"$0\" $1";
        testkit::run(
            std::process::Command::new("unshare")
                .args(["-Ur", "sh", "-c", script, env!("CARGO_BIN_EXE_albacore"), command])
                .current_dir(folder.path("")),
        )
    };
    let doctor = run("doctor --publish 8080:0");
    if doctor.err.contains("unshare: ") || doctor.code == Some(77) {
        // This machine allows none either, so it is what every other test runs on.
        return;
    }
    doctor.expect(0, "sandbox     tier process", "");
    doctor.expect(0, "making namespaces: ", "");
    doctor.expect(0, "user.max_user_namespaces", "");
    let up = run("up --sandbox namespace --publish 8080:0 --endpoint 127.0.0.1:0");
    up.expect(1, "", "--sandbox namespace does not start with less");
    up.expect(1, "", "user.max_user_namespaces");
}

#[test]
fn a_pipe_is_no_access_log() {
    let folder = with_manifest("a", "");
    folder.make_pipe("pipe");
    let refused = folder.run(&[
        "up",
        "--endpoint",
        "127.0.0.1:0",
        "--publish",
        "8080:0",
        "--access-log",
        "pipe",
    ]);
    refused.expect(1, "", "/pipe is neither a file nor a character device");
}

#[test]
fn an_ephemeral_server_leaves_nothing() {
    let folder = with_manifest("a", "");
    let mut server = folder.up(&["--ephemeral"]);
    let (_, status) = server.own_api("status");
    let data_dir = std::path::PathBuf::from(status["data_dir"].as_str().unwrap());
    assert_eq!(data_dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(worker(&server).0, "a");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    assert!(!data_dir.exists() && !folder.path(".albacore").exists());
}

#[test]
fn certificates_of_the_local_authority_are_announced() {
    let rest = "      - { port: 8443, protocol: https, certificates: [{ domain: shop.localhost }], default: { forward: worker } }\n";
    let folder = with_manifest("a", rest);
    let server = folder.up(&["--publish", "8443:0", "--access-log", "off"]);
    let (listeners, socket) = (server.listeners().to_vec(), server.socket(8443));
    assert!(
        listeners.contains(&format!("https://shop.localhost:{}/", socket.port())),
        "{listeners:?}"
    );
    assert!(folder.path(".albacore/ca/ca.pem").exists());
    let (_, status) = server.own_api("status");
    assert!(status["access_log"].is_null() && !folder.path(".albacore/access.log").exists());
    // Somebody who speaks no TLS is told so.
    assert_eq!(get(socket, "/").0, 400);
}

/// How a thread is scheduled: its policy, and its nice value.
fn scheduling(stat: &std::path::Path) -> (u32, i32) {
    let stat = std::fs::read_to_string(stat).unwrap();
    // The name of the thread may hold spaces and parentheses; the third field comes behind it.
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[41 - 3].parse().unwrap(), fields[19 - 3].parse().unwrap())
}

#[test]
fn what_is_not_traffic_gives_way_to_it() {
    const OTHER: u32 = 0;
    const BATCH: u32 = 3;
    let folder = with_manifest("a", "");
    let server = folder.up(&[]);
    let process = std::path::PathBuf::from(format!("/proc/{}", server.pid().as_raw_nonzero()));
    let of_threads = |name: &str| -> Vec<_> {
        let threads = std::fs::read_dir(process.join("task")).unwrap();
        let threads = threads.map(|thread| thread.unwrap().path());
        threads
            .filter(|thread| std::fs::read_to_string(thread.join("comm")).is_ok_and(|it| it.trim_end() == name))
            .map(|thread| scheduling(&thread.join("stat")))
            .collect()
    };
    // Whoever runs the tests may be nice.
    let (_, own) = scheduling("/proc/self/stat".as_ref());
    assert_eq!(of_threads("core-0"), [(OTHER, own)]);
    assert_eq!(of_threads("store"), [(BATCH, own + 5)]);
    assert_eq!(scheduling(&process.join("stat")), (BATCH, own + 5), "the control plane");
    let function = worker(&server).1.as_raw_nonzero();
    assert_eq!(
        scheduling(format!("/proc/{function}/stat").as_ref()),
        (OTHER, own),
        "functions are traffic"
    );
}
