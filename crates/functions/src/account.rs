//! The limits and counters of one function, and the host's, over all cores. Nothing here knows environments or events.

use crate::kept::KeptCounts;
use crate::limits::Limits;
use crate::scaling::Scaling;
use model::FunctionArn;
use model::lambda::function::Function;
use model::observed::FunctionReport;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// How many invocations may run at once: of a function, all its versions together; of all functions of a region that have
/// nothing reserved; or of a version, in what is kept ready of it.
#[derive(Debug)]
pub(crate) struct Concurrency {
    /// Invocations that may still begin.
    slots: Semaphore,
    /// How many there are altogether.
    slots_max: Mutex<usize>,
    /// Slots that a lowered limit still has to take away, from the invocations that hold them.
    debt: AtomicUsize,
    /// How fast the function may get environments; of functions only.
    scaling: Scaling,
}

impl Concurrency {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self {
            slots: Semaphore::new(0),
            slots_max: Mutex::new(0),
            debt: AtomicUsize::new(0),
            scaling: Scaling::default(),
        }
    }

    /// Sets how many may run at once. Those that run already are not touched.
    pub(crate) fn set(&self, concurrency: u32) {
        let wanted = usize::try_from(concurrency)
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        let mut slots_max = self.slots_max.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(more) = wanted.checked_sub(*slots_max) {
            let forgiven = take(&self.debt, more);
            self.slots.add_permits(more - forgiven);
        } else {
            let fewer = *slots_max - wanted;
            let taken = self.slots.forget_permits(fewer);
            self.debt.fetch_add(fewer - taken, Relaxed);
        }
        *slots_max = wanted;
    }

    fn is_nothing(&self) -> bool {
        *self.slots_max.lock().unwrap_or_else(PoisonError::into_inner) == 0
    }

    /// A slot, if one is free and nobody waits for it.
    fn try_slot(self: &Arc<Self>) -> Option<Slot> {
        self.slots.try_acquire().ok()?.forget();
        Some(Slot(Arc::clone(self)))
    }

    /// # Cancel safety
    ///
    /// Dropping the future loses the place in the queue and nothing else.
    async fn slot(self: &Arc<Self>) -> Slot {
        match self.slots.acquire().await {
            Ok(permit) => {
                permit.forget();
                Slot(Arc::clone(self))
            }
            // The semaphore is never closed.
            Err(_) => std::future::pending().await,
        }
    }
}

/// The account of a function or of a version of it. Every scheduler, environment and invocation of it holds it.
#[derive(Debug)]
pub(crate) struct Account {
    function: FunctionArn,
    /// What is reserved for the function, if something is.
    reserved: Arc<Concurrency>,
    is_reserved: AtomicBool,
    /// What it shares with all others of its region otherwise.
    unreserved: Arc<Concurrency>,
    /// What is kept ready of this version.
    provisioned: Arc<Concurrency>,
    has_provisioned: AtomicBool,
    queued: AtomicUsize,
    /// The cores that have an idle environment with a process, each a bit.
    idle_cores: AtomicU64,
    /// For which code and configuration an environment was started ahead of its first invocation.
    prepared: Mutex<Option<Arc<Function>>>,
    phases: [AtomicU32; 3],
    /// Those that are kept ready.
    pub(crate) kept: KeptCounts,
    pub(crate) invocations: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) throttles: AtomicU64,
}

/// What an environment is doing, for the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Idle,
    Busy,
}

impl Account {
    pub(crate) fn new(function: FunctionArn, reserved: Arc<Concurrency>, unreserved: Arc<Concurrency>) -> Self {
        Self {
            function,
            reserved,
            is_reserved: AtomicBool::new(false),
            unreserved,
            provisioned: Arc::new(Concurrency::new()),
            has_provisioned: AtomicBool::new(false),
            queued: AtomicUsize::new(0),
            idle_cores: AtomicU64::new(0),
            prepared: Mutex::default(),
            phases: Default::default(),
            kept: KeptCounts::default(),
            invocations: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            throttles: AtomicU64::new(0),
        }
    }

    /// What the state says now.
    pub(crate) fn follow(&self, limits: &Limits) {
        let reserved = limits.reserved(&self.function);
        self.reserved.set(reserved.unwrap_or(0));
        self.is_reserved.store(reserved.is_some(), Relaxed);
        self.unreserved.set(limits.unreserved(&self.function));
        let provisioned = limits.provisioned(&self.function);
        self.provisioned.set(provisioned);
        self.has_provisioned.store(provisioned > 0, Relaxed);
    }

    fn on_demand(&self) -> &Arc<Concurrency> {
        match self.is_reserved.load(Relaxed) {
            true => &self.reserved,
            false => &self.unreserved,
        }
    }

    /// Is nothing reserved but what is provisioned, or nothing at all? Waiting would be for nothing.
    pub(crate) fn is_switched_off(&self) -> bool {
        self.on_demand().is_nothing() && !self.has_provisioned.load(Relaxed)
    }

    /// A slot, if one is free and nobody waits for it: first among those that are kept ready. Source: Lambda 4.7.
    pub(crate) fn try_slot(self: &Arc<Self>) -> Option<Slot> {
        let provisioned = match self.has_provisioned.load(Relaxed) {
            true => self.provisioned.try_slot(),
            false => None,
        };
        provisioned.or_else(|| self.on_demand().try_slot())
    }

    /// A slot, first come first served over all cores. The caller sets a deadline.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the place in the queue and nothing else.
    pub(crate) async fn slot(self: &Arc<Self>) -> Slot {
        tokio::select! {
            biased;
            slot = self.provisioned.slot() => slot,
            slot = self.on_demand().slot() => slot,
        }
    }

    /// May the function have one more environment, by how fast it got the last ones? If so, it counts.
    pub(crate) fn may_scale(&self, now: Instant) -> bool {
        self.reserved.scaling.may_add(now)
    }

    /// A place in the queue of at most `queue_max`.
    pub(crate) fn queue(self: &Arc<Self>, queue_max: usize) -> Option<Queued> {
        let enter = |queued: usize| (queued < queue_max).then_some(queued + 1);
        self.queued.fetch_update(Relaxed, Relaxed, enter).ok()?;
        Some(Queued(Arc::clone(self)))
    }

    /// Says whether the core with this bit has an idle environment. What others do with it is a guess: it may be taken
    /// before they ask for it.
    pub(crate) fn set_idle_core(&self, core: u64, has_one: bool) {
        if has_one {
            self.idle_cores.fetch_or(core, Relaxed);
        } else {
            self.idle_cores.fetch_and(!core, Relaxed);
        }
    }

    /// The cores that have an idle environment, each a bit.
    pub(crate) fn idle_cores(&self) -> u64 {
        self.idle_cores.load(Relaxed)
    }

    /// Shall the caller start an environment for this code and configuration? Only one of all cores is told so.
    pub(crate) fn prepare(&self, function: &Arc<Function>) -> bool {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_switched_off() || prepared.as_ref().is_some_and(|known| Arc::ptr_eq(known, function)) {
            return false;
        }
        *prepared = Some(Arc::clone(function));
        true
    }

    pub(crate) fn report(&self) -> FunctionReport {
        let phase = |phase: Phase| self.phases[phase as usize].load(Relaxed);
        FunctionReport {
            function: self.function.clone(),
            busy: phase(Phase::Busy),
            idle: phase(Phase::Idle),
            starting: phase(Phase::Starting),
            invocations: self.invocations.load(Relaxed),
            errors: self.errors.load(Relaxed),
            throttles: self.throttles.load(Relaxed),
        }
    }
}

/// Takes up to `wanted` out of a counter, and says how much that was.
fn take(counter: &AtomicUsize, wanted: usize) -> usize {
    match counter.fetch_update(Relaxed, Relaxed, |value| {
        (value > 0).then(|| value.saturating_sub(wanted))
    }) {
        Ok(before) => before.min(wanted),
        Err(_) => 0,
    }
}

/// The right to run one invocation. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Concurrency>);

impl Drop for Slot {
    fn drop(&mut self) {
        if take(&self.0.debt, 1) == 0 {
            self.0.slots.add_permits(1);
        }
    }
}

/// A place in a function's queue. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Queued(Arc<Account>);

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Relaxed);
    }
}

/// One environment in the report of its function. Leaves it when dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    account: Arc<Account>,
    phase: Cell<Option<Phase>>,
}

impl Counted {
    pub(crate) fn new(account: Arc<Account>) -> Self {
        account.phases[Phase::Starting as usize].fetch_add(1, Relaxed);
        Self {
            account,
            phase: Cell::new(Some(Phase::Starting)),
        }
    }

    pub(crate) fn set(&self, phase: Phase) {
        let before = self.phase.replace(Some(phase));
        if before != Some(phase) {
            self.account.phases[phase as usize].fetch_add(1, Relaxed);
            self.uncount(before);
        }
    }

    /// It is being ended, which takes a while, and serves nobody any more.
    pub(crate) fn leave(&self) {
        self.uncount(self.phase.take());
    }

    fn uncount(&self, phase: Option<Phase>) {
        if let Some(phase) = phase {
            self.account.phases[phase as usize].fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::{Account, Concurrency, Counted, Phase};
    use model::{AccountId, FunctionArn, Region, Scope};
    use std::sync::Arc;

    fn account(concurrency: u32) -> Arc<Account> {
        let scope = Scope {
            region: Region::try_from("eu-west-1").unwrap(),
            account: AccountId::try_from("111122223333").unwrap(),
        };
        let (reserved, unreserved) = (Arc::new(Concurrency::new()), Arc::new(Concurrency::new()));
        let account = Account::new(FunctionArn::new(&scope, "f"), reserved, unreserved);
        account.unreserved.set(concurrency);
        Arc::new(account)
    }

    #[test]
    fn a_slot_is_free_again_when_its_invocation_ends() {
        let account = account(2);
        let first = account.try_slot().unwrap();
        let _second = account.try_slot().unwrap();
        assert!(account.try_slot().is_none());
        drop(first);
        let _third = account.try_slot().unwrap();
        assert!(account.try_slot().is_none());
    }

    #[test]
    fn a_changed_limit_holds_as_soon_as_running_invocations_end() {
        let account = account(3);
        let mut running: Vec<_> = (0..3).map(|_| account.try_slot().unwrap()).collect();
        account.unreserved.set(1);
        running.pop();
        assert!(account.try_slot().is_none(), "two of one still run");
        running.pop();
        assert!(account.try_slot().is_none(), "one of one still runs");
        running.pop();
        running.push(account.try_slot().unwrap());
        assert!(account.try_slot().is_none());
        account.unreserved.set(2);
        running.push(account.try_slot().unwrap());
        assert!(account.try_slot().is_none());
        // Lowered and raised again while all run: the debt is forgiven, not paid twice.
        account.unreserved.set(0);
        assert!(account.is_switched_off());
        account.unreserved.set(2);
        running.clear();
        let again: Vec<_> = (0..2).map(|_| account.try_slot().unwrap()).collect();
        assert!(account.try_slot().is_none());
        drop(again);
    }

    #[test]
    fn the_queue_is_bounded() {
        let account = account(0);
        assert!(account.queue(0).is_none());
        let place = account.queue(1).unwrap();
        assert!(account.queue(1).is_none());
        drop(place);
        assert!(account.queue(1).is_some());
    }

    #[test]
    fn an_environment_is_counted_in_exactly_one_phase() {
        let account = account(1);
        let counts = || {
            let report = account.report();
            (report.starting, report.idle, report.busy)
        };
        let environment = Counted::new(Arc::clone(&account));
        assert_eq!(counts(), (1, 0, 0));
        environment.set(Phase::Busy);
        environment.set(Phase::Busy);
        assert_eq!(counts(), (0, 0, 1));
        environment.set(Phase::Idle);
        assert_eq!(counts(), (0, 1, 0));
        environment.leave();
        assert_eq!(counts(), (0, 0, 0));
        drop(environment);
        assert_eq!(counts(), (0, 0, 0));
        drop(Counted::new(Arc::clone(&account)));
        assert_eq!(counts(), (0, 0, 0));
    }

    #[test]
    fn every_core_says_for_itself_whether_it_has_an_idle_environment() {
        let account = account(1);
        for (core, has_one, expected) in [
            (0b01, true, 0b01),
            (0b10, true, 0b11),
            (0b10, true, 0b11),
            (0b01, false, 0b10),
            (0, true, 0b10),
            (0b01, false, 0b10),
        ] {
            account.set_idle_core(core, has_one);
            assert_eq!(account.idle_cores(), expected);
        }
    }
}
