//! The two handles: [`Functions`] for all cores, [`CoreFunctions`] for one.

use crate::account::Account;
use crate::code::Codes;
use crate::interpreters::{Interpreters, RuntimeNotice};
use crate::request_id::RequestIds;
use crate::scheduler::{Pending, Scheduler};
use crate::{EVENT_BYTES_MAX, LogSink, Options};
use invoke::{Invocation, InvokeOutcome, InvokeRefusal, Invoked, Invoker, LocalBoxFuture};
use model::lambda::function::{Function, FunctionConfiguration};
use model::observed::FunctionReport;
use model::{FunctionArn, State};
use sandbox::Spawner;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OnceCell, Semaphore, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the cores share: the spawner, the limits, and the counters of every function. Clones mean the same.
#[derive(Clone)]
pub struct Functions {
    host: Arc<Host>,
}

/// The inside of [`Functions`].
pub(crate) struct Host {
    pub(crate) spawner: Spawner,
    pub(crate) options: Options,
    pub(crate) log: Arc<dyn LogSink>,
    pub(crate) codes: Codes,
    /// Where the bootstraps of the managed runtimes lie.
    pub(crate) runtime_directory: PathBuf,
    /// Looked for when they are needed first.
    interpreters: OnceCell<Interpreters>,
    /// Environments that may still be started on this host.
    pub(crate) environments: Arc<Semaphore>,
    /// Invocations that wait for room on this host.
    starved: AtomicUsize,
    /// Counts the calls for room, so that no core misses one.
    calls_for_room: watch::Sender<u64>,
    /// Weak, so that a deleted function's account ends with its last environment.
    accounts: Mutex<HashMap<FunctionArn, Weak<Account>>>,
}

impl Functions {
    /// Functions whose processes `spawner` starts and whose output `log` takes.
    pub fn new(spawner: Spawner, options: Options, log: Arc<dyn LogSink>) -> Self {
        let host = Host {
            spawner,
            codes: Codes::new(&options.data_dir),
            runtime_directory: options.data_dir.join("runtimes"),
            interpreters: OnceCell::new(),
            environments: Arc::new(Semaphore::new(options.environments_max.min(Semaphore::MAX_PERMITS))),
            options,
            log,
            starved: AtomicUsize::new(0),
            calls_for_room: watch::Sender::new(0),
            accounts: Mutex::default(),
        };
        Self { host: Arc::new(host) }
    }

    /// The functions of one traffic core. Must be called inside of a `LocalSet` (or a local runtime) on that core.
    ///
    /// `state` says which functions there are. A change holds for every invocation after it.
    pub fn core(&self, state: watch::Receiver<Arc<State>>) -> CoreFunctions {
        let core = Rc::new(Core {
            host: Arc::clone(&self.host),
            state: RefCell::new(state.clone()),
            schedulers: RefCell::default(),
            request_ids: RequestIds::new(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        core.tasks.spawn_local(Rc::clone(&core).keep_house(state));
        CoreFunctions { core }
    }

    /// Runs one invocation on whichever core serves it best. For callers outside of the traffic cores; an
    /// [`Invoker`] on a core costs less.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future never stops the invocation.
    pub async fn invoke(&self, _invocation: Invocation) -> Invoked {
        Invoked {
            request_id: None,
            outcome: InvokeOutcome::Refused(InvokeRefusal::ServiceFailure),
            log_tail: None,
        }
    }

    /// What there is to say about the runtimes of the functions in `state`, in their order. Looks for interpreters if a
    /// function needs one and that was not done yet, which takes some milliseconds for each of them.
    pub async fn runtime_notices(&self, state: &State) -> Vec<RuntimeNotice> {
        let mut notices = Vec::new();
        for function in state.functions().filter(|it| it.configuration.runtime.is_managed()) {
            let interpreters = self.host.interpreters().await;
            notices.extend(interpreters.notice(&function.name, function.configuration.runtime));
        }
        notices
    }

    /// How the functions are doing that were invoked so far, in no promised order.
    pub fn reports(&self) -> Vec<FunctionReport> {
        let accounts = self.host.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts
            .values()
            .filter_map(Weak::upgrade)
            .map(|account| account.report())
            .collect()
    }
}

/// A waiting start in [`Host::is_starved`]. Ends when dropped.
pub(crate) struct Starved(Arc<Host>);

impl Drop for Starved {
    fn drop(&mut self) {
        self.0.starved.fetch_sub(1, Relaxed);
    }
}

impl Host {
    pub(crate) async fn interpreters(&self) -> &Interpreters {
        self.interpreters
            .get_or_init(|| Interpreters::find(&self.spawner))
            .await
    }

    pub(crate) fn starve(self: &Arc<Self>) -> Starved {
        self.starved.fetch_add(1, Relaxed);
        Starved(Arc::clone(self))
    }

    pub(crate) fn is_starved(&self) -> bool {
        self.starved.load(Relaxed) > 0
    }

    fn account(&self, function: &FunctionArn) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get(function).and_then(Weak::upgrade) {
            return account;
        }
        accounts.retain(|_, account| account.strong_count() > 0);
        let account = Arc::new(Account::new(function.clone()));
        accounts.insert(function.clone(), Arc::downgrade(&account));
        account
    }
}

/// The functions of one traffic core. Stays on its core; clones mean the same.
#[derive(Clone)]
pub struct CoreFunctions {
    core: Rc<Core>,
}

/// The inside of [`CoreFunctions`].
pub(crate) struct Core {
    pub(crate) host: Arc<Host>,
    state: RefCell<watch::Receiver<Arc<State>>>,
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
        self.core.begin(invocation, reply);
        // The reply is dropped unanswered only when the core's tasks are torn down.
        Box::pin(async {
            outcome
                .await
                .unwrap_or(InvokeOutcome::Refused(InvokeRefusal::ServiceFailure))
        })
    }
}

impl CoreFunctions {
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
    }
}

impl Core {
    fn begin(self: &Rc<Self>, invocation: Invocation, reply: oneshot::Sender<InvokeOutcome>) {
        let refusal = match self.scheduler(&invocation.function) {
            _ if self.stop.is_cancelled() => InvokeRefusal::ServiceFailure,
            None => InvokeRefusal::NotFound,
            Some(_) if invocation.payload.len() > EVENT_BYTES_MAX => InvokeRefusal::RequestTooLarge,
            Some(scheduler) => match scheduler.account.try_slot() {
                Some(slot) => {
                    return scheduler.run(Pending {
                        invocation,
                        reply,
                        slot,
                    });
                }
                None => return self.wait_for_slot(&scheduler.account, invocation, reply),
            },
        };
        let _ = reply.send(InvokeOutcome::Refused(refusal));
    }

    /// The function's concurrency is used up.
    fn wait_for_slot(
        self: &Rc<Self>,
        account: &Arc<Account>,
        invocation: Invocation,
        reply: oneshot::Sender<InvokeOutcome>,
    ) {
        let queue_max = if account.is_switched_off() {
            0
        } else {
            self.host.options.queue_per_function_max
        };
        let Some(queued) = account.queue(queue_max) else {
            account.throttles.fetch_add(1, Relaxed);
            let _ = reply.send(InvokeOutcome::Refused(InvokeRefusal::Throttled));
            return;
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
                Ok(slot) => match core.scheduler(&invocation.function) {
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
            }
            let _ = reply.send(InvokeOutcome::Refused(refusal));
        });
    }

    /// The scheduler of a function as the state has it now.
    fn scheduler(self: &Rc<Self>, arn: &FunctionArn) -> Option<Rc<Scheduler>> {
        self.follow_state();
        if let Some(scheduler) = self.schedulers.borrow().get(arn) {
            return Some(Rc::clone(scheduler));
        }
        if self.stop.is_cancelled() {
            return None;
        }
        let function = Arc::clone(self.state.borrow().borrow().function(arn)?);
        Some(self.new_scheduler(&function))
    }

    fn new_scheduler(self: &Rc<Self>, function: &Arc<Function>) -> Rc<Scheduler> {
        let account = self.host.account(&function.arn);
        account.set_concurrency(self.concurrency(function));
        let scheduler = Rc::new(Scheduler::new(Rc::clone(self), Arc::clone(function), account));
        self.schedulers
            .borrow_mut()
            .insert(function.arn.clone(), Rc::clone(&scheduler));
        scheduler
    }

    fn concurrency(&self, function: &Function) -> u32 {
        function
            .configuration
            .concurrency
            .unwrap_or(self.host.options.concurrency_per_function_max)
    }

    /// Takes notice of a changed state. Costs one atomic read when there is none.
    fn follow_state(self: &Rc<Self>) {
        // An error says that the sender has gone: then this state stays.
        if !self.state.borrow().has_changed().unwrap_or(false) {
            return;
        }
        let state = Arc::clone(&self.state.borrow_mut().borrow_and_update());
        let known: Vec<_> = self.schedulers.borrow().values().cloned().collect();
        for scheduler in known {
            let arn = &scheduler.function.arn;
            match state.function(arn) {
                Some(function) if Arc::ptr_eq(function, &scheduler.function) => {}
                Some(function) if same_environment(function, &scheduler.function) => {
                    scheduler.account.set_concurrency(self.concurrency(function));
                }
                Some(function) => {
                    // Made first: it keeps the function's counters alive.
                    self.new_scheduler(function);
                    scheduler.retire();
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

    fn end_idle_for_longest(&self) -> bool {
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
    async fn keep_house(self: Rc<Self>, mut state: watch::Receiver<Arc<State>>) {
        let mut calls_for_room = self.host.calls_for_room.subscribe();
        let mut state_may_change = true;
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                changed = state.changed(), if state_may_change => {
                    state_may_change = changed.is_ok();
                    self.follow_state();
                }
                // The sender is in `host`, so it does not go.
                _ = calls_for_room.changed() => {
                    self.end_idle_for_longest();
                }
            }
        }
    }
}

/// May environments of one serve the other? Reserved concurrency is not a part of an environment.
fn same_environment(one: &Function, other: &Function) -> bool {
    let FunctionConfiguration {
        runtime,
        handler,
        timeout,
        memory,
        environment,
        concurrency: _,
        logging,
    } = &one.configuration;
    let configuration = &other.configuration;
    one.code == other.code
        && *runtime == configuration.runtime
        && *handler == configuration.handler
        && *timeout == configuration.timeout
        && *memory == configuration.memory
        && *environment == configuration.environment
        && *logging == configuration.logging
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
