//! Lambda resources.

pub mod about;
pub mod alias;
pub mod event_invoke;
pub mod execution_role;
pub mod function;
pub mod layer;
pub mod logging;
pub mod package;
pub mod policy;
pub mod provisioning;
pub mod refusal;
pub mod resources;
pub mod runtime;
pub mod url;
pub mod version;
pub mod vpc;
