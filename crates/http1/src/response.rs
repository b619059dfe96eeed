//! Writes responses: the head through [`ResponseWriter`], chunked bodies through free functions.
//!
//! The order of the fields is the order of the calls. Which fields there are, the date, and what a page says is left to
//! the caller.

use crate::edits::check_own_field;
use crate::token::{FieldError, check_value, write_decimal};

/// Writes one response head at the end of a vector. Dropped before [`ResponseWriter::end`], it takes back what it wrote, so
/// half a head is never sent.
#[derive(Debug)]
pub struct ResponseWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    framed: bool,
    ended: bool,
}

impl<'a> ResponseWriter<'a> {
    /// Begins with `HTTP/1.1 {status} {phrase}`, whatever version the client spoke, as RFC 9110, 6.2 says. The phrase may
    /// be empty.
    ///
    /// # Errors
    ///
    /// [`FieldError::FirstLine`] if the status has not three digits, or the phrase holds CR, LF or NUL.
    pub fn begin(out: &'a mut Vec<u8>, status: u16, phrase: &[u8]) -> Result<Self, FieldError> {
        if !(100..=999).contains(&status) || check_value(phrase).is_err() {
            return Err(FieldError::FirstLine);
        }
        let start = out.len();
        out.extend_from_slice(b"HTTP/1.1 ");
        write_decimal(out, u64::from(status));
        for part in [b" ", phrase, b"\r\n"] {
            out.extend_from_slice(part);
        }
        Ok(Self {
            out,
            start,
            framed: false,
            ended: false,
        })
    }

    /// Adds a field.
    ///
    /// # Errors
    ///
    /// [`FieldError`] if the field cannot stand in a head, or is a connection or framing field: those have their own
    /// functions. Nothing is written then.
    pub fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), FieldError> {
        check_own_field(name, value)?;
        self.write(name, value);
        Ok(())
    }

    /// Adds `Content-Length`.
    ///
    /// # Errors
    ///
    /// [`FieldError::Framing`] if the response is framed already.
    pub fn content_length(&mut self, length: u64) -> Result<(), FieldError> {
        self.frame_once()?;
        self.out.extend_from_slice(b"Content-Length: ");
        write_decimal(self.out, length);
        self.out.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Adds `Transfer-Encoding: chunked`. Not for HTTP/1.0 clients: leave the framing out and close instead.
    ///
    /// # Errors
    ///
    /// [`FieldError::Framing`] if the response is framed already.
    pub fn chunked(&mut self) -> Result<(), FieldError> {
        self.frame_once()?;
        self.write(b"Transfer-Encoding", b"chunked");
        Ok(())
    }

    /// Adds `Connection: keep-alive` or `Connection: close`.
    pub fn connection(&mut self, keep_alive: bool) {
        self.write(b"Connection", if keep_alive { b"keep-alive" } else { b"close" });
    }

    /// Adds `Connection: upgrade` and `Upgrade`, for a 101.
    ///
    /// # Errors
    ///
    /// [`FieldError::Value`] if the protocol holds CR, LF or NUL.
    pub fn upgrade(&mut self, protocol: &[u8]) -> Result<(), FieldError> {
        check_value(protocol)?;
        self.write(b"Connection", b"upgrade");
        self.write(b"Upgrade", protocol);
        Ok(())
    }

    /// Ends the head. Without framing the response has no body (1xx, 204, 304) or ends with the connection.
    pub fn end(mut self) {
        self.out.extend_from_slice(b"\r\n");
        self.ended = true;
    }

    fn frame_once(&mut self) -> Result<(), FieldError> {
        if std::mem::replace(&mut self.framed, true) {
            Err(FieldError::Framing)
        } else {
            Ok(())
        }
    }

    fn write(&mut self, name: &[u8], value: &[u8]) {
        for part in [name, b": ", value, b"\r\n"] {
            self.out.extend_from_slice(part);
        }
    }
}

impl Drop for ResponseWriter<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.out.truncate(self.start);
        }
    }
}

/// Appends `100 Continue`. Source: ALB 4.6, `Expect`.
pub fn write_continue(out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
}

/// Appends one chunk. Empty data writes nothing, because an empty chunk would end the body.
pub fn write_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    write_chunk_size(out, data.len() as u64);
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Appends the size line of a chunk whose data is sent from elsewhere; CRLF must follow that data. `size` must not be 0.
pub fn write_chunk_size(out: &mut Vec<u8>, size: u64) {
    debug_assert!(size > 0, "a chunk of size 0 ends the body");
    let digits = (u64::BITS - size.leading_zeros()).div_ceil(4).max(1);
    for at in (0..digits).rev() {
        let digit = (size >> (4 * at)) as usize & 0xf;
        out.push(b"0123456789abcdef"[digit]);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk, without trailers.
pub fn finish_chunks(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::BodyDecoder;
    use crate::framing::Framing;

    #[test]
    fn a_head_is_written_in_the_order_of_the_calls() {
        let mut out = b"before".to_vec();
        let mut writer = ResponseWriter::begin(&mut out, 301, b"Moved Permanently").unwrap();
        writer.field(b"Server", b"awselb/2.0").unwrap();
        writer.content_length(134).unwrap();
        writer.connection(true);
        writer.field(b"Location", b"https://a/").unwrap();
        writer.end();
        let expected = "beforeHTTP/1.1 301 Moved Permanently\r\nServer: awselb/2.0\r\nContent-Length: 134\r\n\
                        Connection: keep-alive\r\nLocation: https://a/\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn an_empty_phrase_an_upgrade_and_a_continue() {
        let mut out = Vec::new();
        write_continue(&mut out);
        ResponseWriter::begin(&mut out, 463, b"").unwrap().end();
        let mut writer = ResponseWriter::begin(&mut out, 101, b"Switching Protocols").unwrap();
        writer.upgrade(b"websocket").unwrap();
        writer.end();
        let expected = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 463 \r\n\r\n\
                        HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn what_could_split_a_response_is_refused_and_leaves_no_trace() {
        let mut out = b"before".to_vec();
        for (status, phrase) in [(99, &b"x"[..]), (1000, b"x"), (200, b"a\r\nb"), (200, b"a\0")] {
            assert_eq!(
                ResponseWriter::begin(&mut out, status, phrase).err(),
                Some(FieldError::FirstLine)
            );
        }
        let mut writer = ResponseWriter::begin(&mut out, 200, b"OK").unwrap();
        for (name, value, error) in [
            (&b"a"[..], &b"b\r\nSet-Cookie: x"[..], FieldError::Value),
            (b"a", b"\n", FieldError::Value),
            (b"a", b"\0", FieldError::Value),
            (b"a\r\nb", b"c", FieldError::Name),
            (b"", b"c", FieldError::Name),
            (b"a b", b"c", FieldError::Name),
            (b"a:", b"c", FieldError::Name),
            (b"content-length", b"5", FieldError::Framing),
            (b"Transfer-Encoding", b"chunked", FieldError::Framing),
            (b"Transfer_Encoding", b"chunked", FieldError::Framing),
            (b"connection", b"close", FieldError::Framing),
        ] {
            assert_eq!(writer.field(name, value), Err(error));
        }
        writer.content_length(0).unwrap();
        assert_eq!(writer.content_length(1), Err(FieldError::Framing));
        assert_eq!(writer.chunked(), Err(FieldError::Framing));
        assert_eq!(writer.upgrade(b"a\r\nb"), Err(FieldError::Value));
        drop(writer);
        assert_eq!(out, b"before");
    }

    #[test]
    fn chunks_are_read_back_as_they_were_written() {
        let long = vec![b'x'; 0x1_0010];
        for data in [&b""[..], b"a", b"0123456789abcdef", &long] {
            let mut out = Vec::new();
            write_chunk(&mut out, data);
            finish_chunks(&mut out);
            let mut decoder = BodyDecoder::new(Framing::Chunked);
            let mut read = Vec::new();
            let mut at = 0;
            while !decoder.is_done() {
                let decoded = decoder.decode(&out[at..]).unwrap();
                read.extend_from_slice(&out[at..][decoded.data]);
                at += decoded.consumed;
            }
            assert_eq!((read.as_slice(), at), (data, out.len()));
        }
    }

    #[test]
    fn chunk_sizes_are_shortest_hexadecimal() {
        for size in [1, 15, 16, 255, 256, 0xdead_beef, u64::MAX] {
            let mut out = Vec::new();
            write_chunk_size(&mut out, size);
            assert_eq!(out, format!("{size:x}\r\n").into_bytes());
        }
    }
}
