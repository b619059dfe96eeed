//! Records that become objects in buckets. Source: Lambda 5.9.
//!
//! A record enters the queue in the transaction in which its event leaves, and leaves it when the object is on the disk. So the
//! function is not run again because a bucket is gone or a disk is full; and who dies in between writes the same object again.

use super::Shared;
use super::attempt::{End, settings};
use super::judge;
use super::line::{Next, Pace};
use super::outcome::Outcome;
use crate::MetricEvent;
use model::Timestamp;
use model::bucket::BucketArn;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use store::objects::ObjectDirectory;
use store::queue::Event;
use time::OffsetDateTime;
use tracing::warn;

/// An object: its bucket, its key, its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) bucket: BucketArn,
    pub(crate) key: String,
    pub(crate) bytes: Vec<u8>,
}

/// Puts an object into its bucket; it is on the disk when this ends. Why it is not, for people.
pub(crate) type Put = Arc<dyn Fn(Object) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Buckets in a folder. Without a folder there are none.
pub(super) fn put_into(buckets: Option<ObjectDirectory>) -> Put {
    Arc::new(move |object: Object| {
        let buckets = buckets.clone();
        Box::pin(async move {
            let none = "buckets are folders in the one given with --s3-root, and none is given";
            let buckets = buckets.ok_or(none)?;
            let write = move || buckets.write(object.bucket.name(), &object.key, &object.bytes);
            let written = tokio::task::spawn_blocking(write).await;
            written
                .map_err(|error| error.to_string())?
                .map_err(|error| error.to_string())
        })
    })
}

/// What goes into its bucket: with the id of its event, which is easily found then, and stays the same for every try.
pub(super) fn of(outcome: &Outcome<'_>, bucket: BucketArn) -> Event {
    Event {
        request_id: outcome.event.request_id.clone(),
        function: outcome.event.function.clone(),
        accepted: outcome.at,
        trace_id: None,
        chain: BTreeMap::new(),
        payload: outcome.document(),
        bucket: Some(bucket),
    }
}

/// `aws/lambda/async/{function}/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-{id}`: the same for every try.
fn key(delivery: &Event) -> String {
    let function = delivery.function.function();
    let seconds = i64::try_from(delivery.accepted.0 / 1000).unwrap_or_default();
    let made = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (made.year(), u8::from(made.month()), made.day());
    let (hour, minute, second) = (made.hour(), made.minute(), made.second());
    format!(
        "aws/lambda/async/{}/{year:04}/{month:02}/{day:02}/{year:04}-{month:02}-{day:02}T{hour:02}.{minute:02}.{second:02}-{}",
        function.name(),
        delivery.request_id
    )
}

impl Shared {
    /// Tries once to put a record into its bucket.
    pub(super) async fn deliver(&self, next: &Next, delivery: &Event, bucket: &BucketArn) -> End {
        let Err(why) = self.write(delivery, bucket).await else {
            return self.over(next).await;
        };
        match self.again(next, delivery, next.throttles) {
            Some(due) => {
                if next.throttles == 0 {
                    let (function, key) = (&delivery.function, key(delivery));
                    warn!(%function, %bucket, key, why, "the record of an asynchronous invocation cannot be delivered yet");
                }
                let again = Next {
                    throttles: next.throttles.saturating_add(1),
                    ..next.clone()
                };
                End::Recorded(Pace::Kept, Some((again, due)))
            }
            None => {
                self.given_up(delivery, bucket, &why);
                self.over(next).await
            }
        }
    }

    /// The queue has no room for what follows from an event: a record is put into its bucket without having stood in it, and
    /// an invocation is lost. False: neither, so far.
    pub(super) async fn beside_the_queue(&self, next: &Next, follower: &Event) -> bool {
        let Some(bucket) = &follower.bucket else {
            let function = next.waiting.function.invoked();
            warn!(%function, "the record of an asynchronous invocation is not delivered: too many wait");
            (self.count)(&function, MetricEvent::DestinationDeliveryFailure);
            return true;
        };
        let Err(why) = self.write(follower, bucket).await else {
            return true;
        };
        let is_over = self.again(next, follower, 0).is_none();
        if is_over {
            self.given_up(follower, bucket, &why);
        }
        is_over
    }

    async fn write(&self, delivery: &Event, bucket: &BucketArn) -> Result<(), String> {
        let object = Object {
            bucket: bucket.clone(),
            key: key(delivery),
            bytes: delivery.payload.clone(),
        };
        (self.put)(object).await
    }

    /// When a delivery that has failed is tried again.
    fn again(&self, next: &Next, delivery: &Event, failures: u32) -> Option<Timestamp> {
        let settings = settings(&self.state.borrow(), &next.waiting);
        judge::undelivered(delivery.accepted, failures, &settings, self.clock.now())
    }

    fn given_up(&self, delivery: &Event, bucket: &BucketArn, why: &str) {
        self.undelivered(delivery, &format!("{bucket}/{}", key(delivery)), why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::lambda::event_invoke::QualifiedArn;

    #[test]
    fn a_key_says_whose_and_when() {
        let of = |arn: &str, millis: u64| {
            key(&Event {
                request_id: "11111111-2222-4333-8444-555555555555".to_owned(),
                function: QualifiedArn::try_from(arn).unwrap(),
                accepted: Timestamp(millis),
                trace_id: None,
                chain: BTreeMap::new(),
                payload: Vec::new(),
                bucket: None,
            })
        };
        let (latest, live) = (
            "arn:aws:lambda:us-east-1:123456789012:function:my-fn:$LATEST",
            "arn:aws:lambda:us-east-1:123456789012:function:my_fn2:live",
        );
        assert_eq!(
            of(latest, 1_764_027_018_123),
            "aws/lambda/async/my-fn/2025/11/24/2025-11-24T23.30.18-11111111-2222-4333-8444-555555555555"
        );
        assert_eq!(
            of(live, 1_772_323_200_000),
            "aws/lambda/async/my_fn2/2026/03/01/2026-03-01T00.00.00-11111111-2222-4333-8444-555555555555"
        );
    }
}
