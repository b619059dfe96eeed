//! Places for connections: how many a core serves at once.

use crate::core::Core;
use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::Notify;

/// The places for connections on one core. Sockets that found room at the same time may go over the bound by one each.
#[derive(Debug)]
pub(crate) struct Places {
    taken: Cell<usize>,
    max: usize,
    freed: Notify,
}

/// The place of one connection; given back when dropped.
pub(crate) struct Place {
    places: Rc<Places>,
    core: Rc<Core>,
}

impl Places {
    pub(crate) fn new(max: usize) -> Rc<Self> {
        Rc::new(Self {
            taken: Cell::new(0),
            max,
            freed: Notify::new(),
        })
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.get()
    }

    /// Ends when every place has been given back.
    pub(crate) async fn empty(&self) {
        while self.taken.get() > 0 {
            self.freed.notified().await;
        }
    }

    /// Waits until there is a place.
    pub(crate) async fn room(&self, core: &Core) {
        while self.taken.get() >= self.max {
            core.counters().accept_waits.inc();
            self.freed.notified().await;
        }
    }

    /// Takes a place.
    pub(crate) fn take(self: &Rc<Self>, core: &Rc<Core>) -> Place {
        self.taken.set(self.taken.get() + 1);
        core.counters().connections.inc();
        Place {
            places: self.clone(),
            core: core.clone(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.set(self.places.taken.get() - 1);
        self.core.counters().connections.dec();
        if std::thread::panicking() {
            self.core.counters().panics.inc();
        }
        // Everybody looks: with one waiter woken it could be the socket that nobody connects to.
        self.places.freed.notify_waiters();
    }
}
