//! What to run: the description of one main process, checked before it is sent to the spawner.

use crate::parent::{Enclosure, Scratch};
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

/// The descriptor of the assignment pipe in a process that has one.
pub const ASSIGNMENT_DESCRIPTOR: i32 = 63;

/// Where the Runtime API of an environment in a network of its own listens. Source: Lambda 3.2.
pub const RUNTIME_API_PORT: u16 = 9001;

/// Where the way to the platform of an environment in a network of its own listens: the port of albacore's endpoint outside.
pub const DOOR_PORT: u16 = 4566;

/// How many files and folders of the host one environment may be shown.
pub const MOUNTS_MAX: usize = 20;

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
    /// The folder, absolute, whose contents the process shall find at `/opt`, read-only: the function's layers, merged.
    /// The `process` tier leaves them where they are.
    pub layers_directory: Option<PathBuf>,
    /// Shall the process have the writing end of a third pipe, as descriptor [`LOG_DESCRIPTOR`]? Its other end is
    /// `Process::take_log`.
    pub log_pipe: bool,
    /// Shall the process have the reading end of a fourth pipe, as descriptor [`ASSIGNMENT_DESCRIPTOR`]? Its other end is
    /// `Process::take_assignment`. For one that waits until somebody says what it is to do.
    pub assignment_pipe: bool,
    /// Resource limits, hard and soft alike.
    pub limits: Limits,
    /// The namespaces it runs in, perhaps beside others: then every path above is one inside, and `temporary_directory` is
    /// `/tmp` and nothing else. `None` is the `process` tier, whatever the spawner's is.
    pub enclosure: Option<Enclosure>,
}

/// What is inside of an [`Enclosure`], besides what all have.
#[derive(Clone, Debug)]
pub struct Interior {
    /// What of the host is there, read-only, besides the system's programs. At most [`MOUNTS_MAX`].
    pub mounts: Vec<Mount>,
    /// What is at `/tmp`.
    pub scratch: Scratch,
    /// How much memory all its processes may use together, besides what they write to `/tmp`, in bytes; where the host
    /// allows that to be limited ([`crate::Spawner::controllers`]).
    pub memory_bytes: Option<u64>,
    /// What its network leads to.
    pub reach: Reach,
}

/// What is added to an [`Enclosure`] that was opened without it.
#[derive(Clone, Debug)]
pub struct Completion {
    /// As [`Interior::mounts`].
    pub mounts: Vec<Mount>,
    /// As [`Interior::memory_bytes`]; what was used before counts.
    pub memory_bytes: Option<u64>,
    /// As [`Interior::reach`]. What was opened with something in reach keeps it.
    pub reach: Reach,
}

/// What the network of an [`Enclosure`] leads to, besides itself. But for [`Reach::Host`] never to the host, to another
/// enclosure, or to link-local addresses, and never by IPv6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Nothing.
    #[default]
    Nothing,
    /// Public addresses, and names.
    Public,
    /// The same, and addresses of private networks that the host reaches.
    PublicAndPrivate,
    /// What the host reaches, its loopback addresses among it: it is in the host's own network, and everything else of it is
    /// its own all the same. Nothing listens there for it ([`Enclosure::take_listener`]), sockets with abstract names are out
    /// of its reach, and it cannot be chosen by a [`Completion`].
    Host,
}

/// A file or a folder of the host that is there inside too, read-only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is on the host, absolute.
    pub source: PathBuf,
    /// Where it is inside, absolute and without `..`.
    pub target: PathBuf,
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
    /// Something would be mounted beneath a name that is not plain.
    #[error("{} is not a place for a mount", .0.display())]
    MountTarget(PathBuf),
    /// More than [`MOUNTS_MAX`].
    #[error("{0} mounts are more than {MOUNTS_MAX}")]
    TooManyMounts(usize),
    /// In namespaces of its own, what can be written is at `/tmp` always.
    #[error("an environment with namespaces of its own has its temporary directory at /tmp")]
    TemporaryDirectory,
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
    /// Mounting what is writable at `/tmp`.
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
    /// The root that all environments share.
    Root,
    /// Namespaces of users, mounts and processes.
    Namespaces,
    /// A network with the listener of the Runtime API.
    Network,
    /// `/proc` for the processes of the environment alone.
    Proc,
    /// Becoming the user that functions run as.
    User,
    /// Showing the code and what else of the host belongs to the function.
    Code,
    /// The filter of system calls.
    SystemCalls,
    /// Moving to its control group, or limiting that.
    ControlGroup,
    /// Letting packets pass in a network of ours.
    Forwarding,
    /// Loading the rules of the packet filter.
    Filter,
    /// Making the interfaces through which enclosures reach the host's network.
    Uplink,
    /// Giving an enclosure one.
    Connection,
}

impl Step {
    /// Every step, at the position that is its number on the wire.
    pub(crate) const ALL: [Self; 24] = [
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
        Self::Root,
        Self::Namespaces,
        Self::Network,
        Self::Proc,
        Self::User,
        Self::Code,
        Self::SystemCalls,
        Self::ControlGroup,
        Self::Forwarding,
        Self::Filter,
        Self::Uplink,
        Self::Connection,
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
            Self::Mount => "mounting its temporary directory at /tmp",
            Self::WorkingDirectory => "entering the working directory",
            Self::Privileges => "giving up privileges",
            Self::Landlock => "confining its file system with Landlock",
            Self::Handover => "resetting signals and descriptors",
            Self::Exec => "executing the program",
            Self::Root => "preparing the read-only root",
            Self::Namespaces => "making namespaces",
            Self::Network => "making a network with a listener",
            Self::Proc => "mounting /proc for its own processes",
            Self::User => "becoming the user of functions",
            Self::Code => "mounting its code",
            Self::SystemCalls => "installing the filter of system calls",
            Self::ControlGroup => "limiting its control group",
            Self::Forwarding => "letting its network pass packets on",
            Self::Filter => "loading the rules of the packet filter with nft",
            Self::Uplink => "making the way out of the machine",
            Self::Connection => "connecting its network",
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
