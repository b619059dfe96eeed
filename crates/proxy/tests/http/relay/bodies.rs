//! Bodies arrive as they were sent, in both directions, however they are framed.

use super::origin::*;

/// Bytes that are not the same anywhere.
pub(super) fn pattern(count: usize) -> Vec<u8> {
    (0..count as u32)
        .flat_map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes())
        .take(count)
        .collect()
}

/// The body of a response in chunks.
pub(super) fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|pair| pair == b"\r\n").expect("a size line");
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        body = &body[end + 2..];
        assert_eq!(&body[size..size + 2], b"\r\n");
        if size == 0 {
            assert_eq!(body, b"\r\n", "nothing follows the last chunk");
            return whole;
        }
        whole.extend_from_slice(&body[..size]);
        body = &body[size + 2..];
    }
}

pub(super) fn split(response: &[u8]) -> (String, &[u8]) {
    let end = response
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a head")
        + 4;
    (String::from_utf8(response[..end].to_vec()).unwrap(), &response[end..])
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    response.extend_from_slice(body);
    response
}

fn in_chunks(body: &[u8], size: usize) -> Vec<u8> {
    let mut response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(size) {
        response.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        response.extend_from_slice(chunk);
        response.extend_from_slice(b"\r\n");
    }
    response.extend_from_slice(b"0\r\n\r\n");
    response
}

const SIZES: [usize; 9] = [0, 1, 100, 8 * 1024, 10_000, 16 * 1024, 65_536, 100_001, 3_000_000];

#[test]
fn responses_with_a_length() {
    for size in SIZES {
        let body = pattern(size);
        let origin = Origin::answering(with_length(&body));
        let server = before(&origin);
        let mut client = server.connect();
        for _ in 0..3 {
            client.send(GET.as_bytes());
            let response = client.response();
            assert_eq!(
                (response.status, response.header("connection")),
                (200, Some("keep-alive"))
            );
            assert!(response.body == body, "{size} bytes");
        }
        drop(client);
        assert_eq!(until_quiet(&server), 1, "its connection waits");
        assert_eq!(origin.accepted(), 1, "it was used again");
        let sent: u64 = server.log().iter().map(|line| line[11].parse::<u64>().unwrap()).sum();
        let head =
            "HTTP/1.1 200 OK\r\nContent-Length: \r\nConnection: keep-alive\r\n\r\n".len() + size.to_string().len();
        assert_eq!(sent, 3 * (head + size) as u64);
    }
}

#[test]
fn responses_in_chunks() {
    for size in SIZES {
        for chunk in [1000, 9000, 70_000] {
            let body = pattern(size);
            let origin = Origin::answering(in_chunks(&body, chunk));
            let server = before(&origin);
            for _ in 0..2 {
                let answer = server.until_closed(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
                let (head, rest) = split(&answer);
                assert!(
                    head.contains("\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"),
                    "{head}"
                );
                assert!(unchunked(rest) == body, "{size} bytes in chunks of {chunk}");
            }
            assert_eq!((until_quiet(&server), origin.accepted()), (1, 1));
        }
    }
}

#[test]
fn responses_that_last_until_the_close() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\n";
    for size in SIZES {
        let mut response = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\n".to_vec();
        let body = pattern(size);
        response.extend_from_slice(&body);
        let origin = Origin::answering_once(response);
        let server = before(&origin);
        let mut client = server.connect();
        // In chunks, because the client's connection stays.
        client.send(GET.as_bytes());
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answers = client.rest();
        // The pieces are as long as what came at once, so the two are not of one length.
        let second = answers.windows(HEAD.len()).rposition(|window| window == HEAD);
        let (first, second) = answers.split_at(second.expect("a second answer"));
        for (answer, connection) in [(first, "keep-alive"), (second, "close")] {
            let (head, rest) = split(answer);
            assert!(
                head.contains(&format!("chunked\r\nConnection: {connection}\r\n")),
                "{head}"
            );
            assert!(unchunked(rest) == body, "{size} bytes");
        }
        assert_eq!((until_quiet(&server), origin.accepted()), (0, 2));
    }
}

// HTTP/1.0 knows no chunks: the end of the connection ends the body.
#[test]
fn old_clients_get_no_chunks() {
    let body = pattern(100_000);
    let origin = Origin::answering(in_chunks(&body, 5000));
    let server = before(&origin);
    let answer = server.until_closed(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    let (head, rest) = split(&answer);
    assert_eq!(head, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    assert!(rest == body);
    let with_length = Origin::answering(with_length(&body));
    let server = before(&with_length);
    let mut client = server.connect();
    for _ in 0..2 {
        client.send(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
        let response = client.response();
        assert_eq!(
            response.header("connection"),
            Some("keep-alive"),
            "a length needs no close"
        );
        assert!(response.body == body);
    }
}

#[test]
fn targets_of_http_1_0() {
    let origin = Origin::playing(|line| {
        let kept = line.number == 0;
        while let Some(asked) = line.request() {
            assert!(asked.head.starts_with("GET / HTTP/1.1\r\n"));
            let connection = if kept { "Connection: keep-alive\r\n" } else { "" };
            line.send(format!("HTTP/1.0 200 OK\r\n{connection}Content-Length: 2\r\n\r\nok"));
        }
    });
    let server = before(&origin);
    for _ in 0..3 {
        assert_eq!(server.get("/").text(), "ok");
    }
    assert_eq!(until_quiet(&server), 1, "it asked to be kept");
    assert_eq!(origin.accepted(), 1);
    let closing = Origin::answering("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let server = before(&closing);
    for _ in 0..3 {
        assert_eq!(server.get("/").text(), "ok");
    }
    assert_eq!((until_quiet(&server), closing.accepted()), (0, 3));
}

#[test]
fn what_has_no_body_has_none() {
    for (method, response, length) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", Some("5000")),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", None),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 70\r\n\r\n",
            Some("70"),
        ),
    ] {
        let origin = Origin::answering(response);
        let server = before(&origin);
        let mut client = server.connect();
        for _ in 0..3 {
            client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            let answer = client.response_to(method);
            assert_eq!(
                (answer.header("content-length"), answer.header("connection")),
                (length, Some("keep-alive"))
            );
        }
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes());
        let last = client.rest();
        assert!(
            last.starts_with(b"HTTP/1.1 ") && last.ends_with(b"\r\n\r\n"),
            "nothing stands between or behind"
        );
        assert_eq!((until_quiet(&server), origin.accepted()), (1, 1));
    }
}

// Interim responses are not relayed (ALB 4.11).
#[test]
fn interim_responses_are_read_over() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    let origin = Origin::answering(format!("{interim}{OK}"));
    let server = before(&origin);
    for _ in 0..2 {
        let response = server.get("/");
        assert_eq!((response.status, response.text()), (200, "ok"));
    }
    assert_eq!((until_quiet(&server), origin.accepted()), (1, 1));
    // As servers send them that take their time.
    let slow = Origin::answering(format!("{}{OK}", interim.repeat(200)));
    assert_eq!(before(&slow).get("/").status, 200);
    let endless = Origin::answering(interim.repeat(5_001));
    let server = before(&endless);
    assert_eq!(server.get("/").status, 502);
    assert_eq!(until_quiet(&server), 0);
}

#[test]
fn requests_with_a_length() {
    for size in SIZES {
        let origin = echoing();
        let server = before(&origin);
        let body = pattern(size);
        let mut client = server.connect();
        for _ in 0..2 {
            client.send(format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n").as_bytes());
            client.send(&body);
            let response = client.response();
            assert_eq!((response.status, response.header("x-framing")), (200, Some("length")));
            assert!(response.body == body, "{size} bytes");
        }
        drop(client);
        assert_eq!((until_quiet(&server), origin.accepted()), (1, 1));
        let received: u64 = server.log().iter().map(|line| line[10].parse::<u64>().unwrap()).sum();
        let head = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n".len() + size.to_string().len();
        assert_eq!(received, 2 * (head + size) as u64);
    }
}

#[test]
fn requests_in_chunks() {
    for size in SIZES {
        let origin = echoing();
        let server = before(&origin);
        let body = pattern(size);
        let mut client = server.connect();
        for chunk in [700, 20_000] {
            client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            for (at, chunk) in body.chunks(chunk).enumerate() {
                let extension = if at == 0 { ";extension=dropped" } else { "" };
                client.send(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
                client.send(chunk);
                client.send(b"\r\n");
            }
            client.send(b"0\r\nTrailer: dropped\r\n\r\n");
            let response = client.response();
            assert_eq!((response.status, response.header("x-framing")), (200, Some("chunked")));
            assert!(response.body == body, "{size} bytes in chunks of {chunk}");
        }
        drop(client);
        assert_eq!((until_quiet(&server), origin.accepted()), (1, 1));
    }
}

/// Answers with the body of the request, and says how that was framed.
fn echoing() -> Origin {
    Origin::playing(|line| {
        while let Some(asked) = line.request() {
            let framing = match asked.header("content-length") {
                Some(_) => "length",
                None => asked.header("transfer-encoding").unwrap_or("none"),
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nX-Framing: {framing}\r\nContent-Length: {}\r\n\r\n",
                asked.body.len()
            );
            line.send([head.as_bytes(), &asked.body].concat());
        }
    })
}

// A body that is not there is not announced.
#[test]
fn a_get_has_no_framing() {
    let origin = Origin::answering(OK);
    let server = before(&origin);
    assert_eq!(server.get("/").status, 200);
    let head = origin.received().concat().to_ascii_lowercase();
    assert!(
        !head.contains("content-length") && !head.contains("transfer-encoding"),
        "{head}"
    );
}

// Every byte of a response may come by itself.
#[test]
fn a_response_in_single_bytes() {
    let body = pattern(50);
    for response in [with_length(&body), in_chunks(&body, 7)] {
        let origin = Origin::playing(move |line| {
            while line.request().is_some() {
                assert!(response.iter().all(|byte| line.send([*byte])));
            }
        });
        let server = before(&origin);
        let answer = server.until_closed(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let (head, rest) = split(&answer);
        let whole = if head.contains("chunked") {
            unchunked(rest)
        } else {
            rest.to_vec()
        };
        assert_eq!(whole, body);
    }
}

// And every byte of a request.
#[test]
fn a_request_in_single_bytes() {
    let origin = echoing();
    let server = before(&origin);
    let mut client = server.connect();
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    ] {
        request.bytes().for_each(|byte| client.send(&[byte]));
        assert_eq!(client.response().text(), "hello");
    }
}

// ALB-H-049: pipelined requests are answered in order
#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::playing(|line| {
        while let Some(asked) = line.request() {
            let path = asked.head.split(' ').nth(1).unwrap().to_owned();
            line.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}",
                path.len()
            ));
        }
    });
    let server = before(&origin);
    let mut client = server.connect();
    let requests: String = (0..50)
        .map(|at| format!("GET /{at} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .collect();
    client.send(requests.as_bytes());
    for at in 0..50 {
        assert_eq!(client.response().text(), format!("/{at}"));
    }
    drop(client);
    assert_eq!(until_quiet(&server), 1);
    assert_eq!(origin.accepted(), 1, "never pipelined towards the target");
}
