//! Whether a caller may do what a call asks for: the one place where policies of identities are looked at.
//!
//! Every service asks [`check`] before it answers, with the action and the ARNs that the call is about. The root may
//! everything. A condition on a key that nobody here knows denies: see `model::iam::evaluate`.

pub(in crate::aws) mod also;
pub(crate) mod calls;
mod tags;

pub(crate) use tags::RequestTags;

use crate::aws::error::AwsError;
use crate::aws::session::Session;
use crate::aws::sign_in::{Caller, Who};
use model::iam::evaluate::{Context, Decision, Request, evaluate};
use model::iam::state::AnyPolicy;
use model::iam::{Document, Iam, Identity, IdentityKind};
use model::{AccountId, State, Tags};
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of an ARN.
const ARN_BYTES_MAX: usize = 2048;
/// ARNs of one call: more than any operation takes.
const RESOURCES_MAX: usize = 200;

/// Something that a caller wants to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    /// `lambda:CreateFunction`.
    pub(crate) action: &'a str,
    /// The ARNs that it is about, all of which must be allowed. None: policies must allow `*`.
    pub(crate) resources: &'a [String],
    /// What the service knows of the call beyond what all services know: condition keys and their values.
    pub(crate) facts: &'a [(&'a str, Vec<String>)],
}

/// Lets a call through that the caller's policies allow.
///
/// # Errors
/// `AccessDenied`, in AWS's words. Services that speak JSON call it `AccessDeniedException`.
pub(crate) fn check(iam: &Iam, account: &AccountId, caller: &Caller, wish: &Wish<'_>) -> Result<(), AwsError> {
    checked(iam, account, caller, wish, |_, _| {})
}

/// The same of a call that may give tags to what may have some. `None`: which ones it gives is not known.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_tagged(
    state: &State,
    account: &AccountId,
    caller: &Caller,
    wish: &Wish<'_>,
    given: Option<&RequestTags>,
) -> Result<(), AwsError> {
    checked(state.iam(), account, caller, wish, |context, resource| {
        if let Some(given) = given {
            given.tell(context);
        }
        tags::tell_of(context, state, account, wish.action, resource);
    })
}

fn checked(
    iam: &Iam,
    account: &AccountId,
    caller: &Caller,
    wish: &Wish<'_>,
    tell: impl Fn(&mut Context, &str),
) -> Result<(), AwsError> {
    if matches!(caller.who, Who::Root | Who::RootSession(_)) {
        return Ok(());
    }
    let of_all = context(account, caller, wish.facts);
    let everything = ["*".to_owned()];
    let resources = match wish.resources {
        [] => &everything[..],
        resources => resources,
    };
    for resource in resources {
        // No ARN is longer, and matching a longer one would cost more than it is worth.
        if resource.len() > ARN_BYTES_MAX || resources.len() > RESOURCES_MAX {
            return Err(denied(account, caller, wish.action, "*", None));
        }
        let mut context = of_all.clone();
        tell(&mut context, resource);
        let request = Request {
            action: wish.action,
            resource,
            context: &context,
        };
        if let Err(why) = decide(iam, caller, &request) {
            return Err(denied(account, caller, wish.action, resource, Some(why)));
        }
    }
    Ok(())
}

/// What is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Denied(Kind),
    NotAllowed(Kind),
}

/// Which kind of policy is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Identity,
    Boundary,
    Session,
}

/// What the policy of a resource says of whoever calls, where the resource has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfResource {
    /// It allows them what they want, by their own ARN or as everybody.
    Allows,
    Nothing,
}

/// What the policies of the caller's identity and session say.
pub(crate) fn decide(iam: &Iam, caller: &Caller, request: &Request<'_>) -> Result<(), Why> {
    decide_beside(iam, caller, request, OfResource::Nothing)
}

/// The same beside what the policy of the resource says. Source: IAM, "Policy evaluation logic": in one account either is
/// enough, and every deny and what limits a session count all the same.
pub(crate) fn decide_beside(
    iam: &Iam,
    caller: &Caller,
    request: &Request<'_>,
    of_resource: OfResource,
) -> Result<(), Why> {
    let (identity, documents, session) = match &caller.who {
        Who::Root | Who::RootSession(_) => return Ok(()),
        Who::User(user) => (&user.identity, iam.documents_of_user(user), None),
        Who::UserSession(user, session) => (&user.identity, iam.documents_of_user(user), Some(session)),
        Who::Role(role, session) => (
            &role.identity,
            iam.documents_of(&role.identity).collect(),
            Some(session),
        ),
    };
    let boundary = iam.boundary_of(identity);
    let bounded = boundary.map_or(Ok(()), |documents| judged(evaluate(documents, request), Kind::Boundary));
    // What the policy of a resource allows a user it allows beyond the boundary, but not what the boundary denies; a role's
    // boundary holds for that too.
    match bounded {
        Err(why) if why == Why::Denied(Kind::Boundary) || matches!(caller.who, Who::Role(..)) => return Err(why),
        _ => {}
    }
    match judged(evaluate(documents, request), Kind::Identity) {
        Ok(()) if of_resource == OfResource::Nothing => bounded?,
        Ok(()) => {}
        Err(Why::NotAllowed(_)) if of_resource == OfResource::Allows => {}
        Err(why) => return Err(why),
    }
    match session.and_then(|session| limits(iam, session)) {
        Some(documents) => judged(evaluate(documents, request), Kind::Session),
        None => Ok(()),
    }
}

fn judged(decision: Decision, kind: Kind) -> Result<(), Why> {
    match decision {
        Decision::Allowed => Ok(()),
        Decision::Denied => Err(Why::Denied(kind)),
        Decision::NotAllowed => Err(Why::NotAllowed(kind)),
    }
}

/// What a session is limited to. `None`: nothing beyond what its identity may.
fn limits<'a>(iam: &'a Iam, session: &'a Session) -> Option<Vec<&'a Document>> {
    if session.policy.is_none() && session.policy_arns.is_empty() {
        return None;
    }
    // A policy that is gone allows nothing.
    let by_arn = session
        .policy_arns
        .iter()
        .filter_map(|arn| match iam.policy_with_arn(arn)? {
            AnyPolicy::Own(policy) => policy.document(),
            AnyPolicy::Aws(policy) => Some(&policy.document),
        });
    Some(session.policy.iter().chain(by_arn).collect())
}

/// The error for somebody who may not. Without a reason none is told.
pub(crate) fn denied(account: &AccountId, caller: &Caller, action: &str, resource: &str, why: Option<Why>) -> AwsError {
    let policy = |kind| match kind {
        Kind::Identity => "identity-based policy",
        Kind::Boundary => "permissions boundary",
        Kind::Session => "session policy",
    };
    let why = match why {
        None => String::new(),
        Some(Why::Denied(kind)) => match kind {
            Kind::Identity => format!(" with an explicit deny in an {}", policy(kind)),
            Kind::Boundary | Kind::Session => format!(" with an explicit deny in a {}", policy(kind)),
        },
        Some(Why::NotAllowed(kind)) => format!(" because no {} allows the {action} action", policy(kind)),
    };
    let message = format!(
        "User: {} is not authorized to perform: {action} on resource: {resource}{why}",
        arn(account, caller)
    );
    AwsError::with_status(403, "AccessDenied", message)
}

/// The caller's ARN, as GetCallerIdentity has it.
pub(crate) fn arn(account: &AccountId, caller: &Caller) -> String {
    match &caller.who {
        Who::Root | Who::RootSession(_) => format!("arn:aws:iam::{account}:root"),
        Who::User(user) | Who::UserSession(user, _) => user.arn(),
        Who::Role(role, session) => format!(
            "arn:aws:sts::{}:assumed-role/{}/{}",
            role.identity.named().account(),
            role.identity.name(),
            session.name
        ),
    }
}

/// The caller's unique id, as GetCallerIdentity has it.
pub(crate) fn user_id(account: &AccountId, caller: &Caller) -> String {
    match &caller.who {
        Who::Root | Who::RootSession(_) => account.to_string(),
        Who::User(user) | Who::UserSession(user, _) => user.identity.id.to_string(),
        Who::Role(role, session) => format!("{}:{}", role.identity.id, session.name),
    }
}

/// What all services know of a call.
pub(crate) fn context(account: &AccountId, caller: &Caller, facts: &[(&str, Vec<String>)]) -> Context {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let iso8601 = |secs: u64| wire::time::iso8601(secs.saturating_mul(1000));
    let mut context = Context::default();
    context.put("aws:CurrentTime", iso8601(now.as_secs()));
    context.put("aws:EpochTime", now.as_secs().to_string());
    context.put("aws:SecureTransport", "false");
    context.put("aws:PrincipalIsAWSService", "false");
    context.put("aws:ViaAWSService", "false");
    context.put("aws:RequestedRegion", caller.region.to_string());
    context.put("aws:PrincipalAccount", account.to_string());
    context.put("aws:userid", user_id(account, caller));
    if let Some(address) = caller.address {
        context.put("aws:SourceIp", address.to_string());
    }
    if let Some(agent) = &caller.user_agent {
        context.put("aws:UserAgent", agent.as_str());
    }
    let session = match &caller.who {
        Who::Root => None,
        Who::User(user) => {
            of_user(&mut context, &user.identity);
            None
        }
        Who::RootSession(session) => Some(session),
        Who::UserSession(user, session) => {
            of_user(&mut context, &user.identity);
            Some(session)
        }
        Who::Role(role, session) => {
            context.put("aws:PrincipalType", "AssumedRole");
            context.put("aws:PrincipalArn", role.arn());
            of_tags(&mut context, &role.identity.tags);
            Some(session)
        }
    };
    if let Some(session) = session {
        context.put("aws:TokenIssueTime", iso8601(session.issued_secs));
        context.put("aws:MultiFactorAuthPresent", "false");
    }
    if matches!(caller.who, Who::Root | Who::RootSession(_)) {
        context.put("aws:PrincipalType", "Account");
        context.put("aws:PrincipalArn", arn(account, caller));
    }
    for (key, values) in facts {
        context.put_all(key, values.iter().cloned());
    }
    context
}

fn of_user(context: &mut Context, user: &Identity) {
    context.put("aws:PrincipalType", "User");
    context.put("aws:PrincipalArn", user.arn(IdentityKind::User));
    context.put("aws:username", user.name().to_string());
    of_tags(context, &user.tags);
}

fn of_tags(context: &mut Context, tags: &Tags) {
    for (key, value) in tags.iter() {
        context.put(&format!("aws:PrincipalTag/{key}"), value);
    }
}
