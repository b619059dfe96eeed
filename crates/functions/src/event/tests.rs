//! Events with functions that answer as they are told, on a clock that stands until a test moves it.

mod buckets;
mod roles;

use super::*;
use bytes::Bytes;
use invoke::{InvokeOutcome, InvokeRefusal, RequestId};
use model::command::event_invoke::PutConfig;
use model::command::function::CreateFunction;
use model::lambda::event_invoke::{
    Destination, FailureDestination, MaximumEventAge, MaximumRetryAttempts, QualifiedArn, Settings,
};
use model::lambda::function::{
    Code, CodeLocation, Environment, FunctionConfiguration, FunctionMemory, FunctionName, FunctionTimeout, Layers,
};
use model::lambda::logging::Logging;
use model::lambda::runtime::Runtime;
use model::{AccountId, Command, Context, Owner, Region, Scope, Timestamp, decide};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use store::Folder;

const DEADLINE: Duration = Duration::from_secs(20);

/// Time that passes when a test says so.
#[derive(Clone, Default)]
struct Standing(Arc<(AtomicU64, Notify)>);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.0.load(Relaxed))
    }

    fn sleep_until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let clock = self.clone();
        Box::pin(async move {
            loop {
                let moved = clock.0.1.notified();
                tokio::pin!(moved);
                moved.as_mut().enable();
                if clock.now() >= at {
                    return;
                }
                moved.await;
            }
        })
    }
}

impl Standing {
    fn move_to(&self, millis: u64) {
        self.0.0.store(millis, Relaxed);
        self.0.1.notify_waiters();
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Run(u64, Invocation),
    Count(String, MetricEvent),
}

/// Objects by bucket and key, and what is said instead of taking one.
#[derive(Default)]
struct Buckets {
    objects: Vec<delivery::Object>,
    refusal: Option<&'static str>,
    tries: usize,
}

type Answers = Arc<Mutex<Vec<(&'static str, InvokeOutcome)>>>;

struct World {
    events: Events,
    clock: Standing,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// The next answers of functions, by name; without one they answer `"ok"`.
    answers: Answers,
    buckets: Arc<Mutex<Buckets>>,
    state: watch::Sender<Arc<State>>,
    folder: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn scope() -> Scope {
    Scope {
        region: Region::try_from("eu-west-1").unwrap(),
        account: AccountId::try_from("111122223333").unwrap(),
    }
}

fn arn(name: &str) -> FunctionArn {
    FunctionArn::new(&scope(), name)
}

fn apply(state: &watch::Sender<Arc<State>>, command: &Command) {
    let mut next = State::clone(&state.borrow());
    let commit = decide(&next, command, &Context::default()).unwrap();
    commit.changes.iter().for_each(|change| next.apply(change));
    state.send_replace(Arc::new(next));
}

fn function(name: &str, concurrency: Option<u32>) -> Command {
    Command::CreateFunction(CreateFunction {
        arn: arn(name),
        name: FunctionName::try_from(name).unwrap(),
        configuration: FunctionConfiguration {
            runtime: Runtime::try_from("provided.al2023").unwrap(),
            handler: "x".to_owned(),
            timeout: FunctionTimeout::default(),
            memory: FunctionMemory::default(),
            environment: Environment::default(),
            concurrency,
            provisioned: 0,
            ephemeral_storage: model::lambda::function::EphemeralStorage::default(),
            logging: Logging::default(),
            layers: Layers::default(),
            network: None,
            aws_api: model::lambda::function::AwsApi::OwnRole,
        },
        code: Code {
            location: CodeLocation::Folder("/srv".into()),
            revision: "1".into(),
        },
        owner: Owner::Api,
    })
}

impl World {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let folder = std::env::temp_dir().join(format!("albacore-events-{}-{number}", std::process::id()));
        let state = watch::Sender::new(Arc::new(State::default()));
        for name in ["f", "yes", "no"] {
            apply(&state, &function(name, None));
        }
        Self::on(folder, state, Standing::default())
    }

    fn on(folder: PathBuf, state: watch::Sender<Arc<State>>, clock: Standing) -> Self {
        Self::with_room(folder, state, clock, QueueRoom::default())
    }

    fn with_room(folder: PathBuf, state: watch::Sender<Arc<State>>, clock: Standing, room: QueueRoom) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let answers = Answers::default();
        let run: Run = {
            let (seen, answers, clock) = (seen.clone(), answers.clone(), clock.clone());
            Arc::new(move |invocation| {
                let mut answers = answers.lock().unwrap();
                let at = answers.iter().position(|(name, _)| *name == invocation.function.name());
                let outcome = at.map(|at| answers.remove(at).1);
                let outcome = outcome.unwrap_or(InvokeOutcome::Buffered(Bytes::from_static(b"\"ok\"")));
                seen.lock().unwrap().push(Seen::Run(clock.now().0, invocation.clone()));
                Box::pin(async move {
                    Invoked {
                        request_id: invocation.request_id.map(|id| id.to_string()),
                        outcome,
                        log_tail: None,
                    }
                })
            })
        };
        let count: Count = {
            let seen = seen.clone();
            Arc::new(move |function, event| {
                seen.lock()
                    .unwrap()
                    .push(Seen::Count(function.name().to_owned(), event));
            })
        };
        let buckets: Arc<Mutex<Buckets>> = Arc::default();
        let put: Put = {
            let buckets = buckets.clone();
            Arc::new(move |object| {
                let mut buckets = buckets.lock().unwrap();
                buckets.tries += 1;
                let put = match buckets.refusal {
                    Some(why) => Err(why.to_owned()),
                    None => {
                        buckets.objects.push(object);
                        Ok(())
                    }
                };
                Box::pin(async { put })
            })
        };
        let store = EventStore {
            disk: Arc::new(Folder::make(&folder).unwrap()),
            room,
            is_anothers: false,
            buckets: None,
        };
        let (limits, clock_) = (EventLimits::default(), Arc::new(clock.clone()));
        let events = Events::with(store, limits, (run, count, put), state.subscribe(), clock_).unwrap();
        Self {
            events,
            clock,
            seen,
            answers,
            buckets,
            state,
            folder,
        }
    }

    fn set(&self, attempts: Option<i64>, age: Option<i64>) {
        let no = FailureDestination::Function(Destination::latest(arn("no")));
        self.set_failures(attempts, age, no);
    }

    fn set_failures(&self, attempts: Option<i64>, age: Option<i64>, on_failure: FailureDestination) {
        let settings = Settings {
            maximum_retry_attempts: attempts.map(|it| MaximumRetryAttempts::try_from(it).unwrap()),
            maximum_event_age: age.map(|it| MaximumEventAge::try_from(it).unwrap()),
            on_success: Some(Destination::latest(arn("yes"))),
            on_failure: Some(on_failure),
        };
        let put = model::command::event_invoke::Command::Put(PutConfig {
            function: QualifiedArn::latest(&arn("f")),
            settings,
            last_modified: None,
            owner: Owner::Api,
        });
        apply(&self.state, &Command::EventInvoke(put));
    }

    fn answer(&self, name: &'static str, outcome: InvokeOutcome) {
        self.answers.lock().unwrap().push((name, outcome));
    }

    async fn send(&self, name: &str, payload: &'static str) {
        let event = Event {
            function: QualifiedArn::latest(&arn(name)),
            payload: Bytes::from_static(payload.as_bytes()),
            trace_id: Some("Root=1".to_owned()),
            request_id: RequestId::from_random([9; 16]),
        };
        self.events.accept(event).await.unwrap();
    }

    fn runs(&self, name: &str) -> Vec<(u64, Invocation)> {
        let seen = self.seen.lock().unwrap();
        let of = |seen: &Seen| match seen {
            Seen::Run(at, invocation) if invocation.function.name() == name => Some((*at, invocation.clone())),
            _ => None,
        };
        seen.iter().filter_map(of).collect()
    }

    fn counted(&self, name: &str, event: MetricEvent) -> usize {
        let wanted = Seen::Count(name.to_owned(), event);
        self.seen.lock().unwrap().iter().filter(|it| **it == wanted).count()
    }

    /// Waits until it is so.
    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !is_so(self) {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, waiting)
            .await
            .unwrap_or_else(|_| panic!("{what}: {:?}", self.seen));
    }

    /// Waits until nothing runs and the next attempt is then.
    async fn until_due(&self, at: Option<u64>) {
        let is_due = |world: &Self| {
            let line = world.events.shared.room.line();
            let never = |_: &Waiting| Timestamp(u64::MAX);
            line.is_quiet() && line.next_due(world.clock.now(), never) == at.map(Timestamp)
        };
        self.until("the next attempt", is_due).await;
    }

    fn record(&self, name: &str) -> Value {
        serde_json::from_slice(&self.runs(name).pop().expect("it was told").1.payload).unwrap()
    }
}

fn failed() -> InvokeOutcome {
    InvokeOutcome::FunctionError {
        error_type: "Error".to_owned(),
        payload: Bytes::from_static(br#"{"errorMessage":"no"}"#),
    }
}

fn refused(refusal: InvokeRefusal) -> InvokeOutcome {
    InvokeOutcome::Refused(refusal)
}

// LAM-A-001: the same request id for all attempts
// LAM-A-002, LAM-A-003: three runs, after 60 and 120 seconds
// LAM-A-006: the failure's destination gets a record
#[tokio::test]
async fn a_failing_function_is_run_three_times() {
    let world = World::new();
    world.set(None, None);
    (0..3).for_each(|_| world.answer("f", failed()));
    world.events.serve();
    world.send("f", r#"{"a": 1}"#).await;
    world.until_due(Some(60_000)).await;
    world.clock.move_to(59_999);
    world.until_due(Some(60_000)).await;
    assert_eq!(world.runs("f").len(), 1);
    world.clock.move_to(60_000);
    world.until_due(Some(180_000)).await;
    world.clock.move_to(180_000);
    world.until("the record", |world| world.runs("no").len() == 1).await;
    let runs = world.runs("f");
    assert_eq!(runs.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 60_000, 180_000]);
    let (_, first) = &runs[0];
    assert_eq!(first.request_id, Some(RequestId::from_random([9; 16])));
    assert_eq!(
        (&first.payload[..], first.trace_id.as_deref()),
        (&br#"{"a": 1}"#[..], Some("Root=1"))
    );
    assert!(runs.iter().all(|(_, run)| run == first));
    let record = world.record("no");
    let context = &record["requestContext"];
    assert_eq!(context["condition"], "RetriesExhausted");
    assert_eq!(context["approximateInvokeCount"], 3);
    assert_eq!(context["functionArn"], QualifiedArn::latest(&arn("f")).as_str());
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
    assert_eq!(record["responsePayload"]["errorMessage"], "no");
    world.until_due(None).await;
    assert_eq!(world.events.monitor().events(), 0);
    assert_eq!(world.counted("f", MetricEvent::AsyncReceived), 1);
    assert_eq!(world.counted("f", MetricEvent::AsyncDropped), 1);
    assert_eq!(world.counted("no", MetricEvent::AsyncReceived), 1);
    assert_eq!(world.counted("f", MetricEvent::AsyncAge(Duration::from_secs(60))), 1);
    world.events.end().await;
}

// LAM-A-007: the success' destination gets a record without an error
// LAM-A-004: no retries, one run
#[tokio::test]
async fn outcomes_are_told_to_their_destinations() {
    let world = World::new();
    world.set(Some(0), None);
    world.events.serve();
    world.send("f", "[1]").await;
    world.until("the record", |world| world.runs("yes").len() == 1).await;
    let record = world.record("yes");
    assert_eq!(record["requestContext"]["condition"], "Success");
    assert_eq!(
        (&record["requestPayload"], &record["responsePayload"]),
        (&serde_json::json!([1]), &"ok".into())
    );
    assert_eq!(
        record["responseContext"].as_object().unwrap().len(),
        2,
        "no functionError"
    );
    assert_ne!(
        record["requestContext"]["requestId"],
        world.runs("yes")[0].1.request_id.unwrap().as_str()
    );
    world.answer("f", failed());
    world.send("f", "[2]").await;
    world.until("the record", |world| world.runs("no").len() == 1).await;
    assert_eq!(world.record("no")["requestContext"]["approximateInvokeCount"], 1);
    assert_eq!(world.runs("f").len(), 2);
    world.events.end().await;
}

// LAM-A-005: throttles back off from one second, use up no retries, and end with the event's age
#[tokio::test]
async fn a_throttled_event_is_tried_until_it_is_too_old() {
    let world = World::new();
    world.set(Some(0), Some(60));
    world.events.serve();
    (0..10).for_each(|_| world.answer("f", refused(InvokeRefusal::Throttled)));
    world.send("f", "{}").await;
    for due in [1, 3, 7, 15, 31, 60] {
        world.until_due(Some(due * 1000)).await;
        world.clock.move_to(due * 1000);
    }
    world.until("the record", |world| world.runs("no").len() == 1).await;
    let record = world.record("no");
    assert_eq!(record["requestContext"]["condition"], "EventAgeExceeded");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 0);
    assert_eq!(record.get("responsePayload"), None);
    assert_eq!(world.runs("f").len(), 6);
    world.events.end().await;
}

// LAM-A-008: reserved concurrency 0 is told without an answer and without a run
#[tokio::test]
async fn a_function_that_is_switched_off_is_not_run() {
    let world = World::new();
    apply(&world.state, &Command::DeleteFunction(arn("f")));
    apply(&world.state, &function("f", Some(0)));
    world.set(None, None);
    world.events.serve();
    world.send("f", "{}").await;
    world.until("the record", |world| world.runs("no").len() == 1).await;
    let record = world.record("no");
    assert_eq!(record["requestContext"]["condition"], "ZeroReservedConcurrency");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 0);
    assert_eq!(
        (record.get("responseContext"), record.get("responsePayload")),
        (None, None)
    );
    assert_eq!(world.runs("f"), []);
    world.events.end().await;
}

#[tokio::test]
async fn what_nobody_can_run_or_be_told_is_dropped_and_counted() {
    let world = World::new();
    world.set(Some(0), None);
    world.events.serve();
    apply(&world.state, &Command::DeleteFunction(arn("yes")));
    world.send("f", "{}").await;
    let undelivered = |world: &World| world.counted("f", MetricEvent::DestinationDeliveryFailure);
    world
        .until("the failed delivery", |world| undelivered(world) == 1)
        .await;
    // Larger than an event may be.
    world.answer("f", failed());
    let large = format!("\"{}\"", "x".repeat(invoke::EVENT_PAYLOAD_BYTES_MAX - 2)).leak();
    world.send("f", large).await;
    world
        .until("the failed delivery", |world| undelivered(world) == 2)
        .await;
    assert_eq!(world.runs("no"), []);
    world.events.pause(DEADLINE).await;
    world.send("f", "{}").await;
    apply(&world.state, &Command::DeleteFunction(arn("f")));
    world.events.resume().await.unwrap();
    world
        .until("the drop", |world| world.counted("f", MetricEvent::AsyncDropped) == 2)
        .await;
    world.until_due(None).await;
    assert_eq!((world.runs("f").len(), world.events.monitor().events()), (2, 0));
    world.events.end().await;
}

/// Two functions that are destinations of each other would go on for ever. Source: Lambda 4.10.
#[tokio::test]
async fn a_circle_of_destinations_ends() {
    let world = World::new();
    world.set(None, None);
    let back = Settings {
        on_success: Some(Destination::latest(arn("f"))),
        ..Settings::default()
    };
    let put = model::command::event_invoke::Command::Put(PutConfig {
        function: QualifiedArn::latest(&arn("yes")),
        settings: back,
        last_modified: None,
        owner: Owner::Api,
    });
    apply(&world.state, &Command::EventInvoke(put));
    world.events.serve();
    world.send("f", "{}").await;
    world
        .until("the end", |world| {
            world.counted("f", MetricEvent::RecursionDropped) == 1
        })
        .await;
    assert_eq!((world.runs("f").len(), world.runs("yes").len()), (16, 16));
    world.events.end().await;
}

/// What was not over when the process ended goes on in the next one, with its retries and its age.
#[tokio::test]
async fn the_next_process_goes_on_where_this_one_ended() {
    let world = World::new();
    world.set(None, None);
    world.answer("f", failed());
    world.events.serve();
    world.send("f", "{}").await;
    world.until_due(Some(60_000)).await;
    world.events.pause(DEADLINE).await;
    world.events.end().await;

    let next = World::on(world.folder.clone(), world.state.clone(), world.clock.clone());
    next.answer("f", refused(InvokeRefusal::ServiceFailure));
    next.events.serve();
    next.until_due(Some(60_000)).await;
    next.clock.move_to(60_000);
    next.until_due(Some(61_000)).await;
    next.clock.move_to(61_000);
    next.until("the record", |world| world.runs("yes").len() == 1).await;
    assert_eq!(next.record("yes")["requestContext"]["approximateInvokeCount"], 2);
    assert_eq!(next.runs("f")[0].1.request_id, Some(RequestId::from_random([9; 16])));
    next.events.end().await;
}

/// A successor that did not come to serve leaves everything as it was.
#[tokio::test]
async fn a_queue_that_comes_back_is_served_on() {
    let world = World::new();
    world.events.serve();
    world.send("f", "1").await;
    world.until("the run", |world| world.runs("f").len() == 1).await;
    world.events.pause(DEADLINE).await;
    world.send("f", "2").await;
    world.events.close().await;
    let event = Event {
        function: QualifiedArn::latest(&arn("f")),
        payload: Bytes::from_static(b"3"),
        trace_id: None,
        request_id: RequestId::from_random([1; 16]),
    };
    assert_eq!(world.events.accept(event).await, Err(EventRefusal::Failed));
    assert_eq!(world.runs("f").len(), 1);
    world.events.resume().await.unwrap();
    world.until("the run", |world| world.runs("f").len() == 2).await;
    world.until_due(None).await;
    assert_eq!(world.runs("f")[1].1.payload, "2");
    world.events.end().await;
}
