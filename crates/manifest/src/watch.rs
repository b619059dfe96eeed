//! Says when the manifest, a certificate or a function's code may have changed.
//!
//! Folders are watched and not files, because editors replace a file by renaming another one over it. So is every link on
//! the way to a file, because a mounted volume of Kubernetes is changed by setting one anew. Where the system has no watches
//! left, one thread asks once a second instead.
//!
//! What changed, and whether it matters, is left to loading the manifest again: an unchanged one gives an empty batch.

mod brake;
mod debounce;
mod interest;
mod route;

use crate::own::OwnFiles;
use debounce::Debounce;
use interest::Interest;
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use route::Routes;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// So long nothing more may happen before a change is told: a save is several events, and often several files.
const QUIET: Duration = Duration::from_millis(20);
/// The same while a file is being written that was not closed yet: half of it is no code.
const QUIET_WRITING: Duration = Duration::from_millis(100);
/// After this a change is told even when there is no quiet.
const UNQUIET_MAX: Duration = Duration::from_millis(500);
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
    events: Option<Events>,
    own: OwnFiles,
    restless: Restless,
}

/// What the thread has to say about files that keep changing.
type Restless = Arc<Mutex<Option<String>>>;

/// The system's watches for one set of paths.
struct Events {
    /// Ends them when it goes.
    _watcher: RecommendedWatcher,
    paths: Vec<PathBuf>,
    /// Where they led when the watches were set.
    routes: Routes,
    /// Folders have come, gone or moved, so that other folders may have to be watched than are.
    stale: Arc<AtomicBool>,
}

enum Signal {
    /// Something happened to a path that matters; `writing` when more of it must follow.
    Happened { path: PathBuf, writing: bool },
    /// Events may be missing from now on.
    Lost,
    /// These are the paths now.
    Watch { paths: Vec<PathBuf>, by: Means },
}

/// How changes are found.
#[derive(Clone, Copy, PartialEq)]
enum Means {
    /// By the system's watches, as before.
    Standing,
    /// By new ones, which have not seen what happened before they stood.
    New,
    /// By asking.
    Asking,
}

impl Watcher {
    /// A watcher that watches nothing yet, and never what happens to `own` files in folders of code.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(own: OwnFiles) -> std::io::Result<Self> {
        let (signals, received) = sync_channel(SIGNALS);
        let (changed, changes) = mpsc::channel(1);
        let restless = Restless::default();
        let debounce = Debounce::new(changed, own.clone(), Arc::clone(&restless));
        let thread = std::thread::Builder::new()
            .name("manifest-watch".to_owned())
            .spawn(move || debounce.run(&received))?;
        Ok(Self {
            signals: Some(signals),
            thread: Some(thread),
            changes,
            events: None,
            own,
            restless,
        })
    }

    /// Watches `paths` and nothing else from now on. Paths that were not watched before count as changed, because
    /// nobody saw what happened to them since they were read.
    ///
    /// Returns a warning when it has to ask once a second instead, or when a file keeps changing, so that changes are told
    /// more slowly.
    pub fn watch(&mut self, paths: &[PathBuf]) -> Option<String> {
        let warning = self.renew(paths);
        let restless = self.restless.lock().unwrap_or_else(PoisonError::into_inner).take();
        let warnings: Vec<_> = warning.into_iter().chain(restless).collect();
        (!warnings.is_empty()).then(|| warnings.join("; "))
    }

    fn renew(&mut self, paths: &[PathBuf]) -> Option<String> {
        let signals = self.signals.as_ref()?;
        // A folder with thousands of folders takes long to watch, and is the same folder most of the time.
        if self.events.as_ref().is_some_and(|events| events.serve(paths)) {
            let _ = signals.send(Signal::Watch {
                paths: paths.to_vec(),
                by: Means::Standing,
            });
            return None;
        }
        let (events, warning) = match Events::of(paths, &self.own, signals) {
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
        let by = if events.is_some() { Means::New } else { Means::Asking };
        // The ones before go only now, when their successors stand.
        self.events = events;
        let paths = paths.to_vec();
        // Fails only when the thread is gone, which then tells nothing either.
        let _ = signals.send(Signal::Watch { paths, by });
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

impl Events {
    fn of(paths: &[PathBuf], own: &OwnFiles, signals: &SyncSender<Signal>) -> notify::Result<Self> {
        let interest = Interest::of(paths, own);
        let (folders, routes) = (interest.folders_to_watch(), interest.routes().clone());
        let stale = Arc::new(AtomicBool::new(false));
        let (signals, grows_stale) = (signals.clone(), Arc::clone(&stale));
        let handler = move |event: notify::Result<Event>| {
            let signal = match event {
                Ok(event) if event.need_rescan() => Signal::Lost,
                Ok(event) if is_change(&event.kind) => {
                    let Some(path) = event.paths.iter().find(|path| interest.concerns(path)) else {
                        return;
                    };
                    if moves_folders(&event, &interest) {
                        grows_stale.store(true, Relaxed);
                    }
                    Signal::Happened {
                        path: path.clone(),
                        writing: is_writing(&event.kind),
                    }
                }
                Ok(_) => return,
                Err(_) => Signal::Lost,
            };
            if matches!(signal, Signal::Lost) {
                grows_stale.store(true, Relaxed);
            }
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
        Ok(Self {
            _watcher: watcher,
            paths: paths.to_vec(),
            routes,
            stale,
        })
    }

    /// Do they see all that happens to `paths`? Not when a link leads elsewhere by now.
    fn serve(&self, paths: &[PathBuf]) -> bool {
        self.paths == paths && !self.stale.load(Relaxed) && self.routes == Routes::of(paths)
    }
}

/// Whether the event may be about a folder that came, went or moved.
fn moves_folders(event: &Event, interest: &Interest) -> bool {
    match event.kind {
        EventKind::Create(CreateKind::File) | EventKind::Remove(RemoveKind::File) => {
            event.paths.iter().any(|path| interest.leads_on(path))
        }
        EventKind::Modify(ModifyKind::Name(_)) => {
            let folder = |path: &PathBuf| interest.leads_on(path) || path.is_dir();
            event.paths.iter().any(folder)
        }
        EventKind::Modify(_) | EventKind::Access(_) => false,
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Any | EventKind::Other => true,
    }
}

/// Whether a file was begun or changed and must be closed yet.
fn is_writing(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::Create(CreateKind::File) | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any)
    )
}

/// Reading a file is an event too, and not a change.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests;
