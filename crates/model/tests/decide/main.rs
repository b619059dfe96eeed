//! Decisions that need several resources: batches of commands against a state.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod acm;
mod api;
mod ec2;
mod function_urls;
mod lambda;
mod resources;
mod servers;
mod support;
mod trust_stores;
