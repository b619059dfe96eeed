//! Functions, with their environment variables: they may be secrets.

use super::value::{Lasting, StoredPath, Text, Word};
use super::{Invalid, Shape};
use model::lambda::about::RoleArn;
use model::lambda::function::{
    AwsApi, Code, CodeLocation, Environment, EphemeralStorage, Function, FunctionConfiguration, FunctionMemory,
    FunctionName, FunctionTimeout, Layers, Network,
};
use model::lambda::logging::{ApplicationLogLevel, LogFormat, LogGroupName, Logging, SystemLogLevel};
use model::lambda::package::PackageDigest;
use model::lambda::runtime::Runtime;
use model::{FunctionArn, Owner, Secret};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FunctionV1 {
    arn: Text<FunctionArn>,
    name: Text<FunctionName>,
    configuration: ConfigurationV1,
    code: CodeV1,
    owner: Word<Owner>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigurationV1 {
    runtime: Text<Runtime>,
    handler: String,
    timeout_secs: Lasting,
    memory_mb: u32,
    environment: BTreeMap<String, String>,
    concurrency: Option<u32>,
    provisioned: u32,
    ephemeral_storage_mb: u32,
    logging: LoggingV1,
    layers: Vec<CodeV1>,
    network: Option<Word<Network>>,
    /// Not written where there is nothing to say; records from before it have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aws_api: Option<AwsApiV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AwsApiV1 {
    Role(Text<RoleArn>),
    None,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoggingV1 {
    format: LogFormatV1,
    group: Option<Text<LogGroupName>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum LogFormatV1 {
    Text,
    Json {
        application_level: Word<ApplicationLogLevel>,
        system_level: Word<SystemLogLevel>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeV1 {
    location: LocationV1,
    revision: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LocationV1 {
    Folder(StoredPath),
    Executable(StoredPath),
    Zip(StoredPath),
    Package(Text<PackageDigest>),
}

impl Shape for FunctionV1 {
    type Resource = Function;

    fn of(resource: &Function) -> Self {
        let Function {
            arn,
            name,
            configuration,
            code,
            owner,
        } = resource;
        Self {
            arn: Text(arn.clone()),
            name: Text(name.clone()),
            configuration: ConfigurationV1::of(configuration),
            code: CodeV1::of(code),
            owner: Word(*owner),
        }
    }

    fn into_resource(self) -> Result<Function, Invalid> {
        Ok(Function {
            arn: self.arn.0,
            name: self.name.0,
            configuration: self.configuration.into_configuration()?,
            code: self.code.into_code(),
            owner: self.owner.0,
        })
    }
}

impl ConfigurationV1 {
    fn of(configuration: &FunctionConfiguration) -> Self {
        let FunctionConfiguration {
            runtime,
            handler,
            timeout,
            memory,
            environment,
            concurrency,
            provisioned,
            ephemeral_storage,
            logging: Logging { format, group },
            layers,
            network,
            aws_api,
        } = configuration;
        let variables = environment.variables().iter();
        Self {
            runtime: Text(*runtime),
            handler: handler.clone(),
            timeout_secs: Lasting(timeout.duration()),
            memory_mb: memory.megabytes(),
            environment: variables
                .map(|(name, value)| (name.clone(), value.expose().clone()))
                .collect(),
            concurrency: *concurrency,
            provisioned: *provisioned,
            ephemeral_storage_mb: ephemeral_storage.megabytes(),
            logging: LoggingV1 {
                format: match *format {
                    LogFormat::Text => LogFormatV1::Text,
                    LogFormat::Json {
                        application_level,
                        system_level,
                    } => LogFormatV1::Json {
                        application_level: Word(application_level),
                        system_level: Word(system_level),
                    },
                },
                group: group.clone().map(Text),
            },
            layers: layers.in_order().iter().map(CodeV1::of).collect(),
            network: network.map(Word),
            aws_api: match aws_api {
                AwsApi::OwnRole => None,
                AwsApi::Role(role) => Some(AwsApiV1::Role(Text(role.clone()))),
                AwsApi::None => Some(AwsApiV1::None),
            },
        }
    }

    fn into_configuration(self) -> Result<FunctionConfiguration, Invalid> {
        let variables = self.environment.into_iter();
        let variables = variables.map(|(name, value)| (name, Secret::new(value))).collect();
        let layers: Vec<Code> = self.layers.into_iter().map(CodeV1::into_code).collect();
        Ok(FunctionConfiguration {
            runtime: self.runtime.0,
            handler: self.handler,
            timeout: FunctionTimeout::try_from(self.timeout_secs.0).map_err(Invalid::because)?,
            memory: FunctionMemory::try_from(u64::from(self.memory_mb)).map_err(Invalid::because)?,
            environment: Environment::new(variables).map_err(Invalid::because)?,
            concurrency: self.concurrency,
            provisioned: self.provisioned,
            ephemeral_storage: EphemeralStorage::try_from(u64::from(self.ephemeral_storage_mb))
                .map_err(Invalid::because)?,
            logging: Logging {
                format: match self.logging.format {
                    LogFormatV1::Text => LogFormat::Text,
                    LogFormatV1::Json {
                        application_level,
                        system_level,
                    } => LogFormat::Json {
                        application_level: application_level.0,
                        system_level: system_level.0,
                    },
                },
                group: self.logging.group.map(|it| it.0),
            },
            layers: Layers::try_from(layers).map_err(Invalid::because)?,
            network: self.network.map(|it| it.0),
            aws_api: match self.aws_api {
                None => AwsApi::OwnRole,
                Some(AwsApiV1::Role(role)) => AwsApi::Role(role.0),
                Some(AwsApiV1::None) => AwsApi::None,
            },
        })
    }
}

impl CodeV1 {
    fn of(code: &Code) -> Self {
        let Code { location, revision } = code;
        Self {
            location: match location {
                CodeLocation::Folder(path) => LocationV1::Folder(StoredPath::of(path)),
                CodeLocation::Executable(path) => LocationV1::Executable(StoredPath::of(path)),
                CodeLocation::Zip(path) => LocationV1::Zip(StoredPath::of(path)),
                CodeLocation::Package(digest) => LocationV1::Package(Text(*digest)),
            },
            revision: revision.to_string(),
        }
    }

    fn into_code(self) -> Code {
        Code {
            location: match self.location {
                LocationV1::Folder(path) => CodeLocation::Folder(path.into_path()),
                LocationV1::Executable(path) => CodeLocation::Executable(path.into_path()),
                LocationV1::Zip(path) => CodeLocation::Zip(path.into_path()),
                LocationV1::Package(digest) => CodeLocation::Package(digest.0),
            },
            revision: self.revision.into(),
        }
    }
}
