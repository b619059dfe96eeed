//! `PutMetricData`: what others measure, kept beside what albacore measures itself.

use super::Call;
use super::error::{Error, Kind};
use super::input::Input;
use super::stat::{NAME_CHARS_MAX, dimensions, minute_of, unit};
use crate::source::{MeasureError, Measurement, Source};
use observe::{Statistics, Unit};
use std::sync::Arc;
use wire::value::Value;

/// Source: CloudWatch `PutMetricData`.
const DATA_MAX: usize = 1000;
const VALUES_MAX: usize = 150;
const DAY_SECS: f64 = 24.0 * 60.0 * 60.0;
const OLDEST_SECS: f64 = 14.0 * DAY_SECS;
const NEWEST_SECS: f64 = 2.0 * 60.0 * 60.0;

pub(super) async fn answer<S: Source>(call: Call<'_, S>) -> Result<Value, Error> {
    let Call { source, input, now } = call;
    let measurements = measurements(input, now)?;
    match source.measure(measurements).await {
        Ok(()) => Ok(Value::Structure(Vec::new())),
        Err(error @ MeasureError::Busy) => Err(Error::new(Kind::Throttling, format!("Rate exceeded: {error}"))),
        Err(error @ (MeasureError::Closed | MeasureError::Failed)) => Err(Error::internal(error.to_string())),
    }
}

fn measurements(mut input: Input, now: f64) -> Result<Vec<Measurement>, Error> {
    let namespace = input.required("Namespace", NAME_CHARS_MAX)?;
    if namespace.starts_with(':') || namespace.starts_with("AWS/") {
        let begin = if namespace.starts_with(':') { ":" } else { "AWS/" };
        return Err(Error::invalid(format!(
            "The value {begin} for parameter Namespace is invalid."
        )));
    }
    let namespace: Arc<str> = namespace.into();
    let data = input.structures("MetricData")?;
    // It only says what to do with entities, of which there are none.
    input.boolean("StrictEntityValidation")?;
    input.finish()?;
    if data.is_empty() {
        return Err(Error::missing("MetricData"));
    }
    if data.len() > DATA_MAX {
        let message = format!("The collection MetricData must not have a size greater than {DATA_MAX}.");
        return Err(Error::invalid(message));
    }
    let datum = |datum| measurement(datum, &namespace, now);
    data.into_iter().map(datum).collect()
}

fn measurement(mut datum: Input, namespace: &Arc<str>, now: f64) -> Result<Measurement, Error> {
    let metric = datum.required("MetricName", NAME_CHARS_MAX)?;
    let time = datum.time("Timestamp")?.unwrap_or(now);
    let out_of_time = |how: &str| {
        let name = datum.name("Timestamp");
        Error::invalid(format!("The parameter {name} must specify a time {how}."))
    };
    if time > now + NEWEST_SECS {
        return Err(out_of_time("no more than two hours in the future"));
    }
    if time < now - OLDEST_SECS {
        return Err(out_of_time("no more than two weeks in the past"));
    }
    let resolution = datum.name("StorageResolution");
    match datum.whole("StorageResolution")? {
        None | Some(60) => {}
        Some(1) => {
            return Err(Error::not_built(format!(
                "Metrics of high resolution are not built: {resolution} is 1"
            )));
        }
        Some(_) => return Err(Error::invalid(format!("The parameter {resolution} must be 1 or 60."))),
    }
    let measurement = Measurement {
        minute: minute_of(time),
        namespace: Arc::clone(namespace),
        metric,
        dimensions: dimensions(&mut datum)?,
        unit: unit(&mut datum)?.unwrap_or(Unit::None),
        statistics: statistics(&mut datum)?,
    };
    datum.finish()?;
    Ok(measurement)
}

/// One value, values with how often each was, or a set.
fn statistics(datum: &mut Input) -> Result<Statistics, Error> {
    let value = datum.number("Value")?;
    let set = datum.structure("StatisticValues")?;
    let (values, counts) = (datum.numbers("Values")?, datum.numbers("Counts")?);
    let only_one = || {
        let names = ["Value", "StatisticValues", "Values"].map(|name| datum.name(name));
        let message = format!(
            "Exactly one of {}, {} and {} must be specified.",
            names[0], names[1], names[2]
        );
        Error::new(Kind::Combination, message)
    };
    match (value, set, values.as_slice()) {
        (Some(value), None, []) if counts.is_empty() => {
            in_range(value, &datum.name("Value"))?;
            Ok(Statistics::value(value))
        }
        (None, Some(set), []) if counts.is_empty() => statistic_set(set),
        (None, None, values @ [_, ..]) => weighted(values, &counts, datum),
        _ => Err(only_one()),
    }
}

fn statistic_set(mut set: Input) -> Result<Statistics, Error> {
    let mut number = |name: &str| {
        let path = set.name(name);
        let number = set.number(name)?.ok_or_else(|| Error::missing(&path))?;
        in_range(number, &path)?;
        Ok::<_, Error>(number)
    };
    let (samples, sum) = (number("SampleCount")?, number("Sum")?);
    let (minimum, maximum) = (number("Minimum")?, number("Maximum")?);
    let name = set.name("SampleCount");
    set.finish()?;
    if minimum > maximum {
        return Err(Error::new(
            Kind::Combination,
            "The minimum must not be greater than the maximum.",
        ));
    }
    Ok(Statistics {
        sum,
        minimum,
        maximum,
        sample_count: count(samples, &name)?,
    })
}

fn weighted(values: &[f64], counts: &[f64], datum: &Input) -> Result<Statistics, Error> {
    let (name, count_name) = (datum.name("Values"), datum.name("Counts"));
    if values.len() > VALUES_MAX {
        let message = format!("The collection {name} must not have a size greater than {VALUES_MAX}.");
        return Err(Error::invalid(message));
    }
    if !counts.is_empty() && counts.len() != values.len() {
        let message = format!("The parameters {name} and {count_name} must be of the same size.");
        return Err(Error::invalid(message));
    }
    let mut all: Option<Statistics> = None;
    for (at, value) in values.iter().enumerate() {
        in_range(*value, &name)?;
        let number = counts.get(at).copied().unwrap_or(1.0);
        let one = Statistics {
            sum: value * number,
            sample_count: count(number, &count_name)?,
            ..Statistics::value(*value)
        };
        match &mut all {
            Some(all) => all.merge(&one),
            None => all = Some(one),
        }
    }
    all.ok_or_else(|| Error::missing(&name))
}

/// Source: CloudWatch `MetricDatum`: "Values must be in the range of -2^360 to 2^360".
fn in_range(value: f64, name: &str) -> Result<(), Error> {
    let limit = 2_f64.powi(360);
    match (-limit..=limit).contains(&value) {
        true => Ok(()),
        false => Err(Error::invalid(format!(
            "The value {value} for parameter {name} is invalid."
        ))),
    }
}

/// How often something was. Fractions are kept by CloudWatch and not by us.
#[expect(clippy::cast_possible_truncation, reason = "it is looked at before")]
#[expect(clippy::cast_sign_loss, reason = "it is looked at before")]
fn count(number: f64, name: &str) -> Result<u64, Error> {
    // Beyond, not every whole number is one.
    const MAX: f64 = 9_007_199_254_740_992.0;
    match number {
        _ if !(number > 0.0 && number <= MAX) => Err(Error::invalid(format!(
            "The value {number} for parameter {name} is invalid."
        ))),
        _ if number.fract() != 0.0 => Err(Error::not_built(format!("Fractions of samples are not built: {name}"))),
        _ => Ok(number as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::query::Form;

    /// 2026-01-31 08:00:30.
    const NOW: f64 = 1_769_846_430.0;

    fn put(datum: &str) -> Result<Vec<Measurement>, Error> {
        let form = format!("Namespace=Shop&MetricData.member.1.MetricName=Sold{datum}");
        let input = Form::read(&[form.as_bytes()]).unwrap().value();
        measurements(Input::new(input, true).unwrap(), NOW)
    }

    fn kind(datum: &str) -> Kind {
        put(datum).expect_err(datum).kind
    }

    #[test]
    fn values_become_statistics() {
        let set = |sum, minimum, maximum, sample_count| Statistics {
            sum,
            minimum,
            maximum,
            sample_count,
        };
        for (datum, expected) in [
            ("&MetricData.member.1.Value=-2.5", set(-2.5, -2.5, -2.5, 1)),
            (
                "&MetricData.member.1.StatisticValues.SampleCount=3&MetricData.member.1.StatisticValues.Sum=6\
                 &MetricData.member.1.StatisticValues.Minimum=1&MetricData.member.1.StatisticValues.Maximum=4",
                set(6.0, 1.0, 4.0, 3),
            ),
            (
                "&MetricData.member.1.Values.member.1=2&MetricData.member.1.Values.member.2=5",
                set(7.0, 2.0, 5.0, 2),
            ),
            (
                "&MetricData.member.1.Values.member.1=2&MetricData.member.1.Values.member.2=5\
                 &MetricData.member.1.Counts.member.1=3&MetricData.member.1.Counts.member.2=1",
                set(11.0, 2.0, 5.0, 4),
            ),
        ] {
            let found = put(datum).unwrap();
            assert_eq!(found[0].statistics, expected, "{datum}");
            assert_eq!((found[0].minute, found[0].unit), (29_497_440, Unit::None));
        }
    }

    #[test]
    fn a_datum_has_a_time_a_unit_and_dimensions() {
        let found = put(
            "&MetricData.member.1.Value=1&MetricData.member.1.Unit=Count/Second&MetricData.member.1.Timestamp=\
             2026-01-30T08:00:59Z&MetricData.member.1.Dimensions.member.1.Name=Kind\
             &MetricData.member.1.Dimensions.member.1.Value=tea&MetricData.member.1.StorageResolution=60",
        )
        .unwrap();
        let expected = Measurement {
            minute: 29_497_440 - 24 * 60,
            namespace: "Shop".into(),
            metric: "Sold".to_owned(),
            dimensions: vec![("Kind".to_owned(), "tea".to_owned())],
            unit: Unit::CountPerSecond,
            statistics: Statistics::value(1.0),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn what_cloudwatch_does_not_take_is_refused() {
        let value = "&MetricData.member.1.Value=1";
        for (datum, expected) in [
            ("", Kind::Combination),
            (
                "&MetricData.member.1.Value=1&MetricData.member.1.Values.member.1=1",
                Kind::Combination,
            ),
            ("&MetricData.member.1.Value=x", Kind::Serialization),
            ("&MetricData.member.1.Value=NaN", Kind::InvalidValue),
            ("&MetricData.member.1.Value=inf", Kind::InvalidValue),
            ("&MetricData.member.1.Value=1e300", Kind::InvalidValue),
            (
                "&MetricData.member.1.Values.member.1=1&MetricData.member.1.Counts.member.1=0.5",
                Kind::NotBuilt,
            ),
            (
                "&MetricData.member.1.Values.member.1=1&MetricData.member.1.Counts.member.1=0",
                Kind::InvalidValue,
            ),
            (
                "&MetricData.member.1.Values.member.1=1&MetricData.member.1.Counts.member.1=1\
                 &MetricData.member.1.Counts.member.2=1",
                Kind::InvalidValue,
            ),
            ("&MetricData.member.1.StatisticValues.Sum=1", Kind::Missing),
        ] {
            assert_eq!(kind(datum), expected, "{datum}");
        }
        for (more, expected) in [
            ("&MetricData.member.1.Unit=Apples", Kind::InvalidValue),
            ("&MetricData.member.1.StorageResolution=1", Kind::NotBuilt),
            ("&MetricData.member.1.StorageResolution=2", Kind::InvalidValue),
            (
                "&MetricData.member.1.Timestamp=2026-01-31T10:01:00Z",
                Kind::InvalidValue,
            ),
            (
                "&MetricData.member.1.Timestamp=2026-01-17T08:00:00Z",
                Kind::InvalidValue,
            ),
            ("&MetricData.member.1.Timestamp=yesterday", Kind::Serialization),
            ("&MetricData.member.1.Dimensions.member.1.Name=a", Kind::Missing),
            (
                "&MetricData.member.1.Dimensions.member.1.Name=a&MetricData.member.1.Dimensions.member.1.Value=1\
                 &MetricData.member.1.Dimensions.member.2.Name=a&MetricData.member.1.Dimensions.member.2.Value=2",
                Kind::InvalidValue,
            ),
            ("&MetricData.member.1.Color=red", Kind::NotBuilt),
            ("&EntityMetricData.member.1.Entity.X=1", Kind::NotBuilt),
        ] {
            assert_eq!(kind(&format!("{value}{more}")), expected, "{more}");
        }
    }

    #[test]
    fn namespaces_of_aws_are_its_own() {
        for namespace in ["AWS/Lambda", ":x"] {
            let members = vec![("Namespace".to_owned(), Value::from(namespace))];
            let input = Input::new(Value::Structure(members), false).unwrap();
            assert_eq!(measurements(input, NOW).unwrap_err().kind, Kind::InvalidValue);
        }
    }
}
