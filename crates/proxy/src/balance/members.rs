//! What a request chooses from: one immutable list per group behind a pointer, made anew off the hot path whenever
//! membership, health or weights change. Choosing costs one or two atomics, no lock and no allocation. Source: ALB 5.1.

use super::target::{Counting, Lanes, Outstanding, Target, outstanding_on};
use crate::trace::Random;
use model::elb::target_group::Algorithm;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// 2^64 divided by the golden ratio. Multiples of it, taken modulo 2^64, fall evenly on every interval: each is hit in
/// proportion to its length, at distances of at most three different values. That is a weighted round robin without
/// bursts which needs one counter and no list of turns.
const GOLDEN_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The targets of a group that get requests.
#[derive(Debug)]
pub(super) struct Members {
    algorithm: Algorithm,
    eligible: Box<[Eligible]>,
    /// Where each target's share ends, of 2^64. Empty when all are equal.
    shares: Box<[u64]>,
    /// Places in `eligible` in the order of the references.
    by_reference: Box<[u32]>,
    /// Too few targets are healthy, so all get requests. Source: ALB 5.6.
    pub(super) fail_open: bool,
}

/// One target that gets requests.
#[derive(Debug)]
pub(super) struct Eligible {
    pub(super) target: Arc<Target>,
    pub(super) lanes: Lanes,
    /// Its share beside a target of 1.0.
    pub(super) weight: f64,
    /// Requests on its lanes when the list was made: they began under another algorithm and only become fewer.
    on_lanes: u32,
}

impl Eligible {
    pub(super) fn new(target: Arc<Target>, lanes: Lanes, weight: f64) -> Self {
        Self {
            target,
            lanes,
            weight,
            on_lanes: 0,
        }
    }

    /// Requests in progress, as `least_outstanding_requests` counts them.
    fn load(&self) -> u32 {
        self.target.load().saturating_add(self.on_lanes)
    }
}

impl Default for Members {
    fn default() -> Self {
        Self::new(Algorithm::default(), Vec::new(), false)
    }
}

impl Members {
    pub(super) fn new(algorithm: Algorithm, mut eligible: Vec<Eligible>, fail_open: bool) -> Self {
        if algorithm == Algorithm::LeastOutstandingRequests {
            for target in &mut eligible {
                target.on_lanes = outstanding_on(&target.lanes);
            }
        }
        let mut by_reference: Box<[u32]> = (0_u32..).zip(&eligible).map(|(at, _)| at).collect();
        by_reference.sort_unstable_by(|a, b| {
            let reference = |at: &u32| &eligible[*at as usize].target.reference;
            reference(a).cmp(reference(b))
        });
        Self {
            algorithm,
            shares: shares(&eligible),
            eligible: eligible.into(),
            by_reference,
            fail_open,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.eligible.is_empty()
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> &[Eligible] {
        &self.eligible
    }

    /// Chooses a target by the group's algorithm; `None` if there is none. `cursor` counts the choices of all cores.
    pub(super) fn choose(&self, cursor: &AtomicU64, random: &Random) -> Option<&Eligible> {
        let count = self.eligible.len();
        if count <= 1 {
            return self.eligible.first();
        }
        let turn = || cursor.fetch_add(1, Ordering::Relaxed);
        let at = match self.algorithm {
            Algorithm::RoundRobin if self.shares.is_empty() => (turn() % count as u64) as usize,
            Algorithm::RoundRobin => self.at_share(turn().wrapping_mul(GOLDEN_STEP)),
            Algorithm::LeastOutstandingRequests => self.least((turn() % count as u64) as usize),
            Algorithm::WeightedRandom if self.shares.is_empty() => {
                ((u128::from(random.next()) * count as u128) >> 64) as usize
            }
            Algorithm::WeightedRandom => self.at_share(random.next()),
        };
        self.eligible.get(at)
    }

    /// The target with this reference, if it gets requests.
    pub(super) fn by_reference(&self, reference: &[u8]) -> Option<&Eligible> {
        let of = |at: u32| &self.eligible[at as usize];
        let found = self
            .by_reference
            .binary_search_by(|at| (*of(*at).target.reference).cmp(reference))
            .ok()?;
        Some(of(self.by_reference[found]))
    }

    /// A request begins on the chosen target.
    pub(super) fn begin(&self, chosen: &Eligible, core: usize) -> Outstanding {
        let counting = match self.algorithm {
            Algorithm::LeastOutstandingRequests => Counting::Shared,
            Algorithm::RoundRobin | Algorithm::WeightedRandom => Counting::Lane,
        };
        Outstanding::begin(&chosen.lanes[core], counting)
    }

    /// The target whose share holds a point of 0 to 2^64.
    fn at_share(&self, point: u64) -> usize {
        let at = self.shares.partition_point(|end| *end <= point);
        at.min(self.eligible.len() - 1)
    }

    /// The target with the fewest requests in progress; of several the first from `start` on, so that ties rotate.
    fn least(&self, start: usize) -> usize {
        let mut least = (u32::MAX, start);
        for at in (start..self.eligible.len()).chain(0..start) {
            let load = self.eligible[at].load();
            if load == 0 {
                return at;
            }
            if load < least.0 {
                least = (load, at);
            }
        }
        least.1
    }
}

/// Where each target's share ends, of 2^64; empty when all are equal.
fn shares(eligible: &[Eligible]) -> Box<[u64]> {
    let first = eligible.first().map_or(1.0, |target| target.weight);
    if eligible.iter().all(|target| target.weight == first) {
        return Box::default();
    }
    let whole: f64 = eligible.iter().map(|target| target.weight).sum();
    let mut sum = 0.0;
    let end = |target: &Eligible| {
        sum += target.weight;
        (sum / whole * 2_f64.powi(64)) as u64 // saturates
    };
    eligible.iter().map(end).collect()
}

#[cfg(test)]
mod tests;
