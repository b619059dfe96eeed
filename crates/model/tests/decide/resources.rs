//! Load balancers, listeners, rules, certificates and target groups with functions.

use crate::support::*;
use model::command::listener::{CreateListener, ModifyListener};
use model::elb::action::Actions;
use model::elb::health_check::HealthCheck;
use model::elb::listener::{ListenerAttributes, ListenerProtocol};
use model::elb::load_balancer::LoadBalancerAttributes;
use model::elb::target_group::TargetKind;
use model::refusal::{
    ActionRefusal, CertificateRefusal, ListenerRefusal, LoadBalancerRefusal, RuleRefusal, TargetGroupRefusal,
};
use model::{Command, ListenerArn, Owner, Refusal, ResourceId, RuleArn, State};

#[test]
fn a_health_check_changes_nothing_else() {
    let mut state = shop();
    let health_check = HealthCheck {
        enabled: true,
        ..HealthCheck::of_lambda()
    };
    let set = |name: &str| Command::SetHealthCheck {
        target_group: group(name),
        health_check: health_check.clone(),
    };
    let before = state.target_group(&group("orders")).unwrap().clone();
    apply(&mut state, &set("orders")).unwrap();
    let after = state.target_group(&group("orders")).unwrap();
    let (TargetKind::Lambda(before), TargetKind::Lambda(after)) = (&before.targets, &after.targets) else {
        panic!("both are groups with functions");
    };
    assert_eq!(after.health_check, health_check);
    assert_eq!(
        (&after.function, after.multi_value_headers),
        (&before.function, before.multi_value_headers)
    );
    assert!(matches!(
        apply(&mut state, &set("nobody")),
        Err(Refusal::TargetGroup(TargetGroupRefusal::NoSuchTargetGroup(_)))
    ));
}

// ALB-A-012: a redirect from HTTPS to HTTP is rejected
#[test]
fn https_does_not_redirect_to_http() {
    let mut state = shop();
    refused(
        &state,
        &create_rule("shop", 443, 1, 1, to_protocol("HTTP")),
        ActionRefusal::RedirectToHttp,
    );
    let modify = |protocol: Option<ListenerProtocol>, default_actions: Option<Actions>, port: u16| {
        let arn = listener("shop", port);
        Command::ModifyListener(ModifyListener {
            arn,
            port: None,
            protocol,
            default_actions,
            attributes: None,
        })
    };
    refused(
        &state,
        &modify(None, Some(to_protocol("HTTP")), 443),
        ActionRefusal::RedirectToHttp,
    );
    apply(&mut state, &create_rule("shop", 80, 1, 1, to_protocol("HTTP"))).unwrap();
    apply(&mut state, &create_rule("shop", 443, 1, 1, to_protocol("HTTPS"))).unwrap();
    // A listener that turns to HTTPS must not take such a rule with it.
    refused(&state, &modify(Some(https()), None, 80), ActionRefusal::RedirectToHttp);
}

// ALB-R-018: deleting an unknown load balancer succeeds
// ALB-R-019: its target groups stay
#[test]
fn a_load_balancer_goes_with_its_listeners_and_rules_only() {
    let mut state = shop();
    apply(&mut state, &create_rule("shop", 80, 1, 1, to_group("orders"))).unwrap();
    apply(&mut state, &Command::DeleteLoadBalancer(load_balancer("shop"))).unwrap();
    assert_eq!(
        (
            state.listeners().count(),
            state.rules().count(),
            state.target_groups().count()
        ),
        (0, 0, 2)
    );
    apply(&mut state, &Command::DeleteLoadBalancer(load_balancer("shop"))).unwrap();
}

#[test]
fn deletion_protection_protects() {
    let mut state = State::default();
    let protected = LoadBalancerAttributes {
        deletion_protection: true,
        ..LoadBalancerAttributes::default()
    };
    apply(&mut state, &create_load_balancer("shop", protected)).unwrap();
    let delete = Command::DeleteLoadBalancer(load_balancer("shop"));
    refused(
        &state,
        &delete,
        LoadBalancerRefusal::DeletionProtected(load_balancer("shop")),
    );
    let open = Command::SetLoadBalancerAttributes(load_balancer("shop"), LoadBalancerAttributes::default());
    apply(&mut state, &open).unwrap();
    apply(&mut state, &delete).unwrap();
}

// ALB-R-030: a target group of one load balancer cannot be used by another
#[test]
fn a_target_group_belongs_to_one_load_balancer() {
    let mut state = shop();
    apply(&mut state, &create_rule("shop", 80, 1, 1, to_group("orders"))).unwrap();
    apply(
        &mut state,
        &create_load_balancer("other", LoadBalancerAttributes::default()),
    )
    .unwrap();
    let second = create_listener("other", 80, ListenerProtocol::Http, to_group("orders"));
    let refusal = ActionRefusal::TargetGroupOfAnother {
        target_group: group("orders"),
        holder: load_balancer("shop"),
    };
    refused(&state, &second, refusal);
    refused(
        &state,
        &Command::DeleteTargetGroup(group("orders")),
        TargetGroupRefusal::InUse(group("orders")),
    );
    apply(
        &mut state,
        &create_listener("other", 80, ListenerProtocol::Http, to_group("users")),
    )
    .unwrap();
}

#[test]
fn what_is_referred_to_must_exist() {
    let state = shop();
    refused(
        &state,
        &create_rule("shop", 80, 1, 1, to_group("nobody")),
        ActionRefusal::NoSuchTargetGroup(group("nobody")),
    );
    refused(
        &state,
        &create_rule("shop", 81, 1, 1, fixed()),
        ListenerRefusal::NoSuchListener(listener("shop", 81)),
    );
    refused(
        &State::default(),
        &create_listener("shop", 80, ListenerProtocol::Http, fixed()),
        LoadBalancerRefusal::NoSuchLoadBalancer(load_balancer("shop")),
    );
    let mut without = State::default();
    apply(
        &mut without,
        &create_load_balancer("shop", LoadBalancerAttributes::default()),
    )
    .unwrap();
    refused(
        &without,
        &create_listener("shop", 443, https(), fixed()),
        CertificateRefusal::NoSuchCertificate(certificate()),
    );
    refused(
        &state,
        &Command::DeleteCertificate(certificate()),
        CertificateRefusal::InUse {
            certificate: certificate(),
            listener: listener("shop", 443),
        },
    );
}

#[test]
fn ports_names_and_priorities_are_unique() {
    let mut state = shop();
    let same_port = Command::CreateListener(CreateListener {
        arn: ListenerArn::new(&load_balancer("shop"), ResourceId(99)),
        default_rule: rule("shop", 99, 0),
        load_balancer: load_balancer("shop"),
        port: 80,
        protocol: ListenerProtocol::Http,
        default_actions: fixed(),
        attributes: ListenerAttributes::default(),
        owner: Owner::Manifest,
    });
    refused(
        &state,
        &same_port,
        ListenerRefusal::PortTaken {
            port: 80,
            holder: listener("shop", 80),
        },
    );
    let again = create_load_balancer("shop", LoadBalancerAttributes::default());
    refused(&state, &again, LoadBalancerRefusal::NameTaken("shop".to_owned()));
    apply(&mut state, &create_rule("shop", 80, 1, 10, fixed())).unwrap();
    let taken = RuleRefusal::PriorityTaken {
        priority: priority(10),
        holder: rule("shop", 80, 1),
    };
    refused(&state, &create_rule("shop", 80, 2, 10, fixed()), taken);
    apply(&mut state, &create_rule("shop", 443, 2, 10, fixed())).unwrap();
}

// ALB-P-012: two rules may trade places in one call
#[test]
fn priorities_can_be_swapped() {
    let mut state = shop();
    apply(&mut state, &create_rule("shop", 80, 1, 10, fixed())).unwrap();
    apply(&mut state, &create_rule("shop", 80, 2, 20, fixed())).unwrap();
    let (first, second) = (rule("shop", 80, 1), rule("shop", 80, 2));
    let swap = Command::SetRulePriorities(vec![(first.clone(), priority(20)), (second.clone(), priority(10))]);
    apply(&mut state, &swap).unwrap();
    let at = |arn: &RuleArn| state.rule(arn).unwrap().priority;
    assert_eq!((at(&first), at(&second)), (priority(20), priority(10)));
    let both = Command::SetRulePriorities(vec![(first.clone(), priority(30)), (second.clone(), priority(30))]);
    refused(&state, &both, RuleRefusal::PriorityRepeated(priority(30)));
    let onto = Command::SetRulePriorities(vec![(first, priority(10))]);
    refused(
        &state,
        &onto,
        RuleRefusal::PriorityTaken {
            priority: priority(10),
            holder: second,
        },
    );
}

// ALB-L-002: a second function in one target group is rejected
#[test]
fn a_lambda_target_group_takes_one_function() {
    let mut state = shop();
    for command in [create_function("a"), create_function("b")] {
        apply(&mut state, &command).unwrap();
    }
    let register = |name: &str| Command::RegisterFunction(group("orders"), function(name));
    refused(
        &state,
        &register("nobody"),
        TargetGroupRefusal::NoSuchFunction(function("nobody")),
    );
    apply(&mut state, &register("a")).unwrap();
    apply(&mut state, &register("a")).unwrap();
    let second = TargetGroupRefusal::TooManyTargets {
        group: group("orders"),
        registered: function("a"),
    };
    refused(&state, &register("b"), second);
    let deregister = |name: &str| Command::DeregisterFunction(group("orders"), function(name));
    apply(&mut state, &deregister("b")).unwrap();
    apply(&mut state, &deregister("a")).unwrap();
    apply(&mut state, &register("b")).unwrap();
    let TargetKind::Lambda(lambda) = &state.target_group(&group("orders")).unwrap().targets else {
        panic!("a group with a function");
    };
    assert_eq!(lambda.function, Some(function("b")));
}

#[test]
fn a_load_balancer_has_at_most_a_hundred_rules() {
    let mut state = shop();
    for number in 1..=50 {
        apply(&mut state, &create_rule("shop", 80, number, number as i64, fixed())).unwrap();
        apply(&mut state, &create_rule("shop", 443, number, number as i64, fixed())).unwrap();
    }
    refused(&state, &create_rule("shop", 80, 51, 51, fixed()), RuleRefusal::TooMany);
}

#[test]
fn listing_by_prefix_keeps_load_balancers_apart() {
    let mut state = shop();
    apply(
        &mut state,
        &create_load_balancer("shop2", LoadBalancerAttributes::default()),
    )
    .unwrap();
    apply(
        &mut state,
        &create_listener("shop2", 80, ListenerProtocol::Http, fixed()),
    )
    .unwrap();
    apply(&mut state, &create_rule("shop2", 80, 1, 1, fixed())).unwrap();
    assert_eq!(state.listeners_of(&load_balancer("shop")).count(), 2);
    assert_eq!(state.listeners_of(&load_balancer("shop2")).count(), 1);
    assert_eq!(state.rules_of(&listener("shop", 80)).count(), 0);
    assert_eq!(state.rules_of(&listener("shop2", 80)).count(), 1);
}

#[test]
fn logs_need_a_bucket() {
    let mut attributes = LoadBalancerAttributes::default();
    attributes.set("access_logs.s3.enabled", "true").unwrap();
    let refusal = LoadBalancerRefusal::Attributes(attributes.check().unwrap_err());
    refused(
        &State::default(),
        &create_load_balancer("other", attributes.clone()),
        refusal.clone(),
    );
    let mut state = shop();
    let set = |attributes| Command::SetLoadBalancerAttributes(load_balancer("shop"), attributes);
    refused(&state, &set(attributes.clone()), refusal);
    attributes.set("access_logs.s3.bucket", "logs").unwrap();
    apply(&mut state, &set(attributes)).unwrap();
}
