//! The store from outside: records, the log on a disk that fails and crashes, and the log on real files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod disk;
mod draw;
mod files;
mod golden;
mod queue;
mod records;
mod simulation;
mod support;
