//! ARNs as text, read strictly: what was not made by `new` is no ARN.

use super::{CertificateArn, FunctionArn, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn, TrustStoreArn};
use crate::elb::name::{LoadBalancerName, TargetGroupName};
use crate::ids::{AccountId, Region, Scope};
use crate::lambda::function::FunctionName;

/// The text is not the ARN that is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not the ARN of a {kind}")]
pub struct InvalidArn {
    /// What is expected.
    pub kind: &'static str,
    /// As given, its beginning.
    pub text: String,
}

macro_rules! parse {
    ($($arn:ident, $kind:literal, $service:literal, $is_resource:ident;)*) => {$(
        impl TryFrom<&str> for $arn {
            type Error = InvalidArn;

            fn try_from(text: &str) -> Result<Self, InvalidArn> {
                match resource(text, $service).is_some_and($is_resource) {
                    true => Ok(Self(text.into())),
                    false => Err(InvalidArn {
                        kind: $kind,
                        text: text.chars().take(CHARS_SHOWN).collect(),
                    }),
                }
            }
        }
    )*};
}

parse! {
    LoadBalancerArn, "load balancer", "elasticloadbalancing", is_load_balancer;
    ListenerArn, "listener", "elasticloadbalancing", is_listener;
    RuleArn, "rule", "elasticloadbalancing", is_rule;
    TargetGroupArn, "target group", "elasticloadbalancing", is_target_group;
    TrustStoreArn, "trust store", "elasticloadbalancing", is_trust_store;
    CertificateArn, "certificate", "acm", is_certificate;
    FunctionArn, "function", "lambda", is_function;
}

/// A longer text says nothing more.
const CHARS_SHOWN: usize = 300;

/// What stands after the account, when everything before it fits together.
fn resource<'a>(text: &'a str, service: &str) -> Option<&'a str> {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next();
    let (arn, partition, its_service) = (next()?, next()?, next()?);
    let (region, account, resource) = (next()?, next()?, next()?);
    let scope = Scope {
        region: Region::try_from(region).ok()?,
        account: AccountId::try_from(account).ok()?,
    };
    (arn == "arn" && partition == scope.partition() && its_service == service).then_some(resource)
}

fn is_load_balancer(resource: &str) -> bool {
    is_below_load_balancer(resource, "loadbalancer/app/", 1)
}

fn is_listener(resource: &str) -> bool {
    is_below_load_balancer(resource, "listener/app/", 2)
}

fn is_rule(resource: &str) -> bool {
    is_below_load_balancer(resource, "listener-rule/app/", 3)
}

/// The name of a load balancer and so many ids.
fn is_below_load_balancer(resource: &str, prefix: &str, ids: usize) -> bool {
    let is_name = |name: &str| LoadBalancerName::try_from(name).is_ok();
    is_named(resource, prefix, is_name, ids)
}

fn is_target_group(resource: &str) -> bool {
    is_named(resource, "targetgroup/", is_target_group_name, 1)
}

fn is_trust_store(resource: &str) -> bool {
    is_named(resource, "truststore/", is_target_group_name, 1)
}

fn is_target_group_name(name: &str) -> bool {
    TargetGroupName::try_from(name).is_ok()
}

fn is_named(resource: &str, prefix: &str, is_name: impl Fn(&str) -> bool, ids: usize) -> bool {
    let Some(rest) = resource.strip_prefix(prefix) else {
        return false;
    };
    let mut parts = rest.split('/');
    let named = parts.next().is_some_and(is_name);
    let found = parts.try_fold(0, |count, id| is_hex(id, 16).then_some(count + 1));
    named && found == Some(ids)
}

/// `certificate/` and a UUID.
fn is_certificate(resource: &str) -> bool {
    let Some(uuid) = resource.strip_prefix("certificate/") else {
        return false;
    };
    let parts: Vec<&str> = uuid.split('-').collect();
    let lengths = [8, 4, 4, 4, 12];
    parts.len() == lengths.len() && parts.iter().zip(lengths).all(|(part, length)| is_hex(part, length))
}

fn is_function(resource: &str) -> bool {
    let Some(rest) = resource.strip_prefix("function:") else {
        return false;
    };
    let (name, qualifier) = match rest.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (rest, None),
    };
    FunctionName::try_from(name).is_ok() && qualifier.is_none_or(is_qualifier)
}

/// A version's number or an alias' name.
fn is_qualifier(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=128).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ResourceId;

    fn scope(region: &str) -> Scope {
        Scope {
            region: Region::try_from(region).unwrap(),
            account: AccountId::try_from("111122223333").unwrap(),
        }
    }

    #[track_caller]
    fn reads<T>(arn: &T)
    where
        T: for<'a> TryFrom<&'a str, Error = InvalidArn> + std::borrow::Borrow<str> + PartialEq + std::fmt::Debug,
    {
        assert_eq!(T::try_from(arn.borrow()).as_ref(), Ok(arn));
    }

    #[test]
    fn what_was_made_is_read() {
        for region in ["eu-west-1", "cn-north-1", "us-gov-west-1"] {
            let scope = scope(region);
            let load_balancer = LoadBalancerArn::new(&scope, "shop", ResourceId(7));
            let listener = ListenerArn::new(&load_balancer, ResourceId(u64::MAX));
            reads(&load_balancer);
            reads(&listener);
            reads(&RuleArn::new(&listener, ResourceId(9)));
            reads(&TargetGroupArn::new(&scope, "orders", ResourceId(1)));
            reads(&TrustStoreArn::new(&scope, "clients", ResourceId(1)));
            reads(&CertificateArn::new(&scope, u128::MAX / 3));
            reads(&FunctionArn::new(&scope, "orders_v2"));
            reads(&FunctionArn::new(&scope, "orders_v2").qualified("live-1"));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "",
            "arn",
            "arn:aws:elasticloadbalancing:eu-west-1:111122223333",
            "arn:aws-cn:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/shop/0000000000000007",
            "arn:aws:lambda:eu-west-1:111122223333:loadbalancer/app/shop/0000000000000007",
            "arn:aws:elasticloadbalancing:EU:111122223333:loadbalancer/app/shop/0000000000000007",
            "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/shop/0000000000000007",
            "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/net/shop/0000000000000007",
            "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/-/0000000000000007",
            "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/shop/7",
            "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/shop/000000000000000G",
            "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/shop",
            "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/shop/0000000000000007/",
        ] {
            assert!(LoadBalancerArn::try_from(bad).is_err(), "{bad}");
        }
        let listener = ListenerArn::new(
            &LoadBalancerArn::new(&scope("eu-west-1"), "shop", ResourceId(7)),
            ResourceId(1),
        );
        assert_eq!(
            RuleArn::try_from(listener.as_str()).unwrap_err().to_string(),
            format!("{:?} is not the ARN of a rule", listener.as_str())
        );
        for bad in [
            "arn:aws:acm:eu-west-1:111122223333:certificate/00000001-0002-0003-0004",
            "arn:aws:acm:eu-west-1:111122223333:certificate/00000001-0002-0003-0004-00000000000g",
            "arn:aws:acm:eu-west-1:111122223333:certificates/00000001-0002-0003-0004-000000000005",
        ] {
            assert!(CertificateArn::try_from(bad).is_err(), "{bad}");
        }
        for bad in [
            "function:",
            "function:a:",
            "function:a:$LATEST",
            "function:a:1:2",
            "function:a b",
            "layer:a",
        ] {
            let arn = format!("arn:aws:lambda:eu-west-1:111122223333:{bad}");
            assert!(FunctionArn::try_from(arn.as_str()).is_err(), "{bad}");
        }
    }
}
