//! `target_groups.<name>`: a group with a function, or a group of servers.

mod attributes;
mod health_check;
mod inert;
mod servers;
mod target;

use super::Walk;
use crate::desired::{DesiredTargetGroup, Placed};
use crate::reader::{Fields, NotBuilt, accepted, fields, text, wrong};
use crate::yaml::{Key, Node};
use attributes::{Of, SHORT_FORMS};
use model::command::target_group::CreateTargetGroup;
use model::elb::health_check::HealthCheck;
use model::elb::name::TargetGroupName;
use model::elb::target_group::{LambdaTargets, ServerType, TargetKind};
use model::{FunctionArn, Owner};

const KEYS: [&str; 16] = [
    "function",
    "targets",
    "target_type",
    "protocol",
    "protocol_version",
    "port",
    "ip_address_type",
    "health_check",
    "attributes",
    "algorithm",
    "anomaly_mitigation",
    "cross_zone",
    "deregistration_delay",
    "multi_value_headers",
    "slow_start",
    "stickiness",
];

const NOT_BUILT: NotBuilt = &[
    (
        "target_control_port",
        "the target optimizer is not built: AWS has not published the protocol that its agents speak",
    ),
    ("vpc_id", "albacore has no VPC; targets are reached by their addresses"),
    ("tags", "tags come through the AWS API only, so far"),
];

/// What groups of servers have beside attributes and groups with a function have not. Source: ALB 1.5.
const OF_SERVERS: [(&str, &str); 5] = [
    ("targets", "no further targets"),
    ("protocol", "no protocol"),
    ("protocol_version", "no protocol version"),
    ("port", "no port"),
    ("ip_address_type", "no address"),
];

/// What the targets of a group are. Source: ALB 1.5 `TargetType`.
#[derive(Clone, Copy)]
enum Kind {
    Lambda,
    /// Servers; of a type that is written, or to be told by the targets.
    Servers(Option<ServerType>),
}

impl Walk<'_> {
    pub(super) fn target_group(&mut self, key: &Key, node: &Node) -> Option<Placed<DesiredTargetGroup>> {
        let name = accepted(&mut self.report, key.spot, TargetGroupName::try_from(key.text.as_str()));
        let fields = fields(&mut self.report, node, "a target group", &KEYS, NOT_BUILT)?;
        let (targets, function) = match self.kind(&fields) {
            Kind::Lambda => {
                let (lambda, function) = self.lambda(key, &fields)?;
                (TargetKind::Lambda(lambda), function)
            }
            Kind::Servers(written) => (TargetKind::Servers(self.servers(key, &fields, written)?), None),
        };
        let name = name?;
        let group = DesiredTargetGroup {
            create: CreateTargetGroup {
                arn: self.ids().target_group(name.as_str()),
                name,
                targets,
                owner: Owner::Manifest,
            },
            function,
        };
        Some(self.placed(key.spot, group))
    }

    /// By `target_type`, or by what else is written.
    fn kind(&mut self, fields: &Fields<'_>) -> Kind {
        let written = fields.get("target_type").and_then(|node| self.target_type(node));
        match (written, fields.entry("function")) {
            (Some(Kind::Servers(server_type)), Some((key, _))) => {
                let message = "found `function` in a target group of servers; expected it in a group of its own: \
                               actions forward to several groups by weight";
                self.report.mistake(key.spot, message);
                Kind::Servers(server_type)
            }
            (Some(kind), _) => kind,
            (None, None) if has_servers(fields) => Kind::Servers(None),
            (None, _) => Kind::Lambda,
        }
    }

    fn target_type(&mut self, node: &Node) -> Option<Kind> {
        let expected = "`instance`, `ip` or `lambda`";
        match text(&mut self.report, node, expected)? {
            "instance" => Some(Kind::Servers(Some(ServerType::Instance))),
            "ip" => Some(Kind::Servers(Some(ServerType::Ip))),
            "lambda" => Some(Kind::Lambda),
            "alb" => {
                let message = "found the target type `alb`: only Network Load Balancers forward to load balancers; \
                               expected `instance`, `ip` or `lambda`";
                self.report.mistake(node.spot, message);
                None
            }
            _ => wrong(&mut self.report, node, expected),
        }
    }

    /// The group without its function, and the function.
    fn lambda(&mut self, key: &Key, fields: &Fields<'_>) -> Option<(LambdaTargets, Option<FunctionArn>)> {
        let before = self.report.reported();
        for (name, has_none) in OF_SERVERS {
            if let Some((found, _)) = fields.entry(name) {
                let message = format!(
                    "found `{name}` in a target group with a function, which has {has_none}; expected it in a target \
                     group of servers"
                );
                self.report.mistake(found.spot, message);
            }
        }
        let mut lambda = LambdaTargets {
            function: None,
            multi_value_headers: false,
            health_check: HealthCheck::of_lambda(),
        };
        self.attributes(fields, Of::Function, |key, value| lambda.set(key, value));
        if let Some(health_check) = self.lambda_health_check(fields) {
            lambda.health_check = health_check;
        }
        let function = match fields.get("function") {
            Some(node) => {
                let function = text(&mut self.report, node, "the name of a function");
                self.used_functions.extend(function.map(str::to_owned));
                let known = function.filter(|function| {
                    Self::known(&mut self.report, node.spot, "function", function, &self.function_names)
                });
                known.map(|name| FunctionArn::new(&self.settings.scope, name))
            }
            None => {
                let message = format!(
                    "target group `{}` has no `function`; requests for it are answered with 503",
                    key.text
                );
                self.report.warning(key.spot, message);
                None
            }
        };
        (self.report.reported() == before).then_some((lambda, function))
    }
}

/// Whether anything is written that only groups of servers have.
fn has_servers(fields: &Fields<'_>) -> bool {
    let keys = OF_SERVERS.iter().map(|(key, _)| *key);
    let short_forms = SHORT_FORMS.iter().filter(|it| it.of_servers).map(|it| it.key);
    !fields.present(&keys.chain(short_forms).collect::<Vec<_>>()).is_empty()
}
