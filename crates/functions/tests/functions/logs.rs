//! The log in text: what comes in which order, and what the lines say.

use crate::Case;
use crate::world::{Event, World, function_error, until};
use functions::Source;
use model::lambda::function::{Function, FunctionTimeout};
use model::lambda::logging::LogGroupName;
use sandbox::Tier;
use std::time::Duration;

pub(crate) const CASES: &[Case] = &[
    ("the_lines_of_two_invocations", |world| {
        Box::pin(the_lines_of_two_invocations(world))
    }),
    ("where_events_go", |world| Box::pin(where_events_go(world))),
    ("the_log_of_a_timeout", |world| Box::pin(the_log_of_a_timeout(world))),
    ("the_log_of_a_crash", |world| Box::pin(the_log_of_a_crash(world))),
    ("the_log_of_a_failing_init", |world| {
        Box::pin(the_log_of_a_failing_init(world))
    }),
    ("memory_is_that_of_who_has_ended_too", |world| {
        Box::pin(memory_of_who_has_ended(world))
    }),
    ("memory_is_that_of_all_processes", |world| {
        Box::pin(memory_of_all_processes(world))
    }),
    ("memory_of_an_environment_that_ends_in_its_init", |world| {
        Box::pin(memory_of_an_early_end(world))
    }),
    ("the_log_of_a_slow_init", |world| {
        Box::pin(the_log_of_a_slow_init(world))
    }),
    ("the_log_of_answers_that_are_refused", |world| {
        Box::pin(the_log_of_refused_answers(world))
    }),
];

/// Numbers and ids replaced by words, so that lines can be compared.
pub(crate) fn shape(line: &str) -> String {
    let mut shape = String::new();
    let mut rest = line;
    while let Some(at) = ["RequestId: ", "Duration: ", "Used: ", "runtime:"]
        .iter()
        .filter_map(|name| Some(rest.find(name)? + name.len()))
        .min()
    {
        let (before, after) = rest.split_at(at);
        shape.push_str(before);
        let end = after.find([' ', '\t']).unwrap_or(after.len());
        shape.push('#');
        rest = &after[end..];
    }
    shape + rest
}

fn shapes(world: &World) -> Vec<String> {
    world.log.lines().iter().map(|line| shape(line)).collect()
}

async fn reports(world: &World, count: usize) {
    until(|| world.log.count("REPORT") == count).await;
}

const INIT_START: &str =
    "INIT_START Runtime Version: provided:al2023\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:#";
pub(crate) const START: &str = "START RequestId: # Version: $LATEST";
pub(crate) const END: &str = "END RequestId: #";
pub(crate) const REPORT: &str =
    "REPORT RequestId: #\tDuration: # ms\tBilled Duration: # ms\tMemory Size: 128 MB\tMax Memory Used: # MB\t";

/// What the lines are when the runtime is lost.
fn failed(status: &str) -> String {
    format!("{REPORT}Status: {status}")
}

// LAM-G-001, LAM-G-003, LAM-G-008: START, END and REPORT of each, Init Duration and INIT_START once
// LAM-G-002, LAM-G-004: the form of REPORT and its sums
// LAM-G-007: no INIT_REPORT after a successful init
async fn the_lines_of_two_invocations(world: World) {
    world.put(world.function(
        "
print('init', flush=True)
while True:
    id, event, _ = next_event()
    print('before ' + event, flush=True)
    respond(id, event)
    sys.stdout.write('after ' + event)
    sys.stdout.flush()
",
    ));
    for event in ["1", "2"] {
        assert_eq!(world.answer(event).await, event);
        reports(&world, event.parse().unwrap()).await;
    }
    let cold = format!("{REPORT}Init Duration: # ms\t");
    assert_eq!(
        shapes(&world),
        [
            INIT_START, "init", START, "before 1", "after 1", END, &cold, START, "before 2", "after 2", END, REPORT
        ]
    );
    for report in world.log.lines().iter().filter(|line| line.starts_with("REPORT")) {
        let number = |name: &str| {
            let (_, after) = report.split_once(&format!("\t{name}: "))?;
            let (number, _) = after.split_once(' ')?;
            Some(number.parse::<f64>().unwrap())
        };
        let shown = number("Duration").unwrap() + number("Init Duration").unwrap_or(0.0);
        // The sum of two numbers with two decimals has more of them in binary.
        let hundredths = (shown * 100.0).round();
        assert_eq!(number("Billed Duration"), Some((hundredths / 100.0).ceil()), "{report}");
        assert!(number("Max Memory Used").unwrap() >= 5.0, "{report}");
        let decimals = report.split_once("\tDuration: ").unwrap().1;
        assert_eq!(
            decimals.find(" ms").unwrap() - decimals.find('.').unwrap(),
            3,
            "{report}"
        );
    }
}

// LAM-G-015, LAM-G-016: group and stream, and what the function knows of them
async fn where_events_go(world: World) {
    let program = "
while True:
    id, event, _ = next_event()
    print('line', flush=True)
    print('error', file=sys.stderr, flush=True)
    respond(id, os.environ['AWS_LAMBDA_LOG_GROUP_NAME'] + ' ' + os.environ['AWS_LAMBDA_LOG_STREAM_NAME'])
";
    let mut other = world.function_named("g", program);
    other.configuration.logging.group = Some(LogGroupName::try_from("shared").unwrap());
    world.put(world.function(program));
    world.put(other);
    for (name, group, before_id) in [("f", "/aws/lambda/f", "[$LATEST]"), ("g", "shared", "g[$LATEST]")] {
        world.log.clear();
        let before = now_ms();
        let known = crate::world::text(world.invoke_named(name, "1").await);
        reports(&world, 1).await;
        let events = world.log.events();
        let sources: Vec<_> = events.iter().map(|event| event.source).collect();
        assert!(
            sources.contains(&Source::Stdout) && sources.contains(&Source::Stderr),
            "{sources:?}"
        );
        let mut earlier = before;
        for event in &events {
            let Event {
                stream, timestamp_ms, ..
            } = event;
            assert_eq!((event.function.as_str(), event.group.as_str()), (name, group));
            assert_eq!(format!("{group} {stream}"), known);
            assert!((earlier..=now_ms()).contains(timestamp_ms), "{event:?}");
            earlier = *timestamp_ms;
        }
        let (day, rest) = events[0].stream.split_at(11);
        assert!(
            day.bytes().filter(|&byte| byte == b'/').count() == 3 && day.starts_with("20"),
            "{day}"
        );
        let id = rest.strip_prefix(before_id).unwrap();
        assert!(
            id.len() == 32 && id.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it)),
            "{id}"
        );
    }
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(now.unwrap().as_millis()).unwrap()
}

pub(crate) fn with_timeout(mut function: Function, secs: u64) -> Function {
    function.configuration.timeout = FunctionTimeout::try_from(Duration::from_secs(secs)).unwrap();
    function
}

// LAM-G-005: Status: timeout, and exactly the function's timeout
async fn the_log_of_a_timeout(world: World) {
    let function = world.function(
        "
while True:
    id, event, _ = next_event()
    if event == '1':
        sys.stdout.write('and then')
        sys.stdout.flush()
        tell('sleeping')
    respond(id, event)
",
    );
    world.put(with_timeout(function, 1));
    let (outcome, _told) = tokio::join!(world.invoke("1"), world.told());
    assert_eq!(function_error(outcome).0, "Sandbox.Timedout");
    reports(&world, 1).await;
    assert_eq!(world.answer("2").await, "2");
    reports(&world, 2).await;
    assert_eq!(
        shapes(&world),
        [
            INIT_START,
            START,
            "and then",
            END,
            &format!("{REPORT}Init Duration: # ms\tStatus: timeout"),
            // The init that was repeated is a part of the second invocation.
            INIT_START,
            START,
            END,
            REPORT,
        ]
    );
    let report = world.log.lines()[4].clone();
    assert!(report.contains("\tDuration: 1000.00 ms\t"), "{report}");
}

// LAM-G-006: Status: error and Runtime.ExitError, for an exit, a signal, and a parent whose child goes on
async fn the_log_of_a_crash(world: World) {
    world.put(world.function(
        "
id, event, _ = next_event()
print('last words of', event, flush=True)
if event == 'fork':
    if os.fork() == 0:
        signal.pause()
    os._exit(0)
os.kill(os.getpid(), 9) if event == 'kill' else os._exit(1)
",
    ));
    for (number, event) in ["exit", "kill", "fork"].into_iter().enumerate() {
        world.log.clear();
        let (error_type, payload) = function_error(world.invoke(event).await);
        assert_eq!(error_type, "Runtime.ExitError");
        let expected = [
            "Runtime exited with error: exit status 1",
            "Runtime exited with error: signal: killed",
            "Runtime exited without providing a reason",
        ][number];
        assert!(payload.contains(expected), "{payload}");
        reports(&world, 1).await;
        let init_duration = if number == 0 { "Init Duration: # ms\t" } else { "" };
        assert_eq!(
            shapes(&world),
            [
                INIT_START,
                START,
                &format!("last words of {event}"),
                END,
                &format!("{REPORT}{init_duration}Status: error\tError Type: Runtime.ExitError"),
            ]
        );
    }
}

// LAM-G-007: Phase, Status and Error Type; START comes after the init that is repeated for the invocation
async fn the_log_of_a_failing_init(world: World) {
    world.put(world.function(
        "
print('no module', flush=True)
call('POST', '/runtime/init/error', '{}', {'Lambda-Runtime-Function-Error-Type': 'Runtime.ImportModuleError'})
sys.exit(1)
",
    ));
    let error_type = "Status: error\tError Type: Runtime.ImportModuleError";
    let init_report = |phase| format!("INIT_REPORT Init Duration: # ms\tPhase: {phase}\t{error_type}");
    let second = [
        INIT_START.to_owned(),
        "no module".to_owned(),
        init_report("invoke"),
        START.to_owned(),
        END.to_owned(),
        failed("error\tError Type: Runtime.ImportModuleError"),
    ];
    let first = [INIT_START.to_owned(), "no module".to_owned(), init_report("init")];
    for expected in [[&first[..], &second].concat(), second.to_vec()] {
        world.log.clear();
        assert_eq!(function_error(world.invoke("1").await).0, "Runtime.ImportModuleError");
        reports(&world, 1).await;
        assert_eq!(shapes(&world), expected);
    }
}

/// The megabytes of every REPORT so far.
fn memory_used(world: &World) -> Vec<u64> {
    let lines = world.log.lines();
    let used = lines.iter().filter_map(|line| line.split_once("Max Memory Used: "));
    used.map(|(_, after)| after.split_once(" MB").unwrap().0.parse().unwrap())
        .collect()
}

// Where the kernel counts for an environment, what has ended before anybody looked is there too, and what is in /tmp is
// not. Elsewhere it has to be there when somebody looks, as this child is for several looks.
async fn memory_of_who_has_ended(world: World) {
    let is_counted = world.spawner.tier() == Tier::Namespace && world.spawner.controllers().memory;
    world.put(world.function(&format!(
        "
import subprocess
CHILD = \"ballast = bytearray(b'x') * 60_000_000{hold}\"
while True:
    id, event, _ = next_event()
    if event == '\"child\"':
        subprocess.run([sys.executable, '-c', CHILD], check=True)
    if event == '\"tmp\"':
        with open('/tmp/large', 'wb') as large:
            large.write(b'x' * 30_000_000)
            large.flush()
            large.write(b'x' * 30_000_000)
    respond(id, event)
",
        // tidy: allow(sleep): the function under test sleeps
        hold = if is_counted { "" } else { "; import time; time.sleep(2)" },
    )));
    let used = async |event: &str| {
        let before = world.log.count("REPORT");
        assert_eq!(world.answer(event).await, event);
        reports(&world, before + 1).await;
        *memory_used(&world).last().unwrap()
    };
    let alone = used("1").await;
    assert!(alone < 50, "{alone} MB");
    if is_counted {
        // What it has in its hands to write it is its own.
        let mut with_file = 0;
        // It is asked only now and then.
        while with_file < 28 {
            with_file = used("\"tmp\"").await;
        }
        assert!(with_file < 57, "{with_file} MB");
    }
    let mut with_child = used("\"child\"").await;
    while with_child < 57 {
        with_child = used("2").await;
    }
    assert!(with_child < 128, "{with_child} MB");
    assert!(used("2").await >= with_child, "it is never reset");
}

// A child that has lost its parent counts too.
async fn memory_of_all_processes(world: World) {
    world.put(world.function(
        "
def fork_one():
    reader, writer = os.pipe()
    if os.fork() == 0:
        if os.fork() == 0:
            ballast = bytearray(b'x') * 40_000_000
            os.write(writer, b'x')
            signal.pause()
        os._exit(0)
    os.wait()
    os.read(reader, 1)
while True:
    id, event, _ = next_event()
    for _ in range(int(event)):
        fork_one()
    respond(id, event)
",
    ));
    let answered = async |event: &str| {
        let before = world.log.count("REPORT");
        assert_eq!(world.answer(event).await, event);
        reports(&world, before + 1).await;
        *memory_used(&world).last().unwrap()
    };
    let alone = answered("0").await;
    assert!((1..38).contains(&alone), "{alone} MB");
    let mut together = answered("2").await;
    // A kernel may have no lists of children; then the main process counts alone.
    while together < 78 && std::path::Path::new("/proc/thread-self/children").exists() {
        // It is asked only now and then.
        let earlier = together;
        together = answered("0").await;
        assert!(together >= earlier, "it never falls: {together} MB");
    }
    assert!(together < 200, "{together} MB");
}

async fn memory_of_an_early_end(world: World) {
    world.put(world.function("os._exit(1)"));
    assert_eq!(function_error(world.invoke("1").await).0, "Runtime.ExitError");
    reports(&world, 1).await;
    assert!(memory_used(&world)[0] >= 1, "{:?}", world.log.lines());
}

// LAM-X-001, LAM-G-007: an init over its limit
async fn the_log_of_a_slow_init(world: World) {
    let world = world.with_options(|options| options.init_timeout = Duration::from_millis(300));
    world.put(with_timeout(world.function("signal.pause()"), 1));
    assert_eq!(function_error(world.invoke("1").await).0, "Sandbox.Timedout");
    reports(&world, 1).await;
    let init_report = |phase| format!("INIT_REPORT Init Duration: # ms\tPhase: {phase}\tStatus: timeout");
    assert_eq!(
        shapes(&world),
        [
            INIT_START,
            &init_report("init"),
            INIT_START,
            &init_report("invoke"),
            START,
            END,
            &failed("timeout")
        ]
    );
    world.core.shutdown().await;
}

/// An error that the runtime has posted is no failure of the platform's; an answer that is refused is one.
async fn the_log_of_refused_answers(world: World) {
    world.put(world.function(
        "
while True:
    id, event, _ = next_event()
    path = '/runtime/invocation/' + id
    if event == 'mode':
        call('POST', path + '/response', 'x', {'Lambda-Runtime-Function-Response-Mode': 'x'})
    elif event == 'large':
        respond(id, 'x' * 7000000)
    else:
        call('POST', path + '/error', '{}', {'Lambda-Runtime-Function-Error-Type': 'Function.Mine'})
",
    ));
    for (number, (event, error_type, status)) in [
        ("error", "Function.Mine", ""),
        (
            "large",
            "Function.ResponseSizeTooLarge",
            "Status: error\tError Type: Function.ResponseSizeTooLarge",
        ),
        (
            "mode",
            "Runtime.InvalidResponseModeHeader",
            "Status: error\tError Type: Runtime.InvalidResponseModeHeader",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(function_error(world.invoke(event).await).0, error_type);
        reports(&world, number + 1).await;
        let report = shapes(&world).pop().unwrap();
        let init_duration = if number == 0 { "Init Duration: # ms\t" } else { "" };
        assert_eq!(report, format!("{REPORT}{init_duration}{status}"));
    }
}
