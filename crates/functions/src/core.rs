//! The two handles: [`Functions`] for all cores, [`CoreFunctions`] for one.

use crate::account::Account;
use crate::exchange::{Membership, Message, Nowhere};
use crate::host::Host;
use crate::interpreters::RuntimeNotice;
use crate::log::Scratch;
use crate::pending::{Pending, Reply, not_run};
use crate::request_id::RequestIds;
use crate::runtime_api::is_field_value;
use crate::scheduler::Scheduler;
use crate::{EVENT_BYTES_MAX, LogSink, Options};
use invoke::{Invocation, InvokeOutcome, InvokeRefusal, Invoked, Invoker, LocalBoxFuture};
use model::lambda::function::{Function, FunctionConfiguration};
use model::observed::FunctionReport;
use model::{FunctionArn, State};
use sandbox::Spawner;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the cores share: the spawner, the limits, and the counters of every function. Clones mean the same.
#[derive(Clone)]
pub struct Functions {
    host: Arc<Host>,
}

impl Functions {
    /// Functions whose processes `spawner` starts and whose output `log` takes.
    pub fn new(spawner: Spawner, options: Options, log: Arc<dyn LogSink>) -> Self {
        let host = Host::new(spawner, options, log);
        Self { host: Arc::new(host) }
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
        let idle_cores = self
            .host
            .known_account(&invocation.function)
            .map_or(0, |it| it.idle_cores());
        match self.host.exchange.begin(invocation, Reply::Invoked(reply), idle_cores) {
            Ok(()) => {}
            Err((reply, Nowhere::NoCore)) => reply.refuse(InvokeRefusal::ServiceFailure),
            Err((reply, Nowhere::Full)) => reply.refuse(InvokeRefusal::Throttled),
        }
        // The reply is dropped unanswered only when the core's tasks are torn down.
        invoked.await.unwrap_or(not_run(InvokeRefusal::ServiceFailure))
    }

    /// What there is to say about the runtimes of the functions in `state`, in their order. Looks for interpreters if a
    /// function needs one and that was not done yet, which takes some milliseconds for each of them.
    pub async fn runtime_notices(&self, state: &State) -> Vec<RuntimeNotice> {
        let mut notices = Vec::new();
        for function in state.functions().filter(|it| it.configuration.runtime.is_managed()) {
            let interpreters = self.host.interpreters(function.configuration.runtime).await;
            notices.extend(interpreters.notice(
                &function.name,
                function.configuration.runtime,
                self.host.options.strict_runtimes,
            ));
        }
        notices
    }

    /// How the functions are doing that were invoked so far, in no promised order.
    pub fn reports(&self) -> Vec<FunctionReport> {
        self.host.reports()
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
    pub(crate) membership: Membership,
    /// Buffers of the environments' logs.
    pub(crate) scratch: Rc<Scratch>,
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
    fn begin(self: &Rc<Self>, invocation: Invocation, reply: Reply) {
        let refusal = match self.scheduler(&invocation.function) {
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
                None => return self.wait_for_slot(&scheduler.account, invocation, reply),
            },
        };
        reply.refuse(refusal);
    }

    /// The function's concurrency is used up.
    fn wait_for_slot(self: &Rc<Self>, account: &Arc<Account>, invocation: Invocation, reply: Reply) {
        let queue_max = if account.is_switched_off() {
            0
        } else {
            self.host.options.queue_per_function_max
        };
        let Some(queued) = account.queue(queue_max) else {
            account.throttles.fetch_add(1, Relaxed);
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
                let scheduler = self.scheduler(&visitor.invocation.function);
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
            Message::Back(pending) => match self.scheduler(&pending.invocation.function) {
                Some(scheduler) => scheduler.run_here(pending),
                None => pending.refuse(InvokeRefusal::NotFound),
            },
        }
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
                    let next = self.new_scheduler(function);
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
    async fn keep_house(self: Rc<Self>, mut state: watch::Receiver<Arc<State>>, mut inbox: mpsc::Receiver<Message>) {
        let mut calls_for_room = self.host.calls_for_room.subscribe();
        let mut state_may_change = true;
        loop {
            tokio::select! {
                biased;
                // Who is still in the inbox is refused by the end of his reply.
                () = self.stop.cancelled() => return,
                changed = state.changed(), if state_may_change => {
                    state_may_change = changed.is_ok();
                    self.follow_state();
                }
                // The sender is in `host`, so it does not go.
                _ = calls_for_room.changed() => {
                    self.end_idle_for_longest();
                }
                // Last, because there may be many. The sender is in `host` as long as this core is.
                Some(message) = inbox.recv() => self.receive(message),
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
