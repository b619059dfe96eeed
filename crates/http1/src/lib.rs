//! The HTTP/1.x codec: bytes in, tokens and edits out.
//!
//! A head is found by [`HeadScanner`], cut into tokens by [`RequestHead::tokenize`], judged by [`desync::classify`] and
//! given one reading by [`framing`]. [`BodyDecoder`] cuts bodies, [`Edits`] and [`write_request`] make the head that is
//! sent on, [`ResponseWriter`] makes the answer. Everything is reused between requests.
//!
//! Two promises hold the room together: every byte of a head belongs to exactly one token, so nothing is skipped in
//! silence; and the framing that is sent on is always written anew from our own reading, never copied.
//!
//! Left to others: sockets, timers, TLS, HTTP/2 frames, rules, and which status page answers an error.
#![forbid(unsafe_code)]

mod body;
pub mod desync;
mod edits;
mod framing;
mod head;
mod known_name;
mod response;
mod scan;
mod similarity;
mod token;

pub use body::{BodyDecoder, BodyError, CHUNK_OVERHEAD_BYTES_MAX, Decoded, TRAILER_BYTES_MAX};
pub use edits::{Edits, Forward, TargetConnection, WriteError, edited_fields, write_request};
pub use framing::{Framing, FramingError, expects_continue, framing, is_upgrade, is_websocket_upgrade, keep_alive};
pub use head::{Field, HeadError, RequestHead, Target, TargetForm, Version};
pub use known_name::KnownName;
pub use response::{ResponseWriter, finish_chunks, write_chunk, write_chunk_size, write_continue};
pub use scan::{HeadLimits, HeadScanner, LEADING_EMPTY_LINES_MAX, Limit, Scan};
pub use token::{FieldError, Span};

#[cfg(test)]
mod laws;
