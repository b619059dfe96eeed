//! Regular expressions of conditions and transforms. Source: ALB 2.3.

use super::glob::Case;
use crate::table::CompileError;
use model::arn::RuleArn;
use model::limits::REGEX_COMPILED_BYTES_MAX;
use regex::bytes::{Regex, RegexBuilder};

/// Why an expression does not compile.
#[derive(Debug)]
pub(crate) struct Refused {
    regex: String,
    pub(crate) error: regex::Error,
}

impl Refused {
    pub(crate) fn of(self, rule: &RuleArn) -> CompileError {
        let (rule, regex) = (rule.clone(), self.regex);
        match self.error {
            regex::Error::CompiledTooBig(limit) => CompileError::RegexTooBig { rule, regex, limit },
            other => CompileError::Regex {
                rule,
                regex,
                reason: other.to_string(),
            },
        }
    }
}

/// Compiles an expression that is searched for; it has no implicit anchors (ALB 2.3, unverified).
pub(crate) fn compile(text: &str, case: Case) -> Result<Regex, Refused> {
    // `\d`, `\w`, `\s` and `\b` are those of ASCII, as in RE2. Only an expression that cannot be read so, such as `[ä]`,
    // is read as Unicode.
    let compiled = match build(text, case, false) {
        Err(regex::Error::Syntax(_)) => build(text, case, true),
        other => other,
    };
    compiled.map_err(|error| Refused {
        regex: text.to_owned(),
        error,
    })
}

fn build(text: &str, case: Case, unicode: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .case_insensitive(case == Case::Ignored)
        .unicode(unicode)
        .size_limit(REGEX_COMPILED_BYTES_MAX)
        .dfa_size_limit(REGEX_COMPILED_BYTES_MAX)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::elb::condition::pattern::RegexPattern;
    use proptest::prelude::*;

    #[test]
    fn what_model_accepts_compiles() {
        for text in [
            "^/api/(v1|v2)/.*$",
            r"^\/a\/b$",
            "[ä-ö]x",
            "ä",
            r"\w+\b",
            r"(?i)x",
            r"\x{ffff}",
            r"[^\x00-\xff]",
            r"[[:alpha:]]\xff",
        ] {
            assert!(RegexPattern::try_from(text).is_ok(), "{text}");
            assert!(compile(text, Case::Ignored).is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_model_accepts_compiles_or_is_too_big(text in any_regex()) {
            if RegexPattern::try_from(&*text).is_ok() {
                let compiled = compile(&text, Case::Ignored);
                prop_assert!(matches!(compiled.map_err(|refused| refused.error), Ok(_) | Err(regex::Error::CompiledTooBig(_))));
            }
        }
    }

    fn any_regex() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "a",
            "ä",
            "[a-z]",
            "[^ä]",
            "(",
            ")",
            "(?:",
            "(?i)",
            "(?s-i:",
            "(?-u)",
            "(?u:",
            "|",
            "*",
            "+?",
            "{2,3}",
            "{99}",
            "^",
            "$",
            r"\d",
            r"\W",
            r"\b",
            r"\B",
            r"\xff",
            r"\x{100}",
            r"\.",
            ".",
            "[[:^alpha:]]",
            "[",
            "]",
            "&&",
            r"\A",
            r"\z",
        ]);
        prop::collection::vec(piece, 1..10).prop_map(|pieces| pieces.concat())
    }

    #[test]
    fn classes_are_those_of_ascii() {
        let digits = compile(r"^\d$", Case::Kept).expect("a valid expression");
        assert!(digits.is_match(b"7") && !digits.is_match("٣".as_bytes()));
    }

    #[test]
    fn size_is_bounded() {
        let refused = compile("(?:a{999}){999}", Case::Kept).expect_err("too big");
        assert!(matches!(refused.error, regex::Error::CompiledTooBig(_)));
    }
}
