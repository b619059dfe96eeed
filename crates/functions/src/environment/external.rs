//! The external extensions of one run: a process for each program in `/opt/extensions`. Source: Lambda 4.1, 4.3, 4.5.

use super::process::StartError;
use super::{Environment, blocking};
use crate::extensions::{EXTENSIONS_MAX, Progress, ShutdownReason};
use crate::failure::Failure;
use crate::launch::{self, Launch};
use crate::log::Output;
use crate::runtime_api::Server;
use sandbox::{ExitStatus, Process, SpawnError};
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// A file with this name among the layers switches external extensions off. The name is Lambda's.
const SWITCH: &str = "disable-extensions-jwigqn8j";

/// How long the readers may take after the process has ended.
const LAST_WORDS_TIME_MAX: Duration = Duration::from_secs(1);

/// Those that run. Dropping it kills them.
#[derive(Default)]
pub(super) struct Externals {
    /// One for each: it owns the process, and ends with it.
    tasks: JoinSet<(String, ExitStatus)>,
    /// What kills each.
    kills: Vec<(String, CancellationToken)>,
}

impl Externals {
    /// Starts them all, and waits until each has registered or `give_up` says that it is for nothing.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no process.
    pub(super) async fn launch(
        environment: &Rc<Environment>,
        launch: &Launch<'_>,
        server: &mut Server,
        give_up: &CancellationToken,
    ) -> Result<Self, StartError> {
        let mut externals = Self::default();
        let Some(layers) = launch.layers else {
            return Ok(externals);
        };
        let launched = externals.launch_all(environment, launch, layers, server, give_up).await;
        match launched {
            Ok(()) => Ok(externals),
            Err(error) => {
                let reason = match environment.is_ending() {
                    true => ShutdownReason::Spindown,
                    false => error.shutdown_reason(),
                };
                externals.shut_down(environment, server, reason).await;
                Err(error)
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kills.is_empty()
    }

    async fn launch_all(
        &mut self,
        environment: &Rc<Environment>,
        launch: &Launch<'_>,
        layers: &Path,
        server: &mut Server,
        give_up: &CancellationToken,
    ) -> Result<(), StartError> {
        let function = &environment.scheduler.function.arn;
        let service = |error: &dyn std::fmt::Display| {
            tracing::error!(%function, %error, "cannot start the extensions of an environment");
            StartError::Service
        };
        let folder = layers.to_owned();
        let programs = blocking(move || programs(&folder))
            .await
            .map_err(|error| service(&error))?;
        if programs.len() > EXTENSIONS_MAX {
            let message = format!("Extension limit ({EXTENSIONS_MAX}) reached");
            return Err(failed("Extension.TooManyExtensions", message));
        }
        for (name, program) in programs {
            environment.extension_launched(&name, Progress::Started);
            let spec = launch::extension_spec(launch, &program);
            let spawner = &environment.scheduler.core.host.spawner;
            let spec = launch::with_own_tmp(spec, spawner.host_features())
                .await
                .map_err(|error| service(&error))?;
            let mut process = match spawner.spawn(spec).await {
                Ok(process) => process,
                Err(SpawnError::Exec { errno, .. }) => {
                    environment.extension_exited(&name, Progress::LaunchError);
                    let message = crate::failure::exec_error(&format!("/opt/extensions/{name}"), errno);
                    return Err(failed("Extension.LaunchError", message));
                }
                // A place ends with its only process, and that may have been the extension before.
                Err(error) => {
                    let failure = self.failure(environment).await.map(StartError::Function);
                    return Err(failure.unwrap_or_else(|| service(&error)));
                }
            };
            let output = Output::of_extension(&mut process, &environment.journal).map_err(|error| service(&error))?;
            let readers: Vec<_> = output.readers().collect();
            server.open_for(process.init_pid());
            environment.memory.also(process.init_pid());
            environment.extension_writes(&name, output);
            let kill = CancellationToken::new();
            self.kills.push((name.clone(), kill.clone()));
            self.tasks.spawn_local(run(name, process, readers, kill));
        }
        while !environment.extensions_registered() {
            tokio::select! {
                biased;
                () = give_up.cancelled() => return Err(StartError::GivenUp),
                (name, status) = self.exited() => {
                    environment.extension_exited(&name, Progress::Exited);
                    // It may have said why, and the connection is read still.
                    let _ = timeout(LAST_WORDS_TIME_MAX, server.settle(environment)).await;
                    return Err(StartError::Function(environment.extension_failure(status)));
                }
                () = server.accept(environment) => {}
                () = environment.extension_wake.notified() => {}
            }
        }
        Ok(())
    }

    /// Waits until one of them has ended; for ever if there are none.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub(super) async fn exited(&mut self) -> (String, ExitStatus) {
        match self.tasks.join_next().await {
            Some(Ok((name, status))) => {
                self.kills.retain(|(other, _)| *other != name);
                (name, status)
            }
            // A task that was torn down has killed its process; the others are still there.
            Some(Err(_)) | None => pending().await,
        }
    }

    /// Has one of them ended, or does one end in a moment? Then this is what the init fails with.
    pub(super) async fn failure(&mut self, environment: &Environment) -> Option<Failure> {
        if self.is_empty() {
            return None;
        }
        let (name, status) = timeout(LAST_WORDS_TIME_MAX, self.exited()).await.ok()?;
        environment.extension_exited(&name, Progress::Exited);
        Some(environment.extension_failure(status))
    }

    /// Tells those that want to know it that the environment ends, kills the others, and waits until all have ended: for
    /// the rest of the time that Lambda gives them, then they are killed.
    pub(super) async fn shut_down(
        &mut self,
        environment: &Rc<Environment>,
        server: &mut Server,
        reason: ShutdownReason,
    ) {
        let (runtime, whole) = shutdown_times(environment, true);
        let deadline = Instant::now() + whole - runtime;
        self.shut_down_until(environment, server, reason, deadline).await;
    }

    /// The same with the end of that time.
    pub(super) async fn shut_down_until(
        &mut self,
        environment: &Rc<Environment>,
        server: &mut Server,
        reason: ShutdownReason,
        deadline: Instant,
    ) {
        if self.is_empty() {
            return;
        }
        for (name, kill) in &self.kills {
            if !environment.extension_wants_shutdown(name) {
                kill.cancel();
            }
        }
        environment.tell_extensions_of_shutdown(reason, deadline);
        while !self.is_empty() {
            tokio::select! {
                biased;
                (name, _) = self.exited() => environment.extension_exited(&name, Progress::Exited),
                () = server.accept(environment) => {}
                () = sleep_until(deadline) => break,
            }
        }
        for (_, kill) in self.kills.drain(..) {
            kill.cancel();
        }
        while self.tasks.join_next().await.is_some() {}
    }
}

/// One of them, from its start to its last line.
async fn run(
    name: String,
    mut process: Process,
    readers: Vec<impl Future<Output = ()> + 'static>,
    kill: CancellationToken,
) -> (String, ExitStatus) {
    let mut reading = JoinSet::new();
    for reader in readers {
        reading.spawn_local(reader);
    }
    let ended = tokio::select! {
        status = process.wait() => Some(status),
        () = kill.cancelled() => None,
    };
    let status = match ended {
        Some(status) => status,
        None => {
            process.kill();
            process.wait().await
        }
    };
    let last_words = async { while reading.join_next().await.is_some() {} };
    let _ = timeout(LAST_WORDS_TIME_MAX, last_words).await;
    reading.shutdown().await;
    (name, status)
}

/// How long the runtime of an ending environment has, and how long all of it. Source: Lambda 4.3.
pub(super) fn shutdown_times(environment: &Environment, has_external: bool) -> (Duration, Duration) {
    let whole = environment.scheduler.core.host.options.shutdown_timeout;
    match has_external {
        true => (whole * 3 / 10, whole),
        false => (whole * 3 / 20, whole / 4),
    }
}

fn failed(error_type: &str, message: String) -> StartError {
    StartError::Function(Failure::Extension {
        error_type: error_type.to_owned(),
        message,
    })
}

/// What lies in `extensions` of the layers and is no directory, by name.
fn programs(layers: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    if layers.join(SWITCH).is_file() {
        return Ok(Vec::new());
    }
    let entries = match std::fs::read_dir(layers.join("extensions")) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut programs = Vec::new();
    for entry in entries {
        let entry = entry?;
        // A name that is no UTF-8 could never be registered: a header has it.
        if !entry.path().is_dir() {
            programs.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
        if programs.len() > EXTENSIONS_MAX {
            break;
        }
    }
    programs.sort();
    Ok(programs)
}
