//! What the host sees of it: one interface, one network of four addresses, one table of rules.

use super::{nft, rules};
use crate::namespace::Failure;
use crate::spec::Step;
use crate::sys::netlink::{End, Family, Message, Netlink};
use crate::sys::network;
use std::ffi::CString;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;

/// Interfaces and tables of ours are called so, with a number: `albacore0`.
const NAME: &str = "albacore";
/// Each number has a network of four addresses, from this one on: `169.254.96.0/19` holds them all. Programs that use such
/// addresses for themselves (`169.254.169.254` above all) have others.
const FIRST: Ipv4Addr = Ipv4Addr::new(169, 254, 96, 0);
const NUMBERS: u32 = 2048;
const PREFIX: u8 = 30;
/// The router's interface towards the host has this number there.
const UP_INDEX: u32 = 9999;
/// The numbers of the host's interfaces of ours begin here, far above those that are counted up.
const HOST_INDEX: u32 = 1_000_000;
/// Where nothing else is known.
const MTU: u32 = 1500;

pub(super) struct Uplink {
    name: String,
    /// As large as what leaves the host may be.
    pub(super) mtu: u32,
}

impl Uplink {
    /// Joins the network of this process with the router, by the first name and the first addresses that nobody has.
    pub(super) fn make(router_network: BorrowedFd<'_>, router: &Netlink) -> Result<Self, Failure> {
        let at = |step| move |error| (step, error);
        let routes = Routes::read().map_err(at(Step::Uplink))?;
        let mtu = routes.interface_out().and_then(|name| network::mtu_of(&name).ok());
        let mtu = mtu.unwrap_or(MTU);
        let host = Netlink::open(Family::Routes).map_err(at(Step::Uplink))?;
        let up = CString::new(rules::UP).unwrap_or_default();
        let there = End {
            name: &up,
            index: UP_INDEX,
        };
        for number in (0..NUMBERS).filter(|&number| routes.are_free(number)) {
            let name = format!("{NAME}{number}");
            let c_name = CString::new(name.as_str()).unwrap_or_default();
            let here = End {
                name: &c_name,
                index: HOST_INDEX + number,
            };
            match host.add_pair(&here, &there, router_network, mtu) {
                Ok(()) => {}
                // Another albacore's.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err((Step::Uplink, error)),
            }
            // From here on it is taken away again when anything fails.
            let uplink = Self { name, mtu };
            let (host_end, router_end) = ends(number);
            // The rules come first: without an address nothing passes.
            let joined = nft::load(&rules::of_host(&uplink.name, router_end))
                .map_err(at(Step::Filter))
                .and_then(|()| {
                    host.ask(&[Message::new_address(here.index, host_end, PREFIX)])
                        .map_err(at(Step::Uplink))?;
                    router
                        .ask(&[
                            Message::switch_on(UP_INDEX),
                            Message::new_address(UP_INDEX, router_end, PREFIX),
                            Message::default_route(UP_INDEX, host_end),
                        ])
                        .map_err(at(Step::Uplink))
                });
            return match joined {
                Ok(()) => Ok(uplink),
                Err(failure) => {
                    uplink.close();
                    Err(failure)
                }
            };
        }
        Err((Step::Uplink, io::Error::from_raw_os_error(libc::EADDRNOTAVAIL)))
    }

    /// Takes it away. What cannot be taken away now, [`sweep`] finds.
    pub(super) fn close(&self) {
        if let (Ok(host), Ok(name)) = (Netlink::open(Family::Routes), CString::new(self.name.as_str())) {
            let _ = host.remove_link(&name);
        }
        let _ = nft::load(&format!("delete table inet {}\n", self.name));
    }
}

/// Takes away the rules of albacores that were killed: their interfaces went with them. Takes microseconds if there are
/// none.
pub(crate) fn sweep() {
    let tables = Netlink::open(Family::Filter).and_then(|filter| filter.tables());
    let mut commands = String::new();
    for table in tables.unwrap_or_default() {
        let Ok(name) = String::from_utf8(table) else { continue };
        // The interface is made before the table, so one without it is nobody's.
        let is_gone = || CString::new(name.as_str()).is_ok_and(|name| network::index_of(&name).is_err());
        if number_of(&name).is_some() && is_gone() {
            commands.push_str("delete table inet ");
            commands.push_str(&name);
            commands.push('\n');
        }
    }
    if !commands.is_empty() {
        let _ = nft::load(&commands);
    }
}

/// Of one of our interfaces or tables.
fn number_of(name: &str) -> Option<u32> {
    name.strip_prefix(NAME)?.parse().ok()
}

/// The host's address and the router's.
fn ends(number: u32) -> (Ipv4Addr, Ipv4Addr) {
    let first = u32::from(FIRST) + 4 * number;
    (Ipv4Addr::from(first + 1), Ipv4Addr::from(first + 2))
}

/// Where the host sends what.
struct Routes(Vec<Route>);

struct Route {
    interface: String,
    destination: u32,
    mask: u32,
}

impl Routes {
    fn read() -> io::Result<Self> {
        fs::read_to_string("/proc/net/route").map(|text| Self::of(&text))
    }

    /// `Iface Destination Gateway Flags RefCnt Use Metric Mask ...`, addresses as the processor has them in memory.
    fn of(text: &str) -> Self {
        let number = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::from_be);
        let routes = text.lines().skip(1).filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            Some(Route {
                interface: (*fields.first()?).to_owned(),
                destination: number(fields.get(1)?)?,
                mask: number(fields.get(7)?)?,
            })
        });
        Self(routes.collect())
    }

    /// Does nobody else have the addresses of this number? A route to all link-local ones, as some systems have by default, is
    /// no obstacle.
    fn are_free(&self, number: u32) -> bool {
        const LINK_LOCAL_MASK: u32 = 0xffff_0000;
        let first = u32::from(FIRST) + 4 * number;
        let mask = u32::MAX << (32 - PREFIX);
        let collides = |route: &Route| {
            let both = route.mask & mask;
            route.mask & !LINK_LOCAL_MASK != 0 && route.destination & both == first & both
        };
        !self.0.iter().any(collides)
    }

    /// By which interface packets leave the host, if there is a way for all.
    fn interface_out(&self) -> Option<CString> {
        let route = self.0.iter().find(|route| route.mask == 0)?;
        CString::new(route.interface.as_str()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Routes, ends, number_of};

    const HEAD: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    #[test]
    fn addresses_that_somebody_has_are_not_taken() {
        let all = format!(
            "{HEAD}eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
             eth0\t0000FEA9\t00000000\t0001\t0\t0\t1002\t0000FFFF\t0\t0\t0\n\
             albacore0\t0060FEA9\t00000000\t0001\t0\t0\t0\tFCFFFFFF\t0\t0\t0\n\
             vpn0\t0061FEA9\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        );
        let routes = Routes::of(&all);
        assert!(!routes.are_free(0), "169.254.96.0/30 is another albacore's");
        assert!(routes.are_free(1));
        assert!(
            !routes.are_free(64) && !routes.are_free(127),
            "169.254.97.0/24 is a vpn's"
        );
        assert!(routes.are_free(128));
        assert_eq!(routes.interface_out().unwrap().as_c_str(), c"eth0");
        assert!(Routes::of("").interface_out().is_none() && Routes::of(HEAD).are_free(0));
    }

    #[test]
    fn each_number_has_its_addresses_and_its_name() {
        assert_eq!(ends(0), ([169, 254, 96, 1].into(), [169, 254, 96, 2].into()));
        assert_eq!(ends(2047), ([169, 254, 127, 253].into(), [169, 254, 127, 254].into()));
        for (name, number) in [
            ("albacore12", Some(12)),
            ("albacore", None),
            ("albacore-check", None),
            ("x1", None),
        ] {
            assert_eq!(number_of(name), number, "{name}");
        }
    }
}
