//! Traffic: listeners, TLS, HTTP, rules applied, answers, records.
//!
//! One thread per core, each with its own runtime, sockets, buffers and timers; a request stays on its core from accept to
//! access log. What cores share is a table behind one pointer, counters, and nothing else. [`Proxy`] is the handle that
//! everybody else holds.
//!
//! Left to others: what rules mean (`routing`), HTTP/1 syntax (`http1`), how functions run (whoever implements
//! [`invoke::Invoker`]), where log lines go (`observe`), who may change the configuration (`model`, `store`).
#![forbid(unsafe_code)]

mod alone;
mod clock;
mod complaints;
mod connection;
mod core;
mod cores;
mod exchange;
mod explain;
mod handler;
mod headers;
mod health;
mod lambda;
mod listener;
#[doc(hidden)]
pub mod measure;
mod metrics;
mod pages;
mod places;
mod record;
mod reply;
mod socket;
mod sticky;
mod table;
mod tls;
mod trace;
mod view;
mod wheel;
mod work;

pub use alone::{AloneError, check_state, explain_state};
pub use cores::{ApplyError, CoreParts, ListenerStatus, Options, Proxy, StartError};
pub use explain::{ExplainError, ExplainedAction, ExplainedGroup, ExplainedRule, Explanation, Question};
pub use socket::BindError;
pub use table::{Table, TableError};
pub use tls::{TlsError, missing as missing_of_policy};

use std::time::Duration;

/// Bounds of the proxy. ALB's own limits are not among them: those are fixed.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Client connections over all cores. Further ones wait in the kernel.
    pub connections_max: usize,
    /// How long a request head may take from its first byte, if that is longer than the idle timeout. A client that sends
    /// a byte a second holds a connection no longer.
    pub head_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long connections may finish after a stop was asked for.
    pub drain: Duration,
    /// Bytes of request bodies that are held whole for functions, over all cores. More is answered 503 until there is room.
    pub body_bytes_max: usize,
    /// Requests each core remembers for `/_albacore/requests`.
    pub kept_requests: usize,
    /// The first health check of a target comes within this time, or within its interval if that is shorter: when it comes
    /// is random, and the ones after it keep the rhythm.
    pub health_check_spread: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 100_000,
            head_timeout: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(30),
            body_bytes_max: 256 * 1024 * 1024,
            kept_requests: 1000,
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
