//! The path that conditions see. Source: ALB 2.1, point 4.

use std::borrow::Cow;

/// The path as path conditions see it: percent-encoded unreserved characters decoded, `.` and `..` segments and doubled
/// slashes removed. The request that is forwarded keeps what the client sent.
///
/// ALB 2.1, point 4: that there is a normalisation is documented, its steps are unverified. A segment with a malformed
/// escape is not decoded, so that nothing decoded forms a new escape. What does not begin with a slash (`*`) stays as
/// it is. Normalising twice changes nothing more.
pub fn normalise(path: &[u8]) -> Cow<'_, [u8]> {
    if path.first() != Some(&b'/') || !may_change(path) {
        return Cow::Borrowed(path);
    }
    let mut out = Vec::with_capacity(path.len());
    let mut segments = path[1..].split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let segment = decode(segment);
        // A path that ends in `/`, `/.` or `/..` names a directory, and so keeps a slash at its end.
        let last = segments.peek().is_none();
        match &*segment {
            b"" | b"." => {}
            b".." => out.truncate(out.iter().rposition(|&byte| byte == b'/').unwrap_or(0)),
            _ => {
                out.push(b'/');
                out.extend_from_slice(&segment);
                continue;
            }
        }
        if last {
            out.push(b'/');
        }
    }
    Cow::Owned(out)
}

/// Whether there is a `%`, `//` or `/.`; without one, normalising changes nothing.
fn may_change(path: &[u8]) -> bool {
    let next = &path[1..];
    // Blocks of each byte and the one behind it; the last ones overlap with those before.
    match (path[..next.len()].last_chunk::<BLOCK>(), next.last_chunk::<BLOCK>()) {
        (Some(last), Some(last_next)) => {
            let (blocks, nexts) = (path.as_chunks::<BLOCK>().0.iter(), next.as_chunks::<BLOCK>().0.iter());
            blocks.zip(nexts).any(|(block, next)| changes(block, next)) || changes(last, last_next)
        }
        _ => path.iter().zip(next).any(|(byte, next)| changes(&[*byte], &[*next])),
    }
}

const BLOCK: usize = 8;

/// Whether a byte and the one behind it begin something that is normalised. No early exit, so that the compiler can look at
/// many bytes at once.
#[inline(always)]
fn changes<const N: usize>(bytes: &[u8; N], next: &[u8; N]) -> bool {
    let mut found = [0; N];
    for ((found, byte), next) in found.iter_mut().zip(bytes).zip(next) {
        let all = |is: bool| 0_u8.wrapping_sub(u8::from(is));
        *found = all(*next == b'%') | (all(*byte == b'/') & (all(*next == b'/') | all(*next == b'.')));
    }
    found != [0; N]
}

/// Decodes percent-encoded letters, digits, `-`, `.`, `_` and `~` (RFC 3986, 2.3).
fn decode(segment: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', segment).is_none() {
        return Cow::Borrowed(segment);
    }
    let mut out = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let [first, after @ ..] = rest {
        if *first != b'%' {
            out.push(*first);
            rest = after;
            continue;
        }
        let [high, low, after @ ..] = after else {
            return Cow::Borrowed(segment);
        };
        let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
            return Cow::Borrowed(segment);
        };
        match high << 4 | low {
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out.push(byte),
            _ => out.extend_from_slice(&rest[..3]),
        }
        rest = after;
    }
    Cow::Owned(out)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_normalised() {
        for (sent, seen) in [
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/../../b", "/b"),
            ("/a//b", "/a/b"),
            ("//a", "/a"),
            ("/a/", "/a/"),
            ("/a//", "/a/"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/..", "/"),
            ("//", "/"),
            ("/a//../b", "/b"),
            ("/%61%2E%7e%2d", "/a.~-"),
            ("/a/%2e%2E/b", "/b"),
            ("/%2f%20%C3", "/%2f%20%C3"),
            ("/%252e", "/%252e"),
            ("/%2%65/%41", "/%2%65/A"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz%41", "/%zz%41"),
            ("/...", "/..."),
        ] {
            assert_eq!(String::from_utf8_lossy(&normalise(sent.as_bytes())), seen, "{sent}");
        }
    }

    #[test]
    fn a_plain_path_is_not_copied() {
        for path in ["/", "/a/b.c/d-e_f~g", "*", "", "a//b"] {
            assert!(
                matches!(normalise(path.as_bytes()), Cow::Borrowed(same) if same == path.as_bytes()),
                "{path}"
            );
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing_more(path in "/(/|\\.|%|2|e|E|5|4|1|a){0,16}") {
            let once = normalise(path.as_bytes()).into_owned();
            prop_assert_eq!(&*normalise(&once), &*once);
            prop_assert_eq!(once.first(), Some(&b'/'));
        }
    }
}
