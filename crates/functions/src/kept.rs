//! Environments that are ready before anybody needs them: provisioned concurrency. Source: Lambda 4.8.
//!
//! Whoever decides says a number for a function, and every core keeps its part of it: starts what is missing, and spares
//! those from the end of idleness. One that ends is replaced after a moment, so that what cannot start is not tried again
//! and again at once.

use crate::core::Core;
use crate::environment::Environment;
use crate::scheduler::Scheduler;
use model::FunctionArn;
use model::lambda::provisioning::KeptReport;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::sleep;

/// How long the place of an environment that has ended, or could not be made, stays empty.
const REPLACED_AFTER: Duration = Duration::from_secs(1);

/// After so many failures in a row the place stays empty no longer than before: a minute.
const FAILURES_COUNTED_MAX: u32 = 6;

/// For each function how many environments are to be ready, beside what the state says.
pub(crate) type Wanted = Arc<HashMap<FunctionArn, u32>>;

/// The same of one function, counted.
#[derive(Debug, Default)]
pub(crate) struct KeptCounts {
    wanted: AtomicU32,
    ready: AtomicU32,
    init_failed: AtomicBool,
    no_room: AtomicBool,
}

impl KeptCounts {
    pub(crate) fn report(&self) -> KeptReport {
        KeptReport {
            wanted: self.wanted.load(Relaxed),
            ready: self.ready.load(Relaxed),
            init_failed: self.init_failed.load(Relaxed),
            no_room: self.no_room.load(Relaxed),
        }
    }

    /// So many are wanted on all cores together. What happened before that was asked for says nothing.
    fn want(&self, wanted: u32) {
        if self.wanted.swap(wanted, Relaxed) != wanted {
            self.init_failed.store(false, Relaxed);
            self.no_room.store(false, Relaxed);
        }
    }

    pub(crate) fn add_ready(&self) {
        self.ready.fetch_add(1, Relaxed);
        self.init_failed.store(false, Relaxed);
        self.no_room.store(false, Relaxed);
    }

    pub(crate) fn remove_ready(&self) {
        self.ready.fetch_sub(1, Relaxed);
    }

    pub(crate) fn init_has_failed(&self) {
        self.init_failed.store(true, Relaxed);
    }
}

impl Core {
    /// Takes notice of changed numbers, functions or cores.
    pub(crate) fn follow_kept(self: &Rc<Self>) {
        let asked = Arc::clone(&self.host.kept.borrow());
        let limits = self.limits();
        let wanted = |function: &FunctionArn| {
            let by_state = limits.provisioned(function);
            by_state.max(asked.get(function).copied().unwrap_or(0))
        };
        for function in limits.kept().chain(asked.keys()) {
            // Makes it, if it was not known.
            self.scheduler(function);
        }
        for scheduler in self.known_schedulers() {
            let wanted = wanted(&scheduler.function.arn);
            scheduler.account.kept.want(wanted);
            scheduler.keep(self.membership.part_of(wanted as usize));
        }
    }
}

impl Scheduler {
    /// From now on so many environments of this core are kept ready.
    pub(crate) fn keep(self: &Rc<Self>, wanted: usize) {
        if self.kept_wanted.replace(wanted) != wanted {
            // Somebody has thought about it, and shall see soon what comes of it.
            self.kept_failures.set(0);
        }
        self.release_surplus();
        self.start_missing();
    }

    fn start_missing(self: &Rc<Self>) {
        while self.kept.get() < self.kept_wanted.get() && !self.is_retired() {
            let Ok(permit) = self.core.host.environments.clone().try_acquire_owned() else {
                self.account.kept.no_room.store(true, Relaxed);
                // Whoever is idle and not kept goes, and this looks again.
                self.core.make_room();
                return self.look_again();
            };
            self.kept.set(self.kept.get() + 1);
            self.start_kept(permit);
        }
    }

    /// An environment that was kept is not any more.
    pub(crate) fn kept_ended(self: &Rc<Self>) {
        self.kept.set(self.kept.get() - 1);
        if self.kept.get() < self.kept_wanted.get() && !self.is_retired() {
            self.look_again();
        }
    }

    /// Later, the more so the more often inits have failed in a row.
    fn look_again(self: &Rc<Self>) {
        if self.kept_looks.replace(true) {
            return;
        }
        let scheduler = Rc::clone(self);
        let wait = REPLACED_AFTER * (1 << self.kept_failures.get().min(FAILURES_COUNTED_MAX));
        self.core.tasks.spawn_local(async move {
            tokio::select! {
                biased;
                () = scheduler.core.stop.cancelled() => return,
                () = sleep(wait) => {}
            }
            scheduler.kept_looks.set(false);
            scheduler.start_missing();
        });
    }

    /// Those that are too many end: at once, or when they have answered. They know that they were provisioned, so they are
    /// of no use as others.
    fn release_surplus(self: &Rc<Self>) {
        for environment in self.idle_environments() {
            if self.kept.get() <= self.kept_wanted.get() {
                return;
            }
            if environment.is_kept() && self.take_idle(&environment) {
                environment.release();
                environment.end();
            }
        }
    }
}

impl Environment {
    pub(crate) fn is_kept(&self) -> bool {
        self.kept.get()
    }

    /// It is not kept any more, whatever becomes of it.
    pub(crate) fn release(&self) {
        if self.kept.replace(false) {
            self.no_longer_ready();
            self.scheduler.kept_ended();
            // It may have been idle for long.
            self.wake.notify_one();
        }
    }

    /// It has answered, and may be one too many: then it is to end.
    pub(crate) fn release_if_surplus(&self) -> bool {
        let is_surplus = self.kept.get() && self.scheduler.kept.get() > self.scheduler.kept_wanted.get();
        if is_surplus {
            self.release();
        }
        is_surplus
    }

    /// Its init has ended, well or not.
    pub(crate) fn init_has_ended(&self, well: bool) {
        if !self.kept.get() {
            return;
        }
        let counts = &self.scheduler.account.kept;
        if !well {
            self.scheduler.kept_failures.set(self.scheduler.kept_failures.get() + 1);
            counts.init_has_failed();
            return;
        }
        self.scheduler.kept_failures.set(0);
        if !self.counts_as_ready.replace(true) {
            counts.add_ready();
        }
    }

    /// Its runtime has ended.
    pub(crate) fn no_longer_ready(&self) {
        if self.counts_as_ready.replace(false) {
            self.scheduler.account.kept.remove_ready();
        }
    }
}
