//! Route tables, routes and associations.

use super::errors::not_found;
use super::input::{creation_tags, fresh, missing, net, only, plan, required_id, silent};
use super::select::{Kind, values};
use super::{shapes, subnets, vpcs};
use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan};
use model::ec2::Network;
use model::ec2::command::{Associate, CreateRouteTable, RouteVerb, SetRoute, Verb};
use model::ec2::ids::{InternetGatewayId, RouteAssociationId, RouteTableId};
use model::ec2::net::Net;
use model::ec2::refusal::Kind as RefusedKind;
use model::ec2::resource::{Route, RouteTable};
use std::sync::Arc;
use wire::xml::Xml;

/// The route to the VPC's own addresses, which is in every table.
const LOCAL: &str = "local";

const KIND: Kind<Arc<RouteTable>> = Kind {
    ids: "RouteTableId",
    set: "routeTableSet",
    unknown: |id| not_found(RefusedKind::RouteTable, id),
    id: |it| it.id.to_string(),
    tags: |it| it.tags.clone(),
    filters: &[
        "association.gateway-id",
        "association.main",
        "association.route-table-association-id",
        "association.route-table-id",
        "association.subnet-id",
        "owner-id",
        "route-table-id",
        "route.destination-cidr-block",
        "route.destination-ipv6-cidr-block",
        "route.gateway-id",
        "route.origin",
        "route.state",
        "vpc-id",
    ],
    value,
};

fn value(call: &Call<'_>, it: &Arc<RouteTable>, name: &str) -> Vec<String> {
    let network = call.state.ec2().network(call.scope);
    let of_vpc = network.vpc(&it.vpc).map(|vpc| vpc.cidr);
    let destinations = |is_ipv4: bool| {
        let all = it.routes.iter().map(|route| route.destination).chain(of_vpc);
        values(all.filter(|net| net.is_ipv4() == is_ipv4))
    };
    match name {
        "association.gateway-id" => Vec::new(),
        "association.main" => values(it.associations.iter().map(|it| it.subnet.is_none())),
        "association.route-table-association-id" => values(it.associations.iter().map(|it| &it.id)),
        "association.route-table-id" => values(it.associations.iter().map(|_| &it.id)),
        "association.subnet-id" => values(it.associations.iter().filter_map(|it| it.subnet.as_ref())),
        "owner-id" => values([&call.scope.account]),
        "route.destination-cidr-block" => destinations(true),
        "route.destination-ipv6-cidr-block" => destinations(false),
        "route.gateway-id" => {
            let gateways = it.routes.iter().map(|route| route.gateway.as_str());
            values(gateways.chain([LOCAL]))
        }
        "route.origin" => {
            let made = it.routes.iter().map(|_| "CreateRoute");
            values(made.chain(["CreateRouteTable"]))
        }
        "route.state" => {
            let states = it.routes.iter().map(|route| state(&network, it, route));
            values(states.chain(["active"]))
        }
        "vpc-id" => values([&it.vpc]),
        _ => values([&it.id]),
    }
}

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    let network = call.state.ec2().network(call.scope);
    KIND.describe(call, network.route_tables(), |xml, it| shape(xml, call, &network, it))
}

fn shape(xml: &mut Xml, call: &Call<'_>, network: &Network<'_>, it: &RouteTable) {
    xml.value("routeTableId", &it.id);
    xml.value("vpcId", &it.vpc);
    xml.value("ownerId", &call.scope.account);
    xml.within("routeSet", |xml| {
        if let Some(vpc) = network.vpc(&it.vpc) {
            xml.within("item", |xml| route(xml, vpc.cidr, LOCAL, "active", "CreateRouteTable"));
        }
        for made in &it.routes {
            let state = state(network, it, made);
            xml.within("item", |xml| {
                route(xml, made.destination, made.gateway.as_str(), state, "CreateRoute");
            });
        }
    });
    xml.items("associationSet", &it.associations, |xml, association| {
        xml.value("routeTableAssociationId", &association.id);
        xml.value("routeTableId", &it.id);
        if let Some(subnet) = &association.subnet {
            xml.value("subnetId", subnet);
        }
        xml.value("main", association.subnet.is_none());
        associated(xml);
    });
    xml.within("propagatingVgwSet", |_| {});
    shapes::tags(xml, &it.tags);
}

fn route(xml: &mut Xml, destination: Net, gateway: &str, state: &str, origin: &str) {
    let name = match destination.is_ipv4() {
        true => "destinationCidrBlock",
        false => "destinationIpv6CidrBlock",
    };
    xml.value(name, destination);
    xml.text("gatewayId", gateway);
    xml.text("state", state);
    xml.text("origin", origin);
}

/// A route to a gateway that the VPC does not have any more leads nowhere.
fn state(network: &Network<'_>, table: &RouteTable, route: &Route) -> &'static str {
    let gateway = network.internet_gateway(&route.gateway);
    match gateway.is_some_and(|gateway| gateway.vpc.as_ref() == Some(&table.vpc)) {
        true => "active",
        false => "blackhole",
    }
}

fn associated(xml: &mut Xml) {
    xml.within("associationState", |xml| xml.text("state", "associated"));
}

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    // The SDK sends one with each call; it does not send a call twice by itself.
    call.fields.text("ClientToken");
    let id = fresh(RouteTableId::fresh)?;
    let create = CreateRouteTable {
        id: id.clone(),
        vpc: vpcs::named(&call.fields)?,
        tags: creation_tags(call, "route-table")?,
    };
    plan(call, vec![Verb::CreateRouteTable(create)], move |call| {
        let mut xml = Xml::new();
        let network = call.state.ec2().network(call.scope);
        let table = network.route_table(&id);
        let table = table.ok_or_else(|| not_found(RefusedKind::RouteTable, id.as_str()))?;
        xml.within("routeTable", |xml| shape(xml, call, &network, &table));
        Ok(xml)
    })
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    silent(call, vec![Verb::DeleteRouteTable(named(call)?)])
}

pub(super) fn create_route(call: &Call<'_>) -> Result<Plan, AwsError> {
    set_route(call, RouteVerb::Create)
}

pub(super) fn replace_route(call: &Call<'_>) -> Result<Plan, AwsError> {
    set_route(call, RouteVerb::Replace)
}

fn set_route(call: &Call<'_>, verb: RouteVerb) -> Result<Plan, AwsError> {
    const OTHERS: [&str; 11] = [
        "CarrierGatewayId",
        "CoreNetworkArn",
        "EgressOnlyInternetGatewayId",
        "InstanceId",
        "LocalGatewayId",
        "LocalTarget",
        "NatGatewayId",
        "NetworkInterfaceId",
        "TransitGatewayId",
        "VpcEndpointId",
        "VpcPeeringConnectionId",
    ];
    let fields = &call.fields;
    if let Some(other) = OTHERS.iter().find(|name| fields.has(name)) {
        let message = format!("Routes lead to internet gateways; the parameter {other} is not built");
        return Err(AwsError::not_built(message));
    }
    only(fields, "DestinationPrefixListId", "")?;
    let gateway = required_id::<InternetGatewayId>(fields, "GatewayId", "InvalidGatewayID.NotFound", "igw-")?;
    let set = SetRoute {
        table: named(call)?,
        destination: destination(call)?,
        gateway,
        verb,
    };
    silent(call, vec![Verb::SetRoute(set)])
}

pub(super) fn delete_route(call: &Call<'_>) -> Result<Plan, AwsError> {
    silent(call, vec![Verb::DeleteRoute(named(call)?, destination(call)?)])
}

fn destination(call: &Call<'_>) -> Result<Net, AwsError> {
    let fields = &call.fields;
    match (
        fields.text("DestinationCidrBlock"),
        fields.text("DestinationIpv6CidrBlock"),
    ) {
        (Some(v4), None) => net("destinationCidrBlock", v4),
        (None, Some(v6)) => net("destinationIpv6CidrBlock", v6),
        (None, None) => Err(missing("DestinationCidrBlock")),
        (Some(_), Some(_)) => Err(AwsError::new(
            "InvalidParameterCombination",
            "Only one of destinationCidrBlock and destinationIpv6CidrBlock can be specified",
        )),
    }
}

pub(super) fn associate(call: &Call<'_>) -> Result<Plan, AwsError> {
    if call.fields.has("GatewayId") {
        let message = "Route tables of gateways are not built: name a subnet";
        return Err(AwsError::not_built(message));
    }
    let id = fresh(RouteAssociationId::fresh)?;
    let associate = Associate {
        id: id.clone(),
        table: named(call)?,
        subnet: subnets::named(call)?,
    };
    plan(call, vec![Verb::Associate(associate)], move |_| {
        let mut xml = Xml::new();
        xml.value("associationId", &id);
        associated(&mut xml);
        Ok(xml)
    })
}

pub(super) fn replace_association(call: &Call<'_>) -> Result<Plan, AwsError> {
    let fresh = fresh(RouteAssociationId::fresh)?;
    let verb = Verb::ReplaceAssociation(association(call)?, named(call)?, fresh.clone());
    plan(call, vec![verb], move |_| {
        let mut xml = Xml::new();
        xml.value("newAssociationId", &fresh);
        associated(&mut xml);
        Ok(xml)
    })
}

pub(super) fn disassociate(call: &Call<'_>) -> Result<Plan, AwsError> {
    silent(call, vec![Verb::Disassociate(association(call)?)])
}

fn association(call: &Call<'_>) -> Result<RouteAssociationId, AwsError> {
    required_id(
        &call.fields,
        "AssociationId",
        "InvalidAssociationID.Malformed",
        "rtbassoc-",
    )
}

fn named(call: &Call<'_>) -> Result<RouteTableId, AwsError> {
    required_id(&call.fields, "RouteTableId", "InvalidRouteTableId.Malformed", "rtb-")
}
