//! Identifiers that resources are built from.

use std::fmt;
use std::sync::Arc;

/// A 12-digit AWS account id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(Arc<str>);

/// The text is not 12 decimal digits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("account id {0:?} is not 12 decimal digits")]
pub struct InvalidAccountId(String);

impl TryFrom<&str> for AccountId {
    type Error = InvalidAccountId;

    fn try_from(text: &str) -> Result<Self, InvalidAccountId> {
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidAccountId(text.to_owned()))
        }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// An AWS region name such as `us-east-1`: lower-case letters, digits and hyphens, 1 to 32 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(Arc<str>);

/// The text is not a region name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("region {0:?} is not lower-case letters, digits and hyphens")]
pub struct InvalidRegion(String);

impl TryFrom<&str> for Region {
    type Error = InvalidRegion;

    fn try_from(text: &str) -> Result<Self, InvalidRegion> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-') && !text.ends_with('-')
        {
            Ok(Self(text.into()))
        } else {
            Err(InvalidRegion(text.to_owned()))
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The 16 hexadecimal digits at the end of an ELBv2 ARN. Source: ALB 1.1.
///
/// Fresh ones come from outside, and those of a manifest from a hash of what they name, so that ARNs survive restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(pub u64);

impl fmt::Display for ResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// Where a resource lives: the parts every ARN shares.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The region in the ARN.
    pub region: Region,
    /// The account in the ARN.
    pub account: AccountId,
}

impl Scope {
    /// The partition of the region: `aws`, `aws-cn` or `aws-us-gov`.
    pub fn partition(&self) -> &'static str {
        if self.region.0.starts_with("cn-") {
            "aws-cn"
        } else if self.region.0.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        }
    }
}

/// Who may change a resource: whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The manifest; other ways in must refuse to change it.
    Manifest,
    /// The AWS API.
    Api,
}

/// A moment, in milliseconds since the Unix epoch. The domain never reads a clock; callers pass this in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_ids_are_twelve_digits() {
        assert!(AccountId::try_from("000000000000").is_ok());
        for bad in ["", "00000000000", "0000000000000", "00000000000a"] {
            assert!(AccountId::try_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn regions_are_lower_case_words() {
        assert!(Region::try_from("eu-central-1").is_ok());
        for bad in ["", "EU", "-eu", "eu-", "eu/west"] {
            assert!(Region::try_from(bad).is_err(), "{bad:?}");
        }
    }
}
