//! The traffic cores as threads, and the handle that starts, feeds and stops them.

mod closed;
mod handover;

use crate::balance::Groups;
use crate::busy_poll;
use crate::core::{Core, Shared};
use crate::explain::{self, ExplainError, Explanation, Question};
use crate::health::{Checkers, Pools};
use crate::left::Door;
use crate::line::LogFormat;
use crate::listener;
use crate::log_delivery::{AllHandles, LogDeliveries, LogDeliveryError};
use crate::logs::CoreLogs;
use crate::metrics::{Metrics, Readings, Surroundings};
use crate::places::{Bound, Places};
use crate::socket::{self, BindError};
use crate::sticky::CookieKey;
use crate::table::{Kept, Retired, Table, TableError};
use crate::tls::{TlsError, TlsShared, UnreadableTicketKeys};
use crate::wheel::TICK;
use crate::{Limits, RequestEntry};
use arc_swap::ArcSwap;
use handover::OpenPort;
pub use handover::{HandedHealth, HandedOver, HandedPort};
use invoke::{Invoker, LocalBoxFuture};
use model::observed::{ClosedListener, TargetReport};
use model::{ListenerArn, Secret, State};
use observe::{AccessLogSender, DeliverySender, Exposition};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
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
    /// Where the logs go that load balancers want to be delivered, and a sender of that; `None`: nowhere.
    pub log_delivery: Option<(Arc<LogDeliveries>, DeliverySender)>,
    /// What lines of all these logs look like.
    pub log_format: LogFormat,
    /// The zone that this process stands for in metrics.
    pub availability_zone: String,
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
    /// A log cannot be delivered.
    #[error(transparent)]
    Logs(#[from] LogDeliveryError),
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
    tls: TlsShared,
    /// Parts of the tables compiled before.
    kept: Kept,
    deliveries: Option<Arc<LogDeliveries>>,
    availability_zone: String,
    bind: IpAddr,
    publish: BTreeMap<u16, u16>,
    cores: Vec<mpsc::Sender<Command>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Open sockets by listener port. Held while a table is applied, so that two cannot mix.
    sockets: Mutex<BTreeMap<u16, OpenPort>>,
    /// Listeners whose ports need not be had.
    forgiven: Mutex<BTreeSet<ListenerArn>>,
    /// Those of them whose ports could not be had the last time.
    closed: watch::Sender<Arc<[ClosedListener]>>,
    /// Sockets of the process before this one, until the first table says which of them it wants.
    adopted: Mutex<Vec<HandedPort>>,
}

enum Command {
    /// All ports of one table at once: however many it adds, the queue holds it.
    Listen {
        opened: Vec<(u16, TcpListener)>,
        closed: Vec<u16>,
        /// What was open, and is not any more.
        left: Vec<Door>,
        /// Dropped when it is done.
        done: std::sync::mpsc::Sender<()>,
    },
    Requests(oneshot::Sender<Vec<RequestEntry>>),
    Drain(Draining, oneshot::Sender<()>),
}

/// A socket that a core accepts on.
struct Accepting {
    port: u16,
    socket: Rc<tokio::net::TcpListener>,
    task: tokio::task::JoinHandle<()>,
}

/// How connections end when traffic stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Draining {
    /// Idle ones at once, the others with their answer.
    Quick,
    /// Idle ones with the answer to their next request.
    Gentle,
}

impl Proxy {
    /// Starts the traffic threads; nothing listens until [`Proxy::apply`]. `parts` runs once on every thread.
    pub fn start(
        options: Options,
        parts: impl Fn(usize) -> CoreParts + Send + Clone + 'static,
    ) -> Result<Self, StartError> {
        let count = options.cores.max(1);
        let mut limits = options.limits;
        let bound = Bound::new(&limits);
        limits.body_bytes_max = limits.body_bytes_max.div_ceil(count);
        limits.stream_bytes_max = limits.stream_bytes_max.div_ceil(count);
        limits.idle_target_connections_max = limits.idle_target_connections_max.div_ceil(count);
        limits.kept_requests = limits.kept_requests.div_ceil(count);
        let shared = Arc::new(Shared {
            tables: ArcSwap::from_pointee(Table::empty()),
            retired: Retired::default(),
            generation: AtomicU64::new(0),
            metrics: Metrics::new(count),
            pools: Pools::new(count),
            groups: Groups::new(count),
            limits,
            cookie_key: CookieKey::new(&options.cookie_key),
            emptied: tokio::sync::watch::Sender::new(0),
        });
        let (deliveries, delivery) = options.log_delivery.unzip();
        let logs = CoreLogs::new(options.log_format, options.access_log, delivery);
        let (mut cores, mut threads) = (Vec::new(), Vec::new());
        for id in 0..count {
            let (commands, queue) = mpsc::channel(QUEUE);
            let (shared, bound) = (shared.clone(), bound.clone());
            let (parts, logs) = (parts.clone(), logs.clone());
            let seed = getrandom::u64().map_err(|_| StartError::Random)?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(StartError::Thread)?;
            let run = move || {
                let local = LocalSet::new();
                local.block_on(&runtime, async move {
                    let parts = parts(id);
                    let core = Core::new(id, shared, parts.invoker, logs, seed);
                    serve(core, bound, queue, parts.shutdown).await;
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
            tls: TlsShared::new()?,
            kept: Kept::default(),
            deliveries,
            availability_zone: options.availability_zone,
            bind: options.bind,
            publish: options.publish,
            cores,
            threads: Mutex::new(threads),
            sockets: Mutex::default(),
            forgiven: Mutex::default(),
            closed: watch::Sender::new(Arc::default()),
            adopted: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Finds out whether a state could be served, without changing anything: rules compile, ports are free, and buckets that
    /// logs are newly delivered to take their test objects. Blocks on those.
    pub fn check(&self, state: &State) -> Result<(), ApplyError> {
        self.check_table(state)?;
        match &self.inner.deliveries {
            Some(deliveries) => Ok(deliveries.check(state)?),
            None => Ok(()),
        }
    }

    fn check_table(&self, state: &State) -> Result<(), ApplyError> {
        let table = self.compile(state, None)?;
        let sockets = self.inner.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        for port in table
            .ports()
            .iter()
            .map(|port| port.number)
            .filter(|port| !sockets.contains_key(port))
        {
            if self.is_adopted(port) {
                continue;
            }
            match socket::open(self.inner.bind, self.socket_port(port), port, 1) {
                Err(error) if !self.is_forgiven(&table, port) => return Err(error.into()),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Serves a state from the next request on: opens the ports it adds, swaps the table, closes the ports it drops.
    /// Connections stay. Blocks for the time of compiling; not for traffic threads.
    pub fn apply(&self, state: &State) -> Result<(), ApplyError> {
        // The lock comes first: of two tables the one compiled later must be served later.
        let mut sockets = self.inner.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let deliveries = self.inner.deliveries.as_ref();
        let logs = deliveries.map(|deliveries| deliveries.follow(state)).transpose()?;
        let table = self.compile(state, Some(&logs.unwrap_or_default()))?;
        let mut opened: Vec<Vec<(u16, TcpListener)>> = self.inner.cores.iter().map(|_| Vec::new()).collect();
        let (mut addresses, mut missed) = (Vec::new(), Vec::new());
        for port in table
            .ports()
            .iter()
            .map(|port| port.number)
            .filter(|port| !sockets.contains_key(port))
        {
            let cores = self.inner.cores.len();
            let of_port = match self.take_adopted(port) {
                Some(handed) => handed.for_cores(cores)?,
                None => match socket::open(self.inner.bind, self.socket_port(port), port, cores) {
                    Ok(sockets) => sockets,
                    Err(error) if self.is_forgiven(&table, port) => {
                        missed.push((port, error));
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                },
            };
            let open = OpenPort::new(port, &of_port)?;
            for (at, socket) in of_port.into_iter().enumerate() {
                opened[at % cores].push((port, socket));
            }
            addresses.push((port, open));
        }
        let closed: Vec<u16> = sockets.keys().copied().filter(|port| !table.has(*port)).collect();
        let table = Arc::new(table);
        let shared = &self.inner.shared;
        let follows_targets = !table.has_targets_of(&shared.tables.load());
        let left = table.closes(&shared.tables.load());
        if follows_targets {
            shared.groups.follow(state, table.users(), Instant::now());
        }
        shared.tables.store(table.clone());
        shared.generation.fetch_add(1, Ordering::Release);
        if follows_targets {
            shared.groups.check_followed();
            shared.pools.follow(table.targets());
            shared.metrics.follow(state, table.users(), Instant::now());
        }
        sockets.retain(|port, _| !closed.contains(port));
        if !addresses.is_empty() || !closed.is_empty() || !left.is_empty() {
            sockets.extend(addresses);
            let (done, all_done) = std::sync::mpsc::channel();
            for (core, opened) in self.inner.cores.iter().zip(opened) {
                let (closed, left, done) = (closed.clone(), left.clone(), done.clone());
                let command = Command::Listen {
                    opened,
                    closed,
                    left,
                    done,
                };
                self.tell(core, command);
            }
            drop(done);
            // A port that is given up may be asked for again at once: its sockets have to be gone by then.
            let _ = all_done.recv_timeout(CLOSED_WITHIN); // it ends when every core has dropped its half
        }
        self.close_missed(&table, &missed);
        shared.retired.take_down();
        Ok(())
    }

    /// What would happen to a request.
    pub fn explain(&self, question: &Question) -> Result<Explanation, ExplainError> {
        let table = self.inner.shared.tables.load_full();
        let sockets: BTreeMap<u16, u16> = {
            let open = self.inner.sockets.lock().unwrap_or_else(PoisonError::into_inner);
            open.iter().map(|(port, open)| (*port, open.address.port())).collect()
        };
        let socket_port = |port: u16| sockets.get(&port).copied().unwrap_or(port);
        let (key, seed) = (&self.inner.shared.cookie_key, getrandom::u64().unwrap_or_default());
        explain::explain(&table, question, socket_port, Some(key), seed)
    }

    /// The listeners that are open.
    pub fn listeners(&self) -> Vec<ListenerStatus> {
        let table = self.inner.shared.tables.load_full();
        let sockets = self.inner.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let open = |listener: &Arc<crate::table::ListenerEntry>| {
            let socket = sockets.get(&listener.port)?.address;
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
        self.readings().expose(&self.inner.availability_zone, out);
    }

    /// What all counters say now. From any thread; it waits for no core.
    pub fn readings(&self) -> Readings {
        let shared = &self.inner.shared;
        let around = Surroundings {
            targets: &self.targets(),
            groups: &shared.groups.group_reports(),
            zone: &self.inner.availability_zone,
        };
        shared.metrics.read(Instant::now(), &around)
    }

    /// Takes down the tables that traffic has left since the last [`apply`](Self::apply). To be called now and then.
    pub fn forget_left_tables(&self) {
        self.inner.shared.retired.take_down();
    }

    /// Has [`expose`](Self::expose) show what is told of minutes, from the readings at the beginning and at the end of one.
    pub fn minute_is_over(&self, before: &Readings, now: &Readings) {
        self.inner.shared.metrics.minute_is_over(before, now);
    }

    /// How every registered target is, by target group. From any thread; it waits for no core.
    pub fn targets(&self) -> Vec<TargetReport> {
        let mut reports = self.inner.shared.pools.reports();
        reports.extend(self.inner.shared.groups.reports());
        reports.sort_by(|a, b| a.target_group.cmp(&b.target_group));
        reports
    }

    /// The keys of session tickets, for a process that takes over.
    pub fn ticket_keys(&self) -> Secret<Vec<u8>> {
        self.inner.tls.ticketing.export()
    }

    /// Takes over the keys of session tickets from the process before, so that its clients' sessions go on. For the time
    /// before anything listens: tickets that were given here are forgotten.
    pub fn take_ticket_keys(&self, keys: &Secret<Vec<u8>>) -> Result<(), UnreadableTicketKeys> {
        self.inner.tls.ticketing.import(keys)
    }

    /// Stops: accepts nothing more, lets requests finish for as long as the limits allow, cuts the rest, ends the threads.
    pub async fn drain(&self) {
        self.end(Draining::Quick).await;
    }

    /// As [`Proxy::drain`], for a process whose sockets another one serves already: idle connections stay until they ask
    /// something or until the limit, so that no client finds its connection closed while it sends.
    pub async fn drain_gently(&self) {
        self.end(Draining::Gentle).await;
    }

    async fn end(&self, how: Draining) {
        {
            let mut sockets = self.inner.sockets.lock().unwrap_or_else(PoisonError::into_inner);
            sockets.values_mut().for_each(OpenPort::let_go);
        }
        let mut waiting = Vec::new();
        for core in &self.inner.cores {
            let (done, finished) = oneshot::channel();
            if core.send(Command::Drain(how, done)).await.is_ok() {
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

    fn compile(&self, state: &State, logs: Option<&AllHandles>) -> Result<Table, TableError> {
        let shared = &self.inner.shared;
        let inner = &self.inner;
        Table::compile(state, &shared.metrics, &shared.groups, &inner.tls, logs, &inner.kept)
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
async fn serve(core: Rc<Core>, bound: Arc<Bound>, mut queue: mpsc::Receiver<Command>, shutdown: LocalBoxFuture<()>) {
    let places = Places::new(bound);
    drop(tokio::task::spawn_local(busy_poll::run(core.busy_poll.clone())));
    let mut sockets: Vec<Accepting> = Vec::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let targets = (&core.shared.pools, &core.shared.groups);
    let (log, spread) = (core.clone(), core.shared.limits.health_check_spread);
    let mut checkers = Checkers::new(
        core.id,
        targets,
        core.invoker.clone(),
        log,
        (core.random.next(), spread),
    );
    let mut drained: Option<(Draining, oneshot::Sender<()>)> = None;
    while drained.is_none() {
        tokio::select! {
            _ = ticks.tick() => core.tick(),
            () = checkers.changed() => checkers.follow().await,
            command = queue.recv() => match command {
                Some(Command::Listen { opened, closed, left, done }) => {
                    for closed in sockets.extract_if(.., |open| closed.contains(&open.port)) {
                        closed.task.abort();
                        let _ = closed.task.await; // its socket is closed with this one
                    }
                    for (port, socket) in opened {
                        match tokio::net::TcpListener::from_std(socket) {
                            Ok(socket) => {
                                let socket = Rc::new(socket);
                                let accept = listener::accept(core.clone(), places.clone(), socket.clone(), port);
                                let task = tokio::task::spawn_local(accept);
                                sockets.push(Accepting { port, socket, task });
                            }
                            Err(error) => error!(port, %error, "a listener's socket cannot be watched"),
                        }
                    }
                    core.leave(&left);
                    drop(done);
                }
                Some(Command::Requests(answer)) => drop(answer.send(core.requests())),
                Some(Command::Drain(how, done)) => drained = Some((how, done)),
                None => return,
            },
        }
    }
    let quick = matches!(drained, Some((Draining::Quick, _)));
    for Accepting { port, socket, task } in sockets {
        task.abort();
        let _ = task.await; // it has let go of the socket
        if quick {
            listener::accept_waiting(&core, &places, &socket, port);
        }
    }
    checkers.stop().await;
    let mut until = tokio::time::Instant::now() + core.shared.limits.drain;
    let mut gentle = matches!(drained, Some((Draining::Gentle, _)));
    if gentle {
        core.wheel.start_closing();
    } else {
        core.wheel.start_draining();
    }
    // Cores lend each other execution environments: none ends its own before all of them are done.
    let mut empty = std::pin::pin!(async {
        places.empty().await;
        core.shared.emptied.send_modify(|cores| *cores += 1);
        let all = core.shared.metrics.cores();
        let _ = core.shared.emptied.subscribe().wait_for(|cores| *cores >= all).await; // the sender is ours
    });
    loop {
        tokio::select! {
            () = &mut empty => break,
            _ = ticks.tick() => core.tick(),
            () = tokio::time::sleep_until(until), if gentle => {
                // Whoever has asked nothing for so long is let go; what is in hand has the same time again.
                gentle = false;
                core.wheel.start_draining();
                until += core.shared.limits.drain;
            }
            () = tokio::time::sleep_until(until) => {
                core.counters().drain_expired.add(places.taken() as u64);
                break;
            }
        }
    }
    shutdown.await;
    core.tick();
    if let Some((_, done)) = drained {
        let _ = done.send(()); // whoever asked may have left
    }
}
