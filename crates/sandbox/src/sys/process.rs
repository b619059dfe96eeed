//! Processes and signals.

use super::{check, check_long};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

/// A process id.
pub(crate) type Pid = libc::pid_t;

/// Which side of a fork this is.
pub(crate) enum Fork {
    Child,
    Parent { child: Pid },
}

/// # Safety
///
/// The process must have one thread only: the child then finds every lock of the allocator and of libc free, and may
/// go on as an ordinary program. The child must never return into code that expects to be the parent.
pub(crate) unsafe fn fork() -> io::Result<Fork> {
    // SAFETY: one thread only, by the contract above.
    match check(unsafe { libc::fork() })? {
        0 => Ok(Fork::Child),
        child => Ok(Fork::Parent { child }),
    }
}

/// Memory for a child to stand on that has this process's memory in common with it.
pub(crate) struct Stack {
    start: *mut libc::c_void,
}

impl Stack {
    /// Only what is used of it takes memory.
    const BYTES: usize = 128 * 1024;
    /// Nobody may go below it. At least a page.
    const GUARD_BYTES: usize = 64 * 1024;

    fn new() -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping, wherever there is room.
        let start = unsafe { libc::mmap(ptr::null_mut(), Self::BYTES, libc::PROT_NONE, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Self { start };
        let usable = start.wrapping_byte_add(Self::GUARD_BYTES);
        // SAFETY: a part of that mapping, which nobody knows yet.
        let opened = check(unsafe {
            libc::mprotect(
                usable,
                Self::BYTES - Self::GUARD_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
            )
        });
        match opened {
            Ok(_) => Ok(stack),
            Err(error) => {
                // SAFETY: nobody stands on it.
                unsafe { stack.free() };
                Err(error)
            }
        }
    }

    /// # Safety
    ///
    /// The child does not use it any more: it has ended, or executes another program.
    pub(crate) unsafe fn free(self) {
        // SAFETY: mapped by this type with this length, and used by nobody, by the contract above.
        let _ = unsafe { libc::munmap(self.start, Self::BYTES) };
    }
}

/// Starts a child that has this process's memory in common with it, and only that. Executing a program takes it much less
/// time than it takes a copy, which has to be taken down first.
///
/// # Safety
///
/// This process must have one thread only, and of the two only one may run at a time, but for calls of the kernel that do
/// not fail: what libc and the allocator remember is for one thread, which they are together. `begin` must never return, and
/// what `argument` points to must be there for as long as it is used.
pub(crate) unsafe fn fork_sharing(
    begin: extern "C" fn(*mut libc::c_void) -> libc::c_int,
    argument: *mut libc::c_void,
) -> io::Result<(Pid, Stack)> {
    let stack = Stack::new()?;
    let top = stack.start.wrapping_byte_add(Stack::BYTES);
    // SAFETY: the stack is new and ends there, aligned; the rest by the contract above.
    match check(unsafe { libc::clone(begin, top, libc::CLONE_VM | libc::SIGCHLD, argument) }) {
        Ok(child) => Ok((child, stack)),
        Err(error) => {
            // SAFETY: there is no child.
            unsafe { stack.free() };
            Err(error)
        }
    }
}

/// `struct clone_args`.
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Forks a child that has namespaces of its own: of users (in which it has every right, and no user or group has a number
/// until somebody gives it one), of mounts, processes (it is the first), interprocess communication and host names; and,
/// with `control_group` (a directory of version 2), begins its life in there. It is a child of the caller's parent, which is
/// told of its end as it would be of the caller's.
///
/// With `owner`, what the child uses up of the kernel's things that are counted for users (file watches, message queues,
/// signals that wait, processes) counts for that user of this process's namespace and not for root. Where that cannot be had,
/// it counts for root. A process that does not get its rights back ends.
///
/// # Safety
///
/// As for [`fork`]. Nothing in the child may rely on the thread id that libc remembers.
pub(crate) unsafe fn fork_apart(owner: Option<libc::uid_t>, control_group: Option<BorrowedFd<'_>>) -> io::Result<Fork> {
    let acts = owner.is_some_and(|owner| act_as(owner).is_ok());
    // Rights go with the user, and without them not every system lets a process have namespaces.
    let has_rights = acts && super::confine::use_capabilities().is_ok();
    if acts && !has_rights && act_as(0).is_err() {
        exit_now(1);
    }
    // SAFETY: by the contract above.
    let forked = unsafe { clone_apart(control_group) };
    if has_rights && !matches!(forked, Ok(Fork::Child)) && act_as(0).is_err() {
        exit_now(1);
    }
    forked
}

/// # Safety
///
/// As for [`fork_apart`].
unsafe fn clone_apart(control_group: Option<BorrowedFd<'_>>) -> io::Result<Fork> {
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    let apart = libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    let mut arguments = CloneArguments {
        // The signal that tells of its end is the caller's own then, and may not be given.
        flags: u64::from((apart | libc::CLONE_PARENT).unsigned_abs()),
        ..CloneArguments::default()
    };
    if let Some(group) = control_group {
        arguments.flags |= INTO_CGROUP;
        arguments.cgroup = u64::from(group.as_raw_fd().unsigned_abs());
    }
    // SAFETY: the kernel reads the arguments, whose size is given. Without a stack and without shared memory this is a
    // fork, which is sound by the contract above.
    let child =
        check_long(unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<CloneArguments>()) })?;
    match Pid::try_from(child).unwrap_or(-1) {
        0 => Ok(Fork::Child),
        child => Ok(Fork::Parent { child }),
    }
}

/// Changes the effective user, and what goes with it.
fn act_as(user: libc::uid_t) -> io::Result<()> {
    const UNCHANGED: libc::uid_t = libc::uid_t::MAX;
    // Not through libc, which would tell threads that there are none of.
    // SAFETY: takes plain numbers.
    check_long(unsafe { libc::syscall(libc::SYS_setresuid, UNCHANGED, user, UNCHANGED) })?;
    Ok(())
}

/// Becomes this user and this group, for good if it loses the right to change them by that; and a member of no other
/// group, where that is allowed.
pub(crate) fn become_user(user: libc::uid_t, group: libc::gid_t) -> io::Result<()> {
    // Where the system forbids this (a user namespace with one group), nobody could have been given more groups either.
    // Not through libc, which would tell threads that there are none of.
    // SAFETY: no groups are read.
    let _ = unsafe { libc::syscall(libc::SYS_setgroups, 0, ptr::null::<libc::gid_t>()) };
    // SAFETY: takes plain numbers.
    check_long(unsafe { libc::syscall(libc::SYS_setresgid, group, group, group) })?;
    // SAFETY: takes plain numbers.
    check_long(unsafe { libc::syscall(libc::SYS_setresuid, user, user, user) })?;
    Ok(())
}

/// Processes of the same user can neither trace this one nor look into its memory or files.
pub(crate) fn hide_from_own_user() -> io::Result<()> {
    // SAFETY: this option takes one number.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) })?;
    Ok(())
}

/// Signals every process that this one sees and may signal, itself and the first one of the namespace left out.
pub(crate) fn signal_all_others(signal: i32) {
    // An error means that there is nobody.
    // SAFETY: takes plain numbers.
    let _ = unsafe { libc::kill(-1, signal) };
}

/// Gives an open file to another user and group.
pub(crate) fn give_to(file: BorrowedFd<'_>, user: libc::uid_t, group: libc::gid_t) -> io::Result<()> {
    // SAFETY: takes plain numbers; the descriptor is borrowed, so open.
    check(unsafe { libc::fchown(file.as_raw_fd(), user, group) })?;
    Ok(())
}

/// Ends the process at once: no destructors, no exit handlers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: never returns and touches no memory.
    unsafe { libc::_exit(code) }
}

/// Replaces the program. Returns only on failure.
///
/// # Safety
///
/// `arguments` and `environment` must be arrays of pointers to NUL-terminated strings, each ended by a null pointer.
pub(crate) unsafe fn execute(
    program: &CStr,
    arguments: &[*const libc::c_char],
    environment: &[*const libc::c_char],
) -> io::Error {
    // SAFETY: by the contract above.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// What a look at the children of this process found.
pub(crate) enum Reaped {
    /// A child had ended; its raw wait status.
    Ended { pid: Pid, status: i32 },
    /// There are children and none has ended.
    NoneEnded,
    /// There are no children at all.
    NoChildren,
}

/// Collects one ended child, without waiting.
pub(crate) fn reap() -> Reaped {
    let mut status = 0;
    // SAFETY: the kernel writes one int to `status`.
    match check(unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) }) {
        Ok(0) => Reaped::NoneEnded,
        Ok(pid) => Reaped::Ended { pid, status },
        Err(_) => Reaped::NoChildren, // WNOHANG is never interrupted and the arguments are valid, so it is ECHILD
    }
}

/// Waits until this child has ended, and collects it.
pub(crate) fn wait_for(child: Pid) -> io::Result<i32> {
    let mut status = 0;
    // SAFETY: the kernel writes one int to `status`.
    check(unsafe { libc::waitpid(child, &raw mut status, 0) })?;
    Ok(status)
}

/// A handle that means this process even after its id has been given to another one. Needs Linux 5.3.
pub(crate) fn open_process(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: takes plain numbers.
    let fd = check_long(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: the kernel has just made this descriptor (close-on-exec by itself) for us; it is an int.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}

/// Sends SIGKILL through a handle of [`open_process`].
pub(crate) fn kill_process(process: BorrowedFd<'_>) -> io::Result<()> {
    let no_info: *const libc::siginfo_t = std::ptr::null();
    // SAFETY: a null siginfo is allowed and means an ordinary signal.
    check_long(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            libc::SIGKILL,
            no_info,
            0,
        )
    })?;
    Ok(())
}

/// Sends `signal` to the process group led by `leader`, which must be an unreaped child of this process.
pub(crate) fn signal_group(leader: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::kill(-leader, signal) })?;
    Ok(())
}

/// Sends `signal` to an unreaped child of this process.
pub(crate) fn signal_process(child: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::kill(child, signal) })?;
    Ok(())
}

/// This process's id.
pub(crate) fn own_pid() -> Pid {
    // SAFETY: cannot fail and touches no memory.
    unsafe { libc::getpid() }
}

/// The id of the parent; 1 or a subreaper's when the real one has ended.
pub(crate) fn parent_pid() -> Pid {
    // SAFETY: cannot fail and touches no memory.
    unsafe { libc::getppid() }
}

/// Starts a session and a process group of its own, without a terminal.
pub(crate) fn new_session() -> io::Result<()> {
    // SAFETY: takes nothing.
    check(unsafe { libc::setsid() })?;
    Ok(())
}

/// Starts a process group of its own.
pub(crate) fn new_process_group() -> io::Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { libc::setpgid(0, 0) })?;
    Ok(())
}

/// Files made by this process and its children lack the write permission of group and others.
pub(crate) fn usual_file_mode_mask() {
    // SAFETY: takes a plain number and cannot fail.
    unsafe { libc::umask(0o022) };
}

/// Orphaned descendants become children of this process.
pub(crate) fn become_subreaper() -> io::Result<()> {
    // SAFETY: this option takes one number.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })?;
    Ok(())
}

/// This process gets SIGKILL when the thread that forked it ends.
pub(crate) fn die_with_parent() -> io::Result<()> {
    // SAFETY: this option takes one number.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0, 0, 0) })?;
    Ok(())
}

/// The name in process lists; at most 15 bytes are kept.
pub(crate) fn set_name(name: &CStr) {
    // A missing name is no reason to stop.
    // SAFETY: this option reads a NUL-terminated string of which it keeps 15 bytes.
    let _ = unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
}

/// The set with SIGCHLD alone.
pub(crate) fn child_signal() -> libc::sigset_t {
    let mut set = no_signals();
    // SAFETY: an initialised set and a valid signal number.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGCHLD) };
    set
}

fn no_signals() -> libc::sigset_t {
    // SAFETY: a signal set is plain integers, for which zeros are a valid value.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: writes to a set we own.
    unsafe { libc::sigemptyset(&raw mut set) };
    set
}

/// Blocks exactly the signals of `set`.
pub(crate) fn block_signals(set: &libc::sigset_t) -> io::Result<()> {
    // SAFETY: the set is borrowed for the call; the old mask is not asked for.
    check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, set, std::ptr::null_mut()) })?;
    Ok(())
}

/// What a process does with a signal.
#[derive(Clone, Copy)]
pub(crate) enum Disposition {
    Default,
    Ignore,
}

/// Sets what this process does with `signal`.
pub(crate) fn set_disposition(signal: i32, disposition: Disposition) {
    let handler = match disposition {
        Disposition::Default => libc::SIG_DFL,
        Disposition::Ignore => libc::SIG_IGN,
    };
    // Fails only for numbers that cannot be set (SIGKILL, SIGSTOP, libc's own), which then have their default.
    // SAFETY: no handler function is installed, only one of the two constants.
    let _ = unsafe { libc::signal(signal, handler) };
}

/// All signals at their default and none blocked, as a program expects to find them.
pub(crate) fn reset_signals() -> io::Result<()> {
    /// The kernel's `struct sigaction` for `SIG_DFL` is all zeros, and on no architecture longer than this.
    const DEFAULT_ACTION: [u64; 8] = [0; 8];
    /// Bytes of the kernel's signal set.
    const SIGNAL_SET_BYTES: usize = 8;
    const SIGNAL_MAX: i32 = 64;

    // Not through libc, which keeps some signals for itself and refuses to touch them; inherited as ignored, they would
    // stay so.
    for signal in 1..=SIGNAL_MAX {
        let no_old: *mut u64 = std::ptr::null_mut();
        // Fails for SIGKILL and SIGSTOP, which are at their default always.
        // SAFETY: the kernel reads an action of zeros, which has no handler, and writes nothing.
        let _ = unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                DEFAULT_ACTION.as_ptr(),
                no_old,
                SIGNAL_SET_BYTES,
            )
        };
    }
    block_signals(&no_signals())
}

/// Changes the working directory of this process.
pub(crate) fn change_directory(path: &CStr) -> io::Result<()> {
    // SAFETY: a NUL-terminated string, borrowed for the call.
    check(unsafe { libc::chdir(path.as_ptr()) })?;
    Ok(())
}
