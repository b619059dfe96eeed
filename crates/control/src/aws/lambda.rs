//! Lambda, as far as load balancers need it: invocations, and the policies that let a load balancer invoke.

pub(crate) mod call;
pub(crate) mod code;
mod configuration;
mod event_invoke;
pub(crate) mod finishing;
mod functions;
mod input;
mod layers;
mod operations;
mod page;
mod plan;
mod policy;
mod provisioned;
mod refusals;
mod settings;
mod shapes;
mod tags;
mod urls;
mod versions;
pub(super) mod vpc;

use crate::answer::{self, Answer};
use crate::api::{ChangeError, Changed};
use crate::aws::sign_in::Caller;
use crate::lambda::error::LambdaError;
use crate::lambda::name::Reference;
use crate::links::Links;
use crate::own_api::query;
use crate::server::{Payload, Shared};
use crate::source::Source;
use hyper::StatusCode;
use hyper::http::request::Parts;
use model::lambda::package::Package;
use model::lambda::provisioning::KeptReport;
use model::{Command, FunctionArn, Scope, State};
use operations::Answered;
use plan::{Plan, Prepare};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The signing name.
pub(crate) const SERVICE: &str = "lambda";

/// An answer: a status and a document, if it has one.
pub(super) type Document = (StatusCode, Option<Value>);

/// One call.
pub(super) struct Call<'a> {
    caller: &'a Caller,
    scope: &'a Scope,
    state: &'a State,
    /// The parts of the path that the caller names.
    named: &'a [String],
    /// The parameters of the query.
    parameters: &'a [(String, String)],
    /// The manifest, for the sentence that says whose a function is.
    manifest: &'a Path,
    body: &'a [u8],
    /// The body as JSON, without its package; only where a package may be in it.
    json: &'a Value,
    /// The package that was in it.
    package: Option<&'a Package>,
    links: &'a Links,
    /// What is kept ready of a version now; only for operations that read.
    kept: &'a dyn Fn(&FunctionArn) -> KeptReport,
    /// What was found wrong with its members so far.
    found: input::Found,
}

/// A change: a command, and the answer when it is done.
pub(super) struct Change {
    command: Command,
    document: Document,
    /// That must be there.
    bucket: Option<event_invoke::Bucket>,
}

/// The name of the operation that a method and a path stand for, and the parts of the path that the caller names.
pub(super) fn routed<'a>(method: &str, path: &'a str) -> Option<(&'static str, Vec<&'a str>)> {
    operations::routed(method, path).map(|(operation, named)| (operation.name, named))
}

/// Whether a request is an invocation, which may be larger than other calls and may take longer.
pub(crate) fn is_invocation(parts: &Parts) -> bool {
    operations::routed(parts.method.as_str(), parts.uri.path())
        .is_some_and(|(operation, _)| matches!(operation.answered, Answered::Invocation | Answered::Event))
}

/// Answers a call that is signed for Lambda. `None`: there is no such operation, or the server answers it.
pub(crate) async fn answer<S: Source>(
    shared: &Arc<Shared<S>>,
    parts: &Parts,
    payload: Payload,
    caller: Caller,
    request_id: &str,
) -> Option<Answer> {
    let (operation, named) = operations::routed(parts.method.as_str(), parts.uri.path())?;
    let scope = Scope {
        region: caller.region.clone(),
        account: shared.source.scope().account.clone(),
    };
    let asked = Asked {
        scope,
        named: named.into_iter().map(query::unescaped).collect(),
        parameters: query::pairs(parts.uri.query().unwrap_or_default()).collect(),
        manifest: shared.source.api().manifest.clone(),
        caller,
    };
    let answered = match operation.answered {
        Answered::Invocation => return Some(invoke(shared, parts, payload, &asked).await),
        Answered::Event => return Some(invoke_async(shared, parts, payload, &asked).await),
        Answered::Stream => return None,
        Answered::Nobody => Err(LambdaError::not_built(&format!(
            "The operation {} of {SERVICE} is not built: {}",
            operation.name, operation.note
        ))),
        Answered::Read(by) => {
            let (state, body) = (shared.source.state(), asked.body(payload));
            let kept = |version: &FunctionArn| shared.source.kept_ready(version);
            body.and_then(|body| read(by, &asked, &state, &body, &shared.links, &kept))
        }
        Answered::Plan(by) => match asked.body(payload) {
            Ok(body) => plan::run(shared, asked, body, None, by).await,
            Err(error) => Err(error),
        },
        Answered::Upload(by) => match asked.body(payload) {
            Ok(body) => {
                let uploader = asked.caller.clone();
                plan::run(shared, asked, body, Some(uploader), by).await
            }
            Err(error) => Err(error),
        },
        Answered::Change(by) => match asked.body(payload) {
            Ok(body) => change(shared, asked, body, by).await,
            Err(error) => Err(error),
        },
    };
    Some(match answered {
        Ok((status, None)) => answer::document(status, "application/json", ""),
        Ok((status, Some(document))) => answer::json(status, &document),
        Err(error) => error.answer(request_id),
    })
}

/// The operation that carries a package, if it is one. Its body may be larger than others'.
pub(crate) fn upload(parts: &Parts) -> Option<&'static str> {
    let (operation, _) = operations::routed(parts.method.as_str(), parts.uri.path())?;
    matches!(operation.answered, Answered::Upload(_)).then_some(operation.name)
}

fn read(
    by: fn(&Call<'_>) -> Result<Document, LambdaError>,
    asked: &Asked,
    state: &State,
    body: &[u8],
    links: &Links,
    kept: &dyn Fn(&FunctionArn) -> KeptReport,
) -> Result<Document, LambdaError> {
    // Few operations that read have a body at all.
    let json = input::parsed(body).unwrap_or_default();
    let call = Call {
        json: &json,
        kept,
        ..asked.of(state, body, links)
    };
    call.answered(by)
}

async fn invoke<S: Source>(shared: &Shared<S>, parts: &Parts, payload: Payload, asked: &Asked) -> Answer {
    let [name] = &asked.named[..] else {
        return LambdaError::service().answer("");
    };
    let headers = crate::aws::traced(shared, parts);
    let qualifier = asked.parameters.iter().find(|(name, _)| name == "Qualifier");
    let qualifier = qualifier.map(|(_, value)| value.as_str());
    crate::lambda::invoke(&shared.source, &asked.scope, name, qualifier, &headers, payload).await
}

async fn invoke_async<S: Source>(shared: &Shared<S>, parts: &Parts, payload: Payload, asked: &Asked) -> Answer {
    let [name] = &asked.named[..] else {
        return LambdaError::service().answer("");
    };
    let headers = crate::aws::traced(shared, parts);
    crate::lambda::event::invoke_async(&shared.source, &asked.scope, name, &headers, payload).await
}

/// On its own: a change that is stored must be served too, whether or not the caller waits for it.
async fn change<S: Source>(
    shared: &Arc<Shared<S>>,
    asked: Asked,
    body: Vec<u8>,
    by: fn(&Call<'_>) -> Result<Change, LambdaError>,
) -> Result<Document, LambdaError> {
    let (source, links) = (shared.clone(), shared.links.clone());
    let changing = shared.tasks.spawn(async move {
        // What is wrong with the call itself is told first.
        let found = asked
            .of(&source.source.state(), &body, &links)
            .answered(by)
            .map_err(ChangeError::Build)?;
        if let Some(bucket) = found.bucket {
            check_bucket(&source, bucket).await.map_err(ChangeError::Build)?;
        }
        let build = move |state: &State| {
            let Change { command, document, .. } = asked.of(state, &body, &links).answered(by)?;
            Ok((vec![command], document))
        };
        source.source.change(build).await
    });
    match changing.await {
        Ok(Ok(Changed { rest, .. })) => Ok(rest),
        Ok(Err(ChangeError::Build(error))) => Err(error),
        Ok(Err(ChangeError::Refused(refusal))) => Err(refusals::of(&refusal, shared.source.api())),
        Ok(Err(ChangeError::Traffic(_) | ChangeError::Failed(_))) | Err(_) => Err(LambdaError::service()),
    }
}

async fn check_bucket<S: Source>(shared: &Shared<S>, bucket: event_invoke::Bucket) -> Result<(), LambdaError> {
    let objects = shared.source.api().objects.clone();
    let check = move || objects.check_bucket(&bucket.name).map_err(|why| bucket.refused(why));
    let checked = tokio::task::spawn_blocking(check).await;
    checked.unwrap_or_else(|_| Err(LambdaError::service()))
}

/// What a call needs on its way to the state.
struct Asked {
    caller: Caller,
    scope: Scope,
    named: Vec<String>,
    parameters: Vec<(String, String)>,
    manifest: PathBuf,
}

impl Asked {
    fn of<'a>(&'a self, state: &'a State, body: &'a [u8], links: &'a Links) -> Call<'a> {
        Call {
            caller: &self.caller,
            scope: &self.scope,
            state,
            named: &self.named,
            parameters: &self.parameters,
            manifest: &self.manifest,
            body,
            json: &Value::Null,
            package: None,
            links,
            kept: &|_| KeptReport::default(),
            found: input::Found::default(),
        }
    }

    fn body(&self, payload: Payload) -> Result<Vec<u8>, LambdaError> {
        match payload {
            Payload::Whole(body) => Ok(body.to_vec()),
            Payload::TooLarge => Err(LambdaError::too_large()),
        }
    }
}

impl Call<'_> {
    /// The function, the version or the alias that the path names.
    fn function(&self) -> Result<FunctionArn, LambdaError> {
        let qualifier = self.parameter("Qualifier");
        let name = self.named.first().map(String::as_str).unwrap_or_default();
        let reference = Reference::read(name, qualifier, self.scope)?;
        let arn = reference.arn(self.scope);
        match reference.qualifier() {
            None => Ok(arn),
            // Source: Lambda 6.4.
            Some("$LATEST") => Err(LambdaError::invalid_parameter(
                "We currently do not support adding policies for $LATEST.",
            )),
            Some(qualifier) => Ok(arn.qualified(qualifier)),
        }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(its_name, _)| its_name == name);
        found.map(|(_, value)| value.as_str())
    }
}
