//! Cuts a body out of the bytes that follow a head. Streams: nothing is kept but the state, and the answer does
//! not depend on how the bytes arrive.
//!
//! Strict where `head` is tolerant: a chunk that can be read in two ways is an error, because nothing after it could be
//! trusted. Chunk extensions are read, bounded and dropped, and so are trailers unless they are asked for.
//! Source: ALB 4.1, 4.9.

use std::ops::Range;

use memchr::memchr;

use crate::framing::Framing;
use crate::response_framing::ResponseFraming;
use crate::token::trim_ows;

/// Most bytes that all chunk-size lines of one body may spend on anything but digits and line ends. Without a bound over
/// the whole body, extensions on many tiny chunks would cost far more than they carry. The bound is ours.
pub const CHUNK_OVERHEAD_BYTES_MAX: u32 = 16_384;

/// Most bytes of all trailer lines with their line ends, when trailers are dropped. The bound is ours.
pub const TRAILER_BYTES_MAX: u32 = 16_384;

/// Hexadecimal digits of a 64-bit chunk size.
const SIZE_DIGITS_MAX: u8 = 16;

/// Why a body cannot be read on. To a request the answer is 400; of a response, the rest cannot be relayed. The connection
/// closes. Source: ALB 4.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A chunk size that is not hexadecimal, or none at all.
    #[error("a chunk size is not hexadecimal")]
    BadSize,
    /// A chunk size of more than 16 digits.
    #[error("a chunk size is over 64 bits")]
    SizeTooLarge,
    /// A chunk extension holds a control byte, or its line does not end with CRLF.
    #[error("a chunk size line is malformed")]
    BadSizeLine,
    /// More than [`CHUNK_OVERHEAD_BYTES_MAX`] bytes of extensions.
    #[error("the chunk extensions are too long")]
    ExtensionsTooLong,
    /// No CRLF after the data of a chunk.
    #[error("the data of a chunk is not followed by crlf")]
    NoLineEnd,
    /// A trailer line does not end with CRLF, or holds NUL.
    #[error("a trailer line is malformed")]
    BadTrailer,
    /// More bytes of trailers than allowed.
    #[error("the trailers are too long")]
    TrailersTooLong,
}

/// What one call of [`BodyDecoder::decode`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// So many bytes of the input are done with.
    pub consumed: usize,
    /// Where the data lies in the input; may be empty.
    pub data: Range<usize>,
    /// The body is complete. What follows `consumed` belongs to the next message.
    pub done: bool,
}

/// Reads one body.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: State,
    overhead_bytes: u32,
    trailer_bytes: u32,
    trailer_bytes_max: u32,
    /// The trailer lines with their line ends, if they are kept.
    trailers: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes of a `Content-Length` are still to come; never 0.
    Length(u64),
    /// All that comes is data.
    UntilClose,
    Size {
        size: u64,
        digits: u8,
    },
    /// Whitespace after the digits.
    Padding {
        size: u64,
    },
    Extension {
        size: u64,
    },
    SizeLf {
        size: u64,
    },
    /// So many bytes of a chunk are still to come; never 0.
    Data(u64),
    DataCr,
    DataLf,
    /// At the first byte of a trailer line.
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
    Failed(BodyError),
}

impl BodyDecoder {
    /// For a body framed like this. Trailers are dropped.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self::from(match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size { size: 0, digits: 0 },
        })
    }

    /// For the body of a response. One that lasts until the connection closes is never done: the close ends it, and was
    /// asked for, unlike a close while any other body is not done. Trailers are dropped.
    #[must_use]
    pub fn new_response(framing: ResponseFraming) -> Self {
        match framing {
            ResponseFraming::None => Self::new(Framing::None),
            ResponseFraming::Length(length) => Self::new(Framing::Length(length)),
            ResponseFraming::Chunked => Self::new(Framing::Chunked),
            ResponseFraming::UntilClose => Self::from(State::UntilClose),
        }
    }

    fn from(state: State) -> Self {
        Self {
            state,
            overhead_bytes: 0,
            trailer_bytes: 0,
            trailer_bytes_max: TRAILER_BYTES_MAX,
            trailers: None,
        }
    }

    /// For a body whose trailers are wanted: those of a streamed function response carry its error. At most so many bytes
    /// of them are taken. Source: Lambda 2.6.
    #[must_use]
    pub fn keeping_trailers(framing: Framing, trailer_bytes_max: u32) -> Self {
        Self {
            trailer_bytes_max,
            trailers: Some(Vec::new()),
            ..Self::new(framing)
        }
    }

    /// Name and value of each trailer line, complete when the body is done. A line without a colon is no trailer.
    pub fn trailers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lines = self.trailers.as_deref().unwrap_or_default().split(|&b| b == b'\n');
        lines.filter_map(|line| {
            let colon = memchr(b':', line)?;
            let value = line[colon + 1..].strip_suffix(b"\r")?;
            Some((trim_ows(&line[..colon]), trim_ows(value)))
        })
    }

    /// The end of the connection ends this body. If this is `false` and the body is not done, the end came too early.
    #[must_use]
    pub fn ends_with_close(&self) -> bool {
        self.state == State::UntilClose
    }

    /// The body is complete.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Reads up to the end of the next piece of data, or to the end of the input or body. Call again with the rest of the
    /// input until `done`, or until all is consumed.
    ///
    /// # Errors
    ///
    /// When the chunks are malformed or a bound is broken; every later call says the same. Data found before was good.
    pub fn decode(&mut self, input: &[u8]) -> Result<Decoded, BodyError> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match self.state {
                State::Done => break,
                State::Failed(error) => return Err(error),
                State::Length(left) | State::Data(left) => return Ok(self.take_data(left, at, input.len())),
                State::UntilClose => {
                    return Ok(Decoded {
                        consumed: input.len(),
                        data: at..input.len(),
                        done: false,
                    });
                }
                _ => match self.step(byte) {
                    Ok(next) => self.state = next,
                    Err(error) => {
                        self.state = State::Failed(error);
                        return Err(error);
                    }
                },
            }
            at += 1;
        }
        if let State::Failed(error) = self.state {
            return Err(error);
        }
        Ok(Decoded {
            consumed: at,
            data: at..at,
            done: self.is_done(),
        })
    }

    fn take_data(&mut self, left: u64, at: usize, end: usize) -> Decoded {
        let here = (end - at) as u64;
        let taken = here.min(left);
        let left = left - taken;
        self.state = match self.state {
            State::Length(_) if left == 0 => State::Done,
            State::Length(_) => State::Length(left),
            _ if left == 0 => State::DataCr,
            _ => State::Data(left),
        };
        // `taken` is at most `end - at`, so it fits.
        let data_end = at + taken as usize;
        Decoded {
            consumed: data_end,
            data: at..data_end,
            done: self.is_done(),
        }
    }

    /// One byte that is not data.
    fn step(&mut self, byte: u8) -> Result<State, BodyError> {
        match self.state {
            State::Size { size, digits } => self.step_size(size, digits, byte),
            State::Padding { size } => match byte {
                b'\r' => Ok(State::SizeLf { size }),
                b' ' | b'\t' => self.spend_overhead().map(|()| State::Padding { size }),
                b';' => self.spend_overhead().map(|()| State::Extension { size }),
                _ => Err(BodyError::BadSizeLine),
            },
            State::Extension { size } => match byte {
                b'\r' => Ok(State::SizeLf { size }),
                0..=8 | 10..=0x1f | 0x7f => Err(BodyError::BadSizeLine),
                _ => self.spend_overhead().map(|()| State::Extension { size }),
            },
            State::SizeLf { .. } if byte != b'\n' => Err(BodyError::BadSizeLine),
            State::SizeLf { size: 0 } => Ok(State::TrailerStart),
            State::SizeLf { size } => Ok(State::Data(size)),
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => Ok(State::Size { size: 0, digits: 0 }),
            State::DataCr | State::DataLf => Err(BodyError::NoLineEnd),
            State::TrailerStart if byte == b'\r' => Ok(State::EndLf),
            State::TrailerStart | State::Trailer => self.step_trailer(byte),
            State::TrailerLf | State::EndLf if byte != b'\n' => Err(BodyError::BadTrailer),
            State::TrailerLf => self.take_trailer(byte).map(|()| State::TrailerStart),
            State::EndLf => Ok(State::Done),
            // `decode` takes no single byte in these states.
            state @ (State::Length(_) | State::UntilClose | State::Data(_) | State::Done | State::Failed(_)) => {
                Ok(state)
            }
        }
    }

    fn step_trailer(&mut self, byte: u8) -> Result<State, BodyError> {
        match byte {
            b'\n' | 0 => Err(BodyError::BadTrailer),
            b'\r' => self.take_trailer(byte).map(|()| State::TrailerLf),
            _ => self.take_trailer(byte).map(|()| State::Trailer),
        }
    }

    fn step_size(&mut self, size: u64, digits: u8, byte: u8) -> Result<State, BodyError> {
        let Some(digit) = char::from(byte).to_digit(16) else {
            return match byte {
                _ if digits == 0 => Err(BodyError::BadSize),
                b'\r' => Ok(State::SizeLf { size }),
                b' ' | b'\t' => self.spend_overhead().map(|()| State::Padding { size }),
                b';' => self.spend_overhead().map(|()| State::Extension { size }),
                _ => Err(BodyError::BadSize),
            };
        };
        if digits == SIZE_DIGITS_MAX {
            return Err(BodyError::SizeTooLarge);
        }
        Ok(State::Size {
            size: (size << 4) | u64::from(digit),
            digits: digits + 1,
        })
    }

    fn spend_overhead(&mut self) -> Result<(), BodyError> {
        self.overhead_bytes += 1;
        if self.overhead_bytes > CHUNK_OVERHEAD_BYTES_MAX {
            Err(BodyError::ExtensionsTooLong)
        } else {
            Ok(())
        }
    }

    fn take_trailer(&mut self, byte: u8) -> Result<(), BodyError> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > self.trailer_bytes_max {
            return Err(BodyError::TrailersTooLong);
        }
        if let Some(trailers) = &mut self.trailers {
            trailers.push(byte);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
