//! Which answers to a health check pass. Source: ALB 1.5.

use super::HealthCheckRefusal;
use crate::limits::{GRPC_MATCHER_CODES, MATCHER_CODES};
use std::fmt;
use std::ops::RangeInclusive;

/// What an answer must be to pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// `HttpCode`.
    Http(HttpMatcher),
    /// `GrpcCode`: gRPC groups.
    Grpc(GrpcMatcher),
}

/// Which statuses pass: single ones, lists and ranges, each from 200 to 499, as `200,204-206`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpMatcher {
    text: String,
    ranges: Vec<RangeInclusive<u16>>,
}

/// Which gRPC statuses pass, each from 0 to 99, written as HTTP ones are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcMatcher {
    text: String,
    ranges: Vec<RangeInclusive<u16>>,
}

impl Default for HttpMatcher {
    /// `200`.
    fn default() -> Self {
        Self {
            text: "200".to_owned(),
            ranges: vec![200..=200],
        }
    }
}

impl Default for GrpcMatcher {
    /// `12`, unimplemented: what a server answers that does not know the method of the check.
    fn default() -> Self {
        Self {
            text: "12".to_owned(),
            ranges: vec![12..=12],
        }
    }
}

macro_rules! text_and_ranges {
    ($($name:ident),*) => {$(
        impl $name {
            /// Whether a status passes.
            pub fn matches(&self, status: u16) -> bool {
                self.ranges.iter().any(|range| range.contains(&status))
            }

            /// As written.
            pub fn as_str(&self) -> &str {
                &self.text
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.text)
            }
        }
    )*};
}
text_and_ranges!(HttpMatcher, GrpcMatcher);

impl TryFrom<&str> for HttpMatcher {
    type Error = HealthCheckRefusal;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let three_digits = |code: &str| code.len() == 3;
        match ranges(text, &MATCHER_CODES, three_digits) {
            Some(ranges) => Ok(Self {
                text: text.to_owned(),
                ranges,
            }),
            None => Err(HealthCheckRefusal::Matcher(text.chars().take(100).collect())),
        }
    }
}

impl TryFrom<&str> for GrpcMatcher {
    type Error = HealthCheckRefusal;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let no_leading_zero = |code: &str| code == "0" || !code.starts_with('0');
        match ranges(text, &GRPC_MATCHER_CODES, no_leading_zero) {
            Some(ranges) => Ok(Self {
                text: text.to_owned(),
                ranges,
            }),
            None => Err(HealthCheckRefusal::GrpcMatcher(text.chars().take(100).collect())),
        }
    }
}

/// `200,204-206` with codes of `allowed`, each written as `form` wants it.
fn ranges(text: &str, allowed: &RangeInclusive<u16>, form: fn(&str) -> bool) -> Option<Vec<RangeInclusive<u16>>> {
    // More items than codes say nothing new, so the work is bounded.
    let items_max = usize::from(allowed.end() - allowed.start()) + 1;
    let code = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|code| digits && form(text) && allowed.contains(code))
    };
    let range = |item: &str| {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let range = code(first)?..=code(last)?;
        (!range.is_empty()).then_some(range)
    };
    let ranges: Vec<_> = text.split(',').take(items_max + 1).map(range).collect::<Option<_>>()?;
    (ranges.len() <= items_max).then_some(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers() {
        let matcher = HttpMatcher::try_from("200,204-206,499").unwrap();
        let passing: Vec<_> = (0..=u16::MAX).filter(|status| matcher.matches(*status)).collect();
        assert_eq!(passing, [200, 204, 205, 206, 499]);
        assert_eq!(matcher.to_string(), "200,204-206,499");
        let many = vec!["200"; 301].join(",");
        for bad in [
            "",
            "199",
            "500",
            "200-500",
            "299-200",
            "200,",
            ",200",
            "200 ,201",
            "2xx",
            "0200",
            "+200",
            "200-",
            "200-201-202",
            many.as_str(),
        ] {
            let refused = HttpMatcher::try_from(bad).unwrap_err();
            assert!(matches!(refused, HealthCheckRefusal::Matcher(_)), "{bad}: {refused}");
        }
        assert_eq!(
            HttpMatcher::try_from("600").unwrap_err().to_string(),
            "matcher \"600\" must be statuses from 200 to 499, such as \"200\", \"200,302\" or \"200-299\""
        );
    }

    #[test]
    fn grpc_matchers() {
        let matcher = GrpcMatcher::try_from("0,12,20-22,99").unwrap();
        let passing: Vec<_> = (0..=u16::MAX).filter(|status| matcher.matches(*status)).collect();
        assert_eq!(passing, [0, 12, 20, 21, 22, 99]);
        assert_eq!(matcher.to_string(), "0,12,20-22,99");
        let many = vec!["0"; 101].join(",");
        for bad in [
            "", "100", "0-100", "12-0", "0,", ",0", "0 ,1", "-1", "+1", "012", "00", "1-", "1-2-3", "OK", &many,
        ] {
            let refused = GrpcMatcher::try_from(bad).unwrap_err();
            assert!(
                matches!(refused, HealthCheckRefusal::GrpcMatcher(_)),
                "{bad}: {refused}"
            );
        }
        assert_eq!(
            GrpcMatcher::try_from("100").unwrap_err().to_string(),
            "matcher \"100\" must be gRPC statuses from 0 to 99, such as \"12\", \"0,12\" or \"0-99\""
        );
    }
}
