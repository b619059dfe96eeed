//! What the fuzz targets check, as plain functions from bytes to a panic, so that a corpus and generated inputs run
//! through them without libFuzzer too: `cargo test --lib` in this folder.
//!
//! A target runs with `cargo +nightly fuzz run NAME`; the files in `corpus/NAME` are its seeds.
#![forbid(unsafe_code)]

pub mod chunked_body;
pub mod desync_differential;
pub mod manifest;
pub mod request_head;

#[cfg(test)]
mod generate;
