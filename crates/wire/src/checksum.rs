//! The checksums that AWS's SDKs put behind a body, or beside it.

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};

/// One kind of checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// What new SDKs send as long as nobody asks for another one.
    Crc32,
    /// Castagnoli's polynomial.
    Crc32c,
    /// The one of NVM Express, with 64 bits.
    Crc64nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Checksum {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64nvme,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
    ];

    /// The header or trailer that it comes in.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
            Self::Sha512 => "x-amz-checksum-sha512",
        }
    }

    /// As AWS's errors call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    /// Its bytes, the highest first.
    pub fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Crc32 => crc32fast::hash(bytes).to_be_bytes().to_vec(),
            // It has 32 bits, and the others stay zero.
            Self::Crc32c => CRC32C.of(bytes, u64::from(u32::MAX)).to_be_bytes()[4..].to_vec(),
            Self::Crc64nvme => CRC64NVME.of(bytes, u64::MAX).to_be_bytes().to_vec(),
            Self::Sha1 => digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec(),
            Self::Sha256 => digest::digest(&SHA256, bytes).as_ref().to_vec(),
            Self::Sha512 => digest::digest(&SHA512, bytes).as_ref().to_vec(),
        }
    }

    /// How many bytes it has.
    pub fn len(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// No checksum is.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

static CRC32C: Crc = Crc::new(0x82f6_3b78);
static CRC64NVME: Crc = Crc::new(0x9a6c_9329_ac4b_c9b5);

/// A cyclic checksum of at most 64 bits whose lowest bit is the first. The tables take eight bytes at a time: table `n` says
/// what a byte does that `n` bytes follow.
struct Crc([[u64; 256]; 8]);

impl Crc {
    const fn new(polynomial: u64) -> Self {
        let mut tables = [[0; 256]; 8];
        let mut byte = 0;
        while byte < 256 {
            let mut sum = byte as u64;
            let mut bit = 0;
            while bit < 8 {
                let carry = sum & 1;
                sum = (sum >> 1) ^ (carry * polynomial);
                bit += 1;
            }
            tables[0][byte] = sum;
            byte += 1;
        }
        let mut further = 1;
        while further < 8 {
            let mut byte = 0;
            while byte < 256 {
                let sum = tables[further - 1][byte];
                tables[further][byte] = (sum >> 8) ^ tables[0][(sum & 0xff) as usize];
                byte += 1;
            }
            further += 1;
        }
        Self(tables)
    }

    /// It begins with `ones`, and they are turned over at the end.
    fn of(&self, bytes: &[u8], ones: u64) -> u64 {
        let (eights, rest) = bytes.as_chunks::<8>();
        let mut sum = ones;
        for eight in eights {
            let bytes = (sum ^ u64::from_le_bytes(*eight)).to_le_bytes();
            sum = bytes
                .iter()
                .zip(self.0.iter().rev())
                .fold(0, |sum, (byte, table)| sum ^ table[usize::from(*byte)]);
        }
        for byte in rest {
            sum = (sum >> 8) ^ self.0[0][usize::from(sum as u8 ^ byte)];
        }
        sum ^ ones
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_digits_one_to_nine() {
        // The check values of the catalogues.
        for (checksum, expected) in [
            (Checksum::Crc32, "cbf43926"),
            (Checksum::Crc32c, "e3069283"),
            (Checksum::Crc64nvme, "ae8b14860a799888"),
            (Checksum::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (
                Checksum::Sha256,
                "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
            ),
            (
                Checksum::Sha512,
                "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a\
                 d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
            ),
        ] {
            let sum = checksum.of(b"123456789");
            assert_eq!(hex(&sum), expected, "{checksum:?}");
            assert_eq!(sum.len(), checksum.len());
            assert!(!checksum.is_empty());
        }
        // RFC 3720, B.4: thirty-two bytes of zero.
        assert_eq!(hex(&Checksum::Crc32c.of(&[0; 32])), "8a9136aa");
    }

    #[test]
    fn eight_bytes_at_once_are_as_good_as_one() {
        let bytes: Vec<u8> = (0..1000_u32).map(|it| (it * 7 + it / 3) as u8).collect();
        for length in 0..100 {
            for (crc, ones) in [(&CRC32C, u64::from(u32::MAX)), (&CRC64NVME, u64::MAX)] {
                let slow = bytes[..length]
                    .iter()
                    .fold(ones, |sum, byte| (sum >> 8) ^ crc.0[0][usize::from(sum as u8 ^ byte)]);
                assert_eq!(crc.of(&bytes[..length], ones), slow ^ ones, "{length}");
            }
        }
    }
}
