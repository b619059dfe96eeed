//! Writes JSON by hand: strings and numbers, into a buffer that is used again.

/// Appends a text as a JSON string, quotes included.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0..=0x1f => {
                out.extend(b"\\u00");
                out.extend([byte >> 4, byte & 0xf].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Appends a number in decimal.
pub(crate) fn write_integer(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_back_as_they_were() {
        let every_byte: String = (0..0x80_u8).map(char::from).collect();
        for text in [
            "",
            "plain",
            "a \"b\" \\ c",
            "zwei\nZeilen\r\t",
            "ä€😀\u{2028}",
            &every_byte,
        ] {
            let mut out = b"before".to_vec();
            write_string(&mut out, text);
            let written = &out["before".len()..];
            assert_eq!(serde_json::from_slice::<String>(written).unwrap(), text);
            assert!(written.iter().all(|&byte| byte >= 0x20), "one line: {text:?}");
        }
    }

    #[test]
    fn integers() {
        let mut out = Vec::new();
        for number in [0, 42, u64::MAX] {
            write_integer(&mut out, number);
            out.push(b' ');
        }
        assert_eq!(out, format!("0 42 {} ", u64::MAX).into_bytes());
    }
}
