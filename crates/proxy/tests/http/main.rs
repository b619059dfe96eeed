//! The proxy over real sockets: raw bytes in, raw bytes out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod abuse;
mod authority;
mod balance;
mod basics;
mod desync;
mod frames;
mod grpc;
mod headers;
mod health;
mod http2;
mod http2_ends;
mod http2_hostile;
mod http2_relay;
mod lambda;
mod log;
mod mtls;
mod observed;
mod played;
mod relay;
mod rules;
mod secure;
mod support;
mod timers;
mod tls;
mod tls_refusals;
mod tls_targets;
