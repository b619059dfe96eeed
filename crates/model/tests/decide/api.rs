//! What only the AWS API asks for: tags, subnets, and leaving the manifest's resources alone.

use crate::support::*;
use model::command::function_policy::{AddPermission, RemovePermission};
use model::command::load_balancer::CreateLoadBalancer;
use model::ec2::default::DefaultVpc;
use model::ec2::ids::SubnetId;
use model::elb::load_balancer::{LoadBalancerAttributes, Scheme};
use model::elb::name::LoadBalancerName;
use model::lambda::policy::{Action, Principal, Statement, StatementId};
use model::refusal::{FunctionRefusal, LoadBalancerRefusal, RuleRefusal, TagsRefusal};
use model::tag::TagRefusal;
use model::{
    Command, Context, ListenerArn, LoadBalancerArn, Owner, Refusal, Region, ResourceId, RuleArn, Scope, State,
    TaggedArn, Tags, decide,
};

fn tags(pairs: &[(&str, &str)]) -> Tags {
    Tags::new(pairs.iter().copied()).unwrap()
}

fn add(resource: &TaggedArn, pairs: &[(&str, &str)]) -> Command {
    Command::AddTags {
        resources: vec![resource.clone()],
        tags: tags(pairs),
    }
}

// ALB-P-022: an existing key gets the new value
#[test]
fn tags_are_added_replaced_and_removed() {
    let mut state = shop();
    let resource = TaggedArn::LoadBalancer(load_balancer("shop"));
    apply(&mut state, &add(&resource, &[("stage", "dev"), ("team", "a")])).unwrap();
    apply(&mut state, &add(&resource, &[("team", "b")])).unwrap();
    assert_eq!(*state.tags(&resource), tags(&[("stage", "dev"), ("team", "b")]));
    let remove = Command::RemoveTags {
        resources: vec![resource.clone()],
        keys: vec!["stage".to_owned(), "nobody".to_owned()],
    };
    apply(&mut state, &remove).unwrap();
    assert_eq!(*state.tags(&resource), tags(&[("team", "b")]));
    let many: Vec<_> = (0..50).map(|number| format!("k{number}")).collect();
    let many: Vec<_> = many.iter().map(|key| (key.as_str(), "")).collect();
    refused(&state, &add(&resource, &many), TagsRefusal(TagRefusal::TooMany));
}

#[test]
fn tags_go_with_what_they_are_on() {
    let mut state = shop();
    let listener_arn = listener("shop", 80);
    let default_rule = state.listener(&listener_arn).unwrap().default_rule.clone();
    apply(&mut state, &create_rule("shop", 80, 9, 9, fixed())).unwrap();
    let resources = [
        TaggedArn::Rule(rule("shop", 80, 9)),
        TaggedArn::Rule(default_rule),
        TaggedArn::Listener(listener_arn),
        TaggedArn::LoadBalancer(load_balancer("shop")),
    ];
    for resource in &resources {
        apply(&mut state, &add(resource, &[("a", "b")])).unwrap();
    }
    assert_eq!(state.all_tags().count(), 4);
    apply(&mut state, &Command::DeleteLoadBalancer(load_balancer("shop"))).unwrap();
    assert_eq!(state.all_tags().count(), 0);
    let gone = RuleArn::new(&ListenerArn::new(&load_balancer("shop"), ResourceId(1)), ResourceId(2));
    refused(
        &state,
        &add(&TaggedArn::Rule(gone.clone()), &[("a", "b")]),
        RuleRefusal::NoSuchRule(gone),
    );
}

// ALB-R-010: one subnet, or two of one zone, are refused
#[test]
fn subnets_lie_in_two_zones_or_more() {
    let mut state = shop();
    let vpc = DefaultVpc::of(&scope());
    let [a, b, c] = [0, 1, 2].map(|at: usize| vpc.subnets[at].id.clone());
    let set = |subnets: &[&SubnetId]| {
        Command::SetSubnets(load_balancer("shop"), subnets.iter().map(|it| (*it).clone()).collect())
    };
    refused(&state, &set(&[]), LoadBalancerRefusal::TooFewZones);
    refused(&state, &set(&[&a]), LoadBalancerRefusal::TooFewZones);
    refused(&state, &set(&[&a, &b, &a]), LoadBalancerRefusal::ZoneTwice);
    let unknown = SubnetId::try_from("subnet-0123abcd").unwrap();
    refused(
        &state,
        &set(&[&a, &unknown]),
        LoadBalancerRefusal::NoSuchSubnet(unknown.clone()),
    );
    apply(&mut state, &set(&[&c, &a])).unwrap();
    assert_eq!(state.load_balancer(&load_balancer("shop")).unwrap().subnets, [c, a]);
}

#[test]
fn what_the_manifest_owns_is_left_alone() {
    let mut state = shop();
    apply(&mut state, &create_rule("shop", 80, 9, 9, fixed())).unwrap();
    let api = Context {
        protects: Some(Owner::Manifest),
        ..Context::default()
    };
    let default_rule = state.listener(&listener("shop", 80)).unwrap().default_rule.clone();
    for (command, resource) in [
        (
            Command::DeleteLoadBalancer(load_balancer("shop")),
            load_balancer("shop").to_string(),
        ),
        (
            create_listener("shop", 81, model::elb::listener::ListenerProtocol::Http, fixed()),
            load_balancer("shop").to_string(),
        ),
        (
            Command::DeleteListener(listener("shop", 80)),
            listener("shop", 80).to_string(),
        ),
        (
            create_rule("shop", 80, 10, 10, fixed()),
            listener("shop", 80).to_string(),
        ),
        (
            Command::SetRulePriorities(vec![(rule("shop", 80, 9), priority(3))]),
            rule("shop", 80, 9).to_string(),
        ),
        (Command::DeleteTargetGroup(group("orders")), group("orders").to_string()),
        (
            add(&TaggedArn::Rule(default_rule.clone()), &[("a", "b")]),
            default_rule.to_string(),
        ),
    ] {
        let owner = Owner::Manifest;
        let expected = Refusal::Owned { resource, owner };
        assert_eq!(decide(&state, &command, &api).unwrap_err(), expected);
        assert!(decide(&state, &command, &Context::default()).is_ok(), "{command:?}");
    }
}

#[test]
fn a_name_is_taken_in_its_region_only() {
    let mut state = State::default();
    let create = |region: &str| {
        let scope = Scope {
            region: Region::try_from(region).unwrap(),
            ..scope()
        };
        Command::CreateLoadBalancer(CreateLoadBalancer {
            arn: LoadBalancerArn::new(&scope, "shop", ResourceId(u64::try_from(region.len()).unwrap())),
            name: LoadBalancerName::try_from("shop").unwrap(),
            scheme: Scheme::InternetFacing,
            dns_name: "shop.localhost".to_owned(),
            attributes: LoadBalancerAttributes::default(),
            owner: Owner::Api,
        })
    };
    apply(&mut state, &create("eu-west-1")).unwrap();
    refused(
        &state,
        &create("eu-west-1"),
        LoadBalancerRefusal::NameTaken("shop".to_owned()),
    );
    apply(&mut state, &create("eu-central-1")).unwrap();
}

// LAM-P-005: a statement's id stands once
#[test]
fn policies_have_statements() {
    let mut state = shop();
    apply(&mut state, &create_function("alone")).unwrap();
    let arn = function("alone");
    let add = |id: &str, revision: u128| {
        Command::AddPermission(AddPermission {
            function: arn.clone(),
            statement: Statement {
                id: StatementId::try_from(id).unwrap(),
                principal: Principal::Everyone,
                action: Action::try_from("*").unwrap(),
                source_arn: None,
                source_account: None,
                url_auth: None,
                by_url: None,
                event_source_token: None,
                organization: None,
            },
            revision,
        })
    };
    let remove = |id: &str| {
        Command::RemovePermission(RemovePermission {
            function: arn.clone(),
            statement: StatementId::try_from(id).unwrap(),
            revision: 9,
        })
    };
    let id = |text: &str| StatementId::try_from(text).unwrap();
    refused(&state, &remove("a"), FunctionRefusal::NoPolicy(arn.clone()));
    apply(&mut state, &add("a", 1)).unwrap();
    refused(&state, &add("a", 2), FunctionRefusal::StatementTaken(id("a")));
    apply(&mut state, &add("b", 2)).unwrap();
    refused(&state, &remove("c"), FunctionRefusal::NoSuchStatement(id("c")));
    apply(&mut state, &remove("a")).unwrap();
    let policy = state.function_policy(&arn).unwrap();
    assert_eq!((policy.revision, policy.statements.len()), (9, 1));
    apply(&mut state, &remove("b")).unwrap();
    assert_eq!(state.function_policy(&arn), None);
    apply(&mut state, &add("a", 3)).unwrap();
    apply(&mut state, &Command::DeleteFunction(arn.clone())).unwrap();
    assert_eq!(state.function_policies().count(), 0);
}
