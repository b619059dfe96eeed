//! Versions and aliases. Source: Lambda 8.6, 8.7.

use super::input::Members;
use super::page::Page;
use super::policy::{fresh_revision, revision_of};
use super::shapes::{self, Progress};
use super::{Call, Document, Plan, functions};
use crate::lambda::error::LambdaError;
use hyper::StatusCode;
use model::command::lambda::{AliasExists, Command, PublishVersion, PutAlias};
use model::lambda::alias::{Alias, Routing, VersionRef, Weight};
use model::{Command as AnyCommand, FunctionArn};

pub(super) fn publish(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let members = call.members()?;
    let arn = call.changed_function()?;
    call.record(&arn)?;
    let description = members.text_within("Description", 256)?;
    let code = members.text("CodeSha256")?;
    let command = Command::PublishVersion(PublishVersion {
        function: arn.clone(),
        description: description.filter(|text| !text.is_empty()).map(str::to_owned),
        code: code.map(|text| (text.to_owned(), shapes::digest(text))),
        expected: revision_of(members.text("RevisionId")?),
        revision: fresh_revision()?,
    });
    let answer = move |call: &Call<'_>| {
        let last = call.record(&arn)?.version_last;
        let version = call.state.lambda().version(&arn.qualified(last));
        let version = version.ok_or_else(LambdaError::service)?;
        Ok((StatusCode::CREATED, Some(shapes::version(version).document())))
    };
    Ok(Plan::new(vec![AnyCommand::Lambda(command)], answer))
}

pub(super) fn list(call: &Call<'_>) -> Result<Document, LambdaError> {
    let arn = call.function_itself()?;
    let page = Page::read(call, 10_000, 50)?;
    let mut latest = functions::latest(call, &arn, None)?;
    latest.arn = shapes::qualified(&arn, "$LATEST");
    latest.progress = Progress::Untold;
    let versions = call.state.lambda().versions_of(&arn).into_iter().map(|version| {
        let mut shown = shapes::version(version);
        shown.progress = Progress::Untold;
        (version.number, shown)
    });
    // By number, so that a page goes on where the last one ended; `$LATEST` is before the first.
    let all = std::iter::once((0, latest)).chain(versions);
    let key = |(number, _): &(u64, shapes::Shown<'_>)| format!("{number:020}");
    Ok(page.document("Versions", all, key, |(_, shown)| shown.document()))
}

pub(super) fn create_alias(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let members = call.members()?;
    let function = call.changed_function()?;
    let name = members.required("Name")?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    members.text_within("Name", 128)?;
    if name.is_empty() || !name.bytes().all(allowed) || name.bytes().all(|byte| byte.is_ascii_digit()) {
        let wrong = LambdaError::not_a_name(name, "name", "(?!^[0-9]+$)([a-zA-Z0-9-_]+)");
        members.noted(Err(wrong), ())?;
    }
    let version = members.noted(version(members.required("FunctionVersion")?), VersionRef::Latest)?;
    if call.state.function(&function).is_none() {
        return Err(call.no_function(&function));
    }
    let alias = Alias {
        arn: function.qualified(name),
        version,
        description: description(&members)?.unwrap_or_default(),
        routing: routing(&members)?.flatten(),
        revision: fresh_revision()?,
    };
    Ok(put(alias, AliasExists::Not, StatusCode::CREATED))
}

pub(super) fn update_alias(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let members = call.members()?;
    let arn = named_alias(call)?;
    let Some(before) = call.state.lambda().alias(&arn) else {
        return Err(LambdaError::resource_not_found(&format!("Alias not found: {arn}")));
    };
    let mut alias = Alias::clone(before);
    if let Some(text) = members.text("FunctionVersion")? {
        alias.version = members.noted(version(text), alias.version)?;
    }
    if let Some(routing) = routing(&members)? {
        alias.routing = routing;
    }
    if let Some(description) = description(&members)? {
        alias.description = description;
    }
    alias.revision = fresh_revision()?;
    let expected = revision_of(members.text("RevisionId")?);
    Ok(put(alias, AliasExists::With(expected), StatusCode::OK))
}

fn put(alias: Alias, exists: AliasExists, status: StatusCode) -> Plan {
    let shown = shapes::alias(&alias);
    let command = Command::PutAlias(PutAlias { alias, exists });
    Plan::new(vec![AnyCommand::Lambda(command)], move |_| Ok((status, Some(shown))))
}

pub(super) fn get_alias(call: &Call<'_>) -> Result<Document, LambdaError> {
    let arn = named_alias(call)?;
    let alias = call.state.lambda().alias(&arn);
    let alias = alias.ok_or_else(|| LambdaError::resource_not_found(&format!("Cannot find alias arn: {arn}")))?;
    Ok((StatusCode::OK, Some(shapes::alias(alias))))
}

pub(super) fn list_aliases(call: &Call<'_>) -> Result<Document, LambdaError> {
    let function = call.function_itself()?;
    if call.state.function(&function).is_none() {
        return Err(call.no_function(&function));
    }
    let of = call.parameter("FunctionVersion").map(version).transpose()?;
    let page = Page::read(call, 10_000, 50)?;
    let aliases = call.state.lambda().aliases_of(&function);
    let aliases = aliases.filter(|alias| of.is_none_or(|version| alias.version == version));
    Ok(page.document("Aliases", aliases, |it| it.arn.to_string(), |it| shapes::alias(it)))
}

pub(super) fn delete_alias(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let command = Command::DeleteAlias(named_alias(call)?);
    Ok(Plan::new(vec![AnyCommand::Lambda(command)], |_| {
        Ok((StatusCode::NO_CONTENT, None))
    }))
}

fn named_alias(call: &Call<'_>) -> Result<FunctionArn, LambdaError> {
    let function = call.function_itself()?;
    let name = call.named.get(1).map(String::as_str).unwrap_or_default();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match (1..=128).contains(&name.len()) && name.bytes().all(allowed) {
        true => Ok(function.qualified(name)),
        false => Err(LambdaError::not_a_name(name, "name", "(?!^[0-9]+$)([a-zA-Z0-9-_]+)")),
    }
}

fn version(text: &str) -> Result<VersionRef, LambdaError> {
    let pattern = "(\\$LATEST(\\.PUBLISHED)?|[0-9]+)";
    VersionRef::try_from(text).map_err(|_| LambdaError::not_a_name(text, "functionVersion", pattern))
}

fn description(members: &Members<'_>) -> Result<Option<String>, LambdaError> {
    Ok(members.text_within("Description", 256)?.map(str::to_owned))
}

/// Nothing said; or none; or one. Source: Lambda 8.3, 8.4.
fn routing(members: &Members<'_>) -> Result<Option<Option<Routing>>, LambdaError> {
    let Some(config) = members.object("RoutingConfig")? else {
        return Ok(None);
    };
    let Some(weights) = config.object("AdditionalVersionWeights")? else {
        return Ok(Some(None));
    };
    let path = "routingConfig.additionalVersionWeights";
    let weights: Vec<_> = weights.iter().collect();
    let shown = weights.iter().map(|(version, weight)| match weight.as_f64() {
        Some(weight) => format!("{version}={weight:?}"),
        None => format!("{version}={weight}"),
    });
    let shown = format!("{{{}}}", shown.collect::<Vec<_>>().join(", "));
    for (version, weight) in &weights {
        if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
            let rule = "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must \
                        have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]";
            return Err(map_constraint(&shown, path, rule));
        }
        if !weight.as_f64().is_some_and(|weight| (0.0..=1.0).contains(&weight)) {
            let rule = "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must \
                        have value greater than or equal to 0.0, Member must not be null]";
            return Err(map_constraint(&shown, path, rule));
        }
    }
    match &weights[..] {
        [] => Ok(Some(None)),
        [(version, weight)] => {
            let number = version.parse::<u64>();
            let weight = Weight::try_from(weight.as_f64().unwrap_or(-1.0));
            match (number, weight) {
                (Ok(version), Ok(weight)) => Ok(Some(Some(Routing { version, weight }))),
                _ => Err(map_constraint(&shown, path, "Map keys must be numbers of versions")),
            }
        }
        _ => Err(LambdaError::invalid_parameter(
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        )),
    }
}

fn map_constraint(shown: &str, path: &str, rule: &str) -> LambdaError {
    LambdaError::violation(
        path,
        format!("Value '{shown}' at '{path}' failed to satisfy constraint: {rule}"),
    )
}
