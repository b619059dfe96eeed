//! Listener rules. Source: ALB 1.8, 2.

use super::action::Actions;
use super::condition::Conditions;
use super::transform::Transforms;
use crate::arn::{ListenerArn, RuleArn};
use crate::ids::Owner;
use std::fmt;

/// One rule of a listener, other than the default rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its ARN.
    pub arn: RuleArn,
    /// The listener it belongs to.
    pub listener: ListenerArn,
    /// Where it stands.
    pub priority: RulePriority,
    /// When it holds: all conditions together.
    pub conditions: Conditions,
    /// How a forwarded request is rewritten.
    pub transforms: Transforms,
    /// What it does.
    pub actions: Actions,
    /// Who may change it.
    pub owner: Owner,
}

/// Where a rule stands on its listener: lower is tried first. `1..=50_000`.
///
/// The default rule has no priority; it is `Listener::default_actions`, so "the default rule has priority 7" cannot be
/// written. Source: ELBv2 `CreateRule`, `Priority`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RulePriority(u16);

/// The number is no priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("priority {0} is not between 1 and 50000")]
pub struct PriorityOutOfRange(pub i64);

impl TryFrom<i64> for RulePriority {
    type Error = PriorityOutOfRange;

    fn try_from(value: i64) -> Result<Self, PriorityOutOfRange> {
        match u16::try_from(value) {
            Ok(priority @ 1..=50_000) => Ok(Self(priority)),
            _ => Err(PriorityOutOfRange(value)),
        }
    }
}

impl RulePriority {
    /// The number.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for RulePriority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_1_to_50000() {
        for good in [1, 50_000] {
            assert_eq!(
                RulePriority::try_from(good).map(|priority| i64::from(priority.number())),
                Ok(good)
            );
        }
        for bad in [0, -1, 50_001, 65_537, i64::MAX] {
            assert_eq!(RulePriority::try_from(bad), Err(PriorityOutOfRange(bad)));
        }
    }
}
