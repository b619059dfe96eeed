//! What to run: the description of one main process, checked before it is sent to the spawner.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// The longest request, in bytes: program, arguments, environment and paths together, each with 4 bytes of framing.
///
/// Far above what Lambda's 4 KB of customer variables need, far below what would burden the spawner. The kernel has a
/// limit of its own of 128 KiB for a single argument or variable.
pub const REQUEST_BYTES_MAX: usize = 200 * 1024;

/// The descriptor of the log pipe in a process that has one: the number that Lambda uses. Source: Lambda 2.11.
pub const LOG_DESCRIPTOR: i32 = 62;

/// One main process to start.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The file to execute, absolute. No search in `PATH`; it is also argument 0.
    pub program: PathBuf,
    /// The arguments after the program's name.
    pub args: Vec<OsString>,
    /// The complete environment: the process sees exactly this, in this order. A name is not empty and has no `=`.
    pub environment: Vec<(OsString, OsString)>,
    /// Where the process starts, absolute.
    pub working_directory: PathBuf,
    /// The only directory, absolute, beneath which the process may write, where the kernel has Landlock. It must exist.
    /// `None`: nowhere. `/dev/null` and the pipes of its output are writable always.
    pub temporary_directory: Option<PathBuf>,
    /// Shall the temporary directory, if there is one, be what the process and its descendants find at `/tmp`? Only if
    /// [`crate::can_mount_over_tmp`] says that it may; what fails then fails at [`Step::Mount`].
    pub temporary_mount: bool,
    /// Shall the process have the writing end of a third pipe, as descriptor [`LOG_DESCRIPTOR`]? Its other end is
    /// `Process::take_log`.
    pub log_pipe: bool,
    /// Resource limits, hard and soft alike.
    pub limits: Limits,
}

/// Resource limits of one process and each of its descendants. There are never core files.
///
/// There is no limit of memory or of processes: the address space is not the memory (Node reserves many gigabytes), and
/// the kernel counts processes for a whole user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open files. Default 1024. Source: Lambda 3.1, `NOFILE`.
    pub open_files: u64,
    /// The largest file that may be written, in bytes. Default unlimited. Source: Lambda 3.1, `FSIZE`.
    pub file_bytes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open_files: 1024,
            file_bytes: None,
        }
    }
}

/// Why a [`Spec`] cannot be run by anyone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpec {
    /// A path that has to be absolute is not.
    #[error("{} is not an absolute path", .0.display())]
    RelativePath(PathBuf),
    /// A NUL byte would end a path, an argument or a variable early.
    #[error("{0:?} contains a NUL byte")]
    NulByte(OsString),
    /// The name of an environment variable is empty or contains `=`.
    #[error("{0:?} is not the name of an environment variable")]
    VariableName(OsString),
    /// The request is larger than [`REQUEST_BYTES_MAX`].
    #[error("arguments and environment take {bytes} bytes, more than {REQUEST_BYTES_MAX}")]
    TooLarge {
        /// Size of the request.
        bytes: usize,
    },
}

/// A step between fork and exec that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reading the request.
    Request,
    /// Starting the environment's init process.
    Init,
    /// Starting the main process itself.
    Fork,
    /// A process group of its own, and dying with its init.
    ProcessGroup,
    /// Standard input, output and error.
    Streams,
    /// Resource limits.
    Limits,
    /// Mounting the temporary directory over `/tmp`, in a namespace of its own.
    Mount,
    /// Changing to the working directory.
    WorkingDirectory,
    /// Giving up capabilities and new privileges.
    Privileges,
    /// Landlock, including opening the temporary directory.
    Landlock,
    /// Signal dispositions and descriptors.
    Handover,
    /// Executing the program.
    Exec,
}

impl Step {
    /// Every step, at the position that is its number on the wire.
    pub(crate) const ALL: [Self; 12] = [
        Self::Request,
        Self::Init,
        Self::Fork,
        Self::ProcessGroup,
        Self::Streams,
        Self::Limits,
        Self::Mount,
        Self::WorkingDirectory,
        Self::Privileges,
        Self::Landlock,
        Self::Handover,
        Self::Exec,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "reading the request",
            Self::Init => "starting its init process",
            Self::Fork => "forking",
            Self::ProcessGroup => "starting a process group",
            Self::Streams => "connecting its streams",
            Self::Limits => "setting its limits",
            Self::Mount => "mounting its temporary directory over /tmp",
            Self::WorkingDirectory => "entering the working directory",
            Self::Privileges => "giving up privileges",
            Self::Landlock => "confining its file system with Landlock",
            Self::Handover => "resetting signals and descriptors",
            Self::Exec => "executing the program",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Step;

    #[test]
    fn a_steps_number_is_its_position() {
        for (index, step) in Step::ALL.into_iter().enumerate() {
            assert_eq!(step as usize, index, "{step}");
        }
    }
}
