//! What the own API shows of a running server.

use crate::issuer::LazyAuthority;
use crate::server::change::Changes;
use crate::server::function_log::FunctionLogView;
use crate::server::measuring::Measurements;
use crate::server::{listeners, metrics};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{
    AccessLogStatus, ApiSettings, ChangeError, Changed, ClosedListenerStatus, DatapointsStatus, FunctionStatus,
    ListenerStatus, LoadBalancerStatus, LogDeliveryStatus, LogGroupsStatus, LoggedRequest, MeasureError, Measurement,
    PrepareError, Question, ServerStatus, Source, StateStatus, Status, TargetStatus,
};
use functions::{Events, Functions, Unprepared};
use invoke::{Event, EventRefusal, Invocation, Invoked, Streaming};
use model::elb::target_group::Zone;
use model::lambda::function::{Code, Layers};
use model::observed::{ClosedListener, ReportedTarget, ServerReport, TargetReport};
use model::{Command, FunctionArn, Revision, Scope, State};
use observe::{
    AccessLogMonitor, DatapointMonitor, DatapointReader, DeliveryMonitor, Exposition, LogGroupKeeper, LogGroupReader,
};
use pki::{IssuedCertificate, KeyAlgorithm};
use proxy::Proxy;
use sandbox::Tier;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use store::LogMonitor;
use store::packages::Packages;
use tokio::sync::watch;

/// How far traffic follows the state. Clones mean the same.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    state: watch::Receiver<Arc<State>>,
    served: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
    spawner_gone: Arc<AtomicBool>,
}

/// Nothing was ever served; the empty state is revision 0.
const NOTHING: u64 = u64::MAX;

impl Progress {
    pub(super) fn new(state: watch::Receiver<Arc<State>>) -> Self {
        Self {
            state,
            served: Arc::new(AtomicU64::new(NOTHING)),
            stopping: Arc::default(),
            spawner_gone: Arc::default(),
        }
    }

    /// Traffic is served by this revision from now on.
    pub(super) fn serve(&self, revision: Revision) {
        self.served.store(revision.0, Ordering::Release);
    }

    /// The revision that serves traffic.
    pub(super) fn served(&self) -> u64 {
        self.served.load(Ordering::Acquire)
    }

    /// Whether there is one.
    pub(super) fn serves(&self) -> bool {
        self.served() != NOTHING
    }

    /// Whether that is the newest one.
    pub(super) fn is_current(&self) -> bool {
        self.served() == self.state.borrow().revision.0
    }

    /// Nothing new is accepted from now on.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// No environment can be made from now on.
    pub(super) fn lose_spawner(&self) {
        self.spawner_gone.store(true, Ordering::Release);
    }

    /// What keeps this server from serving everything.
    fn obstacle(&self) -> Option<&'static str> {
        if self.stopping.load(Ordering::Acquire) {
            Some("it is stopping")
        } else if self.spawner_gone.load(Ordering::Acquire) && self.state.borrow().functions().next().is_some() {
            Some("the spawner process has ended, so functions cannot run; albacore has to be started again")
        } else if !self.is_current() {
            Some("the newest revision is not served")
        } else {
            None
        }
    }
}

/// Everything that can be asked about.
pub(super) struct Facts {
    pub(super) proxy: Proxy,
    pub(super) functions: Functions,
    pub(super) events: Events,
    pub(super) state: watch::Receiver<Arc<State>>,
    pub(super) progress: Progress,
    pub(super) access_log: Option<(PathBuf, AccessLogMonitor)>,
    /// The folder of buckets.
    pub(super) log_buckets: PathBuf,
    pub(super) log_delivery: DeliveryMonitor,
    pub(super) datapoints: (PathBuf, DatapointMonitor),
    pub(super) measurements: Measurements,
    /// `None` when the state is not kept.
    pub(super) state_log: Option<LogMonitor>,
    /// The zone of this process.
    pub(super) zone: String,
    pub(super) function_log: FunctionLogView,
    pub(super) begun: Instant,
    pub(super) endpoint: SocketAddr,
    /// Where function URLs are answered.
    pub(super) function_urls: SocketAddr,
    pub(super) manifest: PathBuf,
    pub(super) data_dir: PathBuf,
    pub(super) tier: Tier,
    pub(super) scope: Scope,
    pub(super) api: ApiSettings,
    pub(super) changes: Changes,
    pub(super) packages: Arc<Packages>,
    pub(super) issuer: Arc<LazyAuthority>,
}

impl Source for Facts {
    fn obstacle(&self) -> Option<&'static str> {
        let of_ports = || {
            let is_served = self.proxy.closed_listeners().borrow().is_empty();
            (!is_served).then_some("the port of a listener cannot be opened; closed_listeners of the status says which")
        };
        self.progress.obstacle().or_else(of_ports)
    }

    fn status(&self) -> Status {
        let state = self.state.borrow().clone();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_secs: self.begun.elapsed().as_secs(),
            ready: self.obstacle().is_none(),
            obstacle: self.obstacle().map(str::to_owned),
            revision: state.revision.0,
            endpoint: self.endpoint,
            manifest: self.manifest.clone(),
            data_dir: self.data_dir.clone(),
            sandbox: self.tier.to_string(),
            connections: self.proxy.connections(),
            listeners: self.listeners(&state),
            closed_listeners: self.closed_listeners(),
            load_balancers: state.load_balancers().map(|it| load_balancer(it)).collect(),
            functions: self.functions(&state),
            targets: self
                .proxy
                .targets()
                .into_iter()
                .map(|report| self.target(report))
                .collect(),
            access_log: self
                .access_log
                .as_ref()
                .map(|(path, monitor)| access_log(path.clone(), monitor)),
            log_delivery: log_delivery(&self.log_buckets, &self.log_delivery),
            state: self.state_log.as_ref().map(|log| StateStatus {
                path: log.file().to_owned(),
                error: log.error(),
            }),
            datapoints: datapoints(&self.datapoints.0, &self.datapoints.1),
            log_groups: log_groups(&self.function_log),
        }
    }

    fn metrics(&self, out: &mut Exposition) {
        self.proxy.expose(out);
        metrics::functions(&self.functions.reports(), out);
        self.functions.expose(out);
        if let Some((_, monitor)) = &self.access_log {
            metrics::access_log(monitor, out);
        }
        metrics::log_delivery(&self.log_delivery, out);
        metrics::events(self.events.monitor(), out);
        metrics::datapoints(&self.datapoints.1, out);
        metrics::function_log(&self.function_log.sink, out);
        metrics::log_groups(&self.function_log.groups, out);
        metrics::process(self.begun.elapsed(), self.progress.served(), out);
    }

    async fn requests(&self) -> Vec<LoggedRequest> {
        let entry = |entry: proxy::RequestEntry| LoggedRequest {
            line: String::from_utf8_lossy(&entry.line).into_owned(),
            verdict: entry.verdict,
        };
        self.proxy.requests().await.into_iter().map(entry).collect()
    }

    fn explain(&self, question: Question) -> Result<String, String> {
        let body = STANDARD
            .decode(&question.body_base64)
            .map_err(|error| format!("body_base64: {error}"))?;
        let question = proxy::Question {
            method: question.method,
            url: question.url,
            headers: question.headers,
            body,
            client: question.client,
        };
        let explanation = self.proxy.explain(&question).map_err(|error| error.to_string())?;
        serde_json::to_string(&explanation).map_err(|error| error.to_string())
    }

    fn state(&self) -> Arc<State> {
        self.state.borrow().clone()
    }

    fn scope(&self) -> &Scope {
        &self.scope
    }

    fn api(&self) -> &ApiSettings {
        &self.api
    }

    fn targets(&self) -> Vec<TargetReport> {
        self.proxy.targets()
    }

    async fn change<T: Send + 'static, E: Send + 'static>(
        &self,
        build: impl FnOnce(&State) -> Result<(Vec<Command>, T), E> + Send + 'static,
    ) -> Result<Changed<T>, ChangeError<E>> {
        self.changes.make(build).await
    }

    async fn issue(&self, names: Vec<String>, key: KeyAlgorithm) -> Result<IssuedCertificate, String> {
        let issuer = self.issuer.clone();
        let issuing = tokio::task::spawn_blocking(move || {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            issuer.issue_fresh(&names, key, SystemTime::now())
        });
        issuing.await.map_err(|error| error.to_string())?
    }

    async fn accept_event(&self, event: Event) -> Result<(), EventRefusal> {
        self.events.accept(event).await
    }

    fn packages(&self) -> &Arc<Packages> {
        &self.packages
    }

    fn kept_ready(&self, version: &FunctionArn) -> model::lambda::provisioning::KeptReport {
        self.functions.kept_ready(version)
    }

    async fn prepare(&self, code: Code, layers: Layers) -> Result<(), PrepareError> {
        self.functions
            .prepare(&code, &layers)
            .await
            .map_err(|error| match error {
                Unprepared::Package(message) => PrepareError::Package(message),
                Unprepared::Io(error) => PrepareError::Platform(error.to_string()),
            })
    }

    async fn invoke(&self, invocation: Invocation) -> Invoked {
        self.functions.invoke(invocation).await
    }

    async fn invoke_streaming(&self, invocation: Invocation) -> Streaming {
        self.functions.invoke_streaming(invocation).await
    }

    fn count_recursion(&self, function: &FunctionArn) {
        self.functions.count(function, functions::MetricEvent::RecursionDropped);
    }

    fn count_url(&self, function: &FunctionArn, status: u16, took: Duration) {
        self.functions
            .count(function, functions::MetricEvent::UrlRequest { status, took });
    }

    fn datapoints(&self) -> DatapointReader {
        self.measurements.reader.clone()
    }

    async fn measure(&self, measurements: Vec<Measurement>) -> Result<(), MeasureError> {
        self.measurements.put(measurements).await
    }

    fn logs(&self) -> (LogGroupReader, watch::Receiver<u64>) {
        (self.function_log.reader.clone(), self.function_log.changed.clone())
    }

    fn log_keeper(&self) -> LogGroupKeeper {
        self.function_log.keeper.clone()
    }
}

impl Facts {
    fn listeners(&self, state: &State) -> Vec<ListenerStatus> {
        let open = self.proxy.listeners();
        let status = |listener: &proxy::ListenerStatus| ListenerStatus {
            arn: listener.arn.clone(),
            load_balancer: listener.load_balancer.clone(),
            protocol: listener.protocol.to_owned(),
            port: listener.port,
            socket: listener.socket,
            url: listeners::url_of(listener, &open, state),
        };
        open.iter().map(status).collect()
    }

    fn closed_listeners(&self) -> Vec<ClosedListenerStatus> {
        let closed = self.proxy.closed_listeners().borrow().clone();
        let status = |it: &ClosedListener| ClosedListenerStatus {
            arn: it.listener.to_string(),
            port: it.port,
            reason: it.reason.clone(),
        };
        closed.iter().map(status).collect()
    }

    fn target(&self, report: TargetReport) -> TargetStatus {
        TargetStatus {
            target_group: report.target_group.to_string(),
            target: report.target.to_string(),
            state: report.health.state.as_str().to_owned(),
            reason: report.health.reason.map(str::to_owned),
            description: report.health.description,
            server: match &report.target {
                ReportedTarget::Server(server) => Some(self.server(server)),
                ReportedTarget::Function(_) => None,
            },
        }
    }

    fn server(&self, report: &ServerReport) -> ServerStatus {
        ServerStatus {
            id: report.target.id.to_string(),
            address: report.target.socket(),
            availability_zone: match &report.target.zone {
                Zone::Own => self.zone.clone(),
                Zone::Named(name) => name.to_string(),
                Zone::All => "all".to_owned(),
            },
            health_check_port: report.health_check_port,
            outstanding: report.outstanding,
            requests: report.requests,
            errors: report.errors,
            weight: report.weight,
            anomaly: if report.anomaly.anomalous {
                "anomalous"
            } else {
                "normal"
            }
            .to_owned(),
            mitigation_in_effect: report.anomaly.mitigated,
            mean_response_secs: report.response_time_secs,
        }
    }

    /// Every function of the state; one that was not invoked yet has no report.
    fn functions(&self, state: &State) -> Vec<FunctionStatus> {
        let reports = self.functions.reports();
        let status = |function: &Arc<model::lambda::function::Function>| {
            let report = reports.iter().find(|report| report.function == function.arn);
            let of = |number: fn(&model::observed::FunctionReport) -> u64| report.map(number).unwrap_or_default();
            FunctionStatus {
                arn: function.arn.to_string(),
                name: function.name.to_string(),
                runtime: function.configuration.runtime.as_str().to_owned(),
                url: state
                    .function_url(&function.arn)
                    .map(|url| listeners::function_url(url, self.function_urls)),
                busy: report.map(|report| report.busy).unwrap_or_default(),
                idle: report.map(|report| report.idle).unwrap_or_default(),
                starting: report.map(|report| report.starting).unwrap_or_default(),
                invocations: of(|report| report.invocations),
                errors: of(|report| report.errors),
                throttles: of(|report| report.throttles),
            }
        };
        state.functions().map(status).collect()
    }
}

fn load_balancer(load_balancer: &model::elb::load_balancer::LoadBalancer) -> LoadBalancerStatus {
    LoadBalancerStatus {
        arn: load_balancer.arn.to_string(),
        name: load_balancer.name.to_string(),
        dns_name: load_balancer.dns_name.clone(),
    }
}

fn log_delivery(buckets: &Path, monitor: &DeliveryMonitor) -> LogDeliveryStatus {
    LogDeliveryStatus {
        buckets: buckets.to_owned(),
        lines_written: monitor.written(),
        lines_lost: monitor.lost().total(),
        objects_delivered: monitor.delivered(),
        waiting_bytes: monitor.waiting_bytes(),
        spool_error: monitor.spool_error(),
        store_error: monitor.store_error(),
    }
}

fn datapoints(folder: &Path, monitor: &DatapointMonitor) -> DatapointsStatus {
    DatapointsStatus {
        path: folder.to_owned(),
        written: monitor.written(),
        lost: monitor.lost_not_written() + monitor.lost_refused(),
        error: monitor.error(),
    }
}

fn log_groups(log: &FunctionLogView) -> LogGroupsStatus {
    LogGroupsStatus {
        path: log.folder.clone(),
        events_written: log.groups.written(),
        events_lost: log.groups.lost_queue_full() + log.groups.lost_not_written(),
        error: log.groups.error(),
    }
}

fn access_log(path: PathBuf, monitor: &AccessLogMonitor) -> AccessLogStatus {
    let error = match monitor.status() {
        observe::AccessLogStatus::Writing => None,
        observe::AccessLogStatus::Failing { error } => Some(error),
    };
    AccessLogStatus {
        path,
        lines_written: monitor.written(),
        lines_lost: monitor.lost().total(),
        error,
    }
}
