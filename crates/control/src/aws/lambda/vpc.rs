//! `VpcConfig`: the subnets and security groups that a function names. Source: Lambda 1.3, 1.4, 8.4; clients.md 1.

use super::Call;
use super::input::Members;
use crate::lambda::error::LambdaError;
use model::ec2::ids::{SecurityGroupId, SubnetId};
use model::lambda::about::About;
use model::lambda::execution_role;
use model::lambda::vpc::{VpcConfig, VpcRefusal};
use model::{FunctionArn, Scope, State};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const SUBNETS_MAX: usize = 16;
const SECURITY_GROUPS_MAX: usize = 5;
const ID_CHARS_MAX: usize = 1024;

/// What is not given stays; empty lists detach.
pub(super) fn read(
    call: &Call<'_>,
    members: &Members<'_>,
    before: Option<&VpcConfig>,
) -> Result<VpcConfig, LambdaError> {
    let before = before.and_then(VpcConfig::attachment);
    let kept_subnets = || before.map_or_else(Vec::new, |it| it.subnets.iter().map(SubnetId::as_str).collect());
    let kept_groups = || {
        before.map_or_else(Vec::new, |it| {
            it.security_groups.iter().map(SecurityGroupId::as_str).collect()
        })
    };
    let subnets = ids(
        members,
        "SubnetIds",
        "vpcConfig.subnetIds",
        "subnet-[0-9a-z]*",
        SUBNETS_MAX,
    )?;
    let groups = ids(
        members,
        "SecurityGroupIds",
        "vpcConfig.securityGroupIds",
        "sg-[0-9a-zA-Z]*",
        SECURITY_GROUPS_MAX,
    )?;
    let ipv6 = members.boolean("Ipv6AllowedForDualStack")?;
    let ipv6 = ipv6.unwrap_or_else(|| before.is_some_and(|it| it.ipv6_allowed_for_dual_stack));
    let network = call.state.ec2().network(call.scope);
    let (subnets, groups) = (subnets.unwrap_or_else(kept_subnets), groups.unwrap_or_else(kept_groups));
    VpcConfig::find(&network, &subnets, &groups, ipv6).map_err(|refusal| refused(&refusal))
}

/// Whether the role may make what Lambda makes in its name on AWS: network interfaces in the subnets, with the groups.
pub(super) fn check_role(call: &Call<'_>, about: &About) -> Result<(), LambdaError> {
    let Some(attachment) = about.vpc.as_ref().and_then(VpcConfig::attachment) else {
        return Ok(());
    };
    let scope = call.scope;
    let arn = |resource: std::fmt::Arguments<'_>| {
        format!(
            "arn:{}:ec2:{}:{}:{resource}",
            scope.partition(),
            scope.region,
            scope.account
        )
    };
    let subnets = attachment.subnets.iter().map(|id| arn(format_args!("subnet/{id}")));
    let groups = attachment
        .security_groups
        .iter()
        .map(|id| arn(format_args!("security-group/{id}")));
    let resources = subnets.chain(groups).chain([arn(format_args!("network-interface/*"))]);
    let facts = [("ec2:Region", scope.region.to_string())];
    let action = "ec2:CreateNetworkInterface";
    match execution_role::may(call.state, scope, &about.role, action, resources, &facts) {
        true => Ok(()),
        false => Err(LambdaError::invalid_parameter(
            "The provided execution role does not have permissions to call CreateNetworkInterface on EC2",
        )),
    }
}

/// What policies may ask about the network that a call gives a function: condition keys and their values, none where it gives none.
pub(in crate::aws) fn facts(
    state: &State,
    scope: &Scope,
    input: &Map<String, Value>,
) -> [(&'static str, Vec<String>); 3] {
    let list = |name: &str| -> Vec<String> {
        let items = input.get("VpcConfig").and_then(|config| config.get(name)?.as_array());
        let items = items.into_iter().flatten().take(SUBNETS_MAX);
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let subnets = list("SubnetIds");
    let network = state.ec2().network(scope);
    let ids = subnets.iter().filter_map(|id| SubnetId::try_from(id.as_str()).ok());
    let vpcs: BTreeSet<_> = ids
        .filter_map(|id| network.subnet(&id))
        .map(|it| it.vpc.to_string())
        .collect();
    [
        ("lambda:VpcIds", vpcs.into_iter().collect()),
        ("lambda:SubnetIds", subnets),
        ("lambda:SecurityGroupIds", list("SecurityGroupIds")),
    ]
}

/// As `FunctionConfiguration` has it.
pub(super) fn shown(config: &VpcConfig) -> Value {
    match config.attachment() {
        // LAM-C-046
        None => json!({ "SubnetIds": [], "SecurityGroupIds": [], "VpcId": "", "Ipv6AllowedForDualStack": false }),
        Some(it) => json!({
            "SubnetIds": it.subnets.iter().map(SubnetId::as_str).collect::<Vec<_>>(),
            "SecurityGroupIds": it.security_groups.iter().map(SecurityGroupId::as_str).collect::<Vec<_>>(),
            "VpcId": it.vpc.as_str(),
            "Ipv6AllowedForDualStack": it.ipv6_allowed_for_dual_stack,
        }),
    }
}

/// Tells the operator what the subnets and groups that a function has just been given do not do.
pub(super) fn tell(function: &FunctionArn, given: Option<&VpcConfig>) {
    if let Some(attachment) = given.and_then(VpcConfig::attachment) {
        tracing::warn!(
            %function,
            vpc = %attachment.vpc,
            "VpcConfig is kept and shown, and no packet goes another way for it"
        );
    }
}

pub(super) fn refused(refusal: &VpcRefusal) -> LambdaError {
    let ec2 = |operation: &str, code: &str, message: &str| {
        LambdaError::invalid_parameter(&format!(
            "Error occurred while {operation}. EC2 Error Code: {code}. EC2 Error Message: {message}"
        ))
    };
    match refusal {
        VpcRefusal::OneList => {
            LambdaError::invalid_parameter("SubnetIds and SecurityIds must coexist or be both empty list.")
        }
        VpcRefusal::NoSuchSubnet(id) => ec2(
            "DescribeSubnets",
            "InvalidSubnetID.NotFound",
            &format!("The subnet ID '{id}' does not exist"),
        ),
        VpcRefusal::NoSuchSecurityGroup(id) => ec2(
            "DescribeSecurityGroups",
            "InvalidGroup.NotFound",
            &format!("The security group '{id}' does not exist"),
        ),
        // The words are ours.
        VpcRefusal::Subnets => LambdaError::invalid_parameter("Subnets are required to be in the same VPC."),
        VpcRefusal::SecurityGroups => {
            LambdaError::invalid_parameter("Security Groups are required to be in the same VPC.")
        }
    }
}

/// A list of ids, each of which looks like one. The pattern ends with letters, which count as AWS writes them.
fn ids<'a>(
    members: &Members<'a>,
    name: &str,
    path: &str,
    pattern: &str,
    items_max: usize,
) -> Result<Option<Vec<&'a str>>, LambdaError> {
    let Some(list) = members.texts(name)? else {
        return Ok(None);
    };
    let shown = || format!("[{}]", list.join(", "));
    if list.len() > items_max {
        let rule = format!("have length less than or equal to {items_max}");
        return Err(LambdaError::constraint(&shown(), path, &rule));
    }
    let prefix = pattern.split('[').next().unwrap_or_default();
    let has_capitals = pattern.contains("A-Z");
    let is_letter =
        |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || has_capitals && byte.is_ascii_uppercase();
    let is_id = |text: &&str| {
        let rest = text.strip_prefix(prefix);
        text.len() <= ID_CHARS_MAX && rest.is_some_and(|rest| rest.bytes().all(is_letter))
    };
    if !list.iter().all(is_id) {
        let rule = format!(
            "satisfy constraint: [Member must have length less than or equal to {ID_CHARS_MAX}, Member must have length \
             greater than or equal to 0, Member must satisfy regular expression pattern: ^{pattern}$, Member must \
             not be null]"
        );
        return Err(LambdaError::constraint(&shown(), path, &rule));
    }
    Ok(Some(list))
}
