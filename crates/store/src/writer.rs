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
    Batches(Vec<Batch>),
    CloseLog(oneshot::Sender<()>),
    OpenLog(oneshot::Sender<Result<(), OpenError>>),
}

#[derive(Debug)]
struct Batch {
    commands: Vec<Command>,
    context: Context,
    answer: oneshot::Sender<Result<Accepted, SubmitError>>,
}

/// A batch that was decided, and who waits for it.
struct Decided {
    outcome: Result<Accepted, SubmitError>,
    answer: oneshot::Sender<Result<Accepted, SubmitError>>,
}

impl Writer {
    /// Starts the writer on a thread of its own, with the state that the log's replay gave. It stops when the last
    /// clone is dropped.
    pub fn start(log: impl Log, state: State) -> std::io::Result<(Self, watch::Receiver<Arc<State>>)> {
        let (requests, queue) = mpsc::channel(QUEUE);
        let (publish, watch) = watch::channel(Arc::new(state.clone()));
        let running = Running { log, state, publish };
        std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            give_way();
            running.run(queue);
        })?;
        Ok((Self { requests }, watch))
    }

    /// Decides, stores and publishes a batch: all of it or nothing, as one revision. An empty batch changes nothing.
    ///
    /// # Cancel safety
    /// Dropping the future after the batch was queued does not take it back.
    pub async fn submit(&self, commands: Vec<Command>, context: Context) -> Result<Accepted, SubmitError> {
        let mut outcomes = self.submit_all(vec![(commands, context)]).await;
        outcomes.pop().unwrap_or(Err(SubmitError::Stopped))
    }

    /// Submits batches that are decided one after the other, each on what those before it left, and stored together with one
    /// sync. One that is refused takes no other with it. An outcome for each, in their order.
    ///
    /// # Cancel safety
    /// Dropping the future after the batches were queued does not take them back.
    pub async fn submit_all(&self, batches: Vec<(Vec<Command>, Context)>) -> Vec<Result<Accepted, SubmitError>> {
        let (batches, answers): (Vec<_>, Vec<_>) = batches
            .into_iter()
            .map(|(commands, context)| {
                let (answer, answered) = oneshot::channel();
                let batch = Batch {
                    commands,
                    context,
                    answer,
                };
                (batch, answered)
            })
            .unzip();
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

/// Traffic goes first where both want a processor: a checkpoint takes a while. See `albacore`'s threads in the background.
fn give_way() {
    const NICE: i32 = 5;
    // Then it is as urgent as traffic.
    let _ = rustix::process::setpriority_process(None, NICE);
}

struct Running<L> {
    log: L,
    state: State,
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
                    let opened = opened.map(|news| news.into_iter().for_each(|state| self.enter(state)));
                    let _ = answer.send(opened);
                }
            }
        }
    }

    /// Decides each batch on what the ones before it left, and appends what was accepted at once.
    fn commit(&mut self, group: Vec<Batch>) {
        let mut next = self.state.clone();
        let mut accepted = Vec::new();
        let mut decided = Vec::with_capacity(group.len());
        for batch in group {
            let outcome = decide_batch(&next, &batch).map(|(after, changes, replies)| {
                next = after;
                if !changes.is_empty() {
                    accepted.push(changes);
                }
                Accepted {
                    revision: next.revision,
                    replies,
                }
            });
            let answer = batch.answer;
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

    fn enter(&mut self, state: State) {
        self.state = state;
        self.publish.send_replace(Arc::new(self.state.clone()));
    }
}

/// Decides every command on a scratch state that sees the commands before it.
fn decide_batch(state: &State, batch: &Batch) -> Result<(State, Vec<Change>, Vec<Reply>), SubmitError> {
    let mut scratch = state.clone();
    let mut changes = Vec::new();
    let mut replies = Vec::with_capacity(batch.commands.len());
    for (index, command) in batch.commands.iter().enumerate() {
        let commit =
            decide(&scratch, command, &batch.context).map_err(|refusal| SubmitError::Refused { index, refusal })?;
        commit.changes.iter().for_each(|change| scratch.apply(change));
        changes.extend(commit.changes);
        replies.push(commit.reply);
    }
    if !changes.is_empty() {
        scratch.revision = Revision(state.revision.0 + 1);
    }
    Ok((scratch, changes, replies))
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
        let (writer, state) = Writer::start(MemoryLog::default(), State::default()).unwrap();
        let accepted = writer
            .submit(vec![create("a", 1), create("b", 2)], Context::default())
            .await
            .unwrap();
        assert_eq!((accepted.revision, accepted.replies.len()), (Revision(1), 2));
        assert_eq!(state.borrow().target_groups().count(), 2);
    }

    #[tokio::test]
    async fn a_refused_command_takes_its_whole_batch_with_it() {
        let (writer, state) = Writer::start(MemoryLog::default(), State::default()).unwrap();
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
        let (writer, state) = Writer::start(MemoryLog::default(), State::default()).unwrap();
        let accepted = writer.submit(vec![], Context::default()).await.unwrap();
        assert_eq!(accepted.revision, Revision(0));
        assert!(!state.has_changed().unwrap());
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
        let (writer, state) = Writer::start(FullDisk, State::default()).unwrap();
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
        let (writer, state) = Writer::start(Gated { sizes, gate }, State::default()).unwrap();
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
        let (writer, state) = Writer::start(Gated { sizes, gate }, State::default()).unwrap();
        open.send(true).unwrap();
        let batch = |name, id| (vec![create(name, id)], Context::default());
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
