//! The time in the forms that traffic needs: cached texts, because they change once a second.

use crate::line::three_digits;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A moment of the wall clock, in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wall(u64);

impl Wall {
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    #[cfg(test)]
    pub(crate) fn of_secs(secs: u64) -> Self {
        Self(secs * 1_000_000)
    }

    /// So much later.
    pub(crate) fn after(self, time: Duration) -> Self {
        let micros = time.as_secs().saturating_mul(1_000_000);
        Self(
            self.0
                .saturating_add(micros)
                .saturating_add(time.subsec_micros().into()),
        )
    }

    pub(crate) fn secs(self) -> u64 {
        self.0 / 1_000_000
    }
}

/// Wall time from monotonic time: one reading of a clock tells both. Set anew every tick, so it follows a clock that is put
/// right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    instant: Instant,
    wall: Wall,
}

impl Clock {
    pub(crate) fn now() -> Self {
        Self {
            instant: Instant::now(),
            wall: Wall::now(),
        }
    }

    /// The wall time when the clock was read.
    pub(crate) fn at_reading(&self) -> Wall {
        self.wall
    }

    pub(crate) fn wall(&self, at: Instant) -> Wall {
        self.wall.after(at.saturating_duration_since(self.instant))
    }
}

/// The texts of the current second.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    http_secs: u64,
    http: Vec<u8>,
    iso_secs: u64,
    iso: IsoText,
}

/// `2026-02-03T09:15:27.104211Z`.
type IsoText = [u8; 27];

impl Texts {
    /// `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub(crate) fn http_date(&mut self, now: Wall) -> &[u8] {
        if self.http_secs != now.secs() || self.http.is_empty() {
            self.http_secs = now.secs();
            self.http = http_date(now.secs()).into_bytes();
        }
        &self.http
    }

    /// `2026-02-03T09:15:27.104211Z`, appended to `out`.
    #[inline]
    pub(crate) fn iso(&mut self, moment: Wall, out: &mut Vec<u8>) {
        let (secs, micros) = (moment.0 / 1_000_000, (moment.0 % 1_000_000) as u32);
        if self.iso_secs != secs || self.iso[0] == 0 {
            self.begin_second(secs);
        }
        let mut text = self.iso;
        let ([a, b, c], [d, e, f]) = (three_digits(micros / 1000), three_digits(micros % 1000));
        text[20..26].copy_from_slice(&[a, b, c, d, e, f]);
        out.extend_from_slice(&text);
    }

    #[cold]
    fn begin_second(&mut self, secs: u64) {
        let at = calendar(secs);
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let (hour, minute, second) = at.to_hms();
        let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000000Z");
        // The calendar ends with the year 9999, so the text always has its length.
        if let Ok(text) = text.into_bytes().try_into() {
            (self.iso_secs, self.iso) = (secs, text);
        }
    }
}

/// An HTTP date (RFC 9110, 5.6.7) of seconds since the Unix epoch.
pub(crate) fn http_date(secs: u64) -> String {
    let moment = calendar(secs);
    let weekday = DAYS[usize::from(moment.weekday().number_days_from_monday())];
    let month = MONTHS[usize::from(u8::from(moment.month())) - 1];
    let (day, year) = (moment.day(), moment.year());
    let (hour, minute, second) = moment.to_hms();
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// In the calendar; a clock that is off by millennia shows 1970.
fn calendar(secs: u64) -> OffsetDateTime {
    let secs = i64::try_from(secs).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(secs).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_dates() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(http_date(4_107_542_399), "Sun, 28 Feb 2100 23:59:59 GMT");
        assert_eq!(http_date(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
    }

    #[test]
    fn the_cache_follows_the_second() {
        let mut texts = Texts::default();
        let mut line = Vec::new();
        for micros in [1_770_110_127_104_211, 1_770_110_127_000_007, 1_770_110_128_999_999] {
            texts.iso(Wall(micros), &mut line);
            line.push(b' ');
        }
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "2026-02-03T09:15:27.104211Z 2026-02-03T09:15:27.000007Z 2026-02-03T09:15:28.999999Z "
        );
        assert_eq!(
            texts.http_date(Wall(784_111_777_000_000)),
            b"Sun, 06 Nov 1994 08:49:37 GMT"
        );
        assert_eq!(
            texts.http_date(Wall(784_111_778_000_000)),
            b"Sun, 06 Nov 1994 08:49:38 GMT"
        );
    }
}
