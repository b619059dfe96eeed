//! The checkers of one core: a task for each target that has its home there.

use super::judge::{Ended, judge};
use super::{Pool, Pools};
use crate::trace::Random;
use invoke::{Invocation, InvokeOutcome, Invoker, LocalBoxFuture};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The running checkers. They end with [`Checkers::stop`], or when their targets are checked no longer.
pub(crate) struct Checkers {
    core: usize,
    plan: watch::Receiver<Arc<[Arc<Pool>]>>,
    invoker: Rc<dyn Invoker>,
    random: Random,
    /// See [`crate::Limits::health_check_spread`].
    spread: Duration,
    running: Vec<(Arc<Pool>, JoinHandle<()>)>,
}

impl Checkers {
    /// None yet; the first [`Checkers::changed`] is ready at once.
    pub(crate) fn new(core: usize, pools: &Pools, invoker: Rc<dyn Invoker>, seed: u64, spread: Duration) -> Self {
        Self {
            core,
            plan: pools.checked(),
            invoker,
            random: Random::new(seed),
            spread,
            running: Vec::new(),
        }
    }

    /// Waits until other targets are to be checked.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn changed(&mut self) {
        if self.plan.changed().await.is_err() {
            // Nothing is left that could change it.
            std::future::pending::<()>().await;
        }
    }

    /// Ends the checkers of targets that are no longer checked here, and starts those of new ones.
    pub(crate) async fn follow(&mut self) {
        let plan = self.plan.borrow_and_update().clone();
        let is_here = |pool: &Arc<Pool>| plan.iter().any(|planned| Arc::ptr_eq(planned, pool));
        let (stay, go): (Vec<_>, Vec<_>) = self.running.drain(..).partition(|(pool, _)| is_here(pool));
        self.running = stay;
        end(go).await;
        for pool in plan.iter().filter(|pool| pool.home == self.core) {
            if self.running.iter().any(|(running, _)| Arc::ptr_eq(running, pool)) {
                continue;
            }
            let first = self.first_delay(pool);
            let task = tokio::task::spawn_local(check(pool.clone(), self.invoker.clone(), first));
            self.running.push((pool.clone(), task));
        }
    }

    /// Random, so that targets that appear together, as all do at a start, are not asked in lockstep for ever.
    fn first_delay(&self, pool: &Pool) -> Duration {
        let interval = pool.settings.borrow().check.timing.interval();
        let fraction = (self.random.next() >> 11) as f64 / (1_u64 << 53) as f64;
        self.spread.min(interval).mul_f64(fraction)
    }

    /// Ends all of them. Invocations that run go on, as they do when a client leaves.
    pub(crate) async fn stop(&mut self) {
        end(std::mem::take(&mut self.running)).await;
    }
}

async fn end(checkers: Vec<(Arc<Pool>, JoinHandle<()>)>) {
    for (_, task) in &checkers {
        task.abort();
    }
    for (_, task) in checkers {
        let _ = task.await; // it was cut
    }
}

/// Checks one target for as long as it is let. The interval runs from start to start, however long an answer takes.
async fn check(pool: Arc<Pool>, invoker: Rc<dyn Invoker>, first: Duration) {
    let mut settings = pool.settings.subscribe();
    let mut call = Call { invoker, late: None };
    let mut began = None;
    let mut due = Instant::now() + first;
    loop {
        tokio::select! {
            biased;
            changed = settings.changed() => {
                let (Ok(()), interval) = (changed, settings.borrow_and_update().check.timing.interval()) else {
                    return; // the sender is the pool's, and the pool is here
                };
                // A new interval counts from the last check, so that a shorter one is felt at once.
                due = began.map_or(due, |began: Instant| began + interval);
                continue;
            }
            () = tokio::time::sleep_until(due) => {}
        }
        let now = settings.borrow_and_update().clone();
        let start = Instant::now();
        began = Some(start);
        due = start + now.check.timing.interval();
        let invocation = Invocation::new(pool.function.clone(), now.event.clone(), None);
        let outcome = tokio::time::timeout(now.check.timing.timeout(), call.invoke(invocation)).await;
        let (ended, cause) = match outcome {
            Ok(outcome) => judge(outcome, now.multi_value, &now.check.matcher),
            Err(_) => (Ended::TimedOut, None),
        };
        pool.record(ended, cause.as_deref(), &now.check);
    }
}

/// One invocation at a time. A function that does not answer keeps one environment busy and not one more each interval.
struct Call {
    invoker: Rc<dyn Invoker>,
    /// An invocation that has not ended.
    late: Option<LocalBoxFuture<InvokeOutcome>>,
}

impl Call {
    /// Invokes, after the invocation before has ended. Its answer came too late and counts for nothing.
    ///
    /// # Cancel safety
    /// Cancel safe: what was begun is waited for by the next call.
    async fn invoke(&mut self, invocation: Invocation) -> InvokeOutcome {
        if let Some(late) = &mut self.late {
            late.await;
        }
        let running = self.late.insert(self.invoker.invoke(invocation));
        let outcome = running.await;
        self.late = None;
        outcome
    }
}
