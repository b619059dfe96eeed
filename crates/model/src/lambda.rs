//! Lambda resources.

pub mod function;
