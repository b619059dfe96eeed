//! An entry of `targets`: an address or an instance, with or without a port.

use super::Walk;
use crate::mistake::{Spot, shown};
use crate::reader::{accepted, fields, text};
use crate::yaml::{Node, Value};
use model::elb::target_group::{InstanceId, ServerType, TargetId, Zone};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const EXPECTED: &str = "a target such as `10.0.0.5:8080`, `10.0.0.5`, `[fd00::5]:8080` or an instance id";
const ID: &str = "an IP address or an instance id";

/// A target as it is written.
pub(super) struct Written {
    pub(super) id: TargetId,
    pub(super) address: IpAddr,
    /// Without one it is the group's.
    pub(super) port: Option<u16>,
    pub(super) zone: Zone,
    pub(super) spot: Spot,
}

impl Written {
    pub(super) fn server_type(&self) -> ServerType {
        match self.id {
            TargetId::Instance(_) => ServerType::Instance,
            TargetId::Ip(_) => ServerType::Ip,
        }
    }
}

impl Walk<'_> {
    pub(super) fn target(&mut self, node: &Node) -> Option<Written> {
        match &node.value {
            Value::Map(_) => self.target_mapping(node),
            _ => {
                let written = text(&mut self.report, node, EXPECTED)?;
                let (host, port) = match split(written) {
                    Ok(parts) => parts,
                    Err(message) => {
                        self.report
                            .mistake(node.spot, format!("found the target {}; {message}", shown(written)));
                        return None;
                    }
                };
                let (id, address) = self.target_id(node.spot, host)?;
                Some(Written {
                    id,
                    address,
                    port,
                    zone: Zone::Own,
                    spot: node.spot,
                })
            }
        }
    }

    fn target_mapping(&mut self, node: &Node) -> Option<Written> {
        let known = ["id", "port", "availability_zone"];
        let fields = fields(&mut self.report, node, "a target", &known, &[])?;
        let id = fields.require(&mut self.report, "id", ID).and_then(|node| {
            let written = text(&mut self.report, node, ID)?;
            self.target_id(node.spot, written)
        });
        let port = match fields.get("port") {
            Some(node) => self.port_number(node).map(Some),
            None => Some(None),
        };
        let zone = match fields.get("availability_zone") {
            Some(node) => text(&mut self.report, node, "`all` or the name of a zone")
                .and_then(|zone| accepted(&mut self.report, node.spot, Zone::try_from(zone)))
                .map(|zone| match &zone {
                    Zone::Named(name) if **name == *self.settings.availability_zone => Zone::Own,
                    _ => zone,
                }),
            None => Some(Zone::Own),
        };
        let (id, address) = id?;
        Some(Written {
            id,
            address,
            port: port?,
            zone: zone?,
            spot: node.spot,
        })
    }

    /// What a target is registered by, and its address. `localhost` is 127.0.0.1; other names are not looked up.
    fn target_id(&mut self, spot: Spot, written: &str) -> Option<(TargetId, IpAddr)> {
        if written.starts_with("i-") {
            let id = accepted(&mut self.report, spot, InstanceId::try_from(written))?;
            let address = self.address_of(spot, &id)?;
            self.refuse_absent_family(spot, &format!("the instance {} at {address}", shown(written)), address);
            return Some((TargetId::Instance(id), address));
        }
        let address = match written {
            "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
            _ => written.parse::<IpAddr>().ok(),
        };
        if address.is_none() {
            let message = format!(
                "found {} where an address belongs; expected {ID}: targets are addresses, names are not looked up",
                shown(written)
            );
            self.report.mistake(spot, message);
        }
        let address = address?;
        self.refuse_absent_family(spot, &format!("the address {}", shown(written)), address);
        Some((TargetId::Ip(address), address))
    }

    /// A family that this machine does not have at all leads to no target. Where only a route is missing it may come.
    fn refuse_absent_family(&mut self, spot: Spot, found: &str, address: IpAddr) {
        let (loopback, absent, other): (IpAddr, _, _) = match address {
            IpAddr::V4(_) => (Ipv4Addr::LOCALHOST.into(), "IPv4", "IPv6"),
            IpAddr::V6(_) => (Ipv6Addr::LOCALHOST.into(), "IPv6", "IPv4"),
        };
        let has_way_to = self.settings.has_way_to;
        let has_family = *self.loopbacks.entry(loopback).or_insert_with(|| has_way_to(loopback));
        if !has_family && !has_way_to(address) {
            let message =
                format!("found {found}: this machine has no {absent}; use an {other} address, or switch {absent} on");
            self.report.mistake(spot, message);
        }
    }
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
fn split(written: &str) -> Result<(&str, Option<u16>), String> {
    if let Some(rest) = written.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or("expected `]` behind the IPv6 address")?;
        address
            .parse::<Ipv6Addr>()
            .map_err(|_| "expected an IPv6 address between the brackets")?;
        return match rest {
            "" => Ok((address, None)),
            _ => {
                let port = rest.strip_prefix(':').ok_or("expected `:` and a port behind `]`")?;
                Ok((address, Some(port_of(port)?)))
            }
        };
    }
    // Where the address ends and the port begins could be read in two ways.
    if written.matches(':').count() > 1 && written.parse::<Ipv6Addr>().is_ok() {
        return Err(format!(
            "expected an IPv6 address in brackets: `[{written}]`, with a port `[{written}]:8080`"
        ));
    }
    if written.contains("//") {
        return Err("expected an address and a port alone; what is spoken is the group's `protocol`".to_owned());
    }
    match written.split_once(':') {
        Some((host, port)) => Ok((host, Some(port_of(port)?))),
        None => Ok((written, None)),
    }
}

fn port_of(text: &str) -> Result<u16, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port @ 1..) if digits => Ok(port),
        _ => Err("expected a port from 1 to 65535 behind the colon".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        let good = [
            ("10.0.0.5", ("10.0.0.5", None)),
            ("10.0.0.5:8080", ("10.0.0.5", Some(8080))),
            ("[::1]", ("::1", None)),
            ("[fd00::1]:65535", ("fd00::1", Some(65_535))),
            ("i-0123abcd:1", ("i-0123abcd", Some(1))),
            ("db.local", ("db.local", None)),
            ("", ("", None)),
        ];
        for (written, parts) in good {
            assert_eq!(split(written), Ok(parts), "{written}");
        }
        let bad = [
            "::1",
            "fd00::1:8080",
            "[::1",
            "[10.0.0.1]:80",
            "[::1]80",
            "[::1]:",
            "10.0.0.5:",
            "10.0.0.5:0",
            "10.0.0.5:65536",
            "10.0.0.5:+80",
            "10.0.0.5:http",
            "http://10.0.0.5",
            "https://10.0.0.5:1",
            "a:b:c",
            ":x",
        ];
        for written in bad {
            assert!(split(written).is_err(), "{written}");
        }
    }
}
