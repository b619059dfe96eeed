//! Records that become objects: with the right key, whatever goes wrong meanwhile, and given up at last.

use super::*;

const NO_BUCKET: &str = "the bucket does not exist";
const FULL: &str = "it cannot be written: No space left on device (os error 28)";
const KEY: &str = "aws/lambda/async/f/1970/01/01/1970-01-01T00.00.00-09090909-0909-4909-8909-090909090909";

impl World {
    fn set_bucket(&self, attempts: Option<i64>, age: Option<i64>) {
        let bucket = FailureDestination::try_from("arn:aws:s3:::dead").unwrap();
        self.set_failures(attempts, age, bucket);
    }

    fn refuse(&self, refusal: Option<&'static str>) {
        self.buckets.lock().unwrap().refusal = refusal;
    }

    fn tries(&self) -> usize {
        self.buckets.lock().unwrap().tries
    }

    fn objects(&self) -> Vec<(String, String, Value)> {
        let buckets = self.buckets.lock().unwrap();
        let of = |object: &delivery::Object| {
            let record = serde_json::from_slice(&object.bytes).unwrap();
            (object.bucket.name().to_owned(), object.key.clone(), record)
        };
        buckets.objects.iter().map(of).collect()
    }

    fn undelivered(&self) -> usize {
        self.counted("f", MetricEvent::DestinationDeliveryFailure)
    }
}

#[tokio::test]
async fn a_failure_becomes_an_object() {
    let world = World::new();
    world.set_bucket(Some(0), None);
    world.answer("f", failed());
    world.events.serve();
    world.send("f", r#"{"a": 1}"#).await;
    world.until("the object", |world| !world.objects().is_empty()).await;
    world.until_due(None).await;
    let objects = world.objects();
    let [(bucket, key, record)] = &objects[..] else {
        panic!("{objects:?}");
    };
    assert_eq!((bucket.as_str(), key.as_str()), ("dead", KEY));
    let context = &record["requestContext"];
    assert_eq!(context["condition"], "RetriesExhausted");
    assert_eq!(context["approximateInvokeCount"], 1);
    assert_eq!(context["requestId"], RequestId::from_random([9; 16]).as_str());
    assert_eq!(context["functionArn"], QualifiedArn::latest(&arn("f")).as_str());
    assert_eq!(record["requestPayload"], serde_json::json!({ "a": 1 }));
    assert_eq!(record["responsePayload"]["errorMessage"], "no");
    assert_eq!(world.events.monitor().events(), 0);
    assert_eq!(world.undelivered(), 0);
    assert_eq!(world.counted("f", MetricEvent::AsyncReceived), 1, "nothing is invoked");
    // A success still goes to its function.
    world.send("f", "1").await;
    world.until("the success", |world| world.runs("yes").len() == 1).await;
    assert_eq!(world.objects().len(), 1);
    world.events.end().await;
}

/// A bucket that is gone, a full disk: the record waits, the function is not run again, and the same object is made at last.
#[tokio::test]
async fn a_record_waits_for_its_bucket() {
    let world = World::new();
    world.set_bucket(Some(0), None);
    world.refuse(Some(NO_BUCKET));
    world.answer("f", failed());
    world.events.serve();
    world.send("f", "{}").await;
    for (tries, due) in [(1, 1), (2, 3), (3, 7)] {
        world.until_due(Some(due * 1000)).await;
        assert_eq!(world.tries(), tries);
        world.refuse(Some(FULL));
        world.clock.move_to(due * 1000);
    }
    world.until_due(Some(15_000)).await;
    // Neither the function nor what is set of it is needed any more.
    apply(&world.state, &Command::DeleteFunction(arn("f")));
    world.refuse(None);
    world.clock.move_to(15_000);
    world.until("the object", |world| !world.objects().is_empty()).await;
    world.until_due(None).await;
    let objects = world.objects();
    let [(_, key, record)] = &objects[..] else {
        panic!("{objects:?}");
    };
    assert_eq!(key, KEY, "of the time when it failed");
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!((world.runs("f").len(), world.undelivered()), (1, 0));
    assert_eq!(world.events.monitor().events(), 0);
    world.events.end().await;
}

/// As old as an event may be: tried once more, then counted and given up.
#[tokio::test]
async fn a_record_is_given_up_when_it_is_too_old() {
    let world = World::new();
    world.set_bucket(Some(0), Some(60));
    world.refuse(Some(NO_BUCKET));
    world.answer("f", failed());
    world.events.serve();
    world.send("f", "{}").await;
    for due in [1, 3, 7, 15, 31, 60] {
        world.until_due(Some(due * 1000)).await;
        assert_eq!(world.undelivered(), 0);
        world.clock.move_to(due * 1000);
    }
    world.until("the end", |world| world.undelivered() == 1).await;
    world.until_due(None).await;
    assert_eq!((world.tries(), world.objects()), (7, vec![]));
    assert_eq!(world.counted("f", MetricEvent::AsyncDropped), 1, "the event, once");
    assert_eq!(world.events.monitor().events(), 0);
    world.events.end().await;
}

/// An event that was too old itself: its record is as young as any other.
#[tokio::test]
async fn the_record_of_an_old_event_waits_as_long() {
    let world = World::new();
    world.set_bucket(Some(0), Some(60));
    world.refuse(Some(FULL));
    world.events.serve();
    world.answer("f", refused(InvokeRefusal::Throttled));
    world.send("f", "{}").await;
    world.until_due(Some(1000)).await;
    world.clock.move_to(70_000);
    world.until_due(Some(71_000)).await;
    world.refuse(None);
    world.clock.move_to(71_000);
    world.until("the object", |world| !world.objects().is_empty()).await;
    let (_, key, record) = world.objects().remove(0);
    assert_eq!(record["requestContext"]["condition"], "EventAgeExceeded");
    assert!(key.contains("1970-01-01T00.01.10-"), "{key}");
    world.events.end().await;
}

/// What waits for its bucket when a process dies is put there by the next one, which runs nothing for it.
#[tokio::test]
async fn the_next_process_delivers_what_waits() {
    let world = World::new();
    world.set_bucket(Some(0), Some(60));
    world.refuse(Some(NO_BUCKET));
    world.answer("f", failed());
    world.events.serve();
    world.send("f", "{}").await;
    world.until_due(Some(1000)).await;
    world.events.pause(DEADLINE).await;
    world.events.end().await;

    // It comes late, and tries all the same.
    world.clock.move_to(600_000);
    let next = World::on(world.folder.clone(), world.state.clone(), world.clock.clone());
    next.events.serve();
    next.until("the object", |world| !world.objects().is_empty()).await;
    next.until_due(None).await;
    assert_eq!(next.objects()[0].1, KEY);
    assert_eq!((next.runs("f"), next.undelivered()), (vec![], 0));
    next.events.end().await;
}

/// A queue without room for the record: it does without.
#[tokio::test]
async fn a_full_queue_loses_no_record() {
    let world = World::new();
    world.events.end().await;
    let room = QueueRoom {
        events: 10,
        bytes: 4096,
    };
    let world = World::with_room(world.folder.clone(), world.state.clone(), world.clock.clone(), room);
    world.set_bucket(Some(0), None);
    world.refuse(Some(FULL));
    let large = Bytes::from(format!("\"{}\"", "x".repeat(8192)));
    world.answer(
        "f",
        InvokeOutcome::FunctionError {
            error_type: "Error".to_owned(),
            payload: large,
        },
    );
    world.events.serve();
    world.send("f", "{}").await;
    world.until("the first try", |world| world.tries() == 1).await;
    assert_eq!(world.events.monitor().events(), 1, "it is not gone");
    world.refuse(None);
    world.clock.move_to(1000);
    world.until("the object", |world| !world.objects().is_empty()).await;
    world.until_due(None).await;
    assert_eq!((world.runs("f").len(), world.undelivered()), (1, 0));
    assert_eq!(world.events.monitor().events(), 0);
    world.events.end().await;
}
