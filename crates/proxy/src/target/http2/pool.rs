//! The HTTP/2 connections of one core, by target. Source: ALB 4.3, 4.4.
//!
//! A request takes a place on a connection that has one. Where none has, requests wait for the same new connection, as many
//! as it will probably carry, so that a burst does not open one each.

use super::connection::{Connection, Lease};
use super::opening::{Opening, Waiting, run};
use crate::balance::Target;
use crate::core::Core;
use crate::table::Group;
use crate::target::connect::NotConnected;
use rustls::ClientConfig;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Requests on one connection; a further one opens another. The target may allow fewer.
pub(super) const STREAMS_MAX: usize = 100;
/// Idle connections that are closed at once when the process has no descriptors left.
const SHED: usize = 16;

/// The connections of one core.
pub(crate) struct Http2Pool {
    core: Weak<Core>,
    targets: RefCell<BTreeMap<u64, Connections>>,
    /// Connections that may wait without a request.
    idle_max: usize,
}

/// Those of one target.
struct Connections {
    open: Vec<Rc<Connection>>,
    opening: Vec<Rc<Opening>>,
    /// Requests at once that the target allowed on the connection that was opened last.
    allowed: usize,
}

/// Where a connection is to go, and whose it is.
#[derive(Clone)]
pub(crate) struct Destination {
    pub(crate) target: Arc<Target>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// Counts it.
    pub(crate) group: Arc<Group>,
    /// How long it may be open without a request.
    pub(crate) idle_timeout: Duration,
}

impl Http2Pool {
    pub(crate) fn new(core: Weak<Core>, idle_max: usize) -> Self {
        Self {
            core,
            targets: RefCell::default(),
            idle_max,
        }
    }

    /// A place on a connection that is open, with TLS or without.
    pub(crate) fn take(&self, target: &Target, tls: bool) -> Option<Lease> {
        let targets = self.targets.borrow();
        let connections = targets.get(&target.serial)?;
        let fits = |connection: &&Rc<Connection>| connection.is_tls() == tls && connection.room() > 0;
        connections.open.iter().find(fits).map(Lease::new)
    }

    /// Waits for a connection that is being opened, or is from now on.
    pub(crate) fn open(&self, destination: Destination) -> Waiting {
        let mut targets = self.targets.borrow_mut();
        let connections = targets.entry(destination.target.serial).or_insert_with(|| Connections {
            open: Vec::new(),
            opening: Vec::new(),
            allowed: STREAMS_MAX,
        });
        let tls = destination.tls.is_some();
        let joined = connections
            .opening
            .iter()
            .find(|opening| opening.is_tls() == tls && opening.waiting() < connections.allowed.max(1));
        if let Some(opening) = joined {
            return Waiting::new(opening);
        }
        let opening = Rc::new(Opening::new(tls));
        connections.opening.push(opening.clone());
        let waiting = Waiting::new(&opening);
        if let Some(core) = self.core.upgrade() {
            tokio::task::spawn_local(run(core, destination, opening));
        }
        waiting
    }

    /// An opening has come to its end: whoever waits hears of it, and has the first places.
    pub(super) fn opened(&self, target: &Target, opening: &Rc<Opening>, opened: Result<Rc<Connection>, NotConnected>) {
        let mut targets = self.targets.borrow_mut();
        if let Some(connections) = targets.get_mut(&target.serial) {
            connections.opening.retain(|other| !Rc::ptr_eq(other, opening));
            if let Ok(connection) = &opened {
                connections.allowed = connection.room();
                connections.open.push(connection.clone());
            }
        }
        drop(targets);
        opening.end(opened);
    }

    /// Lets go of connections that are over, have carried nothing for too long, are too many, or belong to a target that is
    /// gone. Says how many wait without a request. Every tick.
    pub(crate) fn sweep(&self, now: u64) -> usize {
        let mut idle = 0;
        self.targets.borrow_mut().retain(|_, connections| {
            connections.open.retain(|connection| {
                let kept = !connection.is_over()
                    && !connection.target().cut.load(Ordering::Relaxed)
                    && !connection.has_waited_since(now);
                let too_many = idle == self.idle_max && connection.is_idle();
                idle += usize::from(kept && !too_many && connection.is_idle());
                kept && !too_many
            });
            !connections.open.is_empty() || !connections.opening.is_empty()
        });
        idle
    }

    /// Closes a few connections that carry nothing. `false` when there are none.
    pub(crate) fn shed(&self) -> bool {
        let mut shed = 0;
        for connections in self.targets.borrow_mut().values_mut() {
            connections.open.retain(|connection| {
                let goes = connection.is_idle() && shed < SHED;
                shed += usize::from(goes);
                !goes
            });
        }
        shed > 0
    }
}
