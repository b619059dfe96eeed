//! AWS Certificate Manager: certificates that the local authority issues at once, and those that somebody brings.
//!
//! ```text
//! operations   which operation is answered by whom
//! request      RequestCertificate and RenewCertificate, which need the authority
//! import       ImportCertificate
//! validation   the names of a request, and the records that AWS would want to see
//! detail, list certificates as JSON
//! tags, options, errors
//! ```
//!
//! Listeners use what is kept in the state, so a certificate that is replaced serves the next handshake.

mod detail;
mod errors;
mod import;
mod list;
mod operations;
mod options;
mod request;
mod tags;
mod validation;

use crate::answer::Answer;
use crate::api::ChangeError;
use crate::aws::error::AwsError;
use crate::aws::json::{self, Fields, Protocol};
use crate::aws::sign_in::Caller;
use crate::server::Shared;
use crate::source::Source;
use hyper::http::request::Parts;
use model::elb::certificate::Certificate;
use model::{CertificateArn, Command, Scope, State, Timestamp};
use operations::Answered;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The signing name.
pub(crate) const SERVICE: &str = "acm";

pub(super) static PROTOCOL: Protocol = Protocol {
    service: "AWS Certificate Manager",
    target: "CertificateManager",
    content_type: "application/x-amz-json-1.1",
    namespace: "",
    invalid: "ValidationException",
};

/// One call, with the state that it reads or changes.
pub(super) struct Call<'a> {
    fields: Fields<'a>,
    scope: &'a Scope,
    state: &'a State,
    now: Timestamp,
}

/// A change: commands for one batch, and the answer when they are done.
pub(super) struct Plan {
    commands: Vec<Command>,
    answer: Value,
}

/// Whether there is an operation of this name, built or not.
pub(super) fn knows(operation: &str) -> bool {
    operations::named(operation).is_some()
}

/// Answers a call that is signed for ACM.
pub(crate) async fn answer<S: Source>(shared: &Arc<Shared<S>>, parts: &Parts, body: &[u8], caller: Caller) -> Answer {
    let result = match json::read(&PROTOCOL, parts, body) {
        Ok(received) => answered(shared, received, caller).await,
        Err(error) => Err(error),
    };
    json::result(&PROTOCOL, &result)
}

async fn answered<S: Source>(
    shared: &Arc<Shared<S>>,
    received: json::Received,
    caller: Caller,
) -> Result<Value, AwsError> {
    let Some(operation) = operations::named(&received.operation) else {
        return Err(json::unknown(&PROTOCOL, &received.operation));
    };
    let asked = Asked {
        input: received.input,
        scope: Scope {
            region: caller.region,
            account: shared.source.scope().account.clone(),
        },
        now: now(),
    };
    // On its own: a change that is stored must be served too, whether or not the caller waits for it.
    let shared_ = shared.clone();
    let answering = shared.tasks.spawn(async move {
        let source = &shared_.source;
        match operation.answered {
            Answered::Read(by) => {
                let state = source.state();
                asked.call(&state, by)
            }
            Answered::Change(by) => change(source, asked, by).await,
            Answered::Request => request::request(source, asked).await,
            Answered::Renew => request::renew(source, asked).await,
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
    submit(source, move |state| asked.call(state, by)).await
}

/// Makes a change, and says what its refusal means.
async fn submit<S: Source>(
    source: &S,
    plan: impl FnOnce(&State) -> Result<Plan, AwsError> + Send + 'static,
) -> Result<Value, AwsError> {
    let build = move |state: &State| plan(state).map(|plan| (plan.commands, plan.answer));
    let changed = source.change(build).await.map_err(|error| match error {
        ChangeError::Build(error) => error,
        ChangeError::Refused(refusal) => errors::of(&refusal, &source.api().manifest),
        ChangeError::Traffic(message) => AwsError::new("InvalidStateException", message),
        ChangeError::Failed(message) => AwsError::with_status(503, "ServiceUnavailable", message),
    })?;
    Ok(changed.rest)
}

/// What a call needs on its way to the state and back.
#[derive(Clone)]
struct Asked {
    input: Map<String, Value>,
    scope: Scope,
    now: Timestamp,
}

impl Asked {
    /// Has a call answered from a state. A member that nobody has looked at would have no effect.
    fn call<T>(&self, state: &State, by: impl FnOnce(&Call<'_>) -> Result<T, AwsError>) -> Result<T, AwsError> {
        let call = Call {
            fields: Fields::new(&PROTOCOL, &self.input),
            scope: &self.scope,
            state,
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

impl Call<'_> {
    /// The certificate that the call names.
    fn certificate(&self) -> Result<&Arc<Certificate>, AwsError> {
        let arn = self.arn()?;
        let found = self.state.certificate(&arn).filter(|_| self.is_here(&arn));
        found.ok_or_else(|| errors::not_found(&arn))
    }

    fn arn(&self) -> Result<CertificateArn, AwsError> {
        let text = self.fields.required_text("CertificateArn")?;
        if text.len() < 20 || !text.starts_with("arn:") {
            let rule = "Member must satisfy regular expression pattern: arn:[\\w+=/,.@-]+:acm:[\\w+=/,.@-]*:[0-9]+:[\\w+=,.@-]+(/[\\w+=,.@-]+)*";
            return Err(self.fields.broken("CertificateArn", rule));
        }
        let invalid = || {
            AwsError::new(
                "InvalidArnException",
                format!("{} is not a valid ARN", json::shown(text)),
            )
        };
        CertificateArn::try_from(text).map_err(|_| invalid())
    }

    /// Whether it is one of this region and account.
    fn is_here(&self, arn: &CertificateArn) -> bool {
        is_in(self.scope, arn)
    }
}

/// Whether an ARN stands in a region and account.
fn is_in(scope: &Scope, arn: &CertificateArn) -> bool {
    let prefix = format!("arn:{}:acm:{}:{}:", scope.partition(), scope.region, scope.account);
    arn.as_str().starts_with(&prefix)
}

/// An ARN that nothing else has.
fn fresh_arn(scope: &Scope) -> Result<CertificateArn, AwsError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| AwsError::internal("The system gives no random numbers"))?;
    // A version 4 UUID.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(CertificateArn::new(scope, u128::from_be_bytes(bytes)))
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// A moment as JSON has it: seconds, with milliseconds behind the point.
#[allow(clippy::cast_precision_loss)] // exact for the next 200,000 years
fn seconds(at: Timestamp) -> Value {
    match at.0 % 1000 {
        0 => Value::from(at.0 / 1000),
        _ => Value::from(at.0 as f64 / 1000.0),
    }
}
