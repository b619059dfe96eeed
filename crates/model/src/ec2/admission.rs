//! Whom the security groups of a load balancer let in. Source: EDG part 4.

use super::ids::SecurityGroupId;
use super::interface;
use super::net::Net;
use super::network::Network;
use super::resource::{Direction, Permission, Protocol, RulePeer};
use crate::elb::load_balancer::LoadBalancer;
use crate::state::State;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who may connect to a port of a load balancer: peers in one of these blocks. `None`: it has no groups, and everybody may.
///
/// A rule whose source is a group means whoever has a network interface that carries it. The interfaces that there are belong
/// to load balancers, which stand on this machine: its loopback addresses are theirs.
pub fn sources(state: &State, balancer: &LoadBalancer, port: u16) -> Option<Vec<Net>> {
    if balancer.security_groups.is_empty() {
        return None;
    }
    let network = state.ec2().network(&balancer.arn.scope()?);
    let groups = balancer
        .security_groups
        .iter()
        .filter_map(|id| network.security_group(id));
    let mut sources = Vec::new();
    for group in groups {
        for rule in group.rules(Direction::Ingress).filter(|rule| is_for(&rule.what, port)) {
            match &rule.what.peer {
                RulePeer::Net(net) => sources.push(*net),
                RulePeer::Group(group) if is_carried(state, &network, group) => sources.extend(loopback()),
                RulePeer::Group(_) => {}
            }
        }
    }
    sources.sort_unstable();
    sources.dedup();
    Some(sources)
}

fn is_for(permission: &Permission, port: u16) -> bool {
    let port = i32::from(port);
    match (permission.protocol, permission.ports) {
        (Protocol::All, _) | (Protocol::Tcp, None) => true,
        (Protocol::Tcp, Some((from, to))) => (from..=to).contains(&port),
        _ => false,
    }
}

fn is_carried(state: &State, network: &Network<'_>, group: &SecurityGroupId) -> bool {
    let mut balancers = state.load_balancers().filter(|it| interface::is_in(it, network));
    balancers.any(|it| it.security_groups.contains(group))
}

fn loopback() -> impl Iterator<Item = Net> {
    let blocks = [
        (IpAddr::V4(Ipv4Addr::LOCALHOST), 8),
        (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    ];
    blocks
        .into_iter()
        .filter_map(|(address, prefix)| Net::new(address, prefix))
}
