//! Says when the manifest, a certificate or a function's code may have changed.
//!
//! Folders are watched and not files, because editors replace a file by renaming another one over it. Where the system
//! has no watches left, one thread asks once a second instead.
//!
//! What changed, and whether it matters, is left to loading the manifest again: an unchanged one gives an empty batch.

mod interest;

use crate::code::fingerprint;
use interest::Interest;
use notify::event::{AccessKind, AccessMode};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// So long nothing more may happen before a change is told: a save is several events.
const QUIET: Duration = Duration::from_millis(75);
/// After this a change is told even when there is no quiet.
const UNQUIET_MAX: Duration = Duration::from_secs(1);
/// How often we ask where we cannot watch.
const POLL: Duration = Duration::from_secs(1);
/// Events that wait for the thread. When they are too many one is lost, and the ones before it tell the same.
const SIGNALS: usize = 64;

/// Something that is watched may have changed. Several changes at once are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed;

/// Watches files and folders. It owns a thread, which ends with it.
///
/// To miss nothing, call [`Watcher::watch`] after each load, with what that load said: a change that came while it read
/// is told then.
pub struct Watcher {
    signals: Option<SyncSender<Signal>>,
    thread: Option<JoinHandle<()>>,
    changes: mpsc::Receiver<Changed>,
    /// Replaced with every set of paths; the one before goes only when its successor stands.
    events: Option<RecommendedWatcher>,
}

enum Signal {
    /// Something happened to a path that matters.
    Happened,
    /// Events may be missing from now on.
    Lost,
    /// These are the paths now; `polled` when the system does not watch them.
    Watch { paths: Vec<PathBuf>, polled: bool },
}

impl Watcher {
    /// A watcher that watches nothing yet.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new() -> std::io::Result<Self> {
        let (signals, received) = sync_channel(SIGNALS);
        let (changed, changes) = mpsc::channel(1);
        let thread = std::thread::Builder::new()
            .name("manifest-watch".to_owned())
            .spawn(move || Debounce::new(changed).run(&received))?;
        Ok(Self {
            signals: Some(signals),
            thread: Some(thread),
            changes,
            events: None,
        })
    }

    /// Watches `paths` and nothing else from now on. Paths that were not watched before count as changed, because
    /// nobody saw what happened to them since they were read.
    ///
    /// Returns a warning when it has to ask once a second instead.
    pub fn watch(&mut self, paths: &[PathBuf]) -> Option<String> {
        let signals = self.signals.as_ref()?;
        let (events, warning) = match system_watches(paths, signals) {
            Ok(events) => (Some(events), None),
            Err(error) => {
                let reason = match error.kind {
                    notify::ErrorKind::MaxFilesWatch => "the limit of inotify watches is reached".to_owned(),
                    _ => error.to_string(),
                };
                let warning =
                    format!("cannot watch the manifest and its files: {reason}; looking for changes once a second");
                (None, Some(warning))
            }
        };
        let polled = events.is_none();
        self.events = events;
        let paths = paths.to_vec();
        // Fails only when the thread is gone, which then tells nothing either.
        let _ = signals.send(Signal::Watch { paths, polled });
        warning
    }

    /// Waits for the next change. `None` only when the thread is gone.
    ///
    /// # Cancel safety
    /// A change that was not returned is returned by the next call.
    pub async fn changed(&mut self) -> Option<Changed> {
        self.changes.recv().await
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // The thread ends when nobody can send to it any more: we and the system's events.
        self.events = None;
        self.signals = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn system_watches(paths: &[PathBuf], signals: &SyncSender<Signal>) -> notify::Result<RecommendedWatcher> {
    let interest = Interest::of(paths);
    let folders = interest.folders_to_watch();
    let signals = signals.clone();
    let handler = move |event: notify::Result<Event>| {
        let signal = match event {
            Ok(event) if event.need_rescan() => Signal::Lost,
            Ok(event) if is_change(&event.kind) && event.paths.iter().any(|path| interest.concerns(path)) => {
                Signal::Happened
            }
            Ok(_) => return,
            Err(_) => Signal::Lost,
        };
        let _ = signals.try_send(signal);
    };
    let mut watcher = RecommendedWatcher::new(handler, Config::default().with_follow_symlinks(false))?;
    for (folder, whole) in folders {
        let mode = if whole {
            RecursiveMode::Recursive
        } else {
            RecursiveMode::NonRecursive
        };
        match watcher.watch(&folder, mode) {
            // Gone since we looked; loading the manifest again will tell.
            Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {}
            other => other?,
        }
    }
    Ok(watcher)
}

/// Reading a file is an event too, and not a change.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

/// What the thread knows.
struct Debounce {
    changed: mpsc::Sender<Changed>,
    paths: Vec<PathBuf>,
    polled: bool,
    /// What the paths looked like when we last told or were told about them.
    last: [u8; 32],
}

impl Debounce {
    fn new(changed: mpsc::Sender<Changed>) -> Self {
        Self {
            changed,
            paths: Vec::new(),
            polled: false,
            last: [0; 32],
        }
    }

    fn run(mut self, signals: &Receiver<Signal>) {
        loop {
            let received = if self.polled {
                signals.recv_timeout(POLL)
            } else {
                signals.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match received {
                Ok(signal) => self.handle(signal, signals),
                Err(RecvTimeoutError::Timeout) => {
                    if fingerprint(&self.paths) != self.last {
                        self.tell();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn handle(&mut self, signal: Signal, signals: &Receiver<Signal>) {
        match signal {
            Signal::Watch { paths, polled } => self.watch(paths, polled),
            Signal::Happened | Signal::Lost => {
                self.polled |= matches!(signal, Signal::Lost);
                let begin = Instant::now();
                while begin.elapsed() < UNQUIET_MAX {
                    match signals.recv_timeout(QUIET) {
                        Ok(Signal::Happened) => {}
                        Ok(Signal::Lost) => self.polled = true,
                        Ok(Signal::Watch { paths, polled }) => self.watch(paths, polled),
                        Err(_) => break,
                    }
                }
                self.tell();
            }
        }
    }

    fn watch(&mut self, paths: Vec<PathBuf>, polled: bool) {
        let now = fingerprint(&paths);
        let known: BTreeSet<&PathBuf> = self.paths.iter().collect();
        let new = paths.iter().any(|path| !known.contains(path));
        let changed_meanwhile = paths == self.paths && now != self.last;
        self.polled = polled;
        self.paths = paths;
        if new || changed_meanwhile {
            self.tell();
        } else {
            self.last = now;
        }
    }

    fn tell(&mut self) {
        // Before telling: what happens while the manifest is loaded then differs from this.
        self.last = fingerprint(&self.paths);
        // Full means that a change waits to be heard, which tells the same.
        let _ = self.changed.try_send(Changed);
    }
}

#[cfg(test)]
mod tests;
