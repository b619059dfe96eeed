//! Resources by their ARNs. An ARN of another account or region names nothing here.

use super::call::Call;
use super::input::shown;
use crate::aws::error::AwsError;
use model::elb::listener::Listener;
use model::elb::load_balancer::LoadBalancer;
use model::elb::rule::Rule;
use model::elb::target_group::TargetGroup;
use model::elb::trust_store::TrustStore;
use model::{ListenerArn, LoadBalancerArn, RuleArn, Scope, TargetGroupArn, TrustStoreArn};
use std::sync::Arc;

/// A rule, or the default rule of a listener.
pub(super) enum AnyRule<'a> {
    Own(&'a Arc<Rule>),
    Default(&'a Arc<Listener>),
}

/// Whether an ARN of Elastic Load Balancing stands in an account and region.
pub(super) fn in_scope(arn: &str, scope: &Scope) -> bool {
    arn.starts_with(&prefix(scope))
}

/// What such ARNs begin with.
pub(super) fn prefix(scope: &Scope) -> String {
    format!(
        "arn:{}:elasticloadbalancing:{}:{}:",
        scope.partition(),
        scope.region,
        scope.account
    )
}

/// Reads an ARN of one kind.
fn arn<T>(text: &str, kind: &str) -> Result<T, AwsError>
where
    T: for<'a> TryFrom<&'a str>,
{
    T::try_from(text).map_err(|_| AwsError::validation(format!("'{}' is not a valid {kind} ARN", shown(text))))
}

pub(super) fn load_balancer<'a>(call: &Call<'a>, text: &str) -> Result<&'a Arc<LoadBalancer>, AwsError> {
    let arn: LoadBalancerArn = arn(text, "load balancer")?;
    let found = call.state.load_balancer(&arn).filter(|_| in_scope(text, call.scope));
    found.ok_or_else(|| AwsError::new("LoadBalancerNotFound", format!("Load balancer '{arn}' not found")))
}

pub(super) fn listener<'a>(call: &Call<'a>, text: &str) -> Result<&'a Arc<Listener>, AwsError> {
    let arn: ListenerArn = arn(text, "listener")?;
    let found = call.state.listener(&arn).filter(|_| in_scope(text, call.scope));
    found.ok_or_else(|| AwsError::new("ListenerNotFound", format!("Listener '{arn}' not found")))
}

pub(super) fn rule<'a>(call: &Call<'a>, text: &str) -> Result<AnyRule<'a>, AwsError> {
    let arn: RuleArn = arn(text, "rule")?;
    let own = call.state.rule(&arn).map(AnyRule::Own);
    let found = own.or_else(|| call.state.listener_of_default_rule(&arn).map(AnyRule::Default));
    let found = found.filter(|_| in_scope(text, call.scope));
    found.ok_or_else(|| AwsError::new("RuleNotFound", format!("Rule '{arn}' not found")))
}

/// What operations that are asked about several say of one that is not there. Source: ALB 9.6.
pub(super) fn several(error: AwsError) -> AwsError {
    let several = match error.code.as_ref() {
        "ListenerNotFound" => "listeners",
        "RuleNotFound" => "rules",
        "TargetGroupNotFound" => "target groups",
        "TrustStoreNotFound" => "trust stores",
        _ => return error,
    };
    AwsError {
        message: format!("One or more {several} not found"),
        ..error
    }
}

/// A rule that is not a default rule.
pub(super) fn own_rule<'a>(call: &Call<'a>, text: &str) -> Result<&'a Arc<Rule>, AwsError> {
    match rule(call, text)? {
        AnyRule::Own(rule) => Ok(rule),
        AnyRule::Default(_) => Err(AwsError::new(
            "OperationNotPermitted",
            format!("Default rule '{text}' cannot be modified or deleted; it changes with its listener"),
        )),
    }
}

pub(super) fn target_group<'a>(call: &Call<'a>, text: &str) -> Result<&'a Arc<TargetGroup>, AwsError> {
    let arn: TargetGroupArn = arn(text, "target group")?;
    let found = call.state.target_group(&arn).filter(|_| in_scope(text, call.scope));
    found.ok_or_else(|| AwsError::new("TargetGroupNotFound", format!("Target group '{arn}' not found")))
}

pub(super) fn trust_store<'a>(call: &Call<'a>, text: &str) -> Result<&'a Arc<TrustStore>, AwsError> {
    let arn: TrustStoreArn = arn(text, "trust store")?;
    let found = call.state.trust_store(&arn).filter(|_| in_scope(text, call.scope));
    found.ok_or_else(|| AwsError::new("TrustStoreNotFound", format!("Trust store '{arn}' not found")))
}

/// The ARN of a resource that may be gone, for operations that do not mind. One of another account or region cannot have
/// been meant: nothing that is asked of here is there.
pub(super) fn load_balancer_arn(call: &Call<'_>, text: &str) -> Result<LoadBalancerArn, AwsError> {
    own(call, text, "load balancer")
}

/// As [`load_balancer_arn`].
pub(super) fn target_group_arn(call: &Call<'_>, text: &str) -> Result<TargetGroupArn, AwsError> {
    own(call, text, "target group")
}

fn own<T>(call: &Call<'_>, text: &str, kind: &str) -> Result<T, AwsError>
where
    T: for<'a> TryFrom<&'a str>,
{
    let arn = arn(text, kind)?;
    match in_scope(text, call.scope) {
        true => Ok(arn),
        false => Err(AwsError::validation(format!(
            "'{}' is not a valid {kind} ARN: it is of another account or region than {} in {}, where this call is answered",
            shown(text),
            call.scope.account,
            call.scope.region
        ))),
    }
}
