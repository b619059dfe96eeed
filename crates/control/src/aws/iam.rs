//! Identity and Access Management, API version 2010-05-08: users, groups, roles and policies.
//!
//! ```text
//! operations     which operation is answered by whom
//! input          names, paths, documents
//! page           pages of long answers
//! shapes         resources as XML
//! errors         refusals as AWS's codes
//! the others     one file for each family of operations
//! ```

mod absent;
mod boundaries;
mod errors;
mod grants;
mod groups;
mod input;
mod instance_profiles;
mod keys;
mod operations;
mod page;
mod policies;
mod roles;
mod shapes;
mod tags;
mod users;

use crate::aws::query::call::Call;
use crate::aws::query::service::{Dialect, Service};
use model::iam::{IdentityKind, Key};

pub(super) use shapes::moment;

pub(super) static SERVICE: Service = Service {
    name: "iam",
    version: "2010-05-08",
    namespace: "https://iam.amazonaws.com/doc/2010-05-08/",
    dialect: Dialect::Query,
    operations: operations::OPERATIONS,
    refused: errors::of,
    resources,
};

/// What a call is about. What is not there yet stands where the call would put it.
fn resources(call: &Call<'_>) -> Vec<String> {
    let account = &call.scope.account;
    let peek = |name: &str| call.fields.peek(name);
    let path = || peek("Path").unwrap_or("/");
    let identity = |kind: IdentityKind, name: &str| {
        let found = call.state.iam().identity(kind, &Key::new(account, name));
        let arn = found.map(|identity| identity.arn(kind));
        arn.unwrap_or_else(|| format!("arn:aws:iam::{account}:{kind}{}{name}", path()))
    };
    if let Some(arn) =
        peek("PolicyArn").filter(|_| peek("RoleName").or(peek("UserName")).or(peek("GroupName")).is_none())
    {
        return vec![arn.to_owned()];
    }
    if call.action == "CreatePolicy" {
        let name = peek("PolicyName").unwrap_or_default();
        return vec![format!("arn:aws:iam::{account}:policy{}{name}", path())];
    }
    if let Some(name) = peek("InstanceProfileName") {
        let found = call.state.iam().instance_profile(&Key::new(account, name));
        let arn = found.map(|profile| profile.arn());
        return vec![arn.unwrap_or_else(|| format!("arn:aws:iam::{account}:instance-profile{}{name}", path()))];
    }
    for (parameter, kind) in [
        ("GroupName", IdentityKind::Group),
        ("RoleName", IdentityKind::Role),
        ("UserName", IdentityKind::User),
    ] {
        if let Some(name) = peek(parameter) {
            return vec![identity(kind, name)];
        }
    }
    match call.action {
        "ListUsers" => vec![format!("arn:aws:iam::{account}:user/")],
        "ListGroups" => vec![format!("arn:aws:iam::{account}:group/")],
        "ListRoles" => vec![format!("arn:aws:iam::{account}:role/")],
        "ListInstanceProfiles" => vec![format!("arn:aws:iam::{account}:instance-profile/")],
        "ListPolicies" => vec![format!("arn:aws:iam::{account}:policy/")],
        // Without a name these are about the caller.
        "GetUser" | "CreateAccessKey" | "ListAccessKeys" | "UpdateAccessKey" | "DeleteAccessKey" => {
            vec![crate::aws::access::arn(account, call.caller)]
        }
        _ => Vec::new(),
    }
}
