//! Rewriting the host and the URL of a request that is forwarded. Source: ALB 2.6, 8.1.5.

mod replacement;

use crate::head::{RequestHead, host_without_port};
use crate::matcher::glob::Case;
use crate::matcher::regex::compile;
use model::elb::transform as written;
use regex::bytes::Regex;
use replacement::Replacement;
use std::fmt;

/// The longest host or URI that a rewrite may produce, in bytes: as long as a request line may be (ALB 4.5).
pub const TRANSFORMED_BYTES_MAX: usize = 16 * 1024;
/// The longest host name (RFC 1035, 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// The transforms of a rule, compiled.
#[derive(Clone, Debug, Default)]
pub struct Transforms {
    host: Option<Rewrite>,
    url: Option<Rewrite>,
}

/// What the transforms made of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transformed {
    /// The new host, without a port: the port rule of ALB 4.6 is still to be applied. `None` if it stays as it is.
    pub host: Option<Vec<u8>>,
    /// The new path and query. `None` if they stay as they are.
    pub uri: Option<Vec<u8>>,
    /// How it went. After a failure both fields are `None`, and the answer is 500.
    pub status: TransformStatus,
}

/// `request_transform_status` of the access log. Source: ALB 8.1.5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TransformStatus {
    /// `-`: nothing matched.
    #[default]
    NotApplied,
    /// Something matched and was replaced, be it by the same text.
    Success,
    /// The answer is 500.
    Failed(TransformFailure),
}

/// Why a transform failed. Source: ALB 8.1.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransformFailure {
    /// The result is longer than [`TRANSFORMED_BYTES_MAX`].
    BufferTooSmall,
    /// The expression does not compile, for another reason than the next two.
    CompileError,
    /// The compiled expression is too big.
    CompileTooBig,
    /// The result is not a host.
    InvalidHost,
    /// The result is not a path.
    InvalidPath,
    /// The expression is malformed.
    RegexSyntaxError,
    /// The replacement names a group that the expression does not have.
    ReplaceError,
}

impl TransformStatus {
    /// As the access log writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotApplied => "-",
            Self::Success => "TransformSuccess",
            Self::Failed(failure) => failure.as_str(),
        }
    }
}

impl TransformFailure {
    /// As the access log writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BufferTooSmall => "TransformBufferTooSmall",
            Self::CompileError => "TransformCompileError",
            Self::CompileTooBig => "TransformCompileTooBig",
            Self::InvalidHost => "TransformInvalidHost",
            Self::InvalidPath => "TransformInvalidPath",
            Self::RegexSyntaxError => "TransformRegexSyntaxError",
            Self::ReplaceError => "TransformReplaceError",
        }
    }
}

impl fmt::Display for TransformStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Transforms {
    pub(crate) fn compile(transforms: &written::Transforms) -> Self {
        Self {
            // As in host conditions, case is ignored (ALB 2.6: "regex dialect as in 2.3", unverified).
            host: transforms
                .host
                .as_ref()
                .map(|rewrite| Rewrite::compile(rewrite, Case::Ignored)),
            url: transforms
                .url
                .as_ref()
                .map(|rewrite| Rewrite::compile(rewrite, Case::Kept)),
        }
    }

    /// Whether there are none, so that every request stays as it is.
    pub fn is_empty(&self) -> bool {
        self.host.is_none() && self.url.is_none()
    }

    /// Rewrites the host and the URL of a request. Both rewrites look at what the client sent (ALB 2.6, unverified).
    pub fn apply<H: RequestHead>(&self, head: &H) -> Transformed {
        self.try_apply(head).unwrap_or_else(|failure| Transformed {
            status: TransformStatus::Failed(failure),
            ..Transformed::default()
        })
    }

    fn try_apply<H: RequestHead>(&self, head: &H) -> Result<Transformed, TransformFailure> {
        let mut transformed = Transformed::default();
        if let (Some(rewrite), Some(host)) = (&self.host, head.host()) {
            let host = host_subject(host);
            if let Some(rewritten) = rewrite.apply(host)? {
                if !is_host(&rewritten) {
                    return Err(TransformFailure::InvalidHost);
                }
                transformed.status = TransformStatus::Success;
                transformed.host = Some(rewritten).filter(|rewritten| rewritten != host);
            }
        }
        if let Some(rewrite) = &self.url {
            let uri = uri_subject(head);
            if let Some(rewritten) = rewrite.apply(&uri)? {
                if !is_path_and_query(&rewritten) {
                    return Err(TransformFailure::InvalidPath);
                }
                transformed.status = TransformStatus::Success;
                transformed.uri = Some(rewritten).filter(|rewritten| *rewritten != uri);
            }
        }
        Ok(transformed)
    }
}

/// What a host rewrite looks at: the host without its port, as sent. ALB 2.6, unverified.
fn host_subject(host: &[u8]) -> &[u8] {
    host_without_port(host)
}

/// What a URL rewrite looks at: path and query as sent. ALB 2.6, "URL scope".
fn uri_subject<H: RequestHead>(head: &H) -> Vec<u8> {
    let mut uri = head.path().to_vec();
    if let Some(query) = head.query() {
        uri.push(b'?');
        uri.extend_from_slice(query);
    }
    uri
}

/// Whether a rewritten host may be sent: letters, digits, `-`, `.` and `_`, or an IPv6 literal. A port cannot be set.
/// ALB 2.6, "validity check"; what AWS calls valid is not documented.
fn is_host(host: &[u8]) -> bool {
    if let [b'[', address @ .., b']'] = host {
        let address = std::str::from_utf8(address).ok();
        return address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    }
    (1..=HOST_BYTES_MAX).contains(&host.len())
        && host
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte))
}

/// Whether a rewritten URI may be sent: it begins with a slash and nothing in it could end the request line.
/// ALB 2.6, "validity check"; what AWS calls valid is not documented.
fn is_path_and_query(uri: &[u8]) -> bool {
    uri.first() == Some(&b'/') && uri.iter().all(|&byte| byte > b' ' && byte != 0x7f)
}

#[derive(Clone, Debug)]
enum Rewrite {
    Ready {
        regex: Regex,
        /// `None` if it names a group that the expression does not have.
        replacement: Option<Replacement>,
    },
    /// The expression does not compile, so every request of the rule fails.
    Broken(TransformFailure),
}

impl Rewrite {
    fn compile(rewrite: &written::Rewrite, case: Case) -> Self {
        match compile(rewrite.regex(), case) {
            Ok(regex) => Self::Ready {
                replacement: Replacement::parse(rewrite.replace(), regex.captures_len() - 1),
                regex,
            },
            Err(refused) => Self::Broken(match refused.error {
                regex::Error::Syntax(_) => TransformFailure::RegexSyntaxError,
                regex::Error::CompiledTooBig(_) => TransformFailure::CompileTooBig,
                _ => TransformFailure::CompileError,
            }),
        }
    }

    /// Replaces the first match; `None` without one.
    fn apply(&self, subject: &[u8]) -> Result<Option<Vec<u8>>, TransformFailure> {
        let (regex, replacement) = match self {
            Self::Ready { regex, replacement } => (regex, replacement),
            Self::Broken(failure) => return Err(*failure),
        };
        let Some(captures) = regex.captures(subject) else {
            return Ok(None);
        };
        let Some(replacement) = replacement else {
            return Err(TransformFailure::ReplaceError);
        };
        replacement.expand(subject, &captures).map(Some)
    }
}

#[cfg(test)]
mod tests;
