//! Traffic: listeners, TLS, HTTP, rules applied, answers, records.
//!
//! One thread per core, each with its own runtime, sockets, buffers and timers; a request stays on its core from accept to
//! access log. What cores share is a table behind one pointer, counters, and nothing else. [`Proxy`] is the handle that
//! everybody else holds.
//!
//! Left to others: what rules mean (`routing`), HTTP/1 syntax (`http1`), how functions run (whoever implements
//! [`invoke::Invoker`]), where log lines go (`observe`), who may change the configuration (`model`, `store`).
#![forbid(unsafe_code)]

mod admission;
mod alone;
mod balance;
mod busy_poll;
mod cause;
mod clock;
mod complaints;
mod connection;
mod connection_log;
mod core;
mod cores;
mod exchange;
mod explain;
#[doc(hidden)]
pub mod fuzzing;
mod grpc;
mod handler;
mod headers;
mod health;
mod lambda;
mod left;
mod line;
mod listener;
mod log_delivery;
mod logs;
#[doc(hidden)]
pub mod measure;
mod metrics;
mod pages;
mod places;
mod recent;
mod record;
mod relay;
mod reply;
mod socket;
mod sticky;
mod table;
mod target;
mod tls;
mod trace;
mod view;
mod wheel;
mod work;

pub use alone::{AloneError, check_state, explain_state};
pub use cores::{
    ApplyError, CoreParts, HandedHealth, HandedOver, HandedPort, ListenerStatus, Options, Proxy, StartError,
};
pub use explain::{
    ExplainError, ExplainedAction, ExplainedGroup, ExplainedRule, ExplainedTarget, Explanation, Question,
};
pub use line::LogFormat;
pub use log_delivery::{LogDeliveries, LogDeliveryError};
pub use metrics::{Readings, datapoints};
pub use socket::BindError;
pub use table::{Table, TableError};
pub use target::reach::has_way_to;
pub use tls::{TlsError, TrustStoreError, UnreadableTicketKeys, missing as missing_of_policy};

use std::time::Duration;

/// Bounds of the proxy. ALB's own limits are not among them: those are fixed.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Client connections over all cores. Further ones wait in the kernel.
    pub connections_max: usize,
    /// How long no place may be free before connections that wait for one are refused, until one is free again. A place that
    /// goes straight to whoever waits was not free. Shorter bursts are served in their turn.
    pub refuse_after: Duration,
    /// Connections that each core refuses at the same time.
    pub refusals_max: usize,
    /// How long a request head may take from its first byte, if that is longer than the idle timeout. A client that sends
    /// a byte a second holds a connection no longer.
    pub head_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long a listener may be gone, as it is while it is replaced, before its idle clients are let go. Tests take less.
    pub let_go_after: Duration,
    /// How long connections may finish after a stop was asked for.
    pub drain: Duration,
    /// Bytes of request bodies that are held whole for functions, over all cores. More is answered 503 until there is room.
    pub body_bytes_max: usize,
    /// Bytes that streams of HTTP/2 hold for clients and targets that do not read, over all cores, by estimate. Beyond it
    /// clients with open streams get 503 for further ones, and clients that do not read for a second lose their streams.
    pub stream_bytes_max: usize,
    /// How long a connection to a target may take to open. ALB's 10 seconds; tests take less.
    pub target_connect_timeout: Duration,
    /// How long a TLS handshake with a target may take. ALB's 10 seconds; tests take less.
    pub target_handshake_timeout: Duration,
    /// Connections to targets that wait for another request, over all cores. Further ones are closed after their request.
    pub idle_target_connections_max: usize,
    /// Connections to targets have descriptors with numbers below it: what is left is for health checks and the rest of the
    /// process. A request that finds none makes connections that wait close, or is answered 503.
    pub target_descriptors_max: usize,
    /// Requests each core remembers for `/_albacore/requests`.
    pub kept_requests: usize,
    /// How long a core polls for the answer of a target before it sleeps, while one request alone waits for one. Zero: never.
    pub busy_poll: Duration,
    /// The first health check of a target comes within this time, or within its interval if that is shorter: when it comes
    /// is random, and the ones after it keep the rhythm. So does one that is late because the process stood still or the
    /// interval became shorter.
    pub health_check_spread: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 100_000,
            refuse_after: Duration::from_secs(1),
            refusals_max: 64,
            head_timeout: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(10),
            let_go_after: Duration::from_secs(5),
            drain: Duration::from_secs(30),
            body_bytes_max: 256 * 1024 * 1024,
            stream_bytes_max: 1024 * 1024 * 1024,
            target_connect_timeout: Duration::from_secs(10),
            target_handshake_timeout: Duration::from_secs(10),
            idle_target_connections_max: 10_000,
            target_descriptors_max: usize::MAX,
            kept_requests: 1000,
            busy_poll: Duration::ZERO,
            health_check_spread: Duration::from_secs(5),
        }
    }
}

/// One finished request, as `/_albacore/requests` shows it.
#[derive(Clone, Debug, Default)]
pub struct RequestEntry {
    /// The access-log line.
    pub line: Vec<u8>,
    /// Why the answer of a function was refused, for people.
    pub verdict: Option<String>,
}
