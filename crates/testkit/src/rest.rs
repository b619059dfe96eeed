//! What a server still has in hand, and waiting until that is nothing.

use crate::process::{open_files, open_files_of};
use crate::server::Server;
use crate::wait::BOUND;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

impl Server {
    /// Every metric without labels whose value is whole.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    #[track_caller]
    pub fn gauges(&self) -> BTreeMap<String, i64> {
        let (_, text) = self.own_api("metrics");
        let lines = text.as_str().unwrap().lines();
        let parsed = lines.filter_map(|line| {
            let (name, value) = line.split_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        parsed.collect()
    }

    /// What is left of traffic, in words; nothing when there is none. Connections to targets may wait for another request,
    /// with a timer each.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    #[track_caller]
    pub fn in_hand(&self) -> Vec<String> {
        let gauges = self.gauges();
        let of = |name: &str| gauges[&format!("albacore_proxy_{name}")];
        let idle = of("idle_target_connections");
        let (_, told) = self.own_api("targets");
        let targets = told["targets"].as_array().unwrap().iter();
        let outstanding = targets.filter_map(|target| target.get("server")?["outstanding"].as_i64());
        let counted = [
            ("clients", of("client_connections")),
            ("requests that targets work on", outstanding.sum()),
            ("connections to targets in use", of("target_connections") - idle),
            ("buffers lent", of("lent_buffers")),
            ("timers", of("timers") - of("target_connections")),
            ("panics", of("panics_total")),
        ];
        let left = counted.into_iter().filter(|(_, count)| *count != 0);
        left.map(|(what, count)| format!("{count} {what}")).collect()
    }

    /// How many files it has open, but for connections to targets that wait for another request.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    #[track_caller]
    pub fn lasting_files(&self) -> usize {
        let idle = self.gauges()["albacore_proxy_idle_target_connections"];
        open_files(self.pid()) - usize::try_from(idle).unwrap()
    }

    /// Waits until it has nothing in hand, and no more files open than these.
    ///
    /// # Panics
    ///
    /// When that is not so within [`BOUND`]; says what is left.
    #[track_caller]
    pub fn comes_to_rest(&self, files: usize) {
        let began = Instant::now();
        loop {
            let (left, open) = (self.in_hand(), self.lasting_files());
            if left.is_empty() && open <= files {
                return;
            }
            assert!(
                began.elapsed() < BOUND,
                "left for ever: {left:?}, and {open} files instead of {files}: {:#?}",
                open_files_of(self.pid())
            );
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}
