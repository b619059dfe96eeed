//! All numbers at one moment: plain values.

use super::metering::{Ended, Name};
use super::{KEPT_AFTERWARDS, Metrics, OfFunction, OfName, Sums};
use model::State;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

/// Everything that was counted until one moment, and what was most since the readings before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    /// By function and by the name that it was called by.
    pub(super) counted: BTreeMap<(String, Name), Sums>,
    /// Invocations that began in an earlier minute than they ended in, by that minute; not among the others.
    pub(super) late: BTreeMap<u64, BTreeMap<(String, Name), Sums>>,
    /// The most that ran at once, by function.
    pub(super) concurrency: BTreeMap<String, u32>,
    /// Of what is kept ready, by function and by the version or alias that it was asked for.
    pub(super) provisioned: BTreeMap<(String, Option<String>), Provisioned>,
    pub(super) account: AccountConcurrency,
}

/// Environments that are kept ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Provisioned {
    /// The most that had an invocation at once.
    pub(super) busy: u32,
    /// So many were asked for.
    pub(super) all: u32,
}

/// The most that ran at once of all functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AccountConcurrency {
    pub(super) all: u32,
    pub(super) unreserved: u32,
    /// What functions have reserved.
    pub(super) reserved: u64,
    /// What is kept ready of those that have reserved nothing.
    pub(super) provisioned: u64,
}

impl Metrics {
    /// Reads everything, and begins anew to look for extremes: one caller, once a minute.
    pub(crate) fn take(&self, state: &State, now: Instant) -> Readings {
        let mut readings = Readings::default();
        let mut provisioned = BTreeMap::new();
        self.functions().retain(|arn, function| {
            let is_here = state.function(arn).is_some();
            provisioned.append(&mut function.take_provisioned());
            let most = function.concurrency.take_most();
            let known = readings.concurrency.entry(function.name.clone()).or_default();
            *known = most.max(*known);
            function.by_name().retain(|name, of_name| {
                let sums = of_name.take(now);
                let stays = is_here || !of_name.cores.is_empty() || !of_name.is_over(now);
                if stays {
                    let key = (function.name.clone(), name.clone());
                    readings.counted.entry(key).or_default().add(&sums);
                }
                stays
            });
            // Whoever meters with it holds it.
            is_here || Arc::strong_count(function) > 1 || !function.is_empty()
        });
        readings.account = AccountConcurrency {
            all: self.concurrency.take_most(),
            unreserved: self.unreserved.take_most(),
            reserved: state
                .functions()
                .filter_map(|function| function.configuration.concurrency)
                .map(u64::from)
                .sum(),
            provisioned: 0,
        };
        for share in state.provisioned_shares() {
            let busy = provisioned.get(&share.version).copied().unwrap_or(0);
            let key = (
                share.target.name().to_owned(),
                share.target.qualifier().map(str::to_owned),
            );
            let of = readings.provisioned.entry(key).or_default();
            of.busy += busy.min(share.environments);
            of.all += share.environments;
            let function = state.function(&share.target.unqualified());
            if function.is_some_and(|it| it.configuration.concurrency.is_none()) {
                readings.account.provisioned += u64::from(share.environments);
            }
        }
        let late = std::mem::take(&mut *self.late.lock().unwrap_or_else(PoisonError::into_inner));
        for late in late {
            let minute = readings.late.entry(late.minute).or_default();
            let sums = minute.entry((late.function, late.called)).or_default();
            sums.add(&Ended::counters(&late.ended).take());
        }
        readings
    }

    /// Reads what was counted for each function, whatever it was called by.
    pub(super) fn by_function(&self) -> BTreeMap<String, (Sums, u32)> {
        let mut all: BTreeMap<String, (Sums, u32)> = BTreeMap::new();
        for function in self.functions().values() {
            let (sums, running) = all.entry(function.name.clone()).or_default();
            *running += function.concurrency.now.load(Relaxed);
            function
                .by_name()
                .values()
                .for_each(|of_name| sums.add(&of_name.read()));
        }
        all
    }
}

impl OfFunction {
    fn is_empty(&self) -> bool {
        self.by_name().is_empty()
    }
}

impl OfName {
    fn read(&self) -> Sums {
        let mut sums = self.gone.clone();
        sums.add(&self.others.read());
        self.cores.iter().for_each(|core| sums.add(&core.read()));
        sums
    }

    fn take(&mut self, now: Instant) -> Sums {
        let mut sums = self.gone.clone();
        sums.add(&self.others.take());
        self.cores.retain(|core| {
            // Looked at first: what is counted by nobody cannot be counted on.
            let is_gone = Arc::strong_count(core) == 1;
            let mut counted = core.take();
            sums.add(&counted);
            if is_gone {
                counted.forget_extremes();
                self.gone.add(&counted);
            }
            !is_gone
        });
        let all = sums.total();
        if self.seen.0 != all || self.seen.1.is_none() {
            self.seen = (all, Some(now));
        }
        sums
    }

    /// Nothing was counted for long: what there was has been told.
    fn is_over(&self, now: Instant) -> bool {
        let (_, since) = self.seen;
        since.is_some_and(|since| now >= since + KEPT_AFTERWARDS)
    }
}
