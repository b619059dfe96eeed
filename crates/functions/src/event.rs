//! Asynchronous invocations: what was accepted is run in the background until it has an outcome. Source: Lambda 5.9.
//!
//! ```text
//! event           the handle: accept, pause, go on
//! event/line      who is next: due times, fairness among functions, as many at once as a function bears     (pure)
//! event/judge     what becomes of an event after an attempt: retry, back-off, too old, over                 (pure)
//! event/attempt   one attempt, from the queue to its record
//! event/delivery  the record of a failure, from the queue into its bucket
//! event/outcome   the document that destinations get                                                        (pure)
//! ```
//!
//! Time comes from a [`Clock`]. Delivery is at least once, as the queue in `store` says; waiting after a throttle is not
//! recorded, so that a new process begins with the shortest wait.

mod attempt;
mod clock;
mod delivery;
mod judge;
mod line;
mod outcome;

#[cfg(test)]
mod tests;

pub(crate) use clock::{Clock, WallClock};
pub use line::EventLimits;

use crate::{Functions, MetricEvent};
use delivery::Put;
use invoke::{Event, EventRefusal, Invocation, Invoked};
use line::Line;
use model::{FunctionArn, State};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::log::disk::Disk;
use store::objects::ObjectDirectory;
use store::queue::{AddError, News, Queue, QueueMonitor, QueueOpenError, QueueReopenError, QueueRoom, Waiting};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

/// Runs one invocation. Ends by itself.
pub(crate) type Run = Arc<dyn Fn(Invocation) -> Pin<Box<dyn Future<Output = Invoked> + Send>> + Send + Sync>;

/// Counts something for the metrics.
pub(crate) type Count = Arc<dyn Fn(&FunctionArn, MetricEvent) + Send + Sync>;

/// The asynchronous invocations of this process. Clones mean the same.
#[derive(Clone)]
pub struct Events {
    shared: Arc<Shared>,
}

/// Who waits, and word that this has changed.
#[derive(Default)]
struct Room {
    line: Mutex<Line>,
    changed: Notify,
}

pub(crate) struct Shared {
    queue: Queue,
    room: Arc<Room>,
    run: Run,
    state: watch::Receiver<Arc<State>>,
    clock: Arc<dyn Clock>,
    count: Count,
    put: Put,
    /// Owns the attempts and who starts them.
    tasks: TaskTracker,
    /// Nothing is tried again.
    stop: CancellationToken,
}

/// Where events are kept.
#[derive(Debug)]
pub struct EventStore {
    /// The folder of the queue's file.
    pub disk: Arc<dyn Disk>,
    /// How much may wait.
    pub room: QueueRoom,
    /// Another process has it, and [`Events::resume`] opens it.
    pub is_anothers: bool,
    /// Where the buckets are that destinations name. `None`: there are none.
    pub buckets: Option<ObjectDirectory>,
}

impl Events {
    /// Opens the queue. Nothing is run before [`Events::serve`].
    ///
    /// # Errors
    /// The queue cannot be opened.
    pub fn open(
        store: EventStore,
        limits: EventLimits,
        functions: Functions,
        state: watch::Receiver<Arc<State>>,
    ) -> Result<Self, QueueOpenError> {
        let counting = functions.clone();
        let run: Run = Arc::new(move |invocation| {
            let functions = functions.clone();
            Box::pin(async move { functions.invoke(invocation).await })
        });
        let count: Count = Arc::new(move |function, event| counting.count(function, event));
        let put = delivery::put_into(store.buckets.clone());
        Self::with(store, limits, (run, count, put), state, Arc::new(WallClock))
    }

    fn with(
        store: EventStore,
        limits: EventLimits,
        (run, count, put): (Run, Count, Put),
        state: watch::Receiver<Arc<State>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, QueueOpenError> {
        let room = Arc::new(Room {
            line: Mutex::new(Line::new(limits)),
            changed: Notify::new(),
        });
        let entrance = Arc::clone(&room);
        let listener = move |news| entrance.hear(news);
        let queue = match store.is_anothers {
            true => Queue::closed(store.disk, store.room, listener),
            false => Queue::open(store.disk, store.room, listener),
        }?;
        let shared = Arc::new(Shared {
            queue,
            room,
            run,
            state,
            clock,
            count,
            put,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        Ok(Self { shared })
    }

    /// Runs what waits, from now on. Must be called inside of a runtime, once.
    pub fn serve(&self) {
        self.shared.room.line().go_on();
        let shared = Arc::clone(&self.shared);
        self.shared.tasks.spawn(async move { shared.dispatch().await });
    }

    /// Accepts an event. It is durable once this returns.
    ///
    /// # Cancel safety
    /// Dropping the future may leave an event that is accepted.
    ///
    /// # Errors
    /// It is not accepted.
    pub async fn accept(&self, event: Event) -> Result<(), EventRefusal> {
        let function = event.function.invoked();
        let added = self.shared.queue.add(store::queue::Event {
            request_id: event.request_id.to_string(),
            function: event.function,
            accepted: self.shared.clock.now(),
            trace_id: event.trace_id,
            chain: BTreeMap::new(),
            payload: event.payload.into(),
            bucket: None,
        });
        match added.await {
            Ok(_) => {
                (self.shared.count)(&function, MetricEvent::AsyncReceived);
                Ok(())
            }
            Err(AddError::Full) => Err(EventRefusal::Full),
            Err(refused @ (AddError::Failed(_) | AddError::Closed)) => {
                error!(%function, error = %refused, "an asynchronous invocation is not accepted");
                Err(EventRefusal::Failed)
            }
        }
    }

    /// Begins no more attempts, and waits for those that run, for at most `within`. What still runs then is run again by
    /// whoever serves the queue next.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the pause.
    pub async fn pause(&self, within: Duration) {
        self.shared.room.line().pause();
        let quiet = async {
            loop {
                let changed = self.shared.room.changed.notified();
                if self.shared.room.line().is_quiet() {
                    return;
                }
                changed.await;
            }
        };
        let _ = timeout(within, quiet).await;
    }

    /// Lets another process have the queue, or this one end: what has not ended until now counts as not begun.
    pub async fn close(&self) {
        self.shared.room.line().pause();
        self.shared.queue.close().await;
    }

    /// Takes the queue back after [`Events::close`], or takes it over, and goes on.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn resume(&self) -> Result<(), QueueReopenError> {
        self.shared.queue.open_again().await?;
        self.shared.room.line().go_on();
        self.shared.room.changed.notify_waiters();
        Ok(())
    }

    /// The end: nothing is recorded any more.
    pub async fn end(&self) {
        self.close().await;
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// How the queue is doing.
    pub fn monitor(&self) -> &QueueMonitor {
        self.shared.queue.monitor()
    }
}

impl Room {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, news: News) {
        match news {
            News::Added(waiting) => self.line().add(waiting),
            News::Opened(all) => self.line().reset(all),
        }
        self.changed.notify_waiters();
    }
}

impl Shared {
    /// Starts attempts as they are due, until the end.
    async fn dispatch(self: Arc<Self>) {
        loop {
            // Registered before the line is looked at, so that no change falls in between.
            let changed = self.room.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let state = self.state.borrow().clone();
            let too_old = |waiting: &Waiting| judge::too_old(waiting.accepted, &attempt::settings(&state, waiting));
            let next_due = loop {
                let now = self.clock.now();
                let taken = self.room.line().take(now, too_old);
                match taken {
                    Some(taken) => {
                        let shared = Arc::clone(&self);
                        self.tasks.spawn(async move { shared.attempt(taken).await });
                    }
                    None => break self.room.line().next_due(now, too_old),
                }
            };
            let due = async {
                match next_due {
                    Some(at) => self.clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = changed => {}
                () = due => {}
            }
        }
    }
}
