//! Where the own API has its facts from.

use crate::status::Status;
use invoke::{Invocation, Invoked};
use model::{Scope, State};
use observe::{Exposition, LogGroupReader};
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// What the own API shows. The calls that are not futures return within milliseconds.
pub trait Source: Send + Sync + 'static {
    /// Why this server is not ready to serve everything as configured; `None` when it is.
    fn obstacle(&self) -> Option<&'static str>;

    /// The whole picture.
    fn status(&self) -> Status;

    /// Adds every counter there is.
    fn metrics(&self, out: &mut Exposition);

    /// The last requests, newest last.
    fn requests(&self) -> impl Future<Output = Vec<LoggedRequest>> + Send;

    /// What would happen to a request, as a JSON document; or why there is no answer, for people.
    fn explain(&self, question: Question) -> Result<String, String>;

    /// What users asked for.
    fn state(&self) -> Arc<State>;

    /// Where names without a region and an account stand.
    fn scope(&self) -> &Scope;

    /// Runs a function. Ends by itself, at the latest some time after the function's timeout.
    fn invoke(&self, invocation: Invocation) -> impl Future<Output = Invoked> + Send;

    /// What functions wrote, and a number that changes whenever there is more of it. Queries wait for what is on its way,
    /// as [`LogGroupReader::catch_up`] says.
    fn logs(&self) -> (LogGroupReader, watch::Receiver<u64>);
}

/// One finished request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoggedRequest {
    /// Its access-log line.
    pub line: String,
    /// Why the answer of a function was refused, for people.
    pub verdict: Option<String>,
}

/// A request to be explained, as JSON has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The method. Default `GET`.
    #[serde(default = "get")]
    pub method: String,
    /// `http://host:port/path?query`, or a path alone when there is one listener.
    pub url: String,
    /// Names and values, in order.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body in base64. Empty for none.
    #[serde(default)]
    pub body_base64: String,
    /// The address the request comes from. Default `127.0.0.1`.
    #[serde(default = "loopback")]
    pub client: IpAddr,
}

fn get() -> String {
    "GET".to_owned()
}

fn loopback() -> IpAddr {
    IpAddr::from([127, 0, 0, 1])
}

impl Question {
    /// A `GET` from loopback without headers of its own.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self {
            method: get(),
            url,
            headers: Vec::new(),
            body_base64: String::new(),
            client: loopback(),
        }
    }
}
