//! What belongs to functions of the AWS API.

use super::{Draw, NAMES};
use model::ec2::ids::{SecurityGroupId, SubnetId, VpcId};
use model::lambda::about::{About, Architecture, AttachedLayer, FunctionRecord, Next, RoleArn, Status, Tracing};
use model::lambda::alias::{Alias, Routing, VersionRef, Weight};
use model::lambda::layer::{LayerArn, LayerStatement, LayerVersion};
use model::lambda::package::{Package, PackageDigest};
use model::lambda::policy::StatementId;
use model::lambda::resources::Change;
use model::lambda::version::{Provisioned, Version};
use model::lambda::vpc::{VpcAttachment, VpcConfig};
use model::{AccountId, FunctionArn, Timestamp};
use std::sync::Arc;

impl Draw {
    pub(super) fn lambda(&mut self) -> Change {
        match self.below(16) {
            0..3 => Change::PutRecord(Arc::new(self.function_record())),
            3 | 4 => Change::PutVersion(Arc::new(self.version())),
            5 => Change::DeleteVersion(self.version_arn().0),
            6 | 7 => Change::PutAlias(Arc::new(self.alias())),
            8 => Change::DeleteAlias(self.alias_arn()),
            9 => Change::PutProvisioned(Arc::new(Provisioned {
                target: self.alias_arn(),
                requested: 1 + self.below(900) as u32,
                last_modified: self.moment(),
            })),
            10 => Change::DeleteProvisioned(self.alias_arn()),
            11 | 12 => Change::NumberLayer(self.layer_arn(), self.number()),
            13 | 14 => Change::PutLayerVersion(Arc::new(self.layer_version())),
            _ => {
                let number = 1 + self.below(2) as u64;
                Change::DeleteLayerVersion(self.layer_arn().version(number))
            }
        }
    }

    pub(super) fn package(&mut self) -> Package {
        Package {
            digest: PackageDigest([self.pick(&[0, 7, 255]); 32]),
            bytes: self.pick(&[0, 276, 52_428_800]),
        }
    }

    fn about(&mut self) -> About {
        let layers = self.some(2, |draw| AttachedLayer {
            arn: draw.layer_arn().version(12),
            package: draw.package(),
        });
        About {
            role: RoleArn::try_from("arn:aws:iam::000000000000:role/path/r").unwrap(),
            description: self.text(),
            package: self.package(),
            architecture: self.pick(&[Architecture::X8664, Architecture::Arm64]),
            has_environment: self.chance(50),
            tracing: self.pick(&[Tracing::Active, Tracing::PassThrough]),
            layers,
            vpc: self.maybe(Self::vpc_config),
            last_modified: self.moment(),
            revision: self.revision(),
        }
    }

    fn vpc_config(&mut self) -> VpcConfig {
        if self.chance(30) {
            return VpcConfig::Detached;
        }
        VpcConfig::Attached(VpcAttachment {
            vpc: VpcId::fresh(self.id()),
            subnets: self.some(3, |draw| SubnetId::fresh(draw.id())),
            security_groups: self.some(2, |draw| SecurityGroupId::fresh(draw.id())),
            ipv6_allowed_for_dual_stack: self.chance(50),
        })
    }

    fn function_record(&mut self) -> FunctionRecord {
        let status = match self.below(5) {
            0 => Status::Pending,
            1 => Status::Failed(self.text()),
            2 => Status::Active,
            3 => Status::UpdateFailed(self.text()),
            _ => Status::Updating(Box::new(Next {
                function: Arc::new(self.function()),
                about: self.about(),
            })),
        };
        FunctionRecord {
            function: self.function_arn(),
            about: self.about(),
            status,
            version_last: self.number(),
            allows_recursion: self.chance(50),
            updates_runtime_with_function: self.chance(50),
        }
    }

    fn version(&mut self) -> Version {
        let (arn, number) = self.version_arn();
        let mut function = self.function();
        function.arn = arn;
        Version {
            number,
            function: Arc::new(function),
            about: self.about(),
            description: self.maybe(Self::text),
        }
    }

    fn alias(&mut self) -> Alias {
        let routing = self.maybe(|draw| Routing {
            version: draw.number(),
            weight: Weight::try_from(draw.pick(&[0.0, 0.1, 0.333_333, 1.0])).unwrap(),
        });
        Alias {
            arn: self.alias_arn(),
            version: self.pick(&[VersionRef::Latest, VersionRef::Number(1), VersionRef::Number(u64::MAX)]),
            routing,
            description: self.text(),
            revision: self.revision(),
        }
    }

    fn layer_version(&mut self) -> LayerVersion {
        let number = 1 + self.below(2) as u64;
        let ids = ["a", "B_2"];
        let count = self.below(ids.len() + 1);
        let statement = |draw: &mut Self, id: &str| LayerStatement {
            id: StatementId::try_from(id).unwrap(),
            account: draw.maybe(|_| AccountId::try_from("111122223333").unwrap()),
            organization: draw.maybe(|_| "o-0123456789".to_owned()),
        };
        LayerVersion {
            arn: self.layer_arn().version(number),
            package: self.package(),
            description: self.text(),
            runtimes: self.some(2, |draw| draw.pick(&["python3.12", "java21"]).to_owned()),
            architectures: self.some(2, |draw| draw.pick(&[Architecture::X8664, Architecture::Arm64])),
            license: self.maybe(Self::text),
            created: self.moment(),
            statements: ids.into_iter().take(count).map(|id| statement(self, id)).collect(),
            policy_revision: self.revision(),
        }
    }

    fn version_arn(&mut self) -> (FunctionArn, u64) {
        let number = self.pick(&[1, 2, 10]);
        (self.function_arn().qualified(number), number)
    }

    fn alias_arn(&mut self) -> FunctionArn {
        let name = self.pick(&["live", "B_2-x"]);
        self.function_arn().qualified(name)
    }

    fn layer_arn(&mut self) -> LayerArn {
        let scope = self.scope();
        LayerArn::new(&scope, self.pick(&NAMES))
    }

    fn moment(&mut self) -> Timestamp {
        Timestamp(self.pick(&[0, 1_764_034_800_479]))
    }

    fn revision(&mut self) -> u128 {
        self.pick(&[0, 7, u128::MAX])
    }
}
