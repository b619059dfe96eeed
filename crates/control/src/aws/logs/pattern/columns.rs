//! Columns of events that are words with spaces between: `[ip, user, ..., status = 5*, bytes > 1000]`.

use super::NotUnderstood;
use super::value::{Comparison, Value};

#[derive(Clone, Debug, PartialEq)]
pub(in crate::aws::logs) struct Columns {
    before: Vec<Column>,
    /// Those that follow `...`; `None` where there is no `...`.
    after: Option<Vec<Column>>,
}

/// What a column must be: all of one of the alternatives.
#[derive(Clone, Debug, Default, PartialEq)]
struct Column(Vec<Vec<(Comparison, Value)>>);

impl Columns {
    pub(super) fn takes(&self, message: &str) -> bool {
        let words = split(message);
        let hold = |columns: &[Column], words: &[&str]| columns.iter().zip(words).all(|(it, word)| it.takes(word));
        match &self.after {
            None => words.len() == self.before.len() && hold(&self.before, &words),
            Some(after) => {
                words.len() >= self.before.len() + after.len()
                    && hold(&self.before, &words)
                    && hold(after, &words[words.len() - after.len()..])
            }
        }
    }
}

impl Column {
    fn takes(&self, word: &str) -> bool {
        let all = |all: &Vec<(Comparison, Value)>| all.iter().all(|(how, value)| value.holds_for_text(*how, word));
        self.0.is_empty() || self.0.iter().any(all)
    }
}

pub(super) fn read(text: &str) -> Result<Columns, NotUnderstood> {
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let inside = inside.ok_or_else(|| NotUnderstood::because("a bracket is not closed"))?;
    let mut columns = Columns {
        before: Vec::new(),
        after: None,
    };
    for part in commas(inside) {
        let part = part.trim();
        if part == "..." {
            if columns.after.replace(Vec::new()).is_some() {
                return Err(NotUnderstood::because("there are two ..."));
            }
            continue;
        }
        let column = column(part)?;
        match &mut columns.after {
            None => columns.before.push(column),
            Some(after) => after.push(column),
        }
    }
    Ok(columns)
}

/// The parts between commas that stand in no quotation marks.
fn commas(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

/// `name`, or `name = value && name != value || …`, where the name is always the same.
fn column(text: &str) -> Result<Column, NotUnderstood> {
    let (name, mut rest) = name(text)?;
    if rest.is_empty() {
        return Ok(Column::default());
    }
    let mut column = Column(vec![Vec::new()]);
    loop {
        let (comparison, after) = Comparison::read(rest.trim_start())
            .ok_or_else(|| NotUnderstood::because(format!("a comparison is missing after {name}")))?;
        let (value, after) = Value::read(after.trim_start(), comparison, &['&', '|'])?;
        if let Some(last) = column.0.last_mut() {
            last.push((comparison, value));
        }
        let after = after.trim_start();
        let (is_or, next) = match (after.strip_prefix("&&"), after.strip_prefix("||")) {
            (Some(next), _) => (false, next),
            (_, Some(next)) => (true, next),
            _ if after.is_empty() => return Ok(column),
            _ => return Err(NotUnderstood::because(format!("{after} is not understood"))),
        };
        let (other, after) = self::name(next.trim_start())?;
        if other != name {
            return Err(NotUnderstood::because(format!("{other} is another column than {name}")));
        }
        if is_or {
            column.0.push(Vec::new());
        }
        rest = after;
    }
}

fn name(text: &str) -> Result<(&str, &str), NotUnderstood> {
    let end = text.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-'));
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    match name {
        "" => Err(NotUnderstood::because("the name of a column is missing")),
        name => Ok((name, rest.trim_start())),
    }
}

/// The words of a message. What stands in quotation marks or brackets is one.
fn split(message: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = message.trim_start();
    while let Some(first) = rest.chars().next() {
        let closing = match first {
            '"' => Some('"'),
            '[' => Some(']'),
            _ => None,
        };
        let (word, after) = match closing.and_then(|closing| rest[1..].find(closing)) {
            Some(at) => (&rest[1..=at], &rest[at + 2..]),
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        words.push(word);
        rest = after.trim_start();
    }
    words
}
