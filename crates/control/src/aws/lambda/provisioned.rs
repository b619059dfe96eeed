//! Provisioned concurrency: environments that are kept ready for versions and aliases. Source: Lambda 4.8, 8.11.

use super::input::now;
use super::page::Page;
use super::settings::changed;
use super::{Call, Document, Plan};
use crate::lambda::error::LambdaError;
use hyper::StatusCode;
use model::command::lambda::Command;
use model::lambda::provisioning::ProvisionedReport;
use model::lambda::version::Provisioned;
use model::{Command as AnyCommand, FunctionArn, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

/// What `StatusReason` says of a function whose init fails.
const INIT_FAILED: &str = "FUNCTION_ERROR_INIT_FAILURE";
/// The words are ours: what AWS says of a region that is full is not published.
const NO_ROOM: &str = "INSUFFICIENT_CAPACITY: this machine has no room for more execution environments";

pub(super) fn put(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let members = call.members()?;
    let reference = call.reference()?;
    let path = "ProvisionedConcurrentExecutions";
    let requested = members.number(path, 1, i64::from(i32::MAX))?;
    let requested = requested.ok_or_else(|| LambdaError::null("provisionedConcurrentExecutions"))?;
    let target = match reference.qualifier() {
        None | Some("$LATEST") => {
            return Err(LambdaError::invalid_parameter(
                "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
            ));
        }
        Some(qualifier) => reference.arn(call.scope).qualified(qualifier),
    };
    if !call.state.is_runnable(&target) {
        return Err(no_such(&target));
    }
    let provisioned = Provisioned {
        target,
        requested,
        last_modified: now(),
    };
    // None of them is there yet, whatever there was before: they begin when this is stored.
    let shown = document(&provisioned, Status::InProgress, 0);
    let command = Command::Provision(provisioned);
    Ok(Plan::new(vec![AnyCommand::Lambda(command)], move |_| {
        Ok((StatusCode::ACCEPTED, Some(shown)))
    }))
}

pub(super) fn get(call: &Call<'_>) -> Result<Document, LambdaError> {
    if call.parameter("List") == Some("ALL") {
        return list(call);
    }
    let target = target(call)?;
    let provisioned = call.state.lambda().provisioned(&target);
    let provisioned = provisioned.ok_or_else(LambdaError::no_provisioned_concurrency)?;
    Ok((StatusCode::OK, Some(shown(call, provisioned))))
}

fn list(call: &Call<'_>) -> Result<Document, LambdaError> {
    let function = call.existing()?;
    let page = Page::read(call, 50, 50)?;
    let all = call.state.lambda().provisioned_of(&function);
    let show = |provisioned: &&Arc<Provisioned>| {
        let mut shown = shown(call, provisioned);
        shown["FunctionArn"] = json!(provisioned.target.as_str());
        shown
    };
    Ok(page.document("ProvisionedConcurrencyConfigs", all, |it| it.target.to_string(), show))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, LambdaError> {
    Ok(changed(Command::Unprovision(target(call)?), None))
}

/// The version or the alias of the call, which exists.
fn target(call: &Call<'_>) -> Result<FunctionArn, LambdaError> {
    let reference = call.reference()?;
    match reference.qualifier() {
        None | Some("$LATEST") => Err(LambdaError::invalid_parameter(
            "The function resource provided must be an alias or a published version.",
        )),
        Some(qualifier) => {
            let target = reference.arn(call.scope).qualified(qualifier);
            match call.state.is_runnable(&target) {
                true => Ok(target),
                false => Err(no_such(&target)),
            }
        }
    }
}

fn no_such(target: &FunctionArn) -> LambdaError {
    LambdaError::resource_not_found(&format!("Cannot find alias arn: {target}"))
}

/// How far the allocation is.
#[derive(Clone, Copy)]
enum Status {
    InProgress,
    Ready,
    Failed(&'static str),
}

impl Status {
    fn of(requested: u32, report: ProvisionedReport) -> Self {
        match report {
            ProvisionedReport { ready, .. } if ready >= requested => Self::Ready,
            ProvisionedReport { init_failed: true, .. } => Self::Failed(INIT_FAILED),
            ProvisionedReport { no_room: true, .. } => Self::Failed(NO_ROOM),
            _ => Self::InProgress,
        }
    }
}

fn shown(call: &Call<'_>, provisioned: &Provisioned) -> Value {
    let report = call.state.provisioned_report(provisioned, call.kept);
    document(provisioned, Status::of(provisioned.requested, report), report.ready)
}

fn document(provisioned: &Provisioned, status: Status, ready: u32) -> Value {
    let mut shown = json!({
        "RequestedProvisionedConcurrentExecutions": provisioned.requested,
        "AvailableProvisionedConcurrentExecutions": ready,
        "AllocatedProvisionedConcurrentExecutions": ready,
        "LastModified": second(provisioned.last_modified),
        "Status": match status {
            Status::InProgress => "IN_PROGRESS",
            Status::Ready => "READY",
            Status::Failed(_) => "FAILED",
        },
    });
    if let Status::Failed(reason) = status {
        shown["StatusReason"] = json!(reason);
    }
    shown
}

/// `2025-11-25T02:42:49+0000`. Source: Lambda 8.1.
fn second(moment: Timestamp) -> String {
    let text = wire::time::iso8601(moment.0);
    let second = text.split_once('.').map_or(text.as_str(), |(second, _)| second);
    format!("{second}+0000")
}
