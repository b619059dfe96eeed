//! Calls of the AWS API: who calls, which service answers, and errors in the shape that the caller's SDK reads.
//!
//! ```text
//! sign_in    the signature: who calls, for which region and service
//! chunked    bodies that come in chunks of their own
//! access     whether the caller may
//! session    temporary credentials
//! query      services that speak the query protocol
//! json       services that speak the JSON protocols
//! ec2        the network
//! elbv2      Elastic Load Balancing
//! iam        users, roles and policies
//! sts        temporary credentials
//! acm        certificates
//! logs       log groups, and what functions wrote
//! cloudwatch metrics
//! lambda     invocations, and the policies of functions
//! ```
//!
//! What is not built gets an honest error that names service and operation, and never a made-up success.

pub(crate) mod access;
mod acm;
mod chunked;
mod cloudwatch;
mod ec2;
mod elbv2;
pub(crate) mod error;
mod iam;
pub(crate) mod json;
mod lambda;
mod logs;
mod part;
mod query;
pub(crate) mod session;
pub(crate) mod sign_in;
mod sts;

pub(crate) use chunked::read_bytes_max;
pub(crate) use lambda::code::BODY_BYTES_MAX as UPLOAD_BYTES_MAX;

use crate::answer::{self, Answer};
use crate::server::{LongCalls, Payload, Shared};
use crate::source::Source;
use bytes::Bytes;
use chunked::Plain;
use error::AwsError;
use hyper::Uri;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::http::request::Parts;
use model::Scope;
use sign_in::Caller;
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

/// Services that speak the query protocol and answer XML.
const QUERY_SERVICES: [&str; 10] = [
    "autoscaling",
    "cloudformation",
    "ec2",
    "elasticloadbalancing",
    "iam",
    "rds",
    "s3",
    "ses",
    "sns",
    "sts",
];

/// Bytes of a form in which the operation of a service that is not built is looked for.
const FORM_BYTES_LOOKED_AT: usize = 1024;

/// Services of the query protocol that are built.
static QUERY: [&query::service::Service; 4] = [&ec2::SERVICE, &elbv2::SERVICE, &iam::SERVICE, &sts::SERVICE];

/// How an SDK reads answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Xml,
    Json,
    Cbor,
}

/// Answers a call.
pub(crate) async fn answer<S: Source>(
    shared: &Arc<Shared<S>>,
    long_calls: &LongCalls,
    parts: &Parts,
    body: &[u8],
) -> Answer {
    let request_id = request_id();
    let answer = match signed(&shared.source, parts, body) {
        Err(error) => refusal(shape(&parts.uri, &parts.headers, None), &error, &request_id),
        Ok((caller, Plain { parts, body })) => {
            let parts: &Parts = &parts;
            match caller.service.as_str() {
                lambda::SERVICE => {
                    let payload = Payload::Whole(body.into_owned().into());
                    return lambda_call(shared, parts, payload, caller, &request_id).await;
                }
                acm::SERVICE => acm::answer(shared, parts, &body, caller).await,
                logs::SERVICE => logs::answer(shared, long_calls, parts, &body, caller, &request_id).await,
                cloudwatch::SERVICE => cloudwatch::answer(shared, parts, &body, &caller, &request_id).await,
                name => match QUERY.iter().find(|service| service.name == name) {
                    Some(service) => query::answer(service, shared, parts, &body, caller, &request_id).await,
                    None => not_built(parts, &body, name, &request_id),
                },
            }
        }
    };
    answer::with_header(answer, "x-amzn-requestid", &request_id)
}

/// Who calls, if they may do what they ask for, and the request as it was meant. Services of the query protocol look for
/// themselves whether they may.
fn signed<'a, S: Source>(source: &S, parts: &'a Parts, body: &'a [u8]) -> Result<(Caller, Plain<'a>), AwsError> {
    let (caller, plain) = sign_in::caller(source, parts, body)?;
    access::calls::check_call(source, &plain.parts, &plain.body, &caller)?;
    Ok((caller, plain))
}

/// The answer to a body that is larger than it may be. Its signature cannot be told; nothing is done for whoever sent it.
pub(crate) fn too_large(parts: &Parts, bytes_max: usize) -> Answer {
    if let Some(operation) = lambda::upload(parts) {
        return crate::lambda::error::LambdaError::too_large_body(bytes_max, operation).answer(&request_id());
    }
    let message = format!("The body is over {bytes_max} bytes");
    let error = AwsError::with_status(413, "RequestEntityTooLarge", message);
    refused(parts, &error)
}

/// The answer to a request that does not come to its end.
pub(crate) fn too_long(parts: &Parts) -> Answer {
    let error = AwsError::with_status(408, "RequestTimeout", "The request took too long");
    refused(parts, &error)
}

/// Refuses a request that cannot be signed as it must be, whatever its body is.
pub(crate) fn check_key<S: Source>(source: &S, parts: &Parts) -> Result<(), Box<Answer>> {
    sign_in::check_key(source, parts).map_err(|error| Box::new(refused(parts, &error)))
}

/// Refuses a request of which only the head is known.
fn refused(parts: &Parts, error: &AwsError) -> Answer {
    let request_id = request_id();
    let answer = refusal(shape(&parts.uri, &parts.headers, None), error, &request_id);
    answer::with_header(answer, "x-amzn-requestid", &request_id)
}

/// Refuses a call to Lambda that is not signed as it must be. Otherwise says what names in it mean, and what its body is.
pub(crate) fn check_lambda<S: Source>(
    shared: &Shared<S>,
    parts: &Parts,
    body: &Bytes,
) -> Result<(Scope, Bytes), Box<Answer>> {
    let refused = |error: &AwsError| {
        let request_id = request_id();
        let answer = refusal(Shape::Json, error, &request_id);
        Box::new(answer::with_header(answer, "x-amzn-requestid", &request_id))
    };
    match signed(&shared.source, parts, body) {
        Ok((caller, plain)) if caller.service == lambda::SERVICE => {
            let scope = Scope {
                region: caller.region,
                account: shared.source.scope().account.clone(),
            };
            Ok((scope, plain.into_bytes(body)))
        }
        Ok(_) => Err(refused(&AwsError::with_status(
            403,
            "SignatureDoesNotMatch",
            "Credential should be scoped to correct service: 'lambda'.",
        ))),
        Err(error) => Err(refused(&error)),
    }
}

/// What a trust store is made of, at a path of the own API that a link leads to.
pub(crate) fn trust_store_file(state: &model::State, path: &str) -> Option<(&'static str, String)> {
    elbv2::trust_store_file(state, path)
}

/// The headers of a call, with what is known of the chain of invocations that it is a part of.
pub(crate) fn traced<'a, S: Source>(shared: &Shared<S>, parts: &'a Parts) -> Cow<'a, HeaderMap> {
    let key = &shared.source.api().session_key;
    crate::function_door::recursion::traced(parts, key, crate::lambda::fresh_trace_id)
}

/// Whether a request carries a package, which has bounds of its own.
pub(crate) fn is_upload(parts: &Parts) -> bool {
    lambda::upload(parts).is_some()
}

/// Finishes functions that are being created or updated, until the endpoint stops.
pub(crate) async fn finish_functions<S: Source>(shared: Arc<Shared<S>>) {
    lambda::finishing::run(shared).await;
}

/// Whether a request is an invocation of a function, which has bounds of its own.
pub(crate) fn is_invocation(parts: &Parts) -> bool {
    lambda::is_invocation(parts)
}

/// Answers a request that [`is_invocation`].
pub(crate) async fn invoke<S: Source>(shared: &Arc<Shared<S>>, parts: &Parts, payload: Payload) -> Answer {
    let request_id = request_id();
    let body = match payload {
        Payload::Whole(body) => body,
        // Its signature cannot be verified. It is refused whoever asks, and nothing else is told.
        Payload::TooLarge => {
            let error = crate::lambda::error::LambdaError::too_large();
            return error.answer(&request_id);
        }
    };
    match signed(&shared.source, parts, &body) {
        Ok((caller, plain)) if caller.service == lambda::SERVICE => {
            let payload = Payload::Whole(plain.into_bytes(&body));
            lambda_call(shared, parts, payload, caller, &request_id).await
        }
        Ok((caller, plain)) => {
            let answer = not_built(parts, &plain.body, &caller.service, &request_id);
            answer::with_header(answer, "x-amzn-requestid", &request_id)
        }
        Err(error) => {
            let answer = refusal(Shape::Json, &error, &request_id);
            answer::with_header(answer, "x-amzn-requestid", &request_id)
        }
    }
}

async fn lambda_call<S: Source>(
    shared: &Arc<Shared<S>>,
    parts: &Parts,
    payload: Payload,
    caller: Caller,
    request_id: &str,
) -> Answer {
    let answered = lambda::answer(shared, parts, payload, caller, request_id).await;
    // An invocation has the request id of the function's.
    let answer =
        answered.unwrap_or_else(|| crate::lambda::error::LambdaError::unknown_operation(parts).answer(request_id));
    match answer.headers().contains_key("x-amzn-requestid") {
        true => answer,
        false => answer::with_header(answer, "x-amzn-requestid", request_id),
    }
}

fn refusal(shape: Shape, error: &AwsError, request_id: &str) -> Answer {
    match shape {
        Shape::Xml => answer::document(
            error.http_status(),
            "text/xml",
            query::error_document(error, None, request_id),
        ),
        Shape::Cbor => cloudwatch::refused_as_cbor(error),
        Shape::Json => {
            // Services that speak JSON call their errors exceptions.
            let code = match error.code.as_ref() {
                "SignatureDoesNotMatch" => "InvalidSignatureException".to_owned(),
                "InvalidClientTokenId" => "UnrecognizedClientException".to_owned(),
                code => format!("{code}Exception"),
            };
            let body = serde_json::json!({ "__type": code, "message": error.message });
            let answer = answer::json(error.http_status(), &body);
            answer::with_header(answer, "x-amzn-errortype", &code)
        }
    }
}

/// HTTP 501, which SDKs do not try again. It names the operation as far as it can be read.
fn not_built(parts: &Parts, body: &[u8], service: &str, request_id: &str) -> Answer {
    let (uri, headers) = (&parts.uri, &parts.headers);
    let shape = shape(uri, headers, Some(service));
    let target = headers.get("x-amz-target").and_then(|it| it.to_str().ok());
    let action = || action(uri.query().unwrap_or_default().as_bytes()).or_else(|| action(body));
    let operation = target.map(str::to_owned).or_else(action);
    let operation = operation.map(|it| format!(", operation {}", it.chars().take(100).collect::<String>()));
    let message = format!(
        "the AWS API of this service ({service}{}) is not built yet",
        operation.unwrap_or_default()
    );
    refusal(shape, &AwsError::not_built(message), request_id)
}

/// The `Action` of a form, as callers of the query protocol name operations. It stands at the beginning.
fn action(form: &[u8]) -> Option<String> {
    let beginning = form.get(..FORM_BYTES_LOOKED_AT).unwrap_or(form);
    let beginning = std::str::from_utf8(beginning).ok()?;
    let named = crate::own_api::query::pairs(beginning).find(|(name, _)| name == "Action");
    named.map(|(_, action)| action)
}

fn shape(uri: &Uri, headers: &HeaderMap, service: Option<&str>) -> Shape {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|it| it.to_str().ok())
        .unwrap_or_default();
    let has_action = |query: &str| query.split('&').any(|pair| pair.starts_with("Action="));
    let is_query = content_type.starts_with("application/x-www-form-urlencoded")
        || uri.query().is_some_and(has_action)
        || service.is_some_and(|service| QUERY_SERVICES.contains(&service));
    if cloudwatch::is_cbor(headers) {
        Shape::Cbor
    } else if is_query && !headers.contains_key("x-amz-target") {
        Shape::Xml
    } else {
        Shape::Json
    }
}

/// A version 4 UUID, as AWS's request ids are. Without random numbers the one of only zeros.
pub(crate) fn request_id() -> String {
    let mut bytes = [0; 16];
    let random = getrandom::fill(&mut bytes).is_ok();
    if random {
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
    }
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}"); // writing to a string cannot fail
    }
    text
}
