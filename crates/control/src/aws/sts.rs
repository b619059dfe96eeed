//! The Security Token Service, API version 2011-06-15: who somebody is, and temporary credentials.

mod assume;
mod operations;

use crate::aws::access;
use crate::aws::error::AwsError;
use crate::aws::iam;
use crate::aws::query::call::Call;
use crate::aws::query::input::{number, required, shown};
use crate::aws::query::service::{Dialect, Service};
use crate::aws::session::{self, New, Of, Session};
use crate::aws::sign_in::Who;
use model::Refusal;
use model::iam::name::is_access_key_id;
use std::path::Path;
use wire::xml::Xml;

pub(super) static SERVICE: Service = Service {
    name: "sts",
    version: "2011-06-15",
    namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
    dialect: Dialect::Query,
    operations: operations::OPERATIONS,
    refused,
    resources,
};

/// Nothing is changed, so nothing is refused.
#[expect(clippy::needless_pass_by_value, reason = "as all services have it")]
fn refused(refusal: Refusal, _manifest: &Path) -> AwsError {
    AwsError::validation(refusal.to_string())
}

fn resources(_call: &Call<'_>) -> Vec<String> {
    Vec::new()
}

fn caller_identity(call: &Call<'_>) -> Result<Xml, AwsError> {
    let account = &call.scope.account;
    let mut xml = Xml::new();
    xml.text("Arn", &access::arn(account, call.caller));
    xml.text("UserId", &access::user_id(account, call.caller));
    xml.value("Account", account);
    Ok(xml)
}

/// Whose account a key belongs to.
fn access_key_info(call: &Call<'_>) -> Result<Xml, AwsError> {
    let id = required(&call.fields, "AccessKeyId")?;
    let is_root = call.api.credentials.as_ref().is_some_and(|root| root.access_key == id);
    let account = match call.state.iam().access_key(id) {
        Some((user, _)) => user.identity.named().account().clone(),
        None if is_root || is_access_key_id(id) => call.scope.account.clone(),
        None => {
            let message = format!("Invalid Access Key ID: {}", shown(id));
            return Err(AwsError::new("InvalidParameterValue", message));
        }
    };
    let mut xml = Xml::new();
    xml.value("Account", account);
    Ok(xml)
}

/// Temporary credentials of the caller's own.
fn session_token(call: &Call<'_>) -> Result<Xml, AwsError> {
    let secs = number(&call.fields, "DurationSeconds", 900..=129_600)?;
    let (of, default_secs, max_secs) = match &call.caller.who {
        Who::Root => (Of::Root, 3600, 3600),
        Who::User(user) => {
            let (key, id) = (user.identity.key().to_string(), user.identity.id.to_string());
            (Of::User { key, id }, 43_200, 129_600)
        }
        Who::RootSession(_) | Who::UserSession(..) | Who::Role(..) => {
            let message = "Cannot call GetSessionToken with session credentials";
            return Err(AwsError::with_status(403, "AccessDenied", message));
        }
    };
    let secs = secs.and_then(|secs| u64::try_from(secs).ok()).unwrap_or(default_secs);
    let issued_secs = call.now.0 / 1000;
    let new = New {
        of,
        name: String::new(),
        issued_secs,
        expires_secs: issued_secs + secs.min(max_secs),
        policy: None,
        policy_arns: Vec::new(),
    };
    let (session, token) = session::begin(&call.api.session_key, new)?;
    let mut xml = Xml::new();
    credentials(&mut xml, &session, &token);
    Ok(xml)
}

/// The secret stands in this answer and in no other.
fn credentials(xml: &mut Xml, session: &Session, token: &str) {
    xml.within("Credentials", |xml| {
        xml.text("AccessKeyId", &session.access_key);
        xml.text("SecretAccessKey", session.secret.expose());
        xml.text("SessionToken", token);
        let expires = model::Timestamp(session.expires_secs.saturating_mul(1000));
        xml.text("Expiration", &iam::moment(expires));
    });
}
