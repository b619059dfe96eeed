//! `GetMetricData`.

use super::error::{Error, Kind};
use super::input::Input;
use super::stat::{Metric, Stat, minutes, period, seconds, unit};
use super::{Call, read};
use crate::source::Source;
use observe::{Dimension, Series, Unit};
use std::num::NonZeroU32;
use std::ops::Range;
use wire::value::Value;

/// Source: CloudWatch `GetMetricData`.
const QUERIES_MAX: usize = 500;
const DATAPOINTS_MAX: usize = 100_800;
const ID_CHARS_MAX: usize = 255;

/// What is asked for.
#[derive(Debug)]
struct Asked {
    queries: Vec<Query>,
    minutes: Range<u64>,
    ascending: bool,
    /// Datapoints of one page.
    page: usize,
    /// Datapoints of the pages before.
    skip: usize,
}

/// One series.
#[derive(Debug)]
struct Query {
    id: String,
    label: Option<String>,
    metric: Metric,
    period_minutes: NonZeroU32,
    stat: Stat,
    unit: Option<Unit>,
    is_returned: bool,
}

/// Its datapoints, in the order that was asked for.
type Points = Vec<(u64, f64)>;

impl Asked {
    fn read(mut input: Input, own_account: &str) -> Result<Self, Error> {
        let mut queries: Vec<Query> = Vec::new();
        for query in input.structures("MetricDataQueries")? {
            let query = Query::read(query, own_account)?;
            if queries.iter().any(|other| other.id == query.id) {
                let message = format!("The id {} is used by more than one query.", query.id);
                return Err(Error::new(Kind::Validation, message));
            }
            queries.push(query);
        }
        if queries.is_empty() {
            return Err(Error::missing("MetricDataQueries"));
        }
        if queries.len() > QUERIES_MAX {
            let message = format!("There are more than {QUERIES_MAX} queries.");
            return Err(Error::new(Kind::Validation, message));
        }
        let ascending = match input.text("ScanBy")?.as_deref() {
            None | Some("TimestampDescending") => false,
            Some("TimestampAscending") => true,
            Some(_) => {
                let message = "The parameter ScanBy must be TimestampDescending or TimestampAscending.";
                return Err(Error::invalid(message));
            }
        };
        let page = match input.whole("MaxDatapoints")? {
            None => DATAPOINTS_MAX,
            Some(number) => usize::try_from(number)
                .ok()
                .filter(|page| (1..=DATAPOINTS_MAX).contains(page))
                .ok_or_else(|| Error::invalid("The parameter MaxDatapoints must be between 1 and 100,800."))?,
        };
        let (mut minutes, mut skip) = (minutes(&mut input)?, 0);
        if let Some(token) = input.text("NextToken")? {
            let place = token.split_once('-');
            let place = place.and_then(|(end, skip)| Some((end.parse::<u64>().ok()?, skip.parse().ok()?)));
            let (end, before) = place.ok_or_else(|| Error::new(Kind::NextToken, "The token is invalid."))?;
            // What has been measured since the first page is not on any.
            (minutes.end, skip) = (minutes.end.min(end), before);
        }
        // Of use in dynamic labels only, which are refused.
        if let Some(mut options) = input.structure("LabelOptions")? {
            options.text("Timezone")?;
            options.finish()?;
        }
        input.finish()?;
        Ok(Self {
            queries,
            minutes,
            ascending,
            page,
            skip,
        })
    }

    /// The series, read in one go, and their datapoints in order.
    fn points(&self, reader: &observe::DatapointReader) -> std::io::Result<Vec<Points>> {
        let dimensions: Vec<Vec<Dimension<'_>>> = self.queries.iter().map(|query| query.metric.borrowed()).collect();
        let series: Vec<_> = self
            .queries
            .iter()
            .zip(&dimensions)
            .map(|(query, dimensions)| Series {
                namespace: &query.metric.namespace,
                metric: &query.metric.name,
                dimensions,
                unit: query.unit,
                minutes: match query.is_returned {
                    true => self.minutes.clone(),
                    false => 0..0,
                },
                period_minutes: query.period_minutes,
            })
            .collect();
        let found = reader.series(&series)?;
        let points = self.queries.iter().zip(found).map(|(query, found)| {
            let mut points: Points = found
                .iter()
                .filter_map(|point| Some((point.minute, query.stat.of(point)?)))
                .collect();
            if !self.ascending {
                points.reverse();
            }
            points
        });
        Ok(points.collect())
    }

    /// One page of all series: those that have something on it, and on the first page those that have nothing at all.
    fn page(&self, all: &[Points], until_minute: u64) -> Value {
        let (mut skip, mut left) = (self.skip, self.page);
        let mut results = Vec::new();
        for (query, points) in self.queries.iter().zip(all).filter(|(query, _)| query.is_returned) {
            let skipped = skip.min(points.len());
            skip -= skipped;
            let rest = &points[skipped..];
            let shown = &rest[..rest.len().min(left)];
            left -= shown.len();
            let is_empty_on_first = points.is_empty() && self.skip == 0;
            if !shown.is_empty() || is_empty_on_first {
                results.push(query.result(shown, shown.len() == rest.len()));
            }
        }
        let told = self.skip + (self.page - left);
        let count: usize = all.iter().map(Vec::len).sum();
        let end = self.minutes.end.min(until_minute);
        let token = (told < count).then(|| Value::from(format!("{end}-{told}")));
        Value::structure([
            ("MetricDataResults", Some(Value::List(results))),
            ("NextToken", token),
            ("Messages", Some(Value::List(Vec::new()))),
        ])
    }
}

impl Query {
    fn read(mut input: Input, own_account: &str) -> Result<Self, Error> {
        let id = input.required("Id", ID_CHARS_MAX)?;
        if !is_id(&id) {
            let message = format!(
                "The value {} for parameter {} is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.",
                crate::aws::json::shown(&id),
                input.name("Id")
            );
            return Err(Error::new(Kind::Validation, message));
        }
        if input.text("Expression")?.is_some() {
            return Err(Error::not_built(format!(
                "The expression of {id} is not built: neither math nor SEARCH nor queries are"
            )));
        }
        if let Some(account) = input.text("AccountId")?.filter(|account| account != own_account) {
            let account = crate::aws::json::shown(&account).to_string();
            return Err(Error::not_built(format!(
                "Metrics of other accounts are not built: {account}"
            )));
        }
        let label = input.text("Label")?;
        if label.as_ref().is_some_and(|label| label.contains("${")) {
            return Err(Error::not_built(format!("Dynamic labels are not built: that of {id}")));
        }
        let name = input.name("MetricStat");
        let mut stat = input.structure("MetricStat")?.ok_or_else(|| Error::missing(&name))?;
        let metric_name = stat.name("Metric");
        let mut metric = stat.structure("Metric")?.ok_or_else(|| Error::missing(&metric_name))?;
        let query = Self {
            id,
            label,
            metric: Metric::read(&mut metric)?,
            period_minutes: period(&mut stat)?,
            stat: Stat::named(&stat.required("Stat", ID_CHARS_MAX)?)?,
            unit: unit(&mut stat)?,
            is_returned: input.boolean("ReturnData")?.unwrap_or(true),
        };
        metric.finish()?;
        stat.finish()?;
        // The period of an expression, which a metric has in its statistic.
        if input.whole("Period")?.is_some() {
            let name = input.name("Period");
            let message = format!("The parameter {name} must not be specified together with MetricStat.");
            return Err(Error::new(Kind::Validation, message));
        }
        input.finish()?;
        Ok(query)
    }

    fn result(&self, points: &[(u64, f64)], is_complete: bool) -> Value {
        let label = self.label.as_ref().unwrap_or(&self.metric.name);
        let status = if is_complete { "Complete" } else { "PartialData" };
        let times = points.iter().map(|(minute, _)| Value::Time(seconds(*minute)));
        let values = points.iter().map(|(_, value)| Value::from(*value));
        Value::structure([
            ("Id", Some(self.id.as_str().into())),
            ("Label", Some(label.as_str().into())),
            ("Timestamps", Some(Value::List(times.collect()))),
            ("Values", Some(Value::List(values.collect()))),
            ("StatusCode", Some(status.into())),
        ])
    }
}

fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

pub(super) async fn answer<S: Source>(call: Call<'_, S>) -> Result<Value, Error> {
    let Call { source, input, now } = call;
    let account = source.scope().account.to_string();
    let asked = Asked::read(input, &account).map_err(Error::into_validation)?;
    let (asked, points) = read(source.datapoints(), move |reader| {
        let points = asked.points(reader)?;
        Ok((asked, points))
    })
    .await?;
    Ok(asked.page(&points, super::stat::minute_of(now) + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::query::Form;

    const QUERY: &str = "&MetricDataQueries.member.1.Id=a&MetricDataQueries.member.1.MetricStat.Stat=Sum\
        &MetricDataQueries.member.1.MetricStat.Period=60&MetricDataQueries.member.1.MetricStat.Metric.Namespace=N\
        &MetricDataQueries.member.1.MetricStat.Metric.MetricName=M";

    fn read(text: &str) -> Result<Asked, Error> {
        let form = format!("StartTime=2026-01-31T08:00:30Z&EndTime=2026-01-31T09:00:00Z{text}");
        let input = Form::read(&[form.as_bytes()]).unwrap().value();
        Asked::read(Input::new(input, true).unwrap(), "000000000000").map_err(Error::into_validation)
    }

    #[test]
    fn queries_are_read() {
        let asked = read(&format!("{QUERY}&ScanBy=TimestampAscending&MaxDatapoints=7")).unwrap();
        assert_eq!(asked.minutes, 29_497_440..29_497_500);
        assert_eq!((asked.page, asked.skip, asked.ascending), (7, 0, true));
        let query = &asked.queries[0];
        assert_eq!(
            (query.stat, query.period_minutes.get(), query.is_returned),
            (Stat::Sum, 1, true)
        );
        let next = read(&format!("{QUERY}&NextToken=29497450-9")).unwrap();
        assert_eq!((next.minutes.end, next.skip), (29_497_450, 9));
    }

    #[test]
    fn what_is_wrong_or_not_built_is_refused() {
        let second = QUERY.replace("member.1", "member.2");
        for (text, expected) in [
            (String::new(), Kind::Validation),
            (format!("{QUERY}{second}"), Kind::Validation),
            (QUERY.replace("Id=a", "Id=A"), Kind::Validation),
            (QUERY.replace("Period=60", "Period=61"), Kind::Validation),
            (QUERY.replace("Period=60", "Period=10"), Kind::NotBuilt),
            (QUERY.replace("Stat=Sum", "Stat=tm90"), Kind::NotBuilt),
            (QUERY.replace("Stat=Sum", "Stat=Most"), Kind::Validation),
            (format!("{QUERY}&MaxDatapoints=100801"), Kind::Validation),
            (format!("{QUERY}&NextToken=x"), Kind::NextToken),
            (format!("{QUERY}&ScanBy=Luck"), Kind::Validation),
            (
                format!("{QUERY}&MetricDataQueries.member.1.Period=60"),
                Kind::Validation,
            ),
            (
                format!("{QUERY}&MetricDataQueries.member.1.AccountId=123456789012"),
                Kind::NotBuilt,
            ),
            (
                format!("{QUERY}&MetricDataQueries.member.1.Label=%24%7BMAX%7D"),
                Kind::NotBuilt,
            ),
            (format!("{QUERY}&Color=red"), Kind::NotBuilt),
            (
                "&MetricDataQueries.member.1.Id=a&MetricDataQueries.member.1.Expression=b/c".to_owned(),
                Kind::NotBuilt,
            ),
            ("&MetricDataQueries.member.1.Id=a".to_owned(), Kind::Validation),
        ] {
            assert_eq!(read(&text).expect_err(&text).kind, expected, "{text}");
        }
    }

    /// Ids with how many values they have and their status, and the token.
    fn page(text: &str, all: &[Points]) -> (Vec<(String, usize, String)>, Option<String>) {
        let second = QUERY.replace("member.1", "member.2").replace("Id=a", "Id=b");
        let third = QUERY.replace("member.1", "member.3").replace("Id=a", "Id=c");
        let asked = read(&format!("{QUERY}{second}{third}{text}")).unwrap();
        let page = asked.page(all, u64::MAX);
        let Some(Value::List(results)) = page.member("MetricDataResults") else {
            panic!("there is a list");
        };
        let text = |value: Option<&Value>| match value {
            Some(Value::Text(text)) => text.clone(),
            other => panic!("{other:?} is no text"),
        };
        let result = |result: &Value| {
            let Some(Value::List(values)) = result.member("Values") else {
                panic!("there are values");
            };
            (
                text(result.member("Id")),
                values.len(),
                text(result.member("StatusCode")),
            )
        };
        let token = page.member("NextToken").map(|token| text(Some(token)));
        (results.iter().map(result).collect(), token)
    }

    #[test]
    fn pages_go_through_one_series_after_the_other() {
        let points = |number| (0..number).map(|minute| (minute, 1.0)).collect::<Points>();
        let all = [points(5), points(0), points(3)];
        let result = |id: &str, number, status: &str| (id.to_owned(), number, status.to_owned());
        let (first, token) = page("&MaxDatapoints=4", &all);
        assert_eq!(first, [result("a", 4, "PartialData"), result("b", 0, "Complete")]);
        let token = token.unwrap();
        assert_eq!(token, "29497500-4");
        let (second, token) = page(&format!("&MaxDatapoints=4&NextToken={token}"), &all);
        assert_eq!(second, [result("a", 1, "Complete"), result("c", 3, "Complete")]);
        assert_eq!(token, None);
    }
}
