//! Requests that engines may read in different ways, as raw bytes, in all three modes.

mod classes;
mod smuggling;
