mod invoke_calls;
mod keys;
mod log_calls;
mod stream_calls;

use super::*;
use crate::{ApiSettings, ChangeError, Changed};
use crate::{DatapointsStatus, LogDeliveryStatus, LogGroupsStatus, LoggedRequest, Question, Status, TargetStatus};
use bytes::Bytes;
use invoke::{AnswerStream, Invocation, InvokeOutcome, Invoked, RequestId, StreamEnd, StreamError, Streaming};
use model::lambda::function::{
    Code, CodeLocation, Environment, Function, FunctionConfiguration, FunctionMemory, FunctionName, FunctionTimeout,
    Layers,
};
use model::lambda::logging::{LogGroupName, Logging};
use model::lambda::runtime::Runtime;
use model::observed::TargetReport;
use model::{AccountId, Change, Command, FunctionArn, Owner, Region, Scope, State};
use observe::{Exposition, GaugeFamily, LogGroupKeeper, LogGroupLimits, LogGroupReader, LogGroups};
use pki::{IssuedCertificate, KeyAlgorithm};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

struct Facts {
    ready: bool,
    endpoint: SocketAddr,
    scope: Scope,
    state: Arc<State>,
    /// How every invocation ends; `None` never.
    outcome: Option<InvokeOutcome>,
    /// What was invoked.
    invoked: Arc<Mutex<Vec<Invocation>>>,
    logs: Arc<Logs>,
    packages: Arc<store::packages::Packages>,
    api: ApiSettings,
}

/// Log groups in a folder that goes away.
struct Logs {
    folder: PathBuf,
    groups: LogGroups,
}

impl Logs {
    fn new() -> Arc<Self> {
        Self::with(LogGroupLimits::default())
    }

    fn with(limits: LogGroupLimits) -> Arc<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("albacore-control-{}-{number}", std::process::id()));
        let groups = LogGroups::open(&folder, limits, |_| {}).unwrap();
        Arc::new(Self { folder, groups })
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn function(scope: &Scope, name: &str, group: Option<&str>, concurrency: Option<u32>) -> Function {
    Function {
        arn: FunctionArn::new(scope, name),
        name: FunctionName::try_from(name).unwrap(),
        configuration: FunctionConfiguration {
            runtime: Runtime::ProvidedAl2023,
            handler: "bootstrap".to_owned(),
            timeout: FunctionTimeout::default(),
            memory: FunctionMemory::default(),
            environment: Environment::default(),
            concurrency,
            provisioned: 0,
            ephemeral_storage: model::lambda::function::EphemeralStorage::default(),
            logging: Logging {
                group: group.map(|group| LogGroupName::try_from(group).unwrap()),
                ..Logging::default()
            },
            layers: Layers::default(),
            network: None,
            aws_api: model::lambda::function::AwsApi::OwnRole,
        },
        code: Code {
            location: CodeLocation::Folder(PathBuf::from("/code")),
            revision: "1".into(),
        },
        owner: Owner::Manifest,
    }
}

impl Facts {
    /// Two functions: `orders`, and `users`, whose log group is `/shop`.
    fn new(ready: bool, endpoint: SocketAddr) -> Self {
        let scope = Scope {
            region: Region::try_from("eu-west-1").unwrap(),
            account: AccountId::try_from("111122223333").unwrap(),
        };
        let mut state = State::default();
        for function in [
            function(&scope, "orders", None, None),
            function(&scope, "users", Some("/shop"), Some(1)),
        ] {
            state.apply(&Change::PutFunction(Arc::new(function)));
        }
        Self {
            ready,
            endpoint,
            scope,
            state: Arc::new(state),
            outcome: Some(InvokeOutcome::Buffered(Bytes::from_static(b"{\"n\":2}"))),
            invoked: Arc::default(),
            packages: store::packages::Packages::new(std::env::temp_dir().join("albacore-control-no-packages")),
            logs: Logs::new(),
            api: ApiSettings {
                closed_listeners: crate::ClosedListeners::default(),
                own_api_token: None,
                session_key: model::Secret::new([7; 32]),
                dns_suffix: "elb.localhost".to_owned(),
                availability_zone: "eu-west-1a".to_owned(),
                manifest: "albacore.yaml".into(),
                credentials: None,
                objects: crate::Objects::new(None),
            },
        }
    }
}

const PROBE: GaugeFamily<0> = GaugeFamily::new("albacore_probe", "A number.", []);

impl Source for Facts {
    fn obstacle(&self) -> Option<&'static str> {
        (!self.ready).then_some("a test")
    }

    fn status(&self) -> Status {
        Status {
            version: "0.0.1".to_owned(),
            pid: 7,
            uptime_secs: 1,
            ready: self.ready,
            obstacle: self.obstacle().map(str::to_owned),
            revision: 3,
            endpoint: self.endpoint,
            manifest: "albacore.yaml".into(),
            data_dir: ".albacore".into(),
            sandbox: "process".to_owned(),
            connections: 0,
            listeners: vec![],
            closed_listeners: vec![],
            load_balancers: vec![],
            functions: vec![],
            targets: vec![TargetStatus {
                target_group: "arn:tg".to_owned(),
                target: "arn:f".to_owned(),
                state: "unavailable".to_owned(),
                reason: Some("Target.HealthCheckDisabled".to_owned()),
                description: None,
                server: None,
            }],
            state: None,
            access_log: None,
            log_delivery: LogDeliveryStatus {
                buckets: "s3".into(),
                lines_written: 0,
                lines_lost: 0,
                objects_delivered: 0,
                waiting_bytes: 0,
                spool_error: None,
                store_error: None,
            },
            datapoints: DatapointsStatus {
                path: "metrics".into(),
                written: 0,
                lost: 0,
                error: None,
            },
            log_groups: LogGroupsStatus {
                path: self.logs.folder.clone(),
                events_written: 0,
                events_lost: 0,
                error: None,
            },
        }
    }

    fn metrics(&self, out: &mut Exposition) {
        out.gauge(&PROBE, [], 1);
    }

    async fn requests(&self) -> Vec<LoggedRequest> {
        let entry = |time: &str, verdict: Option<&str>| LoggedRequest {
            line: format!("http {time} app/a/1 127.0.0.1:1 -"),
            verdict: verdict.map(str::to_owned),
        };
        // As two cores give them: each in order, one after the other.
        vec![entry("1", None), entry("3", Some("no status")), entry("2", None)]
    }

    fn explain(&self, question: Question) -> Result<String, String> {
        match question.url.as_str() {
            "/no" => Err("no listener".to_owned()),
            url => Ok(format!("{{\"method\":\"{}\",\"url\":\"{url}\"}}", question.method)),
        }
    }

    fn state(&self) -> Arc<State> {
        self.state.clone()
    }

    fn scope(&self) -> &Scope {
        &self.scope
    }

    fn api(&self) -> &ApiSettings {
        &self.api
    }

    fn targets(&self) -> Vec<TargetReport> {
        Vec::new()
    }

    fn count_recursion(&self, _function: &FunctionArn) {}

    fn count_url(&self, _: &model::FunctionArn, _: u16, _: Duration) {}

    fn datapoints(&self) -> observe::DatapointReader {
        observe::DatapointReader::new("metrics".into())
    }

    async fn measure(&self, _: Vec<crate::Measurement>) -> Result<(), crate::MeasureError> {
        Err(crate::MeasureError::Closed)
    }

    /// Decides, and forgets what was decided.
    async fn change<T: Send + 'static, E: Send + 'static>(
        &self,
        build: impl FnOnce(&State) -> Result<(Vec<Command>, T), E> + Send + 'static,
    ) -> Result<Changed<T>, ChangeError<E>> {
        let (commands, rest) = build(&self.state).map_err(ChangeError::Build)?;
        let mut state = State::clone(&self.state);
        for command in &commands {
            let commit = model::decide(&state, command, &model::Context::default()).map_err(ChangeError::Refused)?;
            commit.changes.iter().for_each(|change| state.apply(change));
        }
        Ok(Changed {
            state: Arc::new(state),
            rest,
        })
    }

    async fn issue(&self, _: Vec<String>, _: KeyAlgorithm) -> Result<IssuedCertificate, String> {
        Err("a test".to_owned())
    }

    fn packages(&self) -> &Arc<store::packages::Packages> {
        &self.packages
    }

    fn kept_ready(&self, _: &model::FunctionArn) -> model::lambda::provisioning::KeptReport {
        model::lambda::provisioning::KeptReport::default()
    }

    async fn prepare(&self, _: Code, _: Layers) -> Result<(), crate::PrepareError> {
        Ok(())
    }

    /// A payload of `"full"` finds no room.
    async fn accept_event(&self, event: invoke::Event) -> Result<(), invoke::EventRefusal> {
        if event.payload == "\"full\"" {
            return Err(invoke::EventRefusal::Full);
        }
        let invocation = Invocation {
            request_id: Some(event.request_id),
            ..Invocation::new(event.function.invoked(), event.payload, event.trace_id)
        };
        self.invoked.lock().unwrap().push(invocation);
        Ok(())
    }

    async fn invoke(&self, invocation: Invocation) -> Invoked {
        let log_tail = invocation.log_tail.then(|| Bytes::from_static(b"START\nREPORT\n"));
        self.invoked.lock().unwrap().push(invocation);
        let Some(outcome) = self.outcome.clone() else {
            return std::future::pending().await;
        };
        Invoked {
            request_id: Some("7f0c1b4e-0000-4000-8000-000000000001".to_owned()),
            outcome,
            log_tail,
        }
    }

    async fn invoke_streaming(&self, invocation: Invocation) -> Streaming {
        let request_id = RequestId::from_random([7; 16]);
        let log_tail = invocation.log_tail.then(|| Bytes::from_static(b"START\nREPORT\n"));
        self.invoked.lock().unwrap().push(invocation);
        let (bytes, error) = match self.outcome.clone() {
            None => return std::future::pending().await,
            Some(InvokeOutcome::Refused(refusal)) => return Streaming::Refused(refusal),
            Some(InvokeOutcome::Buffered(bytes)) => (bytes, None),
            Some(InvokeOutcome::FunctionError { error_type, payload }) => {
                (Bytes::from_static(b"sent"), Some(StreamError { error_type, payload }))
            }
        };
        Streaming::Began(AnswerStream::whole(request_id, bytes, StreamEnd { error, log_tail }))
    }

    fn logs(&self) -> (LogGroupReader, watch::Receiver<u64>) {
        (self.logs.groups.reader(), self.logs.groups.changed())
    }

    fn log_keeper(&self) -> LogGroupKeeper {
        self.logs.groups.keeper()
    }
}

async fn with_server<T>(limits: Limits, ready: bool, client: impl AsyncFnOnce(SocketAddr) -> T) -> T {
    with_facts(limits, |endpoint| Facts::new(ready, endpoint), client).await
}

async fn with_facts<T>(
    limits: Limits,
    facts: impl FnOnce(SocketAddr) -> Facts,
    client: impl AsyncFnOnce(SocketAddr) -> T,
) -> T {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = Server::bind(address, limits, "0123".to_owned(), facts).await.unwrap();
    let (address, stop) = (server.address(), CancellationToken::new());
    let serving = server.serve(stop.clone());
    let talking = async {
        let result = client(address).await;
        stop.cancel();
        result
    };
    tokio::join!(serving, talking).1
}

/// Sends a request and reads until the connection closes.
async fn talk(address: SocketAddr, request: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_default();
    (status, answer)
}

async fn get(address: SocketAddr, path: &str) -> (u16, Value) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let (status, answer) = talk(address, &request).await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        status,
        serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())),
    )
}

#[tokio::test]
async fn the_own_api_answers() {
    with_server(Limits::default(), true, async |address| {
        assert_eq!(
            get(address, "/_albacore/health").await,
            (200, serde_json::json!({ "status": "alive" }))
        );
        assert_eq!(get(address, "/_albacore/ready").await.0, 200);
        let (_, status) = get(address, "/_albacore/status").await;
        assert_eq!(
            (&status["revision"], &status["endpoint"]),
            (&3.into(), &address.to_string().into())
        );
        let (_, metrics) = get(address, "/_albacore/metrics").await;
        assert!(
            metrics.as_str().unwrap().ends_with("albacore_probe 1\n# EOF\n"),
            "{metrics}"
        );
        let (_, targets) = get(address, "/_albacore/targets").await;
        assert_eq!(targets["targets"][0]["reason"], "Target.HealthCheckDisabled");
        let (status, answer) = get(address, "/_albacore/explain?url=/a&method=PUT").await;
        assert_eq!((status, &answer["method"]), (200, &"PUT".into()));
        let (status, answer) = get(address, "/_albacore/explain?url=/no").await;
        assert_eq!((status, &answer["error"]), (422, &"no listener".into()));
        assert_eq!(get(address, "/_albacore/explain").await.0, 400);
        for path in ["/_albacore/nothing", "/_albacore/", "/_albacore"] {
            let (status, answer) = get(address, path).await;
            assert_eq!(
                (status, answer["paths"].as_array().map(Vec::len)),
                (404, Some(11)),
                "{path}"
            );
        }
        assert_eq!(get(address, "/_albacoreX").await.0, 403);
    })
    .await;
}

#[tokio::test]
async fn requests_come_newest_first_with_their_verdict() {
    with_server(Limits::default(), true, async |address| {
        let (_, answer) = get(address, "/_albacore/requests?limit=2").await;
        let times: Vec<_> = answer["requests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| &entry["time"])
            .collect();
        assert_eq!(times, ["3", "2"]);
        assert_eq!(answer["requests"][0]["verdict"], "no status");
        assert_eq!(answer["requests"][1]["verdict"], Value::Null);
        assert_eq!(get(address, "/_albacore/requests?limit=x").await.0, 400);
        assert_eq!(get(address, "/_albacore/requests?other=1").await.0, 400);
    })
    .await;
}

#[tokio::test]
async fn not_ready_is_503() {
    with_server(Limits::default(), false, async |address| {
        assert_eq!(get(address, "/_albacore/ready").await.0, 503);
        assert_eq!(get(address, "/_albacore/health").await.0, 200);
    })
    .await;
}

#[tokio::test]
async fn a_web_page_cannot_reach_anything() {
    with_server(Limits::default(), true, async |address| {
        let post = |lines: &str| {
            let body = "{\"url\":\"/a\"}";
            let length = body.len();
            format!(
                "POST /_albacore/explain HTTP/1.1\r\n{lines}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            )
        };
        for (lines, expected) in [
            ("Host: localhost\r\nX-Albacore: 1\r\n", 200),
            ("Host: localhost\r\n", 403),
            (
                "Host: localhost\r\nContent-Type: text/plain\r\nOrigin: https://evil.example\r\n",
                403,
            ),
            (
                "Host: localhost\r\nX-Albacore: 1\r\nSec-Fetch-Site: cross-site\r\n",
                403,
            ),
            ("Host: rebound.example\r\nX-Albacore: 1\r\n", 403),
        ] {
            assert_eq!(talk(address, &post(lines)).await.0, expected, "{lines:?}");
        }
        // The AWS API stands behind the same door, and an OPTIONS request gets no permission either.
        let (status, _) = talk(
            address,
            "GET / HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert_eq!(status, 403);
        let preflight =
            "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nConnection: close\r\n\r\n";
        let (status, answer) = talk(address, preflight).await;
        assert!(
            status == 403 && !answer.to_ascii_lowercase().contains("access-control"),
            "{answer}"
        );
    })
    .await;
}

#[tokio::test]
async fn every_answer_names_the_instance() {
    with_server(Limits::default(), true, async |address| {
        let (_, answer) = talk(
            address,
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(answer.contains("x-albacore-instance: 0123\r\n"), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn heads_and_bodies_are_bounded() {
    let limits = Limits {
        body_bytes_max: 10,
        head_bytes_max: 8192,
        ..Limits::default()
    };
    with_server(limits, true, async |address| {
        let head = "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
        let declared = format!("{head}Content-Length: 11\r\n\r\n01234567890");
        assert_eq!(talk(address, &declared).await.0, 413);
        let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n");
        assert_eq!(talk(address, &chunked).await.0, 413);
        assert_eq!(
            talk(address, &format!("{head}Content-Length: 10\r\n\r\n0123456789"))
                .await
                .0,
            403
        );
        let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "a".repeat(9000));
        assert_eq!(talk(address, &long).await.0, 431);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn slow_clients_are_let_go() {
    with_server(Limits::default(), true, async |address| {
        // A head that never ends, then a body that never comes. The clock moves when everybody waits.
        let (_, answer) = talk(address, "GET / HTTP/1.1\r\nHost: loc").await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        let (status, _) = talk(
            address,
            "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\n",
        )
        .await;
        assert_eq!(status, 408);
    })
    .await;
}

#[tokio::test]
async fn connections_are_bounded_and_the_next_one_waits() {
    let limits = Limits {
        connections_max: 1,
        ..Limits::default()
    };
    with_server(limits, true, async |address| {
        let mut first = TcpStream::connect(address).await.unwrap();
        first
            .write_all(b"GET /_albacore/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut begin = [0; 8];
        first.read_exact(&mut begin).await.unwrap();
        let second = get(address, "/_albacore/health");
        let mut second = std::pin::pin!(second);
        tokio::select! {
            biased;
            _ = &mut second => panic!("the second connection was served beside the first"),
            () = async { for _ in 0..100 { tokio::task::yield_now().await } } => {}
        }
        drop(first);
        assert_eq!(second.await.0, 200);
    })
    .await;
}

#[tokio::test]
async fn only_loopback_may_be_opened() {
    let open = async |address: &str| {
        let address = address.parse().unwrap();
        Server::bind(address, Limits::default(), String::new(), |endpoint| {
            Facts::new(true, endpoint)
        })
        .await
        .map(drop)
    };
    for address in ["0.0.0.0:0", "192.0.2.1:4566", "[::]:0"] {
        assert!(
            matches!(open(address).await, Err(BindError::NotLoopback(_))),
            "{address}"
        );
    }
    let theirs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = theirs.local_addr().unwrap().to_string();
    assert!(matches!(open(&taken).await, Err(BindError::InUse(_))));
}
