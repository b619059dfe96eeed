//! Changes: the manifest and the AWS API take turns, so that what is decided is what is stored and served.
//!
//! Calls of the API that wait for their turn go together in the next one: each is decided on what those before it left, and
//! all are checked, stored and served at once. Under load that is one sync and one new table for many calls.

use crate::plan::chain;
use crate::server::facts::Progress;
use control::{ChangeError, Changed};
use model::{Change, Command, Context, Owner, Refusal, Revision, State, Timestamp};
use proxy::{ApplyError, Proxy};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use store::{Batch, Decision, Refused, SubmitError, Writer};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, oneshot, watch};
use tokio_util::task::TaskTracker;

/// Calls that go together at most, so that none waits for an endless crowd.
const TOGETHER_MAX: usize = 64;

/// Whose turn it is. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    mutex: Arc<AsyncMutex<()>>,
    /// Changes that are being made.
    making: TaskTracker,
}

impl Turn {
    /// Waits for it. It is over when the guard is dropped.
    pub(super) async fn wait(&self) -> OwnedMutexGuard<()> {
        self.mutex.clone().lock_owned().await
    }

    /// Waits until every change that had begun is made. Nobody begins one any more.
    pub(super) async fn end(&self) {
        self.making.close();
        self.making.wait().await;
    }
}

/// The way of the AWS API into state and traffic. Clones share it.
#[derive(Clone)]
pub(super) struct Changes {
    /// Whose resources are left alone.
    pub(super) protects: Option<Owner>,
    pub(super) turn: Turn,
    pub(super) writer: Writer,
    pub(super) state: watch::Receiver<Arc<State>>,
    pub(super) proxy: Proxy,
    pub(super) progress: Progress,
    pub(super) waiting: Waiting,
}

/// Calls that wait for a turn, in the order in which they came.
#[derive(Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<VecDeque<Call>>>);

/// One call.
struct Call {
    build: Build,
    answer: oneshot::Sender<Result<Arc<State>, Failure>>,
}

/// Makes the commands from the state that they will be decided on; `None` if there is nothing to decide, which whoever
/// built it knows the reason of.
type Build = Box<dyn FnOnce(&State) -> Option<Vec<Command>> + Send>;

/// Why a call changed nothing.
#[derive(Clone, Debug)]
enum Failure {
    Refused(Refusal),
    Traffic(String),
    Failed(String),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused.refusal)
    }
}

impl<E> From<Failure> for ChangeError<E> {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => Self::Refused(refusal),
            Failure::Traffic(message) => Self::Traffic(message),
            Failure::Failed(message) => Self::Failed(message),
        }
    }
}

/// A call that was decided.
struct Decided {
    decision: Decision,
    answer: oneshot::Sender<Result<Arc<State>, Failure>>,
}

/// A call that changes nothing: what it asked for is so already, or was refused.
struct Idle {
    outcome: Result<Arc<State>, Failure>,
    answer: oneshot::Sender<Result<Arc<State>, Failure>>,
}

impl Changes {
    /// Decides what `build` asks for, finds out whether it could be served, stores it, and serves it.
    ///
    /// # Cancel safety
    /// Dropping the future does not take the call back.
    pub(super) async fn make<T: Send + 'static, E: Send + 'static>(
        &self,
        build: impl FnOnce(&State) -> Result<(Vec<Command>, T), E> + Send + 'static,
    ) -> Result<Changed<T>, ChangeError<E>> {
        let (answer, mut answered) = oneshot::channel();
        let (built, mut made) = oneshot::channel();
        let build: Build = Box::new(move |state| {
            let (commands, result) = match build(state) {
                Ok((commands, rest)) => (Some(commands), Ok(rest)),
                Err(error) => (None, Err(error)),
            };
            // The call may have left.
            let _ = built.send(result);
            commands
        });
        self.waiting.push(Call { build, answer });
        let outcome = loop {
            let turn = self.turn.wait().await;
            // Whoever had the turn may have taken this call along.
            match answered.try_recv() {
                Ok(outcome) => break outcome,
                Err(oneshot::error::TryRecvError::Closed) => break Err(Failure::Failed(NOT_MADE.to_owned())),
                Err(oneshot::error::TryRecvError::Empty) => {
                    let (changes, calls) = (self.clone(), self.waiting.take());
                    // To its end, though the call that has the turn may time out: what is stored has to be served, and those that
                    // were taken along want their answers.
                    let making = self.turn.making.spawn(async move {
                        changes.make_all(calls).await;
                        drop(turn);
                    });
                    // If it panics, its calls have no answer, which is found in the next round.
                    let _ = making.await;
                }
            }
        };
        match (made.try_recv(), outcome) {
            (Ok(Err(error)), _) => Err(ChangeError::Build(error)),
            (Ok(Ok(rest)), Ok(state)) => Ok(Changed { state, rest }),
            (_, Err(failure)) => Err(failure.into()),
            (Err(_), Ok(_)) => Err(ChangeError::Failed(NOT_MADE.to_owned())),
        }
    }

    /// Makes the changes of all these calls, and answers them.
    async fn make_all(&self, calls: Vec<Call>) {
        if !self.progress.serves() {
            let starting = Failure::Failed("albacore is starting".to_owned());
            calls
                .into_iter()
                .for_each(|call| end(call.answer, Err(starting.clone())));
            return;
        }
        let (decided, idle) = self.decide_all(calls);
        let is_made = match decided.is_empty() {
            true => true,
            false => self.make_decided(decided).await,
        };
        for Idle { outcome, answer } in idle {
            // It was judged by what is not there now, for all we know.
            let outcome = match is_made {
                true => outcome,
                false => Err(Failure::Failed(NOT_MADE.to_owned())),
            };
            end(answer, outcome);
        }
    }

    /// Each call is decided on what those before it leave. Those that change nothing before anything is changed are answered.
    fn decide_all(&self, calls: Vec<Call>) -> (Vec<Decided>, Vec<Idle>) {
        let mut state = self.state.borrow().clone();
        let (mut decided, mut idle) = (Vec::with_capacity(calls.len()), Vec::new());
        for Call { build, answer } in calls {
            let commands = build(&state).unwrap_or_default();
            let outcome = match commands.is_empty() {
                true => Err(Ok(state.clone())),
                false => Decision::on(&state, commands, self.context()).map_err(|refused| Err(refused.into())),
            };
            match outcome {
                Ok(decision) => {
                    state = decision.after().clone();
                    decided.push(Decided { decision, answer });
                }
                Err(outcome) if decided.is_empty() => end(answer, outcome),
                Err(outcome) => idle.push(Idle { outcome, answer }),
            }
        }
        (decided, idle)
    }

    /// Whether all of them were made.
    async fn make_decided(&self, decided: Vec<Decided>) -> bool {
        let is_for_traffic = decided.iter().any(|it| is_for_traffic(&it.decision));
        let last = decided.last().map(|it| it.decision.after().clone()).unwrap_or_default();
        match self.checked(last, is_for_traffic).await {
            Ok(()) => self.store(decided, is_for_traffic).await,
            Err(failure) if decided.len() == 1 => {
                decided.into_iter().for_each(|it| it.end(Err(failure.clone())));
                false
            }
            // One of them is to blame. Each alone, then.
            Err(_) => {
                for one in decided {
                    self.make_alone(one).await;
                }
                false
            }
        }
    }

    /// One that was decided beside others is decided anew, without them.
    async fn make_alone(&self, Decided { decision, answer }: Decided) {
        let before = self.state.borrow().clone();
        match decision.again_on(&before) {
            Err(refused) => end(answer, Err(refused.into())),
            Ok(decision) => {
                let is_for_traffic = is_for_traffic(&decision);
                match self.checked(decision.after().clone(), is_for_traffic).await {
                    Ok(()) => drop(self.store(vec![Decided { decision, answer }], is_for_traffic).await),
                    Err(failure) => end(answer, Err(failure)),
                }
            }
        }
    }

    /// Stores what was decided, serves it, and answers. Whether all of it is stored and served.
    async fn store(&self, decided: Vec<Decided>, is_for_traffic: bool) -> bool {
        let before = self.state.borrow().revision;
        // What was checked is what is stored and served, and is not decided a second time.
        let (batches, waiting): (Vec<_>, Vec<_>) = decided.into_iter().map(Decided::submitted).unzip();
        let stored = self.writer.submit_all(batches).await;
        let state = self.state.borrow().clone();
        let served = match state.revision != before {
            true => self.serve(&state, is_for_traffic, before).await,
            false => Ok(()),
        };
        let is_made = served.is_ok() && stored.iter().all(Result::is_ok);
        for ((answer, after), outcome) in waiting.into_iter().zip(stored) {
            let outcome = match outcome {
                Ok(_) => served.clone().map(|()| after),
                Err(SubmitError::Refused { refusal, .. }) => Err(Failure::Refused(refusal)),
                Err(error) => Err(Failure::Failed(chain(&error))),
            };
            end(answer, outcome);
        }
        is_made
    }

    async fn serve(&self, state: &Arc<State>, is_for_traffic: bool, before: Revision) -> Result<(), Failure> {
        if is_for_traffic || self.progress.served() != before.0 {
            let apply = |proxy: Proxy, state: Arc<State>| proxy.apply(&state);
            let applied: Result<(), ApplyError> = self.with_proxy(state.clone(), apply).await?;
            applied.map_err(|error| {
                let why = chain(&error);
                Failure::Failed(format!("the change is stored, and is not served: {why}"))
            })?;
        }
        self.progress.serve(state.revision);
        Ok(())
    }

    /// Whether traffic could follow a state.
    async fn checked(&self, state: Arc<State>, is_for_traffic: bool) -> Result<(), Failure> {
        if !is_for_traffic {
            return Ok(());
        }
        let check = |proxy: Proxy, state: Arc<State>| proxy.check(&state);
        let checked: Result<(), ApplyError> = self.with_proxy(state, check).await?;
        checked.map_err(|error| Failure::Traffic(chain(&error)))
    }

    /// Works with the proxy off the threads that must not block.
    async fn with_proxy<W: Send + 'static>(
        &self,
        state: Arc<State>,
        work: fn(Proxy, Arc<State>) -> W,
    ) -> Result<W, Failure> {
        let proxy = self.proxy.clone();
        let done = tokio::task::spawn_blocking(move || work(proxy, state)).await;
        done.map_err(|error| Failure::Failed(chain(&error)))
    }

    fn context(&self) -> Context {
        Context {
            now: now(),
            protects: self.protects,
        }
    }
}

/// What a call is told that nobody answered.
const NOT_MADE: &str = "the change could not be made, because another one at the same time failed; try again";

impl Waiting {
    fn push(&self, call: Call) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(call);
    }

    fn take(&self) -> Vec<Call> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = calls.len().min(TOGETHER_MAX);
        calls.drain(..count).collect()
    }
}

/// Who waits for a call's answer, and the state that it is answered with.
type Waits = (oneshot::Sender<Result<Arc<State>, Failure>>, Arc<State>);

impl Decided {
    fn end(self, outcome: Result<Arc<State>, Failure>) {
        end(self.answer, outcome);
    }

    /// As the writer wants it.
    fn submitted(self) -> (Batch, Waits) {
        let after = self.decision.after().clone();
        (Batch::Decided(Box::new(self.decision)), (self.answer, after))
    }
}

fn end(answer: oneshot::Sender<Result<Arc<State>, Failure>>, outcome: Result<Arc<State>, Failure>) {
    // The caller may have left; what was changed stands all the same.
    let _ = answer.send(outcome);
}

/// Whether traffic can tell the states before and after.
fn is_for_traffic(decision: &Decision) -> bool {
    decision.changes().iter().any(|change| {
        let beside = matches!(
            change,
            Change::Acm(_) | Change::Logs(_) | Change::SetTags(..) | Change::Iam(_) | Change::EventInvoke(_)
        );
        !beside
    })
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use invoke::{Invocation, InvokeOutcome, Invoker, LocalBoxFuture};
    use model::command::target_group::CreateTargetGroup;
    use model::elb::health_check::HealthCheck;
    use model::elb::name::TargetGroupName;
    use model::elb::target_group::{LambdaTargets, TargetKind};
    use model::{AccountId, Region, ResourceId, Scope, TargetGroupArn};
    use proxy::{CoreParts, Limits, LogFormat, Options};
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;
    use std::rc::Rc;
    use store::{AppendError, Log};
    use tokio::sync::mpsc;

    struct Nobody;

    impl Invoker for Nobody {
        fn invoke(&self, _: Invocation) -> LocalBoxFuture<InvokeOutcome> {
            Box::pin(std::future::pending())
        }
    }

    /// A disk that says when it is written to, and takes its time.
    struct Slow {
        begun: mpsc::Sender<usize>,
        gate: std::sync::mpsc::Receiver<()>,
    }

    impl Log for Slow {
        fn append(&mut self, _: Revision, batches: &[Vec<Change>], _: &State) -> Result<(), AppendError> {
            self.begun.blocking_send(batches.len()).unwrap();
            self.gate.recv().unwrap();
            Ok(())
        }
    }

    fn create(name: &'static str, id: u64) -> impl FnOnce(&State) -> Result<(Vec<Command>, ()), String> + Send {
        let scope = Scope {
            region: Region::try_from("us-east-1").unwrap(),
            account: AccountId::try_from("000000000000").unwrap(),
        };
        let command = Command::CreateTargetGroup(CreateTargetGroup {
            arn: TargetGroupArn::new(&scope, name, ResourceId(id)),
            name: TargetGroupName::try_from(name).unwrap(),
            targets: TargetKind::Lambda(LambdaTargets {
                function: None,
                multi_value_headers: false,
                health_check: HealthCheck::of_lambda(),
            }),
            owner: Owner::Api,
        });
        move |_| Ok((vec![command], ()))
    }

    fn changes(log: impl Log) -> Changes {
        let (writer, state) = Writer::start(log, State::default(), || ()).unwrap();
        let options = Options {
            bind: Ipv4Addr::LOCALHOST.into(),
            publish: BTreeMap::new(),
            cores: 1,
            limits: Limits::default(),
            cookie_key: [7; 32],
            access_log: None,
            log_delivery: None,
            log_format: LogFormat::Text,
            availability_zone: "us-east-1a".to_owned(),
        };
        let parts = |_| CoreParts {
            invoker: Rc::new(Nobody),
            shutdown: Box::pin(async {}),
        };
        let progress = Progress::new(state.clone());
        progress.serve(state.borrow().revision);
        Changes {
            protects: None,
            turn: Turn::default(),
            writer,
            state,
            proxy: Proxy::start(options, parts).unwrap(),
            progress,
            waiting: Waiting::default(),
        }
    }

    #[tokio::test]
    async fn a_caller_who_leaves_takes_nobody_along() {
        let ((begun, mut seen), (open, gate)) = (mpsc::channel(1), std::sync::mpsc::channel());
        let changes = changes(Slow { begun, gate });
        let before_others = changes.turn.wait().await;
        let mut leaves = Box::pin(changes.make(create("leaves", 1)));
        let mut stays = Box::pin(changes.make(create("stays", 2)));
        tokio::select! {
            biased;
            _ = &mut leaves => panic!("it is not its turn"),
            _ = &mut stays => panic!("it is not its turn"),
            () = std::future::ready(()) => drop(before_others),
        }
        let stored = tokio::select! {
            _ = &mut leaves => panic!("it is not stored yet"),
            stored = seen.recv() => stored,
        };
        assert_eq!(stored, Some(2), "both go together, in the turn of the one who leaves");
        drop(leaves);
        open.send(()).unwrap();
        let stayed = stays.await;
        assert!(stayed.is_ok(), "{:?}", stayed.err());
        assert_eq!(changes.state.borrow().target_groups().count(), 2);
        assert!(changes.progress.is_current(), "what is stored is served");
    }
}
