//! The attributes of target groups: by AWS's keys under `attributes`, and by short forms. Source: ALB 1.6.

use super::Walk;
use crate::mistake::Spot;
use crate::reader::quantity::duration;
use crate::reader::{Fields, boolean, fields, mapping, text, written, wrong};
use crate::yaml::{Key, Node};
use model::elb::attribute::AttributeRefusal;
use model::elb::target_group::TargetGroupAttributes;
use std::collections::BTreeMap;

/// A key of a target group that stands for an attribute.
pub(super) struct ShortForm {
    pub(super) key: &'static str,
    /// Whether groups with a function do not have it.
    pub(super) of_servers: bool,
    meaning: Meaning,
}

enum Meaning {
    /// The value as it is written.
    Written(&'static str),
    /// `true` or `false`.
    Boolean(&'static str),
    /// A duration, in seconds.
    Seconds(&'static str),
    /// A mapping: every attribute that begins so.
    Stickiness,
}

/// All of them.
pub(super) const SHORT_FORMS: &[ShortForm] = &[
    of_servers("algorithm", Meaning::Written("load_balancing.algorithm.type")),
    of_servers(
        "anomaly_mitigation",
        Meaning::Written("load_balancing.algorithm.anomaly_mitigation"),
    ),
    of_servers("cross_zone", Meaning::Written("load_balancing.cross_zone.enabled")),
    of_servers(
        "deregistration_delay",
        Meaning::Seconds("deregistration_delay.timeout_seconds"),
    ),
    ShortForm {
        key: "multi_value_headers",
        of_servers: false,
        meaning: Meaning::Boolean("lambda.multi_value_headers.enabled"),
    },
    of_servers("slow_start", Meaning::Seconds("slow_start.duration_seconds")),
    of_servers("stickiness", Meaning::Stickiness),
];

const fn of_servers(key: &'static str, meaning: Meaning) -> ShortForm {
    ShortForm {
        key,
        of_servers: true,
        meaning,
    }
}

const STICKINESS: &str = "stickiness.";
const ENABLED: &str = "stickiness.enabled";
pub(super) const TYPE: &str = "stickiness.type";
pub(super) const COOKIE_NAME: &str = "stickiness.app_cookie.cookie_name";
pub(super) const LB_COOKIE_DURATION: &str = "stickiness.lb_cookie.duration_seconds";
pub(super) const APP_COOKIE_DURATION: &str = "stickiness.app_cookie.duration_seconds";

/// Where each attribute was set, by AWS's key; `None` where it was refused.
pub(super) type Places = BTreeMap<&'static str, Option<Spot>>;

/// What takes an attribute: AWS's key and its value.
pub(super) trait Set: FnMut(&str, &str) -> Result<(), AttributeRefusal> {}
impl<T: FnMut(&str, &str) -> Result<(), AttributeRefusal>> Set for T {}

/// What the targets are whose attributes are read.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Of {
    Function,
    Servers,
}

impl Walk<'_> {
    /// Gives every attribute that is written to `set`, and says where. What is refused is a mistake at its place.
    pub(super) fn attributes(&mut self, group: &Fields<'_>, of: Of, mut set: impl Set) -> Places {
        let mut places = Places::new();
        for form in SHORT_FORMS {
            let Some((key, node)) = group.entry(form.key) else {
                continue;
            };
            if form.of_servers != (of == Of::Servers) {
                // The other kind of group has it, and so this one refuses it whatever the value.
                if let Err(refusal) = set(form.attribute(), "") {
                    self.report
                        .mistake(key.spot, format!("found `{}`: {refusal}", form.key));
                }
                continue;
            }
            match form.meaning {
                Meaning::Written(key) => {
                    let value = written(&mut self.report, node, "text, a number, `true` or `false`");
                    self.set_attribute(&mut set, &mut places, node.spot, key, value);
                }
                Meaning::Boolean(key) => {
                    let value = boolean(&mut self.report, node).map(word);
                    self.set_attribute(&mut set, &mut places, node.spot, key, value);
                }
                Meaning::Seconds(key) => {
                    let value = self.seconds(node);
                    self.set_attribute(&mut set, &mut places, node.spot, key, value.as_deref());
                }
                Meaning::Stickiness => self.stickiness(&mut set, &mut places, node),
            }
        }
        if let Some(node) = group.get("attributes") {
            for (key, node) in mapping(&mut self.report, node, "the attributes").unwrap_or_default() {
                if !self.is_repeated(group, key) {
                    self.attribute(&mut set, &mut places, key, node);
                }
            }
        }
        places
    }

    /// Whether a short form of the group means the same attribute.
    fn is_repeated(&mut self, group: &Fields<'_>, key: &Key) -> bool {
        let means = |form: &&ShortForm| match form.meaning {
            Meaning::Written(known) | Meaning::Boolean(known) | Meaning::Seconds(known) => key.text == known,
            Meaning::Stickiness => key.text.starts_with(STICKINESS),
        };
        let beside = SHORT_FORMS.iter().find(means).and_then(|form| group.entry(form.key));
        if let Some((short, _)) = beside {
            let message = format!(
                "found `{}` beside `{}`, which sets the same attribute; expected one of them",
                key.text, short.text
            );
            self.report.mistake(key.spot, message);
        }
        beside.is_some()
    }

    fn attribute(&mut self, set: &mut impl Set, places: &mut Places, key: &Key, node: &Node) {
        let Some(value) = written(&mut self.report, node, "text, a number, `true` or `false`") else {
            return;
        };
        let known = TargetGroupAttributes::KEYS.iter().find(|known| **known == key.text);
        let result = set(&key.text, value);
        if let Some(known) = known {
            places.insert(known, result.is_ok().then_some(node.spot));
        }
        if let Err(refusal) = result {
            let at_key = matches!(
                refusal,
                AttributeRefusal::Unknown { .. } | AttributeRefusal::OtherTargetType { .. }
            );
            self.report.mistake(if at_key { key.spot } else { node.spot }, refusal);
        }
    }

    /// Without a value it is wrong, which was said.
    fn set_attribute(
        &mut self,
        set: &mut impl Set,
        places: &mut Places,
        spot: Spot,
        key: &'static str,
        value: Option<&str>,
    ) {
        let result = value.map(|value| set(key, value));
        places.insert(key, matches!(result, Some(Ok(()))).then_some(spot));
        if let Some(Err(refusal)) = result {
            self.report.mistake(spot, refusal);
        }
    }

    fn seconds(&mut self, node: &Node) -> Option<String> {
        let duration = duration(&mut self.report, node)?;
        match duration.subsec_nanos() {
            0 => Some(duration.as_secs().to_string()),
            _ => wrong(&mut self.report, node, "whole seconds, such as `30s`"),
        }
    }

    /// Writing it switches stickiness on.
    fn stickiness(&mut self, set: &mut impl Set, places: &mut Places, node: &Node) {
        let known = ["type", "duration", "cookie_name", "enabled"];
        let Some(fields) = fields(
            &mut self.report,
            node,
            "the stickiness (such as `{ duration: 1h }` or `{ type: app_cookie, cookie_name: SESSION }`)",
            &known,
            &[],
        ) else {
            return;
        };
        let enabled = match fields.entry("enabled") {
            Some((key, node)) => boolean(&mut self.report, node).map(|enabled| (key.spot, enabled)),
            None => Some((node.spot, true)),
        };
        if let Some((spot, enabled)) = enabled {
            self.set_attribute(set, places, spot, ENABLED, Some(word(enabled)));
        }
        let cookie_type = match fields.get("type") {
            Some(node) => {
                let value = text(&mut self.report, node, "`lb_cookie` or `app_cookie`");
                self.set_attribute(set, places, node.spot, TYPE, value);
                value
            }
            None => Some("lb_cookie"),
        };
        if let Some(node) = fields.get("duration") {
            let value = self.seconds(node);
            let key = match cookie_type {
                Some("app_cookie") => APP_COOKIE_DURATION,
                _ => LB_COOKIE_DURATION,
            };
            self.set_attribute(set, places, node.spot, key, value.as_deref());
        }
        if let Some((key, node)) = fields.entry("cookie_name") {
            if cookie_type == Some("lb_cookie") {
                let message = "found `cookie_name` without `type: app_cookie`; expected it with that type only: the \
                               load balancer's own cookie is AWSALB";
                self.report.mistake(key.spot, message);
            }
            let value = text(&mut self.report, node, "the name of a cookie");
            self.set_attribute(set, places, node.spot, COOKIE_NAME, value);
        }
    }
}

impl ShortForm {
    /// AWS's key of what it means, or of the first of several.
    fn attribute(&self) -> &'static str {
        match self.meaning {
            Meaning::Written(key) | Meaning::Boolean(key) | Meaning::Seconds(key) => key,
            Meaning::Stickiness => ENABLED,
        }
    }
}

fn word(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
