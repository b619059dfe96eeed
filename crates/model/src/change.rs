//! Changes: what a command did, as the log holds it. A replay applies changes and never decides again.

use crate::arn::{CertificateArn, FunctionArn, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn, TrustStoreArn};
use crate::elb::certificate::Certificate;
use crate::elb::listener::Listener;
use crate::elb::load_balancer::LoadBalancer;
use crate::elb::rule::Rule;
use crate::elb::target_group::TargetGroup;
use crate::elb::trust_store::TrustStore;
use crate::lambda::function::Function;
use crate::lambda::policy::FunctionPolicy;
use crate::lambda::url::FunctionUrl;
use crate::tag::{TaggedArn, Tags};
use crate::{acm, logs};
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
    /// A trust store was created or replaced.
    PutTrustStore(Arc<TrustStore>),
    /// A trust store is gone.
    DeleteTrustStore(TrustStoreArn),
    /// A function was created or changed.
    PutFunction(Arc<Function>),
    /// A function is gone.
    DeleteFunction(FunctionArn),
    /// The URL of a function was created or changed.
    PutFunctionUrl(Arc<FunctionUrl>),
    /// The URL of this function is gone.
    DeleteFunctionUrl(FunctionArn),
    /// What becomes of asynchronous invocations of a function.
    EventInvoke(crate::lambda::event_invoke::Change),
    /// What belongs to a function of the AWS API, or to layers.
    Lambda(crate::lambda::resources::Change),
    /// The policy of a function was made or changed.
    PutFunctionPolicy(Arc<FunctionPolicy>),
    /// The policy of this function is gone.
    DeleteFunctionPolicy(FunctionArn),
    /// What ACM knows of a certificate.
    Acm(acm::Change),
    /// About log groups and streams.
    Logs(logs::Change),
    /// About the network.
    Ec2(crate::ec2::Change),
    /// About users, roles and policies.
    Iam(crate::iam::Change),
    /// The tags that a resource has from now on. They go when it goes.
    SetTags(TaggedArn, Arc<Tags>),
}
