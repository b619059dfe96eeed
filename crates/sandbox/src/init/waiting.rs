//! A main process that was forked before anybody knew what it is to run, and has given up what it can give up without
//! knowing that: this takes longer than all that is left then.
//!
//! There is one in each shell. Whoever starts another main process, or finds this one gone, has one forked.

use super::Order;
use crate::child::{self, Prepared, Purpose, Streams};
use crate::landlock;
use crate::namespace::{Confinement, Failure, Network};
use crate::spec::Step;
use crate::sys::process::{self, Fork, Pid};
use crate::sys::{confine, fd, socket};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// What is sent to it, with the descriptors of its order.
const GO: [u8; 1] = [1];

/// The process. It ends when this is dropped.
pub(super) struct Waiting {
    pub(super) pid: Pid,
    control: OwnedFd,
    /// As of any process that is being started.
    failure: File,
}

impl Waiting {
    /// Forks it.
    ///
    /// # Safety
    ///
    /// This process must have one thread only.
    pub(super) unsafe fn fork(network: Network, landlock_version: Option<u32>) -> io::Result<Self> {
        let (control, its_control) = socket::pair()?;
        let (failure, writer) = io::pipe()?;
        // SAFETY: one thread only, by the contract above; the child's branch never returns.
        match unsafe { process::fork() }? {
            Fork::Parent { child } => Ok(Self {
                pid: child,
                control,
                failure: File::from(OwnedFd::from(failure)),
            }),
            Fork::Child => {
                process::set_name(c"albacore-wait");
                let writer = OwnedFd::from(writer);
                let mut kept = [its_control.as_raw_fd(), writer.as_raw_fd()];
                // SAFETY: whatever owned the other descriptors belongs to the init's code, to which this child never
                // returns.
                let closed = unsafe { fd::close_all_except(&mut kept) };
                let failed = closed
                    .map_err(|error| (Step::Init, error))
                    .and_then(|()| wait(&its_control, network, landlock_version))
                    .unwrap_or_else(|failure| failure);
                child::tell_failure(writer.as_fd(), &failed)
            }
        }
    }

    /// Lets it run what these say, as [`Order::read`] takes them. It is what tells of a failure from then on. `None`: it has
    /// ended.
    pub(super) fn go(self, files: &[Option<OwnedFd>]) -> Option<(Pid, File)> {
        // No list, for an init keeps what memory it has ever used.
        let mut borrowed = [self.control.as_fd(); socket::FDS_MAX];
        let mut count = 0;
        for (place, file) in borrowed.iter_mut().zip(files.iter().flatten()) {
            *place = file.as_fd();
            count += 1;
        }
        socket::send(self.control.as_fd(), &GO, &borrowed[..count], socket::Wait::Never).ok()?;
        Some((self.pid, self.failure))
    }
}

/// Waits for the order and carries it out; comes back only with what failed.
fn wait(control: &OwnedFd, network: Network, landlock_version: Option<u32>) -> Result<Failure, Failure> {
    let confinement = Confinement::new(network, landlock_version);
    child::give_up(Some(&confinement))?;
    confine::no_new_privileges().map_err(|error| (Step::Privileges, error))?;
    // Nothing that is left to do is among what it refuses.
    confinement
        .filter_system_calls()
        .map_err(|error| (Step::SystemCalls, error))?;
    let Some(files) = order(control) else {
        // Nobody wants it any more.
        process::exit_now(0)
    };
    let Order {
        launch,
        stdout,
        stderr,
        log,
        assignment,
    } = Order::read(files)?;
    let rules = landlock_version
        .map(|version| landlock::ruleset(version, launch.temporary_directory.as_deref(), Some(network)))
        .transpose()
        .map_err(|error| (Step::Landlock, error))?;
    let streams = Streams {
        stdout: stdout.as_fd(),
        stderr: stderr.as_fd(),
        log: log.as_ref().map(AsFd::as_fd),
        assignment: assignment.as_ref().map(AsFd::as_fd),
    };
    let rules = rules.as_ref().map(AsFd::as_fd);
    Ok(Prepared::new(&launch, streams, rules, None, Purpose::Run).go_on())
}

/// What came with the order. `None`: none will come.
fn order(control: &OwnedFd) -> Option<Vec<OwnedFd>> {
    loop {
        fd::poll(&mut [fd::interest(control.as_fd(), libc::POLLIN)], None).ok()?;
        let mut buffer = GO;
        match socket::receive(control.as_fd(), &mut buffer) {
            Ok(received) if received.bytes == GO.len() => return Some(received.fds.into_iter().flatten().collect()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => return None,
        }
    }
}
