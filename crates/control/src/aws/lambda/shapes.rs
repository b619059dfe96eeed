//! Functions, versions and aliases as the API shows them. Source: Lambda 1.4, 1.5, 8.7.

use super::input;
use super::policy::uuid;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::FunctionArn;
use model::lambda::about::{About, FunctionRecord, Status};
use model::lambda::alias::Alias;
use model::lambda::function::{AwsApi, Function};
use model::lambda::logging::LogFormat;
use model::lambda::package::PackageDigest;
use model::lambda::version::Version;
use serde_json::{Map, Value, json};

/// What is being shown.
pub(super) struct Shown<'a> {
    pub(super) function: &'a Function,
    /// None of a function of the manifest: of what only the API knows, nothing is shown.
    pub(super) about: Option<&'a About>,
    /// Qualified as it was asked for.
    pub(super) arn: String,
    /// `$LATEST` or a number.
    pub(super) version: String,
    pub(super) description: Option<&'a str>,
    pub(super) progress: Progress<'a>,
}

/// How far it is.
pub(super) enum Progress<'a> {
    /// Lists do not say.
    Untold,
    /// A version, or a function of the manifest.
    Done,
    /// A function of the API.
    Of(&'a FunctionRecord),
    /// A version that has just been published with an update.
    Creating,
}

pub(super) fn version(version: &Version) -> Shown<'_> {
    Shown {
        function: &version.function,
        about: Some(&version.about),
        arn: version.arn().to_string(),
        version: version.number.to_string(),
        description: version.description.as_deref(),
        progress: Progress::Done,
    }
}

impl Shown<'_> {
    /// `FunctionConfiguration`.
    pub(super) fn document(&self) -> Value {
        let (function, configuration) = (self.function, &self.function.configuration);
        let mut all = Map::new();
        let mut set = |name: &str, value: Value| {
            all.insert(name.to_owned(), value);
        };
        set("FunctionName", json!(function.name.as_str()));
        set("FunctionArn", json!(self.arn));
        set("Runtime", json!(configuration.runtime.as_str()));
        set("Handler", json!(configuration.handler));
        set("Timeout", json!(configuration.timeout.duration().as_secs()));
        set("MemorySize", json!(configuration.memory.megabytes()));
        set("Version", json!(self.version));
        set("PackageType", json!("Zip"));
        set("SnapStart", json!({ "ApplyOn": "None", "OptimizationStatus": "Off" }));
        set(
            "RuntimeVersionConfig",
            json!({ "RuntimeVersionArn": runtime_version(function) }),
        );
        set("LoggingConfig", logging(function));
        let has_environment = self
            .about
            .map_or(!configuration.environment.variables().is_empty(), |it| {
                it.has_environment
            });
        if has_environment {
            let variables = configuration.environment.variables().iter();
            let variables: Map<_, _> = variables
                .map(|(name, value)| (name.clone(), json!(value.expose())))
                .collect();
            set("Environment", json!({ "Variables": variables }));
        }
        if let (None, AwsApi::Role(role)) = (self.about, &configuration.aws_api) {
            set("Role", json!(role.as_str()));
        }
        if let Some(about) = self.about {
            set("Role", json!(about.role.as_str()));
            set("CodeSize", json!(about.package.bytes));
            set("CodeSha256", json!(base64(&about.package.digest)));
            set("LastModified", json!(input::shown(about.last_modified)));
            set("RevisionId", json!(uuid(about.revision)));
            if let Some(vpc) = &about.vpc {
                set("VpcConfig", super::vpc::shown(vpc));
            }
            if !about.layers.is_empty() {
                let layer = |it: &model::lambda::about::AttachedLayer| json!({ "Arn": it.arn.as_str(), "CodeSize": it.package.bytes });
                set("Layers", about.layers.iter().map(layer).collect());
            }
        }
        let about = self.about;
        set(
            "Description",
            json!(
                self.description
                    .or(about.map(|it| it.description.as_str()))
                    .unwrap_or_default()
            ),
        );
        let tracing = about.map(|it| it.tracing).unwrap_or_default();
        set("TracingConfig", json!({ "Mode": tracing.as_str() }));
        let architecture = about.map(|it| it.architecture).unwrap_or_default();
        set("Architectures", json!([architecture.as_str()]));
        set(
            "EphemeralStorage",
            json!({ "Size": configuration.ephemeral_storage.megabytes() }),
        );
        self.progress.write(&mut all);
        Value::Object(all)
    }
}

impl Progress<'_> {
    fn write(&self, all: &mut Map<String, Value>) {
        const CREATING: [&str; 2] = ["The function is being created.", "Creating"];
        let mut set = |name: &str, value: &str| {
            all.insert(name.to_owned(), json!(value));
        };
        match self {
            Self::Untold => {}
            Self::Done => {
                set("State", "Active");
                set("LastUpdateStatus", "Successful");
            }
            Self::Creating => {
                set("State", "Pending");
                set("StateReason", CREATING[0]);
                set("StateReasonCode", CREATING[1]);
            }
            Self::Of(record) => match &record.status {
                Status::Pending => Progress::Creating.write(all),
                Status::Active => Progress::Done.write(all),
                Status::Failed(why) => {
                    set("State", "Failed");
                    set("StateReason", why);
                    set("StateReasonCode", "InvalidZipFileException");
                }
                Status::Updating(_) => {
                    set("State", "Active");
                    set("LastUpdateStatus", "InProgress");
                    set("LastUpdateStatusReason", CREATING[0]);
                    set("LastUpdateStatusReasonCode", CREATING[1]);
                }
                Status::UpdateFailed(why) => {
                    set("State", "Active");
                    set("LastUpdateStatus", "Failed");
                    set("LastUpdateStatusReason", why);
                    set("LastUpdateStatusReasonCode", "InvalidZipFileException");
                }
            },
        }
    }
}

fn logging(function: &Function) -> Value {
    let logging = &function.configuration.logging;
    let group = match &logging.group {
        Some(group) => group.to_string(),
        None => format!("/aws/lambda/{}", function.name),
    };
    match logging.format {
        LogFormat::Text => json!({ "LogFormat": "Text", "LogGroup": group }),
        LogFormat::Json {
            application_level,
            system_level,
        } => json!({
            "LogFormat": "JSON",
            "ApplicationLogLevel": application_level.as_str(),
            "SystemLogLevel": system_level.as_str(),
            "LogGroup": group,
        }),
    }
}

/// A name for the runtime of this host: there are no runtime versions here, and the field must be there.
fn runtime_version(function: &Function) -> String {
    let mut parts = function.arn.as_str().split(':');
    let (partition, region) = (parts.nth(1).unwrap_or_default(), parts.nth(1).unwrap_or_default());
    let digest = store::packages::package_of(function.configuration.runtime.as_str().as_bytes()).digest;
    format!("arn:{partition}:lambda:{region}::runtime:{digest}")
}

/// As `CodeSha256` has it.
pub(super) fn base64(digest: &PackageDigest) -> String {
    STANDARD.encode(digest.0)
}

/// A digest as a caller writes it.
pub(super) fn digest(text: &str) -> Option<PackageDigest> {
    let bytes = STANDARD.decode(text).ok()?;
    Some(PackageDigest(bytes.try_into().ok()?))
}

pub(super) fn alias(alias: &Alias) -> Value {
    let mut shown = json!({
        "AliasArn": alias.arn.as_str(),
        "Name": alias.arn.qualifier(),
        "FunctionVersion": alias.version.to_string(),
        "Description": alias.description,
        "RevisionId": uuid(alias.revision),
    });
    if let Some(routing) = alias.routing {
        let weights = Map::from_iter([(routing.version.to_string(), json!(routing.weight.get()))]);
        shown["RoutingConfig"] = json!({ "AdditionalVersionWeights": weights });
    }
    shown
}

/// The ARN with a qualifier, `$LATEST` included.
pub(super) fn qualified(arn: &FunctionArn, qualifier: &str) -> String {
    format!("{}:{qualifier}", arn.unqualified())
}
