//! Policies of functions: whom they let have a function run, and as what.

use super::*;
use model::Change;
use model::lambda::policy::{Action, FunctionPolicy, Principal, Statement, StatementId};
use model::lambda::url::UrlAuth;

/// The policy of one ARN lets a principal do this.
fn policy(of: &str, principal: &str, statements: &[(&str, Option<UrlAuth>)]) -> State {
    let statement = |(at, (action, url_auth)): (usize, &(&str, Option<UrlAuth>))| Statement {
        id: StatementId::try_from(format!("s{at}").as_str()).unwrap(),
        principal: Principal::try_from(principal).unwrap(),
        action: Action::try_from(*action).unwrap(),
        source_arn: None,
        source_account: None,
        url_auth: *url_auth,
        by_url: None,
        event_source_token: None,
        organization: None,
    };
    let mut state = State::default();
    state.apply(&Change::PutFunctionPolicy(Arc::new(FunctionPolicy {
        function: FunctionArn::try_from(of).unwrap(),
        revision: 1,
        statements: statements.iter().enumerate().map(statement).collect(),
    })));
    state
}

const ROLE: &str = "arn:aws:iam::111122223333:role/r";
const INVOKE: (&str, Option<UrlAuth>) = ("lambda:InvokeFunction", None);

/// A role that may nothing that matters here, in a session that is limited to something.
fn limited(statements: &str, session: Option<&str>) -> Caller {
    let mut caller = caller("lambda", statements);
    if let Who::Role(_, of) = &mut caller.who {
        let read = |text: &str| {
            Document::read(
                &format!(r#"{{"Version":"2012-10-17","Statement":[{text}]}}"#),
                Use::Identity,
            )
        };
        *of = Arc::new(Session {
            policy: session.map(|text| read(text).unwrap()),
            ..Session::clone(of)
        });
    }
    caller
}

// LAM-P-007, LAM-P-015: only the policy of what is named counts, in both directions
#[test]
fn a_policy_is_for_the_very_function_version_or_alias() {
    let nobody = caller("lambda", &lambda("lambda:ListFunctions", "*"));
    let invoked = ["", "$LATEST", "1", "live", "other"];
    for (of, expected) in [
        (F.to_owned(), [true, false, false, false, false]),
        (format!("{F}:1"), [false, false, true, false, false]),
        (format!("{F}:live"), [false, false, false, true, false]),
    ] {
        for principal in [ROLE, "*"] {
            let state = policy(&of, principal, &[INVOKE]);
            let may = |target: &str| may_call_as(&state, &nobody, target, &[], "{}");
            let beside = invoked.map(|it| match it {
                "" => may(INVOKE_F),
                qualifier => may(&format!("{INVOKE_F}?Qualifier={qualifier}")),
            });
            assert_eq!(beside, expected, "{of} {principal}");
            let within = invoked.map(|it| {
                let name = if it.is_empty() {
                    "f".to_owned()
                } else {
                    format!("f:{it}")
                };
                may(&format!("POST /2014-11-13/functions/{name}/invoke-async"))
                    && may(&format!(
                        "POST /2021-11-15/functions/{name}/response-streaming-invocations"
                    ))
            });
            assert_eq!(within, expected, "{of} {principal}");
            // What the query says is not read there: it is the function.
            assert_eq!(
                may("POST /2014-11-13/functions/f/invoke-async?Qualifier=live"),
                expected[0]
            );
        }
    }
}

#[test]
fn a_policy_names_whom_it_lets() {
    for (principal, expected) in [
        (ROLE, true),
        ("*", true),
        ("arn:aws:iam::111122223333:role/other", false),
        ("arn:aws:iam::111122223333:user/r", false),
        ("111122223333", false),
        ("lambda.amazonaws.com", false),
    ] {
        let state = policy(F, principal, &[INVOKE]);
        let nobody = caller("lambda", &lambda("lambda:ListFunctions", "*"));
        assert_eq!(
            may_call_as(&state, &nobody, INVOKE_F, &[], "{}"),
            expected,
            "{principal}"
        );
    }
}

#[test]
fn a_deny_and_a_session_limit_what_the_policy_of_a_function_allows() {
    let state = policy(F, ROLE, &[INVOKE]);
    let none = lambda("lambda:ListFunctions", "*");
    let deny = r#"{"Effect":"Deny","Action":"lambda:InvokeFunction","Resource":"*"}"#;
    let all = lambda("lambda:*", "*");
    for (own, session, expected) in [
        (&*none, None, true),
        (&none, Some(&*all), true),
        (deny, None, false),
        (&none, Some(&none), false),
        (&none, Some(&format!("{all},{deny}")), false),
        (&all, Some(&none), false),
    ] {
        let caller = limited(own, session);
        assert_eq!(
            may_call_as(&state, &caller, INVOKE_F, &[], "{}"),
            expected,
            "{own} {session:?}"
        );
    }
}

#[test]
fn a_url_of_an_alias_asks_the_policy_of_the_alias() {
    let both = [("lambda:InvokeFunctionUrl", Some(UrlAuth::AwsIam)), INVOKE];
    let nobody = caller("lambda", &lambda("lambda:ListFunctions", "*"));
    let live = FunctionArn::try_from(F).unwrap().qualified("live");
    for (of, expected) in [(F, false), (live.as_str(), true)] {
        let state = policy(of, ROLE, &both);
        assert_eq!(may_use_url(&state, &scope().account, &nobody, &live), expected, "{of}");
    }
}
