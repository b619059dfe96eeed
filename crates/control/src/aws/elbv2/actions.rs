//! Actions of rules and listeners. Source: ALB 2.5, 9.6.

use super::call::Call;
use super::errors::sentence;
use super::find;
use super::input::{boolean, constraint, not_in_set, noted, number, required, required_list};
use crate::aws::error::AwsError;
use model::TargetGroupArn;
use model::elb::action::redirect::{Redirect, RedirectParts, RedirectRefusal, RedirectStatus};
use model::elb::action::{
    ActionOrder, Actions, Answer, ContentType, FixedResponse, FixedResponseRefusal, Forward, ForwardRefusal,
    WeightedTargetGroup,
};
use std::time::Duration;
use wire::query::Fields;

const TYPES: [&str; 6] = [
    "forward",
    "authenticate-oidc",
    "authenticate-cognito",
    "redirect",
    "fixed-response",
    "jwt-validation",
];

/// The actions in a list: one routing action.
pub(super) fn actions(call: &Call<'_>, name: &str) -> Result<Actions, AwsError> {
    let list = required_list(&call.fields, name)?;
    let mut order = ActionOrder::default();
    for action in &list {
        match required(action, "Type")? {
            kind @ ("authenticate-oidc" | "authenticate-cognito" | "jwt-validation") => {
                return Err(AwsError::not_built(format!(
                    "Actions of type '{kind}' are not built yet"
                )));
            }
            kind if !TYPES.contains(&kind) => {
                noted(action, Err(not_in_set(&action.path("Type"), kind, &TYPES)), ())?;
            }
            _ => {}
        }
        if let Some(number) = number(action, "Order", 1..=50_000)? {
            order = ActionOrder::try_from(number).map_err(|error| AwsError::validation(sentence(&error)))?;
        }
    }
    let [action] = &list[..] else {
        let message = "A rule must have exactly one action of type 'forward', 'redirect' or 'fixed-response'";
        return Err(AwsError::new("InvalidLoadBalancerAction", message));
    };
    let answer = match required(action, "Type")? {
        "forward" => Answer::Forward(forward(call, action)?),
        "redirect" => Answer::Redirect(redirect(action)?),
        _ => Answer::FixedResponse(fixed_response(action)?),
    };
    Ok(Actions { answer, order })
}

/// `TargetGroupArn`, `ForwardConfig`, or both when they say the same.
fn forward(call: &Call<'_>, action: &Fields<'_>) -> Result<Forward, AwsError> {
    let group = |text: &str| find::target_group(call, text).map(|it| it.arn.clone());
    let only = action.text("TargetGroupArn").map(group).transpose()?;
    let Some(config) = action.structure("ForwardConfig") else {
        let only = only.ok_or_else(|| {
            let message =
                "You must specify a target group ARN or a forward configuration for an action of type 'forward'";
            AwsError::new("InvalidLoadBalancerAction", message)
        })?;
        return Forward::new(vec![weighted(only, 1)], None).map_err(|refusal| forward_refused(&refusal));
    };
    let tuples = config.list("TargetGroups")?;
    let mut groups = Vec::new();
    for tuple in &tuples {
        let named = group(required(tuple, "TargetGroupArn")?)?;
        let weight = number(tuple, "Weight", 0..=999)?;
        if weight.is_none() && tuples.len() > 1 {
            let message = "You must specify a weight for each target group of a forward action with several";
            return Err(AwsError::new("InvalidLoadBalancerAction", message));
        }
        groups.push(weighted(named, weight.unwrap_or(1)));
    }
    match (&only, &groups[..]) {
        (Some(only), []) => groups.push(weighted(only.clone(), 1)),
        (Some(only), [group]) if group.target_group == *only => {}
        (Some(_), _) => {
            let message = "A target group ARN beside a forward configuration must be the only target group there";
            return Err(AwsError::new("InvalidLoadBalancerAction", message));
        }
        (None, _) => {}
    }
    let (is_on, duration) = match config.structure("TargetGroupStickinessConfig") {
        Some(config) => stickiness(&config)?,
        None => (false, None),
    };
    let forward = Forward::new(groups, duration.filter(|_| is_on));
    match duration.filter(|_| !is_on) {
        Some(duration) => forward.and_then(|it| it.with_stickiness_off(duration)),
        None => forward,
    }
    .map_err(|refusal| forward_refused(&refusal))
}

fn weighted(target_group: TargetGroupArn, weight: i64) -> WeightedTargetGroup {
    WeightedTargetGroup {
        target_group,
        // It was asked for within 0 to 999.
        weight: u16::try_from(weight).unwrap_or(u16::MAX),
    }
}

/// Whether it is on, and its duration.
fn stickiness(config: &Fields<'_>) -> Result<(bool, Option<Duration>), AwsError> {
    let secs = number(config, "DurationSeconds", 0..=i64::from(i32::MAX))?.map(i64::unsigned_abs);
    let is_on = boolean(config, "Enabled")?.unwrap_or(false);
    match secs {
        None if is_on => Err(AwsError::validation(
            "You must specify a duration to enable target group stickiness",
        )),
        secs => Ok((is_on, secs.map(Duration::from_secs))),
    }
}

fn forward_refused(refusal: &ForwardRefusal) -> AwsError {
    let code = match refusal {
        ForwardRefusal::Count(_) => "TooManyTargetGroups",
        ForwardRefusal::Weight(_) | ForwardRefusal::Stickiness(_) => "ValidationError",
        ForwardRefusal::Repeated(_) => "InvalidLoadBalancerAction",
    };
    let message = match refusal {
        ForwardRefusal::Stickiness(_) => {
            "Target group stickiness duration must be between 1 and 604800 seconds".to_owned()
        }
        refusal => sentence(refusal),
    };
    AwsError::new(code, message)
}

fn redirect(action: &Fields<'_>) -> Result<Redirect, AwsError> {
    let config = config(action, "RedirectConfig", "redirect")?;
    let status = required(&config, "StatusCode")?;
    let status = match status {
        "HTTP_301" | "HTTP_302" => RedirectStatus::parse(status).map_err(redirect_refused)?,
        other => {
            let wrong = not_in_set(&config.path("StatusCode"), other, &["HTTP_301", "HTTP_302"]);
            noted(&config, Err(wrong), RedirectStatus::Found)?
        }
    };
    let parts = RedirectParts {
        protocol: config.text("Protocol"),
        host: config.text("Host"),
        port: config.text("Port"),
        path: config.text("Path"),
        query: config.text("Query"),
    };
    Redirect::new(status, &parts).map_err(redirect_refused)
}

fn redirect_refused(refusal: RedirectRefusal) -> AwsError {
    match refusal {
        RedirectRefusal::Loop => AwsError::new(
            "InvalidLoadBalancerAction",
            "The redirect configuration is not valid because it creates a loop.",
        ),
        refusal => AwsError::new("InvalidLoadBalancerAction", sentence(&refusal)),
    }
}

fn fixed_response(action: &Fields<'_>) -> Result<FixedResponse, AwsError> {
    let config = config(action, "FixedResponseConfig", "fixed-response")?;
    let text = required(&config, "StatusCode")?;
    let is_status = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let status = text.parse().ok().filter(|_| is_status).unwrap_or(0);
    let content_type = match config.text("ContentType") {
        None => ContentType::default(),
        Some(text) => ContentType::try_from(text).map_err(|_| {
            let message = "The ContentType must be one of:'text/html', 'application/json', 'application/javascript', \
                           'text/css', 'text/plain'";
            AwsError::new("InvalidLoadBalancerAction", message)
        })?,
    };
    let body = config.text("MessageBody").unwrap_or_default();
    let refused = |refusal| match refusal {
        FixedResponseRefusal::Status(_) => {
            let must = r"Member must satisfy regular expression pattern: ^(2|4|5)\d\d$";
            constraint(&config.path("StatusCode"), text, must)
        }
        FixedResponseRefusal::Body(_) => {
            let must = "Member must have length less than or equal to 1024";
            constraint(&config.path("MessageBody"), body, must)
        }
        FixedResponseRefusal::ContentType(_) => AwsError::validation(sentence(&refusal)),
    };
    let read = |status, body| FixedResponse::new(status, content_type, body).map_err(refused);
    // The status for itself, so that a body that is too long is told beside it.
    let status = noted(&config, read(status, "").map(|_| status), 200)?;
    noted(&config, read(status, body), read(status, "")?)
}

fn config<'a>(action: &Fields<'a>, name: &str, kind: &str) -> Result<Fields<'a>, AwsError> {
    action.structure(name).ok_or_else(|| {
        let message = format!("A '{name}' must be specified for an action of type '{kind}'");
        AwsError::new("InvalidLoadBalancerAction", message)
    })
}
