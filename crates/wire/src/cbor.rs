//! CBOR as Smithy's RPC v2 protocol has it: whole documents, read with bounds and written in the shortest form. Source:
//! RFC 8949, and Smithy's `rpcv2Cbor`.
//!
//! Read is what that protocol needs: definite and indefinite lengths, floats of every size, the tag of times. Other tags
//! are passed over, keys are texts, and numbers fit in 64 bits.

use crate::value::Value;

/// Lists and maps in each other.
const DEPTH_MAX: usize = 32;
/// Values of one document: each takes a byte at least, and more memory than that.
const VALUES_MAX: usize = 100_000;

/// The tag of seconds since the epoch.
const TIME: u64 = 1;

/// Why bytes are no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    /// They end in the middle of a value.
    #[error("the document ends too soon")]
    Short,
    /// There is more after the value.
    #[error("there are bytes after the document")]
    Long,
    /// Lists and maps stand in each other too deeply.
    #[error("the document is nested too deeply")]
    Deep,
    /// There are too many values.
    #[error("the document has too many values")]
    Large,
    /// A byte that begins nothing, or stands where something else should.
    #[error("the document is malformed")]
    Malformed,
    /// A text is not UTF-8.
    #[error("a text of the document is not UTF-8")]
    Text,
    /// A key is no text.
    #[error("a key of the document is no text")]
    Key,
    /// A whole number of more than 63 bits.
    #[error("a number of the document is too large")]
    Number,
}

/// Reads one document.
///
/// # Errors
/// It is malformed, or larger than any document of ours.
pub fn read(bytes: &[u8]) -> Result<Value, CborError> {
    let mut reader = Reader { rest: bytes, values: 0 };
    let value = reader.value(0)?;
    match reader.rest.is_empty() {
        true => Ok(value),
        false => Err(CborError::Long),
    }
}

/// Writes one document.
pub fn write(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put(value, &mut out);
    out
}

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const OTHER: u8 = 7;

/// What ends something of indefinite length.
const BREAK: u8 = 0xff;

struct Reader<'a> {
    rest: &'a [u8],
    values: usize,
}

/// The first byte of a value and the number that follows it; `None` for an indefinite length.
struct Head {
    major: u8,
    minor: u8,
    argument: Option<u64>,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, CborError> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(CborError::Large);
        }
        let head = self.head()?;
        match (head.major, head.argument) {
            (UNSIGNED, Some(number)) => whole(number).map(Value::Integer),
            (NEGATIVE, Some(number)) => whole(number).map(|number| Value::Integer(-1 - number)),
            (BYTES, length) => self.string(BYTES, length).map(Value::Bytes),
            (TEXT, length) => self.text(length).map(Value::Text),
            (LIST | MAP | TAG, _) if depth >= DEPTH_MAX => Err(CborError::Deep),
            (LIST, length) => self.list(length, depth + 1),
            (MAP, length) => self.map(length, depth + 1),
            (TAG, Some(tag)) => match (tag, self.value(depth + 1)?) {
                (TIME, Value::Integer(seconds)) => Ok(Value::Time(as_float(seconds))),
                (TIME, Value::Number(seconds)) => Ok(Value::Time(seconds)),
                (TIME, _) => Err(CborError::Malformed),
                (_, value) => Ok(value),
            },
            (OTHER, Some(argument)) => simple(head.minor, argument),
            _ => Err(CborError::Malformed),
        }
    }

    fn list(&mut self, length: Option<u64>, depth: usize) -> Result<Value, CborError> {
        let mut values = Vec::new();
        while self.goes_on(length, values.len())? {
            values.push(self.value(depth)?);
        }
        Ok(Value::List(values))
    }

    fn map(&mut self, length: Option<u64>, depth: usize) -> Result<Value, CborError> {
        let mut members = Vec::new();
        while self.goes_on(length, members.len())? {
            let key = self.head()?;
            if key.major != TEXT {
                return Err(CborError::Key);
            }
            let key = self.text(key.argument)?;
            members.push((key, self.value(depth)?));
        }
        Ok(Value::Structure(members))
    }

    /// Whether there is one more of so many, or another thing than a break.
    fn goes_on(&mut self, length: Option<u64>, count: usize) -> Result<bool, CborError> {
        match length {
            Some(length) => Ok((count as u64) < length),
            None if self.rest.first() == Some(&BREAK) => {
                self.take(1)?;
                Ok(false)
            }
            None => Ok(true),
        }
    }

    fn text(&mut self, length: Option<u64>) -> Result<String, CborError> {
        String::from_utf8(self.string(TEXT, length)?).map_err(|_| CborError::Text)
    }

    /// A string, or the pieces of one.
    fn string(&mut self, major: u8, length: Option<u64>) -> Result<Vec<u8>, CborError> {
        if let Some(length) = length {
            let length = usize::try_from(length).map_err(|_| CborError::Short)?;
            return Ok(self.take(length)?.to_vec());
        }
        let mut whole = Vec::new();
        while self.goes_on(None, 0)? {
            let piece = self.head()?;
            match piece.argument {
                Some(length) if piece.major == major => {
                    let length = usize::try_from(length).map_err(|_| CborError::Short)?;
                    whole.extend_from_slice(self.take(length)?);
                }
                _ => return Err(CborError::Malformed),
            }
        }
        Ok(whole)
    }

    fn head(&mut self) -> Result<Head, CborError> {
        let first = self.take(1)?.first().copied().ok_or(CborError::Short)?;
        let (major, minor) = (first >> 5, first & 0x1f);
        let argument = match minor {
            0..=23 => Some(minor.into()),
            24..=27 => {
                let bytes = self.take(1 << (minor - 24))?;
                Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
            }
            31 if matches!(major, BYTES | TEXT | LIST | MAP) => None,
            _ => return Err(CborError::Malformed),
        };
        Ok(Head { major, minor, argument })
    }

    fn take(&mut self, count: usize) -> Result<&[u8], CborError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(CborError::Short)?;
        self.rest = rest;
        Ok(taken)
    }
}

fn whole(number: u64) -> Result<i64, CborError> {
    i64::try_from(number).map_err(|_| CborError::Number)
}

#[expect(clippy::cast_precision_loss, reason = "seconds since the epoch are far below 2^53")]
fn as_float(number: i64) -> f64 {
    number as f64
}

fn simple(minor: u8, argument: u64) -> Result<Value, CborError> {
    Ok(match (minor, argument) {
        (20, _) => Value::Boolean(false),
        (21, _) => Value::Boolean(true),
        (22 | 23, _) => Value::Null,
        (25, bits) => Value::Number(half(bits)),
        (26, bits) => {
            let bits = u32::try_from(bits).map_err(|_| CborError::Malformed)?;
            Value::Number(f32::from_bits(bits).into())
        }
        (27, bits) => Value::Number(f64::from_bits(bits)),
        _ => return Err(CborError::Malformed),
    })
}

/// A float of 16 bits. Source: RFC 8949, appendix D.
fn half(bits: u64) -> f64 {
    let (exponent, mantissa) = ((bits >> 10) & 0x1f, f64::from((bits & 0x3ff) as u16));
    let power = |exponent: u64| f64::from(2_u32).powi(i32::try_from(exponent).unwrap_or(0));
    let value = match exponent {
        0 => mantissa / power(24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * power(exponent) / power(25),
    };
    match bits & 0x8000 {
        0 => value,
        _ => -value,
    }
}

fn put(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(OTHER << 5 | 22),
        Value::Boolean(truth) => out.push(OTHER << 5 | (20 + u8::from(*truth))),
        Value::Integer(number) => match u64::try_from(*number) {
            Ok(number) => put_head(UNSIGNED, number, out),
            Err(_) => put_head(NEGATIVE, number.unsigned_abs() - 1, out),
        },
        Value::Number(number) => put_float(*number, out),
        Value::Text(text) => {
            put_head(TEXT, text.len() as u64, out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Bytes(bytes) => {
            put_head(BYTES, bytes.len() as u64, out);
            out.extend_from_slice(bytes);
        }
        Value::Time(seconds) => {
            put_head(TAG, TIME, out);
            put_float(*seconds, out);
        }
        Value::List(values) => {
            put_head(LIST, values.len() as u64, out);
            values.iter().for_each(|value| put(value, out));
        }
        Value::Structure(members) | Value::Map(members) => {
            put_head(MAP, members.len() as u64, out);
            for (name, value) in members {
                put_head(TEXT, name.len() as u64, out);
                out.extend_from_slice(name.as_bytes());
                put(value, out);
            }
        }
    }
}

fn put_float(number: f64, out: &mut Vec<u8>) {
    out.push(OTHER << 5 | 27);
    out.extend_from_slice(&number.to_bits().to_be_bytes());
}

fn put_head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let bytes = argument.to_be_bytes();
    let (minor, width) = match argument {
        0..=23 => (argument as u8, 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    out.push(major << 5 | minor);
    out.extend_from_slice(&bytes[bytes.len() - width..]);
}

#[cfg(test)]
mod tests;
