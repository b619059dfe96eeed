//! The endpoint port: albacore's own API under `/_albacore/`, and the place of the AWS API.
//!
//! The AWS API is not built yet. Until it is, its calls get an honest error in the shape their SDK can read, and never
//! a made-up success.
//!
//! ```text
//! server     connections, deadlines, body limits
//! door       who may speak to us at all: no web page may
//! own_api    /_albacore/*
//! lambda     the Invoke operation, so far behind /_albacore/ only
//! aws        everything else
//! ```
//!
//! Left to others: the facts that are shown (whoever implements [`Source`]), traffic of load balancers (`proxy`).
#![forbid(unsafe_code)]

mod access_log_line;
mod answer;
mod aws;
mod door;
mod lambda;
mod own_api;
mod server;
mod source;
mod status;

pub use lambda::PAYLOAD_BYTES_MAX;
pub use own_api::PREFIX;
pub use server::{BindError, INSTANCE_HEADER, Limits, Server};
pub use source::{LoggedRequest, Question, Source};
pub use status::{
    AccessLogStatus, FunctionStatus, ListenerStatus, LoadBalancerStatus, LogGroupsStatus, Status, TargetStatus,
};
