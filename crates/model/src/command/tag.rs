//! Commands on tags.

use super::{Commit, Reply};
use crate::change::Change;
use crate::refusal::{
    CertificateRefusal, FunctionRefusal, ListenerRefusal, LoadBalancerRefusal, Refusal, RuleRefusal, TagsRefusal,
    TargetGroupRefusal, TrustStoreRefusal,
};
use crate::state::State;
use crate::tag::{TaggedArn, Tags};
use std::sync::Arc;

pub(super) fn add(state: &State, resources: &[TaggedArn], tags: &Tags) -> Result<Commit, Refusal> {
    change(state, resources, |existing| {
        existing.with(tags).map_err(|refusal| TagsRefusal(refusal).into())
    })
}

pub(super) fn remove(state: &State, resources: &[TaggedArn], keys: &[String]) -> Result<Commit, Refusal> {
    change(state, resources, |existing| Ok(existing.without(keys)))
}

fn change(
    state: &State,
    resources: &[TaggedArn],
    changed: impl Fn(&Tags) -> Result<Tags, Refusal>,
) -> Result<Commit, Refusal> {
    let mut changes = Vec::new();
    for resource in resources {
        exists(state, resource)?;
        let existing = state.tags(resource);
        let tags = changed(&existing)?;
        if tags != *existing {
            changes.push(Change::SetTags(resource.clone(), Arc::new(tags)));
        }
    }
    Ok(Commit {
        changes,
        reply: Reply::Gone,
    })
}

fn exists(state: &State, resource: &TaggedArn) -> Result<(), Refusal> {
    let (is_there, refusal): (bool, Refusal) = match resource {
        TaggedArn::LoadBalancer(arn) => (
            state.load_balancer(arn).is_some(),
            LoadBalancerRefusal::NoSuchLoadBalancer(arn.clone()).into(),
        ),
        TaggedArn::Listener(arn) => (
            state.listener(arn).is_some(),
            ListenerRefusal::NoSuchListener(arn.clone()).into(),
        ),
        TaggedArn::Rule(arn) => (
            state.rule(arn).is_some() || state.listener_of_default_rule(arn).is_some(),
            RuleRefusal::NoSuchRule(arn.clone()).into(),
        ),
        TaggedArn::TargetGroup(arn) => (
            state.target_group(arn).is_some(),
            TargetGroupRefusal::NoSuchTargetGroup(arn.clone()).into(),
        ),
        TaggedArn::TrustStore(arn) => (
            state.trust_store(arn).is_some(),
            TrustStoreRefusal::NoSuchTrustStore(arn.clone()).into(),
        ),
        TaggedArn::Function(arn) => (
            state.function(arn).is_some(),
            FunctionRefusal::NoSuchFunction(arn.clone()).into(),
        ),
        TaggedArn::Certificate(arn) => (
            state.certificate(arn).is_some(),
            CertificateRefusal::NoSuchCertificate(arn.clone()).into(),
        ),
    };
    if is_there { Ok(()) } else { Err(refusal) }
}
