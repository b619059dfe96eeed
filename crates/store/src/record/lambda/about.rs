//! What is kept about a function.

use super::super::function::FunctionV1;
use super::super::value::{Text, Word};
use super::super::{Invalid, Shape};
use model::ec2::ids::{SecurityGroupId, SubnetId, VpcId};
use model::lambda::about::{About, Architecture, AttachedLayer, FunctionRecord, Next, RoleArn, Status, Tracing};
use model::lambda::layer::LayerVersionArn;
use model::lambda::package::{Package, PackageDigest};
use model::lambda::vpc::{VpcAttachment, VpcConfig};
use model::{FunctionArn, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct FunctionRecordV1 {
    function: Text<FunctionArn>,
    about: AboutV1,
    status: StatusV1,
    version_last: u64,
    allows_recursion: bool,
    updates_runtime_with_function: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AboutV1 {
    role: Text<RoleArn>,
    description: String,
    package: PackageV1,
    architecture: Word<Architecture>,
    has_environment: bool,
    tracing: Word<Tracing>,
    layers: Vec<AttachedLayerV1>,
    /// Not written where it was never given; records from before it have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vpc: Option<VpcConfigV1>,
    last_modified_millis: u64,
    revision: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackageV1 {
    sha256: Text<PackageDigest>,
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttachedLayerV1 {
    arn: Text<LayerVersionArn>,
    package: PackageV1,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum VpcConfigV1 {
    Detached,
    Attached(VpcAttachmentV1),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VpcAttachmentV1 {
    vpc: Text<VpcId>,
    subnets: Vec<Text<SubnetId>>,
    security_groups: Vec<Text<SecurityGroupId>>,
    ipv6_allowed_for_dual_stack: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StatusV1 {
    Pending,
    Failed(String),
    Active,
    Updating(Box<NextV1>),
    UpdateFailed(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NextV1 {
    function: FunctionV1,
    about: AboutV1,
}

impl Shape for FunctionRecordV1 {
    type Resource = FunctionRecord;

    fn of(resource: &FunctionRecord) -> Self {
        let FunctionRecord {
            function,
            about,
            status,
            version_last,
            allows_recursion,
            updates_runtime_with_function,
        } = resource;
        Self {
            function: Text(function.clone()),
            about: AboutV1::of(about),
            status: match status {
                Status::Pending => StatusV1::Pending,
                Status::Failed(why) => StatusV1::Failed(why.clone()),
                Status::Active => StatusV1::Active,
                Status::Updating(next) => StatusV1::Updating(Box::new(NextV1 {
                    function: FunctionV1::of(&next.function),
                    about: AboutV1::of(&next.about),
                })),
                Status::UpdateFailed(why) => StatusV1::UpdateFailed(why.clone()),
            },
            version_last: *version_last,
            allows_recursion: *allows_recursion,
            updates_runtime_with_function: *updates_runtime_with_function,
        }
    }

    fn into_resource(self) -> Result<FunctionRecord, Invalid> {
        Ok(FunctionRecord {
            function: self.function.0,
            about: self.about.into_about()?,
            status: match self.status {
                StatusV1::Pending => Status::Pending,
                StatusV1::Failed(why) => Status::Failed(why),
                StatusV1::Active => Status::Active,
                StatusV1::Updating(next) => Status::Updating(Box::new(Next {
                    function: Arc::new(next.function.into_resource()?),
                    about: next.about.into_about()?,
                })),
                StatusV1::UpdateFailed(why) => Status::UpdateFailed(why),
            },
            version_last: self.version_last,
            allows_recursion: self.allows_recursion,
            updates_runtime_with_function: self.updates_runtime_with_function,
        })
    }
}

impl AboutV1 {
    pub(super) fn of(about: &About) -> Self {
        let About {
            role,
            description,
            package,
            architecture,
            has_environment,
            tracing,
            layers,
            vpc,
            last_modified,
            revision,
        } = about.clone();
        let layer = |AttachedLayer { arn, package }| AttachedLayerV1 {
            arn: Text(arn),
            package: PackageV1::of(&package),
        };
        Self {
            role: Text(role),
            description,
            package: PackageV1::of(&package),
            architecture: Word(architecture),
            has_environment,
            tracing: Word(tracing),
            layers: layers.into_iter().map(layer).collect(),
            vpc: vpc.map(VpcConfigV1::of),
            last_modified_millis: last_modified.0,
            revision: written(revision),
        }
    }

    pub(super) fn into_about(self) -> Result<About, Invalid> {
        let layer = |it: AttachedLayerV1| AttachedLayer {
            arn: it.arn.0,
            package: it.package.into_package(),
        };
        Ok(About {
            role: self.role.0,
            description: self.description,
            package: self.package.into_package(),
            architecture: self.architecture.0,
            has_environment: self.has_environment,
            tracing: self.tracing.0,
            layers: self.layers.into_iter().map(layer).collect(),
            vpc: self.vpc.map(VpcConfigV1::into_config),
            last_modified: Timestamp(self.last_modified_millis),
            revision: read(&self.revision)?,
        })
    }
}

impl VpcConfigV1 {
    fn of(config: VpcConfig) -> Self {
        match config {
            VpcConfig::Detached => Self::Detached,
            VpcConfig::Attached(VpcAttachment {
                vpc,
                subnets,
                security_groups,
                ipv6_allowed_for_dual_stack,
            }) => Self::Attached(VpcAttachmentV1 {
                vpc: Text(vpc),
                subnets: subnets.into_iter().map(Text).collect(),
                security_groups: security_groups.into_iter().map(Text).collect(),
                ipv6_allowed_for_dual_stack,
            }),
        }
    }

    fn into_config(self) -> VpcConfig {
        match self {
            Self::Detached => VpcConfig::Detached,
            Self::Attached(it) => VpcConfig::Attached(VpcAttachment {
                vpc: it.vpc.0,
                subnets: it.subnets.into_iter().map(|id| id.0).collect(),
                security_groups: it.security_groups.into_iter().map(|id| id.0).collect(),
                ipv6_allowed_for_dual_stack: it.ipv6_allowed_for_dual_stack,
            }),
        }
    }
}

impl PackageV1 {
    pub(super) fn of(package: &Package) -> Self {
        Self {
            sha256: Text(package.digest),
            bytes: package.bytes,
        }
    }

    pub(super) fn into_package(self) -> Package {
        Package {
            digest: self.sha256.0,
            bytes: self.bytes,
        }
    }
}

/// A revision as 32 hexadecimal digits.
pub(super) fn written(revision: u128) -> String {
    format!("{revision:032x}")
}

pub(super) fn read(text: &str) -> Result<u128, Invalid> {
    let is_written = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let revision = u128::from_str_radix(text, 16).ok().filter(|_| is_written);
    revision.ok_or_else(|| Invalid::because("the revision is not 32 hexadecimal digits"))
}
