//! Actions: exactly one of `forward`, `redirect` and `fixed_response`.

use super::Walk;
use super::listener::Protocol;
use crate::mistake::{Report, Spot};
use crate::reader::quantity::duration;
use crate::reader::{Fields, NotBuilt, accepted, fields, integer, mapping, text, written, wrong};
use crate::yaml::{Node, Value};
use model::elb::action::redirect::{Redirect, RedirectParts, RedirectProtocol, RedirectStatus};
use model::elb::action::{Actions, Answer, ContentType, FixedResponse, Forward, WeightedTargetGroup};
use model::elb::target_group::TargetKind;
use model::limits::WEIGHT_MAX;
use model::refusal::ActionRefusal;

/// The keys that are routing actions.
pub(super) const ACTIONS: [&str; 3] = ["forward", "redirect", "fixed_response"];

const SIGN_IN: &str = "signing users in is not built yet";

/// Actions that come before the routing action.
pub(super) const NOT_BUILT_ACTIONS: NotBuilt = &[
    ("authenticate_oidc", SIGN_IN),
    ("authenticate_cognito", SIGN_IN),
    ("jwt_validation", "checking JSON web tokens is not built yet"),
];

const NO_TRANSFORM: &str = "a transform cannot stand in the default action; expected it in a rule";
const NO_CONDITION: &str = "the default action holds when no rule does and has no conditions; expected them in a rule";

/// What else a rule may hold and the default action may not.
const NOT_IN_DEFAULT: NotBuilt = &[
    ("authenticate_oidc", SIGN_IN),
    ("authenticate_cognito", SIGN_IN),
    ("jwt_validation", "checking JSON web tokens is not built yet"),
    ("rewrite_host", NO_TRANSFORM),
    ("rewrite_url", NO_TRANSFORM),
    ("priority", "the default action is tried last and has no priority"),
    ("host", NO_CONDITION),
    ("host_regex", NO_CONDITION),
    ("path", NO_CONDITION),
    ("path_regex", NO_CONDITION),
    ("method", NO_CONDITION),
    ("source_ip", NO_CONDITION),
    ("header", NO_CONDITION),
    ("header_regex", NO_CONDITION),
    ("query", NO_CONDITION),
    ("conditions", NO_CONDITION),
];

/// The one status of fixed responses that comes without a body (RFC 9110, 15.3.5).
const NO_CONTENT: i64 = 204;

impl Walk<'_> {
    pub(super) fn default_actions(&mut self, node: &Node, listener: Option<Protocol>) -> Option<(Spot, Actions)> {
        let fields = fields(&mut self.report, node, "the default action", &ACTIONS, NOT_IN_DEFAULT)?;
        self.actions(&fields, "the default", listener)
    }

    /// The one action among the keys of a rule or of `default`, and where its value stands. `listener` is what the
    /// listener speaks, where that is known.
    pub(super) fn actions(
        &mut self,
        fields: &Fields<'_>,
        what: &str,
        listener: Option<Protocol>,
    ) -> Option<(Spot, Actions)> {
        let present = fields.present(&ACTIONS);
        if present.is_empty() {
            let message =
                format!("{what} has no action; expected exactly one of `forward`, `redirect` or `fixed_response`");
            self.report.mistake(fields.spot, message);
        }
        for (key, _) in present.iter().skip(1) {
            let message = format!(
                "found the action `{}` beside `{}`; expected exactly one action",
                key.text, present[0].0.text
            );
            self.report.mistake(key.spot, message);
        }
        // All of them are read, for the mistakes in them; the answer counts only when it is the only one.
        let mut answers: Vec<Option<(Spot, Answer)>> = Vec::new();
        for (key, node) in present {
            let answer = match key.text.as_str() {
                "forward" => self.forward(node).map(Answer::Forward),
                "redirect" => redirect(&mut self.report, node, listener).map(Answer::Redirect),
                _ => fixed_response(&mut self.report, node).map(Answer::FixedResponse),
            };
            answers.push(answer.map(|answer| (node.spot, answer)));
        }
        match <[_; 1]>::try_from(answers) {
            Ok([Some((spot, answer))]) => Some((spot, Actions::from(answer))),
            _ => None,
        }
    }

    fn forward(&mut self, node: &Node) -> Option<Forward> {
        let forward = self.forward_as_written(node)?;
        if forward.target_groups().iter().all(|group| group.weight == 0) {
            let message = "every weight is 0; requests are answered with 503";
            self.report.warning(node.spot, message);
        }
        self.warn_of_stickiness(node, &forward);
        Some(forward)
    }

    /// A client that changes the group has no target to come back to. AWS asks for both. Source: ALB 2.5.1.
    fn warn_of_stickiness(&mut self, node: &Node, forward: &Forward) {
        let used: Vec<_> = forward.target_groups().iter().filter(|it| it.weight > 0).collect();
        if used.len() < 2 || forward.stickiness().is_some() {
            return;
        }
        let sticky = self
            .desired
            .target_groups
            .iter()
            .find(|group| match &group.it.create.targets {
                TargetKind::Servers(servers) => {
                    let named = used.iter().any(|it| it.target_group == group.it.create.arn);
                    named && servers.attributes.stickiness.enabled
                }
                TargetKind::Lambda(_) => false,
            });
        if let Some(group) = sticky {
            let message = format!(
                "target group `{}` has stickiness, and this forward action has none: clients change between its target \
                 groups and lose their targets; write `{{ target_groups: {{ .. }}, stickiness: 1h }}`",
                group.it.create.name
            );
            self.report.warning(node.spot, message);
        }
    }

    fn forward_as_written(&mut self, node: &Node) -> Option<Forward> {
        let Value::Map(entries) = &node.value else {
            let group = self.target_group_name(node)?;
            return accepted(&mut self.report, node.spot, Forward::new(vec![group], None));
        };
        // Names of target groups have no underscore, so this key can be none.
        if entries.iter().all(|(key, _)| key.text != "target_groups") {
            let groups = self.weights(node)?;
            return accepted(&mut self.report, node.spot, Forward::new(groups, None));
        }
        let fields = fields(
            &mut self.report,
            node,
            "a forward action",
            &["target_groups", "stickiness"],
            &[],
        )?;
        let groups = fields.get("target_groups").and_then(|node| match &node.value {
            Value::Map(_) => self.weights(node),
            _ => self.target_group_name(node).map(|group| vec![group]),
        });
        let stickiness = match fields.get("stickiness") {
            Some(node) => duration(&mut self.report, node)
                .map(|duration| (node, duration))
                .map(Some),
            None => Some(None),
        };
        let groups = groups?;
        let stickiness = stickiness?;
        let spot = stickiness.map_or(node.spot, |(node, _)| node.spot);
        // With groups that are fine by themselves, what is refused now is the stickiness.
        accepted(&mut self.report, node.spot, Forward::new(groups.clone(), None))?;
        if let Some((node, _)) = stickiness
            && groups.len() == 1
        {
            let message = "`stickiness` has no effect with one target group";
            self.report.warning(node.spot, message);
        }
        let duration = stickiness.map(|(_, duration)| duration);
        accepted(&mut self.report, spot, Forward::new(groups, duration))
    }

    /// `{ orders: 90, legacy: 10 }`
    fn weights(&mut self, node: &Node) -> Option<Vec<WeightedTargetGroup>> {
        let entries = mapping(&mut self.report, node, "target groups with their weights")?;
        let mut groups = Vec::new();
        for (key, node) in entries {
            let is_option = key.text == "stickiness" && !self.target_group_names.contains(&key.text);
            if is_option {
                let message = "found `stickiness` among target groups; expected it beside them: \
                               `{ target_groups: { .. }, stickiness: 1h }`";
                self.report.mistake(key.spot, message);
                continue;
            }
            self.used_target_groups.insert(key.text.clone());
            let names = &self.target_group_names;
            let known = Self::known(&mut self.report, key.spot, "target group", &key.text, names);
            let expected = "a weight from 0 to 999";
            let weight = integer(&mut self.report, node, expected).and_then(|weight| {
                u16::try_from(weight)
                    .ok()
                    .filter(|weight| *weight <= WEIGHT_MAX)
                    .or_else(|| wrong(&mut self.report, node, expected))
            });
            if let (true, Some(weight)) = (known, weight) {
                groups.push(WeightedTargetGroup {
                    target_group: self.ids().target_group(&key.text),
                    weight,
                });
            }
        }
        (groups.len() == entries.len()).then_some(groups)
    }

    fn target_group_name(&mut self, node: &Node) -> Option<WeightedTargetGroup> {
        let name = text(
            &mut self.report,
            node,
            "the name of a target group, or names with weights",
        )?;
        self.used_target_groups.insert(name.to_owned());
        let names = &self.target_group_names;
        Self::known(&mut self.report, node.spot, "target group", name, names).then(|| WeightedTargetGroup {
            target_group: self.ids().target_group(name),
            weight: 1,
        })
    }
}

fn redirect(report: &mut Report, node: &Node, listener: Option<Protocol>) -> Option<Redirect> {
    let known = ["protocol", "host", "port", "path", "query", "status"];
    let fields = fields(report, node, "a redirect", &known, &[])?;
    let before = report.reported();
    let status = match fields.get("status") {
        Some(node) => {
            let status = written(report, node, "301 or 302");
            status.and_then(|status| accepted(report, node.spot, RedirectStatus::parse(status)))
        }
        None => Some(RedirectStatus::Found),
    };
    let protocol = component(report, &fields, "protocol", "`http`, `https` or `#{protocol}`");
    if listener == Some(Protocol::Https)
        && protocol.is_some_and(leads_to_http)
        && let Some(node) = fields.get("protocol")
    {
        report.mistake(node.spot, ActionRefusal::RedirectToHttp);
    }
    let host = component(report, &fields, "host", "a host");
    let port = component(report, &fields, "port", "a port from 1 to 65535 or `#{port}`");
    let path = component(report, &fields, "path", "a path that begins with /");
    let query = component(report, &fields, "query", "a query without the leading ?");
    if report.reported() > before {
        return None;
    }
    let parts = RedirectParts {
        protocol,
        host,
        port,
        path,
        query,
    };
    accepted(report, node.spot, Redirect::new(status?, &parts))
}

/// Whether a redirect to this protocol, which was accepted, leaves TLS.
fn leads_to_http(protocol: &str) -> bool {
    let parts = RedirectParts {
        protocol: Some(protocol),
        ..RedirectParts::default()
    };
    Redirect::new(RedirectStatus::Found, &parts).is_ok_and(|redirect| redirect.protocol() == RedirectProtocol::Http)
}

/// Reads one component and checks it beside a good one, so that several may be wrong at once.
fn component<'n>(report: &mut Report, fields: &Fields<'n>, name: &str, expected: &str) -> Option<&'n str> {
    let node = fields.get(name)?;
    // A port is a number to people and text to AWS.
    let it = if name == "port" {
        written(report, node, expected)
    } else {
        text(report, node, expected)
    }?;
    let mut parts = RedirectParts {
        host: Some("example.com"),
        port: Some("1"),
        ..RedirectParts::default()
    };
    match name {
        "protocol" => parts.protocol = Some(it),
        "host" => parts.host = Some(it),
        "port" => parts.port = Some(it),
        "path" => parts.path = Some(it),
        _ => parts.query = Some(it),
    }
    accepted(report, node.spot, Redirect::new(RedirectStatus::Found, &parts)).map(|_| it)
}

fn fixed_response(report: &mut Report, node: &Node) -> Option<FixedResponse> {
    let expected = "a status of 2xx, 4xx or 5xx";
    if node.is_number() {
        let status = integer(report, node, expected)?;
        return accepted(
            report,
            node.spot,
            FixedResponse::new(status, ContentType::default(), ""),
        );
    }
    let fields = fields(
        report,
        node,
        "a fixed response",
        &["status", "content_type", "body"],
        &[],
    )?;
    let status = fields.require(report, "status", expected).and_then(|node| {
        let status = integer(report, node, expected)?;
        accepted(
            report,
            node.spot,
            FixedResponse::new(status, ContentType::default(), ""),
        )?;
        Some(status)
    });
    let content_type = match fields.get("content_type") {
        Some(node) => text(report, node, "a content type such as `text/plain`")
            .and_then(|it| accepted(report, node.spot, ContentType::try_from(it))),
        None => Some(ContentType::default()),
    };
    let body = match fields.get("body") {
        Some(node) => text(report, node, "a text of at most 1024 characters").and_then(|body| {
            accepted(report, node.spot, FixedResponse::new(200, ContentType::default(), body))?;
            Some(body)
        }),
        None => Some(""),
    };
    let (status, content_type, body) = (status?, content_type?, body?);
    if status == NO_CONTENT
        && !body.is_empty()
        && let Some(node) = fields.get("body")
    {
        report.warning(node.spot, "`body` has no effect: a response with status 204 has none");
    }
    accepted(report, node.spot, FixedResponse::new(status, content_type, body))
}
