//! `ListMetrics`.

use super::error::Error;
use super::input::Input;
use super::stat::{NAME_CHARS_MAX, VALUE_CHARS_MAX, minute_of};
use super::{Call, read};
use crate::source::Source;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use observe::{MetricFilter, MetricName};
use wire::value::Value;

/// Metrics of one page. Source: CloudWatch `ListMetrics`.
const PAGE: usize = 500;
/// Source: the same, `Dimensions`.
const FILTERS_MAX: usize = 10;

const DAY_SECS: f64 = 24.0 * 60.0 * 60.0;

/// What is asked for.
#[derive(Debug)]
struct Asked {
    namespace: Option<String>,
    metric: Option<String>,
    dimensions: Vec<(String, Option<String>)>,
    after: Option<MetricName>,
    is_recent: bool,
    with_accounts: bool,
    account: Option<String>,
}

impl Asked {
    fn read(mut input: Input) -> Result<Self, Error> {
        let mut dimensions = Vec::new();
        for mut filter in input.structures("Dimensions")? {
            let name = filter.required("Name", NAME_CHARS_MAX)?;
            dimensions.push((name, filter.bounded("Value", VALUE_CHARS_MAX)?));
            filter.finish()?;
        }
        if dimensions.len() > FILTERS_MAX {
            let message = format!("The parameter Dimensions must have at most {FILTERS_MAX} members.");
            return Err(Error::invalid(message));
        }
        let is_recent = match input.text("RecentlyActive")?.as_deref() {
            None => false,
            Some("PT3H") => true,
            Some(_) => return Err(Error::invalid("The parameter RecentlyActive must be PT3H.")),
        };
        let token = input.text("NextToken")?;
        let asked = Self {
            namespace: input.bounded("Namespace", NAME_CHARS_MAX)?,
            metric: input.bounded("MetricName", NAME_CHARS_MAX)?,
            dimensions,
            after: token.map(|token| after(&token)).transpose()?,
            is_recent,
            with_accounts: input.boolean("IncludeLinkedAccounts")?.unwrap_or(false),
            account: input.text("OwningAccount")?,
        };
        input.finish()?;
        Ok(asked)
    }
}

pub(super) async fn answer<S: Source>(call: Call<'_, S>) -> Result<Value, Error> {
    let Call { source, input, now } = call;
    let asked = Asked::read(input)?;
    let own = source.scope().account.to_string();
    let mut found = match &asked.account {
        Some(other) if *other != own => Vec::new(),
        _ => find(source, &asked, now).await?,
    };
    let next = (found.len() > PAGE).then(|| {
        found.truncate(PAGE);
        found.last().map(token)
    });
    let metrics = found.iter().map(metric).collect();
    let accounts = found.iter().map(|_| Value::from(own.as_str())).collect();
    Ok(Value::structure([
        ("Metrics", Some(Value::List(metrics))),
        ("NextToken", next.flatten().map(Value::from)),
        ("OwningAccounts", asked.with_accounts.then_some(Value::List(accounts))),
    ]))
}

async fn find<S: Source>(source: &S, asked: &Asked, now: f64) -> Result<Vec<MetricName>, Error> {
    let since = match asked.is_recent {
        true => now - 3.0 * 60.0 * 60.0,
        false => now - 14.0 * DAY_SECS,
    };
    let (namespace, metric) = (asked.namespace.clone(), asked.metric.clone());
    let (dimensions, after) = (asked.dimensions.clone(), asked.after.clone());
    read(source.datapoints(), move |reader| {
        let dimensions: Vec<_> = dimensions
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
            .collect();
        reader.list_metrics(&MetricFilter {
            namespace: namespace.as_deref(),
            metric: metric.as_deref(),
            dimensions: &dimensions,
            from_minute: minute_of(since),
            after: after.as_ref(),
            limit: PAGE + 1,
        })
    })
    .await
}

fn metric(name: &MetricName) -> Value {
    let dimension = |(name, value): &(String, String)| {
        Value::structure([
            ("Name", Some(name.as_str().into())),
            ("Value", Some(value.as_str().into())),
        ])
    };
    Value::structure([
        ("Namespace", Some(name.namespace.as_str().into())),
        ("MetricName", Some(name.metric.as_str().into())),
        (
            "Dimensions",
            Some(Value::List(name.dimensions.iter().map(dimension).collect())),
        ),
    ])
}

/// The last metric of a page, for the next one.
fn token(last: &MetricName) -> String {
    let place = serde_json::json!([last.namespace, last.metric, last.dimensions]);
    URL_SAFE_NO_PAD.encode(place.to_string())
}

fn after(token: &str) -> Result<MetricName, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let place = bytes.and_then(|bytes| serde_json::from_slice::<(String, String, Vec<(String, String)>)>(&bytes).ok());
    let (namespace, metric, dimensions) = place.ok_or_else(|| Error::invalid("The parameter NextToken is invalid."))?;
    Ok(MetricName {
        namespace,
        metric,
        dimensions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_place() {
        let last = MetricName {
            namespace: "AWS/Lambda".to_owned(),
            metric: "Errors".to_owned(),
            dimensions: vec![("FunctionName".to_owned(), "f".to_owned())],
        };
        assert_eq!(after(&token(&last)), Ok(last));
        for bad in ["", "!", "W10", "e30"] {
            assert!(after(bad).is_err(), "{bad}");
        }
    }
}
