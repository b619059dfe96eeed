//! The limits and places that all functions share.

use std::path::PathBuf;
use std::time::Duration;

/// What one environment has open in this process: the listeners of its Runtime API and of its door to the platform, the
/// connection of its runtime, and three pipes. Others come and go: connections through the door, whose keeper bounds them, and
/// those of extensions and their telemetry.
pub const DESCRIPTORS_PER_ENVIRONMENT: usize = 6;

/// The usual bound of [`Options::environments_max`].
pub const ENVIRONMENTS_MAX: usize = 256;

/// How functions are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// An absolute directory. Environments have their temporary directories below `environments` in it.
    pub data_dir: PathBuf,
    /// How long the ordinary init of an environment may take. Default 10 seconds. Source: Lambda 4.1.
    pub init_timeout: Duration,
    /// How many invocations may run at once in a region of the account; functions share what none of them has reserved.
    /// Default 1000. Source: Lambda 4.7.
    pub account_concurrency: u32,
    /// How many environments there may be on this host, idle ones included. Default [`ENVIRONMENTS_MAX`]. Each takes a process
    /// and [`DESCRIPTORS_PER_ENVIRONMENT`]; not more than `sandbox::Options::processes_max`.
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
    /// How long an environment may be idle until its processes are stopped where they are, in the `namespace` tier; they go on
    /// with the next invocation, which does not wait for it. Default 200 milliseconds, so that an environment whose
    /// invocations follow each other is never stopped. Source: Lambda 3.6.
    pub freeze_after: Duration,
    /// When less than so many hundredths of this host's memory are available, or processes wait for memory, idle environments
    /// end, one after the other, and parked interpreters do. Default 5; 0 looks at the waiting alone.
    pub memory_available_min: u8,
    /// How often that is looked at. Default 2 seconds.
    pub memory_looked_at: Duration,
    /// How old an environment may be when it gets an invocation. Default 2 hours. Source: Lambda 4.3.
    pub age_max: Duration,
    /// Does a function's memory decide its share of the processors, in the `namespace` tier? From the end of its init on; and
    /// only if the spawner was started for it. Default true. Source: Lambda 1.9.
    pub cpu_by_memory: bool,
    /// How long an environment with external extensions may take to end; three tenths of it are its runtime's. One with
    /// internal ones only has half as much for its runtime. Default 2 seconds. Source: Lambda 4.3.
    pub shutdown_timeout: Duration,
    /// How many interpreters of each kind that is in use wait for functions, in the `namespace` tier; none with 0. Default 2.
    /// Each takes some megabytes of memory. One of Node.js is of a kind with those for functions of the same memory.
    pub parked_per_runtime: usize,
    /// Shall one be started for the functions that there are, before any of them is invoked? Default false.
    pub park_ahead: bool,
    /// Shall a function that could have a parked interpreter wait for one if there is none? Slower, and for tests: then both
    /// ways of starting can be told to be taken. Default false.
    pub parked_always: bool,
    /// The folder with the runtime interface clients of Java and .NET, in `java` and `dotnet`: jars, or what .NET builds. It need
    /// not exist. Default `runtime-clients` in `data_dir`.
    pub runtime_clients: PathBuf,
    /// Is another version of a language than the runtime names refused? Default false: the nearest one serves.
    pub strict_runtimes: bool,
}

impl Options {
    /// The defaults, with temporary directories below `data_dir`.
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            runtime_clients: data_dir.join("runtime-clients"),
            data_dir,
            init_timeout: Duration::from_secs(10),
            account_concurrency: model::limits::ACCOUNT_CONCURRENCY,
            environments_max: ENVIRONMENTS_MAX,
            queue_per_function_max: 1000,
            queue_timeout: Duration::from_secs(10),
            patience: Duration::from_millis(20),
            idle_retirement: Duration::from_secs(300),
            freeze_after: Duration::from_millis(200),
            memory_available_min: 5,
            memory_looked_at: Duration::from_secs(2),
            age_max: Duration::from_secs(2 * 3600),
            cpu_by_memory: true,
            shutdown_timeout: Duration::from_secs(2),
            parked_per_runtime: 2,
            park_ahead: false,
            parked_always: false,
            strict_runtimes: false,
        }
    }
}
