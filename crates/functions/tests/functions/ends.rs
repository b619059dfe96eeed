//! How long an environment waits, and how it is ended.

use crate::Case;
use crate::world::{World, arn, processes_of, text, until};
use model::Change;
use model::lambda::function::FunctionTimeout;
use std::os::unix::net::UnixStream;
use std::time::Duration;

pub(crate) const CASES: &[Case] = &[
    ("next_waits_as_long_as_it_takes", |world| {
        Box::pin(next_waits_as_long_as_it_takes(world))
    }),
    ("the_end_comes_without_a_warning", |world| {
        Box::pin(the_end_comes_without_a_warning(world))
    }),
];

// LAM-R-001
async fn next_waits_as_long_as_it_takes(world: World) {
    let world = world.with_options(|options| options.init_timeout = Duration::from_millis(300));
    let mut function = world.function(
        "
while True:
    id, event, _ = next_event()
    respond(id, str(ME))
",
    );
    function.configuration.timeout = FunctionTimeout::try_from(Duration::from_secs(1)).unwrap();
    world.put(function);
    world.put(world.function_named(
        "slow",
        "
import threading
while True:
    id, event, _ = next_event()
    threading.Event().wait(1.5)
    respond(id, 'slow')
",
    ));
    let first = world.answer("1").await;
    // Longer than an init, an invocation or anything else may take here.
    assert_eq!(text(world.invoke_named("slow", "1").await), "slow");
    assert_eq!(world.answer("2").await, first, "the same process has waited");
    world.core.shutdown().await;
}

// LAM-X-013: no SIGTERM comes before SIGKILL
async fn the_end_comes_without_a_warning(world: World) {
    world.put(world.function(
        "
import signal, socket
def warned(*_):
    socket.socket(socket.AF_UNIX).connect(os.environ['CASE_SOCKET'])
signal.signal(signal.SIGTERM, warned)
while True:
    id, event, _ = next_event()
    respond(id, 'ready')
",
    ));
    assert_eq!(world.answer("1").await, "ready");
    world.apply(&Change::DeleteFunction(arn("f")));
    until(|| processes_of(&world.directory).is_empty()).await;
    // A warned function's connection would be there before ours.
    let address = world.listener.local_addr().unwrap();
    let _ours = UnixStream::connect(address.as_pathname().unwrap()).unwrap();
    let (first, _) = world.listener.accept().await.unwrap();
    assert_eq!(first.peer_cred().unwrap().pid(), Some(std::process::id().cast_signed()));
}
