//! Our reading of a response against `httparse`, and against a few plain rules for what its headers mean.
//!
//! Both read what the target sent; every difference must be explained by an entry of [`EXPLAINED`]. Then `httparse` reads
//! what we write, and there no difference is explained.

use http1::{
    ClientConnection, ClientFraming, HeadLimits, HeadScanner, Relay, ResponseFraming, ResponseHead, Scan, Version,
    response_framing, write_response,
};

use crate::response_head::RELAYS;

/// A head as `httparse` reads it.
#[derive(Debug, PartialEq, Eq)]
struct Theirs {
    head_len: usize,
    minor: u8,
    status: u16,
    phrase: Vec<u8>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A difference that is meant to be.
pub struct Explained {
    /// Short, for messages and for the test that each entry still occurs.
    pub name: &'static str,
    /// Why we differ.
    pub why: &'static str,
    applies: fn(head: &[u8]) -> bool,
}

/// What we take and they refuse.
pub const WE_TAKE: &[Explained] = &[
    Explained {
        name: "whitespace behind a name",
        why: "a proxy removes it; RFC 9112, 5.1",
        applies: |head| {
            lines(head).any(|line| name_of(line).is_some_and(|name| name.ends_with(b" ") || name.ends_with(b"\t")))
        },
    },
    Explained {
        name: "control bytes in a value",
        why: "a recipient may keep them where they are harmless; RFC 9110, 5.5",
        applies: |head| lines(head).any(|line| line.iter().any(|&b| b.is_ascii_control() && b != b'\t')),
    },
    Explained {
        name: "later minor versions",
        why: "they are read as HTTP/1.1; RFC 9110, 6.2",
        applies: |head| {
            first_line(head)
                .get(7)
                .is_some_and(|minor| (b'2'..=b'9').contains(minor))
        },
    },
    Explained {
        name: "bytes beyond ascii in the phrase",
        why: "obs-text may stand there; RFC 9112, 4. They read such a phrase as an empty one",
        applies: |head| first_line(head).iter().any(|b| !b.is_ascii()),
    },
];

/// What they take and we refuse.
pub const THEY_TAKE: &[Explained] = &[
    Explained {
        name: "a status below 100",
        why: "there is none",
        applies: |head| first_line(head).get(9) == Some(&b'0'),
    },
    Explained {
        name: "many empty lines first",
        why: "we skip a bounded number",
        applies: |head| head.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count() > 8,
    },
];

/// Panics if the two disagree about the head that these bytes begin with, and nothing explains it.
pub fn check(input: &[u8]) {
    differences(input);
}

/// The names of the entries that were needed.
pub fn differences(input: &[u8]) -> Vec<&'static str> {
    let mut head = ResponseHead::new();
    let ours = head.read(&mut HeadScanner::new(), input, &HeadLimits::ALB_RESPONSE);
    let theirs = read(input);
    let text = String::from_utf8_lossy(input);
    match (ours, theirs) {
        (Ok(Scan::Complete { head_len }), theirs) => {
            let bytes = &input[..head_len];
            check_written(&head, bytes);
            match theirs {
                Ok(Some(theirs)) if theirs == of(&head, bytes) => {
                    check_framing(&head, bytes, &theirs);
                    Vec::new()
                }
                theirs => vec![explain(
                    WE_TAKE,
                    bytes,
                    &format!("we took it, they say {theirs:?}: {text:?}"),
                )],
            }
        }
        (ours @ (Err(_) | Ok(Scan::Partial)), Ok(Some(theirs))) => {
            let bytes = &input[..theirs.head_len];
            vec![explain(
                THEY_TAKE,
                bytes,
                &format!("they took it, we say {ours:?}: {text:?}"),
            )]
        }
        (ours @ Err(_), Ok(None)) => {
            // What is malformed already stays so; they may see it later.
            assert_eq!(
                ours,
                head.read(&mut HeadScanner::new(), input, &HeadLimits::ALB_RESPONSE)
            );
            Vec::new()
        }
        (_, _) => Vec::new(),
    }
}

fn explain(entries: &[Explained], head: &[u8], what: &str) -> &'static str {
    let entry = entries.iter().find(|entry| (entry.applies)(head));
    entry.unwrap_or_else(|| panic!("not explained: {what}")).name
}

fn read(bytes: &[u8]) -> Result<Option<Theirs>, httparse::Error> {
    let mut fields = vec![httparse::EMPTY_HEADER; 512];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head_len) = response.parse(bytes)? else {
        return Ok(None);
    };
    let fields = response.headers.iter();
    Ok(Some(Theirs {
        head_len,
        minor: response.version.unwrap_or_default(),
        status: response.code.unwrap_or_default(),
        phrase: response.reason.unwrap_or_default().as_bytes().to_vec(),
        fields: fields
            .map(|field| (field.name.as_bytes().to_vec(), field.value.to_vec()))
            .collect(),
    }))
}

/// Our reading in the same form.
fn of(head: &ResponseHead, bytes: &[u8]) -> Theirs {
    let fields = head.fields().iter();
    Theirs {
        head_len: bytes.len(),
        minor: u8::from(head.version() == Version::Http11),
        status: head.status(),
        phrase: head.phrase(bytes).to_vec(),
        fields: fields
            .map(|field| (field.name(bytes).to_vec(), field.value(bytes).to_vec()))
            .collect(),
    }
}

/// What plain rules make of the headers that `httparse` read, for a response to GET.
fn check_framing(head: &ResponseHead, bytes: &[u8], theirs: &Theirs) {
    let ours = response_framing(head, bytes, false).ok();
    assert_eq!(ours, plain_framing(theirs), "{:?}", String::from_utf8_lossy(bytes));
}

/// Slow and simple: RFC 9112, 6.3, where anything odd is an error.
fn plain_framing(theirs: &Theirs) -> Option<ResponseFraming> {
    let values = |name: &str| -> Vec<String> {
        let fields = theirs.fields.iter();
        fields
            .filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.iter().map(|&b| char::from(b)).collect())
            .collect()
    };
    let codings: Vec<String> = values("transfer-encoding")
        .iter()
        .flat_map(|value| value.split(','))
        .map(|item| {
            item.split(';')
                .next()
                .unwrap_or_default()
                .trim_matches([' ', '\t'])
                .to_ascii_lowercase()
        })
        .collect();
    if !codings.is_empty() && theirs.minor == 0 {
        return None;
    }
    let (last, before) = codings
        .split_last()
        .map_or((None, &[][..]), |(last, before)| (Some(last), before));
    if before.iter().any(|coding| coding != "identity") {
        return None;
    }
    let chunked = match last.map(String::as_str) {
        Some("chunked") => true,
        None | Some("identity") => false,
        Some(_) => return None,
    };
    let mut length = None;
    for value in values("content-length") {
        let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        let number = value.parse::<u64>().ok().filter(|_| digits)?;
        if length.is_some_and(|first| first != number) {
            return None;
        }
        length = Some(number);
    }
    Some(match (theirs.status, chunked, length) {
        (100..=199 | 204 | 304, _, _) => ResponseFraming::None,
        (_, true, _) => ResponseFraming::Chunked,
        (_, false, Some(length)) => ResponseFraming::Length(length),
        (_, false, None) => ResponseFraming::UntilClose,
    })
}

/// They read what we write as we do, and its framing is the one that was asked for.
fn check_written(head: &ResponseHead, bytes: &[u8]) {
    for (framing, connection) in RELAYS {
        let relay = Relay {
            framing,
            connection,
            extra: &[(b"Set-Cookie", b"AWSALB=x; Path=/")],
            replaced: &[(b"Strict-Transport-Security", b"max-age=1")],
        };
        let mut out = Vec::new();
        if write_response(head, bytes, &relay, &mut out).is_err() {
            continue;
        }
        // They take no control bytes in values, and no bytes beyond ASCII in a phrase; neither can end a line.
        for byte in &mut out {
            if (byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n')) || !byte.is_ascii() {
                *byte = b'?';
            }
        }
        let text = String::from_utf8_lossy(&out);
        let Ok(Some(theirs)) = read(&out) else {
            panic!("they cannot read what we wrote: {text:?}");
        };
        let mut again = ResponseHead::new();
        let reading = again.read(
            &mut HeadScanner::new(),
            &out,
            &HeadLimits {
                headers_bytes_max: 99_999,
                ..LOOSE
            },
        );
        assert_eq!(reading, Ok(Scan::Complete { head_len: out.len() }), "{text:?}");
        assert_eq!(theirs, of(&again, &out), "{text:?}");
        assert_eq!((theirs.minor, theirs.status), (1, head.status()), "{text:?}");
        check_written_framing(&theirs, framing, connection, &text);
    }
}

const LOOSE: HeadLimits = HeadLimits {
    request_line_bytes_max: 99_999,
    header_line_bytes_max: 99_999,
    headers_bytes_max: 99_999,
};

fn check_written_framing(theirs: &Theirs, framing: ClientFraming, connection: ClientConnection, text: &str) {
    let values = |name: &str| -> Vec<&[u8]> {
        let fields = theirs.fields.iter();
        let named = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| value.as_slice()).collect()
    };
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    match framing {
        ClientFraming::Length(length) => {
            assert_eq!(
                (lengths, codings.len()),
                (vec![length.to_string().as_bytes()], 0),
                "{text:?}"
            );
        }
        ClientFraming::Chunked => assert_eq!((lengths.len(), codings), (0, vec![&b"chunked"[..]]), "{text:?}"),
        ClientFraming::UntilClose => assert_eq!((lengths.len(), codings.len()), (0, 0), "{text:?}"),
        ClientFraming::None => assert!(lengths.len() <= 1 && codings.is_empty(), "{text:?}"),
    }
    let (word, upgrades): (&[u8], usize) = match connection {
        ClientConnection::KeepAlive => (b"keep-alive", 0),
        ClientConnection::Close => (b"close", 0),
        ClientConnection::Upgrade => (b"upgrade", 1),
    };
    assert_eq!(values("connection"), [word], "{text:?}");
    let upgrade = values("upgrade");
    assert_eq!(upgrade.len(), upgrades, "{text:?}");
    assert!(
        upgrade.iter().all(|value| value.eq_ignore_ascii_case(b"websocket")),
        "{text:?}"
    );
}

/// The lines after the first, without line ends.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let head = head.trim_ascii_start();
    head.split(|&b| b == b'\n')
        .skip(1)
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn first_line(head: &[u8]) -> &[u8] {
    head.trim_ascii_start()
        .split(|&b| b == b'\n')
        .next()
        .unwrap_or_default()
}

fn name_of(line: &[u8]) -> Option<&[u8]> {
    let colon = line.iter().position(|&b| b == b':')?;
    Some(&line[..colon])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::generate::{Random, response};

    /// The seeds of the fuzz target, one head in each file.
    #[test]
    fn the_corpus_agrees() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/response_differential");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).expect("the corpus is there") {
            let bytes = std::fs::read(entry.expect("a file").path()).expect("a readable file");
            check(&bytes);
            crate::response_head::check(&bytes);
            count += 1;
        }
        assert!(count > 20, "only {count} files");
    }

    /// Seeded, so a failure repeats. Also: an entry that no head needs any more has to go.
    #[test]
    fn generated_responses_agree_and_every_explanation_is_needed() {
        let mut random = Random::new(0x5e5b_a11e);
        let entries = WE_TAKE.iter().chain(THEY_TAKE);
        let mut needed: BTreeMap<&str, usize> = entries.map(|entry| (entry.name, 0)).collect();
        for _ in 0..60_000 {
            let bytes = response(&mut random);
            crate::response_head::check(&bytes);
            for name in differences(&bytes) {
                *needed.entry(name).or_default() += 1;
            }
        }
        for (name, times) in needed {
            assert!(times > 0, "{name} was never needed");
        }
    }
}
