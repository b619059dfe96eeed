//! The init process of one environment: starts the main process, collects orphans, leaves nothing behind.
//!
//! It is forked from the spawner and is an ordinary single-threaded program that waits in one place. In namespaces of its
//! own it is the first process there, and waits for its main process with everything else done. When the main
//! process ends, when it is asked to, or when the spawner's end of its socket closes, it kills everything below it and
//! reports how the main process ended.

mod shell;
mod waiting;

use crate::child::{self, Prepared, Purpose, Streams};
use crate::descendants;
use crate::landlock;
use crate::launch::{Launch, Room};
use crate::message::{Id, Reply, Request};
use crate::namespace::{Confinement, Failure, Ids, Network};
use crate::seccomp;
use crate::spec::{ASSIGNMENT_DESCRIPTOR, LOG_DESCRIPTOR, Step};
use crate::status::ExitStatus;
use crate::sys::process::{self, Pid, Reaped};
use crate::sys::{errno, fd, socket};
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};
use waiting::{Failing, Waiting};

/// How long the killing may take. Only a process that the kernel itself holds (a dead network file system, say) lives
/// on after SIGKILL; the spawner inherits it and collects it when it ends.
const KILL_TIME_MAX: Duration = Duration::from_secs(5);
/// How soon to look again for processes that were started while others were being killed.
const KILL_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// What the spawner hands to a new init.
pub(crate) struct Birth {
    /// Requests in, replies out.
    pub(crate) control: OwnedFd,
    pub(crate) landlock_version: Option<u32>,
    pub(crate) place: Place,
    /// Of the control groups that it has to move to by itself.
    pub(crate) entrances: [Option<OwnedFd>; socket::FDS_MAX],
}

/// Where an init and its environment are.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// Among the processes and files of the host.
    Host,
    /// In namespaces of its own. `rehearse`: shall it try what it will do for its main process?
    Apart { ids: Ids, rehearse: bool, network: Network },
}

struct Init {
    control: OwnedFd,
    signals: OwnedFd,
    landlock_version: Option<u32>,
    /// Among the processes of the host: none.
    network: Option<Network>,
    /// Of the environment something is still to come.
    is_incomplete: bool,
    /// Its processes were stopped by signals.
    is_stopped: bool,
    /// For the first main process.
    waiting: Option<Waiting>,
    /// Those whose end has not been told. Among the processes of the host there is one at most.
    mains: Vec<Main>,
}

/// A main process.
struct Main {
    id: Id,
    pid: Pid,
    state: State,
}

/// How far a main process is.
enum State {
    /// Between fork and exec.
    Starting {
        failure: Failing,
    },
    Running,
    Ended {
        status: i32,
    },
}

/// What came with the request for a main process.
struct Order<'a> {
    launch: Launch<'a>,
    stdout: OwnedFd,
    stderr: OwnedFd,
    /// These have their numbers already.
    log: Option<OwnedFd>,
    assignment: Option<OwnedFd>,
}

/// Descriptors with a meaning, which nothing else may have.
const NUMBERED: RangeInclusive<i32> = LOG_DESCRIPTOR..=ASSIGNMENT_DESCRIPTOR;

/// Lives the whole life of an init process.
///
/// # Safety
///
/// Only for a freshly forked child of a single-threaded process, which must own nothing but `birth` from then on.
pub(crate) unsafe fn run(mut birth: Birth) -> ! {
    // No list, for an init keeps what memory it has ever used.
    let mut kept = [birth.control.as_raw_fd(); socket::FDS_MAX + 1];
    for (number, entrance) in kept.iter_mut().zip(birth.entrances.iter().flatten()) {
        *number = entrance.as_raw_fd();
    }
    // SAFETY: whatever owned the other descriptors belongs to the spawner's code, to which this child never returns.
    let closed = unsafe { fd::close_all_except(&mut kept) };
    // Before anything else is opened; what is opened later gets lower numbers than the log's.
    let prepared = closed
        .and_then(|()| fd::keep_off(&mut birth.control, NUMBERED))
        .map_err(|error| (Step::Init, error))
        .and_then(|()| {
            // SAFETY: one thread only, by the contract above.
            unsafe { shell::prepare(&mut birth) }
        });
    let shell = match prepared {
        Ok(shell) => shell,
        Err((step, error)) => {
            let errno = errno(&error);
            tell(&birth.control, Reply::Failed { id: 0, step, errno });
            process::exit_now(0)
        }
    };
    let nothing_left = match Init::new(birth, shell) {
        Ok(mut init) => {
            // SAFETY: one thread only, by the contract above.
            unsafe { init.live() }
        }
        Err(error) => {
            let _ = error;
            true
        }
    };
    process::exit_now(i32::from(!nothing_left))
}

/// Why it ended, the spawner knows.
fn exited(id: Id, status: i32) -> Reply {
    Reply::Exited {
        id,
        status,
        out_of_memory: false,
    }
}

fn tell(control: &OwnedFd, reply: Reply) {
    // An error means that the spawner has gone; the next look at the socket finds that out.
    let _ = socket::send(control.as_fd(), &reply.encode(), &[], socket::Wait::ForRoom);
}

impl<'a> Order<'a> {
    /// Gives the log pipe its number, which nothing else has from then on: the main process only inherits it.
    fn read(mut fds: [Option<OwnedFd>; socket::FDS_MAX], room: &'a mut Room) -> Result<Self, Failure> {
        let invalid = |error| (Step::Request, error);
        for other in fds.iter_mut().flatten() {
            fd::keep_off(other, NUMBERED).map_err(invalid)?;
        }
        let mut fds = fds.into_iter().flatten();
        // Fewer arrive when this process has no room for them.
        let mut next = || {
            fds.next()
                .ok_or((Step::Request, io::Error::from_raw_os_error(libc::EMFILE)))
        };
        let launch = Launch::read(&File::from(next()?), room).map_err(invalid)?;
        let (stdout, stderr) = (next()?, next()?);
        let log = match launch.log_pipe {
            // SAFETY: all else is closed, and what is not has just been moved off that number.
            true => Some(unsafe { fd::renumber(next()?, LOG_DESCRIPTOR) }.map_err(invalid)?),
            false => None,
        };
        let assignment = match launch.assignment_pipe {
            // SAFETY: as before.
            true => Some(unsafe { fd::renumber(next()?, ASSIGNMENT_DESCRIPTOR) }.map_err(invalid)?),
            false => None,
        };
        Ok(Self {
            launch,
            stdout,
            stderr,
            log,
            assignment,
        })
    }
}

impl Init {
    fn new(birth: Birth, shell: shell::Prepared) -> io::Result<Self> {
        Ok(Self {
            signals: fd::signal_file(&process::child_signal())?,
            control: birth.control,
            landlock_version: birth.landlock_version,
            network: match birth.place {
                Place::Host => None,
                Place::Apart { network, .. } => Some(network),
            },
            is_incomplete: shell.is_incomplete,
            is_stopped: false,
            waiting: shell.waiting,
            mains: Vec::new(),
        })
    }

    /// Is it in namespaces of its own?
    fn is_apart(&self) -> bool {
        self.network.is_some()
    }

    /// Until the environment is over. False: something of it is left.
    ///
    /// # Safety
    ///
    /// This process must have one thread only.
    unsafe fn live(&mut self) -> bool {
        loop {
            let (control, signals) = (
                fd::interest(self.control.as_fd(), libc::POLLIN),
                fd::interest(self.signals.as_fd(), libc::POLLIN),
            );
            let mut starting = self.mains.iter().filter_map(|main| match &main.state {
                State::Starting { failure } => Some(fd::interest(failure.pipe().as_fd(), libc::POLLIN)),
                State::Running | State::Ended { .. } => None,
            });
            // At most one is starting, mostly. Others are looked at in the next turn.
            let none = fd::nothing();
            let mut entries = [control, signals, starting.next().unwrap_or(none)];
            drop(starting);
            if fd::poll(&mut entries, None).is_err() {
                break;
            }
            // First, so that `Started` is always said before `Exited`.
            if entries[2].revents != 0 && !self.take_started(entries[2].fd) {
                return true; // but for a child that is exiting
            }
            if entries[1].revents != 0 {
                self.reap();
                if self.tell_ends() {
                    break;
                }
            }
            // SAFETY: one thread only, by the contract above.
            if entries[0].revents != 0 && !unsafe { self.obey() } {
                break;
            }
        }
        let nothing_left = self.kill_everything();
        for Main { id, state, .. } in self.mains.drain(..) {
            let reply = match state {
                State::Ended { status } => exited(id, status),
                // Even SIGKILL has not ended it yet, so it will not end in any other way.
                State::Running => exited(id, ExitStatus::KILLED_WAIT_STATUS),
                State::Starting { .. } => Reply::Failed {
                    id,
                    step: Step::Exec,
                    errno: libc::ETIMEDOUT,
                },
            };
            tell(&self.control, reply);
        }
        nothing_left
    }

    /// # Safety
    ///
    /// This process must have one thread only.
    unsafe fn start(&mut self, id: Id, order: &Order<'_>) -> Result<(), Failure> {
        let at = |step| move |error| (step, error);
        let (failure, failure_writer) = io::pipe().map_err(at(Step::Init))?;
        let launch = &order.launch;
        let directory = launch.temporary_directory;
        let ruleset = self
            .landlock_version
            .map(|version| landlock::ruleset(version, directory, self.network))
            .transpose()
            .map_err(at(Step::Landlock))?;
        let rules = ruleset.as_ref().map(AsFd::as_fd);
        let streams = Streams {
            stdout: order.stdout.as_fd(),
            stderr: order.stderr.as_fd(),
            log: order.log.as_ref().map(AsFd::as_fd),
            assignment: order.assignment.as_ref().map(AsFd::as_fd),
        };
        let confinement = self
            .network
            .map(|network| Confinement::new(network, self.landlock_version));
        let filter = match &confinement {
            Some(confinement) => Some(confinement.filter()),
            None => seccomp::filter_on_host(),
        };
        let prepared = Prepared::new(launch, streams, rules, confinement, filter, Purpose::Run);
        // SAFETY: one thread only, by the contract above.
        let pid = unsafe { child::start(&prepared, failure_writer.as_fd()) }.map_err(at(Step::Fork))?;
        let failure = Failing::from(OwnedFd::from(failure));
        self.mains.push(Main {
            id,
            pid,
            state: State::Starting { failure },
        });
        Ok(())
    }

    /// Learns of the one with this pipe whether its program was executed. False: it was not, that has been reported, and there
    /// is nothing else here.
    fn take_started(&mut self, pipe: i32) -> bool {
        let has_it = |main: &Main| match &main.state {
            State::Starting { failure } => failure.pipe().as_raw_fd() == pipe,
            State::Running | State::Ended { .. } => false,
        };
        if let Some(index) = self.mains.iter().position(has_it) {
            self.take_start(index);
        }
        self.is_apart() || !self.mains.is_empty()
    }

    fn take_start(&mut self, index: usize) {
        let Some(Main { id, pid, state }) = self.mains.get_mut(index) else {
            return;
        };
        let (id, pid) = (*id, *pid);
        let State::Starting { failure } = state else { return };
        if let Some((step, errno)) = failure.take() {
            self.mains.remove(index);
            return tell(&self.control, Reply::Failed { id, step, errno });
        }
        *state = State::Running;
        let started = Reply::Started {
            id,
            pid,
            init: process::own_pid(),
        };
        if !self.is_apart() {
            return tell(&self.control, started);
        }
        // It has not been collected, so its number is its own.
        let handle = process::open_process(pid).ok();
        let handle = handle.as_ref().map(AsFd::as_fd);
        // As in `tell`.
        let _ = socket::send(
            self.control.as_fd(),
            &started.encode(),
            handle.as_slice(),
            socket::Wait::ForRoom,
        );
    }

    /// Collects every ended child. True while there are others.
    fn reap(&mut self) -> bool {
        fd::drain(self.signals.as_fd());
        loop {
            match process::reap() {
                Reaped::Ended { pid, status } => {
                    // It has ended, so its pipe's writer has closed and this does not wait.
                    if let Some(index) = self.mains.iter().position(|main| main.pid == pid) {
                        self.take_start(index);
                    }
                    if let Some(main) = self.mains.iter_mut().find(|main| main.pid == pid) {
                        main.state = State::Ended { status };
                    }
                }
                Reaped::NoneEnded => return true,
                Reaped::NoChildren => return false,
            }
        }
    }

    /// Reports those that have ended beside others that have not. True: all have, and what they have left is to be killed
    /// before that is reported.
    fn tell_ends(&mut self) -> bool {
        let has_ended = |main: &Main| matches!(main.state, State::Ended { .. });
        if self.mains.iter().all(has_ended) {
            // Of an enclosure nothing may have been started yet, or nothing that could be executed.
            return !self.is_apart() || !self.mains.is_empty();
        }
        let control = &self.control;
        self.mains.retain(|main| {
            if let State::Ended { status } = main.state {
                tell(control, exited(main.id, status));
            }
            !has_ended(main)
        });
        false
    }

    /// Does what the spawner asks. False: it asks for the end, or has gone.
    ///
    /// # Safety
    ///
    /// This process must have one thread only.
    unsafe fn obey(&mut self) -> bool {
        let mut buffer = [0; Request::BYTES];
        let (request, files) = match socket::receive(self.control.as_fd(), &mut buffer) {
            Ok(received) => (
                Request::decode(buffer.get(..received.bytes).unwrap_or_default()),
                received.fds,
            ),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Err(_) => (None, [const { None }; socket::FDS_MAX]),
        };
        match request {
            Some(Request::Spawn(id)) => {
                if let Some((pid, failure)) = self.waiting.take().and_then(|waiting| waiting.go(&files)) {
                    let state = State::Starting { failure };
                    self.mains.push(Main { id, pid, state });
                    return true;
                }
                let mut room = Room::new();
                let started = Order::read(files, &mut room).and_then(|order| {
                    // Its descriptors close with it: output pipes must end with the last process of the environment.
                    // SAFETY: one thread only, by the contract above.
                    unsafe { self.start(id, &order) }
                });
                if let Err((step, error)) = started {
                    let errno = errno(&error);
                    tell(&self.control, Reply::Failed { id, step, errno });
                    return self.is_apart();
                }
                true
            }
            Some(Request::Complete(id)) if self.is_incomplete => {
                self.is_incomplete = false;
                match shell::complete(&files) {
                    Ok(()) => tell(&self.control, Reply::Completed { id }),
                    Err((step, error)) => {
                        let errno = errno(&error);
                        tell(&self.control, Reply::Failed { id: 0, step, errno });
                        return false;
                    }
                }
                true
            }
            Some(Request::Freeze(_)) if self.is_apart() => {
                self.is_stopped = true;
                process::signal_all_others(libc::SIGSTOP);
                true
            }
            Some(Request::Thaw(_)) if self.is_apart() => {
                self.go_on();
                true
            }
            Some(Request::Terminate(id)) => {
                self.go_on();
                self.signal(id, libc::SIGTERM);
                true
            }
            Some(Request::Kill(id)) if self.mains.iter().any(|main| main.id != id) => {
                self.signal(id, libc::SIGKILL);
                true
            }
            // The last one, or one whose end has just been told.
            Some(Request::Kill(id)) => !self.mains.iter().any(|main| main.id == id),
            Some(
                Request::Close(_)
                | Request::Open(_)
                | Request::Enter
                | Request::Release(_)
                | Request::Complete(_)
                | Request::Freeze(_)
                | Request::Thaw(_)
                | Request::ShareCpu { .. }
                | Request::Socket { .. },
            )
            | None => false,
        }
    }

    /// Lets stopped processes go on. What they were stopped by themselves goes on, too.
    fn go_on(&mut self) {
        if std::mem::take(&mut self.is_stopped) {
            process::signal_all_others(libc::SIGCONT);
        }
    }

    /// Signals the process group of a main process.
    fn signal(&self, id: Id, signal: i32) {
        let Some(main) = self.mains.iter().find(|main| main.id == id) else {
            return;
        };
        if matches!(main.state, State::Starting { .. } | State::Running) {
            // Fails when the child has not become a group leader yet or the group has just ended.
            let group = process::signal_group(main.pid, signal);
            if group.is_err() && signal == libc::SIGKILL {
                let _ = process::signal_process(main.pid, signal);
            }
        }
    }

    /// Kills until there are no children, for a bounded time. False: there still are.
    fn kill_everything(&mut self) -> bool {
        let deadline = Instant::now() + KILL_TIME_MAX;
        while self.reap() {
            if Instant::now() >= deadline {
                return false;
            }
            if self.is_apart() {
                process::signal_all_others(libc::SIGKILL);
            } else {
                descendants::kill_all(&HashSet::new());
            }
            let mut entries = [fd::interest(self.signals.as_fd(), libc::POLLIN)];
            if fd::poll(&mut entries, Some(KILL_AGAIN_AFTER)).is_err() {
                return false;
            }
        }
        true
    }
}
