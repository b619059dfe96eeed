//! Why a command on what the AWS API makes of functions is refused, in the domain's words.

use crate::arn::FunctionArn;
use crate::lambda::layer::LayerVersionArn;
use crate::lambda::package::PackageDigest;
use crate::lambda::policy::StatementId;
use crate::lambda::vpc::VpcRefusal;

/// Why it is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LambdaRefusal {
    /// Its code is a file or a folder of the manifest, and no package.
    #[error("function {0} has no package: its code is a file or a folder that the manifest names")]
    NoPackage(FunctionArn),
    /// What its `VpcConfig` names is not there.
    #[error(transparent)]
    Vpc(#[from] VpcRefusal),
    /// It is being created, or that failed.
    #[error("function {0} is not active yet")]
    NotActive(FunctionArn),
    /// An update of it has not come to its end.
    #[error("function {0} is being updated")]
    UpdateInProgress(FunctionArn),
    /// It has changed since the caller looked.
    #[error("the revision id is not the newest one")]
    StaleRevision,
    /// The policy of a layer's version has changed since the caller looked.
    #[error("the revision id is not the newest one of the policy")]
    StaleLayerPolicy,
    /// Its code is not what the caller expects.
    #[error("the code of {function} is {actual}, and not {given}")]
    OtherCode {
        /// The function.
        function: FunctionArn,
        /// What the caller expects, as the caller writes it.
        given: String,
        /// What it is.
        actual: PackageDigest,
    },
    /// There is no such version.
    #[error("version {0} does not exist")]
    NoSuchVersion(FunctionArn),
    /// An alias names it.
    #[error("version {version} is named by alias {alias}")]
    VersionInUse {
        /// The version.
        version: FunctionArn,
        /// One of the aliases.
        alias: FunctionArn,
    },
    /// Another alias of the function has the name.
    #[error("alias {0} exists already")]
    AliasTaken(FunctionArn),
    /// There is no such alias.
    #[error("alias {0} does not exist")]
    NoSuchAlias(FunctionArn),
    /// The additional version is the alias' own.
    #[error("version {0} is in the routing configuration already")]
    RoutedToItself(u64),
    /// `$LATEST` cannot share an alias.
    #[error("an alias of $LATEST has no additional version")]
    LatestRouted,
    /// What is left for functions without reserved concurrency would be too little.
    #[error("the unreserved concurrency of the account would be below {0}")]
    TooLittleUnreserved(u32),
    /// More is kept ready than would be reserved.
    #[error("{reserved} is less than the {provisioned} environments that are kept ready")]
    BelowProvisioned {
        /// What was asked for.
        reserved: u32,
        /// What is kept ready.
        provisioned: u32,
    },
    /// More would be kept ready than is reserved.
    #[error("more environments would be kept ready than the function's reserved concurrency")]
    AboveReserved,
    /// More would be kept ready than there is concurrency that nobody has reserved.
    #[error("only {0} of the account's concurrency is not reserved")]
    AboveUnreserved(u32),
    /// What is left of the account's concurrency for all others would be too little.
    #[error("with so many environments kept ready, the unreserved concurrency of the account would be below {0}")]
    ProvisionedLeavesTooLittle(u32),
    /// `$LATEST` has no environments that are kept ready, nor has an alias of it.
    #[error("provisioned concurrency is for published versions")]
    LatestProvisioned,
    /// The alias' version has environments of its own.
    #[error("the version of the alias has provisioned concurrency")]
    VersionProvisioned,
    /// An alias of the version has environments of its own.
    #[error("an alias of the version has provisioned concurrency")]
    AliasProvisioned,
    /// There is no such version of a layer.
    #[error("layer version {0} does not exist")]
    NoSuchLayerVersion(LayerVersionArn),
    /// Its policy has a statement with the id.
    #[error("the statement id {0} exists already")]
    StatementTaken(StatementId),
    /// Its policy has no such statement.
    #[error("the policy has no statement {0}")]
    NoSuchStatement(StatementId),
    /// It has no policy.
    #[error("layer version {0} has no policy")]
    NoPolicy(LayerVersionArn),
}
