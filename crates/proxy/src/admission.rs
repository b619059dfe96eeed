//! Whom a listener lets in: the security groups of its load balancer, compiled. Source: EDG part 4.
//!
//! What is asked is the address of the peer, when its connection is accepted. On a port that several load balancers share the one
//! that is meant is known later: then whoever none of them admits is sent away at once, and the others when they say whom they
//! mean. A process cannot drop the packet that asks for a connection: who is not admitted is reset, before a byte is read.
//!
//! A connection that was admitted once to a load balancer stays admitted, whatever becomes of the rules.

use crate::core::Core;
use crate::table::{ListenerEntry, PortEntry, Scheme};
use model::ec2::admission;
use model::elb::load_balancer::LoadBalancer;
use model::{LoadBalancerArn, State};
use socket2::SockRef;
use std::cell::Cell;
use std::net::IpAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tracing::debug;

/// Whom one listener lets in. Ranges of addresses, which neither meet nor overlap, in their order.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Admission {
    /// `None`: everybody may come.
    pub(crate) fn of(state: &State, balancer: &LoadBalancer, port: u16) -> Option<Self> {
        let nets = admission::sources(state, balancer, port)?;
        let mut admission = Self::default();
        for net in nets {
            match net.bounds() {
                (IpAddr::V4(first), IpAddr::V4(last)) => admission.v4.push((first.into(), last.into())),
                (IpAddr::V6(first), IpAddr::V6(last)) => admission.v6.push((first.into(), last.into())),
                _ => {}
            }
        }
        admission.v4 = joined(admission.v4, |last| last.checked_add(1));
        admission.v6 = joined(admission.v6, |last| last.checked_add(1));
        let is_everybody = admission.v4 == [(0, u32::MAX)] && admission.v6 == [(0, u128::MAX)];
        (!is_everybody).then_some(admission)
    }

    /// Whether a peer may come.
    pub(crate) fn admits(&self, peer: IpAddr) -> bool {
        match peer.to_canonical() {
            IpAddr::V4(address) => holds(&self.v4, address.into()),
            IpAddr::V6(address) => holds(&self.v6, address.into()),
        }
    }
}

fn holds<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    after > 0 && address <= ranges[after - 1].1
}

fn joined<T: Ord + Copy>(mut ranges: Vec<(T, T)>, next: impl Fn(T) -> Option<T>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    let mut joined: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match joined.last_mut() {
            Some((_, end)) if next(*end).is_none_or(|next| first <= next) => *end = last.max(*end),
            _ => joined.push((first, last)),
        }
    }
    joined
}

/// A load balancer, in a word. Only connections compare it, so it need not be found again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BalancerKey(u64);

impl BalancerKey {
    /// The number at the end of the ARN.
    pub(crate) fn of(arn: &LoadBalancerArn) -> Self {
        let digits = arn.resource_id().rsplit('/').next().unwrap_or_default();
        Self(u64::from_str_radix(digits, 16).unwrap_or_default())
    }
}

/// Where a connection was let in last.
#[derive(Debug, Default)]
pub(crate) struct Admitted(Cell<Option<BalancerKey>>);

impl Admitted {
    pub(crate) fn to(key: Option<BalancerKey>) -> Self {
        Self(Cell::new(key))
    }

    /// Whether requests from `peer` may go to a listener.
    #[inline]
    pub(crate) fn is_at(&self, listener: &ListenerEntry, peer: IpAddr) -> bool {
        let key = Some(listener.load_balancer.key);
        if self.0.get() == key {
            return true;
        }
        let admits = listener.admission.as_ref().is_none_or(|it| it.admits(peer));
        if admits {
            self.0.set(key);
        }
        admits
    }
}

/// What a new connection meets on a port.
#[derive(Debug)]
pub(crate) enum Met {
    /// Nothing listens there any more.
    Nobody,
    /// None of the load balancers admits it.
    Refusal,
    /// This is spoken; and the load balancer that has admitted it, where there is only one.
    Welcome(Scheme, Admitted),
}

impl PortEntry {
    /// What a new connection from `peer` meets here.
    #[inline]
    pub(crate) fn meet(&self, peer: IpAddr) -> Met {
        let listeners = self.listeners();
        let admits = |it: &ListenerEntry| it.admission.as_ref().is_none_or(|admission| admission.admits(peer));
        if !listeners.iter().any(|it| admits(it)) {
            return Met::Refusal;
        }
        let only = match listeners {
            [only] => Some(only.load_balancer.key),
            _ => None,
        };
        Met::Welcome(self.scheme, Admitted::to(only))
    }
}

/// Sends a client away: it is reset, and what it may have sent is not read.
pub(crate) fn refuse(core: &Core, stream: &TcpStream, peer: IpAddr, port: u16) {
    count(core, peer, port);
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO)); // without it, it is closed in another way
}

/// Counts a client that is sent away.
pub(crate) fn count(core: &Core, peer: IpAddr, port: u16) {
    core.counters().security_group_refusals.inc();
    debug!(client = %peer, port, "no security group admits the client");
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ec2::net::Net;

    fn admission(nets: &[&str]) -> Admission {
        let mut admission = Admission::default();
        for net in nets {
            match Net::try_from(*net).unwrap().bounds() {
                (IpAddr::V4(first), IpAddr::V4(last)) => admission.v4.push((first.into(), last.into())),
                (IpAddr::V6(first), IpAddr::V6(last)) => admission.v6.push((first.into(), last.into())),
                _ => unreachable!("a block is of one family"),
            }
        }
        admission.v4 = joined(admission.v4, |last| last.checked_add(1));
        admission.v6 = joined(admission.v6, |last| last.checked_add(1));
        admission
    }

    // EDG-133: a union of all rules. EDG-137: IPv4-mapped peers match IPv4 blocks
    #[test]
    fn addresses_are_found() {
        let it = admission(&[
            "10.0.0.0/25",
            "10.0.0.128/25",
            "10.0.0.7/32",
            "192.0.2.1/32",
            "2001:db8::/32",
        ]);
        assert_eq!(it.v4.len(), 2, "{it:?}");
        for inside in ["10.0.0.0", "10.0.0.255", "192.0.2.1", "::ffff:192.0.2.1", "2001:db8::9"] {
            assert!(it.admits(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "9.255.255.255",
            "10.0.1.0",
            "192.0.2.0",
            "192.0.2.2",
            "::1",
            "2001:db9::",
        ] {
            assert!(!it.admits(outside.parse().unwrap()), "{outside}");
        }
        assert!(!Admission::default().admits([127, 0, 0, 1].into()));
        let all = admission(&["0.0.0.0/0", "255.255.255.255/32", "::/0", "1.1.1.1/32"]);
        assert_eq!((all.v4, all.v6), (vec![(0, u32::MAX)], vec![(0, u128::MAX)]));
    }
}
