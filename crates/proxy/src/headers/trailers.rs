//! Trailers on their way through. Whoever gets them may read them as headers, so that what only we may say, and what says where
//! a message begins and ends, is not let pass. Source: RFC 9110, 6.5.1.
//!
//! They go from HTTP/2 to HTTP/2, and from targets of HTTP/1 to clients of HTTP/2. To clients and targets of HTTP/1 go none: few
//! expect them, and none has asked for them, because `TE` ends here (ALB 4.6).

use super::ReservedNames;
use http::{HeaderMap, HeaderName, HeaderValue};
use http1::KnownName;

/// A client's trailers as a target gets them; `None` if nothing is left.
pub(crate) fn towards_target(trailers: &HeaderMap, reserved: &ReservedNames) -> Option<HeaderMap> {
    let mut passed = HeaderMap::with_capacity(trailers.keys_len());
    for (name, value) in trailers {
        let is_ours = match KnownName::of(name.as_str().as_bytes()) {
            KnownName::Host
            | KnownName::ContentLength
            | KnownName::XForwardedFor
            | KnownName::XForwardedProto
            | KnownName::XForwardedPort
            | KnownName::XAmznTraceId => true,
            known => known.is_hop_by_hop() || reserved.has(name.as_str().as_bytes()),
        };
        // Blanks around a value are no part of it. Source: RFC 9113, 8.2.1.
        if let (false, Ok(value)) = (is_ours, HeaderValue::from_bytes(value.as_bytes().trim_ascii())) {
            passed.append(name, value);
        }
    }
    (!passed.is_empty()).then_some(passed)
}

/// The trailer lines of a target's chunked body as a client of HTTP/2 gets them; `None` if nothing is left.
pub(crate) fn towards_client<'a>(lines: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<HeaderMap> {
    let mut passed = HeaderMap::new();
    for (name, value) in lines {
        let known = KnownName::of(name);
        if known.is_hop_by_hop() || matches!(known, KnownName::Host | KnownName::ContentLength) {
            continue;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            passed.append(name, value);
        }
    }
    (!passed.is_empty()).then_some(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_body_become_fields() {
        let lines = |lines: &'static [(&str, &str)]| {
            let bytes = lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            towards_client(bytes)
        };
        let none = lines(&[
            ("Content-Length", "1"),
            ("Transfer-Encoding", "chunked"),
            ("connection", "close"),
            ("Host", "a"),
            (":status", "200"),
            ("a b", "c"),
            ("", "c"),
            ("x-bell", "\x07"),
        ]);
        assert_eq!(none, None);
        let some = lines(&[("X-Checksum", "1"), ("x-checksum", ""), ("Host", "a")]).unwrap();
        assert_eq!(some.get_all("x-checksum").iter().collect::<Vec<_>>(), ["1", ""]);
        assert_eq!(some.len(), 2);
    }

    #[test]
    fn what_only_we_may_say_is_not_let_pass() {
        let reserved = ReservedNames::new(true, std::iter::empty());
        let mut trailers = HeaderMap::new();
        for name in [
            "host",
            "content-length",
            "transfer-encoding",
            "connection",
            "te",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-port",
            "x-amzn-trace-id",
            "x-amzn-mtls-clientcert-subject",
            "x_amzn_mtls_clientcert",
            "x-amzn-tls-version",
        ] {
            trailers.insert(name, HeaderValue::from_static("1"));
        }
        assert_eq!(towards_target(&trailers, &reserved), None);
        trailers.insert("x-checksum", HeaderValue::from_static(" a b\t"));
        trailers.append("x-checksum", HeaderValue::from_static("c"));
        let passed = towards_target(&trailers, &reserved).unwrap();
        assert_eq!(passed.len(), 2);
        assert_eq!(passed.get_all("x-checksum").iter().collect::<Vec<_>>(), ["a b", "c"]);
    }
}
