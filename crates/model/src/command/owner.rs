//! Who may change what: resources of a protected owner are left as they are.

use super::Command;
use crate::arn::{ListenerArn, LoadBalancerArn, RuleArn};
use crate::ids::Owner;
use crate::refusal::Refusal;
use crate::state::State;
use crate::tag::TaggedArn;

/// Refuses a command that would change a resource of `owner`, or add something to one.
pub(super) fn check(state: &State, command: &Command, owner: Owner) -> Result<(), Refusal> {
    for resource in touched(state, command) {
        if owner_of(state, &resource) == Some(owner) {
            return Err(Refusal::Owned {
                resource: resource.to_string(),
                owner,
            });
        }
    }
    Ok(())
}

/// The existing resources that a command changes. What it creates is not among them, but what that belongs to is.
fn touched(state: &State, command: &Command) -> Vec<TaggedArn> {
    let load_balancer = |arn: &LoadBalancerArn| vec![TaggedArn::LoadBalancer(arn.clone())];
    let listener = |arn: &ListenerArn| vec![TaggedArn::Listener(arn.clone())];
    let rule = |arn: &RuleArn| TaggedArn::Rule(arn.clone());
    match command {
        Command::SetLoadBalancerAttributes(arn, _)
        | Command::SetSubnets(arn, _)
        | Command::SetSecurityGroups(arn, _) => load_balancer(arn),
        // The manifest makes no users, roles or policies.
        Command::Iam(_) => Vec::new(),
        // The manifest makes nothing of the network.
        Command::Ec2(_) => Vec::new(),
        // What hangs on it goes with it.
        Command::DeleteLoadBalancer(arn) => {
            let listeners = state.listeners_of(arn).map(|it| TaggedArn::Listener(it.arn.clone()));
            load_balancer(arn).into_iter().chain(listeners).collect()
        }
        Command::CreateListener(create) => load_balancer(&create.load_balancer),
        Command::ModifyListener(modify) => listener(&modify.arn),
        Command::DeleteListener(arn) => {
            let rules = state.rules_of(arn).map(|it| rule(&it.arn));
            listener(arn).into_iter().chain(rules).collect()
        }
        Command::CreateRule(create) => listener(&create.listener),
        Command::ModifyRule(modify) => vec![rule(&modify.arn)],
        Command::SetRulePriorities(priorities) => priorities.iter().map(|(arn, _)| rule(arn)).collect(),
        Command::DeleteRule(arn) => vec![rule(arn)],
        Command::SetLambdaAttributes { target_group, .. }
        | Command::SetHealthCheck { target_group, .. }
        | Command::RegisterFunction(target_group, _)
        | Command::DeregisterFunction(target_group, _)
        | Command::SetTargetGroupAttributes { target_group, .. }
        | Command::SetServerHealthCheck { target_group, .. }
        | Command::RegisterServers { target_group, .. }
        | Command::DeregisterServers { target_group, .. }
        | Command::DeleteTargetGroup(target_group) => vec![TaggedArn::TargetGroup(target_group.clone())],
        Command::PutTrustStore(trust_store) => vec![TaggedArn::TrustStore(trust_store.arn.clone())],
        Command::DeleteTrustStore(arn) => vec![TaggedArn::TrustStore(arn.clone())],
        Command::UpdateFunction(update) => vec![TaggedArn::Function(update.arn.clone())],
        Command::DeleteFunction(arn) | Command::DeleteFunctionUrl(arn) => vec![TaggedArn::Function(arn.clone())],
        Command::EventInvoke(command) => vec![TaggedArn::Function(command.function().function())],
        Command::PutFunctionUrl(url) => vec![TaggedArn::Function(url.function.clone())],
        Command::AddTags { resources, .. } | Command::RemoveTags { resources, .. } => resources.clone(),
        Command::Lambda(command) => super::lambda::touched(command),
        // A policy says what others may; the manifest writes none.
        Command::AddPermission(_) | Command::RemovePermission(_) => Vec::new(),
        Command::CreateLoadBalancer(_) | Command::CreateTargetGroup(_) | Command::CreateFunction(_) => Vec::new(),
        Command::ImportCertificate(it) => vec![TaggedArn::Certificate(it.arn.clone())],
        Command::DeleteCertificate(arn) => vec![TaggedArn::Certificate(arn.clone())],
        Command::Acm(command) => vec![TaggedArn::Certificate(command.arn().clone())],
        // Functions write into groups of their own accord; nobody owns one.
        Command::Logs(_) => Vec::new(),
    }
}

fn owner_of(state: &State, resource: &TaggedArn) -> Option<Owner> {
    match resource {
        TaggedArn::LoadBalancer(arn) => state.load_balancer(arn).map(|it| it.owner),
        TaggedArn::Listener(arn) => state.listener(arn).map(|it| it.owner),
        TaggedArn::Rule(arn) => {
            let own = state.rule(arn).map(|it| it.owner);
            own.or_else(|| state.listener_of_default_rule(arn).map(|it| it.owner))
        }
        TaggedArn::TargetGroup(arn) => state.target_group(arn).map(|it| it.owner),
        TaggedArn::TrustStore(arn) => state.trust_store(arn).map(|it| it.owner),
        TaggedArn::Function(arn) => state.function(arn).map(|it| it.owner),
        TaggedArn::Certificate(arn) => state.certificate(arn).map(|it| it.owner),
    }
}
