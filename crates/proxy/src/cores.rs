//! The traffic cores as threads, and the handle that starts, feeds and stops them.

use crate::core::{Core, Shared};
use crate::explain::{self, ExplainError, Explanation, Question};
use crate::health::{Checkers, Pools};
use crate::listener;
use crate::metrics::{self, Metrics};
use crate::places::Places;
use crate::socket::{self, BindError};
use crate::sticky::CookieKey;
use crate::table::{Table, TableError};
use crate::tls::{Ticketing, TlsError};
use crate::wheel::TICK;
use crate::{Limits, RequestEntry};
use arc_swap::ArcSwap;
use invoke::{Invoker, LocalBoxFuture};
use model::State;
use model::observed::TargetReport;
use observe::{AccessLogSender, Exposition};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use tracing::error;

/// Commands that may wait for a core.
const QUEUE: usize = 64;
/// How long a table may wait for cores to close the ports it drops. They need microseconds.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);

/// How the proxy is started.
#[derive(Debug)]
pub struct Options {
    /// The address listeners are opened on.
    pub bind: IpAddr,
    /// Listener port to socket port, where they differ; socket port 0 takes a free one.
    pub publish: BTreeMap<u16, u16>,
    /// Traffic threads, at least one.
    pub cores: usize,
    /// Bounds.
    pub limits: Limits,
    /// Encrypts stickiness cookies; the same bytes after a restart keep them valid.
    pub cookie_key: [u8; 32],
    /// Where access-log lines go.
    pub access_log: Option<AccessLogSender>,
}

/// What a core needs from other rooms; made on the core's own thread.
pub struct CoreParts {
    /// Calls functions.
    pub invoker: Rc<dyn Invoker>,
    /// Awaited after the last connection has ended.
    pub shutdown: LocalBoxFuture<()>,
}

/// Why the proxy did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A thread or its runtime could not be made.
    #[error("a traffic thread could not be started")]
    Thread(#[source] io::Error),
    /// No random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why a state is not served; the one before it still is.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It does not compile.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A port cannot be opened.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// One open listener.
#[derive(Clone, Debug)]
pub struct ListenerStatus {
    /// The listener's ARN.
    pub arn: String,
    /// The name of its load balancer.
    pub load_balancer: String,
    /// Its DNS name.
    pub dns_name: String,
    /// `http` or `https`.
    pub protocol: &'static str,
    /// The listener's port.
    pub port: u16,
    /// Where it is open.
    pub socket: SocketAddr,
}

/// The handle to all traffic cores. Clones share them.
#[derive(Clone, Debug)]
pub struct Proxy {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    ticketing: Ticketing,
    bind: IpAddr,
    publish: BTreeMap<u16, u16>,
    cores: Vec<mpsc::Sender<Command>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Open sockets by listener port. Held while a table is applied, so that two cannot mix.
    sockets: Mutex<BTreeMap<u16, SocketAddr>>,
}

enum Command {
    /// All ports of one table at once: however many it adds, the queue holds it.
    Listen {
        opened: Vec<(u16, TcpListener)>,
        closed: Vec<u16>,
        /// Dropped when it is done.
        done: std::sync::mpsc::Sender<()>,
    },
    Requests(oneshot::Sender<Vec<RequestEntry>>),
    Drain(oneshot::Sender<()>),
}

impl Proxy {
    /// Starts the traffic threads; nothing listens until [`Proxy::apply`]. `parts` runs once on every thread.
    pub fn start(
        options: Options,
        parts: impl Fn(usize) -> CoreParts + Send + Clone + 'static,
    ) -> Result<Self, StartError> {
        let count = options.cores.max(1);
        let mut limits = options.limits;
        limits.connections_max = limits.connections_max.div_ceil(count);
        limits.body_bytes_max = limits.body_bytes_max.div_ceil(count);
        limits.kept_requests = limits.kept_requests.div_ceil(count);
        let shared = Arc::new(Shared {
            tables: ArcSwap::from_pointee(Table::empty()),
            generation: AtomicU64::new(0),
            metrics: Metrics::new(count),
            pools: Pools::new(count),
            limits,
            cookie_key: CookieKey::new(&options.cookie_key),
        });
        let (mut cores, mut threads) = (Vec::new(), Vec::new());
        for id in 0..count {
            let (commands, queue) = mpsc::channel(QUEUE);
            let (shared, parts, log) = (shared.clone(), parts.clone(), options.access_log.clone());
            let seed = getrandom::u64().map_err(|_| StartError::Random)?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(StartError::Thread)?;
            let run = move || {
                let local = LocalSet::new();
                local.block_on(&runtime, async move {
                    let parts = parts(id);
                    let core = Core::new(id, shared, parts.invoker, log, seed);
                    serve(core, queue, parts.shutdown).await;
                });
                // Connections that outlived the drain end here: their tasks are dropped.
                drop(local);
            };
            let thread = std::thread::Builder::new()
                .name(format!("core-{id}"))
                .spawn(run)
                .map_err(StartError::Thread)?;
            cores.push(commands);
            threads.push(thread);
        }
        let inner = Inner {
            shared,
            ticketing: Ticketing::new()?,
            bind: options.bind,
            publish: options.publish,
            cores,
            threads: Mutex::new(threads),
            sockets: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Finds out whether a state could be served, without changing anything: rules compile, ports are free.
    pub fn check(&self, state: &State) -> Result<(), ApplyError> {
        let table = self.compile(state)?;
        let sockets = self.inner.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        for port in table
            .ports()
            .iter()
            .map(|port| port.number)
            .filter(|port| !sockets.contains_key(port))
        {
            drop(socket::open(self.inner.bind, self.socket_port(port), port, 1)?);
        }
        Ok(())
    }

    /// Serves a state from the next request on: opens the ports it adds, swaps the table, closes the ports it drops.
    /// Connections stay. Blocks for the time of compiling; not for traffic threads.
    pub fn apply(&self, state: &State) -> Result<(), ApplyError> {
        // The lock comes first: of two tables the one compiled later must be served later.
        let mut sockets = self.inner.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let table = self.compile(state)?;
        let mut opened: Vec<Vec<(u16, TcpListener)>> = self.inner.cores.iter().map(|_| Vec::new()).collect();
        let mut addresses = Vec::new();
        for port in table
            .ports()
            .iter()
            .map(|port| port.number)
            .filter(|port| !sockets.contains_key(port))
        {
            let of_port = socket::open(self.inner.bind, self.socket_port(port), port, self.inner.cores.len())?;
            addresses.extend(
                of_port
                    .first()
                    .and_then(|socket| Some((port, socket.local_addr().ok()?))),
            );
            for (of_core, socket) in opened.iter_mut().zip(of_port) {
                of_core.push((port, socket));
            }
        }
        let closed: Vec<u16> = sockets
            .keys()
            .copied()
            .filter(|port| table.scheme(*port).is_none())
            .collect();
        let table = Arc::new(table);
        self.inner.shared.tables.store(table.clone());
        self.inner.shared.generation.fetch_add(1, Ordering::Release);
        self.inner.shared.pools.follow(table.targets());
        sockets.retain(|port, _| !closed.contains(port));
        if !addresses.is_empty() || !closed.is_empty() {
            sockets.extend(addresses);
            let (done, all_done) = std::sync::mpsc::channel();
            for (core, opened) in self.inner.cores.iter().zip(opened) {
                let (closed, done) = (closed.clone(), done.clone());
                self.tell(core, Command::Listen { opened, closed, done });
            }
            drop(done);
            // A port that is given up may be asked for again at once: its sockets have to be gone by then.
            let _ = all_done.recv_timeout(CLOSED_WITHIN); // it ends when every core has dropped its half
        }
        self.inner.shared.metrics.retain(
            |load_balancer| state.load_balancer(load_balancer).is_some(),
            |group| state.target_group(group).is_some(),
        );
        Ok(())
    }

    /// What would happen to a request.
    pub fn explain(&self, question: &Question) -> Result<Explanation, ExplainError> {
        let table = self.inner.shared.tables.load_full();
        let sockets = self
            .inner
            .sockets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let socket_port = |port: u16| sockets.get(&port).map_or(port, SocketAddr::port);
        let (key, seed) = (&self.inner.shared.cookie_key, getrandom::u64().unwrap_or_default());
        explain::explain(&table, question, socket_port, Some(key), seed)
    }

    /// The listeners that are open.
    pub fn listeners(&self) -> Vec<ListenerStatus> {
        let table = self.inner.shared.tables.load_full();
        let sockets = self.inner.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let open = |listener: &Arc<crate::table::ListenerEntry>| {
            let socket = *sockets.get(&listener.port)?;
            Some(ListenerStatus {
                arn: listener.arn.to_string(),
                load_balancer: listener.load_balancer.name.clone(),
                dns_name: listener.load_balancer.dns_name.clone(),
                protocol: listener.scheme.as_str(),
                port: listener.port,
                socket,
            })
        };
        table.listeners().filter_map(open).collect()
    }

    /// The last requests of every core, oldest first within each.
    pub async fn requests(&self) -> Vec<RequestEntry> {
        let mut all = Vec::new();
        for core in &self.inner.cores {
            let (answer, answered) = oneshot::channel();
            if core.send(Command::Requests(answer)).await.is_ok() {
                all.extend(answered.await.unwrap_or_default());
            }
        }
        all
    }

    /// Client connections that are open now.
    pub fn connections(&self) -> i64 {
        self.inner.shared.metrics.connections()
    }

    /// Writes all counters.
    pub fn expose(&self, out: &mut Exposition) {
        self.inner.shared.metrics.expose(out);
        metrics::expose_hosts(&self.targets(), out);
    }

    /// How every registered target is, by target group. From any thread; it waits for no core.
    pub fn targets(&self) -> Vec<TargetReport> {
        self.inner.shared.pools.reports()
    }

    /// Stops: accepts nothing more, lets requests finish for as long as the limits allow, cuts the rest, ends the threads.
    pub async fn drain(&self) {
        let mut waiting = Vec::new();
        for core in &self.inner.cores {
            let (done, finished) = oneshot::channel();
            if core.send(Command::Drain(done)).await.is_ok() {
                waiting.push(finished);
            }
        }
        for finished in waiting {
            let _ = finished.await; // a core that is gone has finished too
        }
        let threads = std::mem::take(&mut *self.inner.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let joined =
            tokio::task::spawn_blocking(move || threads.into_iter().map(JoinHandle::join).all(|end| end.is_ok()));
        if !joined.await.unwrap_or(false) {
            error!("a traffic thread ended by a panic");
        }
    }

    fn compile(&self, state: &State) -> Result<Table, TableError> {
        Table::compile(state, &self.inner.shared.metrics, &self.inner.ticketing)
    }

    fn socket_port(&self, port: u16) -> u16 {
        self.inner.publish.get(&port).copied().unwrap_or(port)
    }

    /// Commands come from people, a few at a time; a core that does not take one within its queue has ended.
    fn tell(&self, core: &mpsc::Sender<Command>, command: Command) {
        if core.try_send(command).is_err() {
            error!("a traffic thread takes no commands");
        }
    }
}

/// Runs one core until it is drained.
async fn serve(core: Rc<Core>, mut queue: mpsc::Receiver<Command>, shutdown: LocalBoxFuture<()>) {
    let places = Places::new(core.shared.limits.connections_max);
    let mut sockets: BTreeMap<u16, tokio::task::JoinHandle<()>> = BTreeMap::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (pools, spread) = (&core.shared.pools, core.shared.limits.health_check_spread);
    let mut checkers = Checkers::new(core.id, pools, core.invoker.clone(), core.random.next(), spread);
    let mut drained: Option<oneshot::Sender<()>> = None;
    while drained.is_none() {
        tokio::select! {
            _ = ticks.tick() => core.tick(),
            () = checkers.changed() => checkers.follow().await,
            command = queue.recv() => match command {
                Some(Command::Listen { opened, closed, done }) => {
                    for task in closed.iter().filter_map(|port| sockets.remove(port)) {
                        task.abort();
                        let _ = task.await; // its socket is closed now
                    }
                    for (port, socket) in opened {
                        match tokio::net::TcpListener::from_std(socket) {
                            Ok(socket) => {
                                let accept = listener::accept(core.clone(), places.clone(), socket, port);
                                sockets.insert(port, tokio::task::spawn_local(accept));
                            }
                            Err(error) => error!(port, %error, "a listener's socket cannot be watched"),
                        }
                    }
                    drop(done);
                }
                Some(Command::Requests(answer)) => drop(answer.send(core.requests())),
                Some(Command::Drain(done)) => drained = Some(done),
                None => return,
            },
        }
    }
    sockets.values().for_each(tokio::task::JoinHandle::abort);
    checkers.stop().await;
    core.wheel.start_draining();
    let until = tokio::time::Instant::now() + core.shared.limits.drain;
    let mut empty = std::pin::pin!(places.empty());
    loop {
        tokio::select! {
            () = &mut empty => break,
            _ = ticks.tick() => core.tick(),
            () = tokio::time::sleep_until(until) => {
                core.counters().drain_expired.add(places.taken() as u64);
                break;
            }
        }
    }
    shutdown.await;
    core.tick();
    if let Some(done) = drained {
        let _ = done.send(()); // whoever asked may have left
    }
}
