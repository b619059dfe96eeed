//! What the inputs of the HTTP/2 targets say: how things are set, and a head.
//!
//! The first line is a letter for each setting. The rest is a head of HTTP/1 as it is, or a field of HTTP/2 in each line:
//! `name=value`, where `\` takes the meaning from what follows, and `\n`, `\r`, `\t` and `\0` are what they are elsewhere.

use proxy::fuzzing::Requests;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

pub type Field = (Vec<u8>, Vec<u8>);

/// The client of every request.
pub const CLIENT: &str = "192.0.2.7";
const CLIENT_PORT: u16 = 50_000;

/// Settings by their letters.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a>(&'a [u8]);

impl<'a> Settings<'a> {
    /// The settings, and what follows their line.
    pub fn of(input: &'a [u8]) -> (Self, &'a [u8]) {
        let end = input.iter().position(|&b| b == b'\n').unwrap_or(input.len());
        (Self(&input[..end]), input.get(end + 1..).unwrap_or_default())
    }

    fn has(self, letter: u8) -> bool {
        self.0.contains(&letter)
    }

    /// The head ends the stream.
    pub fn ends(self) -> bool {
        self.has(b'e')
    }

    /// The method of a request is HEAD.
    pub fn is_head(self) -> bool {
        self.has(b'h')
    }

    /// The target takes TLS.
    pub fn tls(self) -> bool {
        self.has(b't')
    }

    /// The head is one of HTTP/1.
    pub fn is_http1(self) -> bool {
        self.has(b'1')
    }

    pub fn preserves_host(self) -> bool {
        self.has(b'p')
    }

    pub fn drops_invalid(self) -> bool {
        self.has(b'd')
    }

    pub fn names_client_port(self) -> bool {
        self.has(b'c')
    }

    pub fn is_monitor(self) -> bool {
        self.has(b'm')
    }

    /// How `X-Forwarded-For` is treated.
    pub fn forwarded_for(self) -> &'static str {
        match (self.has(b'r'), self.has(b'k')) {
            (true, _) => "remove",
            (false, true) => "preserve",
            (false, false) => "append",
        }
    }

    /// The port of the listener.
    pub fn port(self) -> u16 {
        if self.has(b'8') { 80 } else { 8080 }
    }

    /// What stands at the end of `X-Forwarded-For`.
    pub fn client(self) -> String {
        match self.names_client_port() {
            true => format!("{CLIENT}:{CLIENT_PORT}"),
            false => CLIENT.to_owned(),
        }
    }

    fn manifest(self) -> String {
        let (port, mode) = (self.port(), self.forwarded_for());
        let desync = match (self.is_monitor(), self.has(b's')) {
            (true, _) => "monitor",
            (false, true) => "strictest",
            (false, false) => "defensive",
        };
        let client_port = self.names_client_port() && mode == "append";
        format!(
            "target_groups: {{ web: {{ targets: ['127.0.0.1:9000'] }} }}
load_balancers:
  shop:
    attributes:
      routing.http.desync_mitigation_mode: {desync}
      routing.http.drop_invalid_header_fields.enabled: {}
      routing.http.preserve_host_header.enabled: {}
      routing.http.xff_header_processing.mode: {mode}
      routing.http.xff_client_port.enabled: {client_port}
    listeners:
      - port: {port}
        protocol: http
        rules:
          - priority: 1
            header: {{ x-rewritten: '*' }}
            forward: web
            rewrite_host: {{ regex: '^([^.]*)(.*)$', replace: '$1.internal$2' }}
            rewrite_url: {{ regex: '^/(.*)$', replace: '/new/$1' }}
        default: {{ forward: web }}
",
            self.drops_invalid(),
            self.preserves_host(),
        )
    }

    /// Runs with the listener that is set so; it is made once.
    pub fn with<T>(self, run: impl FnOnce(&mut Requests) -> T) -> T {
        thread_local! {
            static MADE: RefCell<BTreeMap<String, Requests>> = const { RefCell::new(BTreeMap::new()) };
        }
        let made = |text: &String| {
            let client = SocketAddr::from((CLIENT.parse::<Ipv4Addr>().expect("an address"), CLIENT_PORT));
            Requests::new(&crate::manifest::state_of(text), client).expect("a listener")
        };
        MADE.with_borrow_mut(|all| {
            let text = self.manifest();
            let requests = match all.contains_key(&text) {
                true => all.get_mut(&text).expect("it is there"),
                false => all.entry(text.clone()).or_insert_with(|| made(&text)),
            };
            run(requests)
        })
    }
}

/// The fields of HTTP/2 that stand here.
pub fn fields(text: &[u8]) -> Vec<Field> {
    let (mut fields, mut field, mut in_value) = (Vec::new(), Field::default(), false);
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        let literal = match byte {
            b'\n' => {
                fields.push(std::mem::take(&mut field));
                in_value = false;
                continue;
            }
            b'=' if !in_value => {
                in_value = true;
                continue;
            }
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'0') => 0,
                Some(other) => other,
                None => b'\\',
            },
            other => other,
        };
        let part = if in_value { &mut field.1 } else { &mut field.0 };
        part.push(literal);
    }
    if field != Field::default() {
        fields.push(field);
    }
    fields
}

/// Runs the seeds of a fuzz target. `check` says whether something was written; of so many seeds something is.
#[cfg(test)]
pub fn run_corpus(name: &str, at_least: usize, check: impl Fn(&[u8]) -> bool) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let mut written = 0;
    for entry in std::fs::read_dir(folder).expect("the corpus is there") {
        let bytes = std::fs::read(entry.expect("a file").path()).expect("a readable file");
        written += usize::from(check(&bytes));
    }
    assert!(written >= at_least, "only {written} heads were written");
}
