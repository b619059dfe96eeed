//! Network ACLs: each VPC's default one, which lets everything through.

use super::select::{Kind, values};
use crate::aws::error::AwsError;
use crate::aws::query::call::Call;
use crate::aws::query::input::shown;
use model::Tags;
use model::ec2::Network;
use model::ec2::default::network_acl_association;
use model::ec2::resource::Vpc;
use std::sync::Arc;
use wire::xml::Xml;

const KIND: Kind<Arc<Vpc>> = Kind {
    ids: "NetworkAclId",
    set: "networkAclSet",
    unknown: |id| {
        let message = format!("The networkAcl ID '{}' does not exist", shown(id));
        AwsError::new("InvalidNetworkAclID.NotFound", message)
    },
    id: |it| it.network_acl.to_string(),
    tags: |_| Tags::default(),
    filters: &[
        "association.association-id",
        "association.network-acl-id",
        "association.subnet-id",
        "default",
        "network-acl-id",
        "owner-id",
        "vpc-id",
    ],
    value: |call, it, name| {
        let subnets = || call.state.ec2().network(call.scope).subnets_of(&it.id);
        match name {
            "association.association-id" => values(subnets().iter().map(|it| network_acl_association(it))),
            "association.network-acl-id" => values(subnets().iter().map(|_| &it.network_acl)),
            "association.subnet-id" => values(subnets().iter().map(|it| &it.id)),
            "default" => values([true]),
            "owner-id" => values([&call.scope.account]),
            "vpc-id" => values([&it.id]),
            _ => values([&it.network_acl]),
        }
    },
};

/// Number, protocol and deed of the entries, the same in both directions.
const ENTRIES: [(u16, &str); 2] = [(100, "allow"), (32_767, "deny")];

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    let network = call.state.ec2().network(call.scope);
    KIND.describe(call, network.vpcs(), |xml, it| shape(xml, call, &network, it))
}

fn shape(xml: &mut Xml, call: &Call<'_>, network: &Network<'_>, it: &Vpc) {
    xml.value("networkAclId", &it.network_acl);
    xml.value("vpcId", &it.id);
    xml.value("ownerId", &call.scope.account);
    xml.text("default", "true");
    xml.within("entrySet", |xml| {
        for egress in [true, false] {
            for (number, deed) in ENTRIES {
                xml.within("item", |xml| {
                    xml.value("ruleNumber", number);
                    xml.text("protocol", "-1");
                    xml.text("ruleAction", deed);
                    xml.value("egress", egress);
                    xml.text("cidrBlock", "0.0.0.0/0");
                });
            }
        }
    });
    xml.items("associationSet", network.subnets_of(&it.id), |xml, subnet| {
        xml.value("networkAclAssociationId", network_acl_association(&subnet));
        xml.value("networkAclId", &it.network_acl);
        xml.value("subnetId", &subnet.id);
    });
}
