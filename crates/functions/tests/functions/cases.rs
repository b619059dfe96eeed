//! What works: answers, scaling, queues, changes of code, the end.

use crate::Case;
use crate::world::{World, arn, function_error, open_descriptors, processes_of, text, until};
use functions::Source;
use invoke::{InvokeOutcome, InvokeRefusal};
use model::lambda::function::{Environment, FunctionTimeout};
use model::{Change, Secret};
use sandbox::Tier;
use std::collections::HashSet;
use std::time::Duration;

pub(crate) const CASES: &[Case] = &[
    ("hello", |world| Box::pin(hello(world))),
    ("one_after_the_other_takes_one_environment", |world| {
        Box::pin(one_after_the_other(world))
    }),
    ("the_headers_of_an_event", |world| {
        Box::pin(the_headers_of_an_event(world))
    }),
    ("environment_variables", |world| Box::pin(environment_variables(world))),
    ("a_posted_error_is_the_payload", |world| {
        Box::pin(a_posted_error_is_the_payload(world))
    }),
    ("ping_and_unknown_paths", |world| {
        Box::pin(ping_and_unknown_paths(world))
    }),
    ("a_connection_for_each_call", |world| {
        Box::pin(a_connection_for_each_call(world))
    }),
    ("twenty_at_once_scale_up", |world| {
        Box::pin(twenty_at_once_scale_up(world))
    }),
    ("the_most_recently_idle_environment_is_taken", |world| {
        Box::pin(the_most_recently_idle_is_taken(world))
    }),
    ("reserved_concurrency_queues_in_order", |world| {
        Box::pin(reserved_concurrency_queues_in_order(world))
    }),
    ("a_full_queue_throttles", |world| {
        Box::pin(a_full_queue_throttles(world))
    }),
    ("a_long_wait_throttles", |world| Box::pin(a_long_wait_throttles(world))),
    ("a_full_host_ends_an_idle_environment", |world| {
        Box::pin(a_full_host_ends_an_idle_environment(world))
    }),
    ("a_full_host_waits_for_a_busy_environment", |world| {
        Box::pin(a_full_host_waits_for_a_busy_environment(world))
    }),
    ("a_caller_that_leaves_does_not_stop_the_function", |world| {
        Box::pin(a_caller_that_leaves(world))
    }),
    ("changed_code_runs_next_and_running_finishes", |world| {
        Box::pin(changed_code(world))
    }),
    ("a_changed_limit_keeps_environments", |world| {
        Box::pin(a_changed_limit_keeps_environments(world))
    }),
    ("a_deleted_function_ends", |world| {
        Box::pin(a_deleted_function_ends(world))
    }),
    ("idle_environments_retire", |world| {
        Box::pin(idle_environments_retire(world))
    }),
    ("output_becomes_log_lines", |world| {
        Box::pin(output_becomes_log_lines(world))
    }),
    ("large_events_and_answers", |world| {
        Box::pin(large_events_and_answers(world))
    }),
    ("shutdown_refuses_and_leaves_nothing", |world| {
        Box::pin(shutdown_refuses_and_leaves_nothing(world))
    }),
];

const ECHO: &str = "
while True:
    id, event, _ = next_event()
    respond(id, event)
";

/// Tells its process id and the event, and answers both.
const TELL: &str = "
while True:
    id, event, _ = next_event()
    tell(event)
    respond(id, event + ' ' + str(ME))
";

// LAM-R-013: an answer need not be JSON
async fn hello(world: World) {
    world.put(world.function(
        "
while True:
    id, event, _ = next_event()
    status, body, headers = respond(id, 'not json: ' + event)
    assert (status, body, headers['Content-Type']) == (202, '{\"status\":\"OK\"}\\n', 'application/json')
",
    ));
    for number in 0..5 {
        assert_eq!(world.answer(&number.to_string()).await, format!("not json: {number}"));
    }
    until(|| world.functions.reports()[0].busy == 0).await;
    let report = &world.functions.reports()[0];
    assert_eq!((report.invocations, report.errors), (5, 0));
    assert_eq!(
        world.invoke_named("g", "1").await,
        InvokeOutcome::Refused(InvokeRefusal::NotFound)
    );
}

// The next invocation comes long before the runtime asks for it.
async fn one_after_the_other(world: World) {
    let world = world.with_options(|options| options.patience = Duration::from_secs(60));
    world.put(world.function(
        "
while True:
    id, event, _ = next_event()
    respond(id, str(ME))
",
    ));
    let first = world.answer("0").await;
    for number in 1..100 {
        assert_eq!(world.answer(&number.to_string()).await, first);
    }
    world.core.shutdown().await;
}

// LAM-R-002, LAM-R-004, LAM-R-005
async fn the_headers_of_an_event(world: World) {
    world.put(world.function(
        "
import time
id, event, headers = next_event()
left = int(headers['Lambda-Runtime-Deadline-Ms']) - time.time() * 1000
respond(id, '|'.join([str(20000 < left <= 30000), headers['Content-Type'], headers['Lambda-Runtime-Trace-Id'],
    headers['Lambda-Runtime-Invoked-Function-Arn'], str(len(id)), event]))
next_event()
",
    ));
    let expected = format!("True|application/json|Root=1-5-7|{}|36| {{ }} ", arn("f"));
    assert_eq!(world.answer(" { } ").await, expected);
}

// LAM-E-008, and the rest of Lambda 3.2 in the real process
async fn environment_variables(world: World) {
    let mut function = world.function(
        "
while True:
    id, event, _ = next_event()
    open(os.environ.get('TMPDIR', '/tmp') + '/written', 'w').write('x')
    respond(id, '|'.join([os.environ.get(event, 'absent'), os.getcwd(), str(len(set(os.environ) - {'LC_CTYPE', 'TMPDIR'}))]))
",
    );
    let mut variables = function.configuration.environment.variables().clone();
    variables.insert("STAGE".to_owned(), Secret::new("dev".to_owned()));
    function.configuration.environment = Environment::new(variables).unwrap();
    let folder = match world.spawner.tier() {
        Tier::Process => function.code.revision.to_string(),
        Tier::Namespace => "/var/task".to_owned(),
    };
    world.put(function);
    for (name, expected) in [
        ("STAGE", "dev"),
        ("_HANDLER", "app.handler"),
        ("AWS_REGION", "eu-west-1"),
        ("LAMBDA_TASK_ROOT", &folder),
        ("AWS_EXECUTION_ENV", "absent"),
        ("HOME", "absent"),
    ] {
        // 19 of Lambda's, 4 of the function's; LC_CTYPE is Python's own, and TMPDIR is not everywhere.
        assert_eq!(world.answer(name).await, format!("{expected}|{folder}|23"), "{name}");
    }
}

// LAM-R-015: the body posted to /error is the payload, unchanged; the environment stays
async fn a_posted_error_is_the_payload(world: World) {
    world.put(world.function(
        "
while True:
    id, event, _ = next_event()
    headers = {'Lambda-Runtime-Function-Error-Type': event}
    assert call('POST', '/runtime/invocation/' + id + '/error', ' {\"pid\": %d} ' % ME, headers)[0] == 202
",
    ));
    let (error_type, first) = function_error(world.invoke("Function.MyError").await);
    assert_eq!(error_type, "Function.MyError");
    assert!(first.starts_with(" {\"pid\": ") && first.ends_with("} "), "{first}");
    assert_eq!(
        function_error(world.invoke("nonsense").await),
        ("Runtime.Unknown".to_owned(), first)
    );
    assert_eq!(world.functions.reports()[0].errors, 2);
}

async fn ping_and_unknown_paths(world: World) {
    world.put(world.function(
        "
found = [call('GET', '/ping')[:2], call('GET', '/runtime/restore/next')[:1], call('POST', '/ping', 'x' * 10000)[:1]]
while True:
    id, event, _ = next_event()
    respond(id, str(found))
",
    ));
    assert_eq!(world.answer("1").await, "[(200, 'pong'), (404,), (404,)]");
}

// As runtimes do that are shell scripts.
async fn a_connection_for_each_call(world: World) {
    world.put(world.function(
        "
def closing(method, path, body=None):
    line = http.client.HTTPConnection(API)
    line.request(method, '/2018-06-01/runtime/invocation/' + path, body, {'Connection': 'close'})
    answer = line.getresponse()
    return answer.headers, answer.read()
while True:
    headers, event = closing('GET', 'next')
    closing('POST', headers['Lambda-Runtime-Aws-Request-Id'] + '/response', event)
",
    ));
    let large = "x".repeat(3_000_000);
    for event in ["1", "2", &large, "3"] {
        assert_eq!(world.answer(event).await, event);
    }
}

// LAM-N-001: each invocation has an environment for itself
async fn twenty_at_once_scale_up(world: World) {
    world.put(world.function(TELL));
    let running: Vec<_> = (0..20).map(|number| world.invoke(&number.to_string())).collect();
    let mut told = Vec::new();
    for _ in 0..20 {
        told.push(world.told().await);
    }
    // All twenty run at this moment.
    let report = &world.functions.reports()[0];
    assert_eq!((report.busy, report.idle, report.starting), (20, 0, 0));
    for one in told {
        one.go_on().await;
    }
    let mut pids = HashSet::new();
    for (number, outcome) in running.into_iter().enumerate() {
        let answer = text(outcome.await);
        let (event, pid) = answer.split_once(' ').unwrap();
        assert_eq!(
            event,
            number.to_string(),
            "every caller has the answer to its own event"
        );
        pids.insert(pid.to_owned());
    }
    assert_eq!(pids.len(), 20);
}

async fn the_most_recently_idle_is_taken(world: World) {
    world.put(world.function(TELL));
    let (first, second) = (world.invoke("1"), world.invoke("2"));
    let told = [world.told().await, world.told().await];
    let [one, two] = told;
    let (one, two) = if one.text == "1" { (one, two) } else { (two, one) };
    one.go_on().await;
    let _ = first.await;
    until(|| world.functions.reports()[0].idle == 1).await;
    two.go_on().await;
    let second = text(second.await);
    until(|| world.functions.reports()[0].idle == 2).await;
    for _ in 0..3 {
        let third = world.invoke("2");
        world.told().await.go_on().await;
        assert_eq!(text(third.await), second, "the same process");
        until(|| world.functions.reports()[0].idle == 2).await;
    }
}

// LAM-N-006: as many at once as reserved, and no more
async fn reserved_concurrency_queues_in_order(world: World) {
    let mut function = world.function(TELL);
    function.configuration.concurrency = Some(1);
    world.put(function);
    let waiting: Vec<_> = (0..10).map(|number| world.invoke(&number.to_string())).collect();
    for number in 0..10 {
        let told = world.told().await;
        assert_eq!(told.text, number.to_string(), "first come, first served");
        let report = &world.functions.reports()[0];
        assert_eq!((report.busy, report.idle, report.starting), (1, 0, 0));
        told.go_on().await;
    }
    let mut pids = HashSet::new();
    for outcome in waiting {
        pids.insert(text(outcome.await).split_once(' ').unwrap().1.to_owned());
    }
    assert_eq!(pids.len(), 1);
}

// LAM-N-005: reserved concurrency 0 throttles everything
async fn a_full_queue_throttles(world: World) {
    let world = world.with_options(|options| options.queue_per_function_max = 1);
    let mut function = world.function(TELL);
    function.configuration.concurrency = Some(1);
    world.put(function.clone());
    let (first, second) = (world.invoke("1"), world.invoke("2"));
    assert_eq!(
        world.invoke("3").await,
        InvokeOutcome::Refused(InvokeRefusal::Throttled)
    );
    world.told().await.go_on().await;
    world.told().await.go_on().await;
    assert!(text(first.await).starts_with("1 ") && text(second.await).starts_with("2 "));
    assert_eq!(world.functions.reports()[0].throttles, 1);
    // Reserved concurrency 0 throttles everything at once.
    function.configuration.concurrency = Some(0);
    world.put(function);
    assert_eq!(
        world.invoke("4").await,
        InvokeOutcome::Refused(InvokeRefusal::Throttled)
    );
    world.core.shutdown().await;
}

async fn a_long_wait_throttles(world: World) {
    let world = world.with_options(|options| options.queue_timeout = Duration::from_millis(1));
    let mut function = world.function(TELL);
    function.configuration.concurrency = Some(1);
    world.put(function);
    let first = world.invoke("1");
    let told = world.told().await;
    assert_eq!(
        world.invoke("2").await,
        InvokeOutcome::Refused(InvokeRefusal::Throttled)
    );
    told.go_on().await;
    assert!(text(first.await).starts_with("1 "));
    world.core.shutdown().await;
}

async fn a_full_host_ends_an_idle_environment(world: World) {
    let world = world.with_options(|options| options.environments_max = 1);
    // Another core, whose call for room has to reach the first one.
    let other = functions::CoreFunctions::clone(&world.functions.core(world.state.subscribe()));
    world.put(world.function(ECHO));
    world.put(world.function_named("g", ECHO));
    assert_eq!(world.answer("1").await, "1");
    assert_eq!(text(world.invoke_named("g", "2").await), "2");
    let payload = bytes::Bytes::from_static(b"3");
    let invocation = invoke::Invocation::new(arn("f"), payload, None);
    assert_eq!(text(invoke::Invoker::invoke(&other, invocation).await), "3");
    other.shutdown().await;
    world.core.shutdown().await;
}

async fn a_full_host_waits_for_a_busy_environment(world: World) {
    let world = world.with_options(|options| options.environments_max = 1);
    world.put(world.function(TELL));
    world.put(world.function_named("g", ECHO));
    let busy = world.invoke("1");
    let told = world.told().await;
    let waiting = world.invoke_named("g", "2");
    let same = world.invoke("3");
    told.go_on().await;
    assert!(text(busy.await).starts_with("1 "));
    // The second of `f` is served by the environment that is there; it needs no room.
    world.told().await.go_on().await;
    assert!(text(same.await).starts_with("3 "));
    assert_eq!(text(waiting.await), "2");
    world.core.shutdown().await;
}

async fn a_caller_that_leaves(world: World) {
    world.put(world.function(TELL));
    drop(world.invoke("never polled"));
    let told = world.told().await;
    assert_eq!(told.text, "never polled");
    told.go_on().await;
    until(|| world.functions.reports()[0].idle == 1).await;
    assert_eq!(world.functions.reports()[0].invocations, 1);
}

// LAM-E-017: after an update new invocations use new environments, a running one finishes on the old code
async fn changed_code(world: World) {
    world.put(world.function(&TELL.replace("respond(id, ", "respond(id, 'old ' + ")));
    let old = world.invoke("1");
    let told = world.told().await;
    world.put(world.function(&TELL.replace("respond(id, ", "respond(id, 'new ' + ")));
    let new = world.invoke("2");
    world.told().await.go_on().await;
    assert!(text(new.await).starts_with("new 2 "));
    told.go_on().await;
    assert!(text(old.await).starts_with("old 1 "));
    // The old environment ends; only the new one stays.
    until(|| processes_of(&world.directory).len() == 1).await;
    // The idle one ends at once when the code changes again, and the counters go on.
    let mut next = world.function(ECHO);
    next.configuration.concurrency = Some(0);
    world.put(next.clone());
    until(|| processes_of(&world.directory).is_empty()).await;
    next.configuration.concurrency = None;
    world.put(next);
    assert_eq!(world.answer("3").await, "3");
    assert_eq!(world.functions.reports()[0].invocations, 3);
}

async fn a_changed_limit_keeps_environments(world: World) {
    let mut function = world.function(
        "
while True:
    id, event, _ = next_event()
    respond(id, str(ME))
",
    );
    world.put(function.clone());
    let pid = world.answer("1").await;
    until(|| world.functions.reports()[0].idle == 1).await;
    function.configuration.concurrency = Some(1);
    world.put(function.clone());
    assert_eq!(world.answer("2").await, pid);
    function.configuration.timeout = FunctionTimeout::try_from(Duration::from_secs(29)).unwrap();
    world.put(function);
    assert_ne!(world.answer("3").await, pid, "the timeout is a part of the environment");
}

async fn a_deleted_function_ends(world: World) {
    world.put(world.function(TELL));
    let running = world.invoke("1");
    let told = world.told().await;
    world.apply(&Change::DeleteFunction(arn("f")));
    assert_eq!(world.invoke("2").await, InvokeOutcome::Refused(InvokeRefusal::NotFound));
    told.go_on().await;
    assert!(text(running.await).starts_with("1 "));
    until(|| processes_of(&world.directory).is_empty()).await;
    until(|| world.functions.reports().is_empty()).await;
}

async fn idle_environments_retire(world: World) {
    let world = world.with_options(|options| options.idle_retirement = Duration::from_millis(1));
    world.put(world.function(ECHO));
    for number in 0..2 {
        assert_eq!(world.answer(&number.to_string()).await, number.to_string());
        until(|| processes_of(&world.directory).is_empty()).await;
    }
    world.core.shutdown().await;
}

async fn output_becomes_log_lines(world: World) {
    world.put(world.function(
        "
id, event, _ = next_event()
print('one\\r')
print('two', file=sys.stderr)
sys.stdout.write('x' * 300000 + '\\nunfinished')
sys.stdout.flush()
respond(id, event)
os._exit(0)
",
    ));
    assert_eq!(world.answer("1").await, "1");
    let lines = |source| world.log.lines_of(source);
    until(|| lines(Source::Stdout).len() == 4 && lines(Source::Stderr).len() == 1).await;
    let out = lines(Source::Stdout);
    assert_eq!(
        (out[0].as_str(), out[1].len(), out[2].len(), out[3].as_str()),
        ("one\r", 262_144, 37_856, "unfinished")
    );
    assert_eq!(lines(Source::Stderr), ["two"]);
}

// LAM-R-014: an answer of 6291556 bytes is accepted
// LAM-R-023: a streamed answer is collected
async fn large_events_and_answers(world: World) {
    world.put(world.function(
        "
while True:
    id, event, _ = next_event()
    if len(event) > 100:
        respond(id, event + ' ' * 100)
    else:
        pieces = (b'y' * 1000 for _ in range(1000))
        call('POST', '/runtime/invocation/' + id + '/response', pieces,
            {'Lambda-Runtime-Function-Response-Mode': 'streaming'})
",
    ));
    let event = "x".repeat(functions::EVENT_BYTES_MAX);
    let answer = world.answer(&event).await;
    assert_eq!(answer.len(), functions::ANSWER_BYTES_MAX);
    assert_eq!(answer.trim_end(), event);
    assert_eq!(world.answer("stream").await, "y".repeat(1_000_000));
    let too_large = "x".repeat(functions::EVENT_BYTES_MAX + 1);
    assert_eq!(
        world.invoke(&too_large).await,
        InvokeOutcome::Refused(InvokeRefusal::RequestTooLarge)
    );
}

async fn shutdown_refuses_and_leaves_nothing(world: World) {
    let descriptors = open_descriptors();
    let mut function = world.function(&format!(
        "
import subprocess
sleep = subprocess.Popen(['/bin/sleep', '1000'], start_new_session=True)
# The kernel says what a process executes only a moment after it does.
while not open(f'/proc/{{sleep.pid}}/cmdline').read():
    pass
{TELL}"
    ));
    function.configuration.concurrency = Some(1);
    world.put(function);
    let (running, queued) = (world.invoke("1"), world.invoke("2"));
    let told = world.told().await;
    let starting = {
        world.put(world.function_named("g", "tell('init')\n"));
        world.invoke_named("g", "3")
    };
    let init = world.told().await;
    assert_eq!(processes_of(&world.directory).len(), 3);
    world.core.shutdown().await;
    assert_eq!(processes_of(&world.directory), Vec::<String>::new());
    for outcome in [running, queued, starting, world.invoke("4")] {
        assert_eq!(outcome.await, InvokeOutcome::Refused(InvokeRefusal::ServiceFailure));
    }
    drop((told, init));
    until(|| open_descriptors() == descriptors).await;
}
