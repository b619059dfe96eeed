//! Runtime clients that others have written, unmodified, behind a listener of the real binary; and sample events that
//! others have published, compared with ours.
//!
//! The functions lie in `tests/stock`, one for each language, and do the same: `/hello` greets, `/fail` fails, everything
//! else answers with the event; with `INIT=fail` they fail before they have asked for an event. `make setup` installs the
//! clients and builds the functions into `target/stock`. Not among them are the clients of Ruby and .NET, whose languages
//! would have to be installed for them alone.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod clients;
mod json;
mod samples;
mod world;
