//! Function URLs on the endpoint's port.

use crate::support::*;
use serde_json::{Value, json};

/// Answers with its event; on `/fail` it raises, on `/raw` it returns what is no answer, on `/cookies` it sets some.
const FUNCTION: &str = r#"
import base64

def handler(event, context):
    path = event["rawPath"]
    if path == "/fail":
        raise RuntimeError("secret")
    if path == "/raw":
        return [1, "two"]
    if path == "/cookies":
        return {"statusCode": 201, "cookies": ["a=1", "b=2"], "headers": {"x-id": context.aws_request_id}, "body": "set"}
    if path == "/bytes":
        body = base64.b64encode(bytes(range(256))).decode()
        return {"statusCode": 200, "headers": {"content-type": "image/png"}, "isBase64Encoded": True, "body": body}
    return event
"#;

const MANIFEST: &str = "\
functions:
  hello:
    runtime: python3.11
    handler: app.handler
    code: ./hello
    url:
      auth: none
      cors: { allow_origins: https://a.example, allow_methods: GET }
  locked:
    runtime: python3.11
    handler: app.handler
    code: ./hello
    concurrency: 0
    url: { auth: none }
";

fn folder() -> Folder {
    let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
    std::fs::create_dir(folder.path("hello")).unwrap();
    folder.write("hello/app.py", FUNCTION);
    folder.write("albacore.yaml", MANIFEST);
    folder
}

/// Streams two pieces; between them it waits at the gate. `?fail` breaks off after the first one.
const STREAMING: &str = r#"
const fs = require("fs");
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
    const metadata = { statusCode: 206, headers: { "x-kind": "stream" }, cookies: ["a=1"] };
    stream = awslambda.HttpResponseStream.from(stream, metadata);
    stream.write("one ");
    if (event.rawQueryString === "fail") throw new Error("half");
    await fs.promises.readFile(process.env.GATE);
    stream.write("two");
    stream.end();
});
"#;

const STREAMS: &str = "\
functions:
  hello:
    runtime: nodejs20.x
    handler: app.handler
    code: ./hello
    timeout: 60s
    environment: { GATE: ./gate }
    url: { auth: none, invoke_mode: response_stream }
";

/// The host of a function's URL, with its port.
fn host_of(server: &Server, function: &str) -> String {
    let (_, status) = server.own_api("status");
    let functions = status["functions"].as_array().unwrap();
    let named = functions.iter().find(|it| it["name"] == function).unwrap();
    let url = named["url"].as_str().unwrap();
    url.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned()
}

fn ask(server: &Server, host: &str, line: &str, headers: &str, body: &[u8]) -> Response {
    let mut connection = Connection::open(server.endpoint()).unwrap();
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    let head = format!("{line} HTTP/1.1\r\nHost: {host}\r\n{headers}{length}\r\n");
    connection.send(&[head.as_bytes(), body].concat()).unwrap();
    connection.response().unwrap()
}

// LAM-U-005, LAM-U-008, LAM-U-012, LAM-U-015, LAM-U-016, LAM-U-017, LAM-U-020, LAM-U-022, LAM-U-023
#[test]
fn a_function_answers_at_its_own_url() {
    let folder = folder();
    let server = folder.up(&[]);
    let host = host_of(&server, "hello");
    let event = ask(
        &server,
        &host,
        "POST /a%20b?x=1&x=2",
        "Content-Type: text/plain\r\nCookie: s=1\r\n",
        b"text",
    );
    assert_eq!(
        (event.status, event.values("content-type")),
        (200, vec!["application/json"])
    );
    let read: Value = serde_json::from_str(&event.body).unwrap();
    assert_eq!(read["requestContext"]["requestId"], event.values("x-amzn-requestid")[0]);
    assert_eq!(
        (
            &read["rawPath"],
            &read["queryStringParameters"],
            &read["cookies"],
            &read["body"]
        ),
        (
            &json!("/a%20b"),
            &json!({ "x": "1,2" }),
            &json!(["s=1"]),
            &json!("text")
        )
    );
    assert_eq!(read["requestContext"]["http"]["sourceIp"], "127.0.0.1");
    assert_eq!(
        read["headers"]["x-forwarded-port"],
        server.endpoint().port().to_string()
    );
    let raw = ask(&server, &host, "GET /raw", "", b"");
    assert_eq!((raw.status, raw.body.as_str()), (200, "[1,\"two\"]"));
    let cookies = ask(&server, &host, "GET /cookies", "", b"");
    assert_eq!(
        (cookies.status, cookies.values("set-cookie")),
        (201, vec!["a=1", "b=2"])
    );
    assert_eq!(
        cookies.values("x-id"),
        cookies.values("x-amzn-requestid"),
        "one invocation has one id"
    );
    let bytes = ask(&server, &host, "GET /bytes", "", b"");
    assert_eq!(
        (bytes.values("content-type"), bytes.bytes.clone()),
        (vec!["image/png"], (0..=255).collect())
    );
    let failed = ask(&server, &host, "GET /fail", "", b"");
    assert_eq!((failed.status, failed.body.as_str()), (502, "Internal Server Error"));
    let page = "Origin: https://a.example\r\nSec-Fetch-Site: cross-site\r\n";
    let allowed = ask(&server, &host, "GET /raw", page, b"");
    assert_eq!(
        (allowed.status, allowed.values("access-control-allow-origin")),
        (200, vec!["https://a.example"])
    );
    let preflight = format!("{page}Access-Control-Request-Method: GET\r\n");
    let preflight = ask(&server, &host, "OPTIONS /raw", &preflight, b"");
    assert_eq!(
        (preflight.status, preflight.values("access-control-allow-methods")),
        (200, vec!["GET"])
    );
    let locked = ask(&server, &host_of(&server, "locked"), "GET /", "", b"");
    assert_eq!(
        (locked.status, locked.body.contains("ReservedFunction")),
        (429, true),
        "{}",
        locked.body
    );
    let stranger = format!("{}.lambda-url.us-east-1.localhost", "a".repeat(32));
    let unknown = ask(&server, &stranger, "GET /", "", b"");
    assert_eq!((unknown.status, unknown.body.as_str()), (403, "{\"Message\":null}"));
    let large = ask(
        &server,
        &host,
        "POST /",
        "Content-Type: text/plain\r\n",
        &vec![b'a'; 6 * 1024 * 1024],
    );
    assert_eq!(large.status, 413);
}

/// The endpoint's own door stays as it was: a URL's host opens nothing but the URL.
#[test]
fn a_url_opens_nothing_else() {
    let folder = folder();
    let server = folder.up(&[]);
    let host = host_of(&server, "hello");
    let through = ask(&server, &host, "GET /_albacore/status", "", b"");
    let event: Value = serde_json::from_str(&through.body).unwrap();
    assert_eq!(
        event["rawPath"], "/_albacore/status",
        "the function was asked, not the own API"
    );
    let page = "Origin: https://a.example\r\n";
    assert_eq!(
        ask(&server, "localhost", "GET /_albacore/status", page, b"").status,
        403
    );
    let two = format!("{page}Host: {host}\r\n");
    assert_eq!(
        ask(&server, "localhost", "GET /raw", &two, b"").status,
        400,
        "two hosts are none"
    );
}

#[test]
fn a_url_comes_and_goes_with_the_manifest() {
    let folder = folder();
    let mut server = folder.up(&[]);
    let host = host_of(&server, "hello");
    folder.write("albacore.yaml", MANIFEST.split("    url:").next().unwrap());
    assert_eq!(
        server.notice("revision")["change"],
        "1 function removed, 2 function URLs removed"
    );
    assert_eq!(ask(&server, &host, "GET /raw", "", b"").status, 403);
    folder.write("albacore.yaml", MANIFEST);
    let told = server.notice("function_url")["url"].clone();
    assert_eq!(told, format!("http://{host}/"), "the same name has the same URL");
    assert_eq!(ask(&server, &host, "GET /raw", "", b"").status, 200);
}

#[test]
fn urls_have_a_socket_of_their_own() {
    let folder = folder();
    let server = folder.up(&["--function-url-listen", "127.0.0.1:0"]);
    let host = host_of(&server, "hello");
    let port: u16 = host.rsplit_once(':').unwrap().1.parse().unwrap();
    let own = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    assert_ne!(own, server.endpoint());
    let at = |address: std::net::SocketAddr, path: &str, host: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let (mut socket, mut answer) = (send(address, &request), String::new());
        std::io::Read::read_to_string(&mut socket, &mut answer).unwrap();
        answer
    };
    let answer = at(own, "/raw", &host);
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("[1,\"two\"]"),
        "{answer}"
    );
    let event = at(own, "/", &host);
    assert!(event.contains(&format!("\"x-forwarded-port\":\"{port}\"")), "{event}");
    // The endpoint goes on answering for them.
    assert!(at(server.endpoint(), "/raw", &host).starts_with("HTTP/1.1 200 "));
    // Nothing else is there: neither albacore's own API, nor AWS's, nor a URL that does not exist.
    let unknown = format!("{}.lambda-url.us-east-1.localhost", "a".repeat(32));
    for (path, host) in [("/_albacore/status", "localhost"), ("/", "127.0.0.1"), ("/", &unknown)] {
        let answer = at(own, path, host);
        assert!(
            answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("{\"Message\":null}"),
            "{answer}"
        );
    }
}

#[test]
fn urls_for_everybody_need_signatures_that_are_verified() {
    let finished = folder().run(&[
        "up",
        "--function-url-listen",
        "0.0.0.0:0",
        "--endpoint",
        "127.0.0.1:0",
        "--ephemeral",
    ]);
    finished.expect(1, "", "--access-key");
}

// LAM-U-018
#[test]
fn an_answer_is_passed_on_while_it_is_written() {
    let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
    std::fs::create_dir(folder.path("hello")).unwrap();
    folder.write("hello/app.js", STREAMING);
    folder.make_pipe("hello/gate");
    folder.write("albacore.yaml", STREAMS);
    let server = folder.up(&[]);
    let host = host_of(&server, "hello");
    let mut reading = begin(&server, &host, "/");
    let head = reading.until("one ");
    assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
    for line in ["x-kind: stream", "set-cookie: a=1", "transfer-encoding: chunked"] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(!head.contains("two"), "it waits at the gate: {head}");
    std::fs::write(folder.path("hello/gate"), "").unwrap();
    assert!(reading.until("two").ends_with("two"));
    assert!(reading.into_text().ends_with("\r\n0\r\n\r\n"), "it ends as a whole");
    let broken = begin(&server, &host, "/?fail").into_text();
    assert!(
        broken.contains("one ") && !broken.ends_with("0\r\n\r\n"),
        "half is not the whole: {broken}"
    );
}

/// An answer that comes bit by bit.
struct Reading {
    socket: std::net::TcpStream,
    read: Vec<u8>,
}

fn begin(server: &Server, host: &str, path: &str) -> Reading {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    Reading {
        socket: send(server.endpoint(), &request),
        read: Vec::new(),
    }
}

impl Reading {
    fn more(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = std::io::Read::read(&mut self.socket, &mut bytes).unwrap();
        self.read.extend_from_slice(&bytes[..count]);
        count > 0
    }

    /// Everything so far, once `text` is in it.
    fn until(&mut self, text: &str) -> String {
        loop {
            let read = String::from_utf8_lossy(&self.read).into_owned();
            if let Some(at) = read.find(text) {
                return read[..at + text.len()].to_owned();
            }
            assert!(self.more(), "no {text:?} in {read:?}");
        }
    }

    fn into_text(mut self) -> String {
        while self.more() {}
        String::from_utf8_lossy(&self.read).into_owned()
    }
}

// LAM-U-021
#[test]
fn a_url_with_iam_wants_a_signature() {
    let folder = folder();
    folder.write("albacore.yaml", &MANIFEST.replace("auth: none", "auth: aws_iam"));
    let server = folder.up(&["--access-key", "AKIAEXAMPLE", "--secret-key", "secret/of+mine"]);
    let host = host_of(&server, "hello");
    let refused = ask(&server, &host, "GET /raw", "", b"");
    assert_eq!(
        (refused.status, refused.values("x-amzn-errortype")),
        (403, vec!["AccessDeniedException"])
    );
    let signed = |user: &str, scope: &str| {
        let finished = run(std::process::Command::new("curl")
            .args(["-sS", "--connect-to", &format!("::{}", server.endpoint())])
            .args([
                "--aws-sigv4",
                scope,
                "--user",
                user,
                "-H",
                "Content-Type: text/plain",
                "-d",
                "text",
            ])
            .arg(format!("http://{host}/a?b=1")));
        finished.json()
    };
    let event = signed("AKIAEXAMPLE:secret/of+mine", "aws:amz:us-east-1:lambda");
    let iam = &event["requestContext"]["authorizer"]["iam"];
    assert_eq!(
        (&iam["accessKey"], &iam["userArn"]),
        (&json!("AKIAEXAMPLE"), &json!("arn:aws:iam::000000000000:root"))
    );
    assert_eq!(
        (&event["body"], &event["headers"]["authorization"]),
        (&json!("text"), &Value::Null)
    );
    for (user, scope) in [
        ("AKIAEXAMPLE:other", "aws:amz:us-east-1:lambda"),
        ("AKIAOTHER:secret/of+mine", "aws:amz:us-east-1:lambda"),
        ("AKIAEXAMPLE:secret/of+mine", "aws:amz:eu-west-1:lambda"),
        ("AKIAEXAMPLE:secret/of+mine", "aws:amz:us-east-1:s3"),
    ] {
        let refused = signed(user, scope);
        let message = refused["Message"].as_str().unwrap_or_default();
        assert!(message.starts_with("Forbidden."), "{user} {scope}: {refused}");
    }
}
