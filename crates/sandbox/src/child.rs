//! The main process between fork and exec: it gives up what it must not have and becomes the function's program.
//!
//! It does so in two parts: what no main process may have ([`give_up`]), and what depends on what it runs. Nothing here
//! allocates, and everything needed was prepared before.

use crate::launch::{Launch, Strings};
use crate::namespace::{Confinement, Failure};
use crate::own_tmp::OwnTmp;
use crate::spec::Step;
use crate::sys::confine::{self, Resource};
use crate::sys::fd::{self, StandardStream};
use crate::sys::process::{self, Pid};
use std::ffi::CStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr;

/// Everything the child needs, made before the fork.
pub(crate) struct Prepared<'a> {
    launch: &'a Launch<'a>,
    arguments: Pointers,
    environment: Pointers,
    /// The init process that forks the child.
    parent: Pid,
    streams: Streams<'a>,
    /// What becomes its `/tmp`, if the launch wants that.
    own_tmp: Option<OwnTmp>,
    /// The rules for its file system, where the kernel has Landlock.
    landlock: Option<BorrowedFd<'a>>,
    /// What it does in namespaces of its own.
    confinement: Option<Confinement>,
    /// Of its system calls; `None`: there are none here, or it is under one already.
    filter: Option<&'static [libc::sock_filter]>,
    purpose: Purpose,
}

/// Pointers to strings, ended by a null pointer.
struct Pointers {
    /// Unless there are more.
    usual: [*const libc::c_char; POINTERS],
    count: usize,
    all: Vec<*const libc::c_char>,
}

/// The null pointer included.
const POINTERS: usize = 64;

impl Pointers {
    fn to(strings: &Strings<'_>) -> Self {
        let mut pointers = Self {
            usual: [ptr::null(); POINTERS],
            count: 0,
            all: Vec::new(),
        };
        for pointer in strings.iter().map(CStr::as_ptr).chain([ptr::null()]) {
            if let Some(place) = pointers.usual.get_mut(pointers.count) {
                *place = pointer;
            }
            pointers.count += 1;
        }
        if pointers.count > POINTERS {
            pointers.all = strings.iter().map(CStr::as_ptr).chain([ptr::null()]).collect();
        }
        pointers
    }

    fn as_slice(&self) -> &[*const libc::c_char] {
        self.usual.get(..self.count).unwrap_or(&self.all)
    }
}

/// What a child is for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Purpose {
    /// To execute its program.
    Run,
    /// To see that all before that works, and end.
    Rehearse,
}

/// The writing ends of its pipes.
#[derive(Clone, Copy)]
pub(crate) struct Streams<'a> {
    pub(crate) stdout: BorrowedFd<'a>,
    pub(crate) stderr: BorrowedFd<'a>,
    /// These have their numbers already.
    pub(crate) log: Option<BorrowedFd<'a>>,
    pub(crate) assignment: Option<BorrowedFd<'a>>,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(
        launch: &'a Launch<'a>,
        streams: Streams<'a>,
        landlock: Option<BorrowedFd<'a>>,
        confinement: Option<Confinement>,
        filter: Option<&'static [libc::sock_filter]>,
        purpose: Purpose,
    ) -> Self {
        Self {
            arguments: Pointers::to(&launch.arguments),
            environment: Pointers::to(&launch.environment),
            own_tmp: launch
                .temporary_directory
                .filter(|_| launch.temporary_mount)
                .map(OwnTmp::new),
            launch,
            parent: process::own_pid(),
            streams,
            landlock,
            confinement,
            filter,
            purpose,
        }
    }

    /// Confines this process and executes the program; comes back only with what failed.
    fn execute(&self) -> Failure {
        match self.follow_parent().and_then(|()| give_up(self.confinement.as_ref())) {
            Err(failure) => failure,
            Ok(()) => self.go_on(),
        }
    }

    /// The same in a process that has given up what it can without knowing what it runs.
    pub(crate) fn go_on(&self) -> Failure {
        match self.confine() {
            Err(failure) => failure,
            Ok(()) if self.purpose == Purpose::Rehearse => process::exit_now(0),
            // SAFETY: both lists end with a null pointer and point to the C strings of `launch`, which is borrowed.
            Ok(()) => (Step::Exec, unsafe {
                process::execute(
                    self.launch.program,
                    self.arguments.as_slice(),
                    self.environment.as_slice(),
                )
            }),
        }
    }

    /// Ends with the parent.
    fn follow_parent(&self) -> Result<(), Failure> {
        let at = |error| (Step::ProcessGroup, error);
        // The first process of a namespace takes all others with it, and a change of user would forget this.
        if self.confinement.is_none() {
            process::die_with_parent().map_err(at)?;
            // The parent may have ended before the line above: then nobody would ever send that signal.
            if process::parent_pid() != self.parent {
                return Err(at(io::Error::from_raw_os_error(libc::ESRCH)));
            }
        }
        Ok(())
    }

    fn confine(&self) -> Result<(), Failure> {
        let at = |step| move |error| (step, error);
        // Standard input has been `/dev/null` since the spawner started.
        fd::replace_stream(StandardStream::Output, self.streams.stdout).map_err(at(Step::Streams))?;
        fd::replace_stream(StandardStream::Error, self.streams.stderr).map_err(at(Step::Streams))?;
        let limits = self.launch.limits;
        confine::lower_limit(Resource::OpenFiles, limits.open_files).map_err(at(Step::Limits))?;
        if let Some(bytes) = limits.file_bytes {
            confine::lower_limit(Resource::FileBytes, bytes).map_err(at(Step::Limits))?;
        }
        // Before the rights for it are given up, and before Landlock, which forbids every mount.
        if let Some(own_tmp) = &self.own_tmp {
            own_tmp.mount().map_err(at(Step::Mount))?;
        }
        process::change_directory(self.launch.working_directory).map_err(at(Step::WorkingDirectory))?;
        confine::drop_capabilities().map_err(at(Step::Privileges))?;
        confine::no_new_privileges().map_err(at(Step::Privileges))?;
        if let Some(ruleset) = self.landlock {
            confine::landlock_restrict_self(ruleset).map_err(at(Step::Landlock))?;
        }
        // Every descriptor of this crate is close-on-exec already, so this is for those of others, and a kernel older
        // than 5.11 may do without.
        let _ = fd::close_all_on_exec();
        for numbered in [self.streams.log, self.streams.assignment].into_iter().flatten() {
            fd::keep_on_exec(numbered).map_err(at(Step::Handover))?;
        }
        match self.filter {
            Some(filter) => confine::filter_system_calls(filter).map_err(at(Step::SystemCalls)),
            None => Ok(()),
        }
    }
}

/// Gives up what no main process has, whatever it runs. Does not allocate.
pub(crate) fn give_up(confinement: Option<&Confinement>) -> Result<(), Failure> {
    let at = |step| move |error| (step, error);
    // Not a session: the spawner's has no terminal either, and the kernel's scheduler shares the processor out among
    // sessions before it does so among processes, so that functions would preempt each other at every turn.
    process::new_process_group().map_err(at(Step::ProcessGroup))?;
    process::usual_file_mode_mask();
    confine::lower_limit(Resource::CoreBytes, 0).map_err(at(Step::Limits))?;
    if let Some(confinement) = confinement {
        confinement.lower_limits().map_err(at(Step::Limits))?;
        confinement.become_function().map_err(at(Step::User))?;
    }
    process::reset_signals().map_err(at(Step::Handover))
}

/// Ends a child that could not execute its program, and says why.
pub(crate) fn tell_failure(writer: BorrowedFd<'_>, (step, error): &Failure) -> ! {
    // If even this fails, the init sees a program that ended with 127 at once.
    let _ = fd::write(writer, &encode_failure(*step, error));
    process::exit_now(127)
}

/// How it says so: step and error number.
fn encode_failure(step: Step, error: &io::Error) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&(step as i32).to_le_bytes());
    bytes[4..].copy_from_slice(&crate::sys::errno(error).to_le_bytes());
    bytes
}

/// Reads what [`encode_failure`] wrote.
pub(crate) fn decode_failure(bytes: [u8; 8]) -> (Step, i32) {
    let [a, b, c, d, e, f, g, h] = bytes;
    let step = usize::try_from(i32::from_le_bytes([a, b, c, d]))
        .ok()
        .and_then(|step| Step::ALL.get(step));
    (step.copied().unwrap_or(Step::Exec), i32::from_le_bytes([e, f, g, h]))
}

/// Forks the main process.
///
/// # Safety
///
/// This process must have one thread only.
pub(crate) unsafe fn start(prepared: &Prepared<'_>, failure: BorrowedFd<'_>) -> io::Result<Pid> {
    // SAFETY: one thread only, by the contract above; the child's branch never returns.
    match unsafe { process::fork() }? {
        process::Fork::Parent { child } => Ok(child),
        process::Fork::Child => {
            let failed = prepared.execute();
            tell_failure(failure, &failed)
        }
    }
}
