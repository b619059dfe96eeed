//! What the fields of a destination may say. Each check returns what is wrong, in words that follow the value.

/// Bytes of a prefix. A key has at most 1,024 in S3, and what we append needs up to 300.
const PREFIX_BYTES_MAX: usize = 700;

/// Bytes of one part of a prefix: what file systems allow a name.
const PART_BYTES_MAX: usize = 255;

pub(super) fn account_problem(account: &str) -> Option<&'static str> {
    let fits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (!fits).then_some("must be 12 digits")
}

pub(super) fn region_problem(region: &str) -> Option<&'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (1..=32).contains(&region.len()) && region.bytes().all(is_allowed);
    (!fits).then_some("must be 1 to 32 lower-case letters, digits and hyphens")
}

pub(super) fn load_balancer_problem(load_balancer: &str) -> Option<&'static str> {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let mut parts = load_balancer.split('/');
    let is_app = parts.next() == Some("app");
    let fits = is_app && load_balancer.len() <= 64 && parts.clone().count() == 2 && parts.all(is_part);
    (!fits).then_some("must be app/{name}/{id}")
}

/// Source: S3 "General purpose bucket naming rules".
pub(super) fn bucket_problem(bucket: &str) -> Option<&'static str> {
    let is_letter_or_digit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if bucket.is_empty() {
        return Some("is needed to deliver logs");
    }
    if !(3..=63).contains(&bucket.len()) {
        return Some("must have 3 to 63 characters");
    }
    if !bucket
        .bytes()
        .all(|byte| is_letter_or_digit(byte) || byte == b'.' || byte == b'-')
    {
        return Some("must be lower-case letters, digits, dots and hyphens");
    }
    let ends = [bucket.bytes().next(), bucket.bytes().last()];
    if !ends.into_iter().flatten().all(is_letter_or_digit) {
        return Some("must begin and end with a letter or a digit");
    }
    if bucket.contains("..") {
        return Some("must not have two dots in a row");
    }
    let is_address = bucket.split('.').count() == 4 && bucket.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_address.then_some("must not look like an IP address")
}

/// A prefix becomes folders, so what a folder cannot be called is refused, although S3 would take it.
pub(super) fn prefix_problem(prefix: &str) -> Option<&'static str> {
    if prefix.is_empty() {
        return None;
    }
    if prefix.contains("AWSLogs") {
        return Some("must not contain AWSLogs");
    }
    if prefix.len() > PREFIX_BYTES_MAX {
        return Some("must have at most 700 bytes");
    }
    if prefix.starts_with('/') || prefix.ends_with('/') {
        return Some("must not begin or end with a slash");
    }
    if prefix.chars().any(char::is_control) {
        return Some("must not contain control characters");
    }
    if prefix.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Some("must not have empty parts, nor parts that are . or ..");
    }
    let is_long = prefix.split('/').any(|part| part.len() > PART_BYTES_MAX);
    is_long.then_some("must not have parts of more than 255 bytes between slashes")
}

#[cfg(test)]
mod tests {
    use super::super::{Destination, DestinationFields, LogKind};

    const FIELDS: DestinationFields<'_> = DestinationFields {
        kind: LogKind::Access,
        account: "123456789012",
        region: "us-east-2",
        load_balancer: "app/my-loadbalancer/1234567890abcdef",
        bucket: "amzn-s3-demo-logging-bucket",
        prefix: "",
    };

    #[track_caller]
    fn check(
        field: &str,
        make: impl Fn(&'static str) -> DestinationFields<'static>,
        good: &[&'static str],
        bad: &[&'static str],
    ) {
        for value in good {
            assert!(Destination::new(&make(value)).is_ok(), "{value:?}");
        }
        for value in bad {
            let error = Destination::new(&make(value)).unwrap_err();
            assert_eq!((error.field.as_str(), error.value.as_str()), (field, *value), "{error}");
        }
    }

    #[test]
    fn buckets_are_named_as_in_s3() {
        let long = "a".repeat(63).leak();
        let too_long = "a".repeat(64).leak();
        check(
            "access_logs.s3.bucket",
            |bucket| DestinationFields { bucket, ..FIELDS },
            &["abc", "a.b-c", "0-0", "1.2.3", "1.2.3.x", long],
            &[
                "",
                "ab",
                too_long,
                "Abc",
                "a_b",
                "a/b",
                "..",
                "...",
                "a..b",
                ".ab",
                "ab.",
                "-ab",
                "ab-",
                "192.168.5.4",
                "a\0b",
                "\u{fc}ber",
                "a b",
            ],
        );
    }

    #[test]
    fn prefixes_stay_in_the_bucket() {
        let long_part = "a".repeat(256).leak();
        let long = "abc/".repeat(200).leak();
        check(
            "health_check_logs.s3.prefix",
            |prefix| DestinationFields {
                kind: LogKind::HealthCheck,
                prefix,
                ..FIELDS
            },
            &["", "a", "a/b/c", ".a", "..a", "a b", "\u{fc}ber"],
            &[
                "AWSLogs",
                "a/AWSLogs/b",
                "xAWSLogsx",
                "/",
                "/a",
                "a/",
                "a//b",
                ".",
                "..",
                "../a",
                "a/../b",
                "a/..",
                "a/./b",
                "a\0b",
                "a\nb",
                long_part,
                long,
            ],
        );
    }

    #[test]
    fn other_fields_cannot_lead_elsewhere_either() {
        check(
            "account",
            |account| DestinationFields { account, ..FIELDS },
            &["000000000000"],
            &["", "1234567890123", "12345678901/", "../../../.."],
        );
        check(
            "region",
            |region| DestinationFields { region, ..FIELDS },
            &["us-east-1"],
            &["", "..", "a/b", "US-EAST-1"],
        );
        check(
            "load balancer",
            |load_balancer| DestinationFields {
                load_balancer,
                ..FIELDS
            },
            &["app/a/b"],
            &["", "app/a", "app/a/b/c", "net/a/b", "app/../b", "app//b", "app/a/b.c"],
        );
        let error = Destination::new(&DestinationFields {
            prefix: "a/..",
            ..FIELDS
        })
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "access_logs.s3.prefix \"a/..\" must not have empty parts, nor parts that are . or .."
        );
    }
}
