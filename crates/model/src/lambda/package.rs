//! Packages that the AWS API is given: zip files, kept by what is in them. Source: Lambda 1.4, 1.7.

use std::fmt;

/// A zip file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// What is in it.
    pub digest: PackageDigest,
    /// How large it is.
    pub bytes: u64,
}

/// The SHA-256 of a zip file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageDigest(pub [u8; 32]);

/// Not 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not 64 lower-case hexadecimal digits")]
pub struct InvalidDigest(String);

impl fmt::Display for PackageDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for PackageDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl TryFrom<&str> for PackageDigest {
    type Error = InvalidDigest;

    fn try_from(text: &str) -> Result<Self, InvalidDigest> {
        let invalid = || InvalidDigest(text.chars().take(100).collect());
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 64 || !text.bytes().all(is_digit) {
            return Err(invalid());
        }
        let mut digest = [0; 32];
        for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| invalid())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| invalid())?;
        }
        Ok(Self(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_as_they_are_written() {
        let digest = PackageDigest(std::array::from_fn(|at| at as u8 * 7));
        assert_eq!(PackageDigest::try_from(digest.to_string().as_str()), Ok(digest));
        let text = "0".repeat(64);
        for bad in [
            "",
            &text[1..],
            &text.replace('0', "A"),
            &format!("{text}0"),
            &text.replacen("00", "é", 1),
        ] {
            assert!(PackageDigest::try_from(bad).is_err(), "{bad}");
        }
    }
}
