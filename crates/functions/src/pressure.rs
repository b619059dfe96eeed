//! Is this host short of memory? Then idle environments and interpreters that wait are the first to go.

use std::fs;

/// Processes that waited for memory for so many hundredths of the last ten seconds: the host is short of it, however much
/// is said to be available.
const STALLED_HUNDREDTHS_MAX: f64 = 20.0;

/// Is less than so many hundredths of the memory available, or does somebody wait for it? Reads two small files of the
/// kernel; where there are none, memory is never short.
pub(crate) fn is_memory_short(available_hundredths_min: u8) -> bool {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let is_scarce = available_hundredths(&read("/proc/meminfo"))
        .is_some_and(|available| available < u64::from(available_hundredths_min));
    is_scarce || stalled_hundredths(&read("/proc/pressure/memory")).is_some_and(|it| it > STALLED_HUNDREDTHS_MAX)
}

/// `MemTotal:       24680000 kB` and the like, one in each line.
fn available_hundredths(text: &str) -> Option<u64> {
    let kilobytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim_end().parse().ok()
    };
    (kilobytes("MemAvailable:")? * 100).checked_div(kilobytes("MemTotal:")?)
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`
fn stalled_hundredths(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    line.split(' ')
        .find_map(|word| word.strip_prefix("avg10="))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::{available_hundredths, is_memory_short, stalled_hundredths};

    #[test]
    fn the_kernels_files_are_read() {
        let text = "MemTotal:       24680000 kB\nMemFree: 1 kB\nMemAvailable:    2468000 kB\n";
        assert_eq!(available_hundredths(text), Some(10));
        for other in [
            "",
            "MemTotal: 5 kB\n",
            "MemTotal: 0 kB\nMemAvailable: 0 kB\n",
            "MemTotal: x\n",
        ] {
            assert_eq!(available_hundredths(other), None, "{other}");
        }
        let text = "some avg10=21.50 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(stalled_hundredths(text), Some(21.5));
        assert_eq!(stalled_hundredths(""), None);
        assert!(is_memory_short(101), "not everything is available");
    }
}
