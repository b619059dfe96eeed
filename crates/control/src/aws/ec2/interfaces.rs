//! Network interfaces: those of load balancers, read off the state.

use super::errors::not_found;
use super::select::{Kind, values};
use super::vpcs::ignored_flag;
use crate::aws::error::AwsError;
use crate::aws::query::call::Call;
use model::Tags;
use model::ec2::interface::{self, NetworkInterface};
use model::ec2::refusal::Kind as RefusedKind;
use model::ec2::zone;
use wire::time::iso8601;
use wire::xml::Xml;

/// Who asked for them, and who owns what they are attached to.
const OWNER: &str = "amazon-elb";

const KIND: Kind<NetworkInterface> = Kind {
    ids: "NetworkInterfaceId",
    set: "networkInterfaceSet",
    unknown: |id| not_found(RefusedKind::NetworkInterface, id),
    id: |it| it.id.to_string(),
    tags: |_| Tags::default(),
    filters: &[
        "addresses.private-ip-address",
        "attachment.attachment-id",
        "attachment.instance-id",
        "attachment.instance-owner-id",
        "attachment.status",
        "availability-zone",
        "description",
        "group-id",
        "group-name",
        "interface-type",
        "network-interface-id",
        "owner-id",
        "private-ip-address",
        "requester-id",
        "requester-managed",
        "status",
        "subnet-id",
        "vpc-id",
    ],
    value,
};

fn value(call: &Call<'_>, it: &NetworkInterface, name: &str) -> Vec<String> {
    match name {
        "addresses.private-ip-address" | "private-ip-address" => values([it.private_address]),
        "attachment.attachment-id" => values([&it.attachment]),
        "attachment.instance-id" => Vec::new(),
        "attachment.instance-owner-id" | "requester-id" => values([OWNER]),
        "attachment.status" => values(["attached"]),
        "availability-zone" => values([&it.subnet.zone]),
        "description" => values([&it.description]),
        "group-id" => values(&it.groups),
        "group-name" => {
            let network = call.state.ec2().network(call.scope);
            let groups = it.groups.iter().filter_map(|id| network.security_group(id));
            groups.map(|group| group.name.clone()).collect()
        }
        "interface-type" => values(["interface"]),
        "owner-id" => values([&call.scope.account]),
        "requester-managed" => values([true]),
        "status" => values(["in-use"]),
        "subnet-id" => values([&it.subnet.id]),
        "vpc-id" => values([&it.subnet.vpc]),
        _ => values([&it.id]),
    }
}

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    ignored_flag(call, "IncludeManagedResources")?;
    let network = call.state.ec2().network(call.scope);
    let all = interface::all(call.state, &network);
    KIND.describe(call, all, |xml, it| shape(xml, call, it))
}

fn shape(xml: &mut Xml, call: &Call<'_>, it: &NetworkInterface) {
    let network = call.state.ec2().network(call.scope);
    xml.value("networkInterfaceId", &it.id);
    xml.value("subnetId", &it.subnet.id);
    xml.value("vpcId", &it.subnet.vpc);
    xml.text("availabilityZone", &it.subnet.zone);
    if let Some(id) = zone::id(&call.scope.region, &it.subnet.zone) {
        xml.text("availabilityZoneId", &id);
    }
    xml.text("description", &it.description);
    xml.value("ownerId", &call.scope.account);
    xml.text("requesterId", OWNER);
    xml.text("requesterManaged", "true");
    xml.text("status", "in-use");
    xml.text("macAddress", &mac_address(it));
    xml.value("privateIpAddress", it.private_address);
    xml.text("sourceDestCheck", "true");
    xml.text("interfaceType", "interface");
    xml.items("groupSet", &it.groups, |xml, id| {
        xml.value("groupId", id);
        if let Some(group) = network.security_group(id) {
            xml.text("groupName", &group.name);
        }
    });
    xml.within("attachment", |xml| {
        xml.value("attachmentId", &it.attachment);
        xml.text("instanceOwnerId", OWNER);
        xml.text("deviceIndex", "1");
        xml.text("status", "attached");
        xml.text("attachTime", &iso8601(it.created.0));
        xml.text("deleteOnTermination", "false");
    });
    xml.items("privateIpAddressesSet", [it], |xml, it| {
        xml.value("privateIpAddress", it.private_address);
        xml.text("primary", "true");
    });
}

/// Of addresses that are handed out locally, so that it is nobody's.
fn mac_address(it: &NetworkInterface) -> String {
    let digits: Vec<char> = it.id.as_str().chars().rev().take(10).collect();
    let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
    format!("02:{}", pairs.collect::<Vec<_>>().join(":"))
}
