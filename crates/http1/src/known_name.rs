//! The header names that the traffic path asks for, as an enum, so that asking costs no comparison of strings.

use crate::token::plain_prefix;

/// A header name that something in the product looks for. Found without regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "each variant is the header of that name")]
pub enum KnownName {
    /// Any other name.
    Other = 0,
    Host,
    Connection,
    ContentLength,
    TransferEncoding,
    Expect,
    Upgrade,
    KeepAlive,
    ProxyConnection,
    Te,
    Trailer,
    XForwardedFor,
    XForwardedProto,
    XForwardedPort,
    XAmznTraceId,
    UserAgent,
    Cookie,
    ContentType,
    ContentEncoding,
}

impl KnownName {
    /// What `name` is called here. The name must already be free of whitespace around it.
    #[inline]
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        // Every known name is plain, so what is not plain is none of them.
        if plain_prefix(name) == name.len() {
            Self::of_plain(name)
        } else {
            Self::Other
        }
    }

    /// As [`KnownName::of`], for a name that is `[-A-Za-z0-9]+`.
    #[inline]
    pub(crate) fn of_plain(name: &[u8]) -> Self {
        use KnownName as K;
        let Some(&first) = name.first() else { return K::Other };
        let candidate = match (name.len(), first | 0x20) {
            (2, b't') => K::Te,
            (4, b'h') => K::Host,
            (6, b'c') => K::Cookie,
            (6, b'e') => K::Expect,
            (7, b'u') => K::Upgrade,
            (7, b't') => K::Trailer,
            (10, b'c') => K::Connection,
            (10, b'k') => K::KeepAlive,
            (10, b'u') => K::UserAgent,
            (12, b'c') => K::ContentType,
            (14, b'c') => K::ContentLength,
            (15, b'x') if name[2] | 0x20 == b'f' => K::XForwardedFor,
            (15, b'x') => K::XAmznTraceId,
            (16, b'c') => K::ContentEncoding,
            (16, b'p') => K::ProxyConnection,
            (16, b'x') => K::XForwardedPort,
            (17, b'x') => K::XForwardedProto,
            (17, b't') => K::TransferEncoding,
            _ => return K::Other,
        };
        if same_plain(name, candidate.as_str().as_bytes()) {
            candidate
        } else {
            K::Other
        }
    }

    /// The name in lower case; empty for [`KnownName::Other`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Other => "",
            Self::Host => "host",
            Self::Connection => "connection",
            Self::ContentLength => "content-length",
            Self::TransferEncoding => "transfer-encoding",
            Self::Expect => "expect",
            Self::Upgrade => "upgrade",
            Self::KeepAlive => "keep-alive",
            Self::ProxyConnection => "proxy-connection",
            Self::Te => "te",
            Self::Trailer => "trailer",
            Self::XForwardedFor => "x-forwarded-for",
            Self::XForwardedProto => "x-forwarded-proto",
            Self::XForwardedPort => "x-forwarded-port",
            Self::XAmznTraceId => "x-amzn-trace-id",
            Self::UserAgent => "user-agent",
            Self::Cookie => "cookie",
            Self::ContentType => "content-type",
            Self::ContentEncoding => "content-encoding",
        }
    }

    /// Ends at this hop: never copied to the other side. `Expect` is answered here, and `Trailer` announces trailers,
    /// which are dropped. Source: ALB 4.1, 4.6.
    #[inline]
    #[must_use]
    pub fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::Te
                | Self::Trailer
                | Self::TransferEncoding
                | Self::Upgrade
                | Self::Expect
        )
    }

    #[inline]
    pub(crate) fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// Are two plain names of one length the same without regard to case? Compares words; the last two may overlap. Setting
/// the bit of lower case makes only plain bytes equal that are the same letter.
#[inline]
fn same_plain(name: &[u8], lower: &[u8]) -> bool {
    const LOWER: u64 = 0x2020_2020_2020_2020;
    if let (Some(last), Some(lower_last)) = (name.last_chunk::<8>(), lower.last_chunk::<8>()) {
        let same = |a: &[u8; 8], b: &[u8; 8]| u64::from_le_bytes(*a) | LOWER == u64::from_le_bytes(*b);
        let (words, _) = name.as_chunks::<8>();
        let (lower_words, _) = lower.as_chunks::<8>();
        return same(last, lower_last) && words.iter().zip(lower_words).all(|(a, b)| same(a, b));
    }
    name.len() == lower.len() && name.iter().zip(lower).all(|(a, b)| a | 0x20 == *b)
}

#[cfg(test)]
mod tests {
    use super::KnownName as K;

    const ALL: [K; 18] = [
        K::Host,
        K::Connection,
        K::ContentLength,
        K::TransferEncoding,
        K::Expect,
        K::Upgrade,
        K::KeepAlive,
        K::ProxyConnection,
        K::Te,
        K::Trailer,
        K::XForwardedFor,
        K::XForwardedProto,
        K::XForwardedPort,
        K::XAmznTraceId,
        K::UserAgent,
        K::Cookie,
        K::ContentType,
        K::ContentEncoding,
    ];

    #[test]
    fn every_name_is_found_in_any_case_and_nothing_near_it() {
        for known in ALL {
            let name = known.as_str();
            assert_eq!(K::of(name.as_bytes()), known);
            assert_eq!(K::of(name.to_ascii_uppercase().as_bytes()), known);
            assert_eq!(K::of(format!("{name}x").as_bytes()), K::Other);
            assert_eq!(
                K::of(name.replacen(|c: char| c.is_ascii_alphabetic(), "1", 1).as_bytes()),
                K::Other
            );
            assert_eq!(K::of(&name.as_bytes()[..name.len() - 1]), K::Other, "{name}");
        }
        assert_eq!(K::of(b""), K::Other);
    }
}
