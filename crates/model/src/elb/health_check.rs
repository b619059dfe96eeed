//! Health checks of target groups. Source: ALB 1.5, 5.6, 9.3.

use crate::limits::{
    HEALTH_CHECK_INTERVAL_SECS, HEALTH_CHECK_PATH_CHARS, HEALTH_CHECK_THRESHOLD, HEALTH_CHECK_TIMEOUT_SECS,
    MATCHER_CODES,
};
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How the targets of a group are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// `HealthCheckEnabled`. Targets that are not checked are `unavailable` and get their traffic all the same.
    pub enabled: bool,
    /// `HealthCheckPath`.
    pub path: HealthCheckPath,
    /// `HealthCheckIntervalSeconds` and `HealthCheckTimeoutSeconds`.
    pub timing: HealthCheckTiming,
    /// `HealthyThresholdCount`: successes in a row after which an unhealthy target is healthy.
    pub healthy_threshold: HealthThreshold,
    /// `UnhealthyThresholdCount`: failures in a row after which a target is unhealthy.
    pub unhealthy_threshold: HealthThreshold,
    /// `Matcher.HttpCode`: the statuses that pass.
    pub matcher: HttpMatcher,
}

impl HealthCheck {
    /// What a new Lambda target group has: switched off, path `/`, every 35 seconds with a timeout of 30, thresholds 5 and
    /// 2, status 200. Source: ALB 1.5.
    pub fn of_lambda() -> Self {
        Self {
            enabled: false,
            path: HealthCheckPath("/".to_owned()),
            timing: HealthCheckTiming {
                interval: Duration::from_secs(35),
                timeout: Duration::from_secs(30),
            },
            healthy_threshold: HealthThreshold(5),
            unhealthy_threshold: HealthThreshold(2),
            matcher: HttpMatcher {
                text: "200".to_owned(),
                ranges: vec![200..=200],
            },
        }
    }
}

/// Why a health-check setting is refused. Each sentence names the setting and what it may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HealthCheckRefusal {
    /// The interval is out of range.
    #[error("health check interval {0:?} must be {range}", range = seconds(&HEALTH_CHECK_INTERVAL_SECS))]
    Interval(Duration),
    /// The timeout is out of range.
    #[error("health check timeout {0:?} must be {range}", range = seconds(&HEALTH_CHECK_TIMEOUT_SECS))]
    Timeout(Duration),
    /// A check could still run when the next one is due.
    #[error("health check timeout {timeout:?} must be smaller than or equal to the interval {interval:?}")]
    TimeoutOverInterval {
        /// The timeout.
        timeout: Duration,
        /// The interval.
        interval: Duration,
    },
    /// A threshold is out of range.
    #[error(
        "{field} {value} must be {} to {}",
        HEALTH_CHECK_THRESHOLD.start(),
        HEALTH_CHECK_THRESHOLD.end()
    )]
    Threshold {
        /// `healthy threshold` or `unhealthy threshold`.
        field: &'static str,
        /// The value as given.
        value: i64,
    },
    /// The path is none.
    #[error(
        "health check path {0:?} must be {min} to {max} visible ASCII characters and begin with \"/\"",
        min = HEALTH_CHECK_PATH_CHARS.start(),
        max = HEALTH_CHECK_PATH_CHARS.end()
    )]
    Path(String),
    /// The matcher cannot be read, or a status in it is out of range.
    #[error(
        "matcher {0:?} must be statuses from {min} to {max}, such as \"200\", \"200,302\" or \"200-299\"",
        min = MATCHER_CODES.start(),
        max = MATCHER_CODES.end()
    )]
    Matcher(String),
}

fn seconds(range: &RangeInclusive<u32>) -> String {
    format!("{} to {} whole seconds", range.start(), range.end())
}

/// How often a target is checked and how long a check may take. The interval is 5 to 300 seconds, the timeout 2 to 120
/// and not longer than the interval.
///
/// A timeout equal to the interval is refused for groups with a protocol and accepted for Lambda groups, which have none.
/// Source: ALB 9.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthCheckTiming {
    interval: Duration,
    timeout: Duration,
}

impl HealthCheckTiming {
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

/// Where a health check asks. 1 to 1024 characters, beginning with `/`.
///
/// ALB 1.2 names the length only; that other characters than visible ASCII are refused is albacore's (unverified).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheckPath(String);

impl HealthCheckPath {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for HealthCheckPath {
    type Error = HealthCheckRefusal;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        match text.starts_with('/') && visible && HEALTH_CHECK_PATH_CHARS.contains(&text.len()) {
            true => Ok(Self(text.to_owned())),
            false => Err(HealthCheckRefusal::Path(text.chars().take(100).collect())),
        }
    }
}

/// Which statuses pass: single ones, lists and ranges, each from 200 to 499, as `200,204-206`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpMatcher {
    text: String,
    ranges: Vec<RangeInclusive<u16>>,
}

impl HttpMatcher {
    /// Whether a status passes.
    pub fn matches(&self, status: u16) -> bool {
        self.ranges.iter().any(|range| range.contains(&status))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl TryFrom<&str> for HttpMatcher {
    type Error = HealthCheckRefusal;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        // More items than statuses say nothing new, so the work is bounded.
        let items = usize::from(MATCHER_CODES.end() - MATCHER_CODES.start()) + 1;
        let ranges: Option<Vec<_>> = text.split(',').take(items + 1).map(range).collect();
        match ranges {
            Some(ranges) if ranges.len() <= items => Ok(Self {
                text: text.to_owned(),
                ranges,
            }),
            _ => Err(HealthCheckRefusal::Matcher(text.chars().take(100).collect())),
        }
    }
}

/// `200` or `200-299`.
fn range(item: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = item.split_once('-').unwrap_or((item, item));
    let range = code(first)?..=code(last)?;
    (!range.is_empty()).then_some(range)
}

fn code(text: &str) -> Option<u16> {
    let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|code| digits && MATCHER_CODES.contains(code))
}

impl fmt::Display for HttpMatcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Display for HealthCheckPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    // ALB-R-021: off, interval 35, timeout 30, thresholds 5 and 2, path /, matcher 200
    #[test]
    fn a_new_lambda_target_group() {
        let check = HealthCheck::of_lambda();
        assert!(!check.enabled);
        assert_eq!(
            (check.timing.interval(), check.timing.timeout()),
            (35 * SECOND, 30 * SECOND)
        );
        assert_eq!(
            (check.healthy_threshold.count(), check.unhealthy_threshold.count()),
            (5, 2)
        );
        assert_eq!((check.path.as_str(), check.matcher.as_str()), ("/", "200"));
        // The defaults are values that users could write themselves.
        assert_eq!(HealthCheckTiming::of_lambda(35 * SECOND, 30 * SECOND), Ok(check.timing));
        assert_eq!(HttpMatcher::try_from("200"), Ok(check.matcher));
    }

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

    #[test]
    fn paths() {
        let longest = format!("/{}", "x".repeat(1023));
        for good in ["/", "/health", "/a?b=c", "/%20", longest.as_str()] {
            assert_eq!(HealthCheckPath::try_from(good).map(|path| path.0), Ok(good.to_owned()));
        }
        let longer = format!("{longest}x");
        for bad in ["", "health", "/a b", "/é", "/\r\n", longer.as_str()] {
            assert!(HealthCheckPath::try_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn matchers() {
        let matcher = HttpMatcher::try_from("200,204-206,499").unwrap();
        let passing: Vec<_> = (0..=u16::MAX).filter(|status| matcher.matches(*status)).collect();
        assert_eq!(passing, [200, 204, 205, 206, 499]);
        assert_eq!(matcher.to_string(), "200,204-206,499");
        let many = vec!["200"; 301].join(",");
        for bad in [
            "",
            "199",
            "500",
            "200-500",
            "299-200",
            "200,",
            ",200",
            "200 ,201",
            "2xx",
            "0200",
            "+200",
            "200-",
            "200-201-202",
            many.as_str(),
        ] {
            let refused = HttpMatcher::try_from(bad).unwrap_err();
            assert!(matches!(refused, HealthCheckRefusal::Matcher(_)), "{bad}: {refused}");
        }
        assert_eq!(
            HttpMatcher::try_from("600").unwrap_err().to_string(),
            "matcher \"600\" must be statuses from 200 to 499, such as \"200\", \"200,302\" or \"200-299\""
        );
    }
}
