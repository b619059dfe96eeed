//! One call: who asks, what was asked, and what it is asked of.

use crate::api::ApiSettings;
use crate::aws::error::AwsError;
use crate::aws::sign_in::Caller;
use crate::links::Links;
use crate::objects::Objects;
use model::observed::TargetReport;
use model::{Command, ResourceId, Scope, State, Timestamp};
use pki::{RevocationList, TrustBundle};
use std::sync::Arc;
use wire::query::{Fields, Form};
use wire::xml::Xml;

/// A call, with the state that it reads or changes.
pub(in crate::aws) struct Call<'a> {
    /// The operation.
    pub(in crate::aws) action: &'a str,
    /// Its parameters.
    pub(in crate::aws) fields: Fields<'a>,
    pub(in crate::aws) caller: &'a Caller,
    /// The caller's region, and our account.
    pub(in crate::aws) scope: &'a Scope,
    pub(in crate::aws) state: &'a State,
    pub(in crate::aws) api: &'a ApiSettings,
    /// When it was asked.
    pub(in crate::aws) now: Timestamp,
    pub(in crate::aws) targets: &'a (dyn Fn() -> Vec<TargetReport> + Sync),
    pub(in crate::aws) links: &'a Links,
    /// What was read from S3 for this call.
    pub(in crate::aws) fetched: &'a Fetched,
}

/// What a call has read from S3, understood.
#[derive(Debug, Default)]
pub(in crate::aws) enum Fetched {
    #[default]
    Nothing,
    Bundle(TrustBundle),
    RevocationLists(Vec<RevocationList>),
}

/// Reads from S3, and blocks meanwhile.
pub(in crate::aws) type Fetch = Box<dyn FnOnce(&Objects) -> Result<Fetched, AwsError> + Send>;

/// What a call needs on its way to the state and back.
#[derive(Clone)]
pub(in crate::aws) struct Asked {
    pub(in crate::aws) action: String,
    pub(in crate::aws) form: Arc<Form>,
    pub(in crate::aws) caller: Caller,
    pub(in crate::aws) scope: Scope,
    pub(in crate::aws) api: ApiSettings,
    pub(in crate::aws) now: Timestamp,
    pub(in crate::aws) links: Arc<Links>,
    pub(in crate::aws) fetched: Arc<Fetched>,
}

impl Asked {
    pub(in crate::aws) fn of<'a>(
        &'a self,
        state: &'a State,
        targets: &'a (dyn Fn() -> Vec<TargetReport> + Sync),
    ) -> Call<'a> {
        Call {
            action: &self.action,
            fields: self.form.fields(),
            caller: &self.caller,
            scope: &self.scope,
            state,
            api: &self.api,
            now: self.now,
            targets,
            links: &self.links,
            fetched: &self.fetched,
        }
    }
}

/// A change: commands for one batch, and the answer when they are done.
pub(in crate::aws) struct Plan {
    pub(in crate::aws) commands: Vec<Command>,
    pub(in crate::aws) answer: Answering,
}

/// Makes the answer from the state after the change.
pub(in crate::aws) type Answering = Box<dyn FnOnce(&Call<'_>) -> Result<Xml, AwsError> + Send>;

impl Plan {
    /// A change that is answered from the state after it.
    pub(in crate::aws) fn new(
        commands: Vec<Command>,
        answer: impl FnOnce(&Call<'_>) -> Result<Xml, AwsError> + Send + 'static,
    ) -> Self {
        Self {
            commands,
            answer: Box::new(answer),
        }
    }

    /// A change whose answer says nothing.
    pub(in crate::aws) fn silent(commands: Vec<Command>) -> Self {
        Self::new(commands, |_| Ok(Xml::new()))
    }
}

/// An id that nothing else has.
pub(in crate::aws) fn fresh_id() -> Result<ResourceId, AwsError> {
    let id = getrandom::u64().map_err(|_| AwsError::internal("The system gives no random numbers"))?;
    Ok(ResourceId(id))
}
