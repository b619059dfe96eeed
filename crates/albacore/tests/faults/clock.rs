//! A wall clock that jumps: what is dated is dated by it, and nothing that lasts is shorter or longer for it.

use crate::world::{GOOD, Group, World};
use rustix::process::Signal;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use testkit::{BOUND, Folder, Origin, Server, repository, run, secure, trusting, until};

const HOUR: i64 = 3_600;
const YEAR: i64 = 365 * 24 * HOUR;

/// Forth and back, by little and by much; the last one puts it right. It never shows a time before 1970.
const JUMPS: [i64; 8] = [1, -1, HOUR, -HOUR, 10 * YEAR, -10 * YEAR, -50 * YEAR, 0];

/// How wrong the clock of a server is.
struct Clock(File);

impl Clock {
    fn new(folder: &Folder) -> Self {
        run(Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(folder.path("clock.so"))
            .arg(repository("tests/faults/clock.c")))
        .expect_success();
        fs::write(folder.path("wrong-by"), 0_i64.to_ne_bytes()).unwrap();
        Self(File::options().write(true).open(folder.path("wrong-by")).unwrap())
    }

    fn jump(&self, seconds: i64) {
        self.0.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }
}

fn up(folder: &Folder) -> Server {
    let mut command = folder.albacore(&[
        "up",
        "albacore.yaml",
        "--json",
        "--endpoint",
        "127.0.0.1:0",
        "--cores",
        "1",
    ]);
    command.args(["--publish", "8080:0,8443:0"]);
    command.env("LD_PRELOAD", folder.path("clock.so"));
    Server::start(command.env("WRONG_BY", folder.path("wrong-by")))
}

/// Answers when it is let, one request for each time.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<usize>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() += 1;
        self.0.1.notify_one();
    }

    fn wait(&self) {
        let (passes, opened) = &*self.0;
        let (mut passes, waited) = opened
            .wait_timeout_while(passes.lock().unwrap(), BOUND, |passes| *passes == 0)
            .unwrap();
        assert!(!waited.timed_out(), "nobody opened it");
        *passes -= 1;
    }
}

/// The year that the server has.
#[track_caller]
fn year(world: &World) -> i64 {
    let answer = world.connect().get("/nothing").unwrap();
    let date = answer.values("Date")[0];
    date.split(' ')
        .nth(3)
        .and_then(|year| year.parse().ok())
        .unwrap_or_else(|| panic!("{date:?}"))
}

/// A server whose clock can be made to jump.
fn world(groups: Vec<Group>, idle: u32) -> (World, Clock) {
    let mut clock = None;
    let world = World::start_with(groups, idle, |folder| {
        clock = Some(Clock::new(folder));
        up(folder)
    });
    (world, clock.unwrap())
}

/// Answers each request when it is let.
fn gated() -> (Origin, Gate) {
    let gate = Gate::default();
    let gated = gate.clone();
    let origin = Origin::playing(move |line| {
        while line.request().is_some() {
            gated.wait();
            line.send(GOOD);
        }
    });
    (origin, gate)
}

/// How many requests an origin has got, whole or not.
fn asked(origin: &Origin) -> usize {
    let received = origin.received().concat();
    received.windows(9).filter(|window| window == b" HTTP/1.1").count()
}

#[test]
fn a_clock_that_jumps_cuts_no_request_short() {
    let (slow, gate) = gated();
    let (world, clock) = world(vec![Group::of("slow", slow.address())], 30);
    let right = year(&world);
    assert!(right > 2_020, "{right}");
    let mut kept = world.connect();
    for jump in JUMPS {
        // All this is under way when the clock jumps.
        let [mut waiting, mut uploading, mut halfway] = [
            "GET /slow/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "POST /slow/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nhalf",
            "GET /slow/ HTTP/1.1\r\nHost: local",
        ]
        .map(|begun| {
            let mut connection = world.connect();
            connection.send(begun.as_bytes()).unwrap();
            connection
        });
        until("the target is asked", || (asked(&slow) % 3 == 2).then_some(()));
        clock.jump(jump);
        let expected = right + jump / YEAR;
        until("the date has jumped", || {
            (expected - 1..=expected + 1).contains(&year(&world)).then_some(())
        });
        uploading.send(b"half").unwrap();
        halfway.send(b"host\r\n\r\n").unwrap();
        (0..3).for_each(|_| gate.open());
        for connection in [&mut waiting, &mut uploading, &mut halfway] {
            assert_eq!(connection.response().unwrap().body, "good", "{jump}");
        }
        assert_eq!(kept.get("/good/").unwrap().body, "good", "{jump}: a connection is kept");
    }
    // Nothing took longer than this test has patience.
    let (_, told) = world.server.own_api("requests?limit=1000");
    for request in told["requests"].as_array().unwrap() {
        for field in [
            "request_processing_time",
            "target_processing_time",
            "response_processing_time",
        ] {
            let seconds: f64 = request[field].as_str().unwrap().parse().unwrap();
            assert!((-1.0..60.0).contains(&seconds), "{field}: {request}");
        }
    }
    drop(kept);
    world.settles();
}

#[test]
fn a_clock_that_jumps_ends_no_timer_and_holds_none_up() {
    let silent = Origin::playing(|line| line.hold());
    let (world, clock) = world(vec![Group::of("silent", silent.address())], 1);
    for jump in JUMPS {
        let mut asked = world.connect();
        asked.send(b"GET /silent/ HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        clock.jump(jump);
        // The idle timeout of a second comes when that second is over, whatever the clock says.
        assert_eq!(asked.response().unwrap().status, 504, "{jump}");
    }
    world.settles();
}

#[test]
fn a_clock_that_jumps_does_not_end_a_deregistration_delay() {
    let (leaving, gate) = gated();
    let patient = Group {
        more: ", deregistration_delay: 1h",
        ..Group::of("leaving", leaving.address())
    };
    let (mut world, clock) = world(vec![patient], 60);
    let mut draining = world.connect();
    draining
        .send(b"GET /leaving/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    until("it is asked", || (asked(&leaving) == 1).then_some(()));
    let text = fs::read_to_string(world.folder.path("albacore.yaml")).unwrap();
    let target = format!("'{}'", leaving.address());
    assert!(text.contains(&target), "{text}");
    world.folder.write("albacore.yaml", &text.replace(&target, ""));
    world.server.notice("revision");
    assert_eq!(world.connect().get("/leaving/").unwrap().status, 503);
    for jump in JUMPS {
        clock.jump(jump);
        world.serves();
    }
    gate.open();
    assert_eq!(draining.response().unwrap().body, "good");
    drop(draining);
    world.settles();
}

#[test]
fn tickets_and_cookies_of_another_time_refuse_nobody() {
    let origin = Origin::answering(GOOD);
    let sticky = Group {
        more: ", stickiness: { type: lb_cookie, duration: 1h }",
        ..Group::of("sticky", origin.address())
    };
    let (world, clock) = world(vec![sticky], 30);
    // The same client all the time, which offers its last ticket and its last cookie.
    let (config, mut cookie) = (trusting(&[]), String::new());
    for jump in JUMPS.into_iter().chain(JUMPS) {
        clock.jump(jump);
        let mut stream = secure(world.secure_listener(), "localhost", config.clone()).unwrap();
        let request =
            format!("GET /sticky/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("good"), "{jump}: {answer:?}");
        let set = answer
            .lines()
            .find_map(|line| line.strip_prefix("Set-Cookie: "))
            .unwrap();
        cookie = set.split(';').next().unwrap().to_owned();
    }
    world.settles();
}

#[test]
fn logs_follow_a_clock_that_jumps() {
    let (mut world, clock) = world(Vec::new(), 1);
    for jump in [0, 10 * YEAR, -10 * YEAR] {
        let before = year(&world);
        clock.jump(jump);
        until("the date has jumped", || {
            (before != year(&world) || jump == 0).then_some(())
        });
        world.serves();
    }
    world.server.signal(Signal::TERM);
    assert_eq!(world.server.exit_code(), Some(0));
    let log = fs::read_to_string(world.folder.path(".albacore/access.log")).unwrap();
    let good = log.lines().filter(|line| line.contains("/good/"));
    let years: Vec<i64> = good
        .filter_map(|line| line.split(' ').nth(1)?.split('-').next()?.parse().ok())
        .collect();
    // The first is from the start of the world.
    assert_eq!(years.len(), 4, "{log}");
    assert!(
        (years[2] - years[1] - 10).abs() <= 1 && (years[3] - years[1] + 10).abs() <= 1,
        "{years:?}"
    );
}
