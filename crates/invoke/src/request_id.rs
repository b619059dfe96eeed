//! What an invocation is known by.

use std::fmt;

/// The id of one invocation: a UUID of version 4 as text. Source: Lambda 2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId([u8; 36]);

impl RequestId {
    /// From random bytes.
    pub fn from_random(mut random: [u8; 16]) -> Self {
        random[6] = random[6] & 0x0f | 0x40;
        random[8] = random[8] & 0x3f | 0x80;
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in random.into_iter().enumerate() {
            at += usize::from(matches!(index, 4 | 6 | 8 | 10));
            for digit in [byte >> 4, byte & 0xf] {
                text[at] = b"0123456789abcdef"[usize::from(digit)];
                at += 1;
            }
        }
        Self(text)
    }

    /// As ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Not an id of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRequestId;

impl TryFrom<&str> for RequestId {
    type Error = InvalidRequestId;

    fn try_from(text: &str) -> Result<Self, InvalidRequestId> {
        let bytes: [u8; 36] = text.as_bytes().try_into().map_err(|_| InvalidRequestId)?;
        let is_uuid = bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
        if is_uuid {
            Ok(Self(bytes))
        } else {
            Err(InvalidRequestId)
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_of_version_4() {
        assert_eq!(
            RequestId::from_random([0; 16]).as_str(),
            "00000000-0000-4000-8000-000000000000"
        );
        assert_eq!(
            RequestId::from_random([0xff; 16]).as_str(),
            "ffffffff-ffff-4fff-bfff-ffffffffffff"
        );
        let id = RequestId::from_random([7; 16]);
        assert_eq!(RequestId::try_from(id.as_str()), Ok(id));
        for bad in [
            "",
            "00000000-0000-4000-8000-00000000000",
            "00000000-0000-4000-8000-00000000000x",
        ] {
            assert_eq!(RequestId::try_from(bad), Err(InvalidRequestId), "{bad}");
        }
        let bytes = std::array::from_fn(|index| index as u8 * 0x11);
        assert_eq!(
            RequestId::from_random(bytes).as_str(),
            "00112233-4455-4677-8899-aabbccddeeff"
        );
    }
}
