//! CloudWatch, API version 2010-08-01: what was measured, and what others measure. In all three protocols that SDKs speak.
//!
//! ```text
//! protocol     RPC v2 with CBOR, JSON 1.0 and the query protocol: a call, its answer, its error
//! input        members of a call; what nobody asked for is refused
//! operations   which operation is answered by whom
//! stat         statistics by their names, and the time that a call is about
//! the others   one file for each operation
//! ```
//!
//! Metrics are kept for two weeks, a datapoint a minute. There are no alarms and no dashboards, and lists of them are empty.

mod data;
mod error;
mod input;
mod list;
mod operations;
mod protocol;
mod put;
mod stat;
mod statistics;

use crate::answer::Answer;
use crate::aws::access;
use crate::aws::sign_in::Caller;
use crate::server::Shared;
use crate::source::Source;
use error::{Error, Kind};
use hyper::http::request::Parts;
use input::Input;
use observe::DatapointReader;
use operations::Answered;
pub(super) use protocol::{is_cbor, refused_as_cbor};
use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;
use wire::value::Value;

/// The signing name.
pub(crate) const SERVICE: &str = "monitoring";

/// Datapoints of two weeks may be much to read: others need the threads that wait for the disk, too.
static READS: Semaphore = Semaphore::const_new(2);

/// One call.
struct Call<'a, S> {
    source: &'a S,
    input: Input,
    /// In seconds since the epoch.
    now: f64,
}

/// Answers a call.
pub(super) async fn answer<S: Source>(
    shared: &Arc<Shared<S>>,
    parts: &Parts,
    body: &[u8],
    caller: &Caller,
    request_id: &str,
) -> Answer {
    let (spoken, received) = protocol::read(parts, body);
    let result = match received {
        Ok(received) => {
            let source = &shared.source;
            result(source, caller, &received.operation, received.input)
                .await
                .map(|it| (received.operation, it))
        }
        Err(error) => Err(error),
    };
    protocol::answer(spoken, result, request_id)
}

async fn result<S: Source>(source: &S, caller: &Caller, operation: &str, input: Input) -> Result<Value, Error> {
    let Some(operation) = operations::named(operation) else {
        return Err(Error::unknown_operation(operation));
    };
    allowed(source, caller, operation.name, &input)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let call = Call {
        source,
        input,
        now: since.as_secs_f64(),
    };
    match operation.answered {
        Answered::ListMetrics => list::answer(call).await,
        Answered::GetMetricData => data::answer(call).await,
        Answered::GetMetricStatistics => statistics::answer(call).await,
        Answered::PutMetricData => put::answer(call).await,
        Answered::Nothing(lists) => Ok(nothing(lists)),
        Answered::Nobody => Err(Error::not_built(format!(
            "The operation {} of CloudWatch is not built: {}",
            operation.name, operation.note
        ))),
    }
}

/// Metrics have no ARNs: policies allow operations on all of them, or measurements of a namespace. Looked at here, where the
/// call is read, so that nothing else can be checked than what is done.
fn allowed<S: Source>(source: &S, caller: &Caller, operation: &str, input: &Input) -> Result<(), Error> {
    let namespace = input.peek("Namespace").filter(|_| operation == "PutMetricData");
    let facts = namespace.map(|namespace| ("cloudwatch:namespace", vec![namespace.to_owned()]));
    let wish = access::Wish {
        action: &format!("cloudwatch:{operation}"),
        resources: &[],
        facts: facts.as_slice(),
    };
    let state = source.state();
    access::check(state.iam(), &source.scope().account, caller, &wish)
        .map_err(|error| Error::new(Kind::Denied, error.message))
}

/// Lists of what nobody can make, whatever is asked of them.
fn nothing(lists: &[&str]) -> Value {
    let empty = |name: &&str| ((*name).to_owned(), Value::List(Vec::new()));
    Value::Structure(lists.iter().map(empty).collect())
}

/// Reads datapoints on a thread that may wait for the disk.
async fn read<T: Send + 'static>(
    reader: DatapointReader,
    read: impl FnOnce(&DatapointReader) -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    // It is never closed.
    let _place = READS.acquire().await;
    match tokio::task::spawn_blocking(move || read(&reader)).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(Error::internal(format!("The datapoints cannot be read: {error}"))),
        Err(_) => Err(Error::internal("The datapoints cannot be read")),
    }
}
