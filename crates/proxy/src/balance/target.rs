//! One server as traffic knows it, and the requests that are on it.
//!
//! What a request counts it counts on its own core's [`Lane`], so that cores do not wait for each other's cache lines.

use model::elb::target_group::TargetId;
use observe::{Counter, Gauge};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// A value alone on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Padded<T>(pub(super) T);

/// One server of one target group, from its registration to the end of its deregistration delay. A server that comes back,
/// or the same id with another address, is another target.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// `address:port` as the access log prints it.
    pub(crate) name: String,
    /// Unique in this process: what connections are kept by.
    pub(crate) serial: u64,
    /// Its deregistration delay is over: what still runs on it ends. Every timer of every core is woken when this is set.
    pub(crate) cut: AtomicBool,
    /// It was seen to close a connection right after an answer that did not say so: before a connection to it is used again
    /// the kernel is asked whether it has closed, each time.
    pub(crate) closes_silently: AtomicBool,
    pub(super) id: TargetId,
    /// What stickiness cookies know it by: port and id. It outlives this process.
    pub(super) reference: Box<[u8]>,
    /// Requests in progress over all cores, those of [`Counting::Shared`].
    shared: Padded<AtomicU32>,
}

/// What one core counts of one target. Only that core writes.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Lane {
    target: Arc<Target>,
    /// Requests in progress, those of [`Counting::Lane`].
    outstanding: Gauge,
    requests: Counter,
    /// Requests that the target answered or that could not reach it.
    ended: Counter,
    /// 5xx and connection errors among them.
    errors: Counter,
    /// Answers whose time is known, and the sum of the times.
    timed: Counter,
    timed_micros: Counter,
}

/// The lanes of one target, by core.
pub(super) type Lanes = Arc<[Arc<Lane>]>;

/// Where a request in progress is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counting {
    /// On the core, which costs next to nothing.
    Lane,
    /// With the target, where every core can read it at once: what `least_outstanding_requests` compares.
    Shared,
}

/// How a request to a target ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The head of the response came, with this status.
    Status(u16),
    /// No connection, or it broke before the head of the response, or nothing came in time.
    ConnectionError,
    /// The client left first. That says nothing about the target.
    Abandoned,
}

/// A target with one request in progress; the request ends when this is dropped. It stays on the core that chose.
#[derive(Debug)]
pub(crate) struct Outstanding {
    lane: Arc<Lane>,
    counting: Counting,
    /// Only one core writes to a lane.
    stays: PhantomData<Rc<()>>,
}

/// What all cores together have counted of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) requests: u64,
    pub(super) ended: u64,
    pub(super) errors: u64,
    pub(super) timed: u64,
    pub(super) timed_micros: u64,
}

impl Target {
    pub(super) fn new(registered: &model::elb::target_group::Target, serial: u64) -> Arc<Self> {
        let mut reference = registered.port.to_be_bytes().to_vec();
        reference.extend_from_slice(registered.id.to_string().as_bytes());
        Arc::new(Self {
            address: registered.socket(),
            name: registered.socket().to_string(),
            serial,
            cut: AtomicBool::new(false),
            closes_silently: AtomicBool::new(false),
            id: registered.id.clone(),
            reference: reference.into(),
            shared: Padded::default(),
        })
    }

    /// Whether a registration means this target. Its zone may change.
    pub(super) fn is(&self, registered: &model::elb::target_group::Target) -> bool {
        self.address == registered.socket() && self.id == registered.id
    }

    /// Requests of [`Counting::Shared`] in progress.
    pub(super) fn load(&self) -> u32 {
        self.shared.0.load(Ordering::Relaxed)
    }
}

/// The lanes of a new target.
pub(super) fn lanes(target: &Arc<Target>, cores: usize) -> Lanes {
    let lane = |_| {
        Arc::new(Lane {
            target: target.clone(),
            outstanding: Gauge::default(),
            requests: Counter::default(),
            ended: Counter::default(),
            errors: Counter::default(),
            timed: Counter::default(),
            timed_micros: Counter::default(),
        })
    };
    (0..cores).map(lane).collect()
}

/// Requests of [`Counting::Lane`] in progress on a target.
pub(super) fn outstanding_on(lanes: &[Arc<Lane>]) -> u32 {
    let sum: i64 = lanes.iter().map(|lane| lane.outstanding.value()).sum();
    u32::try_from(sum.max(0)).unwrap_or(u32::MAX) // cores are read one after the other, so it may be off by a moment
}

/// What all lanes of a target have counted.
pub(super) fn totals(lanes: &[Arc<Lane>]) -> Totals {
    lanes.iter().fold(Totals::default(), |sum, lane| Totals {
        requests: sum.requests + lane.requests.value(),
        ended: sum.ended + lane.ended.value(),
        errors: sum.errors + lane.errors.value(),
        timed: sum.timed + lane.timed.value(),
        timed_micros: sum.timed_micros + lane.timed_micros.value(),
    })
}

impl Outstanding {
    /// A request begins, on the core that the lane belongs to.
    pub(super) fn begin(lane: &Arc<Lane>, counting: Counting) -> Self {
        match counting {
            Counting::Lane => lane.outstanding.inc(),
            Counting::Shared => drop(lane.target.shared.0.fetch_add(1, Ordering::Relaxed)),
        }
        lane.requests.inc();
        Self {
            lane: lane.clone(),
            counting,
            stays: PhantomData,
        }
    }

    /// Takes note of how the request ended; once, at the head of the response or at the failure. `took` is
    /// `target_processing_time`, if there was an answer.
    pub(crate) fn ended(&self, outcome: Outcome, took: Option<Duration>) {
        let failed = match outcome {
            Outcome::Status(status) => status / 100 == 5,
            Outcome::ConnectionError => true,
            Outcome::Abandoned => return,
        };
        self.lane.ended.inc();
        if failed {
            self.lane.errors.inc();
        }
        if let Some(took) = took {
            self.lane.timed.inc();
            self.lane
                .timed_micros
                .add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }

    /// The target, for whoever keeps something by it.
    pub(crate) fn target(&self) -> &Arc<Target> {
        &self.lane.target
    }
}

impl Deref for Outstanding {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.lane.target
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        match self.counting {
            Counting::Lane => self.lane.outstanding.dec(),
            Counting::Shared => drop(self.lane.target.shared.0.fetch_sub(1, Ordering::Relaxed)),
        }
    }
}

impl Totals {
    /// What came since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests.wrapping_sub(earlier.requests),
            ended: self.ended.wrapping_sub(earlier.ended),
            errors: self.errors.wrapping_sub(earlier.errors),
            timed: self.timed.wrapping_sub(earlier.timed),
            timed_micros: self.timed_micros.wrapping_sub(earlier.timed_micros),
        }
    }
}
