//! `X-Amzn-Trace-Id` and the random numbers behind it. Source: ALB 4.7.

use crate::clock::Wall;
use std::cell::Cell;

/// Header bytes over which an incoming trace header is not extended but replaced.
const REPLACED_OVER_BYTES: usize = 7 * 1024;

/// A fast random source of one core, for ids and weighted draws; nothing secret comes from it.
#[derive(Debug)]
pub(crate) struct Random(Cell<u64>);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// SplitMix64.
    pub(crate) fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// `TID_` and 32 hexadecimal digits. Source: ALB 8.1.2, field 30.
pub(crate) fn connection_id(random: &Random) -> [u8; 36] {
    let mut text = *b"TID_00000000000000000000000000000000";
    let [high, low] = [random.next(), random.next()];
    let parts = [(high >> 32) as u32, high as u32, (low >> 32) as u32, low as u32];
    for (at, part) in [4, 12, 20, 28].into_iter().zip(parts) {
        text[at..at + 8].copy_from_slice(&eight_digits(part));
    }
    text
}

/// Appends the lower digits of `number` in hexadecimal, at most 16.
pub(crate) fn push_hex(out: &mut Vec<u8>, number: u64, digits: usize) {
    let mut text = [0; 16];
    let (high, low) = text.split_at_mut(8);
    high.copy_from_slice(&eight_digits((number >> 32) as u32));
    low.copy_from_slice(&eight_digits(number as u32));
    out.extend_from_slice(&text[16 - digits..]);
}

/// All digits at once, because ids are written for every request: each nibble gets a byte, and those above 9 are letters.
fn eight_digits(number: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let wide = u64::from(number);
    let words = (wide | (wide << 16)) & 0x0000_ffff_0000_ffff;
    let bytes = (words | (words << 8)) & 0x00ff_00ff_00ff_00ff;
    let nibbles = (bytes | (bytes << 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = ((nibbles + 6 * ONES) >> 4) & ONES;
    (nibbles + u64::from(b'0') * ONES + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

/// `1-{time}-{id}`.
fn push_version_1(out: &mut Vec<u8>, now: Wall, random: &Random) {
    let (id, last) = (random.next(), random.next());
    let mut text = *b"1-tttttttt-iiiiiiiiiiiiiiiiiiiiiiii";
    let parts = [now.secs() as u32, (id >> 32) as u32, id as u32, last as u32];
    for (at, part) in [2, 11, 19, 27].into_iter().zip(parts) {
        text[at..at + 8].copy_from_slice(&eight_digits(part));
    }
    out.extend_from_slice(&text);
}

/// Appends the trace header that goes on, given the one that came in and the size of all headers.
pub(crate) fn outgoing(incoming: Option<&[u8]>, header_bytes: usize, now: Wall, random: &Random, out: &mut Vec<u8>) {
    let incoming = incoming.filter(|value| !value.is_empty() && header_bytes <= REPLACED_OVER_BYTES);
    let Some(incoming) = incoming else {
        out.extend_from_slice(b"Root=");
        push_version_1(out, now, random);
        return;
    };
    let has_root = fields(incoming).any(|field| field.starts_with(b"Root="));
    out.extend_from_slice(if has_root { b"Self=" } else { b"Root=" });
    push_version_1(out, now, random);
    for field in fields(incoming).filter(|field| !field.starts_with(b"Self=")) {
        out.push(b';');
        out.extend_from_slice(field);
    }
}

fn fields(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b';')
        .map(<[u8]>::trim_ascii)
        .filter(|field| !field.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(incoming: Option<&str>, header_bytes: usize) -> String {
        let mut out = Vec::new();
        outgoing(
            incoming.map(str::as_bytes),
            header_bytes,
            Wall::now(),
            &Random::new(7),
            &mut out,
        );
        String::from_utf8(out).unwrap()
    }

    #[track_caller]
    fn is_version_1(value: &str) {
        let parts: Vec<_> = value.split('-').collect();
        assert_eq!(
            parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
            [1, 8, 24],
            "{value}"
        );
        assert_eq!(parts[0], "1");
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        assert!(parts[1..].iter().all(|part| part.bytes().all(hex)), "{value}");
    }

    #[test]
    fn hexadecimal_digits() {
        let hex = |number, digits| {
            let mut out = b"x".to_vec();
            push_hex(&mut out, number, digits);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(hex(0x0123_4567_89ab_cdef, 16), "x0123456789abcdef");
        assert_eq!(hex(0xffff_ffff_ffff_ffff, 8), "xffffffff");
        for number in (0..1000_u64).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            assert_eq!(hex(number, 16), format!("x{number:016x}"));
            assert_eq!(hex(number & 0xff, 2), format!("x{:02x}", number & 0xff));
        }
        assert_eq!(hex(7, 0), "x");
    }

    // ALB-H-013: without a trace header a Root is made
    #[test]
    fn a_root_is_made() {
        is_version_1(sent(None, 100).strip_prefix("Root=").unwrap());
    }

    // ALB-H-014: an incoming Root stays, behind a Self of ours
    // ALB-H-015: an incoming Self is replaced
    // ALB-H-016: custom fields are kept
    #[test]
    fn an_incoming_root_stays_behind_our_self() {
        for (incoming, tail) in [
            (
                "Root=1-67891233-abcdef012345678912345678",
                "Root=1-67891233-abcdef012345678912345678",
            ),
            ("Root=r;CalledFrom=app", "Root=r;CalledFrom=app"),
            ("Self=1-67891233-000000000000000000000000;Root=r;a=b", "Root=r;a=b"),
            ("Root=r;Self=old", "Root=r"),
        ] {
            let sent = sent(Some(incoming), 100);
            let (own, rest) = sent.split_once(';').unwrap();
            is_version_1(own.strip_prefix("Self=").unwrap());
            assert_eq!(rest, tail, "{incoming}");
        }
    }

    #[test]
    fn custom_fields_without_a_root_get_one() {
        let sent = sent(Some("Self=x;a=b"), 100);
        let (root, rest) = sent.split_once(';').unwrap();
        is_version_1(root.strip_prefix("Root=").unwrap());
        assert_eq!(rest, "a=b");
    }

    #[test]
    fn large_heads_get_a_fresh_root_only() {
        assert!(!sent(Some("Root=r;a=b"), 7 * 1024 + 1).contains(';'));
        assert!(sent(Some("Root=r;a=b"), 7 * 1024).contains(";Root=r"));
    }
}
