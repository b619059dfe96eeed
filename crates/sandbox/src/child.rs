//! The main process between fork and exec: it gives up what it must not have and becomes the function's program.
//!
//! Nothing here allocates, and everything needed was prepared before the fork.

use crate::launch::Launch;
use crate::own_tmp::OwnTmp;
use crate::spec::Step;
use crate::sys::confine::{self, Resource};
use crate::sys::fd::{self, StandardStream};
use crate::sys::process::{self, Pid};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr;

/// Everything the child needs, made before the fork.
pub(crate) struct Prepared<'a> {
    launch: &'a Launch,
    /// Pointers into `launch`, ended by a null pointer.
    arguments: Vec<*const libc::c_char>,
    /// Pointers into `launch`, ended by a null pointer.
    environment: Vec<*const libc::c_char>,
    /// The init process that forks the child.
    parent: Pid,
    streams: Streams<'a>,
    /// What becomes its `/tmp`, if the launch wants that.
    own_tmp: Option<OwnTmp>,
    /// The rules for its file system, where the kernel has Landlock.
    landlock: Option<BorrowedFd<'a>>,
}

/// The writing ends of its pipes.
#[derive(Clone, Copy)]
pub(crate) struct Streams<'a> {
    pub(crate) stdout: BorrowedFd<'a>,
    pub(crate) stderr: BorrowedFd<'a>,
    /// Has its number already.
    pub(crate) log: Option<BorrowedFd<'a>>,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(launch: &'a Launch, streams: Streams<'a>, landlock: Option<BorrowedFd<'a>>) -> Self {
        let pointers = |strings: &[CString]| strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect();
        Self {
            arguments: pointers(&launch.arguments),
            environment: pointers(&launch.environment),
            own_tmp: launch
                .temporary_directory
                .as_deref()
                .filter(|_| launch.temporary_mount)
                .map(OwnTmp::new),
            launch,
            parent: process::own_pid(),
            streams,
            landlock,
        }
    }

    /// Confines this process and executes the program; comes back only with what failed.
    pub(crate) fn execute(&self) -> (Step, io::Error) {
        match self.confine() {
            Err(failure) => failure,
            // SAFETY: both lists end with a null pointer and point to the C strings of `launch`, which is borrowed.
            Ok(()) => (Step::Exec, unsafe {
                process::execute(&self.launch.program, &self.arguments, &self.environment)
            }),
        }
    }

    fn confine(&self) -> Result<(), (Step, io::Error)> {
        let at = |step| move |error| (step, error);
        process::die_with_parent().map_err(at(Step::ProcessGroup))?;
        // The parent may have ended before the line above: then nobody would ever send that signal.
        if process::parent_pid() != self.parent {
            return Err((Step::ProcessGroup, io::Error::from_raw_os_error(libc::ESRCH)));
        }
        // Not a session: the spawner's has no terminal either, and the kernel's scheduler shares the processor out among
        // sessions before it does so among processes, so that functions would preempt each other at every turn.
        process::new_process_group().map_err(at(Step::ProcessGroup))?;
        process::usual_file_mode_mask();
        // Standard input has been `/dev/null` since the spawner started.
        fd::replace_stream(StandardStream::Output, self.streams.stdout).map_err(at(Step::Streams))?;
        fd::replace_stream(StandardStream::Error, self.streams.stderr).map_err(at(Step::Streams))?;
        let limits = self.launch.limits;
        confine::lower_limit(Resource::CoreBytes, 0).map_err(at(Step::Limits))?;
        confine::lower_limit(Resource::OpenFiles, limits.open_files).map_err(at(Step::Limits))?;
        if let Some(bytes) = limits.file_bytes {
            confine::lower_limit(Resource::FileBytes, bytes).map_err(at(Step::Limits))?;
        }
        // Before the rights for it are given up, and before Landlock, which forbids every mount.
        if let Some(own_tmp) = &self.own_tmp {
            own_tmp.mount().map_err(at(Step::Mount))?;
        }
        process::change_directory(&self.launch.working_directory).map_err(at(Step::WorkingDirectory))?;
        confine::drop_capabilities().map_err(at(Step::Privileges))?;
        confine::no_new_privileges().map_err(at(Step::Privileges))?;
        if let Some(ruleset) = self.landlock {
            confine::landlock_restrict_self(ruleset).map_err(at(Step::Landlock))?;
        }
        // Every descriptor of this crate is close-on-exec already, so this is for those of others, and a kernel older
        // than 5.11 may do without.
        let _ = fd::close_all_on_exec();
        if let Some(log) = self.streams.log {
            fd::keep_on_exec(log).map_err(at(Step::Handover))?;
        }
        process::reset_signals().map_err(at(Step::Handover))
    }
}

/// How a child that could not execute its program says so: step and error number.
pub(crate) fn encode_failure(step: Step, error: &io::Error) -> [u8; 8] {
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
            let (step, error) = prepared.execute();
            // If even this fails, the init sees a program that ended with 127 at once.
            let _ = fd::write(failure.as_fd(), &encode_failure(step, &error));
            process::exit_now(127)
        }
    }
}
