//! Commands on log groups and streams.

use super::{Commit, Reply};
use crate::change::Change;
use crate::lambda::logging::LogGroupName;
use crate::limits::{LOG_GROUPS_MAX, LOG_STREAMS_PER_GROUP};
use crate::logs::{Change as LogsChange, LogGroup, LogStream, LogStreamId};
use crate::refusal::{LogsRefusal, Refusal};
use crate::state::State;
use std::sync::Arc;

/// One thing that is asked of CloudWatch Logs.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Create a group that is not there.
    CreateGroup(LogGroup),
    /// Put a group in place, whether or not it is there: what was only written to becomes one that is known.
    PutGroup(LogGroup),
    /// Delete a group with its streams. One that was only written to is no error.
    DeleteGroup(LogGroupName),
    /// Create a stream that is not there.
    CreateStream(LogStream),
    /// Delete a stream. One that was only written to is no error.
    DeleteStream(LogStreamId),
}

pub(super) fn decide(state: &State, command: &Command) -> Result<Commit, Refusal> {
    let logs = state.logs();
    let done = |change| Ok(Commit::one(Change::Logs(change), Reply::Gone));
    match command {
        Command::CreateGroup(group) => {
            if logs.group(group.name.as_str()).is_some() {
                return Err(LogsRefusal::GroupTaken(group.name.clone()).into());
            }
            if logs.groups().count() >= LOG_GROUPS_MAX {
                return Err(LogsRefusal::TooManyGroups.into());
            }
            done(LogsChange::PutGroup(Arc::new(group.clone())))
        }
        Command::PutGroup(group) => match logs.group(group.name.as_str()) {
            Some(existing) if **existing == *group => Ok(Commit::unchanged(Reply::Gone)),
            _ => done(LogsChange::PutGroup(Arc::new(group.clone()))),
        },
        Command::DeleteGroup(name) => match logs.group(name.as_str()) {
            Some(group) if group.is_deletion_protected => Err(LogsRefusal::Protected(name.clone()).into()),
            _ => done(LogsChange::DeleteGroup(name.clone())),
        },
        Command::CreateStream(stream) => {
            if logs.stream(&stream.id).is_some() {
                return Err(LogsRefusal::StreamTaken(stream.id.clone()).into());
            }
            if logs.streams_of(stream.id.group()).count() >= LOG_STREAMS_PER_GROUP {
                return Err(LogsRefusal::TooManyStreams.into());
            }
            done(LogsChange::PutStream(Arc::new(stream.clone())))
        }
        Command::DeleteStream(id) => match logs.stream(id) {
            Some(_) => done(LogsChange::DeleteStream(id.clone())),
            None => Ok(Commit::unchanged(Reply::Gone)),
        },
    }
}
