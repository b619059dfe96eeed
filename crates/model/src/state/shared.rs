//! What two states share. A state is made of the one before it, so what a change did not touch is the very same memory: whoever
//! follows states asks here what he need not look at again.

use super::State;
use crate::arn::ListenerArn;

/// A part of the state that is followed on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Load balancers.
    LoadBalancers,
    /// Listeners, with their default rules.
    Listeners,
    /// Rules but for default rules.
    Rules,
    /// Target groups, with their targets.
    TargetGroups,
    /// Certificates and trust stores.
    Certificates,
    /// What can be invoked, and what of it is reserved or kept ready.
    Functions,
    /// Everything that belongs to functions of the AWS API, and layers.
    Lambda,
    /// Who may invoke functions.
    FunctionPolicies,
    /// The network.
    Network,
    /// Tags.
    Tags,
}

impl State {
    /// Whether both hold the very same in these parts. `false` says nothing: what was put in place again is not compared.
    pub fn shares(&self, other: &Self, parts: &[Part]) -> bool {
        parts.iter().all(|part| match part {
            Part::LoadBalancers => self.load_balancers.ptr_eq(&other.load_balancers),
            Part::Listeners => self.listeners.ptr_eq(&other.listeners),
            Part::Rules => self.rules.ptr_eq(&other.rules),
            Part::TargetGroups => self.target_groups.ptr_eq(&other.target_groups),
            Part::Certificates => {
                self.certificates.ptr_eq(&other.certificates) && self.trust_stores.ptr_eq(&other.trust_stores)
            }
            Part::Functions => self.functions.ptr_eq(&other.functions) && self.lambda.has_functions_of(&other.lambda),
            Part::Lambda => self.lambda.shares(&other.lambda),
            Part::FunctionPolicies => self.function_policies.ptr_eq(&other.function_policies),
            Part::Network => self.ec2.shares(&other.ec2),
            Part::Tags => self.tags.ptr_eq(&other.tags),
        })
    }

    /// The listeners whose rules are not the very same in both, in no promised order.
    pub fn listeners_with_other_rules<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a ListenerArn> {
        self.rules.with_others(&other.rules)
    }
}
