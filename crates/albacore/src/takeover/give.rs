//! The side that is replaced.

use super::Lent;
use super::token::Token;
use super::wire::{self, Health, Hello, Inventory, Line, Port, VERSION, Word};
use crate::data_dir::DataDir;
use anyhow::{Context, Result, anyhow, bail};
use functions::Events;
use model::Secret;
use proxy::{HandedOver, Proxy};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;
use store::Writer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tracing::warn;

/// How long a successor may prepare, while this server serves and follows changes. A second is usual; strict runtimes and
/// large packages take longer.
const PREPARATION: Duration = Duration::from_secs(60);
/// How long asynchronous invocations may take to finish. The successor waits for longer.
const EVENTS_GRACE: Duration = Duration::from_secs(5);

/// Where a successor knocks. The path goes with the server, unless a successor has it.
#[derive(Debug)]
pub(crate) struct Door {
    listener: UnixListener,
    path: PathBuf,
    open: bool,
}

/// Somebody knocked.
#[derive(Debug)]
pub(crate) struct Asked(UnixStream);

/// A successor that could take everything at once.
#[derive(Debug)]
pub(crate) struct Prepared {
    line: Line,
    /// `None` where it cannot be had.
    process: Option<OwnedFd>,
    /// An older version knows none.
    wants_token: bool,
}

impl Door {
    /// Opens it in the data folder, in the place of one that a killed server left behind.
    pub(crate) fn open(data_dir: &DataDir) -> Result<Self> {
        let path = data_dir.path().join("takeover.sock");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
        let listener = UnixListener::bind(&path).with_context(|| format!("cannot open {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path,
            open: true,
        })
    }

    /// Opens it again after a successor that failed may have put its own there.
    pub(crate) fn open_again(&mut self, data_dir: &DataDir) -> Result<()> {
        let again = Self::open(data_dir)?;
        std::mem::replace(self, again).leave();
        Ok(())
    }

    /// Waits for somebody.
    pub(crate) async fn asked(&self) -> Asked {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return Asked(stream),
                // Nothing to be done about it here; descriptors may come back.
                Err(_) => tokio::time::sleep(std::time::Duration::from_secs(1)).await,
            }
        }
    }

    /// The successor has opened its own.
    pub(crate) fn leave(mut self) {
        self.open = false;
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if self.open {
            let _ = fs::remove_file(&self.path); // it is of no use to anybody
        }
    }
}

impl Asked {
    /// Waits until the successor is prepared. Nothing changes for this server meanwhile: a successor reads the manifest and
    /// the state once more when it has everything.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future sends the successor away.
    pub(crate) async fn prepared(self) -> Result<Prepared> {
        self.prepared_within(PREPARATION).await
    }

    async fn prepared_within(mut self, within: Duration) -> Result<Prepared> {
        let pid = wire::same_user(&self.0)?;
        // Held from here, so that no other process is meant when its id is used again.
        let process = pidfd_open(pid, PidfdFlags::empty()).ok();
        let word = tokio::time::timeout(within, self.greet()).await;
        let word = word.map_err(|_| {
            anyhow!(
                "the successor (process {}) was not prepared within {} s",
                pid.as_raw_nonzero(),
                within.as_secs()
            )
        })??;
        let wants_token = match word {
            Word::HandOver => false,
            Word::HandOverWithToken => true,
            Word::Serving => bail!("the successor does not speak as albacore does"),
        };
        Ok(Prepared {
            line: Line::new(self.0.into_std()?)?,
            process,
            wants_token,
        })
    }

    /// Says who this is, and waits for the first word.
    async fn greet(&mut self) -> Result<Word> {
        let hello = wire::framed(&Hello {
            version: VERSION,
            pid: std::process::id(),
            token: true,
        })?;
        self.0.write_all(&hello).await?;
        let mut length = [0; 4];
        let read = self.0.read_exact(&mut length).await;
        read.context("the other process said nothing")?;
        let mut text = vec![0; wire::length(length)?];
        let read = self.0.read_exact(&mut text).await;
        read.context("the other process ended in the middle of a message")?;
        wire::parsed(&text)
    }
}

impl Prepared {
    /// Gives everything away, the state too, and returns when the successor serves. On an error it never will: this server
    /// serves on, and takes back what it has `lent`.
    pub(crate) async fn give(
        mut self,
        proxy: &Proxy,
        (writer, events): (&Writer, &Events),
        data_dir: &DataDir,
        (endpoint, function_urls): (&TcpListener, Option<&TcpListener>),
        lent: &mut Lent,
    ) -> Result<()> {
        let (writer, events, proxy) = (writer.clone(), events.clone(), proxy.clone());
        let runtime = Handle::current();
        let (lock, endpoint) = (data_dir.lock()?.try_clone()?, endpoint.try_clone()?);
        let function_urls = function_urls.map(TcpListener::try_clone).transpose()?;
        *lent = Lent::all();
        let conversation = tokio::task::spawn_blocking(move || {
            // What runs asynchronously may finish meanwhile; the successor runs the rest again.
            runtime.block_on(events.pause(EVENTS_GRACE));
            runtime.block_on(events.close());
            runtime.block_on(writer.close_log());
            let given = self.hand_over(&proxy, lock.as_fd(), (&endpoint, function_urls.as_ref()));
            if given.is_err() {
                proxy.resume();
            }
            given
        });
        conversation.await.context("the handover broke")?
    }

    /// Nothing is accepted from here on. On an error the successor does not serve, and never will.
    fn hand_over(
        &mut self,
        proxy: &Proxy,
        lock: BorrowedFd<'_>,
        sockets: (&TcpListener, Option<&TcpListener>),
    ) -> Result<()> {
        let handed = proxy.pause();
        let token = self.wants_token.then(Token::new).transpose()?;
        let tickets = proxy.ticket_keys();
        let Err(failed) = self.offer((handed, tickets), lock, sockets, token.as_ref()) else {
            return Ok(());
        };
        match token {
            // It was faster than the bad news.
            Some(token) if !token.take() => self.outlast().with_context(|| format!("{failed:#}")),
            // An older version without a token is taken at its word.
            Some(_) | None => Err(failed),
        }
    }

    fn offer(
        &mut self,
        (handed, tickets): (HandedOver, Secret<Vec<u8>>),
        lock: BorrowedFd<'_>,
        (endpoint, function_urls): (&TcpListener, Option<&TcpListener>),
        token: Option<&Token>,
    ) -> Result<()> {
        let address: SocketAddr = endpoint.local_addr()?;
        let inventory = Inventory {
            endpoint: address,
            has_function_urls: function_urls.is_some(),
            has_token: token.is_some(),
            ports: handed
                .ports
                .iter()
                .map(|port| Port {
                    port: port.port,
                    sockets: port.sockets.len(),
                })
                .collect(),
            health: handed
                .health
                .iter()
                .map(|known| Health {
                    target_group: known.target_group.clone(),
                    target: known.target.clone(),
                    port: known.port,
                    healthy: known.healthy,
                })
                .collect(),
            tickets: tickets.expose().clone(),
        };
        self.line.send(&inventory)?;
        let mut descriptors = vec![lock, endpoint.as_fd()];
        descriptors.extend(function_urls.map(AsFd::as_fd));
        descriptors.extend(handed.ports.iter().flat_map(|port| &port.sockets).map(AsFd::as_fd));
        descriptors.extend(token.map(AsFd::as_fd));
        self.line.send_descriptors(&descriptors)?;
        self.serving()
    }

    fn serving(&mut self) -> Result<()> {
        match self.line.receive().context("the successor did not come to serve")? {
            Word::Serving => Ok(()),
            Word::HandOver | Word::HandOverWithToken => bail!("the successor does not speak as albacore does"),
        }
    }

    /// The successor has the token: it serves, or will in a moment, or has ended. One that does neither is killed, because
    /// it could accept connections whenever it went on. It keeps its end of the line until it ends or serves.
    fn outlast(&mut self) -> Result<()> {
        let Err(failed) = self.serving() else {
            return Ok(());
        };
        let killed = self
            .process
            .as_ref()
            .map(|process| pidfd_send_signal(process, Signal::KILL));
        if !matches!(killed, Some(Ok(()) | Err(rustix::io::Errno::SRCH))) {
            warn!(
                "the successor stands still and cannot be killed by this server: it serves on when somebody else has done so"
            );
        }
        self.line.ended();
        Err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_does_not_get_prepared_is_given_up() {
        for half in [&[][..], &[0, 0], &[0, 0, 0, 9, b'"']] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(half).await.unwrap();
            let refused = Asked(ours).prepared_within(Duration::from_millis(1)).await.unwrap_err();
            assert!(refused.to_string().contains("was not prepared within"), "{refused:#}");
        }
    }

    #[tokio::test]
    async fn what_is_no_word_is_refused() {
        for word in ["\"serving\"", "\"other\"", "{}"] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(&(word.len() as u32).to_be_bytes()).await.unwrap();
            theirs.write_all(word.as_bytes()).await.unwrap();
            let refused = Asked(ours).prepared().await.unwrap_err();
            assert!(refused.to_string().contains("does not speak"), "{refused:#}");
        }
    }
}
