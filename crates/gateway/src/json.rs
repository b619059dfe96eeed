//! JSON as a function wrote it.

/// A document without the whitespace between its parts. Numbers, names and their order stay as they are.
pub(crate) fn compact(document: &str) -> String {
    let mut compact = String::with_capacity(document.len());
    let (mut in_string, mut is_escaped) = (false, false);
    for character in document.chars() {
        let was_in_string = in_string;
        if character == '"' && !is_escaped {
            in_string = !in_string;
        }
        is_escaped = in_string && character == '\\' && !is_escaped;
        if was_in_string || !matches!(character, ' ' | '\t' | '\r' | '\n') {
            compact.push(character);
        }
    }
    compact
}
