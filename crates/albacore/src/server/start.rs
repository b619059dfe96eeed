//! The start, part by part, and what runs afterwards.

use crate::cli::{Publish, Up};
use crate::confinement::{Confinement, CpuShare};
use crate::data_dir::{DataDir, Endpoint, new_instance, new_token};
use crate::issuer::LazyAuthority;
use crate::open_files;
use crate::output::Notices;
use crate::plan::{Plan, Problem};
use crate::server::access_log::AccessLogFile;
use crate::server::background;
use crate::server::change::{Changes, Waiting};
use crate::server::configuration::{Applied, Broken, Configuration, Traffic};
use crate::server::events::AsyncInvocations;
use crate::server::facts::{Facts, Progress};
use crate::server::function_log::FunctionLog;
use crate::server::log_delivery::DeliveredLogs;
use crate::server::measuring::{self, Measuring};
use crate::server::upkeep::Upkeep;
use crate::server::{listeners, telling};
use crate::takeover::{Door, Predecessor};
use anyhow::{Context, Result};
use control::{Doors, Server};
use functions::Functions;
use model::State;
use model::observed::ClosedListener;
use proxy::{CoreParts, Proxy};
use sandbox::Spawner;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{EmbeddedLog, Folder, LogMonitor, MemoryLog, Room, Writer};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

/// What a start needs, made before there are threads.
pub(super) struct Start<'a> {
    pub(super) args: Up,
    pub(super) notices: Notices,
    pub(super) begun: Instant,
    /// How many files may be open; `None` is unlimited.
    pub(super) open_files: Option<usize>,
    pub(super) spawner: Spawner,
    pub(super) confinement: Confinement,
    pub(super) data_dir: &'a DataDir,
    /// The server whose place is taken.
    pub(super) predecessor: Option<Predecessor>,
}

/// A server that serves.
pub(super) struct Running {
    pub(super) notices: Notices,
    pub(super) file: PathBuf,
    pub(super) drain: Duration,
    pub(super) spawner: Spawner,
    pub(super) function_log: FunctionLog,
    pub(super) access_log: Option<AccessLogFile>,
    pub(super) delivered_logs: DeliveredLogs,
    pub(super) measuring: Measuring,
    pub(super) proxy: Proxy,
    pub(super) state: watch::Receiver<Arc<State>>,
    pub(super) writer: Writer,
    pub(super) invocations: AsyncInvocations,
    pub(super) configuration: Configuration<Traffic>,
    pub(super) upkeep: Upkeep,
    pub(super) progress: Progress,
    pub(super) endpoint: OpenEndpoint,
    /// Its socket once more, for a successor.
    pub(super) endpoint_socket: std::net::TcpListener,
    /// That of function URLs, where they have one.
    pub(super) url_socket: Option<std::net::TcpListener>,
    /// Where function URLs are answered.
    url_address: SocketAddr,
    /// What other commands find this server by.
    announced: Endpoint,
    /// Where a successor knocks.
    pub(super) door: Door,
    /// Files whose change matters.
    pub(super) watched: Vec<PathBuf>,
    /// The listeners that were told.
    opened: Vec<listeners::OpenListener>,
    /// Those that were told to be closed.
    closed: Arc<[ClosedListener]>,
    /// The function URLs that were told.
    function_urls: Vec<listeners::OpenFunctionUrl>,
}

/// What a predecessor gave, if it is at the address that is wanted.
fn same_socket(socket: &std::net::TcpListener, wanted: SocketAddr) -> std::io::Result<Option<std::net::TcpListener>> {
    let is_same = socket
        .local_addr()
        .is_ok_and(|address| address.ip() == wanted.ip() && (wanted.port() == 0 || wanted.port() == address.port()));
    is_same.then(|| socket.try_clone()).transpose()
}

/// The endpoint and the task that serves it.
pub(super) struct OpenEndpoint {
    leaving: CancellationToken,
    invocations: watch::Receiver<usize>,
    stop: CancellationToken,
    task: TaskTracker,
}

impl OpenEndpoint {
    fn serve(server: Server<Facts>) -> Self {
        let (stop, task) = (CancellationToken::new(), TaskTracker::new());
        let (leaving, invocations) = (server.leaving(), server.invocations());
        task.spawn(server.serve(stop.clone()));
        task.close();
        Self {
            leaving,
            invocations,
            stop,
            task,
        }
    }

    /// Another process answers from now on. What is being answered goes on.
    pub(super) fn leave(&self) {
        self.leaving.cancel();
    }

    /// Ready when nobody waits for an invocation.
    pub(super) async fn answered(&self) {
        let mut invocations = self.invocations.clone();
        // Who could begin one is gone when this is an error.
        let _ = invocations.wait_for(|running| *running == 0).await;
    }

    /// Lets requests that are being answered finish.
    pub(super) async fn close(self) {
        self.stop.cancel();
        self.task.wait().await;
    }
}

/// The way into the state and out of it.
struct Store {
    writer: Writer,
    state: watch::Receiver<Arc<State>>,
    /// `None` when it is not kept.
    monitor: Option<LogMonitor>,
}

impl Start<'_> {
    /// Starts everything. `None` when the manifest has mistakes or a port cannot be had: that was told.
    pub(super) async fn run(mut self) -> Result<Option<Running>> {
        let predecessor = self.predecessor.take();
        let (args, notices) = (&self.args, self.notices);
        let publish = Publish::map(&args.sockets.publish)?;
        let issuer = Arc::new(LazyAuthority::new(self.data_dir.path().join("ca")));
        let Store {
            writer,
            state,
            monitor: state_log,
        } = self.store(predecessor.is_some())?;
        let configuration = Configuration::new(args, self.data_dir, issuer.clone(), writer.clone(), state.clone());
        let mut plan = match configuration.plan().await {
            Ok(plan) => plan,
            Err(problems) => return Ok(telling::refused(notices, &args.file, &problems)),
        };
        warn_of_unknown_ports(publish.keys(), &plan);

        let function_log = FunctionLog::start(notices.json, self.data_dir.path())?;
        let defaults = functions::Options::new(self.data_dir.path().to_owned());
        let options = functions::Options {
            runtime_clients: match &args.runtime_clients {
                Some(folder) => std::path::absolute(folder)?,
                None => defaults.runtime_clients.clone(),
            },
            strict_runtimes: args.strict_runtimes,
            cpu_by_memory: args.cpu_share == CpuShare::Memory,
            park_ahead: true,
            ..defaults
        };
        let admitted = open_files::shares(self.open_files, args.wanted()).environments;
        let options = args.environments.bound(admitted, options);
        let functions = Functions::new(self.spawner.clone(), options, function_log.sink());
        let starting = functions.busy();
        // Before any environment starts, which may be before the endpoint answers.
        let doors = Doors::new(tokio::runtime::Handle::current());
        functions.lead_out(Arc::new(doors.clone()));
        let has_predecessor = predecessor.is_some();
        let invocations = AsyncInvocations::open(
            self.data_dir.path(),
            args.files.buckets(),
            has_predecessor,
            functions.clone(),
            state.clone(),
        )?;
        let access_log = AccessLogFile::open(&args.files, self.data_dir.path())?;
        let delivered_logs = DeliveredLogs::open(&args.files, self.data_dir.path(), args.sockets.bind)?;
        let proxy = self.proxy(
            publish,
            access_log.as_ref(),
            &delivered_logs,
            (&functions, &invocations),
            &state,
        )?;
        background::give_way();
        let zone = args.resources.zone();
        let sources = measuring::Sources {
            proxy: proxy.clone(),
            functions: functions.clone(),
            state: state.clone(),
        };
        let measuring = Measuring::start(self.data_dir.path(), sources, zone.clone())?;
        let mut configuration = configuration.with_traffic(Traffic {
            proxy: proxy.clone(),
            functions: functions.clone(),
            strict_runtimes: args.strict_runtimes,
        });
        if let Some(predecessor) = &predecessor {
            telling::taking_over(notices, predecessor.pid);
        }
        // From here on connections wait, until this process serves or the predecessor does again.
        let mut taken = predecessor.map(Predecessor::take).transpose()?;
        let mut endpoint_socket = None;
        let mut url_socket = None;
        if let Some(taken) = &mut taken {
            proxy.adopt(std::mem::take(&mut taken.handed));
            if proxy.take_ticket_keys(&taken.tickets).is_err() {
                warn!(
                    "clients begin their TLS sessions anew: the keys of the albacore before this one are not understood"
                );
            }
            endpoint_socket = same_socket(&taken.endpoint, args.sockets.endpoint)?;
            if let (Some(socket), Some(wanted)) = (&taken.function_urls, args.sockets.function_url_listen) {
                url_socket = same_socket(socket, wanted)?;
            }
            // The predecessor has closed it. What was planned so far was for finding mistakes.
            writer.open_log().await?;
            invocations.events.resume().await?;
            plan = match configuration.plan().await {
                Ok(plan) => plan,
                Err(problems) => return Ok(telling::refused(notices, &args.file, &problems)),
            };
        }
        proxy.forgive(&plan.state);
        let plan = match configuration.check(plan).await {
            Ok(plan) => plan,
            Err(problems) => return Ok(telling::refused(notices, &args.file, &problems)),
        };

        let (instance, progress) = (new_instance()?, configuration.progress());
        let token = match args.keys.are_given() {
            true => new_token()?,
            false => control::NO_TOKEN.to_owned(),
        };
        let session_key = self.data_dir.session_key()?;
        let changes = || Changes {
            protects: args.protects(),
            turn: configuration.turn(),
            writer: writer.clone(),
            state: state.clone(),
            proxy: proxy.clone(),
            progress: progress.clone(),
            waiting: Waiting::default(),
        };
        let upkeep = Upkeep {
            changes: changes(),
            issuer: issuer.clone(),
            state: state.clone(),
            keeper: function_log.view().keeper,
        };
        let url_socket = match (url_socket, args.sockets.function_url_listen) {
            (None, Some(address)) => {
                let verifies = args.keys.are_given();
                Some(control::open_function_urls(address, verifies)?)
            }
            (socket, _) => socket,
        };
        let url_address = url_socket.as_ref().map(std::net::TcpListener::local_addr).transpose()?;
        let facts = |endpoint| Facts {
            proxy: proxy.clone(),
            functions: functions.clone(),
            events: invocations.events.clone(),
            state: state.clone(),
            progress: progress.clone(),
            access_log: access_log.as_ref().map(|log| (log.path.clone(), log.log.monitor())),
            log_buckets: delivered_logs.buckets.clone(),
            log_delivery: delivered_logs.deliveries.monitor().clone(),
            datapoints: (measuring.folder.clone(), measuring.monitor.clone()),
            measurements: measuring.measurements.clone(),
            state_log: state_log.clone(),
            zone: zone.clone(),
            function_log: function_log.view(),
            begun: self.begun,
            endpoint,
            function_urls: url_address.unwrap_or(endpoint),
            manifest: std::path::absolute(&args.file).unwrap_or_else(|_| args.file.clone()),
            data_dir: self.data_dir.path().to_owned(),
            tier: self.spawner.tier(),
            scope: args.resources.settings().scope,
            api: control::ApiSettings {
                closed_listeners: control::ClosedListeners(proxy.closed_listeners()),
                ..args.api_settings(session_key, &token)
            },
            packages: store::packages::Packages::new(self.data_dir.path().join(store::packages::FOLDER)),
            issuer: issuer.clone(),
            changes: changes(),
        };
        let shares = open_files::shares(self.open_files, args.wanted());
        let limits = control::Limits {
            connections_max: shares.endpoint_connections,
            stream_rate: args.stream_rate.into(),
            ..control::Limits::default()
        };
        let endpoint_socket = match endpoint_socket {
            Some(socket) => socket,
            None => control::open(args.sockets.endpoint)?,
        };
        let for_urls = url_socket.as_ref().map(std::net::TcpListener::try_clone).transpose()?;
        let mut server = Server::on(endpoint_socket.try_clone()?, for_urls, limits, instance.clone(), facts)?;
        let (mut warnings, watched) = (plan.warnings(), plan.loaded.watched.clone());
        let too_few = open_files::warning(self.open_files, args.wanted());
        let too_few = too_few.filter(|_| args.places.are_missed(shares.client_connections));
        warnings.extend(too_few.map(|message| Problem::at(None, message)));
        let stored = match configuration.store(plan).await {
            Ok(stored) => stored,
            Err(problems) => return Ok(telling::refused(notices, &args.file, &problems)),
        };
        // All that may take long is done, and nothing is accepted before this.
        let claimed = match taken {
            Some(taken) => {
                let (claimed, lock) = taken.claim()?;
                self.data_dir.take_over(lock)?;
                Some(claimed)
            }
            None => None,
        };
        if let Err(problems) = configuration.serve(stored).await {
            return Ok(telling::refused(notices, &args.file, &problems));
        }
        invocations.events.serve();
        let address = server.address();
        server.lead_in(doors);
        let endpoint = OpenEndpoint::serve(server);
        let announced = Endpoint {
            address,
            instance,
            token,
        };
        self.data_dir.announce(&announced)?;
        let door = Door::open(self.data_dir)?;
        proxy.forget_adopted();
        if let Some(claimed) = claimed {
            // When it has ended meanwhile there is nobody to be told.
            if let Err(error) = claimed.serving() {
                warn!("the albacore before this one does not know that it is replaced: {error:#}");
            }
        }

        let current = state.borrow().clone();
        let opened = listeners::urls(&proxy, &current);
        telling::warnings(notices, warnings.into_iter());
        telling::welcome(notices, &current, &opened, issuer.certificate_path(), &self.confinement);
        let function_urls = listeners::function_urls(&current, url_address.unwrap_or(address));
        function_urls.iter().for_each(|url| telling::function_url(notices, url));
        let closed = proxy.closed_listeners().borrow().clone();
        telling::closed_listeners(notices, &closed);
        telling::ready(notices, address, self.begun.elapsed());
        drop(starting);
        Ok(Some(Running {
            notices,
            file: self.args.file,
            drain: self.args.drain,
            spawner: self.spawner,
            function_log,
            access_log,
            delivered_logs,
            measuring,
            proxy,
            state,
            writer,
            invocations,
            configuration,
            upkeep,
            progress,
            endpoint,
            endpoint_socket,
            url_socket,
            url_address: url_address.unwrap_or(address),
            announced,
            door,
            watched,
            opened,
            closed,
            function_urls,
        }))
    }

    /// Starts the writer with the state that was there when albacore last ran. That of a predecessor is not open yet.
    fn store(&self, has_predecessor: bool) -> Result<Store> {
        let (writer, monitor) = if self.data_dir.is_ephemeral() {
            (
                Writer::start(MemoryLog::default(), State::default(), background::give_way),
                None,
            )
        } else {
            let path = self.data_dir.path().join("state");
            let folder = Folder::make(&path).with_context(|| format!("cannot make {}", path.display()))?;
            let folder = Arc::new(folder);
            let (log, state) = match has_predecessor {
                true => (EmbeddedLog::closed(folder, Room::default()), State::default()),
                false => EmbeddedLog::open(folder, Room::default())?,
            };
            let monitor = log.monitor();
            (Writer::start(log, state, background::give_way), Some(monitor))
        };
        let (writer, state) = writer.context("the store cannot be started")?;
        Ok(Store { writer, state, monitor })
    }

    /// Starts the traffic threads. They listen to nothing yet.
    fn proxy(
        &self,
        publish: std::collections::BTreeMap<u16, u16>,
        access_log: Option<&AccessLogFile>,
        delivered_logs: &DeliveredLogs,
        (functions, invocations): (&Functions, &AsyncInvocations),
        state: &watch::Receiver<Arc<State>>,
    ) -> Result<Proxy> {
        let args = &self.args;
        let shares = open_files::shares(self.open_files, args.wanted());
        let options = proxy::Options {
            bind: args.sockets.bind,
            publish,
            cores: args.places.cores(),
            limits: proxy::Limits {
                connections_max: shares.client_connections,
                refusals_max: shares.refusals,
                body_bytes_max: args.body_memory,
                stream_bytes_max: args.stream_memory,
                idle_target_connections_max: shares.idle_target_connections,
                target_descriptors_max: shares.target_descriptors,
                drain: args.drain,
                busy_poll: args.busy_poll.time(),
                ..proxy::Limits::default()
            },
            cookie_key: self.data_dir.cookie_key()?,
            access_log: access_log.map(|log| log.sender.clone()),
            log_delivery: Some((delivered_logs.deliveries.clone(), delivered_logs.sender.clone())),
            log_format: args.files.log_format.into(),
            availability_zone: args.resources.zone(),
        };
        let (functions, state) = (functions.clone(), state.clone());
        let ended = invocations.all_ended();
        let parts = move |_| {
            let core = functions.core(state.clone());
            let ended = ended();
            CoreParts {
                invoker: Rc::new(core.clone()),
                shutdown: Box::pin(async move {
                    ended.await;
                    core.shutdown().await;
                }),
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
        self.tell_listeners();
        let urls = listeners::function_urls(&self.state.borrow(), self.url_address);
        let new = urls.iter().filter(|url| !self.function_urls.contains(url));
        new.for_each(|url| telling::function_url(self.notices, url));
        self.function_urls = urls;
    }

    /// Puts back what a successor may have written into the data folder before it failed.
    pub(super) fn stay(&mut self, data_dir: &DataDir) -> Result<()> {
        // It holds the lock all the time, and signs it again.
        data_dir.take_over(data_dir.lock()?.try_clone()?)?;
        data_dir.announce(&self.announced)?;
        self.door.open_again(data_dir)
    }

    /// Opens the ports of closed listeners that somebody has given up meanwhile.
    pub(super) async fn open_more(&mut self) {
        if self.configuration.open_more().await {
            self.tell_listeners();
        }
    }

    /// Says which listeners are open or closed that were not before.
    fn tell_listeners(&mut self) {
        let opened = listeners::urls(&self.proxy, &self.state.borrow());
        let new = opened.iter().filter(|listener| !self.opened.contains(listener));
        new.for_each(|listener| telling::listener(self.notices, listener));
        self.opened = opened;
        let closed = self.proxy.closed_listeners().borrow().clone();
        if closed != self.closed {
            telling::closed_listeners(self.notices, &closed);
            self.closed = closed;
        }
    }
}
