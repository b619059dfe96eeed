//! What becomes of asynchronous invocations.

use super::value::{Text, Word};
use super::{Invalid, Shape};
use model::lambda::event_invoke::{
    Destination, EventInvokeConfig, FailureDestination, MaximumEventAge, MaximumRetryAttempts, QualifiedArn, Settings,
};
use model::{Owner, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventInvokeConfigV1 {
    function: Text<QualifiedArn>,
    maximum_retry_attempts: Option<u8>,
    maximum_event_age_secs: Option<u16>,
    on_success: Option<Text<Destination>>,
    on_failure: Option<Text<FailureDestination>>,
    last_modified_millis: u64,
    owner: Word<Owner>,
}

impl Shape for EventInvokeConfigV1 {
    type Resource = EventInvokeConfig;

    fn of(resource: &EventInvokeConfig) -> Self {
        let EventInvokeConfig {
            function,
            settings,
            last_modified,
            owner,
        } = resource.clone();
        let Settings {
            maximum_retry_attempts,
            maximum_event_age,
            on_success,
            on_failure,
        } = settings;
        Self {
            function: Text(function),
            maximum_retry_attempts: maximum_retry_attempts.map(MaximumRetryAttempts::number),
            maximum_event_age_secs: maximum_event_age.map(MaximumEventAge::seconds),
            on_success: on_success.map(Text),
            on_failure: on_failure.map(Text),
            last_modified_millis: last_modified.0,
            owner: Word(owner),
        }
    }

    fn into_resource(self) -> Result<EventInvokeConfig, Invalid> {
        let attempts = self.maximum_retry_attempts.map(i64::from);
        let age = self.maximum_event_age_secs.map(i64::from);
        let attempts = attempts.map(MaximumRetryAttempts::try_from).transpose();
        let age = age.map(MaximumEventAge::try_from).transpose();
        Ok(EventInvokeConfig {
            function: self.function.0,
            settings: Settings {
                maximum_retry_attempts: attempts.map_err(Invalid::because)?,
                maximum_event_age: age.map_err(Invalid::because)?,
                on_success: self.on_success.map(|it| it.0),
                on_failure: self.on_failure.map(|it| it.0),
            },
            last_modified: Timestamp(self.last_modified_millis),
            owner: self.owner.0,
        })
    }
}
