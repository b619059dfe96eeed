//! Capacity and address pools. Both are about AWS's machines and addresses: a process has as much of a machine as there is, so
//! nothing is reserved and there are no pools, and what would need one is refused. Source: ALB 1.9, 9.5.

use super::call::Call;
use super::find;
use super::input::{boolean, constraint, not_in_set, number, required};
use crate::aws::error::AwsError;
use wire::xml::Xml;

/// Capacity units of one reservation. Source: ALB 1.9, quotas.
const UNITS: std::ops::RangeInclusive<i64> = 100..=15_000;

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    find::load_balancer(call, required(&call.fields, "LoadBalancerArn")?)?;
    Ok(none())
}

pub(super) fn modify(call: &Call<'_>) -> Result<Xml, AwsError> {
    let fields = &call.fields;
    find::load_balancer(call, required(fields, "LoadBalancerArn")?)?;
    let resets = boolean(fields, "ResetCapacityReservation")?.unwrap_or(false);
    let minimum = fields.structure("MinimumLoadBalancerCapacity");
    let units = match &minimum {
        Some(minimum) => number(minimum, "CapacityUnits", 0..=i64::from(i32::MAX))?,
        None => None,
    };
    match (units, resets) {
        // There is none to begin with.
        (None, true) => Ok(none()),
        (Some(units), false) if units > *UNITS.end() => Err(AwsError::new(
            "CapacityUnitsLimitExceeded",
            format!("A load balancer can have at most '{}' capacity units", UNITS.end()),
        )),
        (Some(units), false) if units < *UNITS.start() => Err(AwsError::new(
            "InvalidConfigurationRequest",
            format!(
                "The minimum capacity must be at least '{}' capacity units",
                UNITS.start()
            ),
        )),
        (Some(_), false) => Err(AwsError::new(
            "OperationNotPermitted",
            "albacore reserves no capacity: a load balancer has what its machine has",
        )),
        (None, false) | (Some(_), true) => Err(AwsError::validation(
            "Exactly one of MinimumLoadBalancerCapacity and ResetCapacityReservation must be specified",
        )),
    }
}

/// No reservation.
fn none() -> Xml {
    let mut xml = Xml::new();
    xml.within("CapacityReservationState", |_| {});
    xml
}

pub(super) fn modify_pools(call: &Call<'_>) -> Result<Xml, AwsError> {
    let fields = &call.fields;
    find::load_balancer(call, required(fields, "LoadBalancerArn")?)?;
    for (at, text) in fields.texts("RemoveIpamPools")?.into_iter().enumerate() {
        if text != "ipv4" {
            let path = format!("RemoveIpamPools.member.{}", at + 1);
            return Err(not_in_set(&path, text, &["ipv4"]));
        }
    }
    if let Some(pools) = fields.structure("IpamPools")
        && let Some(pool) = pools.text("Ipv4IpamPoolId")
    {
        let tail = pool.strip_prefix("ipam-pool-").unwrap_or_default();
        if tail.is_empty() || !tail.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let must = "Member must satisfy regular expression pattern: ^(ipam-pool-)[a-zA-Z0-9]+$";
            return Err(constraint("IpamPools.Ipv4IpamPoolId", pool, must));
        }
        return Err(AwsError::new(
            "InvalidConfigurationRequest",
            format!("The IPAM pool '{pool}' was not found"),
        ));
    }
    let mut xml = Xml::new();
    xml.within("IpamPools", |_| {});
    Ok(xml)
}
