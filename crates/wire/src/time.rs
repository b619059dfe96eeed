//! Moments as AWS writes them: `2026-01-31T08:00:00.120Z` in documents, `20260131T080000Z` in signatures.

const SECS_PER_DAY: u64 = 24 * 60 * 60;

/// ISO 8601 in UTC with milliseconds, from milliseconds since the Unix epoch. Source: ALB 9.1 "timestamps".
pub fn iso8601(millis: u64) -> String {
    // Years have four digits up to here.
    let millis = millis.min(253_402_300_799_999);
    let secs = millis / 1000;
    let (year, month, day) = civil(secs / SECS_PER_DAY);
    let (hour, minute, second) = clock(secs % SECS_PER_DAY);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        millis % 1000
    )
}

/// `20260131T080000Z`, from seconds since the Unix epoch.
pub fn basic(secs: u64) -> String {
    let secs = secs.min(253_402_300_799);
    let (year, month, day) = civil(secs / SECS_PER_DAY);
    let (hour, minute, second) = clock(secs % SECS_PER_DAY);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Seconds since the Unix epoch, from `20260131T080000Z`. `None` for what is no such moment from 1970 on.
pub fn from_basic(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = bytes.get(from..to)?;
        let is_number = digits.iter().all(u8::is_ascii_digit);
        is_number.then(|| {
            digits
                .iter()
                .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
        })
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    let days = days(year, month, day)?;
    let is_time = hour < 24 && minute < 60 && second < 60;
    is_time.then_some(days * SECS_PER_DAY + hour * 3600 + minute * 60 + second)
}

/// Seconds since the Unix epoch, from ISO 8601 with a time zone: `2026-01-31T08:00:00Z`, `2026-01-31T10:00:00.5+02:00`.
/// `None` for what is no such moment from 1970 on.
pub fn from_iso8601(text: &str) -> Option<f64> {
    let (date_time, zone_secs) = match text.strip_suffix('Z') {
        Some(rest) => (rest, 0_i32),
        None => {
            let (rest, zone) = text.split_at_checked(text.len().checked_sub(6)?)?;
            let sign = match zone.as_bytes().first()? {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let number = |text: &str| text.parse::<u8>().ok().filter(|_| text.len() == 2).map(i32::from);
            (rest, sign * (number(hours)? * 3600 + number(minutes)? * 60))
        }
    };
    let (whole, fraction) = match date_time.split_once('.') {
        Some((whole, digits)) => {
            let is_number = (1..=9).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit());
            (whole, format!("0.{digits}").parse::<f64>().ok().filter(|_| is_number)?)
        }
        None => (date_time, 0.0),
    };
    // The other way to write it says the same.
    if whole.len() != 19 || whole.bytes().filter(|it| matches!(it, b'-' | b':')).count() != 4 {
        return None;
    }
    let basic: String = whole.chars().filter(|it| !matches!(it, '-' | ':')).collect();
    let secs = from_basic(&format!("{basic}Z"))?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds of four-digit years are far below 2^53"
    )]
    let moment = secs as f64 + fraction - f64::from(zone_secs);
    (moment >= 0.0).then_some(moment)
}

fn clock(secs: u64) -> (u64, u64, u64) {
    (secs / 3600, secs / 60 % 60, secs % 60)
}

/// Days since the epoch to year, month, day. Eras of 400 years begin in March, so that a leap day is a year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The other way round; `None` for a day that does not exist, or is before 1970.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted_year = year - u64::from(month <= 2);
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    let days = (era * 146_097 + of_era).checked_sub(719_468)?;
    (civil(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_in_documents_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0.0)),
            ("2026-01-31T08:00:00Z", Some(1_769_846_400.0)),
            ("2026-01-31T08:00:00.120Z", Some(1_769_846_400.12)),
            ("2026-01-31T10:30:00.5+02:30", Some(1_769_846_400.5)),
            ("2026-01-31T06:00:00-02:00", Some(1_769_846_400.0)),
            ("2026-01-31", None),
            ("2026-01-31T08:00:00", None),
            ("2026-13-31T08:00:00Z", None),
            ("2026-01-31T08:00:00.Z", None),
            ("2026-01-31T08:00:00.xZ", None),
            ("20260131T080000Z", None),
            ("1970-01-01T00:00:00+01:00", None),
            ("Z", None),
            ("\u{e4}\u{e4}\u{e4}", None),
        ] {
            assert_eq!(from_iso8601(text), expected, "{text}");
        }
    }
    use proptest::prelude::*;

    // ALB-P-027: ISO 8601 in UTC with milliseconds
    #[test]
    fn moments_are_written() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (1_769_846_400_120, "2026-01-31T08:00:00.120Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(iso8601(millis), text);
        }
    }

    #[test]
    fn moments_are_read_strictly() {
        assert_eq!(from_basic("20150830T123600Z"), Some(1_440_938_160));
        for bad in [
            "",
            "20150830T123600",
            "20150830t123600Z",
            "20150229T123600Z",
            "20151301T123600Z",
            "20150830T243600Z",
            "19691231T235959Z",
            "+0150830T123600Z",
            "2015083éT12360Z",
        ] {
            assert_eq!(from_basic(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(secs in 0_u64..253_402_300_800) {
            prop_assert_eq!(from_basic(&basic(secs)), Some(secs));
        }
    }
}
