//! Buckets of S3, which others name: there is no S3 here, and a bucket is a folder.

use crate::limits::BUCKET_NAME_CHARS;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// `arn:{partition}:s3:::{name}`. The name keeps S3's rules, so that it is a name of one folder and leads nowhere else.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BucketArn(Arc<str>);

/// Not the ARN of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not the ARN of a bucket, `arn:aws:s3:::` and a name of 3 to 63 lower-case letters, digits, hyphens and dots as S3 \
     takes it"
)]
pub struct InvalidBucketArn(String);

impl BucketArn {
    /// The whole ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `aws`, `aws-cn` and so on.
    pub fn partition(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or_default()
    }

    /// The bucket.
    pub fn name(&self) -> &str {
        self.0.rsplit(':').next().unwrap_or_default()
    }
}

impl TryFrom<&str> for BucketArn {
    type Error = InvalidBucketArn;

    fn try_from(text: &str) -> Result<Self, InvalidBucketArn> {
        let is_partition = |it: &str| {
            let rest = it.strip_prefix("aws");
            rest.is_some_and(|rest| rest.len() <= 20 && rest.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-'))
        };
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        match parts[..] {
            ["arn", partition, "s3", "", "", name] if is_partition(partition) && is_bucket_name(name) => {
                Ok(Self(text.into()))
            }
            _ => Err(InvalidBucketArn(text.chars().take(200).collect())),
        }
    }
}

impl fmt::Display for BucketArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for BucketArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// S3's rules for the names of general purpose buckets.
pub(crate) fn is_bucket_name(name: &str) -> bool {
    const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
    const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    let end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    BUCKET_NAME_CHARS.contains(&name.len())
        && name.bytes().all(allowed)
        && end(name.as_bytes().first())
        && end(name.as_bytes().last())
        && !name.contains("..")
        && name.parse::<Ipv4Addr>().is_err()
        && !RESERVED_PREFIXES.iter().any(|it| name.starts_with(it))
        && !RESERVED_SUFFIXES.iter().any(|it| name.ends_with(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_has_a_name_and_a_partition() {
        for (text, partition, name) in [
            ("arn:aws:s3:::dead-letters", "aws", "dead-letters"),
            ("arn:aws-cn:s3:::a.b.c", "aws-cn", "a.b.c"),
        ] {
            let bucket = BucketArn::try_from(text).unwrap();
            assert_eq!((bucket.partition(), bucket.name()), (partition, name));
            assert_eq!((bucket.as_str(), bucket.to_string().as_str()), (text, text));
        }
    }

    #[test]
    fn no_name_leads_elsewhere() {
        for text in [
            "",
            "dead",
            "arn:aws:s3:::",
            "arn:aws:s3:::..",
            "arn:aws:s3:::.",
            "arn:aws:s3:::../etc",
            "arn:aws:s3:::dead/letters",
            "arn:aws:s3:::dead/*",
            "arn:aws:s3:::dead:letters",
            "arn:aws:s3:::/etc",
            "arn:aws:s3:::de\0ad",
            "arn:aws:s3:::Dead",
            "arn:aws:s3:::10.0.0.1",
            "arn:aws:s3:us-east-1::dead",
            "arn:aws:s3::000000000000:dead",
            "arn:a:s3:::dead",
            "arn:aws:sqs:::dead",
            "arn:aws:s3::dead",
        ] {
            assert!(BucketArn::try_from(text).is_err(), "{text:?}");
        }
    }
}
