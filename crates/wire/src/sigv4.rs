//! Signature Version 4: who signed a request, and whether they did.
//!
//! A request is read first ([`Signed::read`]), which says whose key it names, and for which region and service. Whoever knows
//! that key's secret then asks [`Signed::check`].

mod canonical;
mod chain;
mod read;

use crate::aws_chunked::Announced;
use aws_lc_rs::{constant_time, digest, hmac};
pub use chain::Chain;
use std::fmt::Write;

/// The only algorithm.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far the clocks of two machines may be apart, in seconds.
pub const SKEW_SECS: u64 = 15 * 60;
/// The longest that a presigned request may hold, in seconds: seven days.
pub const EXPIRES_SECS_MAX: u64 = 604_800;

/// A request as it was received.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `POST`.
    pub method: &'a str,
    /// As sent, still encoded, without the query.
    pub path: &'a str,
    /// As sent, without the question mark.
    pub query: &'a str,
    /// Names in lower case, and values as sent, in order.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The whole body.
    pub body: &'a [u8],
}

/// What a key may be used for: `KEY/20260131/us-east-1/elasticloadbalancing/aws4_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The id of the key.
    pub access_key: String,
    /// `YYYYMMDD`.
    pub date: String,
    /// The region.
    pub region: String,
    /// The service's signing name.
    pub service: String,
}

/// How a signature came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In the `Authorization` header.
    Header,
    /// In the query: whoever has the URL may send the request.
    Presigned,
}

/// A request that names a key. Nothing about it is checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Whose key, and for what.
    pub credential: Credential,
    /// How the signature came.
    pub form: Form,
    /// `X-Amz-Date`.
    date: String,
    /// The same in seconds since the Unix epoch.
    secs: u64,
    /// How long a presigned request holds.
    expires_secs: Option<u64>,
    /// Lower-case names in the order of the signature.
    signed_headers: Vec<String>,
    /// Lower-case hexadecimal digits.
    signature: String,
}

/// Why a request is not taken as signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no signature at all.
    #[error("Request is missing Authentication Token")]
    Missing,
    /// Parts of it are missing, or cannot be read.
    #[error("{0}")]
    Incomplete(String),
    /// The scope does not fit to the rest of the request.
    #[error("{0}")]
    Scope(String),
    /// Too old.
    #[error("Signature expired: {date} is now earlier than {earliest} ({now} - 15 min.)")]
    Expired {
        /// The date of the request.
        date: String,
        /// The earliest that is accepted.
        earliest: String,
        /// Our time.
        now: String,
    },
    /// From the future.
    #[error("Signature not yet current: {date} is still later than {latest} ({now} + 15 min.)")]
    NotYetCurrent {
        /// The date of the request.
        date: String,
        /// The latest that is accepted.
        latest: String,
        /// Our time.
        now: String,
    },
    /// A presigned request whose time is over.
    #[error("Request has expired")]
    PresignedExpired,
    /// A header that says something and is not covered by the signature.
    #[error("The header {0:?} must be signed")]
    Unsigned(String),
    /// The signature is another one.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
         and signing method. Consult the service documentation for details."
    )]
    Mismatch,
}

impl Refused {
    /// The HTTP status and AWS's code. Source: ALB 9.1.
    pub fn code(&self) -> (u16, &'static str) {
        match self {
            Self::Missing => (403, "MissingAuthenticationToken"),
            Self::Incomplete(_) => (400, "IncompleteSignature"),
            Self::PresignedExpired => (400, "RequestExpired"),
            Self::Scope(_) | Self::Expired { .. } | Self::NotYetCurrent { .. } | Self::Unsigned(_) | Self::Mismatch => {
                (403, "SignatureDoesNotMatch")
            }
        }
    }
}

impl Signed {
    /// Who signed a request, as the request says.
    ///
    /// # Errors
    /// There is no signature, or it cannot be read.
    pub fn read(request: &Request<'_>) -> Result<Self, Refused> {
        read::read(request)
    }

    /// Whether the holder of `secret` signed just this request, and not long ago.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn check(&self, request: &Request<'_>, secret: &str, now_secs: u64) -> Result<(), Refused> {
        let key = self.key(secret);
        self.check_with(request, &key, now_secs, &sha256_hex(request.body))
    }

    /// The same where the body comes in chunks, of which this signature says only how they come. Those that are signed have
    /// to fit to the chain.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn check_head(
        &self,
        request: &Request<'_>,
        secret: &str,
        now_secs: u64,
        announced: &Announced,
    ) -> Result<Chain, Refused> {
        if self.form == Form::Presigned {
            let message = "A presigned request cannot have a body in chunks of its own.";
            return Err(Refused::Incomplete(message.to_owned()));
        }
        let key = self.key(secret);
        self.check_with(request, &key, now_secs, announced.content_sha256())?;
        Ok(Chain::new(&key, &self.date, &self.scope(), self.signature.clone()))
    }

    fn check_with(&self, request: &Request<'_>, key: &[u8], now_secs: u64, payload: &str) -> Result<(), Refused> {
        self.check_time(now_secs)?;
        self.check_headers(request)?;
        let canonical = canonical::request(self, request, payload)?;
        let expected = self.sign(&canonical, key);
        // Both have a fixed length; how many digits agree is not told by the time it takes.
        match constant_time::verify_slices_are_equal(expected.as_bytes(), self.signature.as_bytes()) {
            Ok(()) => Ok(()),
            Err(_) => Err(Refused::Mismatch),
        }
    }

    fn check_time(&self, now: u64) -> Result<(), Refused> {
        let date = || self.date.clone();
        if self.secs > now + SKEW_SECS {
            return Err(Refused::NotYetCurrent {
                date: date(),
                latest: crate::time::basic(now + SKEW_SECS),
                now: crate::time::basic(now),
            });
        }
        match self.expires_secs {
            Some(expires) if self.secs + expires < now => Err(Refused::PresignedExpired),
            None if self.secs + SKEW_SECS < now => Err(Refused::Expired {
                date: date(),
                earliest: crate::time::basic(now.saturating_sub(SKEW_SECS)),
                now: crate::time::basic(now),
            }),
            _ => Ok(()),
        }
    }

    /// What a stranger on the way could add must be covered: the host, and everything that AWS gives a meaning.
    fn check_headers(&self, request: &Request<'_>) -> Result<(), Refused> {
        let is_signed = |name: &str| self.signed_headers.iter().any(|signed| signed == name);
        if !is_signed("host") {
            return Err(Refused::Unsigned("host".to_owned()));
        }
        let of_amazon = request.headers.iter().map(|(name, _)| *name);
        match of_amazon
            .filter(|name| name.starts_with("x-amz-"))
            .find(|name| !is_signed(name))
        {
            Some(name) => Err(Refused::Unsigned(name.to_owned())),
            None => Ok(()),
        }
    }

    fn sign(&self, canonical: &str, key: &[u8]) -> String {
        let hash = sha256_hex(canonical.as_bytes());
        let text = format!("{ALGORITHM}\n{}\n{}\n{hash}", self.date, self.scope());
        hex(&keyed(key, &text))
    }

    fn scope(&self) -> String {
        let Credential {
            date, region, service, ..
        } = &self.credential;
        format!("{date}/{region}/{service}/aws4_request")
    }

    fn key(&self, secret: &str) -> Vec<u8> {
        let Credential {
            date, region, service, ..
        } = &self.credential;
        let secret = format!("AWS4{secret}");
        [date, region, service, "aws4_request"]
            .iter()
            .fold(secret.into_bytes(), |key, part| keyed(&key, part))
    }
}

/// HMAC-SHA256.
pub fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

/// SHA-256 as lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // writing to a string cannot fail
        hex
    })
}

#[cfg(test)]
mod tests;
