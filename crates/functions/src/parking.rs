//! Interpreters that were started before anybody knew which function they are for.
//!
//! Starting an interpreter takes longer than everything else in a cold start together. So some wait, each in namespaces of
//! its own and confined like any function, with this program's bootstrap loaded and nothing of any function: its code is
//! mounted, its limits are set and its variables are handed over when one is assigned. Each is used once.
//!
//! They are few, are made when nobody else starts anything, only for interpreters that are in use, and go when those have
//! not been used for a while. A function that needs its interpreter started with variables or programs of its own
//! ([`launch::fits`]) never gets one.

use crate::core::Core;
use crate::host::Host;
use crate::interpreters::Interpreter;
use crate::launch::{self, Inside};
use model::lambda::function::{EphemeralStorage, FunctionMemory};
use model::lambda::runtime::Runtime;
use sandbox::{Process, Scratch, SpawnError, Spec};
use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// How long nothing must have started before another one is made: whatever has, has its first invocation in front of it.
const QUIET_TIME: Duration = Duration::from_millis(20);
/// How long the making of another one waits for a moment in which nothing starts. Then it is made all the same: while
/// functions start without end, those that wait are worth most.
const QUIET_TIME_MAX: Duration = Duration::from_secs(1);

/// For how many sizes of memory some of the same interpreter wait at most.
const SIZES_MAX: usize = 4;

/// How many there are, and were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParkingReport {
    /// Those that wait now.
    pub waiting: usize,
    /// Those that were given to a function.
    pub used: u64,
}

/// All that wait on this host.
pub(crate) struct Parking {
    pools: Mutex<Vec<Pool>>,
    /// Inits of environments that are in progress.
    inits: watch::Sender<usize>,
    used: AtomicU64,
}

/// What one is started for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Purpose {
    interpreter: Interpreter,
    /// Of the functions that it is right for, where that makes a difference.
    memory: Option<FunctionMemory>,
}

impl Purpose {
    pub(crate) fn of(interpreter: &Interpreter, memory: FunctionMemory) -> Self {
        Self {
            interpreter: interpreter.clone(),
            memory: launch::memory_at_start(interpreter, memory),
        }
    }
}

/// Those that are alike.
struct Pool {
    purpose: Purpose,
    waiting: VecDeque<Parked>,
    /// Those that are being made.
    coming: usize,
    /// When a function wanted one.
    used_at: Instant,
    /// A task sees to it that they go when they are not used.
    is_watched: bool,
}

impl Pool {
    fn is_in_use(&self) -> bool {
        !self.waiting.is_empty() || self.coming > 0 || self.is_watched
    }

    fn is_another_size_than(&self, purpose: &Purpose) -> bool {
        self.purpose.interpreter == purpose.interpreter && self.purpose.memory != purpose.memory
    }
}

/// One that waits.
pub(crate) struct Parked {
    pub(crate) inside: Inside,
    /// What is at `/tmp` already.
    pub(crate) scratch: Scratch,
    process: Process,
    /// What it was started with.
    start: Spec,
}

/// An init in progress. Ends when dropped.
pub(crate) struct InitGuard<'a>(&'a Parking);

impl Drop for InitGuard<'_> {
    fn drop(&mut self) {
        self.0.inits.send_modify(|inits| *inits -= 1);
    }
}

impl Parked {
    async fn make(host: &Host, purpose: &Purpose) -> Result<Self, SpawnError> {
        let Purpose { interpreter, memory } = purpose;
        let scratch = host.spawner.scratch(EphemeralStorage::default().bytes());
        let inside = Inside::park(&host.spawner, interpreter, scratch.clone()).await?;
        let start = launch::parked_spec(interpreter, *memory, &inside);
        let process = host.spawner.spawn(start.clone()).await?;
        Ok(Self {
            inside,
            scratch,
            process,
            start,
        })
    }

    /// Would a function that wants to be started like this notice no difference?
    pub(crate) fn fits(&self, wanted: &Spec) -> bool {
        launch::fits(&self.start, wanted)
    }

    /// Lets it go on as what `wanted` describes.
    pub(crate) fn assign(mut self, wanted: &Spec) -> io::Result<Process> {
        let pipe = self.process.take_assignment();
        let mut pipe = File::from(pipe.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?);
        // An empty pipe takes it whole: it is smaller than the variables that the kernel lets a program be started with.
        pipe.write_all(&launch::assignment(wanted))?;
        Ok(self.process)
    }

    /// Waits until nothing of it is left.
    async fn end(mut self) {
        self.process.kill();
        self.process.wait().await;
    }
}

impl Parking {
    pub(crate) fn new() -> Self {
        Self {
            pools: Mutex::default(),
            inits: watch::Sender::new(0),
            used: AtomicU64::new(0),
        }
    }

    pub(crate) fn init_begins(&self) -> InitGuard<'_> {
        self.inits.send_modify(|inits| *inits += 1);
        InitGuard(self)
    }

    pub(crate) fn report(&self) -> ParkingReport {
        ParkingReport {
            waiting: self.pools().iter().map(|pool| pool.waiting.len()).sum(),
            used: self.used.load(Relaxed),
        }
    }

    /// One was given to a function.
    pub(crate) fn count_use(&self) {
        self.used.fetch_add(1, Relaxed);
    }

    fn pools(&self) -> MutexGuard<'_, Vec<Pool>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_pool<T>(&self, purpose: &Purpose, act: impl FnOnce(&mut Pool) -> T) -> T {
        let mut pools = self.pools();
        let at = pools.iter().position(|pool| pool.purpose == *purpose);
        let at = at.unwrap_or_else(|| {
            // Sizes of memory come and go.
            pools.retain(Pool::is_in_use);
            pools.push(Pool {
                purpose: purpose.clone(),
                waiting: VecDeque::new(),
                coming: 0,
                used_at: Instant::now(),
                is_watched: false,
            });
            pools.len() - 1
        });
        act(&mut pools[at])
    }

    /// One that waits, if there is one that has not been killed meanwhile.
    fn take(&self, purpose: &Purpose) -> Option<Parked> {
        self.with_pool(purpose, |pool| {
            pool.used_at = Instant::now();
            std::iter::from_fn(|| pool.waiting.pop_front()).find(|parked| !parked.process.has_ended())
        })
    }

    /// It was not used. One that is too many ends.
    pub(crate) fn give_back(&self, purpose: &Purpose, parked: Parked, waiting_max: usize) {
        let surplus = self.with_pool(purpose, |pool| {
            if pool.waiting.len() + pool.coming >= waiting_max {
                return Some(parked);
            }
            pool.waiting.push_front(parked);
            None
        });
        drop(surplus);
    }

    /// May one more be made? It has to be announced by [`Parking::arrived`] then, or by `None` there.
    fn reserve(&self, purpose: &Purpose, waiting_max: usize) -> bool {
        let is_other = |pool: &&Pool| pool.is_another_size_than(purpose) && pool.is_in_use();
        let sizes = self.pools().iter().filter(is_other).count();
        self.with_pool(purpose, |pool| {
            let has_room = pool.waiting.len() + pool.coming < waiting_max && sizes < SIZES_MAX;
            pool.coming += usize::from(has_room);
            has_room
        })
    }

    /// One has been made, or could not be. True: somebody has to watch over the pool from now on.
    fn arrived(&self, purpose: &Purpose, parked: Option<Parked>) -> bool {
        self.with_pool(purpose, |pool| {
            pool.coming -= 1;
            let Some(parked) = parked else { return false };
            pool.waiting.push_back(parked);
            !std::mem::replace(&mut pool.is_watched, true)
        })
    }

    fn used_at(&self, purpose: &Purpose) -> Instant {
        self.with_pool(purpose, |pool| pool.used_at)
    }

    /// Takes all of a pool out of it, and leaves it without a watch.
    fn empty(&self, purpose: &Purpose) -> VecDeque<Parked> {
        self.with_pool(purpose, |pool| {
            pool.is_watched = false;
            std::mem::take(&mut pool.waiting)
        })
    }

    /// Ends all that wait. Others may be made later.
    pub(crate) async fn end_all(&self) {
        let all: Vec<Parked> = self
            .pools()
            .iter_mut()
            .flat_map(|pool| pool.waiting.drain(..))
            .collect();
        for parked in &all {
            parked.process.kill();
        }
        for parked in all {
            parked.end().await;
        }
    }

    /// Until nothing has started for a moment, for a bounded time.
    pub(crate) async fn quiet(&self) {
        let mut inits = self.inits.subscribe();
        let calm = async {
            while inits.wait_for(|&inits| inits == 0).await.is_ok() {
                let stirs = timeout(QUIET_TIME, inits.wait_for(|&inits| inits > 0)).await;
                if stirs.is_err() {
                    return;
                }
            }
        };
        let _ = timeout(QUIET_TIME_MAX, calm).await;
    }
}

impl Core {
    /// An interpreter for a function, if one waits. Sees to it that others will.
    pub(crate) async fn parked(self: &Rc<Self>, purpose: &Purpose) -> Option<Parked> {
        let host = &self.host;
        if host.options.parked_per_runtime == 0 || !purpose.interpreter.can_wait() {
            return None;
        }
        let taken = host.parking.take(purpose);
        self.park(purpose, host.options.parked_per_runtime);
        match taken {
            None if host.options.parked_always => Parked::make(host, purpose).await.ok(),
            taken => taken,
        }
    }

    /// Makes one for each interpreter, and size of memory where that matters, that functions of the present state would
    /// have, if none waits.
    pub(crate) fn park_ahead(self: &Rc<Self>) {
        let options = &self.host.options;
        if !options.park_ahead || options.parked_per_runtime == 0 || !self.is_first() {
            return;
        }
        let state = self.present_state();
        let wanted: HashSet<(Runtime, FunctionMemory)> = state
            .functions()
            .filter(|function| self.host.has_own_network(function))
            .map(|function| (function.configuration.runtime, function.configuration.memory))
            .filter(|(runtime, _)| runtime.is_managed())
            .collect();
        if wanted.is_empty() {
            return;
        }
        let core = Rc::clone(self);
        self.tasks.spawn_local(async move {
            for (runtime, memory) in wanted {
                let interpreters = tokio::select! {
                    biased;
                    () = core.stop.cancelled() => return,
                    found = core.host.interpreters(runtime) => found,
                };
                let strict = core.host.options.strict_runtimes;
                if interpreters.obstacle(runtime, strict).is_none()
                    && let Some(interpreter) = interpreters.choose(runtime).interpreter()
                {
                    match interpreter.can_wait() {
                        true => core.park(&Purpose::of(interpreter, memory), 1),
                        false => core.share_classes(interpreter, true),
                    }
                }
            }
        });
    }

    /// Makes others, one after another and each in a moment of quiet, until so many wait.
    pub(crate) fn park(self: &Rc<Self>, purpose: &Purpose, waiting_max: usize) {
        if self.stop.is_cancelled() || !self.host.parking.reserve(purpose, waiting_max) {
            return;
        }
        let (core, purpose) = (Rc::clone(self), purpose.clone());
        self.tasks.spawn_local(async move {
            let parking = &core.host.parking;
            let mut is_to_watch = false;
            loop {
                let parked = core.make_parked(&purpose).await;
                let has_arrived = parked.is_some();
                is_to_watch |= parking.arrived(&purpose, parked);
                if !has_arrived || !parking.reserve(&purpose, waiting_max) {
                    break;
                }
            }
            if is_to_watch {
                core.watch_over_parked(&purpose).await;
            }
        });
    }

    /// One more, in a moment of quiet; none when this core stops.
    async fn make_parked(&self, purpose: &Purpose) -> Option<Parked> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return None,
            () = self.host.parking.quiet() => {}
        }
        match Parked::make(&self.host, purpose).await {
            Ok(parked) if self.stop.is_cancelled() => {
                parked.end().await;
                None
            }
            Ok(parked) => Some(parked),
            // The next start of a function fails for the same reason, and says it where it is seen.
            Err(error) => {
                tracing::debug!(interpreter = %purpose.interpreter, %error, "cannot start an interpreter ahead");
                None
            }
        }
    }

    /// Ends those of an interpreter when no function has wanted one for a while.
    async fn watch_over_parked(&self, purpose: &Purpose) {
        let parking = &self.host.parking;
        loop {
            let end = parking.used_at(purpose) + self.host.options.idle_retirement;
            tokio::select! {
                biased;
                // Whoever stops this core ends them.
                () = self.stop.cancelled() => return,
                () = sleep_until(end) => {}
            }
            if Instant::now() >= parking.used_at(purpose) + self.host.options.idle_retirement {
                break;
            }
        }
        for parked in parking.empty(purpose) {
            parked.end().await;
        }
    }
}
