//! The document behind `/_albacore/status` and `albacore status`.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// How a running albacore is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// albacore's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// How long it has been running, in seconds.
    pub uptime_secs: u64,
    /// Whether everything is served as the newest revision says.
    pub ready: bool,
    /// Why it is not ready; `None` when it is.
    pub obstacle: Option<String>,
    /// How many batches of changes made the configuration.
    pub revision: u64,
    /// Where the own API and the AWS API are.
    pub endpoint: SocketAddr,
    /// The manifest.
    pub manifest: PathBuf,
    /// Where files are kept.
    pub data_dir: PathBuf,
    /// The tier of execution environments in force.
    pub sandbox: String,
    /// Client connections that are open now.
    pub connections: i64,
    /// What is listened on.
    pub listeners: Vec<ListenerStatus>,
    /// What should be listened on, and is not.
    #[serde(default)]
    pub closed_listeners: Vec<ClosedListenerStatus>,
    /// The load balancers.
    pub load_balancers: Vec<LoadBalancerStatus>,
    /// The functions.
    pub functions: Vec<FunctionStatus>,
    /// The targets, as the load balancers see them.
    pub targets: Vec<TargetStatus>,
    /// What was asked for, on the disk; `None` when it is not kept.
    pub state: Option<StateStatus>,
    /// The access log; `None` when it is off.
    pub access_log: Option<AccessLogStatus>,
    /// What load balancers deliver to buckets.
    pub log_delivery: LogDeliveryStatus,
    /// The metrics of each minute.
    pub datapoints: DatapointsStatus,
    /// What functions write, on the disk.
    pub log_groups: LogGroupsStatus,
}

/// Where the state is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateStatus {
    /// Its file.
    pub path: PathBuf,
    /// What the system says, when the last change could not be written.
    pub error: Option<String>,
}

/// One open listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// Its ARN.
    pub arn: String,
    /// The name of its load balancer.
    pub load_balancer: String,
    /// `http` or `https`.
    pub protocol: String,
    /// The port that `X-Forwarded-Port` names.
    pub port: u16,
    /// The socket that is open for it.
    pub socket: SocketAddr,
    /// Where a client on this machine reaches it.
    pub url: String,
}

/// One listener that is not open, though it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedListenerStatus {
    /// Its ARN.
    pub arn: String,
    /// Its port.
    pub port: u16,
    /// Why.
    pub reason: String,
}

/// One load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancerStatus {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its DNS name.
    pub dns_name: String,
}

/// One function, with its execution environments over all cores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionStatus {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its runtime identifier.
    pub runtime: String,
    /// Where its function URL answers, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Environments that run an invocation now.
    pub busy: u32,
    /// Environments that wait for one.
    pub idle: u32,
    /// Environments that are starting.
    pub starting: u32,
    /// Invocations so far.
    pub invocations: u64,
    /// Invocations that ended in a function error.
    pub errors: u64,
    /// Invocations that were throttled.
    pub throttles: u64,
}

/// One target of a target group. The words are AWS's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// The ARN of the target group.
    pub target_group: String,
    /// The function's ARN, or address and port.
    pub target: String,
    /// `TargetHealth.State`.
    pub state: String,
    /// `TargetHealth.Reason`.
    pub reason: Option<String>,
    /// `TargetHealth.Description`.
    pub description: Option<String>,
    /// What traffic knows about it, if it is a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerStatus>,
}

/// A server as traffic knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// What it is registered by: an address, or the id of an instance.
    pub id: String,
    /// Where it gets its requests.
    pub address: SocketAddr,
    /// `AvailabilityZone`; `all` for one that stands in every zone.
    pub availability_zone: String,
    /// `HealthCheckPort`.
    pub health_check_port: u16,
    /// Requests that it is working on, WebSockets among them.
    pub outstanding: u32,
    /// Requests so far.
    pub requests: u64,
    /// Requests that failed: connection errors and 5xx.
    pub errors: u64,
    /// Its share of the group's requests beside a target of weight 1.
    pub weight: f64,
    /// `AnomalyDetection.Result`.
    pub anomaly: String,
    /// `AnomalyDetection.MitigationInEffect`.
    pub mitigation_in_effect: bool,
    /// The mean time until it answered, over the last minute or so; `None` without answers.
    pub mean_response_secs: Option<f64>,
}

/// The logs of load balancers that are delivered to buckets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogDeliveryStatus {
    /// The folder with a folder for each bucket.
    pub buckets: PathBuf,
    /// Lines on their way, those that have arrived included.
    pub lines_written: u64,
    /// Lines that reach no bucket.
    pub lines_lost: u64,
    /// Objects in buckets so far.
    pub objects_delivered: u64,
    /// Bytes that wait to be delivered.
    pub waiting_bytes: u64,
    /// What the system says, when lines cannot be written at the moment.
    pub spool_error: Option<String>,
    /// What a bucket says, when it takes no objects at the moment.
    pub store_error: Option<String>,
}

/// The metrics of each minute, as CloudWatch has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatapointsStatus {
    /// Their folder.
    pub path: PathBuf,
    /// Datapoints in files so far.
    pub written: u64,
    /// Datapoints that are in no file.
    pub lost: u64,
    /// What the system says, when the last minute could not be written.
    pub error: Option<String>,
}

/// The log groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroupsStatus {
    /// Their folder.
    pub path: PathBuf,
    /// Events in files so far.
    pub events_written: u64,
    /// Events that are in no file.
    pub events_lost: u64,
    /// What the system says, when events cannot be written at the moment.
    pub error: Option<String>,
}

/// The access log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessLogStatus {
    /// The file.
    pub path: PathBuf,
    /// Lines in the file so far.
    pub lines_written: u64,
    /// Lines that are in no file.
    pub lines_lost: u64,
    /// What the system says, when lines cannot be written at the moment.
    pub error: Option<String>,
}
