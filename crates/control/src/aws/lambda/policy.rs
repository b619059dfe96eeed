//! `AddPermission`, `GetPolicy` and `RemovePermission`. Source: Lambda 6.

use super::input::{self, Members};
use super::{Call, Change, Document};
use crate::lambda::error::LambdaError;
use hyper::StatusCode;
use model::command::function_policy::{AddPermission, RemovePermission};
use model::lambda::policy::{Action, FunctionPolicy, Principal, Statement, StatementId};
use model::lambda::url::UrlAuth;
use model::{Command, FunctionArn};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Bytes of a policy as a document. Source: Lambda 6.1.
const POLICY_BYTES_MAX: usize = 20_480;

/// A statement as a caller describes it.
struct Asked<'a> {
    statement_id: &'a str,
    action: &'a str,
    principal: &'a str,
    source_arn: Option<&'a str>,
    source_account: Option<&'a str>,
    url_auth: Option<&'a str>,
    by_url: Option<bool>,
    event_source_token: Option<&'a str>,
    organization: Option<&'a str>,
    revision_id: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// What is missing is named all at once.
    fn read(members: &Members<'a>) -> Result<Self, LambdaError> {
        let required = ["StatementId", "Action", "Principal"];
        let missing: Vec<String> = required
            .iter()
            .filter(|name| members.get(name).is_none())
            .map(|name| {
                let path = input::path(name);
                format!("Value null at '{path}' failed to satisfy constraint: Member must not be null")
            })
            .collect();
        if !missing.is_empty() {
            return Err(LambdaError::violations(&missing));
        }
        Ok(Self {
            statement_id: members.required("StatementId")?,
            action: members.required("Action")?,
            principal: members.required("Principal")?,
            source_arn: members.text("SourceArn")?,
            source_account: members.text("SourceAccount")?,
            url_auth: members.text("FunctionUrlAuthType")?,
            by_url: members.boolean("InvokedViaFunctionUrl")?,
            event_source_token: members.text("EventSourceToken")?,
            organization: members.text("PrincipalOrgID")?,
            revision_id: members.text("RevisionId")?,
        })
    }
}

pub(super) fn add(call: &Call<'_>) -> Result<Change, LambdaError> {
    let function = call.function()?;
    if !call.state.is_runnable(&function) {
        let is_alias = function
            .qualifier()
            .is_some_and(|it| !it.bytes().all(|byte| byte.is_ascii_digit()));
        let what = if is_alias {
            "Cannot find alias arn"
        } else {
            "Function not found"
        };
        return Err(LambdaError::resource_not_found(&format!("{what}: {function}")));
    }
    let body = input::parsed(call.body)?;
    let asked = Asked::read(&call.members_of(&body)?)?;
    let policy = call.state.function_policy(&function);
    check_revision(policy.map(|policy| &**policy), asked.revision_id)?;
    let statement = statement(call, &asked)?;
    let revision = fresh_revision()?;
    let mut statements = policy.map(|policy| policy.statements.clone()).unwrap_or_default();
    statements.push(statement.clone());
    let after = FunctionPolicy {
        function: function.clone(),
        revision,
        statements,
    };
    if document(&after).len() > POLICY_BYTES_MAX {
        return Err(LambdaError::policy_too_long());
    }
    let shown = json!({ "Statement": text(&rendered(&statement, &function)) });
    Ok(Change {
        command: Command::AddPermission(AddPermission {
            function,
            statement,
            revision,
        }),
        document: (StatusCode::CREATED, Some(shown)),
        bucket: None,
    })
}

pub(super) fn get(call: &Call<'_>) -> Result<Document, LambdaError> {
    let function = call.function()?;
    let policy = call.state.function_policy(&function);
    let none = || LambdaError::resource_not_found("The resource you requested does not exist.");
    let policy = policy.ok_or_else(none)?;
    let shown = json!({ "Policy": document(policy), "RevisionId": uuid(policy.revision) });
    Ok((StatusCode::OK, Some(shown)))
}

pub(super) fn remove(call: &Call<'_>) -> Result<Change, LambdaError> {
    let function = call.function()?;
    if !call.state.is_runnable(&function) {
        let is_alias = function
            .qualifier()
            .is_some_and(|it| !it.bytes().all(|byte| byte.is_ascii_digit()));
        let what = if is_alias {
            "Cannot find alias arn"
        } else {
            "No policy found for"
        };
        return Err(LambdaError::resource_not_found(&format!("{what}: {function}")));
    }
    let policy = call.state.function_policy(&function).map(|policy| &**policy);
    check_revision(policy, call.parameter("RevisionId"))?;
    let id = call.named.get(1).map(String::as_str).unwrap_or_default();
    let command = Command::RemovePermission(RemovePermission {
        function,
        statement: statement_id(id)?,
        revision: fresh_revision()?,
    });
    let document = (StatusCode::NO_CONTENT, None);
    Ok(Change {
        command,
        document,
        bucket: None,
    })
}

fn check_revision(policy: Option<&FunctionPolicy>, asked: Option<&str>) -> Result<(), LambdaError> {
    let newest = policy.map(|policy| uuid(policy.revision));
    match asked {
        Some(asked) if newest.as_deref() != Some(asked) => Err(LambdaError::stale_policy()),
        _ => Ok(()),
    }
}

fn statement(call: &Call<'_>, asked: &Asked<'_>) -> Result<Statement, LambdaError> {
    let pattern = |path: &'static str, rule: &'static str| move |text: &str| LambdaError::not_a_name(text, path, rule);
    let action = pattern("action", "(lambda:[*]|lambda:[a-zA-Z]+|[*])");
    let source_arn = pattern("sourceArn", "arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:.*");
    let token = pattern("eventSourceToken", "[a-zA-Z0-9._\\-]+");
    // What breaks a rule of its own is told with all others that do.
    let id = call.noted(statement_id(asked.statement_id).map(Some), None)?;
    let action = Action::try_from(asked.action)
        .map(Some)
        .map_err(|_| action(asked.action));
    let action = call.noted(action, None)?;
    let source_arn = call.noted(condition(asked.source_arn, source_arn), None)?;
    let source_account = condition(asked.source_account, pattern("sourceAccount", "\\d{12}"));
    let source_account = call.noted(source_account, None)?;
    let url_auth = match asked.url_auth {
        None => Ok(None),
        Some("NONE") => Ok(Some(UrlAuth::None)),
        Some("AWS_IAM") => Ok(Some(UrlAuth::AwsIam)),
        Some(other) => Err(LambdaError::not_in_set(other, "functionUrlAuthType", "[NONE, AWS_IAM]")),
    };
    let url_auth = call.noted(url_auth, None)?;
    let event_source_token = call.noted(condition(asked.event_source_token, token), None)?;
    let organization = condition(asked.organization, pattern("principalOrgID", "o-[a-z0-9]{10,32}"));
    let organization = call.noted(organization, None)?;
    Ok(Statement {
        id: id.ok_or_else(LambdaError::service)?,
        principal: Principal::try_from(asked.principal).map_err(|_| {
            LambdaError::invalid_parameter(
                "The provided principal was invalid. Please check the principal and try again.",
            )
        })?,
        action: action.ok_or_else(LambdaError::service)?,
        source_arn,
        source_account,
        url_auth,
        by_url: asked.by_url,
        event_source_token,
        organization,
    })
}

fn condition<'a, T: TryFrom<&'a str>>(
    text: Option<&'a str>,
    wrong: impl Fn(&str) -> LambdaError,
) -> Result<Option<T>, LambdaError> {
    text.map(|text| T::try_from(text).map_err(|_| wrong(text))).transpose()
}

fn statement_id(text: &str) -> Result<StatementId, LambdaError> {
    StatementId::try_from(text).map_err(|_| LambdaError::not_a_name(text, "statementId", "([a-zA-Z0-9-_]+)"))
}

/// A policy, its keys in AWS's order. Source: Lambda 6.3.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownPolicy {
    version: &'static str,
    id: &'static str,
    statement: Vec<ShownStatement>,
}

/// A statement, its keys in AWS's order. Source: Lambda 6.2.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShownStatement {
    pub(super) sid: String,
    pub(super) effect: &'static str,
    pub(super) principal: Value,
    pub(super) action: String,
    pub(super) resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) condition: Option<ShownCondition>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ShownCondition {
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) string_equals: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) bool: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) arn_like: Map<String, Value>,
}

fn document(policy: &FunctionPolicy) -> String {
    let statements = policy.statements.iter().map(|it| rendered(it, &policy.function));
    whole(statements.collect())
}

/// A policy of these statements, as text.
pub(super) fn whole(statement: Vec<ShownStatement>) -> String {
    text(&ShownPolicy {
        version: "2012-10-17",
        id: "default",
        statement,
    })
}

fn rendered(statement: &Statement, function: &FunctionArn) -> ShownStatement {
    let principal = match &statement.principal {
        Principal::Service(name) => json!({ "Service": **name }),
        Principal::Account(account) => json!({ "AWS": format!("arn:aws:iam::{account}:root") }),
        Principal::Arn(arn) => json!({ "AWS": **arn }),
        Principal::Everyone => json!("*"),
    };
    let keys = |pairs: &[(&str, Option<String>)]| {
        let given = pairs.iter().filter_map(|(key, value)| Some((*key, value.clone()?)));
        given
            .map(|(key, value)| (key.to_owned(), Value::String(value)))
            .collect::<Map<_, _>>()
    };
    let url_auth = statement.url_auth.map(|auth| match auth {
        UrlAuth::None => "NONE".to_owned(),
        UrlAuth::AwsIam => "AWS_IAM".to_owned(),
    });
    let condition = ShownCondition {
        string_equals: keys(&[
            (
                "AWS:SourceAccount",
                statement.source_account.as_ref().map(ToString::to_string),
            ),
            (
                "lambda:EventSourceToken",
                statement.event_source_token.as_ref().map(ToString::to_string),
            ),
            ("lambda:FunctionUrlAuthType", url_auth),
            (
                "aws:PrincipalOrgID",
                statement.organization.as_ref().map(ToString::to_string),
            ),
        ]),
        bool: keys(&[(
            "lambda:InvokedViaFunctionUrl",
            statement.by_url.map(|it| it.to_string()),
        )]),
        arn_like: keys(&[("AWS:SourceArn", statement.source_arn.as_ref().map(ToString::to_string))]),
    };
    let has_conditions =
        !(condition.string_equals.is_empty() && condition.bool.is_empty() && condition.arn_like.is_empty());
    ShownStatement {
        sid: statement.id.to_string(),
        effect: "Allow",
        principal,
        action: statement.action.to_string(),
        resource: function.to_string(),
        condition: has_conditions.then_some(condition),
    }
}

/// Maps with text keys always serialize.
pub(super) fn text(shown: &impl Serialize) -> String {
    serde_json::to_string(shown).unwrap_or_default()
}

pub(super) fn fresh_revision() -> Result<u128, LambdaError> {
    let halves = getrandom::u64().and_then(|high| Ok((high, getrandom::u64()?)));
    let (high, low) = halves.map_err(|_| LambdaError::service())?;
    // A version 4 UUID.
    let (high, low) = (high & !0xf000 | 0x4000, low & !(0b11 << 62) | 0b10 << 62);
    Ok(u128::from(high) << 64 | u128::from(low))
}

pub(super) fn uuid(number: u128) -> String {
    let hex = format!("{number:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// A revision as a caller writes it; what is none is never the newest.
pub(super) fn revision_of(text: Option<&str>) -> Option<u128> {
    let digits: String = text?.chars().filter(|character| *character != '-').collect();
    Some(u128::from_str_radix(&digits, 16).unwrap_or(u128::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_uuids() {
        assert_eq!(
            uuid(0x0000_0001_0002_4003_8004_0000_0000_0005),
            "00000001-0002-4003-8004-000000000005"
        );
        let fresh = uuid(fresh_revision().unwrap());
        assert_eq!((fresh.len(), fresh.as_bytes()[14]), (36, b'4'), "{fresh}");
    }
}
