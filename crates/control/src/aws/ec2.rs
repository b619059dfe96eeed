//! EC2's network, API version 2016-11-15. Source: clients.md 1, EDG part 4.
//!
//! ```text
//! operations     which operation is answered by whom
//! input          parameters as values; dry runs; tags in creating calls
//! select         resources by id and filter, in pages
//! permissions    rules of security groups as EC2 writes them, both ways
//! shapes         what resources have in common as XML
//! errors         refusals as AWS's codes
//! the others     one file for each family of operations
//! ```
//!
//! How calls reach them is `query`'s.

mod acls;
mod errors;
mod facts;
mod gateways;
mod input;
mod interfaces;
mod operations;
mod permissions;
mod route_tables;
mod rules;
mod security_groups;
mod select;
mod shapes;
mod subnets;
mod tags;
mod vpcs;

use crate::aws::query::call::Call;
use crate::aws::query::service::{Dialect, Service};

/// EC2, as far as the network goes.
pub(super) static SERVICE: Service = Service {
    name: "ec2",
    version: "2016-11-15",
    namespace: "http://ec2.amazonaws.com/doc/2016-11-15/",
    dialect: Dialect::Ec2,
    operations: operations::OPERATIONS,
    refused: errors::of,
    resources,
};

/// The ids that a call names, as ARNs; what is created is named by its kind and `*`.
fn resources(call: &Call<'_>) -> Vec<String> {
    const KINDS: [(&str, &str); 5] = [
        ("vpc-", "vpc"),
        ("subnet-", "subnet"),
        ("sg-", "security-group"),
        ("igw-", "internet-gateway"),
        ("rtb-", "route-table"),
    ];
    const NAMING: [&str; 6] = [
        "VpcId",
        "SubnetId",
        "GroupId",
        "InternetGatewayId",
        "RouteTableId",
        "ResourceId",
    ];
    if call.action.starts_with("Describe") {
        return Vec::new();
    }
    let (partition, region, account) = (call.scope.partition(), &call.scope.region, &call.scope.account);
    let named = NAMING.iter().flat_map(|name| call.fields.peek_below(name));
    let arn = |id: &str| {
        let (_, kind) = KINDS.iter().find(|(prefix, _)| id.starts_with(prefix))?;
        Some(format!("arn:{partition}:ec2:{region}:{account}:{kind}/{id}"))
    };
    named.filter_map(arn).collect()
}
