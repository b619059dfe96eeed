//! Decisions that need several resources: batches of commands against a state.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use model::command::function::CreateFunction;
use model::command::listener::{CreateListener, ModifyListener};
use model::command::load_balancer::CreateLoadBalancer;
use model::command::rule::CreateRule;
use model::command::target_group::CreateTargetGroup;
use model::elb::action::redirect::{Redirect, RedirectParts, RedirectStatus};
use model::elb::action::{Actions, Answer, ContentType, FixedResponse, Forward, WeightedTargetGroup};
use model::elb::certificate::{Certificate, CertificateKey};
use model::elb::condition::pattern::PathPattern;
use model::elb::condition::{Alternatives, Condition, Conditions};
use model::elb::listener::{ListenerAttributes, ListenerProtocol, Tls};
use model::elb::load_balancer::{LoadBalancerAttributes, Scheme};
use model::elb::name::{LoadBalancerName, TargetGroupName};
use model::elb::rule::RulePriority;
use model::elb::security_policy::{self, SecurityPolicy};
use model::elb::target_group::TargetKind;
use model::elb::transform::Transforms;
use model::lambda::function::{
    Code, CodeLocation, Environment, FunctionConfiguration, FunctionMemory, FunctionName, FunctionTimeout,
};
use model::lambda::logging::Logging;
use model::lambda::runtime::Runtime;
use model::refusal::{
    ActionRefusal, CertificateRefusal, ListenerRefusal, LoadBalancerRefusal, RuleRefusal, TargetGroupRefusal,
};
use model::{
    AccountId, CertificateArn, Command, Context, FunctionArn, ListenerArn, LoadBalancerArn, Owner, Refusal, Region,
    ResourceId, RuleArn, Scope, Secret, State, TargetGroupArn, Timestamp, decide,
};
use std::path::PathBuf;

fn scope() -> Scope {
    Scope {
        region: Region::try_from("us-east-1").unwrap(),
        account: AccountId::try_from("000000000000").unwrap(),
    }
}

fn load_balancer(name: &str) -> LoadBalancerArn {
    LoadBalancerArn::new(&scope(), name, ResourceId(1))
}

fn listener(name: &str, port: u16) -> ListenerArn {
    ListenerArn::new(&load_balancer(name), ResourceId(port.into()))
}

fn rule(name: &str, port: u16, number: u64) -> RuleArn {
    RuleArn::new(&listener(name, port), ResourceId(number))
}

fn group(name: &str) -> TargetGroupArn {
    TargetGroupArn::new(&scope(), name, ResourceId(2))
}

fn function(name: &str) -> FunctionArn {
    FunctionArn::new(&scope(), name)
}

fn certificate() -> CertificateArn {
    CertificateArn::new(&scope(), 7)
}

fn priority(number: i64) -> RulePriority {
    RulePriority::try_from(number).unwrap()
}

fn fixed() -> Actions {
    Actions {
        answer: Answer::FixedResponse(FixedResponse::new(200, ContentType::TextPlain, "").unwrap()),
    }
}

fn to_group(name: &str) -> Actions {
    let weighted = WeightedTargetGroup {
        target_group: group(name),
        weight: 1,
    };
    Actions {
        answer: Answer::Forward(Forward::new(vec![weighted], None).unwrap()),
    }
}

fn to_protocol(protocol: &str) -> Actions {
    let parts = RedirectParts {
        protocol: Some(protocol),
        host: Some("other.example"),
        ..RedirectParts::default()
    };
    Actions {
        answer: Answer::Redirect(Redirect::new(RedirectStatus::Found, &parts).unwrap()),
    }
}

fn https() -> ListenerProtocol {
    ListenerProtocol::Https(Tls {
        default_certificate: certificate(),
        certificates: vec![],
        policy: SecurityPolicy::named(security_policy::DEFAULT).unwrap(),
    })
}

fn create_load_balancer(name: &str, attributes: LoadBalancerAttributes) -> Command {
    Command::CreateLoadBalancer(CreateLoadBalancer {
        arn: load_balancer(name),
        name: LoadBalancerName::try_from(name).unwrap(),
        scheme: Scheme::InternetFacing,
        dns_name: format!("{name}.localhost"),
        attributes,
        owner: Owner::Manifest,
    })
}

fn create_listener(name: &str, port: u16, protocol: ListenerProtocol, default_actions: Actions) -> Command {
    Command::CreateListener(CreateListener {
        arn: listener(name, port),
        default_rule: rule(name, port, 0),
        load_balancer: load_balancer(name),
        port,
        protocol,
        default_actions,
        attributes: ListenerAttributes::default(),
        owner: Owner::Manifest,
    })
}

fn create_rule(name: &str, port: u16, number: u64, at: i64, actions: Actions) -> Command {
    let path = PathPattern::try_from("/x").unwrap();
    Command::CreateRule(CreateRule {
        arn: rule(name, port, number),
        listener: listener(name, port),
        priority: priority(at),
        conditions: Conditions::new(vec![Condition::PathPattern(Alternatives::Values(vec![path]))]).unwrap(),
        transforms: Transforms::default(),
        actions,
        owner: Owner::Manifest,
    })
}

fn create_group(name: &str) -> Command {
    Command::CreateTargetGroup(CreateTargetGroup {
        arn: group(name),
        name: TargetGroupName::try_from(name).unwrap(),
        multi_value_headers: false,
        health_check: model::elb::health_check::HealthCheck::of_lambda(),
        owner: Owner::Manifest,
    })
}

#[test]
fn a_health_check_changes_nothing_else() {
    use model::elb::health_check::HealthCheck;
    use model::elb::target_group::TargetKind;
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
    let (TargetKind::Lambda(before), TargetKind::Lambda(after)) = (&before.targets, &after.targets);
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

fn create_function(name: &str) -> Command {
    Command::CreateFunction(CreateFunction {
        arn: function(name),
        name: FunctionName::try_from(name).unwrap(),
        configuration: FunctionConfiguration {
            runtime: Runtime::ProvidedAl2023,
            handler: String::new(),
            timeout: FunctionTimeout::default(),
            memory: FunctionMemory::default(),
            environment: Environment::default(),
            concurrency: None,
            logging: Logging::default(),
        },
        code: Code {
            location: CodeLocation::Folder(PathBuf::from("/code")),
            revision: "1".into(),
        },
        owner: Owner::Manifest,
    })
}

fn import_certificate() -> Command {
    Command::ImportCertificate(Certificate {
        arn: certificate(),
        names: vec!["a.localhost".to_owned()],
        key: CertificateKey::Ecdsa(256),
        not_before: Timestamp(0),
        not_after: Timestamp(1),
        chain_pem: "".into(),
        private_key_pem: Secret::new("".into()),
        owner: Owner::Manifest,
    })
}

fn apply(state: &mut State, command: &Command) -> Result<(), Refusal> {
    let commit = decide(state, command, &Context::default())?;
    commit.changes.iter().for_each(|change| state.apply(change));
    Ok(())
}

/// A load balancer `shop` with an HTTP listener on 80 and an HTTPS listener on 443, and two target groups.
fn shop() -> State {
    let mut state = State::default();
    for command in [
        import_certificate(),
        create_load_balancer("shop", LoadBalancerAttributes::default()),
        create_listener("shop", 80, ListenerProtocol::Http, fixed()),
        create_listener("shop", 443, https(), fixed()),
        create_group("orders"),
        create_group("users"),
    ] {
        apply(&mut state, &command).unwrap();
    }
    state
}

#[track_caller]
fn refused(state: &State, command: &Command, refusal: impl Into<Refusal>) {
    assert_eq!(decide(state, command, &Context::default()), Err(refusal.into()));
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
    refused(&state, &second, ActionRefusal::TargetGroupOfAnother(group("orders")));
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
    let TargetKind::Lambda(lambda) = &state.target_group(&group("orders")).unwrap().targets;
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
