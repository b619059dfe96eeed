//! What the attributes of load balancers, listeners and target groups share: AWS's text keys, typed values, and refusals
//! that name both.

use std::ops::RangeInclusive;

/// Why an attribute is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttributeRefusal {
    /// No such key.
    #[error("attribute {key:?} is not recognized{}", did_you_mean(.nearest))]
    Unknown {
        /// The key as given.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<&'static str>,
    },
    /// The key exists, the value does not fit.
    #[error("attribute {key:?} has the value {value:?}; expected {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value as given.
        value: String,
        /// What would be accepted.
        expected: String,
    },
    /// The key exists, and takes numbers; this is none of them. Source: ALB 9.6.
    #[error("attribute {key:?} has the value {value:?}; expected a whole number from {from} to {to}")]
    Range {
        /// The key.
        key: &'static str,
        /// The value as given.
        value: String,
        /// The least.
        from: u32,
        /// The most.
        to: u32,
    },
    /// AWS has it, albacore does not yet: a value other than the default would have no effect.
    #[error("attribute {key:?} cannot be set to {value:?}: {reason}")]
    NotBuilt {
        /// The key.
        key: &'static str,
        /// The value as given.
        value: String,
        /// What is missing, in a plain sentence.
        reason: &'static str,
    },
    /// The key exists, for target groups with other targets. Source: ALB 9.6.
    #[error("a target group with target type {target_type} does not support the attribute {key}")]
    OtherTargetType {
        /// The key.
        key: &'static str,
        /// The type of the targets, as AWS quotes it.
        target_type: &'static str,
    },
    /// One attribute needs another one, which is not set.
    #[error("attribute {needed_by:?} needs {missing:?}, which is not set")]
    Missing {
        /// What is not set.
        missing: &'static str,
        /// What needs it.
        needed_by: &'static str,
    },
}

fn did_you_mean(name: &Option<&'static str>) -> String {
    name.map_or(String::new(), |name| format!("; did you mean {name:?}?"))
}

/// `true` or `false`.
pub(crate) fn boolean(key: &'static str, value: &str) -> Result<bool, AttributeRefusal> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(refused(key, value, "`true` or `false`")),
    }
}

/// A whole number in `range`.
pub(crate) fn number(key: &'static str, value: &str, range: RangeInclusive<u32>) -> Result<u32, AttributeRefusal> {
    match value.parse() {
        Ok(number) if range.contains(&number) && value.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number),
        _ => Err(AttributeRefusal::Range {
            key,
            value: shown(value),
            from: *range.start(),
            to: *range.end(),
        }),
    }
}

/// A whole number in `range`, or `off`.
pub(crate) fn number_or_off(
    key: &'static str,
    value: &str,
    range: RangeInclusive<u32>,
) -> Result<Option<u32>, AttributeRefusal> {
    if value == "off" {
        return Ok(None);
    }
    let (from, to) = (*range.start(), *range.end());
    number(key, value, range)
        .map(Some)
        .map_err(|_| refused(key, value, format!("`off` or a whole number from {from} to {to}")))
}

/// The refusal of a value, with what would be accepted.
pub(crate) fn refused(key: &'static str, value: &str, expected: impl Into<String>) -> AttributeRefusal {
    AttributeRefusal::Value {
        key,
        value: shown(value),
        expected: expected.into(),
    }
}

fn shown(value: &str) -> String {
    value.chars().take(VALUE_CHARS_SHOWN).collect()
}

/// A longer value says nothing more in a refusal.
const VALUE_CHARS_SHOWN: usize = 200;

/// Accepts only the value that changes nothing.
pub(crate) fn only(
    key: &'static str,
    value: &str,
    default: &str,
    reason: &'static str,
) -> Result<(), AttributeRefusal> {
    if value == default {
        Ok(())
    } else {
        Err(AttributeRefusal::NotBuilt {
            key,
            value: value.to_owned(),
            reason,
        })
    }
}

/// The key of `known` that looks most like `key`, if any looks alike at all.
pub(crate) fn nearest_key(key: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .map(|candidate| (distance(key, candidate), *candidate))
        .min()
        .filter(|(distance, candidate)| *distance * 3 <= candidate.len())
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance over bytes; keys are short.
fn distance(left: &str, right: &str) -> usize {
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (row, left_byte) in left.bytes().take(256).enumerate() {
        let mut current = vec![row + 1];
        for (column, right_byte) in right.bytes().enumerate() {
            let replace = previous[column] + usize::from(left_byte != right_byte);
            current.push(replace.min(previous[column + 1] + 1).min(current[column] + 1));
        }
        previous = current;
    }
    previous.last().copied().unwrap_or(usize::MAX)
}
