//! Names of load balancers, target groups and trust stores. Source: ALB 1.2.

use crate::limits::NAME_CHARS;
use std::fmt;
use std::sync::Arc;

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameRefusal {
    /// Empty, or over 32 characters.
    #[error("name {0:?} must have 1 to 32 characters")]
    Length(String),
    /// A character that is neither a letter, a digit nor a hyphen.
    #[error("name {0:?} may only contain ASCII letters, digits and hyphens")]
    Characters(String),
    /// A hyphen at either end.
    #[error("name {0:?} must not begin or end with a hyphen")]
    Hyphen(String),
    /// Two hyphens in a row in the name of a target group or a trust store.
    #[error("name {0:?} must not contain two hyphens in a row")]
    DoubleHyphen(String),
    /// A load balancer's name that begins with `internal-`.
    #[error("load balancer name {0:?} must not begin with `internal-`")]
    Internal(String),
}

fn check(name: &str) -> Result<(), NameRefusal> {
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(NameRefusal::Characters(name.to_owned()));
    }
    if !NAME_CHARS.contains(&name.len()) {
        return Err(NameRefusal::Length(name.to_owned()));
    }
    if name.starts_with('-') || name.ends_with('-') {
        return Err(NameRefusal::Hyphen(name.to_owned()));
    }
    Ok(())
}

/// A load balancer's name, unique per account and region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoadBalancerName(Arc<str>);

impl TryFrom<&str> for LoadBalancerName {
    type Error = NameRefusal;

    fn try_from(name: &str) -> Result<Self, NameRefusal> {
        check(name)?;
        if name.starts_with("internal-") {
            return Err(NameRefusal::Internal(name.to_owned()));
        }
        Ok(Self(name.into()))
    }
}

/// A target group's name, unique per account and region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetGroupName(Arc<str>);

impl TryFrom<&str> for TargetGroupName {
    type Error = NameRefusal;

    fn try_from(name: &str) -> Result<Self, NameRefusal> {
        check(name)?;
        if name.contains("--") {
            return Err(NameRefusal::DoubleHyphen(name.to_owned()));
        }
        Ok(Self(name.into()))
    }
}

macro_rules! text {
    ($($name:ident),*) => {$(
        impl $name {
            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )*};
}
text!(LoadBalancerName, TargetGroupName);

#[cfg(test)]
mod tests {
    use super::*;

    // ALB-R-006: a load balancer's name does not begin with `internal-`
    #[test]
    fn internal_prefix_is_refused() {
        assert_eq!(
            LoadBalancerName::try_from("internal-x"),
            Err(NameRefusal::Internal("internal-x".into()))
        );
        assert!(TargetGroupName::try_from("internal-x").is_ok());
    }

    // ALB-R-007: 32 characters are the most
    #[test]
    fn length_is_bounded() {
        let longest = "a".repeat(32);
        let longer = "a".repeat(33);
        assert!(LoadBalancerName::try_from(longest.as_str()).is_ok());
        assert!(TargetGroupName::try_from(longest.as_str()).is_ok());
        assert_eq!(
            LoadBalancerName::try_from(longer.as_str()),
            Err(NameRefusal::Length(longer.clone()))
        );
        assert_eq!(
            TargetGroupName::try_from(longer.as_str()),
            Err(NameRefusal::Length(longer.clone()))
        );
        assert!(LoadBalancerName::try_from("").is_err());
    }

    // ALB-R-008: hyphens neither lead nor trail, and are not doubled in a target group's name
    #[test]
    fn hyphens_stand_inside() {
        for bad in ["-a", "a-"] {
            assert_eq!(LoadBalancerName::try_from(bad), Err(NameRefusal::Hyphen(bad.into())));
            assert_eq!(TargetGroupName::try_from(bad), Err(NameRefusal::Hyphen(bad.into())));
        }
        assert!(LoadBalancerName::try_from("a--b").is_ok());
        assert_eq!(
            TargetGroupName::try_from("a--b"),
            Err(NameRefusal::DoubleHyphen("a--b".into()))
        );
        assert!(LoadBalancerName::try_from("a_b").is_err());
    }
}
