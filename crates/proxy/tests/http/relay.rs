//! Relaying to servers over HTTP/1: real sockets on both sides, targets that play what a test tells them.

mod bodies;
mod causes;
mod connections;
mod desync;
mod early;
mod head;
mod leaving;
pub(crate) mod origin;
mod websocket;
