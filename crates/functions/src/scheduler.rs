//! Which environment runs an invocation: one [`Scheduler`] for each function, its present code and configuration, and
//! core.
//!
//! The order of choice is: the most recently idle environment, one that has just answered, one that is idle on another
//! core, then a new one. While processors are short, a busy one comes first (`pace`). While a new one starts, whichever
//! environment of this core is ready first takes the invocation that has waited longest. When the code or configuration
//! changes the scheduler is replaced; the old one gives its waiting invocations to its starting environments and then
//! empties.

use crate::account::{Account, Queued};
use crate::core::Core;
use crate::environment::Environment;
use crate::metrics::{Called, Concurrent, Metering};
use crate::pace::Pace;
use crate::pending::Pending;
use invoke::InvokeRefusal;
use model::Timestamp;
use model::lambda::function::Function;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout};

/// Where nobody waits for a place, how long one that is becoming free is waited for, and by how many of a function.
const ENDING_TIME_MAX: Duration = Duration::from_secs(5);
const ENDING_WAITED_FOR_MAX: usize = 1000;

/// Whether a place on the host is on its way.
#[derive(Clone, Copy, Debug)]
enum Room {
    Wanted,
    /// An idle environment is ending for it.
    Coming,
}

/// What an environment does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It has an invocation, or waits for one.
    Keep,
    /// It is not needed any more.
    End,
}

/// An invocation that waits, and since when.
struct Waiting {
    pending: Pending,
    since: Instant,
}

/// The environments of one function on one core, and the invocations that wait for one.
pub(crate) struct Scheduler {
    pub(crate) core: Rc<Core>,
    pub(crate) function: Arc<Function>,
    /// When the AWS API updated the function, as this one knows it.
    pub(crate) modified: Option<Timestamp>,
    pub(crate) account: Arc<Account>,
    pub(crate) metering: Rc<Metering>,
    /// The most recently idle one last; those without a process before all others.
    idle: RefCell<Vec<Rc<Environment>>>,
    /// The account says that this core has an idle environment.
    is_advertised: Cell<bool>,
    /// In the order in which they came. The first `starting` of them have an environment on its way; the task that
    /// `is_watched` stands for sees to the others.
    waiting: RefCell<VecDeque<Waiting>>,
    starting: Cell<usize>,
    /// Environments that have answered and not asked for their next event yet.
    settling: Cell<usize>,
    is_watched: Cell<bool>,
    /// Told when fewer wait than environments are coming.
    enough: Notify,
    pub(crate) pace: Pace,
    /// Replaced by another scheduler, or its function was deleted.
    retired: Cell<bool>,
    /// Environments that are kept ready, and how many there shall be.
    pub(crate) kept: Cell<usize>,
    pub(crate) kept_wanted: Cell<usize>,
    /// Somebody is going to look whether one is missing; and how many inits of such have failed in a row.
    pub(crate) kept_looks: Cell<bool>,
    pub(crate) kept_failures: Cell<u32>,
}

impl Scheduler {
    pub(crate) fn new(
        core: Rc<Core>,
        function: Arc<Function>,
        modified: Option<Timestamp>,
        account: Arc<Account>,
    ) -> Self {
        let metering = core.host.metrics.metering(&function.arn);
        Self {
            core,
            function,
            modified,
            account,
            metering: Rc::new(metering),
            idle: RefCell::default(),
            is_advertised: Cell::new(false),
            waiting: RefCell::default(),
            starting: Cell::new(0),
            settling: Cell::new(0),
            is_watched: Cell::new(false),
            enough: Notify::new(),
            pace: Pace::new(),
            retired: Cell::new(false),
            kept: Cell::new(0),
            kept_wanted: Cell::new(0),
            kept_looks: Cell::new(false),
            kept_failures: Cell::new(0),
        }
    }

    /// Runs an invocation in an idle environment, or lets it wait for one.
    pub(crate) fn run(self: &Rc<Self>, pending: Pending) {
        if self.pace.holds_back() {
            self.wait(pending);
        } else if let Some(pending) = self.run_idle(pending) {
            self.run_elsewhere(pending);
        }
    }

    /// Runs an invocation in an idle environment of this core. Returns it if there is none.
    #[must_use]
    fn run_idle(&self, pending: Pending) -> Option<Pending> {
        let Some(environment) = self.pop_idle() else {
            return Some(pending);
        };
        environment.assign(pending);
        None
    }

    fn pop_idle(&self) -> Option<Rc<Environment>> {
        let mut all = self.idle.borrow_mut();
        // One that is kept ready comes before all others. Source: Lambda 4.7.
        let kept = match self.kept.get() {
            0 => None,
            _ => all.iter().rposition(|it| it.is_kept() && it.has_runtime()),
        };
        let idle = match kept {
            Some(at) => all.remove(at),
            None => all.pop()?,
        };
        drop(all);
        self.advertise();
        Some(idle)
    }

    /// Runs the invocation of another core. Returns it if there is no idle environment with a process any more.
    #[must_use]
    pub(crate) fn run_visitor(&self, visitor: Pending) -> Option<Pending> {
        if self.is_advertised.get() {
            self.run_idle(visitor)
        } else {
            Some(visitor)
        }
    }

    fn run_elsewhere(self: &Rc<Self>, pending: Pending) {
        // One of this core's own that has just answered is free before a message has come and gone.
        if self.waiting.borrow().len() < self.settling.get() {
            return self.run_later(pending);
        }
        if let Some(pending) = self.core.lend(pending, &self.account) {
            self.run_later(pending);
        }
    }

    /// Runs an invocation that no other core has taken.
    pub(crate) fn run_here(self: &Rc<Self>, pending: Pending) {
        if let Some(pending) = self.run_idle(pending) {
            self.run_later(pending);
        }
    }

    /// Lets an invocation wait: for an environment that is starting, or that has just answered and will most likely be
    /// free sooner than a new one; otherwise for a new one.
    fn run_later(self: &Rc<Self>, pending: Pending) {
        let is_covered = self.waiting.borrow().len() < self.starting.get() + self.settling.get();
        if is_covered || self.cover_one_more() {
            self.wait(pending);
        } else {
            self.throttle(pending);
        }
    }

    fn wait(self: &Rc<Self>, pending: Pending) {
        let since = Instant::now();
        self.waiting.borrow_mut().push_back(Waiting { pending, since });
        self.watch_over_waiting();
    }

    /// Starts one environment before anybody asks for it, if this host has room.
    pub(crate) fn prepare(self: &Rc<Self>) {
        if let Ok(permit) = self.core.host.environments.clone().try_acquire_owned() {
            self.start(permit);
        }
    }

    /// Starts an environment for one more waiting invocation, at once or when there is room on the host. False if too
    /// many wait for room already.
    #[must_use]
    fn cover_one_more(self: &Rc<Self>) -> bool {
        if !self.account.may_scale(Instant::now()) {
            return false;
        }
        if let Ok(permit) = self.core.host.environments.clone().try_acquire_owned() {
            self.start(permit);
            return true;
        }
        let options = &self.core.host.options;
        if options.queue_per_function_max == 0 {
            return self.start_in_place_of_an_idle_one();
        }
        let queued = self.account.queue(options.queue_per_function_max);
        queued.is_some_and(|queued| {
            self.start_when_there_is_room(queued, Room::Wanted);
            true
        })
    }

    /// Nobody waits for others to be done. Whoever is idle is nobody's, and its place is free as soon as it has ended.
    fn start_in_place_of_an_idle_one(self: &Rc<Self>) -> bool {
        if !self.core.end_idle_for_longest() {
            // Perhaps on another core: then for the next one who asks.
            self.core.make_room();
            return false;
        }
        let queued = self.account.queue(ENDING_WAITED_FOR_MAX);
        queued.is_some_and(|queued| {
            self.start_when_there_is_room(queued, Room::Coming);
            true
        })
    }

    /// Sees to it that nobody waits for longer than `patience` for an environment that is busy or has just answered.
    fn watch_over_waiting(self: &Rc<Self>) {
        if self.oldest_uncovered().is_none() || self.is_watched.replace(true) {
            return;
        }
        let scheduler = Rc::clone(self);
        self.core.tasks.spawn_local(async move {
            let (stop, patience) = (&scheduler.core.stop, scheduler.core.host.options.patience);
            while let Some(since) = scheduler.oldest_uncovered() {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => scheduler.give_up_one(InvokeRefusal::ServiceFailure),
                    () = sleep_until(since + patience) => scheduler.lose_patience(patience),
                }
            }
            scheduler.is_watched.set(false);
        });
    }

    /// Since when the first one waits that has no environment on its way.
    fn oldest_uncovered(&self) -> Option<Instant> {
        let waiting = self.waiting.borrow();
        waiting.get(self.starting.get()).map(|it| it.since)
    }

    /// Gives the first one that has waited for too long to an idle environment, here or on another core, or starts one.
    fn lose_patience(self: &Rc<Self>, patience: Duration) {
        let at = self.starting.get();
        let now = Instant::now();
        let mut waiting = self.waiting.borrow_mut();
        // It may have been served while this slept, and another stands in its place.
        if waiting.get(at).is_none_or(|it| now < it.since + patience) {
            return;
        }
        let impatient = waiting.remove(at);
        drop(waiting);
        if let Some(Waiting { pending, .. }) = impatient
            && let Some(pending) = self.run_idle(pending)
            && let Some(pending) = self.core.lend(pending, &self.account)
        {
            // Its patience begins anew, in case that nothing can be started for it now.
            let since = now;
            self.waiting.borrow_mut().insert(at, Waiting { pending, since });
            let _ = self.cover_one_more();
        }
    }

    fn throttle(&self, pending: Pending) {
        self.account.throttles.fetch_add(1, Relaxed);
        self.metering.throttled(Called::by(&pending.invocation.function));
        pending.refuse(InvokeRefusal::Throttled);
    }

    fn start(self: &Rc<Self>, permit: OwnedSemaphorePermit) {
        self.starting.set(self.starting.get() + 1);
        Environment::start(Rc::clone(self), permit, false);
    }

    /// The same of one that is kept ready.
    pub(crate) fn start_kept(self: &Rc<Self>, permit: OwnedSemaphorePermit) {
        self.starting.set(self.starting.get() + 1);
        Environment::start(Rc::clone(self), permit, true);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.get() || self.core.stop.is_cancelled()
    }

    /// Those that are idle now, the one that has been so for longest first.
    pub(crate) fn idle_environments(&self) -> Vec<Rc<Environment>> {
        self.idle.borrow().clone()
    }

    /// The host is full: waits for a place, of an idle environment that is asked to end, or of whoever ends first.
    fn start_when_there_is_room(self: &Rc<Self>, queued: Queued, room: Room) {
        self.starting.set(self.starting.get() + 1);
        let scheduler = Rc::clone(self);
        self.core.tasks.spawn_local(async move {
            let core = &scheduler.core;
            let starved = core.host.starve();
            let time_max = match room {
                Room::Wanted => {
                    core.make_room();
                    core.host.options.queue_timeout
                }
                Room::Coming => ENDING_TIME_MAX,
            };
            let room = timeout(time_max, core.host.environments.clone().acquire_owned());
            let room = tokio::select! {
                biased;
                () = core.stop.cancelled() => None,
                // Otherwise an idle environment would end for nobody.
                () = scheduler.served_without() => None,
                room = room => room.ok().and_then(Result::ok),
            };
            drop((queued, starved));
            scheduler.starting.set(scheduler.starting.get() - 1);
            scheduler.tell_if_enough();
            match room {
                // Whoever waited may have been served meanwhile.
                Some(permit) if scheduler.waiting.borrow().len() > scheduler.starting.get() => scheduler.start(permit),
                Some(_) => {}
                None => scheduler.give_up_one(InvokeRefusal::Throttled),
            }
            scheduler.watch_over_waiting();
        });
    }

    fn tell_if_enough(&self) {
        if self.waiting.borrow().len() < self.starting.get() {
            self.enough.notify_one();
        }
    }

    /// Until a start that waits for room is not needed any more.
    async fn served_without(&self) {
        while self.waiting.borrow().len() >= self.starting.get() {
            self.enough.notified().await;
        }
    }

    /// Called when an environment that was to start is not coming: one waiting invocation may now be without one.
    fn give_up_one(&self, refusal: InvokeRefusal) {
        let stopped = self.core.stop.is_cancelled();
        let free_soon = match stopped {
            true => 0,
            false if self.pace.holds_back() => self.pace.busy(),
            false => self.settling.get(),
        };
        if self.waiting.borrow().len() <= self.starting.get() + free_soon {
            return;
        }
        let Some(Waiting { pending, .. }) = self.waiting.borrow_mut().pop_front() else {
            return;
        };
        match refusal {
            InvokeRefusal::Throttled if !stopped => self.throttle(pending),
            _ => pending.refuse(InvokeRefusal::ServiceFailure),
        }
    }

    /// An environment has finished its ordinary init, well or not.
    pub(crate) fn started(&self, environment: &Rc<Environment>) -> Offer {
        self.starting.set(self.starting.get() - 1);
        self.offer(environment)
    }

    /// An environment could not be made.
    pub(crate) fn start_failed(self: &Rc<Self>) {
        self.starting.set(self.starting.get() - 1);
        self.give_up_one(InvokeRefusal::ServiceFailure);
        self.watch_over_waiting();
    }

    /// An environment can take an invocation: gives it the one that has waited longest, or keeps it idle.
    pub(crate) fn offer(&self, environment: &Rc<Environment>) -> Offer {
        if self.core.stop.is_cancelled() {
            return Offer::End;
        }
        let first = self.waiting.borrow_mut().pop_front();
        if let Some(Waiting { pending, .. }) = first {
            self.tell_if_enough();
            environment.assign(pending);
            return Offer::Keep;
        }
        // When somebody waits for room on this host, an idle environment has to go.
        let is_surplus = environment.release_if_surplus();
        let must_go = match environment.is_kept() {
            // Another one takes its place.
            true => !environment.has_runtime(),
            false => is_surplus || self.core.host.is_starved(),
        };
        if self.retired.get() || must_go || environment.is_old() {
            return Offer::End;
        }
        environment.rest();
        let mut idle = self.idle.borrow_mut();
        let at = if environment.has_runtime() {
            idle.len()
        } else {
            idle.iter().position(|other| other.has_runtime()).unwrap_or(idle.len())
        };
        idle.insert(at, Rc::clone(environment));
        drop(idle);
        self.advertise();
        Offer::Keep
    }

    /// Tells other cores whether there is an idle environment here. One without a process is nothing to lend: its init
    /// takes as long as that of a new one.
    fn advertise(&self) {
        let has_one = self.idle.borrow().last().is_some_and(|last| last.has_runtime());
        if self.is_advertised.replace(has_one) != has_one {
            self.account.set_idle_core(self.core.membership.bit(), has_one);
        }
    }

    /// Takes an environment out of the idle ones. False if it was not among them.
    pub(crate) fn take_idle(&self, environment: &Rc<Environment>) -> bool {
        let mut idle = self.idle.borrow_mut();
        let found = idle.iter().position(|other| Rc::ptr_eq(other, environment));
        if let Some(at) = found {
            idle.remove(at);
        }
        drop(idle);
        self.advertise();
        found.is_some()
    }

    /// Since when the environment is idle that has been so for longest.
    pub(crate) fn idle_for_longest(&self) -> Option<Instant> {
        self.idle
            .borrow()
            .iter()
            .filter(|environment| !environment.is_kept())
            .map(|environment| environment.idle_since.get())
            .min()
    }

    /// Ends the environment that has been idle for longest.
    pub(crate) fn end_idle_for_longest(&self) {
        let mut idle = self.idle.borrow_mut();
        let may_go = (0..idle.len()).filter(|&at| !idle[at].is_kept());
        let found = may_go.min_by_key(|&at| idle[at].idle_since.get());
        let longest = found.map(|at| idle.remove(at));
        drop(idle);
        self.advertise();
        if let Some(longest) = longest {
            longest.end();
        }
    }

    /// New invocations go elsewhere: idle environments end now, the others when they have finished.
    pub(crate) fn retire(&self) {
        self.retired.set(true);
        let idle = self.idle.take();
        self.advertise();
        for environment in idle {
            environment.end();
        }
    }
}

/// An environment that has an invocation. Ends when dropped.
pub(crate) struct Busy(
    Rc<Scheduler>,
    #[expect(dead_code, reason = "held until it ends")] Concurrent,
);

impl Busy {
    pub(crate) fn new(scheduler: &Rc<Scheduler>, is_kept: bool) -> Self {
        scheduler.pace.begin();
        Self(Rc::clone(scheduler), scheduler.metering.begin(is_kept))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.pace.end();
    }
}

/// An environment that has answered and not asked for its next event yet. Ends when dropped.
pub(crate) struct Settling(Rc<Scheduler>);

impl Settling {
    pub(crate) fn new(scheduler: &Rc<Scheduler>) -> Self {
        scheduler.settling.set(scheduler.settling.get() + 1);
        Self(Rc::clone(scheduler))
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        self.0.settling.set(self.0.settling.get() - 1);
    }
}
