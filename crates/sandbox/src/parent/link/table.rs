//! The processes that a spawner has, and the requests that wait for it.

use crate::message::{Id, Reply, Request};
use crate::namespace::Listeners;
use crate::parent::SpawnError;
use crate::status::ExitStatus;
use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

/// What a connection's users and its thread share under a lock.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) socket: Arc<OwnedFd>,
    pub(super) spawner_pid: u32,
    /// The spawner is to end, and no other one is to be started.
    pub(super) closed: bool,
    /// The spawner has ended, or is about to: nothing can be started with it any more.
    pub(super) gone: bool,
    pub(super) last_id: Id,
    pub(super) entries: HashMap<Id, Entry>,
    pub(super) queue: VecDeque<Outgoing>,
    /// Enclosures that were asked for.
    pub(super) openings: HashMap<Id, oneshot::Sender<Opened>>,
    /// Sockets that were asked for.
    pub(super) sockets: HashMap<Id, oneshot::Sender<Result<OwnedFd, SpawnError>>>,
    /// Enclosures that something is being added to.
    pub(super) completions: HashMap<Id, oneshot::Sender<Result<(), SpawnError>>>,
}

pub(super) type Started = Result<Pids, SpawnError>;

/// The listeners in the network of an enclosure.
pub(in crate::parent) type Opened = Result<Option<Listeners>, SpawnError>;

/// The processes that an environment begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pids {
    pub(crate) main: u32,
    pub(crate) init: u32,
}

/// One process, from the request until its end is reported.
#[derive(Debug)]
pub(super) struct Entry {
    /// Until it has started.
    pub(super) started: Option<oneshot::Sender<Started>>,
    pub(super) exit: watch::Sender<Option<ExitStatus>>,
    pub(super) kill_sent: bool,
    pub(super) terminate_sent: bool,
}

/// A request with the descriptors that go with it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) request: Request,
    pub(crate) fds: Vec<OwnedFd>,
}

impl Table {
    /// `listeners` came with the reply.
    pub(super) fn take(&mut self, reply: Reply, listeners: Option<Listeners>) {
        match reply {
            // Its files are taken elsewhere.
            Reply::Ready { .. } | Reply::Connected | Reply::Socket { .. } => {}
            Reply::Started { id, pid, init } => {
                let started = self.entries.get_mut(&id).and_then(|entry| entry.started.take());
                if let Some(started) = started {
                    // Nobody listens when the future was dropped; its ticket has then asked for the kill.
                    let _ = started.send(Ok(Pids {
                        main: pid.unsigned_abs(),
                        init: init.unsigned_abs(),
                    }));
                }
            }
            Reply::Opened { id } => {
                if let Some(opening) = self.openings.remove(&id) {
                    // Nobody listens when the future was dropped; the enclosure has then been closed.
                    let _ = opening.send(Ok(listeners));
                }
            }
            Reply::Completed { id } => {
                if let Some(completion) = self.completions.remove(&id) {
                    // As before.
                    let _ = completion.send(Ok(()));
                }
            }
            Reply::Failed { id, step, errno } => self.failed(id, SpawnError::Setup { step, errno }),
            Reply::Exited {
                id,
                status,
                out_of_memory,
            } => {
                if let Some(entry) = self.entries.remove(&id) {
                    entry
                        .exit
                        .send_replace(Some(ExitStatus::from_wait(status, out_of_memory)));
                }
            }
        }
    }

    /// A socket that was asked for; without one there was no room for it here.
    pub(super) fn take_socket(&mut self, id: Id, socket: Option<OwnedFd>) {
        if let Some(asked) = self.sockets.remove(&id) {
            let lack = || SpawnError::Io(std::io::Error::from_raw_os_error(libc::EMFILE));
            // As before.
            let _ = asked.send(socket.ok_or_else(lack));
        }
    }

    pub(super) fn failed(&mut self, id: Id, error: SpawnError) {
        if let Some(opening) = self.openings.remove(&id) {
            let _ = opening.send(Err(error));
            return;
        }
        if let Some(completion) = self.completions.remove(&id) {
            let _ = completion.send(Err(error));
            return;
        }
        if let Some(socket) = self.sockets.remove(&id) {
            let _ = socket.send(Err(error));
            return;
        }
        let Some(entry) = self.entries.remove(&id) else { return };
        entry.exit.send_replace(Some(ExitStatus::KILLED));
        if let Some(started) = entry.started {
            let _ = started.send(Err(error));
        }
    }

    /// The spawner has gone: nobody may wait for it any longer.
    pub(super) fn resolve_all(&mut self) {
        self.gone = true;
        self.queue.clear();
        for (_, opening) in self.openings.drain() {
            let _ = opening.send(Err(SpawnError::SpawnerGone));
        }
        for (_, completion) in self.completions.drain() {
            let _ = completion.send(Err(SpawnError::SpawnerGone));
        }
        for (_, socket) in self.sockets.drain() {
            let _ = socket.send(Err(SpawnError::SpawnerGone));
        }
        for (_, entry) in self.entries.drain() {
            entry.exit.send_replace(Some(ExitStatus::KILLED));
            if let Some(started) = entry.started {
                let _ = started.send(Err(SpawnError::SpawnerGone));
            }
        }
    }
}
