//! What a client sends cannot look like another field or another line.

use crate::support::*;

#[test]
fn fields_cannot_be_forged() {
    let server = Setup::lambda(false, answering(r#"{"statusCode":200}"#)).start();
    let requests: [&[u8]; 8] = [
        b"GET /\"%20\"200%20200 HTTP/1.1\r\nHost: a\r\nUser-Agent: x\" - - \"y\r\n\r\n",
        b"GET /a\"b\\c HTTP/1.1\r\nHost: a\"b\r\nUser-Agent: \\\"\\\r\n\r\n",
        b"GET /a b\" 200 \"c HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xff\xc3\xa4 HTTP/1.1\r\nHost: \xe4\r\nUser-Agent: \x01\x1f\x7f\x80\r\n\r\n",
        b"G\"T / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.\"\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Amzn-Trace-Id: Root=\" \"forged\"\r\n\r\n",
        b"GET http://a\"b:1/\" HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    for request in requests {
        let mut client = server.connect();
        client.send(request);
        client.response();
    }
    let kept = server.requests();
    for (entry, request) in kept.iter().zip(requests) {
        let shown = String::from_utf8_lossy(request);
        assert!(entry.line.iter().all(|byte| matches!(byte, b' '..=b'~')), "{shown:?}");
        let quotes = entry.line.iter().filter(|byte| **byte == b'"').count();
        assert_eq!(quotes, 30, "{shown:?}: {}", String::from_utf8_lossy(&entry.line));
    }
    let log = server.log();
    assert_eq!(log.len(), requests.len());
    assert!(log.iter().all(|line| line.len() == 33), "{log:?}");
    assert_eq!(log[0][13], "x\\x22 - - \\x22y");
    assert_eq!(log[1][12], "GET http://a\\x22b:8080/a\\x22b\\x5cc HTTP/1.1");
    assert_eq!(log[3][13], "\\x01\\x1f\\x7f\\x80");
    assert!(log[6][17].contains("Root=\\x22 \\x22forged\\x22"));
}

#[test]
fn lines_cannot_be_forged() {
    // In `monitor` mode even line breaks inside a URL or a header pass.
    let server = Setup::default()
        .attribute("routing.http.desync_mitigation_mode", "monitor")
        .start();
    let forged = "http 2026-01-01T00:00:00.000000Z app/shop/1 1.2.3.4:1 - 0 0 0 200 200";
    for request in [
        format!("GET /\r{forged} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r{forged}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r{forged}\r\n\r\n"),
        format!("GET /\0 HTTP/1.1\r\nHost: a\r\nUser-Agent: \0{forged}\r\n\r\n"),
    ] {
        server.ask(&request);
    }
    assert!(
        server
            .requests()
            .iter()
            .all(|entry| entry.line.iter().all(|byte| matches!(byte, b' '..=b'~')))
    );
    let log = server.log();
    assert_eq!(log.len(), 4);
    assert!(
        log.iter()
            .all(|line| line.len() == 33 && line[3].starts_with("127.0.0.1:"))
    );
}

#[test]
fn long_user_agents_are_cut() {
    let server = Setup::default().start();
    let agent = "u".repeat(10_000);
    server.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: {agent}\r\n\r\n"));
    assert_eq!(server.log()[0][13].len(), 8192);
}
