//! Conditions on events that are JSON objects: `{ $.a.b[0] = "x*" && ($.c > 1 || $.d NOT EXISTS) }`.

use super::NotUnderstood;
use super::value::{Comparison, Value};
use serde_json::Value as Event;

/// Parentheses inside each other.
const DEPTH_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq)]
pub(in crate::aws::logs) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Compare(Selector, Comparison, Value),
    Is(Selector, Being),
    NotExists(Selector),
}

/// `IS` what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::aws::logs) enum Being {
    True,
    False,
    Null,
}

/// The way to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::aws::logs) struct Selector(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Item(usize),
    /// `*`: any of them.
    Any,
}

pub(super) fn read(text: &str) -> Result<Condition, NotUnderstood> {
    let inside = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let inside = inside.ok_or_else(|| NotUnderstood::because("a brace is not closed"))?;
    let (condition, rest) = any(inside, 0)?;
    match rest.trim_start() {
        "" => Ok(condition),
        rest => Err(NotUnderstood::because(format!("{rest} is not understood"))),
    }
}

impl Condition {
    pub(super) fn takes(&self, event: &Event) -> bool {
        match self {
            Self::All(all) => all.iter().all(|it| it.takes(event)),
            Self::Any(any) => any.iter().any(|it| it.takes(event)),
            Self::Compare(selector, comparison, value) => selector.any(event, |member| match member {
                Event::String(text) => value.holds_for_text(*comparison, text),
                Event::Number(number) => number
                    .as_f64()
                    .is_some_and(|number| value.holds_for_number(*comparison, number)),
                // Anything else is equal to nothing.
                _ => *comparison == Comparison::NotEqual,
            }),
            Self::Is(selector, being) => selector.any(event, |member| match being {
                Being::True => *member == Event::Bool(true),
                Being::False => *member == Event::Bool(false),
                Being::Null => member.is_null(),
            }),
            Self::NotExists(selector) => !selector.any(event, |_| true),
        }
    }
}

impl Selector {
    fn any(&self, event: &Event, holds: impl Fn(&Event) -> bool + Copy) -> bool {
        fn follow(event: &Event, steps: &[Step], holds: impl Fn(&Event) -> bool + Copy) -> bool {
            let Some((step, rest)) = steps.split_first() else {
                return holds(event);
            };
            match (step, event) {
                (Step::Member(name), Event::Object(members)) => {
                    members.get(name).is_some_and(|member| follow(member, rest, holds))
                }
                (Step::Item(at), Event::Array(items)) => items.get(*at).is_some_and(|item| follow(item, rest, holds)),
                (Step::Any, Event::Object(members)) => members.values().any(|member| follow(member, rest, holds)),
                (Step::Any, Event::Array(items)) => items.iter().any(|item| follow(item, rest, holds)),
                _ => false,
            }
        }
        follow(event, &self.0, holds)
    }
}

fn any(text: &str, depth: usize) -> Result<(Condition, &str), NotUnderstood> {
    let (first, mut rest) = all(text, depth)?;
    let mut conditions = vec![first];
    while let Some(after) = rest.trim_start().strip_prefix("||") {
        let (condition, after) = all(after, depth)?;
        conditions.push(condition);
        rest = after;
    }
    Ok((joined(conditions, Condition::Any), rest))
}

fn all(text: &str, depth: usize) -> Result<(Condition, &str), NotUnderstood> {
    let (first, mut rest) = one(text, depth)?;
    let mut conditions = vec![first];
    while let Some(after) = rest.trim_start().strip_prefix("&&") {
        let (condition, after) = one(after, depth)?;
        conditions.push(condition);
        rest = after;
    }
    Ok((joined(conditions, Condition::All), rest))
}

fn joined(mut conditions: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    match conditions.len() {
        1 => conditions.remove(0),
        _ => join(conditions),
    }
}

/// What a word behind a selector makes of it.
type Make = fn(Selector) -> Condition;

fn one(text: &str, depth: usize) -> Result<(Condition, &str), NotUnderstood> {
    let text = text.trim_start();
    if let Some(inside) = text.strip_prefix('(') {
        if depth == DEPTH_MAX {
            return Err(NotUnderstood::because("parentheses are nested too deeply"));
        }
        let (condition, rest) = any(inside, depth + 1)?;
        let rest = rest.trim_start().strip_prefix(')');
        let rest = rest.ok_or_else(|| NotUnderstood::because("a parenthesis is not closed"))?;
        return Ok((condition, rest));
    }
    let (selector, rest) = selector(text)?;
    let rest = rest.trim_start();
    if let Some((comparison, rest)) = Comparison::read(rest) {
        let (value, rest) = Value::read(rest.trim_start(), comparison, &[')', '&', '|', '('])?;
        return Ok((Condition::Compare(selector, comparison, value), rest));
    }
    let words: [(&str, Make); 5] = [
        ("IS TRUE", |it| Condition::Is(it, Being::True)),
        ("IS FALSE", |it| Condition::Is(it, Being::False)),
        ("IS NULL", |it| Condition::Is(it, Being::Null)),
        ("NOT EXISTS", Condition::NotExists),
        ("not exists", Condition::NotExists),
    ];
    for (word, condition) in words {
        if let Some(rest) = rest.strip_prefix(word) {
            return Ok((condition(selector), rest));
        }
    }
    Err(NotUnderstood::because("a comparison is missing after a selector"))
}

fn selector(text: &str) -> Result<(Selector, &str), NotUnderstood> {
    let Some(mut rest) = text.strip_prefix('$') else {
        return Err(NotUnderstood::because(format!("a selector begins with $.: {text}")));
    };
    let mut steps = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '*'));
            let (name, after) = after.split_at(end.unwrap_or(after.len()));
            steps.push(match name {
                "" => return Err(NotUnderstood::because("a name is missing after a dot")),
                "*" => Step::Any,
                name if name.contains('*') => return Err(NotUnderstood::because(format!("{name} is not a name"))),
                name => Step::Member(name.to_owned()),
            });
            rest = after;
        } else if let Some(after) = rest.strip_prefix("[\"") {
            let (name, after) = super::terms::phrase(after)?;
            steps.push(Step::Member(name));
            rest = closed(after)?;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (inside, _) = after
                .split_once(']')
                .ok_or_else(|| NotUnderstood::because("a bracket is not closed"))?;
            steps.push(match inside.trim() {
                "*" => Step::Any,
                digits => Step::Item(
                    digits
                        .parse()
                        .map_err(|_| NotUnderstood::because(format!("[{digits}] is not an index")))?,
                ),
            });
            rest = &after[inside.len() + 1..];
        } else {
            break;
        }
    }
    match steps.is_empty() {
        true => Err(NotUnderstood::because("a selector names a member: $.name")),
        false => Ok((Selector(steps), rest)),
    }
}

fn closed(text: &str) -> Result<&str, NotUnderstood> {
    text.strip_prefix(']')
        .ok_or_else(|| NotUnderstood::because("a bracket is not closed"))
}
