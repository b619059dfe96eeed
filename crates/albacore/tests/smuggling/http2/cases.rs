//! What clients send over HTTP/2.

use crate::corpus::{CASE, EVIL};

/// A request as it is sent: its fields in order, its body, its trailers.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) body: Option<String>,
    pub(super) trailers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Case {
    pub(super) fn shown(&self) -> String {
        let fields = self.fields.iter().chain(&self.trailers);
        let texts = fields.map(|(name, value)| [&name[..], b": ", value].concat());
        let texts: Vec<_> = texts.map(|text| String::from_utf8_lossy(&text).into_owned()).collect();
        format!("{texts:?}, {:?}", self.body)
    }
}

const PLAIN: [(&str, &str); 4] = [
    (":method", "POST"),
    (":scheme", "https"),
    (":authority", "localhost"),
    (":path", CASE),
];

/// Values that would end a line, or a request, if they were written as they are. `EVIL` is the hidden request.
const ENDINGS: &[&str] = &[
    "\r\n\r\nEVIL",
    "\r\nTransfer-Encoding: chunked",
    "\r\nContent-Length: 0\r\n\r\nEVIL",
    "\nTransfer-Encoding: chunked",
    "\n\nEVIL",
    "\rTransfer-Encoding: chunked",
    "\r\n Transfer-Encoding: chunked",
    "\r",
    "\n",
    "\0",
    "\u{b}x",
    " HTTP/1.1\r\nHost: evil\r\n\r\nEVIL",
    " HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    " HTTP/1.0\r\nX: y",
    " HTTP/1.1",
    " x",
    "\tx",
    "\u{7f}",
];

/// Names and values of whole fields.
const FIELDS: &[(&str, &str)] = &[
    ("transfer-encoding", "chunked"),
    ("transfer-encoding", "identity"),
    ("transfer-encoding", "x"),
    ("transfer-encoding", ""),
    ("transfer-encoding ", "chunked"),
    ("transfer_encoding", "chunked"),
    ("transfer.encoding", "chunked"),
    ("Transfer-Encoding", "chunked"),
    ("TRANSFER-ENCODING", "chunked"),
    (" transfer-encoding", "chunked"),
    ("\ttransfer-encoding", "chunked"),
    ("transfer-encoding:", "chunked"),
    (":transfer-encoding", "chunked"),
    ("transfer-encoding: chunked\r\nx", "y"),
    ("transfer-encoding: chunked\nx", "y"),
    ("x\r\ntransfer-encoding", "chunked"),
    ("x\ntransfer-encoding", "chunked"),
    ("x: y\r\n\r\nEVIL", "z"),
    ("x:y", "z"),
    ("x y", "z"),
    ("x\0", "y"),
    ("x\r", "y"),
    ("", "y"),
    ("X", "y"),
    ("x\u{7f}", "y"),
    ("\u{e9}", "y"),
    ("x(", "y"),
    ("connection", "close"),
    ("connection", "keep-alive"),
    ("connection", "transfer-encoding"),
    ("connection", "content-length, host"),
    ("connection", "upgrade"),
    ("keep-alive", "timeout=5"),
    ("proxy-connection", "keep-alive"),
    ("upgrade", "websocket"),
    ("upgrade", "h2c"),
    ("http2-settings", "AAMAAABk"),
    ("te", "trailers"),
    ("te", "chunked"),
    ("te", "trailers, chunked"),
    ("trailer", "content-length"),
    ("expect", "100-continue"),
    ("content-length", "0"),
    ("content-length", "1"),
    ("content-length", "1000000"),
    ("content-length", "+5"),
    ("content-length", "-5"),
    ("content-length", "0x5"),
    ("content-length", "5, 5"),
    ("content-length", ""),
    ("content-length", " 5"),
    ("content-length", "5 "),
    ("content-length", "18446744073709551616"),
    ("content_length", "0"),
    ("Content-Length", "0"),
    ("content-length ", "0"),
    ("host", "evil"),
    ("host", "localhost"),
    ("host", ""),
    ("host", "localhost\r\nX: y"),
    ("x-forwarded-for", "9.9.9.9"),
    ("x", " y"),
    ("x", "y "),
    ("x", "\u{e9}"),
    (":method", "GET"),
    (":path", "/evil/######"),
    (":authority", "evil"),
    (":scheme", "http"),
    (":protocol", "websocket"),
    (":status", "200"),
    (":x", "y"),
    ("cookie", "a=b\r\nX: y"),
];

/// Values of one pseudo-header field instead of the plain one.
const INSTEAD: &[(&str, &str)] = &[
    (":method", ""),
    (":method", "post"),
    (":method", "GET /evil/###### HTTP/1.1\r\nHost: evil\r\n\r\nPOST"),
    (":method", "GET /evil/######"),
    (":method", "G T"),
    (":method", "GET\t"),
    (":method", "CONNECT"),
    (":method", "TRACE"),
    (":method", "PRI"),
    (":path", ""),
    (":path", "*"),
    (":path", "evil"),
    (":path", "case/######"),
    (":path", "//case/######"),
    (":path", "http://evil/evil/######"),
    (":path", "/case/#######fragment"),
    (":path", "/case/######\u{e9}"),
    (":path", "/case/######\\x"),
    (":scheme", ""),
    (":scheme", "http"),
    (":scheme", "gopher"),
    (":scheme", "https://evil/evil/######?"),
    (":scheme", "https\r\nX: y"),
    (":authority", ""),
    (":authority", "localhost evil"),
    (":authority", "localhost, evil"),
    (":authority", "user@localhost"),
    (":authority", "localhost@evil"),
    (":authority", "localhost:80:90"),
    (":authority", "localhost/evil"),
    (":authority", "localhost?x"),
    (":authority", "localhost#x"),
    (":authority", "localhost\\x"),
    (":authority", "[::1"),
    (":authority", "\u{e9}"),
];

fn bytes(text: &str) -> Vec<u8> {
    let text = text.replace("EVIL", EVIL);
    text.chars().map(|it| u8::try_from(u32::from(it)).unwrap()).collect()
}

fn plain() -> Vec<(Vec<u8>, Vec<u8>)> {
    PLAIN.iter().map(|(name, value)| (bytes(name), bytes(value))).collect()
}

pub(super) fn all() -> Vec<Case> {
    let mut heads = Vec::new();
    for (name, value) in FIELDS {
        let mut fields = plain();
        fields.push((bytes(name), bytes(value)));
        heads.push(fields);
        // Before the others, and twice.
        let mut fields = plain();
        fields.insert(0, (bytes(name), bytes(value)));
        heads.push(fields.clone());
        fields.push((bytes(name), bytes(value)));
        heads.push(fields);
    }
    for ending in ENDINGS {
        for (at, (_, value)) in PLAIN.iter().enumerate() {
            for value in [format!("{value}{ending}"), format!("{ending}{value}")] {
                let mut fields = plain();
                fields[at].1 = bytes(&value);
                heads.push(fields);
            }
        }
        for name in [
            "x",
            "cookie",
            "user-agent",
            "x-forwarded-for",
            "x-amzn-trace-id",
            "content-type",
        ] {
            let mut fields = plain();
            fields.push((name.as_bytes().to_vec(), bytes(&format!("y{ending}"))));
            heads.push(fields);
        }
    }
    for (name, value) in INSTEAD {
        let mut fields = plain();
        let field = fields.iter_mut().find(|(its, _)| its == name.as_bytes()).unwrap();
        field.1 = bytes(value);
        heads.push(fields);
    }
    for missing in 0..PLAIN.len() {
        let mut fields = plain();
        fields.remove(missing);
        heads.push(fields);
    }
    let mut cases = Vec::new();
    let hidden = format!("0\r\n\r\n{EVIL}");
    for fields in heads {
        let mut with_length = fields.clone();
        with_length.push((b"content-length".to_vec(), hidden.len().to_string().into_bytes()));
        for (fields, body) in [
            (fields.clone(), None),
            (fields, Some(EVIL.to_owned())),
            (with_length, Some(hidden.clone())),
        ] {
            cases.push(Case {
                fields,
                body,
                trailers: Vec::new(),
            });
        }
    }
    // The same fields behind the body.
    for (name, value) in FIELDS
        .iter()
        .copied()
        .chain(ENDINGS.iter().map(|ending| ("x", *ending)))
    {
        cases.push(Case {
            fields: plain(),
            body: Some(hidden.clone()),
            trailers: vec![(bytes(name), bytes(value))],
        });
    }
    cases
}
