//! Load balancer capacity units. Pure. Source: ALB 8.4, whose numbers are those of the public price page (unverified).

use std::time::Duration;

/// Rules that each request is held against for nothing.
pub(super) const FREE_EVALUATIONS: u32 = 10;

const NEW_CONNECTIONS_PER_SECOND: f64 = 25.0;
const ACTIVE_CONNECTIONS: f64 = 3000.0;
/// Where client certificates are asked for.
const ACTIVE_CONNECTIONS_MUTUAL_TLS: f64 = 1500.0;
const BYTES_PER_HOUR: f64 = 1024.0 * 1024.0 * 1024.0;
const LAMBDA_BYTES_PER_HOUR: f64 = 0.4 * BYTES_PER_HOUR;
const EVALUATIONS_PER_SECOND: f64 = 1000.0;
const HOUR_SECS: f64 = 3600.0;

/// What a load balancer did in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Work {
    pub(super) new_connections: u64,
    /// Open at once.
    pub(super) active_connections: u64,
    pub(super) mutual_tls: bool,
    /// All bytes, those of functions among them.
    pub(super) bytes: u64,
    pub(super) lambda_bytes: u64,
    /// Rules evaluated beyond the free ones.
    pub(super) charged_evaluations: u64,
}

impl Work {
    /// How many units it takes to work at this rate: the largest of the four ratios, not their sum.
    #[expect(clippy::cast_precision_loss, reason = "numbers of a minute are far below 2^53")]
    pub(super) fn units(&self, took: Duration) -> f64 {
        let secs = took.as_secs_f64();
        if secs <= 0.0 {
            return 0.0;
        }
        let active_max = match self.mutual_tls {
            true => ACTIVE_CONNECTIONS_MUTUAL_TLS,
            false => ACTIVE_CONNECTIONS,
        };
        let (lambda, other) = (self.lambda_bytes, self.bytes.saturating_sub(self.lambda_bytes));
        let per_hour = HOUR_SECS / secs;
        let ratios = [
            self.new_connections as f64 / secs / NEW_CONNECTIONS_PER_SECOND,
            self.active_connections as f64 / active_max,
            (other as f64 / BYTES_PER_HOUR + lambda as f64 / LAMBDA_BYTES_PER_HOUR) * per_hour,
            self.charged_evaluations as f64 / secs / EVALUATIONS_PER_SECOND,
        ];
        ratios.into_iter().fold(0.0, f64::max)
    }

    /// The unit-hours that it used up: those of an hour's minutes add up to what the hour costs.
    pub(super) fn unit_hours(&self, took: Duration) -> f64 {
        self.units(took) * took.as_secs_f64() / HOUR_SECS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[track_caller]
    fn check(work: Work, units: f64) {
        let found = work.units(MINUTE);
        assert!((found - units).abs() < 1e-6, "{found} for {work:?}");
        assert!((work.unit_hours(MINUTE) - units / 60.0).abs() < 1e-6);
    }

    #[test]
    fn the_largest_ratio_counts() {
        let none = Work::default();
        check(none, 0.0);
        let connections = Work {
            new_connections: 50 * 60,
            ..none
        };
        check(connections, 2.0);
        let active = Work {
            active_connections: 6000,
            ..none
        };
        check(active, 2.0);
        check(
            Work {
                mutual_tls: true,
                ..active
            },
            4.0,
        );
        let gigabyte = 1024 * 1024 * 1024;
        let bytes = Work {
            bytes: 3 * gigabyte / 60,
            ..none
        };
        check(bytes, 3.0);
        let lambda = Work {
            lambda_bytes: gigabyte / 60 * 4 / 5,
            bytes: gigabyte / 60 * 4 / 5,
            ..none
        };
        check(lambda, 2.0);
        let evaluations = Work {
            charged_evaluations: 5000 * 60,
            ..none
        };
        check(evaluations, 5.0);
        let all = Work {
            new_connections: connections.new_connections,
            active_connections: active.active_connections,
            bytes: bytes.bytes,
            ..evaluations
        };
        check(all, 5.0);
    }

    #[test]
    fn a_part_of_a_minute_costs_its_part() {
        let work = Work {
            new_connections: 50 * 6,
            ..Work::default()
        };
        let six_seconds = Duration::from_secs(6);
        assert!((work.units(six_seconds) - 2.0).abs() < 1e-9);
        assert!((work.unit_hours(six_seconds) - 2.0 / 600.0).abs() < 1e-9);
        assert_eq!(
            (work.units(Duration::ZERO), work.unit_hours(Duration::ZERO)),
            (0.0, 0.0)
        );
    }
}
