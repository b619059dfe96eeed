//! Percent-encoding, as forms, URLs and signatures have it.

/// Decodes `%41`; in forms `+` is a space. What is no escape stays as it is.
pub(crate) fn decoded(text: &[u8], plus_is_space: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = match (byte, tail) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match (byte, escaped) {
            (_, Some((high, low))) => {
                out.push(high << 4 | low);
                rest = &tail[2..];
            }
            (b'+', None) if plus_is_space => out.push(b' '),
            (byte, None) => out.push(byte),
        }
    }
    out
}

/// Encodes everything but unreserved characters, with capital digits. Source: SigV4, `UriEncode`.
pub(crate) fn encode(text: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let digits = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
            out.push('%');
            out.extend(digits.map(char::from));
        }
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_decoded_and_everything_else_is_kept() {
        for (text, form, plain) in [
            ("a%20b+c", "a b c", "a b+c"),
            ("%", "%", "%"),
            ("%4", "%4", "%4"),
            ("%zz%41", "%zzA", "%zzA"),
            ("%%41", "%A", "%A"),
        ] {
            assert_eq!(decoded(text.as_bytes(), true), form.as_bytes(), "{text}");
            assert_eq!(decoded(text.as_bytes(), false), plain.as_bytes(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(bytes: Vec<u8>) {
            let mut encoded = String::new();
            encode(&bytes, &mut encoded);
            prop_assert_eq!(decoded(encoded.as_bytes(), true), bytes);
        }
    }
}
