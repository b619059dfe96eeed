//! Amazon Resource Names, one type each, so that a listener's ARN cannot be passed where a rule's is wanted.
//!
//! Source: ALB 1.1, Lambda 1.1.

mod parse;

pub use parse::InvalidArn;

use crate::ids::{AccountId, Region, ResourceId, Scope};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

macro_rules! arn {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The whole ARN.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

arn!(
    /// `arn:{partition}:elasticloadbalancing:{region}:{account}:loadbalancer/app/{name}/{id}`.
    LoadBalancerArn
);
arn!(
    /// The load balancer's ARN with `listener` for `loadbalancer`, plus one id.
    ListenerArn
);
arn!(
    /// The listener's ARN with `listener-rule` for `listener`, plus one id.
    RuleArn
);
arn!(
    /// `arn:{partition}:elasticloadbalancing:{region}:{account}:targetgroup/{name}/{id}`.
    TargetGroupArn
);
arn!(
    /// `arn:{partition}:acm:{region}:{account}:certificate/{uuid}`.
    CertificateArn
);
arn!(
    /// `arn:{partition}:elasticloadbalancing:{region}:{account}:truststore/{name}/{id}`.
    TrustStoreArn
);
arn!(
    /// `arn:{partition}:lambda:{region}:{account}:function:{name}`, and, where a version or an alias is meant, `:{qualifier}`.
    FunctionArn
);

/// Whether two ARNs stand in the same account and region.
pub(crate) fn same_scope(one: &str, other: &str) -> bool {
    fn scope(arn: &str) -> impl Iterator<Item = &str> {
        arn.splitn(6, ':').skip(1).take(4)
    }
    scope(one).eq(scope(other))
}

fn scope_of(arn: &str) -> Option<Scope> {
    let mut parts = arn.split(':').skip(3);
    Some(Scope {
        region: Region::try_from(parts.next()?).ok()?,
        account: AccountId::try_from(parts.next()?).ok()?,
    })
}

fn elb(scope: &Scope, resource: fmt::Arguments<'_>) -> Arc<str> {
    format!(
        "arn:{}:elasticloadbalancing:{}:{}:{resource}",
        scope.partition(),
        scope.region,
        scope.account
    )
    .into()
}

impl LoadBalancerArn {
    /// The ARN of the load balancer `name`.
    pub fn new(scope: &Scope, name: &str, id: ResourceId) -> Self {
        Self(elb(scope, format_args!("loadbalancer/app/{name}/{id}")))
    }

    /// Its account and region.
    pub fn scope(&self) -> Option<Scope> {
        scope_of(&self.0)
    }

    /// The load balancer's name.
    pub fn name(&self) -> &str {
        self.resource_id().split('/').nth(1).unwrap_or_default()
    }

    /// `app/{name}/{id}`: what the access log and the metrics call this load balancer.
    pub fn resource_id(&self) -> &str {
        after(&self.0, ":loadbalancer/")
    }
}

impl ListenerArn {
    /// The ARN of a listener of `load_balancer`.
    pub fn new(load_balancer: &LoadBalancerArn, id: ResourceId) -> Self {
        Self(format!("{}/{id}", load_balancer.0.replacen(":loadbalancer/", ":listener/", 1)).into())
    }

    /// The load balancer it belongs to.
    pub fn load_balancer(&self) -> Option<LoadBalancerArn> {
        let (load_balancer, _) = self.0.rsplit_once('/')?;
        Some(LoadBalancerArn(
            load_balancer.replacen(":listener/", ":loadbalancer/", 1).into(),
        ))
    }
}

impl RuleArn {
    /// The ARN of a rule of `listener`.
    pub fn new(listener: &ListenerArn, id: ResourceId) -> Self {
        Self(format!("{}{id}", Self::prefix(listener)).into())
    }

    /// The listener it belongs to.
    pub fn listener(&self) -> Option<ListenerArn> {
        let (listener, _) = self.0.rsplit_once('/')?;
        Some(ListenerArn(
            listener.replacen(":listener-rule/", ":listener/", 1).into(),
        ))
    }

    /// What the ARNs of all rules of `listener` begin with.
    pub(crate) fn prefix(listener: &ListenerArn) -> String {
        format!("{}/", listener.0.replacen(":listener/", ":listener-rule/", 1))
    }
}

impl TargetGroupArn {
    /// The ARN of the target group `name`.
    pub fn new(scope: &Scope, name: &str, id: ResourceId) -> Self {
        Self(elb(scope, format_args!("targetgroup/{name}/{id}")))
    }

    /// Its account and region.
    pub fn scope(&self) -> Option<Scope> {
        scope_of(&self.0)
    }

    /// `targetgroup/{name}/{id}`: the value of the metrics' `TargetGroup` dimension.
    pub fn resource_id(&self) -> &str {
        self.0.find("targetgroup/").map_or("", |at| &self.0[at..])
    }
}

impl TrustStoreArn {
    /// The ARN of the trust store `name`.
    pub fn new(scope: &Scope, name: &str, id: ResourceId) -> Self {
        Self(elb(scope, format_args!("truststore/{name}/{id}")))
    }
}

impl CertificateArn {
    /// The ARN of the certificate with this UUID.
    pub fn new(scope: &Scope, uuid: u128) -> Self {
        let hex = format!("{uuid:032x}");
        let uuid = format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        );
        Self(
            format!(
                "arn:{}:acm:{}:{}:certificate/{uuid}",
                scope.partition(),
                scope.region,
                scope.account
            )
            .into(),
        )
    }
}

impl FunctionArn {
    /// The unqualified ARN of the function `name`.
    pub fn new(scope: &Scope, name: &str) -> Self {
        Self(
            format!(
                "arn:{}:lambda:{}:{}:function:{name}",
                scope.partition(),
                scope.region,
                scope.account
            )
            .into(),
        )
    }

    /// The function's name.
    pub fn name(&self) -> &str {
        let rest = after(&self.0, ":function:");
        rest.split_once(':').map_or(rest, |(name, _)| name)
    }

    /// The version's number or the alias' name; `None` for the function itself.
    pub fn qualifier(&self) -> Option<&str> {
        after(&self.0, ":function:")
            .split_once(':')
            .map(|(_, qualifier)| qualifier)
    }

    /// Its account and region.
    pub fn scope(&self) -> Option<Scope> {
        scope_of(&self.0)
    }

    /// The function that this is a version or an alias of.
    #[must_use]
    pub fn unqualified(&self) -> Self {
        match self.qualifier() {
            None => self.clone(),
            Some(qualifier) => Self(self.0[..self.0.len() - qualifier.len() - 1].into()),
        }
    }

    /// The ARN of one of its versions or aliases. `qualifier` is one: 1 to 128 letters, digits, hyphens and underscores.
    #[must_use]
    pub fn qualified(&self, qualifier: impl fmt::Display) -> Self {
        Self(format!("{}:{qualifier}", self.unqualified().0).into())
    }
}

fn after<'a>(text: &'a str, mark: &str) -> &'a str {
    text.split_once(mark).map_or("", |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AccountId, Region};

    fn scope() -> Scope {
        Scope {
            region: Region::try_from("eu-west-1").unwrap(),
            account: AccountId::try_from("111122223333").unwrap(),
        }
    }

    // ALB-R-001, ALB-R-002, ALB-R-003: load balancer, listener and rule ARNs share their tail
    #[test]
    fn elb_arns_follow_each_other() {
        let load_balancer = LoadBalancerArn::new(&scope(), "shop", ResourceId(0x0123_4567_89ab_cdef));
        assert_eq!(
            load_balancer.as_str(),
            "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/shop/0123456789abcdef"
        );
        assert_eq!(load_balancer.resource_id(), "app/shop/0123456789abcdef");
        assert_eq!(load_balancer.name(), "shop");
        let listener = ListenerArn::new(&load_balancer, ResourceId(1));
        assert_eq!(
            listener.as_str(),
            "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/app/shop/0123456789abcdef/0000000000000001"
        );
        assert_eq!(listener.load_balancer(), Some(load_balancer));
        assert_eq!(
            RuleArn::new(&listener, ResourceId(2)).as_str(),
            "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/shop/0123456789abcdef/0000000000000001/0000000000000002"
        );
    }

    // ALB-R-004: the target group's ARN
    #[test]
    fn target_group_arn() {
        let arn = TargetGroupArn::new(&scope(), "orders", ResourceId(0xff));
        assert_eq!(
            arn.as_str(),
            "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/orders/00000000000000ff"
        );
        assert_eq!(arn.resource_id(), "targetgroup/orders/00000000000000ff");
    }

    #[test]
    fn function_and_certificate_arns() {
        let function = FunctionArn::new(&scope(), "orders");
        assert_eq!(
            function.as_str(),
            "arn:aws:lambda:eu-west-1:111122223333:function:orders"
        );
        assert_eq!((function.name(), function.qualifier()), ("orders", None));
        let version = function.qualified(3);
        assert_eq!(
            version.as_str(),
            "arn:aws:lambda:eu-west-1:111122223333:function:orders:3"
        );
        assert_eq!((version.name(), version.qualifier()), ("orders", Some("3")));
        assert_eq!(
            (version.unqualified(), version.qualified("live").qualifier()),
            (function, Some("live"))
        );
        assert_eq!(
            CertificateArn::new(&scope(), 0x0000_0001_0002_0003_0004_0000_0000_0005).as_str(),
            "arn:aws:acm:eu-west-1:111122223333:certificate/00000001-0002-0003-0004-000000000005"
        );
    }
}
