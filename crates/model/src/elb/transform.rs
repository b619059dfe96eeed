//! Transforms: how a rule rewrites the host and the URL of what it forwards. Source: ALB 2.6.

use super::condition::pattern::check_regex;
use crate::limits::TRANSFORM_CHARS_MAX;
use std::sync::Arc;

/// The transforms of a rule, at most one of each type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transforms {
    /// `host-header-rewrite`.
    pub host: Option<Rewrite>,
    /// `url-rewrite`: path and query.
    pub url: Option<Rewrite>,
}

impl Transforms {
    /// Whether the rule has none.
    pub fn is_empty(&self) -> bool {
        self.host.is_none() && self.url.is_none()
    }
}

/// Replaces the first match of a regular expression; `$1`, `$2`, ... stand for groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    regex: Arc<str>,
    replace: Arc<str>,
}

/// Why a rewrite is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RewriteRefusal {
    /// An empty expression.
    #[error("a rewrite needs a regular expression")]
    EmptyRegex,
    /// Over 1024 characters.
    #[error("the {member} of a rewrite has {chars} characters; the limit is {TRANSFORM_CHARS_MAX}")]
    TooLong {
        /// `regex` or `replace`.
        member: &'static str,
        /// Its length.
        chars: usize,
    },
    /// An expression that does not parse, or uses what ALB rules out.
    #[error("the regular expression {regex:?} is not accepted: {reason}")]
    Regex {
        /// The expression.
        regex: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Rewrite {
    /// Checks both texts.
    pub fn new(regex: &str, replace: &str) -> Result<Self, RewriteRefusal> {
        if regex.is_empty() {
            return Err(RewriteRefusal::EmptyRegex);
        }
        for (member, text) in [("regex", regex), ("replace", replace)] {
            let chars = text.chars().count();
            if chars > TRANSFORM_CHARS_MAX {
                return Err(RewriteRefusal::TooLong { member, chars });
            }
        }
        check_regex(regex).map_err(|reason| RewriteRefusal::Regex {
            regex: regex.to_owned(),
            reason,
        })?;
        Ok(Self {
            regex: regex.into(),
            replace: replace.into(),
        })
    }

    /// The expression.
    pub fn regex(&self) -> &str {
        &self.regex
    }

    /// The replacement.
    pub fn replace(&self) -> &str {
        &self.replace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrites_are_checked() {
        assert!(Rewrite::new("^/dp/([A-Za-z0-9]+)/?$", "/product.php?id=$1").is_ok());
        assert!(Rewrite::new("^/x$", "").is_ok());
        assert_eq!(Rewrite::new("", "x"), Err(RewriteRefusal::EmptyRegex));
        assert!(matches!(Rewrite::new("(?=x)", "x"), Err(RewriteRefusal::Regex { .. })));
        let long = "x".repeat(1025);
        assert_eq!(
            Rewrite::new(&long, ""),
            Err(RewriteRefusal::TooLong {
                member: "regex",
                chars: 1025
            })
        );
        assert_eq!(
            Rewrite::new("x", &long),
            Err(RewriteRefusal::TooLong {
                member: "replace",
                chars: 1025
            })
        );
    }
}
