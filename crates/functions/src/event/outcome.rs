//! The document that destinations get. Source: Lambda 5.9.

use super::judge::Condition;
use model::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use store::queue::Event;
use time::OffsetDateTime;

/// What came of an event.
pub(super) struct Outcome<'a> {
    pub(super) event: &'a Event,
    pub(super) condition: Condition,
    pub(super) at: Timestamp,
    /// How often it was run.
    pub(super) runs: u32,
    /// What the last run ended with, when it is known.
    pub(super) answer: Option<Answer<'a>>,
}

/// What a run ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    pub(super) payload: &'a [u8],
    pub(super) is_error: bool,
    pub(super) executed_version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    version: &'static str,
    timestamp: String,
    request_context: RequestContext<'a>,
    request_payload: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_payload: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: &'a str,
    function_arn: &'a str,
    condition: &'static str,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    executed_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'static str>,
}

impl Outcome<'_> {
    /// As JSON.
    pub(super) fn document(&self) -> Vec<u8> {
        let document = Document {
            version: "1.0",
            timestamp: instant(self.at),
            request_context: RequestContext {
                request_id: &self.event.request_id,
                function_arn: self.event.function.as_str(),
                condition: self.condition.as_str(),
                approximate_invoke_count: self.runs,
            },
            request_payload: embedded(&self.event.payload),
            response_context: self.answer.map(|answer| ResponseContext {
                status_code: 200,
                executed_version: answer.executed_version,
                function_error: answer.is_error.then_some("Unhandled"),
            }),
            response_payload: self.answer.map(|answer| embedded(answer.payload)),
        };
        // Its keys are texts.
        serde_json::to_vec(&document).unwrap_or_default()
    }
}

/// JSON as it is, and anything else as a text.
fn embedded(bytes: &[u8]) -> Box<RawValue> {
    let text = String::from_utf8_lossy(bytes);
    let raw = RawValue::from_string(text.trim().to_owned());
    let as_text = |_| serde_json::value::to_raw_value(&text);
    raw.or_else(as_text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// `2025-11-24T23:30:18.123Z`
fn instant(at: Timestamp) -> String {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or_default();
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        at.0 % 1000
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::lambda::event_invoke::QualifiedArn;
    use std::collections::BTreeMap;

    fn event() -> Event {
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:my-fn:$LATEST";
        Event {
            request_id: "11111111-2222-4333-8444-555555555555".to_owned(),
            function: QualifiedArn::try_from(arn).unwrap(),
            accepted: Timestamp(0),
            trace_id: None,
            chain: BTreeMap::new(),
            payload: b" {\"the\": \"event\"}\n".to_vec(),
            bucket: None,
        }
    }

    #[track_caller]
    fn check(condition: Condition, runs: u32, answer: Option<Answer<'_>>, expected: &str) {
        let outcome = Outcome {
            event: &event(),
            condition,
            at: Timestamp(1_764_027_018_123),
            runs,
            answer,
        };
        assert_eq!(String::from_utf8(outcome.document()).unwrap(), expected);
    }

    // LAM-A-006, LAM-A-009: a record of exhausted retries, its ARN qualified
    #[test]
    fn a_failure_is_told_with_the_last_answer() {
        let answer = Answer {
            payload: br#"{"errorMessage":"no","errorType":"Error"}"#,
            is_error: true,
            executed_version: "$LATEST",
        };
        check(
            Condition::RetriesExhausted,
            3,
            Some(answer),
            concat!(
                r#"{"version":"1.0","timestamp":"2025-11-24T23:30:18.123Z","requestContext":{"#,
                r#""requestId":"11111111-2222-4333-8444-555555555555","#,
                r#""functionArn":"arn:aws:lambda:us-east-1:123456789012:function:my-fn:$LATEST","#,
                r#""condition":"RetriesExhausted","approximateInvokeCount":3},"requestPayload":{"the": "event"},"#,
                r#""responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"#,
                r#""responsePayload":{"errorMessage":"no","errorType":"Error"}}"#,
            ),
        );
    }

    // LAM-A-007: a record of a success has no functionError
    #[test]
    fn a_success_has_no_error_and_an_answer_that_is_no_json_is_a_text() {
        let answer = Answer {
            payload: b"plain \xff",
            is_error: false,
            executed_version: "7",
        };
        check(
            Condition::Success,
            1,
            Some(answer),
            concat!(
                r#"{"version":"1.0","timestamp":"2025-11-24T23:30:18.123Z","requestContext":{"#,
                r#""requestId":"11111111-2222-4333-8444-555555555555","#,
                r#""functionArn":"arn:aws:lambda:us-east-1:123456789012:function:my-fn:$LATEST","#,
                r#""condition":"Success","approximateInvokeCount":1},"requestPayload":{"the": "event"},"#,
                r#""responseContext":{"statusCode":200,"executedVersion":"7"},"responsePayload":"plain �"}"#,
            ),
        );
    }

    // LAM-A-008: neither responseContext nor responsePayload where nothing ran
    #[test]
    fn what_never_ran_has_no_answer() {
        check(
            Condition::ZeroReservedConcurrency,
            0,
            None,
            concat!(
                r#"{"version":"1.0","timestamp":"2025-11-24T23:30:18.123Z","requestContext":{"#,
                r#""requestId":"11111111-2222-4333-8444-555555555555","#,
                r#""functionArn":"arn:aws:lambda:us-east-1:123456789012:function:my-fn:$LATEST","#,
                r#""condition":"ZeroReservedConcurrency","approximateInvokeCount":0},"requestPayload":{"the": "event"}}"#,
            ),
        );
    }
}
