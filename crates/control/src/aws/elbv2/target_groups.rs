//! Target groups. Source: ALB 1.5, 1.6, 9.5.

use super::attributes::pairs;
use super::call::{Call, Plan, fresh_id};
use super::input::{not_in_set, noted, one_of, port, required, shown};
use super::listeners::PROTOCOLS;
use super::load_balancers::{TARGET_GROUP, at_most, name_refused};
use super::page::{page, page_in_order, whole};
use super::{errors, find, health_check, tags};
use crate::aws::error::AwsError;
use model::command::target_group::CreateTargetGroup;
use model::ec2::default::DefaultVpc;
use model::ec2::ids::VpcId;
use model::elb::health_check::{HealthCheck, HealthCheckPort, Matcher, ServerHealthCheck};
use model::elb::name::TargetGroupName;
use model::elb::target_group::{
    IpAddressType, LambdaTargets, ProtocolVersion, ServerTargets, ServerType, TargetGroup, TargetGroupAttributes,
    TargetKind, TargetProtocol,
};
use model::refusal::TargetGroupRefusal;
use model::{Command, LoadBalancerArn, Owner, TaggedArn, TargetGroupArn};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::query::Fields;
use wire::xml::Xml;

const TARGET_TYPES: [&str; 4] = ["instance", "ip", "lambda", "alb"];

/// Which load balancers forward to a group.
type Users<'a> = BTreeMap<&'a TargetGroupArn, BTreeSet<&'a LoadBalancerArn>>;

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    let fields = &call.fields;
    let of = fields.text("LoadBalancerArn");
    let (arns, names) = (fields.texts("TargetGroupArns")?, fields.texts("Names")?);
    let vpc = DefaultVpc::of(call.scope).vpc.id;
    let prefix = find::prefix(call.scope);
    let page = match (of, arns.is_empty(), names.is_empty()) {
        (None, true, true) => {
            let after = |after: &str| call.state.target_groups_after(&prefix, after);
            page_in_order(call, after, |it| it.arn.as_str())?
        }
        (Some(load_balancer), true, true) => {
            let load_balancer = find::load_balancer(call, load_balancer)?;
            let used: BTreeSet<&TargetGroupArn> = call
                .state
                .forwards()
                .filter(|(by, _)| **by == load_balancer.arn)
                .map(|(_, group)| group)
                .collect();
            let used = used.into_iter().filter_map(|arn| call.state.target_group(arn));
            page(call, used, |it| it.arn.as_str())?
        }
        (None, false, true) => {
            at_most(&arns, "target group ARNs")?;
            let found: Result<Vec<_>, _> = arns.iter().map(|arn| find::target_group(call, arn)).collect();
            whole(found.map_err(find::several)?)
        }
        (None, true, false) => {
            at_most(&names, "target group names")?;
            let all: Vec<_> = call.state.target_groups_after(&prefix, "").collect();
            let named = |name: &&str| all.iter().copied().find(|it| it.name.as_str() == *name);
            let found: Option<Vec<_>> = names.iter().map(named).collect();
            whole(found.ok_or_else(none)?)
        }
        _ => {
            let message =
                "Target group names, target group ARNs, and a load balancer ARN cannot be specified at the same time";
            return Err(AwsError::validation(message));
        }
    };
    let users = users(call, &page.items);
    let mut xml = Xml::new();
    xml.list("TargetGroups", &page.items, |xml, it| shape(xml, &vpc, it, &users));
    page.end(&mut xml);
    Ok(xml)
}

fn none() -> AwsError {
    AwsError::new("TargetGroupNotFound", "One or more target groups not found")
}

/// Of these groups.
fn users<'a>(call: &Call<'a>, groups: &[&'a Arc<TargetGroup>]) -> Users<'a> {
    let mut users: Users<'_> = groups.iter().map(|it| (&it.arn, BTreeSet::new())).collect();
    for (load_balancer, group) in call.state.forwards() {
        if let Some(users) = users.get_mut(group) {
            users.insert(load_balancer);
        }
    }
    users
}

fn shape(xml: &mut Xml, default_vpc: &VpcId, it: &TargetGroup, users: &Users<'_>) {
    xml.value("TargetGroupArn", &it.arn);
    xml.text("TargetGroupName", it.name.as_str());
    match &it.targets {
        TargetKind::Servers(servers) => {
            xml.text("Protocol", servers.protocol.as_str());
            xml.value("Port", servers.port);
            xml.value("VpcId", servers.vpc.as_ref().unwrap_or(default_vpc));
            health_check::of_servers(xml, &servers.health_check);
        }
        TargetKind::Lambda(lambda) => health_check::of_lambda(xml, &lambda.health_check),
    }
    let users = users.get(&it.arn).into_iter().flatten();
    xml.texts("LoadBalancerArns", users.map(|arn| arn.as_str()));
    match &it.targets {
        TargetKind::Servers(servers) => {
            xml.text("TargetType", servers.target_type.as_str());
            xml.text("ProtocolVersion", servers.protocol_version.as_str());
            xml.text("IpAddressType", servers.ip_address_type.as_str());
        }
        TargetKind::Lambda(_) => {
            xml.text("TargetType", "lambda");
            xml.text("IpAddressType", "ipv4");
        }
    }
}

pub(super) fn describe_attributes(call: &Call<'_>) -> Result<Xml, AwsError> {
    let it = find::target_group(call, required(&call.fields, "TargetGroupArn")?)?;
    Ok(listed(it))
}

fn listed(it: &TargetGroup) -> Xml {
    super::shapes::attributes(&match &it.targets {
        TargetKind::Servers(servers) => servers.attributes.list(),
        TargetKind::Lambda(lambda) => lambda.list(),
    })
}

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let fields = &call.fields;
    let text = required(fields, "Name")?;
    // So that every parameter is told that breaks a rule of its own, before what else is wrong.
    complain(fields)?;
    let name = TargetGroupName::try_from(text).map_err(|refusal| name_refused(TARGET_GROUP, text, &refusal))?;
    let targets = match fields.text("TargetType") {
        None | Some("instance") => TargetKind::Servers(servers(call, ServerType::Instance)?),
        Some("ip") => TargetKind::Servers(servers(call, ServerType::Ip)?),
        Some("lambda") => TargetKind::Lambda(lambda(fields)?),
        Some("alb") => {
            let message = "Target groups of type 'alb' are for Network Load Balancers, which are not built";
            return Err(AwsError::not_built(message));
        }
        Some(other) => return Err(not_in_set("TargetType", other, &TARGET_TYPES)),
    };
    let tags = tags::of_creation(call)?;
    let same_name = |it: &&Arc<TargetGroup>| it.name == name && find::in_scope(it.arn.as_str(), call.scope);
    if let Some(existing) = call.state.target_groups().find(same_name) {
        // A call that is made again answers as the first time. Source: ALB 9.5.
        let resource = TaggedArn::TargetGroup(existing.arn.clone());
        let is_same = existing.owner == Owner::Api
            && created_as(&existing.targets) == targets
            && tags::are_those_of_creation(call, &resource)?;
        if is_same {
            return Ok(answering(Vec::new(), existing.arn.clone()));
        }
        let refusal = TargetGroupRefusal::NameTaken(name.to_string());
        return Err(errors::of(refusal.into(), &call.api.manifest));
    }
    let arn = TargetGroupArn::new(call.scope, name.as_str(), fresh_id()?);
    let create = CreateTargetGroup {
        arn: arn.clone(),
        name,
        targets,
        owner: Owner::Api,
    };
    let mut commands = vec![Command::CreateTargetGroup(create)];
    commands.extend(tags::added(TaggedArn::TargetGroup(arn.clone()), tags));
    Ok(answering(commands, arn))
}

/// Complains of the parameters that any kind of group may have and that break rules of their own.
fn complain(fields: &Fields<'_>) -> Result<(), AwsError> {
    among(fields, "Protocol", &PROTOCOLS)?;
    port(fields, "Port")?;
    protocol_version(fields)?;
    ip_address_type(fields)?;
    health_check::complain(fields)?;
    among(fields, "TargetType", &TARGET_TYPES)
}

fn among(fields: &Fields<'_>, name: &str, all: &[&str]) -> Result<(), AwsError> {
    let other = fields.text(name).filter(|text| !all.contains(text));
    let wrong = other.map(|text| not_in_set(name, text, all));
    noted(fields, wrong.map_or(Ok(()), Err), ())
}

fn protocol_version(fields: &Fields<'_>) -> Result<ProtocolVersion, AwsError> {
    let versions = [
        ("HTTP1", ProtocolVersion::Http1),
        ("HTTP2", ProtocolVersion::Http2),
        ("GRPC", ProtocolVersion::Grpc),
    ];
    // Terraform's provider sends it empty where its user says nothing, and AWS takes that.
    match fields.text("ProtocolVersion") {
        Some("") => Ok(ProtocolVersion::default()),
        _ => Ok(one_of(fields, "ProtocolVersion", &versions)?.unwrap_or_default()),
    }
}

fn ip_address_type(fields: &Fields<'_>) -> Result<IpAddressType, AwsError> {
    let families = [("ipv4", IpAddressType::Ipv4), ("ipv6", IpAddressType::Ipv6)];
    Ok(one_of(fields, "IpAddressType", &families)?.unwrap_or_default())
}

/// A group without what other operations have given it.
fn created_as(targets: &TargetKind) -> TargetKind {
    match targets {
        TargetKind::Servers(servers) => TargetKind::Servers(ServerTargets {
            attributes: TargetGroupAttributes::default(),
            targets: Vec::new(),
            ..servers.clone()
        }),
        TargetKind::Lambda(lambda) => TargetKind::Lambda(LambdaTargets {
            function: None,
            multi_value_headers: false,
            health_check: lambda.health_check.clone(),
        }),
    }
}

fn servers(call: &Call<'_>, target_type: ServerType) -> Result<ServerTargets, AwsError> {
    let fields = &call.fields;
    let missing = |what: &str| AwsError::validation(format!("{what} must be specified"));
    let protocol = match fields.text("Protocol") {
        None => return Err(missing("A protocol")),
        Some("HTTP") => TargetProtocol::Http,
        Some("HTTPS") => TargetProtocol::Https,
        Some(other @ ("TCP" | "TLS" | "UDP" | "TCP_UDP" | "GENEVE" | "QUIC" | "TCP_QUIC")) => {
            let message =
                format!("Target groups with protocol '{other}' are for other load balancers, which are not built");
            return Err(AwsError::not_built(message));
        }
        Some(other) => return Err(not_in_set("Protocol", other, &PROTOCOLS)),
    };
    let port = port(fields, "Port")?.ok_or_else(|| missing("A port"))?;
    let vpc = fields.text("VpcId").ok_or_else(|| missing("A VPC ID"))?;
    let network = call.state.ec2().network(call.scope);
    let default = &network.default_vpc().vpc.id;
    let known = VpcId::try_from(vpc).ok().filter(|id| network.vpc(id).is_some());
    let vpc = known.ok_or_else(|| {
        AwsError::validation(format!(
            "The VPC ID '{}' is not found. The default VPC of this region is '{default}'",
            shown(vpc)
        ))
    })?;
    let vpc = Some(vpc).filter(|id| id != default);
    let protocol_version = protocol_version(fields)?;
    let ip_address_type = ip_address_type(fields)?;
    let default = ServerHealthCheck::of_servers(protocol_version);
    Ok(ServerTargets {
        target_type,
        protocol,
        protocol_version,
        port,
        vpc,
        ip_address_type,
        health_check: health_check::servers(fields, &default, target_type)?,
        attributes: TargetGroupAttributes::default(),
        targets: Vec::new(),
    })
}

fn lambda(fields: &Fields<'_>) -> Result<LambdaTargets, AwsError> {
    let forbidden = [
        ("Protocol", "Protocol"),
        ("Port", "Port"),
        ("VpcId", "VPC ID"),
        ("ProtocolVersion", "Protocol version"),
    ];
    if let Some((_, what)) = forbidden.iter().find(|(name, _)| fields.has(name)) {
        return Err(AwsError::validation(format!(
            "{what} cannot be specified for target groups with target type 'lambda'"
        )));
    }
    match fields.text("IpAddressType") {
        None | Some("ipv4") => {}
        Some(_) => {
            let message = "Target groups with target type 'lambda' have the IP address type 'ipv4'";
            return Err(AwsError::validation(message));
        }
    }
    Ok(LambdaTargets {
        function: None,
        multi_value_headers: false,
        health_check: health_check::lambda(fields, &HealthCheck::of_lambda())?,
    })
}

pub(super) fn modify(call: &Call<'_>) -> Result<Plan, AwsError> {
    let it = find::target_group(call, required(&call.fields, "TargetGroupArn")?)?;
    let target_group = it.arn.clone();
    let command = match &it.targets {
        TargetKind::Servers(servers) => Command::SetServerHealthCheck {
            health_check: health_check::servers(&call.fields, &servers.health_check, servers.target_type)?,
            target_group,
        },
        TargetKind::Lambda(lambda) => Command::SetHealthCheck {
            health_check: health_check::lambda(&call.fields, &lambda.health_check)?,
            target_group,
        },
    };
    Ok(answering(vec![command], it.arn.clone()))
}

pub(super) fn modify_attributes(call: &Call<'_>) -> Result<Plan, AwsError> {
    let it = find::target_group(call, required(&call.fields, "TargetGroupArn")?)?;
    let pairs = pairs(&call.fields)?;
    let refused = |refusal| errors::attribute("Target group", &refusal);
    let target_group = it.arn.clone();
    let command = match &it.targets {
        TargetKind::Servers(servers) => {
            let mut attributes = servers.attributes.clone();
            for (key, value) in pairs {
                if key == "stickiness.type" && OTHER_STICKINESS.contains(&value) {
                    return Err(other_stickiness(value, servers.protocol));
                }
                attributes.set(key, value).map_err(refused)?;
            }
            Command::SetTargetGroupAttributes {
                target_group,
                attributes,
            }
        }
        TargetKind::Lambda(lambda) => {
            let mut lambda = lambda.clone();
            for (key, value) in pairs {
                lambda.set(key, value).map_err(refused)?;
            }
            Command::SetLambdaAttributes {
                target_group,
                multi_value_headers: lambda.multi_value_headers,
            }
        }
    };
    let arn = it.arn.clone();
    Ok(Plan::new(vec![command], move |call| {
        Ok(listed(find::target_group(call, arn.as_str())?))
    }))
}

/// Types of stickiness that target groups of other load balancers have.
const OTHER_STICKINESS: [&str; 3] = ["source_ip", "source_ip_dest_ip", "source_ip_dest_ip_proto"];

/// Source: ALB 9.6.
fn other_stickiness(kind: &str, protocol: TargetProtocol) -> AwsError {
    let message = format!(
        "Stickiness type '{kind}' is not supported for target groups with the {} protocol",
        protocol.as_str()
    );
    AwsError::new("InvalidConfigurationRequest", message)
}

/// One that is gone is no error: AWS names none. Source: ALB 9.5.
pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    let arn = find::target_group_arn(call, required(&call.fields, "TargetGroupArn")?)?;
    let existing = Some(arn).filter(|arn| call.state.target_group(arn).is_some());
    Ok(Plan::silent(
        existing.map(Command::DeleteTargetGroup).into_iter().collect(),
    ))
}

fn answering(commands: Vec<Command>, arn: TargetGroupArn) -> Plan {
    Plan::new(commands, move |call| {
        let it = find::target_group(call, arn.as_str())?;
        let (users, vpc) = (users(call, &[it]), DefaultVpc::of(call.scope).vpc.id);
        let mut xml = Xml::new();
        xml.list("TargetGroups", [it], |xml, it| shape(xml, &vpc, it, &users));
        Ok(xml)
    })
}

/// The port that a target's health is asked at, as text.
pub(super) fn health_check_port(check: &ServerHealthCheck, target: u16) -> String {
    match check.port {
        HealthCheckPort::TrafficPort => target.to_string(),
        HealthCheckPort::Port(port) => port.to_string(),
    }
}

/// `HttpCode` or `GrpcCode`.
pub(super) fn matcher(xml: &mut Xml, it: &Matcher) {
    match it {
        Matcher::Http(it) => xml.value("HttpCode", it),
        Matcher::Grpc(it) => xml.value("GrpcCode", it),
    }
}
