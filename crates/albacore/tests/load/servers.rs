//! Mixed traffic to servers and functions while targets come and go, the manifest changes every second, and other processes
//! take over: not one request fails but those of targets that are killed, each answer is logged once though the log is moved
//! away all the time, and memory stays where it is.

mod access_log;
mod fleet;
mod h2;
mod traffic;
mod wire;
mod world;

use access_log::Rotation;
use fleet::Target;
use rustix::process::Signal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use testkit::{Server, anonymous_kilobytes, zombies};
use world::{Group, World};

/// How long the load lasts, in seconds. `make soak` says more.
const SECONDS_VARIABLE: &str = "ALBACORE_SOAK_SECONDS";
const SECONDS_DEFAULT: u64 = 40;
/// From this on it is a long one: nothing is kept here that grows with time.
const LONG: Duration = Duration::from_secs(300);

/// What a process may hold beyond what it held when the first tenth of the load was over, in kilobytes.
const GROWTH_KILOBYTES_MAX: u64 = 24 * 1024;

/// What functions may have open when they have nothing to do: four files for each environment. Besides those for which there
/// is concurrency, every change of the code starts one.
const FUNCTION_FILES_MAX: usize = 48;

#[test]
fn servers_come_and_go_and_no_request_fails() {
    let _alone = crate::alone();
    let seconds = std::env::var(SECONDS_VARIABLE).map_or(SECONDS_DEFAULT, |text| text.parse().unwrap());
    let duration = Duration::from_secs(seconds);
    let keeps_paths = duration < LONG;
    let mut world = World::start();
    let mut first = world.take_over();
    assert_eq!(first.exit_code(), Some(0));
    world.server.comes_to_rest(usize::MAX);
    let files = world.server.lasting_files();
    world.change();
    world.is_ready();
    let rotation = Rotation::start(world.folder.path(".albacore/access.log"), keeps_paths);
    let stop = AtomicBool::new(false);
    let reports = thread::scope(|scope| {
        let clients = traffic::start(scope, world.listeners, &stop, keeps_paths);
        let mut course = Course::new(duration);
        while course.goes_on() && clients.iter().all(|client| !client.is_finished()) {
            course.second(&mut world);
        }
        stop.store(true, Ordering::Relaxed);
        course.end();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let reports = traffic::judge(reports);
    world.server.comes_to_rest(files + FUNCTION_FILES_MAX);
    assert_eq!(zombies(world.server.pid()), []);
    world.server.signal(Signal::TERM);
    assert_eq!(world.server.exit_code(), Some(0));
    rotation.finish().has_every_answer_once(&reports);
}

/// What happens while the load lasts.
struct Course {
    began: Instant,
    duration: Duration,
    /// Seconds that are over.
    seconds: u64,
    /// Deregistered targets that work on their last requests.
    leaving: Vec<Target>,
    /// Those that end now.
    ending: Vec<JoinHandle<()>>,
    memory: Memory,
    /// Processes that were taken over.
    old: Vec<JoinHandle<Option<i32>>>,
    killed: u64,
}

impl Course {
    fn new(duration: Duration) -> Self {
        Self {
            began: Instant::now(),
            duration,
            seconds: 0,
            leaving: Vec::new(),
            ending: Vec::new(),
            memory: Memory::new(duration),
            old: Vec::new(),
            killed: 0,
        }
    }

    fn goes_on(&self) -> bool {
        self.began.elapsed() < self.duration
    }

    /// One second of it. Each has another change of the manifest.
    fn second(&mut self, world: &mut World) {
        let steady = Group::STEADY[(self.seconds / 6 % 3) as usize];
        match self.seconds % 6 {
            0 => world.register(steady),
            2 => {
                let target = world.deregister(steady);
                self.leaving.push(target);
            }
            4 => {
                world.kill_one();
                self.killed += 1;
            }
            5 => {
                world.server.signal(Signal::HUP);
                world.change();
            }
            _ => world.change(),
        }
        for target in std::mem::take(&mut self.leaving) {
            match world.is_gone(&target) {
                true => self.ending.push(thread::spawn(|| target.stop())),
                false => self.leaving.push(target),
            }
        }
        // In the middle of a short load, and every five minutes of a long one.
        let every = (self.duration / 2).min(LONG);
        let elapsed = self.began.elapsed();
        let is_due = elapsed > every * (self.old.len() as u32 + 1);
        if is_due && elapsed + every / 2 < self.duration {
            self.memory.tell();
            let old = world.take_over();
            self.old.push(thread::spawn(move || exit_code(old)));
            self.memory = Memory::new(every);
        }
        self.memory.look(&world.server);
        self.seconds += 1;
        let next = Duration::from_secs(self.seconds);
        while self.began.elapsed() < next {
            thread::park_timeout(next.saturating_sub(self.began.elapsed()));
        }
    }

    fn end(&mut self) {
        self.memory.tell();
        assert!(
            self.killed > 0 && !self.old.is_empty(),
            "too short for everything to happen"
        );
        for old in self.old.drain(..) {
            assert_eq!(old.join().unwrap(), Some(0), "a process that was taken over ends well");
        }
        println!(
            "{} changes of the manifest, {} targets killed",
            self.seconds, self.killed
        );
    }
}

fn exit_code(mut old: Server) -> Option<i32> {
    old.exit_code()
}

/// What one process holds over time.
struct Memory {
    began: Instant,
    settling: Duration,
    settled: u64,
    most: u64,
}

impl Memory {
    fn new(duration: Duration) -> Self {
        Self {
            began: Instant::now(),
            settling: duration / 4,
            settled: 0,
            most: 0,
        }
    }

    fn look(&mut self, server: &Server) {
        let now = anonymous_kilobytes(server.pid());
        if self.began.elapsed() < self.settling {
            self.settled = self.settled.max(now);
        }
        self.most = self.most.max(now);
    }

    fn tell(&self) {
        let Self { settled, most, .. } = self;
        println!("memory: {settled} kB after a quarter of the time, at most {most} kB");
        assert!(
            *most < settled + GROWTH_KILOBYTES_MAX,
            "{settled} kB have grown to {most} kB"
        );
    }
}
