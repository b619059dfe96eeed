//! Changes: what a command did, as the log holds it. A replay applies changes and never decides again.

use crate::arn::{CertificateArn, FunctionArn, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn};
use crate::elb::certificate::Certificate;
use crate::elb::listener::Listener;
use crate::elb::load_balancer::LoadBalancer;
use crate::elb::rule::Rule;
use crate::elb::target_group::TargetGroup;
use crate::lambda::function::Function;
use std::sync::Arc;

/// One resource put in place or taken away.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A load balancer was created or changed.
    PutLoadBalancer(Arc<LoadBalancer>),
    /// A load balancer is gone.
    DeleteLoadBalancer(LoadBalancerArn),
    /// A listener was created or changed.
    PutListener(Arc<Listener>),
    /// A listener is gone.
    DeleteListener(ListenerArn),
    /// A rule was created or changed.
    PutRule(Arc<Rule>),
    /// A rule is gone.
    DeleteRule(RuleArn),
    /// A target group was created or changed.
    PutTargetGroup(Arc<TargetGroup>),
    /// A target group is gone.
    DeleteTargetGroup(TargetGroupArn),
    /// A certificate was imported or replaced.
    PutCertificate(Arc<Certificate>),
    /// A certificate is gone.
    DeleteCertificate(CertificateArn),
    /// A function was created or changed.
    PutFunction(Arc<Function>),
    /// A function is gone.
    DeleteFunction(FunctionArn),
}
