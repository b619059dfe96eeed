//! Extensions: real programs beside the runtime, and threads inside of it.

mod broken;
mod internal;

use crate::Case;
use crate::layers::with_layers;
use crate::logs::with_timeout;
use crate::world::{World, processes_of, text, until, write_program};
use functions::Source;
use model::lambda::function::Function;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const CASES: &[Case] = &[
    ("extensions_register_before_the_runtime_starts", |world| {
        Box::pin(they_register_before_the_runtime_starts(world))
    }),
    ("extensions_take_part_in_the_init", |world| {
        Box::pin(they_take_part_in_the_init(world))
    }),
    ("extensions_take_part_in_invocations", |world| {
        Box::pin(they_take_part_in_invocations(world))
    }),
    ("extensions_count_for_the_timeout", |world| {
        Box::pin(they_count_for_the_timeout(world))
    }),
    ("extensions_hear_of_the_end", |world| {
        Box::pin(they_hear_of_the_end(world))
    }),
    ("extensions_that_stay_are_killed", |world| {
        Box::pin(those_that_stay_are_killed(world))
    }),
    ("extensions_that_exit", |world| Box::pin(those_that_exit(world))),
    ("extensions_that_give_up", |world| Box::pin(broken::that_give_up(world))),
    ("extensions_that_cannot_start", |world| {
        Box::pin(broken::that_cannot_start(world))
    }),
    ("extensions_that_never_register", |world| {
        Box::pin(broken::that_never_register(world))
    }),
    ("extensions_that_take_their_time", |world| {
        Box::pin(broken::that_take_their_time(world))
    }),
    ("extensions_switched_off", |world| Box::pin(broken::switched_off(world))),
    ("internal_extensions", |world| {
        Box::pin(internal::internal_extensions(world))
    }),
    ("internal_extensions_hear_of_invocations", |world| {
        Box::pin(internal::they_hear_of_invocations(world))
    }),
    ("internal_extensions_give_the_runtime_time", |world| {
        Box::pin(internal::they_give_the_runtime_time(world))
    }),
];

/// What every extension begins with.
const PRELUDE: &str = r#"#!/usr/bin/python3
import http.client, json, os, signal, socket, sys, tempfile
NAME = os.path.basename(sys.argv[0])
SHARED = tempfile.gettempdir()
connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
def call(method, path, body=None, headers={}):
    connection.request(method, '/2020-01-01/extension' + path, body, headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read()), dict(answer.getheaders())
def register(*events, headers={}):
    global ME
    status, body, got = call('POST', '/register', json.dumps({'events': events}), {'Lambda-Extension-Name': NAME, **headers})
    assert status == 200, body
    ME = {'Lambda-Extension-Identifier': got['Lambda-Extension-Identifier']}
    return body, got
def next_event():
    status, body, headers = call('GET', '/event/next', None, ME)
    assert status == 200, body
    return body, headers
def give_up(how, error_type):
    return call('POST', how + '/error', '{}', {**ME, 'Lambda-Extension-Function-Error-Type': error_type})
def tell(text):
    'Connects to the case, says text, and waits until the case says something.'
    line = socket.socket(socket.AF_UNIX)
    line.connect(os.environ['CASE_SOCKET'])
    line.sendall(text.encode() + b'\n')
    return line.recv(100).decode()
"#;

/// A runtime that answers every event with it.
const ECHO: &str = "
while True:
    id, event, _ = next_event()
    respond(id, event)
";

/// The same, which says so when it is asked to end. A handler of Python's may wait for the end of a call that has just begun.
const WARNED: &str = "
import threading
def echo():
    while True:
        id, event, _ = next_event()
        respond(id, event)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
threading.Thread(target=echo, daemon=True).start()
signal.sigwait([signal.SIGTERM])
tell('TERM')
os._exit(0)
";

/// An extension that does nothing but listen.
const LISTENER: &str = "
register('INVOKE', 'SHUTDOWN')
while next_event()[0]['eventType'] != 'SHUTDOWN':
    pass
";

/// The function with external extensions: their names, and their programs after the prelude.
pub(crate) fn with_extensions(world: &World, function: Function, extensions: &[(&str, &str)]) -> Function {
    let layer = folder(world);
    for (name, program) in extensions {
        write_program(&layer.join("extensions").join(name), &format!("{PRELUDE}{program}"));
    }
    with_layers(function, &[&layer])
}

/// A new layer without extensions.
fn folder(world: &World) -> PathBuf {
    let number = fs::read_dir(&world.directory).unwrap().count();
    let layer = world.directory.join(format!("layer-{number}"));
    fs::create_dir_all(layer.join("extensions")).unwrap();
    layer
}

/// A world whose ends take as long as its processes need.
fn patient(world: World) -> World {
    world.with_options(|options| options.shutdown_timeout = Duration::from_secs(100))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

// LAM-X-004: the runtime is not started before every program in /opt/extensions has registered
// LAM-X-006: what a registration is answered with
async fn they_register_before_the_runtime_starts(world: World) {
    let function = world.function(
        "
import tempfile
written = open(tempfile.gettempdir() + '/registered').read()
while True:
    id, event, _ = next_event()
    respond(id, written)
",
    );
    let quick = LISTENER;
    let slow = "
variables = dict(os.environ)
tell('not yet')
body, headers = register('SHUTDOWN', headers={'Lambda-Extension-Accept-Feature': 'accountId'})
open(SHARED + '/registered', 'w').write(json.dumps([body, headers, variables]))
print('an extension speaks')
sys.stdout.flush()
next_event()
";
    world.put(with_extensions(
        &world,
        function,
        &[("quick.py", quick), ("slow", slow)],
    ));
    let answer = world.answer("1");
    let waiting = async {
        let told = world.told().await;
        let running = processes_of(&world.directory);
        assert!(running.iter().any(|it| it.contains("extensions/slow")), "{running:?}");
        assert!(!running.iter().any(|it| it.contains("bootstrap")), "{running:?}");
        told.go_on().await;
    };
    let (answer, ()) = tokio::join!(answer, waiting);
    let answer = json(&answer);
    let [body, headers, variables] = [&answer[0], &answer[1], &answer[2]];
    assert_eq!(
        *body,
        serde_json::json!({
            "functionName": "f",
            "functionVersion": "$LATEST",
            "handler": "app.handler",
            "accountId": "111122223333",
        })
    );
    assert_eq!(headers["Content-Type"], "application/json");
    let identifier = headers["Lambda-Extension-Identifier"].as_str().unwrap();
    let lengths: Vec<_> = identifier.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{identifier}");
    // The function's own variables and those of the platform, and nothing of the runtime's.
    assert_eq!(variables["AWS_LAMBDA_FUNCTION_NAME"], "f");
    assert!(variables["CASE_SOCKET"].is_string());
    let names = variables.as_object().unwrap().keys();
    for name in names {
        assert!(!name.starts_with('_') && !name.starts_with("LAMBDA_"), "{name}");
    }
    assert!(variables["AWS_LAMBDA_LOG_STREAM_NAME"].is_null());
    until(|| !world.log.lines_of(Source::Extension).is_empty()).await;
    assert_eq!(world.log.lines_of(Source::Extension), ["an extension speaks"]);
    let states: Vec<_> = world
        .log
        .lines()
        .into_iter()
        .filter(|it| it.starts_with("EXTENSION"))
        .collect();
    assert_eq!(
        states,
        [
            "EXTENSION\tName: quick.py\tState: Ready\tEvents: [INVOKE, SHUTDOWN]",
            "EXTENSION\tName: slow\tState: Ready\tEvents: [SHUTDOWN]",
        ]
    );
}

// LAM-X-005: init finishes only when the runtime and every extension have called next
async fn they_take_part_in_the_init(world: World) {
    let function = world.function(
        "
import tempfile
tell('the runtime asks')
while True:
    id, event, _ = next_event()
    respond(id, str(os.path.exists(tempfile.gettempdir() + '/asked')))
",
    );
    let late = "
register()
tell('registered')
open(SHARED + '/asked', 'w').close()
next_event()
";
    world.put(with_extensions(&world, function, &[("late", late)]));
    let order = async {
        let first = world.told().await;
        let second = world.told().await;
        let (extension, runtime) = match first.text.as_str() {
            "registered" => (first, second),
            _ => (second, first),
        };
        runtime.go_on().await;
        // Its question is there when it waits for the answer.
        let waits = || {
            let processes = fs::read_dir("/proc").unwrap().flatten();
            let mut runtimes = processes.filter(|it| {
                let command = fs::read_to_string(it.path().join("cmdline")).unwrap_or_default();
                let variables = fs::read(it.path().join("environ")).unwrap_or_default();
                let variables = String::from_utf8_lossy(&variables).into_owned();
                command.contains("bootstrap") && variables.contains(world.directory.to_str().unwrap())
            });
            runtimes.any(|it| fs::read_to_string(it.path().join("stat")).is_ok_and(|stat| stat.contains(") S ")))
        };
        until(waits).await;
        assert_eq!(world.log.count("START"), 0);
        extension.go_on().await;
    };
    let (answer, ()) = tokio::join!(world.answer("1"), order);
    assert_eq!(answer, "True");
}

// LAM-R-030: the next event comes only after the runtime and all extensions have called next
// LAM-R-029: the caller is answered before that
// LAM-X-011: what an INVOKE event says
async fn they_take_part_in_invocations(world: World) {
    let busy = "
register('INVOKE')
while True:
    event, headers = next_event()
    tell(json.dumps([event, headers]))
";
    let mut function = with_extensions(&world, world.function(ECHO), &[("busy", busy), ("idle", LISTENER)]);
    function.configuration.concurrency = Some(1);
    world.put(function);
    assert_eq!(world.answer("\"first\"").await, "\"first\"");
    let told = world.told().await;
    let second = world.invoke("\"second\"");
    tokio::pin!(second);
    // Everything that can happen does, and the second one waits.
    for _ in 0..100 {
        tokio::select! {
            biased;
            outcome = &mut second => panic!("{outcome:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(world.log.count("REPORT"), 0);
    let said = json(&told.text);
    let event = &said[0];
    assert_eq!(event["eventType"], "INVOKE");
    let id = world
        .log
        .lines()
        .iter()
        .find_map(|line| Some(line.strip_prefix("START RequestId: ")?[..36].to_owned()));
    assert_eq!(event["requestId"].as_str(), id.as_deref());
    assert_eq!(
        event["invokedFunctionArn"],
        "arn:aws:lambda:eu-west-1:111122223333:function:f"
    );
    assert_eq!(
        event["tracing"],
        serde_json::json!({"type": "X-Amzn-Trace-Id", "value": "Root=1-5-7"})
    );
    assert!(event["deadlineMs"].as_u64().unwrap() > 1_700_000_000_000);
    assert!(said[1]["Lambda-Extension-Event-Identifier"].is_string());
    told.go_on().await;
    let (outcome, told) = tokio::join!(second, world.told());
    assert_eq!(text(outcome), "\"second\"");
    assert_eq!(world.log.count("REPORT"), 1, "that of the first one");
    told.go_on().await;
    until(|| world.log.count("REPORT") == 2).await;
    assert_eq!(world.log.count("INIT_START"), 1);
}

// LAM-X-012: the timeout counts until extensions have called next
// LAM-X-015: they hear that it was the timeout
async fn they_count_for_the_timeout(world: World) {
    let world = patient(world);
    let stuck = "
register('INVOKE', 'SHUTDOWN')
event, _ = next_event()
if not os.path.exists(SHARED + '/stuck'):
    open(SHARED + '/stuck', 'w').close()
    tell('stuck')
event, _ = next_event()
tell(json.dumps(event))
";
    let function = world.function(WARNED);
    let function = with_extensions(&world, function, &[("stuck", stuck)]);
    // Its repeated init is a part of it.
    world.put(with_timeout(function, 5));
    let (answer, stuck) = tokio::join!(world.answer("1"), world.told());
    assert_eq!((answer.as_str(), stuck.text.as_str()), ("1", "stuck"));
    // The time is over when the runtime is asked to end.
    let warned = world.told().await;
    assert_eq!(warned.text, "TERM");
    warned.go_on().await;
    // It hears of the end although it had not asked when it was told.
    stuck.go_on().await;
    let told = world.told().await;
    let event = json(&told.text);
    assert_eq!(
        (&event["eventType"], &event["shutdownReason"]),
        (&"SHUTDOWN".into(), &"timeout".into())
    );
    told.go_on().await;
    until(|| world.log.count("REPORT") == 1).await;
    let report = world
        .log
        .lines()
        .into_iter()
        .find(|line| line.starts_with("REPORT"))
        .unwrap();
    assert!(report.ends_with("\tStatus: timeout"), "{report}");
    assert!(report.contains("\tDuration: 5000.00 ms\t"), "{report}");
    // The next invocation starts both again.
    assert_eq!(world.answer("2").await, "2");
    assert_eq!(world.log.count("INIT_START"), 2);
    let both = async {
        for _ in 0..2 {
            world.told().await.go_on().await;
        }
    };
    tokio::join!(both, world.core.shutdown());
}

// LAM-X-014: SIGTERM to the runtime, then SHUTDOWN to the extensions
// LAM-X-015: the reason is spindown
async fn they_hear_of_the_end(world: World) {
    let world = patient(world);
    let function = world.function(WARNED);
    let listener = "
register('SHUTDOWN')
event, _ = next_event()
tell(json.dumps(event))
";
    let deaf = "
register('INVOKE')
while True:
    next_event()
";
    world.put(with_extensions(
        &world,
        function,
        &[("listener", listener), ("deaf", deaf)],
    ));
    assert_eq!(world.answer("1").await, "1");
    let listening = async {
        let first = world.told().await;
        assert_eq!(first.text, "TERM");
        first.go_on().await;
        let second = world.told().await;
        let running = processes_of(&world.directory);
        assert!(!running.iter().any(|it| it.contains("bootstrap")), "{running:?}");
        let event = json(&second.text);
        assert_eq!(
            (&event["eventType"], &event["shutdownReason"]),
            (&"SHUTDOWN".into(), &"spindown".into())
        );
        assert!(event["deadlineMs"].as_u64().unwrap() > 1_700_000_000_000);
        second.go_on().await;
    };
    tokio::join!(world.core.shutdown(), listening);
}

// LAM-X-014: all are killed when the time is over
async fn those_that_stay_are_killed(world: World) {
    let world = world.with_options(|options| options.shutdown_timeout = Duration::from_secs(1));
    let function = world.function(
        "
signal.signal(signal.SIGTERM, lambda *_: None)
while True:
    id, event, _ = next_event()
    respond(id, event)
",
    );
    let stays = "
signal.signal(signal.SIGTERM, lambda *_: None)
register('SHUTDOWN')
next_event()
signal.pause()
";
    world.put(with_extensions(&world, function, &[("stays", stays)]));
    assert_eq!(world.answer("1").await, "1");
    world.core.shutdown().await;
    assert_eq!(processes_of(&world.directory), [""; 0]);
}

// LAM-X-016: an exit during an invocation fails it
async fn those_that_exit(world: World) {
    broken::that_exit(world).await;
}
