//! Durations and sizes: a number with its unit, never a bare number.

use crate::mistake::Report;
use crate::reader::{text, wrong};
use crate::yaml::Node;
use std::time::Duration;

const DURATION: &str = "a duration such as `10s`, `1m30s`, `500ms` or `1h`";
const SIZE: &str = "a size such as `256MB` or `1GB`";

/// `10s`, `1m30s`, `500ms`, `1h`: whole numbers with units, each unit once, the larger first.
pub(crate) fn duration(report: &mut Report, node: &Node) -> Option<Duration> {
    let written = unit_text(report, node, DURATION)?;
    parse_duration(written).or_else(|| wrong(report, node, DURATION))
}

/// `256MB`, `1GB`: in MB, as Lambda counts memory; a GB is 1024 MB.
pub(crate) fn megabytes(report: &mut Report, node: &Node) -> Option<u64> {
    let written = unit_text(report, node, SIZE)?;
    parse_megabytes(written).or_else(|| wrong(report, node, SIZE))
}

/// What is no text gets the same answer as a text without a unit: quotes would not mend it.
fn unit_text<'a>(report: &mut Report, node: &'a Node, expected: &str) -> Option<&'a str> {
    if !node.is_text() {
        return wrong(report, node, expected);
    }
    text(report, node, expected)
}

fn parse_duration(written: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let mut rest = written;
    let mut milliseconds = 0_u64;
    let mut next_unit = 0;
    while !rest.is_empty() || next_unit == 0 {
        let (number, after) = leading_number(rest)?;
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let unit = UNITS.iter().position(|(name, _)| *name == &after[..letters])?;
        if unit < next_unit {
            return None;
        }
        milliseconds = milliseconds.checked_add(number.checked_mul(UNITS[unit].1)?)?;
        next_unit = unit + 1;
        rest = &after[letters..];
    }
    Some(Duration::from_millis(milliseconds))
}

fn parse_megabytes(written: &str) -> Option<u64> {
    let (number, unit) = leading_number(written)?;
    match unit {
        "MB" => Some(number),
        "GB" => number.checked_mul(1024),
        _ => None,
    }
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let good = [
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("1h", 3_600_000),
            ("1h1m1s1ms", 3_661_001),
            ("90s", 90_000),
            ("0s", 0),
        ];
        for (text, milliseconds) in good {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        let bad = [
            "",
            "10",
            "s",
            "10 s",
            "1s1m",
            "1s1s",
            "-1s",
            "1.5s",
            "1d",
            "1S",
            "99999999999999999999s",
            "9999999999999999999h",
        ];
        for text in bad {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, megabytes) in [("128MB", 128), ("1GB", 1024), ("10GB", 10_240)] {
            assert_eq!(parse_megabytes(text), Some(megabytes), "{text}");
        }
        for text in [
            "",
            "128",
            "128M",
            "128mb",
            "1 GB",
            "1.5GB",
            "MB",
            "99999999999999999999MB",
            "99999999999999999GB",
        ] {
            assert_eq!(parse_megabytes(text), None, "{text}");
        }
    }
}
