//! Function targets: the event, the answer, what goes wrong, groups with weights.

mod answer;
pub(crate) mod complaints;
mod event;
mod failure;
mod groups;
mod health;
