//! Walking a tree of nodes: what is missing, unknown or of the wrong type becomes a mistake, and the walk goes on.
//!
//! What each value means is left to the schema.

pub(crate) mod quantity;

use crate::mistake::{Report, Spot, shown, suggestion};
use crate::yaml::{Key, Node, Scalar, ScalarKind, Value};
use std::rc::Rc;

/// Keys that AWS's resource has and albacore does not yet, each with a plain sentence.
pub(crate) type NotBuilt = &'static [(&'static str, &'static str)];

/// A mapping with a fixed set of keys.
pub(crate) struct Fields<'a> {
    pub(crate) spot: Spot,
    entries: &'a [(Key, Rc<Node>)],
    /// Whether every key was known: if not, something that is missing may just be misspelt.
    pub(crate) all_known: bool,
}

impl<'a> Fields<'a> {
    /// The value of `key`, if the mapping has it.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// The key itself with its value.
    pub(crate) fn entry(&self, key: &str) -> Option<(&'a Key, &'a Node)> {
        let found = self.entries.iter().find(|(known, _)| known.text == key);
        found.map(|(key, node)| (key, &**node))
    }

    /// The value of `key`; without it a mistake that says what it should be.
    pub(crate) fn require(&self, report: &mut Report, key: &str, expected: &str) -> Option<&'a Node> {
        let found = self.get(key);
        if found.is_none() {
            report.mistake(self.spot, format!("the key `{key}` is missing; expected {expected}"));
        }
        found
    }

    /// The keys of `keys` that stand in the mapping, in the order of the file.
    pub(crate) fn present(&self, keys: &[&str]) -> Vec<(&'a Key, &'a Node)> {
        let known = |(key, _): &&(Key, Rc<Node>)| keys.contains(&key.text.as_str());
        self.entries
            .iter()
            .filter(known)
            .map(|(key, node)| (key, &**node))
            .collect()
    }
}

/// A mapping whose keys are all known: the others are reported.
pub(crate) fn fields<'a>(
    report: &mut Report,
    node: &'a Node,
    what: &str,
    known: &[&str],
    not_built: NotBuilt,
) -> Option<Fields<'a>> {
    let entries = mapping(report, node, what)?;
    let before = report.reported();
    for (key, _) in entries {
        if known.contains(&key.text.as_str()) {
            continue;
        }
        if let Some((name, reason)) = not_built.iter().find(|(name, _)| *name == key.text) {
            report.mistake(key.spot, format!("found `{name}`: {reason}"));
            continue;
        }
        if report.is_full() {
            break;
        }
        let names = known.iter().copied().chain(not_built.iter().map(|(name, _)| *name));
        let message = format!(
            "found the unknown key {}; {}",
            shown(&key.text),
            suggestion(&key.text, &names)
        );
        report.mistake(key.spot, message);
    }
    Some(Fields {
        spot: node.spot,
        entries,
        all_known: report.reported() == before,
    })
}

/// A mapping with keys of the user's choice.
pub(crate) fn mapping<'a>(report: &mut Report, node: &'a Node, what: &str) -> Option<&'a [(Key, Rc<Node>)]> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        _ => wrong(report, node, &format!("{what} as a mapping")),
    }
}

/// A list.
pub(crate) fn list<'a>(report: &mut Report, node: &'a Node, what: &str) -> Option<&'a [Rc<Node>]> {
    match &node.value {
        Value::List(items) => Some(items),
        _ => wrong(report, node, &format!("a list of {what}")),
    }
}

/// One value, or a list of values with at least one.
pub(crate) fn one_or_more<'a>(report: &mut Report, node: &'a Node, what: &str) -> Vec<&'a Node> {
    match &node.value {
        Value::List(items) if items.is_empty() => {
            report.mistake(node.spot, format!("found an empty list; expected at least one {what}"));
            Vec::new()
        }
        Value::List(items) => items.iter().map(|item| &**item).collect(),
        _ => vec![node],
    }
}

/// Text: quoted, or plain and neither a number, a truth value nor nothing.
pub(crate) fn text<'a>(report: &mut Report, node: &'a Node, expected: &str) -> Option<&'a str> {
    match &node.value {
        Value::Scalar(Scalar {
            text,
            kind: ScalarKind::Text,
        }) => Some(text),
        Value::Scalar(Scalar {
            text,
            kind: ScalarKind::Bool(_) | ScalarKind::Int(_) | ScalarKind::Float,
        }) => wrong(report, node, &format!("{expected} (as text, in quotes: \"{text}\")")),
        _ => wrong(report, node, expected),
    }
}

/// Any scalar but nothing, as it is written: for values that are text to AWS whatever they look like.
pub(crate) fn written<'a>(report: &mut Report, node: &'a Node, expected: &str) -> Option<&'a str> {
    match &node.value {
        Value::Scalar(Scalar {
            text,
            kind: ScalarKind::Text | ScalarKind::Bool(_) | ScalarKind::Int(_) | ScalarKind::Float,
        }) => Some(text),
        _ => wrong(report, node, expected),
    }
}

/// `true` or `false`.
pub(crate) fn boolean(report: &mut Report, node: &Node) -> Option<bool> {
    match &node.value {
        Value::Scalar(Scalar {
            kind: ScalarKind::Bool(value),
            ..
        }) => Some(*value),
        _ => wrong(report, node, "`true` or `false`"),
    }
}

/// `on` or `off`, which are text in YAML 1.2.
pub(crate) fn on_or_off(report: &mut Report, node: &Node) -> Option<bool> {
    let text = match &node.value {
        Value::Scalar(scalar) if node.is_text() => scalar.text.as_str(),
        _ => "",
    };
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => wrong(report, node, "`on` or `off`"),
    }
}

/// A whole number within 64 bits.
pub(crate) fn integer(report: &mut Report, node: &Node, expected: &str) -> Option<i64> {
    match &node.value {
        Value::Scalar(Scalar {
            kind: ScalarKind::Int(Some(value)),
            ..
        }) => Some(*value),
        _ => wrong(report, node, expected),
    }
}

/// Reports that `node` is not what was expected.
pub(crate) fn wrong<T>(report: &mut Report, node: &Node, expected: &str) -> Option<T> {
    if !is_absent(node) {
        report.mistake(node.spot, format!("found {}; expected {expected}", node.found()));
    }
    None
}

/// Takes a result of `model` apart: what it refuses is a mistake at `spot`.
pub(crate) fn accepted<T, E: std::fmt::Display>(report: &mut Report, spot: Spot, result: Result<T, E>) -> Option<T> {
    result.map_err(|refusal| report.mistake(spot, refusal)).ok()
}

/// Whether the value was reported already.
fn is_absent(node: &Node) -> bool {
    matches!(
        &node.value,
        Value::Scalar(Scalar {
            kind: ScalarKind::Absent,
            ..
        })
    )
}
