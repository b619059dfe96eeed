//! What the execution role of a function may do when Lambda acts in its name. Source: Lambda 1.4, 5.9, 8.4.

use crate::arn::FunctionArn;
use crate::iam::evaluate::{Context, Request};
use crate::ids::Scope;
use crate::lambda::about::RoleArn;
use crate::lambda::event_invoke::{Destination, FailureDestination, QualifiedArn};
use crate::lambda::policy::{FunctionUse, Principal};
use crate::state::State;

/// Whether a role may do something to all of these resources, in this account and region. `facts` are what conditions of the
/// service itself ask.
pub fn may(
    state: &State,
    scope: &Scope,
    role: &RoleArn,
    action: &str,
    resources: impl IntoIterator<Item = String>,
    facts: &[(&str, String)],
) -> bool {
    let mut context = context(scope, role);
    for (key, value) in facts {
        context.put(key, value.as_str());
    }
    resources.into_iter().all(|resource| {
        let request = Request {
            action,
            resource: &resource,
            context: &context,
        };
        state.iam().role_may(role.as_str(), &request)
    })
}

/// Whether what has come of an event may go there in the name of the function, version or alias: its role may invoke the
/// function, or put the object into the bucket. A function of the manifest is not asked about, whose destinations are its own.
pub fn may_deliver(state: &State, function: &QualifiedArn, to: &FailureDestination) -> bool {
    let Some(role) = state.lambda().execution_role(function) else {
        return true;
    };
    let Some(scope) = function.function().scope() else {
        return false;
    };
    match to {
        FailureDestination::Function(to) => may_invoke(state, &scope, role, to),
        FailureDestination::Bucket(bucket) => {
            let objects = format!("{bucket}/aws/lambda/async/{}/*", function.function().name());
            may(state, &scope, role, "s3:PutObject", [objects], &[])
        }
    }
}

/// The role's policies say so, or those of the function as it is named: in one account either is enough. Source: Lambda 6.5.
fn may_invoke(state: &State, scope: &Scope, role: &RoleArn, to: &Destination) -> bool {
    let wanted = FunctionUse::API;
    let resource = to.to_string();
    let mut context = context(scope, role);
    // There is no URL in between.
    context.put_all::<String>("lambda:FunctionUrlAuthType", []);
    context.put_all::<String>("lambda:InvokedViaFunctionUrl", []);
    let request = Request {
        action: wanted.action,
        resource: &resource,
        context: &context,
    };
    let named = FunctionArn::try_from(resource.as_str()).ok();
    let policy = named.and_then(|named| state.function_policy(&named));
    let is_allowed = policy.is_some_and(|policy| {
        policy.statements.iter().any(|it| {
            let is_named = match &it.principal {
                Principal::Everyone => true,
                Principal::Arn(arn) => **arn == *role.as_str(),
                Principal::Account(_) | Principal::Service(_) => false,
            };
            is_named && it.allows(wanted)
        })
    });
    match is_allowed {
        true => state.iam().role_may_as_named(role.as_str(), &request),
        false => state.iam().role_may(role.as_str(), &request),
    }
}

fn context(scope: &Scope, role: &RoleArn) -> Context {
    let mut context = Context::default();
    context.put("aws:PrincipalArn", role.as_str());
    context.put("aws:PrincipalAccount", scope.account.to_string());
    context.put("aws:RequestedRegion", scope.region.to_string());
    // It is Lambda that asks, and no function.
    context.put_all::<String>("lambda:SourceFunctionArn", []);
    context
}

#[cfg(test)]
mod tests;
