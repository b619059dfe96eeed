//! Function URLs: an HTTP request becomes an event of payload format 2.0, and what the function returns an answer.
//! Source: Lambda 7.
//!
//! Whoever reads connections calls [`named`] with the `Host` of a request, and [`respond`] where it names a URL. Nothing
//! here opens a socket.
#![forbid(unsafe_code)]

mod answer;
mod cors;
mod event;
mod json;
mod refusal;
mod stream;

use bytes::Bytes;
use event::Event;
use http::{HeaderMap, HeaderValue, Method, Response, Uri, Version};
use invoke::{Invocation, InvokeOutcome, InvokeRefusal, Invoked, RequestId, Streaming};
use model::lambda::url::{FunctionUrl, InvokeMode, UrlAuth, UrlId};
use model::{Owner, State};
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;
use tracing::warn;

pub use stream::{Body, Broken, Stream};

/// The largest event, in bytes. Source: Lambda 7.2.
pub const EVENT_BYTES_MAX: usize = 6 * 1024 * 1024;

/// What stands behind the region in the host names of URLs. On AWS it is `on.aws`.
const SUFFIX: &str = "localhost";

/// Where URLs and functions are.
pub trait Platform {
    /// What users asked for.
    fn state(&self) -> Arc<State>;

    /// Runs a function. Ends by itself, at the latest some time after the function's timeout.
    fn invoke(&self, invocation: Invocation) -> impl Future<Output = Invoked> + Send;

    /// Runs a function whose answer is wanted piece by piece. Ready when the answer begins.
    fn invoke_streaming(&self, invocation: Invocation) -> impl Future<Output = Streaming> + Send;

    /// Who signed a request for Lambda in this region; `None`: nobody, or not as it must be. A request without its body is
    /// signed by nobody.
    fn signer(&self, asked: &Asked, region: &str) -> Option<Signer>;
}

/// Whose signature a request has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The id of the key.
    pub access_key: String,
    /// The account.
    pub account: String,
    /// The ARN of the user.
    pub user_arn: String,
    /// The unique id of the user.
    pub user_id: String,
}

/// A request whose `Host` names a URL.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: Method,
    /// The target as the client wrote it.
    pub uri: Uri,
    /// The protocol.
    pub version: Version,
    /// All fields, in order.
    pub headers: HeaderMap,
    /// The body; `None` when it was larger than an event may be.
    pub body: Option<Bytes>,
    /// Where it comes from.
    pub client: IpAddr,
    /// The port it was sent to.
    pub port: u16,
}

/// The first label of the host name of a function URL, `{label}.lambda-url.{region}.localhost`, with or without a port.
/// `None`: the host is something else.
pub fn named(host: &str) -> Option<&str> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let (label, rest) = name.split_once('.')?;
    let mut rest = rest.split('.');
    let is = |part: Option<&str>, word: &str| part.is_some_and(|part| part.eq_ignore_ascii_case(word));
    let is_url = is(rest.next(), "lambda-url") && rest.next().is_some() && is(rest.next(), SUFFIX);
    (is_url && rest.next().is_none()).then_some(label)
}

/// The host name of a URL: its id, and the region of its function.
pub fn host_name(url: &FunctionUrl) -> String {
    format!("{}.lambda-url.{}.{SUFFIX}", url.id, region(url))
}

fn region(url: &FunctionUrl) -> &str {
    url.function.as_str().split(':').nth(3).unwrap_or_default()
}

/// Answers a request for the URL whose host name begins with `label`.
pub async fn respond<P: Platform + Sync>(platform: &P, label: &str, asked: Asked) -> Response<Body> {
    let id = UrlId::try_from(label.to_ascii_lowercase().as_str()).ok();
    let state = platform.state();
    let Some(url) = id.and_then(|id| state.url_with_id(&id).cloned()) else {
        return refusal::unknown().map(Body::Whole);
    };
    drop(state);
    if let Some(cors) = url
        .cors
        .as_ref()
        .filter(|_| cors::is_preflight(&asked.method, &asked.headers))
    {
        return cors::preflight(cors, &asked.headers).map(Body::Whole);
    }
    let origin = asked.headers.get(http::header::ORIGIN).cloned();
    let mut answer = called(platform, &url, asked).await;
    if let Some(cors) = &url.cors {
        cors::replace(cors, origin.as_ref(), answer.headers_mut());
    }
    answer
}

async fn called<P: Platform + Sync>(platform: &P, url: &FunctionUrl, asked: Asked) -> Response<Body> {
    let signer = match url.auth {
        UrlAuth::None if is_open(platform, url) => None,
        UrlAuth::None => return refusal::forbidden().map(Body::Whole),
        UrlAuth::AwsIam => match platform.signer(&asked, region(url)) {
            None => return refusal::forbidden().map(Body::Whole),
            signer => signer,
        },
    };
    if !event::METHODS.contains(&asked.method) {
        return refusal::method().map(Body::Whole);
    }
    let mut random = [0; 36];
    if getrandom::fill(&mut random).is_err() {
        return refusal::service().map(Body::Whole);
    }
    let (id, trace) = random.split_at(16);
    let mut request_id = [0; 16];
    request_id.copy_from_slice(id);
    let request_id = RequestId::from_random(request_id);
    let now = SystemTime::now();
    let trace_id = event::trace_id(&asked.headers, now, trace);
    let event = Event {
        url,
        host_name: host_name(url),
        asked: &asked,
        signer: signer.as_ref(),
        request_id: &request_id,
        trace_id: &trace_id,
        now,
    };
    let payload = asked.body.as_deref().map(|body| event.document(body));
    let Some(payload) = payload.filter(|payload| payload.len() <= EVENT_BYTES_MAX) else {
        return refusal::too_large().map(Body::Whole);
    };
    let mut invocation = Invocation::new(url.function.clone(), payload.into(), Some(trace_id.clone()));
    invocation.request_id = Some(request_id);
    let answer = match url.invoke_mode {
        InvokeMode::Buffered => buffered(platform, url, invocation).await.map(Body::Whole),
        InvokeMode::ResponseStream => streamed(platform, url, invocation).await,
    };
    with_ids(answer, &request_id, &trace_id)
}

/// Whether everybody may call a URL that asks for no signature: the manifest says so where it has the URL, and elsewhere the
/// policy of what is called, at each request. Source: Lambda 6.6.
fn is_open<P: Platform>(platform: &P, url: &FunctionUrl) -> bool {
    let state = platform.state();
    let policy = state.function_policy(&url.function);
    url.owner == Owner::Manifest || policy.is_some_and(|policy| policy.allows_everybody_by_url())
}

async fn buffered<P: Platform + Sync>(platform: &P, url: &FunctionUrl, invocation: Invocation) -> Response<Bytes> {
    match platform.invoke(invocation).await.outcome {
        InvokeOutcome::Buffered(document) => answer::infer(&document).unwrap_or_else(|reason| no_answer(url, &reason)),
        InvokeOutcome::FunctionError { .. } => refusal::function(),
        InvokeOutcome::Refused(reason) => refused(platform, url, reason),
    }
}

async fn streamed<P: Platform + Sync>(platform: &P, url: &FunctionUrl, invocation: Invocation) -> Response<Body> {
    match platform.invoke_streaming(invocation).await {
        Streaming::Began(answer) => stream::begin(answer)
            .await
            .unwrap_or_else(|reason| no_answer(url, &reason).map(Body::Whole)),
        Streaming::Refused(reason) => refused(platform, url, reason).map(Body::Whole),
    }
}

fn no_answer(url: &FunctionUrl, reason: &str) -> Response<Bytes> {
    warn!(
        function = url.function.as_str(),
        "a function URL answered 502: {reason}"
    );
    refusal::function()
}

fn refused<P: Platform>(platform: &P, url: &FunctionUrl, reason: InvokeRefusal) -> Response<Bytes> {
    let state = platform.state();
    // What is reserved for an alias' version stands in the function.
    let function = state.function(&url.function.unqualified());
    refusal::of(reason, function.and_then(|it| it.configuration.concurrency))
}

fn with_ids(mut answer: Response<Body>, request_id: &RequestId, trace_id: &str) -> Response<Body> {
    let headers = answer.headers_mut();
    if let Ok(value) = HeaderValue::from_str(request_id.as_str()) {
        headers.insert("x-amzn-requestid", value);
    }
    if let Ok(value) = HeaderValue::from_str(trace_id) {
        headers.insert("x-amzn-trace-id", value);
    }
    answer
}

#[cfg(test)]
mod tests;
