//! The buffers one request needs, on the side of the client and on that of the target. They are taken when bytes arrive and
//! given back when nothing is in hand, so that who is idle holds none.

mod input;
mod kept;
mod outgoing;

pub(crate) use input::Input;
pub(crate) use kept::{Kept, Workspace, return_memory};
pub(crate) use outgoing::Outgoing;

use crate::record::Record;
use http1::{BodyDecoder, Framing, HeadScanner, RequestHead, ResponseHead};
use std::time::Instant;

/// Room that reading a request begins with. Large enough that a head and a small body come with one read.
const FIRST_READ_BYTES: usize = 8 * 1024;
/// Room that reading a response begins with: a head and a page come with one read.
const FIRST_RESPONSE_BYTES: usize = 16 * 1024;
/// Buffers that have grown over this are not kept. Those of fast bodies are: a head may lie before what is read.
const KEPT_BYTES: usize = 320 * 1024;

/// Input, output and state of the request in hand: the client's side.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) input: Input,
    pub(crate) output: Outgoing,
    pub(crate) scanner: HeadScanner,
    pub(crate) head: RequestHead,
    /// How the request's body is framed.
    pub(crate) framing: Framing,
    pub(crate) body: BodyDecoder,
    /// So many bytes of the rest of the input are decoded and at hand.
    pub(crate) at_hand: usize,
    /// A response of a target has begun.
    pub(crate) answering: bool,
    /// HTTP has ended here: bytes go through as they are.
    pub(crate) tunnel: bool,
    /// What they are read into, while there are any.
    pub(crate) through: Option<Box<TargetWork>>,
    pub(crate) record: Record,
}

/// The same on the side of a target.
#[derive(Debug)]
pub(crate) struct TargetWork {
    pub(crate) input: Input,
    pub(crate) output: Outgoing,
    pub(crate) scanner: HeadScanner,
    pub(crate) head: ResponseHead,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            input: Input::new(FIRST_READ_BYTES),
            output: Outgoing::default(),
            scanner: HeadScanner::new(),
            head: RequestHead::new(),
            framing: Framing::None,
            body: BodyDecoder::new(Framing::None),
            at_hand: 0,
            answering: false,
            tunnel: false,
            through: None,
            record: Record::new(Instant::now()),
        }
    }
}

impl Default for TargetWork {
    fn default() -> Self {
        Self {
            input: Input::new(FIRST_RESPONSE_BYTES),
            output: Outgoing::default(),
            scanner: HeadScanner::new(),
            head: ResponseHead::new(),
        }
    }
}

impl Work {
    /// A request whose head is complete begins; its body is framed like this.
    pub(crate) fn begin_body(&mut self, framing: Framing) {
        self.framing = framing;
        self.body = BodyDecoder::new(framing);
        self.at_hand = 0;
        (self.answering, self.tunnel) = (false, false);
    }
}

impl Workspace for Work {
    fn recycle(&mut self) -> bool {
        self.input.clear();
        self.output.clear();
        self.scanner.reset();
        debug_assert!(self.through.is_none(), "it was lent");
        self.record.listener = None;
        self.record.group = None;
        self.input.capacity() <= KEPT_BYTES && self.output.capacity() <= KEPT_BYTES
    }
}

impl Workspace for TargetWork {
    fn recycle(&mut self) -> bool {
        self.input.clear();
        self.output.clear();
        self.scanner.reset();
        self.input.capacity() <= KEPT_BYTES && self.output.capacity() <= KEPT_BYTES
    }
}
