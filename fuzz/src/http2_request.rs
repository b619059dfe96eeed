//! A request head of HTTP/2 on its way to targets of either kind: one request with one framing, one host and our own
//! headers once, whatever the client wrote.

use crate::peer::{self, Server};
use crate::played::{Field, Settings, fields};
use crate::strict::{self, Head, shown, trimmed, values};
use http::request::Parts;
use http1::Framing;
use proxy::fuzzing::Towards;

/// Panics if a law does not hold for these bytes. Says whether the request goes on.
pub fn check(input: &[u8]) -> bool {
    let (settings, text) = Settings::of(input);
    let fields = fields(text);
    let Some((_server, request)) = Server::get(&fields, settings.ends()) else {
        return false;
    };
    let (parts, body) = request.into_parts();
    let ends = body.is_end_stream();
    let towards = settings.with(|requests| requests.of_http2(&parts, ends, settings.tls()));
    let sent = Sent::new(&fields, &parts);
    match towards {
        Err(status) => {
            assert!(matches!(status, 400 | 405 | 413 | 414 | 463), "{status}");
            false
        }
        Ok(towards) => {
            sent.check(settings, ends, towards);
            true
        }
    }
}

/// What the client wrote, read without any library.
struct Sent {
    fields: Vec<Field>,
}

impl Sent {
    /// What the library made of it is asked only where it should have refused the request: it forgets what is malformed in a
    /// frame whose last field goes on in the next frame, and leaves it out (h2 0.4.20).
    fn new(fields: &[Field], parts: &Parts) -> Self {
        let all = match strict::is_well_formed(fields) {
            true => fields.to_vec(),
            false => fields_of(parts),
        };
        let trimmed = |(name, value): Field| (name, trimmed(&value).to_vec());
        Self {
            fields: all.into_iter().map(trimmed).collect(),
        }
    }

    fn values(&self, name: &str) -> Vec<&[u8]> {
        values(&self.fields, name)
    }

    fn check(&self, settings: Settings<'_>, ends: bool, towards: Towards) {
        let length = self.check_framing(ends, towards.framing);
        match &towards.http1 {
            Ok(bytes) => {
                let head = strict::http1_request(bytes);
                self.check_head(settings, &towards, &head, "host");
                check_http1_framing(&head, towards.framing);
            }
            Err(464) => assert!(values(&self.fields, "content-type")[0].starts_with(b"application/grpc")),
            Err(status) => panic!("{status} for a target of HTTP/1"),
        }
        assert!(towards.speaks_http2);
        match towards.http2 {
            Ok(ref request) => {
                assert!(!request.headers().contains_key("host"));
                let all = peer::asked(request.clone(), ends);
                let head = strict::http2(all, &[":authority", ":method", ":path", ":scheme"]);
                let scheme: &[u8] = if settings.tls() { b"https" } else { b"http" };
                assert_eq!(head.first(":scheme"), scheme);
                self.check_head(settings, &towards, &head, ":authority");
                let lengths = head.values("content-length");
                assert_eq!(lengths.len(), usize::from(length.is_some()), "{lengths:?}");
                assert!(lengths.iter().all(|value| number(value) == length), "{lengths:?}");
                let asks = self.values("te").contains(&&b"trailers"[..]);
                assert_eq!(head.values("te").len(), usize::from(asks));
                check_same("cookie", &self.fields, &head.fields);
            }
            // A host may hold what cannot stand in a URL.
            Err(400) => assert!(self.values(":authority").is_empty() || towards.host.is_some()),
            Err(status) => panic!("{status} for a target of HTTP/2"),
        }
    }

    /// The length that the client named.
    fn check_framing(&self, ends: bool, framing: Framing) -> Option<u64> {
        let length = self.values("content-length").first().and_then(|value| number(value));
        let expected = match (length, ends) {
            (Some(length), _) => Framing::Length(length),
            (None, true) => Framing::None,
            (None, false) => Framing::Chunked,
        };
        assert_eq!(framing, expected);
        length
    }

    /// What both kinds of targets get. `host` is where the host stands.
    fn check_head(&self, settings: Settings<'_>, towards: &Towards, head: &Head, host: &str) {
        assert_eq!([head.first(":method")], self.values(":method")[..]);
        // The library leaves out a fragment, and takes none for an empty path where there is no `:authority` either.
        let path = self.values(":path").first().copied().unwrap_or_default();
        let path = path
            .split(|&b| b == b'#')
            .next()
            .filter(|path| !path.is_empty())
            .unwrap_or(b"/");
        assert_eq!(head.first(":path"), towards.uri.as_deref().unwrap_or(path));
        let hosts = match host {
            "host" => head.values("host"),
            pseudo => vec![head.first(pseudo)],
        };
        let expected = self.expected_host(settings, towards);
        assert_eq!(hosts, [&*expected], "{:?}", shown(&expected));
        assert!(!expected.is_empty(), "a request says for which host it is");
        let cookies = self.values("cookie");
        if host == "host" && !cookies.is_empty() {
            assert_eq!(head.values("cookie"), [trimmed(&cookies.join(&b"; "[..]))]);
        }
        self.check_forwarded(settings, head);
        for (name, _) in &head.fields {
            let specific = strict::CONNECTION_SPECIFIC.iter().any(|known| name == known.as_bytes());
            assert!(
                !specific || name == b"te" || name == b"transfer-encoding",
                "{}",
                shown(name)
            );
            let plain = name.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
            assert!(plain || !settings.drops_invalid(), "{}", shown(name));
            assert!(!is_reserved(name), "{}", shown(name));
            assert!(plain || !names_framing(name), "{}", shown(name));
        }
        for (name, _) in &self.fields {
            if goes_on(name) {
                check_same(std::str::from_utf8(name).expect("ascii"), &self.fields, &head.fields);
            }
        }
    }

    fn expected_host(&self, settings: Settings<'_>, towards: &Towards) -> Vec<u8> {
        let authority = self.values(":authority").first().copied();
        let named = authority.or_else(|| self.values("host").first().copied());
        let named = named.expect("a request without a host is refused");
        match &towards.host {
            Some(host) => with_port_rule(host, settings.port()),
            None if settings.preserves_host() => named.to_vec(),
            None => with_port_rule(named, settings.port()),
        }
    }

    fn check_forwarded(&self, settings: Settings<'_>, head: &Head) {
        let client = settings.client().into_bytes();
        let theirs = self.values("x-forwarded-for");
        let ours = head.values("x-forwarded-for");
        match settings.forwarded_for() {
            "remove" => assert!(ours.is_empty(), "{ours:?}"),
            "preserve" => assert_eq!(ours, theirs),
            _ => {
                let all: Vec<&[u8]> = theirs.into_iter().filter(|value| !value.is_empty()).collect();
                let all = [&all[..], &[&client]].concat();
                assert_eq!(ours, [all.join(&b", "[..])]);
            }
        }
        check_ours(settings, head);
    }
}

/// Headers that are ours alone stand there once.
pub fn check_ours(settings: Settings<'_>, head: &Head) {
    assert_eq!(head.values("x-forwarded-proto"), [b"http"]);
    assert_eq!(
        head.values("x-forwarded-port"),
        [settings.port().to_string().as_bytes()]
    );
    let trace = head.values("x-amzn-trace-id");
    assert_eq!(trace.len(), 1);
    let has_id = [&b"Root=1-"[..], b"Self=1-"]
        .iter()
        .any(|start| trace[0].starts_with(start));
    assert!(
        has_id && trace[0].len() >= "Root=1-xxxxxxxx-".len() + 24,
        "{}",
        shown(trace[0])
    );
}

pub fn check_http1_framing(head: &Head, framing: Framing) {
    let (lengths, codings) = (head.values("content-length"), head.values("transfer-encoding"));
    match framing {
        Framing::None => assert!(lengths.is_empty() && codings.is_empty()),
        Framing::Length(length) => {
            assert_eq!((lengths, codings.len()), (vec![length.to_string().as_bytes()], 0));
        }
        Framing::Chunked => assert_eq!((lengths.len(), codings), (0, vec![&b"chunked"[..]])),
    }
}

fn fields_of(parts: &Parts) -> Vec<Field> {
    let path = parts.uri.path_and_query().map(|path| path.as_str());
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let pseudo = [
        (":method", Some(parts.method.as_str())),
        (":path", path),
        (":authority", authority),
    ];
    let pseudo = pseudo.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let pseudo = pseudo.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let fields = parts.headers.iter();
    let fields = fields.map(|(name, value)| (name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec()));
    pseudo.chain(fields).collect()
}

fn check_same(name: &str, sent: &[Field], got: &[Field]) {
    assert_eq!(values(got, name), values(sent, name), "{name}");
}

fn number(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

/// Lower case; on port 80 without a port, on others with one. Source: ALB 4.6.
fn with_port_rule(host: &[u8], port: u16) -> Vec<u8> {
    let mut host = host.to_ascii_lowercase();
    let colon = match host.first() {
        Some(b'[') => host.iter().position(|&b| b == b']').map(|end| end + 1),
        _ => host.iter().rposition(|&b| b == b':'),
    };
    let colon = colon.filter(|&at| at < host.len() && host[at + 1..].iter().all(u8::is_ascii_digit));
    match (colon, port) {
        (Some(at), 80) => host.truncate(at),
        (None, 80) | (Some(_), _) => {}
        (None, _) => host.extend_from_slice(format!(":{port}").as_bytes()),
    }
    host
}

/// Letters and digits; everything else is a hyphen, as CGI has it.
fn as_cgi(name: &[u8]) -> String {
    let plain = |&byte: &u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte.to_ascii_lowercase()),
        _ => '-',
    };
    name.iter().map(plain).collect()
}

/// What targets believe of clients' certificates.
fn is_reserved(name: &[u8]) -> bool {
    let ends = ["", "-serial-number", "-issuer", "-subject", "-validity", "-leaf"];
    let name = as_cgi(name);
    let rest = name.strip_prefix("x-amzn-mtls-clientcert");
    rest.is_some_and(|rest| ends.contains(&rest))
}

/// What somebody might take for framing.
fn names_framing(name: &[u8]) -> bool {
    matches!(&*as_cgi(name), "transfer-encoding" | "content-length")
}

/// A field of which nothing is known to anybody: it goes on as it is. What may resemble framing is left out here.
fn goes_on(name: &[u8]) -> bool {
    const OTHERS: [&[u8]; 4] = [b"host", b"expect", b"upgrade", b"keep-alive"];
    let plain = name.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let first = name.first().copied().unwrap_or_default();
    let known = OTHERS.contains(&name) || name.starts_with(b"x-forwarded") || name.starts_with(b"x-amzn");
    plain && !name.is_empty() && !matches!(first, b't' | b'c' | b'p' | b'-' | b'0'..=b'9') && !known
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seeds_hold() {
        crate::played::run_corpus("http2_request", 20, super::check);
    }
}
