//! Functions that do what they should not. Each gets Lambda's own error, and the next request works.

use crate::Case;
use crate::stage::outcomes;
use crate::world::{Files, World, processes_below, until};
use functions::Source;
use model::lambda::function::{Function, FunctionMemory};
use std::time::Duration;

pub(crate) const CASES: &[Case] = &[
    ("python_exits", |world| Box::pin(python_exits(world))),
    ("hangs_time_out", |world| Box::pin(hangs_time_out(world))),
    ("too_large_answers_keep_the_process", |world| {
        Box::pin(too_large_answers_keep_the_process(world))
    }),
    ("garbage_to_the_runtime_api", |world| {
        Box::pin(garbage_to_the_runtime_api(world))
    }),
    ("answers_behind_the_runtimes_back", |world| {
        Box::pin(answers_behind_the_runtimes_back(world))
    }),
    ("a_flood_of_log_lines", |world| Box::pin(a_flood_of_log_lines(world))),
    ("much_garbage_in_little_memory", |world| {
        Box::pin(much_garbage_in_little_memory(world))
    }),
    ("closed_streams", |world| Box::pin(closed_streams(world))),
    ("threads_and_processes_left_behind", |world| {
        Box::pin(threads_and_processes_left_behind(world))
    }),
];

fn exited(how: &str) -> String {
    let error = format!("RequestId: ID Error: Runtime exited {how}");
    format!(r#"Runtime.ExitError {{"errorType":"Runtime.ExitError","errorMessage":"{error}"}}"#)
}

fn python(world: &World, code: &str) -> Function {
    world.function("python3.12", "app.handler", &[("app.py", code)])
}

fn node(world: &World, code: &str) -> Function {
    world.function("nodejs20.x", "index.handler", &[("index.js", code)])
}

pub(crate) fn with_memory(mut function: Function, megabytes: u64) -> Function {
    function.configuration.memory = FunctionMemory::try_from(megabytes).unwrap();
    function
}

/// Node.js collects what is not used any more before its function has used its memory up: it makes some gigabytes here, of
/// which little is used at a time. Without a limit of its heap it would be killed. Source: Lambda 3.3.
async fn much_garbage_in_little_memory(world: World) {
    const CODE: &str = "
exports.handler = async (event) => {
  if (event === 'limit') return require('v8').getHeapStatistics().heap_size_limit < 170 * 2 ** 20
  const kept = []
  for (let i = 0; i < 3000; i++) kept[i % 40] = new Array(131072).fill(i)
  return kept.length
}";
    let function = with_memory(node(&world, CODE), 128);
    assert_eq!(
        outcomes(&world, function, &["1", "\"limit\"", "2"]).await,
        ["40", "true", "40"]
    );
    // What the function asks for itself wins.
    let own = crate::environment::with_variables(node(&world, CODE), &[("NODE_OPTIONS", "--max-old-space-size=512")]);
    assert_eq!(outcomes(&world, own, &["\"limit\""]).await, ["false"]);
}

// LAM-R-024, LAM-R-025, LAM-R-026: how the end of the process is told
async fn python_exits(world: World) {
    let code = "
import os, signal, sys, threading
def handler(event, context):
    if event == 'exit': exit()
    if event == 'sys.exit': sys.exit(1)
    if event == 'os._exit': os._exit(3)
    if event == 'kill': os.kill(os.getpid(), signal.SIGKILL)
    if event == 'segfault': os.kill(os.getpid(), signal.SIGSEGV)
    if event == 'interrupt': raise KeyboardInterrupt
    return 'fine'
";
    let cases = [
        ("exit", exited("without providing a reason")),
        ("sys.exit", exited("with error: exit status 1")),
        ("os._exit", exited("with error: exit status 3")),
        ("kill", exited("with error: signal: killed")),
        ("segfault", exited("with error: signal: segmentation fault")),
        ("interrupt", exited("with error: signal: interrupt")),
    ];
    let events: Vec<_> = cases.iter().map(|(event, _)| format!("\"{event}\"")).collect();
    let events: Vec<_> = events.iter().flat_map(|event| [event.as_str(), "1"]).collect();
    let found = outcomes(&world, python(&world, code), &events).await;
    for (pair, (event, expected)) in found.chunks(2).zip(&cases) {
        assert_eq!(pair, [expected.as_str(), r#""fine""#], "{event}");
    }
}

async fn hangs_time_out(world: World) {
    let timed_out = r#"Sandbox.Timedout {"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 1.00 seconds"}"#;
    for mut function in [
        python(
            &world,
            "import signal\ndef handler(event, context):\n    while event:\n        signal.pause()\n    return 'fine'\n",
        ),
        node(
            &world,
            "exports.handler = async (event) => {\n  while (event) {}\n  return 'fine'\n}",
        ),
    ] {
        function.configuration.timeout = Duration::from_secs(1).try_into().unwrap();
        let found = outcomes(&world, function, &["0", "1", "0"]).await;
        assert_eq!(found, [r#""fine""#, timed_out, r#""fine""#]);
    }
}

// LAM-R-014: 6291556 bytes are accepted, one more is Function.ResponseSizeTooLarge, and the environment stays
async fn too_large_answers_keep_the_process(world: World) {
    let too_large = r#"Function.ResponseSizeTooLarge {"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}"#;
    for mut function in [
        python(
            &world,
            "COUNT = 0\ndef handler(event, context):\n    global COUNT\n    COUNT += 1\n    return 'x' * event if event else COUNT\n",
        ),
        node(
            &world,
            "let count = 0\nexports.handler = async (event) => {\n  count += 1\n  return event ? 'x'.repeat(event) : count\n}",
        ),
    ] {
        // Whoever makes 40 MB of text has it three times for a moment, besides what Node.js needs itself.
        function.configuration.memory = FunctionMemory::try_from(1024).unwrap();
        // The caller has its error at once, and would otherwise be given another environment.
        function.configuration.concurrency = Some(1);
        // Two bytes are the quotes. After the largest one the server closes the connection.
        let runtime = function.configuration.runtime;
        let found = outcomes(
            &world,
            function,
            &["7000000", "0", "6291555", "0", "40000000", "0", "6291554"],
        )
        .await;
        let (accepted, others) = found.split_last().unwrap();
        assert_eq!(others, [too_large, "2", too_large, "4", too_large, "6"], "{runtime}");
        assert_eq!(accepted.len(), 6_291_556, "{runtime}");
    }
}

async fn garbage_to_the_runtime_api(world: World) {
    let python_code = "
import os, socket
def handler(event, context):
    host, port = os.environ['AWS_LAMBDA_RUNTIME_API'].split(':')
    for garbage in (b'\\x00' * 1000, b'GET / HTTP/9.9\\r\\n\\r\\n', b'POST /2018-06-01/runtime/invocation/x/response HTTP/1.1\\r\\nContent-Length: 5\\r\\n\\r\\nab'):
        connection = socket.create_connection((host, int(port)))
        connection.sendall(garbage)
        connection.close()
    return event
";
    let node_code = "
const net = require('net')
exports.handler = async (event) => {
  const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':')
  for (const garbage of ['\\0'.repeat(1000), 'GET / HTTP/9.9\\r\\n\\r\\n']) {
    await new Promise((resolve) => net.connect(Number(port), host).on('close', resolve).on('error', () => {}).on('data', () => {}).end(garbage))
  }
  return event
}";
    for function in [python(&world, python_code), node(&world, node_code)] {
        assert_eq!(outcomes(&world, function, &["1", "2"]).await, ["1", "2"]);
    }
}

// LAM-R-012: a second answer is refused with 403, one for an earlier invocation with 400
async fn answers_behind_the_runtimes_back(world: World) {
    let python_code = "
import http.client, os
earlier = None
statuses = []
def post(request_id):
    connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
    connection.request('POST', '/2018-06-01/runtime/invocation/' + request_id + '/response', '\"mine\"')
    statuses.append(connection.getresponse().status)
def handler(event, context):
    global earlier
    if event == 'answer twice':
        post(context.aws_request_id)
        post(context.aws_request_id)
        earlier = context.aws_request_id
        return 'too late'
    post(earlier)
    return statuses
";
    let node_code = "
const http = require('http')
let earlier
const statuses = []
const post = (id) => new Promise((resolve, reject) => {
  const url = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/${id}/response`
  const request = http.request(url, { method: 'POST' }, (answer) => {
    statuses.push(answer.statusCode)
    answer.resume().on('end', resolve)
  })
  request.on('error', reject).end('\"mine\"')
})
exports.handler = async (event, context) => {
  if (event === 'answer twice') {
    await post(context.awsRequestId)
    await post(context.awsRequestId)
    earlier = context.awsRequestId
    return 'too late'
  }
  await post(earlier)
  return statuses
}";
    for mut function in [python(&world, python_code), node(&world, node_code)] {
        // The caller has its answer before the runtime asks for the next event.
        function.configuration.concurrency = Some(1);
        let found = outcomes(&world, function, &["\"answer twice\"", "0"]).await;
        assert_eq!(found[0], r#""mine""#);
        assert_eq!(found[1].replace(' ', ""), "[202,403,400]");
    }
}

async fn a_flood_of_log_lines(world: World) {
    const LINES: usize = 100;
    const LINE_BYTES: usize = 1_000_000;
    let python_code =
        "def handler(event, context):\n    for _ in range(100):\n        print('x' * 1000000)\n    return event\n";
    let mut function = python(&world, python_code);
    function.configuration.timeout = Duration::from_secs(60).try_into().unwrap();
    assert_eq!(outcomes(&world, function, &["1", "2"]).await, ["1", "2"]);
    let lengths = || -> Vec<usize> { world.log.of(Source::Stdout).iter().map(String::len).collect() };
    until(|| lengths().iter().sum::<usize>() == 2 * LINES * LINE_BYTES).await;
    assert_eq!(lengths().into_iter().max(), Some(functions::LOG_LINE_BYTES_MAX));
}

async fn closed_streams(world: World) {
    let python_code = "
import os, sys
def handler(event, context):
    if event == 1: sys.stdout.close()
    if event == 2: os.close(1); os.close(2)
    if event == 3: os.closerange(3, 100)
    if event == 4: sys.stdout = sys.stderr = None
    return event
";
    let events = ["1", "0", "2", "0", "4", "0"];
    assert_eq!(outcomes(&world, python(&world, python_code), &events).await, events);
    let node_code = "
const fs = require('fs')
exports.handler = async (event) => {
  if (event === 1) { fs.closeSync(1); fs.closeSync(2) }
  if (event === 2) fs.closeSync(62)
  console.log('to whom it may concern')
  return event
}";
    let events = ["1", "0", "2", "0"];
    assert_eq!(outcomes(&world, node(&world, node_code), &events).await, events);
    // The connection to the Runtime API too: its answer cannot be sent, but the event comes again.
    let found = outcomes(&world, python(&world, python_code), &["3", "0"]).await;
    assert_eq!(found[1], "0");
}

async fn threads_and_processes_left_behind(world: World) {
    let files: Files<'_> = &[(
        "app.py",
        "
import os, signal, subprocess, threading
def forever():
    threading.Event().wait()
threading.Thread(target=forever, daemon=True).start()
def handler(event, context):
    threading.Thread(target=forever, daemon=True).start()
    sleep = subprocess.Popen(['sleep', '1000'], start_new_session=True)
    # The kernel says what a process executes only a moment after it does.
    while not open(f'/proc/{sleep.pid}/cmdline').read():
        pass
    if os.fork() == 0:
        signal.pause()
    return threading.active_count() > 2
",
    )];
    let function = world.function("python3.12", "app.handler", files);
    assert_eq!(outcomes(&world, function, &["1", "2"]).await, ["true", "true"]);
    // They live as long as their environment; after the case nothing is left of them.
    let left: Vec<_> = processes_below(&world.spawner)
        .into_iter()
        .filter(|it| it.starts_with("sleep"))
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
