//! Statistics by their names, and the time that a call is about. Source: CloudWatch, "Statistics definitions".

use super::error::Error;
use super::input::Input;
use observe::{Dimension, StatisticsPoint, Unit};
use std::num::NonZeroU32;
use std::ops::Range;

/// Dimensions of a metric. Source: CloudWatch `Dimensions`.
pub(super) const DIMENSIONS_MAX: usize = 30;
pub(super) const NAME_CHARS_MAX: usize = 255;
pub(super) const VALUE_CHARS_MAX: usize = 1024;

const MINUTE_SECS: i64 = 60;

/// What is asked of the values of a period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stat {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    /// From 0 to 100.
    Percentile(f64),
}

/// Those that take all values.
pub(super) const SIMPLE: [(&str, Stat); 5] = [
    ("SampleCount", Stat::SampleCount),
    ("Average", Stat::Average),
    ("Sum", Stat::Sum),
    ("Minimum", Stat::Minimum),
    ("Maximum", Stat::Maximum),
];

impl Stat {
    /// A statistic, or an extended one.
    pub(super) fn named(text: &str) -> Result<Self, Error> {
        match SIMPLE.iter().find(|(name, _)| *name == text) {
            Some((_, stat)) => Ok(*stat),
            None => Self::extended(text),
        }
    }

    /// `p99.9`, for example. Trimmed means and the like are not built.
    pub(super) fn extended(text: &str) -> Result<Self, Error> {
        let invalid = || Error::invalid(format!("The value {} is no statistic.", crate::aws::json::shown(text)));
        if let Some(percent) = text.strip_prefix('p').and_then(percent) {
            return Ok(Self::Percentile(percent));
        }
        let lower = text.to_ascii_lowercase();
        let known = ["tm", "wm", "tc", "ts", "pr"].iter().any(|kind| {
            let rest = lower.strip_prefix(kind).unwrap_or_default();
            rest.starts_with('(') || rest.starts_with(|c: char| c.is_ascii_digit())
        });
        match known || lower == "iqm" {
            true => Err(Error::not_built(format!(
                "The statistic {text} is not built: there are SampleCount, Average, Sum, Minimum, Maximum and percentiles"
            ))),
            false => Err(invalid()),
        }
    }

    /// `None` when it is not known: a percentile of values that were only summed up.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub(super) fn of(self, point: &StatisticsPoint) -> Option<f64> {
        let set = &point.statistics;
        Some(match self {
            Self::SampleCount => set.sample_count as f64,
            Self::Average => set.average(),
            Self::Sum => set.sum,
            Self::Minimum => set.minimum,
            Self::Maximum => set.maximum,
            Self::Percentile(percent) => return point.percentile(percent),
        })
    }
}

fn percent(text: &str) -> Option<f64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = text.parse::<f64>().ok().filter(|_| is_number)?;
    (0.0..=100.0).contains(&number).then_some(number)
}

/// Which metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metric {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) dimensions: Vec<(String, String)>,
}

impl Metric {
    /// From the structure in which its members stand.
    pub(super) fn read(input: &mut Input) -> Result<Self, Error> {
        Ok(Self {
            namespace: input.required("Namespace", NAME_CHARS_MAX)?,
            name: input.required("MetricName", NAME_CHARS_MAX)?,
            dimensions: dimensions(input)?,
        })
    }

    pub(super) fn borrowed(&self) -> Vec<Dimension<'_>> {
        let pairs = self.dimensions.iter();
        pairs.map(|(name, value)| Dimension { name, value }).collect()
    }
}

/// Names and values, no name twice.
pub(super) fn dimensions(input: &mut Input) -> Result<Vec<(String, String)>, Error> {
    let name = input.name("Dimensions");
    let mut dimensions: Vec<(String, String)> = Vec::new();
    for mut dimension in input.structures("Dimensions")? {
        let pair = (
            dimension.required("Name", NAME_CHARS_MAX)?,
            dimension.required("Value", VALUE_CHARS_MAX)?,
        );
        dimension.finish()?;
        if dimensions.iter().any(|(name, _)| *name == pair.0) {
            let message = format!("The parameter {name} has the dimension {} more than once.", pair.0);
            return Err(Error::invalid(message));
        }
        dimensions.push(pair);
    }
    match dimensions.len() {
        0..=DIMENSIONS_MAX => Ok(dimensions),
        _ => Err(Error::invalid(format!(
            "The parameter {name} must have at most {DIMENSIONS_MAX} members."
        ))),
    }
}

pub(super) fn unit(input: &mut Input) -> Result<Option<Unit>, Error> {
    let Some(text) = input.text("Unit")? else {
        return Ok(None);
    };
    let unit = Unit::named(&text);
    unit.map(Some).ok_or_else(|| {
        let (name, text) = (input.name("Unit"), crate::aws::json::shown(&text).to_string());
        Error::invalid(format!("The parameter {name} has the value {text}, which is no unit."))
    })
}

/// From the minute in which it begins to the one in which it ends, the last of which belongs to it if its begin does.
pub(super) fn minutes(input: &mut Input) -> Result<Range<u64>, Error> {
    let mut time = |name: &str| input.time(name)?.ok_or_else(|| Error::missing(name));
    let (start, end) = (time("StartTime")?, time("EndTime")?);
    if start >= end {
        return Err(Error::invalid(
            "The parameter StartTime must be less than the parameter EndTime.",
        ));
    }
    let last = minute_of(end);
    let is_whole = seconds(last) >= end;
    Ok(minute_of(start)..if is_whole { last } else { last + 1 })
}

/// The minute of a moment, since the epoch.
#[expect(clippy::cast_possible_truncation, reason = "times are in the range of dates")]
#[expect(clippy::cast_sign_loss, reason = "times are in the range of dates")]
pub(super) fn minute_of(moment: f64) -> u64 {
    (moment / 60.0) as u64
}

/// Seconds as minutes. A period shorter than a minute has no datapoints of its own here.
pub(super) fn period(input: &mut Input) -> Result<NonZeroU32, Error> {
    let name = input.name("Period");
    let seconds = input.whole("Period")?.ok_or_else(|| Error::missing(&name))?;
    if matches!(seconds, 1 | 5 | 10 | 20 | 30) {
        return Err(Error::not_built(format!(
            "Periods of less than a minute are not built: {name} is {seconds}"
        )));
    }
    let minutes = u32::try_from(seconds / MINUTE_SECS).ok().and_then(NonZeroU32::new);
    minutes.filter(|_| seconds % MINUTE_SECS == 0).ok_or_else(|| {
        Error::invalid(format!(
            "The parameter {name} must be 1, 5, 10, 20, 30, or any multiple of 60."
        ))
    })
}

/// When a period begins, in seconds since the epoch.
#[expect(clippy::cast_precision_loss, reason = "seconds since the epoch are far below 2^53")]
pub(super) fn seconds(minute: u64) -> f64 {
    minute.saturating_mul(60) as f64
}

#[cfg(test)]
mod tests {
    use super::super::error::Kind;
    use super::*;

    #[test]
    fn moments_have_minutes() {
        for (moment, expected) in [(-5.0, 0), (0.0, 0), (59.9, 0), (60.0, 1), (1_769_846_430.0, 29_497_440)] {
            assert_eq!(minute_of(moment), expected, "{moment}");
        }
    }

    #[test]
    fn statistics_have_names() {
        for (text, expected) in [
            ("Sum", Ok(Stat::Sum)),
            ("p0", Ok(Stat::Percentile(0.0))),
            ("p99.95", Ok(Stat::Percentile(99.95))),
            ("p100", Ok(Stat::Percentile(100.0))),
            ("p100.1", Err(Kind::InvalidValue)),
            ("p", Err(Kind::InvalidValue)),
            ("p1e1", Err(Kind::InvalidValue)),
            ("p-1", Err(Kind::InvalidValue)),
            ("sum", Err(Kind::InvalidValue)),
            ("tm", Err(Kind::InvalidValue)),
            ("tm99", Err(Kind::NotBuilt)),
            ("TM(10%:90%)", Err(Kind::NotBuilt)),
            ("PR(:300)", Err(Kind::NotBuilt)),
            ("IQM", Err(Kind::NotBuilt)),
        ] {
            assert_eq!(Stat::named(text).map_err(|error| error.kind), expected, "{text}");
        }
    }
}
