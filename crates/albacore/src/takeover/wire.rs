//! Messages between the two processes: one JSON document each, descriptors beside it.

use anyhow::{Context, Result, anyhow, bail};
use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use rustix::process::Pid;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Changes when one side would not understand the other.
pub(super) const VERSION: u32 = 1;
/// How long the other side may take for one message. It is how long connections wait for a successor at most.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the old server may take to give everything: it serves until then, and may be in the middle of a change.
const GIVING: Duration = Duration::from_secs(60);
/// Bytes of a message. Ports are bounded by the descriptors of a process.
const MESSAGE_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// Descriptors that the kernel carries beside one message.
const DESCRIPTORS_AT_ONCE: usize = 128;

/// What the old server says first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) version: u32,
    pub(super) pid: u32,
    /// Whether it has a token to give. Older versions do not.
    #[serde(default)]
    pub(super) token: bool,
}

/// What the new server says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// It is prepared. So says an older version, and who takes over from one.
    HandOver,
    /// It is prepared, and serves nothing without the token.
    HandOverWithToken,
    /// It serves.
    Serving,
}

/// What the old server gives; the descriptors follow in this order: the lock, the endpoint, the socket of function URLs
/// if there is one, the sockets of each port, the token if there is one.
#[derive(Serialize, Deserialize)]
pub(super) struct Inventory {
    pub(super) endpoint: SocketAddr,
    #[serde(default)]
    pub(super) has_function_urls: bool,
    #[serde(default)]
    pub(super) has_token: bool,
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
        let few = 2 + usize::from(self.has_function_urls) + usize::from(self.has_token);
        few + self.ports.iter().map(|port| port.sockets).sum::<usize>()
    }
}

/// The process at the other end, which must belong to this user.
pub(super) fn same_user(stream: &impl AsFd) -> Result<Pid> {
    let peer = rustix::net::sockopt::socket_peercred(stream).context("the other process cannot be identified")?;
    if peer.uid != rustix::process::geteuid() {
        bail!("the other process belongs to another user");
    }
    Ok(peer.pid)
}

/// A message as it travels: its length, and its text.
pub(super) fn framed(message: &impl Serialize) -> Result<Vec<u8>> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).context("the message is too long")?;
    Ok([&length.to_be_bytes(), &*text].concat())
}

/// The length of a text, from the bytes before it.
pub(super) fn length(bytes: [u8; 4]) -> Result<usize> {
    match u32::from_be_bytes(bytes) {
        length @ ..=MESSAGE_BYTES_MAX => Ok(usize::try_from(length)?),
        _ => bail!("the other process does not speak as albacore does"),
    }
}

/// What a text says.
pub(super) fn parsed<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    serde_json::from_slice(text).context("the other process does not speak as albacore does")
}

/// One end of the conversation.
#[derive(Debug)]
pub(super) struct Line(UnixStream);

impl Line {
    /// Takes a connection whose other end belongs to this user.
    pub(super) fn new(stream: UnixStream) -> Result<Self> {
        same_user(&stream)?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Waits for what the old server gives as long as that may take.
    pub(super) fn wait_for_gifts(&self) -> Result<()> {
        Ok(self.0.set_read_timeout(Some(GIVING))?)
    }

    /// Waits until the other side has ended, however long that takes. What it says is not heard.
    pub(super) fn ended(&mut self) {
        // An error is its end as well.
        let _ = self.0.set_read_timeout(None);
        let _ = std::io::copy(&mut self.0, &mut std::io::sink());
    }

    pub(super) fn send(&mut self, message: &impl Serialize) -> Result<()> {
        Ok(self.0.write_all(&framed(message)?)?)
    }

    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut head = [0; 4];
        let read = self.0.read_exact(&mut head);
        read.map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => anyhow!("the other process said nothing in time"),
            ErrorKind::UnexpectedEof => anyhow!("the other process has ended"),
            _ => error.into(),
        })?;
        let mut text = vec![0; length(head)?];
        self.0
            .read_exact(&mut text)
            .context("the other process ended in the middle of a message")?;
        parsed(&text)
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
            retry_on_intr(|| sendmsg(&self.0, &[IoSlice::new(&count)], &mut beside, SendFlags::NOSIGNAL))?;
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
            // A process that was stopped and goes on is interrupted.
            let received_now = retry_on_intr(|| {
                let into = &mut [IoSliceMut::new(&mut announced)];
                recvmsg(&self.0, into, &mut beside, RecvFlags::CMSG_CLOEXEC)
            });
            let bytes = received_now?.bytes;
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
            token: true,
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
    fn who_knows_no_token_is_understood() {
        let (mut one, mut other) = pair();
        one.send(&serde_json::json!({ "version": 1, "pid": 7 })).unwrap();
        let hello: Hello = other.receive().unwrap();
        assert!(!hello.token);
        let inventory = serde_json::json!({ "endpoint": "127.0.0.1:1", "ports": [{ "port": 1, "sockets": 3 }], "health": [], "tickets": [] });
        one.send(&inventory).unwrap();
        let inventory: Inventory = other.receive().unwrap();
        assert_eq!((inventory.has_token, inventory.descriptors()), (false, 5));
        one.send(&"hand_over").unwrap();
        assert_eq!(other.receive::<Word>().unwrap(), Word::HandOver);
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
