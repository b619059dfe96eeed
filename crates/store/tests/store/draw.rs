//! Changes drawn from numbers: from a seed for simulations, from `proptest` for laws.
//!
//! Few names, so that changes meet: a resource is put again, taken away, put once more.

#[path = "draw/beside.rs"]
mod beside;
#[path = "draw/ec2.rs"]
mod ec2;
#[path = "draw/elb.rs"]
mod elb;
#[path = "draw/event_invoke.rs"]
mod event_invoke;
#[path = "draw/iam.rs"]
mod iam;
#[path = "draw/lambda.rs"]
mod lambda;
#[path = "draw/lambda_api.rs"]
mod lambda_api;

use model::tag::{TaggedArn, Tags};
use model::{
    AccountId, CertificateArn, Change, FunctionArn, ListenerArn, LoadBalancerArn, Owner, Region, ResourceId, RuleArn,
    Scope, TargetGroupArn, TrustStoreArn,
};
use std::time::Duration;

const NAMES: [&str; 4] = ["shop", "Orders-2", "a", "x9"];

/// Numbers that changes are made from.
pub(crate) struct Draw {
    numbers: Numbers,
}

enum Numbers {
    Seeded(u64),
    /// Zeros when they are used up: the simplest of everything.
    Listed(std::vec::IntoIter<u32>),
}

impl Draw {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self {
            numbers: Numbers::Seeded(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
        }
    }

    pub(crate) fn listed(numbers: Vec<u32>) -> Self {
        Self {
            numbers: Numbers::Listed(numbers.into_iter()),
        }
    }

    fn number(&mut self) -> u64 {
        match &mut self.numbers {
            // xorshift64*
            Numbers::Seeded(state) => {
                *state ^= *state >> 12;
                *state ^= *state << 25;
                *state ^= *state >> 27;
                state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
            }
            Numbers::Listed(numbers) => numbers.next().unwrap_or(0).into(),
        }
    }

    /// One of `0..count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.number() % count as u64) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) + percent >= 100
    }

    pub(crate) fn pick<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance(50).then(|| make(self))
    }

    fn some<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }

    /// A text that JSON has to escape here and there.
    fn text(&mut self) -> String {
        let parts = [
            "",
            "a",
            "Zürich",
            "\"",
            "\\",
            "\n\r\t",
            "\u{0}\u{1f}",
            "🐟",
            "</x>",
            "${y}",
            " ",
            "\u{2028}",
        ];
        (0..self.below(5)).map(|_| self.pick(&parts)).collect()
    }

    fn seconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_secs(from + self.number() % (to - from + 1))
    }

    fn scope(&mut self) -> Scope {
        Scope {
            region: Region::try_from(self.pick(&["us-east-1", "cn-north-1"])).unwrap(),
            account: AccountId::try_from("000000000000").unwrap(),
        }
    }

    fn id(&mut self) -> ResourceId {
        ResourceId(self.pick(&[0, 1, u64::MAX]))
    }

    fn owner(&mut self) -> Owner {
        self.pick(&[Owner::Manifest, Owner::Api])
    }

    fn load_balancer_arn(&mut self) -> LoadBalancerArn {
        let (scope, name) = (self.scope(), self.pick(&NAMES));
        LoadBalancerArn::new(&scope, name, self.id())
    }

    fn listener_arn(&mut self) -> ListenerArn {
        let load_balancer = self.load_balancer_arn();
        ListenerArn::new(&load_balancer, self.id())
    }

    fn rule_arn(&mut self) -> RuleArn {
        let listener = self.listener_arn();
        RuleArn::new(&listener, self.id())
    }

    fn target_group_arn(&mut self) -> TargetGroupArn {
        let (scope, name) = (self.scope(), self.pick(&NAMES));
        TargetGroupArn::new(&scope, name, self.id())
    }

    fn certificate_arn(&mut self) -> CertificateArn {
        let (scope, uuid) = (self.scope(), self.pick(&[0, 7, u128::MAX]));
        CertificateArn::new(&scope, uuid)
    }

    fn trust_store_arn(&mut self) -> TrustStoreArn {
        let (scope, name) = (self.scope(), self.pick(&NAMES));
        TrustStoreArn::new(&scope, name, self.id())
    }

    fn function_arn(&mut self) -> FunctionArn {
        let (scope, name) = (self.scope(), self.pick(&NAMES));
        FunctionArn::new(&scope, name)
    }

    /// Something to do, of any kind.
    pub(crate) fn change(&mut self) -> Change {
        match self.below(28) {
            0 => Change::PutLoadBalancer(self.load_balancer().into()),
            1 => Change::DeleteLoadBalancer(self.load_balancer_arn()),
            2 => Change::PutListener(self.listener().into()),
            3 => Change::DeleteListener(self.listener_arn()),
            4 | 5 => Change::PutRule(self.rule().into()),
            6 => Change::DeleteRule(self.rule_arn()),
            7 => Change::PutTargetGroup(self.target_group().into()),
            8 => Change::DeleteTargetGroup(self.target_group_arn()),
            9 => Change::PutCertificate(self.certificate().into()),
            10 => Change::DeleteCertificate(self.certificate_arn()),
            11 => Change::PutTrustStore(self.trust_store().into()),
            12 => Change::DeleteTrustStore(self.trust_store_arn()),
            13 => Change::PutFunction(self.function().into()),
            14 => Change::DeleteFunction(self.function_arn()),
            15 => match self.chance(70) {
                true => Change::PutFunctionUrl(self.function_url().into()),
                false => Change::DeleteFunctionUrl(self.function_arn()),
            },
            16 => match self.chance(70) {
                true => Change::PutFunctionPolicy(self.function_policy().into()),
                false => Change::DeleteFunctionPolicy(self.function_arn()),
            },
            17 => self.acm(),
            18 | 19 => self.logs(),
            26 | 27 => Change::Iam(self.iam()),
            20 | 21 => Change::Ec2(self.ec2()),
            22 | 23 => Change::Lambda(self.lambda()),
            25 => Change::EventInvoke(self.event_invoke()),
            _ => {
                let (resource, tags) = (self.tagged(), self.tags());
                Change::SetTags(resource, tags.into())
            }
        }
    }

    fn tagged(&mut self) -> TaggedArn {
        match self.below(7) {
            0 => TaggedArn::LoadBalancer(self.load_balancer_arn()),
            1 => TaggedArn::Listener(self.listener_arn()),
            2 => TaggedArn::Rule(self.rule_arn()),
            3 => TaggedArn::TargetGroup(self.target_group_arn()),
            4 => TaggedArn::TrustStore(self.trust_store_arn()),
            5 => TaggedArn::Certificate(self.certificate_arn()),
            _ => TaggedArn::Function(self.function_arn()),
        }
    }

    fn tags(&mut self) -> Tags {
        let values = ["", "Größe 9", "a=b"];
        let pairs = [("team", self.pick(&values)), ("stage", self.pick(&values))];
        let count = self.below(3);
        Tags::new(pairs.into_iter().take(count)).unwrap()
    }
}
