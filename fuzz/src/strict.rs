//! Readers that take nothing but what the standards let pass, and panic at anything else.

use crate::played::Field;

/// Fields that belong to one connection. Source: RFC 9110, 7.6.1; RFC 9113, 8.2.2.
pub const CONNECTION_SPECIFIC: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A head with its fields in order; names of HTTP/1 in lower case.
#[derive(Debug)]
pub struct Head {
    /// The three parts of the first line, or the pseudo-headers.
    pub first: Vec<Field>,
    pub fields: Vec<Field>,
}

impl Head {
    /// The first line or the pseudo-header of this name.
    pub fn first(&self, name: &str) -> &[u8] {
        let found = self.first.iter().find(|(first, _)| first == name.as_bytes());
        &found.unwrap_or_else(|| panic!("no {name}: {self:?}")).1
    }

    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        values(&self.fields, name)
    }
}

pub fn values<'a>(fields: &'a [Field], name: &str) -> Vec<&'a [u8]> {
    let named = fields.iter().filter(|(field, _)| field == name.as_bytes());
    named.map(|(_, value)| &**value).collect()
}

/// The head of a request of HTTP/1.1, and nothing else: `:method`, `:path` and fields.
pub fn http1_request(bytes: &[u8]) -> Head {
    let mut headers = [httparse::EMPTY_HEADER; 1024];
    let known: Vec<u8> = bytes.iter().map(|&b| if b == b'"' { b'.' } else { b }).collect();
    let theirs = httparse::Request::new(&mut headers).parse(&known);
    assert_eq!(theirs, Ok(httparse::Status::Complete(bytes.len())), "{}", shown(bytes));
    let (line, fields) = http1(bytes);
    let parts: Vec<&[u8]> = line.split(|&b| b == b' ').collect();
    let [method, path, version] = parts[..] else {
        panic!("a request line of three parts: {}", shown(line));
    };
    assert!(
        !method.is_empty() && method.iter().all(|&b| is_token(b)),
        "{}",
        shown(line)
    );
    assert!(
        !path.is_empty() && path.iter().all(|&b| b > 0x20 && b != 0x7f),
        "{}",
        shown(line)
    );
    assert_eq!(version, b"HTTP/1.1");
    Head {
        first: vec![
            (b":method".to_vec(), method.to_vec()),
            (b":path".to_vec(), path.to_vec()),
        ],
        fields,
    }
}

/// The head of a response of HTTP/1.1, and nothing else: `:status` and fields.
pub fn http1_response(bytes: &[u8]) -> Head {
    let (line, fields) = http1(bytes);
    let Some((b"HTTP/1.1 ", [a, b, c, b' ', phrase @ ..])) = line.split_first_chunk::<9>().map(|(v, r)| (&v[..], r))
    else {
        panic!("a status line: {}", shown(line));
    };
    assert!([a, b, c].into_iter().all(u8::is_ascii_digit), "{}", shown(line));
    assert!(phrase.iter().all(|&b| is_text(b)), "{}", shown(line));
    Head {
        first: vec![(b":status".to_vec(), vec![*a, *b, *c])],
        fields,
    }
}

fn http1(bytes: &[u8]) -> (&[u8], Vec<Field>) {
    let text = bytes
        .strip_suffix(b"\r\n\r\n")
        .unwrap_or_else(|| panic!("an empty line at the end: {}", shown(bytes)));
    assert!(
        !text.windows(4).any(|four| four == b"\r\n\r\n"),
        "one head: {}",
        shown(bytes)
    );
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|two| two == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    let field = |line: &&[u8]| {
        let colon = line
            .iter()
            .position(|&b| b == b':')
            .unwrap_or_else(|| panic!("a colon: {}", shown(line)));
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        assert!(
            !name.is_empty() && name.iter().all(|&b| is_token(b)),
            "a name: {}",
            shown(line)
        );
        assert!(value.iter().all(|&b| is_text(b)), "a value: {}", shown(line));
        (name.to_ascii_lowercase(), trimmed(value).to_vec())
    };
    (lines[0], lines[1..].iter().map(field).collect())
}

/// The fields of a head of HTTP/2 with exactly these pseudo-headers. Source: RFC 9113, 8.2, 8.3.
pub fn http2(all: Vec<Field>, pseudo: &[&str]) -> Head {
    let count = all.iter().take_while(|(name, _)| name.first() == Some(&b':')).count();
    let fields = all[count..].to_vec();
    let mut names: Vec<String> = all[..count].iter().map(|(name, _)| shown(name)).collect();
    names.sort();
    assert_eq!(names, pseudo, "{all:?}");
    for (name, value) in &fields {
        let lower = |b: &u8| is_token(*b) && !b.is_ascii_uppercase();
        assert!(!name.is_empty() && name.iter().all(lower), "a name: {}", shown(name));
        assert!(value.iter().all(|&b| is_text(b)), "a value: {}", shown(value));
        assert_eq!(trimmed(value), value, "no blanks around a value: {}", shown(name));
        let specific = CONNECTION_SPECIFIC.iter().any(|known| name == known.as_bytes());
        assert!(
            !specific || (name == b"te" && value == b"trailers"),
            "{}: {}",
            shown(name),
            shown(value)
        );
    }
    for (name, value) in &all[..count] {
        assert!(value.iter().all(|&b| b > 0x20 && b != 0x7f), "{}", shown(name));
    }
    Head {
        first: all[..count].to_vec(),
        fields,
    }
}

/// Whether the pseudo-headers come first and once, and nothing belongs to one connection.
pub fn is_well_formed(fields: &[Field]) -> bool {
    let count = fields
        .iter()
        .take_while(|(name, _)| name.first() == Some(&b':'))
        .count();
    let (pseudo, fields) = fields.split_at(count);
    let once = |(at, (name, _)): (usize, &Field)| !pseudo[..at].iter().any(|(other, _)| other == name);
    pseudo.iter().enumerate().all(once)
        && fields.iter().all(|(name, value)| {
            let specific = CONNECTION_SPECIFIC.iter().any(|known| name == known.as_bytes());
            name.first() != Some(&b':') && (!specific || name == b"trailer" || (name == b"te" && value == b"trailers"))
        })
}

/// Letters, digits and what else may stand in a name. Source: RFC 9110, 5.6.2. A quotation mark may not, but the HTTP/2
/// library lets it pass, and in HTTP/1 such a name is `NonCompliantHeader`, which goes on in ALB's default mode.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!\"#$%&'*+-.^_`|~".contains(&byte)
}

/// What may stand in a value. Source: RFC 9110, 5.5.
pub fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

/// Without spaces and tabs around it.
pub fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

pub fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
