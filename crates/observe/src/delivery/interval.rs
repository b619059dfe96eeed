//! The wall clock, and the intervals that logs are cut into.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;

/// Tells the time of day. It may jump.
pub(super) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The end of an interval, in seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(u64);

impl Stamp {
    #[cfg(test)]
    pub(super) fn from_epoch_secs(secs: u64) -> Self {
        Self(secs)
    }

    /// The end of the interval that `now` is in. Intervals are aligned to the epoch, so those of five minutes end at
    /// minutes 0, 5, 10 and so on of every hour.
    pub(super) fn end_of(now: SystemTime, interval: Duration) -> Self {
        let interval = interval.as_secs().max(1);
        let secs = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self((secs / interval).saturating_add(1).saturating_mul(interval))
    }

    /// How long it is until then.
    pub(super) fn until(self, now: SystemTime) -> Duration {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Duration::from_secs(self.0).saturating_sub(since)
    }

    /// `2026/01/31`.
    pub(super) fn day(self) -> String {
        let time = self.time();
        format!("{:04}/{:02}/{:02}", time.year(), u8::from(time.month()), time.day())
    }

    fn time(self) -> OffsetDateTime {
        let secs = i64::try_from(self.0).unwrap_or(i64::MAX);
        // A clock beyond the year 9999 has no name for the day.
        OffsetDateTime::from_unix_timestamp(secs).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

/// `20260131T2340Z`. Source: ALB 8.1.1.
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.time();
        write!(
            f,
            "{:04}{:02}{:02}T{:02}{:02}Z",
            time.year(),
            u8::from(time.month()),
            time.day(),
            time.hour(),
            time.minute()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_end_at_every_fifth_minute() {
        let five_minutes = Duration::from_secs(300);
        let midnight = 1_769_904_000; // 2026-02-01 00:00
        for (now, end, left) in [
            (midnight - 301, "20260131T2355Z", 1),
            (midnight - 300, "20260201T0000Z", 300),
            (midnight - 1, "20260201T0000Z", 1),
            (midnight, "20260201T0005Z", 300),
        ] {
            let now = UNIX_EPOCH + Duration::from_secs(now);
            let stamp = Stamp::end_of(now, five_minutes);
            assert_eq!(
                (stamp.to_string().as_str(), stamp.until(now)),
                (end, Duration::from_secs(left))
            );
        }
        assert_eq!(Stamp(midnight).day(), "2026/02/01");
        assert_eq!(Stamp(midnight - 1).day(), "2026/01/31");
        let second = Stamp::end_of(UNIX_EPOCH + Duration::from_millis(1500), Duration::ZERO);
        assert_eq!(second, Stamp(2));
    }

    #[test]
    fn no_clock_is_too_wrong() {
        let five_minutes = Duration::from_secs(300);
        assert_eq!(
            Stamp::end_of(UNIX_EPOCH - five_minutes, five_minutes).to_string(),
            "19700101T0005Z"
        );
        assert_eq!(Stamp(u64::MAX).to_string(), "19700101T0000Z");
    }
}
