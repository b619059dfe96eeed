//! Commands, one file per family: what users ask for, and the pure decision about it.
//!
//! The manifest and the AWS API speak to the state through these and nothing else.

pub mod certificate;
pub mod function;
pub mod listener;
pub mod load_balancer;
pub mod rule;
pub mod target_group;

use crate::arn::{CertificateArn, FunctionArn, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn};
use crate::change::Change;
use crate::elb::certificate::Certificate;
use crate::elb::health_check::HealthCheck;
use crate::elb::load_balancer::LoadBalancerAttributes;
use crate::ids::Timestamp;
use crate::refusal::Refusal;
use crate::state::State;

/// One thing a user asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Create a load balancer.
    CreateLoadBalancer(load_balancer::CreateLoadBalancer),
    /// Replace the attributes of a load balancer.
    SetLoadBalancerAttributes(LoadBalancerArn, LoadBalancerAttributes),
    /// Delete a load balancer with its listeners and rules. An unknown one is no error (ALB-R-018).
    DeleteLoadBalancer(LoadBalancerArn),
    /// Create a listener.
    CreateListener(listener::CreateListener),
    /// Change a listener: what is `Some` replaces what was.
    ModifyListener(listener::ModifyListener),
    /// Delete a listener with its rules.
    DeleteListener(ListenerArn),
    /// Create a rule.
    CreateRule(rule::CreateRule),
    /// Change a rule: what is `Some` replaces what was.
    ModifyRule(rule::ModifyRule),
    /// Give rules of one listener new priorities, all at once.
    SetRulePriorities(Vec<(RuleArn, crate::elb::rule::RulePriority)>),
    /// Delete a rule.
    DeleteRule(RuleArn),
    /// Create a target group.
    CreateTargetGroup(target_group::CreateTargetGroup),
    /// Change the attributes of a Lambda target group.
    SetLambdaAttributes {
        /// The target group.
        target_group: TargetGroupArn,
        /// `lambda.multi_value_headers.enabled`.
        multi_value_headers: bool,
    },
    /// Change how the health of a target group's targets is checked. Source: ALB 9.4, `ModifyTargetGroup`.
    SetHealthCheck {
        /// The target group.
        target_group: TargetGroupArn,
        /// All settings, changed or not.
        health_check: HealthCheck,
    },
    /// Register a function as the target of a Lambda target group. The same one again is no error.
    RegisterFunction(TargetGroupArn, FunctionArn),
    /// Take a function out of a Lambda target group. One that is not in it is no error.
    DeregisterFunction(TargetGroupArn, FunctionArn),
    /// Delete a target group that nothing forwards to.
    DeleteTargetGroup(TargetGroupArn),
    /// Import a certificate, or replace the one with the same ARN.
    ImportCertificate(Certificate),
    /// Delete a certificate that no listener uses.
    DeleteCertificate(CertificateArn),
    /// Create a function.
    CreateFunction(function::CreateFunction),
    /// Change a function: what is `Some` replaces what was.
    UpdateFunction(function::UpdateFunction),
    /// Delete a function.
    DeleteFunction(FunctionArn),
}

/// What a decision may not find out by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// The time of the call.
    pub now: Timestamp,
}

/// A command that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// What it changes.
    pub changes: Vec<Change>,
    /// What the caller gets to know.
    pub reply: Reply,
}

/// The answer to a command. What was created or changed is read from the state by its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A load balancer.
    LoadBalancer(LoadBalancerArn),
    /// A listener.
    Listener(ListenerArn),
    /// A rule.
    Rule(RuleArn),
    /// Several rules.
    Rules(Vec<RuleArn>),
    /// A target group.
    TargetGroup(TargetGroupArn),
    /// A certificate.
    Certificate(CertificateArn),
    /// A function.
    Function(FunctionArn),
    /// Something was deleted, or was not there.
    Gone,
}

impl Commit {
    pub(crate) fn one(change: Change, reply: Reply) -> Self {
        Self {
            changes: vec![change],
            reply,
        }
    }

    pub(crate) fn unchanged(reply: Reply) -> Self {
        Self {
            changes: Vec::new(),
            reply,
        }
    }
}

/// Decides about one command: pure, the same answer for the same state, command and context.
pub fn decide(state: &State, command: &Command, context: &Context) -> Result<Commit, Refusal> {
    match command {
        Command::CreateLoadBalancer(command) => load_balancer::create(state, command, context),
        Command::SetLoadBalancerAttributes(arn, attributes) => load_balancer::set_attributes(state, arn, attributes),
        Command::DeleteLoadBalancer(arn) => load_balancer::delete(state, arn),
        Command::CreateListener(command) => listener::create(state, command),
        Command::ModifyListener(command) => listener::modify(state, command),
        Command::DeleteListener(arn) => listener::delete(state, arn),
        Command::CreateRule(command) => rule::create(state, command),
        Command::ModifyRule(command) => rule::modify(state, command),
        Command::SetRulePriorities(priorities) => rule::set_priorities(state, priorities),
        Command::DeleteRule(arn) => rule::delete(state, arn),
        Command::CreateTargetGroup(command) => target_group::create(state, command),
        Command::SetLambdaAttributes {
            target_group,
            multi_value_headers,
        } => target_group::set_lambda_attributes(state, target_group, *multi_value_headers),
        Command::SetHealthCheck {
            target_group,
            health_check,
        } => target_group::set_health_check(state, target_group, health_check),
        Command::RegisterFunction(group, function) => target_group::register(state, group, function),
        Command::DeregisterFunction(group, function) => target_group::deregister(state, group, function),
        Command::DeleteTargetGroup(arn) => target_group::delete(state, arn),
        Command::ImportCertificate(certificate) => Ok(certificate::import(certificate)),
        Command::DeleteCertificate(arn) => certificate::delete(state, arn),
        Command::CreateFunction(command) => function::create(state, command),
        Command::UpdateFunction(command) => function::update(state, command),
        Command::DeleteFunction(arn) => function::delete(state, arn),
    }
}
