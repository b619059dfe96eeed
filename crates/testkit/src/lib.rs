//! Starts the real binary as users start it, and what tests need around it: folders, clients, certificates, and looks
//! into `/proc`.
//!
//! A dev-dependency only. What a server is configured with and what is expected of it belong to the tests. Every wait has
//! a bound, and none is for a time: what does not happen is a panic that says what was waited for.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod certificates;
mod folder;
mod http;
mod process;
mod program;
mod server;
mod wait;

pub use certificates::{Authority, Pem, Validity, self_signed};
pub use folder::Folder;
pub use http::{Connection, Response, get, receive, send};
pub use process::{Process, anonymous_kilobytes, children, open_files, processes_with, zombies};
pub use program::{Finished, repository, run, venv_python};
pub use server::Server;
pub use wait::{BOUND, until};
