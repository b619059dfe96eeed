//! What belongs to one traffic core: its view of the table, its timers, its buffers, its counters' index.

use crate::admission;
use crate::balance::Groups;
use crate::busy_poll::BusyPoll;
use crate::clock::{Clock, Texts, Wall};
use crate::complaints::Complaints;
use crate::connection::{ConnectionFacts, Peer};
use crate::exchange::http2::HeldByStreams;
use crate::health::{CheckEntry, HealthLog, Pools};
use crate::left::{Door, Left};
use crate::line::Fields;
use crate::logs::{CoreLogs, Say};
use crate::metrics::{CoreCounters, Metrics};
use crate::recent::Recent;
use crate::record::Record;
use crate::sticky::CookieKey;
use crate::table::{ListenerEntry, Retired, Table};
use crate::target::http2::Http2Pool;
use crate::target::pool::Pool;
use crate::trace::Random;
use crate::view::View;
use crate::wheel::Wheel;
use crate::work::{Kept, TargetWork, Work, return_memory};
use crate::{Limits, RequestEntry};
use arc_swap::ArcSwap;
use http1::Edits;
use invoke::Invoker;
use model::LoadBalancerArn;
use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tracing::debug;

/// What of a fast body is read at a time.
const BODY_ROOM: usize = 256 * 1024;
/// While more buffers than this are lent, on the target's side and on the client's, it is less: slow clients and targets hold
/// theirs for long.
const LENT_FEW_MAX: (usize, usize) = (64, 256);
const BODY_ROOM_OF_MANY: usize = 64 * 1024;
/// While more are lent on the target's side, reading takes no more room than it begins with.
const LENT_MANY_MAX: usize = 512;
/// How often memory that is not needed is given back, in ticks.
const SHRUNK_EVERY: u64 = 5;

/// What all cores share: snapshots behind a pointer and counters.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) tables: ArcSwap<Table>,
    pub(crate) retired: Retired,
    /// Rises with every new table, so that cores look at the pointer only when it has changed.
    pub(crate) generation: AtomicU64,
    pub(crate) metrics: Metrics,
    pub(crate) pools: Pools,
    pub(crate) groups: Groups,
    pub(crate) limits: Limits,
    pub(crate) cookie_key: CookieKey,
    /// How many cores have no connection left after traffic was stopped.
    pub(crate) emptied: tokio::sync::watch::Sender<usize>,
}

impl Shared {
    fn table(&self) -> CoreTable {
        CoreTable {
            table: self.tables.load_full(),
            retired: self.retired.clone(),
        }
    }
}

/// One traffic core. Everything here stays on its thread.
pub(crate) struct Core {
    pub(crate) id: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) wheel: Rc<Wheel>,
    pub(crate) random: Random,
    pub(crate) texts: RefCell<Texts>,
    clock: Cell<Clock>,
    /// When the clock was read last.
    read_at: Cell<Instant>,
    /// Bytes of collected bodies that are held now.
    pub(crate) held_body_bytes: Cell<usize>,
    pub(crate) invoker: Rc<dyn Invoker>,
    pub(crate) complaints: Complaints,
    /// Room for the changes to one head.
    pub(crate) edits: RefCell<Edits>,
    logs: CoreLogs,
    table: RefCell<Rc<CoreTable>>,
    generation: Cell<u64>,
    left: Left,
    /// Targets that were cut, as far as this core's requests were woken for it.
    cuts: Cell<u64>,
    works: Kept<Work>,
    target_works: Kept<TargetWork>,
    /// The tick at which memory was last given back.
    shrunk: Cell<u64>,
    /// Connections to targets that wait for a request.
    pub(crate) pool: Pool,
    pub(crate) http2_pool: Http2Pool,
    pub(crate) held_by_streams: HeldByStreams,
    pub(crate) busy_poll: Rc<BusyPoll>,
    recent: RefCell<Recent>,
}

/// A core's own handle to a table: requests count references to it without touching what cores share.
#[derive(Debug)]
pub(crate) struct CoreTable {
    table: Arc<Table>,
    retired: Retired,
}

impl Deref for CoreTable {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.table
    }
}

impl Drop for CoreTable {
    fn drop(&mut self) {
        self.retired.keep(&self.table);
    }
}

/// A listener of the table that was current when the request began. Cloning it touches nothing that cores share.
#[derive(Clone, Debug)]
pub(crate) struct ListenerRef {
    table: Rc<CoreTable>,
    port: usize,
    listener: usize,
}

impl Deref for ListenerRef {
    type Target = ListenerEntry;

    fn deref(&self) -> &ListenerEntry {
        self.table.ports()[self.port].at(self.listener)
    }
}

impl Core {
    pub(crate) fn new(id: usize, shared: Arc<Shared>, invoker: Rc<dyn Invoker>, logs: CoreLogs, seed: u64) -> Rc<Self> {
        let generation = shared.generation.load(Ordering::Acquire);
        let table = Rc::new(shared.table());
        let idle_max = shared.limits.idle_target_connections_max;
        let pool = Pool::new(idle_max);
        let held_by_streams = HeldByStreams::new(shared.limits.stream_bytes_max);
        let busy_poll = Rc::new(BusyPoll::new(shared.limits.busy_poll));
        let recent = Recent::new(shared.limits.kept_requests);
        Rc::new_cyclic(|core| Self {
            id,
            shared,
            wheel: Wheel::new(Instant::now()),
            random: Random::new(seed),
            texts: RefCell::default(),
            clock: Cell::new(Clock::now()),
            read_at: Cell::new(Instant::now()),
            held_body_bytes: Cell::new(0),
            invoker,
            complaints: Complaints::default(),
            edits: RefCell::default(),
            logs,
            table: RefCell::new(table),
            generation: Cell::new(generation),
            left: Left::default(),
            cuts: Cell::new(0),
            works: Kept::default(),
            target_works: Kept::default(),
            shrunk: Cell::new(0),
            pool,
            http2_pool: Http2Pool::new(core.clone(), idle_max),
            held_by_streams,
            busy_poll,
            recent: RefCell::new(recent),
        })
    }

    pub(crate) fn counters(&self) -> &CoreCounters {
        self.shared.metrics.core(self.id)
    }

    /// Reads the clock.
    pub(crate) fn read_clock(&self) -> Instant {
        let now = Instant::now();
        self.read_at.set(now);
        now
    }

    /// When the clock was read last: about now for whoever has waited for nothing since bytes were read, and free of charge.
    pub(crate) fn read_last(&self) -> Instant {
        self.read_at.get()
    }

    /// The wall time of the last tick.
    pub(crate) fn now(&self) -> Wall {
        self.clock.get().at_reading()
    }

    /// The wall time of a moment of the last ticks.
    pub(crate) fn wall(&self, at: Instant) -> Wall {
        self.clock.get().wall(at)
    }

    /// The current table.
    pub(crate) fn table(&self) -> Rc<CoreTable> {
        let generation = self.shared.generation.load(Ordering::Acquire);
        if generation != self.generation.get() {
            *self.table.borrow_mut() = Rc::new(self.shared.table());
            self.generation.set(generation);
        }
        self.table.borrow().clone()
    }

    /// The listener a request on `port` is for; `None` when the port has no listener any more.
    pub(crate) fn listener(&self, port: u16, sni: Option<&str>, host: Option<&[u8]>) -> Option<ListenerRef> {
        let table = self.table();
        let (at, listener) = table.locate(port, sni, host)?;
        Some(ListenerRef {
            table,
            port: at,
            listener,
        })
    }

    /// The listener a client that has said nothing yet is for, as far as that can be told; `None` also when its certificate is
    /// not what the listener wants.
    pub(crate) fn listener_of(&self, peer: &Peer) -> Option<ListenerRef> {
        let listener = self.listener(peer.port, peer.server_name(), None)?;
        peer.is_welcome_at(&listener).then_some(listener)
    }

    /// The listener a request of this client is for; `None` also when the client is not welcome there, or speaks TLS where
    /// the listener does not any more, or the other way round.
    pub(crate) fn listener_for(&self, peer: &Peer, host: Option<&[u8]>) -> Option<ListenerRef> {
        let listener = self.listener_to_refuse(peer, host)?;
        (peer.scheme() == listener.scheme).then_some(listener)
    }

    /// The same for a client that is to be told that it speaks wrongly.
    pub(crate) fn listener_to_refuse(&self, peer: &Peer, host: Option<&[u8]>) -> Option<ListenerRef> {
        let listener = self.listener(peer.port, peer.server_name(), host)?;
        if !peer.admitted.is_at(&listener, peer.address.ip()) {
            admission::count(self, peer.address.ip(), peer.port);
            return None;
        }
        peer.is_welcome_at(&listener).then_some(listener)
    }

    /// The current table has closed these doors.
    pub(crate) fn leave(&self, doors: &[Door]) {
        let at = Instant::now() + self.shared.limits.let_go_after;
        self.left.follow(&self.table(), doors, at);
    }

    /// Whether this client is let go, because its listener has gone.
    pub(crate) fn is_left(&self, peer: &Peer) -> bool {
        self.left.has(|| (peer.port, peer.scheme()))
    }

    /// A client has connected, or has tried to.
    pub(crate) fn connection_opened(&self, facts: &ConnectionFacts<'_>) {
        let Some(listener) = facts.listener else {
            return;
        };
        let counters = listener.load_balancer.metrics.core(self.id);
        counters.new_connections.inc();
        // Whoever has said nothing at all has not tried a handshake.
        if let Some(failure) = facts.failure.filter(|failure| failure.error.is_some()) {
            counters.tls_negotiation_errors.inc();
            debug!(client = %facts.peer.address, port = facts.peer.port, code = failure.code.as_str(), error = ?failure.error, "tls handshake failed");
        }
        let line = ConnectionLine {
            facts,
            at: self.wall(facts.at),
            texts: &self.texts,
        };
        self.logs
            .deliver(listener.load_balancer.logs.connection.as_ref(), &line);
    }

    /// Counts what a request has moved since it was asked last: one that lasts for hours is not to come all at once.
    pub(crate) fn count_bytes(&self, record: &mut Record, listener: &ListenerEntry, is_ipv6: bool) {
        let (received, sent) = record.take_uncounted();
        let counters = listener.load_balancer.metrics.core(self.id);
        counters.bytes(received, sent, is_ipv6);
    }

    pub(crate) fn take_work(&self) -> Box<Work> {
        self.works.take()
    }

    pub(crate) fn give_work(&self, mut work: Box<Work>) {
        if let Some(through) = work.through.take() {
            self.give_target_work(through);
        }
        self.works.give(work);
    }

    /// The same on the side of targets.
    pub(crate) fn take_target_work(&self) -> Box<TargetWork> {
        self.target_works.take()
    }

    pub(crate) fn give_target_work(&self, work: Box<TargetWork>) {
        self.target_works.give(work);
    }

    /// What of a fast body may be read at a time.
    pub(crate) fn body_room(&self) -> usize {
        let lent = (self.target_works.lent(), self.works.lent());
        match lent.0 {
            _ if lent.0 <= LENT_FEW_MAX.0 && lent.1 <= LENT_FEW_MAX.1 => BODY_ROOM,
            0..=LENT_MANY_MAX => BODY_ROOM_OF_MANY,
            _ => 0,
        }
    }

    /// Writes the record's line, counts it, and keeps it for `/_albacore/requests`.
    pub(crate) fn finish(&self, record: &mut Record, view: &View<'_>) {
        let Some(listener) = record.listener.take() else {
            return;
        };
        let now = record.ended.take().unwrap_or_else(Instant::now);
        let counters = listener.load_balancer.metrics.core(self.id);
        counters.requests.inc();
        let is_ipv6 = view.peer.is_ipv6();
        if is_ipv6 {
            counters.ipv6_requests.inc();
        }
        self.count_bytes(record, &listener, is_ipv6);
        if record.classification.reason.is_some() {
            counters.non_compliant.inc();
        }
        let took = now.saturating_duration_since(record.start);
        counters.finished(record.elb_status, record.elb_generated, took);
        if let Some(group) = &record.group {
            let group = group.metrics.core(self.id);
            if record.target_status != 0 {
                group.target_status(record.target_status);
            }
        }
        let mut recent = self.recent.borrow_mut();
        let line = AccessLine {
            record,
            listener: &listener,
            view,
            now: record.created.after(took),
            texts: &self.texts,
        };
        let written = self.logs.access(&listener.load_balancer.logs, &line, recent.begin());
        debug!(line = %String::from_utf8_lossy(written), verdict = record.verdict.as_deref(), "request finished");
        recent.end(record.verdict.take());
        drop(recent);
        record.listener = Some(listener);
    }

    /// The last requests, oldest first.
    pub(crate) fn requests(&self) -> Vec<RequestEntry> {
        self.recent.borrow().entries()
    }

    /// What must happen every tick.
    pub(crate) fn tick(self: &Rc<Self>) {
        let now = Instant::now();
        self.clock.set(Clock::now());
        self.wheel.turn(now);
        self.shared.groups.tick(now);
        let cuts = self.shared.groups.cuts();
        if self.cuts.replace(cuts) != cuts {
            self.wheel.wake_all();
        }
        if self.left.tick(now) {
            self.wheel.wake_all();
        }
        self.pool.sweep(self.wheel.ticks());
        self.shrink(self.wheel.ticks());
        let idle_http2 = self.http2_pool.sweep(self.wheel.ticks());
        let counters = self.counters();
        counters
            .idle_target_connections
            .set((self.pool.count() + idle_http2) as i64);
        counters.lent_buffers.set(self.target_works.lent() as i64);
        counters.timers.set(self.wheel.timers() as i64);
        counters.tasks.set(Rc::strong_count(self) as i64);
        let polls = self.busy_poll.take_uncounted();
        counters.busy_polls.add(polls.all);
        counters.busy_polls_in_vain.add(polls.in_vain);
        self.complaints.tell_suppressed(now);
        self.logs.flush();
    }

    /// Gives back what a burst took and nobody needs any more.
    fn shrink(&self, now: u64) {
        if now.saturating_sub(self.shrunk.get()) >= SHRUNK_EVERY {
            self.shrunk.set(now);
            self.works.shrink();
            self.target_works.shrink();
            return_memory();
        }
    }
}

impl HealthLog for Core {
    fn entry(&self, load_balancer: &LoadBalancerArn, entry: &CheckEntry<'_>) {
        if let Some(load_balancer) = self.table().load_balancer(load_balancer) {
            let line = CheckLine {
                entry,
                texts: &self.texts,
            };
            self.logs.deliver(load_balancer.logs.health_check.as_ref(), &line);
        }
    }
}

struct AccessLine<'a> {
    record: &'a Record,
    listener: &'a ListenerRef,
    view: &'a View<'a>,
    now: Wall,
    texts: &'a RefCell<Texts>,
}

impl Say for AccessLine<'_> {
    fn say(&self, fields: &mut impl Fields) {
        let texts = &mut self.texts.borrow_mut();
        self.record.say(self.listener, self.view, self.now, texts, fields);
    }
}

struct ConnectionLine<'a> {
    facts: &'a ConnectionFacts<'a>,
    at: Wall,
    texts: &'a RefCell<Texts>,
}

impl Say for ConnectionLine<'_> {
    fn say(&self, fields: &mut impl Fields) {
        self.facts.say(self.at, &mut self.texts.borrow_mut(), fields);
    }
}

struct CheckLine<'a> {
    entry: &'a CheckEntry<'a>,
    texts: &'a RefCell<Texts>,
}

impl Say for CheckLine<'_> {
    fn say(&self, fields: &mut impl Fields) {
        self.entry.say(&mut self.texts.borrow_mut(), fields);
    }
}
