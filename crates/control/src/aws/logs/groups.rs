//! Log groups: made, deleted, listed, and how long they keep events.

use super::group::taken;
use super::{Call, Plan, disk, protected, tags};
use crate::aws::error::AwsError;
use crate::aws::json::page::{Order, page};
use model::command::logs::Command as LogsCommand;
use model::lambda::logging::LogGroupName;
use model::logs::{LogGroup, RETENTION_DAYS, Retention};
use model::{Command, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PAGE_SIZE_MAX: i64 = 50;
const LIST_SIZE_MAX: i64 = 1000;

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let name = call.group_name("logGroupName")?;
    let name = name.ok_or_else(|| call.fields.is_null("logGroupName"))?;
    if call.fields.has("kmsKeyId") {
        return Err(AwsError::not_built(
            "kmsKeyId: encryption with a key of KMS is not built",
        ));
    }
    standard_class(call)?;
    let group = LogGroup {
        name: name.clone(),
        created_at: call.now,
        retention: None,
        is_deletion_protected: call.fields.flag("deletionProtectionEnabled")?.unwrap_or(false),
        tags: tags::of(&call.fields, "tags")?.into(),
    };
    if call.find(&name)?.is_some() {
        return Err(taken());
    }
    Ok(Plan::new(Command::Logs(LogsCommand::CreateGroup(group))))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    let name = call.group_name("logGroupName")?;
    let name = name.ok_or_else(|| call.fields.is_null("logGroupName"))?;
    if let Some(group) = call.state.logs().group(name.as_str()) {
        if group.is_deletion_protected {
            return Err(protected(name.as_str()));
        }
    } else if !call.reader.exists(name.as_str()) {
        return Err(super::group::not_found());
    }
    let folder = name.as_str().to_owned();
    Ok(Plan {
        files: Some(Box::new(move |keeper| keeper.delete_group(&folder))),
        ..Plan::new(Command::Logs(LogsCommand::DeleteGroup(name)))
    })
}

pub(super) fn put_retention(call: &Call<'_>) -> Result<Plan, AwsError> {
    let days = call.fields.number("retentionInDays")?;
    let days = days.ok_or_else(|| call.fields.is_null("retentionInDays"))?;
    let retention = Retention::try_from(days).map_err(|_| {
        let known: Vec<String> = RETENTION_DAYS.iter().map(ToString::to_string).collect();
        let rule = format!("Member must satisfy enum value set: [{}]", known.join(", "));
        call.fields.broken("retentionInDays", &rule)
    })?;
    changed(call, |group| group.retention = Some(retention))
}

pub(super) fn delete_retention(call: &Call<'_>) -> Result<Plan, AwsError> {
    changed(call, |group| group.retention = None)
}

pub(super) fn protect(call: &Call<'_>) -> Result<Plan, AwsError> {
    let group = call.identified(call.fields.required_text("logGroupIdentifier")?)?;
    let wanted = call.fields.flag("deletionProtectionEnabled")?;
    let record = LogGroup {
        is_deletion_protected: wanted.ok_or_else(|| call.fields.is_null("deletionProtectionEnabled"))?,
        ..group.record
    };
    Ok(Plan::new(Command::Logs(LogsCommand::PutGroup(record))))
}

fn changed(call: &Call<'_>, change: impl FnOnce(&mut LogGroup)) -> Result<Plan, AwsError> {
    let mut record = call.group()?.record;
    change(&mut record);
    Ok(Plan::new(Command::Logs(LogsCommand::PutGroup(record))))
}

pub(super) fn describe(call: &Call<'_>) -> Result<Value, AwsError> {
    let fields = &call.fields;
    let (prefix, pattern) = (fields.text("logGroupNamePrefix")?, fields.text("logGroupNamePattern")?);
    if prefix.is_some() && pattern.is_some() {
        let message = "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.";
        return Err(AwsError::new("InvalidParameterException", message));
    }
    own_account(call)?;
    let is_standard = standard(call)?;
    let identifiers = fields.texts("logGroupIdentifiers")?;
    let names: Result<Vec<&str>, AwsError> = identifiers
        .iter()
        .map(|it| Ok(call.name_in_arn(it).unwrap_or(it)))
        .collect();
    let names = names?;
    let wanted = |name: &str| {
        is_standard
            && prefix.is_none_or(|prefix| name.starts_with(prefix))
            && pattern.is_none_or(|pattern| name.contains(pattern))
            && (names.is_empty() || names.contains(&name))
    };
    let size = fields
        .number_within("limit", 1..=PAGE_SIZE_MAX)?
        .unwrap_or(PAGE_SIZE_MAX);
    let page = names_page(call, wanted, size)?;
    let mut shown = Vec::new();
    for name in page.items {
        let Ok(name) = LogGroupName::try_from(name.as_str()) else {
            continue;
        };
        // One that was deleted meanwhile is not shown.
        if let Some(group) = call.find(&name)? {
            shown.push(detail(call, &group)?);
        }
    }
    Ok(with_token(json!({ "logGroups": shown }), page.next))
}

pub(super) fn list(call: &Call<'_>) -> Result<Value, AwsError> {
    let fields = &call.fields;
    let alternatives: Vec<&str> = match fields.text("logGroupNamePattern")? {
        None => Vec::new(),
        Some(pattern) => pattern.split('|').collect(),
    };
    let is_word = |text: &str| {
        let text = text.strip_prefix('^').unwrap_or(text);
        (3..=24).contains(&text.len()) && LogGroupName::try_from(text).is_ok()
    };
    if alternatives.len() > 5 || !alternatives.iter().all(|it| is_word(it)) {
        let rule = "Member must satisfy regular expression pattern: (\\^?[\\.\\-_\\/#A-Za-z0-9]{3,24})(\\|\\^?[\\.\\-_\\/#A-Za-z0-9]{3,24}){0,4}";
        return Err(fields.broken("logGroupNamePattern", rule));
    }
    own_account(call)?;
    let is_standard = standard(call)?;
    let wanted = |name: &str| {
        let is_like = |wanted: &&str| match wanted.strip_prefix('^') {
            Some(prefix) => name.starts_with(prefix),
            None => name.contains(wanted),
        };
        is_standard && (alternatives.is_empty() || alternatives.iter().any(is_like))
    };
    let size = fields
        .number_within("limit", 1..=LIST_SIZE_MAX)?
        .unwrap_or(PAGE_SIZE_MAX);
    let page = names_page(call, wanted, size)?;
    let shown: Vec<Value> = page
        .items
        .iter()
        .map(|name| {
            json!({
                "logGroupName": name,
                "logGroupArn": call.arn_of(&format!("log-group:{name}")),
                "logGroupClass": "STANDARD",
            })
        })
        .collect();
    Ok(with_token(json!({ "logGroups": shown }), page.next))
}

/// A page of the names of groups: those that the state knows, and those that were written to.
fn names_page(
    call: &Call<'_>,
    wanted: impl Fn(&str) -> bool,
    size: i64,
) -> Result<crate::aws::json::page::Page<String>, AwsError> {
    let written = call.reader.groups().map_err(|error| disk(&error))?;
    let created = call.state.logs().groups().map(|it| it.name.as_str().to_owned());
    let all: BTreeSet<String> = written.into_iter().chain(created).filter(|name| wanted(name)).collect();
    let size = usize::try_from(size).unwrap_or(1);
    page(&call.fields, "nextToken", all, Order::Ascending, size, String::clone)
}

fn detail(call: &Call<'_>, group: &LogGroup) -> Result<Value, AwsError> {
    let name = group.name.as_str();
    let Timestamp(created_at) = group.created_at;
    let mut shown = json!({
        "logGroupName": name,
        "creationTime": created_at,
        "metricFilterCount": 0,
        "arn": call.arn_of(&format!("log-group:{name}:*")),
        "logGroupArn": call.arn_of(&format!("log-group:{name}")),
        "storedBytes": call.reader.bytes(name).map_err(|error| disk(&error))?,
        "logGroupClass": "STANDARD",
        "deletionProtectionEnabled": group.is_deletion_protected,
    });
    if let Some(retention) = group.retention {
        shown["retentionInDays"] = json!(retention.days());
    }
    Ok(shown)
}

pub(super) fn with_token(mut answer: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    answer
}

/// There is one account: those of others have nothing.
fn own_account(call: &Call<'_>) -> Result<(), AwsError> {
    call.fields.flag("includeLinkedAccounts")?;
    let own = call.scope.account.to_string();
    match call.fields.texts("accountIdentifiers")?.iter().all(|it| *it == own) {
        true => Ok(()),
        false => Err(AwsError::not_built("accountIdentifiers: there is one account")),
    }
}

/// Whether groups of the standard class, the only one, are wanted.
fn standard(call: &Call<'_>) -> Result<bool, AwsError> {
    let words = [("STANDARD", true), ("INFREQUENT_ACCESS", false), ("DELIVERY", false)];
    Ok(call.fields.word("logGroupClass", &words)?.unwrap_or(true))
}

fn standard_class(call: &Call<'_>) -> Result<(), AwsError> {
    match standard(call)? {
        true => Ok(()),
        false => Err(AwsError::not_built("logGroupClass: only STANDARD is built")),
    }
}
