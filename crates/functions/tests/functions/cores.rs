//! More than one core: environments are lent, and callers from outside find one.

use crate::Case;
use crate::world::{LocalFuture, World, arn, text, until};
use bytes::Bytes;
use functions::{CoreFunctions, Functions};
use invoke::{Invocation, InvokeOutcome, InvokeRefusal, Invoked, Invoker};
use std::collections::HashSet;
use std::sync::mpsc as blocking;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

pub(crate) const CASES: &[Case] = &[
    ("an_idle_environment_of_another_core_is_taken", |world| {
        Box::pin(an_idle_environment_is_lent(world))
    }),
    ("a_visitor_that_comes_too_late_goes_back", |world| {
        Box::pin(a_visitor_that_comes_too_late(world))
    }),
    ("a_visitor_of_a_core_that_ends_is_refused", |world| {
        Box::pin(a_visitor_of_a_core_that_ends(world))
    }),
    ("two_busy_cores_lose_nothing", |world| {
        Box::pin(two_busy_cores_lose_nothing(world))
    }),
    ("from_outside", |world| Box::pin(from_outside(world))),
    ("from_outside_without_a_core", |world| {
        Box::pin(from_outside_without_a_core(world))
    }),
];

/// Answers its process id.
const PID: &str = "
while True:
    id, event, _ = next_event()
    respond(id, str(ME))
";

/// Tells the event, and answers its process id.
const TELL: &str = "
while True:
    id, event, _ = next_event()
    tell(event)
    respond(id, str(ME))
";

type Job = Box<dyn FnOnce(CoreFunctions) -> LocalFuture + Send>;

/// A core on a thread of its own.
struct OtherCore {
    jobs: mpsc::Sender<Job>,
    thread: JoinHandle<()>,
}

impl OtherCore {
    async fn start(world: &World) -> Self {
        let (functions, state) = (world.functions.clone(), world.state.subscribe());
        let (jobs, mut next) = mpsc::channel::<Job>(100);
        let thread = std::thread::spawn(move || {
            let runtime = crate::runtime();
            tokio::task::LocalSet::new().block_on(&runtime, async move {
                let core = functions.core(state);
                while let Some(job) = next.recv().await {
                    tokio::task::spawn_local(job(core.clone()));
                }
                core.shutdown().await;
            });
        });
        let other = Self { jobs, thread };
        other.run(|_| async {}).await;
        other
    }

    /// Runs something there and waits for its end.
    async fn run<T: Send + 'static, F: Future<Output = T> + 'static>(
        &self,
        job: impl FnOnce(CoreFunctions) -> F + Send + 'static,
    ) -> T {
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move |core| {
            Box::pin(async move {
                let _ = done.send(job(core).await);
            })
        });
        assert!(self.jobs.send(job).await.is_ok(), "the core runs");
        result.await.expect("the job ends")
    }

    async fn invoke(&self, event: &'static str) -> InvokeOutcome {
        self.run(move |core| core.invoke(invocation(event))).await
    }

    /// Stops the whole core until the returned sender is used or dropped.
    async fn stop(&self) -> blocking::Sender<()> {
        let (go_on, stopped) = blocking::channel();
        let (begun, begins) = oneshot::channel();
        let job: Job = Box::new(move |_| {
            Box::pin(async move {
                let _ = begun.send(());
                let _ = stopped.recv();
            })
        });
        assert!(self.jobs.send(job).await.is_ok(), "the core runs");
        begins.await.expect("the job begins");
        go_on
    }

    async fn end(self) {
        drop(self.jobs);
        let joined = tokio::task::spawn_blocking(|| self.thread.join()).await;
        assert!(joined.unwrap().is_ok(), "the other core has not panicked");
    }
}

fn invocation(event: &'static str) -> Invocation {
    Invocation::new(arn("f"), Bytes::from_static(event.as_bytes()), None)
}

async fn idle(world: &World, count: u32) {
    until(|| world.functions.reports()[0].idle == count).await;
}

async fn an_idle_environment_is_lent(world: World) {
    world.put(world.function(TELL));
    let other = OtherCore::start(&world).await;
    let (theirs, told) = tokio::join!(other.invoke("1"), async { world.told().await.go_on().await });
    let ((), theirs) = (told, text(theirs));
    idle(&world, 1).await;
    // Theirs is taken by this core, which has none.
    let (first, second) = (world.invoke("2"), world.told().await);
    assert_eq!((second.text.as_str(), world.functions.reports()[0].busy), ("2", 1));
    // It is busy now, so that the next one gets a new one of this core.
    let (third, fourth) = (world.invoke("3"), world.told().await);
    assert_eq!(fourth.text, "3");
    second.go_on().await;
    fourth.go_on().await;
    assert_eq!(text(first.await), theirs);
    let ours = text(third.await);
    assert_ne!(ours, theirs);
    // Both are idle: everybody takes his own.
    idle(&world, 2).await;
    let (mine, told) = tokio::join!(world.invoke("4"), async { world.told().await.go_on().await });
    let ((), mine) = (told, text(mine));
    assert_eq!(mine, ours);
    idle(&world, 2).await;
    let (its, told) = tokio::join!(other.invoke("5"), async { world.told().await.go_on().await });
    let ((), its) = (told, text(its));
    assert_eq!(its, theirs);
    assert_eq!(world.functions.reports()[0].invocations, 5);
    other.end().await;
}

async fn a_visitor_that_comes_too_late(world: World) {
    world.put(world.function(PID));
    let other = OtherCore::start(&world).await;
    let theirs = text(other.invoke("1").await);
    idle(&world, 1).await;
    let go_on = other.stop().await;
    // Both see the same idle environment; the other core gives it to the first and sends the second back.
    let (first, second) = (world.invoke("2"), world.invoke("3"));
    go_on.send(()).unwrap();
    let (first, second) = (text(first.await), text(second.await));
    assert_eq!(first, theirs);
    assert_ne!(second, theirs);
    idle(&world, 2).await;
    other.end().await;
}

async fn a_visitor_of_a_core_that_ends(world: World) {
    let mut function = world.function(PID);
    function.configuration.concurrency = Some(1);
    world.put(function);
    let other = OtherCore::start(&world).await;
    let theirs = text(other.invoke("1").await);
    idle(&world, 1).await;
    let go_on = other.stop().await;
    let visitor = world.invoke("2");
    // The end of the core comes before its inbox.
    let ended = other.run(|core| async move { core.shutdown().await });
    let (outcome, ()) = tokio::join!(
        async {
            go_on.send(()).unwrap();
            visitor.await
        },
        ended
    );
    assert!(
        outcome == InvokeOutcome::Refused(InvokeRefusal::ServiceFailure)
            || outcome == InvokeOutcome::Buffered(theirs.clone().into()),
        "{outcome:?}"
    );
    // Its slot is free again, and nobody is sent there any more.
    assert_ne!(world.answer("3").await, theirs);
    other.end().await;
}

async fn two_busy_cores_lose_nothing(world: World) {
    const EACH: usize = 300;
    let mut function = world.function(
        "
while True:
    id, event, _ = next_event()
    respond(id, event)
",
    );
    function.configuration.concurrency = Some(3);
    world.put(function);
    let other = OtherCore::start(&world).await;
    let load = |core: CoreFunctions, name: &'static str| async move {
        let mut answers = HashSet::new();
        for number in 0..EACH {
            let event = format!("{name}{number}");
            let wanted = invocation_of(&event);
            // Two at once, so that there is always more than one environment.
            let (one, two) = tokio::join!(core.invoke(wanted.clone()), core.invoke(wanted));
            assert_eq!((text(one), text(two)), (event.clone(), event.clone()));
            answers.insert(event);
        }
        answers.len()
    };
    let outside = async {
        for number in 0..EACH {
            let event = format!("c{number}");
            let invoked = world.functions.invoke(invocation_of(&event)).await;
            assert_eq!(text(invoked.outcome), event);
        }
    };
    let theirs = other.run(move |core| load(core, "a"));
    let (ours, theirs, ()) = tokio::join!(load(world.core.clone(), "b"), theirs, outside);
    assert_eq!((ours, theirs), (EACH, EACH));
    until(|| world.functions.reports()[0].busy == 0).await;
    let report = &world.functions.reports()[0];
    assert_eq!(
        (report.invocations, report.errors, report.throttles),
        (5 * EACH as u64, 0, 0)
    );
    other.end().await;
}

fn invocation_of(event: &str) -> Invocation {
    Invocation::new(arn("f"), Bytes::copy_from_slice(event.as_bytes()), None)
}

// LAM-R-003, LAM-R-006
async fn from_outside(world: World) {
    fn check_send<T: Send>(future: T) -> T {
        future
    }
    world.put(world.function(
        "
while True:
    id, event, headers = next_event()
    respond(id, id + ' ' + str(ME) + ' ' + headers.get('Lambda-Runtime-Client-Context', 'none'))
",
    ));
    let other = OtherCore::start(&world).await;
    // The request id is the one that the function sees.
    let answer = |invoked: Invoked| {
        let id = invoked.request_id.unwrap();
        let answer = text(invoked.outcome);
        assert_eq!(invoked.log_tail, None);
        answer.strip_prefix(&format!("{id} ")).unwrap().to_owned()
    };
    let first = answer(check_send(world.functions.invoke(invocation("1"))).await);
    assert!(first.ends_with(" none"), "{first}");
    // Wherever it is, the idle environment is found, and no other is started.
    for _ in 0..4 {
        idle(&world, 1).await;
        assert_eq!(answer(world.functions.invoke(invocation("1")).await), first);
    }
    // LAM-R-006: the client context, and what cannot be one
    idle(&world, 1).await;
    let mut with_context = invocation("1");
    with_context.client_context = Some(r#"{"custom":{"a":"b"}}"#.to_owned());
    let seen = answer(world.functions.invoke(with_context.clone()).await);
    assert!(seen.ends_with(r#" {"custom":{"a":"b"}}"#), "{seen}");
    with_context.client_context = Some("{\n}".to_owned());
    let refused = world.functions.invoke(with_context).await;
    assert_eq!(refused.outcome, InvokeOutcome::Refused(InvokeRefusal::ClientContext));
    assert_eq!((refused.request_id, refused.log_tail), (None, None));
    let unknown = Invocation::new(arn("unknown"), Bytes::new(), None);
    assert_eq!(
        world.functions.invoke(unknown).await.outcome,
        InvokeOutcome::Refused(InvokeRefusal::NotFound)
    );
    other.end().await;
}

async fn from_outside_without_a_core(world: World) {
    let log = std::sync::Arc::clone(&world.log);
    let spawner = world.spawner.clone();
    let functions = Functions::new(spawner, functions::Options::new(world.directory.join("data")), log);
    world.put(world.function(PID));
    let refused = InvokeOutcome::Refused(InvokeRefusal::ServiceFailure);
    assert_eq!(functions.invoke(invocation("1")).await.outcome, refused);
    world.core.shutdown().await;
    assert_eq!(world.functions.invoke(invocation("1")).await.outcome, refused);
}
