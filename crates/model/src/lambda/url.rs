//! Function URLs. Source: Lambda 7.1, 7.5.

use crate::arn::FunctionArn;
use crate::ids::{Owner, Timestamp};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// A function's own address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionUrl {
    /// The first label of its host name.
    pub id: UrlId,
    /// The function that is called.
    pub function: FunctionArn,
    /// Who may call it.
    pub auth: UrlAuth,
    /// What becomes of the function's answer.
    pub invoke_mode: InvokeMode,
    /// Which web pages of other origins may call it. `None`: the function answers for itself.
    pub cors: Option<Cors>,
    /// When it was made and changed. `None`: by the manifest, which keeps no times.
    pub times: Option<UrlTimes>,
    /// Who may change it.
    pub owner: Owner,
}

/// When a URL was made, and changed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlTimes {
    /// `CreationTime`.
    pub created: Timestamp,
    /// `LastModifiedTime`.
    pub modified: Timestamp,
}

/// `AuthType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UrlAuth {
    /// Everybody who reaches it.
    None,
    /// Callers whose signature is right and whom a policy allows.
    AwsIam,
}

/// `InvokeMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InvokeMode {
    /// The whole answer is read, then inferred from.
    #[default]
    Buffered,
    /// The answer is passed on as it is written.
    ResponseStream,
}

/// The 32 lower-case letters and digits that tell one URL from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UrlId(Arc<str>);

/// Not the id of a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("URL id {0:?} is not 32 lower-case letters and digits")]
pub struct InvalidUrlId(String);

impl TryFrom<&str> for UrlId {
    type Error = InvalidUrlId;

    fn try_from(text: &str) -> Result<Self, InvalidUrlId> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if text.len() == 32 && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidUrlId(text.to_owned()))
        }
    }
}

impl UrlId {
    /// From 20 bytes, which are random or a hash: each 5 bits become one of `a` to `z` and `2` to `7`.
    pub fn new(bytes: [u8; 20]) -> Self {
        const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let digit = |at: usize| {
            let (byte, bit) = (at * 5 / 8, at * 5 % 8);
            let two = u16::from_be_bytes([bytes[byte], bytes.get(byte + 1).copied().unwrap_or(0)]);
            char::from(DIGITS[usize::from(two >> (11 - bit) & 31)])
        };
        Self((0..32).map(digit).collect::<String>().into())
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UrlId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Which web pages of other origins may call a URL, and what of the answer they see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// May they send cookies and credentials?
    pub allow_credentials: bool,
    /// Headers they may send. `*` is any.
    pub allow_headers: Vec<String>,
    /// Methods they may use. `*` is any.
    pub allow_methods: Vec<String>,
    /// Where they may come from, for example `https://www.example.com`. `*` is anywhere.
    pub allow_origins: Vec<String>,
    /// Headers of the answer that they see.
    pub expose_headers: Vec<String>,
    /// How many seconds a browser may keep what a preflight told it. 0 to 86,400.
    pub max_age: u32,
}

/// Why CORS settings are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CorsRefusal {
    /// Too many entries.
    #[error("{name} has {count} entries; the limit is {max}")]
    TooMany {
        /// The setting.
        name: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// An entry that is too long, empty, or cannot stand in a header.
    #[error("{name}: {entry:?} is not {} to {} visible ASCII characters", .chars.start(), .chars.end())]
    Entry {
        /// The setting.
        name: &'static str,
        /// The entry.
        entry: String,
        /// How long it may be.
        chars: RangeInclusive<usize>,
    },
    /// Not one of the methods there are.
    #[error(
        "allow_methods: {0:?} is not one of GET, PUT, HEAD, POST, PATCH, DELETE and *; OPTIONS needs no permission"
    )]
    Method(String),
    /// Browsers would keep it for too long.
    #[error("max_age of {0} seconds is not between 0 and 86400")]
    MaxAge(u32),
}

impl Cors {
    /// Checks every limit. Source: Lambda 7.5.
    pub fn check(&self) -> Result<(), CorsRefusal> {
        let lists = [
            ("allow_origins", &self.allow_origins, 100, 1..=253),
            ("allow_headers", &self.allow_headers, 100, 1..=1024),
            ("expose_headers", &self.expose_headers, 100, 1..=1024),
            ("allow_methods", &self.allow_methods, 6, 1..=6),
        ];
        for (name, entries, max, chars) in lists {
            if entries.len() > max {
                let count = entries.len();
                return Err(CorsRefusal::TooMany { name, count, max });
            }
            let fits = |entry: &&String| chars.contains(&entry.len()) && entry.bytes().all(|it| it.is_ascii_graphic());
            if let Some(entry) = entries.iter().find(|entry| !fits(entry)) {
                let entry = entry.clone();
                return Err(CorsRefusal::Entry { name, entry, chars });
            }
        }
        const METHODS: [&str; 7] = ["GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "*"];
        if let Some(method) = self.allow_methods.iter().find(|it| !METHODS.contains(&it.as_str())) {
            return Err(CorsRefusal::Method(method.clone()));
        }
        match self.max_age {
            0..=86_400 => Ok(()),
            more => Err(CorsRefusal::MaxAge(more)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_take_all_bits() {
        assert_eq!(UrlId::new([0; 20]).as_str(), "a".repeat(32));
        assert_eq!(UrlId::new([0xff; 20]).as_str(), "7".repeat(32));
        let bytes = |at: usize, bit: u8| std::array::from_fn(|it| if it == at { bit } else { 0 });
        let all: std::collections::BTreeSet<_> = (0..20)
            .flat_map(|at| (0..8).map(move |bit| UrlId::new(bytes(at, 1 << bit))))
            .collect();
        assert_eq!(all.len(), 160);
        assert!(all.iter().all(|id| UrlId::try_from(id.as_str()).as_ref() == Ok(id)));
        for bad in ["", "a", &"A".repeat(32), &"a".repeat(33), &"-".repeat(32)] {
            assert!(UrlId::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_of_cors() {
        let list = |entry: &str, count| vec![entry.to_owned(); count];
        let origins = |allow_origins| Cors {
            allow_origins,
            ..Cors::default()
        };
        assert_eq!(origins(list(&"x".repeat(253), 100)).check(), Ok(()));
        for bad in [
            list("x", 101),
            list("", 1),
            list(&"x".repeat(254), 1),
            list("a b", 1),
            list("ä", 1),
        ] {
            assert!(origins(bad.clone()).check().is_err(), "{bad:?}");
        }
        let methods = |allow_methods| Cors {
            allow_methods,
            ..Cors::default()
        };
        assert_eq!(methods(vec!["*".into(), "GET".into(), "DELETE".into()]).check(), Ok(()));
        for bad in ["OPTIONS", "get", "FETCH"] {
            assert!(methods(list(bad, 1)).check().is_err(), "{bad}");
        }
        let age = |max_age| Cors {
            max_age,
            ..Cors::default()
        };
        assert_eq!(age(86_400).check(), Ok(()));
        assert_eq!(age(86_401).check(), Err(CorsRefusal::MaxAge(86_401)));
    }
}
