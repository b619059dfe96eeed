//! HTTP/2 frame by frame, for what no well-behaved client sends.

use crate::secure::{SecureStream, secure, trusting};
use std::io::{self, Read, Write};
use std::net::SocketAddr;

/// A client's connection over TLS that sends frames as they are. Reads last at most [`BOUND`](crate::BOUND).
#[derive(Debug)]
pub struct Http2 {
    /// Below the frames.
    pub stream: SecureStream,
    buffer: Vec<u8>,
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0 is the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// `DATA`.
    pub const DATA: u8 = 0;
    /// `HEADERS`.
    pub const HEADERS: u8 = 1;
    /// `RST_STREAM`.
    pub const RST_STREAM: u8 = 3;
    /// `SETTINGS`.
    pub const SETTINGS: u8 = 4;
    /// `PING`.
    pub const PING: u8 = 6;
    /// `GOAWAY`.
    pub const GOAWAY: u8 = 7;
    /// The flag `END_STREAM` of `DATA` and `HEADERS`.
    pub const END_STREAM: u8 = 1;
    /// The flag `END_HEADERS`.
    pub const END_HEADERS: u8 = 4;

    /// A frame.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            flags,
            stream,
            payload: payload.into(),
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap();
        let mut bytes = length.to_be_bytes()[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// Whether nothing follows on its stream: the message ends, or the stream was reset.
    pub fn ends_stream(&self) -> bool {
        let is_last = self.flags & Self::END_STREAM != 0;
        self.kind == Self::RST_STREAM || (is_last && matches!(self.kind, Self::DATA | Self::HEADERS))
    }
}

/// What a connection begins with: the preface, and settings that change nothing.
pub fn preface() -> Vec<u8> {
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        Frame::new(Frame::SETTINGS, 0, 0, "").encode(),
    ]
    .concat()
}

/// A block of header fields, each spelled out and not compressed.
pub fn header_block(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0); // a literal that nobody remembers
        for text in [name, value] {
            push_length(&mut block, text.len());
            block.extend_from_slice(text);
        }
    }
    block
}

/// A length with a prefix of seven bits, and no Huffman coding. Source: RFC 7541, 5.1.
fn push_length(block: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(0x7f) else {
        block.push(length as u8);
        return;
    };
    block.push(0x7f);
    while rest >= 0x80 {
        block.push((rest % 0x80) as u8 | 0x80);
        rest /= 0x80;
    }
    block.push(rest as u8);
}

impl Http2 {
    /// Connects, and sends the [`preface`].
    ///
    /// # Errors
    ///
    /// Those of the system and of the handshake.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let mut stream = secure(address, "localhost", trusting(&["h2"]))?;
        stream.write_all(&preface())?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Sends a frame.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.stream.write_all(&frame.encode())
    }

    /// The next frame; settings and pings are answered.
    ///
    /// # Errors
    ///
    /// Those of the system, and `UnexpectedEof` at the end of the connection.
    pub fn receive(&mut self) -> io::Result<Frame> {
        let head: [u8; 9] = self.take(9)?.try_into().unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let frame = Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload: self.take(length as usize)?,
        };
        if matches!(frame.kind, Frame::SETTINGS | Frame::PING) && frame.flags & 1 == 0 {
            let payload = if frame.kind == Frame::PING {
                &frame.payload[..]
            } else {
                &[]
            };
            let _ = self.send(&Frame::new(frame.kind, 1, 0, payload)); // it may be closed already
        }
        Ok(frame)
    }

    /// The frames of a stream up to its end; fewer when the connection ends before.
    ///
    /// # Errors
    ///
    /// When nothing comes for too long.
    pub fn until_end(&mut self, stream: u32) -> io::Result<Vec<Frame>> {
        let mut frames: Vec<Frame> = Vec::new();
        while !frames.last().is_some_and(Frame::ends_stream) {
            match self.receive() {
                Ok(frame) if frame.stream == stream => frames.push(frame),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(_) => break,
            }
        }
        Ok(frames)
    }

    fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.buffer.extend_from_slice(&bytes[..read]),
            }
        }
        Ok(self.buffer.drain(..count).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_blocks_are_spelled_out() {
        let block = header_block(&[(b":method", b"GET"), (b"x", &[b'y'; 300])]);
        assert_eq!(block[..13], *b"\0\x07:method\x03GET");
        assert_eq!(block[13..19], *b"\0\x01x\x7f\xad\x01");
        assert_eq!(block.len(), 19 + 300);
        let frame = Frame::new(Frame::HEADERS, Frame::END_HEADERS, 1, "ab");
        assert_eq!(frame.encode(), b"\0\0\x02\x01\x04\0\0\0\x01ab");
        assert!(!frame.ends_stream());
    }
}
