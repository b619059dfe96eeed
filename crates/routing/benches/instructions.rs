//! How many instructions it takes to find the rule of a request, with hard limits: `make instructions`.
//!
//! A limit stands about 3 % above today's count. Whoever has to raise one says why in the commit. 100 rules may
//! take hardly more than ten: an index leaves out those that cannot match.

#![allow(missing_docs)] // The macros make public items of their own.

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use model::arn::{ListenerArn, LoadBalancerArn, RuleArn};
use model::elb::action::{Actions, Answer, ContentType, FixedResponse};
use model::elb::condition::{Alternatives, Condition, Conditions};
use model::elb::rule::{Rule, RulePriority};
use model::elb::transform::Transforms;
use model::ids::{AccountId, Owner, Region, ResourceId, Scope};
use routing::{RequestHead, RoutingTable};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

/// The request of `bench/`, as rules see it. It has no header that a rule could ask for.
struct Head {
    path: &'static [u8],
}

impl RequestHead for Head {
    fn method(&self) -> &[u8] {
        b"GET"
    }

    fn path(&self) -> &[u8] {
        self.path
    }

    fn query(&self) -> Option<&[u8]> {
        Some(b"page=2&sort=asc")
    }

    fn host(&self) -> Option<&[u8]> {
        Some(b"shop.example.com")
    }

    fn header_values<'a>(&'a self, _lower_name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        std::iter::empty()
    }

    fn source_ip(&self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    }
}

fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(Callgrind::default().hard_limits([(EventKind::Ir, instructions)]));
    config
}

/// The rules of `bench/`: every other one with a host, all with a path; only the last one matches `/orders/`. A table that
/// has served a request before.
fn compiled(rules: u16) -> RoutingTable<()> {
    let listener = listener();
    let rules: Vec<Rule> = (1..=rules)
        .map(|number| {
            let conditions = if number == rules {
                vec![host("*.example.com"), path("/orders/*")]
            } else if number % 2 == 1 {
                vec![
                    host(&format!("*.team{number}.example.com")),
                    path(&format!("/service{number}/*")),
                ]
            } else {
                vec![path(&format!("/service{number}/*"))]
            };
            rule(&listener, number, conditions)
        })
        .collect();
    let default_rule = RuleArn::new(&listener, ResourceId(0));
    let table = RoutingTable::compile(&rules, &default_rule, &actions(), |_| ()).expect("the rules are small");
    black_box(table.plan(&Head { path: b"/orders/1234" }));
    table
}

fn listener() -> ListenerArn {
    let scope = Scope {
        region: Region::try_from("us-east-1").expect("a region"),
        account: AccountId::try_from("000000000000").expect("an account"),
    };
    ListenerArn::new(&LoadBalancerArn::new(&scope, "lb", ResourceId(1)), ResourceId(2))
}

fn host(pattern: &str) -> Condition {
    Condition::HostHeader(Alternatives::Values(vec![pattern.try_into().expect("a host pattern")]))
}

fn path(pattern: &str) -> Condition {
    Condition::PathPattern(Alternatives::Values(vec![pattern.try_into().expect("a path pattern")]))
}

fn rule(listener: &ListenerArn, number: u16, conditions: Vec<Condition>) -> Rule {
    Rule {
        arn: RuleArn::new(listener, ResourceId(number.into())),
        listener: listener.clone(),
        priority: RulePriority::try_from(i64::from(number)).expect("a priority"),
        conditions: Conditions::new(conditions).expect("conditions that go together"),
        transforms: Transforms::default(),
        actions: actions(),
        owner: Owner::Api,
    }
}

fn actions() -> Actions {
    let response = FixedResponse::new(200, ContentType::TextPlain, "").expect("a fixed response");
    Actions::from(Answer::FixedResponse(response))
}

#[library_benchmark]
#[bench::last_of_10(args = (compiled(10), b"/orders/1234"), config = at_most(1_335))]
#[bench::last_of_100(args = (compiled(100), b"/orders/1234"), config = at_most(1_380))]
#[bench::none_of_100(args = (compiled(100), b"/nowhere/1234"), config = at_most(810))]
#[bench::default_alone(args = (compiled(0), b"/orders/1234"), config = at_most(218))]
fn plan(table: RoutingTable<()>, path: &'static [u8]) -> (RoutingTable<()>, u32) {
    let head = Head { path: black_box(path) };
    let evaluated = table.plan(black_box(&head)).evaluated;
    (table, evaluated)
}

library_benchmark_group!(name = table, benchmarks = plan);
main!(library_benchmark_groups = table);
