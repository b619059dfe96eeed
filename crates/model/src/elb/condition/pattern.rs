//! Texts of conditions, each with its alphabet and length. Source: ALB 2.3.

use crate::limits::{CONDITION_NAME_CHARS_MAX, CONDITION_VALUE_CHARS_MAX};
use regex_syntax::ast;
use std::fmt;
use std::sync::Arc;

/// Why a value of a condition is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternRefusal {
    /// The empty text.
    #[error("a value must not be empty")]
    Empty,
    /// Too long.
    #[error("{text:?} has {chars} characters; the limit is {max}")]
    TooLong {
        /// The value.
        text: String,
        /// Its length.
        chars: usize,
        /// The most that is accepted.
        max: usize,
    },
    /// A character outside the alphabet.
    #[error("{text:?} contains {found:?}; allowed are {allowed}")]
    Character {
        /// The value.
        text: String,
        /// The first character that is not allowed.
        found: char,
        /// The alphabet, for people.
        allowed: &'static str,
    },
    /// A host without a dot, or with something else than letters after the last one.
    #[error("{0:?} must contain a dot with only letters (or wildcards) after the last one, like *.example.com")]
    NoTopLevelDomain(String),
    /// A condition on `Host`, which has its own kind.
    #[error("the header Host is matched by a host-header condition, not by http-header")]
    HostHeader,
    /// A regular expression that does not parse, or uses what ALB rules out.
    #[error("the regular expression {text:?} is not accepted: {reason}")]
    Regex {
        /// The expression.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Not an address range.
    #[error("{0:?} is not an IPv4 or IPv6 CIDR block like 192.0.2.0/24")]
    Cidr(String),
    /// The limited broadcast address.
    #[error("255.255.255.255/32 is not accepted as a source address")]
    Broadcast,
}

/// Counts wildcards, for the limit per rule.
pub trait Wildcards {
    /// How many `*` and `?` stand in it that are not escaped.
    fn wildcard_count(&self) -> usize;
}

fn checked(
    text: &str,
    max: usize,
    allowed: &'static str,
    is_allowed: impl Fn(char) -> bool,
) -> Result<Arc<str>, PatternRefusal> {
    let chars = text.chars().count();
    if chars == 0 {
        return Err(PatternRefusal::Empty);
    }
    if chars > max {
        return Err(PatternRefusal::TooLong {
            text: text.to_owned(),
            chars,
            max,
        });
    }
    match text.chars().find(|&c| !is_allowed(c)) {
        Some(found) => Err(PatternRefusal::Character {
            text: text.to_owned(),
            found,
            allowed,
        }),
        None => Ok(text.into()),
    }
}

macro_rules! pattern {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

macro_rules! plain_wildcards {
    ($($name:ident),*) => {$(
        impl Wildcards for $name {
            fn wildcard_count(&self) -> usize {
                self.0.bytes().filter(|byte| matches!(byte, b'*' | b'?')).count()
            }
        }
    )*};
}

pattern!(
    /// A host with wildcards, such as `*.example.com`; compared in any case.
    HostPattern
);
pattern!(
    /// A path with wildcards, such as `/img/*`.
    PathPattern
);
pattern!(
    /// A header value with wildcards; compared in any case.
    HeaderPattern
);
pattern!(
    /// A header name in a condition: an RFC 7230 token of at most 40 characters, not `Host`.
    HeaderName
);
pattern!(
    /// A request method in a condition.
    Method
);
pattern!(
    /// A regular expression that is searched for in its subject.
    RegexPattern
);
plain_wildcards!(HostPattern, PathPattern, HeaderPattern);

impl TryFrom<&str> for HostPattern {
    type Error = PatternRefusal;

    fn try_from(text: &str) -> Result<Self, PatternRefusal> {
        let allowed = "letters, digits, hyphen, dot and the wildcards * and ?";
        let text = checked(text, CONDITION_VALUE_CHARS_MAX, allowed, |c| {
            c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '*' | '?')
        })?;
        let last = text.rsplit_once('.').map(|(_, last)| last);
        let good =
            |last: &str| !last.is_empty() && last.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '*' | '?'));
        if last.is_some_and(good) {
            Ok(Self(text))
        } else {
            Err(PatternRefusal::NoTopLevelDomain(text.to_string()))
        }
    }
}

impl TryFrom<&str> for PathPattern {
    type Error = PatternRefusal;

    fn try_from(text: &str) -> Result<Self, PatternRefusal> {
        let allowed = "letters, digits, _ - . $ / ~ \" ' @ : + & and the wildcards * and ?";
        checked(text, CONDITION_VALUE_CHARS_MAX, allowed, |c| {
            c.is_ascii_alphanumeric() || "_-.$/~\"'@:+&*?".contains(c)
        })
        .map(Self)
    }
}

impl TryFrom<&str> for HeaderPattern {
    type Error = PatternRefusal;

    fn try_from(text: &str) -> Result<Self, PatternRefusal> {
        visible(text).map(Self)
    }
}

impl TryFrom<&str> for HeaderName {
    type Error = PatternRefusal;

    fn try_from(text: &str) -> Result<Self, PatternRefusal> {
        let allowed = "the characters of a header name (RFC 7230 token)";
        let text = checked(text, CONDITION_NAME_CHARS_MAX, allowed, |c| {
            c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
        })?;
        if text.eq_ignore_ascii_case("host") {
            Err(PatternRefusal::HostHeader)
        } else {
            Ok(Self(text))
        }
    }
}

impl TryFrom<&str> for Method {
    type Error = PatternRefusal;

    fn try_from(text: &str) -> Result<Self, PatternRefusal> {
        let allowed = "A-Z, hyphen and underscore";
        checked(text, CONDITION_NAME_CHARS_MAX, allowed, |c| {
            c.is_ascii_uppercase() || matches!(c, '-' | '_')
        })
        .map(Self)
    }
}

impl TryFrom<&str> for RegexPattern {
    type Error = PatternRefusal;

    fn try_from(text: &str) -> Result<Self, PatternRefusal> {
        if text.is_empty() {
            return Err(PatternRefusal::Empty);
        }
        let chars = text.chars().count();
        if chars > CONDITION_VALUE_CHARS_MAX {
            return Err(PatternRefusal::TooLong {
                text: text.to_owned(),
                chars,
                max: CONDITION_VALUE_CHARS_MAX,
            });
        }
        check_regex(text).map_err(|reason| PatternRefusal::Regex {
            text: text.to_owned(),
            reason,
        })?;
        Ok(Self(text.into()))
    }
}

/// Visible ASCII and space: matching sees nothing else (ALB 2.1, point 3).
fn visible(text: &str) -> Result<Arc<str>, PatternRefusal> {
    checked(
        text,
        CONDITION_VALUE_CHARS_MAX,
        "visible ASCII characters and space",
        |c| (' '..='~').contains(&c),
    )
}

/// One alternative of a query-string condition. In both texts `\*` and `\?` are the characters themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueryPattern {
    /// The parameter's key; without one any parameter's value may match.
    pub key: Option<QueryText>,
    /// The parameter's value.
    pub value: QueryText,
}

pattern!(
    /// A key or value with wildcards and escapes, compared in any case.
    QueryText
);

impl TryFrom<&str> for QueryText {
    type Error = PatternRefusal;

    fn try_from(text: &str) -> Result<Self, PatternRefusal> {
        visible(text).map(Self)
    }
}

impl Wildcards for QueryText {
    fn wildcard_count(&self) -> usize {
        let mut escaped = false;
        let mut count = 0;
        for byte in self.0.bytes() {
            match byte {
                b'\\' if !escaped => escaped = true,
                b'*' | b'?' if !escaped => count += 1,
                _ => escaped = false,
            }
        }
        count
    }
}

impl Wildcards for QueryPattern {
    fn wildcard_count(&self) -> usize {
        self.value.wildcard_count() + self.key.as_ref().map_or(0, Wildcards::wildcard_count)
    }
}

impl fmt::Display for QueryPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(formatter, "{key}={}", self.value),
            None => write!(formatter, "any parameter {}", self.value),
        }
    }
}

/// Accepts what ALB's linear-time dialect accepts: no look-around, back-references, recursion, atomic groups,
/// possessive quantifiers or Unicode classes. Source: ALB 2.3.
pub fn check_regex(text: &str) -> Result<(), String> {
    let parsed = ast::parse::Parser::new()
        .parse(text)
        .map_err(|error| error.kind().to_string())?;
    ast::visit(&parsed, Dialect)
}

struct Dialect;

impl ast::Visitor for Dialect {
    type Output = ();
    type Err = String;

    fn finish(self) -> Result<(), String> {
        Ok(())
    }

    fn visit_pre(&mut self, node: &ast::Ast) -> Result<(), String> {
        match node {
            ast::Ast::ClassUnicode(_) => Err("Unicode classes (\\p{..}) are not supported".to_owned()),
            // The parser reads `a++` as `(a+)+`; elsewhere it is a possessive quantifier, which ALB rules out.
            ast::Ast::Repetition(repetition) if matches!(*repetition.ast, ast::Ast::Repetition(_)) => {
                Err("a quantifier after a quantifier (possessive) is not supported".to_owned())
            }
            ast::Ast::Flags(set) => known_flags(&set.flags),
            ast::Ast::Group(group) => group.flags().map_or(Ok(()), known_flags),
            _ => Ok(()),
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ast::ClassSetItem) -> Result<(), String> {
        match item {
            ast::ClassSetItem::Unicode(_) => Err("Unicode classes (\\p{..}) are not supported".to_owned()),
            _ => Ok(()),
        }
    }
}

/// `(?R)` is recursion elsewhere; the parser would read it as a flag of its own. `(?u)` is a flag of the parser alone,
/// and what `(?-u)` switches off may be needed to compile the rest.
fn known_flags(flags: &ast::Flags) -> Result<(), String> {
    for (flag, spelling) in [(ast::Flag::CRLF, "(?R)"), (ast::Flag::Unicode, "(?u)")] {
        if flags.flag_state(flag).is_some() {
            return Err(format!("{spelling} is not supported"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<'a, P: TryFrom<&'a str> + fmt::Debug>(good: &[&'a str], bad: &[&'a str]) {
        for text in good {
            assert!(P::try_from(text).is_ok(), "{text:?} must be accepted");
        }
        for text in bad {
            assert!(P::try_from(text).is_err(), "{text:?} must be refused");
        }
    }

    // ALB-C-009: a host needs a dot and letters after the last one
    #[test]
    fn hosts() {
        check::<HostPattern>(
            &["example.com", "*.example.com", "a-b.c", "*.*", "?x.EXAMPLE"],
            &[
                "example",
                "example.c0m",
                "10.0.0.1",
                "exa_mple.com",
                "example.com.",
                "ex ample.com",
                "",
            ],
        );
    }

    #[test]
    fn paths() {
        check::<PathPattern>(
            &["/img/*", "/a?b", "*.png", "/$~\"'@:+&-._"],
            &["/a b", "/a%20", "/a#b", "/ä", ""],
        );
    }

    // ALB-C-017: a header condition named Host is rejected
    // ALB-C-018: a header name has at most 40 characters
    #[test]
    fn header_names() {
        let (longest, longer) = ("x".repeat(40), "x".repeat(41));
        check::<HeaderName>(
            &["X-Custom", "a_b", &longest],
            &["Host", "hOST", "a b", "a:b", "", &longer],
        );
    }

    // ALB-C-020: `get` is rejected, `CUSTOM-METHOD` is accepted
    #[test]
    fn methods() {
        let longer = "X".repeat(41);
        check::<Method>(&["GET", "CUSTOM-METHOD", "A_B"], &["get", "G3T", "", &longer]);
    }

    // ALB-C-029: a value has at most 128 characters
    #[test]
    fn values_have_at_most_128_characters() {
        let (longest, longer) = (format!("/{}", "x".repeat(127)), format!("/{}", "x".repeat(128)));
        check::<PathPattern>(&[&longest], &[&longer]);
        check::<HeaderPattern>(&[&longest], &[&longer]);
        check::<QueryText>(&[&longest], &[&longer]);
        check::<RegexPattern>(&[&longest], &[&longer]);
        let (longest, longer) = (format!("{}.com", "x".repeat(124)), format!("{}.com", "x".repeat(125)));
        check::<HostPattern>(&[&longest], &[&longer]);
    }

    #[test]
    fn escaped_wildcards_are_not_counted() {
        for (text, count) in [("a*b?", 2), (r"a\*b\?", 0), (r"\\*", 1), ("plain", 0)] {
            assert_eq!(QueryText::try_from(text).unwrap().wildcard_count(), count, "{text}");
        }
    }

    #[test]
    fn regular_expressions_are_of_the_linear_kind() {
        check::<RegexPattern>(
            &["^/api/(v1|v2)/.*$", r"^\/a\/b$", "[a-z]+?", "a{2,3}", r"\d+", "(?:x)"],
            &[
                "(?=x)",
                "(?<!x)",
                r"(a)\1",
                "(?>x)",
                "a++",
                "a*+",
                "a{2}+",
                r"\p{L}",
                r"[\p{L}]",
                "(?R)",
                "(?-u)[^ä]",
                "(?u:x)",
                "(",
                "[",
                "",
            ],
        );
    }
}
