//! Messages between the two processes: one JSON document each, descriptors beside it.

use anyhow::{Context, Result, bail};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Changes when one side would not understand the other.
pub(super) const VERSION: u32 = 1;
/// How long the other side may take for one message.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a message. Ports are bounded by the descriptors of a process.
const MESSAGE_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// Descriptors that the kernel carries beside one message.
const DESCRIPTORS_AT_ONCE: usize = 128;

/// What the old server says first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) version: u32,
    pub(super) pid: u32,
}

/// What the new server says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// It is prepared.
    HandOver,
    /// It serves.
    Serving,
}

/// What the old server gives; the descriptors follow in this order: the lock, the endpoint, the socket of function URLs
/// if there is one, the sockets of each port.
#[derive(Serialize, Deserialize)]
pub(super) struct Inventory {
    pub(super) endpoint: SocketAddr,
    #[serde(default)]
    pub(super) has_function_urls: bool,
    pub(super) ports: Vec<Port>,
    /// What is known about servers.
    pub(super) health: Vec<Health>,
    /// The keys of session tickets.
    pub(super) tickets: Vec<u8>,
}

/// One server that was checked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Health {
    pub(super) target_group: String,
    pub(super) target: String,
    pub(super) port: u16,
    pub(super) healthy: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Port {
    pub(super) port: u16,
    pub(super) sockets: usize,
}

impl Inventory {
    pub(super) fn descriptors(&self) -> usize {
        2 + usize::from(self.has_function_urls) + self.ports.iter().map(|port| port.sockets).sum::<usize>()
    }
}

/// One end of the conversation.
#[derive(Debug)]
pub(super) struct Line(UnixStream);

impl Line {
    /// Takes a connection whose other end belongs to this user.
    pub(super) fn new(stream: UnixStream) -> Result<Self> {
        let peer = rustix::net::sockopt::socket_peercred(&stream).context("the other process cannot be identified")?;
        if peer.uid != rustix::process::geteuid() {
            bail!("the other process belongs to another user");
        }
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Waits for the next message however long the other side prepares; it ends when that side ends.
    pub(super) fn wait_for_ever(&self) -> Result<()> {
        Ok(self.0.set_read_timeout(None)?)
    }

    /// Waits for each message as long as one may take.
    pub(super) fn be_patient(&self) -> Result<()> {
        Ok(self.0.set_read_timeout(Some(PATIENCE))?)
    }

    pub(super) fn send(&mut self, message: &impl Serialize) -> Result<()> {
        let text = serde_json::to_vec(message)?;
        let length = u32::try_from(text.len()).context("the message is too long")?;
        self.0.write_all(&length.to_be_bytes())?;
        Ok(self.0.write_all(&text)?)
    }

    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut length = [0; 4];
        self.0
            .read_exact(&mut length)
            .context("the other process said nothing")?;
        let length = u32::from_be_bytes(length);
        if length > MESSAGE_BYTES_MAX {
            bail!("the other process does not speak as albacore does");
        }
        let mut text = vec![0; length as usize];
        self.0
            .read_exact(&mut text)
            .context("the other process ended in the middle of a message")?;
        serde_json::from_slice(&text).context("the other process does not speak as albacore does")
    }

    pub(super) fn send_descriptors<F: AsFd>(&mut self, descriptors: &[F]) -> Result<()> {
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        for some in descriptors.chunks(DESCRIPTORS_AT_ONCE) {
            let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_AT_ONCE))];
            let mut beside = SendAncillaryBuffer::new(&mut room);
            if !beside.push(SendAncillaryMessage::ScmRights(some)) {
                bail!("descriptors do not fit beside a message");
            }
            // One byte carries them; the count in it lets the other side notice a mistake.
            let count = [u8::try_from(some.len())?];
            sendmsg(&self.0, &[IoSlice::new(&count)], &mut beside, SendFlags::NOSIGNAL)?;
        }
        Ok(())
    }

    pub(super) fn receive_descriptors(&mut self, count: usize) -> Result<Vec<OwnedFd>> {
        let mut received: Vec<OwnedFd> = Vec::new();
        while received.len() < count {
            let before = received.len();
            let mut announced = [0];
            let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_AT_ONCE))];
            let mut beside = RecvAncillaryBuffer::new(&mut room);
            let bytes = recvmsg(
                &self.0,
                &mut [IoSliceMut::new(&mut announced)],
                &mut beside,
                RecvFlags::CMSG_CLOEXEC,
            )?
            .bytes;
            for message in beside.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    received.extend(descriptors);
                }
            }
            // A process that is out of descriptors gets fewer than were sent.
            if bytes != 1 || received.len() - before != usize::from(announced[0]) {
                bail!("not all sockets arrived; is the limit of open files too low?");
            }
        }
        Ok(received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Line, Line) {
        let (one, other) = UnixStream::pair().unwrap();
        (Line::new(one).unwrap(), Line::new(other).unwrap())
    }

    #[test]
    fn messages_and_many_descriptors_arrive() {
        let (mut one, mut other) = pair();
        one.send(&Hello {
            version: VERSION,
            pid: 7,
        })
        .unwrap();
        assert_eq!(other.receive::<Hello>().unwrap().pid, 7);
        let sockets: Vec<_> = (0..300)
            .map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let sender = std::thread::spawn(move || {
            one.send_descriptors(&sockets).unwrap();
            sockets
        });
        let received = other.receive_descriptors(300).unwrap();
        let sent = sender.join().unwrap();
        for (sent, received) in sent.iter().zip(received) {
            let received = std::net::TcpListener::from(received);
            assert_eq!(received.local_addr().unwrap(), sent.local_addr().unwrap());
        }
    }

    #[test]
    fn whatever_else_is_said_is_refused() {
        let (mut one, mut other) = pair();
        one.0.write_all(&u32::MAX.to_be_bytes()).unwrap();
        assert!(other.receive::<Word>().is_err());
        let (mut one, mut other) = pair();
        one.send(&"something").unwrap();
        assert!(other.receive::<Word>().is_err());
        let (one, mut other) = pair();
        drop(one);
        assert!(other.receive::<Word>().is_err());
    }
}
