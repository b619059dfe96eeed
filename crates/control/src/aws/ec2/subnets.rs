//! Subnets.

use super::errors::not_found;
use super::input::{attribute, creation_tags, fresh, invalid, net, only, plan, required, required_id, silent};
use super::select::{Kind, values};
use super::{shapes, vpcs};
use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan};
use model::ec2::command::{CreateSubnet, SubnetAttributes, Verb};
use model::ec2::ids::SubnetId;
use model::ec2::refusal::Kind as RefusedKind;
use model::ec2::resource::{HostnameType, Subnet};
use model::ec2::{interface, zone};
use std::sync::Arc;
use wire::xml::Xml;

const KIND: Kind<Arc<Subnet>> = Kind {
    ids: "SubnetId",
    set: "subnetSet",
    unknown: |id| not_found(RefusedKind::Subnet, id),
    id: |it| it.id.to_string(),
    tags: |it| it.tags.clone(),
    filters: &[
        "availability-zone",
        "availabilityZone",
        "availability-zone-id",
        "availabilityZoneId",
        "cidr",
        "cidr-block",
        "cidrBlock",
        "default-for-az",
        "defaultForAz",
        "map-public-ip-on-launch",
        "owner-id",
        "state",
        "subnet-arn",
        "subnet-id",
        "vpc-id",
    ],
    value: |call, it, name| match name {
        "availability-zone" | "availabilityZone" => values([&it.zone]),
        "availability-zone-id" | "availabilityZoneId" => values(zone::id(&call.scope.region, &it.zone)),
        "cidr" | "cidr-block" | "cidrBlock" => values([it.cidr]),
        "default-for-az" | "defaultForAz" => values([it.is_default]),
        "map-public-ip-on-launch" => values([it.map_public_ip]),
        "owner-id" => values([&call.scope.account]),
        "state" => values(["available"]),
        "subnet-arn" => values([shapes::arn(call, "subnet", it.id.as_str())]),
        "vpc-id" => values([&it.vpc]),
        _ => values([&it.id]),
    },
};

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    let network = call.state.ec2().network(call.scope);
    let interfaces = interface::all(call.state, &network);
    KIND.describe(call, network.subnets(), |xml, it| shape(xml, call, it, &interfaces))
}

fn shape(xml: &mut Xml, call: &Call<'_>, it: &Subnet, interfaces: &[interface::NetworkInterface]) {
    xml.value("subnetId", &it.id);
    xml.text("subnetArn", &shapes::arn(call, "subnet", it.id.as_str()));
    xml.text("state", "available");
    xml.value("ownerId", &call.scope.account);
    xml.value("vpcId", &it.vpc);
    xml.value("cidrBlock", it.cidr);
    xml.within("ipv6CidrBlockAssociationSet", |_| {});
    xml.value("availableIpAddressCount", interface::free_addresses(it, interfaces));
    xml.text("availabilityZone", &it.zone);
    if let Some(id) = zone::id(&call.scope.region, &it.zone) {
        xml.text("availabilityZoneId", &id);
    }
    xml.value("defaultForAz", it.is_default);
    xml.value("mapPublicIpOnLaunch", it.map_public_ip);
    xml.text("mapCustomerOwnedIpOnLaunch", "false");
    xml.text("assignIpv6AddressOnCreation", "false");
    xml.text("enableDns64", "false");
    xml.text("ipv6Native", "false");
    xml.within("privateDnsNameOptionsOnLaunch", |xml| {
        let hostname = match it.private_names.hostname {
            HostnameType::IpName => "ip-name",
            HostnameType::ResourceName => "resource-name",
        };
        xml.text("hostnameType", hostname);
        xml.value("enableResourceNameDnsARecord", it.private_names.a_record);
        xml.value("enableResourceNameDnsAAAARecord", it.private_names.aaaa_record);
    });
    shapes::tags(xml, &it.tags);
}

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let fields = &call.fields;
    only(fields, "Ipv6Native", "false")?;
    let by_name = fields.text("AvailabilityZone").map(str::to_owned);
    let zone = match fields.text("AvailabilityZoneId") {
        None => by_name,
        Some(id) => {
            let zone = zone::with_id(&call.scope.region, id);
            Some(zone.ok_or_else(|| invalid("availabilityZoneId", id, "There is no such zone."))?)
        }
    };
    let id = fresh(SubnetId::fresh)?;
    let create = CreateSubnet {
        id: id.clone(),
        vpc: vpcs::named(fields)?,
        cidr: net("cidrBlock", required(fields, "CidrBlock")?)?,
        zone,
        tags: creation_tags(call, "subnet")?,
    };
    plan(call, vec![Verb::CreateSubnet(create)], move |call| {
        let mut xml = Xml::new();
        let network = call.state.ec2().network(call.scope);
        let subnet = network.subnet(&id);
        let subnet = subnet.ok_or_else(|| not_found(RefusedKind::Subnet, id.as_str()))?;
        xml.within("subnet", |xml| shape(xml, call, &subnet, &[]));
        Ok(xml)
    })
}

pub(super) fn modify(call: &Call<'_>) -> Result<Plan, AwsError> {
    let fields = &call.fields;
    for name in [
        "AssignIpv6AddressOnCreation",
        "EnableDns64",
        "MapCustomerOwnedIpOnLaunch",
    ] {
        if let Some(value) = fields.structure(name) {
            only(&value, "Value", "false")?;
        }
    }
    let hostname = match fields.text("PrivateDnsHostnameTypeOnLaunch") {
        None => None,
        Some("ip-name") => Some(HostnameType::IpName),
        Some("resource-name") => Some(HostnameType::ResourceName),
        Some(other) => {
            return Err(invalid(
                "privateDnsHostnameTypeOnLaunch",
                other,
                "There is no such type.",
            ));
        }
    };
    let attributes = SubnetAttributes {
        map_public_ip: attribute(fields, "MapPublicIpOnLaunch")?,
        hostname,
        a_record: attribute(fields, "EnableResourceNameDnsARecordOnLaunch")?,
        aaaa_record: attribute(fields, "EnableResourceNameDnsAAAARecordOnLaunch")?,
    };
    silent(call, vec![Verb::ModifySubnet(named(call)?, attributes)])
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    silent(call, vec![Verb::DeleteSubnet(named(call)?)])
}

/// The subnet that a call names.
pub(super) fn named(call: &Call<'_>) -> Result<SubnetId, AwsError> {
    required_id(&call.fields, "SubnetId", "InvalidSubnetID.Malformed", "subnet-")
}
