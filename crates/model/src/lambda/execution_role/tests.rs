use super::*;
use crate::change::Change;
use crate::iam::document::Use;
use crate::iam::name::Name;
use crate::iam::{Change as IamChange, Document, Identity, Role};
use crate::ids::{AccountId, Owner, Region, Timestamp};
use crate::lambda::about::{About, Architecture, FunctionRecord, Status, Tracing};
use crate::lambda::alias::{Alias, VersionRef};
use crate::lambda::function::{
    AwsApi, Code, CodeLocation, Environment, EphemeralStorage, Function, FunctionConfiguration, FunctionMemory,
    FunctionName, FunctionTimeout, Layers,
};
use crate::lambda::logging::Logging;
use crate::lambda::package::{Package, PackageDigest};
use crate::lambda::policy::{Action, FunctionPolicy, Statement, StatementId};
use crate::lambda::resources::Change as LambdaChange;
use crate::lambda::runtime::Runtime;
use crate::lambda::version::Version;
use std::sync::Arc;

const ROLE: &str = "arn:aws:iam::111122223333:role/r";
const OTHER: &str = "arn:aws:iam::111122223333:role/other";
const TO: &str = "arn:aws:lambda:eu-west-1:111122223333:function:to";

fn scope() -> Scope {
    Scope {
        region: Region::try_from("eu-west-1").unwrap(),
        account: AccountId::try_from("111122223333").unwrap(),
    }
}

fn arn(name: &str) -> FunctionArn {
    FunctionArn::new(&scope(), name)
}

fn latest() -> QualifiedArn {
    QualifiedArn::latest(&arn("f"))
}

fn about(role: &str) -> About {
    About {
        role: RoleArn::try_from(role).unwrap(),
        description: String::new(),
        package: Package {
            digest: PackageDigest([1; 32]),
            bytes: 1,
        },
        architecture: Architecture::X8664,
        has_environment: false,
        tracing: Tracing::PassThrough,
        layers: Vec::new(),
        vpc: None,
        last_modified: Timestamp(0),
        revision: 1,
    }
}

/// A role with these statements, if there are any.
fn role(name: &str, statements: &str) -> Change {
    let document = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let mut identity = Identity::new(
        Name::new(&scope().account, name),
        "/".into(),
        "AROA".into(),
        Timestamp(0),
    );
    if !statements.is_empty() {
        let inline = Document::read(&document, Use::Identity).unwrap();
        identity.inline.insert("own".into(), inline);
    }
    let trust =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}"#;
    Change::Iam(IamChange::PutRole(Arc::new(Role {
        identity,
        description: None,
        max_session_secs: 3600,
        trust: Document::read(trust, Use::Trust).unwrap(),
    })))
}

/// The function `f` of the API, whose role has these statements.
fn state(statements: &str) -> State {
    let mut state = State::default();
    state.apply(&role("r", statements));
    let record = FunctionRecord {
        function: arn("f"),
        about: about(ROLE),
        status: Status::Active,
        version_last: 1,
        allows_recursion: false,
        updates_runtime_with_function: false,
    };
    state.apply(&Change::Lambda(LambdaChange::PutRecord(Arc::new(record))));
    state
}

fn allow(action: &str, resource: &str) -> String {
    format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}"#)
}

fn deny(action: &str, resource: &str) -> String {
    allow(action, resource).replace("Allow", "Deny")
}

fn to(text: &str) -> FailureDestination {
    FailureDestination::try_from(text).unwrap()
}

/// What the policy of `resource` says to whom.
fn policy(resource: &str, principal: &str) -> Change {
    let statement = Statement {
        id: StatementId::try_from("s").unwrap(),
        principal: Principal::try_from(principal).unwrap(),
        action: Action::try_from("lambda:InvokeFunction").unwrap(),
        source_arn: None,
        source_account: None,
        url_auth: None,
        by_url: None,
        event_source_token: None,
        organization: None,
    };
    Change::PutFunctionPolicy(Arc::new(FunctionPolicy {
        function: FunctionArn::try_from(resource).unwrap(),
        revision: 1,
        statements: vec![statement],
    }))
}

#[test]
fn the_role_must_be_allowed_to_invoke_the_destination_as_it_is_named() {
    let (live, newest) = (format!("{TO}:live"), format!("{TO}:$LATEST"));
    for (resource, allowed) in [(TO, TO), (&live, &live), (&newest, &newest)] {
        let state = state(&allow("lambda:InvokeFunction", resource));
        for destination in [TO, &live, &newest] {
            assert_eq!(
                may_deliver(&state, &latest(), &to(destination)),
                destination == allowed,
                "{resource}: {destination}"
            );
        }
    }
    assert!(!may_deliver(&state(&allow("lambda:Get*", "*")), &latest(), &to(TO)));
    let some = format!("{},{}", allow("lambda:*", "*"), deny("lambda:InvokeFunction", TO));
    assert!(!may_deliver(&state(&some), &latest(), &to(TO)));
    // A function of the manifest has no role that would be asked.
    assert!(may_deliver(&State::default(), &latest(), &to(TO)));
}

#[test]
fn the_policy_of_the_destination_may_allow_it_instead() {
    let live = format!("{TO}:live");
    for (statements, resource, principal, expected) in [
        ("", TO, ROLE, true),
        ("", TO, "*", true),
        ("", TO, OTHER, false),
        ("", TO, "111122223333", false),
        // Each has a policy of its own.
        ("", &live, ROLE, false),
        (&deny("lambda:*", "*"), TO, ROLE, false),
    ] {
        let mut state = state(statements);
        state.apply(&policy(resource, principal));
        assert_eq!(
            may_deliver(&state, &latest(), &to(TO)),
            expected,
            "{statements} {resource} {principal}"
        );
    }
    let mut state = state("");
    state.apply(&policy(TO, ROLE));
    assert!(!may_deliver(&state, &latest(), &to(&live)));
}

#[test]
fn a_bucket_asks_for_its_objects() {
    let objects = "arn:aws:s3:::dead/aws/lambda/async/f/*";
    let bucket = to("arn:aws:s3:::dead");
    assert!(may_deliver(&state(&allow("s3:PutObject", objects)), &latest(), &bucket));
    for statements in [allow("s3:PutObject", "arn:aws:s3:::dead"), allow("lambda:*", "*")] {
        assert!(!may_deliver(&state(&statements), &latest(), &bucket), "{statements}");
    }
}

fn function(arn: FunctionArn) -> Function {
    Function {
        name: FunctionName::try_from("f").unwrap(),
        arn,
        configuration: FunctionConfiguration {
            runtime: Runtime::try_from("provided.al2023").unwrap(),
            handler: "x".to_owned(),
            timeout: FunctionTimeout::default(),
            memory: FunctionMemory::default(),
            environment: Environment::default(),
            concurrency: None,
            provisioned: 0,
            ephemeral_storage: EphemeralStorage::default(),
            logging: Logging::default(),
            layers: Layers::default(),
            network: None,
            aws_api: AwsApi::OwnRole,
        },
        code: Code {
            location: CodeLocation::Package(PackageDigest([1; 32])),
            revision: "1".into(),
        },
        owner: Owner::Api,
    }
}

#[test]
fn a_version_runs_as_the_role_that_it_was_published_with() {
    let mut state = state("");
    let version = Version {
        number: 1,
        function: Arc::new(function(arn("f").qualified(1))),
        about: about(OTHER),
        description: None,
    };
    state.apply(&Change::Lambda(LambdaChange::PutVersion(Arc::new(version))));
    for (name, version) in [("live", VersionRef::Number(1)), ("newest", VersionRef::Latest)] {
        let alias = Alias {
            arn: arn("f").qualified(name),
            version,
            routing: None,
            description: String::new(),
            revision: 1,
        };
        state.apply(&Change::Lambda(LambdaChange::PutAlias(Arc::new(alias))));
    }
    for (qualifier, role) in [("$LATEST", ROLE), ("1", OTHER), ("live", OTHER), ("newest", ROLE)] {
        let named = QualifiedArn::new(&arn("f"), Some(qualifier)).unwrap();
        let found = state.lambda().execution_role(&named).map(RoleArn::as_str);
        assert_eq!(found, Some(role), "{qualifier}");
    }
    assert_eq!(state.lambda().execution_role(&QualifiedArn::latest(&arn("g"))), None);
}
