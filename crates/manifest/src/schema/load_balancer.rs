//! `load_balancers.<name>`.

use super::Walk;
use crate::reader::{NotBuilt, accepted, fields, list, mapping, text, written, wrong};
use crate::yaml::{Key, Node};
use model::Owner;
use model::command::load_balancer::CreateLoadBalancer;
use model::elb::load_balancer::{ForwardedForMode, LoadBalancerAttributes, Scheme, dns_name};
use model::elb::name::LoadBalancerName;
use std::collections::BTreeMap;
use std::rc::Rc;

const NETWORK: &str = "albacore has no VPC; listeners bind where --bind and --publish say";

const NOT_BUILT: NotBuilt = &[
    ("subnets", NETWORK),
    ("subnet_mappings", NETWORK),
    ("security_groups", NETWORK),
    ("ip_address_type", NETWORK),
    (
        "type",
        "every load balancer of the manifest is an Application Load Balancer",
    ),
    ("tags", "tags are not built yet"),
];

const XFF_CLIENT_PORT: &str = "routing.http.xff_client_port.enabled";
const XFF_MODE: &str = "routing.http.xff_header_processing.mode";

impl Walk<'_> {
    pub(super) fn load_balancer(&mut self, key: &Key, node: &Node) {
        let name = accepted(
            &mut self.report,
            key.spot,
            LoadBalancerName::try_from(key.text.as_str()),
        );
        let known = ["scheme", "attributes", "listeners"];
        let Some(fields) = fields(&mut self.report, node, "a load balancer", &known, NOT_BUILT) else {
            return;
        };
        let scheme = match fields.get("scheme") {
            Some(node) => self.scheme(node),
            None => Some(Scheme::default()),
        };
        let attributes = match fields.get("attributes") {
            Some(node) => self.load_balancer_attributes(node),
            None => Some(LoadBalancerAttributes::default()),
        };
        // What stands below is read even when the name is refused, under an ARN that nothing else has.
        let id = self.ids().load_balancer_id(&key.text);
        let arn = self.ids().load_balancer(&key.text);
        if let (Some(name), Some(scheme), Some(attributes)) = (name, scheme, attributes) {
            let scope = &self.settings.scope;
            let create = CreateLoadBalancer {
                arn: arn.clone(),
                dns_name: dns_name(&name, id, scheme, &scope.region, &self.settings.dns_suffix),
                name,
                scheme,
                attributes,
                owner: Owner::Manifest,
            };
            let placed = self.placed(key.spot, create);
            self.desired.load_balancers.push(placed);
        }
        let expected = "a list with at least one listener";
        let Some(node) = fields.require(&mut self.report, "listeners", expected) else {
            return;
        };
        let listeners = list(&mut self.report, node, "listeners").unwrap_or_default();
        if listeners.is_empty() {
            // Nothing but an empty list comes here: everything else was reported as no list.
            if matches!(&node.value, crate::yaml::Value::List(_)) {
                wrong::<()>(&mut self.report, node, expected);
            }
        }
        let mut ports = BTreeMap::new();
        for listener in listeners {
            self.listener(&arn, &mut ports, listener);
        }
    }

    fn scheme(&mut self, node: &Node) -> Option<Scheme> {
        let expected = "`internet-facing` or `internal`";
        match text(&mut self.report, node, expected)? {
            "internet-facing" => Some(Scheme::InternetFacing),
            "internal" => Some(Scheme::Internal),
            _ => wrong(&mut self.report, node, expected),
        }
    }

    fn load_balancer_attributes(&mut self, node: &Node) -> Option<LoadBalancerAttributes> {
        let before = self.report.reported();
        let mut attributes = LoadBalancerAttributes::default();
        let entries = mapping(&mut self.report, node, "the attributes")?;
        for (key, node) in entries {
            if let Some(value) = written(&mut self.report, node, "text, a number, `true` or `false`") {
                let unknown = !LoadBalancerAttributes::KEYS.contains(&key.text.as_str());
                let spot = if unknown { key.spot } else { node.spot };
                accepted(&mut self.report, spot, attributes.set(&key.text, value));
            }
        }
        self.warn_of_client_port(entries, &attributes);
        (self.report.reported() == before).then_some(attributes)
    }

    /// Nothing is added to the header but in `append`. Source: ALB 4.6.
    fn warn_of_client_port(&mut self, entries: &[(Key, Rc<Node>)], attributes: &LoadBalancerAttributes) {
        if !attributes.xff_client_port || attributes.xff_mode == ForwardedForMode::Append {
            return;
        }
        for (key, _) in entries.iter().filter(|(key, _)| key.text == XFF_CLIENT_PORT) {
            let message = format!("`{XFF_CLIENT_PORT}` has no effect: `{XFF_MODE}` is not `append`");
            self.report.warning(key.spot, message);
        }
    }
}
