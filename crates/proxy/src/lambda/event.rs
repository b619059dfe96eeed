//! The event, written by hand into one buffer. Source: ALB 3.2.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashMap;

/// What an event is made of. Everything is raw: as received, or as the rule's transforms made it.
#[derive(Debug)]
pub(crate) struct EventParts<'a> {
    pub(crate) target_group_arn: &'a str,
    pub(crate) multi_value: bool,
    pub(crate) method: &'a [u8],
    pub(crate) path: &'a [u8],
    pub(crate) query: Option<&'a [u8]>,
    /// Header lines in the order they go on, names in any case.
    pub(crate) headers: &'a [Line<'a>],
    pub(crate) body: &'a [u8],
}

/// A header line: name and value.
pub(crate) type Line<'a> = (&'a [u8], &'a [u8]);

/// Something in the request is not UTF-8; the answer is `LambdaBadRequest`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotUtf8;

/// Bytes of an event beside the texts in it: its own keys, and quotes, colons and commas around each line.
const OWN_BYTES: usize = 256;
const LINE_BYTES: usize = 8;

/// Appends the event to `out`.
pub(crate) fn write(parts: &EventParts<'_>, out: &mut Vec<u8>) -> Result<(), NotUtf8> {
    let lines = parts.headers.iter();
    let lines: usize = lines.map(|(name, value)| name.len() + value.len() + LINE_BYTES).sum();
    let url = parts.path.len() + 2 * parts.query.map_or(0, <[u8]>::len);
    out.reserve(OWN_BYTES + parts.target_group_arn.len() + url + lines + parts.body.len().div_ceil(3) * 4);
    out.extend_from_slice(b"{\"requestContext\":{\"elb\":{\"targetGroupArn\":");
    string(parts.target_group_arn.as_bytes(), out)?;
    out.extend_from_slice(b"}},\"httpMethod\":");
    string(parts.method, out)?;
    out.extend_from_slice(b",\"path\":");
    string(parts.path, out)?;
    out.extend_from_slice(if parts.multi_value {
        b",\"multiValueQueryStringParameters\":".as_slice()
    } else {
        b",\"queryStringParameters\":"
    });
    parameters(parts.query.unwrap_or_default(), parts.multi_value, out)?;
    out.extend_from_slice(if parts.multi_value {
        b",\"multiValueHeaders\":".as_slice()
    } else {
        b",\"headers\":"
    });
    headers(parts.headers, parts.multi_value, out)?;
    out.extend_from_slice(b",\"body\":");
    if parts.body.is_empty() || body_is_text(parts.headers) {
        string(parts.body, out)?;
        out.extend_from_slice(b",\"isBase64Encoded\":false}");
    } else {
        out.push(b'"');
        let start = out.len();
        out.resize(start + parts.body.len().div_ceil(3) * 4, 0);
        let written = STANDARD.encode_slice(parts.body, &mut out[start..]).unwrap_or(0);
        out.truncate(start + written);
        out.extend_from_slice(b"\",\"isBase64Encoded\":true}");
    }
    Ok(())
}

/// The headers by name, in lower case: of equal names the last value, or all of them in their order.
fn headers(lines: &[Line<'_>], multi_value: bool, out: &mut Vec<u8>) -> Result<(), NotUtf8> {
    let sorted = sorted(lines)?;
    out.push(b'{');
    let same = |left: &Sorted, right: &Sorted| {
        left.prefix() == right.prefix() && lines[left.at()].0.eq_ignore_ascii_case(lines[right.at()].0)
    };
    for (position, group) in sorted.chunk_by(same).enumerate() {
        if position > 0 {
            out.push(b',');
        }
        if let Some(first) = group.first() {
            lower_name(lines[first.at()].0, *first, out)?;
        }
        out.push(b':');
        values(group.iter().map(|line| lines[line.at()].1), multi_value, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Where the lines stand, by name; those of one name in their order.
fn sorted(lines: &[Line<'_>]) -> Result<Vec<Sorted>, NotUtf8> {
    if lines.len() > usize::from(u16::MAX) {
        return Err(NotUtf8); // never so: a head is far too short for as many lines
    }
    let mut sorted: Vec<Sorted> = Vec::with_capacity(lines.len());
    sorted.extend(lines.iter().enumerate().map(|(at, (name, _))| Sorted::new(name, at)));
    sorted.sort_unstable();
    // Names that begin alike and are longer than what was compared.
    for alike in sorted.chunk_by_mut(|left, right| left.prefix() == right.prefix()) {
        if alike.len() > 1 {
            let rest = |line: &Sorted| lines[line.at()].0.iter().skip(PREFIX_BYTES).map(u8::to_ascii_lowercase);
            alike.sort_by(|left, right| rest(left).cmp(rest(right)));
        }
    }
    Ok(sorted)
}

/// The beginning of a line's name in lower case, and where the line stands: one number, so that sorting is cheap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sorted(u128);

/// Bytes of a name that are in the number; the last two hold the place.
const PREFIX_BYTES: usize = 14;

impl Sorted {
    fn new(name: &[u8], at: usize) -> Self {
        let prefix = lower_prefix(name) & !u128::from(u16::MAX);
        Self(prefix | (at & usize::from(u16::MAX)) as u128)
    }

    fn prefix(self) -> u128 {
        self.0 >> 16
    }

    fn at(self) -> usize {
        self.0 as usize & usize::from(u16::MAX)
    }
}

/// The first 16 bytes in lower case, with zeros behind them, as a number that is ordered as they are.
fn lower_prefix(name: &[u8]) -> u128 {
    let (first, second) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        _ if name.len() >= 16 => {
            let whole = name.first_chunk().map_or(0, |first| u128::from_be_bytes(*first));
            ((whole >> 64) as u64, whole as u64)
        }
        // The two share bytes: those of the second are shifted out.
        (Some(first), Some(last)) => {
            let second = u64::from_be_bytes(*last).checked_shl(shift(16, name)).unwrap_or(0);
            (u64::from_be_bytes(*first), second)
        }
        _ => {
            let number = name.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            (number.checked_shl(shift(8, name)).unwrap_or(0), 0)
        }
    };
    u128::from(lower_word(first)) << 64 | u128::from(lower_word(second))
}

/// The bits from the end of the name to that of so many bytes.
fn shift(bytes: usize, name: &[u8]) -> u32 {
    8 * (bytes - name.len()) as u32
}

/// Eight bytes in lower case, all at once.
fn lower_word(bytes: u64) -> u64 {
    // In each byte: over Z, and from A on, as carries into its highest bit.
    let low = bytes & (EACH * 0x7f);
    let (over, from) = (low + EACH * u64::from(0x7f - b'Z'), low + EACH * u64::from(0x80 - b'A'));
    let capitals = (over ^ from) & !bytes & (EACH * 0x80);
    bytes | capitals >> 2
}

/// One in each byte of a word.
const EACH: u64 = 0x0101_0101_0101_0101;

/// The last value, or an array of all.
fn values<'a>(values: impl Iterator<Item = &'a [u8]>, multi_value: bool, out: &mut Vec<u8>) -> Result<(), NotUtf8> {
    if !multi_value {
        return string(values.last().unwrap_or_default(), out);
    }
    out.push(b'[');
    for (at, value) in values.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(value, out)?;
    }
    out.push(b']');
    Ok(())
}

/// The query as an object of strings (the last of equal keys wins) or of arrays of strings, keys in the order of their
/// first occurrence.
fn parameters(query: &[u8], multi_value: bool, out: &mut Vec<u8>) -> Result<(), NotUtf8> {
    out.push(b'{');
    if !query.is_empty() {
        let pairs: Vec<_> = routing::parameters(query).collect();
        let mut first = true;
        let mut of_key = Vec::new();
        let mut groups = Groups::of(&pairs);
        for (at, (key, _)) in pairs.iter().enumerate() {
            if !groups.values(&pairs, at, &mut of_key) {
                continue; // an earlier pair has the key and brought this value along
            }
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            string(key, out)?;
            out.push(b':');
            values(of_key.iter().copied(), multi_value, out)?;
        }
    }
    out.push(b'}');
    Ok(())
}

/// Pairs up to which keys are compared one by one.
const FEW: usize = 64;

/// Brings the values of equal keys together. Few pairs are searched; many, as only a hostile client sends, are hashed, so
/// that their cost stays in proportion to their number.
enum Groups<'a> {
    Few,
    Many(HashMap<&'a [u8], Vec<&'a [u8]>>),
}

impl<'a> Groups<'a> {
    fn of(pairs: &[(&'a [u8], &'a [u8])]) -> Self {
        if pairs.len() <= FEW {
            return Self::Few;
        }
        let mut groups: HashMap<&[u8], Vec<&[u8]>> = HashMap::with_capacity(pairs.len());
        for (key, value) in pairs {
            groups.entry(key).or_default().push(value);
        }
        Self::Many(groups)
    }

    /// Fills `values` with those of the key at `at`, in order. `false` when an earlier pair has the key.
    fn values(&mut self, pairs: &[(&'a [u8], &'a [u8])], at: usize, values: &mut Vec<&'a [u8]>) -> bool {
        let key = pairs[at].0;
        match self {
            Self::Few if pairs[..at].iter().any(|(other, _)| *other == key) => false,
            Self::Few => {
                values.clear();
                values.extend(
                    pairs[at..]
                        .iter()
                        .filter(|(other, _)| *other == key)
                        .map(|(_, value)| value),
                );
                true
            }
            Self::Many(groups) => match groups.remove(key) {
                Some(group) => {
                    *values = group;
                    true
                }
                None => false,
            },
        }
    }
}

/// Whether the body goes into the event as it is: no `content-encoding`, and one of the listed media types.
fn body_is_text(headers: &[Line<'_>]) -> bool {
    let mut text = false;
    for (name, value) in headers {
        if name.eq_ignore_ascii_case(b"content-encoding") {
            return false;
        }
        if name.eq_ignore_ascii_case(b"content-type") {
            text = is_text(value);
        }
    }
    text
}

fn is_text(content_type: &[u8]) -> bool {
    let media = content_type
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    media.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"text/"))
        || [&b"application/json"[..], b"application/javascript", b"application/xml"]
            .iter()
            .any(|known| media.eq_ignore_ascii_case(known))
}

/// A JSON string of bytes that must be UTF-8.
fn string(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), NotUtf8> {
    out.push(b'"');
    match is_plain(bytes) {
        true => out.extend_from_slice(bytes),
        false => escaped(bytes, out)?,
    }
    out.push(b'"');
    Ok(())
}

/// As [`string`], in lower case; the beginning stands in the prefix already.
fn lower_name(name: &[u8], line: Sorted, out: &mut Vec<u8>) -> Result<(), NotUtf8> {
    out.push(b'"');
    if !is_plain(name) {
        escaped(&name.to_ascii_lowercase(), out)?;
    } else {
        let prefix = line.0.to_be_bytes();
        match name.split_at_checked(PREFIX_BYTES) {
            None => out.extend_from_slice(&prefix[..name.len()]),
            Some((_, rest)) => {
                out.extend_from_slice(&prefix[..PREFIX_BYTES]);
                // Made lower while they are copied: what was just written is slow to read again.
                out.extend(rest.iter().map(u8::to_ascii_lowercase));
            }
        }
    }
    out.push(b'"');
    Ok(())
}

/// ASCII without anything to escape; looked at in words, because most strings are short.
fn is_plain(bytes: &[u8]) -> bool {
    let odd_byte = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\') | (byte >= 0x80);
    let Some(last) = bytes.last_chunk::<8>() else {
        return !bytes.iter().fold(false, |odd, byte| odd | odd_byte(*byte));
    };
    let words = bytes.chunks_exact(8).filter_map(|word| word.first_chunk::<8>());
    // The last word may look at bytes again that a word before it has seen.
    let odd = words
        .chain([last])
        .fold(0, |odd, word| odd | odd_word(u64::from_le_bytes(*word)));
    odd == 0
}

/// Not 0 when a byte of the word is a control character, `"`, `\`, or not ASCII. A byte above such a one may be taken for
/// odd too, never the other way round.
fn odd_word(word: u64) -> u64 {
    let below = |word: u64, bound: u8| word.wrapping_sub(EACH * u64::from(bound)) & !word;
    let is = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    (below(word, b' ') | is(b'"') | is(b'\\') | word) & (EACH * 0x80)
}

fn escaped(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), NotUtf8> {
    std::str::from_utf8(bytes).map_err(|_| NotUtf8)?;
    let mut clean = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if !ESCAPED[usize::from(*byte)] {
            continue;
        }
        out.extend_from_slice(&bytes[clean..at]);
        clean = at + 1;
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0c => b"\\f",
            _ => {
                out.extend_from_slice(b"\\u00");
                crate::trace::push_hex(out, u64::from(*byte), 2);
                continue;
            }
        };
        out.extend_from_slice(escape);
    }
    out.extend_from_slice(&bytes[clean..]);
    Ok(())
}

/// The bytes that a JSON string cannot hold as they are.
const ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut byte = 0;
    while byte < b' ' {
        escaped[byte as usize] = true;
        byte += 1;
    }
    escaped[b'"' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped
};

#[cfg(test)]
mod tests;
