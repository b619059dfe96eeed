//! Observed facts: published by the room that sees them, shown to people, never stored.

use crate::arn::FunctionArn;

/// The execution environments of one function, over all cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionReport {
    /// The function.
    pub function: FunctionArn,
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
