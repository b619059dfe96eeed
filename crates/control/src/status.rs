//! The document behind `/_albacore/status` and `albacore status`.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// How a running albacore is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The load balancers.
    pub load_balancers: Vec<LoadBalancerStatus>,
    /// The functions.
    pub functions: Vec<FunctionStatus>,
    /// The targets, as the load balancers see them.
    pub targets: Vec<TargetStatus>,
    /// The access log; `None` when it is off.
    pub access_log: Option<AccessLogStatus>,
    /// What functions write, on the disk.
    pub log_groups: LogGroupsStatus,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// The ARN of the target group.
    pub target_group: String,
    /// The target's ARN.
    pub target: String,
    /// `TargetHealth.State`.
    pub state: String,
    /// `TargetHealth.Reason`.
    pub reason: Option<String>,
    /// `TargetHealth.Description`.
    pub description: Option<String>,
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
