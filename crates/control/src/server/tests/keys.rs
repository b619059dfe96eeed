//! Where there is a key: who takes the places of large bodies, and what the own API wants to be shown.

use super::*;
use crate::api::Credentials;

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const STRANGER: &str = "AKIAI44QH8DHBEXAMPLE";
const TOKEN: &str = "00112233445566778899aabbccddeeff";
/// More than a body may have that needs no place.
const LARGE: usize = 20_000_000;

async fn with_key<T>(limits: Limits, client: impl AsyncFnOnce(SocketAddr) -> T) -> T {
    let facts = |endpoint| {
        let mut facts = Facts::new(true, endpoint);
        facts.api.credentials = Some(Credentials {
            access_key: KEY.to_owned(),
            secret_key: model::Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
        });
        facts.api.own_api_token = Some(model::Secret::new(TOKEN.to_owned()));
        facts
    };
    with_facts(limits, facts, client).await
}

/// Those of a server that would let a call wait for a place for ever.
fn patient() -> Limits {
    Limits {
        request_timeout: Duration::from_secs(100_000),
        ..Limits::default()
    }
}

/// What comes, and does not wait for somebody who never ends.
async fn in_time<T>(coming: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), coming)
        .await
        .expect("it waits for a place")
}

/// The head of a CreateFunction that somebody signed, wrongly.
fn upload(key: &str, length: usize) -> String {
    format!(
        "POST /2015-03-31/functions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Amz-Date: 20261121T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={key}/20261121/us-east-1/lambda/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={}\r\nContent-Length: {length}\r\n\r\n",
        "0".repeat(64)
    )
}

/// Announces large bodies that never come. The server has seen them when this returns.
async fn announced(address: SocketAddr, key: &str) -> Vec<TcpStream> {
    let mut slow = Vec::new();
    for _ in 0..UPLOADS_MAX {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(upload(key, LARGE).as_bytes()).await.unwrap();
        slow.push(socket);
    }
    assert_eq!(get(address, "/_albacore/health").await.0, 200);
    slow
}

#[tokio::test]
async fn whoever_has_no_key_takes_no_place_for_a_large_body() {
    with_key(patient(), async |address| {
        let slow = announced(address, STRANGER).await;
        let body = "x".repeat(LARGE);
        let (status, answer) = in_time(talk(address, &(upload(KEY, LARGE) + &body))).await;
        assert_eq!(status, 403, "{answer}");
        assert!(answer.contains("InvalidSignatureException"), "{answer}");
        drop(slow);
    })
    .await;
}

#[tokio::test]
async fn a_small_body_needs_no_place() {
    with_key(patient(), async |address| {
        let slow = announced(address, KEY).await;
        let (status, answer) = in_time(talk(address, &(upload(KEY, 2) + "{}"))).await;
        assert_eq!(status, 403, "{answer}");
        drop(slow);
    })
    .await;
}

// The clock moves when everybody waits.
#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_refused_in_the_words_of_aws() {
    with_key(Limits::default(), async |address| {
        for mut slow in announced(address, KEY).await {
            let mut answer = String::new();
            slow.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
            assert!(
                answer.contains("x-amzn-errortype: RequestTimeoutException\r\n"),
                "{answer}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn whoever_has_no_key_is_told_so_at_the_end_of_a_large_body() {
    with_key(Limits::default(), async |address| {
        let body = "x".repeat(LARGE);
        let (status, answer) = talk(address, &(upload(STRANGER, LARGE) + &body)).await;
        assert_eq!(status, 403, "{answer}");
        assert!(answer.contains("UnrecognizedClientException"), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn the_own_api_wants_the_token() {
    with_key(Limits::default(), async |address| {
        let ask = async |method: &str, path: &str, shown: &str| {
            let request = format!(
                "{method} /_albacore/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{shown}Content-Length: 0\r\n\r\n"
            );
            talk(address, &request).await.0
        };
        let right = format!("X-Albacore: {TOKEN}\r\n");
        for path in ["health", "ready", "status", "targets", "metrics"] {
            assert_eq!(ask("GET", path, "").await, 200, "{path}");
        }
        for (method, path) in [
            ("GET", "logs"),
            ("GET", "requests"),
            ("GET", "explain?url=/a"),
            ("POST", "functions/orders/invocations"),
        ] {
            for wrong in ["", "X-Albacore: 1\r\n", "X-Albacore: 00112233445566778899aabbccddeef0\r\n"] {
                assert_eq!(ask(method, path, wrong).await, 403, "{path} {wrong:?}");
            }
            assert_eq!(ask(method, path, &right).await, 200, "{path}");
        }
    })
    .await;
}
