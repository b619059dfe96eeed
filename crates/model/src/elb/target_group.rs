//! Target groups. Source: ALB 1.5, 1.6.
//!
//! Only Lambda target groups exist so far; `instance` and `ip` arrive as further variants of [`TargetKind`].

use super::health_check::HealthCheck;
use super::name::TargetGroupName;
use crate::arn::{FunctionArn, TargetGroupArn};
use crate::ids::Owner;

/// One target group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGroup {
    /// Its ARN.
    pub arn: TargetGroupArn,
    /// Its name.
    pub name: TargetGroupName,
    /// What its targets are, and what follows from that.
    pub targets: TargetKind,
    /// Who may change it.
    pub owner: Owner,
}

/// The type of the targets, fixed at creation. Source: ALB 1.5 `TargetType`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// `lambda`: at most one function.
    Lambda(LambdaTargets),
}

/// A Lambda target group. Source: ALB 3.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LambdaTargets {
    /// The registered function; none answers 503.
    pub function: Option<FunctionArn>,
    /// `lambda.multi_value_headers.enabled`: which form the event and the response have.
    pub multi_value_headers: bool,
    /// How the function's health is checked, if it is.
    pub health_check: HealthCheck,
}
