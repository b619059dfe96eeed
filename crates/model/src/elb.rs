//! Elastic Load Balancing resources.

pub mod action;
pub mod attribute;
pub mod certificate;
pub mod condition;
pub mod health_check;
pub mod listener;
pub mod load_balancer;
pub mod name;
pub mod rule;
pub mod security_policy;
pub mod target_group;
pub mod transform;
pub mod trust_store;
