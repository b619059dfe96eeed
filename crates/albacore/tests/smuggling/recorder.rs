//! A target that reads its requests by the letter of RFC 9112, byte by byte, and finds everything that another one might
//! read in another way.

use std::io::Read;
use std::sync::{Arc, Mutex};
use testkit::{Line, Origin};

/// A request as it stood on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names as sent.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// What makes its end a matter of opinion.
    pub(crate) problems: Vec<String>,
    /// What is not by the letter, and yet ends where it ends.
    pub(crate) oddities: Vec<String>,
}

impl Recorded {
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(its, _)| its.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// What came on one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    pub(crate) requests: Vec<Recorded>,
    /// A request behind them whose body has not ended.
    pub(crate) unfinished: Option<Recorded>,
    /// Bytes behind them that are not even a head.
    pub(crate) rest: Vec<u8>,
    pub(crate) is_closed: bool,
}

pub(crate) struct Recorder {
    pub(crate) origin: Origin,
    connections: Arc<Mutex<Vec<Connection>>>,
}

impl Recorder {
    pub(crate) fn start() -> Self {
        let connections = Arc::new(Mutex::new(Vec::new()));
        let recorded = connections.clone();
        let origin = Origin::playing(move |line| {
            let at = {
                let mut all = recorded.lock().unwrap();
                all.push(Connection::default());
                all.len() - 1
            };
            record(line, |change| change(&mut recorded.lock().unwrap()[at]));
            recorded.lock().unwrap()[at].is_closed = true;
        });
        Self { origin, connections }
    }

    pub(crate) fn connections(&self) -> Vec<Connection> {
        self.connections.lock().unwrap().clone()
    }
}

/// Answers each whole request with its method and URL. What is no request ends the connection.
fn record(line: &mut Line, note: impl Fn(&dyn Fn(&mut Connection))) {
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        let unfinished = match parse(&bytes) {
            Parsed::Whole(mut request, length) => {
                let rest = bytes.split_off(length);
                bytes = rest;
                if !bytes.is_empty() {
                    request.problems.push("more came before it was answered".to_owned());
                }
                let answer = format!("{} {}", request.method, request.target);
                note(&|connection| connection.requests.push(request.clone()));
                let body = if request.method == "HEAD" { "" } else { &answer };
                line.send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                    answer.len()
                ));
                None
            }
            Parsed::Head(request) => Some(request),
            Parsed::Nothing => None,
        };
        note(&|connection| {
            connection.rest = if unfinished.is_some() {
                Vec::new()
            } else {
                bytes.clone()
            };
            connection.unfinished.clone_from(&unfinished);
        });
        let mut more = [0; 64 * 1024];
        match line.stream.read(&mut more) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&more[..count]),
            _ => return,
        }
    }
}

enum Parsed {
    Whole(Recorded, usize),
    /// The body is not whole.
    Head(Recorded),
    Nothing,
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

fn parse(bytes: &[u8]) -> Parsed {
    let Some(head_end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Parsed::Nothing;
    };
    let head = text(&bytes[..head_end]);
    let (mut problems, mut oddities) = (Vec::new(), Vec::new());
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let (method, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (target, version) = rest.rsplit_once(' ').unwrap_or((rest, ""));
    if version != "HTTP/1.1" || target.is_empty() {
        problems.push(format!("the request line {line:?}"));
    }
    if !is_token(method) || target.chars().any(|it| it <= ' ' || it == '\u{7f}') {
        oddities.push(format!("the request line {line:?}"));
    }
    let mut headers = Vec::new();
    for line in lines {
        match line.split_once(':') {
            Some((name, value)) if is_token(name) => {
                headers.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
            }
            Some((name, _)) if !name.is_empty() && !line.starts_with([' ', '\t']) => {
                oddities.push(format!("the header line {line:?}"));
            }
            _ => problems.push(format!("the header line {line:?}")),
        }
        if line.chars().any(|it| matches!(it, '\r' | '\n' | '\0')) {
            problems.push(format!("a line end or NUL in {line:?}"));
        }
    }
    let mut request = Recorded {
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body: Vec::new(),
        problems,
        oddities,
    };
    let hosts = request.values("host").len();
    if hosts > 1 {
        request.problems.push(format!("{hosts} hosts"));
    }
    let body = &bytes[head_end + 4..];
    let length = match framing(&mut request) {
        Framing::None => 0,
        Framing::Length(length) if body.len() < length => return Parsed::Head(request),
        Framing::Length(length) => {
            request.body = body[..length].to_vec();
            length
        }
        Framing::Chunked => match chunks(body, &mut request) {
            Some(length) => length,
            None => return Parsed::Head(request),
        },
    };
    Parsed::Whole(request, head_end + 4 + length)
}

enum Framing {
    None,
    Length(usize),
    Chunked,
}

/// Names that somebody might take for those that frame a body: their letters and look-alikes decide.
fn framing(request: &mut Recorded) -> Framing {
    let letters = |name: &str| -> String {
        let letters = name.chars().filter(char::is_ascii_alphabetic);
        letters.map(|letter| letter.to_ascii_lowercase()).collect()
    };
    let similar = |wanted: &str| {
        let all = request
            .headers
            .iter()
            .filter(|(name, _)| letters(name) == wanted.replace('-', ""));
        all.map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .collect::<Vec<_>>()
    };
    let (lengths, codings) = (similar("content-length"), similar("transfer-encoding"));
    match (&lengths[..], &codings[..]) {
        ([], []) => Framing::None,
        ([(name, value)], []) if name == "content-length" && value.bytes().all(|byte| byte.is_ascii_digit()) => {
            match value.parse() {
                Ok(length) => Framing::Length(length),
                Err(_) => {
                    request.problems.push(format!("the length {value:?}"));
                    Framing::None
                }
            }
        }
        ([], [(name, value)]) if name == "transfer-encoding" && value == "chunked" => Framing::Chunked,
        _ => {
            request.problems.push(format!("the framing {lengths:?} {codings:?}"));
            // As those read it that know the exact names alone, and believe codings more than lengths.
            let exact =
                |all: &[(String, String)], name: &str| all.iter().find(|(its, _)| its == name).map(|it| it.1.clone());
            match (exact(&codings, "transfer-encoding"), exact(&lengths, "content-length")) {
                (Some(coding), _) if coding == "chunked" => Framing::Chunked,
                (_, Some(length)) => length.parse().map_or(Framing::None, Framing::Length),
                _ => Framing::None,
            }
        }
    }
}

/// The length of the chunks with everything around them; `None` when they are not whole.
fn chunks(bytes: &[u8], request: &mut Recorded) -> Option<usize> {
    let mut at = 0;
    loop {
        let line_end = at + bytes[at..].windows(2).position(|window| window == b"\r\n")?;
        let line = text(&bytes[at..line_end]);
        let is_plain = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_hexdigit());
        let Some(size) = is_plain.then(|| usize::from_str_radix(&line, 16).ok()).flatten() else {
            request.problems.push(format!("the chunk size {line:?}"));
            return Some(bytes.len());
        };
        let data = line_end + 2;
        let ending = bytes.get(data + size..data + size + 2)?;
        if ending != b"\r\n" {
            let what = if size == 0 {
                "a trailer"
            } else {
                "no line end behind a chunk"
            };
            request.problems.push(what.to_owned());
            return Some(bytes.len());
        }
        request.body.extend_from_slice(&bytes[data..data + size]);
        at = data + size + 2;
        if size == 0 {
            return Some(at);
        }
    }
}

/// What the recorder finds in one whole request.
#[cfg(test)]
#[track_caller]
fn check(bytes: &str, problems: usize, oddities: usize) {
    let Parsed::Whole(request, _) = parse(bytes.as_bytes()) else {
        panic!("not whole: {bytes:?}")
    };
    let found = (request.problems.len(), request.oddities.len());
    assert_eq!(found, (problems, oddities), "{request:?}");
}

#[test]
fn what_has_two_readings_is_found() {
    check("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", 0, 0);
    check(
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        0,
        0,
    );
    for bytes in [
        "POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nContent-Length: +2\r\n\r\nab",
        "POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer_Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0;a\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nX: y\nZ: z\r\n\r\n",
        "GET / HTTP/1.1\r\nX: y\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\n: y\r\n\r\n",
        "GET /\r\n\r\n",
    ] {
        check(bytes, 1, 0);
    }
    check("GET / HTTP/1.1\r\nX Y: z\r\n\r\n", 0, 1);
    check("GET /a b HTTP/1.1\r\n\r\n", 0, 1);
}
