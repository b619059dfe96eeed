//! The state of one execution environment: how far its runtime is, and the invocation it runs.
//!
//! Everything here happens at once, on the core that owns the environment: the scheduler assigns an invocation, the
//! connections of the Runtime API report what the runtime says. The only I/O is the one write that hands an event to a
//! waiting connection. Starting, deadlines and the end are the business of `life`.

mod answer;
mod extension;
mod external;
mod freeze;
mod life;
mod memory;
mod place;
mod process;
mod running;
mod state;

use crate::account::{Counted, Phase};
use crate::log::{InitPhase, InitReport, Journal, Report, Status};
use crate::metrics::{Called, Provision};
use crate::pending::Pending;
use crate::runtime_api::{Connection, Refusal, write_event_head};
use crate::scheduler::{Busy, Offer, Scheduler};
use crate::{launch, request_id};
use invoke::InvokeRefusal;
pub(crate) use memory::Looks;
use memory::PeakMemory;
use process::blocking;
use running::Running;
use sandbox::Enclosure;
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
    /// The same; what opens the metadata endpoint for its processes.
    pub(crate) metadata_token: String,
    journal: Rc<Journal>,
    memory: PeakMemory,
    state: RefCell<State>,
    /// The init that runs, or the last one.
    init: Cell<Init>,
    /// How long the ordinary init took, until an invocation has reported it.
    init_duration: Cell<Option<Duration>>,
    /// Makes its task look at the state.
    pub(crate) wake: Notify,
    /// When its task looks at the state by itself.
    alarm: Cell<Instant>,
    /// Its task shall end it.
    ending: Cell<bool>,
    /// It is kept ready, and counts as ready.
    pub(crate) kept: Cell<bool>,
    pub(crate) counts_as_ready: Cell<bool>,
    /// Its processes are stopped.
    frozen: Cell<bool>,
    born: Instant,
    /// An extension has registered.
    extension_wake: Notify,
    /// The namespaces of the run that there is, where its network is one of them.
    enclosure: RefCell<Option<Enclosure>>,
    /// The way to the platform of the run that there is.
    door: RefCell<Option<Arc<dyn invoke::Door>>>,
}

/// An init.
#[derive(Clone, Copy)]
struct Init {
    phase: InitPhase,
    began: Instant,
    /// The log says that the runtime has finished its part.
    is_runtime_done: bool,
}

impl Environment {
    /// Starts an environment for a scheduler, perhaps one that is to be kept ready. Its task calls [`Scheduler::started`] or [`Scheduler::start_failed`].
    pub(crate) fn start(scheduler: Rc<Scheduler>, permit: OwnedSemaphorePermit, kept: bool) {
        let drawn = request_id::environment_id().and_then(|id| Ok((id, request_id::environment_id()?)));
        let (id, metadata_token) = match drawn {
            Ok(drawn) => drawn,
            Err(error) => {
                tracing::error!(function = %scheduler.function.arn, %error, "cannot draw an environment's id");
                if kept {
                    scheduler.kept_ended();
                }
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
            metadata_token,
            journal: Rc::new(journal),
            memory: PeakMemory::default(),
            state: RefCell::default(),
            init: Cell::new(Init {
                phase: InitPhase::Init,
                began: now,
                is_runtime_done: false,
            }),
            init_duration: Cell::default(),
            wake: Notify::new(),
            alarm: Cell::new(now),
            ending: Cell::new(false),
            kept: Cell::new(kept),
            counts_as_ready: Cell::new(false),
            frozen: Cell::new(false),
            born: now,
            extension_wake: Notify::new(),
            enclosure: RefCell::default(),
            door: RefCell::default(),
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
        if self.next_idle_alarm() < self.alarm.get() {
            self.wake.notify_one();
        }
    }

    /// Gives it an invocation: at once to a runtime that waits for one.
    pub(crate) fn assign(&self, pending: Pending) {
        let core = &self.scheduler.core;
        let id = pending
            .invocation
            .request_id
            .map_or_else(|| core.request_ids.fresh(), Ok);
        let Ok(id) = id else {
            pending.refuse(InvokeRefusal::ServiceFailure);
            self.end();
            return;
        };
        let timeout = self.timeout();
        let began = Instant::now();
        let deadline_ms = unix_ms(timeout);
        self.scheduler.account.invocations.fetch_add(1, Relaxed);
        self.counted.set(Phase::Busy);

        let mut state = self.state.borrow_mut();
        write_event_head(&mut state.event_head, &id, deadline_ms, &pending.invocation);
        let busy = Busy::new(&self.scheduler, self.is_kept());
        state.invocation = Some(Running::new(id, pending, began, timeout, deadline_ms, busy));
        let runtime = state.runtime;
        let connection = match runtime {
            RuntimeState::Ready => state.waiting.take(),
            _ => None,
        };
        drop(state);
        self.tell_door();
        self.thaw();
        if let Some(connection) = connection {
            self.hand_event_to(&connection);
        }
        // Without a process, the task starts one.
        let alarm = (began + timeout).min(self.look_at(began));
        if runtime == RuntimeState::Absent || alarm < self.alarm.get() {
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
                if self.state.borrow_mut().init_waits_for_extensions(connection) {
                    self.log_init_runtime_done(asked, &Status::Success);
                    return Ok(());
                }
                self.begin(Some(Rc::clone(connection)), asked);
            }
            // Extensions are not ready still.
            RuntimeState::InitDone | RuntimeState::Done => self.state.borrow_mut().wait_as(runtime, connection),
            RuntimeState::Ready if has_invocation => self.hand_event_to(connection),
            RuntimeState::Ready => self.state.borrow_mut().wait(connection),
            // Asking again is no error: the same event comes again.
            RuntimeState::Running => self.hand_event_to(connection),
            RuntimeState::Answered => {
                if self.state.borrow_mut().waits_for_extensions(connection, asked) {
                    self.log_runtime_done();
                    return Ok(());
                }
                self.finish_invocation(asked);
                if self.scheduler.offer(self) == Offer::End {
                    self.end();
                }
            }
            // It is about to end: there is nothing for it, and nothing that it has done wrong.
            RuntimeState::Absent => self.state.borrow_mut().wait_as(runtime, connection),
            RuntimeState::InitError
            | RuntimeState::Answering(_)
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

    /// The init has ended: the connection of the runtime gets its first event, or waits for it.
    fn begin(self: &Rc<Self>, connection: Option<Rc<Connection>>, asked: Instant) {
        self.finish_init(asked);
        // What was asked while it was starting says little: the first REPORT asks anew. Not now, when an event may wait.
        self.memory.ask_next_time();
        let Some(connection) = connection else { return };
        let has_invocation = self.state.borrow().invocation.is_some();
        if has_invocation {
            self.hand_event_to(&connection);
        } else {
            self.state.borrow_mut().wait(&connection);
        }
    }

    /// The runtime has asked for its first event, and extensions for theirs.
    fn finish_init(&self, asked: Instant) {
        let Init { phase, began, .. } = self.init.get();
        let duration = asked - began;
        self.log_init_runtime_done(asked, &Status::Success);
        self.log_extensions();
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

    /// Says once in each init that the runtime's part of it is over.
    fn log_init_runtime_done(&self, now: Instant, status: &Status) {
        let mut init = self.init.get();
        if !init.is_runtime_done {
            init.is_runtime_done = true;
            self.init.set(init);
            self.journal.init_runtime_done(&InitReport {
                phase: init.phase,
                duration: now - init.began,
                status,
            });
        }
    }

    /// Says that the runtime is done with the invocation that runs, or that was lost.
    fn log_runtime_done(&self) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if let Some(running) = state.invocation.as_mut().or(state.lost.as_mut()) {
            running.log_done(&self.journal);
        }
    }

    /// The runtime and its extensions have asked for the next event, and what they wrote for the last one has been read.
    fn finish_invocation(&self, asked: Instant) {
        self.observe_memory(asked);
        let finished = self.state.borrow_mut().invocation.take();
        if let Some(mut running) = finished {
            running.end(asked);
            self.close_log(running);
        }
    }

    /// Reads what the process has written so far. To be called when the runtime says that it has finished something,
    /// before that is believed: then the log has everything in its order.
    pub(crate) async fn hear_output(&self) {
        let (output, others) = {
            let state = self.state.borrow();
            let output = state.process.as_ref().map(|it| Rc::clone(&it.output));
            // None, and then this allocates nothing.
            let others: Vec<_> = state.extension_outputs.iter().map(|(_, it)| Rc::clone(it)).collect();
            (output, others)
        };
        if let Some(output) = output {
            output.drain().await;
        }
        for output in others {
            output.drain().await;
        }
    }

    /// When to look at the memory of what runs since then.
    fn look_at(&self, began: Instant) -> Instant {
        self.memory.look_again_at(began).max(self.scheduler.core.looks.due())
    }

    /// Looks at the memory of what runs since then, because nobody knows what it has used when it has ended. Where it is somebody
    /// else's turn, its own is over: many would wake each other up otherwise.
    fn look_at_memory_of(&self, began: Instant) {
        let now = Instant::now();
        if now < self.look_at(began) {
            self.memory.skip(now);
            return;
        }
        if let Some(Watched { pid: Some(pid), .. }) = self.state.borrow().process {
            self.memory.look(pid, now);
        }
        self.scheduler.core.looks.taken(now);
    }

    fn observe_memory(&self, now: Instant) {
        if let Some(Watched { pid: Some(pid), .. }) = self.state.borrow().process {
            self.memory.observe(pid, now);
        }
    }

    /// The invocation is over and has nothing more to write: END and REPORT, and an answer to whoever waited for them.
    fn close_log(&self, mut running: Running) {
        if !running.is_announced {
            let trace_id = running.trace_id.as_deref();
            self.journal.start(&running.id, trace_id, running.wants_tail);
        }
        running.log_done(&self.journal);
        let (status, memory_mb) = (
            running.status(),
            self.scheduler.function.configuration.memory.megabytes(),
        );
        let report = Report {
            id: &running.id,
            trace_id: running.trace_id.as_deref(),
            duration: running.duration(),
            init_duration: self.init_duration.take(),
            memory_mb,
            memory_used_mb: match status.is_out_of_memory() {
                // Nobody could look in time.
                true => u64::from(memory_mb),
                false => self.memory.megabytes(),
            },
            status,
        };
        let tail = self.journal.report(&report);
        let metering = &self.scheduler.metering;
        let called = Called::by(&running.function).and_ran(&self.scheduler.function.arn);
        metering.ended(called, running.ended_as(self.provision()));
        running.close(tail);
    }

    /// What runs now: whatever it makes run is a part of the same trace.
    fn tell_door(&self) {
        if let Some(door) = &*self.door.borrow()
            && let Some(running) = &self.state.borrow().invocation
        {
            door.runs(running.trace_id.as_deref());
        }
    }

    fn provision(&self) -> Provision {
        match self.is_kept() {
            true => Provision::Provisioned,
            false if self.scheduler.account.kept.report().ready > 0 => Provision::Spillover,
            false => Provision::None,
        }
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
                // Copied only for those who hear of it.
                let trace_id = self.journal.is_heard().then(|| running.trace_id.clone()).flatten();
                (running.id, trace_id, running.wants_tail)
            })
        };
        if let Some((id, trace_id, wants_tail)) = first {
            self.journal.start(&id, trace_id.as_deref(), wants_tail);
            self.tell_extensions_of_invocation();
        }
    }

    fn timeout(&self) -> Duration {
        self.scheduler.function.configuration.timeout.duration()
    }

    /// Does this connection wait for the answer to its `next`?
    pub(crate) fn is_waiting(&self, connection: &Rc<Connection>) -> bool {
        let state = self.state.borrow();
        let is_it = |waiting: &Rc<Connection>| Rc::ptr_eq(waiting, connection);
        state.waiting.as_ref().is_some_and(is_it) || state.extensions.as_ref().is_some_and(|it| it.waiting().any(is_it))
    }

    /// The connection has ended.
    pub(crate) fn forget(&self, connection: &Rc<Connection>) {
        let mut state = self.state.borrow_mut();
        let is_it = |waiting: &Rc<Connection>| Rc::ptr_eq(waiting, connection);
        state.waiting.take_if(|waiting| is_it(waiting));
        if let Some(extensions) = &mut state.extensions {
            extensions.forget(is_it);
        }
    }

    /// Goes on writing the event, of which `written` bytes are out. Returns how many are now, and whether that is all.
    pub(crate) fn write_event(&self, connection: &Connection, written: usize) -> io::Result<(usize, bool)> {
        let state = self.state.borrow();
        let running = state.invocation.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        write_event(connection, &state.event_head, &running.event, written)
    }
}

/// So long from now, in milliseconds since the epoch.
fn unix_ms(from_now: Duration) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let then = now.map_or(0, |now| (now + from_now).as_millis());
    u64::try_from(then).unwrap_or(u64::MAX)
}
