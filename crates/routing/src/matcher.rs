//! Conditions, compiled, and the subjects that they look at. Source: ALB 2.3.

pub(crate) mod glob;
pub(crate) mod path;
pub(crate) mod regex;

use crate::head::{RequestHead, host_without_port, parameters};
use glob::{Case, Glob};
use model::elb::condition::cidr::Cidr;
use model::elb::condition::pattern::QueryPattern;
use model::elb::condition::{self as written, Alternatives};
use regex::Refused;
use std::borrow::Cow;
use std::fmt;

/// The parts of a request that are prepared once and then looked at by many rules.
///
/// A host or path with a byte that never matches is `None` here, as one that the request does not have.
pub(crate) struct Subjects<'h, H> {
    pub(crate) head: &'h H,
    /// Without its port.
    pub(crate) host: Option<&'h [u8]>,
    /// Normalised.
    pub(crate) path: Option<Cow<'h, [u8]>>,
}

impl<'h, H: RequestHead> Subjects<'h, H> {
    /// `with_path` is false when no rule looks at the path.
    pub(crate) fn of(head: &'h H, with_path: bool) -> Self {
        let path = with_path.then(|| path::normalise(head.path()));
        // Normalising decodes letters, digits and the like only.
        let can_match = |subject: &[u8]| head.is_free_of_controls() || can_match(subject);
        Self {
            host: head.host().map(host_without_port).filter(|host| can_match(host)),
            path: path.filter(|path| can_match(path)),
            head,
        }
    }
}

/// Whether every byte of a subject may match something: 0x00 to 0x1f and 0x7f never do, not even by a wildcard.
///
/// ALB 2.1, point 3. Bytes from 0x80 on are not named there; wildcards match them.
fn can_match(subject: &[u8]) -> bool {
    // No early exit, so that the compiler can look at many bytes at once.
    !subject
        .iter()
        .fold(false, |found, &byte| found | (byte < 0x20) | (byte == 0x7f))
}

/// A condition, ready to be asked.
#[derive(Debug)]
pub(crate) struct Condition {
    matcher: Matcher,
    written: written::Condition,
    position: usize,
}

#[derive(Debug)]
pub(crate) enum Matcher {
    Method(Box<[Box<[u8]>]>),
    SourceIp(Box<[Cidr]>),
    Host(Texts),
    Path(Texts),
    /// The name is in lower case.
    Header(Box<str>, Texts),
    Query(Box<[Parameter]>),
}

/// Alternatives for a text.
#[derive(Debug)]
pub(crate) enum Texts {
    Globs(Box<[Glob]>),
    Regexes(Box<[::regex::bytes::Regex]>),
}

/// Alternatives for a parameter of the query.
#[derive(Debug)]
pub(crate) struct Parameter {
    key: Option<Glob>,
    value: Glob,
}

impl Condition {
    /// `position` is where it stands in its rule.
    pub(crate) fn compile(written: &written::Condition, position: usize) -> Result<Self, Refused> {
        Ok(Self {
            matcher: Matcher::compile(written)?,
            written: written.clone(),
            position,
        })
    }

    /// Where it stands in its rule, from 0.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn written(&self) -> &written::Condition {
        &self.written
    }

    pub(crate) fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// What it costs to ask, compared with others.
    pub(crate) fn cost(&self) -> u8 {
        match &self.matcher {
            Matcher::Method(_) | Matcher::SourceIp(_) => 0,
            Matcher::Host(Texts::Globs(_)) | Matcher::Path(Texts::Globs(_)) => 1,
            Matcher::Header(_, Texts::Globs(_)) => 2,
            Matcher::Query(_) => 3,
            Matcher::Host(Texts::Regexes(_)) | Matcher::Path(Texts::Regexes(_)) => 4,
            Matcher::Header(_, Texts::Regexes(_)) => 5,
        }
    }

    pub(crate) fn holds<H: RequestHead>(&self, subjects: &Subjects<'_, H>) -> bool {
        match &self.matcher {
            Matcher::Method(methods) => methods.iter().any(|method| **method == *subjects.head.method()),
            Matcher::SourceIp(blocks) => {
                let address = subjects.head.source_ip();
                blocks.iter().any(|block| block.contains(address))
            }
            Matcher::Host(texts) => subjects.host.is_some_and(|host| texts.matches(host)),
            Matcher::Path(texts) => subjects.path.as_deref().is_some_and(|path| texts.matches(path)),
            Matcher::Header(lower_name, texts) => {
                let mut values = subjects.head.header_values(lower_name);
                values.any(|value| texts.matches(value) && can_match(value))
            }
            Matcher::Query(alternatives) => subjects.head.query().is_some_and(|query| {
                parameters(query).any(|(key, value)| alternatives.iter().any(|parameter| parameter.matches(key, value)))
            }),
        }
    }
}

impl Matcher {
    fn compile(written: &written::Condition) -> Result<Self, Refused> {
        Ok(match written {
            written::Condition::HostHeader(values) => Self::Host(Texts::compile(values, Case::Ignored)?),
            written::Condition::PathPattern(values) => Self::Path(Texts::compile(values, Case::Kept)?),
            written::Condition::HttpHeader { name, values } => Self::Header(
                name.as_str().to_ascii_lowercase().into(),
                Texts::compile(values, Case::Ignored)?,
            ),
            written::Condition::HttpRequestMethod(methods) => {
                Self::Method(methods.iter().map(|method| method.as_str().as_bytes().into()).collect())
            }
            written::Condition::QueryString(patterns) => Self::Query(patterns.iter().map(Parameter::compile).collect()),
            written::Condition::SourceIp(blocks) => Self::SourceIp(blocks.as_slice().into()),
        })
    }
}

impl Texts {
    fn compile<P: fmt::Display>(values: &Alternatives<P>, case: Case) -> Result<Self, Refused> {
        Ok(match values {
            Alternatives::Values(values) => {
                Self::Globs(values.iter().map(|value| Glob::new(&value.to_string(), case)).collect())
            }
            Alternatives::Regexes(values) => Self::Regexes(
                values
                    .iter()
                    .map(|value| regex::compile(value.as_str(), case))
                    .collect::<Result<_, _>>()?,
            ),
        })
    }

    fn matches(&self, subject: &[u8]) -> bool {
        match self {
            Self::Globs(globs) => globs.iter().any(|glob| glob.matches(subject)),
            Self::Regexes(regexes) => regexes.iter().any(|regex| regex.is_match(subject)),
        }
    }
}

impl Parameter {
    fn compile(pattern: &QueryPattern) -> Self {
        Self {
            key: pattern
                .key
                .as_ref()
                .map(|key| Glob::with_escapes(key.as_str(), Case::Ignored)),
            value: Glob::with_escapes(pattern.value.as_str(), Case::Ignored),
        }
    }

    /// Compared as sent, not decoded. ALB 2.3, unverified.
    fn matches(&self, key: &[u8], value: &[u8]) -> bool {
        let key_matches = self
            .key
            .as_ref()
            .is_none_or(|pattern| pattern.matches(key) && can_match(key));
        key_matches && self.value.matches(value) && can_match(value)
    }
}
