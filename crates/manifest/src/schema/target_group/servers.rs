//! A group of servers: what is spoken to them, and what must hold of the group as a whole. Source: ALB 1.5.

use super::Walk;
use super::attributes::{Of, Places};
use super::target::Written;
use crate::mistake::Spot;
use crate::reader::{Fields, integer, list, text, wrong};
use crate::yaml::{Key, Node};
use model::elb::health_check::{HealthCheckPort, ServerHealthCheck};
use model::elb::target_group::{
    IpAddressType, ProtocolVersion, ServerTargets, ServerType, ServersRefusal, Target, TargetGroupAttributes, TargetId,
    TargetProtocol,
};
use model::limits::TARGETS_PER_TARGET_GROUP;
use std::collections::BTreeMap;

impl Walk<'_> {
    /// `target_type` is the one that is written, if one is.
    pub(super) fn servers(
        &mut self,
        name: &Key,
        group: &Fields<'_>,
        target_type: Option<ServerType>,
    ) -> Option<ServerTargets> {
        let before = self.report.reported();
        let protocol = self.target_protocol(group).unwrap_or(TargetProtocol::Http);
        let version = self.protocol_version(group);
        let port = self.target_port(group, protocol);
        let ip_address_type = self.ip_address_type(group);
        let mut attributes = TargetGroupAttributes::default();
        let places = self.attributes(group, Of::Servers, |key, value| attributes.set(key, value));
        self.group_conflicts(name.spot, &attributes, &places);
        self.warn_of_inert(&attributes, &places);
        let health_check = self.server_health_check(group, version);
        let written = self.targets(name, group);
        // What is not written is told by the first target. Without one it is `ip`, and not `instance` as in the API:
        // that is the type that the targets to come will most likely have.
        let first = written.first();
        let version = version.unwrap_or_default();
        let mut servers = ServerTargets {
            target_type: target_type
                .or(first.map(Written::server_type))
                .unwrap_or(ServerType::Ip),
            protocol,
            protocol_version: version,
            port: port.unwrap_or(80),
            vpc: None,
            ip_address_type: ip_address_type
                .or(first.map(|it| IpAddressType::of(it.address)))
                .unwrap_or_default(),
            health_check: health_check.unwrap_or_else(|| ServerHealthCheck::of_servers(version)),
            attributes,
            targets: Vec::new(),
        };
        servers.targets = self.accepted_targets(&servers, &written);
        self.warn_of_clear_text(group, &servers);
        (self.report.reported() == before).then_some(servers)
    }

    fn target_protocol(&mut self, group: &Fields<'_>) -> Option<TargetProtocol> {
        let node = group.get("protocol")?;
        self.http_or_https(node)
    }

    pub(super) fn http_or_https(&mut self, node: &Node) -> Option<TargetProtocol> {
        let expected = "`http` or `https`";
        match text(&mut self.report, node, expected)?.to_ascii_lowercase().as_str() {
            "http" => Some(TargetProtocol::Http),
            "https" => Some(TargetProtocol::Https),
            _ => wrong(&mut self.report, node, expected),
        }
    }

    /// `None` when it is wrong.
    fn protocol_version(&mut self, group: &Fields<'_>) -> Option<ProtocolVersion> {
        let Some(node) = group.get("protocol_version") else {
            return Some(ProtocolVersion::default());
        };
        let expected = "`http1`, `http2` or `grpc`";
        match text(&mut self.report, node, expected)?.to_ascii_lowercase().as_str() {
            "http1" => Some(ProtocolVersion::Http1),
            "http2" => Some(ProtocolVersion::Http2),
            "grpc" => Some(ProtocolVersion::Grpc),
            _ => wrong(&mut self.report, node, expected),
        }
    }

    fn target_port(&mut self, group: &Fields<'_>, protocol: TargetProtocol) -> Option<u16> {
        match group.get("port") {
            Some(node) => self.port_number(node),
            None => Some(match protocol {
                TargetProtocol::Http => 80,
                TargetProtocol::Https => 443,
            }),
        }
    }

    pub(super) fn port_number(&mut self, node: &Node) -> Option<u16> {
        let expected = "a port from 1 to 65535";
        let number = integer(&mut self.report, node, expected)?;
        let port = u16::try_from(number).ok().filter(|port| *port != 0);
        port.or_else(|| wrong(&mut self.report, node, expected))
    }

    fn ip_address_type(&mut self, group: &Fields<'_>) -> Option<IpAddressType> {
        let node = group.get("ip_address_type")?;
        let expected = "`ipv4` or `ipv6`";
        match text(&mut self.report, node, expected)? {
            "ipv4" => Some(IpAddressType::Ipv4),
            "ipv6" => Some(IpAddressType::Ipv6),
            _ => wrong(&mut self.report, node, expected),
        }
    }

    /// Each stands where the later one of the attributes was set. What is refused by itself is not compared.
    fn group_conflicts(&mut self, group: Spot, attributes: &TargetGroupAttributes, places: &Places) {
        for conflict in attributes.conflicts() {
            let written = conflict.keys().iter().filter_map(|key| places.get(key));
            // `None` is less than any spot.
            if written.clone().min() != Some(&None) {
                let spot = written.max().copied().flatten();
                self.report.mistake(spot.unwrap_or(group), conflict);
            }
        }
    }

    fn targets(&mut self, name: &Key, group: &Fields<'_>) -> Vec<Written> {
        let targets = match group.get("targets") {
            Some(node) => list(&mut self.report, node, "targets"),
            None => Some([].as_slice()),
        };
        if targets.is_some_and(<[_]>::is_empty) {
            let message = format!(
                "target group `{}` has no `targets`; requests for it are answered with 503",
                name.text
            );
            self.report.warning(name.spot, message);
        }
        let targets = targets.unwrap_or_default();
        let most = usize::from(TARGETS_PER_TARGET_GROUP);
        if let Some(first_too_many) = targets.get(most) {
            self.report
                .mistake(first_too_many.spot, ServersRefusal::TooMany(targets.len()));
        }
        let targets = targets.iter().take(most);
        targets.filter_map(|node| self.target(node)).collect()
    }

    /// Those that the group takes; the others are mistakes.
    fn accepted_targets(&mut self, servers: &ServerTargets, written: &[Written]) -> Vec<Target> {
        let mut taken: BTreeMap<(TargetId, u16), Spot> = BTreeMap::new();
        let mut targets = Vec::new();
        for written in written {
            let target = Target {
                id: written.id.clone(),
                port: written.port.unwrap_or(servers.port),
                address: written.address,
                zone: written.zone.clone(),
            };
            if let Err(refusal) = servers.accepts(&target) {
                self.report.mistake(written.spot, refusal);
                continue;
            }
            if let Some(first) = taken.insert((target.id.clone(), target.port), written.spot) {
                let message = format!(
                    "found the target {} with port {} twice; expected each target once (it stands at {first} already)",
                    target.id, target.port
                );
                self.report.mistake(written.spot, message);
                continue;
            }
            targets.push(target);
        }
        targets
    }

    /// Checks are in clear text by default also where requests are not. Source: ALB 1.5 `HealthCheckProtocol`.
    fn warn_of_clear_text(&mut self, group: &Fields<'_>, servers: &ServerTargets) {
        let check = &servers.health_check;
        let at_traffic_port = check.port == HealthCheckPort::TrafficPort;
        if servers.protocol != TargetProtocol::Https || check.protocol != TargetProtocol::Http || !at_traffic_port {
            return;
        }
        let key = group.entry("health_check").or(group.entry("protocol"));
        if let Some((key, _)) = key {
            let message = "health checks speak http to the port where https is spoken: write \
                           `health_check: { protocol: https }`";
            self.report.warning(key.spot, message);
        }
    }
}
