//! The compiled rules of one listener. Source: ALB 2.1.

mod index;
mod trie;

use crate::action::Action;
use crate::explain::{Outcome, Recorder, Step, why};
use crate::head::RequestHead;
use crate::matcher::{Condition, Subjects};
use crate::transform::Transforms;
use index::Index;
use model::arn::{RuleArn, TargetGroupArn};
use model::elb::action::Actions;
use model::elb::rule::{Rule, RulePriority};
use std::fmt;

/// The rules of one listener in ascending priority, and its default actions.
///
/// `G` is what a target group is to the user of the table, so that a match hands over the thing itself.
#[derive(Debug)]
pub struct RoutingTable<G> {
    rules: Box<[CompiledRule<G>]>,
    index: Index,
    default_rule: RuleArn,
    default_action: Action<G>,
    /// The default rule has none (ALB 2.6).
    default_transforms: Transforms,
}

#[derive(Debug)]
struct CompiledRule<G> {
    arn: RuleArn,
    priority: RulePriority,
    /// Cheap ones first.
    conditions: Box<[Condition]>,
    action: Action<G>,
    transforms: Transforms,
}

/// Why a rule does not compile. `model` has checked its syntax, so only its size is left to go wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A regular expression that is short as written but large when compiled, such as `(a{999}){999}`.
    #[error("the regular expression {regex:?} of rule {rule} compiles to more than {limit} bytes")]
    RegexTooBig {
        /// The rule.
        rule: RuleArn,
        /// The expression.
        regex: String,
        /// The most that a compiled expression may need, in bytes.
        limit: usize,
    },
    /// A regular expression that the engine does not take.
    #[error("the regular expression {regex:?} of rule {rule} does not compile: {reason}")]
    Regex {
        /// The rule.
        rule: RuleArn,
        /// The expression.
        regex: String,
        /// What the engine says.
        reason: String,
    },
}

/// Which rule a request matched, and what is to be done.
pub struct Plan<'t, G> {
    /// The rule.
    pub rule: &'t RuleArn,
    /// Its priority; `None` for the default rule, which the access log writes as 0.
    pub priority: Option<RulePriority>,
    /// Its routing action.
    pub action: &'t Action<G>,
    /// How the request is rewritten if it is forwarded.
    pub transforms: &'t Transforms,
    /// How many rules were evaluated, the default rule not counted: what `RuleEvaluations` counts (ALB 8.3).
    pub evaluated: u32,
}

impl<G> Clone for Plan<'_, G> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<G> Copy for Plan<'_, G> {}

impl<G> fmt::Debug for Plan<'_, G> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Plan")
            .field("rule", self.rule)
            .field("priority", &self.priority)
            .field("evaluated", &self.evaluated)
            .finish_non_exhaustive()
    }
}

impl<G> RoutingTable<G> {
    /// Compiles the rules of one listener, in any order, and its default actions.
    ///
    /// `resolve` turns the ARN of a target group into what the user of the table wants to be handed.
    ///
    /// # Errors
    ///
    /// A condition's regular expression is too large. A transform's is not an error here: requests that would need it
    /// are answered 500 with a status of ALB 8.1.5.
    pub fn compile<'r>(
        rules: impl IntoIterator<Item = &'r Rule>,
        default_rule: &RuleArn,
        default: &Actions,
        mut resolve: impl FnMut(&TargetGroupArn) -> G,
    ) -> Result<Self, CompileError> {
        let mut rules = rules
            .into_iter()
            .map(|rule| CompiledRule::compile(rule, &mut resolve))
            .collect::<Result<Box<[_]>, _>>()?;
        rules.sort_by_key(|rule| rule.priority);
        Ok(Self {
            index: Index::build(rules.iter().map(|rule| &*rule.conditions)),
            rules,
            default_rule: default_rule.clone(),
            default_action: Action::compile(default, &mut resolve),
            default_transforms: Transforms::default(),
        })
    }

    /// The rule that `head` matches: the first whose conditions all hold, else the default rule.
    pub fn plan<H: RequestHead>(&self, head: &H) -> Plan<'_, G> {
        let subjects = Subjects::of(head, self.index.wants_path());
        // The index leaves out rules that cannot match; it never decides that one does.
        let matched = self
            .index
            .candidates(&subjects)
            .find(|&at| self.rules[at].matches(&subjects));
        self.planned(matched)
    }

    /// As [`plan`](Self::plan), by the same matchers, but tries every rule in turn and tells `recorder` for each the
    /// first condition, as written, that failed and why.
    pub fn explain<H: RequestHead>(&self, head: &H, recorder: &mut dyn Recorder) -> Plan<'_, G> {
        let subjects = Subjects::of(head, true);
        let mut matched = None;
        for (at, rule) in self.rules.iter().enumerate() {
            let failed = rule
                .conditions
                .iter()
                .filter(|condition| !condition.holds(&subjects))
                .min_by_key(|condition| condition.position());
            recorder.record(Step {
                rule: rule.arn.clone(),
                priority: Some(rule.priority),
                outcome: failed.map_or(Outcome::Matched, |condition| Outcome::Failed {
                    position: condition.position(),
                    field: condition.written().field(),
                    why: why(condition.written(), head),
                }),
            });
            if failed.is_none() {
                matched = Some(at);
                break;
            }
        }
        if matched.is_none() {
            recorder.record(Step {
                rule: self.default_rule.clone(),
                priority: None,
                outcome: Outcome::Matched,
            });
        }
        self.planned(matched)
    }

    /// How many rules the table has, the default rule not counted.
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    fn planned(&self, matched: Option<usize>) -> Plan<'_, G> {
        match matched {
            Some(at) => {
                let rule = &self.rules[at];
                Plan {
                    rule: &rule.arn,
                    priority: Some(rule.priority),
                    action: &rule.action,
                    transforms: &rule.transforms,
                    evaluated: count(at + 1),
                }
            }
            None => Plan {
                rule: &self.default_rule,
                priority: None,
                action: &self.default_action,
                transforms: &self.default_transforms,
                evaluated: count(self.rules.len()),
            },
        }
    }
}

/// There are at most 50 000 priorities, so this never saturates.
fn count(rules: usize) -> u32 {
    u32::try_from(rules).unwrap_or(u32::MAX)
}

impl<G> CompiledRule<G> {
    fn compile(rule: &Rule, resolve: &mut impl FnMut(&TargetGroupArn) -> G) -> Result<Self, CompileError> {
        let mut conditions = rule
            .conditions
            .as_slice()
            .iter()
            .enumerate()
            .map(|(position, written)| Condition::compile(written, position))
            .collect::<Result<Box<[_]>, _>>()
            .map_err(|refused| refused.of(&rule.arn))?;
        conditions.sort_by_key(Condition::cost);
        Ok(Self {
            arn: rule.arn.clone(),
            priority: rule.priority,
            conditions,
            action: Action::compile(&rule.actions, resolve),
            transforms: Transforms::compile(&rule.transforms),
        })
    }

    fn matches<H: RequestHead>(&self, subjects: &Subjects<'_, H>) -> bool {
        self.conditions.iter().all(|condition| condition.holds(subjects))
    }
}

#[cfg(test)]
mod tests;
