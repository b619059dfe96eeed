//! What the execution role of a function may do when Lambda acts in its name. Source: Lambda 1.4, 5.9, 8.4.

use super::Call;
use model::iam::evaluate::{Context, Request};
use model::lambda::about::RoleArn;

/// Whether a role may do something to all of these resources. `facts` are what conditions of the service itself ask.
pub(super) fn may(
    call: &Call<'_>,
    role: &RoleArn,
    action: &str,
    resources: impl IntoIterator<Item = String>,
    facts: &[(&str, String)],
) -> bool {
    let scope = call.scope;
    let mut context = Context::default();
    context.put("aws:PrincipalArn", role.as_str());
    context.put("aws:PrincipalAccount", scope.account.to_string());
    context.put("aws:RequestedRegion", scope.region.to_string());
    for (key, value) in facts {
        context.put(key, value.as_str());
    }
    // It is Lambda that asks, and no function.
    context.put_all::<String>("lambda:SourceFunctionArn", []);
    resources.into_iter().all(|resource| {
        let request = Request {
            action,
            resource: &resource,
            context: &context,
        };
        call.state.iam().role_may(role.as_str(), &request)
    })
}
