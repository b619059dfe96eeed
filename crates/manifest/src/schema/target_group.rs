//! `target_groups.<name>`, its health check in a file of its own.

mod health_check;

use super::Walk;
use crate::desired::{DesiredTargetGroup, Placed};
use crate::reader::{NotBuilt, accepted, boolean, fields, text};
use crate::yaml::{Key, Node};
use model::command::target_group::CreateTargetGroup;
use model::elb::name::TargetGroupName;
use model::{FunctionArn, Owner};

const SERVERS: &str = "target groups of servers are not built yet; expected a target group with a `function`";
const ATTRIBUTES: &str = "write `multi_value_headers`, the one attribute that target groups of functions have";

const NOT_BUILT: NotBuilt = &[
    ("protocol", SERVERS),
    ("protocol_version", SERVERS),
    ("port", SERVERS),
    ("targets", SERVERS),
    ("stickiness", SERVERS),
    ("algorithm", SERVERS),
    ("slow_start", SERVERS),
    ("deregistration_delay", SERVERS),
    ("attributes", ATTRIBUTES),
];

impl Walk<'_> {
    pub(super) fn target_group(&mut self, key: &Key, node: &Node) -> Option<Placed<DesiredTargetGroup>> {
        let name = accepted(&mut self.report, key.spot, TargetGroupName::try_from(key.text.as_str()));
        let known = ["function", "multi_value_headers", "health_check"];
        let fields = fields(&mut self.report, node, "a target group", &known, NOT_BUILT)?;
        let multi_value_headers = match fields.get("multi_value_headers") {
            Some(node) => boolean(&mut self.report, node),
            None => Some(false),
        };
        let health_check = self.health_check(&fields);
        let function = match fields.get("function") {
            Some(node) => {
                let function = text(&mut self.report, node, "the name of a function");
                self.used_functions.extend(function.map(str::to_owned));
                let known = function.filter(|function| {
                    Self::known(&mut self.report, node.spot, "function", function, &self.function_names)
                });
                known.map(|name| Some(FunctionArn::new(&self.settings.scope, name)))
            }
            None => {
                let of_servers: Vec<_> = NOT_BUILT.iter().map(|(name, _)| *name).collect();
                if fields.present(&of_servers).is_empty() {
                    let message = format!(
                        "target group `{}` has no `function`; requests for it are answered with 503",
                        key.text
                    );
                    self.report.warning(key.spot, message);
                }
                Some(None)
            }
        };
        let name = name?;
        let group = DesiredTargetGroup {
            create: CreateTargetGroup {
                arn: self.ids().target_group(name.as_str()),
                name,
                multi_value_headers: multi_value_headers?,
                health_check: health_check?,
                owner: Owner::Manifest,
            },
            function: function?,
        };
        Some(self.placed(key.spot, group))
    }
}
