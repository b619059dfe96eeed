//! The codec as the server of the Lambda Runtime API: one connection, kept open, of a function's runtime. The same types
//! that serve clients of a load balancer, driven as a connection drives them.

use http1::{
    BodyDecoder, HeadLimits, HeadScanner, RequestHead, ResponseWriter, Scan, framing, keep_alive, write_chunk,
};

/// What a connection keeps from request to request.
#[derive(Default)]
struct Connection {
    buffer: Vec<u8>,
    scanner: HeadScanner,
    head: RequestHead,
}

impl Connection {
    /// Takes bytes as they arrive and hands out each request that is complete, as `METHOD path body trailers`.
    fn receive(&mut self, bytes: &[u8]) -> Vec<String> {
        self.buffer.extend_from_slice(bytes);
        let mut requests = Vec::new();
        while let Some((request, used)) = self.next() {
            requests.push(request);
            self.buffer.drain(..used);
        }
        requests
    }

    fn next(&mut self) -> Option<(String, usize)> {
        // Head and body are read anew when more comes; a real connection keeps scanner and decoder instead.
        self.scanner.reset();
        let scan = self
            .head
            .read(&mut self.scanner, &self.buffer, &HeadLimits::ALB)
            .expect("a readable head");
        let Scan::Complete { head_len } = scan else { return None };
        let (head, rest) = self.buffer.split_at(head_len);
        assert!(keep_alive(&self.head, head));
        let framing = framing(&self.head, head).expect("a framing");
        let mut decoder = BodyDecoder::keeping_trailers(framing, 1_000);
        let (mut body, mut at) = (Vec::new(), 0);
        while !decoder.is_done() {
            let decoded = decoder.decode(&rest[at..]).expect("a well-formed body");
            if decoded.consumed == 0 {
                return None;
            }
            body.extend_from_slice(&rest[at..][decoded.data]);
            at += decoded.consumed;
        }
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let mut request = format!(
            "{} {} {}",
            text(self.head.method(head)),
            text(self.head.path(head)),
            text(&body)
        );
        for (name, value) in decoder.trailers() {
            request += &format!(" {}={}", text(name), text(value));
        }
        Some((request, head_len + at))
    }
}

#[test]
fn a_runtime_posts_its_answers_with_a_length_or_in_chunks_and_polls_again() {
    let mut sent = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n\r\n".to_vec();
    sent.extend_from_slice(
        b"POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
    );
    sent.extend_from_slice(
        b"POST /2018-06-01/runtime/invocation/id-2/response HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
          Lambda-Runtime-Function-Response-Mode: streaming\r\n\
          Trailer: Lambda-Runtime-Function-Error-Type\r\n\r\n",
    );
    write_chunk(&mut sent, b"first ");
    write_chunk(&mut sent, b"second");
    sent.extend_from_slice(b"0\r\nLambda-Runtime-Function-Error-Type: x\r\n\r\n");
    let expected = [
        "GET /2018-06-01/runtime/invocation/next ",
        "POST /2018-06-01/runtime/invocation/id-1/response {\"a\":1}",
        "POST /2018-06-01/runtime/invocation/id-2/response first second Lambda-Runtime-Function-Error-Type=x",
    ];
    assert_eq!(Connection::default().receive(&sent), expected, "all at once");
    for step in [1, 7, 100] {
        let mut connection = Connection::default();
        let requests: Vec<_> = sent.chunks(step).flat_map(|bytes| connection.receive(bytes)).collect();
        assert_eq!(requests, expected, "in steps of {step}");
    }
}

#[test]
fn the_next_invocation_is_one_write() {
    let mut out = Vec::new();
    let mut writer = ResponseWriter::begin(&mut out, 200, b"OK").expect("a status");
    writer
        .field(b"Lambda-Runtime-Aws-Request-Id", b"id-1")
        .expect("a field");
    writer.content_length(2).expect("the only framing");
    writer.end();
    out.extend_from_slice(b"{}");
    let expected = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id-1\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(String::from_utf8(out).expect("text"), expected);
}
