//! The two handles: [`Functions`] for all cores, [`CoreFunctions`] for one.

mod same;

pub(crate) use same::has_same_functions;

use crate::account::Account;
use crate::code::CodeError;
use crate::environment::Looks;
use crate::exchange::{Membership, Message, Nowhere};
use crate::host::Host;
use crate::limits::Limits;
use crate::log::Scratch;
use crate::metrics::{Called, MetricEvent, Readings};
use crate::parking::ParkingReport;
use crate::pending::{Pending, Reply, not_run};
use crate::request_id::RequestIds;
use crate::runtime_api::is_field_value;
use crate::scheduler::Scheduler;
use crate::{EVENT_BYTES_MAX, LogSink, Options};
use invoke::{Doorkeeper, Invocation, InvokeOutcome, InvokeRefusal, Invoked, Invoker, LocalBoxFuture, Streaming};
use model::lambda::function::{Code, Function, Layers};
use model::lambda::provisioning::KeptReport;
use model::observed::FunctionReport;
use model::{FunctionArn, State};
use observe::Exposition;
use same::{modified, same_environment};
use sandbox::Spawner;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// See [`Functions::busy`].
#[must_use = "it ends when it is dropped"]
pub struct Busy(Arc<Host>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.send_replace(false);
    }
}

/// What the cores share: the spawner, the limits, and the counters of every function. Clones mean the same.
#[derive(Clone)]
pub struct Functions {
    pub(crate) host: Arc<Host>,
}

impl Functions {
    /// Functions whose processes `spawner` starts and whose output `log` takes.
    pub fn new(spawner: Spawner, options: Options, log: Arc<dyn LogSink>) -> Self {
        let host = Host::new(spawner, options, log);
        Self { host: Arc::new(host) }
    }

    /// While this is held nothing is made ahead of being needed: a start that others wait for has the processors for itself.
    pub fn busy(&self) -> Busy {
        self.host.busy.send_replace(true);
        Busy(Arc::clone(&self.host))
    }

    /// Who answers the calls that functions make to the platform. Once; environments that were started before have no way to
    /// it.
    pub fn lead_out(&self, doorkeeper: Arc<dyn Doorkeeper>) {
        // A second one has no effect.
        let _ = self.host.doorkeeper.set(doorkeeper);
    }

    /// The functions of one traffic core. Must be called inside of a `LocalSet` (or a local runtime) on that core.
    ///
    /// `state` says which functions there are. A change holds for every invocation after it.
    pub fn core(&self, state: watch::Receiver<Arc<State>>) -> CoreFunctions {
        let (membership, inbox) = self.host.exchange.join();
        let core = Rc::new(Core {
            host: Arc::clone(&self.host),
            membership,
            scratch: Rc::default(),
            looks: Looks::default(),
            followed: RefCell::new(Arc::clone(&state.borrow())),
            state: RefCell::new(state.clone()),
            schedulers: RefCell::default(),
            request_ids: RequestIds::new(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        core.tasks.spawn_local(Rc::clone(&core).keep_house(state, inbox));
        CoreFunctions { core }
    }

    /// Runs one invocation on whichever core serves it best. For callers outside of the traffic cores; an
    /// [`Invoker`] on a core costs less.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future never stops the invocation.
    pub async fn invoke(&self, invocation: Invocation) -> Invoked {
        let (reply, invoked) = oneshot::channel();
        self.begin(invocation, Reply::Invoked(reply));
        // The reply is dropped unanswered only when the core's tasks are torn down.
        invoked.await.unwrap_or(not_run(InvokeRefusal::ServiceFailure))
    }

    /// The same of an invocation whose answer is wanted piece by piece. Ready when the answer begins.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future or the stream never stops the invocation.
    pub async fn invoke_streaming(&self, invocation: Invocation) -> Streaming {
        let (reply, streaming) = oneshot::channel();
        self.begin(invocation, Reply::Streaming(reply));
        streaming
            .await
            .unwrap_or(Streaming::Refused(InvokeRefusal::ServiceFailure))
    }

    /// Gives an invocation to whichever core serves it best.
    fn begin(&self, invocation: Invocation, reply: Reply) {
        let idle_cores = self
            .host
            .known_account(invocation.runs())
            .map_or(0, |it| it.idle_cores());
        match self.host.exchange.begin(invocation, reply, idle_cores) {
            Ok(()) => {}
            Err((reply, Nowhere::NoCore)) => reply.refuse(InvokeRefusal::ServiceFailure),
            Err((reply, Nowhere::Full)) => reply.refuse(InvokeRefusal::Throttled),
        }
    }

    /// Counts something that no environment sees. `function` is qualified if it was called so.
    pub fn count(&self, function: &FunctionArn, event: MetricEvent) {
        self.host.metrics.count(function, event);
    }

    /// What was counted so far, and the most since the last call: for one caller, once a minute.
    pub fn readings(&self, state: &State) -> Readings {
        self.host.metrics.take(state, Instant::now())
    }

    /// Writes what was counted so far.
    pub fn expose(&self, out: &mut Exposition) {
        self.host.metrics.expose(out);
    }

    /// From now on so many environments of a function are kept ready, whether it is invoked or not, as far as this host has
    /// room; 0 ends that. Beside what the state says is to be ready, which needs no call. Does not wait.
    pub fn keep_ready(&self, function: &FunctionArn, environments: u32) {
        self.host.kept.send_modify(|kept| {
            let kept = Arc::make_mut(kept);
            match environments {
                0 => kept.remove(function),
                more => kept.insert(function.clone(), more),
            };
        });
    }

    /// How far those of a function are that are kept ready.
    pub fn kept_ready(&self, function: &FunctionArn) -> KeptReport {
        match self.host.known_account(function) {
            Some(account) => account.kept.report(),
            None => KeptReport::default(),
        }
    }

    /// How many interpreters wait for functions.
    pub fn parking(&self) -> ParkingReport {
        self.host.parking.report()
    }

    /// Unpacks what a function of this code and these layers runs, before anybody invokes it.
    ///
    /// # Errors
    /// What is wrong with a package, in Lambda's words where it has some; or what the disk says.
    pub async fn prepare(&self, code: &Code, layers: &Layers) -> Result<(), Unprepared> {
        self.host
            .codes
            .prepare(code, layers)
            .await
            .map_err(|error| match error {
                CodeError::Package(message) => Unprepared::Package(message),
                CodeError::Io(error) => Unprepared::Io(error),
            })
    }

    /// How the functions are doing that were invoked so far, in no promised order.
    pub fn reports(&self) -> Vec<FunctionReport> {
        self.host.reports()
    }
}

/// Why code cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum Unprepared {
    /// A package is at fault; the text says how.
    #[error("{0}")]
    Package(String),
    /// The platform is at fault.
    #[error("the code cannot be unpacked")]
    Io(#[source] std::io::Error),
}

/// The functions of one traffic core. Stays on its core; clones mean the same.
#[derive(Clone)]
pub struct CoreFunctions {
    core: Rc<Core>,
}

/// The inside of [`CoreFunctions`].
pub(crate) struct Core {
    pub(crate) host: Arc<Host>,
    pub(crate) membership: Membership,
    /// Buffers of the environments' logs.
    pub(crate) scratch: Rc<Scratch>,
    pub(crate) looks: Looks,
    state: RefCell<watch::Receiver<Arc<State>>>,
    /// The one that the schedulers are as.
    followed: RefCell<Arc<State>>,
    /// For every function that was invoked on this core.
    schedulers: RefCell<HashMap<FunctionArn, Rc<Scheduler>>>,
    pub(crate) request_ids: RequestIds,
    /// Owns every task of this room on this core.
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Invoker for CoreFunctions {
    /// The invocation begins with the call, not with the first poll of the future.
    fn invoke(&self, invocation: Invocation) -> LocalBoxFuture<InvokeOutcome> {
        let (reply, outcome) = oneshot::channel();
        self.core.begin(invocation, Reply::Outcome(reply));
        // The reply is dropped unanswered only when the core's tasks are torn down.
        Box::pin(async {
            outcome
                .await
                .unwrap_or(InvokeOutcome::Refused(InvokeRefusal::ServiceFailure))
        })
    }
}

impl CoreFunctions {
    /// Runs one invocation whose answer is wanted piece by piece. It begins with the call; the future is ready when the
    /// answer begins.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future or the stream never stops the invocation.
    pub fn invoke_streaming(&self, invocation: Invocation) -> LocalBoxFuture<Streaming> {
        let (reply, streaming) = oneshot::channel();
        self.core.begin(invocation, Reply::Streaming(reply));
        Box::pin(async {
            streaming
                .await
                .unwrap_or(Streaming::Refused(InvokeRefusal::ServiceFailure))
        })
    }

    /// Refuses new and running invocations with `ServiceFailure`, kills every environment and waits until nothing of
    /// them is left. Takes as long as the kernel needs to end the processes, at most some seconds.
    ///
    /// # Cancel safety
    ///
    /// The shutdown goes on when the future is dropped; another call waits for it.
    pub async fn shutdown(&self) {
        let core = &self.core;
        core.stop.cancel();
        for (_, scheduler) in core.schedulers.borrow_mut().drain() {
            // What waits is refused by the starts that end now.
            scheduler.retire();
        }
        core.tasks.close();
        core.tasks.wait().await;
        // Those that another core still needs it makes anew.
        core.host.parking.end_all().await;
    }
}

impl Core {
    fn begin(self: &Rc<Self>, mut invocation: Invocation, reply: Reply) {
        self.choose_version(&mut invocation);
        let refusal = match self.scheduler(invocation.runs()) {
            _ if self.stop.is_cancelled() => InvokeRefusal::ServiceFailure,
            None => InvokeRefusal::NotFound,
            Some(_) if invocation.payload.len() > EVENT_BYTES_MAX => InvokeRefusal::RequestTooLarge,
            Some(_) if !invocation.client_context.as_deref().is_none_or(is_field_value) => InvokeRefusal::ClientContext,
            Some(scheduler) => match scheduler.account.try_slot() {
                Some(slot) => {
                    return scheduler.run(Pending {
                        invocation,
                        reply,
                        slot,
                    });
                }
                None => return self.wait_for_slot(&scheduler, invocation, reply),
            },
        };
        reply.refuse(refusal);
    }

    /// The function's concurrency is used up.
    fn wait_for_slot(self: &Rc<Self>, scheduler: &Scheduler, invocation: Invocation, reply: Reply) {
        let (account, metering) = (&scheduler.account, Rc::clone(&scheduler.metering));
        let queue_max = if account.is_switched_off() {
            0
        } else {
            self.host.options.queue_per_function_max
        };
        let Some(queued) = account.queue(queue_max) else {
            account.throttles.fetch_add(1, Relaxed);
            metering.throttled(Called::by(&invocation.function));
            return reply.refuse(InvokeRefusal::Throttled);
        };
        let (core, account) = (Rc::clone(self), Arc::clone(account));
        self.tasks.spawn_local(async move {
            let slot = tokio::select! {
                biased;
                () = core.stop.cancelled() => Err(InvokeRefusal::ServiceFailure),
                slot = timeout(core.host.options.queue_timeout, account.slot()) => {
                    slot.map_err(|_| InvokeRefusal::Throttled)
                }
            };
            drop(queued);
            let refusal = match slot {
                // The function may have changed while this waited.
                Ok(slot) => match core.scheduler(invocation.runs()) {
                    Some(scheduler) => {
                        return scheduler.run(Pending {
                            invocation,
                            reply,
                            slot,
                        });
                    }
                    None => InvokeRefusal::NotFound,
                },
                Err(refusal) => refusal,
            };
            if refusal == InvokeRefusal::Throttled {
                account.throttles.fetch_add(1, Relaxed);
                metering.throttled(Called::by(&invocation.function));
            }
            reply.refuse(refusal);
        });
    }

    /// Gives an invocation to another core that has an idle environment. Returns it if there is none.
    #[must_use]
    pub(crate) fn lend(&self, pending: Pending, account: &Account) -> Option<Pending> {
        self.membership.lend(pending, account.idle_cores())
    }

    fn receive(self: &Rc<Self>, message: Message) {
        match message {
            Message::Begin(invocation, reply) => self.begin(invocation, reply),
            Message::Visit(visitor, from) => {
                let scheduler = self.scheduler(visitor.invocation.runs());
                let visitor = match &scheduler {
                    Some(scheduler) => scheduler.run_visitor(visitor),
                    None => Some(visitor),
                };
                if let Some(visitor) = visitor
                    && let Some(visitor) = self.membership.send_back(visitor, from)
                {
                    self.receive(Message::Back(visitor));
                }
            }
            Message::Back(pending) => match self.scheduler(pending.invocation.runs()) {
                Some(scheduler) => scheduler.run_here(pending),
                None => pending.refuse(InvokeRefusal::NotFound),
            },
        }
    }

    /// The scheduler of a function as the state has it now.
    pub(crate) fn scheduler(self: &Rc<Self>, arn: &FunctionArn) -> Option<Rc<Scheduler>> {
        self.follow_state();
        if let Some(scheduler) = self.schedulers.borrow().get(arn) {
            return Some(Rc::clone(scheduler));
        }
        if self.stop.is_cancelled() {
            return None;
        }
        let state = self.present_state();
        Some(self.new_scheduler(state.runnable(arn, || 0)?, &state))
    }

    /// One draw for each invocation, so that it keeps its version wherever it goes. Source: Lambda 5.3.
    fn choose_version(&self, invocation: &mut Invocation) {
        if invocation.version.is_some() || invocation.function.qualifier().is_none() {
            return;
        }
        let state = Arc::clone(&self.state.borrow().borrow());
        // Without random numbers it is the alias' own version, or all of them when the weight is 0.
        let runnable = state.runnable(&invocation.function, || getrandom::u32().unwrap_or(u32::MAX));
        invocation.version = runnable.map(|function| function.arn.clone());
    }

    /// What has to be done once for all cores.
    pub(crate) fn is_first(&self) -> bool {
        self.membership.is_first()
    }

    pub(crate) fn present_state(&self) -> Arc<State> {
        Arc::clone(&self.state.borrow().borrow())
    }

    /// Of the functions that were invoked or kept ready on this core.
    pub(crate) fn known_schedulers(&self) -> Vec<Rc<Scheduler>> {
        self.schedulers.borrow().values().cloned().collect()
    }

    fn new_scheduler(self: &Rc<Self>, function: &Arc<Function>, state: &State) -> Rc<Scheduler> {
        let account = self.host.account(&function.arn);
        account.follow(&self.limits());
        let modified = modified(state, function);
        let scheduler = Rc::new(Scheduler::new(Rc::clone(self), Arc::clone(function), modified, account));
        scheduler
            .metering
            .set_reserved(function.configuration.concurrency.is_some());
        self.schedulers
            .borrow_mut()
            .insert(function.arn.clone(), Rc::clone(&scheduler));
        scheduler
    }

    /// What the present state says about concurrency.
    pub(crate) fn limits(&self) -> Arc<Limits> {
        self.host.limits(&self.present_state())
    }

    /// Takes notice of a changed state. Costs one atomic read when there is none.
    fn follow_state(self: &Rc<Self>) {
        // An error says that the sender has gone: then this state stays.
        if !self.state.borrow().has_changed().unwrap_or(false) {
            return;
        }
        let state = Arc::clone(&self.state.borrow_mut().borrow_and_update());
        let before = self.followed.replace(Arc::clone(&state));
        if has_same_functions(&state, &before) {
            return;
        }
        let known: Vec<_> = self.schedulers.borrow().values().cloned().collect();
        let limits = self.host.limits(&state);
        for scheduler in known {
            scheduler.account.follow(&limits);
            let arn = &scheduler.function.arn;
            match state.runnable(arn, || 0) {
                Some(function) if Arc::ptr_eq(function, &scheduler.function) => {}
                Some(function)
                    if same_environment(function, &scheduler.function)
                        && modified(&state, function) == scheduler.modified =>
                {
                    scheduler
                        .metering
                        .set_reserved(function.configuration.concurrency.is_some());
                }
                Some(function) => {
                    // Made first: it keeps the function's counters alive.
                    let next = self.new_scheduler(function, &state);
                    scheduler.retire();
                    // Whoever saved the code hears at once whether it starts, and the next invocation finds it warm.
                    if next.account.prepare(function) {
                        next.prepare();
                    }
                }
                None => {
                    self.schedulers.borrow_mut().remove(arn);
                    scheduler.retire();
                }
            }
        }
    }

    /// Ends one idle environment so that another can start: here, or if there is none, on the other cores.
    pub(crate) fn make_room(&self) {
        if !self.end_idle_for_longest() {
            self.host
                .calls_for_room
                .send_modify(|calls| *calls = calls.wrapping_add(1));
        }
    }

    /// Ends what nobody needs now, if the host is short of memory: one environment at a time, so that the next look sees what
    /// it has brought.
    async fn relieve_host(&self) {
        if crate::pressure::is_memory_short(self.host.options.memory_available_min) {
            self.host.parking.end_all().await;
            self.end_idle_for_longest();
        }
    }

    /// False when none is idle on this core.
    pub(crate) fn end_idle_for_longest(&self) -> bool {
        let schedulers = self.schedulers.borrow();
        let longest = schedulers
            .values()
            .filter_map(|it| Some((it.idle_for_longest()?, it)))
            .min_by_key(|(at, _)| *at);
        if let Some((_, scheduler)) = longest {
            scheduler.end_idle_for_longest();
        }
        longest.is_some()
    }

    /// The task of a core: takes notice of changes also when nothing is invoked.
    async fn keep_house(self: Rc<Self>, mut state: watch::Receiver<Arc<State>>, mut inbox: mpsc::Receiver<Message>) {
        let mut calls_for_room = self.host.calls_for_room.subscribe();
        let mut kept = self.host.kept.subscribe();
        // The others have one more to share with.
        self.host.kept.send_modify(|_| {});
        let mut state_may_change = true;
        let mut seen = Arc::clone(&state.borrow());
        let mut look = tokio::time::interval(self.host.options.memory_looked_at);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut busy = self.host.busy.subscribe();
        let mut looks_ahead = false;
        loop {
            tokio::select! {
                biased;
                // Who is still in the inbox is refused by the end of his reply.
                () = self.stop.cancelled() => return,
                // The sender is in `host`, so it does not go.
                _ = busy.wait_for(|busy| !busy), if !looks_ahead => {
                    looks_ahead = true;
                    self.park_ahead();
                }
                changed = state.changed(), if state_may_change => {
                    state_may_change = changed.is_ok();
                    self.follow_state();
                    let before = std::mem::replace(&mut seen, Arc::clone(&state.borrow_and_update()));
                    // Most changes are about something else, and traffic does not wait for those.
                    if !has_same_functions(&seen, &before) {
                        self.follow_kept();
                        if looks_ahead {
                            self.park_ahead();
                        }
                    }
                }
                // The sender is in `host`, so it does not go.
                _ = kept.changed() => self.follow_kept(),
                // The same.
                _ = calls_for_room.changed() => {
                    self.end_idle_for_longest();
                }
                // Whoever has run nothing has nothing to give.
                _ = look.tick(), if !self.schedulers.borrow().is_empty() => self.relieve_host().await,
                // Last, because there may be many. The sender is in `host` as long as this core is.
                Some(message) = inbox.recv() => self.receive(message),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Functions;

    #[test]
    fn functions_are_shared_by_cores() {
        fn check<T: Send + Sync + Clone>() {}
        check::<Functions>();
    }
}
