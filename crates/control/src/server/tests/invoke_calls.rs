//! Calls of Invoke.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use invoke::InvokeRefusal;
use model::Timestamp;
use model::lambda::about::{About, Architecture, FunctionRecord, Next, RoleArn, Status, Tracing};
use model::lambda::package::{Package, PackageDigest};
use model::lambda::resources::Change as LambdaChange;
use serde_json::json;
use std::collections::HashMap;

/// Status, headers in lower case, body.
type Answered = (u16, HashMap<String, String>, String);

async fn post(address: SocketAddr, path: &str, lines: &str, body: &[u8]) -> Answered {
    let head = format!(
        "POST /_albacore/functions/{path} HTTP/1.1\r\nHost: localhost\r\nX-Albacore: 1\r\nConnection: close\r\n{lines}\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let headers = head.lines().filter_map(|line| line.split_once(": "));
    let headers = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    (status, headers, body.to_owned())
}

/// Path, header lines, body; status, error type, document.
type Case<'a> = (&'a str, &'a str, &'a [u8], u16, &'a str, Value);

/// Posts to a server whose invocations end like this, and says what was invoked.
async fn invoke(outcome: InvokeOutcome, path: &str, lines: &str, body: &[u8]) -> (Answered, Vec<Invocation>) {
    let invoked = Arc::new(Mutex::new(Vec::new()));
    let kept = invoked.clone();
    let facts = |endpoint| Facts {
        outcome: Some(outcome),
        invoked: kept,
        ..Facts::new(true, endpoint)
    };
    let answered = with_facts(Limits::default(), facts, async |address| {
        post(address, path, lines, body).await
    })
    .await;
    let invoked = std::mem::take(&mut *invoked.lock().unwrap());
    (answered, invoked)
}

fn buffered() -> InvokeOutcome {
    InvokeOutcome::Buffered(Bytes::from_static(b"{\"n\":2}"))
}

// LAM-I-002: the executed version is there for sync
#[tokio::test]
async fn an_answer_is_lambdas() {
    let context = STANDARD.encode("{\"custom\":{\"a\":1}}");
    let lines = format!("X-Amz-Log-Type: Tail\r\nX-Amz-Client-Context: {context}\r\nX-Amzn-Trace-Id: Root=1-a-b\r\n");
    let ((status, headers, body), invoked) = invoke(buffered(), "orders/invocations", &lines, b" {\"n\":1}\n").await;
    assert_eq!((status, body.as_str()), (200, "{\"n\":2}"));
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-amz-executed-version", "$LATEST"),
        ("x-amzn-requestid", "7f0c1b4e-0000-4000-8000-000000000001"),
        ("x-amz-log-result", &STANDARD.encode("START\nREPORT\n")),
        ("x-amzn-trace-id", "Root=1-a-b"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert!(!headers.contains_key("x-amz-function-error"));
    let orders = FunctionArn::new(&Facts::new(true, SocketAddr::from(([0; 4], 0))).scope, "orders");
    let expected = Invocation {
        function: orders.clone(),
        payload: Bytes::from_static(b" {\"n\":1}\n"),
        trace_id: Some("Root=1-a-b".to_owned()),
        client_context: Some("{\"custom\":{\"a\":1}}".to_owned()),
        version: Some(orders),
        request_id: None,
        log_tail: true,
    };
    assert_eq!(invoked, [expected]);
}

// LAM-I-004: a function error is 200 and Unhandled. LAM-I-009: an absent payload is {}
#[tokio::test]
async fn a_function_error_is_no_http_error() {
    let outcome = InvokeOutcome::FunctionError {
        error_type: "Runtime.ExitError".to_owned(),
        payload: Bytes::from_static(b"{\"errorType\":\"Runtime.ExitError\"}"),
    };
    let ((status, headers, body), invoked) = invoke(outcome, "orders/invocations?Qualifier=$LATEST", "", b"").await;
    assert_eq!((status, body.as_str()), (200, "{\"errorType\":\"Runtime.ExitError\"}"));
    assert_eq!(headers["x-amz-function-error"], "Unhandled");
    assert!(!headers.contains_key("x-amz-log-result"));
    assert_eq!(invoked[0].payload, "{}");
    assert!(invoked[0].trace_id.as_ref().unwrap().starts_with("Root=1-"));
}

// LAM-I-005: a missing function is 404 with the ARN and :$LATEST
// LAM-I-006: a payload that is no JSON is 400 with the prefix
// LAM-I-007: a payload over 6291456 bytes is 413
// LAM-I-019: a request id that is no UUID is 400
#[tokio::test]
async fn what_cannot_run_is_refused_in_awss_words() {
    let large = vec![b' '; 6_291_457];
    let not_json = "Could not parse request body into json: Could not parse payload into json: expected value\n at \
                    [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 6]";
    let arn = "arn:aws:lambda:eu-west-1:111122223333:function";
    let cases: [Case<'_>; 10] = [
        (
            "nope/invocations",
            "",
            b"x",
            404,
            "ResourceNotFoundException",
            serde_json::json!({ "Message": format!("Function not found: {arn}:nope:$LATEST"), "Type": "User" }),
        ),
        (
            "orders:7/invocations",
            "",
            b"",
            404,
            "ResourceNotFoundException",
            serde_json::json!({ "Message": format!("Function not found: {arn}:orders:7"), "Type": "User" }),
        ),
        (
            "orders/invocations",
            "",
            b"{\"a\":x}",
            400,
            "InvalidRequestContentException",
            serde_json::json!({ "Type": "User", "message": not_json }),
        ),
        (
            "orders/invocations",
            "",
            &large,
            413,
            "RequestEntityTooLargeException",
            serde_json::json!({
                "message": "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
            }),
        ),
        (
            "orders/invocations",
            "X-Amz-Client-Context: !\r\n",
            b"",
            400,
            "InvalidRequestContentException",
            Value::Null,
        ),
        (
            "orders/invocations",
            "X-Amzn-RequestId: 7\r\n",
            b"",
            400,
            "InvalidRequestContentException",
            Value::Null,
        ),
        (
            "orders/invocations",
            "X-Amz-Log-Type: All\r\n",
            b"",
            400,
            "ValidationException",
            Value::Null,
        ),
        (
            "orders/invocations",
            "X-Amz-Invocation-Type: Event\r\n",
            b"\"full\"",
            429,
            "TooManyRequestsException",
            json!({ "Reason": "ConcurrentInvocationLimitExceeded", "Type": "User", "message": "Rate Exceeded." }),
        ),
        (
            "orders/invocations",
            "X-Amz-Invocation-Type: Event\r\n",
            b"{",
            400,
            "InvalidRequestContentException",
            Value::Null,
        ),
        // LAM-I-008: an event over 1048576 bytes
        (
            "orders/invocations",
            "X-Amz-Invocation-Type: Event\r\n",
            &large[..1_048_577],
            413,
            "RequestEntityTooLargeException",
            json!({
                "message": "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
            }),
        ),
    ];
    for (path, lines, body, status, kind, document) in cases {
        let ((found, headers, text), invoked) = invoke(buffered(), path, lines, body).await;
        assert_eq!(
            (found, headers["x-amzn-errortype"].as_str()),
            (status, kind),
            "{path} {text}"
        );
        assert_eq!(headers["x-amzn-requestid"].len(), 36);
        let text: Value = serde_json::from_str(&text).unwrap();
        assert!(document.is_null() || text == document, "{text}");
        assert!(invoked.is_empty(), "nothing ran");
    }
    // One byte less is taken.
    let ((status, ..), invoked) = invoke(buffered(), "orders/invocations", "", &[&large[3..], b"{}"].concat()).await;
    assert_eq!((status, invoked[0].payload.len()), (200, 6_291_456));
}

/// `orders` as a function of the API that is so far, and what it serves with meanwhile.
fn with_status(mut facts: Facts, status: Status) -> Facts {
    let mut state = State::clone(&facts.state);
    let function = FunctionArn::new(&facts.scope, "orders");
    let record = FunctionRecord {
        function,
        about: about(1),
        status,
        version_last: 0,
        allows_recursion: false,
        updates_runtime_with_function: false,
    };
    state.apply(&Change::Lambda(LambdaChange::PutRecord(Arc::new(record))));
    facts.state = Arc::new(state);
    facts
}

fn about(code: u8) -> About {
    About {
        role: RoleArn::try_from("arn:aws:iam::111122223333:role/r").unwrap(),
        description: String::new(),
        package: Package {
            digest: PackageDigest([code; 32]),
            bytes: 1,
        },
        architecture: Architecture::X8664,
        has_environment: false,
        tracing: Tracing::PassThrough,
        layers: Vec::new(),
        vpc: None,
        last_modified: Timestamp(0),
        revision: code.into(),
    }
}

async fn invoke_with(status: Status) -> (Answered, Vec<Invocation>) {
    let invoked = Arc::new(Mutex::new(Vec::new()));
    let kept = invoked.clone();
    let facts = |endpoint| {
        let facts = Facts {
            outcome: Some(buffered()),
            invoked: kept,
            ..Facts::new(true, endpoint)
        };
        with_status(facts, status)
    };
    let answered = with_facts(Limits::default(), facts, async |address| {
        post(address, "orders/invocations", "", b"{}").await
    })
    .await;
    let invoked = std::mem::take(&mut *invoked.lock().unwrap());
    (answered, invoked)
}

// LAM-I-011: a function that is being created, or could not be, does not run
#[tokio::test]
async fn a_function_runs_when_it_is_there() {
    for (status, word) in [
        (Status::Pending, "Pending"),
        (Status::Failed("no".to_owned()), "Failed"),
    ] {
        let ((found, headers, text), invoked) = invoke_with(status).await;
        assert_eq!(
            (found, headers["x-amzn-errortype"].as_str()),
            (409, "ResourceConflictException")
        );
        let message =
            "The operation cannot be performed at this time. The function is currently in the following state: ";
        let text: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(text, json!({ "Type": "User", "message": format!("{message}{word}") }));
        assert!(invoked.is_empty(), "nothing ran");
    }
}

// LAM-I-012: while an update runs the function does, with the code that it had
#[tokio::test]
async fn a_function_runs_while_it_is_updated() {
    let scope = Scope {
        region: Region::try_from("eu-west-1").unwrap(),
        account: AccountId::try_from("111122223333").unwrap(),
    };
    let mut next = function(&scope, "orders", None, None);
    next.code.revision = "2".into();
    let next = Next {
        function: Arc::new(next),
        about: about(2),
    };
    let ((found, ..), invoked) = invoke_with(Status::Updating(Box::new(next))).await;
    assert_eq!((found, invoked.len()), (200, 1));
    let ((found, ..), _) = invoke_with(Status::UpdateFailed("no".to_owned())).await;
    assert_eq!(found, 200);
}

// LAM-I-001: an event is answered with 202 and nothing else. LAM-I-002: and without a version
#[tokio::test]
async fn an_event_is_answered_when_it_is_kept() {
    let lines = "X-Amz-Invocation-Type: Event\r\nX-Amzn-Trace-Id: Root=1-a-b\r\n";
    let ((status, headers, body), kept) = invoke(buffered(), "orders/invocations", lines, b"[1]").await;
    assert_eq!((status, body.as_str()), (202, ""));
    assert!(!headers.contains_key("x-amz-executed-version"));
    let [event] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!(
        (&event.payload[..], event.trace_id.as_deref()),
        (&b"[1]"[..], Some("Root=1-a-b"))
    );
    assert_eq!(event.request_id.unwrap().as_str(), headers["x-amzn-requestid"]);
    let ((status, ..), kept) = invoke(buffered(), "orders/invocations", lines, b"").await;
    assert_eq!((status, &kept[0].payload[..]), (202, &b"{}"[..]));
}

#[tokio::test]
async fn what_did_not_run_says_why() {
    for (refusal, path, status, document) in [
        (
            InvokeRefusal::Throttled,
            "orders",
            429,
            "{\"Reason\":\"ConcurrentInvocationLimitExceeded\",\"Type\":\"User\",\"message\":\"Rate Exceeded.\"}\n",
        ),
        (
            InvokeRefusal::Throttled,
            "users",
            429,
            "{\"Reason\":\"ReservedFunctionConcurrentInvocationLimitExceeded\",\"Type\":\"User\",\
             \"message\":\"Rate Exceeded.\"}\n",
        ),
        (
            InvokeRefusal::ServiceFailure,
            "orders",
            500,
            "{\"Message\":\"An error occurred and the request cannot be processed.\",\"Type\":\"Server\"}\n",
        ),
        (
            InvokeRefusal::InvalidZipFile,
            "orders",
            502,
            "{\"Message\":\"The deployment package could not be unzipped.\",\"Type\":\"User\"}\n",
        ),
        (
            InvokeRefusal::InvalidRuntime,
            "orders",
            502,
            "{\"Message\":\"The runtime or the runtime version is not supported on this host.\",\"Type\":\"User\"}\n",
        ),
        (
            InvokeRefusal::NotFound,
            "orders",
            404,
            "{\"Message\":\"Function not found: arn:aws:lambda:eu-west-1:111122223333:function:orders:$LATEST\",\
             \"Type\":\"User\"}\n",
        ),
    ] {
        let outcome = InvokeOutcome::Refused(refusal);
        let ((found, headers, body), _) = invoke(outcome, &format!("{path}/invocations"), "", b"{}").await;
        assert_eq!((found, body.as_str()), (status, document));
        let kind = match refusal {
            InvokeRefusal::Throttled => "TooManyRequestsException",
            InvokeRefusal::ServiceFailure => "ServiceException",
            InvokeRefusal::InvalidZipFile => "InvalidZipFileException",
            InvokeRefusal::InvalidRuntime => "InvalidRuntimeException",
            _ => "ResourceNotFoundException",
        };
        assert_eq!(headers["x-amzn-errortype"], kind);
    }
}

#[tokio::test]
async fn a_dry_run_runs_nothing_and_other_ways_are_closed() {
    let ((status, headers, body), invoked) = invoke(
        buffered(),
        "orders/invocations",
        "X-Amz-Invocation-Type: DryRun\r\n",
        b"",
    )
    .await;
    assert_eq!((status, body.as_str(), invoked.len()), (204, "", 0));
    assert!(!headers.contains_key("x-amz-executed-version"));
    with_server(Limits::default(), true, async |address| {
        let path = "/_albacore/functions/orders/invocations";
        assert_eq!(get(address, path).await.0, 405);
        let without =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(talk(address, &without).await.0, 403);
        assert_eq!(post(address, "orders/invocations?x=1", "", b"").await.0, 400);
        assert_eq!(post(address, "a/b/invocations", "", b"").await.0, 404);
        // An ARN with its colons escaped.
        let arn = "arn%3Aaws%3Alambda%3Aeu-west-1%3A111122223333%3Afunction%3Aorders";
        assert_eq!(post(address, &format!("{arn}/invocations"), "", b"").await.0, 200);
    })
    .await;
}

/// A function may take longer than any other call, and longer than a connection may live.
#[tokio::test(start_paused = true)]
async fn a_long_invocation_is_waited_for() {
    let facts = |endpoint| Facts {
        outcome: None,
        ..Facts::new(true, endpoint)
    };
    let limits = Limits::default();
    let begun = Instant::now();
    let (status, ..) = with_facts(limits, facts, async |address| {
        post(address, "orders/invocations", "", b"").await
    })
    .await;
    assert_eq!(status, 408);
    assert!(begun.elapsed() >= limits.invocation_timeout && limits.invocation_timeout > limits.connection_lifetime);
}
