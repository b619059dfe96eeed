//! Where a function's log goes and what it looks like. Source: Lambda 1.3 `LoggingConfig`, 2.9 to 2.11.

use crate::limits::LOG_GROUP_NAME_CHARS;
use std::fmt;
use std::sync::Arc;

/// `LoggingConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logging {
    /// What the lines look like.
    pub format: LogFormat,
    /// Where they go; `None` is `/aws/lambda/{function}`.
    pub group: Option<LogGroupName>,
}

/// `LogFormat`, with the levels that exist for JSON only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines of text.
    #[default]
    Text,
    /// A JSON object on each line.
    Json {
        /// What the function writes below this level is dropped.
        application_level: ApplicationLogLevel,
        /// What the platform writes below this level is dropped.
        system_level: SystemLogLevel,
    },
}

/// `ApplicationLogLevel`, in ascending order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // AWS's words
pub enum ApplicationLogLevel {
    Trace,
    Debug,
    #[default]
    Info,
    Warn,
    Error,
    Fatal,
}

impl ApplicationLogLevel {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

/// `SystemLogLevel`, in ascending order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // AWS's words
pub enum SystemLogLevel {
    Debug,
    #[default]
    Info,
    Warn,
}

impl SystemLogLevel {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
        }
    }
}

/// A log group's name: 1 to 512 of letters, digits and `.-_/#`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogGroupName(Arc<str>);

/// Not a log group's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log group name {0:?} must be 1 to 512 letters, digits and the characters .-_/#")]
pub struct InvalidLogGroupName(String);

impl TryFrom<&str> for LogGroupName {
    type Error = InvalidLogGroupName;

    fn try_from(text: &str) -> Result<Self, InvalidLogGroupName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte);
        if LOG_GROUP_NAME_CHARS.contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidLogGroupName(text.to_owned()))
        }
    }
}

impl LogGroupName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogGroupName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_group_names() {
        for good in ["/aws/lambda/orders", "a", "a.b-c_d/e#f", &"x".repeat(512)] {
            assert!(LogGroupName::try_from(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "ä", "a:b", &"x".repeat(513)] {
            assert!(LogGroupName::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn levels_ascend() {
        assert!(ApplicationLogLevel::Trace < ApplicationLogLevel::Fatal);
        assert!(SystemLogLevel::Debug < SystemLogLevel::Info && SystemLogLevel::Info < SystemLogLevel::Warn);
    }
}
