//! Parameters of IAM as values.

use super::errors;
use crate::aws::access;
use crate::aws::error::AwsError;
use crate::aws::query::call::Call;
use crate::aws::query::input::{constraint, required};
use crate::aws::sign_in::Who;
use model::Tags;
use model::iam::document::Use;
use model::iam::name::{Name, is_name, is_path, unique_id};
use model::iam::{Document, IdentityKind, Key};
use std::sync::Arc;

/// Characters of names in calls that look for something.
const NAME_CHARS_MAX: usize = 128;
/// Bytes of a document before it is read.
const DOCUMENT_BYTES_MAX: usize = 131_072;

/// What a text has to be like.
fn must(path: &str, text: &str, chars_max: usize, pattern: &str) -> AwsError {
    let why = match text.chars().count() {
        0 => "Member must have length greater than or equal to 1".to_owned(),
        count if count > chars_max => format!("Member must have length less than or equal to {chars_max}"),
        _ => format!("Member must satisfy regular expression pattern: {pattern}"),
    };
    constraint(path, text, &why)
}

/// A name that must be there.
pub(super) fn name<'a>(call: &Call<'a>, parameter: &str, chars_max: usize) -> Result<&'a str, AwsError> {
    let text = required(&call.fields, parameter)?;
    checked_name(parameter, text, chars_max)
}

pub(super) fn checked_name<'a>(parameter: &str, text: &'a str, chars_max: usize) -> Result<&'a str, AwsError> {
    match is_name(text, chars_max) {
        true => Ok(text),
        false => Err(must(parameter, text, chars_max, r"[\w+=,.@-]+")),
    }
}

/// The key of what a parameter names.
pub(super) fn key(call: &Call<'_>, kind: IdentityKind) -> Result<Key, AwsError> {
    let parameter = match kind {
        IdentityKind::User => "UserName",
        IdentityKind::Group => "GroupName",
        IdentityKind::Role => "RoleName",
    };
    Ok(Key::new(&call.scope.account, name(call, parameter, NAME_CHARS_MAX)?))
}

/// The key of the user that a call names, or who calls.
pub(super) fn user_or_caller(call: &Call<'_>) -> Result<Key, AwsError> {
    if call.fields.has("UserName") {
        return key(call, IdentityKind::User);
    }
    match &call.caller.who {
        Who::User(user) | Who::UserSession(user, _) => Ok(user.identity.key().clone()),
        Who::Root | Who::RootSession(_) | Who::Role(..) => Err(AwsError::validation(
            "Must specify userName when calling with non-User credentials",
        )),
    }
}

/// The name of something new.
pub(super) fn new_name(call: &Call<'_>, parameter: &str, chars_max: usize) -> Result<Name, AwsError> {
    Ok(Name::new(&call.scope.account, name(call, parameter, chars_max)?))
}

/// A path, `/` where none is given.
pub(super) fn path(call: &Call<'_>, parameter: &str) -> Result<Option<Arc<str>>, AwsError> {
    let Some(text) = call.fields.text(parameter) else {
        return Ok(None);
    };
    match is_path(text) {
        true => Ok(Some(text.into())),
        false => Err(must(parameter, text, 512, r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)")),
    }
}

/// What paths have to begin with.
pub(super) fn path_prefix<'a>(call: &Call<'a>) -> Result<&'a str, AwsError> {
    match call.fields.text("PathPrefix") {
        None => Ok("/"),
        Some(text) if text.starts_with('/') && text.len() <= 512 => Ok(text),
        Some(text) => Err(must("PathPrefix", text, 512, r"\u002F[\u0021-\u007F]*")),
    }
}

/// A text for people.
pub(super) fn description(call: &Call<'_>) -> Result<Option<Arc<str>>, AwsError> {
    let Some(text) = call.fields.text("Description") else {
        return Ok(None);
    };
    let allowed = |it: char| matches!(it, '\t' | '\n' | '\r' | ' '..='~' | '\u{a1}'..='\u{ff}');
    match text.chars().count() <= 1000 && text.chars().all(allowed) {
        true => Ok(Some(text.into())),
        false => Err(must(
            "Description",
            text,
            1000,
            r"[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*",
        )),
    }
}

/// A policy.
pub(super) fn document(call: &Call<'_>, parameter: &str, of: Use) -> Result<Document, AwsError> {
    let text = required(&call.fields, parameter)?;
    let allowed = |it: char| matches!(it, '\t' | '\n' | '\r' | ' '..='\u{ff}');
    if text.is_empty() || text.len() > DOCUMENT_BYTES_MAX || !text.chars().all(allowed) {
        let pattern = r"[\u0009\u000A\u000D\u0020-\u00FF]+";
        return Err(must(parameter, text, DOCUMENT_BYTES_MAX, pattern));
    }
    Document::read(text, of).map_err(|malformed| errors::iam(&malformed.into()))
}

/// The tags of a call.
pub(super) fn tags(call: &Call<'_>) -> Result<Tags, AwsError> {
    let list = call.fields.list("Tags")?;
    let mut pairs = Vec::with_capacity(list.len());
    for tag in &list {
        pairs.push((required(tag, "Key")?, required(tag, "Value")?));
    }
    Tags::new(pairs).map_err(|refusal| errors::iam(&refusal.into()))
}

/// `AIDA…` and the like.
pub(super) fn fresh_id(prefix: &str) -> Result<Arc<str>, AwsError> {
    Ok(unique_id(prefix, 17, random()?).into())
}

pub(super) fn random() -> Result<u128, AwsError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| AwsError::internal("The system gives no random numbers"))?;
    Ok(u128::from_le_bytes(bytes))
}

/// The ARN of a managed policy.
pub(super) fn policy_arn<'a>(call: &Call<'a>) -> Result<&'a str, AwsError> {
    let text = required(&call.fields, "PolicyArn")?;
    match is_policy_arn(text) {
        true => Ok(text),
        false => Err(AwsError::new(
            "ValidationError",
            format!("ARN {} is not valid.", crate::aws::query::input::shown(text)),
        )),
    }
}

pub(super) fn is_policy_arn(text: &str) -> bool {
    text.starts_with("arn:") && (20..=2048).contains(&text.len()) && text.contains(":policy/")
}

/// The caller, for messages.
pub(super) fn caller_arn(call: &Call<'_>) -> String {
    access::arn(&call.scope.account, call.caller)
}
