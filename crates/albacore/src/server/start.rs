//! The start, part by part, and what runs afterwards.

use crate::cli::{Publish, Up};
use crate::data_dir::{DataDir, Endpoint, new_instance};
use crate::issuer::LazyAuthority;
use crate::output::Notices;
use crate::plan::Plan;
use crate::server::access_log::AccessLogFile;
use crate::server::configuration::{Applied, Broken, Configuration, Traffic};
use crate::server::facts::{Facts, Progress};
use crate::server::function_log::FunctionLog;
use crate::server::{listeners, telling};
use anyhow::{Context, Result};
use control::Server;
use functions::Functions;
use model::State;
use proxy::{CoreParts, Proxy};
use sandbox::Spawner;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{MemoryLog, Writer};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

/// What a start needs, made before there are threads.
pub(super) struct Start<'a> {
    pub(super) args: Up,
    pub(super) notices: Notices,
    pub(super) begun: Instant,
    pub(super) spawner: Spawner,
    pub(super) data_dir: &'a DataDir,
}

/// A server that serves.
pub(super) struct Running {
    pub(super) notices: Notices,
    pub(super) file: PathBuf,
    pub(super) drain: Duration,
    pub(super) spawner: Spawner,
    pub(super) function_log: FunctionLog,
    pub(super) access_log: Option<AccessLogFile>,
    pub(super) proxy: Proxy,
    pub(super) state: watch::Receiver<Arc<State>>,
    pub(super) configuration: Configuration<Traffic>,
    pub(super) progress: Progress,
    pub(super) endpoint: OpenEndpoint,
    /// Files whose change matters.
    pub(super) watched: Vec<PathBuf>,
    /// The listeners that were told.
    opened: Vec<listeners::OpenListener>,
}

/// The endpoint and the task that serves it.
pub(super) struct OpenEndpoint {
    stop: CancellationToken,
    task: TaskTracker,
}

impl OpenEndpoint {
    fn serve(server: Server<Facts>) -> Self {
        let (stop, task) = (CancellationToken::new(), TaskTracker::new());
        task.spawn(server.serve(stop.clone()));
        task.close();
        Self { stop, task }
    }

    /// Lets requests that are being answered finish.
    pub(super) async fn close(self) {
        self.stop.cancel();
        self.task.wait().await;
    }
}

impl Start<'_> {
    /// Starts everything. `None` when the manifest has mistakes or a port cannot be had: that was told.
    pub(super) async fn run(self) -> Result<Option<Running>> {
        let (args, notices) = (&self.args, self.notices);
        let publish = Publish::map(&args.sockets.publish)?;
        let issuer = Arc::new(LazyAuthority::new(self.data_dir.path().join("ca")));
        let (writer, state) =
            Writer::start(MemoryLog::default(), State::default()).context("the store cannot be started")?;
        let configuration = Configuration::new(args, self.data_dir, issuer.clone(), writer, state.clone());
        let plan = match configuration.plan().await {
            Ok(plan) => plan,
            Err(problems) => return Ok(telling::refused(notices, &args.file, &problems)),
        };
        warn_of_unknown_ports(publish.keys(), &plan);

        let function_log = FunctionLog::start(notices.json, self.data_dir.path())?;
        let options = functions::Options {
            strict_runtimes: args.strict_runtimes,
            ..functions::Options::new(self.data_dir.path().to_owned())
        };
        let functions = Functions::new(self.spawner.clone(), options, function_log.sink());
        let access_log = AccessLogFile::open(&args.files, self.data_dir.path())?;
        let proxy = self.proxy(publish, access_log.as_ref(), &functions, &state)?;
        let mut configuration = configuration.with_traffic(Traffic {
            proxy: proxy.clone(),
            functions: functions.clone(),
            strict_runtimes: args.strict_runtimes,
        });
        let plan = match configuration.check(plan).await {
            Ok(plan) => plan,
            Err(problems) => return Ok(telling::refused(notices, &args.file, &problems)),
        };

        let (instance, progress) = (new_instance()?, configuration.progress());
        let facts = |endpoint| Facts {
            proxy: proxy.clone(),
            functions: functions.clone(),
            state: state.clone(),
            progress: progress.clone(),
            access_log: access_log.as_ref().map(|log| (log.path.clone(), log.log.monitor())),
            function_log: function_log.view(),
            begun: self.begun,
            endpoint,
            manifest: std::path::absolute(&args.file).unwrap_or_else(|_| args.file.clone()),
            data_dir: self.data_dir.path().to_owned(),
            tier: self.spawner.tier(),
            scope: args.resources.settings().scope,
        };
        let limits = control::Limits::default();
        let server = Server::bind(args.sockets.endpoint, limits, instance.clone(), facts).await?;
        let (warnings, watched) = (plan.warnings(), plan.loaded.watched.clone());
        if let Err(problems) = configuration.commit(plan).await {
            return Ok(telling::refused(notices, &args.file, &problems));
        }
        let address = server.address();
        let endpoint = OpenEndpoint::serve(server);
        self.data_dir.announce(&Endpoint { address, instance })?;

        let current = state.borrow().clone();
        let opened = listeners::urls(&proxy, &current);
        telling::warnings(notices, warnings.into_iter());
        telling::welcome(
            notices,
            &current,
            &opened,
            issuer.certificate_path(),
            self.spawner.tier(),
        );
        telling::ready(notices, address, self.begun.elapsed());
        Ok(Some(Running {
            notices,
            file: self.args.file,
            drain: self.args.drain,
            spawner: self.spawner,
            function_log,
            access_log,
            proxy,
            state,
            configuration,
            progress,
            endpoint,
            watched,
            opened,
        }))
    }

    /// Starts the traffic threads. They listen to nothing yet.
    fn proxy(
        &self,
        publish: std::collections::BTreeMap<u16, u16>,
        access_log: Option<&AccessLogFile>,
        functions: &Functions,
        state: &watch::Receiver<Arc<State>>,
    ) -> Result<Proxy> {
        let args = &self.args;
        let options = proxy::Options {
            bind: args.sockets.bind,
            publish,
            cores: args
                .cores
                .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
            limits: proxy::Limits {
                connections_max: args.connections_max,
                drain: args.drain,
                ..proxy::Limits::default()
            },
            cookie_key: self.data_dir.cookie_key()?,
            access_log: access_log.map(|log| log.sender.clone()),
        };
        let (functions, state) = (functions.clone(), state.clone());
        let parts = move |_| {
            let core = functions.core(state.clone());
            CoreParts {
                invoker: Rc::new(core.clone()),
                shutdown: Box::pin(async move { core.shutdown().await }),
            }
        };
        Proxy::start(options, parts).context("traffic cannot be started")
    }
}

fn warn_of_unknown_ports<'a>(published: impl Iterator<Item = &'a u16>, plan: &Plan) {
    for port in published {
        if plan.state.listeners().all(|listener| listener.port != *port) {
            warn!(port, "--publish names a port that no listener has");
        }
    }
}

impl Running {
    /// Tells the outcome of a reload, and remembers what it needs the next time.
    pub(super) fn tell(&mut self, outcome: Result<Applied, Broken>, asked_for: bool) {
        let served = self.progress.served();
        match outcome {
            Ok(applied) => {
                telling::applied(self.notices, &applied, asked_for, served);
                self.watched = applied.watched;
            }
            Err(broken) => {
                // One save may be noticed twice.
                if broken.is_news || asked_for {
                    telling::kept(self.notices, &self.file, &broken.problems, served);
                }
                self.watched = broken.problems.watched;
            }
        }
        let opened = listeners::urls(&self.proxy, &self.state.borrow());
        let new = opened.iter().filter(|listener| !self.opened.contains(listener));
        new.for_each(|listener| telling::listener(self.notices, listener));
        self.opened = opened;
    }
}
