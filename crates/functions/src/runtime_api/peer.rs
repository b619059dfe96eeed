//! Who has connected: is the other end of a loopback connection held by a process of this environment?
//!
//! Without a network namespace every process of the host can reach the port, and functions may all run as albacore's own
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

/// As whom the processes of an environment run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Users {
    /// As albacore does.
    Own,
    /// As users of namespaces, whose numbers are not known here.
    Any,
}

/// Decides who may speak to one environment's Runtime API. Clones decide alike.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// `None`: nobody else can connect.
    ours: Option<SocketAddr>,
    users: Users,
    /// Nobody may before one is known.
    inits: Vec<u32>,
    /// The environment's main process has ended.
    ended: CancellationToken,
}

impl Door {
    /// A door at `ours` that is closed still.
    pub(super) fn at(ours: SocketAddr, users: Users) -> Self {
        Self {
            ours: Some(ours),
            users,
            inits: Vec::new(),
            ended: CancellationToken::new(),
        }
    }

    /// The same processes may, at another address of theirs.
    pub(crate) fn moved_to(&self, address: SocketAddr) -> Self {
        Self {
            ours: self.ours.map(|_| address),
            ..self.clone()
        }
    }

    /// One that is open for all, because nobody but the environment can reach it.
    pub(super) fn open() -> Self {
        Self {
            ours: None,
            users: Users::Any,
            inits: Vec::new(),
            ended: CancellationToken::new(),
        }
    }

    /// From now on the processes below `init` may, too.
    pub(super) fn open_for(&mut self, init: u32) {
        self.inits.push(init);
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
    pub(crate) async fn admits(self, peer: SocketAddr) -> bool {
        let Some(ours) = self.ours else { return true };
        if self.inits.is_empty() {
            return false;
        }
        match of(self.inits, self.users, peer, ours).await {
            Peer::Own => true,
            Peer::Gone => timeout(GONE_TIME_MAX, self.ended.cancelled()).await.is_ok(),
            Peer::Stranger => {
                tracing::warn!(%peer, "a process of another environment has connected to a runtime api or a door and was turned away");
                false
            }
        }
    }
}

/// Does a process below one of these init processes listen on this port of the loopback address?
pub(crate) async fn is_listener_of(inits: Vec<u32>, port: u16) -> bool {
    let look = move || {
        let listeners = sockets::listeners(port);
        let holds = |inode: u64| inits.iter().any(|&init| processes::hold(init, inode));
        !listeners.is_empty() && listeners.into_iter().all(holds)
    };
    tokio::task::spawn_blocking(look).await.unwrap_or(false)
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

/// Whose is the connection from `peer` to `ours`, as the environment with these init processes sees it?
async fn of(inits: Vec<u32>, users: Users, peer: SocketAddr, ours: SocketAddr) -> Peer {
    let look = move || look(&inits, users, peer, ours).unwrap_or(Peer::Stranger);
    tokio::task::spawn_blocking(look).await.unwrap_or(Peer::Stranger)
}

fn look(inits: &[u32], users: Users, peer: SocketAddr, ours: SocketAddr) -> Option<Peer> {
    let Some(socket) = other_end(peer, ours) else {
        return Some(Peer::Gone);
    };
    let is_possible = match users {
        Users::Own => socket.user == fs::metadata("/proc/self").ok()?.uid(),
        Users::Any => true,
    };
    if is_possible && inits.iter().any(|&init| processes::hold(init, socket.inode)) {
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
    use super::{Door, Peer, Users, is_listener_of, of};
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
        of(vec![init], Users::Own, peer, accepted.local_addr().unwrap()).await
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
        let mut door = Door::at(ours, Users::Own);
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
    async fn a_listener_of_somebody_else_is_not_ours() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let other = Shell::run("echo ready; read _", port);
        assert!(!is_listener_of(vec![other.0.id()], port).await);
        assert!(!is_listener_of(Vec::new(), port).await);
        // Every process is below the first one, and so is this one.
        assert!(is_listener_of(vec![1], port).await);
        drop(listener);
        assert!(!is_listener_of(vec![1], port).await, "nobody listens");
    }

    #[tokio::test]
    async fn whose_process_is_gone_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = listener.local_addr().unwrap();
        drop(TcpStream::connect(ours).unwrap());
        assert_eq!(peer_of(std::process::id(), &listener).await, Peer::Gone);
        assert_eq!(
            of(vec![1], Users::Own, "127.0.0.1:1".parse().unwrap(), ours).await,
            Peer::Gone
        );
    }
}
