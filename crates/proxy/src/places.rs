//! Places for connections: how many the process serves at once, and what becomes of a connection that finds none.
//!
//! ```text
//! a place is free            it is served
//! none                       it waits in the kernel's backlog
//! none for `refuse_after`    it is refused, until a place is free again
//! ```

use crate::Limits;
use crate::core::{Core, ListenerRef};
use crate::metrics::LoadBalancerMetrics;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// Whoever comes while another one leaves is not refused for having been the quicker of the two.
const GRACE: Duration = Duration::from_millis(5);
/// No moment: there is a free place.
const FREE: u64 = u64::MAX;
/// A time that is as good as for ever.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// The places of the process. All cores share them; they are touched when a connection comes and when it goes.
#[derive(Debug)]
pub(crate) struct Bound {
    /// Whoever waits longest gets the next place, on whichever core: nobody else is woken for it.
    free: Semaphore,
    refuse_after: Duration,
    /// Of each core.
    refusals_max: usize,
    started: Instant,
    /// In milliseconds since `started`: when the last place was found taken. A place that is given straight to somebody who
    /// waits has not been free.
    full_since: AtomicU64,
}

/// The connections of one core.
#[derive(Debug)]
pub(crate) struct Places {
    bound: Arc<Bound>,
    taken: Cell<usize>,
    /// How many of them the bound does not know of.
    beyond: Cell<usize>,
    refusals: Semaphore,
    freed: Notify,
}

/// What there is for the next connection. Given back when dropped.
#[derive(Debug)]
pub(crate) enum Room<'a> {
    /// A place.
    Place(SemaphorePermit<'a>),
    /// A refusal.
    Refusal(SemaphorePermit<'a>),
}

/// Whether the next connection has been waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// No connection waited when one was looked for last.
    Empty,
    /// Others have come before it, and may have left it behind.
    Standing,
}

/// The place of one connection; given back when dropped.
pub(crate) struct Place {
    places: Rc<Places>,
    core: Rc<Core>,
    /// Whose connection it is, once it is established.
    load_balancer: Option<Arc<LoadBalancerMetrics>>,
}

/// A connection that is being refused; given back when dropped.
pub(crate) struct Refusal {
    places: Rc<Places>,
}

impl Bound {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            free: Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS)),
            refuse_after: limits.refuse_after.min(LONG),
            refusals_max: limits.refusals_max.min(Semaphore::MAX_PERMITS),
            started: Instant::now(),
            full_since: AtomicU64::new(FREE),
        })
    }

    /// A place, if one is free and nobody waits for it.
    fn take(&self) -> Option<SemaphorePermit<'_>> {
        let place = self.free.try_acquire().ok()?;
        // Looked at first: the others need not hear of a write that changes nothing.
        if self.full_since.load(Ordering::Relaxed) != FREE {
            self.full_since.store(FREE, Ordering::Relaxed);
        }
        Some(place)
    }

    /// When connections begin to be refused. Asked by somebody who has found no place.
    fn refuses_from(&self) -> Instant {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(FREE - 1);
        let noted = self
            .full_since
            .compare_exchange(FREE, now, Ordering::Relaxed, Ordering::Relaxed);
        let since = noted.map_or_else(|since| since, |_| now);
        self.started + Duration::from_millis(since) + self.refuse_after
    }

    /// Waits until connections are refused.
    async fn refuses(&self, queue: Queue) {
        if queue == Queue::Empty {
            tokio::time::sleep(GRACE).await;
        }
        loop {
            // Asked again afterwards: a place may have been free meanwhile.
            let from = self.refuses_from();
            if from <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(from.into()).await;
        }
    }
}

impl Places {
    pub(crate) fn new(bound: Arc<Bound>) -> Rc<Self> {
        Rc::new(Self {
            taken: Cell::new(0),
            beyond: Cell::new(0),
            refusals: Semaphore::new(bound.refusals_max),
            bound,
            freed: Notify::new(),
        })
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.get()
    }

    /// Ends when every place has been given back and nobody is being refused.
    pub(crate) async fn empty(&self) {
        while self.taken.get() > 0 || self.refusals.available_permits() < self.bound.refusals_max {
            self.freed.notified().await;
        }
    }

    /// What there is now for the next connection. `None`: it has to wait.
    pub(crate) fn room(&self, queue: Queue) -> Option<Room<'_>> {
        if let Some(place) = self.bound.take() {
            return Some(Room::Place(place));
        }
        if self.bound.refuses_from() > Instant::now() || queue == Queue::Empty {
            return None;
        }
        self.refusals.try_acquire().ok().map(Room::Refusal)
    }

    /// Waits until there is something for the next connection.
    pub(crate) async fn wait(&self, queue: Queue) -> Room<'_> {
        let refusal = async {
            self.bound.refuses(queue).await;
            self.refusals.acquire().await.expect("nobody closes it")
        };
        tokio::select! {
            biased;
            place = self.bound.free.acquire() => Room::Place(place.expect("nobody closes it")),
            refusal = refusal => Room::Refusal(refusal),
        }
    }

    /// Takes a place.
    pub(crate) fn take(self: &Rc<Self>, core: &Rc<Core>, place: SemaphorePermit<'_>) -> Place {
        place.forget();
        self.seat(core)
    }

    /// Takes a place even if there is none.
    pub(crate) fn take_anyway(self: &Rc<Self>, core: &Rc<Core>) -> Place {
        match self.bound.take() {
            Some(place) => place.forget(),
            None => self.beyond.set(self.beyond.get() + 1),
        }
        self.seat(core)
    }

    /// Begins to refuse a connection.
    pub(crate) fn refuse(self: &Rc<Self>, refusal: SemaphorePermit<'_>) -> Refusal {
        refusal.forget();
        Refusal { places: self.clone() }
    }

    fn seat(self: &Rc<Self>, core: &Rc<Core>) -> Place {
        self.taken.set(self.taken.get() + 1);
        core.counters().connections.inc();
        Place {
            places: self.clone(),
            core: core.clone(),
            load_balancer: None,
        }
    }

    fn give_back(&self) {
        self.taken.set(self.taken.get() - 1);
        match self.beyond.get() {
            0 => self.bound.free.add_permits(1),
            beyond => self.beyond.set(beyond - 1),
        }
    }
}

impl Place {
    /// The connection is established, at this listener.
    pub(crate) fn established(&mut self, listener: &ListenerRef) {
        let metrics = &listener.load_balancer.metrics;
        metrics.core(self.core.id).active_connections.inc();
        self.load_balancer = Some(metrics.clone());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // First of all: whoever sees in the counters that a connection has gone finds its place free.
        self.places.give_back();
        self.core.counters().connections.dec();
        if let Some(metrics) = &self.load_balancer {
            metrics.core(self.core.id).active_connections.dec();
        }
        if std::thread::panicking() {
            self.core.counters().panics.inc();
        }
        self.places.freed.notify_waiters();
    }
}

impl Drop for Refusal {
    fn drop(&mut self) {
        self.places.refusals.add_permits(1);
        self.places.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Waker};

    fn bound(connections_max: usize, refuse_after: Duration) -> Arc<Bound> {
        Bound::new(&Limits {
            connections_max,
            refuse_after,
            ..Limits::default()
        })
    }

    #[test]
    fn the_time_runs_from_the_first_who_found_no_place_until_one_is_free() {
        let bound = bound(1, Duration::ZERO);
        let place = bound.take();
        assert!(place.is_some() && bound.take().is_none());
        let first = bound.refuses_from();
        while bound.started.elapsed() < first - bound.started + Duration::from_millis(2) {
            std::thread::yield_now();
        }
        assert_eq!(bound.refuses_from(), first, "the second waits no longer for it");
        drop(place);
        assert!(bound.take().is_some());
        assert_eq!(bound.full_since.load(Ordering::Relaxed), FREE);
        assert!(bound.refuses_from() > first, "it begins anew");
    }

    fn has_got(waiting: &mut (impl Future + Unpin)) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(waiting).poll(&mut cx).is_ready()
    }

    #[tokio::test]
    async fn what_is_free_goes_to_who_waits_and_is_not_lost_with_him() {
        let places = Places::new(bound(1, LONG));
        let Some(room @ Room::Place(_)) = places.room(Queue::Standing) else {
            panic!("a place is free");
        };
        assert!(places.room(Queue::Standing).is_none());
        let (mut first, mut second) = (
            Box::pin(places.wait(Queue::Standing)),
            Box::pin(places.wait(Queue::Standing)),
        );
        assert!(!has_got(&mut first));
        assert!(!has_got(&mut second));
        drop(room);
        assert!(places.room(Queue::Standing).is_none(), "it is the first one's");
        drop(first);
        assert!(has_got(&mut second), "and now the second one's");
    }

    #[test]
    fn any_bound_and_any_time_will_do() {
        let bound = bound(usize::MAX, Duration::MAX);
        assert!(bound.take().is_some());
        assert!(bound.refuses_from() > Instant::now());
    }
}
