//! Calls of the AWS API: none is built yet, and each is told so in the shape that its SDK reads.

use crate::answer::{self, Answer};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use hyper::{StatusCode, Uri};
use std::fmt::Write;

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

/// How an SDK reads errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Xml,
    Json,
}

/// The answer to any call: HTTP 501, which SDKs do not try again.
pub(crate) fn not_built(uri: &Uri, headers: &HeaderMap) -> Answer {
    let request_id = request_id();
    let service = service(headers);
    let message = match service {
        Some(service) => format!("the AWS API of this service ({service}) is not built yet"),
        None => "the AWS API of this service is not built yet".to_owned(),
    };
    let answer = match shape(uri, headers, service) {
        Shape::Xml => {
            let body = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>NotImplemented</Code><Message>{message}</Message></Error>\
                 <RequestId>{request_id}</RequestId></ErrorResponse>\n"
            );
            answer::document(StatusCode::NOT_IMPLEMENTED, "text/xml", body)
        }
        Shape::Json => {
            let body = serde_json::json!({ "__type": "NotImplementedException", "message": message });
            let answer = answer::json(StatusCode::NOT_IMPLEMENTED, &body);
            answer::with_header(answer, "x-amzn-errortype", "NotImplementedException")
        }
    };
    answer::with_header(answer, "x-amzn-requestid", &request_id)
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
    if is_query && !headers.contains_key("x-amz-target") {
        Shape::Xml
    } else {
        Shape::Json
    }
}

/// The service that the signature is for: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`. Only plain words, because it
/// is shown.
fn service(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    let service = credential.split(',').next()?.split('/').nth(3)?;
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ((1..=32).contains(&service.len()) && service.bytes().all(is_word)).then_some(service)
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

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use hyper::header::HeaderName;

    async fn answered(target: &str, lines: &[(&str, &str)]) -> (String, String) {
        let line = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        let headers = HeaderMap::from_iter(lines.iter().map(line));
        let answer = not_built(&target.parse().unwrap(), &headers);
        assert_eq!(answer.status(), 501);
        let id = answer.headers()["x-amzn-requestid"].to_str().unwrap().to_owned();
        assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'), "{id}");
        let content_type = answer.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (content_type, String::from_utf8(body.to_vec()).unwrap())
    }

    fn signed(service: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host")
    }

    #[tokio::test]
    async fn query_services_get_xml() {
        let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        let authorization = signed("elasticloadbalancing");
        for (target, lines) in [
            ("/", vec![form]),
            ("/?Action=DescribeLoadBalancers&Version=2015-12-01", vec![]),
            ("/", vec![("authorization", authorization.as_str())]),
        ] {
            let (content_type, body) = answered(target, &lines).await;
            assert_eq!(content_type, "text/xml", "{target}");
            assert!(
                body.starts_with("<ErrorResponse><Error><Type>Sender</Type><Code>NotImplemented</Code>"),
                "{body}"
            );
            assert!(body.contains("is not built yet"), "{body}");
        }
    }

    #[tokio::test]
    async fn other_services_get_json_that_names_them() {
        let lambda = signed("lambda");
        for (target, lines, named) in [
            (
                "/2015-03-31/functions",
                vec![("authorization", lambda.as_str())],
                "(lambda)",
            ),
            (
                "/",
                vec![("x-amz-target", "DynamoDB_20120810.ListTables")],
                "this service is",
            ),
            ("/anything", vec![], "this service is"),
            (
                "/",
                vec![("authorization", "Credential=a/b/c/<script>/d")],
                "this service is",
            ),
        ] {
            let (content_type, body) = answered(target, &lines).await;
            assert_eq!(content_type, "application/json", "{target}");
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["__type"], "NotImplementedException");
            assert!(body["message"].as_str().unwrap().contains(named), "{body}");
        }
    }
}
