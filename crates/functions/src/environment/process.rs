//! One run of an environment's runtime: the main process, its Runtime API and the readers of its output.

use super::{Environment, RuntimeState, Watched};
use crate::code::CodeError;
use crate::failure::Failure;
use crate::interpreters::{Choice, Obstacle};
use crate::launch::Launch;
use crate::log::{InitStart, Output, RuntimeVersion};
use crate::runtime_api::Server;
use crate::{Options, launch};
use model::lambda::function::Function;
use sandbox::{ExitStatus, Process, SpawnError, Step};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long, after the main process has ended, its connections and pipes may take to be read to their ends. They end by
/// themselves, because everything that could hold them has been killed.
const LAST_WORDS_TIME_MAX: Duration = Duration::from_secs(1);

/// The directory of an environment, which outlives the resets of its runtime. Source: Lambda 4.4.
pub(super) struct Home {
    directory: PathBuf,
}

impl Home {
    /// Makes it. Blocks for some microseconds on the disk's file system, so it is done elsewhere.
    pub(super) async fn make(options: &Options, environment_id: &str) -> io::Result<Self> {
        let directory = options.data_dir.join("environments").join(environment_id);
        let home = Self { directory };
        let temporary = home.temporary();
        blocking(move || std::fs::create_dir_all(temporary)).await?;
        Ok(home)
    }

    fn temporary(&self) -> PathBuf {
        self.directory.join("tmp")
    }

    /// Removes it with everything in it.
    pub(super) async fn remove(self) {
        let (directory, temporary) = (self.directory.clone(), self.temporary());
        let remove = move || {
            // Walking through it takes descriptors, which may be what was lacking; when nothing ever ran in it, it is
            // empty and goes without.
            std::fs::remove_dir_all(&directory).or_else(|error| {
                let empty = std::fs::remove_dir(temporary).and_then(|()| std::fs::remove_dir(directory));
                empty.map_err(|_| error)
            })
        };
        if let Err(error) = blocking(remove).await {
            let directory = self.directory.display();
            tracing::warn!(%directory, %error, "cannot remove the directory of an environment");
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Why a runtime was not started.
pub(super) enum StartError {
    /// The platform's fault.
    Service,
    /// The function's fault.
    Function(Failure),
}

/// One run of the runtime.
pub(super) struct Run {
    pub(super) process: Process,
    pub(super) server: Server,
    readers: JoinSet<()>,
}

impl Run {
    /// Starts the process with a Runtime API of its own, so that nothing an earlier process left in a socket is taken for
    /// this one's.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no process.
    pub(super) async fn start(environment: &Environment, home: &Home) -> Result<Self, StartError> {
        let scheduler = &environment.scheduler;
        let function = &scheduler.function;
        let service = |error: &dyn std::fmt::Display| {
            tracing::error!(function = %function.arn, %error, "cannot start an environment");
            StartError::Service
        };
        let host = &scheduler.core.host;
        let runtime = function.configuration.runtime;
        let interpreters = host.interpreters(runtime).await;
        let interpreter = interpreters.choose(runtime);
        environment.journal.init_start(&InitStart {
            function,
            phase: environment.init.get().phase,
            runtime: &runtime_version(function, interpreter),
            stream: &environment.journal.stream,
        });
        if let Some(obstacle) = interpreters.obstacle(runtime, host.options.strict_runtimes) {
            environment.journal.notice(obstacle.message());
            return Err(match obstacle {
                Obstacle::NoInterpreter(_) => StartError::Function(Failure::InvalidRuntime),
                Obstacle::Broken(_) => StartError::Service,
            });
        }
        let code = match host.codes.ready(&function.code).await {
            Ok(code) => code,
            Err(CodeError::Package(message)) => {
                environment.journal.notice(&message);
                return Err(StartError::Function(Failure::InvalidZipFile));
            }
            Err(error) => return Err(service(&error)),
        };
        let mut server = Server::bind().map_err(|error| service(&error))?;
        let spec = launch::spec(&Launch {
            function,
            code: &code,
            interpreter,
            runtime_api: server.address(),
            temporary: &home.temporary(),
            log_stream: &environment.journal.stream,
        });
        let spec = launch::with_own_tmp(spec, host.spawner.host_features())
            .await
            .map_err(|error| service(&error))?;
        environment.state.borrow_mut().runtime = RuntimeState::Started;
        let folder = spec.working_directory.clone();
        let mut process = match host.spawner.spawn(spec).await {
            Ok(process) => process,
            Err(error) => {
                return Err(entry_point_failure(environment, &error, &folder)
                    .await
                    .unwrap_or_else(|| service(&error)));
            }
        };
        let output = Output::of(&mut process, &environment.journal).map_err(|error| service(&error))?;
        let mut readers = JoinSet::new();
        for reader in output.readers() {
            readers.spawn_local(reader);
        }
        server.open_for(process.init_pid());
        environment.memory.restart(process.init_pid(), process.pid());
        environment.state.borrow_mut().process = Some(Watched {
            pid: Some(process.pid()),
            output: Rc::new(output),
        });
        Ok(Self {
            process,
            server,
            readers,
        })
    }

    /// The main process has ended: hears what it has still said, and what it has still written.
    pub(super) async fn hear_last_words(&mut self, environment: &Rc<Environment>) {
        // Past the deadline they are dropped with the run.
        let _ = timeout(LAST_WORDS_TIME_MAX, self.server.drain(environment)).await;
    }

    /// Kills the process if it still runs, and waits until nothing of it is left.
    pub(super) async fn end(mut self) -> ExitStatus {
        self.process.kill();
        self.server.close().await;
        let status = self.process.wait().await;
        let ended = async { while self.readers.join_next().await.is_some() {} };
        let _ = timeout(LAST_WORDS_TIME_MAX, ended).await;
        self.readers.shutdown().await;
        status
    }
}

/// What the log says about the runtime: which one runs, and a name that is the same for the same version everywhere.
/// Lambda counts versions of its own (`python:3.12.v47`); the language's version is what there is here.
fn runtime_version(function: &Function, interpreter: Choice<'_>) -> RuntimeVersion {
    let identifier = function.configuration.runtime.as_str();
    // `provided.al2023`, `python3.12`, `nodejs22.x`
    let (name, version) = match identifier.strip_prefix("provided.") {
        Some(version) => ("provided", version),
        None => identifier.split_at(identifier.find(|c: char| c.is_ascii_digit()).unwrap_or(0)),
    };
    let text = match interpreter {
        Choice::Exact(it) | Choice::Nearest(it) => format!("{name}:{}", it.version),
        Choice::NotNeeded | Choice::Missing => format!("{name}:{}", version.trim_end_matches(".x")),
    };
    // `arn:{partition}:lambda:{region}:...`
    let region = function.arn.as_str().split(':').nth(3).unwrap_or_default();
    let hash = Sha256::digest(text.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let arn = format!("arn:aws:lambda:{region}::runtime:{hash}");
    RuntimeVersion { text, arn }
}

/// Is it the function's fault that its program was not executed? `folder` is that of its code.
async fn entry_point_failure(environment: &Environment, error: &SpawnError, folder: &Path) -> Option<StartError> {
    const NO_SUCH_FILE: i32 = 2;
    let is_managed = environment.scheduler.function.configuration.runtime.is_managed();
    let (failure, notice) = match error {
        // The interpreter that was found is not there any more.
        SpawnError::Exec { .. } if is_managed => (Failure::InvalidRuntime, error.to_string()),
        SpawnError::Exec { program, errno } => {
            let path = program.clone();
            // A script whose interpreter is missing gives the same error as a missing file.
            let exists = blocking(move || path.try_exists()).await.unwrap_or(false);
            let failure = if *errno == NO_SUCH_FILE && !exists {
                Failure::NoBootstrap
            } else {
                Failure::BadBootstrap(*errno)
            };
            (failure, error.to_string())
        }
        SpawnError::Setup {
            step: Step::WorkingDirectory,
            errno,
        } => {
            let folder = folder.display();
            let message = match *errno {
                NO_SUCH_FILE => format!("the code folder {folder} does not exist"),
                other => format!(
                    "the code folder {folder} cannot be used: {}",
                    io::Error::from_raw_os_error(other)
                ),
            };
            let failure = match is_managed {
                true => Failure::NoCode(message.clone()),
                false => Failure::NoBootstrap,
            };
            (failure, message)
        }
        _ => return None,
    };
    // A payload names the path that Lambda has; this names the one that was tried.
    environment.journal.notice(&notice);
    Some(StartError::Function(failure))
}
