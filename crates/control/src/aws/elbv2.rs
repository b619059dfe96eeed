//! Elastic Load Balancing, API version 2015-12-01.
//!
//! ```text
//! operations     which operation is answered by whom
//! actions, conditions, health_check  the larger parameters
//! find, page     resources by ARN, and pages of them
//! shapes         resources as XML
//! errors         refusals as AWS's codes
//! the others     one file for each family of operations
//! ```
//!
//! How calls reach them is `query`'s.

mod actions;
mod attributes;
mod capacity;
mod certificates;
mod conditions;
mod constants;
mod errors;
mod find;
mod health_check;
mod hosted_zones;
mod listeners;
mod load_balancers;
mod operations;
mod page;
mod rules;
mod shapes;
mod tags;
mod target_groups;
mod targets;
mod trust_store_content;
mod trust_stores;

pub(super) use trust_store_content::file as trust_store_file;

use crate::aws::query::call::Call;
use crate::aws::query::service::{Dialect, Service};
use crate::aws::query::{call, input};

/// Elastic Load Balancing. The classic API shares the endpoint with another version.
pub(super) static SERVICE: Service = Service {
    name: "elasticloadbalancing",
    version: "2015-12-01",
    namespace: "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
    dialect: Dialect::Query,
    operations: operations::OPERATIONS,
    refused: errors::of,
    resources,
};

/// The parameters that name what an operation is about.
const NAMING: [&str; 8] = [
    "ListenerArn",
    "LoadBalancerArn",
    "ResourceArn",
    "ResourceArns",
    "RuleArn",
    "RulePriorities",
    "TargetGroupArn",
    "TrustStoreArn",
];

/// What is created has no ARN yet: policies name it by its kind and name, and whatever comes then with `*`.
fn resources(call: &Call<'_>) -> Vec<String> {
    let name = call.fields.peek("Name").unwrap_or_default();
    let arn = |path: &str| {
        let (partition, region, account) = (call.scope.partition(), &call.scope.region, &call.scope.account);
        vec![format!(
            "arn:{partition}:elasticloadbalancing:{region}:{account}:{path}"
        )]
    };
    match call.action {
        "CreateLoadBalancer" => return arn(&format!("loadbalancer/app/{name}/*")),
        "CreateTargetGroup" => return arn(&format!("targetgroup/{name}/*")),
        "CreateTrustStore" => return arn(&format!("truststore/{name}/*")),
        // Source: service authorization reference: these have no resource-level permissions.
        action if action.starts_with("Describe") => return Vec::new(),
        _ => {}
    }
    let named = NAMING.iter().flat_map(|name| call.fields.peek_below(name));
    named
        .filter(|value| value.starts_with("arn:"))
        .map(str::to_owned)
        .collect()
}
