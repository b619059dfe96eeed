//! The open database, its file, and what can go wrong with both.

use crate::log::disk::DiskFile;
use redb::{Database, StorageBackend};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::warn;

/// Memory for pages. The state itself is in memory, so that pages are read once, at the start.
const CACHE_BYTES: usize = 4 << 20;

/// A database in an open file.
#[derive(Debug)]
pub(crate) struct HeldFile {
    /// There until it is dropped.
    database: Option<Database>,
    file: Arc<dyn DiskFile>,
    watch: Arc<Watch>,
}

/// What the file lives through.
#[derive(Debug, Default)]
struct Watch {
    /// It is being made: one sync at the end is enough.
    being_made: AtomicBool,
    /// What was written may be lost although it can be read.
    sync_failed: AtomicBool,
}

/// Why the file is of no use.
#[derive(Debug)]
pub(crate) enum Failure {
    Io(io::Error),
    /// It is not what was written.
    Damaged(String),
    /// Another process has it.
    Closed,
}

impl Failure {
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Io(error) => error,
            Self::Damaged(reason) => io::Error::new(io::ErrorKind::InvalidData, reason),
            Self::Closed => io::ErrorKind::WouldBlock.into(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<redb::Error> for Failure {
    fn from(error: redb::Error) -> Self {
        match error {
            // What `redb` says of a file that is none of its own, or that ends too soon.
            redb::Error::Io(error)
                if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
            {
                Self::Damaged(error.to_string())
            }
            redb::Error::Io(error) => Self::Io(error),
            redb::Error::PreviousIo => Self::Io(io::Error::other("an error before this one")),
            redb::Error::ValueTooLarge(_) => Self::Io(io::ErrorKind::FileTooLarge.into()),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl HeldFile {
    /// A file that holds a database. One that was not closed is brought in order.
    pub(crate) fn open(file: Arc<dyn DiskFile>) -> Result<Self, Failure> {
        if file.length()? == 0 {
            // It would count as a new one.
            return Err(Failure::Damaged("it is empty".to_owned()));
        }
        let mut held = Self::begin(file, Watch::default())?;
        // Everything is read anyway. What is in use is found out anew: a page that counted as free by mistake would be
        // written over.
        if let Some(database) = &mut held.database {
            let in_order = unwound(|| Ok(database.check_integrity()?))?;
            if !in_order {
                warn!("the store's file was not in order, and has been brought in order");
            }
        }
        Ok(held)
    }

    /// A database in an empty file. Nothing is durable before [`Self::finish`].
    pub(crate) fn create(file: Arc<dyn DiskFile>) -> Result<Self, Failure> {
        let watch = Watch {
            being_made: AtomicBool::new(true),
            ..Watch::default()
        };
        Self::begin(file, watch)
    }

    fn begin(file: Arc<dyn DiskFile>, watch: Watch) -> Result<Self, Failure> {
        let watch = Arc::new(watch);
        let backend = Backend {
            file: file.clone(),
            watch: watch.clone(),
        };
        let database = unwound(move || {
            let mut builder = Database::builder();
            Ok(builder.set_cache_size(CACHE_BYTES).create_with_backend(backend)?)
        })?;
        let database = Some(database);
        Ok(Self { database, file, watch })
    }

    /// The one sync of a file that was made.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.watch.being_made.store(false, Ordering::Relaxed);
        self.file.sync()
    }

    /// How long the file is.
    pub(crate) fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    /// Did a sync fail?
    pub(crate) fn sync_failed(&self) -> bool {
        self.watch.sync_failed.load(Ordering::Relaxed)
    }

    /// Works with the database. A panic, which a damaged page may cause, is an error like any other.
    pub(crate) fn guarded<T>(&self, work: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, Failure> {
        let database = self.database.as_ref().ok_or(Failure::Closed)?;
        unwound(|| work(database))
    }
}

impl Drop for HeldFile {
    fn drop(&mut self) {
        let database = self.database.take();
        // What it could not write in order is brought in order by the next start.
        let _ = unwound(|| {
            drop(database);
            Ok(())
        });
    }
}

fn unwound<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Ok(done?),
        Err(_) => Err(Failure::Damaged("its pages do not fit together".to_owned())),
    }
}

/// The file as `redb` sees it.
#[derive(Debug)]
struct Backend {
    file: Arc<dyn DiskFile>,
    watch: Arc<Watch>,
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_length(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.watch.being_made.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.file
            .sync()
            .inspect_err(|_| self.watch.sync_failed.store(true, Ordering::Relaxed))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, data)
    }
}
