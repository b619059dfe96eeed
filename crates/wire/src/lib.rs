//! AWS's shapes on the wire: signatures, the query protocol, XML, CBOR. Bytes to values and back, as plain functions.
//!
//! ```text
//! sigv4      who signed a request, and whether they did
//! aws_chunked  bodies that come in chunks with signatures, and with a checksum behind them
//! checksum   what those checksums are
//! sealed     texts that only their writer can read and make
//! query      form fields to lists and structures
//! xml        the documents that answer them
//! event_stream  frames of answers that come piece by piece
//! cbor       documents of the RPC v2 protocol
//! value      what they say, and other protocols too
//! time       AWS's two ways to write a moment
//! ```
//!
//! What the values mean belongs to `control`. Everything here is fed by strangers: no input panics, none takes more than
//! linear time and memory, and what cannot be read is an error.
#![forbid(unsafe_code)]

pub mod aws_chunked;
pub mod cbor;
pub mod checksum;
pub mod event_stream;
mod percent;
pub mod query;
pub mod sealed;
pub mod sigv4;
pub mod time;
pub mod value;
pub mod xml;
