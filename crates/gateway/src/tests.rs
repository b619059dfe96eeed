//! Requests for URLs, with a function that notes its event and returns what it is told to.
#![allow(clippy::unwrap_used)]

mod answers;
mod events;
mod streams;

use super::*;
use invoke::{AnswerStream, StreamEnd, StreamError};
use model::command::function::CreateFunction;
use model::lambda::function::{
    Code, CodeLocation, Environment, FunctionConfiguration, FunctionMemory, FunctionName, FunctionTimeout, Layers,
};
use model::lambda::logging::Logging;
use model::lambda::runtime::Runtime;
use model::lambda::url::Cors;
use model::{AccountId, Command, Context, FunctionArn, Owner, Region, Scope, decide};
use serde_json::Value;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Poll, Waker};

struct World {
    state: Arc<State>,
    outcome: InvokeOutcome,
    pieces: Mutex<Option<Pieces>>,
    invoked: Mutex<Vec<Invocation>>,
}

impl Platform for World {
    fn state(&self) -> Arc<State> {
        self.state.clone()
    }

    async fn invoke(&self, invocation: Invocation) -> Invoked {
        let request_id = invocation.request_id.map(|id| id.to_string());
        self.invoked.lock().unwrap().push(invocation);
        Invoked {
            request_id,
            outcome: self.outcome.clone(),
            log_tail: None,
        }
    }

    async fn invoke_streaming(&self, invocation: Invocation) -> Streaming {
        let id = invocation.request_id.unwrap();
        self.invoked.lock().unwrap().push(invocation);
        let told = self.pieces.lock().unwrap().take();
        if let Some(told) = told {
            let (stream, sender, end) = AnswerStream::new(id, told.content_type.map(str::to_owned));
            for piece in told.pieces {
                assert!(sender.send(piece.into()).await);
            }
            end.send(StreamEnd {
                error: told.error.then(|| StreamError {
                    error_type: "Unhandled".to_owned(),
                    payload: Bytes::new(),
                }),
                log_tail: None,
            });
            return Streaming::Began(stream);
        }
        match &self.outcome {
            InvokeOutcome::Buffered(document) => {
                Streaming::Began(AnswerStream::whole(id, document.clone(), StreamEnd::default()))
            }
            InvokeOutcome::Refused(refusal) => Streaming::Refused(*refusal),
            InvokeOutcome::FunctionError { .. } => panic!("no test tells it so"),
        }
    }

    fn signer(&self, asked: &Asked, region: &str) -> Option<Signer> {
        assert_eq!(region, "eu-west-1");
        let key = asked.headers.get("authorization")?.to_str().unwrap();
        Some(Signer {
            access_key: key.to_owned(),
            account: "210987654321".to_owned(),
            user_arn: "arn:aws:iam::210987654321:user/u".to_owned(),
            user_id: "AIDA".to_owned(),
        })
    }
}

/// What a function streams.
struct Pieces {
    content_type: Option<&'static str>,
    pieces: Vec<&'static [u8]>,
    /// Does it fail at the end?
    error: bool,
}

/// What a future has at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut std::task::Context::from_waker(Waker::noop())) {
        Poll::Ready(it) => it,
        Poll::Pending => panic!("nothing here waits"),
    }
}

fn id() -> UrlId {
    UrlId::new([7; 20])
}

impl World {
    fn new(outcome: InvokeOutcome, cors: Option<Cors>, concurrency: Option<u32>) -> Self {
        let url = |function| FunctionUrl {
            id: id(),
            function,
            auth: UrlAuth::None,
            invoke_mode: InvokeMode::Buffered,
            cors,
            times: None,
            owner: Owner::Manifest,
        };
        Self::with(outcome, concurrency, url)
    }

    fn with(outcome: InvokeOutcome, concurrency: Option<u32>, url: impl FnOnce(FunctionArn) -> FunctionUrl) -> Self {
        let scope = Scope {
            region: Region::try_from("eu-west-1").unwrap(),
            account: AccountId::try_from("123456789012").unwrap(),
        };
        let arn = FunctionArn::new(&scope, "f");
        let create = Command::CreateFunction(CreateFunction {
            arn: arn.clone(),
            name: FunctionName::try_from("f").unwrap(),
            configuration: FunctionConfiguration {
                runtime: Runtime::ProvidedAl2023,
                handler: String::new(),
                timeout: FunctionTimeout::default(),
                memory: FunctionMemory::default(),
                environment: Environment::default(),
                concurrency,
                provisioned: 0,
                ephemeral_storage: model::lambda::function::EphemeralStorage::default(),
                logging: Logging::default(),
                layers: Layers::default(),
                network: None,
                aws_api: model::lambda::function::AwsApi::OwnRole,
            },
            code: Code {
                location: CodeLocation::Folder(PathBuf::from("/code")),
                revision: "1".into(),
            },
            owner: Owner::Manifest,
        });
        let url = Command::PutFunctionUrl(url(arn));
        let mut state = State::default();
        for command in [create, url] {
            let commit = decide(&state, &command, &Context::default()).unwrap();
            commit.changes.iter().for_each(|change| state.apply(change));
        }
        Self {
            state: Arc::new(state),
            outcome,
            pieces: Mutex::new(None),
            invoked: Mutex::new(Vec::new()),
        }
    }

    /// A function that returns this document.
    fn returning(document: &str) -> Self {
        Self::new(InvokeOutcome::Buffered(document.to_owned().into()), None, None)
    }

    fn host_name(&self) -> String {
        host_name(self.state.url_with_id(&id()).unwrap())
    }

    fn ask(&self, asked: Asked) -> Response<Bytes> {
        self.ask_of(id().as_str(), asked)
    }

    fn ask_of(&self, label: &str, asked: Asked) -> Response<Bytes> {
        now(respond(self, label, asked)).map(|body| match body {
            Body::Whole(bytes) => bytes,
            Body::Stream(_) => panic!("a stream that nobody asked for"),
        })
    }

    fn event(&self) -> Value {
        serde_json::from_slice(&self.invoked.lock().unwrap().last().unwrap().payload).unwrap()
    }
}

fn asked(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Asked {
    let header = |(name, value): &(&str, &str)| -> (http::HeaderName, HeaderValue) {
        (
            name.parse().unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        )
    };
    let mut fields = HeaderMap::new();
    for (name, value) in headers.iter().map(header) {
        fields.append(name, value);
    }
    Asked {
        method: method.parse().unwrap(),
        uri: target.parse().unwrap(),
        version: Version::HTTP_11,
        headers: fields,
        body: Some(Bytes::copy_from_slice(body)),
        client: "203.0.113.5".parse().unwrap(),
        port: 4566,
    }
}

fn get() -> Asked {
    asked("GET", "/", &[], b"")
}

#[test]
fn names_of_urls() {
    let label = id().to_string();
    let host = World::returning("1").host_name();
    assert_eq!(host, format!("{label}.lambda-url.eu-west-1.localhost"));
    for host in [&host, &format!("{host}:4566"), &host.to_uppercase()] {
        assert_eq!(named(host).map(str::to_lowercase), Some(label.clone()), "{host}");
    }
    for other in [
        "localhost:4566",
        "127.0.0.1:4566",
        "[::1]:4566",
        "shop.localhost",
        "lambda-url.eu-west-1.localhost",
        "a.lambda-url.localhost",
        "a.lambda-url.eu-west-1.localhost.example.com",
        "a.b.lambda-url.eu-west-1.localhost",
        "a.lambda-url.eu-west-1.on.aws",
        "",
    ] {
        assert_eq!(named(other), None, "{other}");
    }
}
