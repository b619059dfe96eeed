//! The endpoint port: albacore's own API under `/_albacore/`, and the place of the AWS API.
//!
//! Of the AWS API, Elastic Load Balancing is built. Calls of other services get an honest error in the shape their SDK can
//! read, and never a made-up success.
//!
//! ```text
//! server     connections, deadlines, body limits
//! door       who may speak to us at all: no web page may
//! own_api    /_albacore/*
//! function_url  requests for the host name of a function URL, which `gateway` answers
//! function_door  calls from inside of functions: who may do what, and how much of it
//! lambda     the Invoke operation, so far behind /_albacore/ only
//! links, objects  what calls cannot carry: where it is fetched, and where it comes from
//! aws        everything else: signatures, Elastic Load Balancing
//! ```
//!
//! Left to others: the facts that are shown (whoever implements [`Source`]), traffic of load balancers (`proxy`).
#![forbid(unsafe_code)]

mod access_log_line;
mod answer;
mod api;
mod aws;
mod door;
mod function_door;
mod function_url;
#[doc(hidden)]
pub mod fuzzing;
mod lambda;
mod links;
mod objects;
mod own_api;
mod server;
mod source;
mod status;
mod stream_rate;

pub use api::{ApiSettings, ChangeError, Changed, ClosedListeners, Credentials, PrepareError};
pub use door::NO_TOKEN;
pub use function_door::{CONNECTIONS_MAX as DOOR_CONNECTIONS_MAX, Doors};
pub use lambda::PAYLOAD_BYTES_MAX;
pub use objects::Objects;
pub use own_api::PREFIX;
pub use server::{BindError, INSTANCE_HEADER, Limits, Server, open, open_function_urls};
pub use source::{LoggedRequest, MeasureError, Measurement, Question, Source};
pub use status::{
    AccessLogStatus, ClosedListenerStatus, DatapointsStatus, FunctionStatus, ListenerStatus, LoadBalancerStatus,
    LogDeliveryStatus, LogGroupsStatus, ServerStatus, StateStatus, Status, TargetStatus,
};
pub use stream_rate::StreamRate;
