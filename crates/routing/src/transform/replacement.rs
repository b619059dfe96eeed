//! The replacement of a rewrite: text in which `$1`, `$2`, ... stand for groups. Source: ALB 2.6.

use super::{TRANSFORMED_BYTES_MAX, TransformFailure};
use regex::bytes::Captures;

/// A parsed replacement.
#[derive(Clone, Debug)]
pub(super) struct Replacement(Box<[Piece]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Box<[u8]>),
    Group(usize),
}

impl Replacement {
    /// Reads a replacement for an expression with `groups` groups; `None` if it names another one.
    ///
    /// `$0` is the whole match. Two digits are read as one number if there is such a group, else the second is text. A
    /// `$` without a digit is text. None of this is documented.
    pub(super) fn parse(text: &str, groups: usize) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, after @ ..] = rest {
            let (number, after) = match (first, after) {
                (b'$', [tens @ b'0'..=b'9', ones @ b'0'..=b'9', after @ ..]) if two_digits(*tens, *ones) <= groups => {
                    (two_digits(*tens, *ones), after)
                }
                (b'$', [digit @ b'0'..=b'9', after @ ..]) => (usize::from(digit - b'0'), after),
                _ => {
                    literal.push(*first);
                    rest = after;
                    continue;
                }
            };
            if number > groups {
                return None;
            }
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
            }
            pieces.push(Piece::Group(number));
            rest = after;
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        Some(Self(pieces.into()))
    }

    /// The subject with the match replaced; a group that took no part in it is empty.
    pub(super) fn expand(&self, subject: &[u8], captures: &Captures<'_>) -> Result<Vec<u8>, TransformFailure> {
        let Some(whole) = captures.get(0) else {
            return Err(TransformFailure::ReplaceError);
        };
        let replaced = self.0.iter().map(|piece| match piece {
            Piece::Literal(text) => &**text,
            Piece::Group(number) => captures.get(*number).map_or(&[][..], |group| group.as_bytes()),
        });
        let (before, after) = (&subject[..whole.start()], &subject[whole.end()..]);
        let mut out = Vec::with_capacity(subject.len());
        for text in std::iter::once(before).chain(replaced).chain(std::iter::once(after)) {
            if text.len() > TRANSFORMED_BYTES_MAX - out.len() {
                return Err(TransformFailure::BufferTooSmall);
            }
            out.extend_from_slice(text);
        }
        Ok(out)
    }
}

fn two_digits(tens: u8, ones: u8) -> usize {
    usize::from(tens - b'0') * 10 + usize::from(ones - b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read() {
        let read = |text: &str, groups: usize| Replacement::parse(text, groups).map(|read| read.0.into_vec());
        let text = |text: &str| Piece::Literal(text.as_bytes().into());
        assert_eq!(read("/a", 0), Some(vec![text("/a")]));
        assert_eq!(
            read("/$1/$2x", 2),
            Some(vec![text("/"), Piece::Group(1), text("/"), Piece::Group(2), text("x")])
        );
        assert_eq!(read("$0", 0), Some(vec![Piece::Group(0)]));
        assert_eq!(read("$12", 1), Some(vec![Piece::Group(1), text("2")]));
        assert_eq!(read("$12", 12), Some(vec![Piece::Group(12)]));
        assert_eq!(read("$", 1), Some(vec![text("$")]));
        assert_eq!(read("$a$$1", 1), Some(vec![text("$a$"), Piece::Group(1)]));
        assert_eq!(read("$2", 1), None);
        assert_eq!(read("", 1), Some(vec![]));
    }
}
