//! Commands, one file per family: what users ask for, and the pure decision about it.
//!
//! The manifest and the AWS API speak to the state through these and nothing else.

pub mod acm;
pub mod certificate;
pub mod event_invoke;
pub mod function;
pub mod function_policy;
pub mod function_url;
pub mod lambda;
pub mod listener;
pub mod load_balancer;
pub mod logs;
mod owner;
pub mod rule;
mod tag;
pub mod target_group;
pub mod trust_store;

use crate::arn::{CertificateArn, FunctionArn, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn, TrustStoreArn};
use crate::change::Change;
use crate::ec2::ids::{SecurityGroupId, SubnetId};
use crate::elb::certificate::Certificate;
use crate::elb::health_check::{HealthCheck, ServerHealthCheck};
use crate::elb::load_balancer::LoadBalancerAttributes;
use crate::elb::target_group::{Target, TargetGroupAttributes, TargetId};
use crate::elb::trust_store::TrustStore;
use crate::ids::{Owner, Timestamp};
use crate::lambda::url::FunctionUrl;
use crate::refusal::Refusal;
use crate::state::State;
use crate::tag::{TaggedArn, Tags};

/// One thing a user asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Create a load balancer.
    CreateLoadBalancer(load_balancer::CreateLoadBalancer),
    /// Replace the attributes of a load balancer.
    SetLoadBalancerAttributes(LoadBalancerArn, LoadBalancerAttributes),
    /// Replace the subnets of a load balancer.
    SetSubnets(LoadBalancerArn, Vec<SubnetId>),
    /// Replace the security groups of a load balancer.
    SetSecurityGroups(LoadBalancerArn, Vec<SecurityGroupId>),
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
    /// Replace the attributes of a target group of servers.
    SetTargetGroupAttributes {
        /// The target group.
        target_group: TargetGroupArn,
        /// All of them, changed or not.
        attributes: TargetGroupAttributes,
    },
    /// Change how the servers of a target group are checked. Source: ALB 9.4, `ModifyTargetGroup`.
    SetServerHealthCheck {
        /// The target group.
        target_group: TargetGroupArn,
        /// All settings, changed or not.
        health_check: ServerHealthCheck,
    },
    /// Register servers, or register them anew with another address or zone.
    RegisterServers {
        /// The target group.
        target_group: TargetGroupArn,
        /// The servers.
        targets: Vec<Target>,
    },
    /// Take servers out of a target group. One that is not in it is no error.
    DeregisterServers {
        /// The target group.
        target_group: TargetGroupArn,
        /// Id and port of each.
        targets: Vec<(TargetId, u16)>,
    },
    /// Delete a target group that nothing forwards to.
    DeleteTargetGroup(TargetGroupArn),
    /// Import a certificate, or replace the one with the same ARN.
    ImportCertificate(Certificate),
    /// Delete a certificate that no listener uses.
    DeleteCertificate(CertificateArn),
    /// Create a trust store, or replace what is in the one with the same ARN.
    PutTrustStore(TrustStore),
    /// Delete a trust store that no listener uses.
    DeleteTrustStore(TrustStoreArn),
    /// Create a function.
    CreateFunction(function::CreateFunction),
    /// Change a function: what is `Some` replaces what was.
    UpdateFunction(function::UpdateFunction),
    /// Delete a function, with its URL.
    DeleteFunction(FunctionArn),
    /// Give a function a URL, or change the one it has.
    PutFunctionUrl(FunctionUrl),
    /// Take the URL of a function away.
    DeleteFunctionUrl(FunctionArn),
    /// About what becomes of asynchronous invocations.
    EventInvoke(event_invoke::Command),
    /// About functions of the AWS API and what belongs to them.
    Lambda(lambda::Command),
    /// Add a statement to the policy of a function.
    AddPermission(function_policy::AddPermission),
    /// Take a statement out of the policy of a function.
    RemovePermission(function_policy::RemovePermission),
    /// About certificates that were made through ACM.
    Acm(acm::Command),
    /// About log groups and streams.
    Logs(logs::Command),
    /// About the network.
    Ec2(crate::ec2::Command),
    /// About users, roles and policies.
    Iam(crate::iam::Command),
    /// Give resources tags; of a key that is there the value is replaced.
    AddTags {
        /// The resources.
        resources: Vec<TaggedArn>,
        /// The tags.
        tags: Tags,
    },
    /// Take tags away. A key that is not there is no error.
    RemoveTags {
        /// The resources.
        resources: Vec<TaggedArn>,
        /// The keys.
        keys: Vec<String>,
    },
}

/// What a decision may not find out by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// The time of the call.
    pub now: Timestamp,
    /// Whose resources the caller may not change.
    pub protects: Option<Owner>,
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
    /// A trust store.
    TrustStore(TrustStoreArn),
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
    if let Some(owner) = context.protects {
        owner::check(state, command, owner)?;
    }
    match command {
        Command::CreateLoadBalancer(command) => load_balancer::create(state, command, context),
        Command::SetLoadBalancerAttributes(arn, attributes) => load_balancer::set_attributes(state, arn, attributes),
        Command::SetSubnets(arn, subnets) => load_balancer::set_subnets(state, arn, subnets),
        Command::SetSecurityGroups(arn, groups) => load_balancer::set_security_groups(state, arn, groups),
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
        Command::SetTargetGroupAttributes {
            target_group,
            attributes,
        } => target_group::set_attributes(state, target_group, attributes),
        Command::SetServerHealthCheck {
            target_group,
            health_check,
        } => target_group::set_server_health_check(state, target_group, health_check),
        Command::RegisterServers { target_group, targets } => {
            target_group::register_servers(state, target_group, targets)
        }
        Command::DeregisterServers { target_group, targets } => {
            target_group::deregister_servers(state, target_group, targets)
        }
        Command::DeleteTargetGroup(arn) => target_group::delete(state, arn),
        Command::ImportCertificate(certificate) => Ok(certificate::import(certificate)),
        Command::DeleteCertificate(arn) => certificate::delete(state, arn),
        Command::PutTrustStore(trust_store) => trust_store::put(state, trust_store),
        Command::DeleteTrustStore(arn) => trust_store::delete(state, arn),
        Command::CreateFunction(command) => function::create(state, command),
        Command::UpdateFunction(command) => function::update(state, command),
        Command::DeleteFunction(arn) => function::delete(state, arn),
        Command::PutFunctionUrl(url) => function_url::put(state, url),
        Command::DeleteFunctionUrl(function) => function_url::delete(state, function),
        Command::EventInvoke(command) => event_invoke::decide(state, command, context.now),
        Command::Lambda(command) => lambda::decide(state, command, context),
        Command::AddPermission(command) => function_policy::add(state, command),
        Command::RemovePermission(command) => function_policy::remove(state, command),
        Command::Acm(command) => acm::decide(state, command, context),
        Command::Logs(command) => logs::decide(state, command),
        Command::Iam(command) => Ok(Commit {
            changes: crate::iam::command::decide(state.iam(), command)?
                .into_iter()
                .map(Change::Iam)
                .collect(),
            reply: Reply::Gone,
        }),
        Command::Ec2(command) => Ok(Commit {
            changes: crate::ec2::command::decide(state, command)?
                .into_iter()
                .map(Change::Ec2)
                .collect(),
            reply: Reply::Gone,
        }),
        Command::AddTags { resources, tags } => tag::add(state, resources, tags),
        Command::RemoveTags { resources, keys } => tag::remove(state, resources, keys),
    }
}
