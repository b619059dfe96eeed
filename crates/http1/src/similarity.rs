//! Names that somebody else might read as `Transfer-Encoding` or `Content-Length`.

/// Which framing header a name resembles without being it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resembles {
    TransferEncoding,
    ContentLength,
}

/// `name` as received, whitespace included, and known not to be one of the two names themselves.
///
/// A name resembles a framing header if DESYNC says so (any byte instead of the dash, junk around or behind the letters,
/// control bytes between them, dotless i, long s), or if nothing but its letters remains to compare. The second rule
/// is wider than DESYNC: it also sees `TransferEncoding` and `Content-Len-gth`. Source: ALB 4.9, `SuspiciousHeader`.
#[inline]
pub(crate) fn resembles(name: &[u8]) -> Option<Resembles> {
    // Most names leave here: too short, or beginning with other letters. The first two letters of the names have no
    // look-alikes in ASCII, so a letter that is another one decides.
    if name.len() < CONTENT_LENGTH_LETTERS.len() {
        return None;
    }
    let (&first, &second) = (name.first()?, name.get(1)?);
    let other = match first | 0x20 {
        b'c' => second.is_ascii_alphabetic() && second | 0x20 != b'o',
        b't' => second.is_ascii_alphabetic() && second | 0x20 != b'r',
        _ => first.is_ascii_alphabetic(),
    };
    if other {
        return None;
    }
    look_closely(name)
}

const CONTENT_LENGTH_LETTERS: &[u8] = b"contentlength";

#[cold]
#[inline(never)]
fn look_closely(name: &[u8]) -> Option<Resembles> {
    if alike(b"transfer-encoding", name) || same_letters(b"transferencoding", name) {
        Some(Resembles::TransferEncoding)
    } else if alike(b"content-length", name) || same_letters(CONTENT_LENGTH_LETTERS, name) {
        Some(Resembles::ContentLength)
    } else {
        None
    }
}

/// DESYNC's comparison, its answer for a mere beginning followed by junk (`Transf________________`) included.
fn alike(wanted: &[u8], name: &[u8]) -> bool {
    if name.len() < wanted.len() {
        return false;
    }
    let mut at = skip(name, 0, |b| !b.is_ascii_alphanumeric());
    for &letter in wanted {
        if at == name.len() {
            return false;
        }
        let (same, next) = letter_at(letter, name, at);
        if letter == b'-' {
            // Whatever stands in for the dash is taken as one.
            at = skip(name, next, |b| !b.is_ascii_alphanumeric());
        } else if same {
            at = skip(name, next, |b| b <= b' ');
        } else {
            break;
        }
    }
    skip(name, at, |b| !b.is_ascii_alphanumeric()) == name.len()
}

fn same_letters(wanted: &[u8], name: &[u8]) -> bool {
    let mut wanted = wanted.iter();
    let mut at = 0;
    while at < name.len() {
        let (letter, next) = match name[at..] {
            [0xc5, 0xbf, ..] => (b's', at + 2),
            [0xc4, 0xb1, ..] => (b'i', at + 2),
            _ => (name[at].to_ascii_lowercase(), at + 1),
        };
        at = next;
        if letter.is_ascii_lowercase() && wanted.next() != Some(&letter) {
            return false;
        }
    }
    wanted.next().is_none()
}

/// Is this `letter`? Two characters outside ASCII become ASCII letters when they are made upper case: long s (U+017F)
/// and dotless i (U+0131). The second half is where to go on.
fn letter_at(letter: u8, name: &[u8], at: usize) -> (bool, usize) {
    match (letter, &name[at..]) {
        (b's', [0xc5, 0xbf, ..]) | (b'i', [0xc4, 0xb1, ..]) => (true, at + 2),
        (_, [byte, ..]) => (byte.to_ascii_lowercase() == letter, at + 1),
        (_, []) => (false, at),
    }
}

fn skip(name: &[u8], from: usize, junk: impl Fn(u8) -> bool) -> usize {
    name[from..]
        .iter()
        .position(|&b| !junk(b))
        .map_or(name.len(), |more| from + more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_of_transfer_encoding() {
        let names: [&[u8]; 13] = [
            b"Transfer_Encoding",
            b"Transfer-Encoding ",
            b"Transfer-Encoding\t",
            b" Transfer-Encoding",
            b"\x01Transfer-Encoding",
            b"Transfer- Encoding",
            b"Transfer--Encoding",
            b"Trans fer-Encoding",
            b"TransferxEncoding",
            b"TransferEncoding",
            b"1Transfer-Encoding",
            "Tran\u{17f}fer-Encoding".as_bytes(),
            "Transfer-Encod\u{131}ng".as_bytes(),
        ];
        for name in names {
            assert_eq!(
                resembles(name),
                Some(Resembles::TransferEncoding),
                "{:?}",
                String::from_utf8_lossy(name)
            );
        }
    }

    #[test]
    fn look_alikes_of_content_length() {
        for name in [
            "Content_Length",
            "Content-Length ",
            "\x01\x01content-length",
            "ContentLength",
            "Content-Length:",
        ] {
            assert_eq!(resembles(name.as_bytes()), Some(Resembles::ContentLength), "{name:?}");
        }
    }

    #[test]
    fn other_names_are_left_alone() {
        let names = [
            "",
            "Host",
            "Content-Type",
            "Content-Encoding",
            "Content-Lengths",
            "X-Content-Length",
            "Transfer-Encodings",
            "Transfer-Encoding-x",
            "Content-Disposition",
            "Cache-Control",
            "-----------------------",
        ];
        for name in names {
            assert_eq!(resembles(name.as_bytes()), None, "{name:?}");
        }
    }
}
