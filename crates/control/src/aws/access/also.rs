//! Actions that a call of the query protocol needs beside its own: giving tags to what it makes, and handing on a role.
//! Source: IAM, "Grant permissions to tag resources during creation", "PassRole"; EC2 and Elastic Load Balancing, the same.

use super::RequestTags;
use crate::aws::query::call::Call;
use crate::aws::query::service::Service;
use model::iam::{IdentityKind, Key};

/// Specifications of tags in one call: more than any operation takes.
const SPECIFICATIONS_MAX: usize = 200;

/// The keys by which policies ask which operation makes what is tagged.
pub(crate) const CREATE_ACTIONS: [&str; 2] = ["ec2:CreateAction", "elasticloadbalancing:CreateAction"];

/// One more action.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Also {
    pub(crate) action: &'static str,
    pub(crate) resources: Vec<String>,
    /// What the service knows of it beyond what it knows of the call.
    pub(crate) fact: Option<(&'static str, String)>,
    /// Whether the tags of the call are its tags.
    pub(crate) gives_tags: bool,
}

/// What a call needs beside its own action. `given` is what tags it gives; `None`: that is not understood.
pub(in crate::aws) fn of(service: &Service, call: &Call<'_>, given: Option<&RequestTags>) -> Vec<Also> {
    let gives_tags = given.is_none_or(RequestTags::gives);
    let tagging = gives_tags.then(|| tagging(service, call)).flatten();
    tagging.into_iter().chain(passing(service, call)).collect()
}

/// Giving tags to what the call makes, if it makes something.
fn tagging(service: &Service, call: &Call<'_>) -> Option<Also> {
    let action = match (service.name, call.action) {
        ("elasticloadbalancing", name) if name.starts_with("Create") => "elasticloadbalancing:AddTags",
        // Their tags are what they are about.
        ("ec2", "CreateTags" | "DeleteTags") => return None,
        ("ec2", _) => "ec2:CreateTags",
        ("iam", "CreateInstanceProfile") => "iam:TagInstanceProfile",
        ("iam", "CreatePolicy") => "iam:TagPolicy",
        ("iam", "CreateRole") => "iam:TagRole",
        ("iam", "CreateUser") => "iam:TagUser",
        _ => return None,
    };
    let mut keys = CREATE_ACTIONS.into_iter();
    let key = keys.find(|key| key.split(':').next() == Some(service.name));
    Some(Also {
        action,
        resources: made(service, call),
        fact: key.map(|key| (key, call.action.to_owned())),
        gives_tags: true,
    })
}

/// The ARNs of what a call makes, with `*` where nobody knows yet.
fn made(service: &Service, call: &Call<'_>) -> Vec<String> {
    let below = |parameter: &str, from: &str, to: &str| {
        let above = call.fields.peek(parameter).unwrap_or_default();
        vec![format!("{}/*", above.replacen(from, to, 1))]
    };
    match (service.name, call.action) {
        ("elasticloadbalancing", "CreateListener") => below("LoadBalancerArn", ":loadbalancer/", ":listener/"),
        ("elasticloadbalancing", "CreateRule") => below("ListenerArn", ":listener/", ":listener-rule/"),
        ("ec2", _) => {
            let (partition, region, account) = (call.scope.partition(), &call.scope.region, &call.scope.account);
            let kinds = (1..=SPECIFICATIONS_MAX)
                .map_while(|at| call.fields.peek(&format!("TagSpecification.{at}.ResourceType")));
            kinds
                .map(|kind| format!("arn:{partition}:ec2:{region}:{account}:{kind}/*"))
                .collect()
        }
        _ => (service.resources)(call),
    }
}

/// Whoever puts a role where machines find it hands on what the role may.
fn passing(service: &Service, call: &Call<'_>) -> Option<Also> {
    if (service.name, call.action) != ("iam", "AddRoleToInstanceProfile") {
        return None;
    }
    let account = &call.scope.account;
    let name = call.fields.peek("RoleName").unwrap_or_default();
    let role = call.state.iam().identity(IdentityKind::Role, &Key::new(account, name));
    let arn = role.map(|role| role.arn(IdentityKind::Role));
    Some(Also {
        action: "iam:PassRole",
        resources: vec![arn.unwrap_or_else(|| format!("arn:aws:iam::{account}:role/{name}"))],
        fact: Some(("iam:PassedToService", "ec2.amazonaws.com".to_owned())),
        gives_tags: false,
    })
}
