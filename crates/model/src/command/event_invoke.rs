//! Commands on what becomes of asynchronous invocations. Source: Lambda 8.12.

use super::{Commit, Reply};
use crate::change::Change;
use crate::ids::{Owner, Timestamp};
use crate::lambda::event_invoke::{
    self, Destination, EventInvokeConfig, FailureDestination, MaximumEventAge, MaximumRetryAttempts, QualifiedArn,
    Settings,
};
use crate::refusal::{EventInvokeRefusal, Refusal};
use crate::state::State;
use std::sync::Arc;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Replace everything.
    Put(PutConfig),
    /// Replace what is given. There must be a configuration.
    Update(UpdateConfig),
    /// Back to the defaults.
    Delete(QualifiedArn),
}

/// Replaces everything.
#[derive(Clone, Debug, PartialEq)]
pub struct PutConfig {
    /// Whose it is.
    pub function: QualifiedArn,
    /// What it is from now on.
    pub settings: Settings,
    /// When. `None`: the time of the call.
    pub last_modified: Option<Timestamp>,
    /// Who may change it.
    pub owner: Owner,
}

/// Replaces what is given.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateConfig {
    /// Whose it is.
    pub function: QualifiedArn,
    /// `MaximumRetryAttempts`.
    pub maximum_retry_attempts: Option<MaximumRetryAttempts>,
    /// `MaximumEventAgeInSeconds`.
    pub maximum_event_age: Option<MaximumEventAge>,
    /// `DestinationConfig`: both are replaced.
    pub destinations: Option<Destinations>,
    /// When. `None`: the time of the call.
    pub last_modified: Option<Timestamp>,
}

/// Where outcomes go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// `OnSuccess`.
    pub on_success: Option<Destination>,
    /// `OnFailure`. Whether its bucket is there is for whoever asks: it is no resource.
    pub on_failure: Option<FailureDestination>,
}

impl Command {
    /// Whose configuration it is about.
    pub fn function(&self) -> &QualifiedArn {
        match self {
            Self::Put(put) => &put.function,
            Self::Update(update) => &update.function,
            Self::Delete(function) => function,
        }
    }
}

pub(super) fn decide(state: &State, command: &Command, now: Timestamp) -> Result<Commit, Refusal> {
    let function = command.function();
    match command {
        Command::Put(put) => {
            existing(state, function)?;
            let last_modified = put.last_modified.unwrap_or(now);
            self::put(state, function, put.settings.clone(), put.owner, last_modified)
        }
        Command::Update(update) => {
            existing(state, function)?;
            let config = config(state, function)?;
            let mut settings = config.settings.clone();
            if update.maximum_retry_attempts.is_some() {
                settings.maximum_retry_attempts = update.maximum_retry_attempts;
            }
            if update.maximum_event_age.is_some() {
                settings.maximum_event_age = update.maximum_event_age;
            }
            if let Some(Destinations { on_success, on_failure }) = &update.destinations {
                settings.on_success.clone_from(on_success);
                settings.on_failure.clone_from(on_failure);
            }
            let last_modified = update.last_modified.unwrap_or(now);
            self::put(state, function, settings, config.owner, last_modified)
        }
        Command::Delete(function) => {
            config(state, function)?;
            let change = event_invoke::Change::Delete(function.clone());
            Ok(Commit::one(Change::EventInvoke(change), Reply::Gone))
        }
    }
}

fn put(
    state: &State,
    function: &QualifiedArn,
    settings: Settings,
    owner: Owner,
    last_modified: Timestamp,
) -> Result<Commit, Refusal> {
    if settings.is_empty() {
        return Err(EventInvokeRefusal::Nothing.into());
    }
    for destination in settings.functions() {
        if destination.function == function.function() {
            return Err(EventInvokeRefusal::OwnDestination.into());
        }
        if !state.is_invocable(&destination.invoked()) {
            return Err(EventInvokeRefusal::NoSuchDestination(destination.clone()).into());
        }
    }
    let config = EventInvokeConfig {
        function: function.clone(),
        settings,
        last_modified,
        owner,
    };
    let change = event_invoke::Change::Put(Arc::new(config));
    Ok(Commit::one(
        Change::EventInvoke(change),
        Reply::Function(function.function()),
    ))
}

fn existing(state: &State, function: &QualifiedArn) -> Result<(), Refusal> {
    match state.is_invocable(function) {
        true => Ok(()),
        false => Err(EventInvokeRefusal::NoSuchFunction(function.clone()).into()),
    }
}

fn config<'a>(state: &'a State, function: &QualifiedArn) -> Result<&'a Arc<EventInvokeConfig>, Refusal> {
    let config = state.event_invokes().of(function);
    config.ok_or_else(|| EventInvokeRefusal::NoConfig(function.clone()).into())
}
