//! Where the own API has its facts from.

use crate::api::{ApiSettings, ChangeError, Changed, PrepareError};
use crate::status::Status;
use invoke::{Event, EventRefusal, Invocation, Invoked, Streaming};
use model::lambda::function::{Code, Layers};
use model::lambda::provisioning::KeptReport;
use model::observed::TargetReport;
use model::{Command, FunctionArn, Scope, State};
use observe::{DatapointReader, Exposition, LogGroupKeeper, LogGroupReader, Statistics, Unit};
use pki::{IssuedCertificate, KeyAlgorithm};
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
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

    /// What the process says about the resources of the AWS API.
    fn api(&self) -> &ApiSettings;

    /// Every target, with its health.
    fn targets(&self) -> Vec<TargetReport>;

    /// Changes the state and what serves traffic: `build` makes the commands from the state that they will be decided on,
    /// and what is to be kept beside them. One change at a time; all of it is stored and live, or nothing is.
    ///
    /// # Cancel safety
    /// Dropping the future may leave a change that is stored and not served yet; whoever calls lets it end.
    fn change<T: Send + 'static, E: Send + 'static>(
        &self,
        build: impl FnOnce(&State) -> Result<(Vec<Command>, T), E> + Send + 'static,
    ) -> impl Future<Output = Result<Changed<T>, ChangeError<E>>> + Send;

    /// Has the local authority issue a certificate with a key of its own. Why not, for people.
    fn issue(
        &self,
        names: Vec<String>,
        key: KeyAlgorithm,
    ) -> impl Future<Output = Result<IssuedCertificate, String>> + Send;

    /// The packages of functions and layers.
    fn packages(&self) -> &Arc<store::packages::Packages>;

    /// What is kept ready of a version.
    fn kept_ready(&self, version: &FunctionArn) -> KeptReport;

    /// Unpacks what a function of this code and these layers runs.
    fn prepare(&self, code: Code, layers: Layers) -> impl Future<Output = Result<(), PrepareError>> + Send;

    /// Runs a function. Ends by itself, at the latest some time after the function's timeout.
    fn invoke(&self, invocation: Invocation) -> impl Future<Output = Invoked> + Send;

    /// Keeps an event, which is run in the background until it has an outcome. Ready when it is durable.
    fn accept_event(&self, event: Event) -> impl Future<Output = Result<(), EventRefusal>> + Send;

    /// Runs a function whose answer is wanted piece by piece. Ready when the answer begins.
    fn invoke_streaming(&self, invocation: Invocation) -> impl Future<Output = Streaming> + Send;

    /// Counts a request to a function's URL that was answered so. `function` is qualified if the URL is.
    fn count_url(&self, function: &FunctionArn, status: u16, took: Duration);

    /// Counts an invocation that was stopped because functions call each other in a circle. `function` is as invoked.
    fn count_recursion(&self, function: &FunctionArn);

    /// What was measured in the last two weeks.
    fn datapoints(&self) -> DatapointReader;

    /// Keeps what others have measured: none of it when there is no room for more at once, otherwise as much as the disk
    /// takes.
    fn measure(&self, measurements: Vec<Measurement>) -> impl Future<Output = Result<(), MeasureError>> + Send;

    /// What functions wrote, and a number that changes whenever there is more of it. Queries wait for what is on its way,
    /// as [`LogGroupReader::catch_up`] says.
    fn logs(&self) -> (LogGroupReader, watch::Receiver<u64>);

    /// Changes what there is of log groups.
    fn log_keeper(&self) -> LogGroupKeeper;
}

/// What somebody else has measured of one metric in one minute.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// In minutes since the epoch.
    pub minute: u64,
    /// The namespace.
    pub namespace: Arc<str>,
    /// The metric.
    pub metric: String,
    /// Names and values.
    pub dimensions: Vec<(String, String)>,
    /// The unit.
    pub unit: Unit,
    /// The values.
    pub statistics: Statistics,
}

/// Why measurements were not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeasureError {
    /// Too many calls wait already.
    #[error("too many measurements wait to be kept")]
    Busy,
    /// The server stops.
    #[error("the server stops")]
    Closed,
    /// The disk takes them not, or not all of them.
    #[error("the disk did not take the measurements")]
    Failed,
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
