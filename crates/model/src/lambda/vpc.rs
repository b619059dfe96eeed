//! The subnets and security groups that a function names. They are kept and shown, and cannot be deleted meanwhile; what a
//! function reaches is said by its network alone. Source: Lambda 1.3, 1.4, 8.4; clients.md 1.

use crate::arn::FunctionArn;
use crate::ec2::Network;
use crate::ec2::ids::{SecurityGroupId, SubnetId, VpcId};
use crate::lambda::about::{About, Status};
use crate::state::State;

/// `VpcConfig`, once it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VpcConfig {
    /// Its lists are empty.
    Detached,
    /// It names subnets and groups.
    Attached(VpcAttachment),
}

/// Subnets and security groups of one VPC, at least one of each. `find` makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpcAttachment {
    /// Whose they are.
    pub vpc: VpcId,
    /// As given.
    pub subnets: Vec<SubnetId>,
    /// As given.
    pub security_groups: Vec<SecurityGroupId>,
    /// As given.
    pub ipv6_allowed_for_dual_stack: bool,
}

/// Why a function cannot name them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VpcRefusal {
    /// One list is empty, and the other is not.
    #[error("subnets and security groups come together or not at all")]
    OneList,
    /// There is no such subnet in the function's region.
    #[error("subnet {0} does not exist")]
    NoSuchSubnet(String),
    /// There is no such group in the function's region.
    #[error("security group {0} does not exist")]
    NoSuchSecurityGroup(String),
    /// The subnets are of two VPCs.
    #[error("the subnets are not of one VPC")]
    Subnets,
    /// A group is of another VPC than the subnets.
    #[error("the security groups are not of the subnets' VPC")]
    SecurityGroups,
}

impl VpcConfig {
    /// What it names, if anything.
    pub fn attachment(&self) -> Option<&VpcAttachment> {
        match self {
            Self::Detached => None,
            Self::Attached(attachment) => Some(attachment),
        }
    }

    /// Finds what is named in the network of the function's account and region.
    ///
    /// # Errors
    /// It is not there, or not of one VPC.
    pub fn find(
        network: &Network<'_>,
        subnets: &[&str],
        security_groups: &[&str],
        ipv6_allowed_for_dual_stack: bool,
    ) -> Result<Self, VpcRefusal> {
        match (subnets, security_groups) {
            ([], []) => return Ok(Self::Detached),
            ([], _) | (_, []) => return Err(VpcRefusal::OneList),
            _ => {}
        }
        let subnet = |text: &&str| {
            let found = SubnetId::try_from(*text).ok().and_then(|id| network.subnet(&id));
            found.ok_or_else(|| VpcRefusal::NoSuchSubnet((*text).to_owned()))
        };
        let group = |text: &&str| {
            let found = SecurityGroupId::try_from(*text).ok();
            let found = found.and_then(|id| network.security_group(&id));
            found.ok_or_else(|| VpcRefusal::NoSuchSecurityGroup((*text).to_owned()))
        };
        let subnets = subnets.iter().map(subnet).collect::<Result<Vec<_>, _>>()?;
        let groups = security_groups.iter().map(group).collect::<Result<Vec<_>, _>>()?;
        let Some(vpc) = subnets.first().map(|it| it.vpc.clone()) else {
            return Ok(Self::Detached);
        };
        if subnets.iter().any(|it| it.vpc != vpc) {
            return Err(VpcRefusal::Subnets);
        }
        if groups.iter().any(|it| it.vpc != vpc) {
            return Err(VpcRefusal::SecurityGroups);
        }
        Ok(Self::Attached(VpcAttachment {
            vpc,
            subnets: subnets.iter().map(|it| it.id.clone()).collect(),
            security_groups: groups.iter().map(|it| it.id.clone()).collect(),
            ipv6_allowed_for_dual_stack,
        }))
    }
}

impl VpcAttachment {
    /// Whether everything is still there.
    pub(crate) fn check(&self, network: &Network<'_>) -> Result<(), VpcRefusal> {
        let subnets: Vec<&str> = self.subnets.iter().map(SubnetId::as_str).collect();
        let groups: Vec<&str> = self.security_groups.iter().map(SecurityGroupId::as_str).collect();
        VpcConfig::find(network, &subnets, &groups, self.ipv6_allowed_for_dual_stack).map(drop)
    }
}

/// A function, or a version of one, whose attachment is such a one.
pub(crate) fn user_of(state: &State, is_meant: impl Fn(&VpcAttachment) -> bool) -> Option<FunctionArn> {
    let names = |about: &About| {
        about
            .vpc
            .as_ref()
            .and_then(VpcConfig::attachment)
            .is_some_and(&is_meant)
    };
    let lambda = state.lambda();
    let mut records = lambda.records();
    let record = records.find(|record| {
        let next = match &record.status {
            Status::Updating(next) => names(&next.about),
            Status::Pending | Status::Failed(_) | Status::Active | Status::UpdateFailed(_) => false,
        };
        next || names(&record.about)
    });
    record.map(|record| record.function.clone()).or_else(|| {
        let mut versions = lambda.versions();
        versions.find(|it| names(&it.about)).map(|it| it.arn().clone())
    })
}
