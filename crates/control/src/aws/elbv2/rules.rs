//! Rules. Source: ALB 2, 9.5.

use super::actions::actions;
use super::call::{Call, Plan, fresh_id};
use super::conditions::{conditions, transforms};
use super::find::{self, AnyRule};
use super::input::{boolean, noted, number, required, required_list};
use super::page::{page, whole};
use super::{shapes, tags};
use crate::aws::error::AwsError;
use model::command::rule::{CreateRule, ModifyRule};
use model::elb::rule::RulePriority;
use model::elb::transform::Transforms;
use model::{Command, Owner, RuleArn, TaggedArn};
use wire::query::Fields;
use wire::xml::Xml;

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    let fields = &call.fields;
    let (of, arns) = (fields.text("ListenerArn"), fields.texts("RuleArns")?);
    let page = match (of, arns.is_empty()) {
        (None, true) => {
            return Err(AwsError::validation(
                "You must specify either listener rule ARNs or a listener ARN",
            ));
        }
        (Some(_), false) => {
            return Err(AwsError::validation(
                "Listener rule ARNs and a listener ARN cannot be specified at the same time",
            ));
        }
        (Some(listener), true) => {
            let listener = find::listener(call, listener)?;
            let own = call.state.rules_of(&listener.arn).map(AnyRule::Own);
            page(call, own.chain([AnyRule::Default(listener)]), place)?
        }
        (None, false) => {
            let found: Result<Vec<_>, _> = arns.iter().map(|arn| find::rule(call, arn)).collect();
            whole(found.map_err(find::several)?)
        }
    };
    let mut xml = Xml::new();
    xml.list("Rules", &page.items, one);
    page.end(&mut xml);
    Ok(xml)
}

/// By priority, the default rule last. Source: ALB 2.4.
fn place(rule: &AnyRule<'_>) -> String {
    match rule {
        AnyRule::Own(rule) => format!("{:05}", rule.priority.number()),
        AnyRule::Default(_) => "default".to_owned(),
    }
}

fn one(xml: &mut Xml, rule: &AnyRule<'_>) {
    match rule {
        AnyRule::Own(rule) => shapes::rule(xml, rule),
        AnyRule::Default(listener) => shapes::default_rule(xml, listener),
    }
}

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let fields = &call.fields;
    let listener = find::listener(call, required(fields, "ListenerArn")?);
    // All of it is read before any of it is an error, so that every parameter is told that breaks a rule of its own.
    let (priority, conditions) = (priority(fields), conditions(fields));
    let transforms = noted(fields, transforms(fields), Transforms::default());
    let actions = actions(call, "Actions");
    let listener = listener?;
    let arn = RuleArn::new(&listener.arn, fresh_id()?);
    let create = CreateRule {
        arn: arn.clone(),
        listener: listener.arn.clone(),
        priority: priority?,
        conditions: conditions?,
        transforms: transforms?,
        actions: actions?,
        owner: Owner::Api,
    };
    let mut commands = vec![Command::CreateRule(create)];
    commands.extend(tags::added(TaggedArn::Rule(arn.clone()), tags::of_creation(call)?));
    Ok(answering(commands, vec![arn]))
}

pub(super) fn modify(call: &Call<'_>) -> Result<Plan, AwsError> {
    let fields = &call.fields;
    let rule = find::own_rule(call, required(fields, "RuleArn")?)?;
    let reset = boolean(fields, "ResetTransforms")?.unwrap_or(false);
    let [has_conditions, has_actions, has_transforms] =
        ["Conditions", "Actions", "Transforms"].map(|it| fields.has(it));
    // ALB-A-030: both would say two things
    if reset && has_transforms {
        let message = "You cannot specify both 'Transforms' and 'ResetTransforms'";
        return Err(AwsError::validation(message));
    }
    if !(has_conditions || has_actions || has_transforms || reset) {
        return Err(AwsError::validation("Either conditions or actions must be specified"));
    }
    let given = has_transforms.then(|| transforms(fields)).transpose()?;
    let modify = ModifyRule {
        arn: rule.arn.clone(),
        conditions: has_conditions.then(|| conditions(fields)).transpose()?,
        transforms: given.or_else(|| reset.then(Transforms::default)),
        actions: has_actions.then(|| actions(call, "Actions")).transpose()?,
    };
    let arns = vec![rule.arn.clone()];
    Ok(answering(vec![Command::ModifyRule(modify)], arns))
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    let rule = find::own_rule(call, required(&call.fields, "RuleArn")?)?;
    Ok(Plan::silent(vec![Command::DeleteRule(rule.arn.clone())]))
}

pub(super) fn set_priorities(call: &Call<'_>) -> Result<Plan, AwsError> {
    let mut priorities: Vec<(RuleArn, RulePriority)> = Vec::new();
    for pair in required_list(&call.fields, "RulePriorities")? {
        let rule = find::own_rule(call, required(&pair, "RuleArn")?)?;
        if priorities.iter().any(|(arn, _)| *arn == rule.arn) {
            let message = format!("Rule '{}' was provided multiple times", rule.arn);
            return Err(AwsError::validation(message));
        }
        priorities.push((rule.arn.clone(), priority(&pair)?));
    }
    let arns = priorities.iter().map(|(arn, _)| arn.clone()).collect();
    Ok(answering(vec![Command::SetRulePriorities(priorities)], arns))
}

fn answering(commands: Vec<Command>, arns: Vec<RuleArn>) -> Plan {
    Plan::new(commands, move |call| {
        let found: Result<Vec<_>, _> = arns.iter().map(|arn| find::rule(call, arn.as_str())).collect();
        let mut xml = Xml::new();
        xml.list("Rules", &found?, one);
        Ok(xml)
    })
}

fn priority(fields: &Fields<'_>) -> Result<RulePriority, AwsError> {
    required(fields, "Priority")?;
    // Without one it was complained of.
    let number = number(fields, "Priority", 1..=50_000)?.unwrap_or(1);
    RulePriority::try_from(number).map_err(|error| AwsError::validation(super::errors::sentence(&error)))
}
