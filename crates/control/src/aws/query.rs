//! Services that speak the query protocol: forms in, XML out. One path for all of them.
//!
//! ```text
//! service    what a service says of itself: name, version, dialect, operations
//! call       one call, and the change that it plans
//! input      parameters as values
//! ```
//!
//! Reading looks at one state. Changing makes commands from the state that they will be decided on, so that two callers at
//! once do not undo each other, and answers when the change serves traffic.

pub(in crate::aws) mod call;
pub(in crate::aws) mod input;
pub(in crate::aws) mod service;

use crate::answer::{self, Answer};
use crate::api::ChangeError;
use crate::aws::access::{self, RequestTags, Wish};
use crate::aws::error::AwsError;
use crate::aws::sign_in::Caller;
use crate::server::Shared;
use crate::source::Source;
use call::{Asked, Call, Fetch, Fetched, Plan};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use model::iam::{IdentityKind, Key};
use model::{Scope, Timestamp};
use service::{Answered, Dialect, Service};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use wire::query::Form;
use wire::xml::{self, Fault, Xml};

/// An operation that was asked for, and its result.
pub(in crate::aws) struct Answering {
    pub(in crate::aws) action: String,
    pub(in crate::aws) result: Result<Xml, AwsError>,
}

/// Answers a call to a service.
pub(in crate::aws) async fn answer<S: Source>(
    service: &'static Service,
    shared: &Arc<Shared<S>>,
    parts: &Parts,
    body: &[u8],
    caller: Caller,
    request_id: &str,
) -> Answer {
    if !matches!(parts.method, Method::POST | Method::GET) || parts.uri.path() != "/" {
        let error = AwsError::new("InvalidAction", "Calls are POST or GET of /");
        return refused(service, &error, request_id);
    }
    let query = unsigned_query(parts.uri.query().unwrap_or_default());
    let body = body.to_vec();
    // On its own: a change that is stored must be served too, whether or not the caller waits for it.
    let shared_ = shared.clone();
    let answering = shared
        .tasks
        .spawn(async move { answered(service, &shared_, caller, query.as_bytes(), &body).await });
    let Ok(Answering { action, result }) = answering.await else {
        let error = AwsError::internal("The call could not be answered");
        return refused(service, &error, request_id);
    };
    match result {
        Ok(result) => {
            let document = match service.dialect {
                Dialect::Query => xml::response(&action, service.namespace, &result, request_id),
                Dialect::Ec2 => xml::ec2_response(&action, service.namespace, &result, request_id),
            };
            answer::document(StatusCode::OK, "text/xml", document)
        }
        Err(error) => refused(service, &error, request_id),
    }
}

/// The answer that says why a call is not answered.
fn refused(service: &Service, error: &AwsError, request_id: &str) -> Answer {
    let document = match service.dialect {
        Dialect::Query => error_document(error, Some(service.namespace), request_id),
        Dialect::Ec2 => xml::ec2_error(&error.code, &error.message, request_id),
    };
    answer::document(error.http_status(), "text/xml", document)
}

/// An error as all services but EC2 write it.
pub(in crate::aws) fn error_document(error: &AwsError, namespace: Option<&str>, request_id: &str) -> String {
    let fault = match error.is_ours() {
        true => Fault::Receiver,
        false => Fault::Sender,
    };
    xml::error(namespace, fault, &error.code, &error.message, request_id)
}

/// Answers one call. `query` and `body` are forms, of which one is empty as a rule.
async fn answered<S: Source>(
    service: &'static Service,
    shared: &Shared<S>,
    caller: Caller,
    query: &[u8],
    body: &[u8],
) -> Answering {
    let (source, links) = (&shared.source, shared.links.clone());
    let refused = |action: &str, error: AwsError| Answering {
        action: action.to_owned(),
        result: Err(error),
    };
    let form = match Form::read(&[query, body]) {
        Ok(form) => form,
        Err(error) => return refused("", error.into()),
    };
    let fields = form.fields();
    let (action, version) = (fields.text("Action"), fields.text("Version"));
    let (Some(action), Some(version)) = (action, version) else {
        let message = "The parameters Action and Version are needed";
        return refused("", AwsError::new("MissingAction", message));
    };
    let action = action.to_owned();
    let operation = service.operation(&action).filter(|_| version == service.version);
    let Some(operation) = operation else {
        // EC2 has more operations than are listed.
        if service.dialect == Dialect::Ec2 && version == service.version {
            let message = format!(
                "The operation {} of {} is not built",
                input::shown(&action),
                service.name
            );
            return refused(&action, AwsError::not_built(message));
        }
        let message = format!(
            "Could not find operation {} for version {}",
            input::shown(&action),
            input::shown(version)
        );
        return refused(&action, AwsError::new("InvalidAction", message));
    };
    let scope = Scope {
        region: caller.region.clone(),
        account: source.scope().account.clone(),
    };
    let mut asked = Asked {
        action: action.clone(),
        form: Arc::new(form),
        caller,
        scope,
        api: source.api().clone(),
        now: now(),
        links,
        fetched: Arc::default(),
    };
    if let Err(error) = allowed(service, source, &asked) {
        return refused(&action, error);
    }
    let result = match operation.answered {
        Answered::Read(by) => read(source, &asked, by),
        Answered::Change(by) => change(service, source, asked, by).await,
        Answered::Fetch(fetch, by) => match fetched(source, &asked, fetch).await {
            Ok(fetched) => {
                asked.fetched = Arc::new(fetched);
                change(service, source, asked, by).await
            }
            Err(error) => Err(error),
        },
        Answered::Nobody => {
            let message = format!(
                "The operation {action} of {} is not built: {}",
                service.name, operation.note
            );
            Err(AwsError::not_built(message))
        }
    };
    Answering { action, result }
}

/// Whether the caller may do this at all.
fn allowed<S: Source>(service: &Service, source: &S, asked: &Asked) -> Result<(), AwsError> {
    let action = format!("{}:{}", service.policy_name(), asked.action);
    // Everybody may ask who they are. A role is assumed by whom its own policy names, which is seen to there.
    if matches!(
        action.as_str(),
        "sts:GetCallerIdentity" | "sts:GetSessionToken" | "sts:AssumeRole"
    ) {
        return Ok(());
    }
    let state = source.state();
    let call = asked.of(&state, &Vec::new);
    let wish = Wish {
        action: &action,
        resources: &(service.resources)(&call),
        facts: &facts(&call),
    };
    let given = RequestTags::of_form(&call.fields);
    let may = |wish: &Wish<'_>, given: Option<&RequestTags>| {
        access::check_tagged(&state, &asked.scope.account, &asked.caller, wish, given)
    };
    let also = || {
        let more = access::also::of(service, &call, given.as_ref());
        more.into_iter().try_for_each(|more| {
            let own = more.fact.map(|(key, value)| (key, vec![value]));
            let facts: Vec<_> = facts(&call).into_iter().chain(own).collect();
            let wish = Wish {
                action: more.action,
                resources: &more.resources,
                facts: &facts,
            };
            match more.gives_tags {
                true => may(&wish, given.as_ref()),
                false => may(&wish, Some(&RequestTags::default())),
            }
        })
    };
    let checked = may(&wish, given.as_ref()).and_then(|()| also());
    checked.map_err(|error| match service.dialect {
        Dialect::Query => error,
        Dialect::Ec2 => AwsError {
            code: "UnauthorizedOperation".into(),
            message: format!("You are not authorized to perform this operation. {}", error.message),
            ..error
        },
    })
}

/// What policies may ask of a call's parameters.
fn facts(call: &Call<'_>) -> Vec<(&'static str, Vec<String>)> {
    let mut facts = Vec::new();
    facts.push(("iam:PermissionsBoundary", boundary(call)));
    // Known of tags that are given while something is made, and empty otherwise.
    facts.extend(access::also::CREATE_ACTIONS.map(|key| (key, Vec::new())));
    for (parameter, key) in [
        ("PolicyArn", "iam:PolicyARN"),
        ("RoleSessionName", "sts:RoleSessionName"),
    ] {
        facts.push((
            key,
            call.fields.peek(parameter).map(str::to_owned).into_iter().collect(),
        ));
    }
    facts
}

/// The boundary that a call sets, or that the user or the role has that it is about.
fn boundary(call: &Call<'_>) -> Vec<String> {
    let set = call.fields.peek("PermissionsBoundary").map(str::to_owned);
    let of = |(parameter, kind): (&str, IdentityKind)| {
        let key = Key::new(&call.scope.account, call.fields.peek(parameter)?);
        let identity = call.state.iam().identity(kind, &key)?;
        identity.boundary.as_ref().map(ToString::to_string)
    };
    let kinds = [("UserName", IdentityKind::User), ("RoleName", IdentityKind::Role)];
    set.or_else(|| kinds.into_iter().find_map(of)).into_iter().collect()
}

fn read<S: Source>(source: &S, asked: &Asked, by: fn(&Call<'_>) -> Result<Xml, AwsError>) -> Result<Xml, AwsError> {
    let state = source.state();
    let targets = || source.targets();
    let xml = complete(asked, by(&asked.of(&state, &targets)))?;
    all_was_read(asked)?;
    Ok(xml)
}

/// What an operation makes of a call. Parameters that break rules of their own are told before everything else that is
/// wrong, and all at once.
fn complete<T>(asked: &Asked, result: Result<T, AwsError>) -> Result<T, AwsError> {
    AwsError::or_violations(result, asked.form.complaints(), "ValidationError")
}

/// What a call needs from S3. What is wrong with the call otherwise, as far as that can be told, is told first.
async fn fetched<S: Source>(
    source: &S,
    asked: &Asked,
    fetch: fn(&Call<'_>) -> Result<Fetch, AwsError>,
) -> Result<Fetched, AwsError> {
    let fetch = complete(asked, fetch(&asked.of(&source.state(), &Vec::new)))?;
    let objects = source.api().objects.clone();
    let _turn = objects.turn().await;
    let fetched = tokio::task::spawn_blocking(move || fetch(&objects)).await;
    fetched.unwrap_or_else(|_| Err(AwsError::internal("What the call names in S3 could not be read")))
}

async fn change<S: Source>(
    service: &'static Service,
    source: &S,
    asked: Asked,
    by: fn(&Call<'_>) -> Result<Plan, AwsError>,
) -> Result<Xml, AwsError> {
    let then = asked.clone();
    let manifest = asked.api.manifest.clone();
    let build = move |state: &model::State| {
        let Plan { commands, answer } = complete(&asked, by(&asked.of(state, &Vec::new)))?;
        all_was_read(&asked)?;
        Ok((commands, answer))
    };
    let changed = source.change(build).await.map_err(|error| match error {
        ChangeError::Build(error) => error,
        ChangeError::Refused(refusal) => (service.refused)(refusal, &manifest),
        ChangeError::Traffic(message) => AwsError::new("InvalidConfigurationRequest", message),
        ChangeError::Failed(message) => AwsError::with_status(503, "ServiceUnavailable", message),
    })?;
    let targets = || source.targets();
    (changed.rest)(&then.of(&changed.state, &targets))
}

/// A parameter that nobody has looked at would have no effect.
fn all_was_read(asked: &Asked) -> Result<(), AwsError> {
    match asked.form.unread() {
        None => Ok(()),
        Some(name) => {
            let name = input::shown(name);
            Err(AwsError::not_built(format!(
                "The parameter {name} of the operation {} is not known, or not built",
                asked.action
            )))
        }
    }
}

/// A query without what signs it.
fn unsigned_query(query: &str) -> String {
    let kept = query.split('&').filter(|pair| !pair.starts_with("X-Amz-"));
    kept.collect::<Vec<_>>().join("&")
}

/// The time of a call.
pub(in crate::aws) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_no_parameter() {
        let query = "Action=DescribeTags&X-Amz-Date=1&Version=2015-12-01&X-Amz-Signature=2";
        assert_eq!(unsigned_query(query), "Action=DescribeTags&Version=2015-12-01");
        assert_eq!(unsigned_query(""), "");
    }
}
