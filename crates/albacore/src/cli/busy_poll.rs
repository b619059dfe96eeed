//! Whether traffic threads poll before they sleep.

use super::values;
use clap::Args;
use std::fs::read_to_string;
use std::path::Path;
use std::time::Duration;

/// Where nobody says how long: about what it takes a server on the same machine, or next to it, to answer.
const USUAL: Duration = Duration::from_micros(100);

/// How long traffic threads poll.
#[derive(Debug, Args)]
pub(crate) struct BusyPoll {
    /// How long a traffic thread polls for the answer of a server before it sleeps, where requests come one at a time: to wake
    /// takes longer than to relay. Where it is in vain, it is tried more and more rarely; 0us: never. At most 1ms [default:
    /// 100us; 0us where there is one processor, or where a quota, as of a container, bounds its time]
    #[arg(long, value_name = "TIME", value_parser = values::busy_poll, env = "ALBACORE_BUSY_POLL", help_heading = "Limits")]
    busy_poll: Option<Duration>,
}

impl BusyPoll {
    pub(crate) fn time(&self) -> Duration {
        self.busy_poll.unwrap_or_else(|| match has_processors_to_spare() {
            true => USUAL,
            false => Duration::ZERO,
        })
    }
}

/// Whether the machine has several processors, and this process all time of those it may run on. Of a single one, or of a quota,
/// what polling takes would be missing elsewhere, or later.
fn has_processors_to_spare() -> bool {
    let mine = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count() as usize);
    // A quota counts in it, but not below one.
    let granted = std::thread::available_parallelism().map_or(1, usize::from);
    !is_the_only_one() && granted >= mine && !has_part_of_one()
}

fn is_the_only_one() -> bool {
    read_to_string("/sys/devices/system/cpu/online").is_ok_and(|online| online.trim() == "0")
}

/// Whether the quota of its control group (of version 2) is less than one processor.
fn has_part_of_one() -> bool {
    let groups = read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    let quota = group.and_then(|group| read_to_string(Path::new("/sys/fs/cgroup").join(group).join("cpu.max")).ok());
    quota.is_some_and(|quota| is_part_of_one(&quota))
}

/// Of `50000 100000`, the first part of it `max` where there is none.
fn is_part_of_one(quota: &str) -> bool {
    let mut numbers = quota.split_whitespace().map(|word| word.parse::<u64>().ok());
    matches!((numbers.next().flatten(), numbers.next().flatten()), (Some(quota), Some(period)) if quota < period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read() {
        for (text, expected) in [
            ("50000 100000\n", true),
            ("100000 100000\n", false),
            ("150000 100000\n", false),
            ("max 100000\n", false),
            ("", false),
        ] {
            assert_eq!(is_part_of_one(text), expected, "{text}");
        }
    }
}
