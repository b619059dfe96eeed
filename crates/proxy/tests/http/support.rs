//! Starts a proxy over a state that commands made, with functions played by closures, and raw clients to talk to it.

use invoke::{Invocation, InvokeOutcome, Invoker, LocalBoxFuture};
use model::command::function::CreateFunction;
use model::command::listener::CreateListener;
use model::command::load_balancer::CreateLoadBalancer;
use model::command::rule::CreateRule;
use model::command::target_group::CreateTargetGroup;
use model::elb::action::redirect::{Redirect, RedirectParts, RedirectStatus};
use model::elb::action::{Actions, Answer, ContentType, FixedResponse, Forward, WeightedTargetGroup};
use model::elb::condition::pattern::PathPattern;
use model::elb::condition::{Alternatives, Condition, Conditions};
use model::elb::health_check::HealthCheck;
use model::elb::listener::{ListenerAttributes, ListenerProtocol};
use model::elb::load_balancer::{LoadBalancerAttributes, Scheme};
use model::elb::name::{LoadBalancerName, TargetGroupName};
use model::elb::rule::RulePriority;
use model::elb::transform::Transforms;
use model::lambda::function::{
    Code, CodeLocation, Environment, FunctionConfiguration, FunctionMemory, FunctionName, FunctionTimeout, Layers,
};
use model::lambda::logging::Logging;
use model::lambda::runtime::Runtime;
use model::{
    AccountId, Command, Context, FunctionArn, ListenerArn, LoadBalancerArn, Owner, Region, ResourceId, RuleArn, Scope,
    State, TargetGroupArn, decide,
};
use observe::{AccessLog, AccessLogLimits, Delivery, DeliveryLimits, LogStore};
use proxy::{CoreParts, Limits, LogDeliveries, LogFormat, Options, Proxy};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) const PORT: u16 = 8080;
/// Longer than anything here takes; a read that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) type Function = Arc<dyn Fn(Invocation) -> LocalBoxFuture<InvokeOutcome> + Send + Sync>;

pub(crate) fn scope() -> Scope {
    Scope {
        region: Region::try_from("us-east-1").unwrap(),
        account: AccountId::try_from("123456789012").unwrap(),
    }
}

pub(crate) fn load_balancer_arn() -> LoadBalancerArn {
    LoadBalancerArn::new(&scope(), "shop", ResourceId(1))
}

pub(crate) fn listener_arn() -> ListenerArn {
    ListenerArn::new(&load_balancer_arn(), ResourceId(2))
}

pub(crate) fn group_arn(name: &str) -> TargetGroupArn {
    TargetGroupArn::new(&scope(), name, ResourceId(0xabc))
}

pub(crate) fn fixed(status: i64, body: &str) -> Actions {
    let response = FixedResponse::new(status, ContentType::TextPlain, body).unwrap();
    Actions::from(Answer::FixedResponse(response))
}

pub(crate) fn redirect(parts: &RedirectParts<'_>) -> Actions {
    Actions::from(Answer::Redirect(
        Redirect::new(RedirectStatus::MovedPermanently, parts).unwrap(),
    ))
}

pub(crate) fn forward(groups: &[(&str, u16)], stickiness: Option<Duration>) -> Actions {
    let group = |(name, weight): &(&str, u16)| WeightedTargetGroup {
        target_group: group_arn(name),
        weight: *weight,
    };
    Actions::from(Answer::Forward(
        Forward::new(groups.iter().map(group).collect(), stickiness).unwrap(),
    ))
}

pub(crate) fn path(patterns: &[&str]) -> Condition {
    Condition::PathPattern(Alternatives::Values(
        patterns
            .iter()
            .map(|text| PathPattern::try_from(*text).unwrap())
            .collect(),
    ))
}

/// What a test wants served.
pub(crate) struct Setup {
    /// The listener's port; the socket's is any free one.
    pub(crate) port: u16,
    pub(crate) attributes: LoadBalancerAttributes,
    pub(crate) listener_attributes: ListenerAttributes,
    pub(crate) protocol: ListenerProtocol,
    pub(crate) default: Actions,
    pub(crate) rules: Vec<(i64, Vec<Condition>, Transforms, Actions)>,
    /// Target groups by name; without a function when `None`.
    pub(crate) groups: Vec<(&'static str, bool, Option<&'static str>)>,
    /// How the targets of all groups are checked.
    pub(crate) health_check: HealthCheck,
    pub(crate) function: Function,
    pub(crate) limits: Limits,
    pub(crate) cores: usize,
    pub(crate) extra: Vec<Command>,
    /// Where [`PORT`] is open; 0 for any free socket port.
    pub(crate) socket_port: u16,
    pub(crate) bind: IpAddr,
    /// Where logs are delivered, if they are.
    pub(crate) log_store: Option<Arc<dyn LogStore>>,
    pub(crate) log_format: LogFormat,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            port: PORT,
            attributes: LoadBalancerAttributes::default(),
            listener_attributes: ListenerAttributes::default(),
            protocol: ListenerProtocol::Http,
            default: fixed(200, "default"),
            rules: Vec::new(),
            groups: Vec::new(),
            health_check: HealthCheck::of_lambda(),
            function: answering(r#"{"statusCode":200}"#),
            limits: Limits::default(),
            cores: 1,
            extra: Vec::new(),
            socket_port: 0,
            bind: Ipv4Addr::LOCALHOST.into(),
            log_store: None,
            log_format: LogFormat::Text,
        }
    }
}

/// A function that answers every event with one document.
pub(crate) fn answering(document: &'static str) -> Function {
    Arc::new(move |_| Box::pin(async move { InvokeOutcome::Buffered(document.as_bytes().into()) }))
}

/// A function that answers with its event as the body.
pub(crate) fn echo() -> Function {
    Arc::new(|invocation| {
        Box::pin(async move {
            let event = String::from_utf8(invocation.payload.to_vec()).unwrap();
            let document = serde_json::json!({"statusCode": 200, "body": event, "headers": {"content-type": "application/json"}, "multiValueHeaders": {"content-type": ["application/json"]}});
            InvokeOutcome::Buffered(document.to_string().into_bytes().into())
        })
    })
}

impl Setup {
    /// All requests go to one function.
    pub(crate) fn lambda(multi_value: bool, function: Function) -> Self {
        Self {
            default: forward(&[("orders", 1)], None),
            groups: vec![("orders", multi_value, Some("orders"))],
            function,
            ..Self::default()
        }
    }

    pub(crate) fn attribute(mut self, key: &str, value: &str) -> Self {
        self.attributes.set(key, value).unwrap();
        self
    }

    pub(crate) fn rule(mut self, priority: i64, conditions: Vec<Condition>, actions: Actions) -> Self {
        self.rules.push((priority, conditions, Transforms::default(), actions));
        self
    }

    pub(crate) fn commands(&self) -> Vec<Command> {
        let mut commands = self.extra.clone();
        for (name, multi_value_headers, function) in &self.groups {
            commands.push(Command::CreateTargetGroup(CreateTargetGroup {
                arn: group_arn(name),
                name: TargetGroupName::try_from(*name).unwrap(),
                targets: model::elb::target_group::TargetKind::Lambda(model::elb::target_group::LambdaTargets {
                    function: None,
                    multi_value_headers: *multi_value_headers,
                    health_check: self.health_check.clone(),
                }),
                owner: Owner::Manifest,
            }));
            if let Some(function) = function {
                commands.push(create_function(function));
                commands.push(Command::RegisterFunction(
                    group_arn(name),
                    FunctionArn::new(&scope(), function),
                ));
            }
        }
        commands.push(Command::CreateLoadBalancer(CreateLoadBalancer {
            arn: load_balancer_arn(),
            name: LoadBalancerName::try_from("shop").unwrap(),
            scheme: Scheme::InternetFacing,
            dns_name: "shop-123456789.us-east-1.elb.localhost".to_owned(),
            attributes: self.attributes.clone(),
            owner: Owner::Manifest,
        }));
        commands.push(Command::CreateListener(CreateListener {
            arn: listener_arn(),
            default_rule: RuleArn::new(&listener_arn(), ResourceId(0)),
            load_balancer: load_balancer_arn(),
            port: self.port,
            protocol: self.protocol.clone(),
            default_actions: self.default.clone(),
            attributes: self.listener_attributes.clone(),
            owner: Owner::Manifest,
        }));
        for (priority, conditions, transforms, actions) in &self.rules {
            commands.push(Command::CreateRule(CreateRule {
                arn: RuleArn::new(&listener_arn(), ResourceId(*priority as u64)),
                listener: listener_arn(),
                priority: RulePriority::try_from(*priority).unwrap(),
                conditions: Conditions::new(conditions.clone()).unwrap(),
                transforms: transforms.clone(),
                actions: actions.clone(),
                owner: Owner::Manifest,
            }));
        }
        commands
    }

    pub(crate) fn start(self) -> Server {
        let commands = self.commands();
        Server::start(self, &commands)
    }
}

fn port_of(command: &Command) -> Option<u16> {
    match command {
        Command::CreateListener(listener) => Some(listener.port),
        _ => None,
    }
}

fn create_function(name: &str) -> Command {
    Command::CreateFunction(CreateFunction {
        arn: FunctionArn::new(&scope(), name),
        name: FunctionName::try_from(name).unwrap(),
        configuration: FunctionConfiguration {
            runtime: Runtime::ProvidedAl2023,
            handler: "bootstrap".to_owned(),
            timeout: FunctionTimeout::default(),
            memory: FunctionMemory::default(),
            environment: Environment::default(),
            concurrency: None,
            provisioned: 0,
            ephemeral_storage: model::lambda::function::EphemeralStorage::default(),
            logging: Logging::default(),
            layers: Layers::default(),
            network: None,
            aws_api: model::lambda::function::AwsApi::OwnRole,
        },
        code: Code {
            location: CodeLocation::Executable(PathBuf::from("/bin/true")),
            revision: "1".into(),
        },
        owner: Owner::Manifest,
    })
}

pub(crate) fn state_of(commands: &[Command]) -> State {
    let mut state = State::default();
    for command in commands {
        let commit = decide(&state, command, &Context::default()).unwrap();
        commit.changes.iter().for_each(|change| state.apply(change));
    }
    state
}

struct Played(Function);

impl Invoker for Played {
    fn invoke(&self, invocation: Invocation) -> LocalBoxFuture<InvokeOutcome> {
        (self.0)(invocation)
    }
}

/// A proxy that serves one load balancer on a free port, with its access log in a file.
pub(crate) struct Server {
    pub(crate) proxy: Proxy,
    pub(crate) address: SocketAddr,
    log: Option<AccessLog>,
    log_path: PathBuf,
    deliveries: Option<Arc<LogDeliveries>>,
    spool: PathBuf,
    runtime: tokio::runtime::Runtime,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.log_path);
        let _ = std::fs::remove_dir_all(&self.spool);
    }
}

impl Server {
    /// With commands of the test's own; every listener port among them is published.
    pub(crate) fn start(setup: Setup, commands: &[Command]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let unique = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let log_path = std::env::temp_dir().join(format!("albacore-proxy-{}-{}.log", unique.0, unique.1));
        let _ = std::fs::remove_file(&log_path);
        let (log, sender) = AccessLog::open(&log_path, AccessLogLimits::default(), |_| {}).unwrap();
        let spool = log_path.with_extension("spool");
        let log_delivery = setup.log_store.map(|store| {
            let (node, limits) = (Ipv4Addr::new(192, 0, 2, 7).into(), DeliveryLimits::default());
            let (delivery, sender) = Delivery::open(&spool, store, node, limits, |_| {}).unwrap();
            (Arc::new(LogDeliveries::new(delivery)), sender)
        });
        let deliveries = log_delivery.as_ref().map(|(all, _)| all.clone());
        let options = Options {
            bind: setup.bind,
            publish: commands
                .iter()
                .filter_map(port_of)
                .map(|port| (port, if port == PORT { setup.socket_port } else { 0 }))
                .collect(),
            cores: setup.cores,
            limits: setup.limits,
            cookie_key: [7; 32],
            access_log: Some(sender),
            log_delivery,
            log_format: setup.log_format,
            availability_zone: "us-east-1a".to_owned(),
        };
        let function = setup.function;
        let proxy = Proxy::start(options, move |_| CoreParts {
            invoker: Rc::new(Played(function.clone())),
            shutdown: Box::pin(async {}),
        })
        .unwrap();
        proxy.apply(&state_of(commands)).unwrap();
        let address = proxy.listeners()[0].socket;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        Self {
            proxy,
            address,
            log: Some(log),
            log_path,
            deliveries,
            spool,
            runtime,
        }
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client::new(stream)
    }

    /// One request on a connection of its own, with `Connection: close`; the whole answer.
    pub(crate) fn get(&self, target: &str) -> Response {
        self.ask(&format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\n\r\n"))
    }

    pub(crate) fn ask(&self, request: &str) -> Response {
        let mut client = self.connect();
        client.send(request.as_bytes());
        client.response()
    }

    /// Sends bytes, then reads until the server closes.
    pub(crate) fn until_closed(&self, request: &[u8]) -> Vec<u8> {
        let mut client = self.connect();
        client.send(request);
        client.rest()
    }

    /// Stops the proxy and reads its access log.
    pub(crate) fn log(self) -> Vec<Vec<String>> {
        self.log_text().lines().map(fields).collect()
    }

    /// The same as it is written. Everything that was to be delivered has been.
    pub(crate) fn log_text(mut self) -> String {
        self.runtime.block_on(self.proxy.drain());
        self.log.take().unwrap().shutdown(PATIENCE).unwrap();
        if let Some(deliveries) = &self.deliveries {
            assert!(deliveries.close(PATIENCE), "not all was delivered");
        }
        std::fs::read_to_string(&self.log_path).unwrap()
    }

    /// What the proxy remembers of its last requests.
    pub(crate) fn requests(&self) -> Vec<proxy::RequestEntry> {
        self.runtime.block_on(self.proxy.requests())
    }

    pub(crate) fn metrics(&self) -> String {
        let mut exposition = observe::Exposition::new();
        self.proxy.expose(&mut exposition);
        exposition.into_text()
    }

    /// The sum of all samples of a counter.
    pub(crate) fn counter(&self, name: &str) -> f64 {
        let text = self.metrics();
        let samples = text.lines().filter(|line| {
            line.starts_with(name) && line.as_bytes().get(name.len()).is_some_and(|byte| b" {".contains(byte))
        });
        samples
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }
}

/// Splits a log line; quotes are taken off.
pub(crate) fn fields(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap(),
            None => rest.split_at(rest.find(' ').unwrap_or(rest.len())),
        };
        fields.push(field.to_owned());
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    fields
}

/// Raw bytes over a connection, in clear or not.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.headers(name).next()
    }

    pub(crate) fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads one response with a `Content-Length` or without a body.
    pub(crate) fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    pub(crate) fn response_to(&mut self, method: &str) -> Response {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(
                self.read() > 0,
                "closed before a head: {:?}",
                String::from_utf8_lossy(&self.buffer)
            );
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let status = head[9..12].parse().unwrap();
        let mut response = Response {
            status,
            head,
            body: Vec::new(),
        };
        if status >= 200 && status != 204 && status != 304 && method != "HEAD" {
            let length: usize = response
                .header("content-length")
                .map_or(0, |length| length.parse().unwrap());
            while self.buffer.len() < length {
                assert!(self.read() > 0, "closed before the body's end");
            }
            response.body = self.buffer.drain(..length).collect();
        }
        response
    }

    fn read(&mut self) -> usize {
        let mut bytes = [0; 16 * 1024];
        let count = self.stream.read(&mut bytes).unwrap();
        self.buffer.extend_from_slice(&bytes[..count]);
        count
    }

    /// What comes next; not empty.
    pub(crate) fn some(&mut self) -> Vec<u8> {
        assert!(!self.buffer.is_empty() || self.read() > 0, "closed");
        std::mem::take(&mut self.buffer)
    }

    /// Everything until the server closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.read() > 0 {}
        std::mem::take(&mut self.buffer)
    }
}
