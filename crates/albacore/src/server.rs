//! `albacore up`: what is started, in which order, and how it ends.
//!
//! ```text
//! open files, spawner       before there are threads
//! data folder, manifest     a mistake ends it here: nothing was opened
//! store, functions, proxy   threads, which serve nothing yet; in a takeover the store comes with the listeners
//! endpoint, listeners       from here on others see us
//! runtimes                  with --strict-runtimes before others see us, otherwise now: interpreters take their time
//! changes, signals          until a stop is asked for; then all of it backwards
//! ```

mod access_log;
mod background;
mod change;
mod configuration;
mod difference;
mod events;
mod facts;
mod function_log;
mod listeners;
mod log_delivery;
mod log_groups;
mod measuring;
mod metrics;
mod signals;
mod start;
mod telling;
mod upkeep;

use crate::cli::Up;
use crate::confinement::Confinement;
use crate::data_dir::DataDir;
use crate::open_files;
use crate::output::Notices;
use crate::takeover::{Back, Lent, Predecessor, Prepared};
use crate::telemetry;
use anyhow::{Context, Result};
use manifest::Watcher;
use signals::{Signals, Wish};
use start::{Running, Start};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinSet;
use tracing::{error, warn};

/// How long the last lines may take to reach a disk or a pipe.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// The same when nobody wants to wait.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_millis(500);
/// How long the spawner may take to end its processes; its own deadline is about 10 seconds.
const SPAWNER_TIMEOUT: Duration = Duration::from_secs(12);
/// How often certificates that are nearly over are looked for.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(12 * 60 * 60);
/// How often the ports of closed listeners are tried.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// How many successors may prepare at the same time. The first one that has done so takes the place.
const SUCCESSORS_MAX: usize = 8;
/// How long changes wait for a successor that failed to end. From then on they are refused until it has.
const LAST_BREATH: Duration = Duration::from_secs(3);
/// Threads for blocking work: a reload, metrics, and the end of the logs.
const BLOCKING_THREADS_MAX: usize = 4;

/// Runs the server until it is told to stop.
pub(crate) fn up(args: Up, json: bool) -> Result<ExitCode> {
    let begun = Instant::now();
    raise_open_files();
    let [open_files, _] = open_files::limits();
    let (spawner, confinement) = Confinement::start(args.sandbox, args.cpu_share)?;
    telemetry::write_behind(json).context("the thread for log lines cannot be started")?;
    let predecessor = match args.takeover {
        true => Predecessor::find(&args.files.data_dir)?,
        false => None,
    };
    let data_dir = match &predecessor {
        _ if args.files.ephemeral => DataDir::ephemeral()?,
        Some(_) => DataDir::beside(&args.files.data_dir)?,
        None => DataDir::open(&args.files.data_dir)?,
    };
    // One thread is enough for everything that is not traffic, and keeps the idle process small.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .on_thread_start(background::give_way)
        .build()
        .context("the runtime cannot be started")?;
    let start = Start {
        args,
        notices: Notices { json },
        begun,
        open_files,
        spawner,
        confinement,
        data_dir: &data_dir,
        predecessor,
    };
    let ended = runtime.block_on(run(start));
    // What blocks for good, such as a hanging disk, must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    data_dir.close().context("the data folder could not be tidied up")?;
    ended
}

async fn run(start: Start<'_>) -> Result<ExitCode> {
    let mut signals = Signals::listen().context("signals cannot be listened to")?;
    let data_dir = start.data_dir;
    let is_beside = start.predecessor.is_some();
    let started = start.run().await;
    if is_beside && !matches!(started, Ok(Some(_))) {
        // The folder is the predecessor's, who serves on.
        data_dir.hand_over();
    }
    let Some(mut running) = started? else {
        return Ok(ExitCode::FAILURE);
    };
    // From here to the end nothing fails: where changes cannot be watched, SIGHUP is left.
    let why = follow(&mut running, &mut signals, data_dir).await;
    Ok(stop(running, &mut signals, why).await)
}

/// Why a server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Asked,
    /// Another process serves in its place.
    HandedOver,
}

/// Follows changes until a stop is asked for.
async fn follow(running: &mut Running, signals: &mut Signals, data_dir: &DataDir) -> Why {
    let mut watcher = Watcher::new(running.configuration.own_files())
        .inspect_err(|error| warn!(%error, "changes of the manifest are not noticed"))
        .ok();
    watch(&mut watcher, &running.watched);
    let mut spawner_gone = false;
    let (mut preparing, mut lent) = (JoinSet::new(), Lent::default());
    // What came due while nobody was there is not put off.
    tokio::select! {
        () = running.upkeep.run(SystemTime::now()) => {}
        () = signals.stop() => return Why::Asked,
    }
    let mut retries = tokio::time::interval_at(tokio::time::Instant::now() + RETRY_INTERVAL, RETRY_INTERVAL);
    retries.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let closed = running.proxy.closed_listeners();
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
            asked = running.door.asked(), if preparing.len() < SUCCESSORS_MAX => {
                preparing.spawn(asked.prepared());
                continue;
            }
            Some(prepared) = preparing.join_next() => {
                let prepared = match prepared.context("the handover broke").flatten() {
                    Ok(prepared) => prepared,
                    Err(error) => {
                        warn!("a handover failed, and this server serves on: {error:#}");
                        continue; // it never had anything
                    }
                };
                match give(prepared, running, &mut lent, signals, data_dir).await {
                    Some(Ok(())) => {
                        data_dir.hand_over();
                        return Why::HandedOver;
                    }
                    Some(Err(error)) => warn!("a handover failed, and this server serves on: {error:#}"),
                    None => return Why::Asked,
                }
                if let Err(error) = running.stay(data_dir) {
                    warn!("other commands may not find this server: {error:#}");
                }
                tokio::select! {
                    taken_back = lent.take_back(&running.writer, &running.invocations.events, LAST_BREATH) => {
                        if let Err(error) = taken_back {
                            error!(
                                error = format!("{error:#}"),
                                "changes and asynchronous invocations are refused until the successor has ended"
                            );
                        }
                    }
                    () = signals.stop() => return Why::Asked,
                }
                // What the other one stored before it failed is made what the manifest says.
                running.configuration.follow_again();
                false
            }
            wish = signals.next() => match wish {
                Wish::Stop => return Why::Asked,
                Wish::Reload => true,
            },
            news = running.configuration.runtime_news() => {
                telling::warnings(running.notices, news.into_iter());
                continue;
            }
            () = changed(&mut watcher) => false,
            _ = retries.tick(), if lent.is_any() || !closed.borrow().is_empty() => {
                match lent.take_back(&running.writer, &running.invocations.events, Duration::ZERO).await {
                    Ok(Back::Now) => {
                        warn!("changes and asynchronous invocations are accepted again");
                        running.configuration.follow_again();
                        false
                    }
                    // That it failed was told already.
                    Ok(Back::Before) | Err(_) => tokio::select! {
                        () = running.open_more() => continue,
                        () = signals.stop() => return Why::Asked,
                    },
                }
            }
            _ = renewals.tick() => {
                tokio::select! {
                    () = running.upkeep.run(SystemTime::now()) => false,
                    () = signals.stop() => return Why::Asked,
                }
            }
        };
        let outcome = tokio::select! {
            outcome = running.configuration.reload(asked_for) => outcome,
            () = signals.stop() => return Why::Asked,
        };
        running.tell(outcome, asked_for);
        watch(&mut watcher, &running.watched);
    }
}

/// Gives everything to a successor. `None` when a stop was asked for meanwhile, and there is no successor.
async fn give(
    prepared: Prepared,
    running: &Running,
    lent: &mut Lent,
    signals: &mut Signals,
    data_dir: &DataDir,
) -> Option<Result<()>> {
    let given = prepared.give(
        &running.proxy,
        (&running.writer, &running.invocations.events),
        data_dir,
        (&running.endpoint_socket, running.url_socket.as_ref()),
        lent,
    );
    tokio::pin!(given);
    tokio::select! {
        given = &mut given => Some(given),
        // Whose the data folder is turns out within seconds. Who is asked twice does not wait for that.
        () = signals.stop() => tokio::select! {
            given = given => given.is_ok().then_some(Ok(())),
            () = signals.stop() => None,
        },
    }
}

/// The start order backwards.
async fn stop(running: Running, signals: &mut Signals, why: Why) -> ExitCode {
    running.progress.stop();
    // Before anything ends: what runs asynchronously may finish while connections do, and so may what was called by the
    // endpoint or by a URL.
    running.invocations.hold_environments();
    let answered = async {
        let answered = running.endpoint.answered();
        // The rest has had its time.
        let _ = tokio::time::timeout(running.drain, answered).await;
    };
    let events_within = match why {
        Why::Asked => running.drain,
        // The successor has the queue, and runs again what is not recorded.
        Why::HandedOver => Duration::ZERO,
    };
    let finished = running.invocations.finish(events_within, answered);
    let drained = async {
        match why {
            Why::Asked => running.proxy.drain().await,
            Why::HandedOver => running.proxy.drain_gently().await,
        }
    };
    match why {
        Why::Asked => telling::stopping(running.notices, running.drain),
        Why::HandedOver => {
            running.endpoint.leave();
            telling::handed_over(running.notices, running.drain);
            running.door.leave();
        }
    }
    tokio::select! {
        ((), ()) = async { tokio::join!(drained, finished) } => {}
        () = signals.stop() => {
            running.function_log.close(LAST_WORDS_TIMEOUT).await;
            telling::stopped(running.notices, "stopped at once");
            return ExitCode::FAILURE;
        }
    }
    if let Some(log) = running.access_log {
        log.close(FLUSH_TIMEOUT).await;
    }
    running.delivered_logs.close(FLUSH_TIMEOUT).await;
    running.measuring.close(FLUSH_TIMEOUT).await;
    if tokio::time::timeout(SPAWNER_TIMEOUT, running.spawner.shutdown())
        .await
        .is_err()
    {
        warn!("the spawner did not end in time; it ends with this process");
    }
    running.function_log.close(FLUSH_TIMEOUT).await;
    running.endpoint.close().await;
    running.configuration.turn().end().await;
    running.invocations.events.end().await;
    running.writer.close_log().await;
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
