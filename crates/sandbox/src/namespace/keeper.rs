//! A process that stays in the host's network when the spawner has to leave it for good, as an ordinary user's does.
//!
//! It does one thing: it forks inits that are to be in that network, as children of the spawner. It stands in the root that
//! environments share, so what it forks is in the same place as what the spawner forks itself, but for the network.

use super::Network;
use super::ids::Ids;
use crate::init::{self, Birth, Place};
use crate::landlock;
use crate::sys::process::{self, Fork, Parent, Pid};
use crate::sys::{errno, fd, socket};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long one fork may take.
const FORK_TIME_MAX: Duration = Duration::from_secs(5);

/// What comes first in a message to it: does a control group come, in which the child begins its life?
const WITHOUT_BIRTHPLACE: u8 = 0;
const WITH_BIRTHPLACE: u8 = 1;

/// The process. It ends when this is dropped.
pub(crate) struct Keeper {
    pid: Pid,
    control: OwnedFd,
}

impl Keeper {
    /// Forks it, where it is going to stand. Only for a process with one thread.
    pub(super) fn start(ids: Ids) -> io::Result<Self> {
        let (control, its_control) = socket::pair()?;
        // SAFETY: the spawner has one thread, and the child's branch never returns.
        match unsafe { process::fork() }? {
            Fork::Parent { child } => Ok(Self { pid: child, control }),
            Fork::Child => {
                // SAFETY: freshly forked from one thread; only the socket is used from here on.
                unsafe { keep(&its_control, ids) }
            }
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Forks an init with these: its socket, the control group it begins its life in, and those it moves to by itself. It is
    /// a child of the caller's.
    pub(crate) fn fork(
        &self,
        control: BorrowedFd<'_>,
        birthplace: Option<BorrowedFd<'_>>,
        entrances: &[OwnedFd],
    ) -> io::Result<Pid> {
        let kind = match birthplace {
            Some(_) => WITH_BIRTHPLACE,
            None => WITHOUT_BIRTHPLACE,
        };
        let files: Vec<_> = std::iter::once(control)
            .chain(birthplace)
            .chain(entrances.iter().map(AsFd::as_fd))
            .collect();
        socket::send(self.control.as_fd(), &[kind], &files, socket::Wait::Never)?;
        let deadline = Instant::now() + FORK_TIME_MAX;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
            }
            fd::poll(&mut [fd::interest(self.control.as_fd(), libc::POLLIN)], Some(left))?;
            let mut answer = [0; 4];
            match socket::receive(self.control.as_fd(), &mut answer) {
                Ok(received) if received.bytes == answer.len() => {
                    return match i32::from_le_bytes(answer) {
                        child if child > 0 => Ok(child),
                        error => Err(io::Error::from_raw_os_error(-error)),
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(_) => return Err(io::Error::from_raw_os_error(libc::ECHILD)),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Lives its whole life.
///
/// # Safety
///
/// Only for a freshly forked child of a single-threaded process, which must own nothing but `control` from then on.
unsafe fn keep(control: &OwnedFd, ids: Ids) -> ! {
    process::set_name(c"albacore-net");
    // SAFETY: whatever owned the other descriptors belongs to the spawner's code, to which this child never returns.
    let closed = unsafe { fd::close_all_except(&mut [control.as_raw_fd()]) };
    if closed.and_then(|()| process::die_with_parent()).is_err() {
        process::exit_now(0);
    }
    let landlock_version = landlock::version();
    loop {
        if fd::poll(&mut [fd::interest(control.as_fd(), libc::POLLIN)], None).is_err() {
            process::exit_now(0);
        }
        let mut kind = [0];
        let received = match socket::receive(control.as_fd(), &mut kind) {
            Ok(received) if received.bytes > 0 => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            // The spawner does not want it any more, or has gone.
            Ok(_) | Err(_) => process::exit_now(0),
        };
        let mut files = received.fds.into_iter().flatten();
        let its_control = files.next();
        let birthplace = (kind == [WITH_BIRTHPLACE]).then(|| files.next()).flatten();
        let entrances: Vec<OwnedFd> = files.collect();
        let Some(its_control) = its_control else {
            process::exit_now(0)
        };
        // SAFETY: this process has one thread, and the child's branch never returns.
        let forked = unsafe { process::fork_apart(birthplace.as_ref().map(AsFd::as_fd), Parent::OfCaller) };
        let answer = match forked {
            Ok(Fork::Parent { child }) => child,
            Ok(Fork::Child) => {
                // SAFETY: freshly forked from one thread; only the birth is used from here on.
                unsafe {
                    init::run(Birth {
                        control: its_control,
                        landlock_version,
                        place: Place::Apart {
                            ids,
                            rehearse: false,
                            network: Network::Host,
                        },
                        entrances,
                    })
                }
            }
            Err(error) => -errno(&error),
        };
        // An error means that the spawner has gone; the next look at the socket finds that out.
        let _ = socket::send(control.as_fd(), &answer.to_le_bytes(), &[], socket::Wait::Never);
    }
}
