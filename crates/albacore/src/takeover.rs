//! One server takes the place of another without a connection noticing: `albacore up --takeover`. Source: design 4.
//!
//! ```text
//! new   connects to takeover.sock in the data folder         may I?
//! old   says who it is
//! new   prepares everything, serves nothing                  hand over
//! old   stops accepting; gives its lock, its sockets, its keys, and a token
//! new   reads the manifest and the state again; takes the token
//! new   serves                                               serving
//! old   lets its connections finish, and ends
//! ```
//!
//! Connections that arrive in between wait in the sockets, which are never closed. When the new server ends or refuses before
//! it says that it serves, or takes too long, the old one goes on as if nothing had been.
//!
//! The token keeps it at one server, whoever stands still or is killed. There is one, and the kernel gives it to one of them:
//!
//! ```text
//! new has it       it may accept connections; the old one serves again only after its end, which it may bring about
//! old has it       it waited in vain and serves on; the new one finds none and ends, whenever it comes to look
//! the old ends     the new one finds the token: it does not need anybody's answer
//! ```
//!
//! Both sides are the same user's: the socket stands in the private data folder, and each looks at the other's user id.

mod give;
mod lent;
mod take;
mod token;
mod wire;

pub(crate) use give::{Door, Prepared};
pub(crate) use lent::{Back, Lent};
pub(crate) use take::Predecessor;
