//! How a caller names a function: a name or an ARN, whole or in part, with or without a qualifier. Source: Lambda 1.2.

use super::error::LambdaError;
use model::lambda::function::FunctionName;
use model::{FunctionArn, Scope};

const NAME_PATTERN: &str = "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?\
                            (\\d{12}:)?(function:)?([a-zA-Z0-9-_\\.]+)(:(\\$LATEST(\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";
/// Of operations that make or change a function: no function has a dot in its name, and they say so.
const WRITTEN_NAME_PATTERN: &str = "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?\
                                    (\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?";
const QUALIFIER_PATTERN: &str = "\\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+";
const LATEST: &str = "$LATEST";

/// A function of this account and region, as somebody named it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    name: FunctionName,
    qualifier: Option<String>,
}

impl Reference {
    /// Reads a name and the qualifier that may stand beside it.
    pub(crate) fn read(text: &str, qualifier: Option<&str>, scope: &Scope) -> Result<Self, LambdaError> {
        Self::of_pattern(text, qualifier, scope, NAME_PATTERN)
    }

    /// Reads the name of a function that is to be made or changed.
    pub(crate) fn written(text: &str, scope: &Scope) -> Result<Self, LambdaError> {
        Self::of_pattern(text, None, scope, WRITTEN_NAME_PATTERN)
    }

    fn of_pattern(text: &str, qualifier: Option<&str>, scope: &Scope, pattern: &str) -> Result<Self, LambdaError> {
        let malformed = || LambdaError::not_a_name(text, "functionName", pattern);
        let mut parts: Vec<&str> = text.split(':').collect();
        let is_arn = parts.first() == Some(&"arn");
        if is_arn {
            let head: Vec<&str> = parts.drain(..parts.len().min(3)).collect();
            if head.len() < 3 || !head[1].starts_with("aws") || head[2] != "lambda" {
                return Err(malformed());
            }
        }
        let mut rest = parts.as_slice();
        let mut foreign = None;
        if let [region, tail @ ..] = rest
            && !tail.is_empty()
            && is_region(region)
        {
            let ours = scope.region.to_string();
            if *region != ours {
                foreign = Some(LambdaError::foreign_region(region, &ours));
            }
            rest = tail;
        }
        if let [account, tail @ ..] = rest
            && !tail.is_empty()
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
        {
            if *account != scope.account.to_string() && foreign.is_none() {
                foreign = Some(LambdaError::foreign_account());
            }
            rest = tail;
        }
        match rest {
            ["function", tail @ ..] if !tail.is_empty() => rest = tail,
            _ if is_arn => return Err(malformed()),
            _ => {}
        }
        let (name, derived) = match rest {
            [name] => (*name, None),
            [name, derived] => (*name, Some(*derived)),
            _ => return Err(malformed()),
        };
        let name = FunctionName::try_from(name).map_err(|_| match pattern == NAME_PATTERN && is_dotted(name) {
            // It fits the pattern, and no function can have it.
            true => LambdaError::resource_not_found(&format!("Function not found: {}", FunctionArn::new(scope, name))),
            false => malformed(),
        })?;
        if derived.is_some_and(|derived| !is_qualifier(derived)) {
            return Err(malformed());
        }
        if let Some(qualifier) = qualifier.filter(|qualifier| !is_qualifier(qualifier)) {
            return Err(LambdaError::not_a_name(qualifier, "qualifier", QUALIFIER_PATTERN));
        }
        if derived.zip(qualifier).is_some_and(|(derived, given)| derived != given) {
            return Err(LambdaError::invalid_parameter(
                "The derived qualifier from the function name does not match the specified qualifier.",
            ));
        }
        match foreign {
            Some(error) => Err(error),
            None => Ok(Self {
                name,
                qualifier: qualifier.or(derived).map(str::to_owned),
            }),
        }
    }

    /// The function's ARN, unqualified.
    pub(crate) fn arn(&self, scope: &Scope) -> FunctionArn {
        FunctionArn::new(scope, self.name.as_str())
    }

    pub(crate) fn qualifier(&self) -> Option<&str> {
        self.qualifier.as_deref()
    }

    /// Whether it means the code as it is now. There are no versions and aliases yet.
    pub(crate) fn is_latest(&self) -> bool {
        self.qualifier().is_none_or(|qualifier| qualifier == LATEST)
    }
}

/// `us-east-1`: at least two hyphens, and a digit at the end. A function's name may look like it only where no region can
/// stand: as the last part.
fn is_region(text: &str) -> bool {
    let mut words = text.rsplit('-');
    let is_digit = words
        .next()
        .is_some_and(|last| last.len() == 1 && last.bytes().all(|byte| byte.is_ascii_digit()));
    let words: Vec<_> = words.collect();
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    is_digit && words.len() >= 2 && words.iter().all(is_word)
}

/// A name with a dot that would be one without.
fn is_dotted(name: &str) -> bool {
    let without: String = name.chars().filter(|letter| *letter != '.').collect();
    name.contains('.') && FunctionName::try_from(without.as_str()).is_ok()
}

fn is_qualifier(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_$".contains(&byte);
    text == "$LATEST.PUBLISHED" || ((1..=128).contains(&text.len()) && text.bytes().all(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{AccountId, Region};

    fn scope() -> Scope {
        Scope {
            region: Region::try_from("eu-west-1").unwrap(),
            account: AccountId::try_from("111122223333").unwrap(),
        }
    }

    #[test]
    fn every_way_to_name_a_function_is_understood() {
        let arn = "arn:aws:lambda:eu-west-1:111122223333:function:orders";
        for (text, given, qualifier) in [
            ("orders", None, None),
            ("orders:$LATEST", None, Some("$LATEST")),
            ("orders", Some("7"), Some("7")),
            ("orders:7", Some("7"), Some("7")),
            ("function:orders", None, None),
            ("111122223333:function:orders", None, None),
            ("111122223333:orders:live", None, Some("live")),
            ("eu-west-1:111122223333:function:orders", None, None),
            (arn, None, None),
            (&format!("{arn}:1"), None, Some("1")),
        ] {
            let reference = Reference::read(text, given, &scope()).unwrap();
            assert_eq!(reference.arn(&scope()).as_str(), arn, "{text}");
            assert_eq!(reference.qualifier(), qualifier, "{text}");
            assert_eq!(
                reference.is_latest(),
                matches!(qualifier, None | Some("$LATEST")),
                "{text}"
            );
        }
        // A name that looks like something else.
        for name in ["us-east-1", "123456789012", "function", "arn"] {
            let read = Reference::read(name, None, &scope());
            match name {
                "arn" => assert!(read.is_err()),
                _ => assert_eq!(read.unwrap().name.as_str(), name),
            }
        }
    }

    /// AWS's patterns differ by operation, and each is told with the one that it breaks.
    #[test]
    fn a_name_with_a_dot_is_nobodys_and_cannot_be_given() {
        let kind = |error: LambdaError| error.answer("").headers()["x-amzn-errortype"].clone();
        let read = Reference::read("a.b", None, &scope()).unwrap_err();
        assert_eq!(kind(read), "ResourceNotFoundException");
        let written = Reference::written("a.b", &scope()).unwrap_err();
        let [complaint] = &written.into_violations().unwrap()[..] else {
            panic!("one")
        };
        assert!(
            complaint.text.starts_with("Value 'a.b' at 'functionName'"),
            "{complaint:?}"
        );
        assert!(
            complaint
                .text
                .contains("([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?"),
            "{complaint:?}"
        );
        assert_eq!(
            kind(Reference::read("a b.c", None, &scope()).unwrap_err()),
            "ValidationException"
        );
    }

    #[test]
    fn what_names_no_function_is_refused() {
        let long = "x".repeat(65);
        for (text, qualifier, expected) in [
            ("", None, "ValidationException"),
            ("a b", None, "ValidationException"),
            (&long, None, "ValidationException"),
            ("a:b:c", None, "ValidationException"),
            ("a:", None, "ValidationException"),
            ("a", Some(""), "ValidationException"),
            ("a", Some("x.y"), "ValidationException"),
            ("arn:aws:s3:::bucket", None, "ValidationException"),
            (
                "arn:aws:lambda:eu-west-1:111122223333:layer:a",
                None,
                "ValidationException",
            ),
            ("a:1", Some("2"), "InvalidParameterValueException"),
            (
                "arn:aws:lambda:us-east-1:111122223333:function:a",
                None,
                "ResourceNotFoundException",
            ),
            (
                "arn:aws:lambda:eu-west-1:444455556666:function:a",
                None,
                "AccessDeniedException",
            ),
        ] {
            let refused = Reference::read(text, qualifier, &scope()).unwrap_err().answer("");
            assert_eq!(refused.headers()["x-amzn-errortype"], expected, "{text} {qualifier:?}");
        }
    }
}
