//! A process with few descriptors: clients, targets and the endpoint each have their share. And one that may not open another
//! file: who is served is served on, who must wait waits, and when there is room again everything goes on.

use crate::http2_targets;
use crate::world::{GOOD, Group, World};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;
use testkit::{Connection, Folder, Frame, Http2, Origin, Server, header_block, until};

/// Descriptors that the process may have; it needs some of them for itself.
const DESCRIPTORS: usize = 120;

fn up(folder: &Folder) -> Server {
    Server::start(&mut shell(folder, DESCRIPTORS))
}

fn shell(folder: &Folder, descriptors: usize) -> Command {
    let limited = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &limited, env!("CARGO_BIN_EXE_albacore")])
        .args([
            "up",
            "albacore.yaml",
            "--json",
            "--cores",
            "1",
            "--endpoint",
            "127.0.0.1:0",
        ])
        .args(["--publish", "8080:0,8443:0"])
        .current_dir(folder.path(""))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    shell
}

const ENDPOINT_FULL: &str = "the endpoint can accept no connection; new ones wait";

/// The numbers of its descriptors.
fn numbers(world: &World) -> BTreeSet<usize> {
    let entries = std::fs::read_dir(format!("/proc/{}/fd", world.server.pid().as_raw_nonzero())).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().parse().unwrap())
        .collect()
}

fn limit(process: Pid, current: usize) {
    let limit = Rlimit {
        current: Some(current as u64),
        maximum: Some(DESCRIPTORS as u64),
    };
    prlimit(Some(process), Resource::Nofile, limit).unwrap();
}

/// While it lives, the process can open nothing but what takes the place of something else.
struct Full {
    process: Pid,
    /// They take the numbers below the limit that were free.
    _clients: Vec<TcpStream>,
}

impl Full {
    fn begin(world: &World) -> Self {
        let (process, mut clients) = (world.server.pid(), Vec::new());
        let used = numbers(world).range(..DESCRIPTORS).max().unwrap() + 1;
        limit(process, used);
        until("no descriptor is left", || {
            let free = used - numbers(world).range(..used).count();
            if clients.len() < DESCRIPTORS {
                clients.extend((0..free).map(|_| TcpStream::connect(world.listener()).unwrap()));
            }
            (free == 0).then_some(())
        });
        Self {
            process,
            _clients: clients,
        }
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        limit(self.process, DESCRIPTORS);
    }
}

#[test]
fn cold_clients_beyond_all_descriptors_are_served_or_refused_early() {
    const CLIENTS: usize = 200;
    let world = World::start_with(Vec::new(), 60, up);
    let ask = || {
        let mut client = world.connect();
        let answer = client.get("/good/").unwrap();
        // Whoever was served stays connected, so that the others find no place.
        ((answer.status, answer.body), (answer.status == 200).then_some(client))
    };
    let answers: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        while clients.iter().any(|client| !client.is_finished()) {
            assert_eq!(world.server.own_api("status").0, 200);
        }
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let (served, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|((status, _), _)| *status == 200);
    assert!(served.iter().all(|((_, body), _)| body == "good"));
    assert!(refused.iter().all(|((status, _), _)| *status == 503));
    let gauges = world.server.gauges();
    assert_eq!(gauges["albacore_proxy_accept_errors_total"], 0);
    assert_eq!(
        (served.len(), refused.len()),
        (
            gauges["albacore_proxy_client_connections"] as usize,
            gauges["albacore_proxy_accept_refusals_total"] as usize
        )
    );
    assert!(served.len() >= DESCRIPTORS / 6, "{} are served", served.len());
    drop(answers);
    world.settles();
}

#[test]
fn a_limit_that_is_too_low_for_what_is_asked_or_expected_is_told() {
    let few = warnings(DESCRIPTORS, &[]);
    assert_eq!(few.len(), 1, "{few:#?}");
    assert!(few[0].contains("120 open files are enough for 26 client connections, not for the 100000"));
    let asked = warnings(4096, &["--connections-max", "100000"]);
    assert_eq!(asked.len(), 1, "{asked:#?}");
    assert!(asked[0].contains("not for the 100000"));
    assert_eq!(warnings(4096, &[]), [""; 0], "the default is asked for by nobody");
}

/// What a start says before it is ready.
fn warnings(descriptors: usize, arguments: &[&str]) -> Vec<String> {
    let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
    folder.write("albacore.yaml", "{}\n");
    let mut shell = shell(&folder, descriptors);
    let mut server = shell.args(arguments).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let told: Vec<_> = lines
        .map_while(Result::ok)
        .take_while(|line| !line.contains("\"event\":\"ready\""))
        .collect();
    server.kill().unwrap();
    server.wait().unwrap();
    told.into_iter()
        .filter(|line| line.contains("\"event\":\"warning\""))
        .collect()
}

#[test]
fn clients_wait_while_nothing_can_be_opened() {
    let mut world = World::start_with(Vec::new(), 60, up);
    let mut connected = world.connect();
    assert_eq!(connected.get("/good/").unwrap().body, "good");
    let mut endpoint = Connection::open(world.server.endpoint()).unwrap();
    let mut errors = || -> f64 {
        let told = endpoint.get("/_albacore/metrics").unwrap().body;
        let mut values = told
            .lines()
            .filter_map(|line| line.strip_prefix("albacore_proxy_accept_errors_total "));
        values.next().unwrap().parse().unwrap()
    };
    assert_eq!(errors(), 0.0);
    let began = Instant::now();
    let full = Full::begin(&world);
    let mut waiting = Vec::new();
    until("accepting fails", || {
        if waiting.len() < 20 {
            let mut client = world.connect();
            client.send(b"GET /good/ HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            waiting.push(client);
        }
        (errors() > 0.0).then_some(())
    });
    for _ in 0..100 {
        assert_eq!(
            connected.get("/good/").unwrap().body,
            "good",
            "who is connected is served"
        );
    }
    let asks = TcpStream::connect(world.server.endpoint()).unwrap();
    world.server.logged(ENDPOINT_FULL);
    // The endpoint tries ten times a second, a listener twenty times.
    let until_now = errors();
    until("the endpoint has tried again", || {
        (errors() > until_now + 10.0).then_some(())
    });
    drop(full);
    for client in &mut waiting {
        assert_eq!(client.response().unwrap().body, "good");
    }
    // It does not try without a pause: each socket twenty times a second.
    let (errors, seconds) = (errors(), began.elapsed().as_secs_f64() + 1.0);
    assert!(errors < 3.0 * 20.0 * seconds, "{errors} attempts");
    let passed = world.server.logged_up_to("the endpoint accepts connections again");
    assert!(
        passed.iter().all(|line| line["message"] != ENDPOINT_FULL),
        "told once: {passed:#?}"
    );
    drop((connected, waiting, endpoint, asks));
    world.settles();
}

#[test]
fn requests_beyond_all_descriptors_are_refused_at_once_and_leave_some_to_the_endpoint() {
    const STREAMS: u32 = 100;
    let origin = Origin::playing(|line| line.hold());
    let world = World::start_with(vec![Group::of("waits", origin.address())], 60, up);
    for round in 0..3 {
        let mut client = Http2::open(world.secure_listener()).unwrap();
        for number in 0..STREAMS {
            let path = format!("/waits/{round}/{number}");
            client.send(&request(1 + 2 * number, &path)).unwrap();
        }
        // As many wait as there was room for, the others are told, and the endpoint can say so.
        until("everybody waits or is told", || {
            let refused = statuses(&world, round).values().sum::<usize>();
            (origin.open() > 0 && refused > 0 && origin.open() + refused == STREAMS as usize).then_some(())
        });
        let all_told = statuses(&world, round);
        let expected = ("503".to_owned(), "TargetConnectionLimit".to_owned());
        assert_eq!(all_told.keys().collect::<Vec<_>>(), [&expected], "{all_told:?}");
        let left = DESCRIPTORS - numbers(&world).iter().filter(|number| **number < DESCRIPTORS).count();
        assert!(left >= DESCRIPTORS / 16, "{left} are left");
        drop(client);
        until("the target is let go of", || (origin.open() == 0).then_some(()));
        world.settles();
    }
}

/// A request for a path, on a stream.
fn request(stream: u32, path: &str) -> Frame {
    let block = header_block(&[
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"localhost"),
        (b":path", path.as_bytes()),
    ]);
    Frame::new(Frame::HEADERS, 5, stream, block)
}

/// How many requests of a round ended with each status, and why.
fn statuses(world: &World, round: usize) -> BTreeMap<(String, String), usize> {
    let (_, told) = world.server.own_api("requests?limit=1000");
    let mut statuses = BTreeMap::new();
    let path = format!("/waits/{round}/");
    for request in told["requests"].as_array().unwrap() {
        if request["request"].as_str().unwrap().contains(&path) {
            let text = |field: &str| request[field].as_str().unwrap().to_owned();
            *statuses
                .entry((text("elb_status_code"), text("error_reason")))
                .or_insert(0) += 1;
        }
    }
    statuses
}

#[test]
fn connections_that_wait_for_a_request_make_room_for_one() {
    let other = Origin::answering(GOOD);
    let world = World::start_with(vec![Group::of("other", other.address())], 60, up);
    // A connection to `good` for each request, no more than may wait for another.
    let mut clients: Vec<_> = (0..5).map(|_| world.connect()).collect();
    for client in &mut clients {
        client
            .send("GET /good/ HTTP/1.1\r\nHost: localhost\r\n\r\n".as_bytes())
            .unwrap();
    }
    for client in &mut clients {
        assert_eq!(client.response().unwrap().body, "good");
    }
    let idle = world.server.gauges()["albacore_proxy_idle_target_connections"];
    assert!(idle > 0);
    let full = Full::begin(&world);
    assert_eq!(clients[0].get("/other/").unwrap().body, "good");
    drop((clients, full));
    world.settles();
}

#[test]
fn streams_beyond_all_descriptors_are_refused_at_once() {
    let target = Origin::playing(http2_targets::answer_all);
    let group = Group {
        more: ", protocol_version: http2",
        ..Group::of("streams", target.address())
    };
    let world = World::start_with(vec![group], 60, up);
    let mut client = Http2::open(world.secure_listener()).unwrap();
    let mut ask = |stream: u32| {
        let path = format!("/streams/{stream}");
        client.send(&request(stream, &path)).unwrap();
        let frames = client.until_end(stream).unwrap();
        String::from_utf8_lossy(&frames.last().unwrap().payload).into_owned()
    };
    let full = Full::begin(&world);
    // Its target has no connection yet, and none can be opened, unless the one to `good` that waits makes room.
    let first = ask(1);
    assert!(first == "good" || first.contains("503 Service"), "{first}");
    drop(full);
    assert_eq!(ask(3), "good");
    let full = Full::begin(&world);
    // Now its target has one.
    (0..100).for_each(|more| assert_eq!(ask(5 + 2 * more), "good"));
    drop(full);
    // The endpoint has no descriptors either, so it is asked last.
    let refused = ("503".into(), "TargetConnectionLimit".into());
    let record = world.record_of("https://localhost:8443", "/streams/1");
    let told = (record["elb_status_code"].clone(), record["error_reason"].clone());
    assert!(first == "good" || told == refused, "{record}");
    drop(client);
    world.settles();
}
