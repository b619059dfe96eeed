//! `load_balancers.<name>`.

use super::Walk;
use crate::reader::{NotBuilt, accepted, fields, list, mapping, text, written, wrong};
use crate::yaml::{Key, Node};
use model::Owner;
use model::command::load_balancer::CreateLoadBalancer;
use model::elb::attribute::AttributeRefusal;
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
    ("tags", "tags come through the AWS API only, so far"),
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
        // What is wrong may be just what would tell targets.
        let tells_of_tls = attributes.as_ref().is_none_or(|it| it.tls_version_and_cipher_suite);
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
            self.listener(&arn, tells_of_tls, &mut ports, listener);
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
        // When something is wrong already, it may be just what is missing.
        if self.report.reported() == before {
            self.missing_buckets(entries, &attributes);
        }
        self.warn_of_client_port(entries, &attributes);
        self.warn_of_idle_logs(entries, &attributes);
        self.warn_of_absent(entries, &attributes);
        (self.report.reported() == before).then_some(attributes)
    }

    fn missing_buckets(&mut self, entries: &[(Key, Rc<Node>)], attributes: &LoadBalancerAttributes) {
        for conflict in attributes.conflicts() {
            let key = match &conflict {
                AttributeRefusal::Missing { needed_by, .. } => entries.iter().find(|(key, _)| key.text == *needed_by),
                _ => None,
            };
            // A conflict comes from something that is written.
            if let Some((key, _)) = key.or(entries.first()) {
                self.report.mistake(key.spot, conflict);
            }
        }
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

    /// What is about services that are not there.
    fn warn_of_absent(&mut self, entries: &[(Key, Rc<Node>)], attributes: &LoadBalancerAttributes) {
        let absent = [
            (
                "waf.fail_open.enabled",
                attributes.waf_fail_open,
                "there is no web ACL that could fail",
            ),
            (
                "zonal_shift.config.enabled",
                attributes.zonal_shift,
                "albacore has one zone and no zonal shift",
            ),
        ];
        for (name, _, reason) in absent.into_iter().filter(|(_, is_on, _)| *is_on) {
            for (key, _) in entries.iter().filter(|(key, _)| key.text == name) {
                self.report
                    .warning(key.spot, format!("`{name}` has no effect: {reason}"));
            }
        }
    }

    /// Where logs would go that nobody writes.
    fn warn_of_idle_logs(&mut self, entries: &[(Key, Rc<Node>)], attributes: &LoadBalancerAttributes) {
        let logs = [
            ("access_logs.s3", &attributes.access_logs),
            ("connection_logs.s3", &attributes.connection_logs),
            ("health_check_logs.s3", &attributes.health_check_logs),
        ];
        for (log, delivery) in logs.into_iter().filter(|(_, delivery)| !delivery.enabled) {
            for (name, value) in [("bucket", &delivery.bucket), ("prefix", &delivery.prefix)] {
                let key = format!("{log}.{name}");
                let written = entries.iter().find(|(it, _)| it.text == key && !value.is_empty());
                if let Some((written, _)) = written {
                    let message = format!("`{key}` has no effect: `{log}.enabled` is not `true`");
                    self.report.warning(written.spot, message);
                }
            }
        }
    }
}
