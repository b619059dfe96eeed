//! The head of a target's response on its way back, from either protocol to a client of HTTP/2, and from HTTP/2 to one of
//! HTTP/1: one status, one framing, nothing that belongs to another connection, and what the load balancer adds.

use crate::peer::{self, Server};
use crate::played::{Field, Settings, fields};
use crate::response_head::RELAYS;
use crate::strict::{self, Head, is_text, shown, trimmed, values};
use http1::{
    ClientConnection, ClientFraming, HeadLimits, HeadScanner, Relay, ResponseFraming, ResponseHead, Scan,
    response_framing, write_response,
};
use proxy::fuzzing::{Http2Response, for_http2_client};

const COOKIE: (&[u8], &[u8]) = (b"Set-Cookie", b"AWSALB=x; Path=/");
const REPLACED: (&str, &str) = ("Strict-Transport-Security", "max-age=1");

/// Panics if a law does not hold for these bytes. Says whether the response goes on.
pub fn check(input: &[u8]) -> bool {
    let (settings, text) = Settings::of(input);
    match settings.is_http1() {
        true => check_http1(text, settings.is_head()),
        false => check_http2(&fields(text), settings),
    }
}

fn check_http1(text: &[u8], is_head: bool) -> bool {
    let mut head = ResponseHead::new();
    let read = head.read(&mut HeadScanner::new(), text, &HeadLimits::ALB_RESPONSE);
    let Ok(Scan::Complete { head_len }) = read else {
        return false;
    };
    let bytes = &text[..head_len];
    // Interim responses are read over, and nobody asks for 101.
    let Ok(framing) = response_framing(&head, bytes, is_head) else {
        return false;
    };
    if head.status() < 200 {
        return false;
    }
    let sent: Vec<Field> = head
        .fields()
        .iter()
        .map(|field| (field.name(bytes).to_ascii_lowercase(), field.value(bytes).to_vec()))
        .collect();
    check_for_http2(&head, bytes, framing, &sent);
    true
}

fn check_http2(fields: &[Field], settings: Settings<'_>) -> bool {
    let Some(response) = peer::answered(settings.is_head(), fields, settings.ends()) else {
        return false;
    };
    let (ends, status) = (response.body().is_end_stream(), response.status());
    let Some(response) = Http2Response::new(response, settings.is_head()) else {
        return false;
    };
    let (head, bytes) = response.head();
    let sent: Vec<Field> = fields
        .iter()
        .filter(|(name, _)| name.first() != Some(&b':'))
        .map(|(name, value)| (name.clone(), trimmed(value).to_vec()))
        .collect();
    assert_eq!(head.status(), status);
    if strict::is_well_formed(fields) {
        assert_eq!(values(fields, ":status"), [status.as_str().as_bytes()]);
    }
    if ends && !settings.is_head() {
        let empty = matches!(response.framing(), ResponseFraming::None | ResponseFraming::Length(0));
        assert!(empty, "{:?}", response.framing());
    }
    check_for_http2(head, bytes, response.framing(), &sent);
    for (framing, connection) in RELAYS {
        check_for_http1(head, bytes, framing, connection, &sent);
    }
    true
}

fn check_for_http2(head: &ResponseHead, bytes: &[u8], framing: ResponseFraming, sent: &[Field]) {
    let Some(response) = for_http2_client(head, bytes, framing, COOKIE, REPLACED) else {
        panic!("{} cannot be a status", head.status());
    };
    let request = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
    ];
    let request = request.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let (server, _request) = Server::get(&request, true).expect("a good request");
    let got = strict::http2(server.answer(response), &[":status"]);
    assert_eq!(got.first(":status"), head.status().to_string().as_bytes());
    assert!(got.values("te").is_empty());
    let lengths = got.values("content-length");
    match framing {
        ResponseFraming::Length(length) => {
            let number = |value: &[u8]| std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            assert_eq!(
                lengths.iter().map(|value| number(value)).collect::<Vec<_>>(),
                [Some(length)]
            );
        }
        ResponseFraming::None => assert!(lengths.len() <= 1, "{lengths:?}"),
        ResponseFraming::Chunked | ResponseFraming::UntilClose => assert!(lengths.is_empty(), "{lengths:?}"),
    }
    check_fields(&got, sent);
}

fn check_for_http1(
    head: &ResponseHead,
    bytes: &[u8],
    framing: ClientFraming,
    connection: ClientConnection,
    sent: &[Field],
) {
    let relay = Relay {
        framing,
        connection,
        extra: &[COOKIE],
        replaced: &[(REPLACED.0.as_bytes(), REPLACED.1.as_bytes())],
    };
    let mut out = Vec::new();
    if write_response(head, bytes, &relay, &mut out).is_err() {
        return assert_eq!(connection, ClientConnection::Upgrade);
    }
    let got = strict::http1_response(&out);
    assert_eq!(got.first(":status"), head.status().to_string().as_bytes());
    let (lengths, codings) = (got.values("content-length"), got.values("transfer-encoding"));
    match framing {
        ClientFraming::Length(length) => {
            assert_eq!((lengths, codings.len()), (vec![length.to_string().as_bytes()], 0));
        }
        ClientFraming::Chunked => assert_eq!((lengths.len(), codings), (0, vec![&b"chunked"[..]])),
        ClientFraming::UntilClose => assert!(lengths.is_empty() && codings.is_empty()),
        ClientFraming::None => assert!(lengths.len() <= 1 && codings.is_empty()),
    }
    assert_eq!(got.values("connection").len(), 1);
    for name in ["keep-alive", "proxy-connection", "te", "trailer"] {
        assert!(got.values(name).is_empty(), "{name}");
    }
    check_fields(&got, sent);
}

/// What is added is there once, and what is nobody's business is there as it came.
fn check_fields(got: &Head, sent: &[Field]) {
    assert_eq!(got.values("strict-transport-security"), [REPLACED.1.as_bytes()]);
    let mut cookies = got.values("set-cookie");
    let at = cookies.iter().position(|value| *value == COOKIE.1).expect("our cookie");
    cookies.remove(at);
    assert_eq!(cookies, carried(sent, "set-cookie"));
    for (name, _) in sent {
        let first = name.first().copied().unwrap_or_default();
        let plain = name.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        // What may resemble framing, and what ends at this hop.
        let special = matches!(first, b't' | b'c' | b'k' | b'p' | b'u' | b'-' | b'0'..=b'9');
        let set = matches!(&name[..], b"strict-transport-security" | b"set-cookie" | b"expect");
        if plain && !name.is_empty() && !special && !set {
            let name = shown(name);
            assert_eq!(got.values(&name), carried(sent, &name), "{name}");
        }
    }
}

/// The values of a name that every protocol carries.
fn carried<'a>(sent: &'a [Field], name: &str) -> Vec<&'a [u8]> {
    let mut all = values(sent, name);
    all.retain(|value| value.iter().all(|&b| is_text(b)));
    all
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seeds_hold() {
        crate::played::run_corpus("http2_response", 20, super::check);
    }
}
