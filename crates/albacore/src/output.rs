//! What people and programs read of us. A reader that went away is not an error.

use serde_json::{Value, json};
use std::fmt::Display;
use std::io::{self, Write};

/// Prints a result.
pub(crate) fn print(text: &str) {
    let _ = io::stdout().lock().write_all(with_line_end(text).as_bytes());
}

/// Prints something that went wrong.
pub(crate) fn error(text: &str) {
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

/// `1 rule`, `2 rules`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}
