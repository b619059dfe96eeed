//! Starts the processes of execution environments, confines them, and makes sure that none outlives its owner.
//!
//! The main process has many threads and much memory, so it never clones. It starts one small single-threaded
//! **spawner** (this same binary executed again, see [`run_spawner_if_asked`]) and sends it requests over a socket:
//!
//! ```text
//! albacore ──socket──> spawner ──socket──> init of one environment ──> main process ──> its descendants
//! ```
//!
//! Each environment has a small *init* process, a child subreaper: everything the main process leaves behind, even a
//! daemon in a session of its own, becomes a child of that init and dies with the environment. Every level kills what
//! is below it when the socket to the level above closes, so a killed albacore or a killed spawner leaves nothing.
//!
//! In the `process` tier ([`Tier`]) that is all that separates an environment from the host. In the `namespace` tier the
//! init is the first process of namespaces of its own ([`Enclosure`]), in which it waits until somebody needs it, and in
//! which several main processes may run: a runtime and its extensions.
//!
//! ```text
//! spawner ──> shell: an init in namespaces, with a network and its listener, in its control group   (some are kept ready)
//!         ──> enclosure: the same with a function's code and `/tmp`                                  (moved in as mounts)
//!         ──> main processes: the user of functions, no rights, Landlock, filter of system calls
//! ```
//!
//! What runs inside a process, and when to start one, is the business of `functions`. This is the only room where `unsafe` is allowed: the system calls are in `sys`,
//! and outside of it are only the forks and what follows from them.

mod cgroup;
mod child;
mod descendants;
mod host;
mod init;
mod landlock;
mod launch;
mod message;
mod namespace;
mod outbound;
mod own_tmp;
mod parent;
mod seccomp;
mod spawner;
mod spec;
mod status;
mod sys;

pub use cgroup::{Controllers, GroupMemory};
pub use host::{CgroupVersion, HostFeatures, Tier};
pub use namespace::is_in_every_enclosure;
pub use outbound::{OutboundLack, check_rules, foreign_barrier};
pub use own_tmp::can_mount_over_tmp;
pub use parent::{
    Enclosure, NameSockets, Obstacle, Opening, Options, Process, Scratch, SpawnError, Spawner, SpawnerError,
};
pub use spawner::run_spawner_if_asked;
pub use spec::{
    ASSIGNMENT_DESCRIPTOR, Completion, DOOR_PORT, Interior, InvalidSpec, LOG_DESCRIPTOR, Limits, MOUNTS_MAX, Mount,
    REQUEST_BYTES_MAX, RUNTIME_API_PORT, Reach, Spec, Step,
};
pub use status::ExitStatus;

/// Has the calling thread, and what it starts from now on, give way to all others of the machine: it stops none of them when it
/// wakes, and has a smaller share of a processor that all want: its nice value rises by `nicer`, to 19 at most, and is not lowered
/// again without a right to.
///
/// # Errors
/// What the kernel says. What it allows is done all the same.
pub fn give_way(nicer: i32) -> std::io::Result<()> {
    sys::priority::give_way(nicer)
}
