//! Why a command is refused, in the domain's words. `control` alone knows which AWS code each one has.

use crate::arn::{CertificateArn, FunctionArn, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn};
use crate::elb::rule::RulePriority;
use crate::limits;

/// Why a command is refused. Nothing of its batch was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// About load balancers.
    #[error(transparent)]
    LoadBalancer(#[from] LoadBalancerRefusal),
    /// About listeners.
    #[error(transparent)]
    Listener(#[from] ListenerRefusal),
    /// About rules.
    #[error(transparent)]
    Rule(#[from] RuleRefusal),
    /// About actions, of rules and listeners alike.
    #[error(transparent)]
    Action(#[from] ActionRefusal),
    /// About target groups.
    #[error(transparent)]
    TargetGroup(#[from] TargetGroupRefusal),
    /// About certificates.
    #[error(transparent)]
    Certificate(#[from] CertificateRefusal),
    /// About functions.
    #[error(transparent)]
    Function(#[from] FunctionRefusal),
}

/// Why a command on a load balancer is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadBalancerRefusal {
    /// Unknown ARN.
    #[error("load balancer {0} does not exist")]
    NoSuchLoadBalancer(LoadBalancerArn),
    /// Another one has the name.
    #[error("a load balancer named {0} exists already")]
    NameTaken(String),
    /// Deletion protection is on.
    #[error("load balancer {0} cannot be deleted because deletion protection is enabled")]
    DeletionProtected(LoadBalancerArn),
}

/// Why a command on a listener is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenerRefusal {
    /// Unknown ARN.
    #[error("listener {0} does not exist")]
    NoSuchListener(ListenerArn),
    /// The load balancer has a listener on that port.
    #[error("port {port} is taken by listener {holder} of the same load balancer")]
    PortTaken {
        /// The port.
        port: u16,
        /// The listener that has it.
        holder: ListenerArn,
    },
    /// Port 0.
    #[error("a listener's port is 1 to 65535")]
    PortZero,
    /// The id is in use.
    #[error("listener {0} exists already")]
    Exists(ListenerArn),
    /// Fifty listeners.
    #[error(
        "the load balancer has {} listeners already, which is the limit",
        limits::LISTENERS_PER_LOAD_BALANCER
    )]
    TooMany,
    /// Too many certificates beside the defaults.
    #[error(
        "the load balancer would have more than {} certificates beside default ones",
        limits::CERTIFICATES_PER_LOAD_BALANCER
    )]
    TooManyCertificates,
}

/// Why a command on a rule is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleRefusal {
    /// Unknown ARN.
    #[error("rule {0} does not exist")]
    NoSuchRule(RuleArn),
    /// Another rule of the listener has the priority.
    #[error("priority {priority} is held by {holder}")]
    PriorityTaken {
        /// The priority.
        priority: RulePriority,
        /// The rule that holds it.
        holder: RuleArn,
    },
    /// One priority twice in one call.
    #[error("priority {0} was given more than once")]
    PriorityRepeated(RulePriority),
    /// The id is in use.
    #[error("rule {0} exists already")]
    Exists(RuleArn),
    /// A hundred rules.
    #[error(
        "the load balancer has {} rules already, which is the limit",
        limits::RULES_PER_LOAD_BALANCER
    )]
    TooMany,
}

/// Why an action is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionRefusal {
    /// A forward action names an unknown target group.
    #[error("target group {0} does not exist")]
    NoSuchTargetGroup(TargetGroupArn),
    /// A target group belongs to another load balancer.
    #[error("target group {0} is used by another load balancer; a target group belongs to one")]
    TargetGroupOfAnother(TargetGroupArn),
    /// A hundred target groups.
    #[error(
        "the load balancer uses more than {} target groups",
        limits::TARGET_GROUPS_PER_LOAD_BALANCER
    )]
    TooManyTargetGroups,
    /// A redirect from HTTPS to HTTP.
    #[error("an HTTPS listener cannot redirect to HTTP")]
    RedirectToHttp,
}

/// Why a command on a target group is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetGroupRefusal {
    /// Unknown ARN.
    #[error("target group {0} does not exist")]
    NoSuchTargetGroup(TargetGroupArn),
    /// Another one has the name.
    #[error("a target group named {0} exists already")]
    NameTaken(String),
    /// A rule or listener forwards to it.
    #[error("target group {0} is in use by a listener or a rule")]
    InUse(TargetGroupArn),
    /// It has a function already.
    #[error("target group {group} has the function {registered}; a Lambda target group takes one function")]
    TooManyTargets {
        /// The target group.
        group: TargetGroupArn,
        /// The function it has.
        registered: FunctionArn,
    },
    /// The target does not exist.
    #[error("function {0} does not exist")]
    NoSuchFunction(FunctionArn),
}

/// Why a command on a certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateRefusal {
    /// Unknown ARN.
    #[error("certificate {0} does not exist")]
    NoSuchCertificate(CertificateArn),
    /// A listener uses it.
    #[error("certificate {certificate} is in use by listener {listener}")]
    InUse {
        /// The certificate.
        certificate: CertificateArn,
        /// One listener that uses it.
        listener: ListenerArn,
    },
}

/// Why a command on a function is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FunctionRefusal {
    /// Unknown ARN.
    #[error("function {0} does not exist")]
    NoSuchFunction(FunctionArn),
    /// Another one has the name.
    #[error("a function named {0} exists already")]
    NameTaken(String),
}
