//! The messages on the sockets between albacore, the spawner and the init processes.
//!
//! Both ends are the same binary, so there is no version. Both sockets speak the same language: the spawner hands an
//! init's reply on without a change. A message that does not parse ends the connection.

use crate::spec::Step;

/// The name of one environment on the sockets, never used twice in the life of a spawner.
pub(crate) type Id = u64;

/// What the level above asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Start the main process. Comes with descriptors: the launch, standard output, standard error, and the log pipe
    /// if the launch has one.
    Spawn(Id),
    /// SIGTERM to the process group of the main process.
    Terminate(Id),
    /// SIGKILL to everything in the environment.
    Kill(Id),
}

impl Request {
    pub(crate) const BYTES: usize = 9;

    pub(crate) fn encode(self) -> [u8; Self::BYTES] {
        let (kind, id) = match self {
            Self::Spawn(id) => (1, id),
            Self::Terminate(id) => (2, id),
            Self::Kill(id) => (3, id),
        };
        let mut bytes = [kind; Self::BYTES];
        bytes[1..].copy_from_slice(&id.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&kind, id) = bytes.split_first()?;
        let id = u64::from_le_bytes(id.try_into().ok()?);
        match kind {
            1 => Some(Self::Spawn(id)),
            2 => Some(Self::Terminate(id)),
            3 => Some(Self::Kill(id)),
            _ => None,
        }
    }
}

/// What the level below reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The spawner is ready for requests.
    Ready,
    /// The main process runs its program, below the init process `init`.
    Started { id: Id, pid: i32, init: i32 },
    /// The main process could not be started; nothing of the environment is left.
    Failed { id: Id, step: Step, errno: i32 },
    /// The main process ended with this raw wait status, and so has all it left behind.
    Exited { id: Id, status: i32 },
}

impl Reply {
    pub(crate) const BYTES: usize = 17;

    pub(crate) fn encode(self) -> [u8; Self::BYTES] {
        let (kind, id, first, second) = match self {
            Self::Ready => (1, 0, 0, 0),
            Self::Started { id, pid, init } => (2, id, pid, init),
            Self::Failed { id, step, errno } => (3, id, errno, step as i32),
            Self::Exited { id, status } => (4, id, status, 0),
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
            1 => Some(Self::Ready),
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
            4 => Some(Self::Exited { id, status: first }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Reply, Request};
    use crate::spec::Step;

    #[test]
    fn messages_survive_the_socket() {
        for request in [Request::Spawn(1), Request::Terminate(u64::MAX), Request::Kill(1 << 40)] {
            assert_eq!(Request::decode(&request.encode()), Some(request));
        }
        let failures = Step::ALL.map(|step| Reply::Failed {
            id: 7,
            step,
            errno: libc::ENOENT,
        });
        let others = [
            Reply::Ready,
            Reply::Started {
                id: 9,
                pid: i32::MAX,
                init: 4711,
            },
            Reply::Exited {
                id: u64::MAX,
                status: 0x8b,
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
            &[9; 17],
            &[1; 16],
            &[1; 18],
            &unknown_step,
        ] {
            assert_eq!(Request::decode(bytes), None, "{bytes:?}");
            assert!(
                bytes.len() == 17 && bytes[0] == 1 || Reply::decode(bytes).is_none(),
                "{bytes:?}"
            );
        }
    }
}
