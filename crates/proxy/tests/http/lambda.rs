//! Function targets: the event, the answer, what goes wrong, groups with weights.

mod answer;
mod event;
mod failure;
mod groups;
