//! What the fuzz targets check, as plain functions from bytes to a panic, so that a corpus and generated inputs run
//! through them without libFuzzer too: `cargo test --lib` in this folder.
//!
//! A target runs with `cargo +nightly fuzz run NAME`; the files in `corpus/NAME` are its seeds.
#![forbid(unsafe_code)]

pub mod aws_chunked;
pub mod cbor;
pub mod chunked_body;
pub mod desync_differential;
pub mod event_stream;
pub mod http1_to_http2;
pub mod http2_request;
pub mod http2_response;
pub mod json;
pub mod manifest;
pub mod policy;
pub mod query;
pub mod record;
pub mod request_head;
pub mod response_body;
pub mod response_differential;
pub mod response_head;
pub mod sigv4;

mod peer;
mod played;
mod strict;

#[cfg(test)]
mod generate;
