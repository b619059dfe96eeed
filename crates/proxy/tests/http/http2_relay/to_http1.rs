//! Clients of HTTP/2, targets of HTTP/1: every stream becomes an exchange of its own. Source: ALB 4.2, 4.6.

use super::target::*;
use crate::frames::{Raw, encode, get, run, *};
use crate::relay::origin::{self, Latch, Line, Origin, until_quiet};
use crate::secure::Offer;
use crate::support::*;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use model::elb::target_group::ProtocolVersion;
use std::sync::{Arc, Mutex};

/// A proxy with an HTTPS listener in front of one server.
fn before(origin: &Origin) -> Server {
    to(&[origin.address()], ProtocolVersion::Http1).start()
}

fn echo(line: &mut Line) {
    while let Some(asked) = line.request() {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", asked.body.len());
        line.send([head.as_bytes(), &asked.body].concat());
    }
}

// ALB-H-020: names of clients arrive in lower case, those of the load balancer in mixed case
#[test]
fn heads() {
    let origin = Origin::answering(origin::OK);
    let server = before(&origin);
    run(async {
        let requests = client_of(&server).await;
        let request = Request::get("https://Shop.Example/a%20b?c=d&e")
            .header("X-Custom", "One")
            .header("cookie", "a=1")
            .header("user-agent", "test")
            .header("cookie", "b=2")
            .header("te", "trailers")
            .header("expect", "100-continue")
            .header("x-forwarded-for", "192.0.2.1")
            .header("x-forwarded-proto", "gopher")
            .body(())
            .unwrap();
        let answer = fetch(&requests, request).await.unwrap();
        assert_eq!((answer.status, &*answer.body), (200, &b"ok"[..]));
    });
    let seen = origin.received().remove(0);
    let (before, after) = seen.split_once("Root=1-").unwrap();
    assert_eq!(
        before,
        "GET /a%20b?c=d&e HTTP/1.1\r\n\
         X-Forwarded-For: 192.0.2.1, 127.0.0.1\r\n\
         X-Forwarded-Proto: https\r\n\
         X-Forwarded-Port: 8080\r\n\
         Host: shop.example:8080\r\n\
         X-Amzn-Trace-Id: "
    );
    // Of a map of headers only the order of equal names is kept.
    let mut lines: Vec<_> = after.lines().skip(1).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["", "cookie: a=1; b=2", "user-agent: test", "x-custom: One"]);
}

// ALB-D-019: HTTP/2 requests are logged as compliant, whatever HTTP/1 would say of them
#[test]
fn bodies() {
    let origin = Origin::playing(echo);
    let server = before(&origin);
    let large: Bytes = (0..3_000_000_u32).map(|at| at as u8).collect::<Vec<_>>().into();
    run(async {
        let requests = client_of(&server).await;
        let answer = upload(&requests, to_post("/"), "hello").await.unwrap();
        assert_eq!((answer.status, &*answer.body), (200, &b"hello"[..]));
        let sized = Request::post("https://shop.example/").header("content-length", 5);
        let answer = upload(&requests, sized.body(()).unwrap(), "sized").await.unwrap();
        assert_eq!((answer.status, &*answer.body), (200, &b"sized"[..]));
        let answer = upload(&requests, to_post("/"), large.clone()).await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.body == large, "{} bytes", answer.body.len());
        // GET with a body, which HTTP/1 would call ambiguous.
        let answer = upload(&requests, get("/"), "odd").await.unwrap();
        assert_eq!((answer.status, &*answer.body), (200, &b"odd"[..]));
    });
    let seen = origin.received();
    assert_eq!(seen.len(), 1, "one after the other on one connection");
    let heads: Vec<_> = seen[0]
        .split("\r\n\r\n")
        .filter(|part| part.contains(" HTTP/1.1"))
        .collect();
    assert!(heads[0].contains("Transfer-Encoding: chunked") && !heads[0].contains("ontent-"));
    assert!(heads[1].contains("content-length: 5") && !heads[1].contains("chunked"));
    until_quiet(&server);
    for line in server.log() {
        assert_eq!([&*line[0], &line[8], &line[9], &line[27]], ["h2", "200", "200", "-"]);
        let [received, sent]: [usize; 2] = [10, 11].map(|at| line[at].parse().unwrap());
        assert!(received > 3 && sent > 3);
    }
}

// Trailers of a client have no place in what HTTP/1 targets get.
#[test]
fn trailers_of_clients_are_dropped() {
    let origin = Origin::playing(echo);
    let server = before(&origin);
    run(async {
        let requests = client_of(&server).await;
        let (response, mut stream) = begin(&requests, to_post("/"), false).await;
        stream.send_data("x".into(), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-after", HeaderValue::from_static("1"));
        stream.send_trailers(trailers).unwrap();
        assert_eq!(answered(response).await.unwrap().body, b"x");
    });
    let seen = origin.received().remove(0);
    assert!(seen.ends_with("1\r\nx\r\n0\r\n\r\n"), "{seen}");
}

/// Those of a chunked response arrive, except for what would be about the message itself. Clients of HTTP/1 asked for none.
#[test]
fn trailers_of_targets_arrive() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Checksum: 1\r\nContent-Length: 5\r\n\
         x-checksum: 2\r\nConnection: close\r\n\r\n",
    );
    let server = before(&origin);
    run(async {
        let requests = client_of(&server).await;
        for _ in 0..2 {
            let answer = fetch(&requests, get("/")).await.unwrap();
            assert_eq!((answer.status, &*answer.body), (200, &b"ok"[..]));
            let trailers = answer.trailers.unwrap();
            assert_eq!(trailers.get_all("x-checksum").iter().collect::<Vec<_>>(), ["1", "2"]);
            assert_eq!(trailers.len(), 2, "{trailers:?}");
        }
        let request = Request::head("https://shop.example/").body(()).unwrap();
        assert_eq!(fetch(&requests, request).await.unwrap().trailers, None);
    });
    let mut by_http1 = server.secure(Offer::default());
    by_http1.send(b"GET / HTTP/1.1\r\nHost: shop.example\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n");
    let answer = String::from_utf8(by_http1.rest()).unwrap();
    assert!(answer.ends_with("\r\n\r\n2\r\nok\r\n0\r\n\r\n"), "{answer}");
}

// ALB-H-048: HTTP/2 responses contain no connection header, nor what else belongs to one
#[test]
fn heads_of_responses() {
    let origin = Origin::answering(
        "HTTP/1.1 201 Made\r\nConnection: keep-alive, x-hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n\
         Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nTE: trailers\r\nTrailer: x\r\nServer: mine\r\n\
         Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Mixed: \u{e4}\tb\r\nX-Empty:\r\nContent-Length: 1\r\n\r\nx"
            .chars()
            .map(|c| c as u8)
            .collect::<Vec<_>>(),
    );
    let server = before(&origin);
    run(async {
        let requests = client_of(&server).await;
        for _ in 0..2 {
            let answer = fetch(&requests, get("/")).await.unwrap();
            assert_eq!((answer.status, &*answer.body), (201, &b"x"[..]));
            let mut names: Vec<_> = answer.headers.keys().map(|name| name.as_str()).collect();
            names.sort_unstable();
            let expected = ["content-length", "server", "set-cookie", "x-empty", "x-hop", "x-mixed"];
            assert_eq!(names, expected);
            let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
            assert_eq!(cookies, ["a=1", "b=2"]);
            assert_eq!(answer.headers["x-mixed"].as_bytes(), b"\xe4\tb");
            assert_eq!(answer.headers["server"], "mine");
        }
    });
}

// What a field of HTTP/2 cannot hold is left out; the rest of the response is not to blame.
#[test]
fn a_header_that_cannot_be_carried() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nX-Bell: a\x07b\r\nX-Good: 1\r\nContent-Length: 2\r\n\r\nok");
    let server = before(&origin);
    run(async {
        let answer = fetch(&client_of(&server).await, get("/")).await.unwrap();
        assert_eq!((answer.status, &*answer.body), (200, &b"ok"[..]));
        assert!(answer.headers.contains_key("x-good") && !answer.headers.contains_key("x-bell"));
    });
}

#[test]
fn responses_without_a_body() {
    for (response, status, length) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        (
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: \"a\"\r\n\r\n",
            304,
            Some("10"),
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, Some("0")),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            200,
            None,
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
            204,
            None,
        ),
    ] {
        let origin = Origin::answering(response);
        let server = before(&origin);
        let mut raw = Raw::open(&server);
        for stream in [1, 3] {
            raw.send(HEADERS, WHOLE, stream, GET);
            let frame = std::iter::from_fn(|| raw.next())
                .find(|frame| frame.stream == stream)
                .unwrap();
            assert_eq!(
                (frame.kind, frame.ends_stream()),
                (HEADERS, true),
                "nothing follows: {response}"
            );
        }
        run(async {
            let answer = fetch(&client_of(&server).await, get("/")).await.unwrap();
            let found = answer
                .headers
                .get("content-length")
                .map(|value| value.to_str().unwrap());
            assert_eq!((answer.status, found), (status, length), "{response}");
        });
    }
}

#[test]
fn head() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    let server = before(&origin);
    run(async {
        let requests = client_of(&server).await;
        for _ in 0..3 {
            let request = Request::head("https://shop.example/").body(()).unwrap();
            let answer = fetch(&requests, request).await.unwrap();
            assert_eq!((answer.status, answer.body.len()), (200, 0));
            assert_eq!(answer.headers["content-length"], "1000");
        }
    });
    assert_eq!(origin.accepted(), 1);
}

/// A target that answers before it has the request: the client has the answer while it still sends, and may go on.
#[test]
fn early_answers() {
    let (answered_early, go) = (Latch::default(), Latch::default());
    let latches = (answered_early.clone(), go.clone());
    let origin = Origin::playing(move |line| {
        line.head().unwrap();
        line.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n");
        latches.0.open();
        latches.1.wait();
        let mut body = Vec::new();
        loop {
            let chunk = line.chunk();
            if chunk.is_empty() {
                break;
            }
            body.extend(chunk);
        }
        line.send(format!(
            "{:x}\r\n{}\r\n0\r\n\r\n",
            body.len(),
            String::from_utf8(body).unwrap()
        ));
    });
    let server = before(&origin);
    run(async {
        let requests = client_of(&server).await;
        let (response, mut sending) = begin(&requests, to_post("/"), false).await;
        let mut response = response.await.unwrap().into_body();
        answered_early.wait();
        assert_eq!(piece(&mut response).await, "early");
        go.open();
        sending.send_data("late".into(), true).unwrap();
        assert_eq!(piece(&mut response).await, "late");
    });
}

#[test]
fn a_target_that_refuses_an_upload() {
    let origin = Origin::answering_once("HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
    let server = before(&origin);
    run(async {
        let requests = client_of(&server).await;
        for _ in 0..3 {
            let answer = upload(&requests, to_post("/"), vec![b'x'; 5 << 20]).await.unwrap();
            assert_eq!((answer.status, &*answer.body), (413, &b"no"[..]));
        }
    });
    until_quiet(&server);
}

// ALB-D-021: nothing that HTTP/2 carries becomes a second request of HTTP/1
#[test]
fn nothing_is_smuggled() {
    let origin = Origin::answering(origin::OK);
    let server = before(&origin);
    let literal = |name: &str, value: &str| {
        let mut bytes = vec![0, name.len() as u8];
        bytes.extend(name.bytes());
        bytes.push(value.len() as u8);
        bytes.extend(value.bytes());
        bytes
    };
    let hidden = "x\r\n\r\nGET /hidden HTTP/1.1\r\n";
    let head: &[u8] = b"\x82\x87\x84\x41\x01a";
    let cases: Vec<Vec<u8>> = vec![
        literal("transfer-encoding", "chunked"),
        literal("connection", "close"),
        literal("connection", "x-y"),
        literal("keep-alive", "1"),
        literal("proxy-connection", "keep-alive"),
        literal("upgrade", "websocket"),
        literal("te", "gzip"),
        literal("Upper", "a"),
        literal("a b", "c"),
        literal("a:b", "c"),
        literal("a\r\nb", "c"),
        literal("", "c"),
        literal("a", hidden),
        literal("a", "x\ny"),
        literal("a", "x\0y"),
        literal("content-length", "x"),
        literal("content-length", "5"),
        literal("content-length", "-1"),
        literal("content-length", "0, 0"),
        [literal("content-length", "0"), literal("content-length", "1")].concat(),
        literal(":path", "/again"),
        literal(":authority", "other"),
        literal(":unknown", "x"),
        literal(":status", "200"),
        literal(":protocol", "websocket"),
    ];
    for case in cases {
        let mut raw = Raw::open(&server);
        raw.send(HEADERS, WHOLE, 1, &[head, &case].concat());
        let end = std::iter::from_fn(|| raw.next()).find(|frame| matches!(frame.kind, RST_STREAM | HEADERS | GOAWAY));
        let end = end.unwrap();
        assert_ne!(end.kind, HEADERS, "it was answered: {}", String::from_utf8_lossy(&case));
    }
    // Pseudo-headers that would break a request line, or name a place of their own.
    for (path, authority, method) in [
        (hidden, "a", "GET"),
        ("/a b", "a", "GET"),
        ("http://evil/", "a", "GET"),
        ("evil", "a", "GET"),
        ("", "a", "GET"),
        ("/\u{7f}", "a", "GET"),
        ("/", "a\r\nb", "GET"),
        ("/", "a b", "GET"),
        ("/", "", "GET"),
        ("/", "a/b", "GET"),
        ("/", "a", "GET / HTTP/1.1\r\nX:"),
        ("/", "a", "G T"),
        ("/", "a", ""),
        ("/", "a", "CONNECT"),
    ] {
        let mut raw = Raw::open(&server);
        let fields = [
            (":method", method),
            (":scheme", "https"),
            (":path", path),
            (":authority", authority),
        ];
        let head: Vec<u8> = fields.iter().flat_map(|(name, value)| literal(name, value)).collect();
        raw.send(HEADERS, WHOLE, 1, &head);
        let end = std::iter::from_fn(|| raw.next()).find(|frame| matches!(frame.kind, RST_STREAM | HEADERS | GOAWAY));
        assert_ne!(
            end.unwrap().kind,
            HEADERS,
            "it was answered: {path:?} {authority:?} {method:?}"
        );
    }
    assert_eq!(origin.received().concat(), "", "nothing reached the target");
    assert_eq!(server.counter("albacore_proxy_panics_total"), 0.0);
}

// Two parties could take such a request for one to two hosts.
#[test]
fn the_host_is_said_once() {
    let origin = Origin::answering(origin::OK);
    let server = before(&origin);
    let ask = |fields: &[(&str, &str)]| {
        let mut raw = Raw::open(&server);
        let mut head = b"\x82\x87\x84".to_vec();
        for (name, value) in fields {
            head.extend([0, name.len() as u8]);
            head.extend(name.bytes());
            head.push(value.len() as u8);
            head.extend(value.bytes());
        }
        raw.send(HEADERS, WHOLE, 1, &head);
        let answer = std::iter::from_fn(|| raw.next())
            .find(|frame| frame.kind == HEADERS)
            .unwrap();
        // The status comes first: in the table of HPACK 8 is 200, 12 is 400.
        answer.payload[0] & 0x7f
    };
    for (fields, status) in [
        (&[(":authority", "a")][..], 8),
        (&[("host", "a")], 8),
        (&[(":authority", "a"), ("host", "A")], 8),
        (&[], 12),
        (&[("host", "")], 12),
        (&[("host", ":99")], 12),
        (&[(":authority", ":99")], 12),
        (&[(":authority", "a:b")], 12),
        (&[("host", "[::1")], 12),
        (&[("host", "a"), ("host", "a")], 12),
        (&[("host", "a"), ("host", "b")], 12),
        (&[(":authority", "a"), ("host", "b")], 12),
        (&[(":authority", "a"), ("host", "a"), ("host", "b")], 12),
        (&[(":authority", "a:1"), ("host", "a")], 12),
        (&[(":authority", "user@a")], 12),
        (&[("host", "user@a")], 12),
        (&[("host", "a/b")], 12),
    ] {
        assert_eq!(ask(fields), status, "{fields:?}");
    }
    let hosts: Vec<_> = origin
        .received()
        .concat()
        .lines()
        .filter(|line| line.starts_with("Host"))
        .map(str::to_owned)
        .collect();
    assert_eq!(hosts, ["Host: a:8080"; 3]);
}

// What looks like framing is not passed on, not even where nothing is classified.
#[test]
fn look_alikes_of_framing() {
    let origin = Origin::answering(origin::OK);
    let server = before(&origin);
    run(async {
        let requests = client_of(&server).await;
        let request = Request::post("https://shop.example/")
            .header("transfer_encoding", "chunked")
            .header("content_length", "100")
            .header("x-kept", "1")
            .body(())
            .unwrap();
        assert_eq!(fetch(&requests, request).await.unwrap().status, 200);
    });
    let seen = origin.received().remove(0);
    assert!(seen.contains("x-kept: 1"), "{seen}");
    assert!(!seen.contains("encoding") && !seen.contains("length"), "{seen}");
}

/// Source: ALB 4.1 (unverified).
#[test]
fn nobody_is_connected() {
    let origin = Origin::answering(origin::OK);
    let server = before(&origin);
    let mut raw = Raw::open(&server);
    let connect = b"\x42\x07CONNECT\x41\x04a:80";
    raw.send(HEADERS, WHOLE, 1, connect);
    raw.send(HEADERS, END_HEADERS, 3, connect);
    for _ in 0..2 {
        let answer = raw.until(HEADERS).unwrap();
        assert_eq!(answer.payload[0], 0x8c, "400");
    }
    assert_eq!(origin.received().concat(), "");
}

#[test]
fn an_asterisk() {
    let origin = Origin::answering(origin::OK);
    let server = before(&origin);
    let mut raw = Raw::open(&server);
    let head = [b"\x42\x07OPTIONS\x87\x44\x01*".as_slice(), b"\x41\x01a"].concat();
    raw.send(HEADERS, WHOLE, 1, &head);
    assert_eq!(raw.answers(1), 1);
    assert!(origin.received()[0].starts_with("OPTIONS * HTTP/1.1\r\n"));
}

/// Bodies of many streams at once, each to a connection of its own.
#[test]
fn many_streams() {
    let origin = Origin::playing(echo);
    let server = before(&origin);
    run(async {
        let requests = client_of(&server).await;
        let asking: Vec<_> = (0..100_usize)
            .map(|at| {
                let requests = requests.clone();
                tokio::task::spawn_local(async move {
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
    });
    until_quiet(&server);
}

// ALB-H-031: response headers over 32 K are 502
#[test]
fn huge_heads_of_responses() {
    for (bytes, status) in [(30_000, 200), (40_000, 502)] {
        let origin = Origin::playing(move |line: &mut Line| {
            line.answer_all(
                format!(
                    "HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n",
                    "x".repeat(bytes)
                )
                .as_bytes(),
            );
        });
        let server = before(&origin);
        run(async {
            let requests = client_of(&server).await;
            for _ in 0..2 {
                assert_eq!(fetch(&requests, get("/")).await.unwrap().status, status);
            }
        });
    }
}

// ALB-H-038: a stream that is reset before the response is logged as 460
// Its target hears of it at once, and the connection goes on.
#[test]
fn clients_that_reset() {
    let seen: Arc<Mutex<Vec<&str>>> = Arc::default();
    let (came, gone) = (Latch::default(), Latch::default());
    let (told, latches) = (seen.clone(), (came.clone(), gone.clone()));
    let origin = Origin::playing(move |line: &mut Line| {
        let Some(head) = line.head() else {
            return;
        };
        if head.starts_with("GET /quick") {
            line.send(origin::OK);
            line.rest();
            return;
        }
        if head.starts_with("GET /middle") {
            line.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        }
        latches.0.open();
        line.rest();
        told.lock().unwrap().push("gone");
        latches.1.open();
    });
    let server = before(&origin);
    let mut raw = Raw::open(&server);
    let path = |path: &str| {
        let mut head = vec![0x82, 0x87, 0x44, path.len() as u8];
        head.extend(path.bytes());
        head.extend(b"\x41\x01a");
        head
    };
    for (stream, at, flags) in [(1, "/head", WHOLE), (3, "/middle", WHOLE), (5, "/upload", END_HEADERS)] {
        raw.send(HEADERS, flags, stream, &path(at));
        if flags == END_HEADERS {
            raw.send(DATA, 0, stream, b"some");
        }
        if at == "/middle" {
            assert!(raw.until(DATA).is_some());
        }
        came.wait();
        raw.bytes(&encode(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        gone.wait();
    }
    raw.send(HEADERS, WHOLE, 7, &path("/quick"));
    assert_eq!(raw.answers(1), 1);
    drop(raw);
    assert_eq!(seen.lock().unwrap().len(), 3);
    until_quiet(&server);
    let statuses: Vec<_> = server.log().iter().map(|line| line[8].clone()).collect();
    assert_eq!(statuses, ["460", "200", "400", "200"]);
}
