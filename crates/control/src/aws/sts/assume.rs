//! Becoming a role for a while.

use super::credentials;
use crate::aws::access::{self, OfResource, denied};
use crate::aws::error::AwsError;
use crate::aws::query::call::Call;
use crate::aws::query::input::{constraint, noted, number, required};
use crate::aws::session::{self, New, Of};
use crate::aws::sign_in::Who;
use model::iam::document::Use;
use model::iam::evaluate::{Assuming, Request, Trust, trusts};
use model::iam::name::is_name;
use model::iam::{Document, Role};
use std::sync::Arc;
use wire::xml::Xml;

const ACTION: &str = "sts:AssumeRole";
/// Seconds of a session where the caller names no number, and the most where a session assumes the next role.
const SECS: u64 = 3600;
/// Characters of a session policy, and ARNs of others beside it.
const POLICY_CHARS_MAX: usize = 2048;
const POLICY_ARNS_MAX: usize = 10;

pub(super) fn role(call: &Call<'_>) -> Result<Xml, AwsError> {
    let arn = required(&call.fields, "RoleArn")?;
    if !(20..=2048).contains(&arn.len()) || !arn.starts_with("arn:") {
        let must = "Member must be the ARN of a role";
        noted(&call.fields, Err(constraint("RoleArn", arn, must)), ())?;
    }
    let name = required(&call.fields, "RoleSessionName")?;
    let must = match name.chars().count() {
        0 | 1 => Some("Member must have length greater than or equal to 2"),
        65.. => Some("Member must have length less than or equal to 64"),
        _ if !is_name(name, 64) => Some(r"Member must satisfy regular expression pattern: [\w+=,.@-]*"),
        _ => None,
    };
    if let Some(must) = must {
        noted(&call.fields, Err(constraint("RoleSessionName", name, must)), ())?;
    }
    let external_id = call.fields.text("ExternalId");
    let secs = number(&call.fields, "DurationSeconds", 900..=43_200)?;
    let (policy, policy_arns) = limits(call)?;
    let role = allowed(call, arn, name, external_id)?;
    let secs = duration(call, role, secs.and_then(|secs| u64::try_from(secs).ok()))?;
    let issued_secs = call.now.0 / 1000;
    let has_policy = policy.is_some();
    let new = New {
        of: Of::Role {
            key: role.identity.key().to_string(),
            id: role.identity.id.to_string(),
        },
        name: name.to_owned(),
        issued_secs,
        expires_secs: issued_secs + secs,
        policy,
        policy_arns,
    };
    let (session, token) = session::begin(&call.api.session_key, new)?;
    let mut xml = Xml::new();
    credentials(&mut xml, &session, &token);
    xml.within("AssumedRoleUser", |xml| {
        xml.text("AssumedRoleId", &format!("{}:{name}", role.identity.id));
        let account = role.identity.named().account();
        let role = role.identity.name();
        xml.text("Arn", &format!("arn:aws:sts::{account}:assumed-role/{role}/{name}"));
    });
    if has_policy {
        let size = session.policy.as_ref().map_or(0, Document::size);
        xml.value("PackedPolicySize", size * 100 / POLICY_CHARS_MAX);
    }
    Ok(xml)
}

/// What the session is limited to.
fn limits(call: &Call<'_>) -> Result<(Option<Document>, Vec<String>), AwsError> {
    let malformed = |message: String| AwsError::new("MalformedPolicyDocument", message);
    let policy = match call.fields.text("Policy") {
        None => None,
        Some(text) if text.chars().count() > POLICY_CHARS_MAX => {
            let message = "The session policy is longer than 2048 characters";
            return Err(AwsError::new("PackedPolicyTooLarge", message));
        }
        Some(text) => Some(Document::read(text, Use::Identity).map_err(|it| malformed(it.0))?),
    };
    let mut arns = Vec::new();
    for entry in call.fields.list("PolicyArns")? {
        let arn = required(&entry, "arn")?;
        if call.state.iam().policy_with_arn(arn).is_none() {
            let arn = crate::aws::query::input::shown(arn);
            return Err(malformed(format!("Policy {arn} was not found.")));
        }
        arns.push(arn.to_owned());
    }
    match arns.len() > POLICY_ARNS_MAX {
        true => Err(AwsError::validation("A session has at most 10 policy ARNs")),
        false => Ok((policy, arns)),
    }
}

/// The role, if its own policy and the caller's let them. A role that is not there is refused in the same words.
fn allowed<'a>(
    call: &Call<'a>,
    arn: &str,
    session_name: &str,
    external_id: Option<&str>,
) -> Result<&'a Arc<Role>, AwsError> {
    let account = &call.scope.account;
    let shown = crate::aws::query::input::shown(arn);
    let refused = |why| denied(account, call.caller, ACTION, &shown, why);
    let role = call.state.iam().role_with_arn(arn).ok_or_else(|| refused(None))?;
    let facts = [
        ("sts:ExternalId", external_id.map(str::to_owned).into_iter().collect()),
        ("sts:RoleSessionName", vec![session_name.to_owned()]),
    ];
    let context = access::context(account, call.caller, &facts);
    let mut arns = vec![access::arn(account, call.caller)];
    if let Who::Role(role, _) = &call.caller.who {
        arns.push(role.arn());
    }
    let who = Assuming::Caller {
        account: &account.to_string(),
        arns: &arns,
    };
    let trust = trusts(&role.trust, who, ACTION, &context).ok_or_else(|| refused(None))?;
    let request = Request {
        action: ACTION,
        resource: arn,
        context: &context,
    };
    let of_resource = match trust {
        Trust::Named => OfResource::Allows,
        Trust::Account => OfResource::Nothing,
    };
    match access::decide_beside(call.state.iam(), call.caller, &request, of_resource) {
        Ok(()) => Ok(role),
        Err(why) => Err(refused(Some(why))),
    }
}

fn duration(call: &Call<'_>, role: &Role, wanted: Option<u64>) -> Result<u64, AwsError> {
    let Some(secs) = wanted else { return Ok(SECS) };
    if matches!(call.caller.who, Who::Role(..)) && secs > SECS {
        let message =
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
        return Err(AwsError::validation(message));
    }
    match secs <= u64::from(role.max_session_secs) {
        true => Ok(secs),
        false => Err(AwsError::validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )),
    }
}
