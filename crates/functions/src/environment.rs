//! The state of one execution environment: how far its runtime is, and the invocation it runs.
//!
//! Everything here happens at once, on the core that owns the environment: the scheduler assigns an invocation, the
//! connections of the Runtime API report what the runtime says. The only I/O is the one write that hands an event to a
//! waiting connection. Starting, deadlines and the end are the business of `life`.

mod life;
mod process;

use crate::account::{Counted, Phase, Slot};
use crate::failure::Failure;
use crate::request_id::RequestId;
use crate::runtime_api::{Connection, Refusal, write_event_head};
use crate::scheduler::{Offer, Pending, Scheduler, Settling};
use bytes::Bytes;
use invoke::{InvokeOutcome, InvokeRefusal};
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

/// One execution environment.
pub(crate) struct Environment {
    pub(crate) scheduler: Rc<Scheduler>,
    pub(crate) counted: Counted,
    /// Meaningful while it is idle.
    pub(crate) idle_since: Cell<Instant>,
    state: RefCell<State>,
    /// Makes its task look at the state.
    wake: Notify,
    /// When its task looks at the state by itself.
    alarm: Cell<Instant>,
    /// Its task shall end it.
    ending: Cell<bool>,
}

#[derive(Default)]
struct State {
    runtime: RuntimeState,
    invocation: Option<Running>,
    /// The connection whose `next` is not answered yet.
    waiting: Option<Rc<Connection>>,
    /// What was posted to `/init/error`.
    init_error: Option<Failure>,
    /// The response head of the event; reused.
    event_head: Vec<u8>,
}

/// How far the runtime is. The names are those of Lambda's error messages. Source: Lambda 2.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RuntimeState {
    /// There is no process, or it is being ended.
    #[default]
    Absent,
    /// The process runs and has not asked for an event yet.
    Started,
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
    /// The main process has ended before it asked for an event; what its connections still hold is being read.
    ExitedInInit,
    /// It has ended later.
    Exited,
}

impl RuntimeState {
    fn name(self) -> &'static str {
        match self {
            Self::Absent | Self::ExitedInInit | Self::Exited => "Exited",
            Self::Started => "Started",
            Self::InitError => "InitError",
            Self::Ready => "Ready",
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
    fn state_name(self) -> &'static str {
        match self {
            Self::Response => "InvocationResponse",
            Self::Error => "InvocationErrorResponse",
        }
    }
}

/// The invocation of a busy environment. Dropping it gives its slot back.
struct Running {
    id: RequestId,
    event: Bytes,
    deadline: Instant,
    /// Until the caller is answered.
    reply: Option<oneshot::Sender<InvokeOutcome>>,
    /// From then on.
    settling: Option<Settling>,
    _slot: Slot,
}

impl Environment {
    /// Starts an environment for a scheduler. Its task calls [`Scheduler::started`] or [`Scheduler::start_failed`].
    pub(crate) fn start(scheduler: Rc<Scheduler>, permit: OwnedSemaphorePermit) {
        let environment = Rc::new(Self {
            counted: Counted::new(scheduler.account.clone()),
            idle_since: Cell::new(Instant::now()),
            state: RefCell::default(),
            wake: Notify::new(),
            alarm: Cell::new(Instant::now()),
            ending: Cell::new(false),
            scheduler,
        });
        let tasks = environment.scheduler.core.tasks.clone();
        tasks.spawn_local(environment.live(permit));
    }

    /// Is there a process that waits for an event?
    pub(crate) fn has_runtime(&self) -> bool {
        self.state.borrow().runtime == RuntimeState::Ready
    }

    /// Tells its task to end it. It must not be offered any more.
    pub(crate) fn end(&self) {
        self.ending.set(true);
        self.wake.notify_one();
    }

    /// It is idle from now on.
    pub(crate) fn rest(&self) {
        self.counted.set(Phase::Idle);
        let now = Instant::now();
        self.idle_since.set(now);
        // Only where idleness is shorter than what is left of the function's timeout.
        if now + self.scheduler.core.host.options.idle_retirement < self.alarm.get() {
            self.wake.notify_one();
        }
    }

    /// Gives it an invocation: at once to a runtime that waits for one.
    pub(crate) fn assign(&self, pending: Pending) {
        let core = &self.scheduler.core;
        let Ok(id) = core.request_ids.fresh() else {
            pending.refuse(InvokeRefusal::ServiceFailure);
            self.end();
            return;
        };
        let timeout = self.scheduler.function.configuration.timeout.duration();
        let deadline = Instant::now() + timeout;
        let deadline_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| (now + timeout).as_millis());
        let Pending {
            invocation,
            reply,
            slot,
        } = pending;
        self.scheduler.account.invocations.fetch_add(1, Relaxed);
        self.counted.set(Phase::Busy);

        let state = &mut *self.state.borrow_mut();
        write_event_head(&mut state.event_head, &id, deadline_ms, &invocation);
        state.invocation = Some(Running {
            id,
            event: invocation.payload,
            deadline,
            reply: Some(reply),
            settling: None,
            _slot: slot,
        });
        if state.runtime == RuntimeState::Ready
            && let Some(connection) = state.waiting.take()
        {
            state.hand_event_to(&connection);
        }
        // Without a process, the task starts one.
        if state.runtime == RuntimeState::Absent || deadline < self.alarm.get() {
            self.wake.notify_one();
        }
    }

    /// `GET /runtime/invocation/next`. The event is written to the connection now, or later by [`Environment::assign`].
    ///
    /// When the runtime asks on a second connection while the first one still waits, the first one is closed.
    pub(crate) fn next(self: &Rc<Self>, connection: &Rc<Connection>) -> Result<(), Refusal> {
        let mut state = self.state.borrow_mut();
        match state.runtime {
            RuntimeState::Started => {
                self.wake.notify_one(); // the init is over
                if state.invocation.is_some() {
                    state.hand_event_to(connection);
                } else {
                    state.wait(connection);
                }
            }
            RuntimeState::Ready if state.invocation.is_some() => state.hand_event_to(connection),
            RuntimeState::Ready => state.wait(connection),
            // Asking again is no error: the same event comes again.
            RuntimeState::Running => state.hand_event_to(connection),
            RuntimeState::Answered => {
                let finished = state.invocation.take();
                state.wait(connection);
                drop(state);
                drop(finished);
                if self.scheduler.offer(self) == Offer::End {
                    self.end();
                }
            }
            RuntimeState::InitError
            | RuntimeState::Answering(_)
            | RuntimeState::Absent
            | RuntimeState::ExitedInInit
            | RuntimeState::Exited => {
                return Err(Refusal::Transition {
                    from: state.runtime.name(),
                    to: "Ready",
                });
            }
        }
        Ok(())
    }

    /// The head of an answer has come. While its body is read no other answer is taken; the caller must go on to
    /// [`Environment::finish_answer`] or [`Environment::break_off`].
    pub(crate) fn begin_answer(&self, id: &[u8], answer: Answer) -> Result<(), Refusal> {
        let mut state = self.state.borrow_mut();
        if state
            .invocation
            .as_ref()
            .is_none_or(|running| running.id.as_bytes() != id)
        {
            return Err(Refusal::RequestId);
        }
        match state.runtime {
            RuntimeState::Running => {
                state.runtime = RuntimeState::Answering(answer);
                Ok(())
            }
            // The event was never handed out, so nobody can know the id.
            RuntimeState::Ready | RuntimeState::Started | RuntimeState::ExitedInInit => Err(Refusal::RequestId),
            // The runtime's last words are heard even when it has ended meanwhile.
            RuntimeState::Exited if state.invocation.as_ref().is_some_and(|running| running.reply.is_some()) => Ok(()),
            other => Err(Refusal::Transition {
                from: other.name(),
                to: answer.state_name(),
            }),
        }
    }

    /// The answer is complete, or is known to be too large. The caller of the function has it when this returns.
    pub(crate) fn finish_answer(&self, answer: Result<Bytes, Failure>) {
        let mut state = self.state.borrow_mut();
        if let RuntimeState::Answering(_) = state.runtime {
            state.runtime = RuntimeState::Answered;
        }
        if let Some(running) = &mut state.invocation {
            running.finish(answer, &self.scheduler);
        }
    }

    /// The answer broke off or made no sense: the invocation fails and the runtime is started anew.
    pub(crate) fn break_off(&self, failure: Failure) {
        self.finish_answer(Err(failure));
        let mut state = self.state.borrow_mut();
        if state.runtime != RuntimeState::Exited {
            state.runtime = RuntimeState::Absent;
        }
        self.wake.notify_one();
    }

    /// May `/init/error` be posted now?
    pub(crate) fn begin_init_error(&self) -> Result<(), Refusal> {
        let state = self.state.borrow();
        match state.runtime {
            RuntimeState::Started => Ok(()),
            RuntimeState::ExitedInInit if state.init_error.is_none() => Ok(()),
            from => Err(Refusal::Transition {
                from: from.name(),
                to: "InitError",
            }),
        }
    }

    /// The init has failed, in the runtime's own words.
    pub(crate) fn finish_init_error(&self, failure: Failure) -> Result<(), Refusal> {
        self.begin_init_error()?;
        let mut state = self.state.borrow_mut();
        state.init_error = Some(failure);
        if state.runtime == RuntimeState::Started {
            state.runtime = RuntimeState::InitError;
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Does this connection wait for the answer to its `next`?
    pub(crate) fn is_waiting(&self, connection: &Rc<Connection>) -> bool {
        self.state
            .borrow()
            .waiting
            .as_ref()
            .is_some_and(|waiting| Rc::ptr_eq(waiting, connection))
    }

    /// The connection has ended.
    pub(crate) fn forget(&self, connection: &Rc<Connection>) {
        if self.is_waiting(connection) {
            self.state.borrow_mut().waiting = None;
        }
    }

    /// Goes on writing the event, of which `written` bytes are out. Returns how many are now, and whether that is all.
    pub(crate) fn write_event(&self, connection: &Connection, written: usize) -> io::Result<(usize, bool)> {
        let state = self.state.borrow();
        let running = state.invocation.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        write_event(connection, &state.event_head, &running.event, written)
    }
}

impl State {
    fn wait(&mut self, connection: &Rc<Connection>) {
        self.runtime = RuntimeState::Ready;
        if let Some(earlier) = self.waiting.replace(Rc::clone(connection))
            && !Rc::ptr_eq(&earlier, connection)
        {
            earlier.close();
        }
    }

    fn hand_event_to(&mut self, connection: &Rc<Connection>) {
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

/// Writes what the socket takes, head and event in one call.
fn write_event(connection: &Connection, head: &[u8], event: &[u8], written: usize) -> io::Result<(usize, bool)> {
    let rest_of_head = head.get(written..).unwrap_or_default();
    let rest_of_event = event.get(written.saturating_sub(head.len())..).unwrap_or_default();
    let now = match connection.try_write(&[IoSlice::new(rest_of_head), IoSlice::new(rest_of_event)]) {
        Ok(now) => now,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(error),
    };
    let written = written + now;
    Ok((written, written >= head.len() + event.len()))
}

impl Running {
    /// Answers the caller, unless that was done already.
    fn finish(&mut self, answer: Result<Bytes, Failure>, scheduler: &Rc<Scheduler>) {
        let Some(reply) = self.reply.take() else { return };
        let outcome = match answer {
            Ok(document) => InvokeOutcome::Buffered(document),
            Err(failure) => {
                scheduler.account.errors.fetch_add(1, Relaxed);
                failure.outcome(&self.id)
            }
        };
        // Before the caller hears of it, because its next invocation may come at once.
        self.settling = Some(Settling::new(scheduler));
        // Nobody listens when the caller has gone.
        let _ = reply.send(outcome);
    }

    /// Tells the caller that the platform has failed.
    fn refuse(&mut self) {
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(InvokeOutcome::Refused(InvokeRefusal::ServiceFailure));
        }
    }
}
