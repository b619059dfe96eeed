//! The real binary, started as users start it, on free ports and in folders of its own.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod aws;
mod breaking;
mod certificates;
mod changing;
mod commands;
mod confined;
mod dead_letters;
mod doors;
mod durable;
mod durable_families;
mod endpoint;
mod events;
mod function_urls;
mod invoke;
mod languages;
mod layers;
mod lifecycle;
mod logs;
mod missing_bucket;
mod network;
mod observed;
mod outbound;
mod reload;
mod runtimes;
mod stuck;
mod support;
mod taken_port;
mod takeover;
mod takeover_functions;
mod takeover_stalls;
mod volumes;
