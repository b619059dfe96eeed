//! What is known of one environment at a moment, and the write that hands an event to a waiting connection.

use super::running::Running;
use crate::failure::Failure;
use crate::log::Output;
use crate::runtime_api::Connection;
use sandbox::Enclosure;
use std::io::{self, IoSlice};
use std::rc::Rc;
use tokio::time::Instant;

#[derive(Default)]
pub(super) struct State {
    pub(super) runtime: RuntimeState,
    pub(super) invocation: Option<Running>,
    /// An invocation whose runtime was lost, until its log is complete.
    pub(super) lost: Option<Running>,
    /// While there is a process.
    pub(super) process: Option<Watched>,
    /// The connection whose `next` is not answered yet.
    pub(super) waiting: Option<Rc<Connection>>,
    /// What was posted to `/init/error`.
    pub(super) init_error: Option<Failure>,
    /// The response head of the event; reused.
    pub(super) event_head: Vec<u8>,
    /// If there are any.
    pub(super) extensions: Option<Box<Extensions>>,
    /// What external ones write, by their names.
    pub(super) extension_outputs: Vec<(String, Rc<Output>)>,
}

pub(super) type Extensions = crate::extensions::Extensions<Rc<Connection>>;

/// What is known of a process.
pub(super) struct Watched {
    /// While it runs.
    pub(super) pid: Option<u32>,
    pub(super) output: Rc<Output>,
    /// Where it runs, if it does not see the host.
    pub(super) enclosure: Option<Enclosure>,
}

/// How far the runtime is. The names are those of Lambda's error messages. Source: Lambda 2.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RuntimeState {
    /// There is no process, or it is being ended.
    #[default]
    Absent,
    /// The process runs and has not asked for an event yet.
    Started,
    /// It has asked for its first event, and extensions have not.
    InitDone,
    /// It has posted an init error.
    InitError,
    /// It waits for an event.
    Ready,
    /// It has an event.
    Running,
    /// It is sending the answer.
    Answering(Answer),
    /// It has sent the answer, and has not asked for the next event yet.
    Answered,
    /// It has asked for the next event, and extensions that were told of this one have not.
    Done,
    /// The main process has ended before it asked for an event; what its connections still hold is being read.
    ExitedInInit,
    /// It has ended later.
    Exited,
}

impl RuntimeState {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Absent | Self::ExitedInInit | Self::Exited => "Exited",
            Self::Started => "Started",
            Self::InitError => "InitError",
            Self::Ready | Self::InitDone | Self::Done => "Ready",
            Self::Running => "Running",
            Self::Answering(answer) => answer.state_name(),
            Self::Answered => "RuntimeResponseSentState",
        }
    }
}

/// The two ways in which a runtime answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// `/response`.
    Response,
    /// `/error`.
    Error,
}

impl Answer {
    pub(super) fn state_name(self) -> &'static str {
        match self {
            Self::Response => "InvocationResponse",
            Self::Error => "InvocationErrorResponse",
        }
    }
}

impl State {
    pub(super) fn wait(&mut self, connection: &Rc<Connection>) {
        self.wait_as(RuntimeState::Ready, connection);
    }

    /// The connection waits for an event, and the runtime is as far as this.
    pub(super) fn wait_as(&mut self, runtime: RuntimeState, connection: &Rc<Connection>) {
        self.runtime = runtime;
        if let Some(earlier) = self.waiting.replace(Rc::clone(connection))
            && !Rc::ptr_eq(&earlier, connection)
        {
            earlier.close();
        }
    }

    /// The runtime has asked for its first event: nobody registers any more. Do extensions that have still need time? Then
    /// the connection waits.
    pub(super) fn init_waits_for_extensions(&mut self, connection: &Rc<Connection>) -> bool {
        let Some(extensions) = &mut self.extensions else {
            return false;
        };
        extensions.close_registration();
        let waits = !extensions.all_ready();
        if waits {
            self.wait_as(RuntimeState::InitDone, connection);
        }
        waits
    }

    /// The runtime has asked for the next event, and waits for it. Are extensions busy with the last one?
    pub(super) fn waits_for_extensions(&mut self, connection: &Rc<Connection>, asked: Instant) -> bool {
        match &self.extensions {
            Some(extensions) if !extensions.invocation_done() => {
                self.wait_as(RuntimeState::Done, connection);
                if let Some(running) = &mut self.invocation {
                    running.asked(asked);
                }
                true
            }
            _ => {
                self.wait(connection);
                false
            }
        }
    }

    pub(super) fn hand_event_to(&mut self, connection: &Rc<Connection>) {
        let Some(running) = &self.invocation else { return };
        self.runtime = RuntimeState::Running;
        match write_event(connection, &self.event_head, &running.event, 0) {
            Ok((_, true)) => connection.event_written(),
            Ok((written, false)) => connection.go_on_writing(written),
            // The runtime has closed it. It may ask again on another one, and otherwise the deadline comes.
            Err(_) => connection.close(),
        }
    }
}

/// Writes what the socket takes, in one call: a reply that was held back, the head and the event.
pub(super) fn write_event(
    connection: &Connection,
    head: &[u8],
    event: &[u8],
    written: usize,
) -> io::Result<(usize, bool)> {
    let held = connection.held();
    let mut before = 0;
    let parts = [&held, head, event].map(|part| {
        let rest = part.get(written.saturating_sub(before)..).unwrap_or_default();
        before += part.len();
        IoSlice::new(rest)
    });
    let now = match connection.try_write(&parts) {
        Ok(now) => now,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(error),
    };
    let written = written + now;
    Ok((written, written >= before))
}
