//! What the own API shows of a running server.

use crate::server::function_log::FunctionLogView;
use crate::server::{listeners, metrics};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{
    AccessLogStatus, FunctionStatus, ListenerStatus, LoadBalancerStatus, LogGroupsStatus, LoggedRequest, Question,
    Source, Status, TargetStatus,
};
use functions::Functions;
use invoke::{Invocation, Invoked};
use model::observed::TargetReport;
use model::{Revision, Scope, State};
use observe::{AccessLogMonitor, Exposition, LogGroupReader};
use proxy::Proxy;
use sandbox::Tier;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
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
    pub(super) state: watch::Receiver<Arc<State>>,
    pub(super) progress: Progress,
    pub(super) access_log: Option<(PathBuf, AccessLogMonitor)>,
    pub(super) function_log: FunctionLogView,
    pub(super) begun: Instant,
    pub(super) endpoint: SocketAddr,
    pub(super) manifest: PathBuf,
    pub(super) data_dir: PathBuf,
    pub(super) tier: Tier,
    pub(super) scope: Scope,
}

impl Source for Facts {
    fn obstacle(&self) -> Option<&'static str> {
        self.progress.obstacle()
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
            load_balancers: state.load_balancers().map(|it| load_balancer(it)).collect(),
            functions: self.functions(&state),
            targets: self.proxy.targets().into_iter().map(target).collect(),
            access_log: self
                .access_log
                .as_ref()
                .map(|(path, monitor)| access_log(path.clone(), monitor)),
            log_groups: log_groups(&self.function_log),
        }
    }

    fn metrics(&self, out: &mut Exposition) {
        self.proxy.expose(out);
        metrics::functions(&self.functions.reports(), out);
        if let Some((_, monitor)) = &self.access_log {
            metrics::access_log(monitor, out);
        }
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

    async fn invoke(&self, invocation: Invocation) -> Invoked {
        self.functions.invoke(invocation).await
    }

    fn logs(&self) -> (LogGroupReader, watch::Receiver<u64>) {
        (self.function_log.reader.clone(), self.function_log.changed.clone())
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

fn target(report: TargetReport) -> TargetStatus {
    TargetStatus {
        target_group: report.target_group.to_string(),
        target: report.target.to_string(),
        state: report.health.state.as_str().to_owned(),
        reason: report.health.reason.map(str::to_owned),
        description: report.health.description,
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
