//! The init process of one environment: starts the main process, collects orphans, leaves nothing behind.
//!
//! It is forked from the spawner and is an ordinary single-threaded program that waits in one place. When the main
//! process ends, when it is asked to, or when the spawner's end of its socket closes, it kills everything below it and
//! reports how the main process ended.

use crate::child::{self, Prepared, Streams};
use crate::descendants;
use crate::landlock;
use crate::launch::Launch;
use crate::message::{Id, Reply, Request};
use crate::spec::{LOG_DESCRIPTOR, REQUEST_BYTES_MAX, Step};
use crate::status::ExitStatus;
use crate::sys::process::{self, Pid, Reaped};
use crate::sys::{errno, fd, socket};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// How long the killing may take. Only a process that the kernel itself holds (a dead network file system, say) lives
/// on after SIGKILL; the spawner inherits it and collects it when it ends.
const KILL_TIME_MAX: Duration = Duration::from_secs(5);
/// How soon to look again for processes that were started while others were being killed.
const KILL_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// What the spawner hands to a new init.
pub(crate) struct Birth {
    pub(crate) id: Id,
    /// Requests in, replies out.
    pub(crate) control: OwnedFd,
    /// A file with an encoded [`Launch`].
    pub(crate) launch: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// The log pipe, if the launch wants one and it has arrived.
    pub(crate) log: Option<OwnedFd>,
    pub(crate) landlock_version: Option<u32>,
}

struct Init {
    id: Id,
    control: OwnedFd,
    signals: OwnedFd,
    main: Main,
}

/// How far the main process is.
enum Main {
    /// Between fork and exec: the pipe ends when the program runs, and carries a failure otherwise.
    Starting {
        pid: Pid,
        failure: File,
    },
    Running {
        pid: Pid,
    },
    Ended {
        status: i32,
    },
}

/// Lives the whole life of an init process.
///
/// # Safety
///
/// Only for a freshly forked child of a single-threaded process, which must own nothing but `birth` from then on.
pub(crate) unsafe fn run(mut birth: Birth) -> ! {
    let id = birth.id;
    let control = birth.control.as_raw_fd();
    let mut keep = vec![
        control,
        birth.launch.as_raw_fd(),
        birth.stdout.as_raw_fd(),
        birth.stderr.as_raw_fd(),
    ];
    keep.extend(birth.log.as_ref().map(AsRawFd::as_raw_fd));
    // SAFETY: whatever owned the other descriptors belongs to the spawner's code, to which this child never returns.
    let closed = unsafe { fd::close_all_except(&mut keep) };
    // Before anything else is opened, which could get the log's number.
    let arranged = closed.and_then(|()| birth.number_log());
    // A copy that outlives `birth`, so that a failure can be reported.
    let Ok(report) = birth.control.try_clone() else {
        process::exit_now(1)
    };
    let mut failed_step = Step::Init;
    let outcome = arranged.and_then(|()| {
        // SAFETY: one thread only, by the contract above.
        unsafe { Init::start(birth, &mut failed_step) }
    });
    let nothing_left = match outcome {
        Ok(mut init) => init.live(),
        Err(error) => {
            let reply = Reply::Failed {
                id,
                step: failed_step,
                errno: errno(&error),
            };
            // An error means that the spawner has gone.
            let _ = socket::send(report.as_fd(), &reply.encode(), &[], socket::Wait::ForRoom);
            true
        }
    };
    process::exit_now(i32::from(!nothing_left))
}

impl Birth {
    /// Gives the log pipe its number, which nothing else has from then on: the main process only inherits it.
    fn number_log(&mut self) -> io::Result<()> {
        let Some(log) = self.log.take() else { return Ok(()) };
        for other in [&mut self.control, &mut self.launch, &mut self.stdout, &mut self.stderr] {
            fd::keep_off(other, LOG_DESCRIPTOR)?;
        }
        // SAFETY: all else is closed, and what is not has just been moved off that number.
        self.log = Some(unsafe { fd::renumber(log, LOG_DESCRIPTOR) }?);
        Ok(())
    }
}

impl Init {
    /// # Safety
    ///
    /// This process must have one thread only.
    unsafe fn start(birth: Birth, step: &mut Step) -> io::Result<Self> {
        process::set_name(c"albacore-init");
        process::become_subreaper()?;
        let signals = fd::signal_file(&process::child_signal())?;
        let (failure, failure_writer) = io::pipe()?;

        *step = Step::Request;
        let launch = read_launch(birth.launch)?;
        // It has come without the pipe when this process had no room for it.
        if launch.log_pipe != birth.log.is_some() {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        *step = Step::Landlock;
        let directory = launch.temporary_directory.as_deref();
        let ruleset = birth
            .landlock_version
            .map(|version| landlock::ruleset(version, directory))
            .transpose()?;
        *step = Step::Fork;
        let rules = ruleset.as_ref().map(AsFd::as_fd);
        let streams = Streams {
            stdout: birth.stdout.as_fd(),
            stderr: birth.stderr.as_fd(),
            log: birth.log.as_ref().map(AsFd::as_fd),
        };
        let prepared = Prepared::new(&launch, streams, rules);
        // SAFETY: one thread only, by the contract above.
        let pid = unsafe { child::start(&prepared, failure_writer.as_fd()) }?;
        // All else of `birth` closes here: its output pipes must end with the last process of the environment.
        let failure = File::from(OwnedFd::from(failure));
        Ok(Self {
            id: birth.id,
            control: birth.control,
            signals,
            main: Main::Starting { pid, failure },
        })
    }

    /// Until the environment is over. False: something of it is left.
    fn live(&mut self) -> bool {
        loop {
            let mut entries = vec![
                fd::interest(self.control.as_fd(), libc::POLLIN),
                fd::interest(self.signals.as_fd(), libc::POLLIN),
            ];
            if let Main::Starting { failure, .. } = &self.main {
                entries.push(fd::interest(failure.as_fd(), libc::POLLIN));
            }
            if fd::poll(&mut entries, None).is_err() {
                break;
            }
            // First, so that `Started` is always said before `Exited`.
            if entries.get(2).is_some_and(|entry| entry.revents != 0) && !self.take_start() {
                return true; // but for a child that is exiting
            }
            if entries[1].revents != 0 {
                self.reap();
            }
            if matches!(self.main, Main::Ended { .. }) || entries[0].revents != 0 && !self.obey() {
                break;
            }
        }
        let nothing_left = self.kill_everything();
        let id = self.id;
        self.reply(match self.main {
            Main::Ended { status } => Reply::Exited { id, status },
            // Even SIGKILL has not ended it yet, so it will not end in any other way.
            Main::Running { .. } => Reply::Exited {
                id,
                status: ExitStatus::KILLED_WAIT_STATUS,
            },
            Main::Starting { .. } => Reply::Failed {
                id,
                step: Step::Exec,
                errno: libc::ETIMEDOUT,
            },
        });
        nothing_left
    }

    fn reply(&self, reply: Reply) {
        // An error means that the spawner has gone; the next look at the socket finds that out.
        let _ = socket::send(self.control.as_fd(), &reply.encode(), &[], socket::Wait::ForRoom);
    }

    /// Learns whether the program was executed. False: it was not, that has been reported, and nothing is left.
    fn take_start(&mut self) -> bool {
        let Main::Starting { pid, failure } = &mut self.main else {
            return true;
        };
        let pid = *pid;
        let mut bytes = [0; 8];
        if failure.read_exact(&mut bytes).is_ok() {
            let (step, errno) = child::decode_failure(bytes);
            self.reply(Reply::Failed {
                id: self.id,
                step,
                errno,
            });
            return false;
        }
        self.main = Main::Running { pid };
        self.reply(Reply::Started {
            id: self.id,
            pid,
            init: process::own_pid(),
        });
        true
    }

    /// Collects every ended child. True while there are others.
    fn reap(&mut self) -> bool {
        fd::drain(self.signals.as_fd());
        loop {
            match process::reap() {
                Reaped::Ended { pid, status } => match self.main {
                    Main::Starting { pid: main, .. } if pid == main => {
                        // It has ended, so the pipe's writer has closed and this does not wait.
                        if !self.take_start() {
                            process::exit_now(0);
                        }
                        self.main = Main::Ended { status };
                    }
                    Main::Running { pid: main } if pid == main => self.main = Main::Ended { status },
                    _ => {}
                },
                Reaped::NoneEnded => return true,
                Reaped::NoChildren => return false,
            }
        }
    }

    /// Does what the spawner asks. False: it asks for the end, or has gone.
    fn obey(&mut self) -> bool {
        let mut buffer = [0; Request::BYTES];
        let request = match socket::receive(self.control.as_fd(), &mut buffer) {
            Ok(received) => Request::decode(buffer.get(..received.bytes).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Err(_) => None,
        };
        match (request, &self.main) {
            (Some(Request::Terminate(_)), Main::Starting { pid, .. } | Main::Running { pid }) => {
                // Fails when the child has not become a group leader yet or the group has just ended.
                let _ = process::signal_group(*pid, libc::SIGTERM);
                true
            }
            (Some(Request::Terminate(_)), Main::Ended { .. }) => true,
            (Some(Request::Kill(_) | Request::Spawn(_)) | None, _) => false,
        }
    }

    /// Kills until there are no children, for a bounded time. False: there still are.
    fn kill_everything(&mut self) -> bool {
        let deadline = Instant::now() + KILL_TIME_MAX;
        while self.reap() {
            if Instant::now() >= deadline {
                return false;
            }
            descendants::kill_all(&HashSet::new());
            let mut entries = [fd::interest(self.signals.as_fd(), libc::POLLIN)];
            if fd::poll(&mut entries, Some(KILL_AGAIN_AFTER)).is_err() {
                return false;
            }
        }
        true
    }
}

fn read_launch(file: OwnedFd) -> io::Result<Launch> {
    let file = File::from(file);
    let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
    let length = usize::try_from(file.metadata()?.len())
        .ok()
        .filter(|&length| length <= REQUEST_BYTES_MAX);
    let mut bytes = vec![0; length.ok_or_else(invalid)?];
    file.read_exact_at(&mut bytes, 0)?;
    Launch::decode(&bytes).ok_or_else(invalid)
}
