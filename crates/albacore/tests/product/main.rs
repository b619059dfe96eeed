//! The real binary, started as users start it, on free ports and in folders of its own.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod breaking;
mod changing;
mod commands;
mod endpoint;
mod invoke;
mod lifecycle;
mod logs;
mod reload;
mod runtimes;
mod stuck;
mod support;
