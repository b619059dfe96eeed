//! Commands one after the other.

use super::*;
use crate::iam::document::Use;
use crate::iam::identity::Identity;
use crate::iam::name::Name;
use crate::ids::{AccountId, Timestamp};
use crate::secret::Secret;

const NOBODY: &str =
    r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}}"#;
const ALL: &str = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const BASIC: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

fn account() -> AccountId {
    AccountId::try_from("111122223333").unwrap()
}

fn key(name: &str) -> Key {
    Key::new(&account(), name)
}

fn identity(name: &str) -> Identity {
    Identity::new(Name::new(&account(), name), "/".into(), "ID".into(), Timestamp(1))
}

fn user(name: &str) -> Command {
    Command::CreateUser(User {
        identity: identity(name),
        keys: Vec::new(),
    })
}

fn role(name: &str, trust: &str) -> Command {
    Command::CreateRole(Role {
        identity: identity(name),
        description: None,
        max_session_secs: 3600,
        trust: Document::read(trust, Use::Trust).unwrap(),
    })
}

fn policy(name: &str) -> Command {
    Command::CreatePolicy(Policy {
        name: Name::new(&account(), name),
        path: "/".into(),
        id: "ID".into(),
        description: None,
        created: Timestamp(1),
        updated: Timestamp(1),
        tags: Tags::default(),
        versions: vec![version(1)],
        default_version: 1,
        last_version: 1,
    })
}

fn version(number: u32) -> PolicyVersion {
    PolicyVersion {
        number,
        document: Document::read(ALL, Use::Identity).unwrap(),
        created: Timestamp(2),
    }
}

fn access_key(id: &str) -> AccessKey {
    AccessKey {
        id: id.into(),
        secret: Secret::new("hunter2".into()),
        active: true,
        created: Timestamp(1),
    }
}

/// Does commands one after the other; the first refusal ends it.
fn done(iam: &mut Iam, commands: &[Command]) -> Result<(), IamRefusal> {
    for command in commands {
        for change in decide(iam, command)? {
            iam.apply(&change);
        }
    }
    Ok(())
}

fn with(commands: &[Command]) -> Iam {
    let mut iam = Iam::default();
    done(&mut iam, commands).unwrap();
    iam
}

#[track_caller]
fn refused(iam: &Iam, command: &Command, why: &str) {
    let refusal = decide(iam, command).map(|_| ()).unwrap_err();
    assert_eq!(refusal.to_string(), why);
}

#[test]
fn names_differ_in_more_than_case() {
    let iam = with(&[user("Bob"), role("Bob", NOBODY)]);
    refused(&iam, &user("bob"), "User with name bob already exists.");
    refused(&iam, &role("BOB", NOBODY), "Role with name BOB already exists.");
    refused(
        &iam,
        &Command::DeleteUser(key("al")),
        "The user with name al cannot be found.",
    );
}

#[test]
fn keys_follow_their_user() {
    let add = |id| Command::CreateAccessKey {
        user: key("bob"),
        key: access_key(id),
    };
    let mut iam = with(&[user("bob"), add("AKIA1"), add("AKIA2")]);
    refused(&iam, &add("AKIA3"), "Cannot exceed quota for AccessKeysPerUser: 2");
    let rename = Command::UpdateUser {
        user: key("bob"),
        name: Some("Al".into()),
        path: Some("/x/".into()),
    };
    done(&mut iam, &[rename]).unwrap();
    let (owner, _) = iam.access_key("AKIA1").unwrap();
    assert_eq!(owner.arn(), "arn:aws:iam::111122223333:user/x/Al");
    let why = "Cannot delete entity, must delete access keys first.";
    refused(&iam, &Command::DeleteUser(key("al")), why);
    let gone = ["AKIA1", "AKIA2"].map(|id| Command::DeleteAccessKey {
        user: key("al"),
        id: id.into(),
    });
    done(&mut iam, &gone).unwrap();
    assert!(iam.access_key("AKIA1").is_none());
    done(&mut iam, &[Command::DeleteUser(key("al"))]).unwrap();
    assert_eq!(iam, Iam::default());
}

#[test]
fn nothing_is_deleted_that_something_hangs_on() {
    let of = || Of {
        kind: IdentityKind::Role,
        key: key("r"),
    };
    let own: Arc<str> = "arn:aws:iam::111122223333:policy/p".into();
    let attach = |policy: &str| Command::Attach {
        of: of(),
        policy: policy.into(),
    };
    let inline = Command::PutInline {
        of: of(),
        name: "i".into(),
        document: Document::read(ALL, Use::Identity).unwrap(),
    };
    let mut iam = with(&[
        role("r", NOBODY),
        policy("p"),
        attach(&own),
        attach(BASIC),
        attach(BASIC),
        inline,
    ]);
    assert_eq!(iam.role(&key("r")).unwrap().identity.attached.len(), 2);
    assert_eq!(iam.documents_of(&iam.role(&key("r")).unwrap().identity).count(), 3);
    let delete = Command::DeleteRole(key("r"));
    refused(&iam, &delete, "Cannot delete entity, must detach all policies first.");
    let why = "Cannot delete a policy attached to entities.";
    refused(&iam, &Command::DeletePolicy(key("p")), why);
    let detach = |policy: &str| Command::Detach {
        of: of(),
        policy: policy.into(),
    };
    done(&mut iam, &[detach(&own), detach(BASIC)]).unwrap();
    refused(&iam, &detach(BASIC), &format!("Policy {BASIC} was not found."));
    refused(&iam, &delete, "Cannot delete entity, must delete policies first.");
    let gone = Command::DeleteInline {
        of: of(),
        name: "i".into(),
    };
    refused(
        &with(&[role("r", NOBODY)]),
        &gone,
        "The role policy with name i cannot be found.",
    );
    done(&mut iam, &[gone, delete, Command::DeletePolicy(key("p"))]).unwrap();
    let none = "Policy arn:aws:iam::aws:policy/None does not exist or is not attachable.";
    refused(
        &with(&[role("r", NOBODY)]),
        &attach("arn:aws:iam::aws:policy/None"),
        none,
    );
}

#[test]
fn numbers_of_versions_are_not_used_again() {
    let add = |is_default| Command::CreateVersion {
        policy: key("p"),
        version: version(0),
        is_default,
    };
    let delete = |number| Command::DeleteVersion {
        policy: key("p"),
        number,
    };
    let mut iam = with(&[policy("p"), add(false), delete(2), add(true)]);
    let numbers = |iam: &Iam| {
        let policy = iam.policy(&key("p")).unwrap();
        let numbers: Vec<_> = policy.versions.iter().map(|version| version.number).collect();
        (numbers, policy.default_version)
    };
    assert_eq!(numbers(&iam), (vec![1, 3], 3));
    refused(&iam, &delete(3), "Cannot delete the default version of a policy.");
    done(&mut iam, &[add(false), add(false), add(false)]).unwrap();
    refused(&iam, &add(false), "Cannot exceed quota for VersionsPerPolicy: 5");
}

#[test]
fn groups_give_their_members_what_they_have() {
    let group = Command::CreateGroup(Group {
        identity: identity("g"),
        members: Vec::new(),
    });
    let member = || Command::AddMember {
        group: key("g"),
        user: key("bob"),
    };
    let grant = Command::Attach {
        of: Of {
            kind: IdentityKind::Group,
            key: key("g"),
        },
        policy: BASIC.into(),
    };
    let iam = with(&[user("bob"), group, grant, member(), member()]);
    let bob = iam.user(&key("bob")).unwrap();
    assert_eq!(iam.documents_of_user(bob).len(), 1);
    let why = "Cannot delete entity, must remove users from group first.";
    refused(&iam, &Command::DeleteGroup(key("g")), why);
    let why = "Cannot delete entity, must remove user from all groups first.";
    refused(&iam, &Command::DeleteUser(key("bob")), why);
}

#[test]
fn a_role_trusts_only_those_that_exist() {
    let trust = |arn: &str| {
        format!(r#"{{"Statement":{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"AWS":"{arn}"}}}}}}"#)
    };
    let bob = "arn:aws:iam::111122223333:user/bob";
    let why = format!("Invalid principal in policy: \"AWS\":\"{bob}\"");
    refused(&Iam::default(), &role("r", &trust(bob)), &why);
    let iam = with(&[
        user("bob"),
        role("r", &trust(bob)),
        role("s", &trust("arn:aws:iam::999922223333:role/x")),
    ]);
    let context = crate::iam::evaluate::Context::default();
    let role = "arn:aws:iam::111122223333:role/r";
    assert_eq!(iam.may_assume("lambda.amazonaws.com", role, &context), Some(false));
    assert_eq!(
        iam.may_assume("lambda.amazonaws.com", "arn:aws:iam::111122223333:role/none", &context),
        None
    );
    let iam = with(&[self::role("r", NOBODY)]);
    assert_eq!(iam.may_assume("lambda.amazonaws.com", role, &context), Some(true));
}

#[test]
fn policies_are_not_too_long() {
    let long = |count: usize| {
        let statement = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::box/*"}"#;
        let statements = vec![statement; count].join(" ,\n");
        Document::read(&format!(r#"{{"Statement":[{statements}]}}"#), Use::Identity).unwrap()
    };
    let put = |document| Command::PutInline {
        of: Of {
            kind: IdentityKind::User,
            key: key("bob"),
        },
        name: "i".into(),
        document,
    };
    let iam = with(&[user("bob"), put(long(20))]);
    refused(
        &iam,
        &put(long(40)),
        "Maximum policy size of 2048 bytes exceeded for user bob",
    );
}
