//! The proxy over real sockets: raw bytes in, raw bytes out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod abuse;
mod basics;
mod desync;
mod frames;
mod headers;
mod http2;
mod http2_ends;
mod http2_hostile;
mod lambda;
mod log;
mod played;
mod rules;
mod secure;
mod support;
mod timers;
mod tls;
mod tls_refusals;
