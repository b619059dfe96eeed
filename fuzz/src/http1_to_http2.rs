//! A request head of HTTP/1 written as one of HTTP/2. No such request goes to a target of HTTP/2, and if one did, the head
//! would be good; and what a target of HTTP/1 gets has one framing and our own headers once, whatever the client wrote.

use crate::http2_request::{check_http1_framing, check_ours};
use crate::peer;
use crate::played::{Field, Settings};
use crate::strict::{self, Head, shown, trimmed};
use http1::Framing;

/// Panics if a law does not hold for these bytes. Says whether the request could go to a target of HTTP/2.
pub fn check(input: &[u8]) -> bool {
    let (settings, bytes) = Settings::of(input);
    let Some(towards) = settings.with(|requests| requests.of_http1(bytes, settings.tls())) else {
        return false;
    };
    let towards = match towards {
        Ok(towards) => towards,
        Err(status) => {
            assert!(matches!(status, 400 | 405 | 463 | 501 | 505), "{status}");
            return false;
        }
    };
    assert!(!towards.speaks_http2, "464 answers it");
    if let Ok(bytes) = &towards.http1 {
        let head = Head {
            first: Vec::new(),
            fields: lines(bytes),
        };
        check_ours(settings, &head);
        check_http1_framing(&head, towards.framing);
        let forwarded_for = head.values("x-forwarded-for").len();
        match settings.forwarded_for() {
            "append" => assert_eq!(forwarded_for, 1),
            "remove" => assert_eq!(forwarded_for, 0),
            _ => {}
        }
        assert!(settings.preserves_host() || head.values("host").len() <= 1);
    }
    let Ok(request) = towards.http2 else { return false };
    let all = peer::asked(request, towards.framing == Framing::None);
    let head = strict::http2(all, &[":authority", ":method", ":path", ":scheme"]);
    // HTTP/2 carries no control characters, so that a value with one is missing.
    if bytes.iter().all(|&b| strict::is_text(b) || matches!(b, b'\r' | b'\n')) {
        check_ours(settings, &head);
    }
    assert!(head.values("content-length").len() <= 1 && head.values("host").is_empty());
    true
}

/// The fields of one head, read tolerantly: what went on because ALB sends it on is not what is looked at here.
fn lines(bytes: &[u8]) -> Vec<Field> {
    let text = bytes
        .strip_suffix(b"\r\n\r\n")
        .unwrap_or_else(|| panic!("an end: {}", shown(bytes)));
    let lines = text.split(|&b| b == b'\n').skip(1);
    let fields = lines.map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(
            !line.is_empty() && !line.contains(&b'\r') && !line.contains(&0),
            "{}",
            shown(bytes)
        );
        let colon = line.iter().position(|&b| b == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        (trimmed(&line[..colon]).to_ascii_lowercase(), trimmed(value).to_vec())
    });
    fields.collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seeds_hold() {
        crate::played::run_corpus("http1_to_http2", 10, super::check);
    }
}
