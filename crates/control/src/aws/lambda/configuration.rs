//! The configuration of a function, as CreateFunction and UpdateFunctionConfiguration take it. Source: Lambda 1.3.

use super::input::Members;
use super::{Call, event_invoke, layers, vpc};
use crate::lambda::error::LambdaError;
use model::Secret;
use model::lambda::about::{About, Architecture, AttachedLayer, RoleArn, Tracing};
use model::lambda::function::{
    Code, CodeLocation, Environment, EnvironmentRefusal, EphemeralStorage, FunctionConfiguration, FunctionMemory,
    FunctionTimeout, Layers,
};
use model::lambda::layer::LayerVersionArn;
use model::lambda::logging::{ApplicationLogLevel, LogFormat, LogGroupName, Logging, SystemLogLevel};
use model::lambda::package::Package;
use model::lambda::runtime::{Runtime, RuntimeRefusal};
use std::collections::BTreeMap;
use std::time::Duration;

/// What would have no effect, and why.
const NOT_BUILT: [(&str, &str); 9] = [
    ("FileSystemConfigs", "there are no file systems to mount"),
    ("KMSKeyArn", "there are no keys"),
    ("SnapStart", "nothing is snapshotted"),
    ("ImageConfig", "functions are zip packages"),
    ("CodeSigningConfigArn", "packages are not signed"),
    ("TenancyConfig", "environments are not kept apart by tenant"),
    ("CapacityProviderConfig", "there are no managed instances"),
    ("DurableConfig", "there are no durable executions"),
    ("AcceleratorConfig", "there are no accelerators"),
];

const ROLE_PATTERN: &str = "arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+";

/// Changes what is given; what is not given stays.
pub(super) fn read(
    call: &Call<'_>,
    members: &Members<'_>,
    configuration: &mut FunctionConfiguration,
    about: &mut About,
) -> Result<(), LambdaError> {
    plain(members, configuration, about)?;
    if let Some(logging) = members.object("LoggingConfig")? {
        configuration.logging = self::logging(&logging, &configuration.logging)?;
    }
    members.without(&NOT_BUILT)?;
    if let Some(runtime) = members.text("Runtime")? {
        configuration.runtime = self::runtime(runtime)?;
    }
    if let Some(dead_letter) = members.object("DeadLetterConfig")? {
        event_invoke::check_dead_letter(dead_letter.text("TargetArn")?)?;
    }
    if let Some(environment) = members.object("Environment")? {
        configuration.environment = self::environment(&environment)?;
        about.has_environment = true;
    }
    if let Some(vpc) = members.object("VpcConfig")? {
        about.vpc = Some(vpc::read(call, &vpc, about.vpc.as_ref())?);
    }
    if let Some(layers) = members.texts("Layers")? {
        (configuration.layers, about.layers) = self::layers(call, &layers, &about.layers)?;
    }
    Ok(())
}

/// The members with rules of their own only.
pub(super) fn plain(
    members: &Members<'_>,
    configuration: &mut FunctionConfiguration,
    about: &mut About,
) -> Result<(), LambdaError> {
    let invalid = |error: &dyn std::fmt::Display| LambdaError::invalid_parameter(&error.to_string());
    if let Some(role) = members.text("Role")? {
        let read = RoleArn::try_from(role).map_err(|_| LambdaError::not_a_name(role, "role", ROLE_PATTERN));
        about.role = members.noted(read, about.role.clone())?;
    }
    if let Some(handler) = members.text_within("Handler", 128)? {
        if handler.is_empty() || handler.contains(char::is_whitespace) {
            members.noted(Err(LambdaError::not_a_name(handler, "handler", "[^\\s]+")), ())?;
        }
        configuration.handler = handler.to_owned();
    }
    if let Some(description) = members.text_within("Description", 256)? {
        about.description = description.to_owned();
    }
    if let Some(secs) = members.number("Timeout", 1, 900)? {
        let timeout = FunctionTimeout::try_from(Duration::from_secs(secs.into()));
        configuration.timeout = timeout.map_err(|error| invalid(&error))?;
    }
    if let Some(megabytes) = members.number("MemorySize", 128, 10_240)? {
        let memory = FunctionMemory::try_from(u64::from(megabytes));
        configuration.memory = memory.map_err(|error| invalid(&error))?;
    }
    if let Some(storage) = members.object("EphemeralStorage")?
        && let Some(size) = storage.number("Size", 512, 10_240)?
    {
        let size = EphemeralStorage::try_from(u64::from(size));
        configuration.ephemeral_storage = size.map_err(|error| invalid(&error))?;
    }
    if let Some(mode) = members.object("TracingConfig")? {
        let tracing = match mode.text("Mode")? {
            Some("Active") => Ok(Tracing::Active),
            None | Some("PassThrough") => Ok(Tracing::PassThrough),
            Some(other) => Err(LambdaError::not_in_set(
                other,
                "tracingConfig.mode",
                "[Active, PassThrough]",
            )),
        };
        about.tracing = members.noted(tracing, about.tracing)?;
    }
    if let Some(environment) = members.object("Environment")? {
        members.noted(check_names(&environment), ())?;
    }
    Ok(())
}

/// Source: Lambda 1.2, 8.3. AWS does not repeat the variables: they may be secrets.
fn check_names(environment: &Members<'_>) -> Result<(), LambdaError> {
    let is_bad = |name: &str| {
        let alone = BTreeMap::from([(name.to_owned(), Secret::new(String::new()))]);
        // A reserved name need not fit; it has an error of its own.
        match Environment::new(alone) {
            Err(EnvironmentRefusal::Reserved(_)) => false,
            Err(EnvironmentRefusal::Name(_)) => true,
            _ => name.len() < 2,
        }
    };
    let pairs = environment.pairs("Variables")?.unwrap_or_default();
    match pairs.iter().any(|(name, _)| is_bad(name)) {
        false => Ok(()),
        true => Err(bad_name()),
    }
}

fn bad_name() -> LambdaError {
    let place = "environment.variables";
    let text = format!(
        "Value at '{place}' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular \
         expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]"
    );
    LambdaError::violation(place, text)
}

/// `Architectures`.
pub(super) fn architecture(members: &Members<'_>) -> Result<Option<Architecture>, LambdaError> {
    let Some(list) = members.texts("Architectures")? else {
        return Ok(None);
    };
    let shown = format!("[{}]", list.join(", "));
    let read = match list[..] {
        ["x86_64"] => Ok(Some(Architecture::X8664)),
        ["arm64"] => Ok(Some(Architecture::Arm64)),
        [] => Err(LambdaError::constraint(
            &shown,
            "architectures",
            "have length greater than or equal to 1",
        )),
        [_] => {
            let rule =
                "satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]";
            Err(LambdaError::constraint(&shown, "architectures", rule))
        }
        _ => Err(LambdaError::constraint(
            &shown,
            "architectures",
            "have length less than or equal to 1",
        )),
    };
    members.noted(read, None)
}

/// Runtimes that AWS had once, and creates and updates no more. Source: Lambda 1.8.
const BLOCKED: [&str; 20] = [
    "nodejs",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "python2.7",
    "python3.6",
    "python3.7",
    "java8",
    "go1.x",
    "provided",
    "ruby2.5",
    "ruby2.7",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
];

/// Source: Lambda 8.4.
fn runtime(text: &str) -> Result<Runtime, LambdaError> {
    Runtime::try_from(text).map_err(|refusal| match refusal {
        _ if BLOCKED.contains(&text) => LambdaError::invalid_parameter(&format!(
            "The runtime parameter of {text} is no longer supported for creating or updating AWS Lambda functions. We \
             recommend you use a supported runtime while creating or updating functions."
        )),
        RuntimeRefusal::NotBuilt(_) => LambdaError::not_built(&format!("the runtime {text} is not built yet")),
        refusal => {
            let set = refusal.to_string();
            let set = set.rsplit_once("expected ").map_or("", |(_, set)| set);
            LambdaError::invalid_parameter(&format!(
                "Value {text} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{set}] or be \
                 a valid ARN"
            ))
        }
    })
}

/// Source: Lambda 8.4.
fn environment(members: &Members<'_>) -> Result<Environment, LambdaError> {
    let pairs = members.pairs("Variables")?.unwrap_or_default();
    let is_reserved = |name: &str| {
        let alone = BTreeMap::from([(name.to_owned(), Secret::new(String::new()))]);
        matches!(Environment::new(alone), Err(EnvironmentRefusal::Reserved(_)))
    };
    let reserved: Vec<&str> = pairs
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| is_reserved(name))
        .collect();
    let unable = "Lambda was unable to configure your environment variables because the environment variables you have \
                  provided";
    if !reserved.is_empty() {
        let reserved = reserved.join(", ");
        return Err(LambdaError::invalid_parameter(&format!(
            "{unable} contains reserved keys that are currently not supported for modification. Reserved keys used in this \
             request: {reserved}"
        )));
    }
    let variables = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Secret::new((*value).to_owned())));
    Environment::new(variables.collect()).map_err(|refusal| match refusal {
        EnvironmentRefusal::TooLarge(_) => {
            let all: serde_json::Map<_, _> = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).into()))
                .collect();
            let measured = serde_json::Value::Object(all);
            LambdaError::invalid_parameter(&format!("{unable} exceeded the 4KB limit. String measured: {measured}"))
        }
        EnvironmentRefusal::Name(_) => bad_name(),
        refusal => LambdaError::invalid_parameter(&refusal.to_string()),
    })
}

/// What is not given stays, but levels go with the format that has them.
fn logging(members: &Members<'_>, before: &Logging) -> Result<Logging, LambdaError> {
    let format = members.text("LogFormat")?;
    let (application, system) = (members.text("ApplicationLogLevel")?, members.text("SystemLogLevel")?);
    let is_json = match format {
        Some("JSON") => true,
        Some("Text") => false,
        None => before.format != LogFormat::Text,
        Some(other) => {
            let wrong = LambdaError::not_in_set(other, "loggingConfig.logFormat", "[JSON, Text]");
            members.noted(Err(wrong), true)?
        }
    };
    let format = match is_json {
        false if application.is_some() || system.is_some() => {
            return Err(LambdaError::invalid_parameter(
                "Log levels are supported with the log format JSON only.",
            ));
        }
        false => LogFormat::Text,
        true => {
            let (mut application_level, mut system_level) = match before.format {
                LogFormat::Json {
                    application_level,
                    system_level,
                } => (application_level, system_level),
                LogFormat::Text => Default::default(),
            };
            if let Some(text) = application {
                application_level = members.noted(self::application_level(text), application_level)?;
            }
            if let Some(text) = system {
                system_level = members.noted(self::system_level(text), system_level)?;
            }
            LogFormat::Json {
                application_level,
                system_level,
            }
        }
    };
    let group = match members.text("LogGroup")? {
        None => before.group.clone(),
        Some(text) => {
            let group = LogGroupName::try_from(text).map(Some);
            let group =
                group.map_err(|_| LambdaError::not_a_name(text, "loggingConfig.logGroup", "[\\.\\-_/#A-Za-z0-9]+"));
            members.noted(group, None)?
        }
    };
    Ok(Logging { format, group })
}

fn application_level(text: &str) -> Result<ApplicationLogLevel, LambdaError> {
    use ApplicationLogLevel::{Debug, Error, Fatal, Info, Trace, Warn};
    let mut all = [Trace, Debug, Info, Warn, Error, Fatal].into_iter();
    all.find(|level| level.as_str() == text).ok_or_else(|| {
        let set = "[TRACE, DEBUG, INFO, WARN, ERROR, FATAL]";
        LambdaError::not_in_set(text, "loggingConfig.applicationLogLevel", set)
    })
}

fn system_level(text: &str) -> Result<SystemLogLevel, LambdaError> {
    use SystemLogLevel::{Debug, Info, Warn};
    let mut all = [Debug, Info, Warn].into_iter();
    all.find(|level| level.as_str() == text)
        .ok_or_else(|| LambdaError::not_in_set(text, "loggingConfig.systemLogLevel", "[DEBUG, INFO, WARN]"))
}

/// The layers' packages, as they are now. Source: Lambda 8.4.
fn layers(
    call: &Call<'_>,
    list: &[&str],
    before: &[AttachedLayer],
) -> Result<(Layers, Vec<AttachedLayer>), LambdaError> {
    if list.len() > 5 {
        return Err(LambdaError::invalid_parameter("Cannot reference more than 5 layers."));
    }
    let mut attached: Vec<AttachedLayer> = Vec::new();
    for text in list {
        let arn = LayerVersionArn::try_from(*text).map_err(|_| {
            LambdaError::not_a_name(
                text,
                "layers",
                "arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+",
            )
        })?;
        let region = call.scope.region.to_string();
        if arn.region() != region {
            return Err(LambdaError::invalid_parameter(&format!(
                "Layers are not in the same region as the function. Layers are expected to be in region {region}."
            )));
        }
        layers::check_open(call, layers::GET, &arn.layer(), &arn)?;
        if let Some(other) = attached.iter().find(|other| other.arn.layer() == arn.layer()) {
            return Err(LambdaError::invalid_parameter(&format!(
                "Two different versions of the same layer are not allowed to be referenced in the same function. {} and \
                 {arn} are versions of the same layer.",
                other.arn
            )));
        }
        let version = call.state.lambda().layer_version(&arn);
        // One that is gone may stay where it is already.
        let before = before.iter().find(|layer| layer.arn == arn).map(|it| &it.package);
        let package = version
            .map(|version| &version.package)
            .or(before)
            .ok_or_else(|| LambdaError::invalid_parameter(&format!("Layer version {arn} does not exist.")))?;
        let package = package.clone();
        attached.push(AttachedLayer { arn, package });
    }
    let codes = attached.iter().map(|layer| code(&layer.package)).collect::<Vec<_>>();
    let layers = Layers::try_from(codes).map_err(|error| LambdaError::invalid_parameter(&error.to_string()))?;
    Ok((layers, attached))
}

/// A package as code.
pub(super) fn code(package: &Package) -> Code {
    Code {
        location: CodeLocation::Package(package.digest),
        revision: package.digest.to_string().into(),
    }
}
