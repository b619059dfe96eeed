//! VPCs.

use super::errors::not_found;
use super::input::{
    attribute, boolean, creation_tags, dry_read, fresh, invalid, net, only, plan, required, required_id, silent,
};
use super::select::{Kind, values};
use super::shapes;
use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan};
use crate::aws::query::input::shown;
use model::ec2::command::{CreateVpc, Verb, VpcAttribute, VpcIds};
use model::ec2::default::dhcp_options;
use model::ec2::ids::{
    NetworkAclId, RouteAssociationId, RouteTableId, SecurityGroupId, SecurityGroupRuleId, VpcCidrAssociationId, VpcId,
};
use model::ec2::refusal::Kind as RefusedKind;
use model::ec2::resource::{Tenancy, Vpc};
use std::sync::Arc;
use wire::query::Fields;
use wire::xml::Xml;

const KIND: Kind<Arc<Vpc>> = Kind {
    ids: "VpcId",
    set: "vpcSet",
    unknown: |id| not_found(RefusedKind::Vpc, id),
    id: |it| it.id.to_string(),
    tags: |it| it.tags.clone(),
    filters: &[
        "cidr",
        "cidr-block",
        "cidr-block-association.association-id",
        "cidr-block-association.cidr-block",
        "cidr-block-association.state",
        "dhcp-options-id",
        "is-default",
        "isDefault",
        "owner-id",
        "state",
        "vpc-id",
    ],
    value: |call, it, name| match name {
        "cidr" | "cidr-block" | "cidr-block-association.cidr-block" => values([it.cidr]),
        "cidr-block-association.association-id" => values([&it.cidr_association]),
        "cidr-block-association.state" => values(["associated"]),
        "dhcp-options-id" => values([dhcp_options(call.scope)]),
        "is-default" | "isDefault" => values([it.is_default]),
        "owner-id" => values([&call.scope.account]),
        "state" => values(["available"]),
        _ => values([&it.id]),
    },
};

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    let all = call.state.ec2().network(call.scope).vpcs();
    KIND.describe(call, all, |xml, it| shape(xml, call, it))
}

fn shape(xml: &mut Xml, call: &Call<'_>, it: &Vpc) {
    xml.value("vpcId", &it.id);
    xml.value("ownerId", &call.scope.account);
    xml.text("state", "available");
    xml.value("cidrBlock", it.cidr);
    xml.items("cidrBlockAssociationSet", [it], |xml, it| {
        xml.value("cidrBlock", it.cidr);
        xml.value("associationId", &it.cidr_association);
        xml.within("cidrBlockState", |xml| xml.text("state", "associated"));
    });
    xml.value("dhcpOptionsId", dhcp_options(call.scope));
    let tenancy = match it.tenancy {
        Tenancy::Default => "default",
        Tenancy::Dedicated => "dedicated",
    };
    xml.text("instanceTenancy", tenancy);
    xml.value("isDefault", it.is_default);
    shapes::tags(xml, &it.tags);
}

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let fields = &call.fields;
    only(fields, "AmazonProvidedIpv6CidrBlock", "false")?;
    let tenancy = match fields.text("InstanceTenancy") {
        None | Some("default") => Tenancy::Default,
        Some("dedicated") => Tenancy::Dedicated,
        Some(other) => return Err(invalid("instanceTenancy", other, "It must be default or dedicated.")),
    };
    let ids = VpcIds {
        vpc: fresh(VpcId::fresh)?,
        cidr_association: fresh(VpcCidrAssociationId::fresh)?,
        network_acl: fresh(NetworkAclId::fresh)?,
        route_table: fresh(RouteTableId::fresh)?,
        main_association: fresh(RouteAssociationId::fresh)?,
        security_group: fresh(SecurityGroupId::fresh)?,
        rules: [fresh(SecurityGroupRuleId::fresh)?, fresh(SecurityGroupRuleId::fresh)?],
    };
    let id = ids.vpc.clone();
    let create = CreateVpc {
        ids,
        cidr: net("cidrBlock", required(fields, "CidrBlock")?)?,
        tenancy,
        tags: creation_tags(call, "vpc")?,
    };
    plan(call, vec![Verb::CreateVpc(create)], move |call| {
        let mut xml = Xml::new();
        let vpc = call.state.ec2().network(call.scope).vpc(&id);
        let vpc = vpc.ok_or_else(|| not_found(RefusedKind::Vpc, id.as_str()))?;
        xml.within("vpc", |xml| shape(xml, call, &vpc));
        Ok(xml)
    })
}

/// The VPC that a call names.
pub(super) fn named(fields: &Fields<'_>) -> Result<VpcId, AwsError> {
    required_id(fields, "VpcId", "InvalidVpcID.Malformed", "vpc-")
}

/// One attribute in a call, as on AWS.
pub(super) fn modify(call: &Call<'_>) -> Result<Plan, AwsError> {
    let (fields, id) = (&call.fields, named(&call.fields)?);
    let given = [
        attribute(fields, "EnableDnsSupport")?.map(VpcAttribute::DnsSupport),
        attribute(fields, "EnableDnsHostnames")?.map(VpcAttribute::DnsHostnames),
        attribute(fields, "EnableNetworkAddressUsageMetrics")?.map(VpcAttribute::AddressMetrics),
    ];
    let given: Vec<VpcAttribute> = given.into_iter().flatten().collect();
    match given.as_slice() {
        [attribute] => silent(call, vec![Verb::ModifyVpc(id, *attribute)]),
        [] => Err(super::input::missing("Attribute")),
        _ => Err(AwsError::new(
            "InvalidParameterCombination",
            "Only one attribute can be modified at a time",
        )),
    }
}

pub(super) fn describe_attribute(call: &Call<'_>) -> Result<Xml, AwsError> {
    let id = named(&call.fields)?;
    let wanted = required(&call.fields, "Attribute")?;
    dry_read(call)?;
    let vpc = call.state.ec2().network(call.scope).vpc(&id);
    let vpc = vpc.ok_or_else(|| not_found(RefusedKind::Vpc, id.as_str()))?;
    let value = match wanted {
        "enableDnsSupport" => vpc.dns_support,
        "enableDnsHostnames" => vpc.dns_hostnames,
        "enableNetworkAddressUsageMetrics" => vpc.address_metrics,
        other => {
            let message = format!(
                "Value ({}) for parameter attribute is invalid. Unknown attribute.",
                shown(other)
            );
            return Err(AwsError::new("InvalidParameterValue", message));
        }
    };
    let mut xml = Xml::new();
    xml.value("vpcId", &vpc.id);
    xml.within(wanted, |xml| xml.value("value", value));
    Ok(xml)
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    silent(call, vec![Verb::DeleteVpc(named(&call.fields)?)])
}

/// The VPC of a call that may leave it out: then it is the default one.
pub(super) fn named_or_default(call: &Call<'_>) -> Result<VpcId, AwsError> {
    match call.fields.text("VpcId") {
        Some(_) => named(&call.fields),
        None => Ok(call.state.ec2().network(call.scope).default_vpc().vpc.id.clone()),
    }
}

/// `AllRegions` and the like, which change nothing here.
pub(super) fn ignored_flag(call: &Call<'_>, name: &str) -> Result<(), AwsError> {
    boolean(&call.fields, name).map(|_| ())
}
