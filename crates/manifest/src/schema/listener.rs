//! An entry of `listeners`.

mod inert;
mod mutual_authentication;

use super::Walk;
use crate::mistake::Spot;
use crate::reader::{Fields, NotBuilt, accepted, fields, integer, list, mapping, text, written, wrong};
use crate::yaml::Node;
use model::command::listener::CreateListener;
use model::elb::attribute::AttributeRefusal;
use model::elb::listener::{ListenerAttributes, ListenerProtocol, Tls};
use model::elb::security_policy::SecurityPolicy;
use model::{CertificateArn, LoadBalancerArn, Owner};
use std::collections::{BTreeMap, BTreeSet};

const KEYS: [&str; 8] = [
    "port",
    "protocol",
    "certificates",
    "ssl_policy",
    "mutual_authentication",
    "attributes",
    "rules",
    "default",
];

const NOT_BUILT: NotBuilt = &[
    ("alpn_policy", "only listeners of Network Load Balancers have one"),
    ("tags", "tags come through the AWS API only, so far"),
];

/// What consoles pick for a new listener. Source: ALB 1.7 `SslPolicy`.
const SSL_POLICY: &str = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09";

/// What a listener speaks, whatever else is wrong with it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Protocol {
    Http,
    Https,
}

impl Walk<'_> {
    /// `ports` holds the ports of the same load balancer and where they stand; `tells_of_tls` says whether it tells targets
    /// version and cipher suite.
    pub(super) fn listener(
        &mut self,
        load_balancer: &LoadBalancerArn,
        tells_of_tls: bool,
        ports: &mut BTreeMap<u16, Spot>,
        node: &Node,
    ) {
        let Some(fields) = fields(&mut self.report, node, "a listener", &KEYS, NOT_BUILT) else {
            return;
        };
        let port = self.port(&fields, ports);
        let spoken = match fields.get("protocol") {
            Some(node) => self.listener_protocol(node),
            None => Some(Protocol::Http),
        };
        let attributes = match fields.get("attributes") {
            Some(node) => self.listener_attributes(node, spoken),
            None => Some(ListenerAttributes::default()),
        };
        let protocol = self.tls(&fields, spoken);
        let default_actions = fields
            .require(
                &mut self.report,
                "default",
                "an action for requests that no rule matches",
            )
            .and_then(|node| self.default_actions(node, spoken));
        // Rules of a listener without a usable port are read all the same, under an ARN that nothing else has.
        let arn = self.ids().listener(load_balancer, port.unwrap_or(0));
        if let Some(node) = fields.get("rules") {
            let mut priorities = BTreeMap::new();
            for rule in list(&mut self.report, node, "rules").unwrap_or_default() {
                self.rule(&arn, spoken, &mut priorities, rule);
            }
        }
        let (Some(port), Some(protocol), Some((answer, default_actions)), Some(attributes)) =
            (port, protocol, default_actions, attributes)
        else {
            return;
        };
        if let Some(node) = fields.get("attributes") {
            self.warn_of_unsent_headers(node, &protocol, tells_of_tls);
        }
        let create = CreateListener {
            default_rule: self.ids().default_rule(&arn),
            arn,
            load_balancer: load_balancer.clone(),
            port,
            protocol,
            default_actions,
            attributes,
            owner: Owner::Manifest,
        };
        self.desired
            .place_answer(create.arn.as_str(), self.report.place(answer));
        let placed = self.placed(node.spot, create);
        self.desired.listeners.push(placed);
    }

    fn port(&mut self, fields: &Fields<'_>, ports: &mut BTreeMap<u16, Spot>) -> Option<u16> {
        let expected = "a port from 1 to 65535";
        let node = fields.require(&mut self.report, "port", expected)?;
        let number = integer(&mut self.report, node, expected)?;
        let Some(port) = u16::try_from(number).ok().filter(|port| *port != 0) else {
            return wrong(&mut self.report, node, expected);
        };
        if let Some(first) = ports.get(&port) {
            let message = format!(
                "found port {port} twice; expected each port once in a load balancer (it stands at {first} already)"
            );
            self.report.mistake(node.spot, message);
            return None;
        }
        ports.insert(port, node.spot);
        Some(port)
    }

    fn listener_protocol(&mut self, node: &Node) -> Option<Protocol> {
        let expected = "`http` or `https`";
        let protocol = text(&mut self.report, node, expected)?;
        if protocol.eq_ignore_ascii_case("http") {
            Some(Protocol::Http)
        } else if protocol.eq_ignore_ascii_case("https") {
            Some(Protocol::Https)
        } else {
            wrong(&mut self.report, node, expected)
        }
    }

    fn tls(&mut self, fields: &Fields<'_>, protocol: Option<Protocol>) -> Option<ListenerProtocol> {
        if protocol == Some(Protocol::Http) {
            for (key, _) in fields.present(&["certificates", "ssl_policy", "mutual_authentication"]) {
                let message = format!(
                    "found `{}` on an HTTP listener; expected it with `protocol: https` only",
                    key.text
                );
                self.report.mistake(key.spot, message);
            }
            return Some(ListenerProtocol::Http);
        }
        let policy = match fields.get("ssl_policy") {
            Some(node) => self.ssl_policy(node),
            None => SecurityPolicy::named(SSL_POLICY).ok(),
        };
        let mutual_authentication = self.mutual_authentication(fields);
        let certificates = match (fields.get("certificates"), protocol) {
            (Some(node), _) => self.certificates(node),
            (None, Some(Protocol::Https)) => {
                let message = "the key `certificates` is missing; expected at least one certificate, because the \
                               protocol is https";
                self.report.mistake(fields.spot, message);
                None
            }
            (None, _) => None,
        };
        let mut certificates = certificates?.into_iter();
        protocol?;
        Some(ListenerProtocol::Https(Tls {
            default_certificate: certificates.next()?,
            certificates: certificates.collect(),
            policy: policy?,
            mutual_authentication: mutual_authentication?,
        }))
    }

    /// The certificates, the default one first; `None` when one of them is wrong.
    fn certificates(&mut self, node: &Node) -> Option<Vec<CertificateArn>> {
        let entries = list(&mut self.report, node, "certificates")?;
        if entries.is_empty() {
            return wrong(&mut self.report, node, "a list with at least one certificate");
        }
        let mut all: Vec<(CertificateArn, Spot)> = Vec::new();
        let mut complete = true;
        for entry in entries {
            let Some(arn) = self.certificate(entry) else {
                complete = false;
                continue;
            };
            if let Some((_, first)) = all.iter().find(|(known, _)| *known == arn) {
                let message =
                    format!("found the same certificate twice; expected it once (it stands at {first} already)");
                self.report.mistake(entry.spot, message);
                complete = false;
            } else {
                all.push((arn, entry.spot));
            }
        }
        complete.then(|| all.into_iter().map(|(arn, _)| arn).collect())
    }

    fn ssl_policy(&mut self, node: &Node) -> Option<&'static SecurityPolicy> {
        let name = text(&mut self.report, node, "the name of a security policy")?;
        let names: BTreeSet<String> = SecurityPolicy::all()
            .iter()
            .map(|policy| policy.name.to_owned())
            .collect();
        Self::known(&mut self.report, node.spot, "security policy", name, &names)
            .then(|| SecurityPolicy::named(name).ok())
            .flatten()
    }

    fn listener_attributes(&mut self, node: &Node, protocol: Option<Protocol>) -> Option<ListenerAttributes> {
        let before = self.report.reported();
        let mut attributes = ListenerAttributes::default();
        // With a protocol that is wrong itself nothing is said about what needs HTTPS.
        let https = protocol != Some(Protocol::Http);
        for (key, node) in mapping(&mut self.report, node, "the attributes")? {
            let Some(value) = written(&mut self.report, node, "text, a number, `true` or `false`") else {
                continue;
            };
            let result = attributes.set(&key.text, value, https);
            let unknown = matches!(result, Err(AttributeRefusal::Unknown { .. }));
            let spot = if unknown { key.spot } else { node.spot };
            accepted(&mut self.report, spot, result);
        }
        (self.report.reported() == before).then_some(attributes)
    }
}
