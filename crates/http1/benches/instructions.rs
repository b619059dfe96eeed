//! How many instructions the codec takes for one request of a browser and the response of its target, with hard limits:
//! `make instructions`.
//!
//! A limit stands about 3 % above today's count. Whoever has to raise one says why in the commit. Each case starts with
//! the room of the request before, as a connection does, so nothing here allocates.

#![allow(missing_docs)] // The macros make public items of their own.

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use http1::desync::{Classification, classify};
use http1::{
    ClientConnection, ClientFraming, Edits, Forward, Framing, FramingError, HeadError, HeadLimits, HeadScanner, Relay,
    RequestHead, ResponseError, ResponseFraming, ResponseHead, ResponseWriter, Scan, TargetConnection, framing,
    keep_alive, relayed_fields, response_framing, response_keep_alive, write_request, write_response,
};
use std::hint::black_box;

/// The request of `bench/`: 335 bytes of head.
const REQUEST: &[u8] = b"GET /orders/1234?page=2&sort=asc HTTP/1.1\r\n\
    Host: shop.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
    \r\n";

/// Room for any head that is written here, in bytes.
const OUT_BYTES: usize = 4096;

fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(Callgrind::default().hard_limits([(EventKind::Ir, instructions)]));
    config
}

/// What a connection keeps from request to request.
struct Connection {
    scanner: HeadScanner,
    head: RequestHead,
    edits: Edits,
    out: Vec<u8>,
}

/// A connection that has served this request before.
fn warm() -> Connection {
    let mut connection = Connection {
        scanner: HeadScanner::new(),
        head: RequestHead::new(),
        edits: Edits::new(),
        out: Vec::with_capacity(OUT_BYTES),
    };
    connection.read().expect("the request is complete");
    connection.edit();
    connection.write();
    connection.edits.clear();
    connection.out.clear();
    connection
}

impl Connection {
    fn read(&mut self) -> Result<Scan, HeadError> {
        self.head.read(&mut self.scanner, black_box(REQUEST), &HeadLimits::ALB)
    }

    /// What the load balancer adds, and one field that it takes away.
    fn edit(&mut self) {
        for (name, value) in black_box([
            ("X-Forwarded-For", "203.0.113.7"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Port", "443"),
            ("Host", "shop.example.com"),
            ("X-Amzn-Trace-Id", "Root=1-67891233-abcdef012345678912345678"),
        ]) {
            let _ = self.edits.prepend(name.as_bytes(), value.as_bytes());
        }
        self.edits.drop_field(0);
    }

    fn write(&mut self) {
        let forward = Forward {
            target: None,
            framing: Framing::None,
            connection: TargetConnection::KeepAlive,
        };
        let _ = write_request(&self.head, REQUEST, black_box(&forward), &self.edits, &mut self.out);
    }
}

type Judged = (
    Result<Scan, HeadError>,
    Classification,
    Result<Framing, FramingError>,
    bool,
);

#[library_benchmark]
#[bench::browser(args = (warm()), config = at_most(1_890))]
fn read_and_judge(mut connection: Connection) -> (Connection, Judged) {
    let scan = connection.read();
    let head = black_box(&connection.head);
    let judged = (
        scan,
        classify(head, REQUEST),
        framing(head, REQUEST),
        keep_alive(head, REQUEST),
    );
    (connection, judged)
}

#[library_benchmark]
#[bench::five_fields_more(args = (warm()), config = at_most(1_685))]
fn edit_and_write(mut connection: Connection) -> Connection {
    connection.edit();
    connection.write();
    connection
}

#[library_benchmark]
#[bench::fixed(args = (room()), config = at_most(1_075))]
fn response_head(mut out: Vec<u8>) -> Vec<u8> {
    respond(&mut out);
    out
}

/// Room that has held a response before.
fn room() -> Vec<u8> {
    let mut out = Vec::with_capacity(OUT_BYTES);
    respond(&mut out);
    out.clear();
    out
}

fn respond(out: &mut Vec<u8>) {
    if let Ok(mut head) = ResponseWriter::begin(out, black_box(200), b"OK") {
        let _ = head.field(b"Server", b"awselb/2.0");
        let _ = head.field(b"Date", black_box(b"Thu, 01 Jan 1970 00:00:00 GMT"));
        let _ = head.field(b"Content-Type", b"text/plain; charset=utf-8");
        let _ = head.content_length(black_box(5));
        head.connection(true);
        head.end();
    }
}

/// The response of an application server: eight fields, 296 bytes of head.
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Server: nginx/1.22.1\r\n\
    Date: Fri, 20 Nov 2026 15:37:34 GMT\r\n\
    Content-Type: application/json; charset=utf-8\r\n\
    Content-Length: 10240\r\n\
    Connection: keep-alive\r\n\
    Cache-Control: private, max-age=0, must-revalidate\r\n\
    ETag: W/\"2800-jn0sI3ZMlqJx9lq0NSjbAPuBSeo\"\r\n\
    X-Request-Id: 4f9c2f4e-9d0b-4f0c-8a56-0c2a6c7b7f57\r\n\
    \r\n";

/// What a connection to a target keeps from response to response.
struct Target {
    scanner: HeadScanner,
    head: ResponseHead,
    out: Vec<u8>,
}

/// A connection that has seen this response before.
fn warm_target() -> Target {
    let mut target = Target {
        scanner: HeadScanner::new(),
        head: ResponseHead::new(),
        out: Vec::with_capacity(OUT_BYTES),
    };
    target.read().expect("the response is complete");
    target
}

impl Target {
    fn read(&mut self) -> Result<Scan, ResponseError> {
        self.head
            .read(&mut self.scanner, black_box(RESPONSE), &HeadLimits::ALB_RESPONSE)
    }

    fn write(&mut self, relay: &Relay<'_>) {
        let _ = write_response(&self.head, RESPONSE, black_box(relay), &mut self.out);
    }
}

const RELAY: Relay<'_> = Relay {
    framing: ClientFraming::Length(10_240),
    connection: ClientConnection::KeepAlive,
    extra: &[],
    replaced: &[],
};

/// What stickiness and two listener attributes add.
const COOKIES: &[(&[u8], &[u8])] = &[
    (
        b"Set-Cookie",
        b"AWSALB=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4; Expires=Fri, 27 Nov 2026 15:37:34 GMT; Path=/",
    ),
    (
        b"Set-Cookie",
        b"AWSALBCORS=Zm9vYmFyYmF6cXV4; Expires=Fri, 27 Nov 2026 15:37:34 GMT; Path=/; SameSite=None; Secure",
    ),
];
const REPLACED: &[(&[u8], &[u8])] = &[
    (b"Strict-Transport-Security", b"max-age=31536000"),
    (b"X-Frame-Options", b"DENY"),
];

type Response = (
    Result<Scan, ResponseError>,
    Result<ResponseFraming, ResponseError>,
    bool,
);

#[library_benchmark]
#[bench::eight_fields(args = (warm_target()), config = at_most(2_395))]
fn read_response(mut target: Target) -> (Target, Response) {
    let scan = target.read();
    let head = black_box(&target.head);
    let read = (
        scan,
        response_framing(head, RESPONSE, black_box(false)),
        response_keep_alive(head, RESPONSE),
    );
    (target, read)
}

#[library_benchmark]
#[bench::eight_fields(args = (warm_target()), config = at_most(725))]
fn relay_response(mut target: Target) -> Target {
    target.write(&RELAY);
    target
}

#[library_benchmark]
#[bench::cookies_and_attributes(args = (warm_target()), config = at_most(2_080))]
fn relay_response_with_own_fields(mut target: Target) -> Target {
    target.write(&Relay {
        extra: COOKIES,
        replaced: REPLACED,
        ..RELAY
    });
    target
}

#[library_benchmark]
#[bench::eight_fields(args = (warm_target()), config = at_most(757))]
fn relay_response_to_http2(target: Target) -> (Target, usize) {
    let fields = relayed_fields(black_box(&target.head), RESPONSE, &[], &[]);
    let bytes = fields.map(|(name, value)| name.len() + value.len()).sum();
    (target, bytes)
}

library_benchmark_group!(
    name = codec,
    benchmarks = [
        read_and_judge,
        edit_and_write,
        response_head,
        read_response,
        relay_response,
        relay_response_with_own_fields,
        relay_response_to_http2,
    ]
);
main!(library_benchmark_groups = codec);
