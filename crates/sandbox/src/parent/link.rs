//! The connection to the spawner: a table of the processes it has, and the one thread that reads its replies.
//!
//! Whoever sends tries the socket at once, without waiting. What does not fit goes to a queue which the thread empties;
//! the queue is bounded, because every process sends at most one request of each kind.

use super::SpawnError;
use crate::message::{Id, Reply, Request};
use crate::status::ExitStatus;
use crate::sys::{fd, socket};
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use tokio::sync::{oneshot, watch};

/// The connection as its users hold it: dropping it tells the spawner to end.
#[derive(Debug)]
pub(crate) struct Link {
    shared: Arc<Shared>,
}

/// The connection as the thread holds it too.
#[derive(Debug)]
struct Shared {
    socket: OwnedFd,
    /// Makes the thread look at the queue.
    wake: File,
    table: Mutex<Table>,
    processes_max: usize,
    spawner_pid: u32,
    /// True when the spawner has ended and was collected.
    ended: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Table {
    /// The spawner has ended, or is about to: nothing can be started any more.
    gone: bool,
    last_id: Id,
    entries: HashMap<Id, Entry>,
    queue: VecDeque<Outgoing>,
}

type Started = Result<u32, SpawnError>;

/// One process, from the request until its end is reported.
#[derive(Debug)]
struct Entry {
    /// Until it has started.
    started: Option<oneshot::Sender<Started>>,
    exit: watch::Sender<Option<ExitStatus>>,
    kill_sent: bool,
    terminate_sent: bool,
}

/// A request with the descriptors that go with it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) request: Request,
    pub(crate) fds: Vec<OwnedFd>,
}

impl Link {
    /// Takes over a spawner that is ready.
    pub(crate) fn start(socket: OwnedFd, child: Child, processes_max: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            socket,
            wake: fd::event_counter()?,
            table: Mutex::default(),
            processes_max,
            spawner_pid: child.id(),
            ended: watch::Sender::new(false),
        });
        let for_thread = Arc::clone(&shared);
        thread::Builder::new()
            .name("spawner".into())
            .spawn(move || for_thread.read_until_the_end(child))?;
        Ok(Self { shared })
    }

    pub(crate) fn spawner_pid(&self) -> u32 {
        self.shared.spawner_pid
    }

    /// Sends as soon as the socket has room, in the order of the calls.
    pub(crate) fn send(&self, outgoing: Outgoing) {
        self.shared.send(&mut self.shared.table(), outgoing);
    }

    /// Tells the spawner to end, and starts nothing any more.
    pub(crate) fn close(&self) {
        self.shared.table().gone = true;
        socket::finish_sending(self.shared.socket.as_fd());
    }

    /// Waits until the spawner has ended.
    pub(crate) async fn ended(&self) {
        // An error would mean that the sender, which `shared` holds, were gone.
        let _ = self.shared.ended.subscribe().wait_for(|&ended| ended).await;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        // No user of the table panics half-way through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, table: &mut Table, outgoing: Outgoing) {
        table.queue.push_back(outgoing);
        if table.queue.len() == 1 {
            self.flush(table);
        }
        if !table.queue.is_empty() {
            // Fails only when the counter is full, and then the thread is woken anyway.
            let _ = (&self.wake).write(&1_u64.to_ne_bytes());
        }
    }

    /// Sends what the socket takes without waiting.
    fn flush(&self, table: &mut Table) {
        while let Some(Outgoing { request, fds }) = table.queue.front() {
            let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            match socket::send(self.socket.as_fd(), &request.encode(), &fds, socket::Wait::Never) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Mostly because the spawner has gone, which the thread finds out too. A refused request to kill must
                // not be lost otherwise: without the connection the spawner kills everything.
                Err(error) => match *request {
                    Request::Spawn(id) => table.failed(id, SpawnError::Io(error)),
                    Request::Kill(_) | Request::Terminate(_) => {
                        table.gone = true;
                        socket::finish_sending(self.socket.as_fd());
                    }
                },
            }
            table.queue.pop_front();
        }
    }

    /// The life of the thread.
    fn read_until_the_end(&self, mut child: Child) {
        while self.read_once().is_ok() {}
        socket::finish_sending(self.socket.as_fd());
        self.table().resolve_all();
        // A spawner that has closed its socket is ending; one that spoke nonsense reads the end just sent.
        let _ = child.wait();
        self.ended.send_replace(true);
    }

    fn read_once(&self) -> io::Result<()> {
        let queued = !self.table().queue.is_empty();
        let events = if queued {
            libc::POLLIN | libc::POLLOUT
        } else {
            libc::POLLIN
        };
        let mut entries = [
            fd::interest(self.socket.as_fd(), events),
            fd::interest(self.wake.as_fd(), libc::POLLIN),
        ];
        fd::poll(&mut entries, None)?;
        if entries[1].revents != 0 {
            fd::drain(self.wake.as_fd());
        }
        if entries[0].revents & libc::POLLOUT != 0 {
            self.flush(&mut self.table());
        }
        let mut buffer = [0; Reply::BYTES];
        match socket::receive(self.socket.as_fd(), &mut buffer) {
            Ok(received) => match Reply::decode(buffer.get(..received.bytes).unwrap_or_default()) {
                Some(reply) => {
                    self.table().take(reply);
                    Ok(())
                }
                None => Err(io::ErrorKind::UnexpectedEof.into()),
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Table {
    fn take(&mut self, reply: Reply) {
        match reply {
            Reply::Ready => {}
            Reply::Started { id, pid } => {
                let started = self.entries.get_mut(&id).and_then(|entry| entry.started.take());
                if let Some(started) = started {
                    // Nobody listens when the future was dropped; its ticket has then asked for the kill.
                    let _ = started.send(Ok(pid.unsigned_abs()));
                }
            }
            Reply::Failed { id, step, errno } => self.failed(id, SpawnError::Setup { step, errno }),
            Reply::Exited { id, status } => {
                if let Some(entry) = self.entries.remove(&id) {
                    entry.exit.send_replace(Some(ExitStatus::from_wait(status)));
                }
            }
        }
    }

    fn failed(&mut self, id: Id, error: SpawnError) {
        let Some(entry) = self.entries.remove(&id) else { return };
        entry.exit.send_replace(Some(ExitStatus::KILLED));
        if let Some(started) = entry.started {
            let _ = started.send(Err(error));
        }
    }

    /// The spawner has gone: nobody may wait for it any longer.
    fn resolve_all(&mut self) {
        self.gone = true;
        self.queue.clear();
        for (_, entry) in self.entries.drain() {
            entry.exit.send_replace(Some(ExitStatus::KILLED));
            if let Some(started) = entry.started {
                let _ = started.send(Err(SpawnError::SpawnerGone));
            }
        }
    }
}

/// One process's place in the table. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Ticket {
    link: Arc<Link>,
    id: Id,
    exit: watch::Receiver<Option<ExitStatus>>,
}

impl Ticket {
    pub(crate) fn register(link: &Arc<Link>) -> Result<(Self, oneshot::Receiver<Started>), SpawnError> {
        let mut table = link.shared.table();
        if table.gone {
            return Err(SpawnError::SpawnerGone);
        }
        if table.entries.len() >= link.shared.processes_max {
            return Err(SpawnError::TooManyProcesses(link.shared.processes_max));
        }
        table.last_id += 1;
        let id = table.last_id;
        let (started, has_started) = oneshot::channel();
        let (exit, has_exited) = watch::channel(None);
        let entry = Entry {
            started: Some(started),
            exit,
            kill_sent: false,
            terminate_sent: false,
        };
        table.entries.insert(id, entry);
        Ok((
            Self {
                link: Arc::clone(link),
                id,
                exit: has_exited,
            },
            has_started,
        ))
    }

    pub(crate) fn id(&self) -> Id {
        self.id
    }

    pub(crate) async fn exited(&mut self) -> ExitStatus {
        // The sender leaves the table only after it has sent, so the error is not expected.
        match self.exit.wait_for(Option::is_some).await {
            Ok(status) => status.unwrap_or(ExitStatus::KILLED),
            Err(_) => ExitStatus::KILLED,
        }
    }

    pub(crate) fn kill(&self) {
        self.send_once(|entry| &mut entry.kill_sent, Request::Kill(self.id));
    }

    pub(crate) fn terminate(&self) {
        self.send_once(|entry| &mut entry.terminate_sent, Request::Terminate(self.id));
    }

    fn send_once(&self, sent: impl Fn(&mut Entry) -> &mut bool, request: Request) {
        let mut table = self.link.shared.table();
        let Some(entry) = table.entries.get_mut(&self.id) else {
            return;
        };
        if !std::mem::replace(sent(entry), true) {
            self.link.shared.send(
                &mut table,
                Outgoing {
                    request,
                    fds: Vec::new(),
                },
            );
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.kill();
    }
}
