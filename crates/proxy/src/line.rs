//! What a line of a log looks like: fields with spaces between them, as AWS writes them, or a JSON object.
//! Source: ALB 8.1.2, 8.5, 8.6.
//!
//! A log says its fields once, in order and by name, to whatever [`Fields`] it is given.

use std::io::Write;
use std::time::Duration;

/// What lines of the access, connection and health-check logs look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// AWS's: fields with spaces between them.
    #[default]
    Text,
    /// A JSON object with AWS's names for the fields, ASCII throughout. Numbers are numbers, and what is not there, `-` in
    /// text, is `null`.
    Json,
}

/// Takes the fields of one line, in order.
pub(crate) trait Fields {
    /// A word: printable ASCII without spaces and quotes, of our own making. Empty or `-`: there is none.
    fn word(&mut self, name: &'static str, word: &[u8]);

    /// A word that is never missing, written by a function.
    fn written(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>));

    /// As a word, where AWS has quotes: of our own making. Empty: there is none.
    fn label(&mut self, name: &'static str, label: &[u8]);

    /// Anything, in several parts, of whoever's making. Empty: there is none.
    fn text(&mut self, name: &'static str, parts: &[&[u8]]);

    /// As a text of `parts`; all but `theirs` are of our own making.
    fn composed(&mut self, name: &'static str, theirs: &[&[u8]], parts: &[&[u8]]);

    /// Words that there are none of.
    fn no_words<const N: usize>(&mut self, names: [&'static str; N]) {
        names.into_iter().for_each(|name| self.word(name, b""));
    }

    /// The same of labels and texts.
    fn no_labels<const N: usize>(&mut self, names: [&'static str; N]) {
        names.into_iter().for_each(|name| self.label(name, b""));
    }

    /// A status code; 0: there is none.
    fn status(&mut self, name: &'static str, status: u16);

    /// A whole number.
    fn number(&mut self, name: &'static str, number: Option<u64>);

    /// Seconds with three decimals.
    fn seconds(&mut self, name: &'static str, took: Option<Duration>);

    /// Seconds with three decimals; without them -1.
    fn seconds_or_minus_one(&mut self, name: &'static str, took: Option<Duration>);

    /// Seconds with nine decimals.
    fn nanoseconds(&mut self, name: &'static str, took: Duration);
}

/// AWS's form. Appends; the line end is left to others. Every field ends with a space, so that there is one case less for
/// each; the last one is taken back by [`TextFields::end`].
pub(crate) struct TextFields<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> TextFields<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    pub(crate) fn end(self) {
        self.out.pop();
    }

    /// What could end the field or the line, or is not visible ASCII, as `\xNN`: a client cannot forge a line.
    #[cold]
    #[inline(never)]
    fn escaped(&mut self, text: &[u8]) {
        for byte in text {
            match forges(*byte) {
                false => self.out.push(*byte),
                true => {
                    self.out.extend_from_slice(b"\\x");
                    crate::trace::push_hex(self.out, u64::from(*byte), 2);
                }
            }
        }
    }
}

fn forges(byte: u8) -> bool {
    !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\')
}

/// Whether a byte is among these that [`forges`]. Sixteen at a time and without branches, because most of what is logged is
/// looked at.
fn any_forges(text: &[u8]) -> bool {
    let mut found = [0_u8; 16];
    // All ones rather than a one: that is how processors compare many bytes at once.
    let all = |is: bool| 0_u8.wrapping_sub(u8::from(is));
    let mut look = |chunk: &[u8; 16]| {
        for (found, byte) in found.iter_mut().zip(chunk) {
            *found |= all(byte.wrapping_sub(b' ') > b'~' - b' ') | all(*byte == b'"') | all(*byte == b'\\');
        }
    };
    match text.last_chunk() {
        Some(last) => {
            text.as_chunks().0.iter().for_each(&mut look);
            look(last);
        }
        None => return any_of_few_forges(text),
    }
    u128::from_ne_bytes(found) != 0
}

/// The same of less than sixteen.
fn any_of_few_forges(text: &[u8]) -> bool {
    match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) => {
            // The halves overlap.
            let mut both = [0; 16];
            both[..8].copy_from_slice(first);
            both[8..].copy_from_slice(last);
            any_forges(&both)
        }
        _ => text.iter().any(|byte| forges(*byte)),
    }
}

impl Fields for TextFields<'_> {
    #[inline]
    fn word(&mut self, _name: &'static str, word: &[u8]) {
        if word.is_empty() {
            return self.out.extend_from_slice(b"- ");
        }
        self.out.extend_from_slice(word);
        self.out.push(b' ');
    }

    #[inline]
    fn written(&mut self, _name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.out);
        self.out.push(b' ');
    }

    #[inline(always)]
    fn label(&mut self, _name: &'static str, label: &[u8]) {
        match label {
            b"" => self.out.extend_from_slice(b"\"-\" "),
            label => self.quoted(label),
        }
    }

    #[inline(always)]
    fn text(&mut self, _name: &'static str, parts: &[&[u8]]) {
        match parts.iter().all(|part| part.is_empty()) {
            true => self.out.extend_from_slice(b"\"-\" "),
            false => self.quoted_text(parts, parts),
        }
    }

    #[inline(always)]
    fn composed(&mut self, _name: &'static str, theirs: &[&[u8]], parts: &[&[u8]]) {
        self.quoted_text(theirs, parts);
    }

    #[inline(always)]
    fn no_words<const N: usize>(&mut self, _names: [&'static str; N]) {
        self.out.extend_from_slice([*b"- "; N].as_flattened());
    }

    #[inline(always)]
    fn no_labels<const N: usize>(&mut self, _names: [&'static str; N]) {
        self.out.extend_from_slice([*b"\"-\" "; N].as_flattened());
    }

    #[inline]
    fn status(&mut self, name: &'static str, status: u16) {
        match status {
            0 => self.word(name, b""),
            100..=999 => {
                let [a, b, c] = three_digits(status.into());
                self.out.extend_from_slice(&[a, b, c, b' ']);
            }
            status => self.number(name, Some(status.into())),
        }
    }

    #[inline]
    fn number(&mut self, name: &'static str, number: Option<u64>) {
        match number {
            Some(number) => self.written(name, |out| push_number(number, out)),
            None => self.word(name, b""),
        }
    }

    #[inline]
    fn seconds(&mut self, name: &'static str, took: Option<Duration>) {
        match took {
            Some(took) => self.written(name, |out| push_millis(took, out)),
            None => self.word(name, b""),
        }
    }

    #[inline]
    fn seconds_or_minus_one(&mut self, name: &'static str, took: Option<Duration>) {
        match took {
            // What most requests take, at least of two of the three times.
            Some(took) if took < Duration::from_millis(1) => self.out.extend_from_slice(b"0.000 "),
            Some(took) => self.written(name, |out| push_millis(took, out)),
            None => self.word(name, b"-1"),
        }
    }

    fn nanoseconds(&mut self, name: &'static str, took: Duration) {
        self.written(name, |out| push_nanos(took, out));
    }
}

impl TextFields<'_> {
    /// With quotes around it: of our own making.
    #[inline(never)]
    fn quoted(&mut self, label: &[u8]) {
        self.out.push(b'"');
        self.out.extend_from_slice(label);
        self.out.extend_from_slice(b"\" ");
    }

    /// With quotes around it: `theirs` of whoever's making. They are looked at where they come from, because what has just
    /// been written in small parts is slow to be read in large ones.
    #[inline(never)]
    fn quoted_text(&mut self, theirs: &[&[u8]], parts: &[&[u8]]) {
        self.out.push(b'"');
        if theirs.iter().any(|part| any_forges(part)) {
            parts.iter().for_each(|part| self.escaped(part));
        } else {
            parts.iter().for_each(|part| self.out.extend_from_slice(part));
        }
        self.out.extend_from_slice(b"\" ");
    }
}

/// A JSON object. Appends; closed by [`JsonFields::end`].
pub(crate) struct JsonFields<'a> {
    out: &'a mut Vec<u8>,
    before: u8,
}

impl<'a> JsonFields<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, before: b'{' }
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }

    /// Names are ours and need no escaping.
    fn name(&mut self, name: &'static str) {
        self.out.push(std::mem::replace(&mut self.before, b','));
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn raw(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        self.name(name);
        write(self.out);
    }

    fn null(&mut self, name: &'static str) {
        self.raw(name, |out| out.extend_from_slice(b"null"));
    }
}

impl Fields for JsonFields<'_> {
    fn word(&mut self, name: &'static str, word: &[u8]) {
        match word {
            b"" | b"-" => self.null(name),
            word => self.written(name, |out| out.extend_from_slice(word)),
        }
    }

    fn written(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        self.raw(name, |out| {
            out.push(b'"');
            write(out);
            out.push(b'"');
        });
    }

    fn label(&mut self, name: &'static str, label: &[u8]) {
        self.word(name, label);
    }

    fn text(&mut self, name: &'static str, parts: &[&[u8]]) {
        if parts.iter().all(|part| part.is_empty()) {
            return self.null(name);
        }
        self.raw(name, |out| {
            out.push(b'"');
            parts.iter().for_each(|part| push_json(part, out));
            out.push(b'"');
        });
    }

    fn composed(&mut self, name: &'static str, _theirs: &[&[u8]], parts: &[&[u8]]) {
        self.text(name, parts);
    }

    fn status(&mut self, name: &'static str, status: u16) {
        self.number(name, (status != 0).then_some(status.into()));
    }

    fn number(&mut self, name: &'static str, number: Option<u64>) {
        match number {
            Some(number) => self.raw(name, |out| push_number(number, out)),
            None => self.null(name),
        }
    }

    fn seconds(&mut self, name: &'static str, took: Option<Duration>) {
        match took {
            Some(took) => self.raw(name, |out| push_millis(took, out)),
            None => self.null(name),
        }
    }

    fn seconds_or_minus_one(&mut self, name: &'static str, took: Option<Duration>) {
        match took {
            Some(took) => self.raw(name, |out| push_millis(took, out)),
            None => self.raw(name, |out| out.extend_from_slice(b"-1")),
        }
    }

    fn nanoseconds(&mut self, name: &'static str, took: Duration) {
        self.raw(name, |out| push_nanos(took, out));
    }
}

/// In a string of JSON, as ASCII: nothing in it steers a terminal. What is no UTF-8 becomes U+FFFD, because JSON has no
/// bytes.
fn push_json(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '"' | '\\' => out.extend_from_slice(&[b'\\', char as u8]),
                ' '..='~' => out.push(char as u8),
                _ => push_utf16(char, out),
            }
        }
        if !chunk.invalid().is_empty() {
            push_utf16(char::REPLACEMENT_CHARACTER, out);
        }
    }
}

/// `\uNNNN`, twice for what needs two.
fn push_utf16(char: char, out: &mut Vec<u8>) {
    for unit in char.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(b"\\u");
        crate::trace::push_hex(out, u64::from(*unit), 4);
    }
}

pub(crate) fn push_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn push_millis(took: Duration, out: &mut Vec<u8>) {
    if took < Duration::from_millis(1) {
        return out.extend_from_slice(b"0.000");
    }
    let [a, b, c] = three_digits(took.subsec_millis());
    match took.as_secs() {
        secs @ 0..=9 => out.extend_from_slice(&[b'0' + secs as u8, b'.', a, b, c]),
        secs => {
            push_number(secs, out);
            out.extend_from_slice(&[b'.', a, b, c]);
        }
    }
}

/// The lower three digits of a number.
pub(crate) fn three_digits(number: u32) -> [u8; 3] {
    [number / 100 % 10, number / 10 % 10, number % 10].map(|digit| b'0' + digit as u8)
}

fn push_nanos(took: Duration, out: &mut Vec<u8>) {
    let _ = write!(out, "{}.{:09}", took.as_secs(), took.subsec_nanos()); // writing to a vector cannot fail
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn text(write: impl Fn(&mut TextFields<'_>)) -> String {
        let mut out = Vec::new();
        let mut fields = TextFields::new(&mut out);
        write(&mut fields);
        fields.end();
        String::from_utf8(out).unwrap()
    }

    fn json(write: impl Fn(&mut JsonFields<'_>)) -> String {
        let mut out = Vec::new();
        let mut fields = JsonFields::new(&mut out);
        write(&mut fields);
        fields.end();
        String::from_utf8(out).unwrap()
    }

    fn all(fields: &mut impl Fields) {
        fields.word("word", b"app/shop/1");
        fields.word("no word", b"");
        fields.written("written", |out| out.extend_from_slice(b"TID_7"));
        fields.text("text", &[b"GET ", b"/a b"]);
        fields.text("no text", &[b"", b""]);
        fields.label("label", b"forward");
        fields.label("no label", b"");
        fields.status("status", 502);
        fields.status("no status", 0);
        fields.status("odd status", 1000);
        fields.number("number", Some(200));
        fields.number("no number", None);
        fields.seconds("seconds", Some(Duration::from_micros(1_037_900)));
        fields.seconds("no seconds", None);
        fields.seconds_or_minus_one("took", Some(Duration::from_micros(999)));
        fields.seconds_or_minus_one("never", None);
        fields.nanoseconds("exactly", Duration::from_nanos(19_584_011));
        fields.no_words(["no suite", "no version"]);
        fields.no_labels(["no name", "no reason"]);
        fields.composed("composed", &[b"GET", b"/c"], &[b"GET", b" ", b"/c"]);
    }

    #[test]
    fn what_is_composed_is_escaped_where_it_is_not_ours() {
        for (theirs, expected) in [
            (&b"/\""[..], "\"GET /\\x22\""),
            (b"/\n", "\"GET /\\x0a\""),
            (b"/a", "\"GET /a\""),
        ] {
            let composed = text(|fields| fields.composed("request", &[theirs], &[b"GET ", theirs]));
            assert_eq!(composed, expected);
        }
    }

    // ALB-G-002: durations have three decimals, unset ones are -1
    #[test]
    fn fields_as_text() {
        assert_eq!(
            text(|fields| all(fields)),
            "app/shop/1 - TID_7 \"GET /a b\" \"-\" \"forward\" \"-\" 502 - 1000 200 - 1.037 - 0.000 -1 0.019584011 \
             - - \"-\" \"-\" \"GET /c\""
        );
    }

    #[test]
    fn fields_as_json() {
        let document: Value = serde_json::from_str(&json(|fields| all(fields))).unwrap();
        assert_eq!(
            document,
            json!({
                "word": "app/shop/1", "no word": null, "written": "TID_7", "text": "GET /a b", "no text": null,
                "label": "forward", "no label": null, "status": 502, "no status": null, "odd status": 1000,
                "number": 200, "no number": null, "seconds": 1.037, "no seconds": null, "took": 0.0, "never": -1,
                "exactly": 0.019584011, "no suite": null, "no version": null, "no name": null, "no reason": null,
                "composed": "GET /c",
            })
        );
    }

    #[test]
    fn a_client_cannot_forge_fields_or_lines() {
        let hostile = b"a\" \"b\\\r\n\x7f\xff";
        assert_eq!(
            text(|fields| fields.text("", &[hostile])),
            "\"a\\x22 \\x22b\\x5c\\x0d\\x0a\\x7f\\xff\""
        );
        assert_eq!(
            json(|fields| fields.text("agent", &[hostile])),
            r#"{"agent":"a\" \"b\\\u000d\u000a\u007f\ufffd"}"#
        );
        // What is not visible, turns the direction of the text or steers a terminal; two units; half a character.
        let line = json(|fields| fields.text("a", &["\u{9b}\u{202e}é🐟".as_bytes(), b"\xf0\x9f"]));
        assert_eq!(line, r#"{"a":"\u009b\u202e\u00e9\ud83d\udc1f\ufffd"}"#);
        let document: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(document["a"], "\u{9b}\u{202e}é🐟\u{fffd}");
    }

    #[test]
    fn every_byte_is_looked_at_wherever_it_stands() {
        for byte in 0..=255 {
            for (before, behind) in (0..35).flat_map(|before| (0..18).map(move |behind| (before, behind))) {
                let mut bytes = vec![b'a'; before];
                bytes.push(byte);
                bytes.extend(std::iter::repeat_n(b'~', behind));
                assert_eq!(
                    any_forges(&bytes),
                    forges(byte),
                    "{byte:#x} at {before} before {behind}"
                );
            }
        }
    }

    #[test]
    fn durations_of_all_sizes() {
        for (millis, expected) in [
            (0, "0.000"),
            (9_999, "9.999"),
            (10_020, "10.020"),
            (4_000_001, "4000.001"),
        ] {
            assert_eq!(
                text(|fields| fields.seconds("", Some(Duration::from_millis(millis)))),
                expected
            );
        }
    }

    #[test]
    fn what_a_client_calls_nothing_is_not_nothing() {
        assert_eq!(json(|fields| fields.text("a", &[b"-"])), r#"{"a":"-"}"#);
    }
}
