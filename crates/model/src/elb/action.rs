//! Actions: what a rule does with a request it matched. Source: ALB 2.5.

pub mod redirect;

use crate::arn::TargetGroupArn;
use crate::limits::{FIXED_RESPONSE_BODY_CHARS_MAX, STICKINESS_SECS, TARGET_GROUPS_PER_ACTION, WEIGHT_MAX};
use redirect::Redirect;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a rule does: it answers in exactly one way. Signing the client in comes before that, and is not built yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actions {
    /// The routing action.
    pub answer: Answer,
    /// Where it stands among the actions. With one action it decides nothing; whoever wrote it wants to read it again.
    pub order: ActionOrder,
}

impl From<Answer> for Actions {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            order: ActionOrder::default(),
        }
    }
}

/// Where an action stands among those of its rule: the lowest is done first. `1..=50_000`, 1 where nothing is said.
/// Source: ALB 2.5, `Order`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionOrder(u16);

/// The number is no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("action order {0} is not between 1 and 50000")]
pub struct OrderOutOfRange(pub i64);

impl Default for ActionOrder {
    fn default() -> Self {
        Self(1)
    }
}

impl TryFrom<i64> for ActionOrder {
    type Error = OrderOutOfRange;

    fn try_from(value: i64) -> Result<Self, OrderOutOfRange> {
        match u16::try_from(value) {
            Ok(order @ 1..=50_000) => Ok(Self(order)),
            _ => Err(OrderOutOfRange(value)),
        }
    }
}

impl ActionOrder {
    /// The number.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for ActionOrder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// The routing action; exactly one per rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `forward` to one of some target groups.
    Forward(Forward),
    /// `redirect` the client.
    Redirect(Redirect),
    /// `fixed-response`.
    FixedResponse(FixedResponse),
}

/// `forward`. Source: ALB 2.5.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    target_groups: Vec<WeightedTargetGroup>,
    stickiness: Option<Duration>,
    stickiness_when_on: Option<Duration>,
}

/// One of the target groups of a forward action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedTargetGroup {
    /// The target group.
    pub target_group: TargetGroupArn,
    /// Its share is its weight over the sum of all weights. `0..=999`.
    pub weight: u16,
}

/// Why a forward action is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardRefusal {
    /// None, or more than five.
    #[error("a forward action has {0} target groups; it takes 1 to {TARGET_GROUPS_PER_ACTION}")]
    Count(usize),
    /// A weight over 999.
    #[error("weight {0} is not between 0 and {WEIGHT_MAX}")]
    Weight(u16),
    /// One target group twice.
    #[error("target group {0} stands twice in the forward action")]
    Repeated(TargetGroupArn),
    /// A stickiness duration outside 1 second to 7 days.
    #[error("target group stickiness of {0} seconds is not between 1 and 604800")]
    Stickiness(u64),
}

impl Forward {
    /// A forward action; `stickiness` is how long a client stays with the group it got.
    pub fn new(target_groups: Vec<WeightedTargetGroup>, stickiness: Option<Duration>) -> Result<Self, ForwardRefusal> {
        if !(1..=TARGET_GROUPS_PER_ACTION).contains(&target_groups.len()) {
            return Err(ForwardRefusal::Count(target_groups.len()));
        }
        for (at, group) in target_groups.iter().enumerate() {
            if group.weight > WEIGHT_MAX {
                return Err(ForwardRefusal::Weight(group.weight));
            }
            if target_groups[..at]
                .iter()
                .any(|earlier| earlier.target_group == group.target_group)
            {
                return Err(ForwardRefusal::Repeated(group.target_group.clone()));
            }
        }
        stickiness.map_or(Ok(()), in_range)?;
        Ok(Self {
            target_groups,
            stickiness,
            stickiness_when_on: None,
        })
    }

    /// The same with a duration that is kept while stickiness is off: whoever wrote it wants to read it again.
    ///
    /// # Errors
    /// It is out of range.
    pub fn with_stickiness_off(self, duration: Duration) -> Result<Self, ForwardRefusal> {
        in_range(duration)?;
        Ok(Self {
            stickiness: None,
            stickiness_when_on: Some(duration),
            ..self
        })
    }

    /// The target groups, at least one.
    pub fn target_groups(&self) -> &[WeightedTargetGroup] {
        &self.target_groups
    }

    /// How long a client stays with its group; `None` when stickiness is off.
    pub fn stickiness(&self) -> Option<Duration> {
        self.stickiness
    }

    /// The duration that was written while stickiness is off.
    pub fn stickiness_when_on(&self) -> Option<Duration> {
        self.stickiness_when_on
    }
}

fn in_range(duration: Duration) -> Result<(), ForwardRefusal> {
    let in_range = u32::try_from(duration.as_secs()).is_ok_and(|secs| STICKINESS_SECS.contains(&secs));
    match in_range && duration.subsec_nanos() == 0 {
        true => Ok(()),
        false => Err(ForwardRefusal::Stickiness(duration.as_secs())),
    }
}

/// `fixed-response`. Source: ALB 2.5.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedResponse {
    status: u16,
    content_type: ContentType,
    body: Arc<str>,
}

/// The content types that a fixed response may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ContentType {
    /// `text/plain`, the default.
    #[default]
    TextPlain,
    /// `text/css`.
    TextCss,
    /// `text/html`.
    TextHtml,
    /// `application/javascript`.
    ApplicationJavascript,
    /// `application/json`.
    ApplicationJson,
}

impl ContentType {
    /// All of them, in the order of AWS's message.
    pub const ALL: [Self; 5] = [
        Self::TextHtml,
        Self::ApplicationJson,
        Self::ApplicationJavascript,
        Self::TextCss,
        Self::TextPlain,
    ];

    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TextPlain => "text/plain",
            Self::TextCss => "text/css",
            Self::TextHtml => "text/html",
            Self::ApplicationJavascript => "application/javascript",
            Self::ApplicationJson => "application/json",
        }
    }
}

/// Why a fixed response is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FixedResponseRefusal {
    /// A status that is not 2xx, 4xx or 5xx.
    #[error("status {0} of a fixed response must be 2xx, 4xx or 5xx")]
    Status(i64),
    /// A content type that ALB does not offer.
    #[error(
        "content type {0:?} of a fixed response must be text/html, application/json, application/javascript, text/css or text/plain"
    )]
    ContentType(String),
    /// A body over 1024 characters.
    #[error("the body of a fixed response has {0} characters; the limit is {FIXED_RESPONSE_BODY_CHARS_MAX}")]
    Body(usize),
}

impl TryFrom<&str> for ContentType {
    type Error = FixedResponseRefusal;

    fn try_from(text: &str) -> Result<Self, FixedResponseRefusal> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or_else(|| FixedResponseRefusal::ContentType(text.to_owned()))
    }
}

impl FixedResponse {
    /// A fixed response.
    pub fn new(status: i64, content_type: ContentType, body: &str) -> Result<Self, FixedResponseRefusal> {
        let status = match u16::try_from(status) {
            Ok(code @ (200..=299 | 400..=599)) => code,
            _ => return Err(FixedResponseRefusal::Status(status)),
        };
        let chars = body.chars().count();
        if chars > FIXED_RESPONSE_BODY_CHARS_MAX {
            return Err(FixedResponseRefusal::Body(chars));
        }
        Ok(Self {
            status,
            content_type,
            body: body.into(),
        })
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The content type.
    pub fn content_type(&self) -> ContentType {
        self.content_type
    }

    /// The body, possibly empty.
    pub fn body(&self) -> &str {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AccountId, Region, ResourceId, Scope};

    fn group(number: u64, weight: u16) -> WeightedTargetGroup {
        let scope = Scope {
            region: Region::try_from("us-east-1").unwrap(),
            account: AccountId::try_from("000000000000").unwrap(),
        };
        WeightedTargetGroup {
            target_group: TargetGroupArn::new(&scope, "g", ResourceId(number)),
            weight,
        }
    }

    // ALB-A-006: six target groups in one forward action are rejected
    #[test]
    fn forward_takes_one_to_five_groups() {
        let groups = |count: u64| (0..count).map(|number| group(number, 1)).collect::<Vec<_>>();
        assert!(Forward::new(groups(1), None).is_ok());
        assert!(Forward::new(groups(5), None).is_ok());
        assert_eq!(Forward::new(groups(6), None), Err(ForwardRefusal::Count(6)));
        assert_eq!(Forward::new(groups(0), None), Err(ForwardRefusal::Count(0)));
        assert_eq!(
            Forward::new(vec![group(1, 1000)], None),
            Err(ForwardRefusal::Weight(1000))
        );
        assert!(matches!(
            Forward::new(vec![group(1, 1), group(1, 2)], None),
            Err(ForwardRefusal::Repeated(_))
        ));
    }

    #[test]
    fn orders_are_one_to_fifty_thousand() {
        assert_eq!(ActionOrder::default().number(), 1);
        for good in [1, 5, 50_000] {
            assert_eq!(
                ActionOrder::try_from(good).map(ActionOrder::number).map(i64::from),
                Ok(good)
            );
        }
        for bad in [0, -1, 50_001, 70_000] {
            assert_eq!(ActionOrder::try_from(bad), Err(OrderOutOfRange(bad)));
        }
    }

    #[test]
    fn stickiness_is_a_second_to_a_week() {
        let sticky = |secs| Forward::new(vec![group(1, 1)], Some(Duration::from_secs(secs)));
        assert!(sticky(1).is_ok() && sticky(604_800).is_ok());
        assert_eq!(sticky(0), Err(ForwardRefusal::Stickiness(0)));
        assert_eq!(sticky(604_801), Err(ForwardRefusal::Stickiness(604_801)));
    }

    // ALB-A-018: status 300 is rejected; 200, 404 and 503 are accepted
    #[test]
    fn fixed_response_status() {
        for good in [200, 299, 400, 404, 503, 599] {
            assert!(FixedResponse::new(good, ContentType::TextPlain, "").is_ok(), "{good}");
        }
        for bad in [300, 199, 600, 0, -404, 1404, 100] {
            assert_eq!(
                FixedResponse::new(bad, ContentType::TextPlain, ""),
                Err(FixedResponseRefusal::Status(bad))
            );
        }
    }

    // ALB-A-019: a body of 1025 characters is rejected
    #[test]
    fn fixed_response_body() {
        assert!(FixedResponse::new(200, ContentType::TextPlain, &"ä".repeat(1024)).is_ok());
        let long = FixedResponse::new(200, ContentType::TextPlain, &"a".repeat(1025));
        assert_eq!(long, Err(FixedResponseRefusal::Body(1025)));
    }

    #[test]
    fn fixed_response_content_type() {
        assert_eq!(ContentType::try_from("text/css"), Ok(ContentType::TextCss));
        assert!(ContentType::try_from("image/png").is_err());
    }
}
