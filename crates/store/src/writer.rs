//! The writer: one batch at a time, all or nothing.

use crate::log::{AppendError, Log};
use model::{Command, Context, Refusal, Reply, Revision, State, decide};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Batches that may wait. Submitters beyond that wait in `submit`.
const QUEUE: usize = 64;

/// The way into the state. Clones share one writer.
#[derive(Clone, Debug)]
pub struct Writer {
    batches: mpsc::Sender<Batch>,
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

struct Batch {
    commands: Vec<Command>,
    context: Context,
    answer: oneshot::Sender<Result<Accepted, SubmitError>>,
}

impl Writer {
    /// Starts the writer on a thread of its own, with the state that the log's replay gave. It stops when the last
    /// clone is dropped.
    pub fn start(log: impl Log, state: State) -> std::io::Result<(Self, watch::Receiver<Arc<State>>)> {
        let (batches, queue) = mpsc::channel(QUEUE);
        let (publish, watch) = watch::channel(Arc::new(state.clone()));
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || run(log, state, queue, &publish))?;
        Ok((Self { batches }, watch))
    }

    /// Decides, stores and publishes a batch: all of it or nothing, as one revision. An empty batch changes nothing.
    ///
    /// # Cancel safety
    /// Dropping the future after the batch was queued does not take it back.
    pub async fn submit(&self, commands: Vec<Command>, context: Context) -> Result<Accepted, SubmitError> {
        let (answer, answered) = oneshot::channel();
        let batch = Batch {
            commands,
            context,
            answer,
        };
        self.batches.send(batch).await.map_err(|_| SubmitError::Stopped)?;
        answered.await.unwrap_or(Err(SubmitError::Stopped))
    }
}

fn run(mut log: impl Log, mut state: State, mut queue: mpsc::Receiver<Batch>, publish: &watch::Sender<Arc<State>>) {
    while let Some(batch) = queue.blocking_recv() {
        let outcome = commit(&mut log, &state, &batch);
        let result = outcome.map(|(scratch, accepted)| {
            if scratch.revision != state.revision {
                state = scratch;
                publish.send_replace(Arc::new(state.clone()));
            }
            accepted
        });
        // The submitter may have left; the batch stands all the same.
        let _ = batch.answer.send(result);
    }
}

/// Decides every command on a scratch state that sees the commands before it, then appends all changes at once.
fn commit(log: &mut impl Log, state: &State, batch: &Batch) -> Result<(State, Accepted), SubmitError> {
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
        log.append(state.revision, &changes).map_err(SubmitError::Log)?;
        scratch.revision = Revision(state.revision.0 + 1);
    }
    let revision = scratch.revision;
    Ok((scratch, Accepted { revision, replies }))
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
            multi_value_headers: false,
            health_check: model::elb::health_check::HealthCheck::of_lambda(),
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
        fn append(&mut self, _after: Revision, _changes: &[Change]) -> Result<(), AppendError> {
            Err(AppendError::Io(Arc::new(std::io::ErrorKind::StorageFull.into())))
        }
    }

    #[tokio::test]
    async fn what_the_log_did_not_take_is_not_published() {
        let (writer, state) = Writer::start(FullDisk, State::default()).unwrap();
        let failed = writer
            .submit(vec![create("a", 1)], Context::default())
            .await
            .unwrap_err();
        assert!(matches!(failed, SubmitError::Log(AppendError::Io(_))));
        assert_eq!(state.borrow().target_groups().count(), 0);
    }
}
