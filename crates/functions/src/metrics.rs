//! What Lambda's metrics are made of, counted per core and by the name under which a function was called. Source: Lambda 9.2.
//!
//! ```text
//! metering   what the schedulers of one core count: a few stores for each invocation, nothing shared but how many run
//! counters   the numbers of one core and one name
//! readings   all numbers at one moment
//! datapoints what came between two readings, as CloudWatch's metrics; what began in an earlier minute belongs to that
//! expose     the same numbers as OpenMetrics
//! ```
//!
//! Events that do not belong to an environment (queues, URLs) are counted through [`Functions::count`](crate::Functions::count).

mod counters;
mod datapoints;
mod expose;
mod metering;
mod readings;

use counters::{Count, Counters, Span, Sums};
pub use datapoints::{datapoints, late_datapoints};
use metering::Name;
pub(crate) use metering::{Called, Concurrent, Ended, Metering, Provision};
use model::FunctionArn;
pub use readings::Readings;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the numbers of what nobody calls any more are kept, so that their last minute is not lost.
const KEPT_AFTERWARDS: Duration = Duration::from_secs(180);
/// Invocations that ended in another minute than they began in. Of more in one minute, the rest counts where it ends.
const LATE_MAX: usize = 10_000;

/// Something to be counted that no environment sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricEvent {
    /// An event has been queued.
    AsyncReceived,
    /// It was given to the function so long after it came.
    AsyncAge(Duration),
    /// It was dropped: too old, out of retries, or for a function that is switched off.
    AsyncDropped,
    /// It did not reach the dead-letter queue.
    DeadLetterError,
    /// It did not reach its destination.
    DestinationDeliveryFailure,
    /// An invocation was refused because functions called each other in a circle.
    RecursionDropped,
    /// The function's URL answered.
    UrlRequest {
        /// The status.
        status: u16,
        /// From the request to its answer.
        took: Duration,
    },
}

/// All counters of functions. They outlive schedulers and environments.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    functions: Mutex<BTreeMap<FunctionArn, Arc<OfFunction>>>,
    concurrency: Concurrency,
    /// Of the functions that have no reservation.
    unreserved: Concurrency,
    late: Mutex<Vec<Late>>,
}

/// The counters of one function.
#[derive(Debug)]
struct OfFunction {
    name: String,
    concurrency: Concurrency,
    has_reservation: AtomicBool,
    /// What is kept ready and has an invocation, by version.
    provisioned: Mutex<BTreeMap<FunctionArn, Arc<Concurrency>>>,
    by_name: Mutex<BTreeMap<Name, OfName>>,
}

/// The counters of one function by one of its names.
#[derive(Debug, Default)]
struct OfName {
    cores: Vec<Arc<Counters>>,
    /// What those counted that are gone.
    gone: Sums,
    /// What is counted under the lock.
    others: Counters,
    /// All that was counted when it was read last, and when that was first so.
    seen: (u64, Option<Instant>),
}

/// How many run at once, and the most in a minute.
#[derive(Debug, Default)]
struct Concurrency {
    now: AtomicU32,
    most: AtomicU32,
}

/// An invocation that began in an earlier minute than it ended in.
#[derive(Debug)]
struct Late {
    function: String,
    called: Name,
    minute: u64,
    ended: Ended,
}

impl Concurrency {
    fn begin(&self) {
        let now = self.now.fetch_add(1, Relaxed) + 1;
        if now > self.most.load(Relaxed) {
            self.most.fetch_max(now, Relaxed);
        }
    }

    fn end(&self) {
        self.now.fetch_sub(1, Relaxed);
    }

    /// The most since the last call. Those that still run count again.
    fn take_most(&self) -> u32 {
        let now = self.now.load(Relaxed);
        self.most.swap(now, Relaxed).max(now)
    }
}

impl Metrics {
    /// What a scheduler counts with.
    pub(crate) fn metering(self: &Arc<Self>, function: &FunctionArn) -> Metering {
        let of = self.function(function);
        let provisioned = of.provisioned(function);
        Metering::new(Arc::clone(self), of, provisioned)
    }

    /// Counts something.
    pub(crate) fn count(&self, arn: &FunctionArn, event: MetricEvent) {
        let function = self.function(arn);
        let mut by_name = function.by_name();
        let counters = &by_name.entry(Called::by(arn).into()).or_default().others;
        let (count, span) = match event {
            MetricEvent::AsyncReceived => (Some(Count::AsyncReceived), None),
            MetricEvent::AsyncAge(age) => (None, Some((Span::AsyncAge, age))),
            MetricEvent::AsyncDropped => (Some(Count::AsyncDropped), None),
            MetricEvent::DeadLetterError => (Some(Count::DeadLetterErrors), None),
            MetricEvent::DestinationDeliveryFailure => (Some(Count::DestinationFailures), None),
            MetricEvent::RecursionDropped => (Some(Count::RecursionDropped), None),
            MetricEvent::UrlRequest { status, took } => {
                match status / 100 {
                    4 => counters.inc(Count::Url4xx),
                    5 => counters.inc(Count::Url5xx),
                    _ => {}
                }
                (Some(Count::UrlRequests), Some((Span::UrlLatency, took)))
            }
        };
        count.into_iter().for_each(|count| counters.inc(count));
        span.into_iter().for_each(|(span, took)| counters.observe(span, took));
    }

    fn function(&self, arn: &FunctionArn) -> Arc<OfFunction> {
        let mut functions = self.functions();
        let arn = arn.unqualified();
        if let Some(function) = functions.get(&arn) {
            return Arc::clone(function);
        }
        let function = Arc::new(OfFunction {
            name: arn.name().to_owned(),
            concurrency: Concurrency::default(),
            has_reservation: AtomicBool::new(false),
            provisioned: Mutex::default(),
            by_name: Mutex::default(),
        });
        functions.insert(arn, Arc::clone(&function));
        function
    }

    /// False when there are too many already.
    fn is_noted(&self, late: Late) -> bool {
        let mut all = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = all.len() < LATE_MAX;
        if has_room {
            all.push(late);
        }
        has_room
    }

    fn functions(&self) -> MutexGuard<'_, BTreeMap<FunctionArn, Arc<OfFunction>>> {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OfFunction {
    /// Counters of its own for whoever asks.
    fn counters(&self, name: &Name) -> Arc<Counters> {
        let counters = Arc::new(Counters::default());
        let mut by_name = self.by_name();
        let of_name = by_name.entry(name.clone()).or_default();
        of_name.cores.push(Arc::clone(&counters));
        counters
    }

    fn provisioned(&self, version: &FunctionArn) -> Arc<Concurrency> {
        let mut all = self.provisioned.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(version.clone()).or_default())
    }

    /// The most that ran at once in what is kept ready, by version. Versions that nobody runs any more are forgotten.
    fn take_provisioned(&self) -> BTreeMap<FunctionArn, u32> {
        let mut all = self.provisioned.lock().unwrap_or_else(PoisonError::into_inner);
        let most = all.iter().map(|(version, it)| (version.clone(), it.take_most()));
        let most = most.filter(|(_, most)| *most > 0).collect();
        all.retain(|_, it| Arc::strong_count(it) > 1);
        most
    }

    fn by_name(&self) -> MutexGuard<'_, BTreeMap<Name, OfName>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
