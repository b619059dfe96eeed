//! Policies and requests.

use super::*;
use crate::iam::document::Use;

fn document(statements: &str) -> Document {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    Document::read(&text, Use::Identity).unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn context() -> Context {
    let mut context = Context::default();
    context.put("aws:username", "alice");
    context
}

#[track_caller]
fn check(statements: &str, action: &str, resource: &str, expected: Decision) {
    let context = context();
    let request = Request {
        action,
        resource,
        context: &context,
    };
    let decision = evaluate([&document(statements)], &request);
    assert_eq!(decision, expected, "{statements}: {action} {resource}");
}

const ALICE: &str = "arn:aws:iam::111122223333:user/alice";
const BOB: &str = "arn:aws:iam::111122223333:user/bob";

#[test]
fn nothing_is_allowed_by_nothing() {
    let context = context();
    let request = Request {
        action: "iam:GetUser",
        resource: ALICE,
        context: &context,
    };
    assert_eq!(evaluate([], &request), Decision::NotAllowed);
}

#[test]
fn actions_and_resources_have_wildcards() {
    use Decision::{Allowed, NotAllowed};
    let all = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    check(all, "iam:GetUser", ALICE, Allowed);
    check(all, "sts:GetCallerIdentity", "*", Allowed);
    let gets = r#"{"Effect":"Allow","Action":["IAM:get*","s3:?ist"],"Resource":["arn:aws:iam::*:user/al*"]}"#;
    check(gets, "iam:GetUser", ALICE, Allowed);
    check(gets, "iam:GetUser", BOB, NotAllowed);
    check(gets, "iam:CreateUser", ALICE, NotAllowed);
    check(gets, "iam:GetUser", "*", NotAllowed);
    let own = r#"{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::*:user/${aws:username}"}"#;
    check(own, "iam:GetUser", ALICE, Allowed);
    check(own, "iam:GetUser", BOB, NotAllowed);
    let not = r#"{"Effect":"Allow","NotAction":"iam:*","NotResource":"arn:aws:s3:::secret/*"}"#;
    check(not, "iam:GetUser", ALICE, NotAllowed);
    check(not, "s3:GetObject", "arn:aws:s3:::open/a", Allowed);
    check(not, "s3:GetObject", "arn:aws:s3:::secret/a", NotAllowed);
}

#[test]
fn families_of_keys_are_known_when_they_were_told() {
    let value = |context: &Context, key: &str| match context.value(key) {
        Found::Values(values) => values.join(","),
        Found::Absent => "absent".to_owned(),
        Found::NotKnown => "not known".to_owned(),
    };
    let mut context = Context::default();
    assert_eq!(value(&context, "aws:ResourceTag/team"), "not known");
    context.put_family("aws:ResourceTag", [("Team", "a"), ("cost/center", "b")]);
    assert_eq!(value(&context, "aws:ResourceTag/team"), "a");
    assert_eq!(value(&context, "AWS:resourcetag/Cost/Center"), "b");
    assert_eq!(value(&context, "aws:ResourceTag/stage"), "absent");
    assert_eq!(value(&context, "aws:RequestTag/team"), "not known");
    // Nobody can say which of these is meant.
    context.put_family("aws:RequestTag", [("team", "a"), ("Team", "b")]);
    assert_eq!(value(&context, "aws:RequestTag/team"), "not known");
    assert_eq!(value(&context, "aws:RequestTag/stage"), "not known");
}

#[test]
fn a_deny_counts_before_any_allow() {
    let both =
        r#"{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:Delete*","Resource":"*"}"#;
    check(both, "iam:DeleteUser", ALICE, Decision::Denied);
    check(both, "iam:GetUser", ALICE, Decision::Allowed);
    let context = context();
    let (allow, deny) = (
        document(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#),
        document(r#"{"Effect":"Deny","Action":"iam:GetUser","Resource":"*"}"#),
    );
    let request = Request {
        action: "iam:GetUser",
        resource: ALICE,
        context: &context,
    };
    assert_eq!(evaluate([&deny, &allow], &request), Decision::Denied);
    assert_eq!(evaluate([&allow, &deny], &request), Decision::Denied);
}

#[test]
fn what_is_not_understood_never_allows() {
    use Decision::{Allowed, Denied, NotAllowed};
    let allow = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"other:Key":"x"}}}"#;
    check(allow, "iam:GetUser", ALICE, NotAllowed);
    let all = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    let deny = r#"{"Effect":"Deny","Action":"iam:*","Resource":"*","Condition":{"StringEquals":{"other:Key":"x"}}}"#;
    check(&format!("{all},{deny}"), "iam:GetUser", ALICE, Denied);
    check(&format!("{all},{deny}"), "s3:GetObject", "*", Allowed);
    let elsewhere = r#"{"Effect":"Deny","Action":"*","Resource":"arn:aws:s3:::${other:key}"}"#;
    check(&format!("{all},{elsewhere}"), "iam:GetUser", ALICE, Denied);
}

#[test]
fn conditions_hold_together() {
    use Decision::{Allowed, NotAllowed};
    let with = |condition: &str| format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}"#);
    let both = with(r#"{"StringEquals":{"aws:username":"alice"},"Null":{"aws:PrincipalTag/team":"true"}}"#);
    check(&both, "iam:GetUser", ALICE, Allowed);
    let one = with(r#"{"StringEquals":{"aws:username":"alice"},"Null":{"aws:PrincipalTag/team":"false"}}"#);
    check(&one, "iam:GetUser", ALICE, NotAllowed);
}

#[test]
fn roles_trust_those_they_name() {
    let trust = |statements: &str| {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        Document::read(&text, Use::Trust).unwrap()
    };
    let allow = |who: &str| format!(r#"{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{who}}}"#);
    let arns = [ALICE.to_owned()];
    let alice = Assuming::Caller {
        account: "111122223333",
        arns: &arns,
    };
    let lambda = Assuming::Service("lambda.amazonaws.com");
    let context = context();
    for (statements, who, expected) in [
        (
            allow(r#"{"Service":"lambda.amazonaws.com"}"#),
            lambda,
            Some(Trust::Named),
        ),
        (allow(r#"{"Service":"ec2.amazonaws.com"}"#), lambda, None),
        (allow(r#"{"Service":"lambda.amazonaws.com"}"#), alice, None),
        (allow(r#"{"AWS":"111122223333"}"#), alice, Some(Trust::Account)),
        (allow(r#"{"AWS":"999922223333"}"#), alice, None),
        (allow(r#""*""#), alice, Some(Trust::Account)),
        (
            allow(&format!(r#"{{"AWS":["{ALICE}","111122223333"]}}"#)),
            alice,
            Some(Trust::Named),
        ),
        (allow(&format!(r#"{{"AWS":"{BOB}"}}"#)), alice, None),
        (allow(r#"{"Federated":"accounts.google.com"}"#), alice, None),
        (
            format!(
                r#"{},{{"Effect":"Deny","Action":"sts:*","Principal":{{"AWS":"{ALICE}"}}}}"#,
                allow(r#"{"AWS":"111122223333"}"#)
            ),
            alice,
            None,
        ),
        (
            r#"{"Effect":"Allow","Action":"sts:TagSession","Principal":{"AWS":"111122223333"}}"#.to_owned(),
            alice,
            None,
        ),
    ] {
        let found = trusts(&trust(&statements), who, "sts:AssumeRole", &context);
        assert_eq!(found, expected, "{statements} {who:?}");
    }
}
