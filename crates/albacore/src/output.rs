//! What people and programs read of us. A reader that went away is not an error.

use crate::telemetry;
use serde_json::{Value, json};
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

/// What a function wrote, for a terminal: colours stay, and everything else that could steer a terminal becomes a
/// replacement character. Tabs and line breaks stay.
pub(crate) fn for_terminal(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(at) = rest.find(|c: char| c.is_control() && c != '\t' && c != '\n') {
        let (plain, special) = rest.split_at(at);
        clean.push_str(plain);
        let colour = colour_bytes(special);
        let skipped = match colour {
            0 => special.chars().next().map_or(0, char::len_utf8),
            colour => colour,
        };
        clean.push_str(if colour == 0 { "\u{fffd}" } else { &special[..colour] });
        rest = &special[skipped..];
    }
    clean.push_str(rest);
    clean.into_bytes()
}

/// The length of the sequence that sets colours with which a text begins: ESC, `[`, numbers, `m`. 0 when there is none.
fn colour_bytes(text: &str) -> usize {
    let Some(numbers) = text.strip_prefix("\u{1b}[") else {
        return 0;
    };
    let end = numbers
        .bytes()
        .take(32)
        .position(|byte| !byte.is_ascii_digit() && byte != b';' && byte != b':');
    match end {
        Some(end) if numbers.as_bytes()[end] == b'm' => end + 3,
        _ => 0,
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

    #[test]
    fn only_colours_reach_a_terminal() {
        for (text, expected) in [
            ("plain\tand\nlines \u{fc}", "plain\tand\nlines \u{fc}"),
            ("\u{1b}[1;31mred\u{1b}[0m\u{1b}[m", "\u{1b}[1;31mred\u{1b}[0m\u{1b}[m"),
            ("\u{1b}[2J\u{1b}[1;1H", "\u{fffd}[2J\u{fffd}[1;1H"),
            ("\u{1b}]0;title\u{7}x", "\u{fffd}]0;title\u{fffd}x"),
            ("\u{9b}2J\r", "\u{fffd}2J\u{fffd}"),
            ("\u{1b}", "\u{fffd}"),
            ("\u{1b}[1", "\u{fffd}[1"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(for_terminal(text.as_bytes())).unwrap(), expected);
        }
        assert_eq!(for_terminal(b"\xff"), "\u{fffd}".as_bytes());
    }
}
