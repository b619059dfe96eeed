//! What a scrape shows of the last minute: averages and rates that nobody can make of counters, because they need to know
//! what stood beside them. They are the datapoints of that minute, and not computed again. Source: ALB 8.3, 8.4.

use super::datapoints::datapoints;
use super::readings::Readings;
use super::{Metrics, Registry};
use observe::Datapoint;
use std::collections::BTreeMap;

/// What a load balancer cost in a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct CapacityUnits {
    /// `ConsumedLCUs`: unit-hours.
    pub(super) consumed: f64,
    /// `PeakLCUs`: the rate.
    pub(super) peak: f64,
}

/// The minute between two readings.
#[derive(Debug, Default)]
pub(super) struct Minute {
    /// By `app/{name}/{id}`.
    pub(super) units: BTreeMap<String, CapacityUnits>,
    /// `RequestCountPerTarget` by `targetgroup/{name}/{id}`.
    pub(super) requests_per_target: BTreeMap<String, f64>,
}

impl Minute {
    pub(super) fn between(before: &Readings, now: &Readings) -> Self {
        let mut minute = Self::default();
        datapoints(before, now, "", |point| minute.take(point));
        minute
    }

    fn take(&mut self, point: &Datapoint<'_>) {
        let [dimension] = point.dimensions else { return };
        let (id, value) = (dimension.value, point.statistics.sum);
        match (point.metric, dimension.name) {
            ("ConsumedLCUs", "LoadBalancer") => self.units.entry(id.to_owned()).or_default().consumed = value,
            ("PeakLCUs", "LoadBalancer") => self.units.entry(id.to_owned()).or_default().peak = value,
            ("RequestCountPerTarget", "TargetGroup") => {
                self.requests_per_target.insert(id.to_owned(), value);
            }
            _ => {}
        }
    }
}

impl Metrics {
    /// Has readings show the minute between these two, until the next one is over.
    pub(crate) fn minute_is_over(&self, before: &Readings, now: &Readings) {
        let minute = Minute::between(before, now);
        each(&self.load_balancers(), |metrics| {
            metrics.facts().units = minute.units.get(&metrics.resource_id).copied();
        });
        each(&self.groups(), |metrics| {
            metrics.facts().requests_per_target = minute.requests_per_target.get(&metrics.resource_id).copied();
        });
    }
}

fn each<K, M>(registry: &Registry<K, M>, mut change: impl FnMut(&M)) {
    registry.values().for_each(|kept| change(&kept.metrics));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Surroundings;
    use crate::table::Users;
    use model::{AccountId, LoadBalancerArn, Region, ResourceId, Scope, State};
    use observe::Exposition;
    use std::time::{Duration, Instant};

    #[test]
    fn readings_show_the_last_minute_until_the_next_is_over() {
        let scope = Scope {
            region: Region::try_from("us-east-1").unwrap(),
            account: AccountId::try_from("123456789012").unwrap(),
        };
        let arn = LoadBalancerArn::new(&scope, "shop", ResourceId(1));
        let (metrics, began) = (Metrics::new(2), Instant::now());
        let counters = metrics.load_balancer(&arn);
        // It is served from now on.
        if let Some(kept) = metrics.load_balancers().get_mut(&arn) {
            kept.unserved = None;
        }
        let around = Surroundings {
            targets: &[],
            groups: &[],
            zone: "us-east-1a",
        };
        let read = |minutes: u64| metrics.read(began + Duration::from_secs(60 * minutes), &around);
        let peak = |readings: &Readings| {
            let mut out = Exposition::new();
            readings.expose("us-east-1a", &mut out);
            let text = out.into_text();
            let line = text.lines().find(|line| line.starts_with("albacore_proxy_peak_lcus{"));
            line.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        };
        let first = read(0);
        assert_eq!(peak(&first), None);
        for core in 0..2 {
            (0..25 * 60).for_each(|_| counters.core(core).new_connections.inc());
        }
        let second = read(1);
        metrics.minute_is_over(&first, &second);
        assert_eq!(peak(&read(1)), Some(2.0), "fifty connections a second");
        metrics.minute_is_over(&second, &read(2));
        assert_eq!(peak(&read(2)), Some(0.0), "nothing came since");
        metrics.follow(&State::default(), &Users::default(), began);
        metrics.minute_is_over(&second, &read(3));
        assert_eq!(
            read(3).load_balancers.values().next().and_then(|it| it.units),
            None,
            "it is gone"
        );
    }
}
