//! Opening connections to servers: TCP, then TLS if the group wants it, each under a deadline of its own.
//! Source: ALB 4.3, 4.4.

use super::TargetFailure;
use super::reach;
use super::tls::server_name;
use crate::Limits;
use crate::connection::{Io, TargetIo};
use crate::core::{Core, Shared};
use crate::metrics::GroupCounters;
use crate::metrics::GroupMetrics;
use crate::wheel::Timer;
use rustls::ClientConfig;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// An open connection to a target. Its timer is for whoever uses it.
pub(crate) struct Connection {
    pub(crate) io: TargetIo,
    pub(crate) timer: Timer,
    _open: Open,
}

impl Connection {
    /// Whether it speaks TLS.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.io, TargetIo::Tls(_))
    }

    /// Its bytes for somebody with timers of his own, and what counts it as open until it is dropped.
    pub(crate) fn into_parts(self) -> (TargetIo, impl Sized + use<>) {
        (self.io, self._open)
    }
}

/// Why there is no connection, and what to tell people about it.
#[derive(Clone, Debug)]
pub(crate) struct NotConnected {
    pub(crate) failure: TargetFailure,
    pub(crate) why: String,
}

/// Counts a connection for as long as it is open.
struct Open {
    shared: Arc<Shared>,
    core: usize,
    group: Arc<GroupMetrics>,
}

impl Open {
    fn new(core: &Core, group: &Arc<GroupMetrics>) -> Self {
        core.counters().target_connections.inc();
        group.core(core.id).target_connections.inc();
        Self {
            shared: core.shared.clone(),
            core: core.id,
            group: group.clone(),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.metrics.core(self.core).target_connections.dec();
        self.group.core(self.core).target_connections.dec();
    }
}

/// Opens a connection to a target of this group, with TLS if there is a configuration for it.
///
/// # Cancel safety
/// Dropping it closes what was opened so far.
pub(crate) async fn connect(
    core: &Core,
    group: &Arc<GroupMetrics>,
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Connection, NotConnected> {
    let timer = core.wheel.timer();
    let limits = &core.shared.limits;
    let stream = match connect_tcp(&timer, address, limits).await {
        // Connections that wait for a request are worth less than a request that waits for a connection.
        Err(not) if not.failure == TargetFailure::NoRoom && (core.pool.shed() || core.http2_pool.shed()) => {
            connect_tcp(&timer, address, limits).await?
        }
        connected => connected?,
    };
    let open = Open::new(core, group);
    let io = match tls {
        None => Io::Plain(stream),
        Some(config) => {
            // In a box, so that who connects without TLS does not hold room for it.
            let handshake = Box::pin(TlsConnector::from(config).connect(server_name(address), stream));
            let within = limits.target_handshake_timeout;
            match deadline(&timer, within, handshake).await {
                Some(Ok(stream)) => Io::Tls(Box::new(stream)),
                Some(Err(error)) => return Err(failed(TargetFailure::TlsFailed, &error)),
                None => return Err(late(TargetFailure::TlsTimeout, "no TLS session", within)),
            }
        }
    };
    Ok(Connection { io, timer, _open: open })
}

/// Counts a connection that was not established. Source: ALB 8.3.
pub(crate) fn count_failure(counters: &GroupCounters, failure: TargetFailure) {
    use TargetFailure as F;
    match failure {
        F::Refused | F::ConnectTimeout | F::NoRoom => counters.target_connection_errors.inc(),
        F::TlsFailed | F::TlsTimeout => counters.target_tls_errors.inc(),
        _ => {}
    }
}

async fn connect_tcp(timer: &Timer, address: SocketAddr, limits: &Limits) -> Result<TcpStream, NotConnected> {
    let within = limits.target_connect_timeout;
    let connecting = reach::connect_tcp_below(limits.target_descriptors_max, address);
    match deadline(timer, within, connecting).await {
        Some(Ok(stream)) => {
            let _ = stream.set_nodelay(true); // without it requests are only slower
            Ok(stream)
        }
        Some(Err(error)) if is_ours(&error) => Err(failed(TargetFailure::NoRoom, &error)),
        // The kernel may give up before we do.
        Some(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {
            Err(failed(TargetFailure::ConnectTimeout, &error))
        }
        Some(Err(error)) => Err(failed(TargetFailure::Refused, &error)),
        None => Err(late(TargetFailure::ConnectTimeout, "no connection", within)),
    }
}

/// Whether this machine lacks something, and not the target: descriptors, memory, a free port. Of errors of
/// [`reach::connect_tcp`]: others have one code for "no port" and "no way there".
pub(crate) fn is_ours(error: &io::Error) -> bool {
    /// `ENFILE`, `EMFILE`, `ENOBUFS` have no name in the standard library.
    const NO_ROOM: [i32; 3] = [23, 24, 105];
    matches!(
        error.kind(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory
    ) || error.raw_os_error().is_some_and(|code| NO_ROOM.contains(&code))
}

fn failed(failure: TargetFailure, error: &io::Error) -> NotConnected {
    NotConnected {
        failure,
        why: error.to_string(),
    }
}

fn late(failure: TargetFailure, what: &str, within: Duration) -> NotConnected {
    NotConnected {
        failure,
        why: format!("{what} within {within:?}"),
    }
}

/// Runs a future until a deadline.
async fn deadline<T>(timer: &Timer, within: Duration, future: impl Future<Output = T>) -> Option<T> {
    timer.touch(within);
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if timer.expired(cx) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}
