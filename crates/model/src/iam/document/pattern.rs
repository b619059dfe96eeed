//! Texts with wildcards and variables: `arn:aws:s3:::box/${aws:username}/*`.

use crate::iam::evaluate::{Context, Found};

/// A text in which some characters stand for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::iam) struct Pattern {
    text: String,
    /// Whether `${…}` means anything: only from version 2012-10-17 on.
    has_variables: bool,
}

/// One character of a pattern whose variables are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Is(char),
    Any,
    One,
}

/// A pattern whose variables are known.
#[derive(Clone, Debug)]
pub(in crate::iam) struct Ready(Vec<Sign>);

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::iam) enum NotReady {
    /// The request has no such value.
    Absent,
    /// Nobody here knows that key.
    NotKnown,
}

impl Pattern {
    pub(super) fn new(text: String, has_variables: bool) -> Self {
        Self { text, has_variables }
    }

    /// A text without variables.
    pub(in crate::iam) fn plain(text: String) -> Self {
        Self::new(text, false)
    }

    /// As written.
    pub(in crate::iam) fn as_str(&self) -> &str {
        &self.text
    }

    /// Puts values in the place of variables. A value's own `*` and `?` are plain characters.
    pub(in crate::iam) fn ready(&self, context: &Context) -> Result<Ready, NotReady> {
        let mut signs = Vec::with_capacity(self.text.len());
        let mut rest = self.text.as_str();
        while let Some(character) = rest.chars().next() {
            let variable = rest.strip_prefix("${").filter(|_| self.has_variables);
            if let Some((variable, after)) = variable.and_then(|it| it.split_once('}')) {
                signs.extend(value(variable, context)?.chars().map(Sign::Is));
                rest = after;
                continue;
            }
            signs.push(match character {
                '*' => Sign::Any,
                '?' => Sign::One,
                other => Sign::Is(other),
            });
            rest = &rest[character.len_utf8()..];
        }
        Ok(Ready(signs))
    }
}

fn value(variable: &str, context: &Context) -> Result<String, NotReady> {
    // The three characters that mean something themselves.
    if matches!(variable, "*" | "?" | "$") {
        return Ok(variable.to_owned());
    }
    let (key, default) = match variable.split_once(',') {
        None => (variable.trim(), None),
        Some((key, default)) => {
            let default = default.trim();
            let quoted = default.strip_prefix('\'').and_then(|it| it.strip_suffix('\''));
            (key.trim(), Some(quoted.ok_or(NotReady::NotKnown)?))
        }
    };
    match (context.value(key), default) {
        (Found::Values([one]), _) => Ok(one.clone()),
        (Found::Absent, Some(default)) => Ok(default.to_owned()),
        // Keys with several values are no variables.
        (Found::Absent | Found::Values(_), _) => Err(NotReady::Absent),
        (Found::NotKnown, _) => Err(NotReady::NotKnown),
    }
}

impl Ready {
    /// The text itself, for operators that know no wildcards.
    pub(in crate::iam) fn text(&self) -> String {
        let plain = |sign: &Sign| match sign {
            Sign::Is(character) => *character,
            Sign::Any => '*',
            Sign::One => '?',
        };
        self.0.iter().map(plain).collect()
    }

    /// Whether the whole text is like this.
    pub(in crate::iam) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        is_like(&self.0, &text)
    }

    /// The same for ARNs: each of the six parts matches, so that a star ends where its part ends. What is missing at the end
    /// is any. A star alone is everything.
    pub(in crate::iam) fn matches_arn(&self, arn: &str) -> bool {
        if self.0.iter().all(|sign| *sign == Sign::Any) && !self.0.is_empty() {
            return true;
        }
        let parts: Vec<Vec<char>> = arn.splitn(6, ':').map(|part| part.chars().collect()).collect();
        let mut patterns: Vec<&[Sign]> = self.0.splitn(6, |sign| *sign == Sign::Is(':')).collect();
        patterns.resize(6, &[Sign::Any]);
        parts.len() == 6
            && patterns
                .iter()
                .zip(&parts)
                .all(|(pattern, part)| is_like(pattern, part))
    }
}

/// Goes back to the last star only, so that the time is bounded by the product of the lengths.
fn is_like(pattern: &[Sign], text: &[char]) -> bool {
    let (mut at, mut seen, mut star) = (0, 0, None);
    while seen < text.len() {
        match pattern.get(at) {
            Some(Sign::Any) => {
                star = Some((at, seen));
                at += 1;
            }
            Some(sign) if *sign == Sign::One || *sign == Sign::Is(text[seen]) => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                Some((star_at, star_seen)) => {
                    star = Some((star_at, star_seen + 1));
                    at = star_at + 1;
                    seen = star_seen + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|sign| *sign == Sign::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        let mut context = Context::default();
        context.put("aws:username", "al*ce");
        context
    }

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let ready = Pattern::new(pattern.to_owned(), true).ready(&context()).unwrap();
        for text in matching {
            assert!(ready.matches_arn(text), "{pattern} must match {text}");
        }
        for text in other {
            assert!(!ready.matches_arn(text), "{pattern} must not match {text}");
        }
    }

    #[test]
    fn a_star_ends_where_its_part_ends() {
        check("*", &["*", "arn:aws:s3:::a", ""], &[]);
        check(
            "arn:aws:iam::1:user/*",
            &["arn:aws:iam::1:user/a/b:c"],
            &["arn:aws:iam::2:user/a", "arn:aws:iam::1:role/a", "*"],
        );
        check("arn:*:user/a", &[], &["arn:aws:iam::1:user/a"]);
        check("arn:aws:sqs", &["arn:aws:sqs:r:1:q"], &["arn:aws:sns:r:1:q"]);
        check("arn:aws:s3:::b?x", &["arn:aws:s3:::box"], &["arn:aws:s3:::bx"]);
    }

    #[test]
    fn values_are_no_wildcards() {
        let mine = "arn:aws:s3:::${aws:username}/*";
        check(mine, &["arn:aws:s3:::al*ce/x"], &["arn:aws:s3:::alice/x"]);
        check(
            "arn:aws:s3:::${*}${?}${$}",
            &["arn:aws:s3:::*?$"],
            &["arn:aws:s3:::abc"],
        );
        check(
            "arn:aws:s3:::${aws:PrincipalTag/team, 'none'}",
            &["arn:aws:s3:::none"],
            &["arn:aws:s3:::x"],
        );
        let ready = |text: &str, has| Pattern::new(text.to_owned(), has).ready(&context()).map(|it| it.text());
        assert_eq!(ready("${aws:PrincipalTag/team}", true), Err(NotReady::Absent));
        assert_eq!(ready("${nobody:knows}", true), Err(NotReady::NotKnown));
        assert_eq!(ready("${aws:username}", false).as_deref(), Ok("${aws:username}"));
        assert_eq!(ready("${aws:username", true).as_deref(), Ok("${aws:username"));
    }
}
