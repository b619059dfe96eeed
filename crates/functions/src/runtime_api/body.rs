//! Reads a request body of a runtime, or passes over it. Bounded both ways.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http1::{BodyDecoder, Framing};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much of an unwanted body is read so that the connection can be used again.
const PASS_OVER_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Most bytes of the trailers that are wanted. The document of an error is among them, in base64. The bound is ours.
const TRAILER_BYTES_MAX: u32 = 1024 * 1024;

/// How much is asked of a socket at once when nothing is known of what comes.
pub(super) const READ_BYTES: usize = 4 * 1024;

/// The same of an answer that is handed on piece by piece.
const PIECE_BYTES: usize = 32 * 1024;

/// A body that is not read to its end yet.
pub(super) enum Body {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(BodyDecoder),
}

/// What [`Body::collect`] has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Collected {
    Whole(Bytes),
    /// More than wanted; the rest is still to be passed over.
    TooLarge,
}

impl From<Framing> for Body {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::None => Self::Length(0),
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(BodyDecoder::new(framing)),
        }
    }
}

impl Body {
    /// A body whose trailers are wanted. Only chunks have any.
    pub(super) fn with_trailers(framing: Framing) -> Self {
        match framing {
            Framing::Chunked => Self::Chunked(BodyDecoder::keeping_trailers(framing, TRAILER_BYTES_MAX)),
            Framing::None | Framing::Length(_) => Self::from(framing),
        }
    }

    /// Name and value of each trailer, once the body is complete and if they were wanted.
    pub(super) fn trailers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let decoder = match self {
            Self::Length(_) => None,
            Self::Chunked(decoder) => Some(decoder),
        };
        decoder.into_iter().flat_map(BodyDecoder::trailers)
    }

    /// Reads the body to its end, if it has at most `bytes_max` bytes. `buffer` holds what was read already, and
    /// afterwards what follows the body.
    ///
    /// # Errors
    ///
    /// When the body breaks off or is malformed.
    pub(super) async fn collect(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        buffer: &mut BytesMut,
        bytes_max: usize,
    ) -> io::Result<Collected> {
        match self {
            Self::Length(left) => match usize::try_from(*left) {
                Ok(length) if length <= bytes_max => {
                    let collected = collect_length(reader, buffer, length).await?;
                    *left = 0;
                    Ok(Collected::Whole(collected))
                }
                _ => Ok(Collected::TooLarge),
            },
            Self::Chunked(decoder) => {
                let mut collected = BytesMut::new();
                while !decoder.is_done() {
                    let decoded = decoder.decode(buffer).map_err(invalid)?;
                    let data = &buffer[decoded.data];
                    if collected.len() + data.len() > bytes_max {
                        buffer.advance(decoded.consumed);
                        return Ok(Collected::TooLarge);
                    }
                    collected.extend_from_slice(data);
                    buffer.advance(decoded.consumed);
                    if buffer.is_empty() && !decoder.is_done() {
                        read_some(reader, buffer).await?;
                    }
                }
                Ok(Collected::Whole(collected.freeze()))
            }
        }
    }

    /// The next piece of the body, as long as what is there; `None` at its end.
    ///
    /// # Errors
    ///
    /// As [`Body::collect`].
    pub(super) async fn next_piece(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        buffer: &mut BytesMut,
    ) -> io::Result<Option<Bytes>> {
        loop {
            match self {
                Self::Length(0) => return Ok(None),
                Self::Length(left) if !buffer.is_empty() => {
                    let taken = buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    let piece = Bytes::copy_from_slice(&buffer[..taken]);
                    buffer.advance(taken);
                    return Ok(Some(piece));
                }
                Self::Length(_) => {}
                Self::Chunked(decoder) => {
                    while !decoder.is_done() && !buffer.is_empty() {
                        let decoded = decoder.decode(buffer).map_err(invalid)?;
                        let piece = Bytes::copy_from_slice(&buffer[decoded.data]);
                        buffer.advance(decoded.consumed);
                        if !piece.is_empty() {
                            return Ok(Some(piece));
                        }
                    }
                    if decoder.is_done() {
                        return Ok(None);
                    }
                }
            }
            buffer.reserve(PIECE_BYTES);
            if reader.read_buf(buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads what is left of the body and forgets it.
    ///
    /// # Errors
    ///
    /// When the body breaks off, is malformed, or goes on for more than 32 MB: the connection is then of no use.
    pub(super) async fn pass_over(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        buffer: &mut BytesMut,
    ) -> io::Result<()> {
        let mut passed_over: u64 = 0;
        loop {
            let available = buffer.len();
            match self {
                Self::Length(left) => {
                    let taken = available.min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    buffer.advance(taken);
                    if *left == 0 {
                        return Ok(());
                    }
                }
                Self::Chunked(decoder) => {
                    while !decoder.is_done() && !buffer.is_empty() {
                        let decoded = decoder.decode(buffer).map_err(invalid)?;
                        buffer.advance(decoded.consumed);
                    }
                    if decoder.is_done() {
                        return Ok(());
                    }
                }
            }
            passed_over += available as u64;
            if passed_over > PASS_OVER_BYTES_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            read_some(reader, buffer).await?;
        }
    }
}

async fn collect_length(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    length: usize,
) -> io::Result<Bytes> {
    if buffer.len() >= length {
        // Copied: an answer that shares the buffer would cost a new buffer.
        let collected = Bytes::copy_from_slice(&buffer[..length]);
        buffer.advance(length);
        return Ok(collected);
    }
    let mut collected = BytesMut::with_capacity(length);
    collected.extend_from_slice(buffer);
    buffer.clear();
    while collected.len() < length {
        let missing = length - collected.len();
        if reader.read_buf(&mut (&mut collected).limit(missing)).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(collected.freeze())
}

/// Reads at least one byte.
async fn read_some(reader: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> io::Result<()> {
    buffer.reserve(READ_BYTES);
    match reader.read_buf(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn invalid(error: http1::BodyError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `early` has been read with the head, `late` comes afterwards.
    async fn collect(framing: Framing, early: &str, late: &str) -> (io::Result<Collected>, io::Result<()>, String) {
        let mut buffer = BytesMut::from(early);
        let mut reader = late.as_bytes();
        let mut body = Body::from(framing);
        let collected = body.collect(&mut reader, &mut buffer, 5).await;
        let passed_over = body.pass_over(&mut reader, &mut buffer).await;
        let rest = [&buffer[..], reader].concat();
        (collected, passed_over, String::from_utf8(rest).unwrap())
    }

    #[tokio::test]
    async fn bodies_end_where_their_framing_says() {
        let chunked = "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n";
        for (framing, text, expected) in [
            (Framing::None, "", ""),
            (Framing::Length(0), "", ""),
            (Framing::Length(5), "abcde", "abcde"),
            (Framing::Chunked, "0\r\n\r\n", ""),
            (Framing::Chunked, chunked, "abcde"),
        ] {
            for cut in 0..=text.len() {
                let late = format!("{}NEXT", &text[cut..]);
                let (collected, passed_over, rest) = collect(framing, &text[..cut], &late).await;
                assert_eq!(
                    collected.unwrap(),
                    Collected::Whole(expected.to_owned().into()),
                    "{text:?} at {cut}"
                );
                passed_over.unwrap();
                assert_eq!(rest, "NEXT", "{text:?} at {cut}");
            }
        }
    }

    #[tokio::test]
    async fn one_byte_too_many_is_too_large_and_the_rest_is_passed_over() {
        for (framing, text) in [
            (Framing::Length(6), "abcdef"),
            (Framing::Chunked, "3\r\nabc\r\n3\r\ndef\r\n1\r\ng\r\n0\r\n\r\n"),
        ] {
            for cut in 0..=text.len() {
                let late = format!("{}NEXT", &text[cut..]);
                let (collected, passed_over, rest) = collect(framing, &text[..cut], &late).await;
                assert_eq!(collected.unwrap(), Collected::TooLarge, "{text:?} at {cut}");
                passed_over.unwrap();
                assert_eq!(rest, "NEXT", "{text:?} at {cut}");
            }
        }
    }

    // LAM-R-021: an aborted body is told from a whole one
    #[tokio::test]
    async fn a_body_that_breaks_off_is_an_error() {
        for (framing, early, late) in [
            (Framing::Length(5), "ab", "cd"),
            (Framing::Chunked, "3\r\nab", ""),
            (Framing::Chunked, "3\r\nabc\r\n", ""),
            (Framing::Chunked, "3\r\nabc\r\n0\r\n", ""),
        ] {
            let (collected, ..) = collect(framing, early, late).await;
            assert_eq!(
                collected.unwrap_err().kind(),
                io::ErrorKind::UnexpectedEof,
                "{early:?} {late:?}"
            );
        }
        let (collected, ..) = collect(Framing::Chunked, "x\r\n", "").await;
        assert_eq!(collected.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn an_endless_body_is_not_passed_over_for_ever() {
        let mut body = Body::from(Framing::Length(u64::MAX));
        let passed_over = body.pass_over(&mut tokio::io::repeat(b'x'), &mut BytesMut::new()).await;
        assert_eq!(passed_over.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
