//! Functions that leave something behind, or take something away that they need: each costs its own invocation, and the next
//! one works.

use crate::Case;
use crate::world::{World, function_error, processes_of, until};
use model::lambda::function::FunctionTimeout;
use std::time::Duration;

pub(crate) const CASES: &[Case] = &[
    ("children_end_with_their_environment", |world| Box::pin(children(world))),
    ("a_function_that_closes_its_sockets", |world| {
        Box::pin(closed_sockets(world))
    }),
    ("a_function_that_closes_everything", |world| {
        Box::pin(closed_everything(world))
    }),
];

/// Children that have left their session, ignore what may be ignored and hold the log open go with the environment, however
/// it ends; the next invocation has none of them.
async fn children(world: World) {
    let mut function = world.function(
        "
import glob, time
def others():
    found = 0
    for path in glob.glob('/proc/[0-9]*/environ'):
        try:
            found += os.environ['CASE_DIRECTORY'].encode() in open(path, 'rb').read()
        except OSError:
            pass
    return found
while True:
    id, event, _ = next_event()
    before = others()
    if event != 'count':
        for _ in range(5):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    signal.signal(signal.SIGHUP, signal.SIG_IGN)
                    signal.pause()
                os._exit(0)
            os.wait()
    if event == 'crash':
        os._exit(3)
    if event == 'late':
        signal.pause()
    respond(id, str(before))
",
    );
    function.configuration.timeout = FunctionTimeout::try_from(Duration::from_secs(1)).unwrap();
    world.put(function);
    assert_eq!(world.answer("leave").await, "1");
    assert_eq!(
        world.answer("count").await,
        "6",
        "they may go on in their own environment"
    );
    let (error_type, _) = function_error(world.invoke("crash").await);
    assert_eq!(error_type, "Runtime.ExitError");
    assert_eq!(world.answer("count").await, "1");
    let (error_type, _) = function_error(world.invoke("late").await);
    assert_eq!(error_type, "Sandbox.Timedout");
    assert_eq!(world.answer("count").await, "1");
    assert_eq!(world.answer("leave").await, "1");
    world.core.shutdown().await;
    until(|| processes_of(&world.directory).is_empty()).await;
}

/// It has no way to answer any more, and does not end.
async fn closed_sockets(world: World) {
    let mut function = world.function(
        "
while True:
    id, event, _ = next_event()
    if event == 'close':
        connection.close()
        signal.pause()
    respond(id, event)
",
    );
    function.configuration.timeout = FunctionTimeout::try_from(Duration::from_secs(1)).unwrap();
    world.put(function);
    assert_eq!(world.answer("1").await, "1");
    let (error_type, payload) = function_error(world.invoke("close").await);
    assert_eq!(error_type, "Sandbox.Timedout");
    assert!(payload.contains("Task timed out after 1.00 seconds"), "{payload}");
    assert_eq!(world.answer("2").await, "2");
}

/// Its output too, which is no reason to wait for it, nor to lose what it does afterwards.
async fn closed_everything(world: World) {
    world.put(world.function(
        "
while True:
    id, event, _ = next_event()
    if event == 'close':
        os.closerange(0, 1000)
        connection = http.client.HTTPConnection(API)
    if event == 'end':
        os.closerange(0, 1000)
        os._exit(0)
    respond(id, event)
",
    ));
    for event in ["1", "close", "2"] {
        assert_eq!(world.answer(event).await, event);
    }
    let (error_type, _) = function_error(world.invoke("end").await);
    assert_eq!(error_type, "Runtime.ExitError");
    assert_eq!(world.answer("3").await, "3");
}
