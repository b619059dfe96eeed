//! Listeners whose ports cannot be had. A change that asks for such a port is refused; but what was asked for long ago has to
//! be there when the process starts again, and one port that somebody else took meanwhile must not keep all the others closed.

use super::Proxy;
use crate::socket::{self, BindError};
use crate::table::Table;
use model::observed::ClosedListener;
use model::{Owner, State};
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use tokio::sync::watch;

impl Proxy {
    /// What only the AWS API can change of this state need not be had; what the manifest asks for can be mended where it is
    /// written. While a port cannot be had, its listeners are closed and all others are served; every table that is applied
    /// tries again. A bucket that takes no logs is told, and tried with every delivery.
    pub fn forgive(&self, state: &State) {
        let by_api = state.listeners().filter(|it| it.owner == Owner::Api);
        let listeners = by_api.map(|it| it.arn.clone()).collect();
        *self.inner.forgiven.lock().unwrap_or_else(PoisonError::into_inner) = listeners;
        if let Some(deliveries) = &self.inner.deliveries {
            deliveries.forgive(state);
        }
    }

    /// The listeners that are closed for that.
    pub fn closed_listeners(&self) -> watch::Receiver<Arc<[ClosedListener]>> {
        self.inner.closed.subscribe()
    }

    /// Whether a port of a closed listener can be had now, so that applying the state again would open it.
    pub fn can_open_more(&self) -> bool {
        let closed = self.inner.closed.borrow().clone();
        let ports: BTreeSet<u16> = closed.iter().map(|it| it.port).collect();
        let is_free = |port: &u16| socket::probe(self.inner.bind, self.socket_port(*port)).is_ok();
        ports.iter().any(is_free)
    }

    /// Whether nobody on this port was promised that it is open.
    pub(super) fn is_forgiven(&self, table: &Table, port: u16) -> bool {
        let forgiven = self.inner.forgiven.lock().unwrap_or_else(PoisonError::into_inner);
        let mut there = table.listeners().filter(|it| it.port == port);
        there.all(|it| forgiven.contains(&it.arn))
    }

    /// Says what is closed now.
    pub(super) fn close_missed(&self, table: &Table, missed: &[(u16, BindError)]) {
        let closed: Arc<[ClosedListener]> = missed
            .iter()
            .flat_map(|(port, error)| {
                let there = table.listeners().filter(|it| it.port == *port);
                there.map(|it| ClosedListener {
                    listener: it.arn.clone(),
                    port: *port,
                    reason: error.to_string(),
                })
            })
            .collect();
        self.inner.closed.send_if_modified(|before| {
            let is_news = **before != *closed;
            *before = closed;
            is_news
        });
    }
}
