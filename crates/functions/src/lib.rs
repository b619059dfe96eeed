//! Runs functions: execution environments with the Lambda Runtime API, and the scheduling of invocations onto them.
//!
//! [`Functions`] is what all cores share: the spawner, the limits and the counters. Each traffic core has one
//! [`CoreFunctions`] with environments of its own; the sockets of their Runtime API are served by the very thread that
//! holds the client's request, so that an invocation crosses no thread.
//!
//! ```text
//! scheduler            which environment runs an invocation, and who waits      (one for each function and core)
//! exchange             how an invocation gets to another core
//! environment          the state of one environment: runtime, invocation        (events in, no I/O but one write)
//! environment/running  its invocation, from the event to the last line of its log
//! environment/life     its task: init, deadlines, exits, resets, the end
//! environment/extension, environment/external   its extensions: what they are told, and their processes
//! runtime_api          the HTTP server that a runtime talks to
//! log                  what functions write, and what Lambda writes about them
//! telemetry            the same for extensions, delivered to their listeners
//! metrics              what Lambda's metrics are made of
//! network              what functions reach, and the names that they ask for
//! door                 the way from an environment to the platform's APIs
//! account              limits and counters of one function, over all cores
//! ```
//!
//! Runtimes are `provided.*`; `python3.*`, `nodejs*` and `ruby*` by bootstraps of our own that are embedded in this program
//! (`runtimes` in the root of the source) and run by the interpreters of the host; `java*` and `dotnet*` by the public runtime
//! interface clients, which the host or the function has to bring.
//!
//! In the `namespace` tier an environment sees nothing of the host: its code is at `/var/task`, and its Runtime API listens
//! at port 9001 of a network that has nobody else in it, unless the function is to be in the host's (`network: host`): then it
//! listens on a loopback port for the environment's own processes. In the `process` tier an environment's Runtime API listens
//! on a loopback port, accepts connections only from processes of the user that functions run as, and the code is where
//! it lies on the host. That isolates nothing from a determined function, and nothing at all when everything runs as
//! root.
//!
//! Left to others: who may invoke, events and responses of the load balancer (`proxy`), starting and confining processes
//! (`sandbox`), keeping log lines (whoever implements [`LogSink`]).
#![forbid(unsafe_code)]

mod account;
mod class_data;
mod code;
mod core;
mod door;
mod environment;
mod event;
mod exchange;
mod extensions;
mod failure;
mod host;
mod interpreters;
mod json;
mod kept;
mod launch;
mod limits;
mod log;
mod machine;
mod metrics;
mod network;
mod notices;
mod options;
mod pace;
mod parking;
mod pending;
mod pressure;
mod request_id;
mod runtime_api;
mod runtime_files;
mod scaling;
mod scheduler;
mod telemetry;

pub use crate::core::{Busy, CoreFunctions, Functions, Unprepared};
pub use event::{EventLimits, EventStore, Events};
pub use interpreters::RuntimeNotice;
pub use log::{LOG_LINE_BYTES_MAX, LogEvent, LogSink, Source};
pub use metrics::{MetricEvent, Readings, datapoints, late_datapoints};
pub use options::{DESCRIPTORS_PER_ENVIRONMENT, ENVIRONMENTS_MAX, Options};
pub use parking::ParkingReport;

/// The largest event of a synchronous invocation, in bytes. Source: Lambda 5.1.
pub const EVENT_BYTES_MAX: usize = 6 * 1024 * 1024;

/// The largest answer of a buffered invocation, in bytes: 6 MB and 100. Source: Lambda 2.3.
pub const ANSWER_BYTES_MAX: usize = 6 * 1024 * 1024 + 100;

/// The largest answer of a streaming invocation, in bytes: 200 MB. Source: Lambda 2.6.
pub const STREAM_BYTES_MAX: u64 = 200 * 1024 * 1024;
