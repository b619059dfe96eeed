//! One server takes the place of another without a connection noticing: `albacore up --takeover`. Source: design 4.
//!
//! ```text
//! new   connects to takeover.sock in the data folder         may I?
//! old   says who it is
//! new   prepares everything, serves nothing                  hand over
//! old   stops accepting; gives its lock, its sockets, its keys
//! new   applies its manifest to those sockets, serves        serving
//! old   lets its connections finish, and ends
//! ```
//!
//! Connections that arrive in between wait in the sockets, which are never closed. When the new server ends or refuses before
//! it says that it serves, the old one goes on as if nothing had been.
//!
//! Both sides are the same user's: the socket stands in the private data folder, and each looks at the other's user id.

mod give;
mod take;
mod wire;

pub(crate) use give::Door;
pub(crate) use take::Predecessor;
