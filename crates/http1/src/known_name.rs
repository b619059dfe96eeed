//! The header names that the traffic path asks for, as an enum, so that asking costs no comparison of strings.

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
    Date,
    SetCookie,
}

impl KnownName {
    /// How many there are, [`KnownName::Other`] included.
    pub(crate) const COUNT: usize = Self::SetCookie as usize + 1;

    /// What `name` is called here. The name must already be free of whitespace around it.
    #[inline(always)]
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        use KnownName as K;
        match name.len() {
            2 => among::<2, 1>(name, const { spelled([K::Te]) }),
            4 => among::<4, 2>(name, const { spelled([K::Host, K::Date]) }),
            6 => among::<4, 2>(name, const { spelled([K::Cookie, K::Expect]) }),
            7 => among::<4, 2>(name, const { spelled([K::Upgrade, K::Trailer]) }),
            10 => among::<8, 4>(
                name,
                const { spelled([K::UserAgent, K::Connection, K::SetCookie, K::KeepAlive]) },
            ),
            12 => among::<8, 1>(name, const { spelled([K::ContentType]) }),
            14 => among::<8, 1>(name, const { spelled([K::ContentLength]) }),
            15 => among::<8, 2>(name, const { spelled([K::XForwardedFor, K::XAmznTraceId]) }),
            16 => among::<8, 3>(
                name,
                const { spelled([K::XForwardedPort, K::ContentEncoding, K::ProxyConnection]) },
            ),
            17 => among::<8, 2>(name, const { spelled([K::XForwardedProto, K::TransferEncoding]) }),
            _ => K::Other,
        }
    }

    /// The name in lower case; empty for [`KnownName::Other`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
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
            Self::Date => "date",
            Self::SetCookie => "set-cookie",
        }
    }

    /// One bit for each of the names that end at this hop.
    pub(crate) const HOP_BY_HOP: u32 = Self::Connection.bit()
        | Self::KeepAlive.bit()
        | Self::ProxyConnection.bit()
        | Self::Te.bit()
        | Self::Trailer.bit()
        | Self::TransferEncoding.bit()
        | Self::Upgrade.bit()
        | Self::Expect.bit();

    /// Ends at this hop: never copied to the other side. `Expect` is answered here, and `Trailer` announces trailers,
    /// which are dropped. Source: ALB 4.1, 4.6.
    #[inline]
    #[must_use]
    pub fn is_hop_by_hop(self) -> bool {
        self.bit() & Self::HOP_BY_HOP != 0
    }

    #[inline]
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// A known name as words, to be compared without regard to the case of its letters.
#[derive(Clone, Copy)]
struct Spelling {
    known: KnownName,
    lower: [u64; 3],
    /// The bit of each letter in which its cases differ.
    case: [u64; 3],
}

impl Spelling {
    const fn of(known: KnownName) -> Self {
        let name = known.as_str().as_bytes();
        let lower = match name.len() {
            8.. => words::<8>(name),
            4.. => words::<4>(name),
            _ => words::<2>(name),
        };
        // A byte of a name in lower case has bit 6 exactly if it is a letter, and only then may bit 5, the case, differ.
        const LETTER: u64 = 0x4040_4040_4040_4040;
        let case = [
            (lower[0] & LETTER) >> 1,
            (lower[1] & LETTER) >> 1,
            (lower[2] & LETTER) >> 1,
        ];
        Self { known, lower, case }
    }
}

const fn spelled<const COUNT: usize>(names: [KnownName; COUNT]) -> [Spelling; COUNT] {
    let mut spellings = [Spelling::of(KnownName::Other); COUNT];
    let mut at = 0;
    while at < COUNT {
        spellings[at] = Spelling::of(names[at]);
        at += 1;
    }
    spellings
}

/// Which of these names it is, all of which have its length: `N` to `3 * N` bytes.
#[inline(always)]
fn among<const N: usize, const COUNT: usize>(name: &[u8], spellings: [Spelling; COUNT]) -> KnownName {
    let words = words::<N>(name);
    for spelling in spellings {
        let differ = |at: usize| (words[at] | spelling.case[at]) ^ spelling.lower[at];
        if differ(0) | differ(1) | differ(2) == 0 {
            return spelling.known;
        }
    }
    KnownName::Other
}

/// All bytes of a name as three words of `N` bytes, which overlap if it is shorter than that.
#[inline(always)]
const fn words<const N: usize>(name: &[u8]) -> [u64; 3] {
    let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) else {
        return [0; 3];
    };
    let middle = match name.split_at(N).1.first_chunk() {
        Some(middle) => middle,
        None => last,
    };
    [word::<N>(first), word::<N>(middle), word::<N>(last)]
}

#[inline(always)]
const fn word<const N: usize>(bytes: &[u8; N]) -> u64 {
    let mut word = [0; 8];
    word.split_at_mut(N).0.copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::KnownName as K;

    const ALL: [K; 20] = [
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
        K::Date,
        K::SetCookie,
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

    // Bytes that differ from those of a name in one bit only are other names.
    #[test]
    fn only_the_case_of_letters_may_differ() {
        for known in ALL {
            let name = known.as_str().as_bytes();
            for at in 0..name.len() {
                for bit in 0..8 {
                    let mut other = name.to_vec();
                    other[at] ^= 1 << bit;
                    let same = bit == 5 && name[at].is_ascii_alphabetic();
                    assert_eq!(K::of(&other) == known, same, "{:?}", String::from_utf8_lossy(&other));
                }
            }
        }
    }
}
