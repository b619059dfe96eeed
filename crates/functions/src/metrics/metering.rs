//! What one core counts of one function.

use super::{Concurrency, Count, Counters, Late, Metrics, OfFunction, Span};
use model::FunctionArn;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

const MINUTE_MS: u64 = 60_000;

/// The name under which a function was called, beside its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Called<'a> {
    /// A version or an alias.
    pub(crate) qualifier: Option<&'a str>,
    /// The version that ran, where the qualifier is an alias.
    pub(crate) executed_version: Option<&'a str>,
}

/// The same, kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) qualifier: Option<Box<str>>,
    pub(super) executed_version: Option<Box<str>>,
}

impl<'a> Called<'a> {
    /// By a qualified ARN, or an unqualified one.
    pub(crate) fn by(function: &'a FunctionArn) -> Self {
        Self {
            qualifier: function.qualifier(),
            executed_version: None,
        }
    }

    /// The same, and this is what ran. Only an alias leads to something of another name.
    pub(crate) fn and_ran(self, function: &'a FunctionArn) -> Self {
        let version = function.qualifier().unwrap_or("$LATEST");
        Self {
            executed_version: self
                .qualifier
                .filter(|qualifier| *qualifier != version)
                .map(|_| version),
            ..self
        }
    }
}

impl Name {
    fn is(&self, called: Called<'_>) -> bool {
        self.qualifier.as_deref() == called.qualifier && self.executed_version.as_deref() == called.executed_version
    }
}

impl From<Called<'_>> for Name {
    fn from(called: Called<'_>) -> Self {
        Self {
            qualifier: called.qualifier.map(Box::from),
            executed_version: called.executed_version.map(Box::from),
        }
    }
}

/// An invocation that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// In milliseconds since the epoch.
    pub(crate) began_ms: u64,
    pub(crate) duration: Duration,
    /// Of that, what extensions took after the runtime was done. `None` without extensions.
    pub(crate) extensions: Option<Duration>,
    pub(crate) is_error: bool,
    pub(crate) provision: Provision,
}

/// Where it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provision {
    /// Nothing is provisioned.
    None,
    /// In an environment that was kept ready.
    Provisioned,
    /// In another one, although some are.
    Spillover,
}

impl Ended {
    fn count(&self, counters: &Counters) {
        counters.inc(Count::Invocations);
        if self.is_error {
            counters.inc(Count::Errors);
        }
        match self.provision {
            Provision::None => {}
            Provision::Provisioned => counters.inc(Count::ProvisionedInvocations),
            Provision::Spillover => counters.inc(Count::ProvisionedSpillovers),
        }
        counters.observe(Span::Duration, self.duration);
        if let Some(took) = self.extensions {
            counters.observe(Span::Extensions, took);
        }
    }

    /// The numbers of this one alone.
    pub(super) fn counters(&self) -> Counters {
        let counters = Counters::default();
        self.count(&counters);
        counters
    }

    /// The minute that it belongs to, if it ended in a later one. Source: Lambda 9.2, "Timestamp = invocation start".
    fn earlier_minute(&self) -> Option<u64> {
        let took_ms = u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX);
        let (began, ended) = (
            self.began_ms / MINUTE_MS,
            self.began_ms.saturating_add(took_ms) / MINUTE_MS,
        );
        (began < ended).then_some(began)
    }
}

/// Counts for one scheduler. Stays on its core.
#[derive(Debug)]
pub(crate) struct Metering {
    metrics: Arc<Metrics>,
    function: Arc<OfFunction>,
    provisioned: Arc<Concurrency>,
    /// A function has few names, and most are called by one.
    by_name: RefCell<Vec<(Name, Arc<Counters>)>>,
}

/// An invocation that runs. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Concurrent {
    metrics: Arc<Metrics>,
    function: Arc<OfFunction>,
    is_unreserved: bool,
    /// Where it runs in what is kept ready.
    provisioned: Option<Arc<Concurrency>>,
}

impl Metering {
    pub(super) fn new(metrics: Arc<Metrics>, function: Arc<OfFunction>, provisioned: Arc<Concurrency>) -> Self {
        Self {
            metrics,
            function,
            provisioned,
            by_name: RefCell::default(),
        }
    }

    /// Whether the function has reserved concurrency, from now on.
    pub(crate) fn set_reserved(&self, has_reservation: bool) {
        self.function.has_reservation.store(has_reservation, Relaxed);
    }

    /// An invocation is given to an environment, perhaps to one that is kept ready.
    pub(crate) fn begin(&self, is_kept: bool) -> Concurrent {
        let is_unreserved = !self.function.has_reservation.load(Relaxed);
        let concurrent = Concurrent {
            metrics: Arc::clone(&self.metrics),
            function: Arc::clone(&self.function),
            is_unreserved,
            provisioned: is_kept.then(|| Arc::clone(&self.provisioned)),
        };
        concurrent.each(Concurrency::begin);
        concurrent
    }

    /// One was throttled.
    pub(crate) fn throttled(&self, called: Called<'_>) {
        self.with(called, |counters| counters.inc(Count::Throttles));
    }

    /// One has run.
    pub(crate) fn ended(&self, called: Called<'_>, ended: Ended) {
        let late = ended.earlier_minute().map(|minute| Late {
            function: self.function.name.clone(),
            called: called.into(),
            minute,
            ended,
        });
        if late.is_none_or(|late| !self.metrics.is_noted(late)) {
            self.with(called, |counters| ended.count(counters));
        }
    }

    fn with(&self, called: Called<'_>, count: impl FnOnce(&Counters)) {
        let mut by_name = self.by_name.borrow_mut();
        if let Some((_, counters)) = by_name.iter().find(|(known, _)| known.is(called)) {
            return count(counters);
        }
        let name = Name::from(called);
        let counters = self.function.counters(&name);
        count(&counters);
        by_name.push((name, counters));
    }
}

impl Concurrent {
    fn each(&self, change: fn(&Concurrency)) {
        change(&self.function.concurrency);
        change(&self.metrics.concurrency);
        if self.is_unreserved {
            change(&self.metrics.unreserved);
        }
        if let Some(provisioned) = &self.provisioned {
            change(provisioned);
        }
    }
}

impl Drop for Concurrent {
    fn drop(&mut self) {
        self.each(Concurrency::end);
    }
}
