//! Functions. Source: Lambda 1.2, 1.3, 3.2.

use crate::arn::FunctionArn;
use crate::ids::Owner;
use crate::lambda::about::RoleArn;
use crate::lambda::logging::Logging;
use crate::lambda::package::PackageDigest;
use crate::lambda::runtime::Runtime;
use crate::limits::{
    EPHEMERAL_STORAGE_MB, FUNCTION_ENVIRONMENT_BYTES_MAX, FUNCTION_LAYERS_MAX, FUNCTION_MEMORY_MB, FUNCTION_NAME_CHARS,
    FUNCTION_TIMEOUT_SECS,
};
use crate::secret::Secret;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One function, its unpublished version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its ARN.
    pub arn: FunctionArn,
    /// Its name.
    pub name: FunctionName,
    /// How it is run.
    pub configuration: FunctionConfiguration,
    /// What is run.
    pub code: Code,
    /// Who may change it.
    pub owner: Owner,
}

/// How a function is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionConfiguration {
    /// The runtime identifier.
    pub runtime: Runtime,
    /// The handler, handed to the runtime as `_HANDLER`.
    pub handler: String,
    /// How long one invocation may take. 1 to 900 seconds.
    pub timeout: FunctionTimeout,
    /// Memory. 128 to 10240 MB.
    pub memory: FunctionMemory,
    /// The function's own environment variables.
    pub environment: Environment,
    /// Reserved concurrency: how many invocations may run at once. `None` is the account's limit.
    pub concurrency: Option<u32>,
    /// What its log looks like and where it goes.
    pub logging: Logging,
    /// Environments of the function itself that are kept ready. The manifest's way, which has no versions; through the API
    /// it is a matter of versions and aliases.
    pub provisioned: u32,
    /// What its `/tmp` holds.
    pub ephemeral_storage: EphemeralStorage,
    /// What lies at `/opt`.
    pub layers: Layers,
    /// What it reaches; albacore's own setting. `None`: [`Network::Outbound`] where this machine can give it, and otherwise
    /// [`Network::None`]; in the tier `process`, [`Network::Host`].
    pub network: Option<Network>,
    /// As whom it calls AWS's APIs; albacore's own setting.
    pub aws_api: AwsApi,
}

/// As whom a function calls AWS's APIs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AwsApi {
    /// The role that the AWS API was told; without one, that of the function's own name.
    #[default]
    OwnRole,
    /// This role.
    Role(RoleArn),
    /// Nobody: it has no way to them.
    None,
}

/// What a function reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// The Runtime API and nothing else.
    None,
    /// Public addresses, and names.
    Outbound,
    /// The same, and addresses of private networks that this machine reaches.
    OutboundAndPrivate,
    /// What this machine reaches, its own services included.
    Host,
}

/// What a function runs, found on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Where it lies.
    pub location: CodeLocation,
    /// Changes whenever the code does, so that new environments run the new code.
    pub revision: Arc<str>,
}

/// Where a function's code lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeLocation {
    /// A folder; `provided.*` runs the file `bootstrap` in it.
    Folder(PathBuf),
    /// One executable, run as it is from its own folder.
    Executable(PathBuf),
    /// A zip file, unpacked before it is run. The revision is that of the file as it was found.
    Zip(PathBuf),
    /// A zip file that the AWS API was given, kept by what is in it.
    Package(PackageDigest),
}

/// The layers of a function: at most five folders or zip files, whose contents are laid into `/opt` one after the other, so
/// that a later one replaces what an earlier one has put there. Source: Lambda 1.7.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layers(Vec<Code>);

/// Why layers are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayersRefusal {
    /// More than there may be.
    #[error("a function has at most {FUNCTION_LAYERS_MAX} layers, and here are {0}")]
    TooMany(usize),
    /// A single file that is no package.
    #[error("the layer {} is neither a folder nor a zip file", .0.display())]
    NoPackage(PathBuf),
}

impl TryFrom<Vec<Code>> for Layers {
    type Error = LayersRefusal;

    fn try_from(layers: Vec<Code>) -> Result<Self, LayersRefusal> {
        if layers.len() > FUNCTION_LAYERS_MAX {
            return Err(LayersRefusal::TooMany(layers.len()));
        }
        for layer in &layers {
            if let CodeLocation::Executable(path) = &layer.location {
                return Err(LayersRefusal::NoPackage(path.clone()));
            }
        }
        Ok(Self(layers))
    }
}

impl Layers {
    /// In the order in which they are laid into `/opt`.
    pub fn in_order(&self) -> &[Code] {
        &self.0
    }

    /// Has the function none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A function's name: 1 to 64 letters, digits, hyphens and underscores.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionName(Arc<str>);

/// Not a function's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("function name {0:?} must be 1 to 64 letters, digits, hyphens and underscores")]
pub struct InvalidFunctionName(String);

impl TryFrom<&str> for FunctionName {
    type Error = InvalidFunctionName;

    fn try_from(text: &str) -> Result<Self, InvalidFunctionName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if FUNCTION_NAME_CHARS.contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidFunctionName(text.to_owned()))
        }
    }
}

impl FunctionName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// How long an invocation may take: whole seconds, 1 to 900. Default 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionTimeout(u32);

/// Not a timeout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a function's timeout of {0:?} is not whole seconds between 1 and 900")]
pub struct InvalidTimeout(pub Duration);

impl TryFrom<Duration> for FunctionTimeout {
    type Error = InvalidTimeout;

    fn try_from(duration: Duration) -> Result<Self, InvalidTimeout> {
        match u32::try_from(duration.as_secs()) {
            Ok(secs) if FUNCTION_TIMEOUT_SECS.contains(&secs) && duration.subsec_nanos() == 0 => Ok(Self(secs)),
            _ => Err(InvalidTimeout(duration)),
        }
    }
}

impl Default for FunctionTimeout {
    fn default() -> Self {
        Self(3)
    }
}

impl FunctionTimeout {
    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

/// A function's memory: 128 to 10240 MB. Default 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionMemory(u32);

/// Not a memory size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a function's memory of {0} MB is not between 128 and 10240")]
pub struct InvalidMemory(pub u64);

impl TryFrom<u64> for FunctionMemory {
    type Error = InvalidMemory;

    fn try_from(megabytes: u64) -> Result<Self, InvalidMemory> {
        match u32::try_from(megabytes) {
            Ok(size) if FUNCTION_MEMORY_MB.contains(&size) => Ok(Self(size)),
            _ => Err(InvalidMemory(megabytes)),
        }
    }
}

impl Default for FunctionMemory {
    fn default() -> Self {
        Self(128)
    }
}

impl FunctionMemory {
    /// In MB.
    pub fn megabytes(self) -> u32 {
        self.0
    }
}

/// What a function's `/tmp` holds: 512 to 10240 MB. Default 512.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EphemeralStorage(u32);

/// Not a size of `/tmp`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an ephemeral storage of {0} MB is not between 512 and 10240")]
pub struct InvalidEphemeralStorage(pub u64);

impl TryFrom<u64> for EphemeralStorage {
    type Error = InvalidEphemeralStorage;

    fn try_from(megabytes: u64) -> Result<Self, InvalidEphemeralStorage> {
        match u32::try_from(megabytes) {
            Ok(size) if EPHEMERAL_STORAGE_MB.contains(&size) => Ok(Self(size)),
            _ => Err(InvalidEphemeralStorage(megabytes)),
        }
    }
}

impl Default for EphemeralStorage {
    fn default() -> Self {
        Self(512)
    }
}

impl EphemeralStorage {
    /// In MB.
    pub fn megabytes(self) -> u32 {
        self.0
    }

    /// In bytes.
    pub fn bytes(self) -> u64 {
        u64::from(self.0) * 1024 * 1024
    }
}

/// A function's own environment variables. Names and sizes are checked, values are secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, Secret<String>>);

/// Why environment variables are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentRefusal {
    /// Not a variable's name.
    #[error("environment variable {0:?}: a name is a letter followed by letters, digits and underscores")]
    Name(String),
    /// Lambda sets it itself.
    #[error("environment variable {0:?} is reserved: Lambda sets it itself")]
    Reserved(String),
    /// A NUL byte in the value.
    #[error("environment variable {0:?} has a NUL byte in its value")]
    Nul(String),
    /// All together too large.
    #[error("the environment variables take {0} bytes as JSON; the limit is {FUNCTION_ENVIRONMENT_BYTES_MAX}")]
    TooLarge(usize),
}

/// Variables that Lambda sets and refuses in a function's configuration. Source: Lambda 3.2.
const RESERVED: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

impl Environment {
    /// Checks names, values and the size of all together.
    pub fn new(variables: BTreeMap<String, Secret<String>>) -> Result<Self, EnvironmentRefusal> {
        // The braces of the JSON object; each entry adds quotes, a colon and (but for the last) a comma.
        let mut bytes = if variables.is_empty() { 2 } else { 1 };
        for (name, value) in &variables {
            if RESERVED.contains(&name.as_str()) {
                return Err(EnvironmentRefusal::Reserved(name.clone()));
            }
            let letter_first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
            if !letter_first || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(EnvironmentRefusal::Name(name.clone()));
            }
            if value.expose().contains('\0') {
                return Err(EnvironmentRefusal::Nul(name.clone()));
            }
            bytes += name.len() + json_bytes(value.expose()) + 6;
        }
        if bytes > FUNCTION_ENVIRONMENT_BYTES_MAX {
            return Err(EnvironmentRefusal::TooLarge(bytes));
        }
        Ok(Self(variables))
    }

    /// The variables by name.
    pub fn variables(&self) -> &BTreeMap<String, Secret<String>> {
        &self.0
    }
}

/// How many bytes `text` takes inside a JSON string.
fn json_bytes(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            c if c < ' ' => 6,
            c => c.len_utf8(),
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str, value: &str) -> Result<Environment, EnvironmentRefusal> {
        Environment::new(BTreeMap::from([(name.to_owned(), Secret::new(value.to_owned()))]))
    }

    #[test]
    fn reserved_and_malformed_variables_are_refused() {
        assert!(environment("STAGE", "dev").is_ok());
        assert!(environment("PATH", "/bin").is_ok(), "not reserved");
        assert_eq!(
            environment("AWS_REGION", "x"),
            Err(EnvironmentRefusal::Reserved("AWS_REGION".into()))
        );
        for bad in ["", "1A", "A-B", "A=B", "_A", "Ä"] {
            assert_eq!(environment(bad, "x"), Err(EnvironmentRefusal::Name(bad.into())));
        }
        assert_eq!(environment("A", "x\0"), Err(EnvironmentRefusal::Nul("A".into())));
    }

    #[test]
    fn the_size_is_that_of_the_compact_json() {
        let fits = 4096 - r#"{"A":""}"#.len();
        assert!(environment("A", &"x".repeat(fits)).is_ok());
        assert_eq!(
            environment("A", &"x".repeat(fits + 1)),
            Err(EnvironmentRefusal::TooLarge(4097))
        );
        assert_eq!(
            environment("A", &"\n".repeat(fits)),
            Err(EnvironmentRefusal::TooLarge(8 + 2 * fits))
        );
    }

    #[test]
    fn values_do_not_reach_debug_output() {
        assert!(!format!("{:?}", environment("A", "hunter2")).contains("hunter2"));
    }

    #[test]
    fn layers_are_at_most_five_packages() {
        let layer = |location| Code {
            location,
            revision: "1".into(),
        };
        let folders = |count| vec![layer(CodeLocation::Folder("/srv/a".into())); count];
        assert!(Layers::try_from(folders(0)).unwrap().is_empty());
        assert_eq!(Layers::try_from(folders(5)).unwrap().in_order().len(), 5);
        assert_eq!(Layers::try_from(folders(6)), Err(LayersRefusal::TooMany(6)));
        let file = PathBuf::from("/srv/run");
        let refused = Layers::try_from(vec![layer(CodeLocation::Executable(file.clone()))]);
        assert_eq!(refused, Err(LayersRefusal::NoPackage(file)));
    }

    #[test]
    fn ranges() {
        assert!(FunctionTimeout::try_from(Duration::from_secs(900)).is_ok());
        for bad in [Duration::ZERO, Duration::from_secs(901), Duration::from_millis(1500)] {
            assert_eq!(FunctionTimeout::try_from(bad), Err(InvalidTimeout(bad)));
        }
        assert!(FunctionMemory::try_from(128).is_ok() && FunctionMemory::try_from(10_240).is_ok());
        assert!(FunctionMemory::try_from(127).is_err() && FunctionMemory::try_from(10_241).is_err());
        assert!(EphemeralStorage::try_from(512).is_ok() && EphemeralStorage::try_from(10_240).is_ok());
        assert!(EphemeralStorage::try_from(511).is_err() && EphemeralStorage::try_from(10_241).is_err());
    }
}
