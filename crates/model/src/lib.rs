//! The domain of albacore: resources, their limits, the commands that change them and the pure functions that decide
//! and apply those commands.
//!
//! Nothing here does I/O, reads a clock, draws a random number or knows an AWS error code. Ids and the time come in with
//! each command, so a history replays exactly. Parsing text from users belongs to `manifest` and `wire`; compiling for
//! traffic belongs to `routing`.
#![forbid(unsafe_code)]

pub mod acm;
pub mod arn;
pub mod bucket;
pub mod change;
pub mod command;
pub mod ec2;
pub mod elb;
pub mod iam;
pub mod ids;
pub mod lambda;
pub mod limits;
pub mod logs;
pub mod observed;
mod range;
pub mod refusal;
pub mod secret;
pub mod state;
pub mod tag;

pub use arn::{CertificateArn, FunctionArn, ListenerArn, LoadBalancerArn, RuleArn, TargetGroupArn, TrustStoreArn};
pub use change::Change;
pub use command::{Command, Commit, Context, Reply, decide};
pub use ids::{AccountId, Owner, Region, ResourceId, Scope, Timestamp};
pub use refusal::Refusal;
pub use secret::Secret;
pub use state::{ListenerRules, Part, Revision, State};
pub use tag::{TaggedArn, Tags};
