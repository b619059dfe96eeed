//! The HTTP/1.x codec: bytes in, tokens and edits out.
//!
//! A head is found by [`HeadScanner`], cut into tokens by [`RequestHead::tokenize`], judged by [`desync::classify`] and
//! given one reading by [`framing`]. [`BodyDecoder`] cuts bodies, [`Edits`] and [`write_request`] make the head that is
//! sent on, [`ResponseWriter`] makes an answer of our own. Everything is reused between requests.
//!
//! The answer of a target is read by [`ResponseHead::read`], framed by [`response_framing`] and written by
//! [`write_response`]. A request is read tolerantly and classified, because ALB does so; a response that can be read in
//! two ways is refused, because nobody is served by it.
//!
//! Two promises hold the room together: every byte of a head belongs to exactly one token, so nothing is skipped in
//! silence; and the framing that is sent on is always written anew from our own reading, never copied.
//!
//! Left to others: sockets, timers, TLS, HTTP/2 frames, rules, and which status page answers an error.
#![forbid(unsafe_code)]

mod body;
pub mod desync;
mod edits;
mod field;
mod framing;
mod head;
mod known_name;
mod relay;
mod response;
mod response_framing;
mod response_head;
mod scan;
mod similarity;
mod token;
mod words;

pub use body::{BodyDecoder, BodyError, CHUNK_OVERHEAD_BYTES_MAX, Decoded, TRAILER_BYTES_MAX};
pub use edits::{Edits, Forward, OwnLines, OwnName, TargetConnection, WriteError, edited_fields, write_request};
pub use field::Field;
pub use framing::{Framing, FramingError, expects_continue, framing, is_upgrade, is_websocket_upgrade, keep_alive};
pub use head::{HeadError, RequestHead, Target, TargetForm, Version};
pub use known_name::KnownName;
pub use relay::{
    ClientConnection, ClientFraming, Relay, accepts_websocket, relayed_fields, set_cookie_named, write_response,
};
pub use response::{ResponseWriter, finish_chunks, write_chunk, write_chunk_size, write_continue};
pub use response_framing::{ResponseFraming, response_framing, response_keep_alive};
pub use response_head::{ResponseError, ResponseHead};
pub use scan::{HeadLimits, HeadScanner, LEADING_EMPTY_LINES_MAX, Limit, Scan};
pub use token::{FieldError, Span};

#[cfg(test)]
mod laws;
