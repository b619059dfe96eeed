//! What albacore tells about itself and about functions: logs in files and buckets, log groups, metric datapoints, and
//! counters shown as OpenMetrics.
//!
//! - [`AccessLog`] and [`AccessLogSender`] carry finished lines from the traffic cores to a file, in batches, without
//!   ever making traffic wait.
//! - [`Delivery`] and [`DeliverySender`] carry the lines of each load balancer to its bucket, as gzip files under AWS's
//!   names.
//! - [`LogGroups`] does the same for the events of functions, and [`LogGroupReader`] reads them again.
//! - [`Datapoints`] keeps what was measured in each minute, and [`DatapointReader`] adds it up for a CloudWatch API.
//! - [`lossy_queue`] is the way from threads that must not wait to one that may.
//! - [`Counter`], [`Gauge`] and [`Histogram`] count on one core without locks; an [`Exposition`] adds the cores up and
//!   writes the text that a scrape reads.
//!
//! Left to others: what stands in a line (the request record formats itself), which metrics exist (each room has its
//! own), and printing warnings (events come through a callback).

#![forbid(unsafe_code)]

mod access_log;
mod append;
mod batch;
mod counters;
mod datapoint;
mod delivery;
mod log_group;
mod open_metrics;
mod queue;
mod random;
#[cfg(test)]
mod testing;

pub use access_log::{
    AccessLog, AccessLogEvent, AccessLogLimits, AccessLogMonitor, AccessLogSender, AccessLogStatus, LostLines,
    OpenError, ShutdownError,
};
pub use counters::{Counter, Gauge, Histogram, HistogramSnapshot};
pub use datapoint::{
    Datapoint, DatapointLimits, DatapointMinute, DatapointMonitor, DatapointNews, DatapointReader, Datapoints,
    DatapointsError, Dimension, MetricFilter, MetricName, Series, Statistics, StatisticsPoint, StatisticsQuery, Unit,
};
pub use delivery::{
    Delivery, DeliveryError, DeliveryEvent, DeliveryHandle, DeliveryLimits, DeliveryMonitor, DeliverySender,
    Destination, DestinationError, DestinationFields, DirectoryStore, LogKind, LogStore, ObjectName, TestObjectError,
};
pub use log_group::{
    Direction, LogGroupEvent, LogGroupKeeper, LogGroupLimits, LogGroupMonitor, LogGroupNews, LogGroupReader,
    LogGroupSender, LogGroups, LogGroupsError, LogPosition, LogQuery, LogStreamFacts, Page, StoredLogEvent,
};
pub use open_metrics::{CONTENT_TYPE, CounterFamily, Exposition, GaugeFamily, HistogramFamily};
pub use queue::{Importance, QueueLimits, QueueReceiver, QueueSender, lossy_queue};
