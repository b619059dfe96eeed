//! What becomes of asynchronous invocations.

use super::*;

#[test]
fn event_invokes_follow() {
    let with = |more: &str| format!("functions: {{ f: {{ code: run, {more} }}, g: {{ code: run }} }}");
    let (none, some) = (with("timeout: 3s"), with("on_failure: g"));
    check("{}", &some, &["CreateFunction", "CreateFunction", "EventInvoke"]);
    check(&none, &some, &["EventInvoke"]);
    check(&some, &with("on_failure: g, maximum_event_age: 60s"), &["EventInvoke"]);
    check(&some, &none, &["EventInvoke"]);
    check(&some, &some, &[]);
    check(&some, "{}", &["DeleteFunction", "DeleteFunction"]);
    // A destination that is new comes before, and one that goes may go: its records are not delivered any more.
    check(
        "functions: { f: { code: run } }",
        &some,
        &["CreateFunction", "EventInvoke"],
    );
}
