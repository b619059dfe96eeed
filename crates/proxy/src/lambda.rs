//! Lambda targets: the event a function gets, and what its answer becomes. Source: ALB 3.

pub(crate) mod answer;
pub(crate) mod call;
pub(crate) mod document;
pub(crate) mod event;

/// Bytes of a request body, and of a response document. Source: ALB 3.2, 3.3.
pub(crate) const LIMIT_BYTES: usize = 1024 * 1024;
