mod layers;
mod policies;
mod tags;

use super::*;
use crate::aws::session::{Of, Session};
use hyper::Request as HttpRequest;
use model::iam::document::Use;
use model::iam::name::Name;
use model::iam::{Document, Identity, Role};
use model::{AccountId, FunctionArn, Region, Secret, Timestamp};
use std::sync::Arc;

const ACCOUNT: &str = "111122223333";

fn scope() -> Scope {
    Scope {
        region: Region::try_from("eu-west-1").unwrap(),
        account: AccountId::try_from(ACCOUNT).unwrap(),
    }
}

/// A role with one policy of these statements.
fn caller(service: &str, statements: &str) -> Caller {
    let document = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let mut identity = Identity::new(
        Name::new(&scope().account, "r"),
        "/".into(),
        "AROA".into(),
        Timestamp(0),
    );
    let inline = Document::read(&document, Use::Identity).unwrap();
    identity.inline.insert("own".into(), inline);
    let trust =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}"#;
    let role = Role {
        identity,
        description: None,
        max_session_secs: 3600,
        trust: Document::read(trust, Use::Trust).unwrap(),
    };
    let session = Session {
        access_key: String::new(),
        secret: Secret::new(String::new()),
        of: Of::Root,
        name: "s".to_owned(),
        issued_secs: 0,
        expires_secs: u64::MAX,
        policy: None,
        policy_arns: Vec::new(),
    };
    Caller {
        access_key: String::new(),
        region: scope().region,
        service: service.to_owned(),
        who: Who::Role(Arc::new(role), Arc::new(session)),
        address: None,
        at_door: true,
        user_agent: None,
    }
}

/// May this call be made with these statements?
fn may_call(service: &str, statements: &str, target: &str, headers: &[(&str, &str)], body: &str) -> bool {
    may_call_as(&State::default(), &caller(service, statements), target, headers, body)
}

fn may_call_as(state: &State, caller: &Caller, target: &str, headers: &[(&str, &str)], body: &str) -> bool {
    let (method, path) = target.split_once(' ').unwrap();
    let mut request = HttpRequest::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let parts = request.body(()).unwrap().into_parts().0;
    let asked = Asked {
        state,
        scope: &scope(),
        caller,
        body: body.as_bytes(),
    };
    asked.checked(&parts).is_ok()
}

const ALL_OF_LOGS: &str = r#"{"Effect":"Allow","Action":"logs:*","Resource":"*"}"#;
const NO_EVENTS: &str = r#"{"Effect":"Deny","Action":"logs:GetLogEvents","Resource":"*"}"#;
const LOGS_GET: (&str, &str) = ("x-amz-target", "Logs_20140328.GetLogEvents");
const LOGS_LIST: (&str, &str) = ("x-amz-target", "Logs_20140328.DescribeLogGroups");

#[test]
fn what_is_not_one_known_operation_is_denied() {
    let some = format!("{ALL_OF_LOGS},{NO_EVENTS}");
    assert!(may_call("logs", &some, "POST /", &[LOGS_LIST], "{}"));
    for (target, headers, body) in [
        ("POST /", &[LOGS_GET][..], "{}"),
        // Two of them, in either order; one that is somewhere else; none.
        ("POST /", &[LOGS_LIST, LOGS_GET], "{}"),
        ("POST /", &[LOGS_GET, LOGS_LIST], "{}"),
        ("POST /?Action=DescribeLogGroups", &[], "{}"),
        ("GET /?Action=DescribeLogGroups", &[], ""),
        ("POST /", &[], "Action=DescribeLogGroups"),
        ("POST /operation/DescribeLogGroups", &[], "{}"),
        ("POST /operation/DescribeLogGroups", &[LOGS_GET], "{}"),
        ("GET /", &[LOGS_LIST], ""),
        ("POST /", &[("x-amz-target", "Logs_20140328.describeloggroups")], "{}"),
        (
            "POST /",
            &[("x-amz-target", "CertificateManager.DescribeLogGroups")],
            "{}",
        ),
        ("POST /", &[("x-amz-target", "DescribeLogGroups")], "{}"),
        // Nobody knows what they ask for.
        ("POST /", &[LOGS_LIST], "\u{1f}\u{8b}"),
        ("POST /", &[LOGS_LIST], "[]"),
        ("POST /", &[LOGS_LIST], "{"),
    ] {
        assert!(
            !may_call("logs", &some, target, headers, body),
            "{target} {headers:?} {body}"
        );
    }
    let acm = r#"{"Effect":"Allow","Action":"acm:*","Resource":"*"},{"Effect":"Deny","Action":"acm:DeleteCertificate","Resource":"*"}"#;
    let list = ("x-amz-target", "CertificateManager.ListCertificates");
    let delete = ("x-amz-target", "CertificateManager.DeleteCertificate");
    assert!(may_call("acm", acm, "POST /", &[list], "{}"));
    for headers in [&[delete][..], &[list, delete], &[delete, list], &[]] {
        assert!(
            !may_call("acm", acm, "POST /?Action=ListCertificates", headers, "{}"),
            "{headers:?}"
        );
    }
}

#[test]
fn a_denied_log_group_is_denied_however_it_is_named() {
    let group = "arn:aws:logs:eu-west-1:111122223333:log-group:secret";
    for denied in [group.to_owned(), format!("{group}:*"), format!("{group}:log-stream:*")] {
        let some = format!(r#"{ALL_OF_LOGS},{{"Effect":"Deny","Action":"logs:*","Resource":"{denied}"}}"#);
        let target = ("x-amz-target", "Logs_20140328.StartLiveTail");
        assert!(may_call(
            "logs",
            &some,
            "POST /",
            &[target],
            r#"{"logGroupIdentifiers":["open"]}"#
        ));
        for body in [
            r#"{"logGroupName":"secret"}"#.to_owned(),
            r#"{"logGroupIdentifier":"secret"}"#.to_owned(),
            format!(r#"{{"logGroupIdentifier":"{group}"}}"#),
            format!(r#"{{"logGroupIdentifier":"{group}:*"}}"#),
            format!(r#"{{"logGroupIdentifiers":["open","{group}"]}}"#),
            r#"{"logGroupNames":["open","secret"]}"#.to_owned(),
            format!(r#"{{"resourceArn":"{group}","logGroupName":"open"}}"#),
        ] {
            assert!(!may_call("logs", &some, "POST /", &[target], &body), "{denied}: {body}");
        }
    }
}

const F: &str = "arn:aws:lambda:eu-west-1:111122223333:function:f";
const INVOKE_F: &str = "POST /2015-03-31/functions/f/invocations";

fn lambda(action: &str, resource: &str) -> String {
    format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}"#)
}

#[test]
fn a_function_is_invoked_as_what_is_named() {
    let live = lambda("lambda:InvokeFunction", &format!("{F}:live"));
    for (target, expected) in [
        (format!("{INVOKE_F}?Qualifier=live"), true),
        ("POST /2015-03-31/functions/f:live/invocations".to_owned(), true),
        (
            "POST /2021-11-15/functions/f:live/response-streaming-invocations".to_owned(),
            true,
        ),
        ("POST /2014-11-13/functions/f:live/invoke-async".to_owned(), true),
        (INVOKE_F.to_owned(), false),
        (format!("{INVOKE_F}?Qualifier=other"), false),
        // One is allowed, and the other one would be run.
        (format!("{INVOKE_F}?Qualifier=live&Qualifier=other"), false),
        (format!("{INVOKE_F}?Qualifier=other&Qualifier=live"), false),
        // It takes none, and runs the function itself.
        (
            "POST /2014-11-13/functions/f/invoke-async?Qualifier=live".to_owned(),
            false,
        ),
        (
            "POST /2015-03-31/functions/g/invocations?Qualifier=live".to_owned(),
            false,
        ),
        (
            "POST /2015-03-31/functions/arn:aws:lambda:us-east-1:111122223333:function:f:live/invocations".to_owned(),
            false,
        ),
    ] {
        assert_eq!(may_call("lambda", &live, &target, &[], "{}"), expected, "{target}");
    }
}

#[test]
fn what_changes_a_function_is_not_allowed_by_what_allows_its_versions() {
    let versions = lambda("lambda:*", &format!("{F}:*"));
    let update = "PUT /2015-03-31/functions/f/configuration";
    assert!(!may_call(
        "lambda",
        &versions,
        &format!("{update}?Qualifier=live"),
        &[],
        "{}"
    ));
    assert!(!may_call(
        "lambda",
        &versions,
        "PUT /2015-03-31/functions/f:live/configuration",
        &[],
        "{}"
    ));
    let function = lambda("lambda:UpdateFunctionConfiguration", F);
    assert!(may_call("lambda", &function, update, &[], "{}"));
}

#[test]
fn a_role_is_given_by_whom_may_pass_it() {
    let make = lambda("lambda:*", "*");
    let create = r#"{"FunctionName":"f","Role":"arn:aws:iam::111122223333:role/admin"}"#;
    // The last one counts, here as where it is read.
    let hidden = r#"{"FunctionName":"f","Role":"arn:aws:iam::111122223333:role/plain","Role":"arn:aws:iam::111122223333:role/admin"}"#;
    let plain = r#"{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::111122223333:role/plain"}"#;
    let (post, put) = (
        "POST /2015-03-31/functions",
        "PUT /2015-03-31/functions/f/configuration",
    );
    for target in [post, put] {
        let some = format!("{make},{plain}");
        for body in [create, hidden] {
            assert!(!may_call("lambda", &make, target, &[], body), "{target}");
            assert!(!may_call("lambda", &some, target, &[], body), "{target}");
        }
        assert!(
            may_call("lambda", &some, target, &[], &create.replace("admin", "plain")),
            "{target}"
        );
        let elsewhere = r#"{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}}"#;
        assert!(
            !may_call("lambda", &format!("{make},{elsewhere}"), target, &[], create),
            "{target}"
        );
    }
}

#[test]
fn a_url_is_for_whom_both_actions_are_allowed() {
    let (state, scope) = (State::default(), scope());
    let function = FunctionArn::new(&scope, "f");
    let may = |statements: &str| may_use_url(&state, &scope.account, &caller("lambda", statements), &function);
    let (url, invoke) = ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction");
    let both = format!("{},{}", lambda(url, F), lambda(invoke, F));
    assert!(may(&both));
    assert!(!may(&lambda(url, F)) && !may(&lambda(invoke, F)));
    assert!(!may(&both.replace(":function:f", ":function:g")));
    let asking = |key: &str, value: &str| format!(r#""Condition":{{"StringEquals":{{"{key}":"{value}"}}}}"#);
    let with = |action: &str, condition: &str| {
        format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"*",{condition}}}"#)
    };
    let iam = with(url, &asking("lambda:FunctionUrlAuthType", "AWS_IAM"));
    let by_url = with(
        invoke,
        r#""Condition":{"Bool":{"lambda:InvokedViaFunctionUrl":"true"}}"#,
    );
    assert!(may(&format!("{iam},{by_url}")));
    assert!(!may(&format!(
        "{},{by_url}",
        with(url, &asking("lambda:FunctionUrlAuthType", "NONE"))
    )));
    // What is for URLs only is not for the API.
    assert!(!may_call("lambda", &by_url, INVOKE_F, &[], "{}"));
    let denied = r#"{"Effect":"Deny","Action":"lambda:InvokeFunction","Resource":"*","Condition":{"Bool":{"lambda:InvokedViaFunctionUrl":"true"}}}"#;
    assert!(!may(&format!("{both},{denied}")));
    assert!(may_call("lambda", &format!("{both},{denied}"), INVOKE_F, &[], "{}"));
}
