//! The connection to the spawner: a table of the processes it has, and the one thread that reads its replies.
//!
//! Whoever sends tries the socket at once, without waiting. What does not fit goes to a queue which the thread empties;
//! the queue is bounded, because every process sends at most one request of each kind.
//!
//! When the spawner ends without having been told to, its environments die with it, and the thread starts another one.

mod table;
mod ticket;

pub(super) use table::Opened;
pub(crate) use table::{Outgoing, Pids};
pub(crate) use ticket::Ticket;

use super::{NameSockets, Options, SpawnError, SpawnerError, start};
use crate::cgroup::Controllers;
use crate::message::{Id, Reply, Request};
use crate::namespace::Listeners;
use crate::sys::{fd, socket};
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use table::Table;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

/// A spawner that lived so long was not the reason for its end.
const STEADY_AFTER: Duration = Duration::from_secs(10);
/// How often in a row a spawner may fail to start, or end soon after, before no other one is started.
const FAILURES_MAX: u32 = 10;
/// How long to wait before the second attempt; twice as long before each one after it, up to the other limit.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long a request for a process waits for the next spawner.
const UP_TIME_MAX: Duration = Duration::from_secs(2);

/// The connection as its users hold it: dropping it tells the spawner to end.
#[derive(Debug)]
pub(crate) struct Link {
    shared: Arc<Shared>,
}

/// The connection as the thread holds it too.
#[derive(Debug)]
struct Shared {
    /// Makes the thread look at the queue, and whether it is to end.
    wake: File,
    table: Mutex<Table>,
    options: Options,
    condition: watch::Sender<Condition>,
    /// Of the spawner that there is.
    names: watch::Sender<Option<Arc<NameSockets>>>,
    /// What the first spawner could limit.
    controllers: Controllers,
}

/// What there is of a spawner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Up,
    /// It has ended, and another one is being started.
    Down,
    /// It has ended and was collected, and there will be no other one.
    Ended,
}

impl Link {
    /// Starts a spawner and waits until it is ready. Blocks.
    pub(crate) fn start(options: Options) -> Result<Self, SpawnerError> {
        let wake = fd::event_counter()?;
        let (socket, child, controllers) = start::start(&options)?;
        let shared = Arc::new(Shared::new(wake, socket, child.id(), options, controllers));
        let for_thread = Arc::clone(&shared);
        thread::Builder::new()
            .name("spawner".into())
            .spawn(move || for_thread.live(child))?;
        Ok(Self { shared })
    }

    pub(crate) fn spawner_pid(&self) -> u32 {
        self.shared.table().spawner_pid
    }

    /// Waits while there is no spawner but will be one.
    pub(crate) async fn is_up(&self) -> Result<(), SpawnError> {
        let mut condition = self.shared.condition.subscribe();
        let decided = condition.wait_for(|&condition| condition != Condition::Down);
        match timeout(UP_TIME_MAX, decided).await {
            Ok(Ok(condition)) if *condition == Condition::Up => Ok(()),
            _ => Err(SpawnError::SpawnerGone),
        }
    }

    /// Sends as soon as the socket has room, in the order of the calls.
    pub(crate) fn send(&self, outgoing: Outgoing) {
        self.shared.send(&mut self.shared.table(), outgoing);
    }

    pub(super) fn names(&self) -> watch::Receiver<Option<Arc<NameSockets>>> {
        self.shared.names.subscribe()
    }

    pub(crate) fn controllers(&self) -> Controllers {
        self.shared.controllers
    }

    /// A name that no process and no scratch has had.
    pub(crate) fn fresh_id(&self) -> Id {
        let mut table = self.shared.table();
        table.last_id += 1;
        table.last_id
    }

    /// A name for an enclosure that is going to be asked for, and what becomes of it.
    pub(crate) fn expect_enclosure(&self) -> Result<(Id, oneshot::Receiver<Opened>), SpawnError> {
        let mut table = self.shared.table();
        if table.gone {
            return Err(SpawnError::SpawnerGone);
        }
        table.last_id += 1;
        let id = table.last_id;
        let (opening, opened) = oneshot::channel();
        table.openings.insert(id, opening);
        Ok((id, opened))
    }

    /// A name for a socket that is going to be asked for, and what becomes of it.
    pub(crate) fn expect_socket(&self) -> Result<(Id, oneshot::Receiver<Result<OwnedFd, SpawnError>>), SpawnError> {
        let mut table = self.shared.table();
        if table.gone {
            return Err(SpawnError::SpawnerGone);
        }
        table.last_id += 1;
        let id = table.last_id;
        let (asking, answered) = oneshot::channel();
        table.sockets.insert(id, asking);
        Ok((id, answered))
    }

    /// What becomes of an enclosure that something is going to be added to.
    pub(crate) fn expect_completion(&self, id: Id) -> Result<oneshot::Receiver<Result<(), SpawnError>>, SpawnError> {
        let mut table = self.shared.table();
        if table.gone {
            return Err(SpawnError::SpawnerGone);
        }
        let (completion, completed) = oneshot::channel();
        table.completions.insert(id, completion);
        Ok(completed)
    }

    /// Tells the spawner to end, and starts nothing any more.
    pub(crate) fn close(&self) {
        let mut table = self.shared.table();
        table.closed = true;
        table.gone = true;
        socket::finish_sending(table.socket.as_fd());
        self.shared.wake();
    }

    /// Waits until the spawner has ended for good.
    pub(crate) async fn ended(&self) {
        let mut condition = self.shared.condition.subscribe();
        // An error would mean that the sender, which `shared` holds, were gone.
        let _ = condition.wait_for(|&condition| condition == Condition::Ended).await;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn new(wake: File, socket: OwnedFd, spawner_pid: u32, options: Options, controllers: Controllers) -> Self {
        let table = Table {
            socket: Arc::new(socket),
            spawner_pid,
            closed: false,
            gone: false,
            last_id: 0,
            entries: HashMap::new(),
            queue: VecDeque::new(),
            openings: HashMap::new(),
            sockets: HashMap::new(),
            completions: HashMap::new(),
        };
        Self {
            wake,
            table: Mutex::new(table),
            options,
            condition: watch::Sender::new(Condition::Up),
            names: watch::Sender::new(None),
            controllers,
        }
    }

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
            self.wake();
        }
    }

    fn wake(&self) {
        // Fails only when the counter is full, and then the thread is woken anyway.
        let _ = (&self.wake).write(&1_u64.to_ne_bytes());
    }

    /// Sends what the socket takes without waiting.
    fn flush(&self, table: &mut Table) {
        while let Some(Outgoing { request, fds }) = table.queue.front() {
            let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            match socket::send(table.socket.as_fd(), &request.encode(), &fds, socket::Wait::Never) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Mostly because the spawner has gone, which the thread finds out too. A refused request to kill must
                // not be lost otherwise: without the connection the spawner kills everything.
                Err(error) => match *request {
                    Request::Spawn(id) | Request::Open(id) | Request::Complete(id) | Request::Socket { id, .. } => {
                        table.failed(id, SpawnError::Io(error));
                    }
                    // The spawner has it until it ends.
                    Request::Release(_) | Request::Enter | Request::Freeze(_) | Request::ShareCpu { .. } => {}
                    Request::Thaw(_) | Request::Kill(_) | Request::Close(_) | Request::Terminate(_) => {
                        table.gone = true;
                        socket::finish_sending(table.socket.as_fd());
                    }
                },
            }
            table.queue.pop_front();
        }
    }

    /// The life of the thread.
    fn live(&self, child: Child) {
        let mut next = Some(child);
        let mut failures = 0;
        while let Some(child) = next {
            let began = Instant::now();
            self.read_until_the_end(child);
            failures = if began.elapsed() < STEADY_AFTER {
                failures + 1
            } else {
                0
            };
            next = self.start_again(failures);
        }
        self.condition.send_replace(Condition::Ended);
    }

    /// One spawner's time.
    fn read_until_the_end(&self, mut child: Child) {
        let socket = Arc::clone(&self.table().socket);
        while self.read_once(&socket).is_ok() {}
        // Before anybody hears that their process has ended.
        self.condition.send_replace(Condition::Down);
        socket::finish_sending(socket.as_fd());
        self.names.send_replace(None);
        self.table().resolve_all();
        // A spawner that has closed its socket is ending; one that spoke nonsense reads the end just sent.
        let status = child.wait();
        if !self.table().closed {
            let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            tracing::error!(
                status,
                "the spawner process has ended, and all functions with it; another one is started"
            );
        }
    }

    /// The next spawner; `None` when there shall be none, or too many have failed.
    fn start_again(&self, mut failures: u32) -> Option<Child> {
        while failures <= FAILURES_MAX && self.pause(pause_before(failures)) {
            match start::start(&self.options) {
                Ok((socket, mut child, _)) => {
                    let mut table = self.table();
                    if table.closed {
                        drop((table, socket));
                        // It has read the end just now.
                        let _ = child.wait();
                        return None;
                    }
                    table.socket = Arc::new(socket);
                    table.spawner_pid = child.id();
                    table.gone = false;
                    self.condition.send_replace(Condition::Up);
                    return Some(child);
                }
                Err(error) => {
                    failures += 1;
                    tracing::error!(%error, "the spawner process cannot be started again");
                }
            }
        }
        None
    }

    /// Waits. False when the spawner was closed meanwhile.
    fn pause(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if self.table().closed || left.is_zero() {
                return !self.table().closed;
            }
            let mut entries = [fd::interest(self.wake.as_fd(), libc::POLLIN)];
            if fd::poll(&mut entries, Some(left)).is_err() {
                return false;
            }
            fd::drain(self.wake.as_fd());
        }
    }

    fn read_once(&self, socket: &OwnedFd) -> io::Result<()> {
        let queued = !self.table().queue.is_empty();
        let events = if queued {
            libc::POLLIN | libc::POLLOUT
        } else {
            libc::POLLIN
        };
        let mut entries = [
            fd::interest(socket.as_fd(), events),
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
        match socket::receive(socket.as_fd(), &mut buffer) {
            Ok(received) => match Reply::decode(buffer.get(..received.bytes).unwrap_or_default()) {
                Some(Reply::Connected) => {
                    self.names
                        .send_replace(NameSockets::of(received.fds.into_iter().flatten()));
                    Ok(())
                }
                Some(Reply::Socket { id }) => {
                    let socket = received.fds.into_iter().next().flatten();
                    self.table().take_socket(id, socket);
                    Ok(())
                }
                Some(reply) => {
                    let listeners = Listeners::of(received.fds.into_iter().flatten());
                    self.table().take(reply, listeners);
                    Ok(())
                }
                None => Err(io::ErrorKind::UnexpectedEof.into()),
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// How long to wait before the next attempt, after so many that failed.
fn pause_before(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        more => PAUSE_MIN.saturating_mul(1 << (more - 2).min(16)).min(PAUSE_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::{FAILURES_MAX, Link, Options, PAUSE_MAX, Shared, pause_before};
    use crate::cgroup::Controllers;
    use crate::sys::{fd, socket};
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    /// Nobody waits for the next spawner who wants none.
    #[test]
    fn a_pause_ends_when_there_shall_be_no_other_spawner() {
        const FOR_EVER: Duration = Duration::from_secs(86_400);
        const LIMIT: Duration = Duration::from_secs(60);
        for is_closed_first in [false, true] {
            let (socket, _spawners) = socket::pair().unwrap();
            let wake = fd::event_counter().unwrap();
            let shared = Shared::new(wake, socket, 0, Options::default(), Controllers::default());
            let link = Link {
                shared: Arc::new(shared),
            };
            if is_closed_first {
                link.close();
            }
            let shared = Arc::clone(&link.shared);
            let (said, heard) = mpsc::channel();
            let pausing = thread::spawn(move || said.send(shared.pause(FOR_EVER)));
            link.close();
            assert_eq!(heard.recv_timeout(LIMIT), Ok(false));
            pausing.join().unwrap().unwrap();
        }
    }

    #[test]
    fn the_first_attempt_comes_at_once_and_later_ones_ever_later() {
        assert_eq!(pause_before(0), Duration::ZERO);
        assert_eq!(pause_before(1), Duration::ZERO);
        assert_eq!(pause_before(2), Duration::from_millis(100));
        assert_eq!(pause_before(5), Duration::from_millis(800));
        assert_eq!(pause_before(u32::MAX), PAUSE_MAX);
        let all: Duration = (0..=FAILURES_MAX).map(pause_before).sum();
        assert!(
            all > Duration::from_secs(10) && all < Duration::from_secs(60),
            "{all:?}"
        );
    }
}
