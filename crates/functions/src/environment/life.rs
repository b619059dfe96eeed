//! The task of one environment, from its init to the removal of its directory.
//!
//! It sleeps while all goes well: an invocation of a warm environment neither wakes it nor waits for it. It wakes for the
//! earliest deadline it knew when it went to sleep, and looks then what the deadline is now.

use super::Init;
use super::process::{Home, Run, StartError};
use super::{Environment, RuntimeState, State};
use crate::extensions::{Progress, ShutdownReason};
use crate::failure::Failure;
use crate::log::{InitPhase, InitReport, Status};
use crate::scheduler::Offer;
use sandbox::ExitStatus;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// The least and the most time for the init of one that is kept ready.
const KEPT_INIT_TIME: (Duration, Duration) = (Duration::from_secs(130), Duration::from_secs(900));

/// How an init ends that does not end well.
enum InitFailure {
    /// The environment is to end.
    Ending,
    /// The platform's fault.
    Service,
    /// It took too long.
    TimedOut,
    /// The function's fault.
    Function(Failure),
}

/// What ends the quiet of a running environment.
enum Event {
    Exited(ExitStatus),
    /// An external extension has.
    ExtensionExited(ExitStatus),
    TimedOut,
    /// The runtime broke the rules.
    BrokenOff,
    Ending,
}

impl Environment {
    /// The whole life. The permit goes last, so that the host's limit counts what is ending too.
    pub(super) async fn live(self: Rc<Self>, permit: OwnedSemaphorePermit) {
        match Home::make(&self.scheduler.core.host, &self.scheduler.function, &self.id).await {
            Ok(home) => {
                self.live_in(&home).await;
                self.release();
                self.state.replace(State::default());
                home.remove().await;
            }
            Err(error) => {
                tracing::error!(function = %self.scheduler.function.arn, %error, "cannot make an environment's directory");
                self.release();
                self.scheduler.start_failed();
            }
        }
        drop(permit);
    }

    async fn live_in(self: &Rc<Self>, home: &Home) {
        let init_deadline = Instant::now() + self.init_time_max();
        let mut run = match self.init(home, InitPhase::Init, init_deadline).await {
            Ok(run) => Some(run),
            // Repeated inside of the first invocation. Source: Lambda 4.1.
            Err(InitFailure::TimedOut | InitFailure::Function(_)) => None,
            Err(InitFailure::Ending | InitFailure::Service) => return self.scheduler.start_failed(),
        };
        let mut offer = self.scheduler.started(self);
        // Each turn: the environment is idle or has an invocation; then it runs until its process ends.
        while offer == Offer::Keep {
            let ended = match run.take() {
                Some(run) => self.watch(run).await,
                None => self.start_within_an_invocation(home, &mut run).await,
            };
            if ended == Offer::End {
                break;
            }
            if run.is_none() {
                offer = self.scheduler.offer(self);
            }
        }
        self.scheduler.take_idle(self);
        if let Some(run) = run {
            self.end_run(run, ShutdownReason::Spindown).await;
        }
        self.close_log_of_lost();
        let unfinished = self.state.borrow_mut().invocation.take();
        match unfinished {
            // It waits for the log of an answer.
            Some(running) if running.is_answered() => self.close_log(running),
            Some(running) => running.refuse(),
            None => {}
        }
    }

    /// How long the ordinary init may take. Nobody waits for that of one that is kept ready. Source: Lambda 4.1.
    fn init_time_max(&self) -> Duration {
        match self.is_kept() {
            true => self.timeout().clamp(KEPT_INIT_TIME.0, KEPT_INIT_TIME.1),
            false => self.scheduler.core.host.options.init_timeout,
        }
    }

    /// Starts the runtime and waits until it asks for an event. A failed one leaves no process.
    async fn init(self: &Rc<Self>, home: &Home, phase: InitPhase, deadline: Instant) -> Result<Run, InitFailure> {
        let _init = self.scheduler.core.host.parking.init_begins();
        let began = Instant::now();
        self.init.set(Init {
            phase,
            began,
            is_runtime_done: false,
        });
        // The one before was for nothing, and this one may be a part of its invocation's duration.
        self.init_duration.set(None);
        let ended = self.run_init(home, deadline).await;
        // Known before the process is gone, which is waited for.
        let status = match &ended {
            Ok(_) | Err((InitFailure::Ending | InitFailure::Service, _)) => None,
            Err((InitFailure::TimedOut, at)) => Some((Status::Timeout, at)),
            Err((InitFailure::Function(failure), at)) => Some((failure.status(), at)),
        };
        if let Some((status, at)) = status {
            self.log_init_runtime_done(*at, &status);
            self.journal.init_end(&InitReport {
                phase,
                duration: *at - began,
                status: &status,
            });
        }
        if ended.is_err() {
            self.journal.end_telemetry();
        }
        match &ended {
            Ok(_) => self.init_has_ended(true),
            Err((InitFailure::Ending | InitFailure::Service, _)) => {}
            Err((InitFailure::TimedOut | InitFailure::Function(_), _)) => self.init_has_ended(false),
        }
        ended.map_err(|(failure, _)| failure)
    }

    /// Says of a failure also when it happened. Nothing is left of the process then, and all that it wrote has been read.
    async fn run_init(self: &Rc<Self>, home: &Home, deadline: Instant) -> Result<Run, (InitFailure, Instant)> {
        let give_up = CancellationToken::new();
        let mut starting = pin!(Run::start(self, home, &give_up));
        let (started, mut failure) = tokio::select! {
            biased;
            () = self.must_end() => (None, Some(InitFailure::Ending)),
            started = &mut starting => (Some(started), None),
            () = sleep_until(deadline) => (None, Some(self.init_timed_out())),
        };
        // A start that was given up is waited for: only then is it certain that nothing of it is left.
        let started = match started {
            Some(started) => started,
            None => {
                give_up.cancel();
                starting.await
            }
        };
        let mut run = match started {
            Ok(run) => run,
            Err(error) => {
                self.log_extensions();
                self.forget_run();
                let failure = failure.unwrap_or(match error {
                    StartError::Service | StartError::GivenUp => InitFailure::Service,
                    StartError::Function(failure) => InitFailure::Function(failure),
                });
                return Err((failure, Instant::now()));
            }
        };
        let mut at = None;
        while failure.is_none() {
            match self.state.borrow().runtime {
                RuntimeState::Started | RuntimeState::InitDone => {}
                RuntimeState::InitError | RuntimeState::Absent | RuntimeState::ExitedInInit | RuntimeState::Exited => {
                    break;
                }
                RuntimeState::Ready
                | RuntimeState::Running
                | RuntimeState::Answering(_)
                | RuntimeState::Answered
                | RuntimeState::Done => return Ok(run),
            }
            tokio::select! {
                biased;
                () = self.wake.notified() => if self.is_ending() { failure = Some(InitFailure::Ending) },
                () = self.scheduler.core.stop.cancelled() => failure = Some(InitFailure::Ending),
                status = run.process.wait() => {
                    at = Some(Instant::now());
                    self.heard_exit();
                    run.hear_last_words(self).await;
                    failure = Some(InitFailure::Function(self.runtime_failure(status)));
                }
                (name, status) = run.externals.exited() => {
                    at = Some(Instant::now());
                    run.server.settle(self).await;
                    self.extension_exited(&name, Progress::Exited);
                    failure = Some(InitFailure::Function(self.extension_failure(status)));
                }
                () = run.server.accept(self) => {}
                () = sleep_until(deadline) => failure = Some(self.init_timed_out()),
                () = sleep_until(self.look_at(self.init.get().began)) => self.look_at_memory_of(self.init.get().began),
            }
        }
        let at = at.unwrap_or_else(Instant::now);
        self.observe_memory(at);
        self.log_extensions();
        self.tell_of_failed_init(failure.as_ref(), at);
        let reason = match &failure {
            Some(InitFailure::TimedOut) => ShutdownReason::Timeout,
            Some(InitFailure::Ending) => ShutdownReason::Spindown,
            Some(InitFailure::Service | InitFailure::Function(_)) | None => ShutdownReason::Failure,
        };
        self.end_run(run, reason).await;
        // What the runtime says itself counts more than how it ended.
        let posted = self.state.borrow_mut().init_error.take().map(InitFailure::Function);
        Err((posted.or(failure).unwrap_or(InitFailure::TimedOut), at))
    }

    /// With extensions the end of the runtime takes its time. Those that wait for the end of the init hear of it before, and
    /// so does the caller of the invocation that it belongs to; without extensions all is said together.
    fn tell_of_failed_init(&self, failure: Option<&InitFailure>, at: Instant) {
        let failure = {
            let state = self.state.borrow();
            if state.extensions.is_none() {
                return;
            }
            match (&state.init_error, failure) {
                (Some(posted), _) | (None, Some(InitFailure::Function(posted))) => Some(posted.clone()),
                (None, Some(InitFailure::TimedOut) | None) => None,
                (None, Some(InitFailure::Ending | InitFailure::Service)) => return,
            }
        };
        let status = failure.as_ref().map_or(Status::Timeout, Failure::status);
        self.log_init_runtime_done(at, &status);
        if let Some(failure) = failure
            && self.init.get().phase == InitPhase::Invoke
        {
            self.fail(failure, at);
        }
    }

    /// The caller of the invocation that this init belongs to, if it does, need not wait until the process is gone.
    fn init_timed_out(&self) -> InitFailure {
        self.fail(Failure::TimedOut(self.timeout()), Instant::now());
        InitFailure::TimedOut
    }

    /// Waits for an invocation, and makes the init a part of it, under the function's timeout. `Keep` without a run: the
    /// invocation is over.
    async fn start_within_an_invocation(self: &Rc<Self>, home: &Home, run: &mut Option<Run>) -> Offer {
        let deadline = loop {
            if self.is_ending() {
                return Offer::End;
            }
            if let Some(running) = &self.state.borrow().invocation {
                break running.deadline;
            }
            let retirement = self.end_of_idleness();
            self.alarm.set(retirement);
            tokio::select! {
                biased;
                () = self.wake.notified() => {}
                () = self.scheduler.core.stop.cancelled() => return Offer::End,
                () = sleep_until(retirement) => if self.scheduler.take_idle(self) { return Offer::End },
            }
        };
        match self.init(home, InitPhase::Invoke, deadline).await {
            Ok(started) => *run = Some(started),
            Err(InitFailure::Ending | InitFailure::Service) => return Offer::End,
            Err(InitFailure::TimedOut) => {}
            Err(InitFailure::Function(failure)) => self.fail(failure, Instant::now()),
        }
        self.close_log_of_lost();
        Offer::Keep
    }

    /// Watches over a runtime that has finished its init, until it is gone.
    async fn watch(self: &Rc<Self>, mut run: Run) -> Offer {
        // Its first event is on its way already, and has not waited for this.
        self.share_cpu();
        let event = self.next_event(&mut run).await;
        let at = Instant::now();
        let reason = match &event {
            Event::Exited(_) | Event::ExtensionExited(_) | Event::BrokenOff => ShutdownReason::Failure,
            Event::TimedOut => ShutdownReason::Timeout,
            Event::Ending => ShutdownReason::Spindown,
        };
        let (failure, next) = match event {
            Event::Exited(status) => {
                self.heard_exit();
                run.hear_last_words(self).await;
                (Some(self.runtime_failure(status)), Offer::Keep)
            }
            Event::ExtensionExited(status) => (Some(self.extension_failure(status)), Offer::Keep),
            Event::TimedOut => (Some(Failure::TimedOut(self.timeout())), Offer::Keep),
            // The caller was answered when it broke off.
            Event::BrokenOff => (Some(Failure::AnswerTruncated), Offer::Keep),
            Event::Ending => (None, Offer::End),
        };
        // One that exited while idle starts again with the next invocation, as after any reset.
        self.scheduler.take_idle(self);
        if next == Offer::Keep
            && let Some(failure) = failure
        {
            // The caller does not wait for the reset.
            self.fail(failure, at);
        }
        self.observe_memory(at);
        self.end_run(run, reason).await;
        self.journal.end_telemetry();
        self.close_log_of_lost();
        next
    }

    async fn next_event(self: &Rc<Self>, run: &mut Run) -> Event {
        loop {
            let alarm = self.next_alarm();
            self.alarm.set(alarm);
            tokio::select! {
                biased;
                () = self.wake.notified() => {
                    if self.is_ending() {
                        return Event::Ending;
                    }
                    if self.state.borrow().runtime == RuntimeState::Absent {
                        return Event::BrokenOff;
                    }
                }
                () = self.scheduler.core.stop.cancelled() => return Event::Ending,
                status = run.process.wait() => return Event::Exited(status),
                (name, status) = run.externals.exited() => {
                    run.server.settle(self).await;
                    self.extension_exited(&name, Progress::Exited);
                    return Event::ExtensionExited(status);
                }
                () = run.server.accept(self) => {}
                () = sleep_until(alarm) => {
                    let now = Instant::now();
                    let busy = self.state.borrow().invocation.as_ref().map(|running| (running.began, running.deadline));
                    if let Some((began, deadline)) = busy {
                        if now >= deadline {
                            return Event::TimedOut;
                        }
                        self.look_at_memory_of(began);
                    } else if now >= self.next_alarm() {
                        if !self.is_worn_out() {
                            self.freeze();
                        } else if self.scheduler.take_idle(self) {
                            return Event::Ending;
                        }
                    }
                }
            }
        }
    }

    /// When to look at the memory of the invocation, or its deadline; or the end of idleness.
    fn next_alarm(&self) -> Instant {
        match &self.state.borrow().invocation {
            Some(running) => running.deadline.min(self.look_at(running.began)),
            None => self.next_idle_alarm(),
        }
    }

    fn heard_exit(&self) {
        let mut state = self.state.borrow_mut();
        state.runtime = match state.runtime {
            RuntimeState::Started | RuntimeState::InitDone | RuntimeState::InitError => RuntimeState::ExitedInInit,
            _ => RuntimeState::Exited,
        };
        // Somebody else may get it.
        if let Some(process) = &mut state.process {
            process.pid = None;
        }
    }

    /// Ends the invocation, if there is one, with a failure. What it wrote is still to be read.
    fn fail(&self, failure: Failure, at: Instant) {
        let mut state = self.state.borrow_mut();
        if let Some(mut running) = state.invocation.take() {
            running.fail(failure, at, &self.scheduler);
            // They wait for it, if they know of the invocation; without them all is said together.
            let is_awaited = state.extensions.is_some() && running.is_announced;
            state.lost = Some(running);
            drop(state);
            if is_awaited {
                self.log_runtime_done();
            }
        }
    }

    /// Nothing of its process is left, so its log is complete.
    fn close_log_of_lost(&self) {
        let lost = self.state.borrow_mut().lost.take();
        if let Some(running) = lost {
            self.close_log(running);
        }
    }

    async fn end_run(self: &Rc<Self>, mut run: Run, reason: ShutdownReason) {
        let has_extensions = {
            let mut state = self.state.borrow_mut();
            state.runtime = RuntimeState::Absent;
            state.waiting = None;
            state.process = None;
            state
                .extensions
                .as_ref()
                .is_some_and(|extensions| extensions.any_registered())
        };
        if has_extensions {
            run.shut_down(self, reason).await;
        }
        run.end().await;
        // Its connections have ended only now, and may have had their say meanwhile.
        self.forget_run();
    }

    /// Nothing of a run is left.
    fn forget_run(&self) {
        self.door.take();
        let mut state = self.state.borrow_mut();
        self.frozen.set(false);
        self.no_longer_ready();
        state.runtime = RuntimeState::Absent;
        state.waiting = None;
        state.extensions = None;
        state.extension_outputs.clear();
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.get() || self.scheduler.core.stop.is_cancelled()
    }

    /// Until the environment is to end while nothing of it runs.
    async fn must_end(&self) {
        tokio::select! {
            biased;
            () = self.scheduler.core.stop.cancelled() => {}
            () = async { while !self.ending.get() { self.wake.notified().await } } => {}
        }
    }
}
