//! `albacore up --takeover`: another process takes the place of the running one. Source: design 4.

use crate::support::{
    Connection, Server, function_of, get, open_gate, receive, secure, send, trusting_only, until, with_manifest,
};
use rustix::process::Signal;
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Asks over and over, on a new connection every few requests, until it is told to stop: how many answers there were. Any
/// refused connection, reset or missing answer is a panic.
fn ask_for_ever(address: SocketAddr, stop: &AtomicBool, answers: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        let mut stream = BufReader::new(TcpStream::connect(address).expect("no connection is refused"));
        for _ in 0..5 {
            stream
                .get_mut()
                .write_all(REQUEST.as_bytes())
                .expect("no connection is reset");
            if !read_answer(&mut stream) {
                break;
            }
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Whether the connection stays open after this answer.
fn read_answer(stream: &mut BufReader<TcpStream>) -> bool {
    let (mut length, mut keep, mut line) = (0, true, String::new());
    stream.read_line(&mut line).expect("no connection is reset");
    assert!(line.starts_with("HTTP/1.1 200 "), "{line:?}");
    loop {
        line.clear();
        stream.read_line(&mut line).expect("no connection is reset");
        let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "connection" => keep = value == "keep-alive",
            _ if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("no connection is reset");
    keep
}

#[test]
fn the_next_process_serves_without_an_interruption() {
    let folder = with_manifest("a", "");
    let mut old = folder.up(&["--cores", "2", "--drain", "5s"]);
    let (address, endpoint) = (old.socket(8080), old.endpoint());
    let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, answers) = (stop.clone(), answers.clone());
            std::thread::spawn(move || ask_for_ever(address, &stop, &answers))
        })
        .collect();
    let asking = {
        let stop = stop.clone();
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(get(endpoint, "/_albacore/status").0, 200, "nor one to the endpoint");
            }
        })
    };
    let some = |more: u64| {
        let before = answers.load(Ordering::Relaxed);
        until("requests are answered", || {
            (answers.load(Ordering::Relaxed) >= before + more).then_some(())
        });
    };
    some(20);
    // A connection that is idle when the next process takes over is answered once more.
    let mut idle = BufReader::new(TcpStream::connect(address).unwrap());
    idle.get_mut().write_all(REQUEST.as_bytes()).unwrap();
    assert!(read_answer(&mut idle));

    // Another number of cores than before, in both directions.
    for cores in ["1", "3"] {
        let new = folder.up(&["--takeover", "--cores", cores, "--drain", "5s"]);
        old.notice("handed_over");
        assert_eq!((new.socket(8080), new.endpoint()), (address, endpoint));
        if cores == "1" {
            idle.get_mut().write_all(REQUEST.as_bytes()).unwrap();
            assert!(!read_answer(&mut idle), "the old process closes after its answer");
        }
        some(20);
        assert_eq!(old.exit_code(), Some(0));
        assert_eq!(new.own_api("ready").0, 200);
        some(20);
        old = new;
    }
    stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    asking.join().unwrap();
    old.signal(Signal::TERM);
    assert_eq!(old.exit_code(), Some(0));
    assert!(!folder.path(".albacore/takeover.sock").exists());
    assert!(!folder.path(".albacore/endpoint").exists());
}

#[test]
fn a_request_that_runs_is_finished_by_the_old_process() {
    let folder = with_manifest("a", "");
    folder.make_pipe("gate");
    let mut old = folder.up(&[]);
    let address = old.socket(8080);
    let slow = send(
        address,
        "GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    let function = function_of(&old.log_line("waiting"));
    let new = folder.up(&["--takeover"]);
    old.notice("handed_over");
    assert_eq!(get(address, "/").0, 200, "the new process serves");
    let told = std::fs::read_to_string(folder.path(".albacore/endpoint")).unwrap();
    for _ in 0..20 {
        let answer = Connection::open(new.endpoint())
            .unwrap()
            .get("/_albacore/status")
            .unwrap();
        let instance = answer.values("x-albacore-instance");
        assert_eq!(told.lines().nth(1), instance.first().copied(), "and it tells of itself");
    }
    open_gate(&folder);
    assert_eq!(receive(slow).0, 200);
    assert_eq!(old.exit_code(), Some(0));
    function.ended();
    assert_eq!(
        get(new.socket(8080), "/").0,
        200,
        "what the old process tidied up is not missed"
    );
}

#[test]
fn a_successor_that_cannot_serve_changes_nothing() {
    let folder = with_manifest("a", "");
    let old = folder.up(&[]);
    let address = old.socket(8080);
    folder.write("broken.yaml", "load_balancers: 7\n");
    let refused = folder.run(&["up", "broken.yaml", "--takeover", "--data-dir", ".albacore"]);
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    // One that is found out only after it has the sockets.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let publish = format!("8080:{port}");
    let refused = folder.run(&[
        "up",
        "albacore.yaml",
        "--takeover",
        "--data-dir",
        ".albacore",
        "--publish",
        &publish,
    ]);
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    assert!(refused.err.contains("in use"), "{}", refused.err);
    assert_eq!(get(address, "/").0, 200, "the running one serves on");
    assert_eq!(old.own_api("ready").0, 200);
    folder.run(&["status"]).expect(0, "", "");
}

#[test]
fn without_a_running_process_it_starts_as_ever() {
    let folder = with_manifest("a", "");
    let server = folder.up(&["--takeover"]);
    assert_eq!(get(server.socket(8080), "/").0, 200);
    let private = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(folder.path(".albacore/takeover.sock"))
            .unwrap()
            .permissions(),
    );
    assert_eq!(private & 0o077, 0);
}

#[test]
fn what_is_known_of_servers_goes_on() {
    let folder = with_manifest("a", "");
    let origin = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let healthy = origin.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in origin.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            let _ = BufReader::new(&mut stream).read_line(&mut line);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    // Nobody listens on the second one.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let manifest = format!(
        "target_groups:\n  servers:\n    targets: [\"{healthy}\", \"{gone}\"]\n    \
         health_check: {{ interval: 5s, timeout: 2s, unhealthy_threshold: 2 }}\n\
         load_balancers:\n  shop:\n    listeners:\n      - {{ port: 8080, protocol: http, default: {{ forward: servers }} }}\n"
    );
    folder.write("albacore.yaml", &manifest);
    let states = |server: &crate::support::Server| {
        let (_, targets) = server.own_api("targets");
        let mut states: Vec<(String, String)> = targets["targets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| {
                (
                    it["target"].as_str().unwrap().to_owned(),
                    it["state"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        states.sort();
        states
    };
    let mut expected = vec![
        (healthy.to_string(), "healthy".to_owned()),
        (gone.to_string(), "unhealthy".to_owned()),
    ];
    expected.sort();
    let mut old = folder.up(&[]);
    until("both targets are judged", || (states(&old) == expected).then_some(()));
    let new = folder.up(&["--takeover"]);
    old.notice("handed_over");
    assert_eq!(states(&new), expected);
    for _ in 0..10 {
        assert_eq!(get(new.socket(8080), "/").0, 200, "the one that is ill gets no request");
    }
}

/// One request with TLS to port 8443, and how its handshake was.
#[track_caller]
fn get_securely(server: &Server, config: &Arc<ClientConfig>) -> HandshakeKind {
    let mut stream = secure(server.socket(8443), "localhost", config.clone()).unwrap();
    stream.write_all(REQUEST.as_bytes()).unwrap();
    let kind = stream.conn.handshake_kind().unwrap();
    // With TLS 1.3 tickets come with the answer.
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    kind
}

// Tickets are opened by the process that took over, whoever of its cores is asked; a process that starts anew has keys of
// its own and asks for a whole handshake. Source: ALB 6.2.
#[test]
fn sessions_are_resumed_by_the_next_process() {
    let listener = "      - port: 8443\n        protocol: https\n        certificates: [{ domain: shop.localhost }]\n        \
                    default: { forward: worker }\n";
    let folder = with_manifest("a", listener);
    let secured = ["--publish", "8443:0", "--cores", "2"];
    let taking = [&secured[..], &["--takeover"]].concat();
    let mut old = folder.up(&secured);
    // Clients with one version each: their tickets are of two kinds.
    let clients = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3].map(trusting_only);
    for client in &clients {
        assert_eq!(get_securely(&old, client), HandshakeKind::Full);
    }
    // From one process to the next, and to the one behind it.
    for _ in 0..2 {
        let new = folder.up(&taking);
        old.notice("handed_over");
        for client in &clients {
            for _ in 0..4 {
                assert_eq!(get_securely(&new, client), HandshakeKind::Resumed);
            }
        }
        assert_eq!(old.exit_code(), Some(0));
        old = new;
    }
    old.signal(Signal::TERM);
    assert_eq!(old.exit_code(), Some(0));
    let restarted = folder.up(&secured);
    for client in &clients {
        assert_eq!(
            get_securely(&restarted, client),
            HandshakeKind::Full,
            "its ticket is refused, and it is not"
        );
        assert_eq!(get_securely(&restarted, client), HandshakeKind::Resumed);
    }
}
