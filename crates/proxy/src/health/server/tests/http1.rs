use super::scripted::*;
use crate::health::judge::Ended;
use crate::health::server::{Unanswered, ask, kind};
use crate::target::reach::told_apart;
use model::elb::target_group::ProtocolVersion;
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::Instant;

/// What a check says about a server that answers this.
async fn verdict(bytes: impl AsRef<[u8]> + Clone + 'static, codes: &str) -> (Ended, String) {
    let (address, _server) = answering(bytes).await;
    checked(address, &matching(codes)).await
}

// ALB-B-018: a 301 fails with matcher 200
// ALB-B-019: matcher 200,204-206 takes 205 and not 207
#[test]
fn statuses() {
    run(async {
        for (answer, codes, ended) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                "200",
                Ended::Passed(200),
            ),
            ("HTTP/1.1 200\r\n\r\n", "200", Ended::Passed(200)),
            ("HTTP/1.0 200 OK\r\n\r\nuntil the end", "200", Ended::Passed(200)),
            ("HTTP/1.1 204 No Content\r\n\r\n", "200", Ended::WrongCode(204)),
            ("HTTP/1.1 205 Reset\r\n\r\n", "200,204-206", Ended::Passed(205)),
            ("HTTP/1.1 207 Multi\r\n\r\n", "200,204-206", Ended::WrongCode(207)),
            (
                "HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n",
                "200",
                Ended::WrongCode(301),
            ),
            (
                "HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n",
                "200-399",
                Ended::Passed(301),
            ),
            ("HTTP/1.1 499 Own\r\n\r\n", "200-499", Ended::Passed(499)),
            ("HTTP/1.1 500 Error\r\n\r\n", "200-499", Ended::WrongCode(500)),
            ("HTTP/1.1 999 Odd\r\n\r\n", "200-499", Ended::WrongCode(999)),
            // What comes before the response is read over.
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
                "200",
                Ended::Passed(200),
            ),
            (
                "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 404 No\r\n\r\n",
                "200",
                Ended::WrongCode(404),
            ),
            (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
                "200",
                Ended::WrongCode(101),
            ),
        ] {
            assert_eq!(verdict(answer, codes).await.0, ended, "{answer:?} {codes}");
        }
    });
}

#[test]
fn what_is_no_answer_fails() {
    run(async {
        let many = |line: &str, count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", line.repeat(count));
        for (answer, cause) in [
            ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "the status line is malformed"),
            ("\0\u{1}\u{2}\u{3}garbage".to_owned(), "the status line is malformed"),
            ("HTTP/2.0 200 OK\r\n\r\n".to_owned(), "the status line is malformed"),
            ("HTTP/1.1 20 OK\r\n\r\n".to_owned(), "the status line is malformed"),
            ("<html>no head</html>".to_owned(), "the status line is malformed"),
            (
                "HTTP/1.1 200 OK\r\nno colon\r\n\r\n".to_owned(),
                "a header line has no colon",
            ),
            (
                "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n".to_owned(),
                "a header line is folded",
            ),
            (many("X-Big: 0123456789\r\n", 2000), "the response's head is too large"),
            (
                format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(1 << 20)),
                "the response's head is too large",
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\n".repeat(5000),
                "too many interim responses",
            ),
        ] {
            let shown = &answer[..answer.len().min(40)].to_owned();
            assert_eq!(
                verdict(answer, "200").await,
                (Ended::Failed, cause.to_owned()),
                "{shown:?}"
            );
        }
    });
}

#[test]
fn connections_that_end_fail() {
    run(async {
        let unanswered = "the target closed the connection without an answer";
        assert_eq!(verdict("", "200").await, (Ended::NoConnection, unanswered.to_owned()));
        let (ended, cause) = verdict("HTTP/1.1 200 OK\r\nServer: half", "200").await;
        assert_eq!(ended, Ended::NoConnection);
        assert!(
            cause.ends_with("before the response's headers were complete"),
            "{cause}"
        );
        let (address, _server) = serve(LOOPBACK, |stream| async move { stream.set_zero_linger().unwrap() }).await;
        assert_eq!(checked(address, &matching("200")).await.0, Ended::NoConnection);
        // Nobody listens where somebody did.
        let closed = TcpListener::bind(LOOPBACK).await.unwrap().local_addr().unwrap();
        let (ended, cause) = checked(closed, &matching("200")).await;
        assert_eq!(ended, Ended::NoConnection);
        assert!(cause.contains("refused"), "{cause}");
    });
}

// ALB-B-024: no complete headers within the timeout is a timeout
#[test]
fn who_says_nothing_times_out() {
    simulated(async {
        // The kernel accepts for it.
        let silent = TcpListener::bind(LOOPBACK).await.unwrap();
        let began = Instant::now();
        let answer = checked(silent.local_addr().unwrap(), &matching("200")).await;
        assert_eq!(answer, (Ended::TimedOut, "no answer in time".to_owned()));
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        // Whose backlog is full does not even accept.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(LOOPBACK.parse().unwrap()).unwrap();
        let full = socket.listen(0).unwrap();
        let address = full.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) =
            tokio::time::timeout(Duration::from_secs(1), TcpSocket::new_v4().unwrap().connect(address)).await
        {
            waiting.push(stream.unwrap());
            assert!(waiting.len() < 100, "the backlog takes everybody");
        }
        let answer = checked(address, &matching("200")).await;
        assert_eq!(answer, (Ended::TimedOut, "no connection in time".to_owned()));
    });
}

#[test]
fn a_byte_a_second_is_too_slow() {
    simulated(async {
        let (address, _server) = serve(LOOPBACK, |mut stream| async move {
            request(&mut stream).await;
            let mut tick = tokio::time::interval(Duration::from_secs(1));
            for byte in b"HTTP/1.1 200 OK\r\n\r\n" {
                tick.tick().await;
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
        })
        .await;
        assert_eq!(checked(address, &matching("200")).await.0, Ended::TimedOut);
    });
}

// ALB-B-016: User-Agent ELB-HealthChecker/2.0; the connection closes after the check
// ALB-B-017: Host is the address with its port
#[test]
fn what_a_target_sees() {
    run(async {
        for address in [LOOPBACK, "[::1]:0"] {
            let seen = Rc::new(RefCell::new(Vec::new()));
            let requests = seen.clone();
            let (address, _server) = serve(address, move |mut stream| {
                let requests = requests.clone();
                async move {
                    let head = request(&mut stream).await;
                    requests.borrow_mut().push(head);
                    // It would keep the connection, but is left.
                    stream
                        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                        .await
                        .unwrap();
                    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
                    requests.borrow_mut().push("closed".to_owned());
                }
            })
            .await;
            for _ in 0..2 {
                let answer = checked(address, &at_path(matching("200"), "/up?deep=1")).await;
                assert_eq!(answer.0, Ended::Passed(200));
            }
            let expected = format!(
                "GET /up?deep=1 HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\n\
                 Accept-Encoding: gzip, compressed\r\n\r\n"
            );
            while seen.borrow().len() < 4 {
                tokio::task::yield_now().await;
            }
            assert_eq!(*seen.borrow(), [&expected, "closed", &expected, "closed"]);
        }
    });
}

#[test]
fn a_target_may_write_its_body_to_the_end() {
    run(async {
        let (sent, outcome) = tokio::sync::oneshot::channel();
        let sent = RefCell::new(Some(sent));
        let (address, _server) = serve(LOOPBACK, move |mut stream| {
            let sent = sent.borrow_mut().take();
            async move {
                request(&mut stream).await;
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n";
                let mut whole = head.to_vec();
                whole.extend([b'x'; 60_000]);
                let written = stream.write_all(&whole).await.map(drop);
                let closed = match written {
                    Ok(()) => stream.shutdown().await.and(stream.read(&mut [0; 1]).await),
                    Err(error) => Err(error),
                };
                sent.unwrap().send(closed).unwrap();
            }
        })
        .await;
        assert_eq!(checked(address, &matching("200")).await.0, Ended::Passed(200));
        assert_eq!(outcome.await.unwrap().unwrap(), 0, "a reset would be an error");
    });
}

// The verdict does not wait for a body, and an endless one is cut.
#[test]
fn endless_bodies_are_cut() {
    run(async {
        let cut = Rc::new(Cell::new(0));
        let count = cut.clone();
        let (address, _server) = serve(LOOPBACK, move |mut stream| {
            let cut = count.clone();
            async move {
                request(&mut stream).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
                cut.set(cut.get() + 1);
            }
        })
        .await;
        let asked = ask(address, &matching("200")).await;
        assert_eq!(asked.ended, Ended::Passed(200));
        drop(asked.open);
        assert_eq!(checked(address, &matching("200")).await.0, Ended::Passed(200));
        while cut.get() < 2 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn what_this_machine_lacks_is_no_failure_of_the_target() {
    const NOT_ASKED: [i32; 5] = [12, 23, 24, 99, 105];
    for code in NOT_ASKED.into_iter().chain([104, 110, 111, 113]) {
        let expected = match code {
            110 => Ended::TimedOut,
            code if NOT_ASKED.contains(&code) => Ended::NotAsked,
            _ => Ended::NoConnection,
        };
        let unanswered = Unanswered::from(io::Error::from_raw_os_error(code));
        assert_eq!(unanswered.judged().0, expected, "{code}");
    }
}

// 99, `EADDRNOTAVAIL`, is a port that is missing only where there is a way.
#[test]
fn a_machine_without_ipv6_does_not_keep_its_targets_healthy() {
    for (way, expected) in [
        (Ok(()), Ended::NotAsked),
        (Err(Errno::MFILE), Ended::NotAsked),
        (Err(Errno::ADDRNOTAVAIL), Ended::NoConnection),
        (Err(Errno::NETUNREACH), Ended::NoConnection),
    ] {
        let error = told_apart(Errno::ADDRNOTAVAIL.into(), || way);
        assert_eq!(Unanswered::from(error).judged().0, expected, "{way:?}");
    }
}

#[test]
fn kinds() {
    for (settings, expected) in [
        (settings(ProtocolVersion::Http1), "http"),
        (with_tls(settings(ProtocolVersion::Http1)), "https"),
        (settings(ProtocolVersion::Http2), "h2"),
        (with_tls(settings(ProtocolVersion::Http2)), "h2"),
        (settings(ProtocolVersion::Grpc), "grpc"),
        (with_tls(settings(ProtocolVersion::Grpc)), "grpc"),
    ] {
        assert_eq!(kind(&settings).as_str(), expected);
    }
}
