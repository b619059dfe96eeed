//! Commands on listeners.

use super::load_balancer::existing as existing_load_balancer;
use super::{Commit, Reply};
use crate::arn::{CertificateArn, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn};
use crate::change::Change;
use crate::elb::action::redirect::RedirectProtocol;
use crate::elb::action::{Actions, Answer, Forward};
use crate::elb::listener::{Listener, ListenerAttributes, ListenerProtocol};
use crate::elb::target_group::{ProtocolVersion, ServerTargets, StickinessType, TargetKind};
use crate::ids::Owner;
use crate::limits::{
    CERTIFICATES_PER_LOAD_BALANCER, LISTENERS_PER_LOAD_BALANCER, TARGET_GROUPS_PER_LOAD_BALANCER,
    TARGETS_PER_LOAD_BALANCER, VERIFYING_LISTENERS_PER_LOAD_BALANCER,
};
use crate::refusal::{ActionRefusal, CertificateRefusal, ListenerRefusal, Refusal, TrustStoreRefusal};
use crate::state::State;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Creates a listener.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateListener {
    /// Its ARN, with a fresh id.
    pub arn: ListenerArn,
    /// The ARN of its default rule, with a fresh id.
    pub default_rule: RuleArn,
    /// The load balancer it belongs to.
    pub load_balancer: LoadBalancerArn,
    /// Its port.
    pub port: u16,
    /// HTTP or HTTPS.
    pub protocol: ListenerProtocol,
    /// What its default rule does.
    pub default_actions: Actions,
    /// Its attributes.
    pub attributes: ListenerAttributes,
    /// Who may change it.
    pub owner: Owner,
}

/// Changes a listener.
#[derive(Clone, Debug, PartialEq)]
pub struct ModifyListener {
    /// The listener.
    pub arn: ListenerArn,
    /// A new port.
    pub port: Option<u16>,
    /// A new protocol.
    pub protocol: Option<ListenerProtocol>,
    /// New actions of the default rule.
    pub default_actions: Option<Actions>,
    /// New attributes.
    pub attributes: Option<ListenerAttributes>,
}

pub(super) fn create(state: &State, command: &CreateListener) -> Result<Commit, Refusal> {
    existing_load_balancer(state, &command.load_balancer)?;
    if state.listener(&command.arn).is_some() {
        return Err(ListenerRefusal::Exists(command.arn.clone()).into());
    }
    if state.listeners_of(&command.load_balancer).count() >= LISTENERS_PER_LOAD_BALANCER {
        return Err(ListenerRefusal::TooMany.into());
    }
    let listener = Listener {
        arn: command.arn.clone(),
        load_balancer: command.load_balancer.clone(),
        port: command.port,
        protocol: command.protocol.clone(),
        default_rule: command.default_rule.clone(),
        default_actions: command.default_actions.clone(),
        attributes: command.attributes.clone(),
        owner: command.owner,
    };
    put(state, listener)
}

pub(super) fn modify(state: &State, command: &ModifyListener) -> Result<Commit, Refusal> {
    let mut listener = Listener::clone(existing(state, &command.arn)?);
    if let Some(port) = command.port {
        listener.port = port;
    }
    if let Some(protocol) = &command.protocol {
        listener.protocol = protocol.clone();
    }
    if let Some(actions) = &command.default_actions {
        listener.default_actions = actions.clone();
    }
    if let Some(attributes) = &command.attributes {
        listener.attributes = attributes.clone();
    }
    // A listener that becomes HTTPS must not keep rules that lead back to HTTP, and one that becomes HTTP none that need
    // HTTP/2.
    for rule in state.rules_of(&listener.arn) {
        check_redirect(&listener.protocol, &rule.actions)?;
        check_protocols(state, &listener.protocol, &rule.actions)?;
    }
    put(state, listener)
}

fn put(state: &State, listener: Listener) -> Result<Commit, Refusal> {
    if listener.port == 0 {
        return Err(ListenerRefusal::PortZero.into());
    }
    let mut siblings = state
        .listeners_of(&listener.load_balancer)
        .filter(|other| other.arn != listener.arn);
    if let Some(holder) = siblings.find(|other| other.port == listener.port) {
        return Err(ListenerRefusal::PortTaken {
            port: listener.port,
            holder: holder.arn.clone(),
        }
        .into());
    }
    check_certificates(state, &listener)?;
    check_mutual_authentication(state, &listener)?;
    check_actions(
        state,
        &listener.load_balancer,
        &listener.protocol,
        &listener.default_actions,
    )?;
    let arn = listener.arn.clone();
    Ok(Commit::one(
        Change::PutListener(Arc::new(listener)),
        Reply::Listener(arn),
    ))
}

fn check_certificates(state: &State, listener: &Listener) -> Result<(), Refusal> {
    let ListenerProtocol::Https(tls) = &listener.protocol else {
        return Ok(());
    };
    for arn in std::iter::once(&tls.default_certificate).chain(&tls.certificates) {
        if state.certificate(arn).is_none() {
            return Err(CertificateRefusal::NoSuchCertificate(arn.clone()).into());
        }
    }
    let mut all: BTreeSet<&CertificateArn> = tls.certificates.iter().collect();
    let siblings = state
        .listeners_of(&listener.load_balancer)
        .filter(|other| other.arn != listener.arn);
    for sibling in siblings {
        if let ListenerProtocol::Https(tls) = &sibling.protocol {
            all.extend(&tls.certificates);
        }
    }
    if all.len() > CERTIFICATES_PER_LOAD_BALANCER {
        return Err(ListenerRefusal::TooManyCertificates.into());
    }
    Ok(())
}

/// The trust store of a listener that verifies exists, and few listeners do. Source: ALB 6.5 "quotas".
fn check_mutual_authentication(state: &State, listener: &Listener) -> Result<(), Refusal> {
    let Some(trust_store) = listener.protocol.trust_store() else {
        return Ok(());
    };
    if state.trust_store(trust_store).is_none() {
        return Err(TrustStoreRefusal::NoSuchTrustStore(trust_store.clone()).into());
    }
    let siblings = state
        .listeners_of(&listener.load_balancer)
        .filter(|other| other.arn != listener.arn && other.protocol.trust_store().is_some());
    if siblings.count() >= VERIFYING_LISTENERS_PER_LOAD_BALANCER {
        return Err(ListenerRefusal::TooManyVerify.into());
    }
    Ok(())
}

/// What must hold of actions wherever they stand on a load balancer.
pub(super) fn check_actions(
    state: &State,
    load_balancer: &LoadBalancerArn,
    protocol: &ListenerProtocol,
    actions: &Actions,
) -> Result<(), Refusal> {
    check_redirect(protocol, actions)?;
    let Answer::Forward(forward) = &actions.answer else {
        return Ok(());
    };
    let mut used: BTreeSet<&TargetGroupArn> = state
        .forwards()
        .filter(|(user, _)| *user == load_balancer)
        .map(|(_, group)| group)
        .collect();
    for group in forward.target_groups() {
        let group = &group.target_group;
        if state.target_group(group).is_none() {
            return Err(ActionRefusal::NoSuchTargetGroup(group.clone()).into());
        }
        let mut others = state.forwards().filter(|(user, _)| *user != load_balancer);
        if let Some((holder, _)) = others.find(|(_, used)| *used == group) {
            let refusal = ActionRefusal::TargetGroupOfAnother {
                target_group: group.clone(),
                holder: holder.clone(),
            };
            return Err(refusal.into());
        }
        used.insert(group);
    }
    if used.len() > TARGET_GROUPS_PER_LOAD_BALANCER {
        return Err(ActionRefusal::TooManyTargetGroups.into());
    }
    check_target_count(state, load_balancer, target_count(state, used))?;
    check_protocols(state, protocol, actions)?;
    check_cookies(state, forward)
}

/// The targets of groups of servers.
pub(super) fn target_count<'a>(state: &State, groups: impl IntoIterator<Item = &'a TargetGroupArn>) -> usize {
    let count = |group| match &state.target_group(group)?.targets {
        TargetKind::Servers(servers) => Some(servers.targets.len()),
        TargetKind::Lambda(_) => None,
    };
    groups.into_iter().filter_map(count).sum()
}

/// Whether a load balancer may have so many targets in all its groups. Source: ALB 9.7.
pub(super) fn check_target_count(
    state: &State,
    load_balancer: &LoadBalancerArn,
    targets: usize,
) -> Result<(), Refusal> {
    let existing = state.load_balancer(load_balancer);
    let is_bounded = existing.is_some_and(|it| it.owner == Owner::Api);
    match is_bounded && targets > TARGETS_PER_LOAD_BALANCER {
        true => Err(ActionRefusal::TooManyTargets.into()),
        false => Ok(()),
    }
}

/// HTTP/2 goes on to targets only where clients may speak it. Source: ALB 2.5, 4.2.
fn check_protocols(state: &State, protocol: &ListenerProtocol, actions: &Actions) -> Result<(), Refusal> {
    let (ListenerProtocol::Http, Answer::Forward(forward)) = (protocol, &actions.answer) else {
        return Ok(());
    };
    for (target_group, servers) in servers_of(state, forward) {
        let version = servers.protocol_version;
        if version != ProtocolVersion::Http1 {
            let target_group = target_group.clone();
            return Err(ActionRefusal::IncompatibleProtocols { target_group, version }.into());
        }
    }
    Ok(())
}

fn check_cookies(state: &State, forward: &Forward) -> Result<(), Refusal> {
    if forward.target_groups().len() < 2 {
        return Ok(());
    }
    for (target_group, servers) in servers_of(state, forward) {
        let stickiness = &servers.attributes.stickiness;
        if stickiness.enabled && stickiness.stickiness_type == StickinessType::AppCookie {
            return Err(ActionRefusal::AppCookieAmongSeveral(target_group.clone()).into());
        }
    }
    Ok(())
}

/// The target groups of servers among those of a forward action.
fn servers_of<'a>(
    state: &'a State,
    forward: &'a Forward,
) -> impl Iterator<Item = (&'a TargetGroupArn, &'a ServerTargets)> {
    forward.target_groups().iter().filter_map(|weighted| {
        let group = state.target_group(&weighted.target_group)?;
        match &group.targets {
            TargetKind::Servers(servers) => Some((&group.arn, servers)),
            TargetKind::Lambda(_) => None,
        }
    })
}

fn check_redirect(protocol: &ListenerProtocol, actions: &Actions) -> Result<(), Refusal> {
    match (protocol, &actions.answer) {
        (ListenerProtocol::Https(_), Answer::Redirect(redirect)) if redirect.protocol() == RedirectProtocol::Http => {
            Err(ActionRefusal::RedirectToHttp.into())
        }
        _ => Ok(()),
    }
}

pub(super) fn delete(state: &State, arn: &ListenerArn) -> Result<Commit, Refusal> {
    existing(state, arn)?;
    let mut changes: Vec<_> = state
        .rules_of(arn)
        .map(|rule| Change::DeleteRule(rule.arn.clone()))
        .collect();
    changes.push(Change::DeleteListener(arn.clone()));
    Ok(Commit {
        changes,
        reply: Reply::Gone,
    })
}

pub(super) fn existing<'a>(state: &'a State, arn: &ListenerArn) -> Result<&'a Arc<Listener>, Refusal> {
    state
        .listener(arn)
        .ok_or_else(|| ListenerRefusal::NoSuchListener(arn.clone()).into())
}
