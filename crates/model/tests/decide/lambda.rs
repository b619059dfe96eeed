//! Functions of the AWS API: what may be done with them while, and what becomes of it.

use crate::support::{create_function, function};
use model::command::lambda::{
    AliasExists, Command as Lambda, CreateFunction, Finish, PublishVersion, PutAlias, UpdateFunction,
};
use model::ec2::Ec2Refusal;
use model::ec2::command::{CreateSecurityGroup, Verb};
use model::ec2::ids::{SecurityGroupId, SecurityGroupRuleId};
use model::ids::ResourceId;
use model::lambda::about::{About, Architecture, RoleArn, Status, Tracing};
use model::lambda::alias::{Alias, Routing, VersionRef, Weight};
use model::lambda::function::{Code, CodeLocation, Function};
use model::lambda::package::{Package, PackageDigest};
use model::lambda::provisioning::KeptReport;
use model::lambda::refusal::LambdaRefusal;
use model::lambda::version::Provisioned;
use model::lambda::vpc::{VpcAttachment, VpcConfig, VpcRefusal};
use model::{Command, Context, FunctionArn, Owner, Refusal, State, Tags, Timestamp, decide};

fn apply(state: &mut State, command: Lambda) -> Result<(), Refusal> {
    submit(state, &Command::Lambda(command))
}

fn made(code: u8, revision: u128) -> (Function, About) {
    let Command::CreateFunction(create) = create_function("f") else {
        unreachable!("it creates one");
    };
    let digest = PackageDigest([code; 32]);
    let function = Function {
        arn: create.arn,
        name: create.name,
        configuration: create.configuration,
        code: Code {
            location: CodeLocation::Package(digest),
            revision: digest.to_string().into(),
        },
        owner: Owner::Api,
    };
    let about = About {
        role: RoleArn::try_from("arn:aws:iam::000000000000:role/r").unwrap(),
        description: String::new(),
        package: Package { digest, bytes: 1 },
        architecture: Architecture::X8664,
        has_environment: false,
        tracing: Tracing::PassThrough,
        layers: Vec::new(),
        vpc: None,
        last_modified: Timestamp(0),
        revision,
    };
    (function, about)
}

fn create(state: &mut State) {
    let (function, about) = made(1, 1);
    let (publishes, tags) = (false, Tags::default());
    let create = CreateFunction {
        function,
        about,
        publishes,
        tags,
    };
    apply(state, Lambda::CreateFunction(Box::new(create))).unwrap();
}

fn update(state: &mut State, code: u8, revision: u128, expected: Option<u128>) -> Result<(), Refusal> {
    let (function, about) = made(code, revision);
    let publishes = false;
    let update = UpdateFunction {
        function,
        about,
        expected,
        publishes,
    };
    apply(state, Lambda::UpdateFunction(Box::new(update)))
}

fn finish(state: &mut State, of: u128, failure: Option<&str>, revision: u128) {
    let (function, failure) = (function("f"), failure.map(str::to_owned));
    apply(
        state,
        Lambda::Finish(Finish {
            function,
            of,
            failure,
            revision,
        }),
    )
    .unwrap();
}

fn publish(state: &mut State, revision: u128) -> Result<(), Refusal> {
    let publish = PublishVersion {
        function: function("f"),
        description: None,
        code: None,
        expected: None,
        revision,
    };
    apply(state, Lambda::PublishVersion(publish))
}

fn runs(state: &State, arn: &FunctionArn) -> Option<u8> {
    match state.runnable(arn, || 0)?.code.location {
        CodeLocation::Package(PackageDigest(bytes)) => Some(bytes[0]),
        _ => None,
    }
}

// LAM-C-032: a second update while one is in progress is refused
#[test]
fn an_update_serves_when_it_is_finished_and_not_before() {
    let (mut state, f) = (State::default(), function("f"));
    create(&mut state);
    let pending = Refusal::from(LambdaRefusal::NotActive(f.clone()));
    assert_eq!(update(&mut state, 2, 2, None), Err(pending.clone()));
    assert_eq!(publish(&mut state, 9), Err(pending));
    finish(&mut state, 1, None, 10);
    assert_eq!(
        update(&mut state, 2, 2, Some(1)),
        Err(LambdaRefusal::StaleRevision.into())
    );
    update(&mut state, 2, 2, Some(10)).unwrap();
    let busy = Refusal::from(LambdaRefusal::UpdateInProgress(f.clone()));
    assert_eq!(update(&mut state, 3, 3, None), Err(busy.clone()));
    assert_eq!(publish(&mut state, 9), Err(busy));
    assert_eq!(runs(&state, &f), Some(1), "the previous code keeps serving");
    // Of another change, and too late: nothing happens.
    finish(&mut state, 1, None, 11);
    assert_eq!(runs(&state, &f), Some(1));
    finish(&mut state, 2, None, 11);
    assert_eq!(runs(&state, &f), Some(2));
    update(&mut state, 3, 3, None).unwrap();
    finish(&mut state, 3, Some("why"), 12);
    assert_eq!(runs(&state, &f), Some(2), "the old code keeps serving");
    let record = state.lambda().record(&f).unwrap();
    assert_eq!(record.status, Status::UpdateFailed("why".to_owned()));
}

#[test]
fn concurrency_that_was_reserved_meanwhile_stays() {
    let (mut state, f) = (State::default(), function("f"));
    create(&mut state);
    finish(&mut state, 1, None, 10);
    update(&mut state, 2, 2, None).unwrap();
    apply(&mut state, Lambda::ReserveConcurrency(f.clone(), Some(7))).unwrap();
    finish(&mut state, 2, None, 11);
    assert_eq!(state.function(&f).unwrap().configuration.concurrency, Some(7));
    let too_much = apply(&mut state, Lambda::ReserveConcurrency(f, Some(901)));
    assert_eq!(too_much, Err(LambdaRefusal::TooLittleUnreserved(100).into()));
}

/// A function with two versions, and the alias `live` of the first one, half of which leads to the second.
fn with_two_versions(state: &mut State) -> (FunctionArn, Alias) {
    let f = function("f");
    create(state);
    finish(state, 1, None, 10);
    publish(state, 11).unwrap();
    update(state, 2, 2, None).unwrap();
    finish(state, 2, None, 13);
    publish(state, 14).unwrap();
    let alias = Alias {
        arn: f.qualified("live"),
        version: VersionRef::Number(1),
        routing: Some(Routing {
            version: 2,
            weight: Weight::try_from(0.25).unwrap(),
        }),
        description: String::new(),
        revision: 1,
    };
    put_alias(state, &alias, AliasExists::Not).unwrap();
    (f, alias)
}

fn put_alias(state: &mut State, alias: &Alias, exists: AliasExists) -> Result<(), Refusal> {
    let alias = alias.clone();
    apply(state, Lambda::PutAlias(PutAlias { alias, exists }))
}

fn provision(state: &mut State, target: &FunctionArn, requested: u32) -> Result<(), Refusal> {
    let provisioned = Provisioned {
        target: target.clone(),
        requested,
        last_modified: Timestamp(0),
    };
    apply(state, Lambda::Provision(provisioned))
}

// LAM-N-015: the environments go where the alias goes
#[test]
fn what_is_provisioned_follows_its_alias() {
    let mut state = State::default();
    let (f, mut alias) = with_two_versions(&mut state);
    provision(&mut state, &alias.arn, 10).unwrap();
    let wanted = |state: &State| Vec::from_iter(state.provisioned_versions());
    assert_eq!(wanted(&state), [(f.qualified(1), 7), (f.qualified(2), 3)]);
    let report = |state: &State, ready: [u32; 2], init_failed: bool| {
        let provisioned = state.lambda().provisioned(&f.qualified("live")).unwrap();
        let report = state.provisioned_report(provisioned, |version| KeptReport {
            ready: ready[usize::from(*version == f.qualified(2))],
            init_failed,
            ..KeptReport::default()
        });
        (report.ready, report.init_failed)
    };
    assert_eq!(report(&state, [7, 2], true), (9, true));
    assert_eq!(report(&state, [9, 3], true), (10, false), "all there is that is wanted");
    alias.routing = None;
    alias.version = VersionRef::Number(2);
    put_alias(&mut state, &alias, AliasExists::With(None)).unwrap();
    assert_eq!(wanted(&state), [(f.qualified(2), 10)]);
    alias.version = VersionRef::Latest;
    let latest = put_alias(&mut state, &alias, AliasExists::With(None));
    assert_eq!(latest, Err(LambdaRefusal::LatestProvisioned.into()));
    apply(&mut state, Lambda::DeleteAlias(alias.arn.clone())).unwrap();
    assert!(wanted(&state).is_empty() && state.lambda().provisioned(&alias.arn).is_none());
}

// LAM-N-011: an alias, or its version, and not both
#[test]
fn an_alias_and_its_version_do_not_both_have_environments() {
    let mut state = State::default();
    let (f, mut alias) = with_two_versions(&mut state);
    provision(&mut state, &alias.arn, 1).unwrap();
    for version in [1, 2] {
        let both = provision(&mut state, &f.qualified(version), 1);
        assert_eq!(both, Err(LambdaRefusal::AliasProvisioned.into()));
    }
    alias.routing = None;
    put_alias(&mut state, &alias, AliasExists::With(None)).unwrap();
    provision(&mut state, &f.qualified(2), 1).unwrap();
    alias.version = VersionRef::Number(2);
    let onto_it = put_alias(&mut state, &alias, AliasExists::With(None));
    assert_eq!(onto_it, Err(LambdaRefusal::VersionProvisioned.into()));
    apply(&mut state, Lambda::Unprovision(alias.arn.clone())).unwrap();
    put_alias(&mut state, &alias, AliasExists::With(None)).unwrap();
    let again = provision(&mut state, &alias.arn, 1);
    assert_eq!(again, Err(LambdaRefusal::VersionProvisioned.into()));
}

#[test]
fn what_is_provisioned_stays_within_the_limits() {
    let mut state = State::default();
    let (f, alias) = with_two_versions(&mut state);
    let mut put = |requested| provision(&mut state, &alias.arn, requested);
    assert_eq!(put(1001), Err(LambdaRefusal::AboveUnreserved(1000).into()));
    assert_eq!(put(901), Err(LambdaRefusal::ProvisionedLeavesTooLittle(100).into()));
    put(900).unwrap();
    // The same again takes the place of the first.
    put(899).unwrap();
    put(5).unwrap();
    let mut reserve = |reserved| apply(&mut state, Lambda::ReserveConcurrency(f.clone(), Some(reserved)));
    let below = LambdaRefusal::BelowProvisioned {
        reserved: 4,
        provisioned: 5,
    };
    assert_eq!(reserve(4), Err(below.into()));
    reserve(5).unwrap();
    let above = provision(&mut state, &alias.arn, 6);
    assert_eq!(above, Err(LambdaRefusal::AboveReserved.into()));
}

// LAM-V-006: numbers are never used again. LAM-C-039: what belongs to a function goes with it
#[test]
fn versions_never_change_and_go_with_their_function() {
    let (mut state, f) = (State::default(), function("f"));
    create(&mut state);
    finish(&mut state, 1, None, 10);
    publish(&mut state, 11).unwrap();
    publish(&mut state, 12).unwrap();
    assert_eq!(state.lambda().versions_of(&f).len(), 1, "nothing has changed since");
    update(&mut state, 2, 2, None).unwrap();
    finish(&mut state, 2, None, 13);
    publish(&mut state, 14).unwrap();
    let version = |number: u64| f.qualified(number);
    assert_eq!([1, 2].map(|number| runs(&state, &version(number))), [Some(1), Some(2)]);
    let alias = Alias {
        arn: f.qualified("live"),
        version: VersionRef::Number(1),
        routing: Some(Routing {
            version: 2,
            weight: Weight::try_from(0.5).unwrap(),
        }),
        description: String::new(),
        revision: 1,
    };
    let put = |alias: &Alias, exists| {
        Lambda::PutAlias(PutAlias {
            alias: alias.clone(),
            exists,
        })
    };
    apply(&mut state, put(&alias, AliasExists::Not)).unwrap();
    assert_eq!(runs(&state, &alias.arn), Some(2), "the draw is below the weight");
    let in_use = apply(&mut state, Lambda::DeleteVersion(version(2)));
    assert!(matches!(
        in_use,
        Err(Refusal::Lambda(LambdaRefusal::VersionInUse { .. }))
    ));
    let plain = Alias {
        routing: None,
        ..alias.clone()
    };
    let stale = apply(&mut state, put(&plain, AliasExists::With(Some(9))));
    assert_eq!(stale, Err(LambdaRefusal::StaleRevision.into()));
    apply(&mut state, put(&plain, AliasExists::With(Some(1)))).unwrap();
    apply(&mut state, Lambda::DeleteVersion(version(2))).unwrap();
    update(&mut state, 3, 3, None).unwrap();
    finish(&mut state, 3, None, 15);
    publish(&mut state, 16).unwrap();
    assert_eq!((runs(&state, &version(2)), runs(&state, &version(3))), (None, Some(3)));
    let commit = decide(&state, &Command::DeleteFunction(f.clone()), &Context::default()).unwrap();
    commit.changes.iter().for_each(|change| state.apply(change));
    assert!(
        [f.clone(), version(1), version(3), alias.arn]
            .iter()
            .all(|arn| !state.is_runnable(arn))
    );
    assert!(state.lambda().record(&f).is_none());
}

#[test]
fn functions_of_the_manifest_have_no_versions() {
    let mut state = State::default();
    let commit = decide(&state, &create_function("f"), &Context::default()).unwrap();
    commit.changes.iter().for_each(|change| state.apply(change));
    assert_eq!(
        publish(&mut state, 1),
        Err(LambdaRefusal::NoPackage(function("f")).into())
    );
    let protecting = Context {
        protects: Some(Owner::Manifest),
        ..Context::default()
    };
    let reserve = Command::Lambda(Lambda::ReserveConcurrency(function("f"), Some(1)));
    assert!(matches!(
        decide(&state, &reserve, &protecting),
        Err(Refusal::Owned { .. })
    ));
}

#[test]
fn what_a_function_names_of_the_network_is_there_and_stays() {
    let mut state = State::default();
    let (function, about) = made(1, 1);
    let scope = function.arn.scope().unwrap();
    let born = state.ec2().network(&scope).default_vpc().clone();
    let id = SecurityGroupId::fresh(ResourceId(7));
    let ec2 = |verb| {
        let scope = scope.clone();
        Command::Ec2(model::ec2::Command { scope, verb })
    };
    let group = CreateSecurityGroup {
        id: id.clone(),
        rule: SecurityGroupRuleId::fresh(ResourceId(8)),
        vpc: born.vpc.id.clone(),
        name: "functions".into(),
        description: "of functions".into(),
        tags: Tags::default(),
    };
    let make = ec2(Verb::CreateSecurityGroup(group));
    let delete = ec2(Verb::DeleteSecurityGroup(id.clone()));
    let attachment = VpcAttachment {
        vpc: born.vpc.id.clone(),
        subnets: vec![born.subnets[0].id.clone()],
        security_groups: vec![id.clone()],
        ipv6_allowed_for_dual_stack: false,
    };
    let create = Lambda::CreateFunction(Box::new(CreateFunction {
        function,
        about: About {
            vpc: Some(VpcConfig::Attached(attachment)),
            ..about
        },
        publishes: false,
        tags: Tags::default(),
    }));
    // It may be gone between the look at it and the decision.
    let gone = LambdaRefusal::Vpc(VpcRefusal::NoSuchSecurityGroup(id.to_string()));
    assert_eq!(apply(&mut state, create.clone()), Err(Refusal::Lambda(gone)));
    submit(&mut state, &make).unwrap();
    apply(&mut state, create).unwrap();
    let refused = submit(&mut state, &delete).unwrap_err();
    assert!(matches!(refused, Refusal::Ec2(Ec2Refusal::InUse { .. })), "{refused}");
    finish(&mut state, 1, None, 2);
    // An update that gives it up has not yet come to its end, and may fail.
    update(&mut state, 2, 3, None).unwrap();
    assert!(submit(&mut state, &delete).is_err());
    finish(&mut state, 3, None, 4);
    submit(&mut state, &delete).unwrap();
}

fn submit(state: &mut State, command: &Command) -> Result<(), Refusal> {
    let commit = decide(state, command, &Context::default())?;
    commit.changes.iter().for_each(|change| state.apply(change));
    Ok(())
}
