//! Environments that nobody needs at the moment: they stand still, they go, or they are there before anybody needs them.

use crate::Case;
use crate::environment::with_variables;
use crate::stage::outcomes;
use crate::world::{Start, World, processes_below, until};
use invoke::InvokeOutcome;
use model::lambda::provisioning::KeptReport;
use sandbox::Tier;
use std::collections::HashSet;
use std::time::Duration;

pub(crate) const CASES: &[Case] = &[
    ("an_idle_one_stands_still", |world| Box::pin(stands_still(world))),
    ("a_frozen_one_is_ended", |world| Box::pin(frozen_ends(world))),
    ("a_frozen_one_has_last_words", |world| Box::pin(frozen_shutdown(world))),
    ("a_signal_that_another_thread_gets_is_heard", |world| {
        Box::pin(shutdown_of_another_thread(world))
    }),
    ("who_asks_at_the_end_waits", |world| Box::pin(asking_at_the_end(world))),
    ("an_old_one_is_not_used_again", |world| Box::pin(old(world))),
    ("idle_ones_go_when_memory_is_short", |world| {
        Box::pin(short_of_memory(world))
    }),
    ("some_are_kept_ready", |world| Box::pin(kept(world))),
    ("those_that_cannot_start_are_told", |world| Box::pin(kept_fails(world))),
    ("a_burst_neither_stampedes_nor_starves", |world| Box::pin(burst(world))),
];

/// Says which process it is, and how often a thread of it has counted.
const COUNTING: &str = "
import os, threading, time
MARK = os.urandom(8).hex()
count = 0
def forever():
    global count
    while True:
        count += 1
threading.Thread(target=forever, daemon=True).start()
def handler(event, context):
    return [MARK, os.getpid(), count, os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']]
";

fn parse(outcome: &str) -> (String, u64) {
    let value: serde_json::Value = serde_json::from_str(outcome).unwrap();
    (value[0].as_str().unwrap().to_owned(), value[2].as_u64().unwrap())
}

/// Waits until no interpreter uses no processor time any more.
async fn until_still(world: &World) {
    let used = || {
        let of = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/schedstat")).ok();
        let threads = |pid: u32| {
            let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
                .into_iter()
                .flatten()
                .flatten();
            tasks
                .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
                .collect::<Vec<_>>()
        };
        world
            .interpreters()
            .into_iter()
            .map(|pid| (of(&pid), threads(pid)))
            .collect::<Vec<_>>()
    };
    let (mut before, mut alike) = (used(), 0);
    until(|| {
        let now = used();
        alike = if now == before { alike + 1 } else { 0 };
        before = now;
        alike > 100
    })
    .await;
}

// LAM-E-016: processes make no progress between invocations, and continue after the thaw
async fn stands_still(world: World) {
    if world.spawner.tier() == Tier::Process || world.start == Start::Parked {
        return;
    }
    let function = world.function("python3.12", "app.handler", &[("app.py", COUNTING)]);
    let first = outcomes(&world, function, &["{}"]).await;
    let (mark, count) = parse(&first[0]);
    until_still(&world).await;
    for _ in 0..3 {
        let InvokeOutcome::Buffered(answer) = world.invoke("{}").await else {
            panic!("no answer")
        };
        let (again, later) = parse(std::str::from_utf8(&answer).unwrap());
        assert!(again == mark && later > count, "{mark} {count} {again} {later}");
    }
    until_still(&world).await;
}

async fn frozen_ends(world: World) {
    if world.spawner.tier() == Tier::Process || world.start == Start::Parked {
        return;
    }
    let world = world.with_options(|options| {
        options.freeze_after = Duration::from_millis(1);
        options.idle_retirement = Duration::from_secs(1);
    });
    let function = world.function("python3.12", "app.handler", &[("app.py", COUNTING)]);
    outcomes(&world, function, &["{}"]).await;
    until(|| processes_below(&world.spawner).is_empty()).await;
    world.core.shutdown().await;
}

/// Says goodbye when it ends.
const POLITE: &str = "
import http.client, os, signal
api = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
api.request('POST', '/2020-01-01/extension/register', '{\"events\":[]}', {'Lambda-Extension-Name': 'inner'})
answer = api.getresponse()
answer.read()
identifier = answer.headers['Lambda-Extension-Identifier']
import threading
def wait():
    api.request('GET', '/2020-01-01/extension/event/next', headers={'Lambda-Extension-Identifier': identifier})
    api.getresponse().read()
threading.Thread(target=wait, daemon=True).start()
def goodbye(*_):
    print('goodbye', flush=True)
    last()
    os._exit(0)
def last():
    pass
signal.signal(signal.SIGTERM, goodbye)
def handler(event, context):
    return 1
";

/// One that is stopped goes on for its end.
async fn frozen_shutdown(world: World) {
    if world.spawner.tier() == Tier::Process || world.start == Start::Parked {
        return;
    }
    let world = world.with_options(|options| {
        options.freeze_after = Duration::from_millis(1);
        // A busy machine needs more than the 300 milliseconds of an internal extension.
        options.shutdown_timeout = Duration::from_secs(60);
    });
    let function = world.function("python3.12", "app.handler", &[("app.py", POLITE)]);
    assert_eq!(outcomes(&world, function, &["{}"]).await, ["1"]);
    until_still(&world).await;
    world.core.shutdown().await;
    assert!(has_said_goodbye(&world));
}

/// The system may give a signal to any thread, above all after a freeze; Python's handler waits for the one of the bootstrap.
async fn shutdown_of_another_thread(world: World) {
    if world.start == Start::Parked {
        return;
    }
    // An answer that is not written together with the request for the next event is acknowledged before that event.
    const MASKED: &str = "
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
def handler(event, context):
    return 'x' * event
";
    let code = format!("{POLITE}{MASKED}");
    let world = world.with_options(|options| options.shutdown_timeout = Duration::from_secs(60));
    let function = world.function("python3.12", "app.handler", &[("app.py", &code)]);
    let answers = outcomes(&world, function, &["100000"]).await;
    assert_eq!(answers[0].len(), 100_002);
    until_still(&world).await;
    world.core.shutdown().await;
    assert!(has_said_goodbye(&world));
}

/// A runtime whose environment ends gets no event and no refusal.
async fn asking_at_the_end(world: World) {
    if world.start == Start::Parked {
        return;
    }
    const ASKING: &str = "
def last():
    late = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
    late.request('GET', '/2018-06-01/runtime/invocation/next')
    print('asked', flush=True)
    print('answered', late.getresponse().status, flush=True)
";
    let world = world.with_options(|options| options.shutdown_timeout = Duration::from_secs(10));
    let function = world.function("python3.12", "app.handler", &[("app.py", &format!("{POLITE}{ASKING}"))]);
    assert_eq!(outcomes(&world, function, &["{}"]).await, ["1"]);
    until_still(&world).await;
    world.core.shutdown().await;
    let said = world.log.of(functions::Source::Stdout);
    assert!(said.iter().any(|line| line.contains("asked")), "{said:?}");
    assert!(!said.iter().any(|line| line.contains("answered")), "{said:?}");
}

fn has_said_goodbye(world: &World) -> bool {
    let said = world.log.of(functions::Source::Stdout);
    said.iter().any(|line| line.contains("goodbye"))
}

async fn old(world: World) {
    let world = world.with_options(|options| options.age_max = Duration::from_millis(1));
    let function = world.function("python3.12", "app.handler", &[("app.py", COUNTING)]);
    let marks = outcomes(&world, function, &["{}", "{}", "{}"]).await;
    let different: HashSet<_> = marks.iter().map(|outcome| parse(outcome).0).collect();
    assert_eq!(different.len(), 3, "{marks:?}");
    world.core.shutdown().await;
}

async fn short_of_memory(world: World) {
    let world = world.with_options(|options| {
        // There is never so much.
        options.memory_available_min = 101;
        options.memory_looked_at = Duration::from_millis(5);
    });
    let function = world.function("python3.12", "app.handler", &[("app.py", COUNTING)]);
    outcomes(&world, function, &["{}"]).await;
    until(|| world.functions.parking().waiting == 0 && world.interpreters().is_empty()).await;
    world.core.shutdown().await;
}

// LAM-N-014: environments of provisioned concurrency see their initialization type and are initialized ahead
async fn kept(world: World) {
    let world = world.with_options(|options| options.idle_retirement = Duration::from_millis(50));
    world.put(world.function("python3.12", "app.handler", &[("app.py", COUNTING)]));
    let arn = crate::world::arn();
    world.functions.keep_ready(&arn, 2);
    until(|| world.functions.kept_ready(&arn).ready == 2).await;
    let InvokeOutcome::Buffered(answer) = world.invoke("{}").await else {
        panic!("no answer")
    };
    let text = std::str::from_utf8(&answer).unwrap();
    assert!(text.contains("provisioned-concurrency"), "{text}");
    // They outlive the end of idleness, and a change of the function.
    let changed = world.function("python3.12", "app.handler", &[("app.py", COUNTING)]);
    world.put(with_variables(changed, &[("STAGE", "next")]));
    until(|| {
        world
            .functions
            .reports()
            .iter()
            .all(|report| report.starting == 0 && report.idle == 2)
    })
    .await;
    until(|| world.functions.kept_ready(&arn).ready == 2).await;
    world.functions.keep_ready(&arn, 0);
    until(|| world.functions.kept_ready(&arn) == KeptReport::default()).await;
    until(|| world.functions.reports().iter().all(|report| report.idle == 0)).await;
    world.core.shutdown().await;
}

async fn kept_fails(world: World) {
    world.put(world.function("python3.12", "app.handler", &[("app.py", "raise ValueError('no')")]));
    let arn = crate::world::arn();
    world.functions.keep_ready(&arn, 1);
    until(|| world.functions.kept_ready(&arn).init_failed).await;
    assert_eq!(world.functions.kept_ready(&arn).ready, 0);
}

/// A hundred at once on a function that nobody has called: all are answered, there are never more environments than the
/// host allows, and this thread, which is the only one that traffic has here, has its turn all the time.
async fn burst(world: World) {
    const LIMIT: usize = 8;
    let world = world.with_options(|options| options.environments_max = LIMIT);
    let function = world.function(
        "python3.12",
        "app.handler",
        &[("app.py", "def handler(event, context):\n    return event\n")],
    );
    world.put(function);
    let invocations: Vec<_> = (0..100).map(|number| world.invoke(&number.to_string())).collect();
    let mut most = 0;
    let mut turns = 0_u64;
    let watch = async {
        loop {
            let report = world.functions.reports();
            let now: u32 = report.iter().map(|it| it.busy + it.idle + it.starting).sum();
            most = most.max(now as usize);
            turns += 1;
            tokio::task::yield_now().await;
        }
    };
    let answers = async {
        for (number, invocation) in invocations.into_iter().enumerate() {
            match invocation.await {
                InvokeOutcome::Buffered(answer) => assert_eq!(answer, number.to_string()),
                other => panic!("{number}: {other:?}"),
            }
        }
    };
    tokio::select! {
        () = answers => {}
        () = watch => {}
    }
    assert!((1..=LIMIT).contains(&most), "{most} environments");
    // Whoever blocks this thread while environments start leaves it a turn for each of them, not hundreds.
    assert!(turns > 500, "only {turns} turns");
    world.core.shutdown().await;
}
