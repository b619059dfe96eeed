//! The side that takes over.

use super::token::Token;
use super::wire::{Health, Hello, Inventory, Line, VERSION, Word};
use anyhow::{Context, Result, bail};
use model::Secret;
use proxy::{HandedHealth, HandedOver, HandedPort};
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// The server whose place is to be taken. It serves until it is asked for everything.
#[derive(Debug)]
pub(crate) struct Predecessor {
    line: Line,
    pub(crate) pid: u32,
    gives_token: bool,
}

/// What it gave.
#[derive(Debug)]
pub(crate) struct Taken {
    line: Line,
    /// `None` of an older version.
    token: Option<Token>,
    /// The lock of the data folder, held.
    lock: File,
    pub(crate) endpoint: TcpListener,
    /// That of function URLs, where they had one.
    pub(crate) function_urls: Option<TcpListener>,
    pub(crate) handed: HandedOver,
    /// The keys of session tickets.
    pub(crate) tickets: Secret<Vec<u8>>,
}

/// The place is this process's. The predecessor serves again when the line ends, so that it ends with this process and not
/// before: until then traffic threads may accept connections.
#[derive(Debug)]
pub(crate) struct Claimed(ManuallyDrop<Line>);

impl Predecessor {
    /// Knocks. `None` when no server runs with this data folder.
    pub(crate) fn find(data_dir: &Path) -> Result<Option<Self>> {
        let stream = match UnixStream::connect(data_dir.join("takeover.sock")) {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Ok(None);
            }
            Err(error) => return Err(error).context("the running albacore cannot be asked to hand over"),
        };
        let mut line = Line::new(stream)?;
        let hello: Hello = line.receive().context("the running albacore does not hand over")?;
        if hello.version != VERSION {
            bail!(
                "the running albacore (process {}) hands over in another way; stop it, and start this one without --takeover",
                hello.pid
            );
        }
        Ok(Some(Self {
            line,
            pid: hello.pid,
            gives_token: hello.token,
        }))
    }

    /// Takes everything. From here on connections wait until this process serves or ends, or the predecessor has waited
    /// for too long.
    pub(crate) fn take(mut self) -> Result<Taken> {
        self.line.send(match self.gives_token {
            true => &Word::HandOverWithToken,
            false => &Word::HandOver,
        })?;
        self.line.wait_for_gifts()?;
        let inventory: Inventory = self.line.receive().context("the running albacore does not hand over")?;
        let mut descriptors = self.line.receive_descriptors(inventory.descriptors())?.into_iter();
        let (Some(lock), Some(endpoint)) = (descriptors.next(), descriptors.next()) else {
            bail!("the running albacore handed over nothing");
        };
        let endpoint = TcpListener::from(endpoint);
        let address: SocketAddr = endpoint.local_addr().context("what was handed over is no socket")?;
        if address != inventory.endpoint {
            bail!("the running albacore handed over another socket than it says");
        }
        let function_urls = match inventory.has_function_urls {
            true => descriptors.next().map(TcpListener::from),
            false => None,
        };
        let ports = inventory
            .ports
            .iter()
            .map(|port| HandedPort {
                port: port.port,
                sockets: descriptors.by_ref().take(port.sockets).map(TcpListener::from).collect(),
            })
            .collect();
        let token = match inventory.has_token {
            true => Some(Token::from(descriptors.next().context("there is no token")?)),
            false => None,
        };
        Ok(Taken {
            line: self.line,
            token,
            lock: lock.into(),
            endpoint,
            function_urls,
            handed: HandedOver {
                ports,
                health: inventory.health.into_iter().map(known).collect(),
            },
            tickets: Secret::new(inventory.tickets),
        })
    }
}

fn known(health: Health) -> HandedHealth {
    HandedHealth {
        target_group: health.target_group,
        target: health.target,
        port: health.port,
        healthy: health.healthy,
    }
}

impl Taken {
    /// Makes sure that the predecessor does not serve again while this process lives. Nothing may be accepted before. Gives
    /// the lock of the data folder.
    ///
    /// # Errors
    ///
    /// It serves again already.
    pub(crate) fn claim(self) -> Result<(Claimed, File)> {
        if self.token.is_some_and(|token| !token.take()) {
            bail!("the albacore before this one went on serving, because this one took too long");
        }
        Ok((Claimed(ManuallyDrop::new(self.line)), self.lock))
    }
}

impl Claimed {
    /// Tells the predecessor that it may let its connections finish.
    pub(crate) fn serving(self) -> Result<()> {
        ManuallyDrop::into_inner(self.0).send(&Word::Serving)
    }
}
