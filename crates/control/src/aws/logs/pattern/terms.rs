//! Terms and quoted phrases.

use super::NotUnderstood;

/// What a message must and must not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::aws::logs) struct Terms {
    all: Vec<String>,
    none: Vec<String>,
    /// One of these is enough, where nothing else is wanted.
    any: Vec<String>,
}

impl Terms {
    pub(super) fn takes(&self, message: &str) -> bool {
        let has = |term: &String| message.contains(term.as_str());
        // With terms that must be there, AWS ignores those that may.
        let is_wanted = match self.all.is_empty() && !self.any.is_empty() {
            true => self.any.iter().any(has),
            false => self.all.iter().all(has),
        };
        is_wanted && !self.none.iter().any(has)
    }
}

pub(super) fn read(text: &str) -> Result<Terms, NotUnderstood> {
    let mut terms = Terms::default();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (list, after) = match first {
            '-' => (&mut terms.none, &rest[1..]),
            '?' => (&mut terms.any, &rest[1..]),
            _ => (&mut terms.all, rest),
        };
        let (term, after) = match after.strip_prefix('"') {
            Some(quoted) => phrase(quoted)?,
            None => word(after)?,
        };
        list.push(term);
        if !after.is_empty() && !after.starts_with(char::is_whitespace) {
            return Err(NotUnderstood::because(format!("a space is missing before {after}")));
        }
        rest = after.trim_start();
    }
    Ok(terms)
}

/// Up to the closing quotation mark; a backslash makes the next character plain.
pub(super) fn phrase(text: &str) -> Result<(String, &str), NotUnderstood> {
    let mut phrase = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((phrase, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, c @ ('"' | '\\'))) => phrase.push(c),
                Some((_, c)) => phrase.extend(['\\', c]),
                None => break,
            },
            c => phrase.push(c),
        }
    }
    Err(NotUnderstood::because("a quotation mark is not closed"))
}

fn word(text: &str) -> Result<(String, &str), NotUnderstood> {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    match word.chars().find(|c| !c.is_alphanumeric() && *c != '_') {
        None if word.is_empty() => Err(NotUnderstood::because("a term is missing")),
        None => Ok((word.to_owned(), rest)),
        Some(c) => Err(NotUnderstood::because(format!(
            "Invalid character(s) in term '{word}': {c}; a term with other characters than letters, digits and _ is put in \
             quotation marks"
        ))),
    }
}
