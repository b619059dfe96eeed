//! Layers. Source: Lambda 8.9.

use super::code::{self, Source as CodeSource, source};
use super::input::{self, now};
use super::page::Page;
use super::policy::{ShownCondition, ShownStatement, fresh_revision, revision_of, text, uuid, whole as whole_policy};
use super::{Call, Document, Plan, Prepare, shapes};
use crate::aws::access;
use crate::lambda::error::LambdaError;
use hyper::StatusCode;
use model::command::lambda::Command;
use model::lambda::about::Architecture;
use model::lambda::layer::{LayerArn, LayerStatement, LayerVersion, LayerVersionArn, is_layer_name};
use model::lambda::policy::StatementId;
use model::{AccountId, Command as AnyCommand};
use serde_json::{Map, Value, json};
use std::fmt::Display;
use std::sync::Arc;

/// What reads a layer, and what attaching one needs.
pub(super) const GET: &str = "GetLayerVersion";

pub(super) fn publish(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let members = call.members()?;
    let layer = layer(call)?;
    check_open(call, "PublishLayerVersion", &layer, &layer)?;
    let content = members.object("Content")?.ok_or_else(|| LambdaError::null("content"))?;
    let description = members.text_within("Description", 256)?.unwrap_or_default();
    let license = members.text_within("LicenseInfo", 512)?;
    let runtimes = members.texts("CompatibleRuntimes")?.unwrap_or_default();
    let architectures = members.texts("CompatibleArchitectures")?.unwrap_or_default();
    for (list, path, most) in [
        (&runtimes, "compatibleRuntimes", 15),
        (&architectures, "compatibleArchitectures", 2),
    ] {
        if list.len() > most {
            let rule = format!("have length less than or equal to {most}");
            let wrong = LambdaError::constraint(&format!("[{}]", list.join(", ")), path, &rule);
            members.noted(Err(wrong), ())?;
        }
    }
    let CodeSource::Zip = source(&content)?.ok_or_else(|| LambdaError::null("content"))?;
    let package = call.package.cloned().ok_or_else(LambdaError::service)?;
    call.check_storage(package.bytes)?;
    let arn = layer.version(call.state.lambda().layer_version_last(&layer) + 1);
    let prepare = Prepare::package(&package);
    let version = LayerVersion {
        arn: arn.clone(),
        package,
        description: description.to_owned(),
        runtimes: runtimes.into_iter().map(str::to_owned).collect(),
        architectures: architectures
            .into_iter()
            .map(|text| members.noted(architecture(text, "compatibleArchitectures"), Architecture::default()))
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
    let arn = version(call, GET)?;
    let version = call.state.lambda().layer_version(&arn).ok_or_else(missing)?;
    Ok((StatusCode::OK, Some(whole(call, version))))
}

/// ListLayers, or GetLayerVersionByArn, which has the same route.
pub(super) fn list_or_find(call: &Call<'_>) -> Result<Document, LambdaError> {
    match call.parameter("find") {
        Some("LayerVersion") => {
            let text = call.parameter("Arn").unwrap_or_default();
            let pattern = "arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+";
            let arn = LayerVersionArn::try_from(text).map_err(|_| LambdaError::not_a_name(text, "arn", pattern))?;
            check_open(call, GET, &arn.layer(), &arn)?;
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
    check_open(call, "ListLayerVersions", &layer, &layer)?;
    let page = Page::read(call, 50, 50)?;
    let versions = call.state.lambda().layer_versions_of(&layer).into_iter();
    let versions = versions.filter(|it| matches(call, it));
    // The newest first: a key that grows while numbers fall.
    let key = |it: &&Arc<LayerVersion>| format!("{:020}", u64::MAX - it.arn.number());
    Ok(page.document("LayerVersions", versions, key, |it| item(it)))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let command = Command::DeleteLayerVersion(version(call, "DeleteLayerVersion")?);
    Ok(Plan::new(vec![AnyCommand::Lambda(command)], |_| {
        Ok((StatusCode::NO_CONTENT, None))
    }))
}

pub(super) fn add_permission(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let arn = existing(call, "AddLayerVersionPermission")?;
    let members = call.members()?;
    let id = statement_id(members.required("StatementId")?);
    let id = members.noted(id.map(Some), None)?;
    let action = members.required("Action")?;
    if action != "lambda:GetLayerVersion" {
        let wrong = LambdaError::not_a_name(action, "action", "lambda:GetLayerVersion");
        members.noted(Err(wrong), ())?;
    }
    let principal = members.required("Principal")?;
    let account = principal
        .strip_prefix("arn:aws:iam::")
        .and_then(|rest| rest.strip_suffix(":root"));
    let account = match principal {
        "*" => None,
        text => {
            let account = AccountId::try_from(account.unwrap_or(text)).map(Some);
            let pattern = "\\d{12}|\\*|arn:(aws[a-zA-Z-]*):iam::\\d{12}:root";
            let account = account.map_err(|_| LambdaError::not_a_name(text, "principal", pattern));
            members.noted(account, None)?
        }
    };
    let statement = LayerStatement {
        id: id.ok_or_else(LambdaError::service)?,
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
    let document = json!({ "Statement": text(&shown), "RevisionId": uuid(revision) });
    Ok(Plan::new(vec![AnyCommand::Lambda(command)], move |_| {
        Ok((StatusCode::CREATED, Some(document)))
    }))
}

pub(super) fn policy(call: &Call<'_>) -> Result<Document, LambdaError> {
    let arn = existing(call, "GetLayerVersionPolicy")?;
    let version = call
        .state
        .lambda()
        .layer_version(&arn)
        .filter(|it| !it.statements.is_empty());
    let none = || LambdaError::resource_not_found("No policy is associated with the given resource.");
    let version = version.ok_or_else(none)?;
    let statements = version.statements.iter().map(|it| rendered(&arn, it)).collect();
    let shown = json!({ "Policy": whole_policy(statements), "RevisionId": uuid(version.policy_revision) });
    Ok((StatusCode::OK, Some(shown)))
}

pub(super) fn remove_permission(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let command = Command::RemoveLayerPermission {
        layer_version: existing(call, "RemoveLayerVersionPermission")?,
        statement: statement_id(call.named.get(2).map(String::as_str).unwrap_or_default())?,
        expected: revision_of(call.parameter("RevisionId")),
        revision: fresh_revision()?,
    };
    Ok(Plan::new(vec![AnyCommand::Lambda(command)], |_| {
        Ok((StatusCode::NO_CONTENT, None))
    }))
}

/// Its keys in AWS's order. Source: Lambda 6.2.
fn rendered(arn: &LayerVersionArn, statement: &LayerStatement) -> ShownStatement {
    let principal = match &statement.account {
        None => json!("*"),
        Some(account) => json!({ "AWS": format!("arn:aws:iam::{account}:root") }),
    };
    let condition = statement.organization.as_ref().map(|organization| ShownCondition {
        string_equals: Map::from_iter([("aws:PrincipalOrgID".to_owned(), json!(organization))]),
        ..ShownCondition::default()
    });
    ShownStatement {
        sid: statement.id.to_string(),
        effect: "Allow",
        principal,
        action: format!("lambda:{GET}"),
        resource: arn.to_string(),
        condition,
    }
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

/// Refuses a layer of another account: no policy of such a layer can be known here, so none allows anything. Source: Lambda 8.9.
pub(super) fn check_open(
    call: &Call<'_>,
    operation: &str,
    layer: &LayerArn,
    named: &impl Display,
) -> Result<(), LambdaError> {
    if layer.account() == call.scope.account.to_string() {
        return Ok(());
    }
    let user = access::arn(&call.scope.account, call.caller);
    Err(LambdaError::denied(&format!(
        "User: {user} is not authorized to perform: lambda:{operation} on resource: {named} because no resource-based policy \
         allows the lambda:{operation} action"
    )))
}

fn version(call: &Call<'_>, operation: &str) -> Result<LayerVersionArn, LambdaError> {
    let layer = layer(call)?;
    let text = call.named.get(1).map(String::as_str).unwrap_or_default();
    match text.parse::<u64>() {
        Ok(number) if number > 0 => {
            let arn = layer.version(number);
            check_open(call, operation, &layer, &arn).map(|()| arn)
        }
        _ => Err(LambdaError::invalid_parameter("Layer Version Cannot be less than 1")),
    }
}

fn existing(call: &Call<'_>, operation: &str) -> Result<LayerVersionArn, LambdaError> {
    let arn = version(call, operation)?;
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
