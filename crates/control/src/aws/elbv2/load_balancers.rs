//! Load balancers. Source: ALB 1.3, 1.4, 9.5.

use super::attributes::pairs;
use super::call::{Call, Plan, fresh_id};
use super::input::{constraint, not_in_set, noted, one_of, required, required_texts, shown};
use super::page::{page_in_order, whole};
use super::shapes::{self, LoadBalancerState};
use super::{errors, find, tags};
use crate::aws::error::AwsError;
use model::command::load_balancer::CreateLoadBalancer;
use model::ec2::ids::{SecurityGroupId, SubnetId};
use model::elb::load_balancer::{LoadBalancer, LoadBalancerAttributes, Scheme, dns_name};
use model::elb::name::{LoadBalancerName, NameRefusal};
use model::{Command, LoadBalancerArn, Owner, TaggedArn};
use std::sync::Arc;
use wire::query::Fields;
use wire::xml::Xml;

/// What has names of its own kind, for [`name_refused`].
pub(super) const TARGET_GROUP: &str = "Target group";
/// Blocks what comes through an internet gateway with IPv6.
const IPV6_KEY: &str = "ipv6.deny_all_igw_traffic";
/// Resources of one call that names them.
const NAMED_MAX: usize = 20;

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    let fields = &call.fields;
    let (arns, names) = (fields.texts("LoadBalancerArns")?, fields.texts("Names")?);
    let prefix = find::prefix(call.scope);
    let mut page = match (arns.is_empty(), names.is_empty()) {
        (false, false) => {
            let message = "Load balancer names and load balancer ARNs cannot be specified at the same time";
            return Err(AwsError::validation(message));
        }
        (true, true) => {
            let after = |after: &str| call.state.load_balancers_after(&prefix, after);
            page_in_order(call, after, |it| it.arn.as_str())?
        }
        (false, true) => {
            at_most(&arns, "load balancer ARNs")?;
            let found: Result<Vec<_>, _> = arns.iter().map(|arn| find::load_balancer(call, arn)).collect();
            whole(found?)
        }
        (true, false) => {
            at_most(&names, "load balancer names")?;
            let all: Vec<_> = call.state.load_balancers_after(&prefix, "").collect();
            let named = |name: &&str| all.iter().copied().find(|it| it.name.as_str() == *name);
            let found: Option<Vec<_>> = names.iter().map(named).collect();
            whole(found.ok_or_else(|| {
                let names = shown(&names.join(", "));
                AwsError::new("LoadBalancerNotFound", format!("Load balancers '[{names}]' not found"))
            })?)
        }
    };
    page.items.dedup();
    let mut xml = Xml::new();
    xml.list("LoadBalancers", &page.items, |xml, it| {
        shapes::load_balancer(xml, call, it, LoadBalancerState::Active);
    });
    page.end(&mut xml);
    Ok(xml)
}

pub(super) fn at_most(named: &[&str], what: &str) -> Result<(), AwsError> {
    match named.len() > NAMED_MAX {
        true => Err(AwsError::validation(format!(
            "You can specify up to {NAMED_MAX} {what} in one call"
        ))),
        false => Ok(()),
    }
}

pub(super) fn describe_attributes(call: &Call<'_>) -> Result<Xml, AwsError> {
    let it = find::load_balancer(call, required(&call.fields, "LoadBalancerArn")?)?;
    Ok(shapes::attributes(&it.attributes.list(it.scheme)))
}

/// There is no reservation: none can be made.
pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let fields = &call.fields;
    let name = name(required(fields, "Name")?);
    let schemes = [
        ("internet-facing", Scheme::InternetFacing),
        ("internal", Scheme::Internal),
    ];
    // All of it is read before any of it is an error, so that every parameter is told that breaks a rule of its own.
    let (kind, scheme) = (noted(fields, kind(fields), ()), one_of(fields, "Scheme", &schemes));
    let address_type = noted(fields, ip_address_type(call), ());
    let name = name?;
    kind?;
    let scheme = scheme?.unwrap_or_default();
    address_type?;
    let subnets = subnets(call)?;
    let groups = security_groups(call)?;
    let tags = tags::of_creation(call)?;
    let same_name = |it: &&Arc<LoadBalancer>| it.name == name && find::in_scope(it.arn.as_str(), call.scope);
    if let Some(existing) = call.state.load_balancers().find(same_name) {
        return created_before(call, existing, scheme, &subnets, &groups);
    }
    let id = fresh_id()?;
    let arn = LoadBalancerArn::new(call.scope, name.as_str(), id);
    let create = CreateLoadBalancer {
        arn: arn.clone(),
        dns_name: dns_name(&name, id, scheme, &call.scope.region, &call.api.dns_suffix),
        name,
        scheme,
        attributes: LoadBalancerAttributes::default(),
        owner: Owner::Api,
    };
    let groups = match groups.is_empty() {
        true => default_group(call, &subnets),
        false => groups,
    };
    let mut commands = vec![
        Command::CreateLoadBalancer(create),
        Command::SetSubnets(arn.clone(), subnets),
        Command::SetSecurityGroups(arn.clone(), groups),
    ];
    commands.extend(tags::added(TaggedArn::LoadBalancer(arn.clone()), tags));
    Ok(Plan::new(commands, move |call| {
        answer(call, &arn, LoadBalancerState::Provisioning)
    }))
}

fn kind(fields: &Fields<'_>) -> Result<(), AwsError> {
    match fields.text("Type") {
        None | Some("application") => Ok(()),
        Some(kind @ ("network" | "gateway")) => Err(AwsError::not_built(format!(
            "Load balancers of type '{kind}' are not built"
        ))),
        Some(other) => Err(not_in_set("Type", other, &["application", "network", "gateway"])),
    }
}

/// A call that is made again answers as the first time; one that wants something else is refused. Source: ALB 9.5.
fn created_before(
    call: &Call<'_>,
    existing: &LoadBalancer,
    scheme: Scheme,
    subnets: &[SubnetId],
    groups: &[SecurityGroupId],
) -> Result<Plan, AwsError> {
    let sorted = |ids: &[SubnetId]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids
    };
    let is_same = existing.owner == Owner::Api
        && existing.scheme == scheme
        && sorted(&existing.subnets) == sorted(subnets)
        && (groups.is_empty() || has_groups(existing, groups))
        && tags::are_those_of_creation(call, &TaggedArn::LoadBalancer(existing.arn.clone()))?;
    if !is_same {
        let refusal = model::refusal::LoadBalancerRefusal::NameTaken(existing.name.to_string());
        return Err(errors::of(refusal.into(), &call.api.manifest));
    }
    let arn = existing.arn.clone();
    Ok(Plan::new(Vec::new(), move |call| {
        answer(call, &arn, LoadBalancerState::Active)
    }))
}

fn answer(call: &Call<'_>, arn: &LoadBalancerArn, state: LoadBalancerState) -> Result<Xml, AwsError> {
    let it = find::load_balancer(call, arn.as_str())?;
    let mut xml = Xml::new();
    xml.list("LoadBalancers", [it], |xml, it| {
        shapes::load_balancer(xml, call, it, state);
    });
    Ok(xml)
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    let arn = find::load_balancer_arn(call, required(&call.fields, "LoadBalancerArn")?)?;
    Ok(Plan::silent(vec![Command::DeleteLoadBalancer(arn)]))
}

pub(super) fn modify_attributes(call: &Call<'_>) -> Result<Plan, AwsError> {
    let it = find::load_balancer(call, required(&call.fields, "LoadBalancerArn")?)?;
    let mut attributes = it.attributes.clone();
    for (key, value) in pairs(&call.fields)? {
        // The value that it has anyway depends on the scheme, which the attributes do not know. Source: ALB 1.4.
        if key == IPV6_KEY {
            ipv6_stays(value, it.scheme)?;
            continue;
        }
        let set = attributes.set(key, value);
        set.map_err(|refusal| errors::attribute("Load balancer", &refusal))?;
    }
    let arn = it.arn.clone();
    let command = Command::SetLoadBalancerAttributes(arn.clone(), attributes);
    Ok(Plan::new(vec![command], move |call| {
        let it = find::load_balancer(call, arn.as_str())?;
        Ok(shapes::attributes(&it.attributes.list(it.scheme)))
    }))
}

/// AWS has the attribute for load balancers with addresses of IPv6. Whoever sends back what was read changes nothing.
fn ipv6_stays(value: &str, scheme: Scheme) -> Result<(), AwsError> {
    let value_it_has = match scheme {
        Scheme::InternetFacing => "false",
        Scheme::Internal => "true",
    };
    match value == value_it_has {
        true => Ok(()),
        false => Err(AwsError::new(
            "InvalidConfigurationRequest",
            format!(
                "Load balancer attribute key '{IPV6_KEY}' is not supported on load balancers with IP address type 'ipv4'"
            ),
        )),
    }
}

pub(super) fn set_subnets(call: &Call<'_>) -> Result<Plan, AwsError> {
    let it = find::load_balancer(call, required(&call.fields, "LoadBalancerArn")?)?;
    ip_address_type(call)?;
    let arn = it.arn.clone();
    let command = Command::SetSubnets(arn.clone(), subnets(call)?);
    Ok(Plan::new(vec![command], move |call| {
        let it = find::load_balancer(call, arn.as_str())?;
        let mut xml = Xml::new();
        shapes::zones(&mut xml, &call.state.ec2().network(call.scope), it);
        xml.text("IpAddressType", "ipv4");
        Ok(xml)
    }))
}

pub(super) fn set_security_groups(call: &Call<'_>) -> Result<Plan, AwsError> {
    let it = find::load_balancer(call, required(&call.fields, "LoadBalancerArn")?)?;
    required_texts(&call.fields, "SecurityGroups")?;
    let arn = it.arn.clone();
    let command = Command::SetSecurityGroups(arn.clone(), security_groups(call)?);
    Ok(Plan::new(vec![command], move |call| {
        let it = find::load_balancer(call, arn.as_str())?;
        let mut xml = Xml::new();
        xml.texts(
            "SecurityGroupIds",
            it.security_groups.iter().map(SecurityGroupId::as_str),
        );
        Ok(xml)
    }))
}

/// Subnets have addresses of IPv4 only: nothing changes.
pub(super) fn set_ip_address_type(call: &Call<'_>) -> Result<Xml, AwsError> {
    find::load_balancer(call, required(&call.fields, "LoadBalancerArn")?)?;
    required(&call.fields, "IpAddressType")?;
    ip_address_type(call)?;
    let mut xml = Xml::new();
    xml.text("IpAddressType", "ipv4");
    Ok(xml)
}

fn ip_address_type(call: &Call<'_>) -> Result<(), AwsError> {
    match call.fields.text("IpAddressType") {
        None | Some("ipv4") => Ok(()),
        Some("dualstack" | "dualstack-without-public-ipv4") => Err(AwsError::new(
            "InvalidSubnet",
            "You must specify subnets with an associated IPv6 CIDR block, which albacore's do not have",
        )),
        Some(other) => {
            let all = ["ipv4", "dualstack", "dualstack-without-public-ipv4"];
            Err(not_in_set("IpAddressType", other, &all))
        }
    }
}

/// `Subnets` or `SubnetMappings`.
fn subnets(call: &Call<'_>) -> Result<Vec<SubnetId>, AwsError> {
    let fields = &call.fields;
    let (named, mapped) = (fields.texts("Subnets")?, fields.list("SubnetMappings")?);
    let ids = match (named.is_empty(), mapped.is_empty()) {
        (false, false) => {
            let message = "You can specify either subnets or subnet mappings, not both";
            return Err(AwsError::validation(message));
        }
        (false, true) => named,
        (_, _) => mapped
            .iter()
            .map(|mapping| required(mapping, "SubnetId"))
            .collect::<Result<_, _>>()?,
    };
    let network = call.state.ec2().network(call.scope);
    let known = |text: &str| SubnetId::try_from(text).ok().filter(|id| network.subnet(id).is_some());
    let subnet = |text: &str| {
        known(text).ok_or_else(|| {
            let all: Vec<_> = network
                .default_vpc()
                .subnets
                .iter()
                .map(|it| format!("{} ({})", it.id, it.zone))
                .collect();
            let message = format!(
                "The subnet ID '{}' does not exist. The default VPC {} of this region has {}",
                shown(text),
                network.default_vpc().vpc.id,
                all.join(", ")
            );
            AwsError::new("SubnetNotFound", message)
        })
    };
    ids.into_iter().map(subnet).collect()
}

/// `SecurityGroups`.
fn security_groups(call: &Call<'_>) -> Result<Vec<SecurityGroupId>, AwsError> {
    let network = call.state.ec2().network(call.scope);
    let group = |text: &str| {
        let known = SecurityGroupId::try_from(text).ok();
        known.filter(|id| network.security_group(id).is_some()).ok_or_else(|| {
            let message = format!(
                "One or more security groups are invalid: '{}' does not exist. The default security group of this region \
                 is '{}'",
                shown(text),
                network.default_vpc().security_group.id
            );
            AwsError::new("InvalidSecurityGroup", message)
        })
    };
    call.fields.texts("SecurityGroups")?.into_iter().map(group).collect()
}

/// The group of the VPC, which a load balancer has that names none.
fn default_group(call: &Call<'_>, subnets: &[SubnetId]) -> Vec<SecurityGroupId> {
    let network = call.state.ec2().network(call.scope);
    let vpc = subnets
        .first()
        .and_then(|id| network.subnet(id))
        .map(|subnet| subnet.vpc.clone());
    let group = vpc.and_then(|vpc| network.default_group_of(&vpc));
    group.map(|group| group.id.clone()).into_iter().collect()
}

fn has_groups(existing: &LoadBalancer, groups: &[SecurityGroupId]) -> bool {
    existing.security_groups.len() == groups.len() && groups.iter().all(|id| existing.security_groups.contains(id))
}

fn name(text: &str) -> Result<LoadBalancerName, AwsError> {
    LoadBalancerName::try_from(text).map_err(|refusal| name_refused("Load balancer", text, &refusal))
}

/// AWS's words for names that cannot be. Source: ALB 9.6.
pub(super) fn name_refused(kind: &str, text: &str, refusal: &NameRefusal) -> AwsError {
    // AWS has a sentence for the other rules of target groups' names only.
    if kind == TARGET_GROUP && matches!(refusal, NameRefusal::Hyphen(_) | NameRefusal::DoubleHyphen(_)) {
        let must = "Member must satisfy regular expression pattern: (?!.*--)(?!^-)(?!.*-$)^[A-Za-z0-9-]+$";
        return constraint("targetGroup.targetGroupArn.targetGroupName", text, must);
    }
    let text = shown(text);
    AwsError::validation(match refusal {
        NameRefusal::Length(_) if text.is_empty() => format!("{kind} name cannot be empty"),
        NameRefusal::Length(_) => format!("{kind} name '{text}' cannot be longer than '32' characters"),
        NameRefusal::Characters(_) => {
            format!("{kind} name '{text}' can only contain characters that are alphanumeric characters or hyphens(-)")
        }
        NameRefusal::Hyphen(_) => format!("{kind} name '{text}' cannot begin or end with '-'"),
        NameRefusal::DoubleHyphen(_) => format!("{kind} name '{text}' cannot contain two hyphens in a row"),
        NameRefusal::Internal(_) => format!("{kind} name '{text}' cannot begin with 'internal-'"),
    })
}
