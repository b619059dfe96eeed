//! EC2's codes for what the domain refuses.

use crate::aws::error::AwsError;
use model::Refusal;
use model::ec2::Ec2Refusal;
use model::ec2::refusal::Kind;
use model::tag::TagRefusal;
use std::path::Path;

/// The error that a refused command is answered with. Operations here change the network alone.
pub(super) fn of(refusal: Refusal, _manifest: &Path) -> AwsError {
    match refusal {
        Refusal::Ec2(refusal) => network(&refusal),
        other => AwsError::new("OperationNotPermitted", sentence(&other)),
    }
}

fn network(refusal: &Ec2Refusal) -> AwsError {
    use Ec2Refusal as It;
    let code = match refusal {
        It::NoSuch { kind, id } => return not_found(*kind, id),
        It::IdTaken(_) => return AwsError::internal(sentence(refusal)),
        It::InUse {
            kind: Kind::SecurityGroup,
            id,
            by,
        } => {
            let message = format!("resource {id} has a dependent object: {by}");
            return AwsError::new("DependencyViolation", message);
        }
        It::InUse { by, .. } => {
            let message = format!("{} ({by})", sentence(refusal).trim_end_matches('.'));
            return AwsError::new("DependencyViolation", message);
        }
        It::Kept(_) => "OperationNotPermitted",
        It::TooMany { kind, .. } => match kind {
            Kind::Vpc => "VpcLimitExceeded",
            Kind::Subnet => "SubnetLimitExceeded",
            Kind::SecurityGroup => "SecurityGroupLimitExceeded",
            Kind::InternetGateway => "InternetGatewayLimitExceeded",
            Kind::RouteTable => "RouteTableLimitExceeded",
            Kind::SecurityGroupRule | Kind::RouteAssociation | Kind::NetworkInterface => "ResourceLimitExceeded",
        },
        It::TooManyRoutes(_) => "RouteLimitExceeded",
        It::Tags(refusal) => return tag(refusal),
        It::VpcSize(_) => "InvalidVpc.Range",
        It::SubnetSize(_) | It::SubnetRange(_) => "InvalidSubnet.Range",
        It::SubnetConflict(_) => "InvalidSubnet.Conflict",
        It::NoSuchZone(_)
        | It::ReservedGroupName(_)
        | It::OtherNetwork(..)
        | It::OtherVpc(..)
        | It::LocalRoute(_)
        | It::MainAssociation(_) => "InvalidParameterValue",
        It::HostnamesWithoutDns => "InvalidParameterCombination",
        It::GroupNameTaken { .. } => "InvalidGroup.Duplicate",
        It::DefaultGroup(_) => "CannotDelete",
        It::RuleExists(_) => "InvalidPermission.Duplicate",
        It::NoSuchPermission(_) => "InvalidPermission.NotFound",
        It::TooManyRules => "RulesPerSecurityGroupLimitExceeded",
        It::AlreadyAttached(_) | It::AlreadyAssociated(_) => "Resource.AlreadyAssociated",
        It::NotAttached(..) => "Gateway.NotAttached",
        It::RouteExists(_) => "RouteAlreadyExists",
        It::NoSuchRoute(..) => "InvalidRoute.NotFound",
    };
    AwsError::new(code, sentence(refusal))
}

/// Nothing has the id.
pub(super) fn not_found(kind: Kind, id: &str) -> AwsError {
    let (code, what) = match kind {
        Kind::Vpc => ("InvalidVpcID.NotFound", "vpc ID"),
        Kind::Subnet => ("InvalidSubnetID.NotFound", "subnet ID"),
        Kind::SecurityGroup => ("InvalidGroup.NotFound", "security group"),
        Kind::SecurityGroupRule => ("InvalidSecurityGroupRuleId.NotFound", "security group rule ID"),
        Kind::InternetGateway => ("InvalidInternetGatewayID.NotFound", "internetGateway ID"),
        Kind::RouteTable => ("InvalidRouteTableID.NotFound", "routeTable ID"),
        Kind::RouteAssociation => ("InvalidAssociationID.NotFound", "association ID"),
        Kind::NetworkInterface => ("InvalidNetworkInterfaceID.NotFound", "networkInterface ID"),
    };
    let id = crate::aws::query::input::shown(id);
    AwsError::new(code, format!("The {what} '{id}' does not exist"))
}

/// A tag that cannot be.
pub(super) fn tag(refusal: &TagRefusal) -> AwsError {
    let code = match refusal {
        TagRefusal::TooMany => "TagLimitExceeded",
        _ => "InvalidParameterValue",
    };
    AwsError::new(code, sentence(refusal))
}

/// A refusal as AWS's messages are: with a capital.
fn sentence(refusal: &impl std::fmt::Display) -> String {
    let text = refusal.to_string();
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}
