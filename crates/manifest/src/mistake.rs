//! Where something stands in the manifest, and what is wrong there.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most mistakes one run reports; a file with more is broken in one way many times.
pub const MISTAKES_MAX: usize = 1000;

/// A line and a column in the manifest, both counted from 1; columns are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Spot {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Spot {
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Spot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// A place in a file. Prints as `file:line:column`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    file: Arc<Path>,
    spot: Spot,
}

impl Place {
    pub(crate) fn new(file: &Arc<Path>, spot: Spot) -> Self {
        Self {
            file: file.clone(),
            spot,
        }
    }

    pub(crate) fn spot(&self) -> Spot {
        self.spot
    }

    /// The file, as it was given to us.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.spot.line
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> usize {
        self.spot.column
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file.display(), self.spot)
    }
}

/// One mistake, or one warning. Prints as `file:line:column: message`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Where.
    pub place: Place,
    /// What was found and what was expected, in a sentence without control characters.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

/// Everything that is wrong with a manifest. Prints one mistake a line, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    /// The mistakes, at least one, sorted by place, at most [`MISTAKES_MAX`].
    pub all: Vec<Mistake>,
    /// What was noticed besides, sorted by place.
    pub warnings: Vec<Mistake>,
    /// The files and folders that the manifest names, itself included: mending any of them may mend it.
    pub watched: Vec<PathBuf>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mistake) in self.all.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// Collects mistakes and warnings while a manifest is read.
pub(crate) struct Report {
    file: Arc<Path>,
    mistakes: BTreeSet<Mistake>,
    warnings: BTreeSet<Mistake>,
    /// Every call counts, also for what was said before.
    reported: usize,
}

impl Report {
    pub(crate) fn new(file: &Path) -> Self {
        Self {
            file: file.into(),
            mistakes: BTreeSet::new(),
            warnings: BTreeSet::new(),
            reported: 0,
        }
    }

    pub(crate) fn place(&self, spot: Spot) -> Place {
        Place::new(&self.file, spot)
    }

    /// Adds a mistake. The same one twice (an alias read twice, say) is one.
    pub(crate) fn mistake(&mut self, spot: Spot, message: impl fmt::Display) {
        self.reported += 1;
        if self.mistakes.len() < MISTAKES_MAX {
            let mistake = Mistake {
                place: self.place(spot),
                message: one_line(&message.to_string()),
            };
            self.mistakes.insert(mistake);
        }
    }

    pub(crate) fn warning(&mut self, spot: Spot, message: impl fmt::Display) {
        if self.warnings.len() < MISTAKES_MAX {
            let warning = Mistake {
                place: self.place(spot),
                message: one_line(&message.to_string()),
            };
            self.warnings.insert(warning);
        }
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_clean(&self) -> bool {
        self.mistakes.is_empty()
    }

    /// How often a mistake was reported so far, to see whether a part has some.
    pub(crate) fn reported(&self) -> usize {
        self.reported
    }

    /// Whether nothing more is taken in, so that the words need not be found.
    pub(crate) fn is_full(&self) -> bool {
        self.mistakes.len() >= MISTAKES_MAX
    }

    /// Mistakes and warnings, each sorted by place.
    pub(crate) fn into_parts(self) -> (Vec<Mistake>, Vec<Mistake>) {
        (self.mistakes.into_iter().collect(), self.warnings.into_iter().collect())
    }
}

/// A report is one line a mistake, and what a file says must not steer a terminal.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// A text from the manifest as messages show it: in backquotes, cut to 60 characters.
pub(crate) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut short: String = text.chars().take(CHARS_MAX).flat_map(char::escape_debug).collect();
    // `escape_debug` also escapes quotes, which need it only inside quotes.
    short = short.replace("\\\"", "\"").replace("\\'", "'");
    if text.chars().nth(CHARS_MAX).is_some() {
        short.push_str("...");
    }
    format!("`{short}`")
}

/// The candidate that looks most like `text`, if any looks alike at all. Only the first 200 are looked at, so that a
/// file with thousands of names and as many mistakes is still read at once.
pub(crate) fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LOOKED_AT_MAX: usize = 200;
    let lower = text.to_ascii_lowercase();
    candidates
        .into_iter()
        .take(LOOKED_AT_MAX)
        .map(|candidate| (distance(&lower, &candidate.to_ascii_lowercase()), candidate))
        .min()
        .filter(|(distance, candidate)| *distance * 5 <= candidate.len().max(5) * 2)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance over bytes with neighbours swapped counted as one; both sides are cut to 64 bytes.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<u8>, Vec<u8>) = (left.bytes().take(64).collect(), right.bytes().take(64).collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for row in 1..=left.len() {
        let mut current = vec![row];
        for column in 1..=right.len() {
            let same = left[row - 1] == right[column - 1];
            let mut best = (rows[row - 1][column - 1] + usize::from(!same))
                .min(rows[row - 1][column] + 1)
                .min(current[column - 1] + 1);
            let swapped =
                row > 1 && column > 1 && left[row - 1] == right[column - 2] && left[row - 2] == right[column - 1];
            if swapped {
                best = best.min(rows[row - 2][column - 2] + 1);
            }
            current.push(best);
        }
        rows.push(current);
    }
    rows[left.len()][right.len()]
}

/// What to say about a text that is none of `candidates`: the nearest one, or all of them when they are few.
pub(crate) fn suggestion<'a>(text: &str, candidates: &(impl Iterator<Item = &'a str> + Clone)) -> String {
    const LISTED_MAX: usize = 24;
    if let Some(nearest) = nearest(text, candidates.clone()) {
        return format!("did you mean `{nearest}`?");
    }
    let listed: Vec<String> = candidates
        .clone()
        .take(LISTED_MAX)
        .map(|name| format!("`{name}`"))
        .collect();
    match listed.as_slice() {
        [] => "there is none".to_owned(),
        [only] => format!("expected {only}"),
        [most @ .., last] if candidates.clone().nth(LISTED_MAX).is_none() => {
            format!("expected {} or {last}", most.join(", "))
        }
        _ => format!("expected {} or another", listed.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_a_typo_away() {
        let names = ["timeout", "memory", "code", "handler"];
        let cases = [
            ("tiemout", Some("timeout")),
            ("Timeout", Some("timeout")),
            ("time_out", Some("timeout")),
            ("cdoe", Some("code")),
            ("mem", None),
            ("colour", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(nearest(text, names), expected, "{text}");
        }
    }

    #[test]
    fn suggestions_name_one_or_all() {
        let say = |text, names: &[&'static str]| suggestion(text, &names.iter().copied());
        assert_eq!(say("x", &[]), "there is none");
        assert_eq!(say("x", &["orders"]), "expected `orders`");
        assert_eq!(say("order", &["orders", "users"]), "did you mean `orders`?");
        assert_eq!(
            say("zzzzzzz", &["orders", "users", "a"]),
            "expected `orders`, `users` or `a`"
        );
    }

    #[test]
    fn hostile_text_is_shown_harmlessly() {
        assert_eq!(shown("a\u{1b}[31m\n\"b\""), "`a\\u{1b}[31m\\n\"b\"`");
        assert_eq!(shown(&"x".repeat(61)), format!("`{}...`", "x".repeat(60)));
        assert_eq!(one_line("a\u{7}\nb"), "a\u{fffd}\u{fffd}b");
    }
}
