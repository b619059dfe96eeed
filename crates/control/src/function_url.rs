//! Function URLs on the endpoint port: requests whose `Host` names one go to `gateway`. Source: Lambda 7.
//!
//! They are meant for clients of every kind, web pages included, so the endpoint's own rules about who may speak to it do
//! not hold for them: a URL says itself who may call it.

use crate::answer::{Answer, AnswerBody};
use crate::aws::{access, sign_in};
use crate::server::{self, LongCalls, Payload, Shared};
use crate::source::Source;
use crate::stream_rate::StreamRate;
use bytes::Bytes;
use gateway::{Asked, Body, Broken, Platform, Signer, Stream};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode};
use invoke::{Invocation, Invoked, Streaming};
use model::lambda::url::UrlId;
use model::{FunctionArn, State};
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::time::timeout;
use wire::sigv4::Request as SignedRequest;

/// Pieces that may wait for the client; then the function waits.
const PIECES_MAX: usize = 4;

/// The label of the URL that a request is for. Two hosts are none.
pub(crate) fn named<B>(request: &Request<B>) -> Option<String> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, second) = (hosts.next()?, hosts.next());
    let label = gateway::named(host.to_str().ok()?).filter(|_| second.is_none());
    let authority = request.uri().authority().map(|it| gateway::named(it.as_str()));
    label
        .filter(|_| authority.is_none_or(|it| it == label))
        .map(str::to_owned)
}

/// Answers a request for the URL with this label.
pub(crate) async fn answer<S: Source>(
    shared: &Shared<S>,
    long_calls: &LongCalls,
    label: &str,
    (client, port): (IpAddr, u16),
    request: Request<Incoming>,
) -> Answer {
    let (parts, body) = request.into_parts();
    let limits = &shared.limits;
    let body = match timeout(limits.request_timeout, server::whole(body, gateway::EVENT_BYTES_MAX)).await {
        Ok(Ok(Payload::Whole(body))) => Some(body),
        Ok(Ok(Payload::TooLarge)) => None,
        Ok(Err(_)) => return plain(StatusCode::BAD_REQUEST),
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT),
    };
    let asked = Asked {
        method: parts.method,
        uri: parts.uri,
        version: parts.version,
        headers: parts.headers,
        body,
        client,
        port,
    };
    let call = long_calls.begin_invocation(shared);
    let platform = Functions {
        source: &shared.source,
        label,
    };
    let (began, function) = (Instant::now(), function_of(&shared.source, label));
    let answering = gateway::respond(&platform, label, asked);
    let response = timeout(limits.invocation_timeout, answering).await;
    if let Some(function) = function {
        let status = response.as_ref().map_or(StatusCode::GATEWAY_TIMEOUT, Response::status);
        shared.source.count_url(&function, status.as_u16(), began.elapsed());
    }
    let Ok(response) = response else {
        return plain(StatusCode::GATEWAY_TIMEOUT);
    };
    response.map(|body| match body {
        Body::Whole(bytes) => AnswerBody::Whole(Full::new(bytes)),
        Body::Stream(stream) => {
            let (sender, pieces) = mpsc::channel(PIECES_MAX);
            shared.tasks.spawn(hand_on(stream, sender, limits.stream_rate));
            AnswerBody::Streamed {
                pieces,
                broken: None,
                _call: call,
            }
        }
    })
}

/// The function, or the alias of it, whose URL has this label.
fn function_of<S: Source>(source: &S, label: &str) -> Option<FunctionArn> {
    let id = UrlId::try_from(label.to_ascii_lowercase().as_str()).ok()?;
    source.state().url_with_id(&id).map(|url| url.function.clone())
}

/// Hands on what a function writes until its end, or until nobody reads it any more.
async fn hand_on(mut stream: Stream, pieces: mpsc::Sender<io::Result<Bytes>>, rate: StreamRate) {
    let mut pace = rate.begin();
    loop {
        let piece = tokio::select! {
            biased;
            // Also while the function writes nothing.
            () = pieces.closed() => return,
            piece = stream.next() => piece,
        };
        let Some(piece) = piece else { return };
        let broken = piece.is_err();
        if let Ok(bytes) = &piece {
            tokio::select! {
                () = pieces.closed() => return,
                () = pace.wait_for(bytes.len()) => {}
            }
        }
        let piece = piece.map_err(|Broken| io::Error::other("the function failed while it wrote its answer"));
        if pieces.send(piece).await.is_err() || broken {
            return;
        }
    }
}

fn plain(status: StatusCode) -> Answer {
    let mut answer = Response::new(AnswerBody::Whole(Full::new(Bytes::new())));
    *answer.status_mut() = status;
    answer
}

/// The endpoint's facts, as `gateway` asks for them.
struct Functions<'a, S> {
    source: &'a S,
    /// The URL that is asked for.
    label: &'a str,
}

impl<S: Source> Platform for Functions<'_, S> {
    fn state(&self) -> Arc<State> {
        self.source.state()
    }

    fn invoke(&self, invocation: Invocation) -> impl Future<Output = Invoked> + Send {
        self.source.invoke(invocation)
    }

    fn invoke_streaming(&self, invocation: Invocation) -> impl Future<Output = Streaming> + Send {
        self.source.invoke_streaming(invocation)
    }

    /// Whoever signs must be allowed to call the function by its URL.
    fn signer(&self, asked: &Asked, region: &str) -> Option<Signer> {
        let headers = asked
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let headers: Vec<_> = headers.collect();
        let request = SignedRequest {
            method: asked.method.as_str(),
            path: asked.uri.path(),
            query: asked.uri.query().unwrap_or_default(),
            headers: &headers,
            body: asked.body.as_deref()?,
        };
        let mut caller = sign_in::signer(self.source, &request).ok()?;
        caller.address = Some(asked.client);
        if caller.service != "lambda" || caller.region.to_string() != region {
            return None;
        }
        let state = self.source.state();
        let url = state.url_with_id(&UrlId::try_from(self.label.to_ascii_lowercase().as_str()).ok()?)?;
        let account = &self.source.scope().account;
        access::calls::may_use_url(&state, account, &caller, &url.function).then(|| Signer {
            user_arn: access::arn(account, &caller),
            user_id: access::user_id(account, &caller),
            account: account.to_string(),
            access_key: caller.access_key,
        })
    }
}
