//! Whether traffic threads poll before they sleep.

use super::values;
use clap::Args;
use std::time::Duration;

/// Where nobody says how long: about what it takes a server on the same machine, or next to it, to answer.
const USUAL: Duration = Duration::from_micros(100);

/// How long traffic threads poll.
#[derive(Debug, Args)]
pub(crate) struct BusyPoll {
    /// How long a traffic thread polls for the answer of a server before it sleeps, where requests come one at a time: to wake
    /// takes longer than to relay. Where it is in vain, it is tried more and more rarely; 0us: never. At most 1ms [default:
    /// 100us; 0us where a quota, as of a container, bounds the processor time]
    #[arg(long, value_name = "TIME", value_parser = values::busy_poll, env = "ALBACORE_BUSY_POLL", help_heading = "Limits")]
    busy_poll: Option<Duration>,
}

impl BusyPoll {
    pub(crate) fn time(&self) -> Duration {
        self.busy_poll.unwrap_or_else(|| match has_quota() {
            true => Duration::ZERO,
            false => USUAL,
        })
    }
}

/// Whether this process is granted less than the processors that it may run on: what polling takes would be missing later.
fn has_quota() -> bool {
    let processors = rustix::thread::sched_getaffinity(None).map(|set| set.count() as usize);
    let granted = std::thread::available_parallelism().map(usize::from);
    matches!((processors, granted), (Ok(processors), Ok(granted)) if granted < processors)
}
