//! What goes wrong: crashes, timeouts, broken inits, runtimes that break the rules.

use crate::Case;
use crate::logs::with_timeout;
use crate::world::{World, function_error, open_descriptors, processes_of, text, until, write_program};
use functions::Source;
use invoke::{InvokeOutcome, InvokeRefusal};
use model::lambda::function::{CodeLocation, Function};
use model::lambda::runtime::Runtime;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

pub(crate) const CASES: &[Case] = &[
    ("a_crash_names_the_exit_code", |world| {
        Box::pin(a_crash_names_the_exit_code(world))
    }),
    ("a_killed_runtime_names_the_signal", |world| {
        Box::pin(a_killed_runtime_names_the_signal(world))
    }),
    ("an_answer_counts_even_if_the_runtime_exits", |world| {
        Box::pin(an_answer_before_the_exit(world))
    }),
    ("an_exit_while_idle_costs_only_a_new_init", |world| {
        Box::pin(an_exit_while_idle(world))
    }),
    ("a_timeout_keeps_the_directory", |world| {
        Box::pin(a_timeout_keeps_the_directory(world))
    }),
    ("an_answer_without_a_next_times_out_quietly", |world| {
        Box::pin(an_answer_without_a_next(world))
    }),
    ("a_posted_init_error_runs_twice", |world| {
        Box::pin(a_posted_init_error_runs_twice(world))
    }),
    ("an_exit_in_init_runs_twice", |world| {
        Box::pin(an_exit_in_init_runs_twice(world))
    }),
    ("a_slow_init_is_repeated_under_the_timeout", |world| {
        Box::pin(a_slow_init(world))
    }),
    ("a_managed_function_without_its_folder", |world| {
        Box::pin(a_managed_function_without_its_folder(world))
    }),
    ("no_bootstrap", |world| Box::pin(no_bootstrap(world))),
    ("a_program_for_another_machine", |world| {
        Box::pin(a_program_for_another_machine(world))
    }),
    ("answers_twice_and_wrong_ids", |world| {
        Box::pin(answers_twice_and_wrong_ids(world))
    }),
    ("an_answer_over_6_mb", |world| Box::pin(an_answer_over_6_mb(world))),
    ("next_again_gets_the_same_event", |world| {
        Box::pin(next_again_gets_the_same_event(world))
    }),
    ("a_second_waiting_next_replaces_the_first", |world| {
        Box::pin(a_second_waiting_next(world))
    }),
    ("garbage_on_the_socket", |world| Box::pin(garbage_on_the_socket(world))),
    ("a_truncated_answer", |world| Box::pin(a_truncated_answer(world))),
    ("an_illegal_response_mode", |world| {
        Box::pin(an_illegal_response_mode(world))
    }),
    ("a_start_without_descriptors_leaves_nothing", |world| {
        Box::pin(a_start_without_descriptors(world))
    }),
];

fn default_payload(error_type: &str, text: &str) -> (String, String) {
    let payload = format!("{{\"errorType\":\"{error_type}\",\"errorMessage\":\"RequestId: ID Error: {text}\"}}");
    (error_type.to_owned(), payload)
}

// LAM-R-024, LAM-R-025
async fn a_crash_names_the_exit_code(world: World) {
    world.put(world.function(
        "
while True:
    id, event, _ = next_event()
    if event != 'live':
        os._exit(int(event))
    respond(id, 'alive')
",
    ));
    for (event, expected) in [
        ("3", "Runtime exited with error: exit status 3"),
        ("0", "Runtime exited without providing a reason"),
    ] {
        assert_eq!(
            function_error(world.invoke(event).await),
            default_payload("Runtime.ExitError", expected)
        );
        assert_eq!(world.answer("live").await, "alive");
    }
}

// LAM-R-026
async fn a_killed_runtime_names_the_signal(world: World) {
    world.put(world.function(
        "
while True:
    id, event, _ = next_event()
    os.kill(os.getpid(), int(event))
",
    ));
    for (event, expected) in [("9", "signal: killed"), ("11", "signal: segmentation fault")] {
        let expected = format!("Runtime exited with error: {expected}");
        assert_eq!(
            function_error(world.invoke(event).await),
            default_payload("Runtime.ExitError", &expected)
        );
    }
}

// LAM-R-029: the caller is answered when the answer is complete, not when the runtime calls next
async fn an_answer_before_the_exit(world: World) {
    world.put(world.function("
id, event, _ = next_event()
line = raw()
line.sendall(b'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\\r\\nContent-Length: 4\\r\\n\\r\\nlast' % id.encode())
os._exit(1)
"));
    for _ in 0..5 {
        assert_eq!(world.answer("1").await, "last");
    }
}

async fn an_exit_while_idle(world: World) {
    world.put(world.function(
        "
id, event, _ = next_event()
respond(id, str(ME))
import threading
threading.Thread(target=lambda: (tell('idle'), os._exit(1))).start()
next_event()
",
    ));
    let pid = world.answer("1").await;
    let told = world.told().await;
    until(|| world.functions.reports()[0].idle == 1).await;
    let descriptors = open_descriptors();
    told.go_on().await;
    // That of `told`, and those of the environment: its listener, which closes when it has noticed, one connection, two
    // pipes.
    until(|| open_descriptors() <= descriptors - 5).await;
    assert_ne!(world.answer("2").await, pid);
    let report = &world.functions.reports()[0];
    assert_eq!((report.errors, report.invocations), (0, 2));
    world.told().await.go_on().await;
}

// LAM-E-004: the temporary directory survives a timeout reset, the process does not
// LAM-I-010: the payload of a timeout
async fn a_timeout_keeps_the_directory(world: World) {
    let world = world.with_options(|options| options.environments_max = 1);
    let function = world.function(
        "
import time
while True:
    id, event, _ = next_event()
    path = os.environ.get('TMPDIR', '/tmp') + '/seen'
    if not os.path.exists(path):
        open(path, 'w').close()
        tell('sleeping')
    respond(id, 'seen')
",
    );
    world.put(with_timeout(function, 1));
    let (outcome, told) = tokio::join!(world.invoke("1"), world.told());
    assert_eq!(
        function_error(outcome),
        default_payload("Sandbox.Timedout", "Task timed out after 1.00 seconds")
    );
    assert_eq!(world.answer("2").await, "seen");
    drop(told);
    world.core.shutdown().await;
}

async fn an_answer_without_a_next(world: World) {
    let function = world.function(
        "
id, event, _ = next_event()
respond(id, event)
tell('answered')
",
    );
    world.put(with_timeout(function, 1));
    let (answer, told) = tokio::join!(world.answer("1"), world.told());
    assert_eq!(answer, "1");
    until(|| processes_of(&world.directory).is_empty()).await;
    assert_eq!(world.functions.reports()[0].errors, 0, "the caller had its answer");
    drop(told);
}

// LAM-X-002, LAM-X-003: twice for the first invocation, once for each following one; the payload is the posted body
// LAM-R-016: init/error is 202 before the first next
async fn a_posted_init_error_runs_twice(world: World) {
    world.put(world.function(
        "
print('init', flush=True)
line = raw()
hand_over(line)
body = '{\"errorMessage\":\"no\"}'
head = 'POST /2018-06-01/runtime/init/error HTTP/1.1\\r\\nLambda-Runtime-Function-Error-Type: Runtime.Broken\\r\\n'
line.sendall((head + 'Content-Length: %d\\r\\n\\r\\n' % len(body) + body).encode())
signal.pause()
",
    ));
    let inits = || world.log.count("init");
    let handovers = world.handovers();
    for (inits_now, expected) in [(2, 2), (1, 3)] {
        let answers = async {
            for _ in 0..inits_now {
                let answer = handovers.read().await;
                assert!(answer.starts_with("HTTP/1.1 202 Accepted\r\n"), "{answer}");
            }
        };
        let (outcome, ()) = tokio::join!(world.invoke("1"), answers);
        assert_eq!(
            function_error(outcome),
            ("Runtime.Broken".to_owned(), "{\"errorMessage\":\"no\"}".to_owned())
        );
        until(|| inits() == expected && world.functions.reports()[0].idle == 1).await;
    }
}

async fn an_exit_in_init_runs_twice(world: World) {
    world.put(world.function(
        "
print('init')
sys.stdout.flush()
os._exit(7)
",
    ));
    let expected = default_payload("Runtime.ExitError", "Runtime exited with error: exit status 7");
    assert_eq!(function_error(world.invoke("1").await), expected);
    until(|| world.functions.reports()[0].idle == 1).await;
    assert_eq!(world.log.count("init"), 2);
}

// LAM-X-001: an init over its limit is repeated within the first invocation under the function timeout
async fn a_slow_init(world: World) {
    let world = world.with_options(|options| options.init_timeout = Duration::from_secs(3));
    world.put(world.function(
        "
if not os.path.exists(os.environ.get('TMPDIR', '/tmp') + '/first'):
    open(os.environ.get('TMPDIR', '/tmp') + '/first', 'w').close()
    tell('slow')
while True:
    id, event, _ = next_event()
    respond(id, 'second init')
",
    ));
    let (answer, told) = tokio::join!(world.answer("1"), world.told());
    assert_eq!((answer.as_str(), told.text.as_str()), ("second init", "slow"));
    // One that never ends takes the whole timeout.
    world.put(with_timeout(world.function("signal.pause()\n"), 1));
    let outcome = world.invoke("2").await;
    assert_eq!(
        function_error(outcome),
        default_payload("Sandbox.Timedout", "Task timed out after 1.00 seconds")
    );
    world.core.shutdown().await;
}

// LAM-R-028, LAM-E-006
async fn no_bootstrap(world: World) {
    let missing = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]";
    for (change, expected) in [
        (
            |function: &Function| fs::remove_file(bootstrap(function)).unwrap(),
            missing,
        ),
        (
            |function: &Function| fs::remove_dir_all(bootstrap(function).parent().unwrap()).unwrap(),
            missing,
        ),
        (
            |function: &Function| fs::set_permissions(bootstrap(function), fs::Permissions::from_mode(0o644)).unwrap(),
            "fork/exec /var/task/bootstrap: permission denied",
        ),
        (
            |function: &Function| write_program(&bootstrap(function), "#!/no/such/interpreter\n"),
            "fork/exec /var/task/bootstrap: no such file or directory",
        ),
        (
            |function: &Function| write_program(&bootstrap(function), "\u{7f}ELF of another machine"),
            "fork/exec /var/task/bootstrap: exec format error",
        ),
        (
            |function: &Function| {
                fs::remove_file(bootstrap(function)).unwrap();
                fs::create_dir(bootstrap(function)).unwrap();
            },
            missing,
        ),
    ] as [(fn(&Function), &str); 6]
    {
        let function = world.function("");
        change(&function);
        world.put(function);
        let outcome = world.invoke("1").await;
        assert_eq!(
            function_error(outcome),
            default_payload("Runtime.InvalidEntrypoint", expected)
        );
    }
}

/// Its log says why, and the next one, for this machine, runs.
async fn a_program_for_another_machine(world: World) {
    let function = world.function("");
    // Of this machine's own programs, but for the two bytes that say which machine that is.
    let mut program = fs::read("/bin/true").unwrap();
    program[18..20].copy_from_slice(&[if cfg!(target_arch = "aarch64") { 62 } else { 183 }, 0]);
    fs::write(bootstrap(&function), program).unwrap();
    world.put(function);
    let expected = "fork/exec /var/task/bootstrap: exec format error";
    assert_eq!(
        function_error(world.invoke("1").await),
        default_payload("Runtime.InvalidEntrypoint", expected)
    );
    let notices = world.log.lines_of(Source::Notice);
    assert!(
        notices
            .iter()
            .all(|it| it.contains("the program is for ") && it.contains(", and this machine is ")),
        "{notices:?}"
    );
    world.put(world.function("respond(next_event()[0], 'fine')"));
    assert_eq!(world.answer("2").await, "fine");
}

/// It has no bootstrap, so its failure speaks of none.
async fn a_managed_function_without_its_folder(world: World) {
    let mut function = world.function("");
    function.configuration.runtime = Runtime::try_from("python3.12").unwrap();
    let folder = bootstrap(&function).parent().unwrap().to_owned();
    fs::remove_dir_all(&folder).unwrap();
    world.put(function);
    let message = format!("the code folder {} does not exist", folder.display());
    assert_eq!(
        function_error(world.invoke("1").await),
        default_payload("Runtime.InvalidEntrypoint", &message)
    );
    let notices = world.log.lines_of(Source::Notice);
    assert!(
        !notices.is_empty() && notices.iter().all(|it| *it == message),
        "{notices:?}"
    );
}

fn bootstrap(function: &Function) -> std::path::PathBuf {
    match &function.code.location {
        CodeLocation::Folder(folder) => folder.join("bootstrap"),
        CodeLocation::Executable(program) => program.clone(),
        CodeLocation::Zip(_) | CodeLocation::Package(_) => {
            unreachable!("these cases have folders and executables")
        }
    }
}

// LAM-R-011, LAM-R-012
// LAM-R-016: init/error is 403 after the first next
async fn answers_twice_and_wrong_ids(world: World) {
    world.put(world.function(
        "
def short(answer):
    body = json.loads(answer[1])
    assert sorted(body) == ['errorMessage', 'errorType'], body
    return answer[0], body['errorType'], body['errorMessage'][:60]
found = [short(respond('00000000-0000-4000-8000-000000000000', 'x'))]
id, event, _ = next_event()
found.append(short(respond(id[:-1], 'x')))
found.append(short(call('POST', '/runtime/init/error', 'x')))
respond(id, 'first')
found.append(short(respond(id, 'x')))
found.append(short(call('POST', '/runtime/invocation/' + id + '/error', 'x')))
old = id
id, event, _ = next_event()
found.append(short(respond(old, 'x')))
respond(id, '\\n'.join('%s %s %s' % it for it in found))
next_event()
",
    ));
    assert_eq!(world.answer("1").await, "first");
    assert_eq!(
        world.answer("2").await,
        "400 InvalidRequestID Invalid request ID\n\
         400 InvalidRequestID Invalid request ID\n\
         403 InvalidStateTransition State transition from Running to InitError failed for runtim\n\
         403 InvalidStateTransition State transition from RuntimeResponseSentState to Invocation\n\
         403 InvalidStateTransition State transition from RuntimeResponseSentState to Invocation\n\
         400 InvalidRequestID Invalid request ID"
    );
}

// LAM-R-014: one byte over is 413 and Function.ResponseSizeTooLarge; the environment is kept
async fn an_answer_over_6_mb(world: World) {
    world.put(world.function(
        "
seen = []
while True:
    id, event, _ = next_event()
    if event == 'seen':
        respond(id, str(ME) + str(seen))
    else:
        pieces = [b'x' * int(event)]
        seen.append(respond(id, pieces[0])[:1])
        id, event, _ = next_event()
        seen.append(call('POST', '/runtime/invocation/' + id + '/response', iter([b'x' * 1000000] * int(event)))[:2])
",
    ));
    let expected = (
        "Function.ResponseSizeTooLarge".to_owned(),
        "{\"errorMessage\":\"Response payload size exceeded maximum allowed payload size (6291556 bytes).\",\
         \"errorType\":\"Function.ResponseSizeTooLarge\"}"
            .to_owned(),
    );
    let one_too_many = (functions::ANSWER_BYTES_MAX + 1).to_string();
    assert_eq!(function_error(world.invoke(&one_too_many).await), expected);
    until(|| world.functions.reports()[0].idle == 1).await;
    assert_eq!(function_error(world.invoke("7").await), expected);
    until(|| world.functions.reports()[0].idle == 1).await;
    let seen = world.answer("seen").await;
    let body = r#"{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}\n"#;
    assert!(seen.ends_with(&format!("[(413,), (413, '{body}')]")), "{seen}");
}

// LAM-R-009: a second next while an invocation runs gets the same event with the same id
async fn next_again_gets_the_same_event(world: World) {
    world.put(world.function(
        "
first = next_event()
second = next_event()
connection = http.client.HTTPConnection(API)
third = next_event()
respond(third[0], str(first[:2] == second[:2] == third[:2]) + third[1])
next_event()
",
    ));
    assert_eq!(world.answer("event").await, "Trueevent");
}

async fn a_second_waiting_next(world: World) {
    world.put(world.function(
        "
NEXT = b'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\n\\r\\n'
first, second = raw(), raw()
first.sendall(NEXT)
tell('first')
second.sendall(NEXT)
closed = first.recv(100)
event = second.recv(10000).decode()
id = event.split('Request-Id: ')[1][:36]
respond(id, repr(closed) + event[-1])
",
    ));
    let outcome = world.invoke("1");
    let told = world.told().await;
    // The first is waiting, or will be before the second: the event must not go out in between.
    told.go_on().await;
    let answer = text(outcome.await);
    assert!(answer == "b''1" || answer.starts_with("b'HTTP/1.1 200 OK"), "{answer}");
}

async fn garbage_on_the_socket(world: World) {
    world.put(world.function(
        "
def answered(data, cut=False):
    line = raw()
    line.sendall(data)
    if cut:
        line.shutdown(socket.SHUT_WR)
    answer = b''
    while True:
        more = line.recv(100000)
        if not more:
            return answer[9:12].decode()
        answer += more
found = [
    answered(b'\\r\\n garbage\\r\\n\\r\\n'),
    answered(b'\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\x01\\xfc\\x03\\x03\\n'),
    answered(b'PRI * HTTP/2.0\\r\\n\\r\\n'),
    answered(b'GET /' + b'x' * 10000),
    answered(b'GET / HTTP/1.1\\r\\n' + b'x: y\\r\\n' * 100000),
    answered(b'GET / HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n'),
    answered(b'GET / HTTP/1.0\\r\\n\\r\\n'),
    answered(b'POST / HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nnonsense\\r\\n'),
    answered(b'GET / HT', cut=True),
    answered(b'', cut=True),
]
# More connections than are served at once, all silent; they wait in the backlog and end with us.
silent = [raw() for _ in range(10)]
id, event, _ = next_event()
respond(id, ' '.join(found))
next_event()
",
    ));
    assert_eq!(world.answer("1").await, "400 400 505 414 400 404 404 404  ");
    assert_eq!(world.functions.reports()[0].errors, 0);
}

// LAM-R-021: an aborted answer is 400 TruncatedHTTPRequest, and Runtime.TruncatedResponse
async fn a_truncated_answer(world: World) {
    world.put(world.function("
id, event, _ = next_event()
if event == 'again':
    respond(id, 'again')
    next_event()
line = raw()
hand_over(line)
line.sendall(b'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\\r\\nContent-Length: 40\\r\\n\\r\\nshort' % id.encode())
line.shutdown(socket.SHUT_WR)
signal.pause()
"));
    let handovers = world.handovers();
    let (outcome, answer) = tokio::join!(world.invoke("1"), handovers.read());
    check_refusal(&answer, "HTTP request detected as truncated", "TruncatedHTTPRequest");
    let expected = default_payload("Runtime.TruncatedResponse", "HTTP request detected as truncated");
    assert_eq!(function_error(outcome), expected);
    // The runtime was started anew.
    assert_eq!(world.answer("again").await, "again");
}

/// A refusal after which the runtime is killed, as it stood on the connection.
#[track_caller]
fn check_refusal(answer: &str, message: &str, error_type: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
    assert_eq!(
        body,
        format!("{{\"errorMessage\":\"{message}\",\"errorType\":\"{error_type}\"}}\n")
    );
}

// LAM-R-018: an illegal mode is 400 InvalidFunctionResponseMode
async fn an_illegal_response_mode(world: World) {
    world.put(world.function(
        "
id, event, _ = next_event()
if event == 'again':
    respond(id, 'again')
    next_event()
line = raw()
hand_over(line)
head = 'POST /2018-06-01/runtime/invocation/' + id + '/response HTTP/1.1\\r\\nContent-Length: 1\\r\\n'
line.sendall((head + 'Lambda-Runtime-Function-Response-Mode: buffered\\r\\n\\r\\nx').encode())
signal.pause()
",
    ));
    let handovers = world.handovers();
    let (outcome, answer) = tokio::join!(world.invoke("1"), handovers.read());
    check_refusal(&answer, "Invalid function response mode", "InvalidFunctionResponseMode");
    assert_eq!(function_error(outcome).0, "Runtime.InvalidResponseModeHeader");
    assert_eq!(world.answer("again").await, "again");
}

/// No descriptor can be opened while this lives.
struct NoDescriptors(Rlimit);

impl NoDescriptors {
    fn begin() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let lowered = Rlimit {
            current: Some(0),
            ..limit
        };
        setrlimit(Resource::Nofile, lowered).unwrap();
        Self(limit)
    }
}

impl Drop for NoDescriptors {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.0).unwrap();
    }
}

async fn a_start_without_descriptors(world: World) {
    world.put(world.function("respond(next_event()[0], 'alive')"));
    {
        let _none = NoDescriptors::begin();
        assert_eq!(
            world.invoke("1").await,
            InvokeOutcome::Refused(InvokeRefusal::ServiceFailure)
        );
        // Waits for the end of the environment, whose directory is looked for after the case.
        world.core.shutdown().await;
    }
}
