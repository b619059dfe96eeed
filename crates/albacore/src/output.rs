//! What people and programs read of us. A reader that went away is not an error.

use crate::telemetry;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write};

/// Prints a result.
pub(crate) fn print(text: &str) {
    let _ = io::stdout().lock().write_all(with_line_end(text).as_bytes());
}

/// Prints something that went wrong, behind the log lines before it.
pub(crate) fn error(text: &str) {
    telemetry::flush();
    let _ = io::stderr().lock().write_all(with_line_end(text).as_bytes());
}

/// Prints a result as JSON.
pub(crate) fn print_json(document: &Value) {
    print(&document.to_string());
}

fn with_line_end(text: &str) -> String {
    let mut text = text.to_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// What a running server tells on its standard error: sentences, or JSON documents with one `event` a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notices {
    pub(crate) json: bool,
}

impl Notices {
    /// Tells one thing. `fields` is an object.
    pub(crate) fn tell(self, event: &str, text: impl Display, fields: Value) {
        if !self.json {
            return error(&text.to_string());
        }
        let mut document = json!({ "event": event });
        if let (Value::Object(document), Value::Object(fields)) = (&mut document, fields) {
            document.extend(fields);
        }
        error(&document.to_string());
    }
}

/// What a function wrote, for people: colours stay to the end of their line, tabs and line breaks stay, and everything
/// else that could steer a terminal becomes a replacement character. The same for a pipe, because a terminal may be
/// behind it; whoever wants every byte asks for JSON.
pub(crate) fn for_people(text: &[u8]) -> Cow<'_, [u8]> {
    if is_plain(text) && std::str::from_utf8(text).is_ok() {
        return Cow::Borrowed(text);
    }
    let text = String::from_utf8_lossy(text);
    let mut clean = String::with_capacity(text.len() + RESET.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        clean_line(line, &mut clean);
        clean.push_str(end);
    }
    Cow::Owned(clean.into_bytes())
}

/// Whether a text is surely without control characters but tabs and line breaks, as most text is. It is looked at in
/// blocks, which the compiler turns into a few instructions each.
fn is_plain(text: &[u8]) -> bool {
    // 0xc2 begins the control characters beyond ASCII, and others.
    let may_be_special =
        |byte: &u8| ((*byte < 0x20) & (*byte != b'\t') & (*byte != b'\n')) | (*byte == 0x7f) | (*byte == 0xc2);
    let has_none = |block: &[u8]| !block.iter().fold(false, |any, byte| any | may_be_special(byte));
    text.chunks(1024).all(has_none)
}

/// JSON that others made, for people too: what could steer a terminal and does not have to be escaped in JSON is escaped.
/// Such characters stand only in its strings.
pub(crate) fn escaped_json(text: &[u8]) -> Cow<'_, [u8]> {
    let may_be_special = |byte: &u8| matches!(byte, 0x7f | 0xc2);
    if !text.iter().any(may_be_special) {
        return Cow::Borrowed(text);
    }
    let text = String::from_utf8_lossy(text);
    let mut escaped = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        match c {
            '\u{7f}'..='\u{9f}' => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => escaped.push(c),
        }
    }
    Cow::Owned(escaped.into_bytes())
}

/// Ends every colour.
const RESET: &str = "\u{1b}[0m";

fn clean_line(line: &str, clean: &mut String) {
    let mut rest = line;
    let mut styled = false;
    while let Some(at) = rest.find(|c: char| c.is_control() && c != '\t') {
        let (plain, special) = rest.split_at(at);
        clean.push_str(plain);
        match colour(special) {
            Some(sequence) => {
                clean.push_str(sequence);
                styled = !matches!(sequence, RESET | "\u{1b}[m");
                rest = &special[sequence.len()..];
            }
            None => {
                clean.push('\u{fffd}');
                rest = &special[special.chars().next().map_or(0, char::len_utf8)..];
            }
        }
    }
    clean.push_str(rest);
    if styled {
        clean.push_str(RESET); // or the next lines, of others too, would look like it
    }
}

/// The longest sequence that sets colours, in bytes: both as three numbers and some more.
const COLOUR_BYTES_MAX: usize = 64;

/// The sequence that sets colours with which a text begins: ESC, `[`, numbers, `m`. None that hides text, and none with
/// numbers that terminals may cut off in ways of their own. Source: ECMA-48 8.3.117, SGR.
fn colour(text: &str) -> Option<&str> {
    let numbers = text.strip_prefix("\u{1b}[")?;
    let end = numbers
        .bytes()
        .take(COLOUR_BYTES_MAX)
        .position(|byte| !byte.is_ascii_digit() && byte != b';' && byte != b':')?;
    let (numbers, sequence) = (&numbers[..end], &text[..end + 3]);
    (sequence.ends_with('m') && !may_hide(numbers)).then_some(sequence)
}

/// Whether 8, "concealed", is among the attributes, or something that cannot be known.
fn may_hide(numbers: &str) -> bool {
    let mut attributes = numbers.split(';');
    while let Some(attribute) = attributes.next() {
        // What belongs to an attribute follows it behind colons, or for colours as further numbers.
        let mut parts = attribute.split(':').map(number);
        let has_colons = attribute.contains(':');
        let rest = match (parts.next().flatten(), has_colons) {
            (None | Some(8), _) => return true,
            (Some(38 | 48 | 58), false) => match attributes.next().and_then(number) {
                Some(5) => 1,
                Some(2) => 3,
                _ => return true,
            },
            _ => 0,
        };
        let colours_known = (0..rest).all(|_| attributes.next().is_none_or(|it| number(it).is_some()));
        if !colours_known || parts.any(|part| part.is_none()) {
            return true;
        }
    }
    false
}

/// Of one byte, so that no terminal reads another one. Nothing is 0.
fn number(text: &str) -> Option<u8> {
    match text {
        "" => Some(0),
        _ => text.parse().ok(),
    }
}

/// `1 rule`, `2 rules`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8], expected: &str) {
        assert_eq!(String::from_utf8(for_people(text).into_owned()).unwrap(), expected);
    }

    #[test]
    fn only_colours_reach_a_terminal() {
        for (text, expected) in [
            ("plain\tand\nlines \u{fc}", "plain\tand\nlines \u{fc}"),
            ("\u{1b}[1;31mred\u{1b}[0m", "\u{1b}[1;31mred\u{1b}[0m"),
            ("\u{1b}[31mred\u{1b}[m\n", "\u{1b}[31mred\u{1b}[m\n"),
            ("\u{1b}[2J\u{1b}[1;1H", "\u{fffd}[2J\u{fffd}[1;1H"),
            ("\u{1b}]0;title\u{7}x", "\u{fffd}]0;title\u{fffd}x"),
            ("\u{9b}2J\r", "\u{fffd}2J\u{fffd}"),
            ("\u{a0}\u{c2}", "\u{a0}\u{c2}"),
            ("\u{1b}", "\u{fffd}"),
            ("\u{1b}[1", "\u{fffd}[1"),
            ("\u{7f}", "\u{fffd}"),
            ("", ""),
        ] {
            check(text.as_bytes(), expected);
        }
        check(b"\xff", "\u{fffd}");
        check(b"\xc2\x80 \x80", "\u{fffd} \u{fffd}");
    }

    #[test]
    fn a_colour_ends_with_its_line() {
        check(
            b"\x1b[31mred\nplain\n\x1b[1mbold",
            "\u{1b}[31mred\u{1b}[0m\nplain\n\u{1b}[1mbold\u{1b}[0m",
        );
        check(b"\x1b[31m\x1b[m\x1b[4m\n", "\u{1b}[31m\u{1b}[m\u{1b}[4m\u{1b}[0m\n");
    }

    #[test]
    fn json_steers_no_terminal() {
        for (text, expected) in [
            ("\"a\u{fc}\u{a0}\"", "\"a\u{fc}\u{a0}\""),
            ("\"\u{9b}2J\u{7f}\"", "\"\\u009b2J\\u007f\""),
        ] {
            assert_eq!(&*escaped_json(text.as_bytes()), expected.as_bytes());
        }
    }

    #[test]
    fn nothing_is_hidden() {
        for shown in [
            "1",
            "38;5;8",
            "48;2;8;8;8",
            "38:5:8",
            "4:3",
            "38;5;8;1",
            "",
            ";",
            "1;;31",
            "28",
            "58;5;8",
        ] {
            check(
                format!("\u{1b}[{shown}mx").as_bytes(),
                &format!("\u{1b}[{shown}mx\u{1b}[0m").replace("\u{1b}[mx\u{1b}[0m", "\u{1b}[mx"),
            );
        }
        let long = format!("{}8", "0".repeat(COLOUR_BYTES_MAX));
        for hidden in [
            "8",
            "08",
            "1;8",
            "8;1",
            "38;5;1;8",
            "38;2;1;2;3;8",
            "38;8",
            "264",
            "65544",
            "8:0",
            &long,
        ] {
            check(format!("\u{1b}[{hidden}mx").as_bytes(), &format!("\u{fffd}[{hidden}mx"));
        }
    }
}
