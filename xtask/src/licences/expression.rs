//! Licence expressions as crates write them: `MIT OR Apache-2.0`, `(A OR B) AND C`, the old `MIT/Apache-2.0`. Operators
//! may be all in lower case. Source: SPDX 3.0, annex on licence expressions.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

/// Whether the expression can be met with the allowed licences alone.
pub(super) fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> Result<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().map(upper_operator).collect();
    let mut reader = Reader { words: &words, allowed };
    let is_allowed = reader.any()?;
    match reader.words.first() {
        None => Ok(is_allowed),
        Some(word) => bail!("`{word}` is not expected there"),
    }
}

fn upper_operator(word: &str) -> &str {
    match word {
        "or" => "OR",
        "and" => "AND",
        "with" => "WITH",
        other => other,
    }
}

struct Reader<'a> {
    words: &'a [&'a str],
    allowed: &'a BTreeSet<String>,
}

impl<'a> Reader<'a> {
    /// `all OR all …`
    fn any(&mut self) -> Result<bool> {
        let mut is_allowed = self.all()?;
        while self.take("OR") {
            is_allowed |= self.all()?;
        }
        Ok(is_allowed)
    }

    /// `one AND one …`, which binds tighter than `OR`.
    fn all(&mut self) -> Result<bool> {
        let mut is_allowed = self.one()?;
        while self.take("AND") {
            is_allowed &= self.one()?;
        }
        Ok(is_allowed)
    }

    /// A licence, a licence `WITH` an exception, or an expression in parentheses.
    fn one(&mut self) -> Result<bool> {
        if self.take("(") {
            let is_allowed = self.any()?;
            if !self.take(")") {
                bail!("a `)` is missing");
            }
            return Ok(is_allowed);
        }
        let licence = self.name()?;
        if self.take("WITH") {
            let exception = self.name()?;
            return Ok(self.allowed.contains(&format!("{licence} WITH {exception}")));
        }
        Ok(self.allowed.contains(licence))
    }

    fn name(&mut self) -> Result<&'a str> {
        match self.words {
            [name, rest @ ..] if !["OR", "AND", "WITH", "(", ")"].contains(name) => {
                self.words = rest;
                Ok(name)
            }
            _ => bail!("a licence is missing"),
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let is_next = self.words.first() == Some(&word);
        if is_next {
            self.words = &self.words[1..];
        }
        is_next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_met_by_the_allowed_licences() {
        let allowed = ["MIT", "ISC", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
            .map(str::to_owned)
            .into();
        let cases = [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("MIT OR GPL-3.0-only", true),
            ("GPL-3.0-only OR MIT", true),
            ("MIT AND GPL-3.0-only", false),
            ("GPL-3.0-only AND MIT OR ISC", true),
            ("(GPL-3.0-only OR MIT) AND ISC", true),
            ("(GPL-3.0-only OR LGPL-2.1-only) AND ISC", false),
            ("Unlicense/MIT", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("MIT WITH LLVM-exception", false),
            ("GPL-3.0-only or MIT and ISC", true),
            ("GPL-3.0-only and MIT", false),
            ("Apache-2.0 with LLVM-exception", true),
        ];
        for (expression, expected) in cases {
            assert_eq!(
                is_allowed(expression, &allowed).expect(expression),
                expected,
                "{expression}"
            );
        }
    }

    #[test]
    fn what_is_no_expression_is_an_error() {
        for expression in [
            "",
            "MIT OR",
            "(MIT",
            "MIT)",
            "MIT ISC",
            "AND",
            "or",
            "MIT Or ISC",
            "MIT WITH",
            "()",
        ] {
            assert!(is_allowed(expression, &BTreeSet::new()).is_err(), "{expression}");
        }
    }
}
