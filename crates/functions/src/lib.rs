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
//! runtime_api          the HTTP server that a runtime talks to
//! log                  what functions write, and what Lambda writes about them
//! account              limits and counters of one function, over all cores
//! ```
//!
//! Runtimes are `provided.*`, and `python3.*` and `nodejs*` by bootstraps of our own that are embedded in this program
//! (`runtimes` in the root of the source) and run by the interpreters of the host.
//!
//! The tier is `process`. There an environment's Runtime API listens
//! on a loopback port, accepts connections only from processes of the user that functions run as, and the code is where
//! it lies on the host. That isolates nothing from a determined function, and nothing at all when everything runs as
//! root.
//!
//! Left to others: who may invoke, events and responses of the load balancer (`proxy`), starting and confining processes
//! (`sandbox`), keeping log lines (whoever implements [`LogSink`]).
#![forbid(unsafe_code)]

mod account;
mod code;
mod core;
mod environment;
mod exchange;
mod failure;
mod host;
mod interpreters;
mod json;
mod launch;
mod log;
mod options;
mod pace;
mod pending;
mod request_id;
mod runtime_api;
mod runtime_files;
mod scheduler;

pub use crate::core::{CoreFunctions, Functions};
pub use interpreters::RuntimeNotice;
pub use log::{LOG_LINE_BYTES_MAX, LogEvent, LogSink, Source};
pub use options::Options;

/// The largest event of a synchronous invocation, in bytes. Source: Lambda 5.1.
pub const EVENT_BYTES_MAX: usize = 6 * 1024 * 1024;

/// The largest answer of a buffered invocation, in bytes: 6 MB and 100. Source: Lambda 2.3.
pub const ANSWER_BYTES_MAX: usize = 6 * 1024 * 1024 + 100;
