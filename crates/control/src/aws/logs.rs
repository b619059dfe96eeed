//! CloudWatch Logs: groups and streams, what is written into them, and what functions wrote.
//!
//! ```text
//! operations   which operation is answered by whom
//! group        the group that a call names, from the state and from the files
//! groups, streams, tags, events, filter, tail
//! pattern      filter patterns
//! ```
//!
//! Events live in `observe`'s files, which functions write too. A group or a stream exists when somebody created it, which
//! the state knows, or when something was written into it. Names are the same in every region.

mod events;
mod filter;
mod filters;
mod group;
mod groups;
mod operations;
mod pattern;
mod streams;
mod tags;
mod tail;

use crate::answer::Answer;
use crate::api::ChangeError;
use crate::aws::error::AwsError;
use crate::aws::json::{self, Fields, Protocol};
use crate::aws::sign_in::Caller;
use crate::server::{LongCalls, Shared};
use crate::source::Source;
use hyper::http::request::Parts;
use model::refusal::{LogsRefusal, Refusal};
use model::{Command, Scope, State, Timestamp};
use observe::{LogGroupKeeper, LogGroupReader};
use operations::Answered;
use serde_json::{Map, Value};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The signing name.
pub(crate) const SERVICE: &str = "logs";

pub(super) static PROTOCOL: Protocol = Protocol {
    service: "Amazon CloudWatch Logs",
    target: "Logs_20140328",
    content_type: "application/x-amz-json-1.1",
    namespace: "",
    invalid: "InvalidParameterException",
};

/// How long a call waits for the disk to take what functions wrote before it.
const CATCH_UP_TIMEOUT: Duration = Duration::from_millis(500);

/// One call, with what it reads or changes. It may block on the disk.
pub(super) struct Call<'a> {
    fields: Fields<'a>,
    scope: &'a Scope,
    state: &'a State,
    reader: &'a LogGroupReader,
    keeper: &'a LogGroupKeeper,
    now: Timestamp,
}

/// A change: something that is done to the files first, commands for one batch, and the answer when all of it is done.
pub(super) struct Plan {
    files: Option<FileWork>,
    commands: Vec<Command>,
    answer: Value,
}

type FileWork = Box<dyn FnOnce(&LogGroupKeeper) -> io::Result<()> + Send>;

impl Plan {
    fn new(command: Command) -> Self {
        Self {
            files: None,
            commands: vec![command],
            answer: Value::Null,
        }
    }
}

/// Whether there is an operation of this name, built or not.
pub(super) fn knows(operation: &str) -> bool {
    operations::named(operation).is_some()
}

/// Answers a call that is signed for CloudWatch Logs.
pub(crate) async fn answer<S: Source>(
    shared: &Arc<Shared<S>>,
    long_calls: &LongCalls,
    parts: &Parts,
    body: &[u8],
    caller: Caller,
    request_id: &str,
) -> Answer {
    let result = match json::read(&PROTOCOL, parts, body) {
        Ok(received) => {
            let operation = operations::named(&received.operation);
            let asked = Asked::of(shared, received.input, caller);
            match operation {
                None => Err(json::unknown(&PROTOCOL, &received.operation)),
                Some(operation) => match operation.answered {
                    Answered::Tail => match tail::answer(shared, long_calls, asked, request_id).await {
                        Ok(answer) => return answer,
                        Err(error) => Err(error),
                    },
                    _ => answered(shared, operation, asked).await,
                },
            }
        }
        Err(error) => Err(error),
    };
    json::result(&PROTOCOL, &result)
}

/// On its own: a change that is stored must be finished, whether or not the caller waits for it.
async fn answered<S: Source>(
    shared: &Arc<Shared<S>>,
    operation: &'static operations::Operation,
    asked: Asked,
) -> Result<Value, AwsError> {
    let shared_ = shared.clone();
    let answering = shared.tasks.spawn(async move {
        match operation.answered {
            Answered::Read(by) => {
                let state = shared_.source.state();
                asked.blocking(move |asked| asked.call(&state, by)).await
            }
            Answered::Change(by) => change(&shared_.source, asked, by).await,
            Answered::Tail => Err(AwsError::internal("The call could not be answered")),
            Answered::Nobody => Err(json::not_built(&PROTOCOL, operation.name, operation.note)),
        }
    });
    let cannot = |_| AwsError::internal("The call could not be answered");
    answering.await.map_err(cannot)?
}

async fn change<S: Source>(
    source: &S,
    asked: Asked,
    by: fn(&Call<'_>) -> Result<Plan, AwsError>,
) -> Result<Value, AwsError> {
    let state = source.state();
    // The files first: what a crash leaves then is a group that is known and empty, and not one that is unknown and full.
    let deleted = asked
        .clone()
        .blocking(move |asked| {
            let plan = asked.call(&state, by)?;
            let Some(work) = plan.files else { return Ok(None) };
            work(&asked.keeper).map_err(|error| disk(&error))?;
            Ok(Some((plan.commands, plan.answer)))
        })
        .await?;
    // What is read from the files by now is remembered, so that this does not block for long.
    let build = move |state: &State| match deleted {
        Some(done) => Ok(done),
        None => asked.call(state, by).map(|plan| (plan.commands, plan.answer)),
    };
    let changed = source.change(build).await.map_err(|error| match error {
        ChangeError::Build(error) => error,
        ChangeError::Refused(refusal) => refused(&refusal),
        ChangeError::Traffic(message) | ChangeError::Failed(message) => {
            AwsError::with_status(503, "ServiceUnavailable", message)
        }
    })?;
    Ok(changed.rest)
}

fn refused(refusal: &Refusal) -> AwsError {
    match refusal {
        Refusal::Logs(LogsRefusal::GroupTaken(_)) => group::taken(),
        Refusal::Logs(LogsRefusal::StreamTaken(_)) => AwsError::new(
            "ResourceAlreadyExistsException",
            "The specified log stream already exists",
        ),
        Refusal::Logs(LogsRefusal::Protected(name)) => protected(name.as_str()),
        Refusal::Logs(LogsRefusal::TooManyGroups | LogsRefusal::TooManyStreams) => {
            AwsError::new("LimitExceededException", format!("Resource limit exceeded: {refusal}."))
        }
        refusal => AwsError::new("InvalidParameterException", refusal.to_string()),
    }
}

fn protected(name: &str) -> AwsError {
    let message = format!("The log group {name} has deletion protection enabled and cannot be deleted.");
    AwsError::new("ValidationException", message)
}

/// What a call needs on its way to state and files and back.
#[derive(Clone)]
struct Asked {
    input: Map<String, Value>,
    scope: Scope,
    reader: LogGroupReader,
    keeper: LogGroupKeeper,
    now: Timestamp,
    /// The caller is a function.
    at_door: bool,
}

impl Asked {
    fn of<S: Source>(shared: &Shared<S>, input: Map<String, Value>, caller: Caller) -> Self {
        Self {
            input,
            scope: Scope {
                region: caller.region,
                account: shared.source.scope().account.clone(),
            },
            reader: shared.source.logs().0,
            keeper: shared.source.log_keeper(),
            now: now(),
            at_door: caller.at_door,
        }
    }

    /// Works where blocking is no matter, after what functions wrote before has reached its files.
    async fn blocking<T: Send + 'static>(
        self,
        work: impl FnOnce(&Self) -> Result<T, AwsError> + Send + 'static,
    ) -> Result<T, AwsError> {
        let working = tokio::task::spawn_blocking(move || {
            self.reader.catch_up(CATCH_UP_TIMEOUT);
            work(&self)
        });
        let cannot = |_| AwsError::internal("The call could not be answered");
        working.await.map_err(cannot)?
    }

    /// Has a call answered. A member that nobody has looked at would have no effect.
    fn call<T>(&self, state: &State, by: impl FnOnce(&Call<'_>) -> Result<T, AwsError>) -> Result<T, AwsError> {
        let call = Call {
            fields: Fields::new(&PROTOCOL, &self.input),
            scope: &self.scope,
            state,
            reader: &self.reader,
            keeper: &self.keeper,
            now: self.now,
        };
        let answer = call.fields.told(by(&call))?;
        match call.fields.unread() {
            None => Ok(answer),
            Some(name) => Err(AwsError::not_built(format!(
                "The member {} is not known, or not built",
                json::shown(&name)
            ))),
        }
    }
}

fn disk(error: &io::Error) -> AwsError {
    AwsError::with_status(
        503,
        "ServiceUnavailable",
        format!("The log groups cannot be read or written: {error}"),
    )
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
