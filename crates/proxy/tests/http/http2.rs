//! HTTP/2 as clients use it: requests, answers, events, log, limits of requests and streams.

use crate::frames::*;
use crate::played::until;
use crate::support::*;
use http::Request;
use invoke::InvokeOutcome;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

// ALB-D-019: HTTP/2 requests are logged as compliant
#[test]
fn a_request_becomes_an_event() {
    let server = Setup::lambda(false, echo()).with_tls().start();
    let event = run(async {
        let (requests, _) = client(&server).await;
        let request = Request::post("https://Shop.Example/a%20b?c=d&e")
            .header("content-type", "text/plain")
            .header("cookie", "a=1")
            .header("x-custom", "one")
            .header("cookie", "b=2")
            .header("cookie", "c=3; d=4")
            .header("expect", "100-continue")
            .header("x-forwarded-for", "192.0.2.1")
            .body(())
            .unwrap();
        post(&requests, request, b"hello".to_vec()).await.unwrap().json()
    });
    assert_eq!(
        (&event["httpMethod"], &event["path"]),
        (&"POST".into(), &"/a%20b".into())
    );
    assert_eq!(event["queryStringParameters"]["c"], "d");
    assert_eq!(
        (&event["body"], &event["isBase64Encoded"]),
        (&"hello".into(), &false.into())
    );
    let headers = &event["headers"];
    assert_eq!(headers["host"], "shop.example:8080");
    assert_eq!(headers["cookie"], "a=1; b=2; c=3; d=4");
    assert_eq!(headers["x-custom"], "one");
    assert_eq!(headers["x-forwarded-for"], "192.0.2.1, 127.0.0.1");
    assert_eq!(
        (&headers["x-forwarded-proto"], &headers["x-forwarded-port"]),
        (&"https".into(), &"8080".into())
    );
    assert!(headers["x-amzn-trace-id"].as_str().unwrap().starts_with("Root=1-"));
    assert!(headers.get("expect").is_none(), "{headers}");
    let log = server.log();
    assert_eq!((&*log[0][0], &*log[0][8], &*log[0][9]), ("h2", "200", "200"));
    assert_eq!(log[0][12], "POST https://Shop.Example:8080/a%20b?c=d&e HTTP/2.0");
    assert_eq!((&*log[0][27], &*log[0][28]), ("-", "-"));
}

// ALB-L-012: in multi mode every header is an array
// ALB-L-047: two Set-Cookie elements are two lines, over HTTP/2 too
#[test]
fn multi_mode() {
    let server = Setup::lambda(true, echo()).with_tls().start();
    run(async {
        let (requests, _) = client(&server).await;
        let request = Request::get("https://shop.example/?a=1&a=2")
            .header("cookie", "a=1")
            .header("x-custom", "one, two")
            .header("cookie", "b=2")
            .header("x-custom", "three")
            .body(())
            .unwrap();
        let event = ask(&requests, request).await.unwrap().json();
        assert_eq!(
            event["multiValueQueryStringParameters"],
            serde_json::json!({"a": ["1", "2"]})
        );
        let headers = &event["multiValueHeaders"];
        assert_eq!(headers["cookie"], serde_json::json!(["a=1; b=2"]));
        assert_eq!(headers["x-custom"], serde_json::json!(["one, two", "three"]));
        assert_eq!(headers["host"], serde_json::json!(["shop.example:8080"]));
        assert!(event.get("headers").is_none());
    });
    let document = r#"{"statusCode":200,"multiValueHeaders":{"Set-Cookie":["a=1; Path=/","b=2"]}}"#;
    let server = Setup::lambda(true, answering(document)).with_tls().start();
    run(async {
        let (requests, _) = client(&server).await;
        let answer = ask(&requests, get("/")).await.unwrap();
        let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1; Path=/", "b=2"]);
    });
}

// A header map that is full must not end the connection: the lines are bounded before.
#[test]
fn very_many_headers_are_a_502() {
    let names: Vec<_> = (0..40_000).map(|at| format!("\"x{at}\":\"\"")).collect();
    let document: &'static str = format!("{{\"statusCode\":200,\"headers\":{{{}}}}}", names.join(",")).leak();
    let long: &'static str = format!("{{\"statusCode\":200,\"headers\":{{\"{}\":\"\"}}}}", "x".repeat(70_000)).leak();
    for document in [document, long] {
        let server = Setup::lambda(false, answering(document)).with_tls().start();
        run(async {
            let (requests, _) = client(&server).await;
            for _ in 0..2 {
                assert_eq!(ask(&requests, get("/")).await.unwrap().status, 502);
            }
        });
        assert_eq!(server.counter("albacore_proxy_panics_total"), 0.0);
    }
}

// ALB-L-036: what is not UTF-8 is 400 over HTTP/2 too
// ALB-L-071: base64 with line breaks is 502
#[test]
fn refusals_of_events_and_answers() {
    let server = Setup::lambda(false, crate::played::parrot()).with_tls().start();
    run(async {
        let (requests, _) = client(&server).await;
        let of_type = |content_type: &str| {
            Request::post("https://shop.example/")
                .header("content-type", content_type)
                .body(())
                .unwrap()
        };
        let answer = post(&requests, of_type("text/plain"), b"\xff".to_vec()).await.unwrap();
        assert_eq!(answer.status, 400);
        for document in [
            r#"{"statusCode":200,"isBase64Encoded":true,"body":"aG\nk="}"#,
            r#"{"statusCode":"200"}"#,
            r#"{"statusCode":200,"headers":{"x":1}}"#,
        ] {
            let document = document.replace("\\n", "\n");
            let answer = post(&requests, of_type("text/plain"), document.into_bytes())
                .await
                .unwrap();
            assert_eq!((answer.status, answer.body.len()), (502, 122));
        }
    });
    let log = server.log();
    assert_eq!(&*log[0][24], "LambdaBadRequest");
    assert!(log[1..].iter().all(|line| &*line[24] == "LambdaInvalidResponse"));
}

// ALB-H-048: HTTP/2 responses contain no connection header
#[test]
fn what_a_function_may_answer() {
    let document = r#"{"statusCode": 201, "body": "x", "headers": {
        "X-Mixed-Case": "1", "Connection": "close", "Keep-Alive": "timeout=5", "Upgrade": "h2c",
        "Transfer-Encoding": "chunked", "Proxy-Connection": "close", "TE": "gzip", "Trailer": "a"}}"#;
    let server = Setup::lambda(false, answering(document)).with_tls().start();
    run(async {
        let (requests, _) = client(&server).await;
        for _ in 0..2 {
            let answer = ask(&requests, get("/")).await.unwrap();
            assert_eq!((answer.status, &*answer.body), (201, &b"x"[..]));
            let mut names: Vec<_> = answer.headers.keys().map(|name| name.as_str()).collect();
            names.sort_unstable();
            assert_eq!(
                names,
                ["content-length", "content-type", "date", "server", "x-mixed-case"]
            );
        }
    });
}

#[test]
fn pages_and_head() {
    let server = Setup::default().rule(1, vec![path(&["/none"])], forward(&[("empty", 1)], None));
    let mut setup = server.with_tls();
    setup.groups = vec![("empty", false, None)];
    let server = setup.start();
    run(async {
        let (requests, _) = client(&server).await;
        let page = ask(&requests, get("/none")).await.unwrap();
        assert_eq!((page.status, page.body.len()), (503, 162));
        assert_eq!(page.headers["content-type"], "text/html");
        let head = Request::head("https://shop.example/").body(()).unwrap();
        let answer = ask(&requests, head).await.unwrap();
        assert_eq!(
            (answer.status, &answer.headers["content-length"], answer.body.len()),
            (200, &"7".parse().unwrap(), 0)
        );
        let trace = Request::builder()
            .method("TRACE")
            .uri("https://shop.example/")
            .body(())
            .unwrap();
        assert_eq!(ask(&requests, trace).await.unwrap().status, 405);
    });
}

// ALB-H-021: at most 128 concurrent streams are accepted
#[test]
fn streams_run_at_once_up_to_128() {
    let gate = Arc::new(Semaphore::new(0));
    let running = Arc::new(AtomicUsize::new(0));
    let function: Function = {
        let (gate, running) = (gate.clone(), running.clone());
        Arc::new(move |_| {
            let (gate, running) = (gate.clone(), running.clone());
            Box::pin(async move {
                running.fetch_add(1, Ordering::Relaxed);
                gate.acquire().await.unwrap().forget();
                InvokeOutcome::Buffered(br#"{"statusCode":200}"#.as_slice().into())
            })
        })
    };
    let server = Setup::lambda(false, function).with_tls().start();
    let mut raw = Raw::open(&server);
    let settings = raw.until(SETTINGS).unwrap();
    assert!(
        settings
            .payload
            .chunks(6)
            .any(|setting| setting == [0, 3, 0, 0, 0, 128]),
        "{settings:?}"
    );
    for stream in 0..129 {
        raw.send(HEADERS, WHOLE, 2 * stream + 1, GET);
    }
    let refused = raw.until(RST_STREAM).unwrap();
    assert_eq!(
        (refused.stream, refused.code()),
        (257, 7),
        "REFUSED_STREAM: it may be sent again"
    );
    until("running.load(Ordering::Relaxed) == 128", || {
        running.load(Ordering::Relaxed) == 128
    });
    gate.add_permits(128);
    assert_eq!(raw.answers(128), 128);
    gate.add_permits(1);
    raw.send(HEADERS, WHOLE, 259, GET);
    assert_eq!(raw.answers(1), 1);
    assert_eq!(running.load(Ordering::Relaxed), 129);
}

// ALB-H-029: a request line over 16 K is refused
// ALB-H-030: a header line of 16,384 bytes is refused
#[test]
fn heads_are_bounded_as_in_http_1() {
    let server = Setup::default().with_tls().start();
    run(async {
        let (requests, _) = client(&server).await;
        let with = |headers: &[(String, usize)]| {
            let mut request = get("/");
            for (name, bytes) in headers {
                let value = "x".repeat(bytes - name.len() - 2).parse().unwrap();
                request
                    .headers_mut()
                    .append(name.parse::<http::HeaderName>().unwrap(), value);
            }
            request
        };
        let long = |bytes: usize| get(&format!("/{}", "x".repeat(bytes - "GET / HTTP/2".len())));
        let several = |count: usize| -> Vec<_> { (0..count).map(|at| (format!("h{at}"), 10_000)).collect() };
        for (request, status) in [
            (with(&[("a".to_owned(), 16_383)]), 200),
            (with(&[("a".to_owned(), 16_384)]), 400),
            (long(16_384), 200),
            (long(16_385), 414),
            (with(&several(6)), 200),
            (with(&several(7)), 400),
        ] {
            assert_eq!(ask(&requests, request).await.unwrap().status, status);
        }
        // Far over: h2 answers by itself, or ends the connection.
        match ask(&requests, with(&several(30))).await {
            Ok(answer) => assert_eq!(answer.status, 431),
            Err(error) => assert!(error.is_go_away() || error.is_reset(), "{error}"),
        }
    });
    assert_eq!(server.log().len(), 6);
}

#[test]
fn bodies_for_functions_are_bounded() {
    let server = Setup::lambda(false, echo()).with_tls().start();
    run(async {
        let (requests, _) = client(&server).await;
        let request = || {
            Request::post("https://shop.example/")
                .header("content-type", "text/plain")
                .body(())
                .unwrap()
        };
        for _ in 0..3 {
            let too_large = post(&requests, request(), vec![b'x'; 3 << 20]).await.unwrap();
            assert_eq!((too_large.status, too_large.body.len()), (413, 148));
        }
        // The windows have come back: the connection is as good as new.
        let body = vec![b'y'; 500_000];
        let event = post(&requests, request(), body).await.unwrap().json();
        assert_eq!(event["body"].as_str().unwrap().len(), 500_000);
    });
    let log = server.log();
    assert_eq!((&*log[0][8], &*log[0][24]), ("413", "LambdaRequestTooLarge"));
}

// ALB-H-022: after 10,000 requests a GOAWAY is sent
#[test]
fn ten_thousand_requests_are_enough() {
    let server = Setup::default().with_tls().start();
    let answered = run(async {
        let (requests, ended) = client(&server).await;
        let answered = std::rc::Rc::new(std::cell::Cell::new(0_u32));
        let workers: Vec<_> = (0..50)
            .map(|_| {
                let (requests, answered) = (requests.clone(), answered.clone());
                tokio::task::spawn_local(async move {
                    // Whatever was sent is answered; only then nothing more can be sent.
                    while let Ok(mut ready) = requests.clone().ready().await {
                        let Ok((response, _)) = ready.send_request(get("/"), true) else {
                            break;
                        };
                        assert_eq!(answer(response).await.unwrap().status, 200);
                        answered.set(answered.get() + 1);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
        drop(requests);
        let _ = ended.await.unwrap(); // the server may close first
        answered.get()
    });
    assert!((10_000..10_500).contains(&answered), "{answered}");
    assert_eq!(server.log().len(), answered as usize);
}
