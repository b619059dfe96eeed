//! Albacore's side of the spawner: the handle that starts processes, and the handle of each process.
//!
//! The messages and the thread that reads them are in [`link`]; how the spawner is started is in [`start`].

mod link;
mod process;
mod start;

pub use process::Process;

use crate::host::{HostFeatures, Tier};
use crate::launch::Launch;
use crate::message::Request;
use crate::spec::{InvalidSpec, Spec, Step};
use crate::sys::fd;
use link::{Link, Outgoing, Ticket};
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
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tier: Tier::default(),
            processes_max: 1000,
            start_timeout: Duration::from_secs(10),
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
        let launch = Launch::try_from(&spec)?;
        let (stdout, stdout_writer) = output_pipe()?;
        let (stderr, stderr_writer) = output_pipe()?;
        let mut file = fd::memory_file()?;
        file.write_all(&launch.encode())?;
        let mut fds = vec![OwnedFd::from(file), stdout_writer, stderr_writer];
        let log = if spec.log_pipe {
            let (log, log_writer) = output_pipe()?;
            fds.push(log_writer);
            Some(log)
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
            Ok(Ok(pids)) => Ok(Process::new(ticket, pids, stdout, stderr, log)),
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

/// A pipe for one output: our end does not block, the other one is as programs expect it.
fn output_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    fd::set_nonblocking(reader.as_fd())?;
    Ok((reader.into(), writer.into()))
}
