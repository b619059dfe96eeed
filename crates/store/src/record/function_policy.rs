//! Policies of functions.

use super::value::{Text, Word};
use super::{Invalid, Shape};
use model::lambda::policy::{
    Action, ArnPattern, EventSourceToken, FunctionPolicy, OrganizationId, Principal, Statement, StatementId,
};
use model::lambda::url::UrlAuth;
use model::{AccountId, FunctionArn};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FunctionPolicyV1 {
    function: Text<FunctionArn>,
    /// 32 hexadecimal digits.
    revision: String,
    statements: Vec<StatementV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatementV1 {
    id: Text<StatementId>,
    principal: Text<Principal>,
    action: Text<Action>,
    source_arn: Option<Text<ArnPattern>>,
    source_account: Option<Text<AccountId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url_auth: Option<Word<UrlAuth>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by_url: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_source_token: Option<Text<EventSourceToken>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organization: Option<Text<OrganizationId>>,
}

impl Shape for FunctionPolicyV1 {
    type Resource = FunctionPolicy;

    fn of(resource: &FunctionPolicy) -> Self {
        let FunctionPolicy {
            function,
            revision,
            statements,
        } = resource.clone();
        let statement = |it| {
            let Statement {
                id,
                principal,
                action,
                source_arn,
                source_account,
                url_auth,
                by_url,
                event_source_token,
                organization,
            } = it;
            StatementV1 {
                id: Text(id),
                principal: Text(principal),
                action: Text(action),
                source_arn: source_arn.map(Text),
                source_account: source_account.map(Text),
                url_auth: url_auth.map(Word),
                by_url,
                event_source_token: event_source_token.map(Text),
                organization: organization.map(Text),
            }
        };
        Self {
            function: Text(function),
            revision: format!("{revision:032x}"),
            statements: statements.into_iter().map(statement).collect(),
        }
    }

    fn into_resource(self) -> Result<FunctionPolicy, Invalid> {
        let is_written = self.revision.len() == 32 && self.revision.bytes().all(|byte| byte.is_ascii_hexdigit());
        let revision = u128::from_str_radix(&self.revision, 16).ok().filter(|_| is_written);
        let statement = |it: StatementV1| Statement {
            id: it.id.0,
            principal: it.principal.0,
            action: it.action.0,
            source_arn: it.source_arn.map(|it| it.0),
            source_account: it.source_account.map(|it| it.0),
            url_auth: it.url_auth.map(|it| it.0),
            by_url: it.by_url,
            event_source_token: it.event_source_token.map(|it| it.0),
            organization: it.organization.map(|it| it.0),
        };
        Ok(FunctionPolicy {
            function: self.function.0,
            revision: revision.ok_or_else(|| Invalid::because("the revision is not 32 hexadecimal digits"))?,
            statements: self.statements.into_iter().map(statement).collect(),
        })
    }
}
