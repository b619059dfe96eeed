//! Hot reload: saved code starts at once, on one core.

use crate::Case;
use crate::world::{World, arn, processes_of, text, until};
use functions::Source;
use invoke::{Invocation, Invoker};

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
