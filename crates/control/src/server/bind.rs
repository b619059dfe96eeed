//! The sockets of the endpoint and of function URLs: who may reach them.

use std::io;
use std::net::SocketAddr;

/// Why the endpoint cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Nothing there could protect it.
    #[error(
        "the endpoint {0} is not a loopback address: albacore's own API on it is open to everybody who reaches it; use \
         127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// Function URLs with `AWS_IAM` would be open to everybody.
    #[error(
        "function URLs at {0}, which is not a loopback address, need --access-key and --secret-key: without them signatures \
         are not verified, and URLs with the authorization AWS_IAM would be open to everybody"
    )]
    Unverified(SocketAddr),
    /// Somebody else has the port.
    #[error("{0} is in use by another process; stop it, or choose another with --endpoint or --function-url-listen")]
    InUse(SocketAddr),
    /// Anything else.
    #[error("{address} cannot be opened")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Opens a socket for function URLs; port 0 takes a free one. Everybody may reach it who may reach the address, and who may
/// call a function there is what its URL says; so what asks for signatures must be able to verify them.
///
/// # Errors
/// See [`BindError`].
pub fn open_function_urls(address: SocketAddr, verifies: bool) -> Result<std::net::TcpListener, BindError> {
    if !address.ip().is_loopback() && !verifies {
        return Err(BindError::Unverified(address));
    }
    listen(address)
}

/// Opens the endpoint's socket; port 0 takes a free one.
///
/// # Errors
/// See [`BindError`].
pub fn open(address: SocketAddr) -> Result<std::net::TcpListener, BindError> {
    if !address.ip().is_loopback() {
        return Err(BindError::NotLoopback(address));
    }
    listen(address)
}

fn listen(address: SocketAddr) -> Result<std::net::TcpListener, BindError> {
    let other = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address),
        _ => BindError::Other { address, source },
    };
    let listener = std::net::TcpListener::bind(address).map_err(other)?;
    listener.set_nonblocking(true).map_err(other)?;
    Ok(listener)
}
