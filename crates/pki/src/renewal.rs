//! When a certificate holds and when it is due for renewal: pure functions over two instants.
//!
//! Left to others: asking for the time, and acting on the answer.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::time::ASN1Time;

/// A certificate with less than this left is due for renewal: 30 days, for leaves and for the local CA.
pub const RENEW_BEFORE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The period in which a certificate holds; both ends are included. Source: RFC 5280 section 4.1.2.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first instant at which the certificate holds.
    pub not_before: SystemTime,
    /// The last instant at which the certificate holds.
    pub not_after: SystemTime,
}

/// What to do with a certificate we issued ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Use it as it is.
    Keep,
    /// Issue a new one: less than [`RENEW_BEFORE`] is left, or it does not hold yet.
    Due,
}

/// Why a certificate does not hold now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidityError {
    /// Its time is over.
    #[error("certificate expired at {}", Utc(*not_after))]
    Expired {
        /// The last instant at which it held.
        not_after: SystemTime,
    },
    /// Its time has not come; often a wrong clock.
    #[error("certificate is not valid before {}", Utc(*not_before))]
    NotYetValid {
        /// The first instant at which it will hold.
        not_before: SystemTime,
    },
}

impl Validity {
    /// Does the certificate hold at `now`?
    ///
    /// # Errors
    /// Which side of the period `now` is on, with the date.
    pub fn check(&self, now: SystemTime) -> Result<(), ValidityError> {
        if now < self.not_before {
            return Err(ValidityError::NotYetValid {
                not_before: self.not_before,
            });
        }
        if now > self.not_after {
            return Err(ValidityError::Expired {
                not_after: self.not_after,
            });
        }
        Ok(())
    }

    /// The renewal rule: keep while the certificate holds and at least [`RENEW_BEFORE`] is left.
    #[must_use]
    pub fn renewal(&self, now: SystemTime) -> Renewal {
        match self.not_after.duration_since(now) {
            Ok(left) if left >= RENEW_BEFORE && now >= self.not_before => Renewal::Keep,
            _ => Renewal::Due,
        }
    }
}

/// Prints an instant as people compare it with `date -u`: `2026-01-31T12:00:00Z`.
pub(crate) struct Utc(pub(crate) SystemTime);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(time) = ASN1Time::from_timestamp(unix_seconds(self.0)) else {
            return f.write_str("a date out of range");
        };
        let time = time.to_datetime();
        let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
        let (hour, minute, second) = (time.hour(), time.minute(), time.second());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Whole seconds since 1970, negative before; saturates at the ends of `i64`.
fn unix_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    fn day(number: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(number * DAY)
    }

    #[test]
    fn renewal_is_due_when_less_than_thirty_days_are_left() {
        let validity = Validity {
            not_before: day(100),
            not_after: day(200),
        };
        let second = Duration::from_secs(1);
        let cases = [
            (day(99), Renewal::Due),
            (day(100), Renewal::Keep),
            (day(170), Renewal::Keep),
            (day(170) + second, Renewal::Due),
            (day(200), Renewal::Due),
            (day(300), Renewal::Due),
        ];
        for (now, expected) in cases {
            assert_eq!(validity.renewal(now), expected, "at {}", Utc(now));
        }
    }

    #[test]
    fn both_ends_of_the_period_hold() {
        let validity = Validity {
            not_before: day(100),
            not_after: day(200),
        };
        let second = Duration::from_secs(1);
        let expired = Err(ValidityError::Expired { not_after: day(200) });
        let early = Err(ValidityError::NotYetValid { not_before: day(100) });
        let cases = [
            (day(100) - second, early),
            (day(100), Ok(())),
            (day(200), Ok(())),
            (day(200) + second, expired),
        ];
        for (now, expected) in cases {
            assert_eq!(validity.check(now), expected, "at {}", Utc(now));
        }
    }

    #[test]
    fn dates_print_in_utc() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(Utc(at(0)).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Utc(at(1_772_323_199)).to_string(), "2026-02-28T23:59:59Z");
        assert_eq!(
            Utc(UNIX_EPOCH - Duration::from_secs(1)).to_string(),
            "1969-12-31T23:59:59Z"
        );
        assert_eq!(Utc(at(u64::MAX / 4)).to_string(), "a date out of range");
        let error = ValidityError::Expired { not_after: at(0) };
        assert_eq!(error.to_string(), "certificate expired at 1970-01-01T00:00:00Z");
    }
}
