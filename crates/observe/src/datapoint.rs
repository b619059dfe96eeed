//! Metric datapoints: what was measured in each minute, kept to be read by a CloudWatch API.
//!
//! A datapoint is a statistic set of one metric, told from others by namespace, name and dimensions, as CloudWatch has
//! them (source: ALB 8.2). Each minute is appended in one write to the file of its hour and then forgotten: writing
//! takes the memory of a block, however much is kept. Files older than two weeks are removed, and the oldest ones
//! earlier when all together are too large. Queries read files, those of the hours they ask for.
//!
//! What the system has taken survives the death of the process, and half a block that a death left behind is ignored. A
//! disk that refuses costs datapoints, which are counted. Two processes may write at once, each to files of its own:
//! what both measured in a minute adds up.
//!
//! Left to others: what is measured, making differences of counters ([`crate::HistogramSnapshot::since`] helps), and
//! calling [`Datapoints::record`] once a minute, off the traffic path.

mod block;
mod file;
mod reader;
mod series;
mod statistics;
mod writer;

use crate::counters::HistogramSnapshot;
pub use reader::{DatapointReader, MetricFilter, MetricName, StatisticsPoint, StatisticsQuery};
pub use series::Series;
pub use statistics::{Statistics, Unit};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
pub use writer::DatapointMinute;
use writer::Writer;

/// The bounds of datapoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatapointLimits {
    /// All files together, in bytes; the oldest are removed. Default 4 GiB. A datapoint takes about 8 bytes, so
    /// that is two weeks of 25,000 metrics.
    pub bytes_max: u64,
    /// How long datapoints are kept, in whole hours. Default two weeks.
    pub keep: Duration,
}

impl Default for DatapointLimits {
    fn default() -> Self {
        Self {
            bytes_max: 4 * 1024 * 1024 * 1024,
            keep: Duration::from_secs(14 * 24 * 3600),
        }
    }
}

/// A name and a value that tell a metric from others of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dimension<'a> {
    /// `LoadBalancer`, for example.
    pub name: &'a str,
    /// `app/shop/0123456789abcdef`, for example.
    pub value: &'a str,
}

/// What was measured of one metric in one minute.
#[derive(Clone, Copy, Debug)]
pub struct Datapoint<'a> {
    /// `AWS/ApplicationELB`, for example.
    pub namespace: &'a str,
    /// `RequestCount`, for example.
    pub metric: &'a str,
    /// At most 30, best sorted.
    pub dimensions: &'a [Dimension<'a>],
    /// The unit.
    pub unit: Unit,
    /// The values.
    pub statistics: Statistics,
    /// The values as durations, where percentiles are wanted; the unit is one of time then.
    pub histogram: Option<&'a HistogramSnapshot>,
}

/// Something an operator should hear about, told once per change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatapointNews {
    /// Datapoints cannot be written from now on; each minute is tried.
    Failing {
        /// What the system says.
        error: String,
    },
    /// Datapoints are written again.
    Recovered {
        /// How many could not be written in between.
        datapoints_lost: u64,
    },
}

/// Why datapoints cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the folder of datapoints {path}", path = path.display())]
pub struct DatapointsError {
    /// The folder.
    pub path: PathBuf,
    /// Why not.
    pub source: io::Error,
}

#[derive(Debug, Default)]
struct Shared {
    written: AtomicU64,
    not_written: AtomicU64,
    refused: AtomicU64,
    error: Mutex<Option<String>>,
}

impl Shared {
    fn set_error(&self, error: Option<String>) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// The numbers and the state of datapoints, for any thread.
#[derive(Clone, Debug)]
pub struct DatapointMonitor(Arc<Shared>);

impl DatapointMonitor {
    /// Datapoints in files so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// Datapoints that the disk refused.
    #[must_use]
    pub fn lost_not_written(&self) -> u64 {
        self.0.not_written.load(Ordering::Relaxed)
    }

    /// Datapoints that were none: a value that is no number, a name that is empty or too long.
    #[must_use]
    pub fn lost_refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Why the last minute could not be written whole.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.0.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keeps datapoints. Belongs to the one thread that records them.
#[derive(Debug)]
pub struct Datapoints {
    folder: PathBuf,
    writer: Writer,
    shared: Arc<Shared>,
}

impl Datapoints {
    /// Makes the folder, private to the user, when it is missing.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(folder: &Path, limits: DatapointLimits) -> Result<Self, DatapointsError> {
        let shared = Arc::new(Shared::default());
        let writer = Writer::new(folder, limits, Arc::clone(&shared)).map_err(|source| DatapointsError {
            path: folder.to_owned(),
            source,
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            writer,
            shared,
        })
    }

    /// Appends what was measured in a minute, in minutes since the epoch; `write` puts the datapoints. Nothing is kept
    /// in memory. Minutes usually follow each other, but need not. Blocks on the disk. Returns what an operator should
    /// hear about.
    pub fn record(&mut self, minute: u64, write: impl FnOnce(&mut DatapointMinute<'_>)) -> Option<DatapointNews> {
        self.writer.record(minute, write)
    }

    /// Removes what is older than it is to be kept at this minute, also when nothing new is recorded.
    ///
    /// # Errors
    /// The folder cannot be read. A file that cannot be removed is tried again the next time.
    pub fn expire(&mut self, minute: u64) -> io::Result<()> {
        self.writer.expire(minute / 60)
    }

    /// Reads what was recorded.
    #[must_use]
    pub fn reader(&self) -> DatapointReader {
        DatapointReader::new(self.folder.clone())
    }

    /// The numbers and the state.
    #[must_use]
    pub fn monitor(&self) -> DatapointMonitor {
        DatapointMonitor(Arc::clone(&self.shared))
    }
}

#[cfg(test)]
mod tests;
