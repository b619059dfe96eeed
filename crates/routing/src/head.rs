//! What rules may know about a request, and the readings of its parts that several rooms share.

use std::net::IpAddr;

/// A request as rules see it: raw bytes, borrowed, nothing decoded.
///
/// The implementor decides what an absolute-form target means: its authority wins over `Host` (RFC 9112, 3.2.2), and
/// [`path`](Self::path) and [`query`](Self::query) are parts of its path.
pub trait RequestHead {
    /// The method, as sent.
    fn method(&self) -> &[u8];
    /// The path as sent, without the query.
    fn path(&self) -> &[u8];
    /// The query as sent, without the `?`; `None` without a `?`.
    fn query(&self) -> Option<&[u8]>;
    /// The first `Host` value (HTTP/2: `:authority`) as sent, maybe with a port.
    fn host(&self) -> Option<&[u8]>;
    /// The values of every field with this name, in order, without white space around them. `lower_name` is in lower
    /// case and the comparison ignores the case of the field's name.
    fn header_values<'a>(&'a self, lower_name: &'a str) -> impl Iterator<Item = &'a [u8]>;
    /// The address of the TCP peer; never taken from a header.
    fn source_ip(&self) -> IpAddr;
    /// Whether it is known that neither host nor path holds a control byte, as a parser knows that has looked at every byte.
    fn is_free_of_controls(&self) -> bool {
        false
    }
}

/// The host part of a `Host` value; the brackets of an IPv6 literal stay.
///
/// ALB 2.3 ("port stripped") and 2.5.2 (`#{host}` is "without port"); the first is unverified.
pub fn host_without_port(host: &[u8]) -> &[u8] {
    if host.first() == Some(&b'[') {
        return match memchr::memchr(b']', host) {
            Some(end) => &host[..=end],
            None => host,
        };
    }
    // Nearly every host ends with a letter, and then there is no port to look for.
    if !host.last().is_some_and(|last| last.is_ascii_digit() || *last == b':') {
        return host;
    }
    match memchr::memrchr(b':', host) {
        Some(colon) if host[colon + 1..].iter().all(u8::is_ascii_digit) => &host[..colon],
        _ => host,
    }
}

/// The parameters of a raw query, as key and value, neither decoded.
///
/// A bare parameter has the empty value, and an empty piece (`a=1&&b=2`) is no parameter. ALB 2.3, unverified.
pub fn parameters(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query
        .split(|&byte| byte == b'&')
        .filter(|piece| !piece.is_empty())
        .map(|piece| match memchr::memchr(b'=', piece) {
            Some(at) => (&piece[..at], &piece[at + 1..]),
            None => (piece, &[][..]),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_stripped() {
        for (sent, host) in [
            ("example.com", "example.com"),
            ("example.com:8080", "example.com"),
            ("example.com:", "example.com"),
            ("example.com:x", "example.com:x"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("[2001:db8::1]:80", "[2001:db8::1]"),
            ("[2001:db8::1", "[2001:db8::1"),
            (":80", ""),
            ("", ""),
        ] {
            assert_eq!(host_without_port(sent.as_bytes()), host.as_bytes(), "{sent}");
        }
    }

    #[test]
    fn queries_fall_into_parameters() {
        let read = |query: &'static str| parameters(query.as_bytes()).collect::<Vec<_>>();
        let pair = |key: &'static str, value: &'static str| (key.as_bytes(), value.as_bytes());
        assert_eq!(
            read("a=1&flag&&b=x=y&=v&c="),
            [
                pair("a", "1"),
                pair("flag", ""),
                pair("b", "x=y"),
                pair("", "v"),
                pair("c", "")
            ]
        );
        assert_eq!(read(""), []);
    }
}
