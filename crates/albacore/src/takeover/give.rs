//! The side that is replaced.

use super::wire::{Health, Hello, Inventory, Line, Port, VERSION, Word};
use crate::data_dir::DataDir;
use crate::plan::chain;
use anyhow::{Context, Result, bail};
use functions::Events;
use proxy::Proxy;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use store::queue::{QueueOpenError, QueueReopenError};
use store::{OpenError, ReopenError, Writer};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tracing::error;

/// How long a successor that failed may take to end.
const LAST_BREATH: Duration = Duration::from_secs(10);
/// How long asynchronous invocations may take to finish. The successor waits for twice as long.
const EVENTS_GRACE: Duration = Duration::from_secs(5);
/// How often it is looked whether it has.
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

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
    /// Gives everything away, the state too, and returns when the successor serves. On an error this server serves on, by
    /// the state that it finds.
    pub(crate) async fn give(
        self,
        proxy: &Proxy,
        (writer, events): (&Writer, &Events),
        data_dir: &DataDir,
        (endpoint, function_urls): (&TcpListener, Option<&TcpListener>),
    ) -> Result<()> {
        let (stream, proxy) = (self.0.into_std()?, proxy.clone());
        let (writer, events) = (writer.clone(), events.clone());
        let runtime = Handle::current();
        let (lock, endpoint) = (data_dir.lock()?.try_clone()?, endpoint.try_clone()?);
        let function_urls = function_urls.map(TcpListener::try_clone).transpose()?;
        let conversation = tokio::task::spawn_blocking(move || {
            let mut line = Line::new(stream)?;
            line.send(&Hello {
                version: VERSION,
                pid: std::process::id(),
            })?;
            line.wait_for_ever()?;
            let word: Word = line.receive()?;
            if word != Word::HandOver {
                bail!("the successor does not speak as albacore does");
            }
            line.be_patient()?;
            // What runs asynchronously may finish meanwhile; the successor runs the rest again.
            runtime.block_on(events.pause(EVENTS_GRACE));
            runtime.block_on(events.close());
            runtime.block_on(writer.close_log());
            let given = hand_over(&mut line, &proxy, lock.as_fd(), (&endpoint, function_urls.as_ref()));
            if given.is_err() {
                proxy.resume();
                // Its end of the line closes as it ends.
                drop(line);
                if let Err(error) = runtime.block_on(resume(&events)) {
                    error!(
                        "there are no asynchronous invocations until albacore is started again: {}",
                        chain(&error)
                    );
                }
                if let Err(error) = runtime.block_on(open_again(&writer)) {
                    error!(
                        "the state cannot be changed until albacore is started again: {}",
                        chain(&error)
                    );
                }
            }
            given
        });
        conversation.await.context("the handover broke")?
    }
}

/// Opens the state that a successor had. It lets go of it with its last breath, which may be drawn a moment later.
async fn open_again(writer: &Writer) -> Result<(), ReopenError> {
    let begun = Instant::now();
    loop {
        match writer.open_log().await {
            Err(ReopenError::Log(OpenError::InUse { .. })) if begun.elapsed() < LAST_BREATH => {
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            opened => return opened,
        }
    }
}

/// The same of the queue of asynchronous invocations.
async fn resume(events: &Events) -> Result<(), QueueReopenError> {
    let begun = Instant::now();
    loop {
        match events.resume().await {
            Err(QueueReopenError::File(QueueOpenError::InUse { .. })) if begun.elapsed() < LAST_BREATH => {
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            resumed => return resumed,
        }
    }
}

fn hand_over(
    line: &mut Line,
    proxy: &Proxy,
    lock: BorrowedFd<'_>,
    (endpoint, function_urls): (&TcpListener, Option<&TcpListener>),
) -> Result<()> {
    let address: SocketAddr = endpoint.local_addr()?;
    let handed = proxy.pause();
    let inventory = Inventory {
        endpoint: address,
        has_function_urls: function_urls.is_some(),
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
        tickets: proxy.ticket_keys().expose().clone(),
    };
    line.send(&inventory)?;
    let mut descriptors = vec![lock, endpoint.as_fd()];
    descriptors.extend(function_urls.map(AsFd::as_fd));
    descriptors.extend(handed.ports.iter().flat_map(|port| &port.sockets).map(AsFd::as_fd));
    line.send_descriptors(&descriptors)?;
    match line.receive()? {
        Word::Serving => Ok(()),
        Word::HandOver => bail!("the successor does not speak as albacore does"),
    }
}
