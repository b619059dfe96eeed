//! Where logs are delivered. Source: ALB 1.4, 8.1.1.

use crate::bucket::is_bucket_name;
use crate::elb::attribute::{AttributeRefusal, boolean, refused};
use crate::limits::LOAD_BALANCER_ATTRIBUTE_VALUE_CHARS_MAX;

/// Where one kind of log is delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogDelivery {
    /// `.s3.enabled`.
    pub enabled: bool,
    /// `.s3.bucket`; needed when enabled.
    pub bucket: String,
    /// `.s3.prefix`; may be empty.
    pub prefix: String,
}

impl LogDelivery {
    /// Sets `{log}.s3.enabled`, `.bucket` or `.prefix`.
    pub(super) fn set(&mut self, key: &'static str, value: &str) -> Result<(), AttributeRefusal> {
        if key.ends_with(".enabled") {
            self.enabled = boolean(key, value)?;
        } else if key.ends_with(".bucket") {
            if !value.is_empty() && !is_bucket_name(value) {
                return Err(refused(key, value, BUCKET));
            }
            value.clone_into(&mut self.bucket);
        } else {
            if !value.is_empty() && !is_prefix(value) {
                return Err(refused(key, value, PREFIX));
            }
            value.clone_into(&mut self.prefix);
        }
        Ok(())
    }
}

const BUCKET: &str = "the name of an S3 bucket: 3 to 63 lower-case letters, digits, hyphens and dots, with a letter or a \
                      digit at both ends and no two dots in a row; no IP address, and nothing that S3 keeps for itself";

const PREFIX: &str = "a prefix of keys without `AWSLogs`: names with single slashes between them, none of them `.` or \
                      `..`, up to 1024 characters";

/// ALB forbids `AWSLogs` only. The rest is albacore's: keys become paths of files, and a prefix must not lead out of the
/// bucket's folder.
fn is_prefix(prefix: &str) -> bool {
    let name = |part: &str| !matches!(part, "" | "." | "..") && !part.chars().any(|it| it.is_control() || it == '\\');
    !prefix.contains("AWSLogs")
        && prefix.chars().count() <= LOAD_BALANCER_ATTRIBUTE_VALUE_CHARS_MAX
        && prefix.split('/').all(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &'static str, good: &[&str], bad: &[&str]) {
        for value in good {
            assert_eq!(LogDelivery::default().set(key, value), Ok(()), "{value}");
        }
        for value in bad {
            let mut delivery = LogDelivery::default();
            assert!(delivery.set(key, value).is_err(), "{value}");
            assert_eq!(delivery, LogDelivery::default(), "a refused value changes nothing");
        }
    }

    #[test]
    fn buckets() {
        let longest = "a".repeat(63);
        let longer = "a".repeat(64);
        check(
            "access_logs.s3.bucket",
            &["", "abc", "my-logs.example", "1-2", "1.2.3", &longest],
            &[
                "ab",
                "Logs",
                "my_logs",
                "-abc",
                "abc-",
                ".abc",
                "abc.",
                "a..b",
                "10.0.0.1",
                "a/b",
                "a b",
                "xn--abc",
                "sthree-abc",
                "amzn-s3-demo-logs",
                "abc-s3alias",
                "abc--ol-s3",
                "abc.mrap",
                "abc--x-s3",
                "é-logs",
                &longer,
            ],
        );
    }

    #[test]
    fn prefixes_stay_in_the_bucket() {
        let longest = "a".repeat(1024);
        let longer = "a".repeat(1025);
        check(
            "access_logs.s3.prefix",
            &["", "logs", "a/b c/d.e", "..a", &longest],
            &[
                "AWSLogs",
                "a/AWSLogs/b",
                "/a",
                "a/",
                "a//b",
                "..",
                "../a",
                "a/../b",
                "a/.",
                "a\\b",
                "a\nb",
                "\0",
                &longer,
            ],
        );
    }
}
