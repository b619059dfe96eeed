//! Anomaly detection and mitigation: which target fails more than its peers, and what that costs it. Pure.
//! Source: ALB 5.3. AWS does not publish its method; this one is albacore's:
//!
//! - Every 5 seconds each healthy target's answers since its last judgement are a *sample*, once there are at least
//!   [`SAMPLE_REQUESTS`] or a minute has passed. An error is a 5xx or a connection error.
//! - A target is anomalous when its error rate stands out from the median of its peers' latest rates: by five standard
//!   deviations more than that rate explains, and by [`GAP_MIN`] in any case. Of two medians the higher one counts, so
//!   never more than half of the targets are anomalous: when most fail, failing is not the anomaly.
//! - Mitigation halves the weight of an anomalous target every 5 seconds, down to [`WEIGHT_MIN`], so that it still gets
//!   enough requests to show that it is well again. Then it regains a tenth every 5 seconds.

use super::target::Totals;
use std::time::Duration;

/// From one judgement to the next.
pub(super) const WINDOW: Duration = Duration::from_secs(5);
/// Healthy targets that are needed to tell what is normal.
const TARGETS_MIN: usize = 3;
/// Answers that make a sample at once.
const SAMPLE_REQUESTS: u64 = 10;
/// Windows after which fewer will do.
const SAMPLE_WINDOWS: u8 = 12;
/// How far its error rate is above the peers' at least.
const GAP_MIN: f64 = 0.05;
/// Standard deviations that chance is given.
const DEVIATIONS: f64 = 5.0;
/// The least weight.
const WEIGHT_MIN: f64 = 0.05;
/// What a window without anomaly gives back.
const WEIGHT_STEP: f64 = 0.1;

/// Answers of one target, and how many of them were errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    answers: u64,
    errors: u64,
}

/// What is known about one healthy target. A target that becomes healthy begins anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    counted: Totals,
    gathering: Sample,
    windows: u8,
    latest: Option<Sample>,
    pub(super) anomalous: bool,
    /// 1.0 but for mitigation.
    pub(super) weight: f64,
}

impl Watch {
    /// Begins with what the target has counted so far, none of which matters.
    pub(super) fn new(counted: Totals) -> Self {
        Self {
            counted,
            gathering: Sample::default(),
            windows: 0,
            latest: None,
            anomalous: false,
            weight: 1.0,
        }
    }

    /// Takes in one window; whether that makes a sample.
    fn gather(&mut self, counted: Totals) -> bool {
        let new = counted.since(self.counted);
        self.counted = counted;
        self.gathering.answers += new.ended;
        self.gathering.errors += new.errors;
        self.windows += 1;
        if self.gathering.answers < SAMPLE_REQUESTS && self.windows < SAMPLE_WINDOWS {
            return false;
        }
        self.latest = Some(std::mem::take(&mut self.gathering));
        self.windows = 0;
        true
    }

    fn rate(&self) -> Option<f64> {
        let sample = self.latest.filter(|sample| sample.answers > 0)?;
        Some(sample.errors as f64 / sample.answers as f64)
    }
}

/// Ends a window of a group's healthy targets; each comes with what it has counted so far.
pub(super) fn judge(targets: &mut [(&mut Watch, Totals)], mitigates: bool) {
    let sampled: Vec<bool> = targets
        .iter_mut()
        .map(|(watch, counted)| watch.gather(*counted))
        .collect();
    let rates: Vec<Option<f64>> = targets.iter().map(|(watch, _)| watch.rate()).collect();
    for (at, (watch, _)) in targets.iter_mut().enumerate() {
        if rates.len() < TARGETS_MIN {
            watch.anomalous = false;
        } else if sampled[at] {
            watch.anomalous = stands_out(watch.latest.unwrap_or_default(), peers_rate(&rates, at));
        }
        watch.weight = match (mitigates, watch.anomalous) {
            (false, _) => 1.0,
            (true, true) if sampled[at] => (watch.weight / 2.0).max(WEIGHT_MIN),
            (true, true) => watch.weight, // no news
            (true, false) => (watch.weight + WEIGHT_STEP).min(1.0),
        };
    }
}

/// The median of the rates of all but one; `None` when fewer than two peers were asked anything.
fn peers_rate(rates: &[Option<f64>], but: usize) -> Option<f64> {
    let others = rates.iter().enumerate().filter(|(at, _)| *at != but);
    let mut peers: Vec<f64> = others.filter_map(|(_, rate)| *rate).collect();
    if peers.len() + 1 < TARGETS_MIN {
        return None;
    }
    peers.sort_by(f64::total_cmp);
    Some(peers[peers.len() / 2])
}

fn stands_out(own: Sample, peers: Option<f64>) -> bool {
    let (Some(peers), true) = (peers, own.answers > 0) else {
        return false;
    };
    let (answers, errors) = (own.answers as f64, own.errors as f64);
    // Peers without errors were lucky, too: their spread is taken as if there had been one.
    let spread = (answers * peers + 1.0) / (answers + 2.0);
    let by_chance = DEVIATIONS * (answers * spread * (1.0 - spread)).sqrt();
    errors > answers * peers + by_chance && errors / answers >= peers + GAP_MIN
}

#[cfg(test)]
mod tests;
