//! How a process ended, in the words AWS uses for it.

use std::fmt;

/// How a main process ended.
///
/// `Display` speaks as Go does, because Lambda's error messages do: `exit status 1`, `signal: killed`,
/// `signal: aborted (core dumped)`. Source: Lambda 2.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited with this code, `0..=255`.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The signal's number.
        signal: i32,
        /// Whether the kernel says that it wrote a core file.
        core_dumped: bool,
    },
    /// The kernel killed it because its environment had used all of its memory.
    OutOfMemory,
}

impl ExitStatus {
    /// What is reported when the one who would know is gone: everything below it is then killed.
    pub(crate) const KILLED: Self = Self::Signal {
        signal: libc::SIGKILL,
        core_dumped: false,
    };

    /// The same as `waitpid` would give it.
    pub(crate) const KILLED_WAIT_STATUS: i32 = libc::SIGKILL;

    /// Reads the status that `waitpid` gives.
    pub(crate) fn from_wait(status: i32, out_of_memory: bool) -> Self {
        if out_of_memory && libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL {
            Self::OutOfMemory
        } else if libc::WIFEXITED(status) {
            Self::Code(libc::WEXITSTATUS(status))
        } else {
            Self::Signal {
                signal: libc::WTERMSIG(status),
                core_dumped: libc::WCOREDUMP(status),
            }
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::OutOfMemory => f.write_str("signal: killed"),
            Self::Signal { signal, core_dumped } => {
                match signal_name(signal) {
                    Some(name) => write!(f, "signal: {name}")?,
                    None => write!(f, "signal: signal {signal}")?,
                }
                f.write_str(if core_dumped { " (core dumped)" } else { "" })
            }
        }
    }
}

/// Go's names of signals on Linux.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGHUP => "hangup",
        libc::SIGINT => "interrupt",
        libc::SIGQUIT => "quit",
        libc::SIGILL => "illegal instruction",
        libc::SIGTRAP => "trace/breakpoint trap",
        libc::SIGABRT => "aborted",
        libc::SIGBUS => "bus error",
        libc::SIGFPE => "floating point exception",
        libc::SIGKILL => "killed",
        libc::SIGUSR1 => "user defined signal 1",
        libc::SIGSEGV => "segmentation fault",
        libc::SIGUSR2 => "user defined signal 2",
        libc::SIGPIPE => "broken pipe",
        libc::SIGALRM => "alarm clock",
        libc::SIGTERM => "terminated",
        libc::SIGSTKFLT => "stack fault",
        libc::SIGXCPU => "CPU time limit exceeded",
        libc::SIGXFSZ => "file size limit exceeded",
        libc::SIGVTALRM => "virtual timer expired",
        libc::SIGPROF => "profiling timer expired",
        libc::SIGIO => "I/O possible",
        libc::SIGPWR => "power failure",
        libc::SIGSYS => "bad system call",
        _ => return None, // the others do not end a process, or have no name in Go either
    })
}

#[cfg(test)]
mod tests {
    use super::ExitStatus;

    #[test]
    fn a_wait_status_reads_as_go_prints_it() {
        const CORE: i32 = 0x80;
        for (status, expected) in [
            (0, "exit status 0"),
            (1 << 8, "exit status 1"),
            (127 << 8, "exit status 127"),
            (255 << 8, "exit status 255"),
            (libc::SIGKILL, "signal: killed"),
            (libc::SIGTERM, "signal: terminated"),
            (libc::SIGSEGV, "signal: segmentation fault"),
            (libc::SIGABRT | CORE, "signal: aborted (core dumped)"),
            (libc::SIGSYS, "signal: bad system call"),
            (34, "signal: signal 34"),
        ] {
            assert_eq!(
                ExitStatus::from_wait(status, false).to_string(),
                expected,
                "{status:#x}"
            );
        }
        assert_eq!(ExitStatus::KILLED.to_string(), "signal: killed");
        let out_of_memory = ExitStatus::from_wait(libc::SIGKILL, true);
        assert_eq!(out_of_memory, ExitStatus::OutOfMemory);
        assert_eq!(out_of_memory.to_string(), "signal: killed");
        // Another process of the environment was killed, and this one took it badly.
        assert_eq!(ExitStatus::from_wait(1 << 8, true), ExitStatus::Code(1));
    }
}
