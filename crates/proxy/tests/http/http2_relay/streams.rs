//! Clients and targets of HTTP/2: a stream for a stream. Source: ALB 4.2, 4.3.

use super::target::*;
use crate::frames::{client, get, run};
use crate::relay::origin::until_quiet;
use crate::support::state_of;
use bytes::Bytes;
use h2::server::Builder;
use http::{HeaderMap, HeaderValue, Request, Response};
use model::elb::target_group::{ProtocolVersion, TargetProtocol};
use tokio::task::spawn_local;

/// Sends the body back piece by piece, and the client's trailers behind it.
async fn echo(mut asked: Asked) {
    let mut sending = asked.begin(ok());
    while let Some(data) = asked.body.data().await {
        let Ok(data) = data else { return };
        asked.body.flow_control().release_capacity(data.len()).unwrap();
        if !send_all(&mut sending, data, false).await {
            return;
        }
    }
    match asked.body.trailers().await {
        Ok(Some(trailers)) => sending.send_trailers(trailers).unwrap(),
        Ok(None) => sending.send_data(Bytes::new(), true).unwrap(),
        Err(_) => {}
    }
}

fn trailers(value: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-after", HeaderValue::from_static(value));
    trailers
}

#[test]
fn heads() {
    let target = Target::playing(|mut asked: Asked| async move { asked.answer("ok") });
    let server = before(&target);
    run(async {
        let request = Request::post("https://Shop.Example/a%20b?c=d&e")
            .header("x-custom", "one")
            .header("x-custom", "two")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("te", "trailers")
            .header("expect", "100-continue")
            .header("x-forwarded-for", "192.0.2.1")
            .header("content-length", "0")
            .header("content-length", "0")
            .body(())
            .unwrap();
        let answer = fetch(&client_of(&server).await, request).await.unwrap();
        assert_eq!((answer.status, &*answer.body), (200, &b"ok"[..]));
        let seen = target.seen.heads();
        let [head] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!(head.method, "POST");
        assert_eq!(head.uri, "http://shop.example:8080/a%20b?c=d&e");
        let all = |name: &str| -> Vec<_> { head.headers.get_all(name).iter().collect() };
        assert_eq!(all("x-custom"), ["one", "two"]);
        assert_eq!(all("cookie"), ["a=1", "b=2"]);
        assert_eq!(all("te"), ["trailers"]);
        assert_eq!(all("content-length"), ["0"]);
        assert_eq!(all("x-forwarded-for"), ["192.0.2.1, 127.0.0.1"]);
        assert_eq!(all("x-forwarded-proto"), ["https"]);
        assert_eq!(all("x-forwarded-port"), ["8080"]);
        assert!(head.headers["x-amzn-trace-id"].to_str().unwrap().starts_with("Root=1-"));
        assert!(all("expect").is_empty() && all("host").is_empty());
    });
    let log = server.log();
    assert_eq!([&*log[0][0], &log[0][8], &log[0][9]], ["h2", "200", "200"]);
    assert_eq!(log[0][4], target.address.to_string());
    assert_eq!(log[0][12], "POST https://Shop.Example:8080/a%20b?c=d&e HTTP/2.0");
    assert!(log[0][5..8].iter().all(|time| !time.starts_with('-')), "{:?}", log[0]);
}

/// They are no part of a value, and no value may begin or end with them. Source: RFC 9113, 8.2.1.
#[test]
fn blanks_around_values_do_not_go_on() {
    let target = Target::playing(|mut asked: Asked| async move {
        let response = Response::builder().header("x-back", "\tb ").body(()).unwrap();
        asked.respond.send_response(response, true).unwrap();
    });
    let server = before(&target);
    run(async {
        let request = Request::get("https://shop.example/")
            .header("x-there", " a\t")
            .header("cookie", " c=d ")
            .body(())
            .unwrap();
        let answer = fetch(&client_of(&server).await, request).await.unwrap();
        assert_eq!(answer.headers["x-back"], "b");
        let seen = target.seen.heads();
        assert_eq!(
            (&seen[0].headers["x-there"], &seen[0].headers["cookie"]),
            (&"a".parse().unwrap(), &"c=d".parse().unwrap())
        );
    });
}

/// It says nothing, and a target must not have to wonder.
#[test]
fn an_empty_length_does_not_go_on() {
    let target = Target::playing(|mut asked: Asked| async move { asked.answer("ok") });
    let server = before(&target);
    run(async {
        let request = Request::post("https://shop.example/")
            .header("content-length", "")
            .body(())
            .unwrap();
        let answer = fetch(&client_of(&server).await, request).await.unwrap();
        assert_eq!((answer.status, &*answer.body), (200, &b"ok"[..]));
        assert!(!target.seen.heads()[0].headers.contains_key("content-length"));
    });
}

#[test]
fn over_tls() {
    let target = Target::secure(echo);
    let server = to_protocol(&[target.address], TargetProtocol::Https, ProtocolVersion::Http2).start();
    run(async {
        let requests = client_of(&server).await;
        for _ in 0..3 {
            let answer = upload(&requests, to_post("/"), "secret").await.unwrap();
            assert_eq!((answer.status, &*answer.body), (200, &b"secret"[..]));
        }
        assert_eq!(target.seen.accepted(), 1);
        assert_eq!(target.seen.heads()[0].uri, "https://shop.example:8080/");
    });
}

#[test]
fn trailers_of_both_sides() {
    let target = Target::playing(echo);
    let server = before(&target);
    run(async {
        let requests = client_of(&server).await;
        for body in ["", "body"] {
            let (response, mut stream) = begin(&requests, to_post("/"), false).await;
            if !body.is_empty() {
                stream.send_data(body.into(), false).unwrap();
            }
            let mut all = trailers("1");
            all.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
            all.insert(
                "x-amzn-mtls-clientcert-subject",
                HeaderValue::from_static("CN=somebody"),
            );
            stream.send_trailers(all).unwrap();
            let answer = answered(response).await.unwrap();
            assert_eq!((answer.status, &*answer.body), (200, body.as_bytes()));
            assert_eq!(
                answer.trailers.unwrap(),
                trailers("1"),
                "what only we may say stays here"
            );
        }
    });
}

/// Trailers without a body, behind a length of nothing too.
#[test]
fn trailers_alone() {
    let target = Target::playing(|mut asked: Asked| async move {
        let mut response = ok();
        if asked.parts.uri.path() == "/length" {
            response
                .headers_mut()
                .insert("content-length", HeaderValue::from_static("0"));
        }
        asked.begin(response).send_trailers(trailers("alone")).unwrap();
    });
    let server = before(&target);
    run(async {
        let requests = client_of(&server).await;
        for path in ["/", "/length"] {
            let answer = fetch(&requests, get(path)).await.unwrap();
            assert_eq!((answer.status, answer.body.len()), (200, 0));
            assert_eq!(answer.trailers.unwrap()["x-after"], "alone");
        }
    });
    until_quiet(&server);
}

/// Either side hears what the other says when it is said, for as long as both like.
#[test]
fn both_directions_at_once() {
    let target = Target::playing(echo);
    let server = before(&target);
    run(async {
        let (response, mut sending) = begin(&client_of(&server).await, to_post("/"), false).await;
        let mut receiving = response.await.unwrap().into_body();
        for round in 0..100 {
            let said = format!("round {round}");
            sending.send_data(said.clone().into(), false).unwrap();
            assert_eq!(piece(&mut receiving).await, said);
        }
        sending.send_trailers(trailers("end")).unwrap();
        assert!(receiving.data().await.is_none());
        assert_eq!(receiving.trailers().await.unwrap().unwrap()["x-after"], "end");
    });
}

/// The target speaks first, before the client has said anything of its body.
#[test]
fn a_target_that_speaks_first() {
    let target = Target::playing(|mut asked: Asked| async move {
        let mut sending = asked.begin(ok());
        sending.send_data("first".into(), false).unwrap();
        let (body, _) = asked.read().await;
        sending.send_data(body.into(), true).unwrap();
    });
    let server = before(&target);
    run(async {
        let (response, mut sending) = begin(&client_of(&server).await, to_post("/"), false).await;
        let mut receiving = response.await.unwrap().into_body();
        assert_eq!(piece(&mut receiving).await, "first");
        sending.send_data("second".into(), true).unwrap();
        assert_eq!(piece(&mut receiving).await, "second");
        assert!(receiving.data().await.is_none());
    });
}

#[test]
fn large_bodies_both_ways() {
    let body: Bytes = (0..5_000_000_u32).map(|at| (at * 7) as u8).collect::<Vec<_>>().into();
    let target = Target::playing(echo);
    let server = before(&target);
    run(async {
        let requests = client_of(&server).await;
        let answer = upload(&requests, to_post("/"), body.clone()).await.unwrap();
        assert!(answer.body == body, "{} bytes", answer.body.len());
        let sized = Request::post("https://shop.example/").header("content-length", body.len());
        let answer = upload(&requests, sized.body(()).unwrap(), body.clone()).await.unwrap();
        assert!(answer.body == body, "{} bytes", answer.body.len());
        assert_eq!(target.seen.heads()[1].headers["content-length"], "5000000");
    });
}

#[test]
fn responses_without_a_body() {
    let target = Target::playing(|mut asked: Asked| async move {
        let status: u16 = asked.parts.uri.path()[1..].parse().unwrap();
        let mut response = Response::builder().status(status);
        if status != 204 {
            response = response.header("content-length", "1000");
        }
        asked.respond.send_response(response.body(()).unwrap(), true).unwrap();
    });
    let server = before(&target);
    run(async {
        let requests = client_of(&server).await;
        for (method, status) in [("GET", 204), ("GET", 304), ("HEAD", 200), ("HEAD", 404)] {
            let request = Request::builder()
                .method(method)
                .uri(format!("https://shop.example/{status}"));
            let answer = fetch(&requests, request.body(()).unwrap()).await.unwrap();
            assert_eq!((answer.status, answer.body.len()), (status, 0));
            let length = answer
                .headers
                .get("content-length")
                .map(|value| value.to_str().unwrap());
            assert_eq!(length, (status != 204).then_some("1000"), "{method} {status}");
        }
    });
    until_quiet(&server);
}

/// Interim responses are read over, and too many of them are no answer. Source: ALB 4.11 (unverified).
#[test]
fn interim_responses() {
    let target = Target::playing(|mut asked: Asked| async move {
        let count: usize = asked.parts.uri.path()[1..].parse().unwrap();
        for _ in 0..count {
            let interim = Response::builder().status(103).header("link", "<a>").body(()).unwrap();
            if asked.respond.send_informational(interim).is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        asked.answer("at last");
    });
    let server = before(&target);
    run(async {
        let requests = client_of(&server).await;
        for (count, status) in [(0, 200), (1, 200), (1000, 200), (10_001, 502)] {
            let answer = fetch(&requests, get(&format!("/{count}"))).await.unwrap();
            assert_eq!(answer.status, status, "{count}");
        }
    });
}

/// A client's many streams share few connections to the target.
#[test]
fn many_streams() {
    let target = Target::playing(echo);
    let server = before(&target);
    run(async {
        let requests = client_of(&server).await;
        let asking: Vec<_> = (0..120_usize)
            .map(|at| {
                let requests = requests.clone();
                spawn_local(async move {
                    let body: Bytes = vec![at as u8; at * 1000].into();
                    let answer = upload(&requests, to_post("/"), body.clone()).await.unwrap();
                    assert_eq!(answer.status, 200);
                    assert!(answer.body == body);
                })
            })
            .collect();
        for asking in asking {
            asking.await.unwrap();
        }
        assert!(target.seen.accepted() <= 2, "{} connections", target.seen.accepted());
    });
    until_quiet(&server);
}

// ALB-H-022: after 10,000 requests a GOAWAY is sent; every one of them was relayed
#[test]
fn ten_thousand_requests() {
    let target = Target::playing(|mut asked: Asked| async move { asked.answer("ok") });
    let server = before(&target);
    run(async {
        let (requests, ended) = client(&server).await;
        let workers: Vec<_> = (0..50)
            .map(|_| {
                let requests = requests.clone();
                spawn_local(async move {
                    let mut count = 0_u32;
                    while let Ok(mut ready) = requests.clone().ready().await {
                        let Ok((response, _)) = ready.send_request(get("/"), true) else {
                            break;
                        };
                        assert_eq!(answered(response).await.unwrap().body, b"ok");
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        drop(requests);
        let mut count = 0;
        for worker in workers {
            count += worker.await.unwrap();
        }
        let _ = ended.await.unwrap(); // the server may close first
        assert!((10_000..10_500).contains(&count), "{count}");
        assert_eq!(target.seen.heads().len(), count as usize);
        assert_eq!(target.seen.accepted(), 1, "the target's connection is another matter");
    });
}

// ALB-H-031: response headers over 32 K are 502
#[test]
fn huge_heads() {
    let target = Target::with(
        Builder::new().max_header_list_size(1 << 20),
        None,
        |mut asked: Asked| async move {
            let bytes: usize = asked.parts.uri.path()[1..].parse().unwrap();
            let mut response = Response::builder();
            for at in 0..bytes / 10_000 {
                response = response.header(format!("h{at}"), "x".repeat(10_000));
            }
            asked
                .begin(response.body(()).unwrap())
                .send_data("ok".into(), true)
                .unwrap();
        },
    );
    let server = before(&target);
    run(async {
        let requests = client_of(&server).await;
        for (bytes, status) in [(0, 200), (30_000, 200), (40_000, 502), (200_000, 502), (0, 200)] {
            let answer = fetch(&requests, get(&format!("/{bytes}"))).await.unwrap();
            assert_eq!(answer.status, status, "{bytes}");
        }
        // As much as ALB lets a client say goes on.
        let mut request = get("/0");
        for at in 0..6 {
            let name = format!("h{at}").parse::<http::HeaderName>().unwrap();
            request.headers_mut().append(name, "x".repeat(10_000).parse().unwrap());
        }
        assert_eq!(fetch(&requests, request).await.unwrap().status, 200);
        assert_eq!(target.seen.heads().last().unwrap().headers["h5"].len(), 10_000);
        // Very many short ones are no more than a few long ones.
        assert_eq!(target.seen.accepted(), 1);
    });
}

/// A new table counts from the next stream on, on connections that are open already; what runs goes on.
#[test]
fn changes_of_the_table() {
    let (old, new) = (Target::playing(echo), Target::playing(echo));
    let commands = |target: &Target| to(&[target.address], ProtocolVersion::Http2).commands();
    let server = before(&old);
    run(async {
        let requests = client_of(&server).await;
        let (response, mut sending) = begin(&requests, to_post("/"), false).await;
        let mut receiving = response.await.unwrap().into_body();
        sending.send_data("before".into(), false).unwrap();
        assert_eq!(piece(&mut receiving).await, "before");
        server.proxy.apply(&state_of(&commands(&new))).unwrap();
        assert_eq!(upload(&requests, to_post("/"), "new").await.unwrap().body, b"new");
        sending.send_data("after".into(), true).unwrap();
        assert_eq!(piece(&mut receiving).await, "after");
    });
    assert_eq!((old.seen.heads().len(), new.seen.heads().len()), (1, 1));
}
