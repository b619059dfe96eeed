//! Looking for bytes of a class, sixteen at a time, because the traffic path does little else. What the classes mean is
//! left to `token` and `field`.

use std::hint::black_box;

/// Bytes that are looked at together.
const BLOCK: usize = 16;

/// Where, from `from` on, the first byte stands that is not `[-A-Za-z0-9]`; the length if there is none.
#[inline(always)]
pub(crate) fn plain_end(bytes: &[u8], from: usize) -> usize {
    find(bytes, from, |b| !is_plain(b))
}

/// Are all bytes `[-A-Za-z0-9]`?
#[inline]
pub(crate) fn all_plain(bytes: &[u8]) -> bool {
    match bytes.first_chunk::<BLOCK>() {
        Some(_) => plain_end(bytes, 0) == bytes.len(),
        None => !any_of_few(bytes, |b| !is_plain(b)),
    }
}

/// Where, from `from` on, the first control byte or space stands; the length if there is none.
#[inline(always)]
pub(crate) fn blank_at(bytes: &[u8], from: usize) -> usize {
    find(bytes, from, is_blank)
}

/// Where, from `from` on, the first control byte stands, tab and line ends included; the length if there is none.
#[inline(always)]
pub(crate) fn control_at(bytes: &[u8], from: usize) -> usize {
    find(bytes, from, is_control)
}

/// How many bytes stand before the first one that is this one; all if there is none.
#[inline(always)]
pub(crate) fn byte_at(byte: u8, bytes: &[u8]) -> usize {
    find(bytes, 0, |b| b == byte)
}

/// Is there a control byte, tab included?
#[inline]
pub(crate) fn has_control(bytes: &[u8]) -> bool {
    match bytes.last_chunk() {
        // The last block overlaps with the one before.
        Some(last) => {
            let (blocks, _) = bytes.as_chunks();
            blocks
                .iter()
                .chain([last])
                .any(|block| words(marks(block, is_control)) != [0, 0])
        }
        None => any_of_few(bytes, is_control),
    }
}

// What is asked of many bytes at once has no branches.

#[inline(always)]
fn is_plain(b: u8) -> bool {
    ((b | 0x20).wrapping_sub(b'a') < 26) | (b.wrapping_sub(b'0') < 10) | (b == b'-')
}

#[inline(always)]
fn is_control(b: u8) -> bool {
    (b < b' ') | (b == 0x7f)
}

#[inline(always)]
fn is_blank(b: u8) -> bool {
    (b <= b' ') | (b == 0x7f)
}

/// Is a byte marked, of less than a block?
#[inline(never)]
fn any_of_few(bytes: &[u8], marked: impl Fn(u8) -> bool) -> bool {
    match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => marks(first, &marked) != [0; 8] || marks(last, &marked) != [0; 8],
        _ => bytes.iter().any(|&b| marked(b)),
    }
}

/// Where, from `from` on, the first marked byte stands; the length if there is none.
#[inline(always)]
fn find(bytes: &[u8], from: usize, marked: impl Fn(u8) -> bool) -> usize {
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        match words(marks(block, &marked)) {
            [0, 0] => at += BLOCK,
            [0, high] => return at + 8 + first(high),
            [low, _] => return at + first(low),
        }
    }
    find_in_last(bytes, at, marked)
}

/// The same where less than a block is left.
#[inline(never)]
fn find_in_last(bytes: &[u8], at: usize, marked: impl Fn(u8) -> bool) -> usize {
    if at >= bytes.len() {
        return bytes.len();
    }
    match bytes.last_chunk() {
        // The last block begins with what was looked at before.
        Some(block) => {
            let [low, high] = words(marks(block, &marked));
            let seen = 8 * (BLOCK - (bytes.len() - at));
            match ((u128::from(high) << 64) | u128::from(low)) >> seen {
                0 => bytes.len(),
                found => at + found.trailing_zeros() as usize / 8,
            }
        }
        None => {
            let few = bytes.get(at..).unwrap_or_default();
            few.iter().position(|&b| marked(b)).map_or(bytes.len(), |few| at + few)
        }
    }
}

/// All bits of each marked byte: that is how processors compare many bytes at once.
#[inline(always)]
fn marks<const N: usize>(block: &[u8; N], marked: impl Fn(u8) -> bool) -> [u8; N] {
    let mut marks = [0; N];
    for (mark, byte) in marks.iter_mut().zip(block) {
        *mark = if marked(*byte) { u8::MAX } else { 0 };
    }
    marks
}

#[inline(always)]
fn words(marks: [u8; BLOCK]) -> [u64; 2] {
    // Told to keep them in memory, the compiler asks all bytes at once in one register of the vector unit, and stores that;
    // otherwise it would put the words together byte by byte.
    let both = u128::from_le_bytes(black_box(marks));
    [both as u64, (both >> 64) as u64]
}

/// The first byte of a word that is not zero.
#[inline(always)]
fn first(word: u64) -> usize {
    word.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_found_wherever_it_stands() {
        for byte in 0..=255 {
            for (at, len) in (0..40).flat_map(|at| (at + 1..=40).map(move |len| (at, len))) {
                let mut bytes = vec![b'a'; len];
                bytes[at] = byte;
                for from in 0..=at {
                    let expected = |is: bool| if is { at } else { len };
                    let plain = byte.is_ascii_alphanumeric() || byte == b'-';
                    assert_eq!(plain_end(&bytes, from), expected(!plain), "{byte} {at} {len} {from}");
                    let control = byte.is_ascii_control();
                    assert_eq!(control_at(&bytes, from), expected(control), "{byte} {at} {len} {from}");
                    let blank = control || byte == b' ';
                    assert_eq!(blank_at(&bytes, from), expected(blank), "{byte} {at} {len} {from}");
                }
                assert_eq!(has_control(&bytes), byte.is_ascii_control());
                assert_eq!(all_plain(&bytes), byte.is_ascii_alphanumeric() || byte == b'-');
            }
        }
    }
}
