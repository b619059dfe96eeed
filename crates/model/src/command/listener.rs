//! Commands on listeners.

use super::load_balancer::existing as existing_load_balancer;
use super::{Commit, Reply};
use crate::arn::{CertificateArn, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn};
use crate::change::Change;
use crate::elb::action::redirect::RedirectProtocol;
use crate::elb::action::{Actions, Answer};
use crate::elb::listener::{Listener, ListenerAttributes, ListenerProtocol};
use crate::ids::Owner;
use crate::limits::{CERTIFICATES_PER_LOAD_BALANCER, LISTENERS_PER_LOAD_BALANCER, TARGET_GROUPS_PER_LOAD_BALANCER};
use crate::refusal::{ActionRefusal, CertificateRefusal, ListenerRefusal, Refusal};
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
    // A listener that becomes HTTPS must not keep rules that lead back to HTTP.
    for rule in state.rules_of(&listener.arn) {
        check_redirect(&listener.protocol, &rule.actions)?;
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
        if state
            .forwards()
            .any(|(user, used)| used == group && user != load_balancer)
        {
            return Err(ActionRefusal::TargetGroupOfAnother(group.clone()).into());
        }
        used.insert(group);
    }
    if used.len() > TARGET_GROUPS_PER_LOAD_BALANCER {
        return Err(ActionRefusal::TooManyTargetGroups.into());
    }
    Ok(())
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
