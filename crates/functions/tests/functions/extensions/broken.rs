//! Extensions that fail, each in Lambda's words; the function works again when they do.

use super::{ECHO, LISTENER, PRELUDE, folder, patient, with_extensions};
use crate::layers::with_layers;
use crate::logs::with_timeout;
use crate::world::{World, function_error, processes_of, until, write_program};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

fn payload(error_type: &str, text: &str) -> (String, String) {
    let payload = format!("{{\"errorType\":\"{error_type}\",\"errorMessage\":\"RequestId: ID Error: {text}\"}}");
    (error_type.to_owned(), payload)
}

/// A runtime that waits for ever in the event `wait`.
const WAITS: &str = "
while True:
    id, event, _ = next_event()
    if event == '\"wait\"':
        signal.pause()
    respond(id, event)
";

pub(super) async fn that_exit(world: World) {
    for (ends, expected) in [
        ("os._exit(3)", "exit status 3"),
        ("os._exit(0)", "exit code 0"),
        ("os.kill(os.getpid(), 9)", "signal: killed"),
    ] {
        let exits = format!(
            "
register('INVOKE')
while True:
    next_event()
    if not os.path.exists(SHARED + '/exited'):
        open(SHARED + '/exited', 'w').close()
        {ends}
"
        );
        let function = world.function(WAITS);
        world.put(with_extensions(
            &world,
            function,
            &[("exits", &exits), ("stays", LISTENER)],
        ));
        let outcome = world.invoke("\"wait\"").await;
        assert_eq!(function_error(outcome), payload("Extension.Crash", expected));
        // The environment starts again, with all of them.
        assert_eq!(world.answer("1").await, "1");
    }
}

pub(super) async fn that_give_up(world: World) {
    let in_init = "
register()
status, body, _ = give_up('/init', 'Extension.NoConfig')
assert (status, body) == (202, {'status': 'OK'}), body
os._exit(1)
";
    world.put(with_extensions(&world, world.function(ECHO), &[("gives-up", in_init)]));
    world.log.clear();
    let outcome = world.invoke("1").await;
    assert_eq!(function_error(outcome), payload("Extension.NoConfig", "exit status 1"));
    until(|| world.log.count("REPORT") == 1).await;
    // Twice: in the init, and again in the invocation.
    let lines = world.log.lines();
    for expected in [
        "Phase: init\tStatus: error\tError Type: Extension.NoConfig",
        "Phase: invoke\tStatus: error\tError Type: Extension.NoConfig",
        "EXTENSION\tName: gives-up\tState: InitError\tEvents: []\tError Type: Extension.NoConfig",
    ] {
        assert!(
            lines.iter().any(|line| line.contains(expected)),
            "{expected}: {lines:#?}"
        );
    }

    let in_invocation = "
register('INVOKE')
next_event()
status, body, _ = give_up('/exit', 'anything')
assert status == 202, body
os._exit(2)
";
    world.put(with_extensions(
        &world,
        world.function(WAITS),
        &[("gives-up", in_invocation)],
    ));
    let outcome = world.invoke("\"wait\"").await;
    assert_eq!(function_error(outcome), payload("Extension.ExitError", "exit status 2"));
}

pub(super) async fn that_cannot_start(world: World) {
    let layer = folder(&world);
    let program = layer.join("extensions/program");
    write_program(&program, &format!("{PRELUDE}{LISTENER}"));
    fs::set_permissions(&program, Permissions::from_mode(0o644)).unwrap();
    world.put(with_layers(world.function(ECHO), &[&layer]));
    assert_eq!(
        function_error(world.invoke("1").await),
        payload(
            "Extension.LaunchError",
            "fork/exec /opt/extensions/program: permission denied"
        )
    );

    let exits = "os._exit(5)";
    world.put(with_extensions(
        &world,
        world.function(ECHO),
        &[("a", LISTENER), ("b", exits)],
    ));
    assert_eq!(
        function_error(world.invoke("1").await),
        payload("Extension.Crash", "exit status 5")
    );

    let names: Vec<String> = (0..11).map(|number| format!("number-{number}")).collect();
    let all: Vec<_> = names.iter().map(|name| (name.as_str(), LISTENER)).collect();
    world.put(with_extensions(&world, world.function(ECHO), &all));
    assert_eq!(
        function_error(world.invoke("1").await),
        payload("Extension.TooManyExtensions", "Extension limit (10) reached")
    );
    // A runtime that cannot be started takes its extensions with it.
    let function = with_extensions(&world, world.function(ECHO), &[("a", LISTENER)]);
    let model::lambda::function::CodeLocation::Folder(code) = &function.code.location else {
        unreachable!("the world makes folders");
    };
    fs::remove_file(code.join("bootstrap")).unwrap();
    world.put(function);
    let (error_type, _) = function_error(world.invoke("1").await);
    assert_eq!(error_type, "Runtime.InvalidEntrypoint");
    until(|| world.functions.reports()[0].busy == 0 && processes_of(&world.directory).is_empty()).await;
}

/// The init takes its time, and its repetition the function's.
pub(super) async fn that_never_register(world: World) {
    let world = world.with_options(|options| options.init_timeout = Duration::from_millis(500));
    let silent = "signal.pause()";
    let function = with_extensions(&world, world.function(ECHO), &[("silent", silent)]);
    world.put(with_timeout(function, 1));
    assert_eq!(
        function_error(world.invoke("1").await),
        payload("Sandbox.Timedout", "Task timed out after 1.00 seconds")
    );
    // And one that has registered, but never asks for an event.
    let deaf = "register()\nsignal.pause()";
    let function = with_extensions(&world, world.function(ECHO), &[("deaf", deaf)]);
    world.put(with_timeout(function, 1));
    assert_eq!(
        function_error(world.invoke("1").await),
        payload("Sandbox.Timedout", "Task timed out after 1.00 seconds")
    );
    world.core.shutdown().await;
}

pub(super) async fn switched_off(world: World) {
    let layer = folder(&world);
    write_program(&layer.join("extensions/exits"), "#!/bin/sh\nexit 1\n");
    fs::create_dir(layer.join("extensions/a-folder")).unwrap();
    fs::write(layer.join("disable-extensions-jwigqn8j"), "").unwrap();
    world.put(with_layers(world.function(ECHO), &[&layer]));
    assert_eq!(world.answer("1").await, "1");
}

/// The caller of a failed invocation does not wait until its extensions have ended. Source: Lambda 4.4.
pub(super) async fn that_take_their_time(world: World) {
    let world = patient(world);
    let function = world.function("os._exit(7)");
    let slow = "
register('SHUTDOWN')
next_event()
tell('leaving')
";
    world.put(with_extensions(&world, function, &[("slow", slow)]));
    let outcome = world.invoke("1");
    // After the init; and again after the one within the invocation.
    world.told().await.go_on().await;
    let leaving = world.told().await;
    assert_eq!(
        function_error(outcome.await),
        payload("Runtime.ExitError", "Runtime exited with error: exit status 7")
    );
    leaving.go_on().await;
    world.core.shutdown().await;
}
