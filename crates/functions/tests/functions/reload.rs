//! Hot reload: saved code starts at once, on one core.

use crate::Case;
use crate::world::{World, arn, processes_of, text, until};
use functions::Source;
use invoke::{Invocation, Invoker};
use model::lambda::about::{About, Architecture, FunctionRecord, RoleArn, Status, Tracing};
use model::lambda::package::{Package, PackageDigest};
use model::lambda::resources::Change as LambdaChange;
use model::{Change, Timestamp};
use std::sync::Arc;

pub(crate) const CASES: &[Case] = &[
    ("saved_code_starts_at_once", |world| {
        Box::pin(saved_code_starts_at_once(world))
    }),
    ("a_mistake_shows_at_once", |world| {
        Box::pin(a_mistake_shows_at_once(world))
    }),
    ("code_that_nobody_runs_does_not_start", |world| {
        Box::pin(code_that_nobody_runs(world))
    }),
    ("an_update_of_its_description_starts_it_anew", |world| {
        Box::pin(an_update_of_its_description(world))
    }),
];

fn answering(word: &str) -> String {
    format!(
        "
print('{word} starts', flush=True)
while True:
    id, event, _ = next_event()
    respond(id, '{word} ' + str(ME))
"
    )
}

async fn saved_code_starts_at_once(world: World) {
    let other = world.functions.core(world.state.subscribe());
    world.put(world.function(&answering("old")));
    // Both cores have run it; each with an environment of its own.
    let on_other = other.invoke(Invocation::new(arn("f"), "1".into(), None));
    let (first, second) = tokio::join!(world.answer("1"), on_other);
    assert!(first.starts_with("old ") && text(second).starts_with("old "));
    world.put(world.function(&answering("new")));
    until(|| world.functions.reports()[0].idle == 1 && processes_of(&world.directory).len() == 1).await;
    assert_eq!(world.log.count("new starts"), 1);
    // It is warm: the next request runs in it, on whichever core it comes.
    let new = world.answer("2").await;
    assert!(new.starts_with("new "), "{new}");
    until(|| world.functions.reports()[0].idle == 1).await;
    assert_eq!(
        text(other.invoke(Invocation::new(arn("f"), "3".into(), None)).await),
        new
    );
    assert_eq!(world.log.count("new starts"), 1);
    other.shutdown().await;
}

async fn a_mistake_shows_at_once(world: World) {
    world.put(world.function(&answering("good")));
    assert!(world.answer("1").await.starts_with("good "));
    world.put(world.function("this is no python\n"));
    until(|| world.log.count("INIT_REPORT") == 1).await;
    let errors = world.log.lines_of(Source::Stderr);
    assert!(errors.iter().any(|line| line.contains("SyntaxError")), "{errors:?}");
    assert!(
        errors.iter().any(|line| line.contains("bootstrap\", line ")),
        "{errors:?}"
    );
    // Repaired: what was started with the mistake does not come back.
    world.put(world.function(&answering("repaired")));
    assert!(world.answer("2").await.starts_with("repaired "));
    assert_eq!(world.log.count("repaired starts"), 1);
}

async fn code_that_nobody_runs(world: World) {
    world.put(world.function(&answering("first")));
    world.put(world.function(&answering("second")));
    // Known by its answer, which comes after the change was seen.
    world.put(world.function_named("g", &answering("g")));
    assert!(text(world.invoke_named("g", "1").await).starts_with("g "));
    assert_eq!((world.log.count("first"), world.log.count("second")), (0, 0));
    assert_eq!(processes_of(&world.directory).len(), 1);
}

/// What the AWS API keeps about `f`.
fn record(description: &str, last_modified: Timestamp) -> Change {
    let about = About {
        role: RoleArn::try_from("arn:aws:iam::111122223333:role/r").unwrap(),
        description: description.to_owned(),
        package: Package {
            digest: PackageDigest([1; 32]),
            bytes: 1,
        },
        architecture: Architecture::default(),
        has_environment: false,
        tracing: Tracing::default(),
        layers: Vec::new(),
        vpc: None,
        last_modified,
        revision: 1,
    };
    Change::Lambda(LambdaChange::PutRecord(Arc::new(FunctionRecord {
        function: arn("f"),
        about,
        status: Status::Active,
        version_last: 0,
        allows_recursion: false,
        updates_runtime_with_function: false,
    })))
}

// What it runs is the same.
async fn an_update_of_its_description(world: World) {
    let mut function = world.function(&answering("it"));
    world.apply(&record("old", Timestamp(1)));
    world.put(function.clone());
    let old = world.answer("1").await;
    // A change of its concurrency is no update.
    function.configuration.concurrency = Some(7);
    world.put(function.clone());
    assert_eq!(world.answer("2").await, old);
    world.apply(&record("new", Timestamp(2)));
    world.put(function);
    assert_ne!(world.answer("3").await, old);
    until(|| world.functions.reports()[0].idle == 1 && processes_of(&world.directory).len() == 1).await;
}
