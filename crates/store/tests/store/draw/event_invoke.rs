//! What becomes of asynchronous invocations, and events that wait.

use super::Draw;
use model::bucket::BucketArn;
use model::lambda::event_invoke::{
    Change, Destination, EventInvokeConfig, FailureDestination, MaximumEventAge, MaximumRetryAttempts, QualifiedArn,
    Settings,
};
use model::{FunctionArn, Timestamp};
use std::collections::BTreeMap;
use store::queue::{Attempts, Event};

impl Draw {
    fn qualified(&mut self) -> QualifiedArn {
        let qualifier = self.maybe(|draw| draw.pick(&["7", "live"]));
        QualifiedArn::new(&self.function_arn(), qualifier).unwrap()
    }

    pub(super) fn event_invoke(&mut self) -> Change {
        if self.chance(30) {
            return Change::Delete(self.qualified());
        }
        let destination = |draw: &mut Self| Destination {
            function: draw.function_arn(),
            qualifier: draw.maybe(|draw| draw.pick(&["7", "$LATEST"]).into()),
        };
        let settings = Settings {
            maximum_retry_attempts: self.maybe(|draw| MaximumRetryAttempts::try_from(draw.pick(&[0, 2])).unwrap()),
            maximum_event_age: self.maybe(|draw| MaximumEventAge::try_from(draw.pick(&[60, 21_600])).unwrap()),
            on_success: self.maybe(destination),
            on_failure: self.maybe(|draw| match draw.chance(30) {
                true => FailureDestination::Bucket(draw.bucket()),
                false => FailureDestination::Function(destination(draw)),
            }),
        };
        Change::Put(
            EventInvokeConfig {
                function: self.qualified(),
                settings,
                last_modified: Timestamp(self.number()),
                owner: self.owner(),
            }
            .into(),
        )
    }

    fn bucket(&mut self) -> BucketArn {
        BucketArn::try_from(self.pick(&["arn:aws:s3:::dead-letters", "arn:aws-cn:s3:::a.b.c"])).unwrap()
    }

    /// The record of a failure on its way into a bucket.
    pub(crate) fn delivery(&mut self) -> Event {
        Event {
            trace_id: None,
            chain: BTreeMap::new(),
            bucket: Some(self.bucket()),
            ..self.event()
        }
    }

    pub(crate) fn event(&mut self) -> Event {
        let chain: BTreeMap<FunctionArn, u32> = self
            .some(2, |draw| (draw.function_arn(), draw.below(16) as u32))
            .into_iter()
            .collect();
        let payloads: [&[u8]; 4] = [b"{}", b"\"Z\xc3\xbcrich\"", b" [1,\n2]\n", b"null"];
        Event {
            request_id: self
                .pick(&[
                    "00000000-0000-4000-8000-000000000000",
                    "ffffffff-ffff-4fff-bfff-ffffffffffff",
                ])
                .to_owned(),
            function: self.qualified(),
            accepted: Timestamp(self.number()),
            trace_id: self.maybe(Self::text),
            chain,
            payload: self.pick(&payloads).to_vec(),
            bucket: None,
        }
    }

    pub(crate) fn attempts(&mut self) -> Attempts {
        Attempts {
            failures: self.below(3) as u32,
            due: Timestamp(self.number()),
        }
    }
}
