//! Targets that left: they may finish their requests until the deregistration delay is over. Source: ALB 4.4, 5.7.

use super::group::Inner;
use super::report::Times;
use super::target::{Lanes, Target, outstanding_on};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A target that may finish its requests.
#[derive(Debug)]
pub(super) struct Draining {
    pub(super) registered: model::elb::target_group::Target,
    pub(super) target: Arc<Target>,
    pub(super) lanes: Lanes,
    pub(super) times: Times,
    until: Instant,
}

/// Whether requests have to be woken to see that their target is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    Nobody,
    Everybody,
}

impl Inner {
    /// Whatever is registered is no more.
    pub(super) fn drain(&mut self, delay: Duration, now: Instant) {
        self.draining.extend(self.registered.drain(..).map(|member| Draining {
            registered: member.registered,
            target: member.target,
            lanes: member.lanes,
            times: member.times,
            until: now + delay,
        }));
    }

    /// Cuts the targets whose delay is over. A request may have chosen one in the last moment and be counted only now, so
    /// the next tick looks again.
    pub(super) fn cut(&mut self, now: Instant) -> Wake {
        let again = std::mem::take(&mut self.cut);
        let over: Vec<_> = self.draining.extract_if(.., |target| target.until <= now).collect();
        for target in over {
            target.target.cut.store(true, Ordering::Release);
            self.cut.push((target.target, target.lanes));
        }
        let busy = again
            .iter()
            .chain(&self.cut)
            .any(|(target, lanes)| outstanding(target, lanes) > 0);
        if busy { Wake::Everybody } else { Wake::Nobody }
    }

    /// A target that is registered again, or leaves a second time, hides the one that drains under its name. So that those
    /// cannot pile up they stay only while they have requests.
    pub(super) fn drop_superseded(&mut self) {
        let mut names: BTreeSet<&[u8]> = self.registered.iter().map(|member| &*member.target.reference).collect();
        let latest = self.draining.iter().rev();
        let mut stay: Vec<bool> = latest
            .map(|target| names.insert(&target.target.reference) || outstanding(&target.target, &target.lanes) > 0)
            .collect();
        self.draining.retain(|target| {
            let stays = stay.pop().unwrap_or(true);
            if !stays {
                target.target.cut.store(true, Ordering::Release); // nothing is kept for it any more
            }
            stays
        });
    }
}

/// Requests in progress on a target.
pub(super) fn outstanding(target: &Target, lanes: &Lanes) -> u32 {
    target.load().saturating_add(outstanding_on(lanes))
}
