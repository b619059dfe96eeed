//! Events as bytes: a record as [`crate::record`] has them, on one line, and after it the payload as it came.
//!
//! What is on its way into a bucket is a kind of its own. Who does not know it refuses it by name, and reads the others.

use super::{Attempts, Event};
use crate::log::embedded::frame::FrameError;
use model::bucket::BucketArn;
use model::lambda::event_invoke::QualifiedArn;
use model::{FunctionArn, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version that is written. All from 1 on are read.
const NEWEST: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<T> {
    kind: String,
    version: u32,
    put: T,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventV1 {
    request_id: String,
    function: String,
    accepted_millis: u64,
    trace_id: Option<String>,
    chain: BTreeMap<String, u32>,
    payload_bytes: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeliveryV1 {
    request_id: String,
    bucket: String,
    function: String,
    accepted_millis: u64,
    payload_bytes: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttemptsV1 {
    failures: u32,
    due_millis: u64,
}

const EVENT: &str = "event";
const DELIVERY: &str = "event_delivery";
const ATTEMPTS: &str = "event_attempts";

/// An event as bytes.
pub fn encode_event(event: &Event) -> Vec<u8> {
    let Event {
        request_id,
        function,
        accepted,
        trace_id,
        chain,
        payload,
        bucket,
    } = event;
    let mut bytes = match bucket {
        None => line(
            EVENT,
            EventV1 {
                request_id: request_id.clone(),
                function: function.to_string(),
                accepted_millis: accepted.0,
                trace_id: trace_id.clone(),
                chain: chain
                    .iter()
                    .map(|(function, runs)| (function.to_string(), *runs))
                    .collect(),
                payload_bytes: payload.len(),
            },
        ),
        // Nothing runs any more that would have a trace or a chain.
        Some(bucket) => line(
            DELIVERY,
            DeliveryV1 {
                request_id: request_id.clone(),
                bucket: bucket.to_string(),
                function: function.to_string(),
                accepted_millis: accepted.0,
                payload_bytes: payload.len(),
            },
        ),
    };
    bytes.push(b'\n');
    bytes.extend_from_slice(payload);
    bytes
}

/// What has happened to an event, as bytes.
pub fn encode_attempts(attempts: Attempts) -> Vec<u8> {
    let Attempts { failures, due } = attempts;
    line(
        ATTEMPTS,
        AttemptsV1 {
            failures,
            due_millis: due.0,
        },
    )
}

fn line(kind: &str, put: impl Serialize) -> Vec<u8> {
    crate::log::embedded::frame::json(&Envelope {
        kind: kind.to_owned(),
        version: NEWEST,
        put,
    })
}

/// Bytes as the event they were made from.
///
/// # Errors
/// Why they are none, for people.
pub fn decode_event(bytes: &[u8]) -> Result<Event, String> {
    event(bytes).map_err(|error| match error {
        FrameError::Damaged(reason) | FrameError::Unknown(reason) => reason,
    })
}

/// Bytes as what has happened to an event.
///
/// # Errors
/// Why they are not, for people.
pub fn decode_attempts(bytes: &[u8]) -> Result<Attempts, String> {
    attempts(bytes).map_err(|error| match error {
        FrameError::Damaged(reason) | FrameError::Unknown(reason) => reason,
    })
}

pub(super) fn event(bytes: &[u8]) -> Result<Event, FrameError> {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (head, payload) = bytes.split_at(end);
    let payload = payload.get(1..).unwrap_or_default();
    if kind_of(head)? == DELIVERY {
        return delivery(read(DELIVERY, head)?, payload);
    }
    let put: EventV1 = read(EVENT, head)?;
    let chain = put.chain.into_iter().map(|(function, runs)| {
        let function = FunctionArn::try_from(function.as_str()).map_err(unknown)?;
        Ok((function, runs))
    });
    Ok(Event {
        request_id: put.request_id,
        function: QualifiedArn::try_from(put.function.as_str()).map_err(unknown)?,
        accepted: Timestamp(put.accepted_millis),
        trace_id: put.trace_id,
        chain: chain.collect::<Result<_, FrameError>>()?,
        payload: whole(payload, put.payload_bytes)?,
        bucket: None,
    })
}

fn delivery(put: DeliveryV1, payload: &[u8]) -> Result<Event, FrameError> {
    Ok(Event {
        request_id: put.request_id,
        function: QualifiedArn::try_from(put.function.as_str()).map_err(unknown)?,
        accepted: Timestamp(put.accepted_millis),
        trace_id: None,
        chain: BTreeMap::new(),
        payload: whole(payload, put.payload_bytes)?,
        bucket: Some(BucketArn::try_from(put.bucket.as_str()).map_err(unknown)?),
    })
}

fn whole(payload: &[u8], written: usize) -> Result<Vec<u8>, FrameError> {
    match payload.len() {
        there if there == written => Ok(payload.to_vec()),
        there => Err(FrameError::Damaged(format!(
            "its payload has {there} bytes, and {written} were written"
        ))),
    }
}

pub(super) fn attempts(bytes: &[u8]) -> Result<Attempts, FrameError> {
    let put: AttemptsV1 = read(ATTEMPTS, bytes)?;
    Ok(Attempts {
        failures: put.failures,
        due: Timestamp(put.due_millis),
    })
}

/// What every record says first.
#[derive(Deserialize)]
struct Any {
    kind: String,
    version: u32,
}

impl Any {
    fn read(bytes: &[u8]) -> Result<Self, FrameError> {
        serde_json::from_slice(bytes).map_err(|error| FrameError::Damaged(format!("it is no record: {error}")))
    }
}

fn kind_of(bytes: &[u8]) -> Result<String, FrameError> {
    Any::read(bytes).map(|any| any.kind)
}

/// Strict: whoever wrote an unknown kind, version or field meant something.
fn read<T: DeserializeOwned>(kind: &str, bytes: &[u8]) -> Result<T, FrameError> {
    let any = Any::read(bytes)?;
    if any.kind != kind {
        return Err(FrameError::Unknown(format!(
            "it is of the kind {:?} and not {kind:?}",
            any.kind
        )));
    }
    if any.version != NEWEST {
        let version = any.version;
        return Err(FrameError::Unknown(format!(
            "it is of version {version}, and this albacore knows versions up to {NEWEST}"
        )));
    }
    let envelope: Envelope<T> = serde_json::from_slice(bytes).map_err(unknown)?;
    Ok(envelope.put)
}

fn unknown(error: impl std::fmt::Display) -> FrameError {
    FrameError::Unknown(error.to_string())
}
