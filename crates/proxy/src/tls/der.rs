//! The few steps into DER that are needed where the libraries do not hand out what lies inside.

use std::ops::Range;

/// SEQUENCE.
pub(crate) const SEQUENCE: u8 = 0x30;
/// INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// BIT STRING.
pub(crate) const BIT_STRING: u8 = 0x03;
/// `[0]`, the version in a certificate.
const VERSION: u8 = 0xa0;

/// One element. Both ranges are of the bytes it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) tag: u8,
    /// With tag and length.
    pub(crate) whole: Range<usize>,
    pub(crate) content: Range<usize>,
}

/// Reads elements one after the other.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            end: bytes.len(),
        }
    }

    /// Reads what is inside of an element of the same bytes.
    pub(crate) fn inside(&self, element: &Element) -> Self {
        Self {
            bytes: self.bytes,
            at: element.content.start,
            end: element.content.end,
        }
    }

    /// The next element, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<Element> {
        self.next().filter(|element| element.tag == tag)
    }

    /// What is inside of the next element, which must be a SEQUENCE.
    pub(crate) fn enter(&mut self) -> Option<Self> {
        let sequence = self.expect(SEQUENCE)?;
        Some(self.inside(&sequence))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at..self.end)?.first().copied()
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }
}

impl Iterator for Reader<'_> {
    type Item = Element;

    fn next(&mut self) -> Option<Element> {
        let start = self.at;
        let tag = self.byte().filter(|tag| tag & 0x1f != 0x1f)?;
        let length = match self.byte()? {
            short @ 0..=0x7f => usize::from(short),
            long @ 0x81..=0x84 => {
                let mut length = 0;
                for _ in 0..long & 0x7f {
                    length = length << 8 | usize::from(self.byte()?);
                }
                length
            }
            _ => return None,
        };
        let content = self.at..self.at.checked_add(length).filter(|end| *end <= self.end)?;
        self.at = content.end;
        Some(Element {
            tag,
            whole: start..content.end,
            content,
        })
    }
}

/// The public key of a certificate (SubjectPublicKeyInfo, whole), of any X.509 version and whatever else stands in it.
pub(crate) fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let mut inner = Reader::new(certificate).enter()?;
    let mut fields = inner.enter()?;
    if fields.peek() == Some(VERSION) {
        fields.next()?;
    }
    fields.expect(INTEGER)?; // serial number
    for _ in 0..4 {
        fields.expect(SEQUENCE)?; // signature, issuer, validity, subject
    }
    certificate.get(fields.expect(SEQUENCE)?.whole)
}

/// Algorithm and bits of a public key: `SubjectPublicKeyInfo ::= SEQUENCE { algorithm, subjectPublicKey }`.
pub(crate) fn key_parts(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut info = Reader::new(key).enter()?;
    let algorithm = info.expect(SEQUENCE)?.content;
    let bits = bits(key, &info.expect(BIT_STRING)?)?;
    Some((key.get(algorithm)?, key.get(bits)?))
}

/// The bytes of a BIT STRING that has no unused bits.
pub(crate) fn bits(bytes: &[u8], bit_string: &Element) -> Option<Range<usize>> {
    let content = bit_string.content.clone();
    match bytes.get(content.clone())?.first() {
        Some(0) => Some(content.start + 1..content.end),
        _ => None,
    }
}

/// The length of the modulus of an RSA key in bits: `RSAPublicKey ::= SEQUENCE { modulus, publicExponent }`.
pub(crate) fn rsa_bits(key: &[u8]) -> Option<usize> {
    let mut numbers = Reader::new(key).enter()?;
    let modulus = key.get(numbers.expect(INTEGER)?.content)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros)?;
    Some((modulus.len() - zeros) * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_one_after_the_other() {
        let bytes = [0x30, 0x03, 0x02, 0x01, 0x07, 0x03, 0x81, 0x02, 0x00, 0xff];
        let mut reader = Reader::new(&bytes);
        let sequence = reader.expect(SEQUENCE).unwrap();
        assert_eq!((sequence.whole.clone(), sequence.content.clone()), (0..5, 2..5));
        let mut inside = reader.inside(&sequence);
        assert_eq!(inside.expect(INTEGER).unwrap().content, 4..5);
        assert_eq!(inside.next(), None, "the end of the sequence is the end");
        assert_eq!(reader.expect(BIT_STRING).unwrap().content, 8..10);
        assert_eq!(reader.next(), None);
    }

    #[test]
    fn rsa_keys_are_measured_in_bits() {
        let key = |modulus: &[u8]| {
            let content = [&[INTEGER, modulus.len() as u8], modulus, &[INTEGER, 1, 3]].concat();
            [&[SEQUENCE, content.len() as u8], &content[..]].concat()
        };
        assert_eq!(rsa_bits(&key(&[0, 0x80, 1])), Some(16));
        assert_eq!(rsa_bits(&key(&[0x7f, 1])), Some(15));
        assert_eq!(rsa_bits(&key(&[0, 0])), None);
        assert_eq!(rsa_bits(&key(&[])), None);
    }

    #[test]
    fn what_is_not_der_has_no_elements() {
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 0x80, 0, 0],                      // indefinite length
            &[0x30, 0x85, 0, 0, 0, 0, 0],             // a length of five bytes
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0], // longer than what is there
            &[0x30, 0x02, 0x01],
            &[0x1f, 0x01, 0x00], // a tag of several bytes
        ] {
            assert_eq!(Reader::new(bytes).next(), None, "{bytes:?}");
            assert_eq!(public_key(bytes), None, "{bytes:?}");
            assert_eq!(key_parts(bytes), None, "{bytes:?}");
        }
    }
}
