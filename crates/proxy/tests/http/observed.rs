//! What load balancers tell about themselves: logs in buckets, and metrics. Source: ALB 8.

mod access;
pub(crate) mod buckets;
mod checks;
mod connections;
mod delivery;
mod metrics;
