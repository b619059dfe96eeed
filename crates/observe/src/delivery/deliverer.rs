//! The thread that makes objects of finished spools: compresses, puts, and removes the spool.
//!
//! What is to be done stands in the folders, not in memory, so that nothing is forgotten and nothing grows. It is a
//! thread of its own because compressing five minutes of a busy load balancer takes seconds, and lines keep coming.

use super::folder::{Folder, OPEN, READY};
use super::spool::{self, Contents};
use super::{DeliveryEvent, LogStore, Shared, Tell};
use flate2::Compression;
use flate2::bufread::GzEncoder;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// Trying again at once would only keep a core busy.
const RETRY_INTERVAL_MIN: Duration = Duration::from_millis(1);

pub(super) struct Deliverer {
    pub(super) spool: PathBuf,
    pub(super) folder: Arc<Folder>,
    pub(super) store: Arc<dyn LogStore>,
    pub(super) shared: Arc<Shared>,
    pub(super) tell: Tell,
    /// How long until what failed is tried again.
    pub(super) retry_interval: Duration,
    /// Buckets that refused last, and what the store said.
    pub(super) refused: HashMap<String, String>,
    /// Spools that cannot be read or removed, and were told.
    pub(super) stuck: HashSet<PathBuf>,
}

impl Deliverer {
    /// Delivers whenever it is woken, until the writer is gone; then all the rest, once.
    pub(super) fn run(mut self, woken: &Receiver<()>) {
        self.round(&[READY]);
        loop {
            let outcome = if self.refused.is_empty() {
                woken.recv().map_err(RecvTimeoutError::from)
            } else {
                woken.recv_timeout(self.retry_interval.max(RETRY_INTERVAL_MIN))
            };
            match outcome {
                Ok(()) | Err(RecvTimeoutError::Timeout) => self.round(&[READY]),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        // There are open ones only if the writer panicked.
        self.round(&[OPEN, READY]);
        self.folder.remove_if_done();
    }

    fn round(&mut self, endings: &[&str]) {
        // Buckets that refuse now: their other spools wait for the next round.
        let mut refusing = HashSet::new();
        let folder = Arc::clone(&self.folder);
        for path in self.files(&folder, endings) {
            let bytes = bytes_of(&path);
            if self.deliver(&path, &mut refusing) {
                self.shared.forget_spooled(bytes);
            }
        }
        let mut orphaned = 0;
        for orphan in Folder::orphans(&self.spool).unwrap_or_default() {
            for path in self.files(&orphan, &[OPEN, READY]) {
                if !self.deliver(&path, &mut refusing) {
                    orphaned += bytes_of(&path);
                }
            }
            orphan.remove_if_done();
        }
        self.shared.orphaned.store(orphaned, Ordering::Relaxed);
        // Somebody may have deleted what a bucket refused.
        self.refused.retain(|bucket, _| refusing.contains(bucket));
        self.show_refusals();
    }

    fn files(&mut self, folder: &Folder, endings: &[&str]) -> Vec<PathBuf> {
        match folder.files(endings) {
            Ok(files) => {
                self.stuck.remove(folder.path());
                files
            }
            Err(error) => {
                self.tell_stuck(folder.path(), error.to_string());
                Vec::new()
            }
        }
    }

    /// Whether the spool is gone, because it is delivered or has nothing to deliver.
    fn deliver(&mut self, path: &Path, refusing: &mut HashSet<String>) -> bool {
        match spool::open(path) {
            Ok(None) => {}
            Ok(Some(Contents { object, .. })) if refusing.contains(&object.bucket) => return false,
            Ok(Some(Contents { object, lines })) => {
                let mut compressed = GzEncoder::new(lines, Compression::fast());
                if let Err(error) = self.store.put(&object, &mut compressed) {
                    self.refused(&object.bucket, error.to_string());
                    refusing.insert(object.bucket);
                    return false;
                }
                self.shared.delivered.fetch_add(1, Ordering::Relaxed);
                self.took(object.bucket);
            }
            Err(error) => {
                self.tell_stuck(path, error.to_string());
                return false;
            }
        }
        // One that stays is delivered again, and replaces the object with itself.
        if let Err(error) = fs::remove_file(path) {
            self.tell_stuck(path, error.to_string());
            return false;
        }
        self.stuck.remove(path);
        true
    }

    fn refused(&mut self, bucket: &str, error: String) {
        let is_news = self.refused.insert(bucket.to_owned(), error.clone()).is_none();
        if is_news {
            let bucket = bucket.to_owned();
            (self.tell)(DeliveryEvent::StoreFailing { bucket, error });
        }
    }

    fn took(&mut self, bucket: String) {
        if self.refused.remove(&bucket).is_some() {
            (self.tell)(DeliveryEvent::StoreRecovered { bucket });
        }
    }

    fn show_refusals(&self) {
        let first = self.refused.iter().min();
        self.shared
            .set_store_error(first.map(|(bucket, error)| format!("bucket {bucket}: {error}")));
    }

    fn tell_stuck(&mut self, path: &Path, error: String) {
        if self.stuck.insert(path.to_owned()) {
            let path = path.to_owned();
            (self.tell)(DeliveryEvent::Stuck { path, error });
        }
    }
}

fn bytes_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |about| about.len())
}
