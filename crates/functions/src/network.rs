//! What functions reach: which network each is given, and the names that they ask for there.
//!
//! The networks themselves are the spawner's business. This says who gets which, and answers questions about names
//! ([`names`]), because the servers of names that the host knows are often at its own loopback address.

mod message;
mod names;
mod settings;
mod upstreams;

pub(crate) use settings::Surroundings;

use crate::failure::Failure;
use crate::host::Host;
use model::lambda::function::{Function, Network};
use sandbox::{OutboundLack, Reach, SpawnError, Spawner, Step};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What the host offers.
#[derive(Debug)]
pub(crate) struct Networks {
    /// What functions reach that say nothing about it.
    reaches_by_default: AtomicBool,
    serves_names: Once,
}

impl Networks {
    pub(crate) fn new(spawner: &Spawner) -> Self {
        Self {
            reaches_by_default: AtomicBool::new(spawner.outbound_lack().is_none()),
            serves_names: Once::new(),
        }
    }
}

impl Host {
    /// What a function reaches whose namespaces are its own. Fails where that is not to be had: nobody gets another
    /// network than the one asked for.
    pub(crate) fn reach_of(&self, function: &Function) -> Result<Reach, Failure> {
        let reach = match function.configuration.network {
            None if self.networks.reaches_by_default.load(Relaxed) => Reach::Public,
            None | Some(Network::None) => return Ok(Reach::Nothing),
            Some(Network::Host) => return Ok(Reach::Host),
            Some(Network::Outbound) => Reach::Public,
            Some(Network::OutboundAndPrivate) => Reach::PublicAndPrivate,
        };
        if function.configuration.network.is_some()
            && let Some(lack) = self.spawner.outbound_lack()
        {
            return Err(Failure::NoNetwork(lacks(lack)));
        }
        self.networks
            .serves_names
            .call_once(|| names::serve(self.spawner.name_sockets()));
        Ok(reach)
    }

    /// Was it the network that could not be made? `None`: it was something else.
    ///
    /// Where functions say nothing about it, none has one from then on, and the start may be tried again.
    pub(crate) fn network_failure(&self, function: &Function, error: &SpawnError) -> Option<NetworkFailure> {
        let &SpawnError::Setup { step, .. } = error else {
            return None;
        };
        match step {
            Step::Forwarding | Step::Filter | Step::Uplink | Step::Connection => {}
            // Of a network of one's own nothing but a new spawner helps.
            Step::Network if function.configuration.network == Some(Network::Host) => {}
            _ => return None,
        }
        let message = format!("{error}; `albacore doctor` says more");
        if function.configuration.network.is_some() {
            return Some(NetworkFailure::Final(Failure::NoNetwork(message)));
        }
        if self.networks.reaches_by_default.swap(false, Relaxed) {
            tracing::warn!(%error, "functions that do not name a network reach none: it cannot be made");
        }
        Some(NetworkFailure::Without)
    }
}

/// What follows from a network that cannot be made.
pub(crate) enum NetworkFailure {
    /// The function cannot run.
    Final(Failure),
    /// It runs without one.
    Without,
}

/// What `network: outbound` means where this is lacking.
pub(crate) fn lacks(lack: OutboundLack) -> String {
    format!("its `network: outbound` cannot be had: {lack}; {}", lack.advice())
}
