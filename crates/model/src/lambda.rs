//! Lambda resources.

pub mod function;
pub mod logging;
pub mod runtime;
