//! What belongs to one traffic core: its view of the table, its timers, its buffers, its counters' index.

use crate::clock::{Clock, Texts, Wall};
use crate::complaints::Complaints;
use crate::health::Pools;
use crate::metrics::{CoreCounters, Metrics};
use crate::record::Record;
use crate::sticky::CookieKey;
use crate::table::{ListenerEntry, Table};
use crate::trace::Random;
use crate::view::View;
use crate::wheel::Wheel;
use crate::work::Work;
use crate::{Limits, RequestEntry};
use arc_swap::ArcSwap;
use http1::Edits;
use invoke::Invoker;
use observe::AccessLogSender;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tracing::debug;

/// Workspaces a core keeps for later.
const KEPT_WORKS: usize = 64;

/// What all cores share: snapshots behind a pointer and counters.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) tables: ArcSwap<Table>,
    /// Rises with every new table, so that cores look at the pointer only when it has changed.
    pub(crate) generation: AtomicU64,
    pub(crate) metrics: Metrics,
    pub(crate) pools: Pools,
    pub(crate) limits: Limits,
    pub(crate) cookie_key: CookieKey,
}

/// One traffic core. Everything here stays on its thread.
pub(crate) struct Core {
    pub(crate) id: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) wheel: Rc<Wheel>,
    pub(crate) random: Random,
    pub(crate) texts: RefCell<Texts>,
    clock: Cell<Clock>,
    /// Bytes of collected bodies that are held now.
    pub(crate) held_body_bytes: Cell<usize>,
    pub(crate) invoker: Rc<dyn Invoker>,
    pub(crate) complaints: Complaints,
    /// Room for the changes to one head.
    pub(crate) edits: RefCell<Edits>,
    log: Option<AccessLogSender>,
    table: RefCell<Rc<CoreTable>>,
    generation: Cell<u64>,
    #[expect(
        clippy::vec_box,
        reason = "they are handed on as boxes, so that a connection holds a pointer"
    )]
    works: RefCell<Vec<Box<Work>>>,
    requests: RefCell<VecDeque<RequestEntry>>,
}

/// A core's own handle to a table: requests count references to it without touching what cores share.
#[derive(Debug)]
pub(crate) struct CoreTable(Arc<Table>);

impl Deref for CoreTable {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.0
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
    pub(crate) fn new(
        id: usize,
        shared: Arc<Shared>,
        invoker: Rc<dyn Invoker>,
        log: Option<AccessLogSender>,
        seed: u64,
    ) -> Rc<Self> {
        let generation = shared.generation.load(Ordering::Acquire);
        let table = Rc::new(CoreTable(shared.tables.load_full()));
        Rc::new(Self {
            id,
            shared,
            wheel: Wheel::new(Instant::now()),
            random: Random::new(seed),
            texts: RefCell::default(),
            clock: Cell::new(Clock::now()),
            held_body_bytes: Cell::new(0),
            invoker,
            complaints: Complaints::default(),
            edits: RefCell::default(),
            log,
            table: RefCell::new(table),
            generation: Cell::new(generation),
            works: RefCell::default(),
            requests: RefCell::default(),
        })
    }

    pub(crate) fn counters(&self) -> &CoreCounters {
        self.shared.metrics.core(self.id)
    }

    /// The wall time of a moment of the last ticks.
    pub(crate) fn wall(&self, at: Instant) -> Wall {
        self.clock.get().wall(at)
    }

    /// The current table.
    pub(crate) fn table(&self) -> Rc<CoreTable> {
        let generation = self.shared.generation.load(Ordering::Acquire);
        if generation != self.generation.get() {
            *self.table.borrow_mut() = Rc::new(CoreTable(self.shared.tables.load_full()));
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

    pub(crate) fn take_work(&self) -> Box<Work> {
        self.works.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give_work(&self, mut work: Box<Work>) {
        let mut works = self.works.borrow_mut();
        if works.len() < KEPT_WORKS && work.recycle() {
            works.push(work);
        }
    }

    /// Writes the record's line, counts it, and keeps it for `/_albacore/requests`.
    pub(crate) fn finish(&self, record: &mut Record, view: &View<'_>) {
        let Some(listener) = record.listener.take() else {
            return;
        };
        let now = Instant::now();
        let counters = listener.load_balancer.metrics.core(self.id);
        counters.requests.inc();
        counters.received_bytes.add(record.received_bytes);
        counters.sent_bytes.add(record.sent_bytes);
        if record.classification.reason.is_some() {
            counters.non_compliant.inc();
        }
        counters.finished(
            record.elb_status,
            record.elb_generated,
            now.saturating_duration_since(record.start),
        );
        if let Some(group) = &record.group {
            let group = group.metrics.core(self.id);
            if record.target_status != 0 {
                group.target_status(record.target_status);
            }
        }
        let mut requests = self.requests.borrow_mut();
        let kept = self.shared.limits.kept_requests;
        let mut entry = if requests.len() >= kept {
            requests.pop_front().unwrap_or_default()
        } else {
            RequestEntry::default()
        };
        entry.line.clear();
        record.line(
            &listener,
            view,
            self.wall(now),
            &mut self.texts.borrow_mut(),
            &mut entry.line,
        );
        if let Some(log) = &self.log {
            log.line(|out| out.extend_from_slice(&entry.line));
        }
        debug!(line = %String::from_utf8_lossy(&entry.line), verdict = record.verdict.as_deref(), "request finished");
        entry.verdict = record.verdict.take();
        if kept > 0 {
            requests.push_back(entry);
        }
        record.listener = Some(listener);
    }

    /// The last requests, oldest first.
    pub(crate) fn requests(&self) -> Vec<RequestEntry> {
        self.requests.borrow().iter().cloned().collect()
    }

    /// What must happen every tick.
    pub(crate) fn tick(&self) {
        self.clock.set(Clock::now());
        self.wheel.turn(Instant::now());
        self.complaints.tell_suppressed(Instant::now());
        if let Some(log) = &self.log {
            log.flush();
        }
    }
}
