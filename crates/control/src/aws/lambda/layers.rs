//! Layers. Source: Lambda 8.9.

use super::code::{self, Source as CodeSource, source};
use super::input::{self, Members, at_most, now};
use super::page::Page;
use super::policy::{fresh_revision, revision_of, uuid};
use super::{Call, Document, Plan, Prepare, shapes};
use crate::lambda::error::LambdaError;
use hyper::StatusCode;
use model::command::lambda::Command;
use model::lambda::about::Architecture;
use model::lambda::layer::{LayerArn, LayerStatement, LayerVersion, LayerVersionArn, is_layer_name};
use model::lambda::policy::StatementId;
use model::{AccountId, Command as AnyCommand};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn publish(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let members = Members::of(call.json)?;
    let layer = layer(call)?;
    let content = members.object("Content")?.ok_or_else(|| LambdaError::null("content"))?;
    let CodeSource::Zip = source(&content)?.ok_or_else(|| LambdaError::null("content"))?;
    let package = call.package.cloned().ok_or_else(LambdaError::service)?;
    call.check_storage(package.bytes)?;
    let description = members.text("Description")?.unwrap_or_default();
    at_most(description, "description", 256)?;
    let license = members.text("LicenseInfo")?;
    license.map_or(Ok(()), |text| at_most(text, "licenseInfo", 512))?;
    let runtimes = members.texts("CompatibleRuntimes")?.unwrap_or_default();
    let architectures = members.texts("CompatibleArchitectures")?.unwrap_or_default();
    for (list, path, most) in [
        (&runtimes, "compatibleRuntimes", 15),
        (&architectures, "compatibleArchitectures", 2),
    ] {
        if list.len() > most {
            let rule = format!("have length less than or equal to {most}");
            return Err(LambdaError::constraint(&format!("[{}]", list.join(", ")), path, &rule));
        }
    }
    let arn = layer.version(call.state.lambda().layer_version_last(&layer) + 1);
    let prepare = Prepare::package(&package);
    let version = LayerVersion {
        arn: arn.clone(),
        package,
        description: description.to_owned(),
        runtimes: runtimes.into_iter().map(str::to_owned).collect(),
        architectures: architectures
            .into_iter()
            .map(|text| architecture(text, "compatibleArchitectures"))
            .collect::<Result<_, _>>()?,
        license: license.map(str::to_owned),
        created: now(),
        statements: Vec::new(),
        policy_revision: fresh_revision()?,
    };
    let command = AnyCommand::Lambda(Command::PublishLayerVersion(Box::new(version)));
    let answer = move |call: &Call<'_>| {
        let version = call
            .state
            .lambda()
            .layer_version(&arn)
            .ok_or_else(LambdaError::service)?;
        Ok((StatusCode::CREATED, Some(whole(call, version))))
    };
    Ok(Plan::new(vec![command], answer).with_prepare(prepare))
}

pub(super) fn get(call: &Call<'_>) -> Result<Document, LambdaError> {
    let missing = || LambdaError::resource_not_found("The resource you requested does not exist.");
    let version = call.state.lambda().layer_version(&version(call)?).ok_or_else(missing)?;
    Ok((StatusCode::OK, Some(whole(call, version))))
}

/// ListLayers, or GetLayerVersionByArn, which has the same route.
pub(super) fn list_or_find(call: &Call<'_>) -> Result<Document, LambdaError> {
    match call.parameter("find") {
        Some("LayerVersion") => {
            let text = call.parameter("Arn").unwrap_or_default();
            let pattern = "arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+";
            let arn = LayerVersionArn::try_from(text).map_err(|_| LambdaError::not_a_name(text, "arn", pattern))?;
            let missing = || LambdaError::resource_not_found("The resource you requested does not exist.");
            let version = call.state.lambda().layer_version(&arn).ok_or_else(missing)?;
            Ok((StatusCode::OK, Some(whole(call, version))))
        }
        _ => list(call),
    }
}

fn list(call: &Call<'_>) -> Result<Document, LambdaError> {
    let page = Page::read(call, 50, 50)?;
    let prefix = LayerArn::new(call.scope, "").to_string();
    let lambda = call.state.lambda();
    let layers = lambda.layers_from(&prefix, page.from()).filter_map(|arn| {
        let newest = lambda.layer_versions_of(arn).into_iter().find(|it| matches(call, it))?;
        Some((arn, newest))
    });
    let show = |(arn, newest): &(&LayerArn, &Arc<LayerVersion>)| {
        json!({
            "LayerName": arn.name(),
            "LayerArn": arn.as_str(),
            "LatestMatchingVersion": item(newest),
        })
    };
    Ok(page.document("Layers", layers, |(arn, _)| arn.to_string(), show))
}

pub(super) fn list_versions(call: &Call<'_>) -> Result<Document, LambdaError> {
    let layer = layer(call)?;
    let page = Page::read(call, 50, 50)?;
    let versions = call.state.lambda().layer_versions_of(&layer).into_iter();
    let versions = versions.filter(|it| matches(call, it));
    // The newest first: a key that grows while numbers fall.
    let key = |it: &&Arc<LayerVersion>| format!("{:020}", u64::MAX - it.arn.number());
    Ok(page.document("LayerVersions", versions, key, |it| item(it)))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let command = Command::DeleteLayerVersion(version(call)?);
    Ok(Plan::new(vec![AnyCommand::Lambda(command)], |_| {
        Ok((StatusCode::NO_CONTENT, None))
    }))
}

pub(super) fn add_permission(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let arn = existing(call)?;
    let members = Members::of(call.json)?;
    let id = statement_id(members.required("StatementId")?)?;
    let action = members.required("Action")?;
    if action != "lambda:GetLayerVersion" {
        return Err(LambdaError::not_a_name(action, "action", "lambda:GetLayerVersion"));
    }
    let principal = members.required("Principal")?;
    let account = principal
        .strip_prefix("arn:aws:iam::")
        .and_then(|rest| rest.strip_suffix(":root"));
    let account = match principal {
        "*" => None,
        text => {
            let account = AccountId::try_from(account.unwrap_or(text));
            let pattern = "\\d{12}|\\*|arn:(aws[a-zA-Z-]*):iam::\\d{12}:root";
            Some(account.map_err(|_| LambdaError::not_a_name(text, "principal", pattern))?)
        }
    };
    let statement = LayerStatement {
        id,
        account,
        organization: members.text("OrganizationId")?.map(str::to_owned),
    };
    let shown = rendered(&arn, &statement);
    let revision = fresh_revision()?;
    let command = Command::AddLayerPermission {
        layer_version: arn,
        statement,
        expected: revision_of(call.parameter("RevisionId")),
        revision,
    };
    let document = json!({ "Statement": shown.to_string(), "RevisionId": uuid(revision) });
    Ok(Plan::new(vec![AnyCommand::Lambda(command)], move |_| {
        Ok((StatusCode::CREATED, Some(document)))
    }))
}

pub(super) fn policy(call: &Call<'_>) -> Result<Document, LambdaError> {
    let arn = existing(call)?;
    let version = call
        .state
        .lambda()
        .layer_version(&arn)
        .filter(|it| !it.statements.is_empty());
    let none = || LambdaError::resource_not_found("No policy is associated with the given resource.");
    let version = version.ok_or_else(none)?;
    let statements: Vec<Value> = version.statements.iter().map(|it| rendered(&arn, it)).collect();
    let policy = json!({ "Version": "2012-10-17", "Id": "default", "Statement": statements });
    let shown = json!({ "Policy": policy.to_string(), "RevisionId": uuid(version.policy_revision) });
    Ok((StatusCode::OK, Some(shown)))
}

pub(super) fn remove_permission(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let command = Command::RemoveLayerPermission {
        layer_version: existing(call)?,
        statement: statement_id(call.named.get(2).map(String::as_str).unwrap_or_default())?,
        expected: revision_of(call.parameter("RevisionId")),
        revision: fresh_revision()?,
    };
    Ok(Plan::new(vec![AnyCommand::Lambda(command)], |_| {
        Ok((StatusCode::NO_CONTENT, None))
    }))
}

fn rendered(arn: &LayerVersionArn, statement: &LayerStatement) -> Value {
    let principal = match &statement.account {
        None => json!("*"),
        Some(account) => json!({ "AWS": format!("arn:aws:iam::{account}:root") }),
    };
    let mut shown = json!({
        "Sid": statement.id.as_str(),
        "Effect": "Allow",
        "Principal": principal,
        "Action": "lambda:GetLayerVersion",
        "Resource": arn.as_str(),
    });
    if let Some(organization) = &statement.organization {
        shown["Condition"] = json!({ "StringEquals": { "aws:PrincipalOrgID": organization } });
    }
    shown
}

fn statement_id(text: &str) -> Result<StatementId, LambdaError> {
    StatementId::try_from(text).map_err(|_| LambdaError::not_a_name(text, "statementId", "([a-zA-Z0-9-_]+)"))
}

/// The layer that the path names, by its name or its ARN.
fn layer(call: &Call<'_>) -> Result<LayerArn, LambdaError> {
    let text = call.named.first().map(String::as_str).unwrap_or_default();
    match LayerArn::try_from(text) {
        Ok(arn) => Ok(arn),
        Err(_) if is_layer_name(text) => Ok(LayerArn::new(call.scope, text)),
        Err(_) => {
            let pattern = "(arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+";
            Err(LambdaError::not_a_name(text, "layerName", pattern))
        }
    }
}

fn version(call: &Call<'_>) -> Result<LayerVersionArn, LambdaError> {
    let layer = layer(call)?;
    let text = call.named.get(1).map(String::as_str).unwrap_or_default();
    match text.parse::<u64>() {
        Ok(number) if number > 0 => Ok(layer.version(number)),
        _ => Err(LambdaError::invalid_parameter("Layer Version Cannot be less than 1")),
    }
}

fn existing(call: &Call<'_>) -> Result<LayerVersionArn, LambdaError> {
    let arn = version(call)?;
    match call.state.lambda().layer_version(&arn) {
        Some(_) => Ok(arn),
        None => Err(LambdaError::resource_not_found(&format!(
            "Layer version {arn} does not exist."
        ))),
    }
}

/// Whether a list that asks for a runtime or an architecture wants it.
fn matches(call: &Call<'_>, version: &LayerVersion) -> bool {
    let runtime = call.parameter("CompatibleRuntime");
    let wanted = call.parameter("CompatibleArchitecture");
    let has_runtime = |runtime: &str| version.runtimes.iter().any(|it| it == runtime);
    let has_architecture = |wanted: &str| version.architectures.iter().any(|it| it.as_str() == wanted);
    runtime.is_none_or(has_runtime) && wanted.is_none_or(has_architecture)
}

fn architecture(text: &str, path: &str) -> Result<Architecture, LambdaError> {
    let mut all = [Architecture::X8664, Architecture::Arm64].into_iter();
    let found = all.find(|it| it.as_str() == text);
    found.ok_or_else(|| LambdaError::not_in_set(text, path, "[x86_64, arm64]"))
}

/// As lists show it.
fn item(version: &Arc<LayerVersion>) -> Value {
    let mut shown = json!({
        "LayerVersionArn": version.arn.as_str(),
        "Version": version.arn.number(),
        "Description": version.description,
        "CreatedDate": input::shown(version.created),
    });
    if !version.runtimes.is_empty() {
        shown["CompatibleRuntimes"] = json!(version.runtimes);
    }
    if !version.architectures.is_empty() {
        let names: Vec<_> = version.architectures.iter().map(|it| it.as_str()).collect();
        shown["CompatibleArchitectures"] = json!(names);
    }
    if let Some(license) = &version.license {
        shown["LicenseInfo"] = json!(license);
    }
    shown
}

/// As it is shown on its own.
fn whole(call: &Call<'_>, version: &Arc<LayerVersion>) -> Value {
    let mut shown = item(version);
    shown["LayerArn"] = json!(version.arn.layer().as_str());
    shown["Content"] = json!({
        "Location": call.links.to(&code::path(&version.package.digest)),
        "CodeSha256": shapes::base64(&version.package.digest),
        "CodeSize": version.package.bytes,
    });
    shown
}
