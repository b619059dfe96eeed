//! Ids of what the manifest owns: a hash of account, region, kind and name, so that ARNs and DNS names are the same
//! after a restart and on every machine.

use model::arn::{CertificateArn, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn, TrustStoreArn};
use model::elb::rule::RulePriority;
use model::lambda::url::UrlId;
use model::{ResourceId, Scope};
use sha2::{Digest, Sha256};

/// Makes the ARNs of one account and region.
#[derive(Clone, Copy)]
pub(crate) struct Ids<'a> {
    pub(crate) scope: &'a Scope,
}

impl Ids<'_> {
    pub(crate) fn load_balancer_id(&self, name: &str) -> ResourceId {
        self.id("load-balancer", name)
    }

    pub(crate) fn load_balancer(&self, name: &str) -> LoadBalancerArn {
        LoadBalancerArn::new(self.scope, name, self.load_balancer_id(name))
    }

    pub(crate) fn listener(&self, load_balancer: &LoadBalancerArn, port: u16) -> ListenerArn {
        let id = self.id("listener", &format!("{load_balancer} {port}"));
        ListenerArn::new(load_balancer, id)
    }

    pub(crate) fn default_rule(&self, listener: &ListenerArn) -> RuleArn {
        RuleArn::new(listener, self.id("rule", &format!("{listener} default")))
    }

    pub(crate) fn rule(&self, listener: &ListenerArn, priority: RulePriority) -> RuleArn {
        RuleArn::new(listener, self.id("rule", &format!("{listener} {priority}")))
    }

    pub(crate) fn target_group(&self, name: &str) -> TargetGroupArn {
        TargetGroupArn::new(self.scope, name, self.id("target-group", name))
    }

    pub(crate) fn trust_store(&self, name: &str) -> TrustStoreArn {
        TrustStoreArn::new(self.scope, name, self.id("trust-store", name))
    }

    /// `source` says where the certificate comes from: its names, or its files as the manifest writes them.
    pub(crate) fn certificate(&self, source: &str) -> CertificateArn {
        let digest = self.digest("certificate", source);
        CertificateArn::new(
            self.scope,
            first(&digest).fold(0, |uuid, byte| uuid << 8 | u128::from(byte)),
        )
    }

    pub(crate) fn function_url(&self, function: &str) -> UrlId {
        let digest = self.digest("function-url", function);
        UrlId::new(std::array::from_fn(|at| digest[at]))
    }

    fn id(&self, kind: &str, name: &str) -> ResourceId {
        let digest = self.digest(kind, name);
        ResourceId(first(&digest).take(8).fold(0, |id, byte| id << 8 | u64::from(byte)))
    }

    fn digest(&self, kind: &str, name: &str) -> [u8; 32] {
        // The NUL keeps the parts apart: none of the first three can hold one.
        let text = format!("{}\0{}\0{kind}\0{name}", self.scope.account, self.scope.region);
        Sha256::digest(text.as_bytes()).into()
    }
}

fn first(digest: &[u8; 32]) -> impl Iterator<Item = u8> + use<'_> {
    digest.iter().copied().take(16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AccountId, Region};

    #[test]
    fn ids_depend_on_what_they_name_and_on_nothing_else() {
        let scope = |region| Scope {
            region: Region::try_from(region).unwrap(),
            account: AccountId::try_from("000000000000").unwrap(),
        };
        let (here, there) = (scope("us-east-1"), scope("us-east-2"));
        let (here, there) = (Ids { scope: &here }, Ids { scope: &there });
        // Written down: these ARNs are in people's scripts, so they must never change.
        let shop = here.load_balancer("shop");
        assert_eq!(
            shop.as_str(),
            "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/shop/80e569d823eb6fc7"
        );
        let listener = here.listener(&shop, 8080);
        let priority = RulePriority::try_from(1_i64).unwrap();
        assert_ne!(here.rule(&listener, priority), here.default_rule(&listener));
        assert_ne!(here.listener(&shop, 8081), listener);
        assert_ne!(there.load_balancer_id("shop"), here.load_balancer_id("shop"));
        assert_ne!(
            here.target_group("shop").resource_id().rsplit('/').next(),
            shop.resource_id().rsplit('/').next()
        );
        assert_ne!(here.certificate("a"), here.certificate("b"));
    }
}
