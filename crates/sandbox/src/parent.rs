//! Albacore's side of the spawner: the handle that starts processes, and the handle of each process.
//!
//! The messages and the thread that reads them are in [`link`]; how the spawner is started is in [`start`].

mod enclosure;
mod link;
mod names;
mod process;
mod scratch;
mod start;

pub use enclosure::{Enclosure, Opening};
pub use names::NameSockets;
pub use process::Process;
pub use scratch::Scratch;

use crate::cgroup::Controllers;
use crate::host::{HostFeatures, Tier};
use crate::launch::{self, Inside};
use crate::message::Request;
use crate::spec::{Interior, InvalidSpec, Spec, Step};
use crate::sys::fd;
use link::{Link, Outgoing, Ticket};
use process::Outputs;
use std::fmt;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitStatus as SpawnerStatus;
use std::sync::Arc;
use std::time::Duration;

/// How the spawner works.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How its environments are confined.
    pub tier: Tier,
    /// How many main processes there may be at once, those that are just starting or ending included. Default 1000.
    pub processes_max: usize,
    /// How long the spawner may take until it is ready. Default 10 seconds.
    pub start_timeout: Duration,
    /// In the `namespace` tier: how many environments are kept ready, without code, so that a start need not make
    /// namespaces. Each is a small process with a network of its own. Default 4.
    pub shells: usize,
    /// In the `namespace` tier: shall [`Enclosure::share_cpu`] have an effect, where the host allows it? Default false.
    pub share_cpu: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tier: Tier::default(),
            processes_max: 1000,
            start_timeout: Duration::from_secs(10),
            shells: 4,
            share_cpu: false,
        }
    }
}

/// Why this host has no `namespace` tier: the first step that failed when it was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Which one.
    pub step: Step,
    /// The number of the system's error.
    pub errno: i32,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, io::Error::from_raw_os_error(self.errno))
    }
}

impl Obstacle {
    /// What whoever runs this host can do about it.
    pub fn advice(&self) -> &'static str {
        match (self.step, self.errno) {
            (Step::Namespaces, libc::ENOSPC) => "raise user.max_user_namespaces, user.max_mnt_namespaces and the like",
            (Step::Namespaces | Step::User, _) => {
                "allow user namespaces: user.max_user_namespaces above 0, kernel.unprivileged_userns_clone 1 and \
                 kernel.apparmor_restrict_unprivileged_userns 0, where they exist; in a container, give it the \
                 capability SYS_ADMIN and a seccomp profile that allows clone3, unshare and setns"
            }
            (Step::Proc, _) => {
                "a container's /proc is masked, and no other can be mounted then: start it with an unmasked one"
            }
            (Step::Network, _) => "allow network namespaces: user.max_net_namespaces above 0",
            (Step::SystemCalls, _) => "a kernel with system call filters (CONFIG_SECCOMP_FILTER) is needed",
            (Step::Root | Step::Mount | Step::Code, _) => {
                "Linux 5.12 or newer and the right to mount are needed; in a container, the capability SYS_ADMIN"
            }
            _ => "Linux 5.12 or newer is needed",
        }
    }
}

/// Why the spawner could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnerError {
    /// The system refused something that is needed to start it.
    #[error("cannot start the spawner process")]
    Io(#[from] io::Error),
    /// It ended before it was ready. Either it could not set itself up (Linux 5.9 and `/proc` are needed), or `main` of
    /// this program does not call [`crate::run_spawner_if_asked`] first.
    #[error("the spawner process ended before it was ready: {0}")]
    Ended(SpawnerStatus),
    /// It cannot make environments of the tier that it was started for.
    #[error("the namespace tier does not work here: {0}")]
    Tier(Obstacle),
    /// It was not ready in [`Options::start_timeout`], and was killed.
    #[error("the spawner process was not ready after {0:?}")]
    Timeout(Duration),
}

/// Why a process was not started. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// Nobody could run this.
    #[error("the process cannot be described to the system")]
    Invalid(#[from] InvalidSpec),
    /// The program could not be executed: `ENOENT`, `EACCES`, `ENOEXEC` and so on. A script whose interpreter is missing
    /// gives `ENOENT` too.
    #[error("cannot execute {}: {}", program.display(), io::Error::from_raw_os_error(*errno))]
    Exec {
        /// The program of the [`Spec`].
        program: PathBuf,
        /// The number of the system's error.
        errno: i32,
    },
    /// A step before that failed, in the new process or in its init.
    #[error("{step} failed: {}", io::Error::from_raw_os_error(*errno))]
    Setup {
        /// Which one.
        step: Step,
        /// The number of the system's error.
        errno: i32,
    },
    /// An enclosure was asked for, and the spawner is of the `process` tier.
    #[error("the spawner makes no namespaces")]
    NoNamespaces,
    /// There are [`Options::processes_max`] processes already.
    #[error("there are {0} processes already")]
    TooManyProcesses(usize),
    /// This process could not make the pipes or the request, for example because it has too many open files.
    #[error("cannot prepare the request to the spawner")]
    Io(#[from] io::Error),
    /// The spawner has ended or was shut down. All processes it had started are killed. Unless it was shut down, another
    /// attempt may succeed.
    #[error("the spawner process has ended")]
    SpawnerGone,
}

/// The handle of the spawner process. Clones mean the same process.
///
/// If somebody kills it, everything it had started is killed, and it is started again.
///
/// When the last clone and the last [`Process`] are dropped, the spawner kills what is left and ends.
#[derive(Clone, Debug)]
pub struct Spawner {
    link: Arc<Link>,
    tier: Tier,
    features: HostFeatures,
}

impl Spawner {
    /// Starts the spawner process and waits until it is ready; blocks for some milliseconds, so: at start-up.
    ///
    /// # Errors
    ///
    /// See [`SpawnerError`].
    pub fn start(options: Options) -> Result<Self, SpawnerError> {
        Ok(Self {
            link: Arc::new(Link::start(options)?),
            tier: options.tier,
            features: HostFeatures::detect(),
        })
    }

    /// Starts a spawner of the `namespace` tier where this host allows it, and otherwise one of the `process` tier with the
    /// reason. Whatever [`Options::tier`] says. Blocks as [`Spawner::start`] does.
    ///
    /// # Errors
    ///
    /// See [`SpawnerError`].
    pub fn start_strongest(options: Options) -> Result<(Self, Option<Obstacle>), SpawnerError> {
        let strong = Options {
            tier: Tier::Namespace,
            ..options
        };
        match Self::start(strong) {
            Ok(spawner) => Ok((spawner, None)),
            Err(SpawnerError::Tier(obstacle)) => {
                let weak = Options {
                    tier: Tier::Process,
                    ..options
                };
                Ok((Self::start(weak)?, Some(obstacle)))
            }
            Err(error) => Err(error),
        }
    }

    /// A new scratch of so many bytes, for one environment and all runs of its runtime.
    pub fn scratch(&self, bytes: u64) -> Scratch {
        Scratch::new(&self.link, bytes)
    }

    /// Makes namespaces for the processes of one run of an environment.
    ///
    /// # Errors
    ///
    /// See [`SpawnError`]; what of the host is to be inside and cannot be shown fails at [`Step::Code`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing.
    pub async fn enclosure(&self, interior: &Interior) -> Result<Enclosure, SpawnError> {
        self.opening(interior).await?.opened().await
    }

    /// Begins to make the same. Whoever starts a process in it at once saves the time in which he would hear that it is made.
    ///
    /// # Errors
    ///
    /// See [`SpawnError`]; most of what fails is said by [`Opening::opened`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing.
    pub async fn opening(&self, interior: &Interior) -> Result<Opening, SpawnError> {
        self.open(Inside::try_from(interior)?).await
    }

    /// The same for one that [`Enclosure::complete`] adds something to. Until then its init keeps the right to mount, so
    /// nothing of a function's may run in it.
    ///
    /// # Errors
    ///
    /// As those of [`Spawner::enclosure`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing.
    pub async fn incomplete_enclosure(&self, interior: &Interior) -> Result<Enclosure, SpawnError> {
        let inside = Inside {
            is_incomplete: true,
            ..Inside::try_from(interior)?
        };
        self.open(inside).await?.opened().await
    }

    async fn open(&self, inside: Inside) -> Result<Opening, SpawnError> {
        if self.tier != Tier::Namespace {
            return Err(SpawnError::NoNamespaces);
        }
        let file = request_file(&inside.encode())?;
        self.link.is_up().await?;
        Opening::begin(&self.link, file)
    }

    /// Starts one process and waits until its program runs. While the spawner is being started again, waits for that
    /// too, for a bounded time.
    ///
    /// # Errors
    ///
    /// See [`SpawnError`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future kills the process if it had been started, and nothing of it is left.
    pub async fn spawn(&self, spec: Spec) -> Result<Process, SpawnError> {
        let launch = launch::encode(&spec)?;
        let (stdout, stdout_writer) = output_pipe()?;
        let (stderr, stderr_writer) = output_pipe()?;
        let mut fds = vec![request_file(&launch)?, stdout_writer, stderr_writer];
        let log = if spec.log_pipe {
            let (log, log_writer) = output_pipe()?;
            fds.push(log_writer);
            Some(log)
        } else {
            None
        };
        let assignment = if spec.assignment_pipe {
            let (reader, writer) = io::pipe()?;
            fd::set_nonblocking(writer.as_fd())?;
            fds.push(reader.into());
            Some(writer.into())
        } else {
            None
        };

        self.link.is_up().await?;
        let (ticket, started) = Ticket::register(&self.link)?;
        self.link.send(Outgoing {
            request: Request::Spawn(ticket.id()),
            fds,
        });
        match started.await {
            Ok(Ok(pids)) => Ok(Process::new(
                ticket,
                pids,
                Outputs {
                    stdout,
                    stderr,
                    log,
                    assignment,
                },
                spec.enclosure,
            )),
            Ok(Err(error)) => Err(match error {
                SpawnError::Setup {
                    step: Step::Exec,
                    errno,
                } => SpawnError::Exec {
                    program: spec.program,
                    errno,
                },
                other => other,
            }),
            Err(_) => Err(SpawnError::SpawnerGone),
        }
    }

    /// The spawner's process id; that of the one before while there is none.
    pub fn pid(&self) -> u32 {
        self.link.spawner_pid()
    }

    /// How processes are confined.
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// What of its environments this host lets the spawner limit, in the `namespace` tier.
    pub fn controllers(&self) -> Controllers {
        self.link.controllers()
    }

    /// What the host offered when the spawner was started.
    pub fn host_features(&self) -> HostFeatures {
        self.features
    }

    /// Waits until the spawner has ended for good: by [`Spawner::shutdown`], or because it could not be started again after
    /// somebody had killed it. From then on nothing can be started.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn ended(&self) {
        self.link.ended().await;
    }

    /// Kills every process, and waits until they and the spawner have ended. Later calls on clones say
    /// [`SpawnError::SpawnerGone`]. Has no deadline of its own; the spawner's is about 10 seconds.
    pub async fn shutdown(self) {
        self.link.close();
        self.link.ended().await;
    }
}

/// What is too large for a message travels as a file in memory.
fn request_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = fd::memory_file()?;
    file.write_all(bytes)?;
    Ok(file.into())
}

/// A pipe for one output: our end does not block, the other one is as programs expect it.
fn output_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    fd::set_nonblocking(reader.as_fd())?;
    Ok((reader.into(), writer.into()))
}
