//! The limits and places that all functions share.

use std::path::PathBuf;
use std::time::Duration;

/// How functions are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// An absolute directory. Environments have their temporary directories below `environments` in it.
    pub data_dir: PathBuf,
    /// How long the ordinary init of an environment may take. Default 10 seconds. Source: Lambda 4.1.
    pub init_timeout: Duration,
    /// How many invocations of one function may run at once if it has no reserved concurrency. Default 1000. Source:
    /// Lambda 4.7.
    pub concurrency_per_function_max: u32,
    /// How many environments there may be on this host, idle ones included. Default 256. Each takes a process and about
    /// six file descriptors; not more than `sandbox::Options::processes_max`.
    pub environments_max: usize,
    /// How many invocations of one function may wait for its concurrency or for the host; one more is throttled. 0
    /// throttles at once, as AWS does. Default 1000.
    pub queue_per_function_max: usize,
    /// How long an invocation may wait there until it is throttled. Default 10 seconds.
    pub queue_timeout: Duration,
    /// How long an invocation waits for an environment that has just answered and has not asked for its next event yet,
    /// before a new one is started; while processors are short, also for one that is busy, before an idle one is woken.
    /// Default 20 milliseconds: a client that sends one request after the other is then served by one environment.
    pub patience: Duration,
    /// How long an environment may be idle until it is ended. Default 5 minutes.
    pub idle_retirement: Duration,
    /// Is another version of a language than the runtime names refused? Default false: the nearest one serves.
    pub strict_runtimes: bool,
}

impl Options {
    /// The defaults, with temporary directories below `data_dir`.
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            init_timeout: Duration::from_secs(10),
            concurrency_per_function_max: 1000,
            environments_max: 256,
            queue_per_function_max: 1000,
            queue_timeout: Duration::from_secs(10),
            patience: Duration::from_millis(20),
            idle_retirement: Duration::from_secs(300),
            strict_runtimes: false,
        }
    }
}
