//! The state of one execution environment: how far its runtime is, and the invocation it runs.
//!
//! Everything here happens at once, on the core that owns the environment: the scheduler assigns an invocation, the
//! connections of the Runtime API report what the runtime says. The only I/O is the one write that hands an event to a
//! waiting connection. Starting, deadlines and the end are the business of `life`.

mod life;
mod memory;
mod process;
mod running;
mod state;

use crate::account::{Counted, Phase};
use crate::failure::Failure;
use crate::log::{InitPhase, InitReport, Journal, Report, Status};
use crate::pending::Pending;
use crate::runtime_api::{Connection, Refusal, write_event_head};
use crate::scheduler::{Busy, Offer, Scheduler};
use crate::{launch, request_id};
use bytes::Bytes;
use invoke::InvokeRefusal;
use memory::PeakMemory;
use running::Running;
pub(crate) use state::{Answer, RuntimeState};
use state::{State, Watched, write_event};
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

/// One execution environment.
pub(crate) struct Environment {
    pub(crate) scheduler: Rc<Scheduler>,
    pub(crate) counted: Counted,
    /// Meaningful while it is idle.
    pub(crate) idle_since: Cell<Instant>,
    /// 32 lower-case hexadecimal digits.
    id: String,
    journal: Rc<Journal>,
    memory: PeakMemory,
    state: RefCell<State>,
    /// The init that runs, or the last one.
    init: Cell<Init>,
    /// How long the ordinary init took, until an invocation has reported it.
    init_duration: Cell<Option<Duration>>,
    /// Makes its task look at the state.
    wake: Notify,
    /// When its task looks at the state by itself.
    alarm: Cell<Instant>,
    /// Its task shall end it.
    ending: Cell<bool>,
}

/// An init.
#[derive(Clone, Copy)]
struct Init {
    phase: InitPhase,
    began: Instant,
}

impl Environment {
    /// Starts an environment for a scheduler. Its task calls [`Scheduler::started`] or [`Scheduler::start_failed`].
    pub(crate) fn start(scheduler: Rc<Scheduler>, permit: OwnedSemaphorePermit) {
        let id = match request_id::environment_id() {
            Ok(id) => id,
            Err(error) => {
                tracing::error!(function = %scheduler.function.arn, %error, "cannot draw an environment's id");
                return scheduler.start_failed();
            }
        };
        let core = &scheduler.core;
        let now = Instant::now();
        let journal = Journal::new(
            Arc::clone(&scheduler.function),
            Arc::clone(&core.host.log),
            launch::log_stream_name(&scheduler.function, SystemTime::now(), &id),
            Rc::clone(&core.scratch),
        );
        let environment = Rc::new(Self {
            counted: Counted::new(scheduler.account.clone()),
            idle_since: Cell::new(now),
            id,
            journal: Rc::new(journal),
            memory: PeakMemory::default(),
            state: RefCell::default(),
            init: Cell::new(Init {
                phase: InitPhase::Init,
                began: now,
            }),
            init_duration: Cell::default(),
            wake: Notify::new(),
            alarm: Cell::new(now),
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
        self.counted.leave();
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
        let timeout = self.timeout();
        let began = Instant::now();
        let deadline_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| (now + timeout).as_millis());
        self.scheduler.account.invocations.fetch_add(1, Relaxed);
        self.counted.set(Phase::Busy);

        let mut state = self.state.borrow_mut();
        write_event_head(
            &mut state.event_head,
            &id,
            u64::try_from(deadline_ms).unwrap_or(u64::MAX),
            &pending.invocation,
        );
        state.invocation = Some(Running::new(id, pending, began, timeout, Busy::new(&self.scheduler)));
        let runtime = state.runtime;
        let connection = match runtime {
            RuntimeState::Ready => state.waiting.take(),
            _ => None,
        };
        drop(state);
        if let Some(connection) = connection {
            self.hand_event_to(&connection);
        }
        // Without a process, the task starts one.
        if runtime == RuntimeState::Absent || began + timeout < self.alarm.get() {
            self.wake.notify_one();
        }
    }

    /// `GET /runtime/invocation/next`. The event is written to the connection now, or later by [`Environment::assign`].
    ///
    /// When the runtime asks on a second connection while the first one still waits, the first one is closed.
    /// `asked` is when the request came.
    pub(crate) fn next(self: &Rc<Self>, connection: &Rc<Connection>, asked: Instant) -> Result<(), Refusal> {
        let (runtime, has_invocation) = {
            let state = self.state.borrow();
            (state.runtime, state.invocation.is_some())
        };
        match runtime {
            RuntimeState::Started => {
                self.finish_init(asked);
                // What was asked while it was starting says little: the first REPORT asks anew.
                self.memory.ask_next_time();
                if has_invocation {
                    self.hand_event_to(connection);
                } else {
                    self.state.borrow_mut().wait(connection);
                }
            }
            RuntimeState::Ready if has_invocation => self.hand_event_to(connection),
            RuntimeState::Ready => self.state.borrow_mut().wait(connection),
            // Asking again is no error: the same event comes again.
            RuntimeState::Running => self.hand_event_to(connection),
            RuntimeState::Answered => {
                self.finish_invocation(connection, asked);
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
                    from: runtime.name(),
                    to: "Ready",
                });
            }
        }
        Ok(())
    }

    /// The runtime has asked for its first event.
    fn finish_init(&self, asked: Instant) {
        let Init { phase, began } = self.init.get();
        let duration = asked - began;
        self.observe_memory(asked);
        self.journal.init_end(&InitReport {
            phase,
            duration,
            status: &Status::Success,
        });
        if phase == InitPhase::Init {
            self.init_duration.set(Some(duration));
        }
        self.wake.notify_one();
    }

    /// The runtime has asked for the next event, and what it wrote for the last one has been read.
    fn finish_invocation(&self, connection: &Rc<Connection>, asked: Instant) {
        self.observe_memory(asked);
        let finished = {
            let mut state = self.state.borrow_mut();
            state.wait(connection);
            state.invocation.take()
        };
        if let Some(mut running) = finished {
            running.end(asked);
            self.close_log(running);
        }
    }

    /// Reads what the process has written so far. To be called when the runtime says that it has finished something,
    /// before that is believed: then the log has everything in its order.
    pub(crate) async fn hear_output(&self) {
        let output = self.state.borrow().process.as_ref().map(|it| Rc::clone(&it.output));
        if let Some(output) = output {
            output.drain().await;
        }
    }

    fn observe_memory(&self, now: Instant) {
        if let Some(Watched { pid: Some(pid), .. }) = self.state.borrow().process {
            self.memory.observe(pid, now);
        }
    }

    /// The invocation is over and has nothing more to write: END and REPORT, and an answer to whoever waited for them.
    fn close_log(&self, running: Running) {
        if !running.is_announced {
            self.journal.start(&running.id, running.wants_tail);
        }
        let report = Report {
            id: &running.id,
            duration: running.duration(),
            init_duration: self.init_duration.take(),
            memory_mb: self.scheduler.function.configuration.memory.megabytes(),
            memory_used_mb: self.memory.megabytes(),
            status: running.status(),
        };
        let tail = self.journal.report(&report, running.answer_spans());
        running.close(tail);
    }

    /// Gives the event to a connection, and says so in the log. The other way round would let the function wait; nothing
    /// of what it writes then is read in between.
    fn hand_event_to(&self, connection: &Rc<Connection>) {
        let first = {
            let mut state = self.state.borrow_mut();
            state.hand_event_to(connection);
            let first = state.invocation.as_mut().filter(|running| !running.is_announced);
            first.map(|running| {
                running.is_announced = true;
                (running.id, running.wants_tail)
            })
        };
        if let Some((id, wants_tail)) = first {
            self.journal.start(&id, wants_tail);
        }
    }

    fn timeout(&self) -> Duration {
        self.scheduler.function.configuration.timeout.duration()
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
                if let Some(running) = &mut state.invocation {
                    running.begin_answer(Instant::now());
                }
                Ok(())
            }
            // The event was never handed out, so nobody can know the id.
            RuntimeState::Ready | RuntimeState::Started | RuntimeState::ExitedInInit => Err(Refusal::RequestId),
            // The runtime's last words are heard even when it has ended meanwhile.
            RuntimeState::Exited if state.invocation.as_ref().is_some_and(|running| !running.is_answered()) => Ok(()),
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
