//! Network interfaces. The only ones are those of load balancers, one in each of their subnets: there while the load balancer is.

use super::default::hash;
use super::ids::{AttachmentId, NetworkInterfaceId, SecurityGroupId, SubnetId};
use super::network::Network;
use super::resource::Subnet;
use crate::elb::load_balancer::{LoadBalancer, Scheme};
use crate::ids::Timestamp;
use crate::state::State;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Addresses at the beginning of a subnet that nobody gets, and the one at its end.
const RESERVED: (u64, u64) = (4, 1);

/// The network interface of a load balancer in one subnet.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkInterface {
    /// Its id.
    pub id: NetworkInterfaceId,
    /// What it is attached by.
    pub attachment: AttachmentId,
    /// `ELB app/{name}/{id}`.
    pub description: String,
    /// Where it stands.
    pub subnet: Arc<Subnet>,
    /// The groups it carries.
    pub groups: Vec<SecurityGroupId>,
    /// Its address as AWS would show one. No traffic goes there.
    pub private_address: Ipv4Addr,
    /// Whether the internet is meant to reach it.
    pub scheme: Scheme,
    /// When it was made.
    pub created: Timestamp,
}

/// Those of one account and region, by id.
pub fn all(state: &State, network: &Network<'_>) -> Vec<NetworkInterface> {
    let mut balancers: Vec<_> = state.load_balancers().filter(|it| is_in(it, network)).collect();
    balancers.sort_by(|one, other| (one.created, &one.arn).cmp(&(other.created, &other.arn)));
    let mut taken = BTreeSet::new();
    let mut all = Vec::new();
    for balancer in balancers {
        for subnet in subnets_of(balancer, network) {
            let address = free_address(balancer, &subnet, &taken);
            taken.insert((subnet.id.clone(), address));
            all.push(interface(balancer, subnet, address));
        }
    }
    all.sort_by(|one, other| one.id.cmp(&other.id));
    all
}

/// The subnets that a load balancer stands in.
pub fn subnets_of(balancer: &LoadBalancer, network: &Network<'_>) -> Vec<Arc<Subnet>> {
    if balancer.subnets.is_empty() {
        let born = network.default_vpc().subnets.iter();
        return born.filter_map(|it| network.subnet(&it.id)).collect();
    }
    balancer.subnets.iter().filter_map(|id| network.subnet(id)).collect()
}

/// Addresses of a subnet that nobody has.
pub fn free_addresses(subnet: &Subnet, interfaces: &[NetworkInterface]) -> u64 {
    let used = interfaces.iter().filter(|it| it.subnet.id == subnet.id).count() as u64;
    (subnet.cidr.addresses() - RESERVED.0 - RESERVED.1).saturating_sub(used)
}

/// Whether a load balancer is of this account and region.
pub(super) fn is_in(balancer: &LoadBalancer, network: &Network<'_>) -> bool {
    balancer.arn.scope().as_ref() == Some(network.scope())
}

fn interface(balancer: &LoadBalancer, subnet: Arc<Subnet>, private_address: Ipv4Addr) -> NetworkInterface {
    let id = |what: &str| hash(&subnet.scope, &format!("{what} {} {}", balancer.arn, subnet.id));
    NetworkInterface {
        id: NetworkInterfaceId::fresh(id("interface")),
        attachment: AttachmentId::fresh(id("attachment")),
        description: format!("ELB {}", balancer.arn.resource_id()),
        groups: balancer.security_groups.clone(),
        private_address,
        scheme: balancer.scheme,
        created: balancer.created,
        subnet,
    }
}

/// The same as long as the older load balancers stay.
fn free_address(balancer: &LoadBalancer, subnet: &Subnet, taken: &BTreeSet<(SubnetId, Ipv4Addr)>) -> Ipv4Addr {
    let usable = (subnet.cidr.addresses() - RESERVED.0 - RESERVED.1).max(1);
    let first = hash(&subnet.scope, &format!("address {} {}", balancer.arn, subnet.id)).0 % usable;
    let address = |step: u64| subnet.cidr.address(RESERVED.0 + (first + step) % usable);
    let free = (0..usable.min(1000)).map(address);
    let mut free = free.filter(|it| !taken.contains(&(subnet.id.clone(), *it)));
    free.next().unwrap_or_else(|| address(0))
}
