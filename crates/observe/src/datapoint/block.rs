//! The bytes of a block: the datapoints of one minute, or of a part of it.
//!
//! ```text
//! block    = "ADP1", payload bytes (u32, little-endian), CRC-32 of the payload (u32, little-endian), payload
//! payload  = minute, number of strings, { bytes, UTF-8 }, { group }
//! group    = bytes that follow, namespace, number of dimensions, { name, value }, { point }
//! point    = metric, unit (u8), flags (u8), numbers, [ histogram ]
//! numbers  = by shape. 0: sum, minimum, maximum, samples. 1, a single value: sum. 2, so many values of 1: samples.
//!            3, minimum and maximum are the same: sum, minimum, samples
//! flags    = bit 0: sum is a fraction; bit 1: minimum; bit 2: maximum; bit 3: histogram; bits 4 and 5: shape
//! histogram= layout (u8), number of occupied buckets, { distance from the one before, count }
//! ```
//!
//! Whole numbers are LEB128 of at most 64 bits; sum, minimum and maximum are one, too, unless their flag says that they
//! are an `f64`, little-endian. Namespaces, metrics, names and values are numbers of strings. Dimensions are sorted by
//! name. A block needs nothing but itself to be read, so nothing is kept between minutes, and what is damaged is alone.

use super::statistics::{Statistics, Unit};
use super::{Datapoint, Dimension};
use crate::counters::{BUCKETS, HistogramSnapshot};
use flate2::Crc;
use std::collections::HashMap;

/// The version is in it.
pub(super) const MARKER: [u8; 4] = *b"ADP1";

pub(super) const HEADER_BYTES: usize = 12;

/// Sixteen bounds from 0.5 ms to 60 s, and what is longer: those of [`crate::Histogram`].
const LAYOUT: u8 = 1;

const SUM_RAW: u8 = 1;
const MINIMUM_RAW: u8 = 2;
const MAXIMUM_RAW: u8 = 4;
const HISTOGRAM: u8 = 8;
const SHAPE_SHIFT: u8 = 4;

/// What stands for a statistic set.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Full = 0,
    Single = 1,
    Ones = 2,
    Same = 3,
}

impl Shape {
    fn of(set: &Statistics) -> Self {
        let is_same = set.minimum.to_bits() == set.maximum.to_bits();
        if set.sample_count == 1 && is_same && set.sum.to_bits() == set.minimum.to_bits() {
            Self::Single
        } else if is_same && *set == Statistics::count(set.sample_count) {
            Self::Ones
        } else if is_same {
            Self::Same
        } else {
            Self::Full
        }
    }

    fn from_flags(flags: u8) -> Self {
        match (flags >> SHAPE_SHIFT) & 3 {
            0 => Self::Full,
            1 => Self::Single,
            2 => Self::Ones,
            _ => Self::Same,
        }
    }
}

/// Makes blocks.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    ids: HashMap<Box<str>, u64>,
    strings: Vec<u8>,
    groups: Vec<u8>,
    /// The head of the group being made, and its points.
    head: Vec<u8>,
    points: Vec<u8>,
    /// The head of the next point's group.
    next_head: Vec<u8>,
    count: u64,
}

impl Encoder {
    /// Adds a point whose dimensions are sorted. Points of the same dimensions that follow each other share them.
    pub(super) fn put(&mut self, point: &Datapoint<'_>) {
        let mut head = std::mem::take(&mut self.next_head);
        head.clear();
        push_number(&mut head, self.id(point.namespace));
        push_number(&mut head, point.dimensions.len() as u64);
        for Dimension { name, value } in point.dimensions {
            push_number(&mut head, self.id(name));
            push_number(&mut head, self.id(value));
        }
        if head != self.head {
            self.end_group();
            std::mem::swap(&mut self.head, &mut head);
        }
        self.next_head = head;
        let metric = self.id(point.metric);
        push_point(&mut self.points, metric, point);
        self.count += 1;
    }

    /// How many points were put since the last block.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Bytes of the block, as good as.
    pub(super) fn bytes(&self) -> usize {
        self.strings.len() + self.groups.len() + self.head.len() + self.points.len()
    }

    /// Puts the block in place of what is in `block`, and begins anew.
    pub(super) fn finish(&mut self, minute: u64, block: &mut Vec<u8>) {
        self.end_group();
        block.clear();
        block.extend_from_slice(&MARKER);
        block.extend_from_slice(&[0; HEADER_BYTES - MARKER.len()]);
        push_number(block, minute);
        push_number(block, self.ids.len() as u64);
        block.extend_from_slice(&self.strings);
        block.extend_from_slice(&self.groups);
        let payload = block.get(HEADER_BYTES..).unwrap_or_default();
        let bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
        let sum = checksum(payload).to_le_bytes();
        for (place, byte) in block.iter_mut().skip(MARKER.len()).zip(bytes.into_iter().chain(sum)) {
            *place = byte;
        }
        *self = Self::default();
    }

    fn end_group(&mut self) {
        if !self.points.is_empty() {
            push_number(&mut self.groups, (self.head.len() + self.points.len()) as u64);
            self.groups.append(&mut self.head);
            self.groups.append(&mut self.points);
        }
        self.head.clear();
    }

    fn id(&mut self, text: &str) -> u64 {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = self.ids.len() as u64;
        push_number(&mut self.strings, text.len() as u64);
        self.strings.extend_from_slice(text.as_bytes());
        self.ids.insert(text.into(), id);
        id
    }
}

pub(super) fn checksum(payload: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(payload);
    crc.sum()
}

fn push_point(out: &mut Vec<u8>, metric: u64, point: &Datapoint<'_>) {
    let set = &point.statistics;
    let shape = Shape::of(set);
    push_number(out, metric);
    out.push(point.unit.code());
    let flags_at = out.len();
    out.push(0);
    let mut flags = (shape as u8) << SHAPE_SHIFT;
    if shape != Shape::Ones {
        flags |= push_value(out, set.sum, SUM_RAW);
    }
    if matches!(shape, Shape::Full | Shape::Same) {
        flags |= push_value(out, set.minimum, MINIMUM_RAW);
    }
    if shape == Shape::Full {
        flags |= push_value(out, set.maximum, MAXIMUM_RAW);
    }
    if shape != Shape::Single {
        push_number(out, set.sample_count);
    }
    if let Some(histogram) = point.histogram {
        flags |= HISTOGRAM;
        push_histogram(out, histogram);
    }
    if let Some(place) = out.get_mut(flags_at) {
        *place = flags;
    }
}

fn push_histogram(out: &mut Vec<u8>, histogram: &HistogramSnapshot) {
    let occupied = || histogram.buckets().iter().enumerate().filter(|(_, count)| **count > 0);
    out.push(LAYOUT);
    push_number(out, occupied().count() as u64);
    let mut before = 0;
    for (bucket, count) in occupied() {
        push_number(out, (bucket - before) as u64);
        push_number(out, *count);
        before = bucket;
    }
}

/// Returns the flag when the value is no whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is compared bit by bit"
)]
#[expect(clippy::cast_precision_loss, reason = "it is compared bit by bit")]
fn push_value(out: &mut Vec<u8>, value: f64, raw: u8) -> u8 {
    let whole = value as u64;
    if (whole as f64).to_bits() == value.to_bits() {
        push_number(out, whole);
        return 0;
    }
    out.extend_from_slice(&value.to_le_bytes());
    raw
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A payload that is read. Whatever does not fit makes it end.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) minute: u64,
    strings: Vec<&'a str>,
    rest: Bytes<'a>,
}

/// What stands before the points of a group, in numbers of strings.
#[derive(Debug, Default)]
pub(super) struct Group<'a> {
    pub(super) namespace: u64,
    pub(super) dimensions: Vec<(u64, u64)>,
    points: Bytes<'a>,
}

/// A point of a group.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) metric: u64,
    pub(super) unit: Unit,
    pub(super) statistics: Statistics,
    pub(super) histogram: Option<[u64; BUCKETS]>,
}

impl<'a> Block<'a> {
    pub(super) fn open(payload: &'a [u8]) -> Option<Self> {
        let mut rest = Bytes(payload);
        let minute = rest.number()?;
        let count = usize::try_from(rest.number()?).ok()?;
        // Each takes a byte at least.
        let mut strings = Vec::with_capacity(count.min(rest.0.len()));
        for _ in 0..count {
            strings.push(str::from_utf8(rest.part()?.0).ok()?);
        }
        Some(Self { minute, strings, rest })
    }

    /// The numbers of all strings.
    pub(super) fn ids(&self) -> HashMap<&'a str, u64> {
        let numbers = 0_u64..;
        self.strings.iter().copied().zip(numbers).collect()
    }

    /// The number of a string, if the block has it.
    pub(super) fn id(&self, text: &str) -> Option<u64> {
        let at = self.strings.iter().position(|string| *string == text)?;
        Some(at as u64)
    }

    pub(super) fn string(&self, id: u64) -> Option<&'a str> {
        self.strings.get(usize::try_from(id).ok()?).copied()
    }

    /// Replaces `group` by the next one; false when there is none.
    pub(super) fn next_group(&mut self, group: &mut Group<'a>) -> bool {
        self.read_group(group).is_some()
    }

    fn read_group(&mut self, group: &mut Group<'a>) -> Option<()> {
        let mut part = self.rest.part()?;
        group.namespace = part.number()?;
        group.dimensions.clear();
        for _ in 0..part.number()? {
            group.dimensions.push((part.number()?, part.number()?));
        }
        group.points = part;
        Some(())
    }
}

impl Group<'_> {
    pub(super) fn next_point(&mut self) -> Option<Point> {
        self.points.point()
    }
}

/// Bytes that are read from their front.
#[derive(Clone, Copy, Debug, Default)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number, and so many bytes.
    fn part(&mut self) -> Option<Self> {
        let bytes = usize::try_from(self.number()?).ok()?;
        self.take(bytes).map(Self)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has one bit.
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    #[expect(clippy::cast_precision_loss, reason = "it was a whole `f64` when it was written")]
    fn value(&mut self, is_raw: bool) -> Option<f64> {
        if is_raw {
            let bytes = self.take(8)?.try_into().ok()?;
            return Some(f64::from_le_bytes(bytes));
        }
        self.number().map(|whole| whole as f64)
    }

    fn point(&mut self) -> Option<Point> {
        let metric = self.number()?;
        let unit = Unit::from_code(self.byte()?);
        let flags = self.byte()?;
        let statistics = self.statistics(flags)?;
        let histogram = match flags & HISTOGRAM {
            0 => None,
            _ => Some(self.histogram()?),
        };
        Some(Point {
            metric,
            unit,
            statistics,
            histogram,
        })
    }

    fn statistics(&mut self, flags: u8) -> Option<Statistics> {
        let shape = Shape::from_flags(flags);
        if shape == Shape::Ones {
            return Some(Statistics::count(self.number()?));
        }
        let sum = self.value(flags & SUM_RAW != 0)?;
        if shape == Shape::Single {
            return Some(Statistics::value(sum));
        }
        let minimum = self.value(flags & MINIMUM_RAW != 0)?;
        let maximum = match shape {
            Shape::Full => self.value(flags & MAXIMUM_RAW != 0)?,
            _ => minimum,
        };
        Some(Statistics {
            sum,
            minimum,
            maximum,
            sample_count: self.number()?,
        })
    }

    fn histogram(&mut self) -> Option<[u64; BUCKETS]> {
        if self.byte()? != LAYOUT {
            return None;
        }
        let mut buckets = [0; BUCKETS];
        let mut bucket = 0_usize;
        for _ in 0..self.number()? {
            bucket = bucket.checked_add(usize::try_from(self.number()?).ok()?)?;
            *buckets.get_mut(bucket)? = self.number()?;
        }
        Some(buckets)
    }
}

#[cfg(test)]
mod tests;
