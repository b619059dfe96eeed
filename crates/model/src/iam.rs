//! Users, roles, groups and policies: who may call what. Source: IAM 2010-05-08.
//!
//! ```text
//! name        names, paths, unique ids, and the keys that things are found by
//! identity    users, groups and roles: what they are called and what they are granted
//! instance_profile  how roles are handed to instances
//! policy      managed policies and their versions
//! managed     the policies that AWS manages
//! document    the language of policies: its text as statements
//! evaluate    what documents say about one request
//! state       all of it
//! command     what changes it
//! ```

pub mod command;
pub mod document;
pub mod evaluate;
pub mod identity;
pub mod instance_profile;
pub mod managed;
pub mod name;
pub mod policy;
pub mod refusal;
pub mod state;

pub use command::Command;
pub use document::Document;
pub use identity::{AccessKey, Group, Identity, IdentityKind, Role, User};
pub use instance_profile::InstanceProfile;
pub use name::Key;
pub use policy::Policy;
pub use refusal::IamRefusal;
pub use state::{Change, Iam};
