//! Functions: created, read, listed, updated, deleted. Source: Lambda 8.5.

use super::code::{self as packages, Source as CodeSource, source};
use super::configuration::{architecture, code, plain, read};
use super::input::{Members, now};
use super::page::Page;
use super::policy::{fresh_revision, revision_of};
use super::shapes::{self, Progress, Shown};
use super::{Call, Document, Plan, Prepare, tags, vpc};
use crate::lambda::error::LambdaError;
use hyper::StatusCode;
use model::command::lambda::{Command, CreateFunction, UpdateFunction};
use model::lambda::about::{About, Architecture, FunctionRecord, RoleArn, Tracing};
use model::lambda::function::{
    AwsApi, Environment, EphemeralStorage, Function, FunctionConfiguration, FunctionMemory, FunctionTimeout, Layers,
};
use model::lambda::logging::Logging;
use model::lambda::package::{Package, PackageDigest};
use model::lambda::runtime::Runtime;
use model::{Command as AnyCommand, FunctionArn, Owner};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn create(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let members = call.members()?;
    let named = call.new_function(members.required("FunctionName")?).map(Some);
    let named = members.noted(named, None)?;
    members.required("Role")?;
    let asked = members.object("Code")?.ok_or_else(|| LambdaError::null("code"));
    let asked = members.noted(asked.map(Some), None)?;
    match members.text("PackageType")? {
        None | Some("Zip") => {}
        Some("Image") => return Err(LambdaError::not_built("functions of container images are not built")),
        Some(other) => members.noted(Err(LambdaError::not_in_set(other, "packageType", "[Image, Zip]")), ())?,
    }
    let (mut configuration, mut about) = fresh(call)?;
    about.architecture = architecture(&members)?.unwrap_or_default();
    read(call, &members, &mut configuration, &mut about)?;
    // What cannot be read any further is told with everything else.
    let ((arn, name), asked) = named.zip(asked).ok_or_else(LambdaError::service)?;
    if members.text("Runtime")?.is_none() || members.text("Handler")?.is_none() {
        return Err(LambdaError::invalid_parameter(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        ));
    }
    let CodeSource::Zip = source(&asked)?.ok_or_else(|| LambdaError::null("code"))?;
    about.package = call.package.cloned().ok_or_else(LambdaError::service)?;
    call.check_role(&about.role, &arn)?;
    vpc::check_role(call, &about)?;
    call.check_storage(about.package.bytes)?;
    let publishes = members.boolean("Publish")?.unwrap_or_default();
    let function = Function {
        arn: arn.clone(),
        name,
        code: code(&about.package),
        configuration,
        owner: Owner::Api,
    };
    if call.state.function(&arn).is_some() {
        return Err(LambdaError::conflict(&format!(
            "Function already exist: {}",
            function.name
        )));
    }
    let prepare = Prepare::of(&function);
    let network = about.vpc.clone();
    let tags = tags::read(members.pairs("Tags")?.unwrap_or_default())?;
    let command = Command::CreateFunction(Box::new(CreateFunction {
        function,
        about,
        publishes,
        tags,
    }));
    let answer = move |call: &Call<'_>| {
        vpc::tell(&arn, network.as_ref());
        let mut shown = latest(call, &arn, Some(&arn))?;
        if publishes {
            shown.version = "1".to_owned();
        }
        Ok((StatusCode::CREATED, Some(shown.document())))
    };
    Ok(Plan::new(vec![AnyCommand::Lambda(command)], answer).with_prepare(prepare))
}

/// What a function begins with, until the members of a call are read: they say the runtime, the handler, the role and the
/// package of each.
fn fresh(call: &Call<'_>) -> Result<(FunctionConfiguration, About), LambdaError> {
    let nobody = format!("arn:{}:iam::{}:role/none", call.scope.partition(), call.scope.account);
    let configuration = FunctionConfiguration {
        runtime: Runtime::ProvidedAl2023,
        handler: String::new(),
        timeout: FunctionTimeout::default(),
        memory: FunctionMemory::default(),
        environment: Environment::default(),
        concurrency: None,
        provisioned: 0,
        ephemeral_storage: EphemeralStorage::default(),
        logging: Logging::default(),
        layers: Layers::default(),
        network: None,
        aws_api: AwsApi::OwnRole,
    };
    let about = About {
        role: RoleArn::try_from(nobody.as_str()).map_err(|_| LambdaError::service())?,
        description: String::new(),
        package: Package {
            digest: PackageDigest([0; 32]),
            bytes: 0,
        },
        architecture: Architecture::default(),
        has_environment: false,
        tracing: Tracing::default(),
        layers: Vec::new(),
        vpc: None,
        last_modified: now(),
        revision: fresh_revision()?,
    };
    Ok((configuration, about))
}

pub(super) fn update_code(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let members = call.members()?;
    let arn = call.changed_function()?;
    let record = call.record(&arn)?;
    let CodeSource::Zip = source(&members)?
        .ok_or_else(|| LambdaError::invalid_parameter("Please provide a source for function code."))?;
    let package = call.package.cloned().ok_or_else(LambdaError::service)?;
    let (mut function, mut about) = begun(call, &arn, record)?;
    if let Some(architecture) = architecture(&members)? {
        about.architecture = architecture;
    }
    call.check_storage(package.bytes)?;
    function.code = code(&package);
    about.package = package;
    let is_dry_run = members.boolean("DryRun")?.unwrap_or_default();
    update(call, &members, function, about, is_dry_run)
}

pub(super) fn update_configuration(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let members = call.members()?;
    let arn = call.changed_function();
    if arn.is_err() {
        // What is wrong with the members is told whether or not the function is there.
        let (mut configuration, mut about) = fresh(call)?;
        plain(&members, &mut configuration, &mut about)?;
    }
    let arn = arn?;
    let record = call.record(&arn)?;
    let (mut function, mut about) = begun(call, &arn, record)?;
    read(call, &members, &mut function.configuration, &mut about)?;
    // Variables that are taken away leave nothing: Terraform takes them away so, and finds a difference where something is.
    if members.object("Environment")?.is_some() {
        about.has_environment = !function.configuration.environment.variables().is_empty();
    }
    if members.text("Role")?.is_some() {
        call.check_role(&about.role, &arn)?;
    }
    if about.role != record.about.role || about.vpc != record.about.vpc {
        vpc::check_role(call, &about)?;
    }
    update(call, &members, function, about, false)
}

/// What an update begins with: everything as it is, with a revision of its own.
fn begun(call: &Call<'_>, arn: &FunctionArn, record: &FunctionRecord) -> Result<(Function, About), LambdaError> {
    let serving = call.state.function(arn).ok_or_else(|| call.no_function(arn))?;
    let about = About {
        last_modified: now(),
        revision: fresh_revision()?,
        ..record.about.clone()
    };
    Ok((Function::clone(serving), about))
}

fn update(
    call: &Call<'_>,
    members: &Members<'_>,
    function: Function,
    about: About,
    is_dry_run: bool,
) -> Result<Plan, LambdaError> {
    let publishes = members.boolean("Publish")?.unwrap_or_default();
    let expected = revision_of(members.text("RevisionId")?);
    let arn = function.arn.clone();
    let prepare = Prepare::of(&function);
    if is_dry_run {
        let record = call.record(&arn)?;
        if expected.is_some_and(|expected| expected != record.about.revision) {
            return Err(LambdaError::stale("GetFunction/GetAlias"));
        }
        let shown = Shown {
            function: &function,
            about: Some(&about),
            arn: arn.to_string(),
            version: "$LATEST".to_owned(),
            description: None,
            progress: Progress::Of(record),
        };
        let mut document = shown.document();
        document["RevisionId"] = json!(super::policy::uuid(record.about.revision));
        return Ok(Plan::new(Vec::new(), move |_| Ok((StatusCode::OK, Some(document)))).with_prepare(prepare));
    }
    let is_moved = call.record(&arn)?.about.vpc != about.vpc;
    let network = about.vpc.clone().filter(|_| is_moved);
    let command = Command::UpdateFunction(Box::new(UpdateFunction {
        function,
        about,
        expected,
        publishes,
    }));
    let answer = move |call: &Call<'_>| {
        vpc::tell(&arn, network.as_ref());
        let record = call.record(&arn)?;
        let version = call.state.lambda().version(&arn.qualified(record.version_last));
        let document = match version.filter(|_| publishes) {
            Some(version) => Shown {
                progress: Progress::Creating,
                ..shapes::version(version)
            }
            .document(),
            None => latest(call, &arn, Some(&arn))?.document(),
        };
        Ok((StatusCode::OK, Some(document)))
    };
    Ok(Plan::new(vec![AnyCommand::Lambda(command)], answer).with_prepare(prepare))
}

pub(super) fn get(call: &Call<'_>) -> Result<Document, LambdaError> {
    let shown = shown(call)?;
    let mut document = Map::new();
    let code = match shown.about {
        Some(about) => {
            json!({ "RepositoryType": "S3", "Location": call.links.to(&packages::path(&about.package.digest)) })
        }
        // What the manifest names is a file or a folder of this machine: there is nothing to download.
        None => json!({ "RepositoryType": "S3" }),
    };
    document.insert("Code".to_owned(), code);
    let arn = shown.function.arn.unqualified();
    if shown.function.arn.qualifier().is_none() {
        let tags = call.state.tags(&model::TaggedArn::Function(arn.clone()));
        if !tags.is_empty() {
            document.insert("Tags".to_owned(), tags::shown(&tags));
        }
        let reserved = call.state.function(&arn).and_then(|it| it.configuration.concurrency);
        if let Some(reserved) = reserved {
            document.insert(
                "Concurrency".to_owned(),
                json!({ "ReservedConcurrentExecutions": reserved }),
            );
        }
    }
    document.insert("Configuration".to_owned(), shown.document());
    Ok((StatusCode::OK, Some(Value::Object(document))))
}

pub(super) fn get_configuration(call: &Call<'_>) -> Result<Document, LambdaError> {
    Ok((StatusCode::OK, Some(shown(call)?.document())))
}

/// What a call names: the function, a version, or what an alias means.
fn shown<'a>(call: &'a Call<'_>) -> Result<Shown<'a>, LambdaError> {
    let reference = call.reference()?;
    let arn = reference.arn(call.scope);
    let lambda = call.state.lambda();
    let Some(qualifier) = reference.qualifier() else {
        return latest(call, &arn, None);
    };
    let qualified = shapes::qualified(&arn, qualifier);
    let missing = || LambdaError::resource_not_found(&format!("Function not found: {qualified}"));
    if reference.is_latest() {
        let mut shown = latest(call, &arn, None).map_err(|_| missing())?;
        shown.arn = qualified;
        return Ok(shown);
    }
    let target = arn.qualified(qualifier);
    let version = match lambda.alias(&target) {
        Some(alias) => match alias.version {
            model::lambda::alias::VersionRef::Latest => {
                let mut shown = latest(call, &arn, None).map_err(|_| missing())?;
                shown.arn = qualified;
                return Ok(shown);
            }
            model::lambda::alias::VersionRef::Number(number) => lambda.version(&arn.qualified(number)),
        },
        None => lambda.version(&target),
    };
    let version = version.ok_or_else(missing)?;
    Ok(Shown {
        arn: qualified,
        ..shapes::version(version)
    })
}

/// The function itself.
pub(super) fn latest<'a>(
    call: &'a Call<'_>,
    arn: &FunctionArn,
    shown_as: Option<&FunctionArn>,
) -> Result<Shown<'a>, LambdaError> {
    let serving = call.state.function(arn).ok_or_else(|| call.no_function(arn))?;
    let record = call.state.lambda().record(arn);
    let (about, function): (_, &'a Arc<Function>) = match record {
        Some(record) => {
            let (about, function) = record.shown(serving);
            (Some(about), function)
        }
        None => (None, serving),
    };
    Ok(Shown {
        function,
        about,
        arn: shown_as.unwrap_or(arn).to_string(),
        version: "$LATEST".to_owned(),
        description: None,
        progress: record.map_or(Progress::Done, |record| Progress::Of(record)),
    })
}

pub(super) fn list(call: &Call<'_>) -> Result<Document, LambdaError> {
    let all = match call.parameter("FunctionVersion") {
        None => false,
        Some("ALL") => true,
        Some(other) => return Err(LambdaError::not_in_set(other, "functionVersion", "[ALL]")),
    };
    let page = Page::read(call, 10_000, 50)?;
    let prefix = FunctionArn::new(call.scope, "").to_string();
    // A space sorts before everything in a name: what belongs to a function stands before the function that follows it.
    let (from, _) = page.from().split_once(' ').unwrap_or_default();
    let here = call.state.functions_from(&prefix, from);
    let listed = here.flat_map(|function| {
        let mut numbers = vec![(&function.arn, 0)];
        if all {
            let versions = call.state.lambda().versions_of(&function.arn);
            numbers.extend(versions.iter().map(|version| (&function.arn, version.number)));
        }
        numbers
    });
    let key = |(arn, number): &(&FunctionArn, u64)| format!("{arn} {number:020}");
    Ok(page.document("Functions", listed, key, |(arn, number)| {
        listed_item(call, arn, *number, all)
    }))
}

/// A function in a list, or one of its versions.
fn listed_item(call: &Call<'_>, arn: &FunctionArn, number: u64, all: bool) -> Value {
    let shown = match number {
        0 => latest(call, arn, None).ok().map(|latest| Shown {
            arn: match all {
                true => shapes::qualified(arn, "$LATEST"),
                false => latest.arn.clone(),
            },
            ..latest
        }),
        number => {
            let version = call.state.lambda().version(&arn.qualified(number));
            version.map(|version| shapes::version(version))
        }
    };
    // It was found a moment ago in this very state.
    let shown = shown.map(|shown| Shown {
        progress: Progress::Untold,
        ..shown
    });
    shown.map_or(Value::Null, |shown| shown.document())
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, LambdaError> {
    let reference = call.reference()?;
    let arn = reference.arn(call.scope);
    let gone = |_: &Call<'_>| Ok((StatusCode::NO_CONTENT, None));
    match reference.qualifier() {
        None if call.state.function(&arn).is_none() => Err(call.no_function(&arn)),
        None => Ok(Plan::new(vec![AnyCommand::DeleteFunction(arn)], gone)),
        Some("$LATEST") => Err(LambdaError::invalid_parameter(
            "$LATEST version cannot be deleted without deleting the function.",
        )),
        Some(qualifier) if !qualifier.bytes().all(|byte| byte.is_ascii_digit()) => Err(LambdaError::invalid_parameter(
            "Deletion of aliases is not currently supported.",
        )),
        Some(number) => {
            let command = Command::DeleteVersion(arn.qualified(number));
            Ok(Plan::new(vec![AnyCommand::Lambda(command)], gone))
        }
    }
}
