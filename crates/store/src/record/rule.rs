//! Rules.

use super::action::ActionsV1;
use super::condition::{self, ConditionV1};
use super::value::{Text, Word};
use super::{Invalid, Shape};
use model::elb::rule::{Rule, RulePriority};
use model::elb::transform::{Rewrite, Transforms};
use model::{ListenerArn, Owner, RuleArn};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleV1 {
    arn: Text<RuleArn>,
    listener: Text<ListenerArn>,
    priority: u16,
    conditions: Vec<ConditionV1>,
    transforms: TransformsV1,
    actions: ActionsV1,
    owner: Word<Owner>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TransformsV1 {
    host: Option<RewriteV1>,
    url: Option<RewriteV1>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RewriteV1 {
    regex: String,
    replace: String,
}

impl Shape for RuleV1 {
    type Resource = Rule;

    fn of(resource: &Rule) -> Self {
        let Rule {
            arn,
            listener,
            priority,
            conditions,
            transforms: Transforms { host, url },
            actions,
            owner,
        } = resource;
        Self {
            arn: Text(arn.clone()),
            listener: Text(listener.clone()),
            priority: priority.number(),
            conditions: condition::of(conditions),
            transforms: TransformsV1 {
                host: host.as_ref().map(RewriteV1::of),
                url: url.as_ref().map(RewriteV1::of),
            },
            actions: ActionsV1::of(actions),
            owner: Word(*owner),
        }
    }

    fn into_resource(self) -> Result<Rule, Invalid> {
        let TransformsV1 { host, url } = self.transforms;
        Ok(Rule {
            arn: self.arn.0,
            listener: self.listener.0,
            priority: RulePriority::try_from(i64::from(self.priority)).map_err(Invalid::because)?,
            conditions: condition::into_conditions(self.conditions)?,
            transforms: Transforms {
                host: host.map(RewriteV1::into_rewrite).transpose()?,
                url: url.map(RewriteV1::into_rewrite).transpose()?,
            },
            actions: self.actions.into_actions()?,
            owner: self.owner.0,
        })
    }
}

impl RewriteV1 {
    fn of(rewrite: &Rewrite) -> Self {
        Self {
            regex: rewrite.regex().to_owned(),
            replace: rewrite.replace().to_owned(),
        }
    }

    fn into_rewrite(self) -> Result<Rewrite, Invalid> {
        Rewrite::new(&self.regex, &self.replace).map_err(Invalid::because)
    }
}
