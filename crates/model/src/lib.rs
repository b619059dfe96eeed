//! The domain of albacore: resources, their limits, the commands that change them and the pure functions that decide
//! and apply those commands.
//!
//! Nothing here does I/O, reads a clock, draws a random number or knows an AWS error code. Ids and the time come in with
//! each command, so a history replays exactly. Parsing text from users belongs to `manifest` and `wire`; compiling for
//! traffic belongs to `routing`.
#![forbid(unsafe_code)]

pub mod arn;
pub mod change;
pub mod command;
pub mod elb;
pub mod ids;
pub mod lambda;
pub mod limits;
pub mod observed;
pub mod refusal;
pub mod secret;
pub mod state;

pub use arn::{CertificateArn, FunctionArn, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn};
pub use change::Change;
pub use command::{Command, Commit, Context, Reply, decide};
pub use ids::{AccountId, Owner, Region, ResourceId, Scope, Timestamp};
pub use refusal::Refusal;
pub use secret::Secret;
pub use state::{Revision, State};
