//! albacore's own API, `/_albacore/*`.
//!
//! | Path | Answer |
//! | --- | --- |
//! | `health` | 200 while the process lives |
//! | `ready` | 200 when everything is served as the newest revision says, otherwise 503 with the reason |
//! | `status` | [`crate::Status`] |
//! | `metrics` | OpenMetrics text |
//! | `requests?limit=` | the last requests, newest first, with the fields of the access log and a verdict |
//! | `packages/{sha256}` | a package of a function or a layer, for whoever was given a link to it |
//! | `trust-stores/{name}/{id}/{file}` | a trust store's bundle or revocation list, likewise |
//! | `targets` | the targets of all target groups and their health, in AWS's words |
//! | `logs?function=&group=&since=&limit=&follow=&request_id=&level=` | what functions wrote: a JSON document a line, the newest last, and live with `follow=true` |
//! | `functions/{name}/invocations` | `POST` of a payload: as Lambda's Invoke answers |
//! | `explain` | what would happen to a request: `GET ?method=&url=&header=Name:value&body=&client=`, or `POST` of [`Question`] |
//!
//! Invocations and [`PRIVATE`] reads need the token of the server when calls of the AWS API are signed.

mod logs;
pub(crate) mod query;

use crate::answer::{self, Answer};
use crate::server::{LongCalls, Payload, Shared};
use crate::source::{Question, Source};
use crate::{access_log_line, door, lambda};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use model::lambda::package::PackageDigest;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What the paths of the own API begin with.
pub const PREFIX: &str = "/_albacore/";

/// Requests that `requests` shows unless it is asked for another number.
const REQUESTS_DEFAULT: usize = 100;

/// Every path; a word in braces stands for any.
const PATHS: [&str; 11] = [
    "explain",
    "functions/{name}/invocations",
    "health",
    "logs",
    "metrics",
    "packages/{sha256}",
    "ready",
    "requests",
    "status",
    "targets",
    "trust-stores/{name}/{id}/{file}",
];

/// What only those read who may run functions, when calls are signed: what functions wrote, what clients asked, and what the
/// rules say.
const PRIVATE: [&str; 3] = ["explain", "logs", "requests"];

/// Whether a path belongs to the own API.
pub(crate) fn owns(path: &str) -> bool {
    path.strip_prefix("/_albacore")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The function that a path invokes, as it is written there.
pub(crate) fn invocation(path: &str) -> Option<String> {
    invoked(path.strip_prefix(PREFIX)?, "functions/", "/invocations")
}

/// The function whose name stands between these two in a path, as it is written there.
pub(crate) fn invoked(path: &str, before: &str, after: &str) -> Option<String> {
    let name = path.strip_prefix(before)?.strip_suffix(after)?;
    // An ARN has no slash; one that is escaped is a part of a name that does not exist.
    (!name.contains('/')).then(|| query::unescaped(name))
}

/// Answers a call to a path that [`invocation`] knows.
pub(crate) async fn invoke<S: Source>(shared: &Shared<S>, parts: &Parts, function: &str, payload: Payload) -> Answer {
    if parts.method != Method::POST {
        return wrong_method();
    }
    let token = shared.source.api().own_api_token.as_ref();
    if let Err(refused) = door::check_own(&parts.method, &parts.headers, true, token) {
        return answer::refusal(refused.status, refused.message);
    }
    let qualifier = match qualifier(parts, |_| false) {
        Ok(qualifier) => qualifier,
        Err(()) => return answer::refusal(StatusCode::BAD_REQUEST, "the only parameter is Qualifier"),
    };
    let scope = shared.source.scope();
    lambda::invoke(
        &shared.source,
        scope,
        function,
        qualifier.as_deref(),
        &parts.headers,
        payload,
    )
    .await
}

/// The qualifier in the query of an invocation, which has nothing else but what `is_other` knows.
pub(crate) fn qualifier(parts: &Parts, is_other: impl Fn(&str) -> bool) -> Result<Option<String>, ()> {
    let mut qualifier = None;
    for (name, value) in query::pairs(parts.uri.query().unwrap_or_default()) {
        match name.as_str() {
            "Qualifier" => qualifier = Some(value),
            other if is_other(other) => {}
            _ => return Err(()),
        }
    }
    Ok(qualifier)
}

/// Answers any other call. Its body is whole.
pub(crate) async fn answer<S: Source>(
    shared: &Arc<Shared<S>>,
    long_calls: &LongCalls,
    parts: &Parts,
    body: &[u8],
) -> Answer {
    let source = &shared.source;
    let name = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let token = source.api().own_api_token.as_ref();
    if let Err(refused) = door::check_own(&parts.method, &parts.headers, PRIVATE.contains(&name), token) {
        return answer::refusal(refused.status, refused.message);
    }
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    match (name, reads) {
        ("explain", _) if reads || parts.method == Method::POST => explain(source, parts, body),
        ("health", true) => answer::json(StatusCode::OK, &json!({ "status": "alive" })),
        ("ready", true) => ready(source),
        ("status", true) => answer::json(StatusCode::OK, &source.status()),
        ("targets", true) => answer::json(StatusCode::OK, &json!({ "targets": source.status().targets })),
        ("metrics", true) => {
            let mut exposition = observe::Exposition::new();
            source.metrics(&mut exposition);
            answer::document(StatusCode::OK, observe::CONTENT_TYPE, exposition.into_text())
        }
        ("requests", true) => requests(source, parts.uri.query()).await,
        (name, true) if name.starts_with("packages/") || name.starts_with("trust-stores/") => {
            linked(shared, name, parts.uri.query()).await
        }
        ("logs", true) => logs::answer(shared, long_calls, parts.uri.query().unwrap_or_default()).await,
        _ if PATHS.contains(&name) => wrong_method(),
        _ => {
            let paths: Vec<_> = PATHS.iter().map(|name| format!("{PREFIX}{name}")).collect();
            let document = json!({ "error": "there is nothing under this path", "paths": paths });
            answer::json(StatusCode::NOT_FOUND, &document)
        }
    }
}

/// What somebody was given a link to: a package, or what a trust store is made of. Source: Lambda 8.5, `Code.Location`;
/// ALB 9.5.
async fn linked<S: Source>(shared: &Shared<S>, name: &str, query: Option<&str>) -> Answer {
    if !shared.links.admits(name, query) {
        return answer::refusal(StatusCode::FORBIDDEN, "the link is not valid, or is over");
    }
    let gone = || answer::refusal(StatusCode::NOT_FOUND, "what the link leads to is gone");
    if let Some(digest) = name.strip_prefix("packages/") {
        let Ok(digest) = PackageDigest::try_from(digest) else {
            return gone();
        };
        let packages = shared.source.packages().clone();
        return match tokio::task::spawn_blocking(move || packages.read(&digest)).await {
            Ok(Ok(zip)) => answer::document(StatusCode::OK, "application/zip", zip),
            _ => gone(),
        };
    }
    match crate::aws::trust_store_file(&shared.source.state(), name) {
        Some((content_type, bytes)) => answer::document(StatusCode::OK, content_type, bytes),
        None => gone(),
    }
}

fn wrong_method() -> Answer {
    answer::refusal(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
}

fn ready<S: Source>(source: &S) -> Answer {
    match source.obstacle() {
        None => answer::json(StatusCode::OK, &json!({ "status": "ready" })),
        Some(reason) => {
            let document = json!({ "status": "not ready", "reason": reason });
            answer::json(StatusCode::SERVICE_UNAVAILABLE, &document)
        }
    }
}

async fn requests<S: Source>(source: &S, query: Option<&str>) -> Answer {
    let mut limit = REQUESTS_DEFAULT;
    for (name, value) in query::pairs(query.unwrap_or_default()) {
        match (name.as_str(), value.parse()) {
            ("limit", Ok(value)) => limit = value,
            ("limit", Err(_)) => return answer::refusal(StatusCode::BAD_REQUEST, "limit is a whole number"),
            _ => return answer::refusal(StatusCode::BAD_REQUEST, "the only parameter is limit"),
        }
    }
    let mut entries: Vec<_> = source.requests().await;
    // Each core keeps its own, so they are put in order here. The time is the second field of a line.
    entries.sort_by(|a, b| time_of(&b.line).cmp(time_of(&a.line)));
    entries.truncate(limit);
    let entry = |entry: crate::LoggedRequest| {
        let mut fields: Map<String, Value> = access_log_line::by_name(&entry.line);
        fields.insert("verdict".to_owned(), entry.verdict.map_or(Value::Null, Value::String));
        fields
    };
    let entries: Vec<_> = entries.into_iter().map(entry).collect();
    answer::json(StatusCode::OK, &json!({ "requests": entries }))
}

fn time_of(line: &str) -> &str {
    line.split(' ').nth(1).unwrap_or_default()
}

fn explain<S: Source>(source: &S, parts: &Parts, body: &[u8]) -> Answer {
    let question = if parts.method == Method::POST {
        serde_json::from_slice(body).map_err(|error| format!("the question cannot be read: {error}"))
    } else {
        query::question(parts.uri.query().unwrap_or_default())
    };
    match question.map(|question: Question| source.explain(question)) {
        Ok(Ok(explanation)) => answer::document(StatusCode::OK, "application/json", explanation + "\n"),
        Ok(Err(message)) => answer::refusal(StatusCode::UNPROCESSABLE_ENTITY, &message),
        Err(message) => answer::refusal(StatusCode::BAD_REQUEST, &message),
    }
}
