//! Wildcard patterns: `*` is any run of bytes, `?` exactly one; the whole subject must match. Source: ALB 2.3.

/// Whether letters of different case are different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Kept,
    Ignored,
}

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Glob {
    case: Case,
    /// What the subject begins with; in lower case if case is ignored, like the rest.
    prefix: Box<[u8]>,
    rest: Rest,
}

#[derive(Debug)]
enum Rest {
    /// Nothing: the prefix is all.
    End,
    /// A `*` at the very end.
    Anything,
    /// A `*`, and these bytes at the very end: what most host names are.
    Ending(Box<[u8]>),
    /// Begins with a wildcard.
    Tokens(Box<[Token]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    One,
    Run,
}

impl Glob {
    /// A pattern in which every `*` and `?` is a wildcard.
    pub(crate) fn new(text: &str, case: Case) -> Self {
        Self::of(text.bytes().map(token), case)
    }

    /// A pattern in which `\*`, `\?` and `\\` are the characters themselves; another `\` is one, too.
    pub(crate) fn with_escapes(text: &str, case: Case) -> Self {
        let mut bytes = text.bytes().peekable();
        let tokens = std::iter::from_fn(|| {
            let byte = bytes.next()?;
            if byte == b'\\' {
                let escaped = bytes.next_if(|next| matches!(next, b'*' | b'?' | b'\\'));
                return Some(Token::Byte(escaped.unwrap_or(byte)));
            }
            Some(token(byte))
        });
        Self::of(tokens, case)
    }

    fn of(tokens: impl Iterator<Item = Token>, case: Case) -> Self {
        let tokens: Vec<Token> = tokens
            .map(|token| match token {
                Token::Byte(byte) => Token::Byte(fold(byte, case)),
                wildcard => wildcard,
            })
            .collect();
        let prefix: Box<[u8]> = tokens.iter().map_while(Token::byte).collect();
        let rest = match &tokens[prefix.len()..] {
            [] => Rest::End,
            [Token::Run] => Rest::Anything,
            [Token::Run, ending @ ..] if ending.iter().all(|token| token.byte().is_some()) => {
                Rest::Ending(ending.iter().filter_map(Token::byte).collect())
            }
            tokens => Rest::Tokens(tokens.into()),
        };
        Self { case, prefix, rest }
    }

    pub(crate) fn matches(&self, subject: &[u8]) -> bool {
        let Some((start, after)) = subject.split_at_checked(self.prefix.len()) else {
            return false;
        };
        let same = |some: &[u8], own: &[u8]| match self.case {
            Case::Kept => some == own,
            Case::Ignored => some.eq_ignore_ascii_case(own),
        };
        same(start, &self.prefix)
            && match &self.rest {
                Rest::End => after.is_empty(),
                Rest::Anything => true,
                Rest::Ending(ending) => {
                    let end = after.len().checked_sub(ending.len()).and_then(|at| after.get(at..));
                    end.is_some_and(|end| same(end, ending))
                }
                Rest::Tokens(tokens) => search(tokens, after, self.case),
            }
    }

    /// Whether it has no wildcard: its literal prefix is the whole of it.
    pub(crate) fn is_literal(&self) -> bool {
        matches!(self.rest, Rest::End)
    }

    /// What every subject that matches begins with, in lower case if case is ignored.
    pub(crate) fn literal_prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// What every subject that matches ends with, in lower case if case is ignored.
    pub(crate) fn literal_suffix(&self) -> impl DoubleEndedIterator<Item = u8> {
        let (bytes, tokens): (&[u8], &[Token]) = match &self.rest {
            Rest::End => (&self.prefix, &[]),
            Rest::Anything => (&[], &[]),
            Rest::Ending(ending) => (ending, &[]),
            Rest::Tokens(tokens) => (&[], tokens),
        };
        let literal = tokens.iter().rev().take_while(|token| token.byte().is_some()).count();
        let suffix = &tokens[tokens.len() - literal..];
        bytes.iter().copied().chain(suffix.iter().filter_map(Token::byte))
    }
}

impl Token {
    fn byte(&self) -> Option<u8> {
        match self {
            Self::Byte(byte) => Some(*byte),
            Self::One | Self::Run => None,
        }
    }

    fn matches(self, byte: u8, case: Case) -> bool {
        match self {
            Self::Byte(own) => own == fold(byte, case),
            Self::One => true,
            Self::Run => false,
        }
    }
}

fn token(byte: u8) -> Token {
    match byte {
        b'*' => Token::Run,
        b'?' => Token::One,
        _ => Token::Byte(byte),
    }
}

fn fold(byte: u8, case: Case) -> u8 {
    match case {
        Case::Kept => byte,
        Case::Ignored => byte.to_ascii_lowercase(),
    }
}

/// Matches all of `subject`. Only the latest `*` is ever given more bytes: what earlier ones could take instead leaves
/// less for the rest. So the steps are at most the product of both lengths (128 tokens, 16 K bytes).
fn search(tokens: &[Token], subject: &[u8], case: Case) -> bool {
    let (mut token, mut byte) = (0, 0);
    // After the latest `*`: the next token, and where the subject goes on if the `*` takes one byte more.
    let mut retry = None;
    while byte < subject.len() {
        match tokens.get(token) {
            Some(Token::Run) => {
                token += 1;
                if token == tokens.len() {
                    return true;
                }
                retry = Some((token, byte + 1));
            }
            Some(one) if one.matches(subject[byte], case) => {
                token += 1;
                byte += 1;
            }
            _ => {
                let Some((after_run, next)) = retry else {
                    return false;
                };
                (token, byte) = (after_run, next);
                retry = Some((after_run, next + 1));
            }
        }
    }
    tokens[token..].iter().all(|&left| left == Token::Run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(glob: &Glob, matching: &[&str], other: &[&str]) {
        for subject in matching {
            assert!(glob.matches(subject.as_bytes()), "{glob:?} must match {subject:?}");
        }
        for subject in other {
            assert!(!glob.matches(subject.as_bytes()), "{glob:?} must not match {subject:?}");
        }
    }

    // ALB-C-012: `?` matches exactly one character, including `/`
    #[test]
    fn wildcards() {
        let kept = |text: &str| Glob::new(text, Case::Kept);
        check(&kept("/a?b"), &["/a/b", "/axb", "/a?b"], &["/ab", "/axxb", "/A/b"]);
        check(&kept("/img/*"), &["/img/", "/img/a/b"], &["/img", "/IMG/a"]);
        check(&kept("*.png"), &[".png", "/a/b.png", "a.png.png"], &["/a.pngx", "png"]);
        check(&kept("a*b*c"), &["abc", "a-b-b-c", "abbcc"], &["ac", "ab", "abcd"]);
        check(&kept("*?"), &["a", "ab"], &[""]);
        check(&kept("?*"), &["a", "ab"], &[""]);
        check(&kept("*"), &["", "abc"], &[]);
        check(&kept("a**"), &["a", "abc"], &["", "b"]);
        check(
            &Glob::new("*.EXAMPLE.com", Case::Ignored),
            &["a.example.COM"],
            &["example.com"],
        );
    }

    // ALB-C-022: `\*` is a literal asterisk only
    #[test]
    fn escapes() {
        let escaped = |text: &str| Glob::with_escapes(text, Case::Ignored);
        check(&escaped(r"a\*b"), &["a*b", "A*B"], &["axb", "ab", r"a\*b"]);
        check(&escaped(r"\?*"), &["?", "?x"], &["x", ""]);
        check(&escaped(r"\\*"), &[r"\", r"\x"], &["*", "x"]);
        check(&escaped(r"a\b\"), &[r"a\b\"], &["ab"]);
    }

    #[test]
    fn literal_ends() {
        for (text, prefix, suffix) in [
            ("/a/*", "/a/", ""),
            ("*.b", "", ".b"),
            ("a?b*cd", "a", "cd"),
            ("abc", "abc", "abc"),
            ("a*?", "a", ""),
            ("*", "", ""),
        ] {
            let glob = Glob::new(text, Case::Kept);
            assert_eq!(glob.literal_prefix(), prefix.as_bytes(), "{text}");
            assert_eq!(glob.literal_suffix().collect::<Vec<_>>(), suffix.as_bytes(), "{text}");
        }
    }

    /// The definition, exponential in the number of `*`.
    fn reference(pattern: &[u8], subject: &[u8]) -> bool {
        match (pattern, subject) {
            ([], _) => subject.is_empty(),
            ([b'*', rest @ ..], _) => (0..=subject.len()).any(|taken| reference(rest, &subject[taken..])),
            ([b'?', rest @ ..], [_, after @ ..]) => reference(rest, after),
            ([byte, rest @ ..], [first, after @ ..]) => byte == first && reference(rest, after),
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn globs_mean_what_the_definition_says(pattern in "[ab*?]{0,8}", subject in "[ab]{0,10}") {
            let glob = Glob::new(&pattern, Case::Kept);
            prop_assert_eq!(glob.matches(subject.as_bytes()), reference(pattern.as_bytes(), subject.as_bytes()));
            let upper = subject.to_ascii_uppercase();
            let ignoring = Glob::new(&pattern, Case::Ignored);
            prop_assert_eq!(ignoring.matches(upper.as_bytes()), reference(pattern.as_bytes(), subject.as_bytes()));
        }
    }
}
