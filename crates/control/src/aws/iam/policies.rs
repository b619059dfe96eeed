//! Managed policies and their versions.

use super::errors;
use super::input::{description, document, fresh_id, new_name, path, path_prefix, policy_arn, tags};
use super::page::page;
use super::shapes::{self, Detail, Uses};
use crate::aws::error::AwsError;
use crate::aws::query::call::{Call, Plan};
use crate::aws::query::input::{boolean, constraint, one_of, required, shown};
use model::Command;
use model::iam::command::no_such_version;
use model::iam::document::Use;
use model::iam::policy::PolicyVersion;
use model::iam::refusal::IamRefusal;
use model::iam::state::AnyPolicy;
use model::iam::{Command as IamCommand, Key, Policy, managed};
use std::collections::HashMap;
use wire::xml::Xml;

pub(super) fn find<'a>(call: &Call<'a>, arn: &str) -> Result<AnyPolicy<'a>, AwsError> {
    call.state.iam().policy_with_arn(arn).ok_or_else(|| {
        let message = format!("Policy {} was not found.", shown(arn));
        errors::iam(&IamRefusal::NoSuchEntity(message))
    })
}

/// The policy that a call wants to change: AWS's own are not changed.
pub(super) fn own(call: &Call<'_>) -> Result<(Key, String), AwsError> {
    let arn = policy_arn(call)?;
    match find(call, arn)? {
        AnyPolicy::Own(policy) => Ok((policy.key().clone(), policy.arn())),
        AnyPolicy::Aws(_) => Err(AwsError::with_status(
            403,
            "AccessDenied",
            format!("Policy {arn} is managed by AWS and cannot be changed."),
        )),
    }
}

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let policy = Policy {
        name: new_name(call, "PolicyName", 128)?,
        path: path(call, "Path")?.unwrap_or_else(|| "/".into()),
        id: fresh_id("ANPA")?,
        description: description(call)?.filter(|text| !text.is_empty()),
        created: call.now,
        updated: call.now,
        tags: tags(call)?,
        versions: vec![PolicyVersion {
            number: 1,
            document: document(call, "PolicyDocument", Use::Identity)?,
            created: call.now,
        }],
        default_version: 1,
        last_version: 1,
    };
    let arn = policy.arn();
    let command = Command::Iam(IamCommand::CreatePolicy(policy));
    Ok(Plan::new(vec![command], move |call| described(call, &arn)))
}

fn described(call: &Call<'_>, arn: &str) -> Result<Xml, AwsError> {
    let policy = find(call, arn)?;
    let uses = uses(call, arn);
    let mut xml = Xml::new();
    xml.within("Policy", |xml| shapes::policy(xml, &policy, uses, Detail::Whole));
    Ok(xml)
}

fn uses(call: &Call<'_>, arn: &str) -> Uses {
    let iam = call.state.iam();
    Uses {
        attached: iam.attached_to(arn).count(),
        bounds: iam.bounded_by(arn).count(),
    }
}

/// The same of every policy that is used, in one look at all identities: there may be as many of both.
fn all_uses<'a>(call: &Call<'a>) -> HashMap<&'a str, Uses> {
    let mut all = HashMap::<_, Uses>::new();
    for (_, identity) in call.state.iam().identities() {
        for arn in &identity.attached {
            all.entry(&**arn).or_default().attached += 1;
        }
        if let Some(arn) = identity.boundary.as_deref() {
            all.entry(arn).or_default().bounds += 1;
        }
    }
    all
}

pub(super) fn get(call: &Call<'_>) -> Result<Xml, AwsError> {
    described(call, policy_arn(call)?)
}

pub(super) fn list(call: &Call<'_>) -> Result<Xml, AwsError> {
    let scopes = [("All", (true, true)), ("AWS", (true, false)), ("Local", (false, true))];
    let (of_aws, local) = one_of(&call.fields, "Scope", &scopes)?.unwrap_or((true, true));
    let only_attached = boolean(&call.fields, "OnlyAttached")?.unwrap_or(false);
    let usages = [("PermissionsPolicy", true), ("PermissionsBoundary", false)];
    let usage = one_of(&call.fields, "PolicyUsageFilter", &usages)?;
    let prefix = path_prefix(call)?;
    let all_uses = all_uses(call);
    let iam = call.state.iam();
    let own = iam
        .policies()
        .filter(|policy| local && *policy.name.account() == call.scope.account);
    let aws = managed::all().iter().filter(|_| of_aws);
    let all = own.map(AnyPolicy::Own).chain(aws.map(AnyPolicy::Aws)).map(|policy| {
        let (arn, path) = match policy {
            AnyPolicy::Own(it) => (it.arn(), &*it.path),
            AnyPolicy::Aws(it) => (it.arn(), it.path),
        };
        let uses = all_uses.get(&*arn).copied().unwrap_or_default();
        (policy, arn, path, uses)
    });
    let wanted = all.filter(|(_, _, path, uses)| {
        let is_of_usage = match usage {
            None => true,
            Some(true) => uses.attached > 0 || uses.bounds == 0,
            Some(false) => uses.bounds > 0,
        };
        is_of_usage && path.starts_with(prefix) && (uses.attached > 0 || !only_attached)
    });
    let page = page(call, wanted, |(_, arn, ..)| arn.clone())?;
    let mut xml = Xml::new();
    xml.list("Policies", &page.items, |xml, (policy, _, _, uses)| {
        shapes::policy(xml, policy, *uses, Detail::Listed);
    });
    page.end(&mut xml);
    Ok(xml)
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    let (policy, _) = own(call)?;
    Ok(Plan::silent(vec![Command::Iam(IamCommand::DeletePolicy(policy))]))
}

pub(super) fn create_version(call: &Call<'_>) -> Result<Plan, AwsError> {
    let (policy, arn) = own(call)?;
    let command = Command::Iam(IamCommand::CreateVersion {
        policy,
        version: PolicyVersion {
            number: 0,
            document: document(call, "PolicyDocument", Use::Identity)?,
            created: call.now,
        },
        is_default: boolean(&call.fields, "SetAsDefault")?.unwrap_or(false),
    });
    Ok(Plan::new(vec![command], move |call| {
        let mut xml = Xml::new();
        if let AnyPolicy::Own(policy) = find(call, &arn)?
            && let Some(version) = policy.versions.last()
        {
            let is_default = version.number == policy.default_version;
            xml.within("PolicyVersion", |xml| {
                shapes::version(xml, version, is_default, Detail::Listed);
            });
        }
        Ok(xml)
    }))
}

pub(super) fn get_version(call: &Call<'_>) -> Result<Xml, AwsError> {
    let number = number(call)?;
    let arn = policy_arn(call)?;
    let none = || errors::iam(&no_such_version(arn, &format!("v{number}")));
    let mut xml = Xml::new();
    match find(call, arn)? {
        AnyPolicy::Own(policy) => {
            let version = policy.version(number).ok_or_else(none)?;
            let is_default = number == policy.default_version;
            xml.within("PolicyVersion", |xml| {
                shapes::version(xml, version, is_default, Detail::Whole);
            });
        }
        AnyPolicy::Aws(policy) if number == 1 => xml.within("PolicyVersion", |xml| {
            shapes::version_of_aws(xml, &policy.document, Detail::Whole);
        }),
        AnyPolicy::Aws(_) => return Err(none()),
    }
    Ok(xml)
}

pub(super) fn list_versions(call: &Call<'_>) -> Result<Xml, AwsError> {
    let mut xml = Xml::new();
    match find(call, policy_arn(call)?)? {
        AnyPolicy::Own(policy) => {
            // The newest first.
            let page = page(call, &policy.versions, |version| {
                format!("{:010}", u32::MAX - version.number)
            })?;
            xml.list("Versions", &page.items, |xml, version| {
                let is_default = version.number == policy.default_version;
                shapes::version(xml, version, is_default, Detail::Listed);
            });
            page.end(&mut xml);
        }
        AnyPolicy::Aws(policy) => {
            let page = page(call, [&policy.document], |_| String::new())?;
            xml.list("Versions", &page.items, |xml, document| {
                shapes::version_of_aws(xml, document, Detail::Listed);
            });
            page.end(&mut xml);
        }
    }
    Ok(xml)
}

pub(super) fn set_default_version(call: &Call<'_>) -> Result<Plan, AwsError> {
    let ((policy, _), number) = (own(call)?, number(call)?);
    Ok(Plan::silent(vec![Command::Iam(IamCommand::SetDefaultVersion {
        policy,
        number,
    })]))
}

pub(super) fn delete_version(call: &Call<'_>) -> Result<Plan, AwsError> {
    let ((policy, _), number) = (own(call)?, number(call)?);
    Ok(Plan::silent(vec![Command::Iam(IamCommand::DeleteVersion {
        policy,
        number,
    })]))
}

/// `v3` is 3.
fn number(call: &Call<'_>) -> Result<u32, AwsError> {
    let text = required(&call.fields, "VersionId")?;
    let digits = text.strip_prefix('v').filter(|it| !it.starts_with(['0', '+']));
    digits.and_then(|it| it.parse().ok()).ok_or_else(|| {
        let must = r"Member must satisfy regular expression pattern: v[1-9][0-9]*(\.[A-Za-z0-9-]*)?";
        constraint("VersionId", text, must)
    })
}
