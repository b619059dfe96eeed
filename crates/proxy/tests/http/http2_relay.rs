//! Relaying over HTTP/2: from its clients to targets of HTTP/1 and of HTTP/2.

mod ends;
mod hostile;
mod leaving;
mod raw;
mod silence;
mod streams;
pub(crate) mod target;
mod to_http1;
mod windows;
