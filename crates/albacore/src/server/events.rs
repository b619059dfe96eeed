//! Asynchronous invocations of this process: the queue in the data folder, and who waits for them at the end.

use anyhow::{Context, Result};
use functions::{EventLimits, EventStore, Events, Functions};
use model::State;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use store::Folder;
use store::objects::ObjectDirectory;
use store::queue::QueueRoom;
use tokio::sync::watch;

/// Ready when environments may end.
type Ended = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The events, and whether environments are kept for them although everything else has ended.
pub(super) struct AsyncInvocations {
    pub(super) events: Events,
    needs_environments: watch::Sender<bool>,
}

impl AsyncInvocations {
    /// Opens the queue beside the state, or leaves it closed while a predecessor has it. Nothing is run yet. Destinations that
    /// are buckets are folders in `buckets`.
    pub(super) fn open(
        data_dir: &Path,
        buckets: Option<PathBuf>,
        is_anothers: bool,
        functions: Functions,
        state: watch::Receiver<Arc<State>>,
    ) -> Result<Self> {
        let path = data_dir.join("state");
        let disk = Folder::make(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let store = EventStore {
            disk: Arc::new(disk),
            room: QueueRoom::default(),
            is_anothers,
            buckets: buckets.map(ObjectDirectory::new),
        };
        Ok(Self {
            events: Events::open(store, EventLimits::default(), functions, state)?,
            needs_environments: watch::Sender::new(false),
        })
    }

    /// For each core: ready when no environment is needed any more. It ends its environments after that.
    pub(super) fn all_ended(&self) -> impl Fn() -> Ended + Clone + Send + Sync + 'static {
        let needs = self.needs_environments.subscribe();
        move || {
            let mut needs = needs.clone();
            Box::pin(async move {
                // Who could need them is gone when this is an error.
                let _ = needs.wait_for(|needs| !needs).await;
            })
        }
    }

    /// No environment is ended before [`AsyncInvocations::finish`] is over.
    pub(super) fn hold_environments(&self) {
        self.needs_environments.send_replace(true);
    }

    /// Begins nothing more, and lets what runs finish for at most `within`; the rest is run again after the next start. Waits
    /// for `others`, too, who need environments.
    pub(super) async fn finish(&self, within: Duration, others: impl Future<Output = ()>) {
        tokio::join!(self.events.pause(within), others);
        self.needs_environments.send_replace(false);
    }
}
