//! Calls of InvokeWithResponseStream.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use invoke::InvokeRefusal;
use wire::event_stream;

const SIGNED: &str = "Authorization: AWS4-HMAC-SHA256 Credential=any/20260101/eu-west-1/lambda/aws4_request, \
                      SignedHeaders=host, Signature=0000000000000000000000000000000000000000000000000000000000000000\r\nX-Amz-Date: 20260101T000000Z\r\n";

/// Head and body of the answer to a call whose function ends like this.
async fn called(outcome: InvokeOutcome, path: &str, lines: &str, body: &[u8]) -> (String, Vec<u8>) {
    let facts = |endpoint| Facts {
        outcome: Some(outcome),
        ..Facts::new(true, endpoint)
    };
    with_facts(Limits::default(), facts, async |address| {
        let head = format!(
            "POST /2021-11-15/functions/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
        (
            String::from_utf8(answer[..end].to_vec()).unwrap().to_ascii_lowercase(),
            answer[end..].to_vec(),
        )
    })
    .await
}

/// A body of chunks without its framing.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|it| it == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    event_stream::event("PayloadChunk", "application/octet-stream", bytes)
}

fn complete(document: &str) -> Vec<u8> {
    event_stream::event("InvokeComplete", "application/json", document.as_bytes())
}

// LAM-I-014: PayloadChunk and a final InvokeComplete
// LAM-I-016: an error after the stream began stands in InvokeComplete, with HTTP 200
// LAM-I-017: the log tail stands there, too
#[tokio::test]
async fn an_answer_is_a_stream_of_frames() {
    let path = "orders/response-streaming-invocations";
    let failed = InvokeOutcome::FunctionError {
        error_type: "Function.Late".to_owned(),
        payload: Bytes::from_static(b"{\"errorMessage\":\"late\"}"),
    };
    let tail = STANDARD.encode("START\nREPORT\n");
    for (outcome, lines, expected) in [
        (
            InvokeOutcome::Buffered(Bytes::from_static(b"raw \0 bytes")),
            SIGNED.to_owned(),
            [chunk(b"raw \0 bytes"), complete("{}")].concat(),
        ),
        (
            InvokeOutcome::Buffered(Bytes::new()),
            format!("{SIGNED}X-Amz-Log-Type: Tail\r\n"),
            complete(&format!("{{\"LogResult\":\"{tail}\"}}")),
        ),
        (
            failed,
            SIGNED.to_owned(),
            [
                chunk(b"sent"),
                complete(r#"{"ErrorCode":"Unhandled","ErrorDetails":"{\"errorMessage\":\"late\"}"}"#),
            ]
            .concat(),
        ),
    ] {
        let (head, body) = called(outcome, path, &lines, b"{}").await;
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        for line in [
            "content-type: application/vnd.amazon.eventstream\r\n",
            "x-amz-executed-version: $latest\r\n",
            "x-amzn-requestid: 07070707-0707-4707-8707-070707070707\r\n",
        ] {
            assert!(head.contains(line), "{line}: {head}");
        }
        assert_eq!(unchunked(&body), expected);
    }
}

#[tokio::test]
async fn what_cannot_stream_is_refused_before_it_begins() {
    let whole = || InvokeOutcome::Buffered(Bytes::new());
    let path = "orders/response-streaming-invocations";
    let other_service = SIGNED.replace("/lambda/", "/s3/");
    let large = vec![b' '; 6_291_457];
    for (outcome, path, lines, body, status, error_type) in [
        (
            whole(),
            path,
            "",
            &b"{}"[..],
            403,
            "MissingAuthenticationTokenException",
        ),
        (whole(), path, &other_service, b"{}", 403, "InvalidSignatureException"),
        (
            whole(),
            "nope/response-streaming-invocations?Qualifier=$LATEST",
            SIGNED,
            b"{}",
            404,
            "ResourceNotFoundException",
        ),
        (whole(), path, SIGNED, b"{", 400, "InvalidRequestContentException"),
        (whole(), path, SIGNED, &large, 413, "RequestEntityTooLargeException"),
        (
            whole(),
            path,
            &format!("{SIGNED}X-Amz-Invocation-Type: Event\r\n"),
            b"{}",
            400,
            "ValidationException",
        ),
        (
            InvokeOutcome::Refused(InvokeRefusal::Throttled),
            path,
            SIGNED,
            b"{}",
            429,
            "TooManyRequestsException",
        ),
    ] {
        let (head, body) = called(outcome, path, lines, body).await;
        assert!(
            head.starts_with(&format!("http/1.1 {status} ")),
            "{path} {lines}: {head}"
        );
        let expected = format!("x-amzn-errortype: {}\r\n", error_type.to_ascii_lowercase());
        assert!(
            head.contains(&expected),
            "{expected}: {head}{}",
            String::from_utf8_lossy(&body)
        );
    }
    let dry = format!("{SIGNED}X-Amz-Invocation-Type: DryRun\r\n");
    let (head, body) = called(whole(), path, &dry, b"{}").await;
    assert!(head.starts_with("http/1.1 204 ") && body.is_empty(), "{head}");
}
