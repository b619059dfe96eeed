//! The messages on the sockets between albacore, the spawner and the init processes.
//!
//! Both ends are the same binary, so there is no version. Both sockets speak the same language: the spawner hands an
//! init's reply on without a change. A message that does not parse ends the connection.

use crate::cgroup::Controllers;
use crate::spec::Step;

/// The name of one main process, enclosure or scratch on the sockets, never used twice.
pub(crate) type Id = u64;

/// What the level above asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Start a main process. Comes with descriptors: the launch, standard output, standard error, the log pipe if the
    /// launch has one.
    Spawn(Id),
    /// SIGTERM to the process group of the main process.
    Terminate(Id),
    /// SIGKILL to everything in the environment.
    Kill(Id),
    /// From the spawner to an init in namespaces of its own: its users have their numbers, so it may begin.
    Enter,
    /// From albacore to the spawner: nobody will want this scratch again.
    Release(Id),
    /// Make an enclosure. Comes with a file that says what is inside; from the spawner to an init also with what is mounted
    /// at `/tmp` and at each target, in the order of that file.
    Open(Id),
    /// SIGKILL to everything in this enclosure.
    Close(Id),
    /// Add to an enclosure what it was opened without. Comes with files as [`Request::Open`] does, but for `/tmp`.
    Complete(Id),
    /// Stop every process of this enclosure where it is, or let all go on.
    Freeze(Id),
    Thaw(Id),
    /// From albacore to the spawner: from now on this enclosure has so many microseconds of processor time in each period.
    ShareCpu {
        id: Id,
        quota_us: u64,
    },
    /// From albacore to the spawner: a socket in the network of an enclosure, which is not connected yet.
    Socket {
        id: Id,
        enclosure: Id,
    },
}

impl Request {
    pub(crate) const BYTES: usize = 17;

    pub(crate) fn encode(self) -> [u8; Self::BYTES] {
        let (kind, id, value) = match self {
            Self::Spawn(id) => (1, id, 0),
            Self::Terminate(id) => (2, id, 0),
            Self::Kill(id) => (3, id, 0),
            Self::Enter => (4, 0, 0),
            Self::Release(id) => (5, id, 0),
            Self::Open(id) => (6, id, 0),
            Self::Close(id) => (7, id, 0),
            Self::Complete(id) => (8, id, 0),
            Self::Freeze(id) => (9, id, 0),
            Self::Thaw(id) => (10, id, 0),
            Self::ShareCpu { id, quota_us } => (11, id, quota_us),
            Self::Socket { id, enclosure } => (12, id, enclosure),
        };
        let mut bytes = [kind; Self::BYTES];
        bytes[1..9].copy_from_slice(&id.to_le_bytes());
        bytes[9..].copy_from_slice(&value.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        let (id, value) = rest.split_first_chunk()?;
        let id = u64::from_le_bytes(*id);
        let value = u64::from_le_bytes(value.try_into().ok()?);
        match kind {
            1 => Some(Self::Spawn(id)),
            2 => Some(Self::Terminate(id)),
            3 => Some(Self::Kill(id)),
            4 => Some(Self::Enter),
            5 => Some(Self::Release(id)),
            6 => Some(Self::Open(id)),
            7 => Some(Self::Close(id)),
            8 => Some(Self::Complete(id)),
            9 => Some(Self::Freeze(id)),
            10 => Some(Self::Thaw(id)),
            11 => Some(Self::ShareCpu { id, quota_us: value }),
            12 => Some(Self::Socket { id, enclosure: value }),
            _ => None,
        }
    }
}

/// What the level below reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The spawner is ready for requests and can limit this; the init is in its namespaces, and ready for what they are to
    /// hold.
    Ready { controllers: Controllers },
    /// The enclosure is there. To albacore it comes with the listener of its network.
    Opened { id: Id },
    /// The enclosure has what was to be added.
    Completed { id: Id },
    /// There is a way out of the machine now. Comes with the sockets by which names are asked for: for datagrams, and one
    /// that listens.
    Connected,
    /// The socket that was asked for, which comes with this.
    Socket { id: Id },
    /// The main process runs its program, below the init process `init`. From an init in namespaces of its own it comes
    /// with a handle of the main process, whose number is another one for others.
    Started { id: Id, pid: i32, init: i32 },
    /// The main process could not be started; nothing of the environment is left.
    Failed { id: Id, step: Step, errno: i32 },
    /// The main process ended with this raw wait status, and so has all it left behind. The spawner adds whether memory
    /// was what it lacked.
    Exited { id: Id, status: i32, out_of_memory: bool },
}

impl Reply {
    pub(crate) const BYTES: usize = 17;

    pub(crate) fn encode(self) -> [u8; Self::BYTES] {
        let (kind, id, first, second) = match self {
            Self::Ready { controllers } => (1, 0, controllers.bits(), 0),
            Self::Started { id, pid, init } => (2, id, pid, init),
            Self::Failed { id, step, errno } => (3, id, errno, step as i32),
            Self::Exited {
                id,
                status,
                out_of_memory,
            } => (4, id, status, i32::from(out_of_memory)),
            Self::Opened { id } => (5, id, 0, 0),
            Self::Completed { id } => (6, id, 0, 0),
            Self::Connected => (7, 0, 0, 0),
            Self::Socket { id } => (8, id, 0, 0),
        };
        let mut bytes = [kind; Self::BYTES];
        bytes[1..9].copy_from_slice(&id.to_le_bytes());
        bytes[9..13].copy_from_slice(&first.to_le_bytes());
        bytes[13..].copy_from_slice(&second.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (first, rest) = rest.split_first_chunk()?;
        let id = u64::from_le_bytes(*id);
        let first = i32::from_le_bytes(*first);
        let second = i32::from_le_bytes(rest.try_into().ok()?);
        match kind {
            1 => Some(Self::Ready {
                controllers: Controllers::from_bits(first),
            }),
            2 => Some(Self::Started {
                id,
                pid: first,
                init: second,
            }),
            3 => Some(Self::Failed {
                id,
                step: *Step::ALL.get(usize::try_from(second).ok()?)?,
                errno: first,
            }),
            4 => Some(Self::Exited {
                id,
                status: first,
                out_of_memory: second != 0,
            }),
            5 => Some(Self::Opened { id }),
            6 => Some(Self::Completed { id }),
            7 => Some(Self::Connected),
            8 => Some(Self::Socket { id }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Controllers, Reply, Request};
    use crate::spec::Step;

    #[test]
    fn messages_survive_the_socket() {
        for request in [
            Request::Spawn(1),
            Request::Terminate(u64::MAX),
            Request::Kill(1 << 40),
            Request::Enter,
            Request::Release(7),
            Request::Open(8),
            Request::Close(9),
            Request::Complete(10),
            Request::Freeze(11),
            Request::Thaw(12),
            Request::Socket { id: 14, enclosure: 15 },
            Request::ShareCpu {
                id: 13,
                quota_us: u64::MAX,
            },
        ] {
            assert_eq!(Request::decode(&request.encode()), Some(request));
        }
        let failures = Step::ALL.map(|step| Reply::Failed {
            id: 7,
            step,
            errno: libc::ENOENT,
        });
        let others = [
            Reply::Ready {
                controllers: Controllers {
                    memory: true,
                    processes: false,
                    cpu: true,
                },
            },
            Reply::Opened { id: 3 },
            Reply::Completed { id: 4 },
            Reply::Connected,
            Reply::Socket { id: 5 },
            Reply::Started {
                id: 9,
                pid: i32::MAX,
                init: 4711,
            },
            Reply::Exited {
                id: u64::MAX,
                status: 0x8b,
                out_of_memory: true,
            },
        ];
        for reply in failures.into_iter().chain(others) {
            assert_eq!(Reply::decode(&reply.encode()), Some(reply));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let mut unknown_step = Reply::Failed {
            id: 7,
            step: Step::Exec,
            errno: 2,
        }
        .encode();
        unknown_step[13] = 200;
        for bytes in [
            &[][..],
            &[1],
            &[1; 8],
            &[9; 9],
            &[1; 10],
            &[99; 17],
            &[1; 16],
            &[1; 18],
            &unknown_step,
        ] {
            // What is no reply because of its step may be a request.
            assert!(bytes == unknown_step || Request::decode(bytes).is_none(), "{bytes:?}");
            assert!(
                bytes.len() == 17 && bytes[0] == 1 || Reply::decode(bytes).is_none(),
                "{bytes:?}"
            );
        }
    }
}
