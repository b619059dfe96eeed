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
mod http2;
mod origin;
mod process;
mod program;
mod rest;
mod secure;
mod server;
mod wait;

pub use certificates::{Authority, Pem, Validity, self_signed};
pub use folder::Folder;
pub use http::{Connection, Response, get, receive, send};
pub use http2::{Frame, Http2, header_block, preface};
pub use origin::{Line, Origin, Request};
pub use process::{Process, anonymous_kilobytes, children, open_files, open_files_of, processes_with, zombies};
pub use program::{Finished, repository, run, run_within, venv_python};
pub use secure::{SecureStream, secure, trusting, trusting_only};
pub use server::Server;
pub use wait::{BOUND, until};
