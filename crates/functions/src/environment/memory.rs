//! The most memory that an environment has used, as its REPORT lines show it.

use crate::runtime_api::some_below;
use sandbox::GroupMemory;
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Read;
use std::time::Duration;
use tokio::time::Instant;

/// How often the kernel is asked at most. Asking takes some microseconds for each process, too much for every invocation.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// All looks of a core while invocations run take this part of its time at most. Those at their ends come on top.
const LOOKS_TAKE_ONE_IN: u32 = 20;
/// What a look is taken for at the least, so that nobody who finds nothing to look at asks again at once.
const LOOK_TAKES_MIN: Duration = Duration::from_micros(50);

/// Enough of `/proc/PID/status`: the line is among the first thirty.
const STATUS_BYTES: usize = 4096;

/// Processes of one environment that count, and threads that are asked for their children: what one look takes is bounded,
/// however many a function starts.
const PROCESSES_MAX: usize = 64;
const THREADS_MAX: usize = 256;

/// The peak over all runs of the runtime.
#[derive(Debug, Default)]
pub(super) struct PeakMemory {
    kilobytes: Cell<u64>,
    /// For a REPORT, and at all.
    asked_at: Cell<Option<Instant>>,
    looked_at: Cell<Option<Instant>>,
    /// Of the run that there is, once somebody has asked; inside there is none where groups do not count memory.
    group: RefCell<Option<Option<GroupMemory>>>,
    /// All processes of the environment are below it.
    init: Cell<Option<u32>>,
    /// The init processes of its extensions.
    beside: RefCell<Vec<u32>>,
}

impl PeakMemory {
    /// A new run begins.
    pub(super) fn begin(&self) {
        self.beside.borrow_mut().clear();
        self.group.take();
    }

    /// The processes below this init count, too.
    pub(super) fn also(&self, init: u32) {
        self.beside.borrow_mut().push(init);
    }

    /// The init processes that count.
    pub(super) fn inits(&self) -> Vec<u32> {
        let beside = self.beside.borrow();
        self.init.get().into_iter().chain(beside.iter().copied()).collect()
    }

    /// A new main process, `pid`, below a new init process. Its first figure is taken now, because it may end before anybody
    /// asks; those of others, and the next one, as soon as somebody does.
    pub(super) fn restart(&self, init: u32, pid: u32) {
        self.init.set(Some(init));
        self.group.take();
        self.take(peak_of(pid).unwrap_or(0));
        self.asked_at.set(None);
    }

    /// The next one who asks gets a new figure.
    pub(super) fn ask_next_time(&self) {
        self.asked_at.set(None);
    }

    /// When to look while something runs that began then.
    pub(super) fn look_again_at(&self, began: Instant) -> Instant {
        self.looked_at.get().map_or(began, |at| at.max(began)) + ASK_AGAIN_AFTER
    }

    /// For a REPORT: takes what all processes use into account, unless that was done for one a moment ago.
    ///
    /// Of those that are there it is the sum of what each has used at most so far, so what they share counts for each of them.
    /// Those that have ended are among the kernel's figures where the environment is in a control group that counts memory,
    /// and elsewhere only if they were there at a look. (unverified: how Lambda counts.)
    pub(super) fn observe(&self, pid: u32, now: Instant) {
        if self.asked_at.get().is_some_and(|at| now < at + ASK_AGAIN_AFTER) {
            return;
        }
        self.asked_at.set(Some(now));
        self.look(pid, now);
    }

    /// Nobody looks this time.
    pub(super) fn skip(&self, now: Instant) {
        self.looked_at.set(Some(now));
    }

    /// The same while it runs, for who uses much for a short time.
    pub(super) fn look(&self, pid: u32, now: Instant) {
        self.looked_at.set(Some(now));
        self.add(pid);
        let Some(init) = self.init.get() else { return };
        let mut group = self.group.borrow_mut();
        if let Some(group) = group.get_or_insert_with(|| GroupMemory::of(init)) {
            self.take(group.peak_bytes().div_ceil(1024));
        }
    }

    fn add(&self, pid: u32) {
        let inits = self.inits();
        let mut others: Vec<u32> = inits
            .into_iter()
            .flat_map(|init| some_below(init, PROCESSES_MAX, THREADS_MAX))
            .collect();
        // A kernel may have no lists of children.
        others.retain(|&other| other != pid);
        others.truncate(PROCESSES_MAX - 1);
        let all = std::iter::once(pid).chain(others);
        self.take(all.filter_map(peak_of).sum());
    }

    fn take(&self, kilobytes: u64) {
        self.kilobytes.set(self.kilobytes.get().max(kilobytes));
    }

    /// In megabytes, of 1024 times 1024 bytes, rounded up. (unverified: how Lambda rounds.)
    pub(super) fn megabytes(&self) -> u64 {
        self.kilobytes.get().div_ceil(1024)
    }
}

/// When a core may look again, so that looking takes no more of it than is due however many environments it has.
#[derive(Debug)]
pub(crate) struct Looks(Cell<Instant>);

impl Default for Looks {
    fn default() -> Self {
        Self(Cell::new(Instant::now()))
    }
}

impl Looks {
    /// Not before then.
    pub(super) fn due(&self) -> Instant {
        self.0.get()
    }

    /// One has been taken, since then.
    pub(super) fn taken(&self, began: Instant) {
        let now = Instant::now();
        self.0.set(now + (now - began).max(LOOK_TAKES_MIN) * LOOKS_TAKE_ONE_IN);
    }
}

/// What a process has used at most, in kilobytes. One that has just ended has no figures any more.
fn peak_of(pid: u32) -> Option<u64> {
    let mut status = [0; STATUS_BYTES];
    let read = File::open(format!("/proc/{pid}/status")).and_then(|mut file| file.read(&mut status));
    peak_kilobytes(status.get(..read.ok()?)?)
}

/// Reads the line `VmHWM:     12345 kB`.
fn peak_kilobytes(status: &[u8]) -> Option<u64> {
    let mut lines = status.split(|&byte| byte == b'\n');
    let rest = lines.find_map(|line| line.strip_prefix(b"VmHWM:"))?;
    let number = std::str::from_utf8(rest).ok()?.trim().strip_suffix("kB")?;
    number.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_found_among_the_other_figures() {
        let status = b"Name:\tpython3\nVmPeak:\t  30000 kB\nVmSize:\t 29000 kB\nVmHWM:\t    9876 kB\nVmRSS:\t 5 kB\n";
        assert_eq!(peak_kilobytes(status), Some(9876));
        for other in [&b""[..], b"VmRSS:\t 5 kB\n", b"VmHWM:\t many kB\n", b"VmHWM:\t 5"] {
            assert_eq!(peak_kilobytes(other), None);
        }
    }

    #[test]
    fn it_never_falls_and_is_not_asked_for_all_the_time() {
        let memory = PeakMemory::default();
        let now = Instant::now();
        memory.observe(std::process::id(), now);
        let first = memory.megabytes();
        assert!(first > 0);
        // Nobody has these process ids.
        memory.restart(u32::MAX, u32::MAX);
        memory.observe(u32::MAX, now);
        assert_eq!(memory.megabytes(), first);
        memory.kilobytes.set(0);
        memory.observe(std::process::id(), now + ASK_AGAIN_AFTER / 2);
        assert_eq!(memory.megabytes(), 0, "asked a moment ago");
        memory.ask_next_time();
        memory.observe(std::process::id(), now + ASK_AGAIN_AFTER / 2);
        assert!(memory.megabytes() > 0);
        memory.kilobytes.set(0);
        memory.observe(std::process::id(), now + ASK_AGAIN_AFTER * 2);
        assert!(memory.megabytes() > 0);
        // A look in between is due sooner, and leaves the next REPORT its own.
        let asked = now + ASK_AGAIN_AFTER * 2;
        assert_eq!(memory.look_again_at(now), asked + ASK_AGAIN_AFTER);
        memory.look(std::process::id(), asked + ASK_AGAIN_AFTER);
        assert_eq!(memory.look_again_at(now), asked + ASK_AGAIN_AFTER * 2);
        assert_eq!(
            memory.look_again_at(asked + ASK_AGAIN_AFTER * 9),
            asked + ASK_AGAIN_AFTER * 10
        );
        memory.kilobytes.set(0);
        memory.observe(std::process::id(), asked + ASK_AGAIN_AFTER);
        assert!(memory.megabytes() > 0);
        // The first figure of a new process is there before anybody asks.
        let memory = PeakMemory::default();
        memory.restart(u32::MAX, std::process::id());
        assert!(memory.megabytes() > 0);
    }

    #[test]
    fn children_count() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let of_child = peak_of(child.id()).unwrap();
        let memory = PeakMemory::default();
        // This process stands for the init, and for the main process one that has ended. Another child that ends at this
        // very moment may hide this one.
        for _ in 0..100 {
            memory.restart(std::process::id(), u32::MAX);
            memory.observe(u32::MAX, Instant::now());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if std::path::Path::new("/proc/thread-self/children").exists() {
            assert!(memory.kilobytes.get() >= of_child, "{memory:?}");
        }
    }
}
