//! Resources by short names, and states to begin with.

use model::command::function::CreateFunction;
use model::command::listener::CreateListener;
use model::command::load_balancer::CreateLoadBalancer;
use model::command::rule::CreateRule;
use model::command::target_group::CreateTargetGroup;
use model::elb::action::redirect::{Redirect, RedirectParts, RedirectStatus};
use model::elb::action::{Actions, Answer, ContentType, FixedResponse, Forward, WeightedTargetGroup};
use model::elb::certificate::{Certificate, CertificateKey};
use model::elb::condition::pattern::PathPattern;
use model::elb::condition::{Alternatives, Condition, Conditions};
use model::elb::health_check::HealthCheck;
use model::elb::listener::{ListenerAttributes, ListenerProtocol, MutualAuthentication, Tls};
use model::elb::load_balancer::{LoadBalancerAttributes, Scheme};
use model::elb::name::{LoadBalancerName, TargetGroupName};
use model::elb::rule::RulePriority;
use model::elb::security_policy::{self, SecurityPolicy};
use model::elb::target_group::{LambdaTargets, TargetKind};
use model::elb::transform::Transforms;
use model::lambda::function::{
    Code, CodeLocation, Environment, FunctionConfiguration, FunctionMemory, FunctionName, FunctionTimeout, Layers,
};
use model::lambda::logging::Logging;
use model::lambda::runtime::Runtime;
use model::{
    AccountId, CertificateArn, Command, Context, FunctionArn, ListenerArn, LoadBalancerArn, Owner, Refusal, Region,
    ResourceId, RuleArn, Scope, Secret, State, TargetGroupArn, Timestamp, decide,
};
use std::path::PathBuf;

pub(crate) fn scope() -> Scope {
    Scope {
        region: Region::try_from("us-east-1").unwrap(),
        account: AccountId::try_from("000000000000").unwrap(),
    }
}

pub(crate) fn load_balancer(name: &str) -> LoadBalancerArn {
    LoadBalancerArn::new(&scope(), name, ResourceId(1))
}

pub(crate) fn listener(name: &str, port: u16) -> ListenerArn {
    ListenerArn::new(&load_balancer(name), ResourceId(port.into()))
}

pub(crate) fn rule(name: &str, port: u16, number: u64) -> RuleArn {
    RuleArn::new(&listener(name, port), ResourceId(number))
}

pub(crate) fn group(name: &str) -> TargetGroupArn {
    TargetGroupArn::new(&scope(), name, ResourceId(2))
}

pub(crate) fn function(name: &str) -> FunctionArn {
    FunctionArn::new(&scope(), name)
}

pub(crate) fn certificate() -> CertificateArn {
    CertificateArn::new(&scope(), 7)
}

pub(crate) fn priority(number: i64) -> RulePriority {
    RulePriority::try_from(number).unwrap()
}

pub(crate) fn fixed() -> Actions {
    Actions::from(Answer::FixedResponse(
        FixedResponse::new(200, ContentType::TextPlain, "").unwrap(),
    ))
}

pub(crate) fn to_group(name: &str) -> Actions {
    to_groups(&[name])
}

pub(crate) fn to_groups(names: &[&str]) -> Actions {
    let weighted = names.iter().map(|name| WeightedTargetGroup {
        target_group: group(name),
        weight: 1,
    });
    Actions::from(Answer::Forward(Forward::new(weighted.collect(), None).unwrap()))
}

pub(crate) fn to_protocol(protocol: &str) -> Actions {
    let parts = RedirectParts {
        protocol: Some(protocol),
        host: Some("other.example"),
        ..RedirectParts::default()
    };
    Actions::from(Answer::Redirect(Redirect::new(RedirectStatus::Found, &parts).unwrap()))
}

pub(crate) fn https() -> ListenerProtocol {
    https_with(MutualAuthentication::Off)
}

pub(crate) fn https_with(mutual_authentication: MutualAuthentication) -> ListenerProtocol {
    ListenerProtocol::Https(Tls {
        default_certificate: certificate(),
        certificates: vec![],
        policy: SecurityPolicy::named(security_policy::DEFAULT).unwrap(),
        mutual_authentication,
    })
}

pub(crate) fn create_load_balancer(name: &str, attributes: LoadBalancerAttributes) -> Command {
    Command::CreateLoadBalancer(CreateLoadBalancer {
        arn: load_balancer(name),
        name: LoadBalancerName::try_from(name).unwrap(),
        scheme: Scheme::InternetFacing,
        dns_name: format!("{name}.localhost"),
        attributes,
        owner: Owner::Manifest,
    })
}

pub(crate) fn create_listener(name: &str, port: u16, protocol: ListenerProtocol, default_actions: Actions) -> Command {
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

pub(crate) fn create_rule(name: &str, port: u16, number: u64, at: i64, actions: Actions) -> Command {
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

pub(crate) fn create_group(name: &str) -> Command {
    let lambda = LambdaTargets {
        function: None,
        multi_value_headers: false,
        health_check: HealthCheck::of_lambda(),
    };
    create_group_of(name, TargetKind::Lambda(lambda))
}

pub(crate) fn create_group_of(name: &str, targets: TargetKind) -> Command {
    Command::CreateTargetGroup(CreateTargetGroup {
        arn: group(name),
        name: TargetGroupName::try_from(name).unwrap(),
        targets,
        owner: Owner::Manifest,
    })
}

pub(crate) fn create_function(name: &str) -> Command {
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
            provisioned: 0,
            ephemeral_storage: model::lambda::function::EphemeralStorage::default(),
            logging: Logging::default(),
            layers: Layers::default(),
            network: None,
            aws_api: model::lambda::function::AwsApi::OwnRole,
        },
        code: Code {
            location: CodeLocation::Folder(PathBuf::from("/code")),
            revision: "1".into(),
        },
        owner: Owner::Manifest,
    })
}

pub(crate) fn import_certificate() -> Command {
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

pub(crate) fn apply(state: &mut State, command: &Command) -> Result<(), Refusal> {
    let commit = decide(state, command, &Context::default())?;
    commit.changes.iter().for_each(|change| state.apply(change));
    Ok(())
}

/// A load balancer `shop` with an HTTP listener on 80 and an HTTPS listener on 443, and two target groups.
pub(crate) fn shop() -> State {
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
pub(crate) fn refused(state: &State, command: &Command, refusal: impl Into<Refusal>) {
    assert_eq!(decide(state, command, &Context::default()), Err(refusal.into()));
}
