//! `GetMetricStatistics`.

use super::error::{Error, Kind};
use super::input::Input;
use super::stat::{Metric, SIMPLE, Stat, minutes, period, seconds, unit};
use super::{Call, read};
use crate::source::Source;
use observe::{Series, StatisticsPoint, Unit};
use std::num::NonZeroU32;
use std::ops::Range;
use wire::value::Value;

/// Datapoints of one answer. Source: CloudWatch `GetMetricStatistics`.
const DATAPOINTS_MAX: u64 = 1440;
const EXTENDED_MAX: usize = 10;

/// What is asked for.
#[derive(Debug)]
struct Asked {
    metric: Metric,
    minutes: Range<u64>,
    period_minutes: NonZeroU32,
    statistics: Vec<(String, Stat)>,
    /// Extended ones.
    extended: Vec<(String, Stat)>,
    unit: Option<Unit>,
}

impl Asked {
    fn read(mut input: Input) -> Result<Self, Error> {
        let asked = Self {
            metric: Metric::read(&mut input)?,
            minutes: minutes(&mut input)?,
            period_minutes: period(&mut input)?,
            statistics: named(input.texts("Statistics")?, |name| {
                let simple = SIMPLE.iter().find(|(its, _)| *its == name);
                simple
                    .map(|(_, stat)| *stat)
                    .ok_or_else(|| Error::invalid("The parameter Statistics has a value that is no statistic."))
            })?,
            extended: named(input.texts("ExtendedStatistics")?, Stat::extended)?,
            unit: unit(&mut input)?,
        };
        input.finish()?;
        let combination = |message: String| Err(Error::new(Kind::Combination, message));
        if asked.statistics.is_empty() == asked.extended.is_empty() {
            return combination("Must specify either Statistics or ExtendedStatistics, but not both.".to_owned());
        }
        if asked.statistics.len() > SIMPLE.len() || asked.extended.len() > EXTENDED_MAX {
            return Err(Error::invalid("There are more statistics than there may be."));
        }
        let asked_for = (asked.minutes.end - asked.minutes.start).div_ceil(asked.period_minutes.get().into());
        if asked_for > DATAPOINTS_MAX {
            return combination(format!(
                "You have requested up to {} datapoints, which exceeds the limit of 1,440. You may reduce the datapoints \
                 requested by increasing Period, or decreasing the time range.",
                with_commas(asked_for)
            ));
        }
        Ok(asked)
    }

    fn datapoint(&self, point: &StatisticsPoint) -> Option<Value> {
        let mut members = vec![("Timestamp".to_owned(), Value::Time(seconds(point.minute)))];
        let value = |(name, stat): &(String, Stat)| Some((name.clone(), Value::from(stat.of(point)?)));
        members.extend(self.statistics.iter().filter_map(value));
        if !self.extended.is_empty() {
            let extended: Vec<_> = self.extended.iter().filter_map(value).collect();
            if extended.is_empty() {
                return None;
            }
            members.push(("ExtendedStatistics".to_owned(), Value::Map(extended)));
        }
        members.push(("Unit".to_owned(), point.unit.as_str().into()));
        Some(Value::Structure(members))
    }
}

fn named(names: Vec<String>, read: impl Fn(&str) -> Result<Stat, Error>) -> Result<Vec<(String, Stat)>, Error> {
    let stats = names.into_iter().map(|name| {
        let stat = read(&name)?;
        Ok((name, stat))
    });
    stats.collect()
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) async fn answer<S: Source>(call: Call<'_, S>) -> Result<Value, Error> {
    let Call { source, input, .. } = call;
    let asked = Asked::read(input)?;
    let (asked, found) = read(source.datapoints(), move |reader| {
        let found = reader.series(&[Series {
            namespace: &asked.metric.namespace,
            metric: &asked.metric.name,
            dimensions: &asked.metric.borrowed(),
            unit: asked.unit,
            minutes: asked.minutes.clone(),
            period_minutes: asked.period_minutes,
        }])?;
        Ok((asked, found))
    })
    .await?;
    let datapoints = found.iter().flatten().filter_map(|point| asked.datapoint(point));
    Ok(Value::structure([
        ("Label", Some(asked.metric.name.as_str().into())),
        ("Datapoints", Some(Value::List(datapoints.collect()))),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Option<Kind> {
        let form = format!("Namespace=N&MetricName=M&StartTime=2026-01-31T08:00:00Z&{text}");
        let input = wire::query::Form::read(&[form.as_bytes()]).unwrap().value();
        Asked::read(Input::new(input, true).unwrap()).err().map(|it| it.kind)
    }

    #[test]
    fn one_kind_of_statistics_and_not_too_many_datapoints() {
        let day = "EndTime=2026-02-01T08:00:00Z";
        for (text, expected) in [
            (
                format!("{day}&Period=60&Statistics.member.1=Sum&Statistics.member.2=Average"),
                None,
            ),
            (format!("{day}&Period=60&ExtendedStatistics.member.1=p99"), None),
            (format!("{day}&Period=60"), Some(Kind::Combination)),
            (
                format!("{day}&Period=60&Statistics.member.1=Sum&ExtendedStatistics.member.1=p99"),
                Some(Kind::Combination),
            ),
            (
                format!("{day}&Period=60&Statistics.member.1=p99"),
                Some(Kind::InvalidValue),
            ),
            (
                format!("{day}&Period=60&ExtendedStatistics.member.1=Sums"),
                Some(Kind::InvalidValue),
            ),
            (format!("{day}&Statistics.member.1=Sum"), Some(Kind::Missing)),
            (
                "EndTime=2026-02-01T08:00:01Z&Period=60&Statistics.member.1=Sum".to_owned(),
                Some(Kind::Combination),
            ),
            (
                "EndTime=2026-01-31T08:00:00Z&Period=60&Statistics.member.1=Sum".to_owned(),
                Some(Kind::InvalidValue),
            ),
            ("Period=60&Statistics.member.1=Sum".to_owned(), Some(Kind::Missing)),
        ] {
            assert_eq!(refusal(&text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_written_as_people_do() {
        for (number, expected) in [(7, "7"), (1440, "1,440"), (20_160, "20,160"), (1_000_000, "1,000,000")] {
            assert_eq!(with_commas(number), expected);
        }
    }
}
