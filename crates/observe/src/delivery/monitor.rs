//! What everybody may know of log delivery: events, numbers, state.

use super::registry::Registry;
use crate::LostLines;
use crate::batch::Dropped;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Something an operator should hear about, told once per change and not once per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryEvent {
    /// Lines cannot be written to the spool from now on; every batch is tried again.
    SpoolFailing {
        /// What the system says.
        error: String,
    },
    /// Lines are written again.
    SpoolRecovered {
        /// How many could not be written in between.
        lines_lost: u64,
    },
    /// The queue was full: the disk is slower than the traffic.
    QueueFull {
        /// How many lines were dropped since the last event of this kind.
        lines_lost: u64,
    },
    /// A bucket takes no objects. They wait in the spool and are tried again.
    StoreFailing {
        /// The bucket.
        bucket: String,
        /// What the store says.
        error: String,
    },
    /// The bucket takes objects again.
    StoreRecovered {
        /// The bucket.
        bucket: String,
    },
    /// A spool cannot be read or removed. It stays where it is, and is tried again.
    Stuck {
        /// The file, or a folder of them.
        path: PathBuf,
        /// What is wrong with it.
        error: String,
    },
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) registry: Mutex<Registry>,
    pub(super) dropped: Arc<Dropped>,
    pub(super) written: AtomicU64,
    pub(super) not_written: AtomicU64,
    pub(super) delivered: AtomicU64,
    /// Bytes in spools of this process.
    pub(super) spooled: AtomicU64,
    /// Bytes in spools that others left behind and that are refused.
    pub(super) orphaned: AtomicU64,
    pub(super) spool_error: Mutex<Option<String>>,
    pub(super) store_error: Mutex<Option<String>>,
    pub(super) stop: AtomicBool,
}

impl Shared {
    pub(super) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget_spooled(&self, bytes: u64) {
        let less = |spooled: u64| Some(spooled.saturating_sub(bytes));
        let _ = self.spooled.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Lines that were written are gone.
    pub(super) fn unwrite(&self, lines: u64) {
        let less = |written: u64| Some(written.saturating_sub(lines));
        let _ = self.written.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    pub(super) fn set_spool_error(&self, error: Option<String>) {
        *self.spool_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    pub(super) fn set_store_error(&self, error: Option<String>) {
        *self.store_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// The numbers and the state of log delivery, for any thread.
#[derive(Clone, Debug)]
pub struct DeliveryMonitor(pub(super) Arc<Shared>);

impl DeliveryMonitor {
    /// Lines in spools so far, those that are delivered included.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// Lines lost so far.
    #[must_use]
    pub fn lost(&self) -> LostLines {
        LostLines {
            queue_full: self.0.dropped.queue_full.load(Ordering::Relaxed),
            not_written: self.0.not_written.load(Ordering::Relaxed),
            too_long: self.0.dropped.too_long.load(Ordering::Relaxed),
        }
    }

    /// Objects delivered so far.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.0.delivered.load(Ordering::Relaxed)
    }

    /// Bytes that wait in spools.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        let (own, orphaned) = (&self.0.spooled, &self.0.orphaned);
        own.load(Ordering::Relaxed) + orphaned.load(Ordering::Relaxed)
    }

    /// Why lines cannot be written to spools at the moment.
    #[must_use]
    pub fn spool_error(&self) -> Option<String> {
        self.0
            .spool_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Why objects cannot be put at the moment: what the first bucket that refuses says.
    #[must_use]
    pub fn store_error(&self) -> Option<String> {
        self.0
            .store_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
