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
//! Only the `process` tier exists here ([`Tier`]). What runs inside a process, and when to start one, is the business
//! of `functions`. This is the only room where `unsafe` is allowed: the system calls are in `sys`,
//! and outside of it are only the forks and what follows from them.

mod child;
mod descendants;
mod host;
mod init;
mod landlock;
mod launch;
mod message;
mod own_tmp;
mod parent;
mod spawner;
mod spec;
mod status;
mod sys;

pub use host::{CgroupVersion, HostFeatures, Tier};
pub use own_tmp::can_mount_over_tmp;
pub use parent::{Options, Process, SpawnError, Spawner, SpawnerError};
pub use spawner::run_spawner_if_asked;
pub use spec::{InvalidSpec, LOG_DESCRIPTOR, Limits, REQUEST_BYTES_MAX, Spec, Step};
pub use status::ExitStatus;
