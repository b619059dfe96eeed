//! Filters on log groups: there are none, and those who ask are told so.

use super::Call;
use crate::aws::error::AwsError;
use serde_json::{Value, json};

const PAGE_SIZE_MAX: i64 = 50;

pub(super) fn of_metrics(call: &Call<'_>) -> Result<Value, AwsError> {
    if let Some(name) = call.group_name("logGroupName")? {
        call.existing(name)?;
    }
    call.fields.text("metricName")?;
    call.fields.text("metricNamespace")?;
    check(call)?;
    Ok(json!({ "metricFilters": [] }))
}

pub(super) fn of_subscriptions(call: &Call<'_>) -> Result<Value, AwsError> {
    call.group()?;
    check(call)?;
    Ok(json!({ "subscriptionFilters": [] }))
}

/// What both take, and would look for.
fn check(call: &Call<'_>) -> Result<(), AwsError> {
    call.fields.text("filterNamePrefix")?;
    call.fields.number_within("limit", 1..=PAGE_SIZE_MAX)?;
    match call.fields.text("nextToken")? {
        None => Ok(()),
        // No page ever names another one.
        Some(_) => Err(AwsError::new(
            "InvalidParameterException",
            "The specified nextToken is invalid.",
        )),
    }
}
