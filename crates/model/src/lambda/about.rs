//! What the AWS API keeps about a function beside how it is run. Source: Lambda 1.3, 1.4.

use crate::arn::FunctionArn;
use crate::ids::Timestamp;
use crate::lambda::function::Function;
use crate::lambda::layer::LayerVersionArn;
use crate::lambda::package::Package;
use crate::lambda::vpc::VpcConfig;
use std::fmt;
use std::sync::Arc;

/// One version's settings that are shown and do not say how it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The execution role.
    pub role: RoleArn,
    /// At most 256 characters.
    pub description: String,
    /// What it runs.
    pub package: Package,
    /// As given; code runs on the processor that is there.
    pub architecture: Architecture,
    /// Was `Environment` ever given, be it empty?
    pub has_environment: bool,
    /// As given: there is nothing that traces are sent to.
    pub tracing: Tracing,
    /// As given, with what each layer's package was.
    pub layers: Vec<AttachedLayer>,
    /// None: it was never given.
    pub vpc: Option<VpcConfig>,
    /// When code or configuration were changed last.
    pub last_modified: Timestamp,
    /// Another one after every change. `RevisionId`.
    pub revision: u128,
}

/// A layer of a function: it goes on when the layer's version is deleted. Source: Lambda 1.7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedLayer {
    /// Which one.
    pub arn: LayerVersionArn,
    /// Its package.
    pub package: Package,
}

/// `Architectures`, of which there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// `x86_64`
    #[default]
    X8664,
    /// `arm64`
    Arm64,
}

impl Architecture {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X8664 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

/// `TracingConfig.Mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // AWS's words
pub enum Tracing {
    Active,
    #[default]
    PassThrough,
}

impl Tracing {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::PassThrough => "PassThrough",
        }
    }
}

/// The ARN of a role.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleArn(Arc<str>);

/// Not the ARN of a role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the ARN of a role")]
pub struct InvalidRoleArn(String);

impl TryFrom<&str> for RoleArn {
    type Error = InvalidRoleArn;

    /// Source: Lambda 1.2, `Role`.
    fn try_from(text: &str) -> Result<Self, InvalidRoleArn> {
        let is_role = || {
            let (partition, rest) = text.strip_prefix("arn:aws")?.split_once(":iam::")?;
            let (account, name) = rest.split_once(":role")?;
            let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'-';
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&byte);
            let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
            let fits = partition.bytes().all(is_letter) && is_account && name.bytes().all(is_name);
            (fits && !name.trim_start_matches('/').is_empty() && text.len() <= 10_000).then_some(())
        };
        match is_role() {
            Some(()) => Ok(Self(text.into())),
            None => Err(InvalidRoleArn(text.chars().take(200).collect())),
        }
    }
}

impl RoleArn {
    /// The whole ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What the AWS API keeps of a function, its unpublished version: those of the manifest have none.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionRecord {
    /// Whose it is. It goes when the function goes.
    pub function: FunctionArn,
    /// Its settings, as they serve.
    pub about: About,
    /// How far it is.
    pub status: Status,
    /// The highest number that a version of it ever had. 0: none yet.
    pub version_last: u64,
    /// `RecursiveLoop: Allow`.
    pub allows_recursion: bool,
    /// `UpdateRuntimeOn: FunctionUpdate`, and not `Auto`.
    pub updates_runtime_with_function: bool,
}

/// How far a function is with its last change. Source: Lambda 1.5.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// It is being created.
    Pending,
    /// It could not be created; the text says why.
    Failed(String),
    /// It serves as it is shown.
    Active,
    /// It serves as it was, and will serve as this says.
    Updating(Box<Next>),
    /// It serves as it was: the last update failed, and the text says why.
    UpdateFailed(String),
}

/// What a function becomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Next {
    /// How it is run then.
    pub function: Arc<Function>,
    /// Its settings then.
    pub about: About,
}

impl FunctionRecord {
    /// Settings and way to run, as the API shows them: those of an update as soon as it has begun.
    pub fn shown<'a>(&'a self, serving: &'a Arc<Function>) -> (&'a About, &'a Arc<Function>) {
        match &self.status {
            Status::Updating(next) => (&next.about, &next.function),
            Status::Pending | Status::Failed(_) | Status::Active | Status::UpdateFailed(_) => (&self.about, serving),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_of_accounts() {
        for good in [
            "arn:aws:iam::123456789012:role/r",
            "arn:aws-cn:iam::123456789012:role/path/to/r+=,.@-_",
        ] {
            assert_eq!(RoleArn::try_from(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "r",
            "arn:aws:iam::1:role/r",
            "arn:aws:iam::123456789012:user/r",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/a b",
            "arn:aws1:iam::123456789012:role/a",
        ] {
            assert!(RoleArn::try_from(bad).is_err(), "{bad}");
        }
    }
}
