//! Heads and bodies made from a seed, mostly slightly wrong.

/// SplitMix64: small, and the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

const METHODS: &[&str] = &["GET", "POST", "HEAD", "PUT", "get", "G(T", "PRI"];
const TARGETS: &[&str] = &[
    "/",
    "/a?b",
    "/a b",
    "*",
    "http://a/",
    "/\t",
    "/\u{1}x",
    " /",
    "/caf\u{e9}",
];
const VERSIONS: &[&str] = &[
    "",
    " HTTP/1.0",
    " HTTP/0.9",
    " HTTP/1.7",
    " HTTP/2.0",
    " HTTP/1.1 ",
    " HTTP/1.1\t",
    " \tHTTP/1.0",
    " HTTP/x",
    " x",
    " http/1.1",
    " HTTP/0.5",
];
const NAMES: &[&str] = &[
    "Host",
    "a",
    "x_y",
    "a b",
    "",
    "Content-Type",
    "Cache-Control",
    "\u{e9}",
    "Transfer",
    "t--------",
];
const TE_NAMES: &[&str] = &[
    "Transfer-Encoding",
    "Transfer-Encoding",
    "transfer-encoding",
    "Transfer_Encoding",
    "Transfer-Encoding ",
    "TransferEncoding",
    "Tran\u{17f}fer-Encoding",
    "Transfer-Encod\u{131}ng",
    "Transfer- Encoding",
    "Transf er-Encoding",
    "TransferxEncoding",
    "transf--------------",
    "\u{1}Transfer-Encoding",
    "1Transfer-Encoding",
    "Transfer-Encoding2",
];
const CL_NAMES: &[&str] = &[
    "Content-Length",
    "Content-Length",
    "content-length",
    "Content_Length",
    "Content-Length\t",
    "ContentLength",
    "Content--Length",
    "Content- Length",
    "content----------",
    "\u{b}Content-Length",
    "Content-Length-",
];
const VALUES: &[&str] = &["", "a", " b ", "x\u{1}", "caf\u{e9}", "multipart/mixed; boundary=x"];
const CODINGS: &[&str] = &[
    "chunked",
    "chunked",
    " Chunked",
    "identity",
    "gzip, chunked",
    "chunked;a=b",
    "chunked, chunked",
    "br",
    "",
    "chunked, gzip, chunked",
    "chunked,",
    "\u{b}chunked",
    "compress",
];
const LENGTHS: &[&str] = &[
    "0",
    "5",
    " 5 ",
    "005",
    "6",
    "x",
    "5, 5",
    "",
    "-1",
    "18446744073709551616",
    "5\u{1}",
];
const BYTES: &[u8] = b"\r\n\t :;,-_059aTC/\0\x01\x0b\x7f\xc5\xbf\xc4\xb1\xff";

/// One head, sometimes followed by more.
pub fn head(random: &mut Random) -> Vec<u8> {
    let mut text = String::new();
    let version = if random.one_in(4) {
        random.pick(VERSIONS)
    } else {
        " HTTP/1.1"
    };
    text += &format!("{} {}{version}", random.pick(METHODS), random.pick(TARGETS));
    text += line_end(random);
    for _ in 0..random.below(5) {
        if random.one_in(12) {
            text += random.pick(&[" ", "\t"]);
        }
        let (name, value) = match random.below(5) {
            0 | 1 => (random.pick(NAMES), random.pick(VALUES)),
            2 | 3 => (random.pick(TE_NAMES), random.pick(CODINGS)),
            _ => (random.pick(CL_NAMES), random.pick(LENGTHS)),
        };
        let colon = if random.one_in(16) { "" } else { ":" };
        text += &format!("{name}{colon}{value}");
        text += line_end(random);
    }
    text += line_end(random);
    let mut bytes = text.into_bytes();
    if random.one_in(3) {
        spoil(random, &mut bytes);
    }
    bytes
}

/// Puts a few bytes in, or replaces some.
fn spoil(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        let byte = BYTES[random.below(BYTES.len())];
        if random.one_in(2) {
            bytes[at] = byte;
        } else {
            bytes.insert(at, byte);
        }
    }
}

const STATUS_LINES: &[&str] = &[
    "HTTP/1.1 200 OK",
    "HTTP/1.1 200 OK",
    "HTTP/1.1 404 Not Found",
    "HTTP/1.1 304 Not Modified",
    "HTTP/1.1 204 ",
    "HTTP/1.1 101 Switching Protocols",
    "HTTP/1.1 100",
    "HTTP/1.0 200 OK",
    "HTTP/1.5 200 OK",
    "HTTP/1.1 099 Low",
    "HTTP/1.1 2000",
    "HTTP/1.1 200 caf\u{e9}",
    "HTTP/1.1  200 OK",
    "HTTP/2.0 200 OK",
    "http/1.1 200 OK",
    "GET / HTTP/1.1",
];
const RESPONSE_NAMES: &[&str] = &[
    "Date",
    "Content-Type",
    "Server",
    "Set-Cookie",
    "a",
    "x_y",
    "Connection",
    "Upgrade",
    "Keep-Alive",
    "Server ",
    "Strict-Transport-Security",
    "(a)",
    "",
];
const RESPONSE_VALUES: &[&str] = &[
    "",
    "a",
    " b ",
    "close",
    "upgrade",
    "websocket",
    "h2c, WebSocket",
    "caf\u{e9}",
    "x\u{1}",
];

/// One head of a response, sometimes followed by more.
pub fn response(random: &mut Random) -> Vec<u8> {
    let mut text = String::new();
    if random.one_in(24) {
        text += &"\r\n".repeat(random.below(12));
    }
    text += random.pick(STATUS_LINES);
    text += line_end(random);
    for _ in 0..random.below(5) {
        if random.one_in(24) {
            text += random.pick(&[" ", "\t"]);
        }
        let (name, value) = match random.below(8) {
            0 => (random.pick(TE_NAMES), random.pick(CODINGS)),
            1 => (random.pick(CL_NAMES), random.pick(LENGTHS)),
            2 => (
                random.pick(&["Transfer-Encoding", "Content-Length"]),
                random.pick(&["chunked", "5", "5", "6"]),
            ),
            _ => (random.pick(RESPONSE_NAMES), random.pick(RESPONSE_VALUES)),
        };
        let colon = if random.one_in(24) { "" } else { ":" };
        text += &format!("{name}{colon}{value}");
        text += line_end(random);
    }
    text += line_end(random);
    if random.one_in(3) {
        text += random.pick(&["hello", "5\r\nhello\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"]);
    }
    let mut bytes = text.into_bytes();
    if random.one_in(4) {
        spoil(random, &mut bytes);
    }
    bytes
}

/// A byte, then something like a chunked body.
pub fn chunks(random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![random.below(40) as u8];
    for _ in 0..random.below(4) {
        let len = 1 + random.below(20);
        bytes.extend(format!("{len:X}").bytes());
        bytes.extend(
            random
                .pick(&["\r\n", "\r\n", "\r\n", ";a=b\r\n", " ;x=\"y\"\r\n"])
                .bytes(),
        );
        bytes.extend((0..len).map(|_| BYTES[random.below(BYTES.len())]));
        bytes.extend(b"\r\n");
    }
    bytes.extend(
        random
            .pick(&["0\r\n\r\n", "000;x\r\n\r\n", "0\r\nA: b\r\nC: d\r\n\r\n", "0\r\n"])
            .bytes(),
    );
    bytes.extend(random.pick(&["", "", "HTTP/1.1 200 OK\r\n"]).bytes());
    if random.one_in(3) {
        spoil(random, &mut bytes);
    }
    bytes
}

fn line_end(random: &mut Random) -> &'static str {
    match random.below(20) {
        0 => "\n",
        1 => "\r\r\n",
        _ => "\r\n",
    }
}
