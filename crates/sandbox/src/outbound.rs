//! The way out of the machine, for enclosures that have one.
//!
//! Between the enclosures and the host's network stands a network of the spawner's, the *router*. It has one interface for
//! each enclosure, whose other end is in there, and one towards the host. So the host sees one interface and one address,
//! however many enclosures there are, and everything but the host's own rules goes by itself when the spawner does.
//!
//! ```text
//! enclosure eth0 ──┐ (a pair each)                          (one pair)
//! enclosure eth0 ──┴── router: filter, NAT, names' sockets ──────────── host: filter, NAT ── wherever the host reaches
//! ```
//!
//! The router lets through what goes to public addresses; from one enclosure to another leads no way. What is for the
//! host itself, under whichever address, the host drops. There is no IPv6. Names are asked for at the gateway's address,
//! where albacore answers by two sockets that are made here.
//!
//! Interfaces of enclosures are joined by routes and not by a bridge: each has only what is for it and is from it, so there
//! is nothing to forge, and no bridge's limit of a thousand ends.

mod lack;
mod nft;
mod rules;
mod uplink;

pub use lack::OutboundLack;
pub use nft::{check_rules, foreign_barrier};
pub(crate) use uplink::sweep;

use crate::namespace::Failure;
use crate::spec::{Reach, Step};
use crate::sys::mount;
use crate::sys::netlink::{End, Family, Message, Netlink};
use crate::sys::{network, process};
use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use uplink::Uplink;

/// What enclosures know the router by, and ask for names.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 64, 1);
/// Addresses of enclosures are the gateway's network with numbers up to this one: `169.254.64.0/20`. Nobody on the host
/// or beyond sees them.
const NUMBER_MAX: u32 = 4094;
const NUMBER_MIN: u32 = 2;

/// What the interface is called inside, and its number there, above those that kernels make by themselves.
const INSIDE_NAME: &CStr = c"eth0";
const INSIDE_INDEX: u32 = 1000;
/// The numbers of the router's interfaces begin here.
const ROUTER_INDEX: u32 = 10_000;

/// What albacore answers questions about names by.
pub(crate) struct NameSockets {
    pub(crate) datagrams: OwnedFd,
    pub(crate) listener: OwnedFd,
}

/// The router and its way to the host.
pub(crate) struct Outbound {
    /// Acts in the router.
    router: Netlink,
    /// Keeps it.
    _network: File,
    uplink: Uplink,
    /// Whose number is given next.
    next: u32,
    host: File,
}

impl Outbound {
    /// Makes it. `host` is the network of this process, to which it comes back; only for a process with one thread.
    pub(crate) fn build(host: BorrowedFd<'_>) -> Result<(Self, NameSockets), Failure> {
        let host = File::from(host.try_clone_to_owned().map_err(|error| (Step::Uplink, error))?);
        sweep();
        let made = make_router();
        come_back(host.as_fd());
        let (network, router, names) = made?;
        let uplink = Uplink::make(network.as_fd(), &router)?;
        let outbound = Self {
            router,
            _network: network,
            uplink,
            next: NUMBER_MIN,
            host,
        };
        Ok((outbound, names))
    }

    /// Gives the network that `init` is in an interface, which leads out.
    pub(crate) fn connect(&mut self, init: process::Pid, reach: Reach) -> Result<(), Failure> {
        let prefix = match reach {
            Reach::Nothing | Reach::Host => return Ok(()),
            Reach::Public => rules::PUBLIC_PREFIX,
            Reach::PublicAndPrivate => rules::PRIVATE_PREFIX,
        };
        let at = |error| (Step::Connection, error);
        let network = File::open(format!("/proc/{init}/ns/net")).map_err(at)?;
        mount::enter(network.as_fd()).map_err(at)?;
        let connected = self.connect_this(network.as_fd(), prefix);
        come_back(self.host.as_fd());
        connected.map_err(at)
    }

    /// The same for the network that this process is in.
    fn connect_this(&mut self, network: BorrowedFd<'_>, prefix: char) -> io::Result<()> {
        close_ipv6("default");
        let inside = Netlink::open(Family::Routes)?;
        let number = self.add_pair(network, prefix)?;
        let address = address_of(number);
        let route = Message::route_to(ROUTER_INDEX + number, address);
        self.router.ask(&[route])?;
        inside.ask(&[
            Message::switch_on(INSIDE_INDEX),
            Message::new_address(INSIDE_INDEX, address, 32),
            Message::default_route(INSIDE_INDEX, GATEWAY),
        ])
    }

    /// The next number whose interface is free: those of enclosures that have ended go a little later than these.
    fn add_pair(&mut self, network: BorrowedFd<'_>, prefix: char) -> io::Result<u32> {
        let there = End {
            name: INSIDE_NAME,
            index: INSIDE_INDEX,
        };
        for _ in NUMBER_MIN..=NUMBER_MAX {
            let number = self.next;
            self.next = if number == NUMBER_MAX { NUMBER_MIN } else { number + 1 };
            let name = CString::new(format!("{prefix}{number}"))?;
            let here = End {
                name: &name,
                index: ROUTER_INDEX + number,
            };
            match self.router.add_pair(&here, &there, network, self.uplink.mtu) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                added => return added.map(|()| number),
            }
        }
        Err(io::Error::from_raw_os_error(libc::EADDRNOTAVAIL))
    }

    /// Takes what the host has of it away. The rest goes with this process.
    pub(crate) fn close(self) {
        self.uplink.close();
    }
}

fn address_of(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(GATEWAY) - 1 + number)
}

/// A spawner that does not find back ends: all that it would do in a wrong network would be wrong.
fn come_back(host: BorrowedFd<'_>) {
    if mount::enter(host).is_err() {
        process::exit_now(1);
    }
}

/// Leaves this process in it.
fn make_router() -> Result<(File, Netlink, NameSockets), Failure> {
    let at = |step| move |error| (step, error);
    mount::unshare_network().map_err(at(Step::Uplink))?;
    network::raise_loopback().map_err(at(Step::Uplink))?;
    let network = File::open("/proc/self/ns/net").map_err(at(Step::Uplink))?;
    close_ipv6("all");
    close_ipv6("default");
    set("ip_forward", "1").map_err(at(Step::Forwarding))?;
    // What comes from an interface has to come from its address.
    set("conf/all/rp_filter", "1").map_err(at(Step::Forwarding))?;
    nft::load(&rules::of_router()).map_err(at(Step::Filter))?;
    let router = Netlink::open(Family::Routes).map_err(at(Step::Uplink))?;
    let loopback = network::index_of(c"lo").map_err(at(Step::Uplink))?;
    router
        .ask(&[Message::new_address(loopback, GATEWAY, 32)])
        .map_err(at(Step::Uplink))?;
    let sockets = || -> io::Result<NameSockets> {
        let datagrams = UdpSocket::bind((GATEWAY, DOMAIN_PORT))?;
        let listener = TcpListener::bind((GATEWAY, DOMAIN_PORT))?;
        datagrams.set_nonblocking(true)?;
        listener.set_nonblocking(true)?;
        Ok(NameSockets {
            datagrams: datagrams.into(),
            listener: listener.into(),
        })
    };
    let names = sockets().map_err(at(Step::Uplink))?;
    Ok((network, router, names))
}

/// Of the protocol of names.
const DOMAIN_PORT: u16 = 53;

/// Sets a setting of IPv4 in the network that this process is in.
fn set(name: &str, value: &str) -> io::Result<()> {
    fs::write(format!("/proc/sys/net/ipv4/{name}"), value)
}

/// Interfaces that come from now on in this network, or `all`, have no address of IPv6. Where that cannot be set there may be
/// one, which leads nowhere: the router lets nothing of it through.
fn close_ipv6(interfaces: &str) {
    let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{interfaces}/disable_ipv6"), "1");
}

#[cfg(test)]
mod tests {
    use super::{NUMBER_MAX, NUMBER_MIN, address_of};

    #[test]
    fn each_number_has_its_address() {
        assert_eq!(address_of(NUMBER_MIN).to_string(), "169.254.64.2");
        assert_eq!(address_of(256).to_string(), "169.254.65.0");
        assert_eq!(address_of(NUMBER_MAX).to_string(), "169.254.79.254");
    }
}
