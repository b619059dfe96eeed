//! The rules of one listener, compiled: which rule a request matches and what is to be done with it.
//!
//! [`RoutingTable::plan`] answers for every request, without I/O and, in the common case, without allocating.
//! [`RoutingTable::explain`] answers the same with the same matchers and tells why each rule before did not match.
//! Source: ALB 2.
//!
//! Left to others: the texts of conditions and actions and their limits (`model`), tokenizing requests (`http1`), and
//! everything that happens once the action is known (`proxy`).

#![forbid(unsafe_code)]

pub mod action;
pub mod explain;
pub mod head;
mod matcher;
pub mod table;
pub mod transform;

#[cfg(test)]
mod testing;

pub use action::redirect::{LocationTooLong, Redirect};
pub use action::{Action, Forward};
pub use explain::{Outcome, Recorder, Step};
pub use head::{RequestHead, host_without_port, parameters};
pub use matcher::path::normalise;
pub use table::{CompileError, Plan, RoutingTable};
pub use transform::{TransformFailure, TransformStatus, Transformed, Transforms};
