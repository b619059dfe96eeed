//! Answers piece by piece, and signed requests.

use super::*;
use serde_json::json;

const INTEGRATION: &str = "application/vnd.awslambda.http-integration-response";

fn streaming(outcome: InvokeOutcome, pieces: Option<Pieces>) -> World {
    let mut world = World::with(outcome, None, |function| FunctionUrl {
        id: id(),
        function,
        auth: UrlAuth::None,
        invoke_mode: InvokeMode::ResponseStream,
        cors: None,
        times: None,
        owner: Owner::Manifest,
    });
    world.pieces = Mutex::new(pieces);
    world
}

/// What comes of a stream: its head, its pieces, and whether it breaks off.
fn streamed(content_type: Option<&'static str>, pieces: &[&'static [u8]], error: bool) -> (Response<()>, String, bool) {
    let pieces = Pieces {
        content_type,
        pieces: pieces.to_vec(),
        error,
    };
    let world = streaming(InvokeOutcome::Buffered(Bytes::new()), Some(pieces));
    collected(now(respond(&world, id().as_str(), get())))
}

fn collected(response: Response<Body>) -> (Response<()>, String, bool) {
    let (parts, body) = response.into_parts();
    let mut text = Vec::new();
    let mut broken = false;
    match body {
        Body::Whole(bytes) => text.extend_from_slice(&bytes),
        Body::Stream(mut stream) => {
            while let Some(piece) = now(stream.next()) {
                let Ok(bytes) = piece else {
                    broken = true;
                    break;
                };
                text.extend_from_slice(&bytes);
            }
        }
    }
    (
        Response::from_parts(parts, ()),
        String::from_utf8(text).unwrap(),
        broken,
    )
}

// LAM-U-018
#[test]
fn a_prelude_is_the_head() {
    let (head, body, broken) = streamed(
        Some(INTEGRATION),
        &[
            b"{\"statusCode\": 201, \"headers\": {\"X-A\": \"1\", \"Content-Type\": \"text/x\"},",
            b" \"cookies\": [\"a=1\", \"b=2\"]}\0\0\0\0",
            b"\0\0\0\0one ",
            b"two",
        ],
        false,
    );
    let cookies: Vec<_> = head.headers().get_all("set-cookie").iter().collect();
    assert_eq!(
        (head.status().as_u16(), cookies == ["a=1", "b=2"]),
        (201, true),
        "{cookies:?}"
    );
    assert_eq!(
        (&head.headers()["x-a"], &head.headers()["content-type"]),
        (&"1".parse().unwrap(), &"text/x".parse().unwrap())
    );
    assert_eq!((body.as_str(), broken), ("one two", false));
    let (head, body, _) = streamed(Some(INTEGRATION), &[b"{}\0\0\0\0\0\0\0\0"], false);
    assert_eq!((head.status().as_u16(), body.as_str()), (200, ""));
}

#[test]
fn preludes_that_are_none() {
    static ENDLESS: [u8; 300_000] = [b' '; 300_000];
    for pieces in [
        &[b"{\"statusCode\": 201}".as_slice()][..],
        &[b"no json\0\0\0\0\0\0\0\0"],
        &[b"{\"statusCode\": 999}\0\0\0\0\0\0\0\0"],
        &[],
        &[&ENDLESS],
    ] {
        let (head, body, _) = streamed(Some(INTEGRATION), pieces, false);
        assert_eq!((head.status().as_u16(), body.as_str()), (502, "Internal Server Error"));
    }
}

// LAM-U-019
#[test]
fn what_is_no_prelude_is_passed_on_as_it_is() {
    let (head, body, _) = streamed(Some("text/event-stream"), &[b"a", b"b"], false);
    assert_eq!((head.status().as_u16(), body.as_str()), (200, "ab"));
    assert_eq!(head.headers()["content-type"], "text/event-stream");
    let document = "{\"statusCode\":404,\"body\":\"x\"}";
    let world = streaming(InvokeOutcome::Buffered(document.into()), None);
    let (head, body, _) = collected(now(respond(&world, id().as_str(), get())));
    assert_eq!((head.status().as_u16(), body.as_str()), (200, document));
    assert!(head.headers().contains_key("x-amzn-requestid"));
}

#[test]
fn errors_before_and_after_the_first_byte() {
    for content_type in [INTEGRATION, "text/plain"] {
        let (head, body, _) = streamed(Some(content_type), &[], true);
        assert_eq!((head.status().as_u16(), body.as_str()), (502, "Internal Server Error"));
    }
    let (head, body, broken) = streamed(Some("text/plain"), &[b"half"], true);
    assert_eq!((head.status().as_u16(), body.as_str(), broken), (200, "half", true));
    let refused = streaming(InvokeOutcome::Refused(InvokeRefusal::Throttled), None);
    assert_eq!(now(respond(&refused, id().as_str(), get())).status(), 429);
}

#[test]
fn a_collected_stream_is_read_by_its_prelude() {
    let world = World::returning("{\"statusCode\":418,\"headers\":{\"content-type\":\"a/b\"}}\0\0\0\0\0\0\0\0tea");
    let answer = world.ask(get());
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (418, &b"tea"[..]));
}

// LAM-U-021
#[test]
fn signed_requests_say_who_signed() {
    let world = World::with(InvokeOutcome::Buffered("1".into()), None, |function| FunctionUrl {
        id: id(),
        function,
        auth: UrlAuth::AwsIam,
        invoke_mode: InvokeMode::Buffered,
        cors: None,
        times: None,
        owner: Owner::Manifest,
    });
    let refused = world.ask(get());
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.headers()["x-amzn-errortype"], "AccessDeniedException");
    let body: Value = serde_json::from_slice(refused.body()).unwrap();
    let message = body["Message"].as_str().unwrap();
    assert!(
        message.starts_with("Forbidden. For troubleshooting Function URL authorization"),
        "{message}"
    );
    assert_eq!(
        world.ask(asked("GET", "/", &[("authorization", "AKIA")], b"")).status(),
        200
    );
    let event = world.event();
    let iam = json!({
        "accessKey": "AKIA",
        "accountId": "210987654321",
        "callerId": "AIDA",
        "cognitoIdentity": null,
        "principalOrgId": null,
        "userArn": "arn:aws:iam::210987654321:user/u",
        "userId": "AIDA",
    });
    assert_eq!(event["requestContext"]["authorizer"], json!({ "iam": iam }));
    assert_eq!(event["requestContext"]["accountId"], "123456789012");
    assert_eq!(event["headers"].get("authorization"), None, "it could be used again");
    assert_eq!(world.invoked.lock().unwrap().len(), 1);
}
