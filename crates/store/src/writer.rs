//! The writer: one batch at a time, all or nothing.

use crate::log::{AppendError, Log, OpenError};
use model::{Change, Command, Context, Refusal, Reply, Revision, State, decide};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Batches that may wait. Submitters beyond that wait in `submit`.
const QUEUE: usize = 64;

/// The way into the state. Clones share one writer.
#[derive(Clone, Debug)]
pub struct Writer {
    requests: mpsc::Sender<Request>,
}

/// A batch that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The revision that holds the whole batch.
    pub revision: Revision,
    /// One reply per command, in order.
    pub replies: Vec<Reply>,
}

/// Why a batch was not accepted; nothing of it was applied.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubmitError {
    /// A command was refused.
    #[error("{refusal}")]
    Refused {
        /// The position of the command in the batch.
        index: usize,
        /// Why.
        refusal: Refusal,
    },
    /// The log failed.
    #[error("the change could not be stored")]
    Log(#[source] AppendError),
    /// The writer has stopped: the process is shutting down.
    #[error("the writer has stopped")]
    Stopped,
}

/// Why the log is not open again.
#[derive(Debug, thiserror::Error)]
pub enum ReopenError {
    /// It cannot be opened.
    #[error(transparent)]
    Log(OpenError),
    /// The writer has stopped: the process is shutting down.
    #[error("the writer has stopped")]
    Stopped,
}

#[derive(Debug)]
enum Request {
    /// In the order in which they are decided.
    Batches(Vec<Submitted>),
    CloseLog(oneshot::Sender<()>),
    OpenLog(oneshot::Sender<Result<(), OpenError>>),
}

/// Commands that stand or fall together.
#[derive(Clone, Debug)]
pub enum Batch {
    /// The writer decides them.
    Commands(Vec<Command>, Context),
    /// Whoever submits them has decided them already. Taken where the state is still the very one that they were decided on, so
    /// that what was looked at is what becomes the state; elsewhere they are decided again.
    Decided(Box<Decision>),
}

/// What commands make of a state.
#[derive(Clone, Debug)]
pub struct Decision {
    commands: Vec<Command>,
    context: Context,
    before: Arc<State>,
    after: Arc<State>,
    changes: Vec<Change>,
    replies: Vec<Reply>,
}

/// A command that is refused takes its whole batch with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The position of the command in the batch.
    pub index: usize,
    /// Why.
    pub refusal: Refusal,
}

impl From<Refused> for SubmitError {
    fn from(Refused { index, refusal }: Refused) -> Self {
        Self::Refused { index, refusal }
    }
}

impl Decision {
    /// Decides every command on a scratch state that sees the commands before it. Nothing is stored.
    pub fn on(before: &Arc<State>, commands: Vec<Command>, context: Context) -> Result<Self, Refused> {
        let mut scratch = State::clone(before);
        let mut changes = Vec::new();
        let mut replies = Vec::with_capacity(commands.len());
        for (index, command) in commands.iter().enumerate() {
            let commit = decide(&scratch, command, &context).map_err(|refusal| Refused { index, refusal })?;
            commit.changes.iter().for_each(|change| scratch.apply(change));
            changes.extend(commit.changes);
            replies.push(commit.reply);
        }
        let after = match changes.is_empty() {
            true => before.clone(),
            false => {
                scratch.revision = Revision(before.revision.0 + 1);
                Arc::new(scratch)
            }
        };
        Ok(Self {
            commands,
            context,
            before: before.clone(),
            after,
            changes,
            replies,
        })
    }

    /// The same commands on another state; itself if it is the same one.
    pub fn again_on(self, before: &Arc<State>) -> Result<Self, Refused> {
        match Arc::ptr_eq(&self.before, before) {
            true => Ok(self),
            false => Self::on(before, self.commands, self.context),
        }
    }

    /// What it leaves.
    pub fn after(&self) -> &Arc<State> {
        &self.after
    }

    /// Between the states.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }
}

/// A batch, and who waits for it.
#[derive(Debug)]
struct Submitted {
    batch: Batch,
    answer: oneshot::Sender<Result<Accepted, SubmitError>>,
}

/// A batch that was decided, and who waits for it.
struct Decided {
    outcome: Result<Accepted, SubmitError>,
    answer: oneshot::Sender<Result<Accepted, SubmitError>>,
}

impl Writer {
    /// Starts the writer on a thread of its own, which runs `begin` first, with the state that the log's replay gave. The writer
    /// stops when the last clone is dropped.
    pub fn start(log: impl Log, state: State, begin: fn()) -> std::io::Result<(Self, watch::Receiver<Arc<State>>)> {
        let (requests, queue) = mpsc::channel(QUEUE);
        let (publish, watch) = watch::channel(Arc::new(state));
        let state = publish.borrow().clone();
        let running = Running { log, state, publish };
        std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            begin();
            running.run(queue);
        })?;
        Ok((Self { requests }, watch))
    }

    /// Decides, stores and publishes a batch: all of it or nothing, as one revision. An empty batch changes nothing.
    ///
    /// # Cancel safety
    /// Dropping the future after the batch was queued does not take it back.
    pub async fn submit(&self, commands: Vec<Command>, context: Context) -> Result<Accepted, SubmitError> {
        let mut outcomes = self.submit_all(vec![Batch::Commands(commands, context)]).await;
        outcomes.pop().unwrap_or(Err(SubmitError::Stopped))
    }

    /// Submits batches that are decided one after the other, each on what those before it left, and stored together with one
    /// sync. One that is refused takes no other with it. An outcome for each, in their order.
    ///
    /// # Cancel safety
    /// Dropping the future after the batches were queued does not take them back.
    pub async fn submit_all(&self, batches: Vec<Batch>) -> Vec<Result<Accepted, SubmitError>> {
        let submitted = |batch| {
            let (answer, answered) = oneshot::channel();
            (Submitted { batch, answer }, answered)
        };
        let (batches, answers): (Vec<_>, Vec<_>) = batches.into_iter().map(submitted).unzip();
        // Without a writer nobody answers.
        let _ = self.requests.send(Request::Batches(batches)).await;
        let mut outcomes = Vec::with_capacity(answers.len());
        for answered in answers {
            outcomes.push(answered.await.unwrap_or(Err(SubmitError::Stopped)));
        }
        outcomes
    }

    /// Answers the batches that wait, then closes the log, so that another process may have it, or this one may end.
    /// Batches are refused from then on.
    ///
    /// # Cancel safety
    /// Dropping the future after the request was queued does not take it back.
    pub async fn close_log(&self) {
        let (answer, answered) = oneshot::channel();
        // A writer that has stopped has closed it.
        if self.requests.send(Request::CloseLog(answer)).await.is_ok() {
            let _ = answered.await;
        }
    }

    /// Opens the log again after [`Writer::close_log`]. What another process wrote meanwhile is published.
    ///
    /// # Cancel safety
    /// Dropping the future after the request was queued does not take it back.
    pub async fn open_log(&self) -> Result<(), ReopenError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.requests.send(Request::OpenLog(answer)).await;
        sent.map_err(|_| ReopenError::Stopped)?;
        let opened = answered.await.map_err(|_| ReopenError::Stopped)?;
        opened.map_err(ReopenError::Log)
    }
}

struct Running<L> {
    log: L,
    state: Arc<State>,
    publish: watch::Sender<Arc<State>>,
}

impl<L: Log> Running<L> {
    fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut next = None;
        while let Some(request) = next.take().or_else(|| queue.blocking_recv()) {
            match request {
                Request::Batches(mut group) => {
                    // Those that wait already are stored together: one sync for all of them.
                    while group.len() < QUEUE && next.is_none() {
                        match queue.try_recv() {
                            Ok(Request::Batches(batches)) => group.extend(batches),
                            Ok(other) => next = Some(other),
                            Err(_) => break,
                        }
                    }
                    self.commit(group);
                }
                Request::CloseLog(answer) => {
                    self.log.close();
                    let _ = answer.send(());
                }
                Request::OpenLog(answer) => {
                    let opened = self.log.open_again();
                    let opened = opened.map(|news| news.into_iter().for_each(|state| self.enter(Arc::new(state))));
                    let _ = answer.send(opened);
                }
            }
        }
    }

    /// Decides each batch on what the ones before it left, and appends what was accepted at once.
    fn commit(&mut self, group: Vec<Submitted>) {
        let mut next = self.state.clone();
        let mut accepted = Vec::new();
        let mut decided = Vec::with_capacity(group.len());
        for Submitted { batch, answer } in group {
            let outcome = decision(&next, batch).map_err(SubmitError::from).map(|decision| {
                next = decision.after;
                if !decision.changes.is_empty() {
                    accepted.push(decision.changes);
                }
                Accepted {
                    revision: next.revision,
                    replies: decision.replies,
                }
            });
            decided.push(Decided { outcome, answer });
        }
        let stored = match accepted.is_empty() {
            true => Ok(()),
            false => self.log.append(self.state.revision, &accepted, &next),
        };
        if stored.is_ok() && !accepted.is_empty() {
            self.enter(next);
        }
        for Decided { outcome, answer } in decided {
            // Those that were refused were refused because of batches that are not there now, for all we know.
            let outcome = stored.clone().map_err(SubmitError::Log).and(outcome);
            // The submitter may have left; the batch stands all the same.
            let _ = answer.send(outcome);
        }
    }

    fn enter(&mut self, state: Arc<State>) {
        self.publish.send_replace(state.clone());
        self.state = state;
    }
}

fn decision(state: &Arc<State>, batch: Batch) -> Result<Decision, Refused> {
    match batch {
        Batch::Commands(commands, context) => Decision::on(state, commands, context),
        Batch::Decided(decision) => decision.again_on(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::MemoryLog;
    use model::command::target_group::CreateTargetGroup;
    use model::elb::name::TargetGroupName;
    use model::refusal::TargetGroupRefusal;
    use model::{AccountId, Change, Owner, Region, ResourceId, Scope, TargetGroupArn};

    fn create(name: &str, id: u64) -> Command {
        let scope = Scope {
            region: Region::try_from("us-east-1").unwrap(),
            account: AccountId::try_from("000000000000").unwrap(),
        };
        Command::CreateTargetGroup(CreateTargetGroup {
            arn: TargetGroupArn::new(&scope, name, ResourceId(id)),
            name: TargetGroupName::try_from(name).unwrap(),
            targets: model::elb::target_group::TargetKind::Lambda(model::elb::target_group::LambdaTargets {
                function: None,
                multi_value_headers: false,
                health_check: model::elb::health_check::HealthCheck::of_lambda(),
            }),
            owner: Owner::Manifest,
        })
    }

    #[tokio::test]
    async fn a_batch_is_one_revision() {
        let (writer, state) = Writer::start(MemoryLog::default(), State::default(), || ()).unwrap();
        let accepted = writer
            .submit(vec![create("a", 1), create("b", 2)], Context::default())
            .await
            .unwrap();
        assert_eq!((accepted.revision, accepted.replies.len()), (Revision(1), 2));
        assert_eq!(state.borrow().target_groups().count(), 2);
    }

    #[tokio::test]
    async fn a_refused_command_takes_its_whole_batch_with_it() {
        let (writer, state) = Writer::start(MemoryLog::default(), State::default(), || ()).unwrap();
        let refused = writer
            .submit(vec![create("a", 1), create("a", 2)], Context::default())
            .await
            .unwrap_err();
        let expected = Refusal::from(TargetGroupRefusal::NameTaken("a".to_owned()));
        assert!(matches!(refused, SubmitError::Refused { index: 1, refusal } if refusal == expected));
        assert_eq!(state.borrow().target_groups().count(), 0);
        assert_eq!(state.borrow().revision, Revision(0));
    }

    #[tokio::test]
    async fn a_batch_that_changes_nothing_makes_no_revision() {
        let (writer, state) = Writer::start(MemoryLog::default(), State::default(), || ()).unwrap();
        let accepted = writer.submit(vec![], Context::default()).await.unwrap();
        assert_eq!(accepted.revision, Revision(0));
        assert!(!state.has_changed().unwrap());
    }

    /// A batch that was decided on a state, and what it would leave.
    fn decided(before: &Arc<State>, name: &str, id: u64) -> (Batch, Arc<State>) {
        let decision = Decision::on(before, vec![create(name, id)], Context::default()).unwrap();
        let after = decision.after().clone();
        (Batch::Decided(Box::new(decision)), after)
    }

    #[tokio::test]
    async fn what_was_decided_on_the_state_becomes_the_state() {
        let (writer, state) = Writer::start(MemoryLog::default(), State::default(), || ()).unwrap();
        let (one, after_one) = decided(&state.borrow().clone(), "a", 1);
        let (two, last) = decided(&after_one, "b", 2);
        let outcomes = writer.submit_all(vec![one, two]).await;
        let revisions: Vec<_> = outcomes.into_iter().map(|it| it.unwrap().revision.0).collect();
        assert_eq!(revisions, [1, 2]);
        assert!(Arc::ptr_eq(&last, &state.borrow()));
    }

    #[tokio::test]
    async fn what_was_decided_on_another_state_is_decided_again() {
        let (writer, state) = Writer::start(MemoryLog::default(), State::default(), || ()).unwrap();
        let before = state.borrow().clone();
        let ((taken, _), (fresh, after_fresh)) = (decided(&before, "a", 1), decided(&before, "b", 2));
        // Its revision is that of the state after the next one, whose content is another.
        let (follows, _) = decided(&after_fresh, "c", 3);
        writer.submit(vec![create("a", 9)], Context::default()).await.unwrap();
        let outcomes = writer.submit_all(vec![taken, follows, fresh]).await;
        assert!(matches!(outcomes[0], Err(SubmitError::Refused { index: 0, .. })));
        let revisions: Vec<_> = outcomes[1..].iter().map(|it| it.as_ref().unwrap().revision.0).collect();
        assert_eq!(revisions, [2, 3]);
        let names: Vec<_> = state.borrow().target_groups().map(|it| it.name.to_string()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    struct FullDisk;

    impl Log for FullDisk {
        fn append(&mut self, _after: Revision, _batches: &[Vec<Change>], _next: &State) -> Result<(), AppendError> {
            Err(AppendError::Io {
                file: "state.redb".into(),
                error: Arc::new(std::io::ErrorKind::StorageFull.into()),
            })
        }
    }

    #[tokio::test]
    async fn what_the_log_did_not_take_is_not_published() {
        let (writer, state) = Writer::start(FullDisk, State::default(), || ()).unwrap();
        let failed = writer
            .submit(vec![create("a", 1)], Context::default())
            .await
            .unwrap_err();
        assert!(matches!(failed, SubmitError::Log(AppendError::Io { .. })));
        assert_eq!(state.borrow().target_groups().count(), 0);
    }

    /// Says how many batches it got at once; each append waits to be let through.
    struct Gated {
        sizes: std::sync::mpsc::Sender<usize>,
        gate: std::sync::mpsc::Receiver<bool>,
    }

    impl Log for Gated {
        fn append(&mut self, _after: Revision, batches: &[Vec<Change>], _next: &State) -> Result<(), AppendError> {
            self.sizes.send(batches.len()).unwrap();
            match self.gate.recv() {
                Ok(true) => Ok(()),
                _ => Err(AppendError::Closed),
            }
        }
    }

    /// A writer whose first batch is being appended, and the submits that came meanwhile, in order.
    async fn crowd(names: &[&'static str]) -> (Crowd, Vec<Result<Accepted, SubmitError>>) {
        let (sizes, seen) = std::sync::mpsc::channel();
        let (open, gate) = std::sync::mpsc::channel();
        let (writer, state) = Writer::start(Gated { sizes, gate }, State::default(), || ()).unwrap();
        let first = writer.submit(vec![create("first", 100)], Context::default());
        let mut first = Box::pin(first);
        assert!(futures_poll(&mut first).await.is_none());
        assert_eq!(seen.recv().unwrap(), 1);
        let mut waiting: Vec<_> = (1..)
            .zip(names)
            .map(|(id, name)| Box::pin(writer.submit(vec![create(name, id)], Context::default())))
            .collect();
        for submit in &mut waiting {
            assert!(futures_poll(submit).await.is_none());
        }
        open.send(true).unwrap();
        first.await.unwrap();
        let size = seen.recv().unwrap();
        open.send(names[0] != "lost").unwrap();
        let mut answers = Vec::new();
        for submit in waiting {
            answers.push(submit.await);
        }
        (Crowd { size, state }, answers)
    }

    struct Crowd {
        size: usize,
        state: watch::Receiver<Arc<State>>,
    }

    /// Polls once.
    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }

    #[tokio::test]
    async fn batches_that_wait_are_stored_together() {
        let (crowd, answers) = crowd(&["a", "b", "a", "c"]).await;
        assert_eq!(crowd.size, 3);
        let revisions: Vec<_> = answers
            .iter()
            .map(|it| it.as_ref().ok().map(|it| it.revision.0))
            .collect();
        assert_eq!(revisions, [Some(2), Some(3), None, Some(4)]);
        assert!(matches!(answers[2], Err(SubmitError::Refused { index: 0, .. })));
        assert_eq!(crowd.state.borrow().target_groups().count(), 4);
        assert_eq!(crowd.state.borrow().revision, Revision(4));
    }

    #[tokio::test]
    async fn batches_that_come_together_are_stored_together() {
        let (sizes, seen) = std::sync::mpsc::channel();
        let (open, gate) = std::sync::mpsc::channel();
        let (writer, state) = Writer::start(Gated { sizes, gate }, State::default(), || ()).unwrap();
        open.send(true).unwrap();
        let batch = |name, id| Batch::Commands(vec![create(name, id)], Context::default());
        let outcomes = writer
            .submit_all(vec![batch("a", 1), batch("a", 2), batch("b", 3)])
            .await;
        assert_eq!(seen.recv().unwrap(), 2);
        let revisions: Vec<_> = outcomes
            .iter()
            .map(|it| it.as_ref().ok().map(|it| it.revision.0))
            .collect();
        assert_eq!(revisions, [Some(1), None, Some(2)]);
        assert_eq!(state.borrow().revision, Revision(2));
    }

    #[tokio::test]
    async fn what_is_not_stored_refuses_nobody() {
        let (crowd, answers) = crowd(&["lost", "lost"]).await;
        assert_eq!(crowd.size, 1);
        // The second is not told that its name is taken: it is not.
        for answer in answers {
            assert!(matches!(answer, Err(SubmitError::Log(AppendError::Closed))));
        }
        assert_eq!(crowd.state.borrow().revision, Revision(1));
    }
}
