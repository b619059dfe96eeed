//! Internet gateways.

use super::errors::not_found;
use super::input::{creation_tags, fresh, plan, required_id, silent};
use super::select::{Kind, values};
use super::{shapes, vpcs};
use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan};
use model::ec2::command::{CreateInternetGateway, Verb};
use model::ec2::ids::InternetGatewayId;
use model::ec2::refusal::Kind as RefusedKind;
use model::ec2::resource::InternetGateway;
use std::sync::Arc;
use wire::xml::Xml;

const KIND: Kind<Arc<InternetGateway>> = Kind {
    ids: "InternetGatewayId",
    set: "internetGatewaySet",
    unknown: |id| not_found(RefusedKind::InternetGateway, id),
    id: |it| it.id.to_string(),
    tags: |it| it.tags.clone(),
    filters: &[
        "attachment.state",
        "attachment.vpc-id",
        "internet-gateway-id",
        "owner-id",
    ],
    value: |call, it, name| match name {
        "attachment.state" => values(it.vpc.as_ref().map(|_| "available")),
        "attachment.vpc-id" => values(it.vpc.as_ref()),
        "owner-id" => values([&call.scope.account]),
        _ => values([&it.id]),
    },
};

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    let all = call.state.ec2().network(call.scope).internet_gateways();
    KIND.describe(call, all, |xml, it| shape(xml, call, it))
}

fn shape(xml: &mut Xml, call: &Call<'_>, it: &InternetGateway) {
    xml.value("internetGatewayId", &it.id);
    xml.value("ownerId", &call.scope.account);
    xml.items("attachmentSet", &it.vpc, |xml, vpc| {
        xml.value("vpcId", vpc);
        xml.text("state", "available");
    });
    shapes::tags(xml, &it.tags);
}

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let id = fresh(InternetGatewayId::fresh)?;
    let create = CreateInternetGateway {
        id: id.clone(),
        tags: creation_tags(call, "internet-gateway")?,
    };
    plan(call, vec![Verb::CreateInternetGateway(create)], move |call| {
        let mut xml = Xml::new();
        let gateway = call.state.ec2().network(call.scope).internet_gateway(&id);
        let gateway = gateway.ok_or_else(|| not_found(RefusedKind::InternetGateway, id.as_str()))?;
        xml.within("internetGateway", |xml| shape(xml, call, &gateway));
        Ok(xml)
    })
}

pub(super) fn attach(call: &Call<'_>) -> Result<Plan, AwsError> {
    let verb = Verb::AttachInternetGateway(named(call)?, vpcs::named(&call.fields)?);
    silent(call, vec![verb])
}

pub(super) fn detach(call: &Call<'_>) -> Result<Plan, AwsError> {
    let verb = Verb::DetachInternetGateway(named(call)?, vpcs::named(&call.fields)?);
    silent(call, vec![verb])
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    silent(call, vec![Verb::DeleteInternetGateway(named(call)?)])
}

fn named(call: &Call<'_>) -> Result<InternetGatewayId, AwsError> {
    required_id(
        &call.fields,
        "InternetGatewayId",
        "InvalidInternetGatewayId.Malformed",
        "igw-",
    )
}
