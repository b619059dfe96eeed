//! The three protocols. Sources: Smithy's `rpcv2Cbor` and `awsQueryCompatible`, AWS's JSON 1.0 and query protocols.

use super::error::{Error, Kind};
use super::input::Input;
use crate::answer::{self, Answer};
use crate::aws::error::AwsError;
use crate::aws::json;
use bytes::Bytes;
use flate2::read::GzDecoder;
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use std::io::Read;
use wire::query::Form;
use wire::value::Value;
use wire::xml::{self, Fault, Xml};

/// What names the service in RPC v2 and in JSON.
const TARGET: &str = "GraniteServiceVersion20100801";
/// Before the shape of an error.
const SHAPES: &str = "com.amazonaws.cloudwatch.v2010_08_01#";
const NAMESPACE: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";
const VERSION: &str = "2010-08-01";

const JSON: json::Protocol = json::Protocol {
    service: "CloudWatch",
    target: TARGET,
    content_type: "application/x-amz-json-1.0",
    namespace: SHAPES,
    invalid: "InvalidParameterValueException",
};

/// A body that was packed, in bytes. Source: CloudWatch `PutMetricData`, 1 MB.
const UNPACKED_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How a caller speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Cbor,
    Json,
    Query,
}

/// A call as it was received.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) operation: String,
    pub(super) input: Input,
}

/// Whether a request is one of RPC v2, of any service.
pub(in crate::aws) fn is_cbor(headers: &HeaderMap) -> bool {
    headers
        .get("smithy-protocol")
        .is_some_and(|protocol| protocol == "rpc-v2-cbor")
}

/// Reads a call.
pub(super) fn read(parts: &Parts, body: &[u8]) -> (Spoken, Result<Received, Error>) {
    let spoken = if is_cbor(&parts.headers) {
        Spoken::Cbor
    } else if parts.headers.contains_key("x-amz-target") {
        Spoken::Json
    } else {
        Spoken::Query
    };
    let received = unpacked(&parts.headers, body).and_then(|body| match spoken {
        Spoken::Cbor => read_cbor(parts, &body),
        Spoken::Json => read_json(parts, &body),
        Spoken::Query => read_query(parts, &body),
    });
    (spoken, received)
}

/// SDKs pack large measurements. Source: `requestCompression` of `PutMetricData`.
fn unpacked(headers: &HeaderMap, body: &[u8]) -> Result<Bytes, Error> {
    let malformed = |message: &str| Error::new(Kind::Serialization, message);
    match headers.get(CONTENT_ENCODING).map(|it| it.as_bytes()) {
        None => Ok(Bytes::copy_from_slice(body)),
        Some(b"gzip") => {
            let mut unpacked = Vec::new();
            let mut decoder = GzDecoder::new(body).take(UNPACKED_BYTES_MAX + 1);
            match decoder.read_to_end(&mut unpacked) {
                Ok(_) if unpacked.len() as u64 <= UNPACKED_BYTES_MAX => Ok(unpacked.into()),
                Ok(_) => Err(malformed("The body is too large when it is unpacked")),
                Err(_) => Err(malformed("The body is not gzip")),
            }
        }
        Some(_) => Err(malformed("The body has an encoding other than gzip")),
    }
}

fn read_cbor(parts: &Parts, body: &[u8]) -> Result<Received, Error> {
    let path = parts.uri.path();
    let operation = path
        .strip_prefix("/service/")
        .and_then(|rest| rest.strip_prefix(TARGET)?.strip_prefix("/operation/"));
    let Some(operation) = operation.filter(|_| parts.method == Method::POST) else {
        return Err(Error::unknown_operation(path));
    };
    let value = match body {
        [] => Value::Structure(Vec::new()),
        _ => wire::cbor::read(body).map_err(|error| Error::new(Kind::Serialization, error.to_string()))?,
    };
    received(operation, value, Spoken::Cbor)
}

fn read_json(parts: &Parts, body: &[u8]) -> Result<Received, Error> {
    let call = json::read(&JSON, parts, body).map_err(|error| {
        let kind = match error.code.as_ref() {
            "UnknownOperationException" => Kind::UnknownOperation,
            _ => Kind::Serialization,
        };
        Error::new(kind, error.message)
    })?;
    let input = from_json(serde_json::Value::Object(call.input));
    received(&call.operation, input, Spoken::Json)
}

fn read_query(parts: &Parts, body: &[u8]) -> Result<Received, Error> {
    if !matches!(parts.method, Method::POST | Method::GET) || parts.uri.path() != "/" {
        return Err(Error::new(Kind::UnknownOperation, "Calls are POST or GET of /"));
    }
    let query = parts.uri.query().unwrap_or_default();
    let unsigned = query.split('&').filter(|pair| !pair.starts_with("X-Amz-"));
    let unsigned: Vec<_> = unsigned.collect();
    let form = Form::read(&[unsigned.join("&").as_bytes(), body])
        .map_err(|error| Error::new(Kind::Serialization, error.to_string()))?;
    let Value::Structure(mut members) = form.value() else {
        return Err(Error::unknown_operation(""));
    };
    let mut take = |name: &str| {
        let at = members.iter().position(|(its, _)| its == name)?;
        match members.remove(at) {
            (_, Value::Text(text)) => Some(text),
            _ => None,
        }
    };
    let (action, version) = (take("Action"), take("Version"));
    match (action, version.as_deref()) {
        (Some(action), Some(VERSION)) => received(&action, Value::Structure(members), Spoken::Query),
        (action, _) => Err(Error::unknown_operation(&action.unwrap_or_default())),
    }
}

fn received(operation: &str, input: Value, spoken: Spoken) -> Result<Received, Error> {
    let input = Input::new(input, spoken == Spoken::Query)
        .ok_or_else(|| Error::new(Kind::Serialization, "The input is not a structure"))?;
    Ok(Received {
        operation: operation.to_owned(),
        input,
    })
}

fn from_json(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Boolean(truth),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Value::Integer(whole),
            None => number.as_f64().map_or(Value::Null, Value::Number),
        },
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Array(values) => Value::List(values.into_iter().map(from_json).collect()),
        serde_json::Value::Object(members) => {
            let members = members.into_iter();
            Value::Structure(members.map(|(name, value)| (name, from_json(value))).collect())
        }
    }
}

/// The answer to a call: an operation with its output, or an error.
pub(super) fn answer(spoken: Spoken, result: Result<(String, Value), Error>, request_id: &str) -> Answer {
    match (spoken, result) {
        (Spoken::Cbor, Ok((_, output))) => cbor(StatusCode::OK, &output),
        (Spoken::Json, Ok((_, output))) => {
            answer::document(StatusCode::OK, JSON.content_type, to_json(&output).to_string())
        }
        (Spoken::Query, Ok((operation, output))) => {
            let mut xml = Xml::new();
            members_to_xml(&output, &mut xml);
            let document = xml::response(&operation, NAMESPACE, &xml, request_id);
            answer::document(StatusCode::OK, "text/xml", document)
        }
        (spoken, Err(error)) => refused(spoken, &error, request_id),
    }
}

fn refused(spoken: Spoken, error: &Error, request_id: &str) -> Answer {
    let (shape, code, status) = error.kind.names();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (fault, side) = match status.is_client_error() {
        true => (Fault::Sender, "Sender"),
        false => (Fault::Receiver, "Receiver"),
    };
    let document = Value::structure([
        ("__type", Some(format!("{SHAPES}{shape}").into())),
        ("message", Some(error.message.as_str().into())),
    ]);
    let answer = match spoken {
        Spoken::Query => {
            let document = xml::error(Some(NAMESPACE), fault, code, &error.message, request_id);
            return answer::document(status, "text/xml", document);
        }
        Spoken::Cbor => cbor(status, &document),
        Spoken::Json => answer::document(status, JSON.content_type, to_json(&document).to_string()),
    };
    // Callers that used to speak the query protocol know its codes.
    answer::with_header(answer, "x-amzn-query-error", &format!("{code};{side}"))
}

/// An error that has nothing to do with CloudWatch, for a caller who speaks RPC v2.
pub(in crate::aws) fn refused_as_cbor(error: &AwsError) -> Answer {
    let document = Value::structure([
        ("__type", Some(error.code.as_ref().into())),
        ("message", Some(error.message.as_str().into())),
    ]);
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    cbor(status, &document)
}

fn cbor(status: StatusCode, document: &Value) -> Answer {
    let answer = answer::document(status, "application/cbor", wire::cbor::write(document));
    answer::with_header(answer, "smithy-protocol", "rpc-v2-cbor")
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Boolean(truth) => (*truth).into(),
        Value::Integer(number) => (*number).into(),
        Value::Number(number) | Value::Time(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Bytes(_) => serde_json::Value::Null, // CloudWatch has none
        Value::List(values) => values.iter().map(to_json).collect(),
        Value::Structure(members) | Value::Map(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), to_json(value)));
            serde_json::Value::Object(members.collect())
        }
    }
}

fn members_to_xml(value: &Value, xml: &mut Xml) {
    if let Value::Structure(members) = value {
        members.iter().for_each(|(name, value)| to_xml(name, value, xml));
    }
}

fn to_xml(name: &str, value: &Value, xml: &mut Xml) {
    match value {
        Value::Null | Value::Bytes(_) => {}
        Value::Boolean(truth) => xml.value(name, truth),
        Value::Integer(number) => xml.value(name, number),
        Value::Number(number) => xml.value(name, number),
        Value::Text(text) => xml.text(name, text),
        Value::Time(seconds) => xml.text(name, &iso8601(*seconds)),
        Value::List(values) => xml.within(name, |xml| values.iter().for_each(|value| to_xml("member", value, xml))),
        Value::Structure(_) => xml.within(name, |xml| members_to_xml(value, xml)),
        Value::Map(entries) => xml.within(name, |xml| {
            for (key, value) in entries {
                xml.within("entry", |xml| {
                    xml.text("key", key);
                    to_xml("value", value, xml);
                });
            }
        }),
    }
}

/// Minutes are whole, so that a fraction is never needed.
#[expect(clippy::cast_possible_truncation, reason = "times are in the range of dates")]
#[expect(clippy::cast_sign_loss, reason = "times are in the range of dates")]
fn iso8601(seconds: f64) -> String {
    wire::time::iso8601((seconds.max(0.0) * 1000.0) as u64).replace(".000Z", "Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::GzEncoder;
    use http_body_util::BodyExt;
    use hyper::Request;

    fn parts(path: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    const CBOR: (&str, &str) = ("smithy-protocol", "rpc-v2-cbor");
    const PATH: &str = "/service/GraniteServiceVersion20100801/operation/ListMetrics";

    fn namespace_of(received: Received) -> (String, Option<String>) {
        let mut input = received.input;
        (received.operation, input.text("Namespace").unwrap())
    }

    #[test]
    fn every_protocol_says_the_same() {
        let value = Value::structure([("Namespace", Some("N".into()))]);
        let cbor = wire::cbor::write(&value);
        let target = [("x-amz-target", "GraniteServiceVersion20100801.ListMetrics")];
        let form = b"Action=ListMetrics&Version=2010-08-01&Namespace=N";
        let packed = {
            let mut packed = Vec::new();
            GzEncoder::new(&cbor[..], Compression::fast())
                .read_to_end(&mut packed)
                .unwrap();
            packed
        };
        let gzip = ("content-encoding", "gzip");
        for (parts, body, expected) in [
            (parts(PATH, &[CBOR]), &cbor[..], Spoken::Cbor),
            (parts(PATH, &[CBOR, gzip]), &packed, Spoken::Cbor),
            (parts("/", &target), br#"{"Namespace":"N"}"#, Spoken::Json),
            (parts("/", &[]), form, Spoken::Query),
            (
                parts("/?Action=ListMetrics&X-Amz-Date=1&Version=2010-08-01", &[]),
                b"Namespace=N",
                Spoken::Query,
            ),
        ] {
            let (spoken, received) = read(&parts, body);
            assert_eq!(spoken, expected);
            let expected = ("ListMetrics".to_owned(), Some("N".to_owned()));
            assert_eq!(namespace_of(received.unwrap()), expected);
        }
    }

    #[test]
    fn what_is_no_call_is_refused() {
        for (parts, body, expected) in [
            (
                parts("/service/Other/operation/ListMetrics", &[CBOR]),
                &b""[..],
                Kind::UnknownOperation,
            ),
            (parts(PATH, &[CBOR]), b"\x80", Kind::Serialization),
            (parts(PATH, &[CBOR]), b"\xbf", Kind::Serialization),
            (
                parts(PATH, &[CBOR, ("content-encoding", "gzip")]),
                b"x",
                Kind::Serialization,
            ),
            (
                parts(PATH, &[CBOR, ("content-encoding", "br")]),
                b"x",
                Kind::Serialization,
            ),
            (
                parts("/", &[("x-amz-target", "Other.ListMetrics")]),
                b"{}",
                Kind::UnknownOperation,
            ),
            (parts("/", &[]), b"Action=ListMetrics", Kind::UnknownOperation),
            (
                parts("/", &[]),
                b"Action=ListMetrics&Version=2009-05-15",
                Kind::UnknownOperation,
            ),
            (
                parts("/x", &[]),
                b"Action=ListMetrics&Version=2010-08-01",
                Kind::UnknownOperation,
            ),
        ] {
            assert_eq!(read(&parts, body).1.unwrap_err().kind, expected);
        }
        // A body of nothing is no input at all.
        assert!(read(&parts(PATH, &[CBOR]), b"").1.is_ok());
    }

    #[test]
    fn a_packed_body_has_a_bound() {
        let bytes = vec![0; 8 * 1024 * 1024];
        let mut packed = Vec::new();
        GzEncoder::new(&bytes[..], Compression::fast())
            .read_to_end(&mut packed)
            .unwrap();
        let parts = parts(PATH, &[CBOR, ("content-encoding", "gzip")]);
        assert_eq!(read(&parts, &packed).1.unwrap_err().kind, Kind::Serialization);
    }

    async fn text(answer: Answer) -> (u16, Option<String>, Vec<u8>) {
        let error = answer.headers().get("x-amzn-query-error");
        let error = error.map(|it| it.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        (
            status,
            error,
            answer.into_body().collect().await.unwrap().to_bytes().to_vec(),
        )
    }

    #[tokio::test]
    async fn answers_and_errors_are_written_as_they_are_read() {
        let output = || {
            let entry = ("p99".to_owned(), Value::from(1.5));
            Value::structure([
                ("Label", Some("a<b".into())),
                ("Times", Some(Value::List(vec![Value::Time(60.0)]))),
                ("Extended", Some(Value::Map(vec![entry]))),
            ])
        };
        let answered = |spoken| answer(spoken, Ok(("Op".to_owned(), output())), "1-2");
        let (_, _, json) = text(answered(Spoken::Json)).await;
        let expected = br#"{"Extended":{"p99":1.5},"Label":"a<b","Times":[60.0]}"#;
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&json).unwrap(),
            serde_json::from_slice::<serde_json::Value>(expected).unwrap()
        );
        let (_, _, xml) = text(answered(Spoken::Query)).await;
        let xml = String::from_utf8(xml).unwrap();
        let expected = "<OpResult><Label>a&lt;b</Label><Times><member>1970-01-01T00:01:00Z</member></Times>\
             <Extended><entry><key>p99</key><value>1.5</value></entry></Extended></OpResult>";
        assert!(xml.contains(expected), "{xml}");
        let (_, _, cbor) = text(answered(Spoken::Cbor)).await;
        let read = wire::cbor::read(&cbor).unwrap();
        assert_eq!(read.member("Times"), output().member("Times"));

        let refused = |spoken| answer(spoken, Err(Error::missing("Namespace")), "1-2");
        let code = Some("MissingParameter;Sender".to_owned());
        let (status, error, cbor) = text(refused(Spoken::Cbor)).await;
        let kind = "com.amazonaws.cloudwatch.v2010_08_01#MissingRequiredParameterException";
        assert_eq!((status, error), (400, code.clone()));
        assert_eq!(
            wire::cbor::read(&cbor).unwrap().member("__type"),
            Some(&Value::from(kind))
        );
        let (status, error, json) = text(refused(Spoken::Json)).await;
        assert_eq!((status, error), (400, code));
        assert!(String::from_utf8(json).unwrap().contains(kind));
        let (status, _, xml) = text(refused(Spoken::Query)).await;
        assert_eq!(status, 400);
        assert!(
            String::from_utf8(xml)
                .unwrap()
                .contains("<Code>MissingParameter</Code>")
        );
    }
}
