//! `albacore up`: what is started, in which order, and how it ends.
//!
//! ```text
//! open files, spawner       before there are threads
//! data folder, manifest     a mistake ends it here: nothing was opened
//! store, functions, proxy   threads, which serve nothing yet
//! endpoint, listeners       from here on others see us
//! runtimes                  with --strict-runtimes before others see us, otherwise now: interpreters take their time
//! changes, signals          until a stop is asked for; then all of it backwards
//! ```

mod access_log;
mod configuration;
mod difference;
mod facts;
mod function_log;
mod listeners;
mod log_groups;
mod metrics;
mod signals;
mod start;
mod telling;

use crate::cli::{SandboxChoice, Up};
use crate::data_dir::DataDir;
use crate::output::Notices;
use crate::telemetry;
use anyhow::{Context, Result, bail};
use manifest::Watcher;
use sandbox::Spawner;
use signals::{Signals, Wish};
use start::{Running, Start};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tracing::{error, warn};

/// How long the last lines may take to reach a disk or a pipe.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// The same when nobody wants to wait.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_millis(500);
/// How long the spawner may take to end its processes; its own deadline is about 10 seconds.
const SPAWNER_TIMEOUT: Duration = Duration::from_secs(12);
/// How often certificates that are nearly over are looked for.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(12 * 60 * 60);
/// Threads for blocking work: a reload, and the end of the access log.
const BLOCKING_THREADS_MAX: usize = 4;

/// Runs the server until it is told to stop.
pub(crate) fn up(args: Up, json: bool) -> Result<ExitCode> {
    let begun = Instant::now();
    if args.sandbox == SandboxChoice::Namespace {
        bail!(
            "the namespace tier is not built yet, and --sandbox namespace does not start with less; \
             use --sandbox process"
        );
    }
    raise_open_files();
    let spawner = Spawner::start(sandbox::Options::default()).context("execution environments cannot be made")?;
    telemetry::write_behind(json).context("the thread for log lines cannot be started")?;
    let data_dir = if args.files.ephemeral {
        DataDir::ephemeral()?
    } else {
        DataDir::open(&args.files.data_dir)?
    };
    // One thread is enough for everything that is not traffic, and keeps the idle process small.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .context("the runtime cannot be started")?;
    let start = Start {
        args,
        notices: Notices { json },
        begun,
        spawner,
        data_dir: &data_dir,
    };
    let ended = runtime.block_on(run(start));
    // What blocks for good, such as a hanging disk, must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    data_dir.close().context("the data folder could not be tidied up")?;
    ended
}

async fn run(start: Start<'_>) -> Result<ExitCode> {
    let mut signals = Signals::listen().context("signals cannot be listened to")?;
    let Some(mut running) = start.run().await? else {
        return Ok(ExitCode::FAILURE);
    };
    // From here to the end nothing fails: where changes cannot be watched, SIGHUP is left.
    follow(&mut running, &mut signals).await;
    Ok(stop(running, &mut signals).await)
}

/// Follows changes until a stop is asked for.
async fn follow(running: &mut Running, signals: &mut Signals) {
    let mut watcher = Watcher::new(running.configuration.own_files())
        .inspect_err(|error| warn!(%error, "changes of the manifest are not noticed"))
        .ok();
    watch(&mut watcher, &running.watched);
    let mut spawner_gone = false;
    let mut renewals = tokio::time::interval_at(tokio::time::Instant::now() + RENEWAL_INTERVAL, RENEWAL_INTERVAL);
    loop {
        let asked_for = tokio::select! {
            () = running.spawner.ended(), if !spawner_gone => {
                // It holds no state that could be handed to another one, and it never ends by itself.
                error!("the spawner process has ended: functions are answered with 502 until albacore is started again");
                running.progress.lose_spawner();
                spawner_gone = true;
                continue;
            }
            wish = signals.next() => match wish {
                Wish::Stop => return,
                Wish::Reload => true,
            },
            news = running.configuration.runtime_news() => {
                telling::warnings(running.notices, news.into_iter());
                continue;
            }
            () = changed(&mut watcher) => false,
            _ = renewals.tick() => false,
        };
        let outcome = tokio::select! {
            outcome = running.configuration.reload() => outcome,
            () = signals.stop() => return,
        };
        running.tell(outcome, asked_for);
        watch(&mut watcher, &running.watched);
    }
}

/// The start order backwards.
async fn stop(running: Running, signals: &mut Signals) -> ExitCode {
    running.progress.stop();
    telling::stopping(running.notices, running.drain);
    tokio::select! {
        () = running.proxy.drain() => {}
        () = signals.stop() => {
            running.function_log.close(LAST_WORDS_TIMEOUT).await;
            telling::stopped(running.notices, "stopped at once");
            return ExitCode::FAILURE;
        }
    }
    if let Some(log) = running.access_log {
        log.close(FLUSH_TIMEOUT).await;
    }
    if tokio::time::timeout(SPAWNER_TIMEOUT, running.spawner.shutdown())
        .await
        .is_err()
    {
        warn!("the spawner did not end in time; it ends with this process");
    }
    running.function_log.close(FLUSH_TIMEOUT).await;
    running.endpoint.close().await;
    telling::stopped(running.notices, "stopped");
    ExitCode::SUCCESS
}

/// Every listener, environment and connection takes some; the soft limit is often 1024.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!(%error, "the limit of open files stays as it is");
    }
}

fn watch(watcher: &mut Option<Watcher>, paths: &[PathBuf]) {
    if let Some(warning) = watcher.as_mut().and_then(|watcher| watcher.watch(paths)) {
        warn!("{warning}");
    }
}

async fn changed(watcher: &mut Option<Watcher>) {
    let noticed = match watcher {
        Some(watcher) => watcher.changed().await,
        None => std::future::pending().await,
    };
    if noticed.is_none() {
        error!("changes of the manifest are no longer noticed; SIGHUP reads it again");
        *watcher = None;
    }
}
