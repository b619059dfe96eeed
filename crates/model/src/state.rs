//! Everything users asked for, as persistent maps: a copy costs nothing and shares what did not change.

mod rules;
mod shared;

pub use rules::ListenerRules;
pub use shared::Part;

use crate::acm::Acm;
use crate::arn::{CertificateArn, FunctionArn, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn, TrustStoreArn};
use crate::change::Change;
use crate::ec2::Ec2;
use crate::elb::action::Forward;
use crate::elb::certificate::Certificate;
use crate::elb::listener::{Listener, ListenerProtocol};
use crate::elb::load_balancer::LoadBalancer;
use crate::elb::rule::Rule;
use crate::elb::target_group::TargetGroup;
use crate::elb::trust_store::TrustStore;
use crate::iam::Iam;
use crate::lambda::alias::VersionRef;
use crate::lambda::event_invoke::{EventInvokes, QualifiedArn};
use crate::lambda::function::Function;
use crate::lambda::policy::FunctionPolicy;
use crate::lambda::resources::{Lambda, below, forget_below};
use crate::lambda::url::{FunctionUrl, UrlId};
use crate::logs::Logs;
use crate::range::{with_prefix, with_prefix_after, with_prefix_from};
use crate::tag::{TaggedArn, Tags};
use rpds::RedBlackTreeMapSync as Map;
use rules::{Rules, forward, target_groups};
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
    rules: Rules,
    target_groups: Map<TargetGroupArn, Arc<TargetGroup>>,
    certificates: Map<CertificateArn, Arc<Certificate>>,
    trust_stores: Map<TrustStoreArn, Arc<TrustStore>>,
    functions: Map<FunctionArn, Arc<Function>>,
    function_urls: Map<FunctionArn, Arc<FunctionUrl>>,
    /// Whose URL an id is.
    url_ids: Map<UrlId, FunctionArn>,
    event_invokes: EventInvokes,
    lambda: Lambda,
    function_policies: Map<FunctionArn, Arc<FunctionPolicy>>,
    acm: Acm,
    logs: Logs,
    ec2: Ec2,
    iam: Iam,
    tags: Map<TaggedArn, Arc<Tags>>,
}

impl State {
    /// Puts one change in place. The revision is the caller's to set, once per batch.
    pub fn apply(&mut self, change: &Change) {
        self.forget_tags(change);
        match change {
            Change::PutLoadBalancer(it) => self.load_balancers.insert_mut(it.arn.clone(), it.clone()),
            Change::PutListener(it) => self.listeners.insert_mut(it.arn.clone(), it.clone()),
            Change::PutRule(it) => self.rules.put(it),
            Change::PutTargetGroup(it) => self.target_groups.insert_mut(it.arn.clone(), it.clone()),
            Change::PutCertificate(it) => self.certificates.insert_mut(it.arn.clone(), it.clone()),
            Change::PutTrustStore(it) => self.trust_stores.insert_mut(it.arn.clone(), it.clone()),
            Change::PutFunction(it) => self.functions.insert_mut(it.arn.clone(), it.clone()),
            Change::DeleteLoadBalancer(arn) => drop(self.load_balancers.remove_mut(arn)),
            Change::DeleteListener(arn) => drop(self.listeners.remove_mut(arn)),
            Change::DeleteRule(arn) => self.rules.remove(arn),
            Change::DeleteTargetGroup(arn) => drop(self.target_groups.remove_mut(arn)),
            Change::DeleteCertificate(arn) => {
                self.acm.forget(arn);
                self.certificates.remove_mut(arn);
            }
            Change::Acm(change) => self.acm.apply(change),
            Change::Logs(change) => self.logs.apply(change),
            Change::DeleteTrustStore(arn) => drop(self.trust_stores.remove_mut(arn)),
            Change::DeleteFunction(arn) => {
                self.function_policies.remove_mut(arn);
                forget_below(&mut self.function_policies, arn);
                let urls: Vec<_> = below(&self.function_urls, arn)
                    .map(|url| url.function.clone())
                    .collect();
                urls.iter().for_each(|url| self.forget_url(url));
                self.lambda.forget(arn);
                self.event_invokes.forget(arn);
                self.functions.remove_mut(arn);
            }
            Change::PutFunctionUrl(it) => {
                self.forget_url(&it.function);
                self.url_ids.insert_mut(it.id.clone(), it.function.clone());
                self.function_urls.insert_mut(it.function.clone(), it.clone());
            }
            Change::DeleteFunctionUrl(arn) => self.forget_url(arn),
            Change::EventInvoke(change) => self.event_invokes.apply(change),
            Change::Lambda(change) => self.lambda.apply(change),
            Change::PutFunctionPolicy(it) => self.function_policies.insert_mut(it.function.clone(), it.clone()),
            Change::DeleteFunctionPolicy(arn) => drop(self.function_policies.remove_mut(arn)),
            Change::Ec2(change) => self.ec2.apply(change),
            Change::Iam(change) => self.iam.apply(change),
            Change::SetTags(resource, tags) if tags.is_empty() => drop(self.tags.remove_mut(resource)),
            Change::SetTags(resource, tags) => self.tags.insert_mut(resource.clone(), tags.clone()),
        }
    }

    /// The tags of what goes away.
    fn forget_tags(&mut self, change: &Change) {
        let resource = match change {
            Change::DeleteLoadBalancer(arn) => TaggedArn::LoadBalancer(arn.clone()),
            Change::DeleteListener(arn) => {
                if let Some(listener) = self.listeners.get(arn) {
                    self.tags.remove_mut(&TaggedArn::Rule(listener.default_rule.clone()));
                }
                TaggedArn::Listener(arn.clone())
            }
            Change::DeleteRule(arn) => TaggedArn::Rule(arn.clone()),
            Change::DeleteTargetGroup(arn) => TaggedArn::TargetGroup(arn.clone()),
            Change::DeleteTrustStore(arn) => TaggedArn::TrustStore(arn.clone()),
            Change::DeleteFunction(arn) => TaggedArn::Function(arn.clone()),
            Change::DeleteCertificate(arn) => TaggedArn::Certificate(arn.clone()),
            _ => return,
        };
        self.tags.remove_mut(&resource);
    }

    fn forget_url(&mut self, function: &FunctionArn) {
        if let Some(url) = self.function_urls.get(function) {
            self.url_ids.remove_mut(&url.id.clone());
            self.function_urls.remove_mut(function);
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

    /// Those whose ARN begins with `prefix` and is greater than `after`, by ARN.
    pub fn load_balancers_after<'a>(
        &'a self,
        prefix: &str,
        after: &str,
    ) -> impl Iterator<Item = &'a Arc<LoadBalancer>> + use<'a> {
        with_prefix_after(&self.load_balancers, prefix, after).map(|(_, it)| it)
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
        with_prefix(&self.listeners, &prefix).map(|(_, listener)| listener)
    }

    /// The rule with this ARN; default rules are part of their listener.
    pub fn rule(&self, arn: &RuleArn) -> Option<&Arc<Rule>> {
        self.rules.get(arn)
    }

    /// The rules of one listener but for the default rule, in no promised order.
    pub fn rules_of(&self, listener: &ListenerArn) -> impl Iterator<Item = &Arc<Rule>> + use<'_> {
        let rules = self.listener_rules(listener).map(|rules| rules.iter());
        rules.into_iter().flatten()
    }

    /// All of them at once, as they are shared with the states before; `None` if there is none.
    pub fn listener_rules(&self, listener: &ListenerArn) -> Option<&Arc<ListenerRules>> {
        self.rules.of(listener)
    }

    /// All rules but for the default rules.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.all().flat_map(|(_, rules)| rules.iter())
    }

    /// The same by listener. Every listener that is there has at least one.
    pub fn all_rules(&self) -> impl Iterator<Item = (&ListenerArn, &Arc<ListenerRules>)> {
        self.rules.all()
    }

    /// The target group with this ARN.
    pub fn target_group(&self, arn: &TargetGroupArn) -> Option<&Arc<TargetGroup>> {
        self.target_groups.get(arn)
    }

    /// All target groups, by ARN.
    pub fn target_groups(&self) -> impl Iterator<Item = &Arc<TargetGroup>> {
        self.target_groups.values()
    }

    /// Those whose ARN begins with `prefix` and is greater than `after`, by ARN.
    pub fn target_groups_after<'a>(
        &'a self,
        prefix: &str,
        after: &str,
    ) -> impl Iterator<Item = &'a Arc<TargetGroup>> + use<'a> {
        with_prefix_after(&self.target_groups, prefix, after).map(|(_, it)| it)
    }

    /// The certificate with this ARN.
    pub fn certificate(&self, arn: &CertificateArn) -> Option<&Arc<Certificate>> {
        self.certificates.get(arn)
    }

    /// All certificates, by ARN.
    pub fn certificates(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.certificates.values()
    }

    /// What ACM knows of certificates.
    pub fn acm(&self) -> &Acm {
        &self.acm
    }

    /// Log groups and streams that somebody asked for.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Users, roles and policies.
    pub fn iam(&self) -> &Iam {
        &self.iam
    }

    /// The network.
    pub fn ec2(&self) -> &Ec2 {
        &self.ec2
    }

    /// The trust store with this ARN.
    pub fn trust_store(&self, arn: &TrustStoreArn) -> Option<&Arc<TrustStore>> {
        self.trust_stores.get(arn)
    }

    /// All trust stores, by ARN.
    pub fn trust_stores(&self) -> impl Iterator<Item = &Arc<TrustStore>> {
        self.trust_stores.values()
    }

    /// The function with this ARN.
    pub fn function(&self, arn: &FunctionArn) -> Option<&Arc<Function>> {
        self.functions.get(arn)
    }

    /// All functions, by ARN.
    pub fn functions(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.functions.values()
    }

    /// Those whose ARN begins with `prefix`, from the one that is `from` or comes after it, by ARN.
    pub fn functions_from<'a>(&'a self, prefix: &str, from: &str) -> impl Iterator<Item = &'a Arc<Function>> + use<'a> {
        with_prefix_from(&self.functions, prefix, from).map(|(_, it)| it)
    }

    /// What belongs to functions of the AWS API, and layers.
    pub fn lambda(&self) -> &Lambda {
        &self.lambda
    }

    /// What runs when a function, a version or an alias is invoked; `draw` gives a number out of all of `u32` for an alias
    /// of two versions. Source: Lambda 5.3.
    pub fn runnable(&self, arn: &FunctionArn, draw: impl FnOnce() -> u32) -> Option<&Arc<Function>> {
        if let Some(function) = self.functions.get(arn) {
            return Some(function);
        }
        if let Some(version) = self.lambda.version(arn) {
            return Some(&version.function);
        }
        match self.lambda.alias(arn)?.drawn(draw()) {
            VersionRef::Latest => self.functions.get(&arn.unqualified()),
            VersionRef::Number(number) => {
                let version = self.lambda.version(&arn.unqualified().qualified(number))?;
                Some(&version.function)
            }
        }
    }

    /// Is it a function, a version or an alias that is there?
    pub fn is_runnable(&self, arn: &FunctionArn) -> bool {
        self.runnable(arn, || 0).is_some()
    }

    /// What is reserved of the account's concurrency, in the region of a function.
    pub fn reserved_concurrency(&self, beside: &FunctionArn) -> u32 {
        let mut there = self
            .functions
            .values()
            .filter(|it| crate::arn::same_scope(it.arn.as_str(), beside.as_str()));
        there
            .try_fold(0_u32, |sum, it| {
                sum.checked_add(it.configuration.concurrency.unwrap_or_default())
            })
            .unwrap_or(u32::MAX)
    }

    /// The URL of a function.
    pub fn function_url(&self, function: &FunctionArn) -> Option<&Arc<FunctionUrl>> {
        self.function_urls.get(function)
    }

    /// The URLs of a function and of its aliases, by ARN.
    pub fn function_urls_of<'a>(
        &'a self,
        function: &FunctionArn,
    ) -> impl Iterator<Item = &'a Arc<FunctionUrl>> + use<'a> {
        let own = self.function_urls.get(function).into_iter();
        own.chain(below(&self.function_urls, function))
    }

    /// The URL with this id.
    pub fn url_with_id(&self, id: &UrlId) -> Option<&Arc<FunctionUrl>> {
        self.function_url(self.url_ids.get(id)?)
    }

    /// All URLs of functions, by the function's ARN.
    pub fn function_urls(&self) -> impl Iterator<Item = &Arc<FunctionUrl>> {
        self.function_urls.values()
    }

    /// What becomes of asynchronous invocations, by function.
    pub fn event_invokes(&self) -> &EventInvokes {
        &self.event_invokes
    }

    /// Whether there is something to invoke under this name.
    pub fn is_invocable(&self, function: &QualifiedArn) -> bool {
        match function.is_latest() {
            true => self.function(&function.function()).is_some(),
            false => FunctionArn::try_from(function.as_str()).is_ok_and(|arn| self.is_runnable(&arn)),
        }
    }

    /// The policy of a function.
    pub fn function_policy(&self, function: &FunctionArn) -> Option<&Arc<FunctionPolicy>> {
        self.function_policies.get(function)
    }

    /// All policies of functions, by the function's ARN.
    pub fn function_policies(&self) -> impl Iterator<Item = &Arc<FunctionPolicy>> {
        self.function_policies.values()
    }

    /// The tags of a resource; none when it has none, or does not exist.
    pub fn tags(&self, resource: &TaggedArn) -> Arc<Tags> {
        self.tags.get(resource).cloned().unwrap_or_default()
    }

    /// Every resource that has tags, with them.
    pub fn all_tags(&self) -> impl Iterator<Item = (&TaggedArn, &Arc<Tags>)> {
        self.tags.iter()
    }

    /// The listener whose default rule has this ARN.
    pub fn listener_of_default_rule(&self, rule: &RuleArn) -> Option<&Arc<Listener>> {
        let listener = self.listener(&rule.listener()?)?;
        (listener.default_rule == *rule).then_some(listener)
    }

    /// Which load balancers and target groups forward actions join, default rules included: once for each listener's rules.
    pub fn forwards(&self) -> impl Iterator<Item = (&LoadBalancerArn, &TargetGroupArn)> {
        let of_rules = self.rules.all().flat_map(|(listener, rules)| {
            let by = self.listeners.get(listener).map(|listener| &listener.load_balancer);
            by.into_iter()
                .flat_map(|by| rules.target_groups().map(move |group| (by, group)))
        });
        let of_listeners = self.listeners.values().flat_map(|listener| {
            let groups = target_groups(&listener.default_actions);
            groups.map(|group| (&listener.load_balancer, group))
        });
        of_rules.chain(of_listeners)
    }

    /// The forward actions to several target groups.
    pub(crate) fn shared_forwards(&self) -> impl Iterator<Item = &Forward> {
        let of_rules = self.rules().filter_map(|rule| forward(&rule.actions));
        let of_listeners = self.listeners.values().filter_map(|it| forward(&it.default_actions));
        let all = of_rules.chain(of_listeners);
        all.filter(|forward| forward.target_groups().len() > 1)
    }

    /// The listeners that use a certificate.
    pub fn listeners_using<'a>(&'a self, certificate: &'a CertificateArn) -> impl Iterator<Item = &'a Arc<Listener>> {
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
