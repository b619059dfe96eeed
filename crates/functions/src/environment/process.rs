//! One run of an environment's runtime: the main process, its Runtime API and the readers of its output.

use super::external::{Externals, shutdown_times};
use super::place::Place;
use super::{Environment, RuntimeState, Watched};
use crate::code::{CodeError, ReadyCode};
use crate::door::Opening;
use crate::extensions::{Progress, ShutdownReason};
use crate::failure::Failure;
use crate::host::Host;
use crate::interpreters::{Choice, Obstacle};
use crate::launch;
use crate::launch::{Inside, Launch};
use crate::log::{InitStart, Output, RuntimeVersion};
use crate::machine;
use crate::network::NetworkFailure;
use crate::runtime_api::{Server, Users};
use model::lambda::function::Function;
use model::lambda::runtime::Runtime;
use sandbox::{ExitStatus, Process, Reach, SpawnError, Spec, Step};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// How long, after the main process has ended, its connections and pipes may take to be read to their ends. They end by
/// themselves, because everything that could hold them has been killed.
const LAST_WORDS_TIME_MAX: Duration = Duration::from_secs(1);

/// The temporary directory of an environment, which outlives the resets of its runtime. Source: Lambda 4.4.
pub(super) enum Home {
    /// On the host's disk.
    Directory(PathBuf),
    /// Inside, and nowhere else.
    Scratch(Place),
}

impl Home {
    /// Makes it. Blocks for some microseconds on the disk's file system, so it is done elsewhere.
    pub(super) async fn make(host: &Host, function: &Function, environment_id: &str) -> io::Result<Self> {
        if host.isolates() {
            let bytes = function.configuration.ephemeral_storage.bytes();
            return Ok(Self::Scratch(Place::new(host.spawner.scratch(bytes))));
        }
        let directory = host.options.data_dir.join("environments").join(environment_id);
        let temporary = directory.join("tmp");
        blocking(move || std::fs::create_dir_all(temporary)).await?;
        Ok(Self::Directory(directory))
    }

    /// Its path on the host.
    fn temporary(&self) -> PathBuf {
        match self {
            Self::Directory(directory) => directory.join("tmp"),
            Self::Scratch(_) => PathBuf::new(),
        }
    }

    /// Removes it with everything in it.
    pub(super) async fn remove(self) {
        let temporary = self.temporary();
        let Self::Directory(directory) = self else { return };
        let name = directory.display().to_string();
        let remove = move || {
            // Walking through it takes descriptors, which may be what was lacking; when nothing ever ran in it, it is
            // empty and goes without.
            std::fs::remove_dir_all(&directory).or_else(|error| {
                let empty = std::fs::remove_dir(temporary).and_then(|()| std::fs::remove_dir(directory));
                empty.map_err(|_| error)
            })
        };
        if let Err(error) = blocking(remove).await {
            tracing::warn!(directory = name, %error, "cannot remove the directory of an environment");
        }
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Why a runtime was not started.
pub(super) enum StartError {
    /// The platform's fault.
    Service,
    /// The function's fault.
    Function(Failure),
    /// Its caller has given it up.
    GivenUp,
}

impl StartError {
    /// What extensions are told that have been started already.
    pub(super) fn shutdown_reason(&self) -> ShutdownReason {
        match self {
            Self::Service | Self::Function(_) => ShutdownReason::Failure,
            Self::GivenUp => ShutdownReason::Timeout,
        }
    }
}

/// A main process, before and after the attempt to start it.
enum Start {
    Wanted(Spec),
    Made(Result<Process, SpawnError>),
}

/// One run of the runtime.
pub(super) struct Run {
    pub(super) process: Process,
    pub(super) server: Server,
    pub(super) externals: Externals,
    readers: JoinSet<()>,
}

impl Run {
    /// Starts the process with a Runtime API of its own, so that nothing an earlier process left in a socket is taken for
    /// this one's.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no process.
    pub(super) async fn start(
        environment: &Rc<Environment>,
        home: &Home,
        give_up: &CancellationToken,
    ) -> Result<Self, StartError> {
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
        let ready = async {
            let code = host.codes.ready(&function.code).await?;
            let layers = host.codes.ready_layers(function, &code).await?;
            Ok((code, layers))
        };
        let (code, layers) = match ready.await {
            Ok(ready) => ready,
            Err(CodeError::Package(message)) => {
                environment.journal.notice(&message);
                return Err(StartError::Function(Failure::InvalidZipFile));
            }
            Err(error) => return Err(service(&error)),
        };
        let opening = host.open_door(function).map_err(|error| service(&error))?;
        let door = opening.as_ref().and_then(Opening::variables);
        if let Some(message) = interpreters.lacks_client(runtime)
            && !brings_client(function, &code, layers.as_deref()).await
        {
            environment.journal.notice(&message);
            return Err(StartError::Function(Failure::InvalidRuntime));
        }
        if let Some(interpreter) = interpreter.interpreter() {
            scheduler.core.share_classes(interpreter, host.isolates());
        }
        let no_network = |failure: Failure| {
            environment.journal.notice(&failure.message());
            StartError::Function(failure)
        };
        let reach = host.reach_of(function).map_err(no_network)?;
        let (inside, process) = match home {
            Home::Directory(_) => (None, None),
            Home::Scratch(place) => {
                let open = |reach| place.open(environment, &code, layers.as_deref(), interpreter, door.as_ref(), reach);
                let mut made = open(reach).await;
                if let Err(error) = &made {
                    match host.network_failure(function, error) {
                        Some(NetworkFailure::Final(failure)) => return Err(no_network(failure)),
                        Some(NetworkFailure::Without) => made = open(Reach::Nothing).await,
                        None => {}
                    }
                }
                match made {
                    Ok((inside, process)) => (Some(inside), process),
                    Err(error) => {
                        let failure = entry_point_failure(environment, &error, &code).await;
                        return Err(failure.unwrap_or_else(|| service(&error)));
                    }
                }
            }
        };
        let has_own_network = host.has_own_network(function);
        let server = match &inside {
            Some(inside) if has_own_network => inside.listener().and_then(Server::on),
            Some(_) => Server::bind(Users::Any),
            None => Server::bind(Users::Own),
        };
        let mut server = server.map_err(|error| service(&error))?;
        let launch = Launch {
            function,
            code: &code,
            layers: layers.as_deref(),
            interpreter,
            runtime_api: server.address(),
            door: door.as_ref(),
            temporary: &home.temporary(),
            log_stream: &environment.journal.stream,
            metadata_token: &environment.metadata_token,
            is_provisioned: environment.is_kept(),
            inside: inside.as_ref(),
        };
        let start = match process {
            Some(started) => Start::Made(started),
            None => {
                let spec = launch::with_own_tmp(launch::spec(&launch), host.spawner.host_features());
                Start::Wanted(spec.await.map_err(|error| service(&error))?)
            }
        };
        // Where nobody is going to answer nobody listens.
        let listener = inside.as_ref().and_then(Inside::door);
        if let Some(opening) = opening {
            environment.door.replace(opening.door());
            environment.tell_door();
            let way_out = opening.listen(listener).map_err(|error| service(&error))?;
            server.lead_out(Some(way_out));
        }
        environment
            .enclosure
            .replace(inside.as_ref().filter(|_| has_own_network).and_then(Inside::enclosure));
        environment.state.borrow_mut().runtime = RuntimeState::Started;
        environment.memory.begin();
        let mut externals = Externals::launch(environment, &launch, &mut server, give_up).await?;
        let started = match start {
            Start::Made(started) => started,
            Start::Wanted(spec) => host.spawner.spawn(spec).await,
        };
        let mut process = match started {
            Ok(process) => process,
            Err(error) => {
                let error = match error {
                    // It is known by its name on the host.
                    SpawnError::Exec { errno, .. } if interpreter.interpreter().is_none() => SpawnError::Exec {
                        program: launch::program_and_folder(&code, layers.as_deref()).0,
                        errno,
                    },
                    other => other,
                };
                let failure = entry_point_failure(environment, &error, &code).await;
                let failure = match failure {
                    Some(failure) => failure,
                    // A place whose only process was an extension ends with it.
                    None => match externals.failure(environment).await {
                        Some(failure) => StartError::Function(failure),
                        None => service(&error),
                    },
                };
                externals
                    .shut_down(environment, &mut server, failure.shutdown_reason())
                    .await;
                return Err(failure);
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
            enclosure: inside.as_ref().and_then(Inside::enclosure),
        });
        Ok(Self {
            process,
            server,
            externals,
            readers,
        })
    }

    /// The main process has ended: hears what it has still said, and what it has still written.
    pub(super) async fn hear_last_words(&mut self, environment: &Rc<Environment>) {
        // Past the deadline they are dropped with the run.
        let _ = timeout(LAST_WORDS_TIME_MAX, self.server.drain(environment)).await;
    }

    /// Ends a run with extensions in the order and the time that Lambda gives it: SIGTERM to the runtime, then SIGKILL, then
    /// the event to external ones. What is left is for [`Run::end`]. Source: Lambda 4.3.
    pub(super) async fn shut_down(&mut self, environment: &Rc<Environment>, reason: ShutdownReason) {
        let began = Instant::now();
        let (runtime_time, whole_time) = shutdown_times(environment, !self.externals.is_empty());
        self.process.terminate();
        loop {
            tokio::select! {
                biased;
                _ = self.process.wait() => break,
                (name, _) = self.externals.exited() => environment.extension_exited(&name, Progress::Exited),
                () = self.server.accept(environment) => {}
                () = sleep_until(began + runtime_time) => break,
            }
        }
        self.process.kill();
        // Those that listen hear how it ended before they are told to end themselves.
        environment.journal.flush_telemetry().await;
        let deadline = began + whole_time;
        self.externals
            .shut_down_until(environment, &mut self.server, reason, deadline)
            .await;
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

/// Does a function that the host has no client for run all the same?
async fn brings_client(function: &Function, code: &ReadyCode, layers: Option<&Path>) -> bool {
    if let Runtime::Dotnet(_) = function.configuration.runtime {
        return launch::is_executable_assembly(&function.configuration.handler);
    }
    let (code, layers) = (code.clone(), layers.map(Path::to_owned));
    let look = move || Ok(launch::brings_client(&code, layers.as_deref()));
    blocking(look).await.unwrap_or(false)
}

/// Is it the function's fault that its program was not executed?
async fn entry_point_failure(environment: &Environment, error: &SpawnError, code: &ReadyCode) -> Option<StartError> {
    const NO_SUCH_FILE: i32 = 2;
    let is_managed = environment.scheduler.function.configuration.runtime.is_managed();
    let (failure, notice) = match error {
        // The interpreter that was found is not there any more.
        SpawnError::Exec { .. } if is_managed => (Failure::InvalidRuntime, error.to_string()),
        SpawnError::Exec { program, errno } => {
            let (path, other) = (program.clone(), program.clone());
            let other = blocking(move || Ok(machine::other(&other))).await.ok().flatten();
            let is_file = blocking(move || Ok(path.metadata()?.is_file())).await.ok();
            let failure = match is_file {
                None if *errno == NO_SUCH_FILE => Failure::NoBootstrap,
                // Only a file can be one. Source: Lambda 3.3.
                Some(false) => Failure::NoBootstrap,
                // A script whose interpreter is missing gives the same error as a missing file.
                Some(true) | None => Failure::BadBootstrap(*errno),
            };
            let notice = match other {
                Some(other) => format!("{error}: {other}"),
                None if is_file == Some(false) => format!("{} is not a file", program.display()),
                None => error.to_string(),
            };
            (failure, notice)
        }
        SpawnError::Setup {
            step: Step::WorkingDirectory | Step::Code,
            errno,
        } => {
            let (_, folder) = launch::program_and_folder(code, None);
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
