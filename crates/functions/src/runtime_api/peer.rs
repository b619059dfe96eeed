//! Who has connected: is the other end of a loopback connection held by a process of this environment?
//!
//! Without a network namespace every process of the host can reach the port, and all functions run as albacore's own
//! user. So the kernel is asked which socket the other end is, and which process has it: only what runs below the
//! environment's init process may. That is done once for each connection, on a thread where it may take its
//! time.

mod processes;
mod sockets;

pub(crate) use processes::some_below;
use sockets::other_end;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long a connection whose other end nobody has any more may wait for the end of the environment's main process.
const GONE_TIME_MAX: Duration = Duration::from_millis(500);

/// Decides who may speak to one environment's Runtime API. Clones decide alike.
#[derive(Clone, Debug)]
pub(super) struct Door {
    ours: SocketAddr,
    /// Nobody may before it is known.
    init: Option<u32>,
    /// The environment's main process has ended.
    ended: CancellationToken,
}

impl Door {
    /// A door at `ours` that is closed still.
    pub(super) fn at(ours: SocketAddr) -> Self {
        Self {
            ours,
            init: None,
            ended: CancellationToken::new(),
        }
    }

    /// From now on the processes below `init` may.
    pub(super) fn open_for(&mut self, init: u32) {
        self.init = Some(init);
    }

    /// The main process has ended, and what it left is being killed.
    pub(super) fn main_process_ended(&self) {
        self.ended.cancel();
    }

    /// May whoever has connected from `peer`?
    ///
    /// A process that says something and ends at once is gone before it is looked at. Nobody knows then who it was, so it
    /// is heard only if the environment's main process turns out to have ended, too. A stranger who hits that moment
    /// knows no request id, and can give nothing but another reason for the failure.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub(super) async fn admits(self, peer: SocketAddr) -> bool {
        let Some(init) = self.init else { return false };
        match of(init, peer, self.ours).await {
            Peer::Own => true,
            Peer::Gone => timeout(GONE_TIME_MAX, self.ended.cancelled()).await.is_ok(),
            Peer::Stranger => {
                tracing::warn!(%peer, "a process of another environment has connected to a runtime api and was turned away");
                false
            }
        }
    }
}

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// A process of the environment.
    Own,
    /// No process has its other end any more, so nobody can say.
    Gone,
    /// Some other process, or one that we may not look at.
    Stranger,
}

/// Whose is the connection from `peer` to `ours`, as the environment with this init process sees it?
async fn of(init: u32, peer: SocketAddr, ours: SocketAddr) -> Peer {
    let look = move || look(init, peer, ours).unwrap_or(Peer::Stranger);
    tokio::task::spawn_blocking(look).await.unwrap_or(Peer::Stranger)
}

fn look(init: u32, peer: SocketAddr, ours: SocketAddr) -> Option<Peer> {
    let Some(socket) = other_end(peer, ours) else {
        return Some(Peer::Gone);
    };
    let own_user = fs::metadata("/proc/self").ok()?.uid();
    if socket.user == own_user && processes::hold(init, socket.inode) {
        return Some(Peer::Own);
    }
    // Whoever had it may have ended since it was looked up.
    Some(match other_end(peer, ours) {
        Some(_) => Peer::Stranger,
        None => Peer::Gone,
    })
}

#[cfg(test)]
mod tests {
    use super::{Door, Peer, of};
    use std::io::{BufRead, BufReader};
    use std::net::{TcpListener, TcpStream};
    use std::process::{Child, Command, Stdio};

    /// Stands for an init process: a shell that runs `script` with `PORT`, until its standard input ends.
    struct Shell(Child);

    impl Shell {
        fn run(script: &str, port: u16) -> Self {
            let mut child = Command::new("bash")
                .args(["-c", script])
                .env("PORT", port.to_string())
                .env("CONNECT", CONNECT)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.as_mut().unwrap())
                .read_line(&mut line)
                .unwrap();
            assert_eq!(line, "ready\n", "{script}");
            Self(child)
        }
    }

    impl Drop for Shell {
        fn drop(&mut self) {
            drop(self.0.stdin.take());
            let _ = self.0.wait();
        }
    }

    const CONNECT: &str = "exec 3<>/dev/tcp/127.0.0.1/$PORT; echo ready; read _";

    async fn peer_of(init: u32, listener: &TcpListener) -> Peer {
        let (accepted, peer) = listener.accept().unwrap();
        of(init, peer, accepted.local_addr().unwrap()).await
    }

    #[tokio::test]
    async fn only_what_runs_below_the_init_may_connect() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let other = Shell::run("echo ready; read _", port);
        for script in [
            // A child; with a child of its own in between; in a session of its own.
            "bash -c \"$CONNECT\"; true",
            "bash -c 'bash -c \"$CONNECT\"; true'; true",
            "setsid --wait bash -c \"$CONNECT\"; true",
        ] {
            let shell = Shell::run(script, port);
            assert_eq!(peer_of(shell.0.id(), &listener).await, Peer::Own, "{script}");
            drop(shell);
            let shell = Shell::run(script, port);
            assert_eq!(peer_of(other.0.id(), &listener).await, Peer::Stranger, "{script}");
            drop(shell);
        }
        // The init process itself does not connect, and what has its id may be another process by now.
        let shell = Shell::run(CONNECT, port);
        assert_eq!(peer_of(shell.0.id(), &listener).await, Peer::Stranger);
        drop(shell);
    }

    #[tokio::test]
    async fn who_is_gone_is_heard_only_when_the_main_process_has_ended() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = listener.local_addr().unwrap();
        let mut door = Door::at(ours);
        drop(TcpStream::connect(ours).unwrap());
        let (_accepted, peer) = listener.accept().unwrap();
        assert!(!door.clone().admits(peer).await, "closed for all");
        door.open_for(std::process::id());
        assert!(!door.clone().admits(peer).await);
        let admitted = door.clone().admits(peer);
        let end = async { door.main_process_ended() };
        assert!(tokio::join!(admitted, end).0);
    }

    #[tokio::test]
    async fn whose_process_is_gone_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = listener.local_addr().unwrap();
        drop(TcpStream::connect(ours).unwrap());
        assert_eq!(peer_of(std::process::id(), &listener).await, Peer::Gone);
        assert_eq!(of(1, "127.0.0.1:1".parse().unwrap(), ours).await, Peer::Gone);
    }
}
