//! Everything users asked for, as persistent maps: a copy costs nothing and shares what did not change.

use crate::arn::{CertificateArn, FunctionArn, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn};
use crate::change::Change;
use crate::elb::action::Answer;
use crate::elb::certificate::Certificate;
use crate::elb::listener::{Listener, ListenerProtocol};
use crate::elb::load_balancer::LoadBalancer;
use crate::elb::rule::Rule;
use crate::elb::target_group::TargetGroup;
use crate::lambda::function::Function;
use rpds::RedBlackTreeMapSync as Map;
use std::borrow::Borrow;
use std::ops::Bound;
use std::sync::Arc;

/// How many batches of changes made a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// The desired state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The batch this state stands after.
    pub revision: Revision,
    load_balancers: Map<LoadBalancerArn, Arc<LoadBalancer>>,
    listeners: Map<ListenerArn, Arc<Listener>>,
    rules: Map<RuleArn, Arc<Rule>>,
    target_groups: Map<TargetGroupArn, Arc<TargetGroup>>,
    certificates: Map<CertificateArn, Arc<Certificate>>,
    functions: Map<FunctionArn, Arc<Function>>,
}

impl State {
    /// Puts one change in place. The revision is the caller's to set, once per batch.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::PutLoadBalancer(it) => self.load_balancers.insert_mut(it.arn.clone(), it.clone()),
            Change::PutListener(it) => self.listeners.insert_mut(it.arn.clone(), it.clone()),
            Change::PutRule(it) => self.rules.insert_mut(it.arn.clone(), it.clone()),
            Change::PutTargetGroup(it) => self.target_groups.insert_mut(it.arn.clone(), it.clone()),
            Change::PutCertificate(it) => self.certificates.insert_mut(it.arn.clone(), it.clone()),
            Change::PutFunction(it) => self.functions.insert_mut(it.arn.clone(), it.clone()),
            Change::DeleteLoadBalancer(arn) => drop(self.load_balancers.remove_mut(arn)),
            Change::DeleteListener(arn) => drop(self.listeners.remove_mut(arn)),
            Change::DeleteRule(arn) => drop(self.rules.remove_mut(arn)),
            Change::DeleteTargetGroup(arn) => drop(self.target_groups.remove_mut(arn)),
            Change::DeleteCertificate(arn) => drop(self.certificates.remove_mut(arn)),
            Change::DeleteFunction(arn) => drop(self.functions.remove_mut(arn)),
        }
    }

    /// The load balancer with this ARN.
    pub fn load_balancer(&self, arn: &LoadBalancerArn) -> Option<&Arc<LoadBalancer>> {
        self.load_balancers.get(arn)
    }

    /// All load balancers, by ARN.
    pub fn load_balancers(&self) -> impl Iterator<Item = &Arc<LoadBalancer>> {
        self.load_balancers.values()
    }

    /// The listener with this ARN.
    pub fn listener(&self, arn: &ListenerArn) -> Option<&Arc<Listener>> {
        self.listeners.get(arn)
    }

    /// All listeners, by ARN.
    pub fn listeners(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.listeners.values()
    }

    /// The listeners of one load balancer.
    pub fn listeners_of(&self, load_balancer: &LoadBalancerArn) -> impl Iterator<Item = &Arc<Listener>> + use<'_> {
        let prefix = format!(
            "{}/",
            load_balancer.as_str().replacen(":loadbalancer/", ":listener/", 1)
        );
        with_prefix(&self.listeners, &prefix)
    }

    /// The rule with this ARN; default rules are part of their listener.
    pub fn rule(&self, arn: &RuleArn) -> Option<&Arc<Rule>> {
        self.rules.get(arn)
    }

    /// The rules of one listener but for the default rule, in no promised order.
    pub fn rules_of(&self, listener: &ListenerArn) -> impl Iterator<Item = &Arc<Rule>> + use<'_> {
        with_prefix(&self.rules, &RuleArn::prefix(listener))
    }

    /// All rules but for the default rules.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.values()
    }

    /// The target group with this ARN.
    pub fn target_group(&self, arn: &TargetGroupArn) -> Option<&Arc<TargetGroup>> {
        self.target_groups.get(arn)
    }

    /// All target groups, by ARN.
    pub fn target_groups(&self) -> impl Iterator<Item = &Arc<TargetGroup>> {
        self.target_groups.values()
    }

    /// The certificate with this ARN.
    pub fn certificate(&self, arn: &CertificateArn) -> Option<&Arc<Certificate>> {
        self.certificates.get(arn)
    }

    /// All certificates, by ARN.
    pub fn certificates(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.certificates.values()
    }

    /// The function with this ARN.
    pub fn function(&self, arn: &FunctionArn) -> Option<&Arc<Function>> {
        self.functions.get(arn)
    }

    /// All functions, by ARN.
    pub fn functions(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.functions.values()
    }

    /// Which load balancer and target group each forward action joins, default rules included.
    pub fn forwards(&self) -> impl Iterator<Item = (&LoadBalancerArn, &TargetGroupArn)> {
        let of_rules = self.rules.values().filter_map(|rule| {
            let listener = self.listeners.get(&rule.listener)?;
            Some((&listener.load_balancer, &rule.actions))
        });
        let of_listeners = self
            .listeners
            .values()
            .map(|listener| (&listener.load_balancer, &listener.default_actions));
        of_rules.chain(of_listeners).flat_map(|(load_balancer, actions)| {
            let groups = match &actions.answer {
                Answer::Forward(forward) => forward.target_groups(),
                Answer::Redirect(_) | Answer::FixedResponse(_) => &[],
            };
            groups.iter().map(move |group| (load_balancer, &group.target_group))
        })
    }

    /// The listeners that use a certificate.
    pub(crate) fn listeners_using<'a>(
        &'a self,
        certificate: &'a CertificateArn,
    ) -> impl Iterator<Item = &'a Arc<Listener>> {
        self.listeners
            .values()
            .filter(move |listener| match &listener.protocol {
                ListenerProtocol::Http => false,
                ListenerProtocol::Https(tls) => {
                    tls.default_certificate == *certificate || tls.certificates.contains(certificate)
                }
            })
    }
}

/// The entries whose key begins with `prefix`.
fn with_prefix<'a, K: Ord + Borrow<str>, V>(map: &'a Map<K, V>, prefix: &str) -> std::vec::IntoIter<&'a V> {
    let from = (Bound::Included(prefix), Bound::Unbounded);
    let begins = |(key, _): &(&K, &V)| Borrow::<str>::borrow(*key).starts_with(prefix);
    map.range::<str, _>(from)
        .take_while(begins)
        .map(|(_, value)| value)
        .collect::<Vec<_>>()
        .into_iter()
}
