//! Small settings of functions and of the account: concurrency, recursion, runtime management, code signing. Source:
//! Lambda 8.10, 8.11, 8.14, 8.16.

use super::{Call, Document, Plan};
use crate::lambda::error::LambdaError;
use hyper::StatusCode;
use model::command::lambda::Command;
use model::limits::{ACCOUNT_CONCURRENCY, CODE_BYTES_MAX};
use model::{Command as AnyCommand, FunctionArn};
use serde_json::{Value, json};

pub(super) fn account(call: &Call<'_>) -> Result<Document, LambdaError> {
    let beside = FunctionArn::new(call.scope, "");
    let here = call
        .state
        .functions()
        .filter(|it| it.arn.as_str().starts_with(beside.as_str()));
    let unreserved = ACCOUNT_CONCURRENCY.saturating_sub(call.state.reserved_concurrency(&beside));
    let shown = json!({
        "AccountLimit": {
            "TotalCodeSize": CODE_BYTES_MAX,
            "CodeSizeUnzipped": 262_144_000,
            "CodeSizeZipped": 52_428_800,
            "ConcurrentExecutions": ACCOUNT_CONCURRENCY,
            "UnreservedConcurrentExecutions": unreserved,
        },
        "AccountUsage": { "TotalCodeSize": call.code_bytes(), "FunctionCount": here.count() },
    });
    Ok((StatusCode::OK, Some(shown)))
}

pub(super) fn reserve(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let members = call.members()?;
    let function = unqualified(call)?;
    let path = "ReservedConcurrentExecutions";
    let reserved = members.number(path, 0, i64::from(i32::MAX))?;
    let reserved = reserved.ok_or_else(|| LambdaError::null("reservedConcurrentExecutions"))?;
    if call.state.function(&function).is_none() {
        let message = format!("Function not found: {function}:$LATEST");
        return Err(LambdaError::resource_not_found(&message));
    }
    let shown = json!({ path: reserved });
    Ok(changed(
        Command::ReserveConcurrency(function, Some(reserved)),
        Some(shown),
    ))
}

pub(super) fn reserved(call: &Call<'_>) -> Result<Document, LambdaError> {
    let function = unqualified(call)?;
    let function = call
        .state
        .function(&function)
        .ok_or_else(|| call.no_function(&function))?;
    let shown = match function.configuration.concurrency {
        Some(reserved) => json!({ "ReservedConcurrentExecutions": reserved }),
        None => json!({}),
    };
    Ok((StatusCode::OK, Some(shown)))
}

pub(super) fn unreserve(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let function = unqualified(call)?;
    if call.state.function(&function).is_none() {
        return Err(call.no_function(&function));
    }
    Ok(changed(Command::ReserveConcurrency(function, None), None))
}

/// The function, which may have no qualifier.
fn unqualified(call: &Call<'_>) -> Result<FunctionArn, LambdaError> {
    let reference = call.reference()?;
    match reference.qualifier() {
        None => Ok(reference.arn(call.scope)),
        Some(_) => Err(LambdaError::invalid_parameter(
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. \
             Please specify either a function name or an unqualified function ARN.",
        )),
    }
}

pub(super) fn recursion(call: &Call<'_>) -> Result<Document, LambdaError> {
    let function = call.existing()?;
    let allows = call
        .state
        .lambda()
        .record(&function)
        .is_some_and(|record| record.allows_recursion);
    Ok((StatusCode::OK, Some(recursive_loop(allows))))
}

/// There is no detection yet that `Terminate` would switch on or off, so `Allow` is what is so in any case.
pub(super) fn set_recursion(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let function = call.existing()?;
    call.record(&function)?;
    let members = call.members()?;
    let allows = match members.required("RecursiveLoop")? {
        "Allow" => true,
        "Terminate" => false,
        other => return Err(LambdaError::not_in_set(other, "recursiveLoop", "[Terminate, Allow]")),
    };
    Ok(changed(
        Command::AllowRecursion(function, allows),
        Some(recursive_loop(allows)),
    ))
}

fn recursive_loop(allows: bool) -> Value {
    json!({ "RecursiveLoop": if allows { "Allow" } else { "Terminate" } })
}

pub(super) fn runtime_management(call: &Call<'_>) -> Result<Document, LambdaError> {
    let function = call.existing()?;
    let record = call.state.lambda().record(&function);
    let with_function = record.is_some_and(|record| record.updates_runtime_with_function);
    Ok((StatusCode::OK, Some(update_runtime_on(call, &function, with_function))))
}

/// Runtimes are this machine's and nobody updates them, so both ways are kept; a version of a runtime cannot be chosen.
pub(super) fn set_runtime_management(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let function = call.existing()?;
    call.record(&function)?;
    let members = call.members()?;
    let with_function = match members.required("UpdateRuntimeOn")? {
        "Auto" => false,
        "FunctionUpdate" => true,
        "Manual" => {
            return Err(LambdaError::not_built(
                "a version of a runtime cannot be chosen: the runtimes are this machine's",
            ));
        }
        other => {
            return Err(LambdaError::not_in_set(
                other,
                "updateRuntimeOn",
                "[Auto, Manual, FunctionUpdate]",
            ));
        }
    };
    let shown = update_runtime_on(call, &function, with_function);
    Ok(changed(
        Command::UpdateRuntimeWithFunction(function, with_function),
        Some(shown),
    ))
}

fn update_runtime_on(call: &Call<'_>, function: &FunctionArn, with_function: bool) -> Value {
    let qualifier = call.parameter("Qualifier").unwrap_or("$LATEST");
    let on = if with_function { "FunctionUpdate" } else { "Auto" };
    json!({ "UpdateRuntimeOn": on, "FunctionArn": format!("{function}:{qualifier}") })
}

/// Terraform reads it of every function. Source: Lambda 8.14.
pub(super) fn code_signing(call: &Call<'_>) -> Result<Document, LambdaError> {
    call.existing()?;
    Ok((StatusCode::OK, Some(json!({}))))
}

pub(super) fn no_code_signing(call: &Call<'_>) -> Result<Document, LambdaError> {
    call.existing()?;
    Ok((StatusCode::NO_CONTENT, None))
}

/// There are no configurations that could be put, and that is looked at before the function.
pub(super) fn set_code_signing(call: &Call<'_>) -> Result<Document, LambdaError> {
    let members = call.members()?;
    Err(LambdaError::no_code_signing_config(
        members.required("CodeSigningConfigArn")?,
    ))
}

/// There are none: nothing polls.
pub(super) fn event_source_mappings(call: &Call<'_>) -> Result<Document, LambdaError> {
    super::page::Page::read(call, 10_000, 100)?;
    Ok((StatusCode::OK, Some(json!({ "EventSourceMappings": [] }))))
}

/// There are none: packages are not signed.
pub(super) fn code_signing_configs(call: &Call<'_>) -> Result<Document, LambdaError> {
    super::page::Page::read(call, 10_000, 50)?;
    Ok((StatusCode::OK, Some(json!({ "CodeSigningConfigs": [] }))))
}

/// There is none that could be read, changed or deleted. Source: Lambda 1.1, 8.4.
pub(super) fn no_signing_config(call: &Call<'_>) -> Result<Document, LambdaError> {
    const MARK: &str = ":code-signing-config:csc-";
    let arn = call.named.first().map(String::as_str).unwrap_or_default();
    let id = arn.strip_prefix("arn:aws").and_then(|rest| rest.split_once(MARK));
    let is_id = |id: &str| {
        id.len() == 17
            && id
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    match id.is_some_and(|(_, id)| is_id(id)) {
        true => Err(LambdaError::no_signing_config(arn)),
        false => {
            let pattern = "arn:(aws[a-zA-Z-]*)?:lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:\
                           code-signing-config:csc-[a-z0-9]{17}";
            Err(LambdaError::not_a_name(arn, "codeSigningConfigArn", pattern))
        }
    }
}

pub(super) fn changed(command: Command, shown: Option<Value>) -> Plan {
    let status = match shown {
        Some(_) => StatusCode::OK,
        None => StatusCode::NO_CONTENT,
    };
    Plan::new(vec![AnyCommand::Lambda(command)], move |_| Ok((status, shown)))
}
