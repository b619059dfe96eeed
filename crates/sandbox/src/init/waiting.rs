//! A main process that was started before anybody knew what it is to run, and has given up what it can give up without
//! knowing that: this takes longer than all that is left then.
//!
//! There is one in each shell. Whoever starts another main process, or finds this one gone, has one forked.
//!
//! It has the init's memory in common with it: a copy would have to be taken down when it executes its program, which took a
//! third of the time from the order to the program. So only one of the two runs at a time: the init waits until this one
//! waits, and again until it runs its program. What it allocates nobody frees, so it does that only for a launch that is larger
//! than usual, once.

use super::Order;
use crate::child::{self, Prepared, Purpose, Streams};
use crate::landlock;
use crate::launch::Room;
use crate::namespace::{Confinement, Failure, Network};
use crate::spec::Step;
use crate::sys::process::{self, Pid, Stack};
use crate::sys::{confine, fd, socket};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// What it says when it waits, and what is sent to it with the descriptors of its order.
const READY: [u8; 1] = [0];
const GO: [u8; 1] = [1];

/// How long it may take until it waits.
const READY_TIME_MAX: Duration = Duration::from_secs(5);
/// How long the init waits until it runs its program, twice: the whole environment may have stood still meanwhile. Past this
/// it is killed, and the init goes on.
const START_TIME_MAX: Duration = Duration::from_secs(3);

/// The process. It ends when this is dropped.
pub(super) struct Waiting {
    pid: Pid,
    control: OwnedFd,
    failure: Failing,
}

/// Tells what failed of a main process that is being started, as any of them does: the pipe ends when the program runs, and
/// carries a failure otherwise.
pub(super) struct Failing {
    pipe: File,
    /// What it stands on until then, if that is the init's memory.
    stack: Option<Stack>,
}

impl From<OwnedFd> for Failing {
    fn from(pipe: OwnedFd) -> Self {
        Self {
            pipe: File::from(pipe),
            stack: None,
        }
    }
}

impl Failing {
    pub(super) fn pipe(&self) -> &File {
        &self.pipe
    }

    /// What failed, or `None`: it runs its program, or has ended. Waits until one of them is so.
    pub(super) fn take(&mut self) -> Option<(Step, i32)> {
        let mut bytes = [0; 8];
        let failed = self.pipe.read_exact(&mut bytes).is_ok();
        // Who says what failed ends after that.
        while failed && self.pipe.read(&mut [0]).is_ok_and(|read| read > 0) {}
        if let Some(stack) = self.stack.take() {
            // SAFETY: a process leaves its memory before it closes its files, both when it executes a program and when it
            // ends.
            unsafe { stack.free() };
        }
        failed.then(|| child::decode_failure(bytes))
    }
}

/// What it begins with, on the init's stack.
struct Birth {
    control: RawFd,
    failure: RawFd,
    network: Network,
    landlock_version: Option<u32>,
}

impl Waiting {
    /// Starts it, and waits until it waits.
    ///
    /// # Safety
    ///
    /// This process must have one thread only.
    pub(super) unsafe fn start(network: Network, landlock_version: Option<u32>) -> io::Result<Self> {
        let (control, its_control) = socket::pair()?;
        let (failure, writer) = io::pipe()?;
        let mut birth = Birth {
            control: its_control.as_raw_fd(),
            failure: writer.as_raw_fd(),
            network,
            landlock_version,
        };
        // SAFETY: one thread only, by the contract above. This process waits until the other one has said that it waits,
        // which is after it has last looked at its birth; then that one runs only after `go`.
        let (pid, stack) = unsafe { process::fork_sharing(begin, (&raw mut birth).cast()) }?;
        drop((its_control, writer));
        let _ = fd::poll(&mut [fd::interest(control.as_fd(), libc::POLLIN)], Some(READY_TIME_MAX));
        let mut word = GO;
        match socket::receive(control.as_fd(), &mut word) {
            Ok(received) if received.bytes == READY.len() => Ok(Self {
                pid,
                control,
                failure: Failing {
                    pipe: File::from(OwnedFd::from(failure)),
                    stack: Some(stack),
                },
            }),
            refused => {
                // What it stands on stays: it may not have ended yet.
                let _ = process::signal_process(pid, libc::SIGKILL);
                Err(refused
                    .err()
                    .unwrap_or_else(|| io::Error::from_raw_os_error(libc::ECHILD)))
            }
        }
    }

    /// Lets it run what these say, as [`Order::read`] takes them, and waits until it does or has failed. `None`: it has ended.
    pub(super) fn go(self, files: &[Option<OwnedFd>]) -> Option<(Pid, Failing)> {
        // No list, for an init keeps what memory it has ever used.
        let mut borrowed = [self.control.as_fd(); socket::FDS_MAX];
        let mut count = 0;
        for (place, file) in borrowed.iter_mut().zip(files.iter().flatten()) {
            *place = file.as_fd();
            count += 1;
        }
        socket::send(self.control.as_fd(), &GO, &borrowed[..count], socket::Wait::Never).ok()?;
        let mut told = [fd::interest(self.failure.pipe.as_fd(), libc::POLLIN)];
        for _ in 0..2 {
            if fd::poll(&mut told, Some(START_TIME_MAX)).is_ok() && told[0].revents != 0 {
                return Some((self.pid, self.failure));
            }
        }
        // Whatever holds it in the kernel, nothing of it runs any more.
        let _ = process::signal_process(self.pid, libc::SIGKILL);
        Some((self.pid, self.failure))
    }
}

/// Its whole life until it executes its program.
extern "C" fn begin(birth: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the init has it on its stack and waits.
    let birth = unsafe { birth.cast::<Birth>().read() };
    process::set_name(c"albacore-wait");
    // SAFETY: this process has its own copies of all descriptors, of which nothing here owns any. These numbers are open.
    let (control, writer) = unsafe { (OwnedFd::from_raw_fd(birth.control), OwnedFd::from_raw_fd(birth.failure)) };
    let mut kept = [birth.control, birth.failure];
    // SAFETY: whatever owned the other descriptors belongs to the init's code, to which this never returns; the init's own
    // copies stay open.
    let closed = unsafe { fd::close_all_except(&mut kept) };
    let failed = closed
        .map_err(|error| (Step::Init, error))
        .and_then(|()| wait(&control, birth.network, birth.landlock_version))
        .unwrap_or_else(|failure| failure);
    child::tell_failure(writer.as_fd(), &failed)
}

/// Waits for the order and carries it out; comes back only with what failed.
fn wait(control: &OwnedFd, network: Network, landlock_version: Option<u32>) -> Result<Failure, Failure> {
    let confinement = Confinement::new(network, landlock_version);
    child::give_up(Some(&confinement))?;
    confine::no_new_privileges().map_err(|error| (Step::Privileges, error))?;
    // The change of user may have undone it, and what others of that user could look into is the init's memory.
    process::hide_from_own_user().map_err(|error| (Step::Privileges, error))?;
    // Nothing that is left to do is among what it refuses.
    confine::filter_system_calls(confinement.filter()).map_err(|error| (Step::SystemCalls, error))?;
    socket::send(control.as_fd(), &READY, &[], socket::Wait::Never).map_err(|error| (Step::Init, error))?;
    let Some(files) = order(control) else {
        // Nobody wants it any more.
        process::exit_now(0)
    };
    let mut room = Room::new();
    let Order {
        launch,
        stdout,
        stderr,
        log,
        assignment,
    } = Order::read(files, &mut room)?;
    let rules = landlock_version
        .map(|version| landlock::ruleset(version, launch.temporary_directory, Some(network)))
        .transpose()
        .map_err(|error| (Step::Landlock, error))?;
    let streams = Streams {
        stdout: stdout.as_fd(),
        stderr: stderr.as_fd(),
        log: log.as_ref().map(AsFd::as_fd),
        assignment: assignment.as_ref().map(AsFd::as_fd),
    };
    let rules = rules.as_ref().map(AsFd::as_fd);
    Ok(Prepared::new(&launch, streams, rules, None, None, Purpose::Run).go_on())
}

/// What came with the order. `None`: none will come.
fn order(control: &OwnedFd) -> Option<[Option<OwnedFd>; socket::FDS_MAX]> {
    loop {
        fd::poll(&mut [fd::interest(control.as_fd(), libc::POLLIN)], None).ok()?;
        let mut buffer = GO;
        match socket::receive(control.as_fd(), &mut buffer) {
            Ok(received) if received.bytes == GO.len() => return Some(received.fds),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => return None,
        }
    }
}
