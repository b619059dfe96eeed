//! Actions of rules and listeners.

use super::Invalid;
use super::value::{Lasting, Text, Word};
use model::TargetGroupArn;
use model::elb::action::redirect::{Redirect, RedirectParts, RedirectPort, RedirectProtocol, RedirectStatus};
use model::elb::action::{ActionOrder, Actions, Answer, ContentType, FixedResponse, Forward, WeightedTargetGroup};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionsV1 {
    answer: AnswerV1,
    /// Missing: 1, which records were written without before there was another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<u16>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AnswerV1 {
    Forward(ForwardV1),
    Redirect(RedirectV1),
    FixedResponse(FixedResponseV1),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForwardV1 {
    target_groups: Vec<WeightedV1>,
    stickiness_secs: Option<Lasting>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stickiness_when_on_secs: Option<Lasting>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WeightedV1 {
    target_group: Text<TargetGroupArn>,
    weight: u16,
}

/// Host, path and query are templates as users write them. No port is `#{port}`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedirectV1 {
    status: Word<RedirectStatus>,
    protocol: Word<RedirectProtocol>,
    host: String,
    port: Option<u16>,
    path: String,
    query: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FixedResponseV1 {
    status: u16,
    content_type: Word<ContentType>,
    body: String,
}

impl ActionsV1 {
    pub(super) fn of(actions: &Actions) -> Self {
        let Actions { answer, order } = actions;
        Self {
            order: Some(*order)
                .filter(|it| *it != ActionOrder::default())
                .map(ActionOrder::number),
            answer: match answer {
                Answer::Forward(forward) => AnswerV1::Forward(ForwardV1::of(forward)),
                Answer::Redirect(redirect) => AnswerV1::Redirect(RedirectV1::of(redirect)),
                Answer::FixedResponse(response) => AnswerV1::FixedResponse(FixedResponseV1 {
                    status: response.status(),
                    content_type: Word(response.content_type()),
                    body: response.body().to_owned(),
                }),
            },
        }
    }

    pub(super) fn into_actions(self) -> Result<Actions, Invalid> {
        let order = self.order.map(|order| ActionOrder::try_from(i64::from(order)));
        Ok(Actions {
            order: order.transpose().map_err(Invalid::because)?.unwrap_or_default(),
            answer: match self.answer {
                AnswerV1::Forward(forward) => Answer::Forward(forward.into_forward()?),
                AnswerV1::Redirect(redirect) => Answer::Redirect(redirect.into_redirect()?),
                AnswerV1::FixedResponse(response) => {
                    let (status, content_type) = (response.status.into(), response.content_type.0);
                    let response = FixedResponse::new(status, content_type, &response.body);
                    Answer::FixedResponse(response.map_err(Invalid::because)?)
                }
            },
        })
    }
}

impl ForwardV1 {
    fn of(forward: &Forward) -> Self {
        let weighted = |it: &WeightedTargetGroup| {
            let WeightedTargetGroup { target_group, weight } = it.clone();
            WeightedV1 {
                target_group: Text(target_group),
                weight,
            }
        };
        Self {
            target_groups: forward.target_groups().iter().map(weighted).collect(),
            stickiness_secs: forward.stickiness().map(Lasting),
            stickiness_when_on_secs: forward.stickiness_when_on().map(Lasting),
        }
    }

    fn into_forward(self) -> Result<Forward, Invalid> {
        let weighted = |it: WeightedV1| WeightedTargetGroup {
            target_group: it.target_group.0,
            weight: it.weight,
        };
        let target_groups = self.target_groups.into_iter().map(weighted).collect();
        let forward = Forward::new(target_groups, self.stickiness_secs.map(|it| it.0)).map_err(Invalid::because)?;
        match (forward.stickiness(), self.stickiness_when_on_secs) {
            (_, None) => Ok(forward),
            (None, Some(duration)) => forward.with_stickiness_off(duration.0).map_err(Invalid::because),
            (Some(_), Some(_)) => Err(Invalid::because("stickiness is on and off")),
        }
    }
}

impl RedirectV1 {
    fn of(redirect: &Redirect) -> Self {
        Self {
            status: Word(redirect.status),
            protocol: Word(redirect.protocol()),
            host: redirect.host().to_string(),
            port: match redirect.port() {
                RedirectPort::Same => None,
                RedirectPort::Number(port) => Some(port),
            },
            path: redirect.path().to_string(),
            query: redirect.query().to_string(),
        }
    }

    fn into_redirect(self) -> Result<Redirect, Invalid> {
        let port = self.port.map(|port| port.to_string());
        let parts = RedirectParts {
            protocol: match self.protocol.0 {
                RedirectProtocol::Same => None,
                RedirectProtocol::Http => Some("HTTP"),
                RedirectProtocol::Https => Some("HTTPS"),
            },
            host: Some(&self.host),
            port: port.as_deref(),
            path: Some(&self.path),
            query: Some(&self.query),
        };
        Redirect::new(self.status.0, &parts).map_err(Invalid::because)
    }
}
