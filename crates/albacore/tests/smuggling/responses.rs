//! Responses that are two, or that somebody might take for two: each client gets the one that belongs to its request, and
//! nothing else ever. Source: ALB 4.10, 4.11, RFC 9112 6.3, 11.1.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use testkit::{BOUND, Connection, Folder, Line, Origin, Server};

/// What must reach no client.
const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

/// A response in which `PATH` stands for the path that was asked for, and `EVIL` for another response; `N` is the length of
/// that.
struct Case {
    method: &'static str,
    response: &'static str,
    /// The body that the client gets; `None`: the load balancer's own page.
    body: Option<&'static str>,
}

const fn whole(response: &'static str, body: &'static str) -> Case {
    Case {
        method: "GET",
        response,
        body: Some(body),
    }
}

const fn refused(response: &'static str) -> Case {
    Case {
        method: "GET",
        response,
        body: None,
    }
}

const fn head(response: &'static str) -> Case {
    Case {
        method: "HEAD",
        response,
        body: Some(""),
    }
}

const CASES: &[Case] = &[
    // Two of them, and more than was announced.
    whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloEVIL", "hello"),
    whole("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nEVIL", ""),
    whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\r\n\r\nEVIL", "hello"),
    whole(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nEVIL",
        "hello",
    ),
    whole("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nEVIL", ""),
    whole("HTTP/1.1 204 No Content\r\n\r\nEVIL", ""),
    whole("HTTP/1.1 204 No Content\r\nContent-Length: N\r\n\r\nEVIL", ""),
    whole(
        "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nEVIL",
        "",
    ),
    whole("HTTP/1.1 304 Not Modified\r\n\r\nEVIL", ""),
    whole("HTTP/1.1 304 Not Modified\r\nContent-Length: N\r\n\r\nEVIL", ""),
    head("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nEVIL"),
    head("HTTP/1.1 200 OK\r\nContent-Length: N\r\n\r\nEVIL"),
    head("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nEVIL"),
    head("HTTP/1.1 200 OK\r\n\r\nEVIL"),
    // Interim ones are no responses.
    whole(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloEVIL",
        "hello",
    ),
    whole(
        "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "hello",
    ),
    refused("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nEVIL"),
    // Without a length everything is the body, and the connection is its end.
    whole("HTTP/1.1 200 OK\r\n\r\nhelloEVIL", "helloEVIL"),
    whole("HTTP/1.0 200 OK\r\n\r\nhelloEVIL", "helloEVIL"),
    whole(
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhelloEVIL",
        "hello",
    ),
    whole(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhelloEVIL",
        "hello",
    ),
    // Framing of which there are two readings.
    refused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\nhelloEVIL"),
    refused("HTTP/1.1 200 OK\r\nContent-Length: 5, 50\r\n\r\nhelloEVIL"),
    refused("HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhelloEVIL"),
    refused("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhelloEVIL"),
    refused("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhelloEVIL"),
    refused("HTTP/1.1 200 OK\r\nContent-Length: 5 0\r\n\r\nhelloEVIL"),
    refused("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhelloEVIL"),
    refused("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\nhelloEVIL"),
    refused("HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhelloEVIL"),
    refused("HTTP/1.1 200 OK\r\n Content-Length: 5\r\n\r\nhelloEVIL"),
    refused("HTTP/1.1 200 OK\r\nX: y\r\n Content-Length: 5\r\n\r\nhelloEVIL"),
    refused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n 0\r\n\r\nhelloEVIL"),
    // Chunks win over a length, which goes no further. Source: RFC 9112, 6.3.
    whole(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nEVIL",
        "",
    ),
    whole(
        "HTTP/1.1 200 OK\r\nContent-Length: N\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nEVIL",
        "",
    ),
    refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\nEVIL"),
    refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\nEVIL"),
    refused("HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\nEVIL"),
    refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\nEVIL"),
    // Splitting: what came from a request and ended a line.
    refused("HTTP/1.1 200 OK\r\nX: y\rContent-Length: 0\r\n\r\nEVIL"),
    refused("HTTP/1.1 200 OK\r\nX: y\0\r\nContent-Length: 0\r\n\r\nEVIL"),
    refused("HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\nEVIL"),
    refused("HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\nEVIL"),
    refused("HTTP/1.1 200 OK\r\nX y: z\r\nContent-Length: 0\r\n\r\nEVIL"),
    refused("HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\nEVIL"),
    refused("HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\nEVIL"),
    refused("HTTP/1.1 99 OK\r\nContent-Length: 0\r\n\r\nEVIL"),
    refused(" HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nEVIL"),
    // An empty line before it ends nothing.
    whole("\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nEVIL", ""),
    refused("evil\r\n\r\nEVIL"),
];

/// Bodies that break off, because a chunk cannot be read: no client sees an end, nor what follows.
const BREAKS: &[&str] = &[
    "5\r\nhello\r\n0x0\r\n\r\nEVIL",
    "5\r\nhello\r\n-1\r\n\r\nEVIL",
    "5\r\nhelloEVIL",
    "5\r\nhello\nEVIL",
    "5\r\nhello\r\n\r\nEVIL",
    "5\r\nhello\r\nffffffffffffffffff\r\nEVIL",
    "5\r\nhello\r\n0;\n\nEVIL",
    "5\r\nhello\r\n0\n\nEVIL",
];

fn written(response: &str) -> Vec<u8> {
    let text = response.replace("EVIL", EVIL);
    let length = format!("Content-Length: {}\r\n", EVIL.len());
    text.replace("Content-Length: N\r\n", &length)
        .chars()
        .map(|it| it as u8)
        .collect()
}

/// Answers `/case/INDEX` as the case says and ends the connection if only that ends the response; everything else with its
/// path.
fn play(line: &mut Line, responses: &[Vec<u8>], reused: &AtomicUsize) {
    let mut said_more = false;
    while let Some(request) = line.request() {
        reused.fetch_add(usize::from(said_more), Ordering::SeqCst);
        let target = request.target().to_owned();
        let case = target
            .strip_prefix("/case/")
            .and_then(|index| index.parse::<usize>().ok());
        let Some(index) = case else {
            line.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}",
                target.len()
            ));
            continue;
        };
        let response = &responses[index];
        line.send(response);
        let text = String::from_utf8_lossy(response).to_ascii_lowercase();
        said_more |= text.ends_with("evil");
        let head = text.split("\r\n\r\n").next().unwrap_or_default().to_owned();
        if !head.contains("content-length") && !head.contains("transfer-encoding") {
            return;
        }
    }
}

struct World {
    // Dropped first: the folder is the server's.
    server: Server,
    _folder: Folder,
    listener: SocketAddr,
    origin: Origin,
}

impl World {
    fn start(script: impl Fn(&mut Line) + Send + Sync + 'static) -> Self {
        let origin = Origin::playing(script);
        let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
        let check = "health_check: { port: 1, interval: 300s, timeout: 120s }";
        folder.write(
            "albacore.yaml",
            &format!(
                "target_groups:\n  web: {{ targets: ['{}'], {check} }}\nload_balancers:\n  shop:\n    \
                 attributes: {{ idle_timeout.timeout_seconds: 2 }}\n    listeners:\n      \
                 - {{ port: 8080, default: {{ forward: web }} }}\n",
                origin.address()
            ),
        );
        let server = folder.up(&[]);
        Self {
            listener: server.socket(8080),
            server,
            _folder: folder,
            origin,
        }
    }

    /// Everything that comes back to a request that ends its connection.
    fn ask(&self, method: &str, path: &str) -> String {
        let mut socket = TcpStream::connect(self.listener).unwrap();
        socket.set_read_timeout(Some(BOUND)).unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer); // it may be reset
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// The body of a response, without the sizes of its chunks; `None` when it is not whole.
fn body(answer: &str) -> Option<String> {
    let (head, rest) = answer.split_once("\r\n\r\n")?;
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        let length = head.to_ascii_lowercase();
        let length = length
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let has_none = head.contains(" 204 ") || head.contains(" 304 ");
        return (has_none || length.is_none_or(|length| rest.len() == length)).then(|| rest.to_owned());
    }
    let (mut whole, mut rest) = (String::new(), rest);
    loop {
        let (size, more) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        whole += more.get(..size)?;
        rest = more.get(size + 2..)?;
        if size == 0 {
            return rest.is_empty().then_some(whole);
        }
    }
}

#[test]
fn two_responses_are_one_or_none() {
    let responses: Vec<_> = CASES.iter().map(|case| written(case.response)).collect();
    let reused = Arc::new(AtomicUsize::new(0));
    let counted = reused.clone();
    let world = World::start(move |line| play(line, &responses, &counted));
    let mut problems = Vec::new();
    // Somebody who keeps a connection of his own, and whose requests use whatever connection to the target there is.
    let mut other = Connection::open(world.listener).unwrap();
    for round in 0..3 {
        for (index, case) in CASES.iter().enumerate() {
            let answer = world.ask(case.method, &format!("/case/{index}"));
            let got = body(&answer);
            let is_right = match case.body {
                Some(_) if case.method == "HEAD" => answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"),
                Some(body) => got.as_deref() == Some(&body.replace("EVIL", EVIL)[..]),
                None => answer.starts_with("HTTP/1.1 502 ") && got.is_some_and(|body| body.starts_with("<html>")),
            };
            if !is_right {
                problems.push(format!("{} {:?} became {answer:?}", case.method, case.response));
            }
            for number in 0..3 {
                let path = format!("/own/{round}/{index}/{number}");
                let own = other.get(&path).unwrap();
                if (own.status, own.body.as_str()) != (200, path.as_str()) {
                    problems.push(format!("behind {:?} somebody got {own:?}", case.response));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{} problems: {problems:#?}", problems.len());
    let reused = reused.load(Ordering::SeqCst);
    assert_eq!(reused, 0, "requests on connections on which too much was said");
    drop(other);
    world.server.comes_to_rest(usize::MAX);
}

#[test]
fn a_body_that_cannot_be_read_to_its_end_has_none() {
    let responses: Vec<_> = BREAKS
        .iter()
        .map(|body| written(&format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}")))
        .collect();
    let world = World::start(move |line| play(line, &responses, &AtomicUsize::new(0)));
    let mut other = Connection::open(world.listener).unwrap();
    for (index, broken) in BREAKS.iter().enumerate() {
        let answer = world.ask("GET", &format!("/case/{index}"));
        assert!(!answer.contains("evil"), "{broken:?} became {answer:?}");
        let is_page = answer.starts_with("HTTP/1.1 502 ");
        assert!(is_page || body(&answer).is_none(), "{broken:?} looks whole: {answer:?}");
        let path = format!("/own/{index}");
        assert_eq!(other.get(&path).unwrap().body, path, "behind {broken:?}");
    }
    drop(other);
    world.server.comes_to_rest(usize::MAX);
}

/// Something that a test and a script wait for.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<usize>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() += 1;
        self.0.1.notify_one();
    }

    fn wait(&self) {
        let (passes, opened) = &*self.0;
        let (mut passes, waited) = opened
            .wait_timeout_while(passes.lock().unwrap(), BOUND, |passes| *passes == 0)
            .unwrap();
        assert!(!waited.timed_out(), "nobody opened it");
        *passes -= 1;
    }
}

/// What a target says on a connection that waits is the answer to nothing.
#[test]
fn a_response_that_nobody_asked_for_is_nobodys() {
    let (answered, said) = (Gate::default(), Gate::default());
    let (script_answered, script_said) = (answered.clone(), said.clone());
    let world = World::start(move |line| {
        while let Some(request) = line.request() {
            let path = request.target().to_owned();
            line.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}",
                path.len()
            ));
            if path.starts_with("/trigger/") {
                script_answered.wait();
                line.send(EVIL);
                script_said.open();
            }
        }
    });
    let mut client = Connection::open(world.listener).unwrap();
    for round in 0..300 {
        let path = format!("/trigger/{round}");
        assert_eq!(client.get(&path).unwrap().body, path);
        // The client has its answer, and only now the target says more.
        answered.open();
        said.wait();
        let path = format!("/own/{round}");
        assert_eq!(client.get(&path).unwrap().body, path, "round {round}");
    }
    assert!(world.origin.accepted() >= 300, "no such connection is used again");
}
