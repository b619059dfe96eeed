//! Requests that are made to be read in two ways, responses too, before targets written in several stacks: whatever a client
//! sends, no target sees a request that was hidden in another, and no client gets what is not its own.
//!
//! Source: ALB 4.9, 4.11, RFC 9112 11, RFC 9113 10.3.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod client;
mod closing;
mod corpus;
mod http1;
mod http2;
mod judge;
mod recorder;
mod responses;
mod targets;
mod world;
