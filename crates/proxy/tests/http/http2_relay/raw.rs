//! Targets that speak HTTP/2 frame by frame, for what no well-behaved server sends.

use crate::frames::*;
use crate::relay::origin::{Latch, Line, Origin};
use crate::support::*;
use model::elb::target_group::ProtocolVersion;

/// `:status: 200`, compressed.
pub(crate) const OK: &[u8] = b"\x88";

// Why a stream or a connection ends.
pub(super) const NO_ERROR: u32 = 0;
pub(super) const INTERNAL_ERROR: u32 = 2;
pub(super) const REFUSED_STREAM: u32 = 7;
pub(super) const CANCEL: u32 = 8;

/// A connection of an origin on which frames are spoken.
pub(crate) struct Frames<'a> {
    pub(crate) line: &'a mut Line,
    /// Whether settings are acknowledged while reading.
    polite: bool,
}

impl<'a> Frames<'a> {
    /// Takes the preface and sends these settings; `None` when nobody says anything.
    pub(crate) fn begin(line: &'a mut Line, settings: &[u8]) -> Option<Self> {
        let preface = line.bytes(24);
        if preface.is_empty() {
            return None;
        }
        assert_eq!(preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut frames = Self { line, polite: true };
        frames.send(SETTINGS, 0, 0, settings);
        Some(frames)
    }

    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.line.send(encode(kind, flags, stream, payload))
    }

    /// The next frame; `None` when the proxy has closed.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let head: [u8; 9] = self.line.bytes(9).try_into().ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let frame = Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload: self.line.bytes(length),
        };
        if self.polite && frame.flags & ACK == 0 && matches!(frame.kind, SETTINGS | PING) {
            let payload = if frame.kind == PING { &*frame.payload } else { &[] };
            self.send(frame.kind, ACK, 0, payload);
        }
        Some(frame)
    }

    /// Skips to the next frame of a kind; `None` when the proxy closes before.
    pub(crate) fn until(&mut self, kind: u8) -> Option<Frame> {
        std::iter::from_fn(|| self.next()).find(|frame| frame.kind == kind)
    }

    /// Answers 200 with a body.
    pub(crate) fn answer(&mut self, stream: u32, body: &[u8]) {
        self.send(HEADERS, END_HEADERS, stream, OK);
        self.send(DATA, END_STREAM, stream, body);
    }

    /// Answers requests until the connection ends.
    pub(crate) fn answer_all(&mut self) {
        while let Some(head) = self.until(HEADERS) {
            self.answer(head.stream, b"ok");
        }
    }

    pub(crate) fn reset(&mut self, stream: u32, code: u32) {
        self.send(RST_STREAM, 0, stream, &code.to_be_bytes());
    }

    /// No stream above `last` is looked at.
    pub(crate) fn go_away(&mut self, last: u32, code: u32) {
        self.send(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat());
    }
}

/// `SETTINGS_MAX_CONCURRENT_STREAMS`.
pub(crate) fn at_once(streams: u32) -> Vec<u8> {
    [&[0, 3][..], &streams.to_be_bytes()].concat()
}

/// A target that plays a script on each connection, behind a proxy. The script has the preface behind it.
pub(crate) fn playing(script: impl Fn(&mut Frames<'_>) + Send + Sync + 'static) -> Origin {
    with_settings(Vec::new(), script)
}

pub(crate) fn with_settings(settings: Vec<u8>, script: impl Fn(&mut Frames<'_>) + Send + Sync + 'static) -> Origin {
    Origin::playing(move |line| {
        if let Some(mut frames) = Frames::begin(line, &settings) {
            script(&mut frames);
        }
    })
}

/// A proxy in front of such a target.
pub(crate) fn before(origin: &Origin) -> Server {
    super::target::to(&[origin.address()], ProtocolVersion::Http2).start()
}

/// A latch and a copy of it for a script.
pub(crate) fn latch() -> (Latch, Latch) {
    let latch = Latch::default();
    (latch.clone(), latch)
}
