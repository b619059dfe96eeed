//! What albacore tells about itself and about functions: access-log files, log groups, and counters shown as OpenMetrics.
//!
//! - [`AccessLog`] and [`AccessLogSender`] carry finished lines from the traffic cores to a file, in batches, without
//!   ever making traffic wait.
//! - [`LogGroups`] does the same for the events of functions, and [`LogGroupReader`] reads them again.
//! - [`lossy_queue`] is the way from threads that must not wait to one that may.
//! - [`Counter`], [`Gauge`] and [`Histogram`] count on one core without locks; an [`Exposition`] adds the cores up and
//!   writes the text that a scrape reads.
//!
//! Left to others: what stands in a line (the request record formats itself), which metrics exist (each room has its
//! own), and printing warnings (events come through a callback).

#![forbid(unsafe_code)]

mod access_log;
mod counters;
mod log_group;
mod open_metrics;
mod queue;
#[cfg(test)]
mod testing;

pub use access_log::{
    AccessLog, AccessLogEvent, AccessLogLimits, AccessLogMonitor, AccessLogSender, AccessLogStatus, LostLines,
    OpenError, ShutdownError,
};
pub use counters::{Counter, Gauge, Histogram, HistogramSnapshot};
pub use log_group::{
    Direction, LogGroupEvent, LogGroupLimits, LogGroupMonitor, LogGroupNews, LogGroupReader, LogGroupSender, LogGroups,
    LogGroupsError, LogPosition, LogQuery, Page, StoredLogEvent,
};
pub use open_metrics::{CONTENT_TYPE, CounterFamily, Exposition, GaugeFamily, HistogramFamily};
pub use queue::{Importance, QueueLimits, QueueReceiver, QueueSender, lossy_queue};
