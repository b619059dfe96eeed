//! What goes wrong around a running albacore: targets, clients, descriptors, the clock, disks. After each fault nothing is
//! left of it, counted, and the next request works.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod client;
mod clock;
mod connecting;
mod descriptors;
mod disk;
mod http2_targets;
mod kinds;
mod leaving;
mod leaving_securely;
mod slow;
mod slow_kinds;
mod targets;
mod tunnels;
mod uploads;
mod world;
