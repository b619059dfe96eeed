//! Commands on rules.

use super::listener::{check_actions, existing as existing_listener};
use super::{Commit, Reply};
use crate::arn::{ListenerArn, RuleArn};
use crate::change::Change;
use crate::elb::action::Actions;
use crate::elb::condition::Conditions;
use crate::elb::rule::{Rule, RulePriority};
use crate::elb::transform::Transforms;
use crate::ids::Owner;
use crate::limits::RULES_PER_LOAD_BALANCER;
use crate::refusal::{Refusal, RuleRefusal};
use crate::state::State;
use std::sync::Arc;

/// Creates a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateRule {
    /// Its ARN, with a fresh id.
    pub arn: RuleArn,
    /// The listener it belongs to.
    pub listener: ListenerArn,
    /// Where it stands.
    pub priority: RulePriority,
    /// When it holds.
    pub conditions: Conditions,
    /// How it rewrites what it forwards.
    pub transforms: Transforms,
    /// What it does.
    pub actions: Actions,
    /// Who may change it.
    pub owner: Owner,
}

/// Changes a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct ModifyRule {
    /// The rule.
    pub arn: RuleArn,
    /// New conditions.
    pub conditions: Option<Conditions>,
    /// New transforms; the empty set takes them away.
    pub transforms: Option<Transforms>,
    /// New actions.
    pub actions: Option<Actions>,
}

pub(super) fn create(state: &State, command: &CreateRule) -> Result<Commit, Refusal> {
    let listener = existing_listener(state, &command.listener)?;
    if state.rule(&command.arn).is_some() {
        return Err(RuleRefusal::Exists(command.arn.clone()).into());
    }
    let of_listener = |listener: &Arc<crate::elb::listener::Listener>| {
        let rules = state.listener_rules(&listener.arn);
        rules.map_or(0, |rules| rules.count())
    };
    if state
        .listeners_of(&listener.load_balancer)
        .map(of_listener)
        .sum::<usize>()
        >= RULES_PER_LOAD_BALANCER
    {
        return Err(RuleRefusal::TooMany.into());
    }
    if let Some(holder) = state
        .rules_of(&command.listener)
        .find(|other| other.priority == command.priority)
    {
        return Err(RuleRefusal::PriorityTaken {
            priority: command.priority,
            holder: holder.arn.clone(),
        }
        .into());
    }
    put(
        state,
        Rule {
            arn: command.arn.clone(),
            listener: command.listener.clone(),
            priority: command.priority,
            conditions: command.conditions.clone(),
            transforms: command.transforms.clone(),
            actions: command.actions.clone(),
            owner: command.owner,
        },
    )
}

pub(super) fn modify(state: &State, command: &ModifyRule) -> Result<Commit, Refusal> {
    let mut rule = Rule::clone(existing(state, &command.arn)?);
    if let Some(conditions) = &command.conditions {
        rule.conditions = conditions.clone();
    }
    if let Some(transforms) = &command.transforms {
        rule.transforms = transforms.clone();
    }
    if let Some(actions) = &command.actions {
        rule.actions = actions.clone();
    }
    put(state, rule)
}

fn put(state: &State, rule: Rule) -> Result<Commit, Refusal> {
    let listener = existing_listener(state, &rule.listener)?;
    check_actions(state, &listener.load_balancer, &listener.protocol, &rule.actions)?;
    let arn = rule.arn.clone();
    Ok(Commit::one(Change::PutRule(Arc::new(rule)), Reply::Rule(arn)))
}

pub(super) fn set_priorities(state: &State, priorities: &[(RuleArn, RulePriority)]) -> Result<Commit, Refusal> {
    let mut changes = Vec::new();
    for (at, (arn, priority)) in priorities.iter().enumerate() {
        let rule = existing(state, arn)?;
        let same_listener = |other: &RuleArn| state.rule(other).is_some_and(|other| other.listener == rule.listener);
        if priorities[..at]
            .iter()
            .any(|(other, taken)| taken == priority && same_listener(other))
        {
            return Err(RuleRefusal::PriorityRepeated(*priority).into());
        }
        let stays = |other: &&Arc<Rule>| priorities.iter().all(|(moved, _)| *moved != other.arn);
        let holder = state
            .rules_of(&rule.listener)
            .filter(stays)
            .find(|other| other.priority == *priority);
        if let Some(holder) = holder {
            return Err(RuleRefusal::PriorityTaken {
                priority: *priority,
                holder: holder.arn.clone(),
            }
            .into());
        }
        changes.push(Change::PutRule(Arc::new(Rule {
            priority: *priority,
            ..Rule::clone(rule)
        })));
    }
    let reply = Reply::Rules(priorities.iter().map(|(arn, _)| arn.clone()).collect());
    Ok(Commit { changes, reply })
}

pub(super) fn delete(state: &State, arn: &RuleArn) -> Result<Commit, Refusal> {
    existing(state, arn)?;
    Ok(Commit::one(Change::DeleteRule(arn.clone()), Reply::Gone))
}

fn existing<'a>(state: &'a State, arn: &RuleArn) -> Result<&'a Arc<Rule>, Refusal> {
    state
        .rule(arn)
        .ok_or_else(|| RuleRefusal::NoSuchRule(arn.clone()).into())
}
