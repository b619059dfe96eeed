//! Processes that fork the inits of environments, as children of the spawner.
//!
//! A forker stands in the root that environments share and does nothing else, so that its memory stands still: inits share
//! what nobody writes to with it and with each other, and what the spawner remembers is none of theirs.
//!
//! There is one where the spawner stands. Another stays in the host's network when the spawner has to leave that for good, as
//! an ordinary user's does.

use super::ids::Ids;
use super::{Network, network_of_this};
use crate::init::{self, Birth, Place};
use crate::landlock;
use crate::sys::process::{self, Fork, Pid};
use crate::sys::{errno, fd, mount, socket};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long one fork may take.
const FORK_TIME_MAX: Duration = Duration::from_secs(5);

/// Of a request: these flags, how many entrances come, the number of the owner or 0, and the request's own number.
const REQUEST_BYTES: usize = 10;
const WITH_BIRTHPLACE: u8 = 1;
const WITH_NETWORK: u8 = 2;
const REHEARSE: u8 = 4;

/// Of an answer: the request's number, and the child or an error below zero.
const ANSWER_BYTES: usize = 8;

/// The process. It ends when this is dropped.
pub(crate) struct Forker {
    pid: Pid,
    control: OwnedFd,
    /// Of the last request.
    number: u32,
}

/// Why there is no init.
pub(super) enum NotForked {
    /// It was not asked: it has ended.
    Ended(io::Error),
    /// It has said so.
    Refused(io::Error),
    /// Nobody knows what it has done.
    Silent(io::Error),
}

/// What an init is born with.
pub(crate) struct Order<'a> {
    /// Its end of its socket.
    pub(crate) control: BorrowedFd<'a>,
    /// The control group that it begins its life in, and those that it moves to by itself.
    pub(crate) birthplace: Option<BorrowedFd<'a>>,
    pub(crate) entrances: &'a [OwnedFd],
    /// For whom the kernel counts what it uses up, as [`process::fork_apart`] has it.
    pub(crate) owner: Option<u32>,
    /// Shall it try what it will do for its main process?
    pub(crate) rehearse: bool,
}

impl Forker {
    /// Forks it, where it is going to stand. Only for a process with one thread.
    pub(super) fn start(name: &CStr, ids: Ids) -> io::Result<Self> {
        let (control, its_control) = socket::pair()?;
        // SAFETY: the spawner has one thread, and the child's branch never returns.
        match unsafe { process::fork() }? {
            Fork::Parent { child } => Ok(Self {
                pid: child,
                control,
                number: 0,
            }),
            Fork::Child => {
                process::set_name(name);
                // SAFETY: freshly forked from one thread; only the socket is used from here on.
                unsafe { live(&its_control, ids) }
            }
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Ends it, whatever it does.
    pub(super) fn kill(&self) {
        let _ = process::signal_process(self.pid, libc::SIGKILL);
    }

    /// Forks an init, into a network that is to be its own or where this process stands. It is a child of the caller's.
    pub(super) fn fork(&mut self, order: &Order<'_>, network: Option<BorrowedFd<'_>>) -> Result<Pid, NotForked> {
        self.number = self.number.wrapping_add(1);
        let mut flags = 0;
        for (is_given, flag) in [
            (order.birthplace.is_some(), WITH_BIRTHPLACE),
            (network.is_some(), WITH_NETWORK),
            (order.rehearse, REHEARSE),
        ] {
            flags |= if is_given { flag } else { 0 };
        }
        // More than fit in a message cannot be sent.
        let entrances = u8::try_from(order.entrances.len()).unwrap_or(u8::MAX);
        let mut request = [0; REQUEST_BYTES];
        request[..2].copy_from_slice(&[flags, entrances]);
        request[2..6].copy_from_slice(&order.owner.unwrap_or(0).to_le_bytes());
        request[6..].copy_from_slice(&self.number.to_le_bytes());
        let files: Vec<_> = std::iter::once(order.control)
            .chain(order.birthplace)
            .chain(network)
            .chain(order.entrances.iter().map(AsFd::as_fd))
            .collect();
        socket::send(self.control.as_fd(), &request, &files, socket::Wait::Never).map_err(not_sent)?;
        self.answer()
    }

    /// What became of the last request.
    fn answer(&self) -> Result<Pid, NotForked> {
        let silent = |errno| NotForked::Silent(io::Error::from_raw_os_error(errno));
        let deadline = Instant::now() + FORK_TIME_MAX;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(silent(libc::ETIMEDOUT));
            }
            let mut entries = [fd::interest(self.control.as_fd(), libc::POLLIN)];
            fd::poll(&mut entries, Some(left)).map_err(NotForked::Silent)?;
            let mut answer = [0; ANSWER_BYTES];
            match socket::receive(self.control.as_fd(), &mut answer) {
                Ok(received) if received.bytes == ANSWER_BYTES => {
                    let [a, b, c, d, child @ ..] = answer;
                    // Other answers are for those who have not waited for them.
                    if u32::from_le_bytes([a, b, c, d]) == self.number {
                        return match i32::from_le_bytes(child) {
                            child if child > 0 => Ok(child),
                            error => Err(NotForked::Refused(io::Error::from_raw_os_error(-error))),
                        };
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(_) => return Err(silent(libc::ECHILD)),
                Err(error) => return Err(NotForked::Silent(error)),
            }
        }
    }
}

/// What could not be sent is nobody's. It tells of the other end only if that is gone.
fn not_sent(error: io::Error) -> NotForked {
    const GONE: [i32; 4] = [libc::EPIPE, libc::ECONNRESET, libc::ECONNREFUSED, libc::ENOTCONN];
    match error.raw_os_error().is_some_and(|errno| GONE.contains(&errno)) {
        true => NotForked::Ended(error),
        false => NotForked::Refused(error),
    }
}

impl From<NotForked> for io::Error {
    fn from(why: NotForked) -> Self {
        match why {
            NotForked::Ended(error) | NotForked::Refused(error) | NotForked::Silent(error) => error,
        }
    }
}

/// Lives its whole life. Nothing here allocates, so that what it forks can share its memory.
///
/// # Safety
///
/// Only for a freshly forked child of a single-threaded process, which must own nothing but `control` from then on.
unsafe fn live(control: &OwnedFd, ids: Ids) -> ! {
    // SAFETY: whatever owned the other descriptors belongs to the spawner's code, to which this child never returns.
    let closed = unsafe { fd::close_all_except(&mut [control.as_raw_fd()]) };
    let own_network = closed
        .and_then(|()| process::die_with_parent())
        .and_then(|()| network_of_this());
    let Ok(own_network) = own_network else {
        process::exit_now(0)
    };
    let landlock_version = landlock::version();
    loop {
        if fd::poll(&mut [fd::interest(control.as_fd(), libc::POLLIN)], None).is_err() {
            process::exit_now(0);
        }
        let mut request = [0; REQUEST_BYTES];
        let received = match socket::receive(control.as_fd(), &mut request) {
            Ok(received) if received.bytes == REQUEST_BYTES => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            // The spawner does not want it any more, or has gone.
            Ok(_) | Err(_) => process::exit_now(0),
        };
        let [flags, entrances_sent, owner @ .., n0, n1, n2, n3] = request;
        let owner = u32::from_le_bytes(owner);
        let mut entrances = received.fds;
        let mut files = entrances.iter_mut();
        let mut next = |is_given: bool| {
            if is_given {
                files.next().and_then(Option::take)
            } else {
                None
            }
        };
        let its_control = next(true);
        let birthplace = next(flags & WITH_BIRTHPLACE != 0);
        let network = next(flags & WITH_NETWORK != 0);
        let Some(its_control) = its_control else {
            process::exit_now(0)
        };
        // Fewer arrive when this process has no room for them. Without its network an init would be in this one's.
        let is_whole = birthplace.is_some() == (flags & WITH_BIRTHPLACE != 0)
            && network.is_some() == (flags & WITH_NETWORK != 0)
            && entrances.iter().flatten().count() == usize::from(entrances_sent);
        let whole = match is_whole {
            true => Ok(()),
            false => Err(io::Error::from_raw_os_error(libc::EMFILE)),
        };
        let entered = whole.and_then(|()| network.as_ref().map_or(Ok(()), |network| mount::enter(network.as_fd())));
        let birthplace = birthplace.as_ref().map(AsFd::as_fd);
        let owner = Some(owner).filter(|&owner| owner != 0);
        // SAFETY: this process has one thread, and the child's branch never returns.
        let forked = entered.and_then(|()| unsafe { process::fork_apart(owner, birthplace) });
        let answer = match forked {
            Ok(Fork::Parent { child }) => child,
            Ok(Fork::Child) => {
                let place = Place::Apart {
                    ids,
                    rehearse: flags & REHEARSE != 0,
                    network: if network.is_some() { Network::Own } else { Network::Host },
                };
                // SAFETY: freshly forked from one thread; only the birth is used from here on.
                unsafe {
                    init::run(Birth {
                        control: its_control,
                        landlock_version,
                        place,
                        entrances,
                    })
                }
            }
            Err(error) => -errno(&error),
        };
        // A change of user, to the owner and back, undoes this.
        if process::die_with_parent().is_err() {
            process::exit_now(1);
        }
        // One that does not find back ends: all that it would do in a wrong network would be wrong.
        if network.is_some() && mount::enter(own_network.as_fd()).is_err() {
            process::exit_now(1);
        }
        let [a0, a1, a2, a3] = answer.to_le_bytes();
        // An error means that the spawner has gone; the next look at the socket finds that out.
        let answer = [n0, n1, n2, n3, a0, a1, a2, a3];
        let _ = socket::send(control.as_fd(), &answer, &[], socket::Wait::Never);
    }
}
