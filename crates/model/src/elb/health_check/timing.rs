//! How often targets are checked, and how many checks count. Source: ALB 1.5, 9.3, 9.6.

use super::HealthCheckRefusal;
use crate::limits::{HEALTH_CHECK_INTERVAL_SECS, HEALTH_CHECK_THRESHOLD, HEALTH_CHECK_TIMEOUT_SECS};
use std::ops::RangeInclusive;
use std::time::Duration;

/// How often a target is checked and how long a check may take. The interval is 5 to 300 seconds, the timeout 2 to 120
/// and not longer than the interval.
///
/// A timeout equal to the interval is refused for groups of servers and accepted for groups with a function. Source: ALB
/// 9.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthCheckTiming {
    interval: Duration,
    timeout: Duration,
}

impl HealthCheckTiming {
    pub(super) const LAMBDA: Self = Self {
        interval: Duration::from_secs(35),
        timeout: Duration::from_secs(30),
    };
    pub(super) const SERVERS: Self = Self {
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
    };

    /// Both, of a Lambda target group.
    ///
    /// # Errors
    /// Either is out of range or not in whole seconds, or the timeout is longer than the interval.
    pub fn of_lambda(interval: Duration, timeout: Duration) -> Result<Self, HealthCheckRefusal> {
        if !is_in(&HEALTH_CHECK_INTERVAL_SECS, interval) {
            return Err(HealthCheckRefusal::Interval(interval));
        }
        if !is_in(&HEALTH_CHECK_TIMEOUT_SECS, timeout) {
            return Err(HealthCheckRefusal::Timeout(timeout));
        }
        if timeout > interval {
            return Err(HealthCheckRefusal::TimeoutOverInterval { timeout, interval });
        }
        Ok(Self { interval, timeout })
    }

    /// Both, of a target group of servers.
    ///
    /// # Errors
    /// Either is out of range or not in whole seconds, or the timeout is not smaller than the interval.
    pub fn of_servers(interval: Duration, timeout: Duration) -> Result<Self, HealthCheckRefusal> {
        match Self::of_lambda(interval, timeout) {
            Ok(_) if timeout == interval => Err(HealthCheckRefusal::TimeoutNotUnderInterval { timeout, interval }),
            Err(HealthCheckRefusal::TimeoutOverInterval { timeout, interval }) => {
                Err(HealthCheckRefusal::TimeoutNotUnderInterval { timeout, interval })
            }
            judged => judged,
        }
    }

    /// From the start of one check to the start of the next.
    pub fn interval(self) -> Duration {
        self.interval
    }

    /// How long one check may take.
    pub fn timeout(self) -> Duration {
        self.timeout
    }
}

fn is_in(range: &RangeInclusive<u32>, value: Duration) -> bool {
    value.subsec_nanos() == 0 && u32::try_from(value.as_secs()).is_ok_and(|secs| range.contains(&secs))
}

/// A number of checks in a row. 2 to 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthThreshold(u8);

impl HealthThreshold {
    pub(super) const HEALTHY: Self = Self(5);
    pub(super) const UNHEALTHY: Self = Self(2);

    /// A `HealthyThresholdCount`.
    ///
    /// # Errors
    /// Out of range.
    pub fn healthy(value: i64) -> Result<Self, HealthCheckRefusal> {
        Self::new("healthy threshold", value)
    }

    /// An `UnhealthyThresholdCount`.
    ///
    /// # Errors
    /// Out of range.
    pub fn unhealthy(value: i64) -> Result<Self, HealthCheckRefusal> {
        Self::new("unhealthy threshold", value)
    }

    fn new(field: &'static str, value: i64) -> Result<Self, HealthCheckRefusal> {
        match u8::try_from(value) {
            Ok(count) if HEALTH_CHECK_THRESHOLD.contains(&count) => Ok(Self(count)),
            _ => Err(HealthCheckRefusal::Threshold { field, value }),
        }
    }

    /// The number.
    pub fn count(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn timing() {
        let of = |interval: u32, timeout: u32| HealthCheckTiming::of_lambda(interval * SECOND, timeout * SECOND);
        for (interval, timeout) in [(5, 2), (5, 5), (300, 120), (120, 120)] {
            assert!(of(interval, timeout).is_ok(), "{interval} {timeout}");
        }
        for (refused, sentence) in [
            (of(4, 2), "health check interval 4s must be 5 to 300 whole seconds"),
            (of(301, 2), "health check interval 301s must be 5 to 300 whole seconds"),
            (of(300, 1), "health check timeout 1s must be 2 to 120 whole seconds"),
            (of(300, 121), "health check timeout 121s must be 2 to 120 whole seconds"),
            (
                of(5, 6),
                "health check timeout 6s must be smaller than or equal to the interval 5s",
            ),
            (
                HealthCheckTiming::of_lambda(Duration::from_millis(5500), 5 * SECOND),
                "health check interval 5.5s must be 5 to 300 whole seconds",
            ),
        ] {
            assert_eq!(refused.unwrap_err().to_string(), sentence);
        }
    }

    #[test]
    fn timing_of_servers() {
        let of = |interval: u32, timeout: u32| HealthCheckTiming::of_servers(interval * SECOND, timeout * SECOND);
        for (interval, timeout) in [(5, 2), (5, 4), (300, 120)] {
            assert!(of(interval, timeout).is_ok(), "{interval} {timeout}");
        }
        for (refused, sentence) in [
            (of(5, 5), "health check timeout 5s must be smaller than the interval 5s"),
            (of(5, 6), "health check timeout 6s must be smaller than the interval 5s"),
            (of(4, 2), "health check interval 4s must be 5 to 300 whole seconds"),
            (of(300, 121), "health check timeout 121s must be 2 to 120 whole seconds"),
        ] {
            assert_eq!(refused.unwrap_err().to_string(), sentence);
        }
    }

    #[test]
    fn thresholds() {
        assert_eq!(HealthThreshold::healthy(2).map(HealthThreshold::count), Ok(2));
        assert_eq!(HealthThreshold::unhealthy(10).map(HealthThreshold::count), Ok(10));
        for value in [1, 0, -1, 11, 258, i64::MAX] {
            assert_eq!(
                HealthThreshold::healthy(value).unwrap_err().to_string(),
                format!("healthy threshold {value} must be 2 to 10")
            );
            assert_eq!(
                HealthThreshold::unhealthy(value).unwrap_err().to_string(),
                format!("unhealthy threshold {value} must be 2 to 10")
            );
        }
    }
}
