//! Rules of security groups as EC2 writes them: many peers in one permission. Source: EDG part 4.

use super::input::{invalid, net, required};
use crate::aws::error::AwsError;
use crate::aws::query::call::Call;
use crate::aws::query::input::shown;
use model::ec2::Network;
use model::ec2::ids::{SecurityGroupId, VpcId};
use model::ec2::resource::{Direction, Permission, Protocol, RulePeer, SecurityGroup, SecurityGroupRule};
use wire::query::Fields;
use wire::xml::Xml;

/// What a rule lets through, and what people say about it.
pub(super) type Written = (Permission, Option<String>);

/// `IpPermissions`, or the parameters of one that old callers send beside it.
pub(super) fn read(call: &Call<'_>, direction: Direction, vpc: &VpcId) -> Result<Vec<Written>, AwsError> {
    let network = call.state.ec2().network(call.scope);
    let fields = &call.fields;
    let mut all = Vec::new();
    for permission in fields.flat_list("IpPermissions")? {
        let read = one(&permission, direction, &network, vpc)?;
        if read.is_empty() {
            let message = "A permission names at least one of IpRanges, Ipv6Ranges, Groups";
            return Err(AwsError::new("InvalidParameterValue", message));
        }
        all.extend(read);
    }
    if fields.has("SourceSecurityGroupName") {
        let message = "The parameter SourceSecurityGroupName is not built; use IpPermissions with a group id";
        return Err(AwsError::not_built(message));
    }
    if let Some(cidr) = fields.text("CidrIp") {
        let protocol = protocol(fields)?;
        let what = Permission {
            direction,
            protocol,
            ports: ports(fields, protocol)?,
            peer: RulePeer::Net(net("CidrIp", cidr)?),
        };
        all.push((what, None));
    }
    Ok(all)
}

fn one(
    fields: &Fields<'_>,
    direction: Direction,
    network: &Network<'_>,
    vpc: &VpcId,
) -> Result<Vec<Written>, AwsError> {
    if !fields.flat_list("PrefixListIds")?.is_empty() {
        return Err(AwsError::not_built("Prefix lists are not built"));
    }
    let protocol = protocol(fields)?;
    let ports = ports(fields, protocol)?;
    let mut peers: Vec<(RulePeer, Option<String>)> = Vec::new();
    for (list, member, is_ipv4) in [("IpRanges", "CidrIp", true), ("Ipv6Ranges", "CidrIpv6", false)] {
        for range in fields.flat_list(list)? {
            let text = required(&range, member)?;
            let block = net(member, text)?;
            if block.is_ipv4() != is_ipv4 {
                return Err(invalid(member, text, "This is a block of the other family."));
            }
            peers.push((RulePeer::Net(block), description(&range)?));
        }
    }
    for group in fields.flat_list("Groups")? {
        for unused in ["UserId", "VpcId"] {
            group.text(unused); // there is one account, and a group knows its VPC
        }
        let id = peer_group(&group, network, vpc)?;
        peers.push((RulePeer::Group(id), description(&group)?));
    }
    let what = |peer: RulePeer| Permission {
        direction,
        protocol,
        ports,
        peer,
    };
    Ok(peers
        .into_iter()
        .map(|(peer, description)| (what(peer), description))
        .collect())
}

fn peer_group(fields: &Fields<'_>, network: &Network<'_>, vpc: &VpcId) -> Result<SecurityGroupId, AwsError> {
    let unknown = |text: &str| super::errors::not_found(model::ec2::refusal::Kind::SecurityGroup, text);
    match (fields.text("GroupId"), fields.text("GroupName")) {
        (Some(id), _) => SecurityGroupId::try_from(id).map_err(|_| unknown(id)),
        (None, Some(name)) => {
            let groups = network.security_groups();
            let group = groups.iter().find(|it| it.name == name && it.vpc == *vpc);
            group.map(|it| it.id.clone()).ok_or_else(|| unknown(name))
        }
        (None, None) => Err(super::input::missing("GroupId")),
    }
}

/// Of a rule alone, as `ModifySecurityGroupRules` writes one.
pub(super) fn read_single(fields: &Fields<'_>) -> Result<Written, AwsError> {
    if fields.has("PrefixListId") {
        return Err(AwsError::not_built("Prefix lists are not built"));
    }
    let protocol = protocol(fields)?;
    let (v4, v6) = (fields.text("CidrIpv4"), fields.text("CidrIpv6"));
    let peer = match (v4, v6, fields.text("ReferencedGroupId")) {
        (Some(text), None, None) => RulePeer::Net(net("CidrIpv4", text)?),
        (None, Some(text), None) => RulePeer::Net(net("CidrIpv6", text)?),
        (None, None, Some(text)) => {
            let unknown = |_| super::errors::not_found(model::ec2::refusal::Kind::SecurityGroup, text);
            RulePeer::Group(SecurityGroupId::try_from(text).map_err(unknown)?)
        }
        _ => {
            let message = "A rule has exactly one of CidrIpv4, CidrIpv6, ReferencedGroupId";
            return Err(AwsError::new("InvalidParameterCombination", message));
        }
    };
    let what = Permission {
        // The rule keeps its own.
        direction: Direction::Ingress,
        protocol,
        ports: ports(fields, protocol)?,
        peer,
    };
    Ok((what, description(fields)?))
}

fn protocol(fields: &Fields<'_>) -> Result<Protocol, AwsError> {
    let text = required(fields, "IpProtocol")?;
    let known = Protocol::try_from(text);
    known.map_err(|_| {
        let message = format!("Invalid value '{}' for IP protocol. Unknown protocol.", shown(text));
        AwsError::new("InvalidPermission.Malformed", message)
    })
}

/// What they mean depends on the protocol; most have none.
fn ports(fields: &Fields<'_>, protocol: Protocol) -> Result<Option<(i32, i32)>, AwsError> {
    let number = |name: &str| match fields.text(name) {
        None => Ok(None),
        Some(text) => text
            .parse::<i32>()
            .map(Some)
            .map_err(|_| invalid(name, text, "It must be a number.")),
    };
    let (from, to) = (number("FromPort")?, number("ToPort")?);
    let refused = |message: String| Err(AwsError::new("InvalidParameterValue", message));
    match protocol {
        Protocol::All | Protocol::Number(_) => Ok(None),
        Protocol::Tcp | Protocol::Udp => match (from, to) {
            (Some(from @ 0..=65_535), Some(to @ 0..=65_535)) if from <= to => Ok(Some((from, to))),
            (Some(from), Some(to)) => refused(format!("Invalid TCP/UDP port range ({from}:{to})")),
            _ => refused("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.".to_owned()),
        },
        Protocol::Icmp | Protocol::IcmpV6 => match (from, to) {
            (None, None) => Ok(Some((-1, -1))),
            (Some(kind @ -1..=255), Some(code @ -1..=255)) => Ok(Some((kind, code))),
            (Some(kind @ -1..=255), None) => Ok(Some((kind, -1))),
            (kind, code) => refused(format!("Invalid ICMP type and code ({kind:?}, {code:?})")),
        },
    }
}

/// As AWS: at most 255 characters of a small alphabet. An empty one is none.
pub(super) fn description(fields: &Fields<'_>) -> Result<Option<String>, AwsError> {
    let Some(text) = fields.text("Description").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    check_text("rule", text)?;
    Ok(Some(text.to_owned()))
}

/// Names and descriptions.
pub(super) fn check_text(what: &str, text: &str) -> Result<(), AwsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if text.chars().count() <= 255 && text.chars().all(allowed) {
        return Ok(());
    }
    let message = format!(
        "Invalid {what} description or name. Valid are strings less than 256 characters from the following set: \
         a-zA-Z0-9. _-:/()#,@[]+=&;{{}}!$*"
    );
    Err(AwsError::new("InvalidParameterValue", message))
}

/// `ipPermissions` or `ipPermissionsEgress`: what differs in the peer alone is one permission.
pub(super) fn write(xml: &mut Xml, name: &str, call: &Call<'_>, group: &SecurityGroup, direction: Direction) {
    let mut kinds: Vec<(Protocol, Option<(i32, i32)>)> = Vec::new();
    for rule in group.rules(direction) {
        let kind = (rule.what.protocol, rule.what.ports);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    xml.items(name, kinds, |xml, (protocol, of_ports)| {
        let is_of = |rule: &&SecurityGroupRule| (rule.what.protocol, rule.what.ports) == (protocol, of_ports);
        let rules: Vec<_> = group.rules(direction).filter(is_of).collect();
        xml.value("ipProtocol", protocol);
        if let Some((from, to)) = of_ports {
            xml.value("fromPort", from);
            xml.value("toPort", to);
        }
        let groups = rules.iter().filter_map(|rule| match &rule.what.peer {
            RulePeer::Group(id) => Some((id, rule)),
            RulePeer::Net(_) => None,
        });
        xml.items("groups", groups, |xml, (id, rule)| {
            xml.value("userId", &call.scope.account);
            xml.value("groupId", id);
            describe(xml, rule);
        });
        for (list, member, is_ipv4) in [("ipRanges", "cidrIp", true), ("ipv6Ranges", "cidrIpv6", false)] {
            let nets = rules.iter().filter_map(|rule| match rule.what.peer {
                RulePeer::Net(net) if net.is_ipv4() == is_ipv4 => Some((net, rule)),
                _ => None,
            });
            xml.items(list, nets, |xml, (net, rule)| {
                xml.value(member, net);
                describe(xml, rule);
            });
        }
        xml.within("prefixListIds", |_| {});
    });
}

pub(super) fn describe(xml: &mut Xml, rule: &SecurityGroupRule) {
    if let Some(description) = &rule.description {
        xml.text("description", description);
    }
}
