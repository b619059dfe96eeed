//! The most memory that an environment has used, as its REPORT lines show it.

use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::time::Duration;
use tokio::time::Instant;

/// How often the kernel is asked at most. Asking takes some microseconds, too much for every invocation.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Enough of `/proc/PID/status`: the line is among the first thirty.
const STATUS_BYTES: usize = 4096;

/// The peak over all runs of the runtime.
#[derive(Debug, Default)]
pub(super) struct PeakMemory {
    kilobytes: Cell<u64>,
    asked_at: Cell<Option<Instant>>,
}

impl PeakMemory {
    /// A new process: its first figure is taken as soon as somebody asks.
    pub(super) fn restart(&self) {
        self.asked_at.set(None);
    }

    /// Takes the peak of the main process into account, unless that was done a moment ago.
    pub(super) fn observe(&self, pid: u32, now: Instant) {
        if self.asked_at.get().is_some_and(|at| now < at + ASK_AGAIN_AFTER) {
            return;
        }
        self.asked_at.set(Some(now));
        let mut status = [0; STATUS_BYTES];
        // A process that has just ended has no figures any more; the ones before count.
        let read = File::open(format!("/proc/{pid}/status")).and_then(|mut file| file.read(&mut status));
        let status = status.get(..read.unwrap_or(0)).unwrap_or_default();
        if let Some(kilobytes) = peak_kilobytes(status) {
            self.kilobytes.set(self.kilobytes.get().max(kilobytes));
        }
    }

    /// In megabytes, of 1024 times 1024 bytes, rounded up. (unverified: how Lambda rounds.)
    pub(super) fn megabytes(&self) -> u64 {
        self.kilobytes.get().div_ceil(1024)
    }
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
        // Nobody has this process id.
        memory.restart();
        memory.observe(u32::MAX, now);
        assert_eq!(memory.megabytes(), first);
        memory.kilobytes.set(0);
        memory.observe(std::process::id(), now + ASK_AGAIN_AFTER / 2);
        assert_eq!(memory.megabytes(), 0, "asked a moment ago");
        memory.observe(std::process::id(), now + ASK_AGAIN_AFTER);
        assert!(memory.megabytes() > 0);
    }
}
