//! What the manifest asks for, in `model`'s words, each thing with its place.

use crate::diff::Batch;
use crate::mistake::{Mistake, Place, shown};
use model::Command;
use model::arn::{FunctionArn, LoadBalancerArn};
use model::command::event_invoke::PutConfig;
use model::command::function::CreateFunction;
use model::command::listener::CreateListener;
use model::command::load_balancer::CreateLoadBalancer;
use model::command::rule::CreateRule;
use model::command::target_group::CreateTargetGroup;
use model::elb::certificate::Certificate;
use model::elb::trust_store::TrustStore;
use model::lambda::url::FunctionUrl;
use model::refusal::{LoadBalancerRefusal, Refusal};
use std::collections::BTreeMap;

/// All resources that the manifest owns. Compare it with a state by [`Desired::batch`].
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Where the manifest begins: the place of what is no longer in it.
    pub(crate) start: Place,
    pub(crate) functions: Vec<Placed<CreateFunction>>,
    pub(crate) function_urls: Vec<Placed<FunctionUrl>>,
    pub(crate) event_invokes: Vec<Placed<PutConfig>>,
    pub(crate) target_groups: Vec<Placed<DesiredTargetGroup>>,
    pub(crate) certificates: Vec<Placed<Certificate>>,
    pub(crate) trust_stores: Vec<Placed<TrustStore>>,
    pub(crate) load_balancers: Vec<Placed<CreateLoadBalancer>>,
    pub(crate) listeners: Vec<Placed<CreateListener>>,
    pub(crate) rules: Vec<Placed<CreateRule>>,
    /// Where the value of the routing action stands, by the ARN of the listener or the rule.
    answers: BTreeMap<String, Place>,
}

/// Something and where the manifest says it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed<T> {
    pub(crate) place: Place,
    pub(crate) it: T,
}

/// A target group with its targets: servers come with the group, a function is registered once both are there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DesiredTargetGroup {
    pub(crate) create: CreateTargetGroup,
    pub(crate) function: Option<FunctionArn>,
}

impl Desired {
    pub(crate) fn empty(start: Place) -> Self {
        Self {
            start,
            functions: Vec::new(),
            function_urls: Vec::new(),
            event_invokes: Vec::new(),
            target_groups: Vec::new(),
            certificates: Vec::new(),
            trust_stores: Vec::new(),
            load_balancers: Vec::new(),
            listeners: Vec::new(),
            rules: Vec::new(),
            answers: BTreeMap::new(),
        }
    }

    /// Remembers where the routing action of a listener or a rule has its value.
    pub(crate) fn place_answer(&mut self, arn: &str, place: Place) {
        self.answers.insert(arn.to_owned(), place);
    }

    /// Where the manifest asks for the listener, load balancer, function, target group or trust store with this ARN.
    pub fn place_of(&self, arn: &str) -> Option<&Place> {
        let listener = self.listeners.iter().find(|it| it.it.arn.as_str() == arn);
        let load_balancer = self.load_balancers.iter().find(|it| it.it.arn.as_str() == arn);
        let function = self.functions.iter().find(|it| it.it.arn.as_str() == arn);
        let group = self.target_groups.iter().find(|it| it.it.create.arn.as_str() == arn);
        let trust_store = self.trust_stores.iter().find(|it| it.it.arn.as_str() == arn);
        let place = listener.map(|it| &it.place).or(load_balancer.map(|it| &it.place));
        let place = place.or(function.map(|it| &it.place));
        place.or(group.map(|it| &it.place)).or(trust_store.map(|it| &it.place))
    }

    /// The refusal of a command of `batch`, at the place that asked for it and with the manifest's names.
    ///
    /// `None` when the batch has no command `index`.
    pub fn mistake(&self, batch: &Batch, index: usize, refusal: &Refusal) -> Option<Mistake> {
        let answer = match refusal {
            Refusal::Action(_) => answered(batch.commands.get(index)?).and_then(|arn| self.answers.get(arn)),
            _ => None,
        };
        let message = match refusal {
            Refusal::LoadBalancer(LoadBalancerRefusal::DeletionProtected(arn)) => self.protected(arn),
            _ => self.in_its_words(&refusal.to_string()),
        };
        Some(Mistake {
            place: answer.or(batch.places.get(index))?.clone(),
            message,
        })
    }

    /// A load balancer that is to go and may not. What is no longer in the manifest has its name in the ARN only.
    fn protected(&self, arn: &LoadBalancerArn) -> String {
        let name = shown(arn.name());
        let stays = self.load_balancers.iter().any(|it| it.it.arn == *arn);
        match stays {
            true => format!(
                "load balancer {name} has another `scheme` now and cannot be made anew because deletion protection is \
                 enabled; write `deletion_protection.enabled: false` under its `attributes` with the old `scheme` first"
            ),
            false => format!(
                "load balancer {name} is not in the manifest any more and cannot be deleted because deletion protection \
                 is enabled; write it again with `attributes: {{ deletion_protection.enabled: false }}` first"
            ),
        }
    }

    /// A text with the manifest's names in the place of ARNs.
    pub fn in_its_words(&self, text: &str) -> String {
        let mut names: Vec<(&str, String)> = Vec::new();
        for function in &self.functions {
            names.push((function.it.arn.as_str(), function.it.name.to_string()));
        }
        for group in &self.target_groups {
            names.push((group.it.create.arn.as_str(), group.it.create.name.to_string()));
        }
        for trust_store in &self.trust_stores {
            names.push((trust_store.it.arn.as_str(), trust_store.it.name.to_string()));
        }
        for load_balancer in &self.load_balancers {
            names.push((load_balancer.it.arn.as_str(), load_balancer.it.name.to_string()));
        }
        for listener in &self.listeners {
            names.push((listener.it.arn.as_str(), listener.it.port.to_string()));
        }
        for rule in &self.rules {
            names.push((rule.it.arn.as_str(), rule.it.priority.to_string()));
        }
        // The longest first: one name may begin another.
        names.sort_unstable_by_key(|(arn, _)| std::cmp::Reverse(arn.len()));
        names.iter().fold(text.to_owned(), |text, (arn, name)| {
            text.replace(arn, &format!("`{name}`"))
        })
    }
}

/// The ARN of the listener or the rule whose actions a command changes.
fn answered(command: &Command) -> Option<&str> {
    match command {
        Command::CreateListener(create) => Some(create.arn.as_str()),
        Command::ModifyListener(modify) => Some(modify.arn.as_str()),
        Command::CreateRule(create) => Some(create.arn.as_str()),
        Command::ModifyRule(modify) => Some(modify.arn.as_str()),
        _ => None,
    }
}
