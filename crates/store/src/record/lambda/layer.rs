//! Layers: the number of the last version, and each version.

use super::super::value::{Text, Word};
use super::super::{Invalid, Shape};
use super::about::{PackageV1, read, written};
use model::lambda::about::Architecture;
use model::lambda::layer::{LayerArn, LayerStatement, LayerVersion, LayerVersionArn};
use model::lambda::policy::StatementId;
use model::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct LayerV1 {
    arn: Text<LayerArn>,
    version_last: u64,
}

impl Shape for LayerV1 {
    type Resource = (LayerArn, u64);

    fn of((arn, version_last): &Self::Resource) -> Self {
        Self {
            arn: Text(arn.clone()),
            version_last: *version_last,
        }
    }

    fn into_resource(self) -> Result<Self::Resource, Invalid> {
        Ok((self.arn.0, self.version_last))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct LayerVersionV1 {
    arn: Text<LayerVersionArn>,
    package: PackageV1,
    description: String,
    runtimes: Vec<String>,
    architectures: Vec<Word<Architecture>>,
    license: Option<String>,
    created_millis: u64,
    statements: Vec<StatementV1>,
    policy_revision: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatementV1 {
    id: Text<StatementId>,
    account: Option<Text<AccountId>>,
    organization: Option<String>,
}

impl Shape for LayerVersionV1 {
    type Resource = LayerVersion;

    fn of(resource: &LayerVersion) -> Self {
        let LayerVersion {
            arn,
            package,
            description,
            runtimes,
            architectures,
            license,
            created,
            statements,
            policy_revision,
        } = resource.clone();
        let statement = |it| {
            let LayerStatement {
                id,
                account,
                organization,
            } = it;
            StatementV1 {
                id: Text(id),
                account: account.map(Text),
                organization,
            }
        };
        Self {
            arn: Text(arn),
            package: PackageV1::of(&package),
            description,
            runtimes,
            architectures: architectures.into_iter().map(Word).collect(),
            license,
            created_millis: created.0,
            statements: statements.into_iter().map(statement).collect(),
            policy_revision: written(policy_revision),
        }
    }

    fn into_resource(self) -> Result<LayerVersion, Invalid> {
        let statement = |it: StatementV1| LayerStatement {
            id: it.id.0,
            account: it.account.map(|it| it.0),
            organization: it.organization,
        };
        Ok(LayerVersion {
            arn: self.arn.0,
            package: self.package.into_package(),
            description: self.description,
            runtimes: self.runtimes,
            architectures: self.architectures.into_iter().map(|it| it.0).collect(),
            license: self.license,
            created: Timestamp(self.created_millis),
            statements: self.statements.into_iter().map(statement).collect(),
            policy_revision: read(&self.policy_revision)?,
        })
    }
}
