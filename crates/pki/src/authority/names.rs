//! The names a certificate is asked for: checked, lower-cased, without repetition.

use std::net::IpAddr;

use super::IssueError;

/// The most names in one certificate. Source: ACM quota, domain names per certificate (at most 100).
pub const NAMES_MAX: usize = 100;

/// Not empty, in the order given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) dns: Vec<String>,
    pub(super) ip: Vec<IpAddr>,
}

impl Names {
    pub(super) fn parse(names: &[&str]) -> Result<Self, IssueError> {
        if names.is_empty() {
            return Err(IssueError::NoNames);
        }
        if names.len() > NAMES_MAX {
            return Err(IssueError::TooManyNames {
                count: names.len(),
                names_max: NAMES_MAX,
            });
        }
        let (mut dns, mut ip) = (Vec::new(), Vec::new());
        for name in names {
            if let Ok(address) = name.parse() {
                push_new(&mut ip, address);
            } else {
                check_dns_name(name).map_err(|reason| {
                    let name = name.chars().take(DNS_NAME_CHARS_MAX).collect();
                    IssueError::InvalidName { name, reason }
                })?;
                push_new(&mut dns, name.to_ascii_lowercase());
            }
        }
        Ok(Self { dns, ip })
    }

    /// The same set of names in any order has the same key. 32 hexadecimal digits.
    pub(super) fn cache_key(&self) -> String {
        let mut all: Vec<String> = self
            .dns
            .iter()
            .cloned()
            .chain(self.ip.iter().map(IpAddr::to_string))
            .collect();
        all.sort_unstable();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, all.join("\n").as_bytes());
        digest
            .as_ref()
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Are these exactly the names of a certificate, in any order?
    pub(super) fn are(&self, dns: &[String], ip: &[IpAddr]) -> bool {
        let same_dns = self.dns.len() == dns.len() && self.dns.iter().all(|name| dns.contains(name));
        same_dns && self.ip.len() == ip.len() && self.ip.iter().all(|address| ip.contains(address))
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

// Source: RFC 1035 section 2.3.4; 255 octets on the wire are 253 characters.
const DNS_NAME_CHARS_MAX: usize = 253;
const LABEL_CHARS_MAX: usize = 63;

fn check_dns_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if !name.is_ascii() {
        return Err("write international names in their `xn--` form");
    }
    if name.len() > DNS_NAME_CHARS_MAX {
        return Err("it is longer than 253 characters");
    }
    let labels = name.strip_prefix("*.").unwrap_or(name);
    for label in labels.split('.') {
        check_label(label)?;
    }
    if labels
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return Err("it ends in a number but is no IP address");
    }
    Ok(())
}

fn check_label(label: &str) -> Result<(), &'static str> {
    if label.is_empty() {
        return Err("it has an empty label");
    }
    if label.len() > LABEL_CHARS_MAX {
        return Err("it has a label longer than 63 characters");
    }
    if label.contains('*') {
        return Err("a wildcard is the whole leftmost label, as in `*.shop.localhost`");
    }
    // The underscore is no host name character, but people have such names and clients accept them.
    if !label
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    {
        return Err("only letters, digits, hyphens and underscores are allowed");
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err("a label begins or ends with a hyphen");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_cased_and_told_apart_from_addresses() {
        let names = Names::parse(&[
            "Shop.LOCALHOST",
            "*.shop.localhost",
            "::1",
            "127.0.0.1",
            "shop.localhost",
        ])
        .unwrap();
        assert_eq!(names.dns, ["shop.localhost", "*.shop.localhost"]);
        assert_eq!(
            names.ip,
            ["::1".parse::<IpAddr>().unwrap(), "127.0.0.1".parse().unwrap()]
        );
    }

    #[test]
    fn order_does_not_change_the_cache_key() {
        let key = |names: &[&str]| Names::parse(names).unwrap().cache_key();
        assert_eq!(
            key(&["a.localhost", "b.localhost", "::1"]),
            key(&["::1", "B.localhost", "a.localhost"])
        );
        assert_ne!(key(&["a.localhost"]), key(&["b.localhost"]));
        assert_ne!(key(&["a.localhost"]), key(&["*.localhost"]));
        assert_eq!(key(&["localhost"]).len(), 32);
    }

    #[test]
    fn names_no_certificate_can_be_for_are_refused() {
        let long_label = "a".repeat(64);
        let long_name = ["a".repeat(63).as_str(); 4].join(".");
        let cases = [
            ("", "empty"),
            (".", "empty label"),
            ("a..b", "empty label"),
            ("a.localhost.", "empty label"),
            ("*", "wildcard"),
            ("a.*.localhost", "wildcard"),
            ("f*.localhost", "wildcard"),
            ("*.*.localhost", "wildcard"),
            ("-a.localhost", "hyphen"),
            ("a b.localhost", "letters"),
            ("a\n.localhost", "letters"),
            ("[::1]", "letters"),
            ("127.0.0.256", "no IP address"),
            ("*.1", "no IP address"),
            ("b\u{fc}cher.localhost", "xn--"),
            (long_label.as_str(), "63"),
            (long_name.as_str(), "253"),
        ];
        for (name, part_of_reason) in cases {
            match Names::parse(&[name]) {
                Err(IssueError::InvalidName { reason, .. }) => {
                    assert!(reason.contains(part_of_reason), "{name:?}: {reason}");
                }
                other => panic!("{name:?} must be refused, not {other:?}"),
            }
        }
        assert!(matches!(Names::parse(&[]), Err(IssueError::NoNames)));
        assert!(matches!(
            Names::parse(&["a"; 101]),
            Err(IssueError::TooManyNames { count: 101, .. })
        ));
        assert!(Names::parse(&["a"; 100]).is_ok());
    }
}
