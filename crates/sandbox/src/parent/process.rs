//! The handle of one main process.

use super::enclosure::Enclosure;
use super::link::{Pids, Ticket};
use crate::status::ExitStatus;
use std::os::fd::OwnedFd;

/// A running main process, with all its descendants. Dropping it kills them.
#[derive(Debug)]
pub struct Process {
    ticket: Ticket,
    pids: Pids,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    log: Option<OwnedFd>,
    assignment: Option<OwnedFd>,
    /// Lives as long as somebody may run in it.
    _enclosure: Option<Enclosure>,
}

/// Our ends of its pipes.
pub(crate) struct Outputs {
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) log: Option<OwnedFd>,
    pub(crate) assignment: Option<OwnedFd>,
}

impl Process {
    pub(crate) fn new(ticket: Ticket, pids: Pids, outputs: Outputs, enclosure: Option<Enclosure>) -> Self {
        let Outputs {
            stdout,
            stderr,
            log,
            assignment,
        } = outputs;
        Self {
            ticket,
            pids,
            _enclosure: enclosure,
            stdout: Some(stdout),
            stderr: Some(stderr),
            log,
            assignment,
        }
    }

    /// The process id, as this process sees it; also that of its first process group. 0 for a process in namespaces of
    /// its own that had ended before anybody could ask.
    pub fn pid(&self) -> u32 {
        self.pids.main
    }

    /// The process id of the environment's init. Every process of the environment is below it, whatever sessions and
    /// daemons it may start, and no other process is.
    pub fn init_pid(&self) -> u32 {
        self.pids.init
    }

    /// The non-blocking end to read its standard output from, at the first call. It ends when no process of the
    /// environment has the other end any more, so at the latest when [`Process::wait`] does.
    pub fn take_stdout(&mut self) -> Option<OwnedFd> {
        self.stdout.take()
    }

    /// The same for standard error.
    pub fn take_stderr(&mut self) -> Option<OwnedFd> {
        self.stderr.take()
    }

    /// The same for the log pipe, if [`crate::Spec::log_pipe`] asked for one.
    pub fn take_log(&mut self) -> Option<OwnedFd> {
        self.log.take()
    }

    /// The non-blocking end to write its assignment to, if [`crate::Spec::assignment_pipe`] asked for one; at the first call.
    pub fn take_assignment(&mut self) -> Option<OwnedFd> {
        self.assignment.take()
    }

    /// Has it ended, as far as is known here?
    pub fn has_ended(&self) -> bool {
        self.ticket.has_ended()
    }

    /// Waits until the process has ended and all it left behind has been killed; in an enclosure, what it left behind is
    /// killed with the last process there. Says the same again when called again.
    ///
    /// If the spawner itself ended, this is `signal: killed`: everything below it is then being killed.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn wait(&mut self) -> ExitStatus {
        self.ticket.exited().await
    }

    /// Kills the process and all its descendants; in an enclosure with other main processes only its process group. Does not
    /// wait; a second call does nothing.
    pub fn kill(&self) {
        self.ticket.kill();
    }

    /// Sends SIGTERM to the process and what else is in its process group. A second call does nothing.
    pub fn terminate(&self) {
        self.ticket.terminate();
    }
}
