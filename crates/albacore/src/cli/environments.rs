//! How many functions run at once, and who waits.

use super::values;
use clap::Args;
use functions::ENVIRONMENTS_MAX;
use std::time::Duration;

/// What bounds the concurrency of functions on this machine.
#[derive(Debug, Args)]
#[command(next_help_heading = "Functions")]
pub(crate) struct Environments {
    /// Execution environments at once, idle ones included. Where the limit of open files admits fewer, it is fewer
    #[arg(long, value_name = "N", value_parser = values::environments, default_value_t = ENVIRONMENTS_MAX)]
    #[arg(env = "ALBACORE_ENVIRONMENTS_MAX")]
    pub(crate) environments_max: usize,
    /// How long an invocation waits for a place when its function's concurrency, the account's or that of this machine is used
    /// up, until it is throttled; 0s throttles at once, as AWS does
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "10s")]
    #[arg(env = "ALBACORE_QUEUE_TIMEOUT")]
    queue_timeout: Duration,
}

impl Environments {
    /// The options with these bounds, and as many environments as `admitted`.
    pub(crate) fn bound(&self, admitted: usize, options: functions::Options) -> functions::Options {
        functions::Options {
            environments_max: admitted,
            queue_timeout: self.queue_timeout,
            queue_per_function_max: match self.queue_timeout.is_zero() {
                true => 0,
                false => options.queue_per_function_max,
            },
            ..options
        }
    }
}
