//! gRPC as a load balancer sees it: which groups take it, what its trailers and our own errors look like. Source: ALB 4.2.

use crate::frames::{get, run};
use crate::http2_relay::target::{Asked, Target, begin, client_of, fetch, ok, piece, to, to_post, upload};
use crate::http2_relay::target::{answered, to_protocol};
use crate::relay::origin::{self, Origin, impatient, until_quiet};
use crate::secure::*;
use crate::support::*;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use model::elb::target_group::{ProtocolVersion, TargetProtocol};

const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::Http1, ProtocolVersion::Http2, ProtocolVersion::Grpc];

fn call(path: &str, content_type: &str) -> Request<()> {
    Request::post(format!("https://shop.example{path}"))
        .header("content-type", content_type)
        .header("te", "trailers")
        .body(())
        .unwrap()
}

fn status_of(code: &'static str, message: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(code));
    trailers.insert("grpc-message", HeaderValue::from_static(message));
    trailers
}

/// A message in its frame.
fn message(text: &str) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend((text.len() as u32).to_be_bytes());
    bytes.extend(text.bytes());
    bytes.into()
}

/// All four kinds of calls, and a failure without a message.
async fn service(mut asked: Asked) {
    let response = Response::builder()
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    match asked.parts.uri.path() {
        "/test.Echo/Fail" => {
            let mut response = response;
            response.headers_mut().extend(status_of("5", "no such thing"));
            asked.respond.send_response(response, true).unwrap();
        }
        "/test.Echo/Up" => {
            let (body, _) = asked.read().await;
            let mut sending = asked.begin(response);
            sending
                .send_data(message(&format!("{} bytes", body.len())), false)
                .unwrap();
            sending.send_trailers(status_of("0", "")).unwrap();
        }
        "/test.Echo/Down" => {
            asked.read().await;
            let mut sending = asked.begin(response);
            for number in 0..5 {
                sending.send_data(message(&format!("message {number}")), false).unwrap();
                tokio::task::yield_now().await;
            }
            sending.send_trailers(status_of("0", "")).unwrap();
        }
        _ => {
            let mut sending = asked.begin(response);
            while let Some(data) = asked.body.data().await {
                let data = data.unwrap();
                asked.body.flow_control().release_capacity(data.len()).unwrap();
                sending.send_data(data, false).unwrap();
            }
            sending.send_trailers(status_of("0", "")).unwrap();
        }
    }
}

fn before(target: &Target) -> Server {
    to(&[target.address], ProtocolVersion::Grpc).start()
}

// ALB-H-023: HTTP/1.1 to a group of HTTP2 or GRPC is 464
// ALB-H-024: gRPC to a group of HTTP1 is 464
// ALB-H-025: HTTP/2 GET to a group of GRPC is 464
#[test]
fn who_may_go_where() {
    let target = Target::playing(|mut asked: Asked| async move { asked.answer("ok") });
    let origin = Origin::answering(origin::OK);
    for version in VERSIONS {
        let address = match version {
            ProtocolVersion::Http1 => origin.address(),
            _ => target.address,
        };
        let server = to(&[address], version).start();
        let by_http1 = server.secure(Offer::alpn(&["http/1.1"])).get();
        let expected = if version == ProtocolVersion::Http1 { 200 } else { 464 };
        assert_eq!(by_http1.status, expected, "HTTP/1.1 to {version:?}");
        if expected == 464 {
            // The page of 464 is empty, and so is its phrase.
            assert!(by_http1.head.starts_with("HTTP/1.1 464 \r\n"), "{}", by_http1.head);
            assert_eq!((by_http1.body.len(), by_http1.header("content-length")), (0, Some("0")));
        }
        let statuses = run(async {
            let requests = client_of(&server).await;
            let put = Request::put("https://shop.example/").body(()).unwrap();
            [
                fetch(&requests, get("/")).await.unwrap().status,
                upload(&requests, to_post("/"), "x").await.unwrap().status,
                fetch(&requests, put).await.unwrap().status,
                upload(&requests, call("/a.B/C", "application/grpc"), "x")
                    .await
                    .unwrap()
                    .status,
                upload(&requests, call("/a.B/C", "application/grpc+proto"), "x")
                    .await
                    .unwrap()
                    .status,
                upload(&requests, call("/a.B/C", "text/plain"), "x")
                    .await
                    .unwrap()
                    .status,
                // Media types know no case. What browsers speak is another protocol, which HTTP/1 can carry.
                upload(&requests, call("/a.B/C", "Application/gRPC; v=1"), "x")
                    .await
                    .unwrap()
                    .status,
                upload(&requests, call("/a.B/C", "application/grpc-web+proto"), "x")
                    .await
                    .unwrap()
                    .status,
            ]
        });
        let expected = match version {
            ProtocolVersion::Http1 => [200, 200, 200, 464, 464, 200, 464, 200],
            ProtocolVersion::Http2 => [200; 8],
            ProtocolVersion::Grpc => [464, 200, 464, 200, 200, 200, 200, 200],
        };
        assert_eq!(statuses, expected, "HTTP/2 to {version:?}");
        let log = server.log();
        let kinds: Vec<_> = log.iter().map(|line| &*line[0]).collect();
        assert_eq!(
            kinds,
            ["https", "h2", "h2", "h2", "grpcs", "grpcs", "h2", "grpcs", "h2"]
        );
        for line in log.iter().filter(|line| line[8] == "464") {
            assert_eq!([&*line[4], &line[9]], ["-", "-"], "no target was asked");
        }
    }
    assert!(
        target
            .seen
            .heads()
            .iter()
            .all(|head| head.version == http::Version::HTTP_2)
    );
}

// A client that cannot offer HTTP/2 comes with HTTP/1.1, and gRPC in it is none.
#[test]
fn grpc_by_http1() {
    let target = Target::playing(service);
    let server = before(&target);
    let mut client = server.secure(Offer::default());
    client.send(
        b"POST /a.B/C HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nTE: trailers\r\nContent-Length: 0\r\n\r\n",
    );
    let answer = client.response();
    assert_eq!(answer.status, 464);
    assert_eq!(answer.header("grpc-status"), None);
}

// ALB-H-026: gRPC trailers reach the client
#[test]
fn all_kinds_of_calls() {
    let target = Target::playing(service);
    let server = before(&target);
    run(async {
        let requests = client_of(&server).await;
        let unary = upload(
            &requests,
            call("/test.Echo/Unary", "application/grpc"),
            message("hello"),
        )
        .await
        .unwrap();
        assert_eq!((unary.status, &*unary.body), (200, &*message("hello")));
        assert_eq!(unary.headers["content-type"], "application/grpc");
        assert_eq!(unary.trailers.unwrap()["grpc-status"], "0");

        let (response, mut sending) = begin(&requests, call("/test.Echo/Up", "application/grpc"), false).await;
        for _ in 0..3 {
            sending.send_data(message("piece"), false).unwrap();
            tokio::task::yield_now().await;
        }
        sending.send_data(Bytes::new(), true).unwrap();
        let up = answered(response).await.unwrap();
        assert_eq!(&*up.body, &*message("30 bytes"));

        let down = upload(&requests, call("/test.Echo/Down", "application/grpc"), message(""))
            .await
            .unwrap();
        let all: Vec<u8> = (0..5)
            .flat_map(|number| message(&format!("message {number}")))
            .collect();
        assert_eq!(down.body, all);
        assert_eq!(down.trailers.unwrap()["grpc-status"], "0");

        let (response, mut sending) = begin(&requests, call("/test.Echo/Both", "application/grpc"), false).await;
        let mut receiving = response.await.unwrap().into_body();
        for number in 0..20 {
            let said = message(&number.to_string());
            sending.send_data(said.clone(), false).unwrap();
            assert_eq!(piece(&mut receiving).await, said);
        }
        sending.send_data(Bytes::new(), true).unwrap();
        assert!(receiving.data().await.is_none());
        assert_eq!(receiving.trailers().await.unwrap().unwrap()["grpc-status"], "0");

        // Trailers alone are the head of an answer without a body.
        let failed = upload(&requests, call("/test.Echo/Fail", "application/grpc"), message(""))
            .await
            .unwrap();
        assert_eq!((failed.status, failed.body.len()), (200, 0));
        assert_eq!(failed.headers["grpc-status"], "5");
        assert_eq!(failed.headers["grpc-message"], "no such thing");
        assert!(failed.trailers.is_none());
    });
    assert_eq!(target.seen.accepted(), 1);
    assert_eq!(target.seen.heads()[0].headers["te"], "trailers");
    until_quiet(&server);
    let log = server.log();
    assert_eq!(log.len(), 5);
    assert!(
        log.iter()
            .all(|line| [&*line[0], &line[8], &line[9]] == ["grpcs", "200", "200"]),
        "{log:?}"
    );
    assert!(log[0][12].ends_with("/test.Echo/Unary HTTP/2.0"), "{}", log[0][12]);
}

#[test]
fn over_tls() {
    let target = Target::secure(service);
    let server = to_protocol(&[target.address], TargetProtocol::Https, ProtocolVersion::Grpc).start();
    run(async {
        let requests = client_of(&server).await;
        let unary = upload(
            &requests,
            call("/test.Echo/Unary", "application/grpc"),
            message("hello"),
        )
        .await
        .unwrap();
        assert_eq!(
            (&*unary.body, &unary.trailers.unwrap()["grpc-status"]),
            (&*message("hello"), &"0".parse().unwrap())
        );
    });
    assert_eq!(target.seen.heads()[0].uri, "https://shop.example:8080/test.Echo/Unary");
}

/// Errors of the load balancer say `grpc-status` to those who speak gRPC, and to nobody else.
#[test]
fn errors_of_the_load_balancer() {
    let nobody = ([127, 0, 0, 1], 1).into();
    let silent = Target::playing(|mut asked: Asked| async move {
        asked.reset().await;
    });
    let cases = [
        (to(&[nobody], ProtocolVersion::Grpc), 502, "14", "unavailable"),
        (to(&[], ProtocolVersion::Grpc), 503, "14", "unavailable"),
        (
            impatient(to(&[silent.address], ProtocolVersion::Grpc)),
            504,
            "14",
            "unavailable",
        ),
        (to(&[nobody], ProtocolVersion::Http1), 464, "2", "unknown"),
    ];
    for (setup, status, code, text) in cases {
        let server = setup.start();
        run(async {
            let requests = client_of(&server).await;
            let answer = upload(&requests, call("/a.B/C", "application/grpc"), "x")
                .await
                .unwrap();
            // No page follows, or some clients would not believe the head.
            assert_eq!((answer.status, answer.body.len()), (status, 0));
            assert!(!answer.headers.contains_key("content-type"));
            assert_eq!(answer.headers["grpc-status"], code);
            assert_eq!(answer.headers["grpc-message"], text);
            assert!(answer.trailers.is_none());
            let answer = upload(&requests, to_post("/"), "x").await.unwrap();
            assert!(!answer.headers.contains_key("grpc-status"), "{status}");
        });
    }
}

/// What a target says of its own errors stays as it is.
#[test]
fn errors_of_targets() {
    let target = Target::playing(|mut asked: Asked| async move {
        let response = Response::builder()
            .status(503)
            .header("content-type", "text/plain")
            .body(())
            .unwrap();
        asked.begin(response).send_data("busy".into(), true).unwrap();
    });
    let server = before(&target);
    run(async {
        let requests = client_of(&server).await;
        let answer = upload(&requests, call("/a.B/C", "application/grpc"), "x")
            .await
            .unwrap();
        assert_eq!((answer.status, &*answer.body), (503, &b"busy"[..]));
        assert!(!answer.headers.contains_key("grpc-status"));
    });
}

/// A target that goes in the middle of a stream: the client can tell that something is missing.
#[test]
fn a_target_that_goes_in_the_middle() {
    let target = Target::playing(|mut asked: Asked| async move {
        let response = ok();
        let mut sending = asked.begin(response);
        sending.send_data(message("first"), false).unwrap();
        tokio::task::yield_now().await;
        sending.send_reset(h2::Reason::INTERNAL_ERROR);
    });
    let server = before(&target);
    run(async {
        let requests = client_of(&server).await;
        let answer = upload(&requests, call("/a.B/C", "application/grpc"), "x").await;
        match answer {
            Ok(answer) => assert_eq!(answer.headers["grpc-status"], "14"),
            Err(error) => assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR)),
        }
    });
}
