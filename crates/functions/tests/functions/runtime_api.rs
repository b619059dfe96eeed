//! Calls of the Runtime API that answers and errors alone do not show.

use crate::Case;
use crate::world::{World, function_error, until};

pub(crate) const CASES: &[Case] = &[
    ("other_apis_are_not_found", |world| {
        Box::pin(other_apis_are_not_found(world))
    }),
    ("an_error_with_a_cause_is_reduced", |world| {
        Box::pin(an_error_with_a_cause_is_reduced(world))
    }),
    ("trailers_of_a_stream_mark_a_failure", |world| {
        Box::pin(trailers_of_a_stream(world))
    }),
    ("a_stream_over_6_mb", |world| Box::pin(a_stream_over_6_mb(world))),
    ("an_answer_with_unreadable_framing_is_none", |world| {
        Box::pin(unreadable_framing(world))
    }),
    ("an_environment_knows_its_zone", |world| Box::pin(metadata(world))),
    ("a_child_that_answers_after_its_parent", |world| {
        Box::pin(an_answer_of_nobody(world))
    }),
];

async fn other_apis_are_not_found(world: World) {
    world.put(world.function(
        "
def status(method, path, body=None):
    connection.request(method, path, body)
    answer = connection.getresponse()
    return answer.status, answer.getheader('Content-Type'), answer.read()
paths = [
    ('GET', '/2018-06-01/runtime/restore/next'), ('POST', '/2018-06-01/runtime/restore/error'),
    ('GET', '/2021-04-23/credentials'), ('GET', '/2020-01-01/extension/register'),
    ('POST', '/2020-01-01/extension/event/next'), ('POST', '/2022-07-01/telemetry'), ('PUT', '/2020-08-15/log'),
    ('GET', '/2026-01-15/metadata'), ('GET', '/'), ('PUT', '/' + 'x' * 5000),
]
found = {status(method, path, None if method == 'GET' else '{}' * 5000) for method, path in paths}
id, event, _ = next_event()
respond(id, str(found))
next_event()
",
    ));
    let expected = r"{(404, 'text/plain; charset=utf-8', b'404 page not found\n')}";
    assert_eq!(world.answer("1").await, expected);
}

/// Source: Lambda 3.7.
async fn metadata(world: World) {
    world.put(world.function(
        "
api, token = os.environ['AWS_LAMBDA_METADATA_API'], os.environ['AWS_LAMBDA_METADATA_TOKEN']
def ask(method, headers, body=None):
    connection.request(method, '/2026-01-15/metadata/execution-environment', body, headers)
    answer = connection.getresponse()
    return answer.status, answer.getheader('Content-Type'), answer.getheader('Cache-Control'), answer.read().decode().strip()
id, event, _ = next_event()
bearer = {'Authorization': 'Bearer ' + token}
asked = [ask('GET', bearer), ask('GET', {'Authorization': 'Bearer x'})[0], ask('GET', {})[0], ask('POST', bearer, '{}')[0], ask('GET', bearer)[0]]
respond(id, json.dumps([api == API, len(token), *asked]))
next_event()
",
    ));
    let kept = "private, max-age=43200, immutable";
    let told = format!(r#"[200, "application/json", "{kept}", "{{\"AvailabilityZoneID\":\"euw1-az1\"}}"]"#);
    let answer = world.answer("1").await;
    assert_eq!(answer, format!("[true, 32, {told}, 401, 401, 405, 200]"));
}

async fn an_error_with_a_cause_is_reduced(world: World) {
    world.put(world.function(
        "
headers = {'Content-Type': 'application/vnd.aws.lambda.error.cause+json', 'Lambda-Runtime-Function-Error-Type': 'Function.Mine',
    'Lambda-Runtime-Function-XRay-Error-Cause': '{\"working_directory\":\"' + 'x' * 60000 + '\"}'}
body = '{\"errorType\":\"T\", \"cause\":{\"errorType\":\"inner\"}, \"errorMessage\":\"m\", \"stackTrace\":[]}'
while True:
    id, event, _ = next_event()
    assert call('POST', '/runtime/invocation/' + id + '/error', body, headers)[0] == 202
",
    ));
    let expected = r#"{"errorMessage":"m","errorType":"T","stackTrace":[]}"#;
    assert_eq!(
        function_error(world.invoke("1").await),
        ("Function.Mine".to_owned(), expected.to_owned())
    );
}

// LAM-R-020: the trailers mark the invocation as failed, the bytes that were sent stand
async fn trailers_of_a_stream(world: World) {
    world.put(world.function(
        "
def stream(id, chunks, trailers):
    line = raw()
    head = 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n' % id
    head += 'Lambda-Runtime-Function-Response-Mode: streaming\\r\\nTrailer: Lambda-Runtime-Function-Error-Type\\r\\n\\r\\n'
    body = ''.join('%x\\r\\n%s\\r\\n' % (len(it), it) for it in chunks) + '0\\r\\n' + trailers + '\\r\\n'
    line.sendall((head + body).encode())
    return line.recv(1000).decode().split()[1]
ERROR = 'lambda-runtime-function-error-type: Function.Torn\\r\\nLambda-Runtime-Function-Error-Body: eyJhIjoxfQ==\\r\\n'
while True:
    id, event, _ = next_event()
    if event == 'torn':
        assert stream(id, ['some', ' bytes'], ERROR) == '202'
    elif event == 'nothing':
        assert stream(id, [], ERROR) == '202'
    else:
        assert stream(id, ['all', ' of it'], 'X-Other: trailer\\r\\n') == '202'
",
    ));
    for (event, payload) in [("torn", "some bytes"), ("nothing", r#"{"a":1}"#)] {
        let expected = ("Function.Torn".to_owned(), payload.to_owned());
        assert_eq!(function_error(world.invoke(event).await), expected);
    }
    assert_eq!(world.answer("whole").await, "all of it");
}

// LAM-R-023: a stream is collected, up to 6 MB
async fn a_stream_over_6_mb(world: World) {
    world.put(world.function(
        "
while True:
    id, event, _ = next_event()
    pieces = (b'y' * 1000000 for _ in range(int(event)))
    call('POST', '/runtime/invocation/' + id + '/response', pieces,
        {'Lambda-Runtime-Function-Response-Mode': 'streaming'})
",
    ));
    assert_eq!(
        function_error(world.invoke("7").await).0,
        "Function.ResponseSizeTooLarge"
    );
    assert_eq!(world.answer("6").await.len(), 6_000_000);
}

/// An answer whose end cannot be told is none: neither an empty one nor the beginning of one.
async fn unreadable_framing(world: World) {
    world.put(world.function(
        "
HEADS = [
    'Content-Length: abc', 'Content-Length: -1', 'Content-Length: 1\\r\\nContent-Length: 2', 'Content-Length: 2, 2',
    'Content-Length : 2', 'Content-Length: 2\\r\\nTransfer-Encoding: chunked', 'Transfer-Encoding: identity',
    'Transfer-Encoding: gzip',
]
def answered(kind, id, head):
    line = raw()
    line.sendall(f'POST /2018-06-01/runtime/invocation/{id}/{kind} HTTP/1.1\\r\\n{head}\\r\\n\\r\\n{{}}'.encode())
    answer = b''
    try:
        while more := line.recv(10000):
            answer += more
    except ConnectionResetError:
        pass # It was closed with bytes that nobody has read.
    assert b'Connection: close' in answer, answer
    return answer.split(b'\\r\\n')[0].decode()[9:] + ' ' + str(b'TruncatedHTTPRequest' in answer)
while True:
    id, event, _ = next_event()
    found = [answered(event, id, head) for head in HEADS]
    status = respond(id, '\\n'.join(found))[0]
    assert status == 202, status
",
    ));
    let expected = format!("{}501 Not Implemented False", "400 Bad Request True\n".repeat(7));
    for kind in ["response", "error"] {
        assert_eq!(world.answer(kind).await, expected, "{kind}");
    }
    until(|| world.functions.reports()[0].idle == 1).await;
    let report = &world.functions.reports()[0];
    assert_eq!((report.invocations, report.errors), (2, 0));
}

/// What is left of a runtime has nothing more to say once it has failed.
async fn an_answer_of_nobody(world: World) {
    world.put(world.function(
        "
id, event, _ = next_event()
if event == 'fork':
    if os.fork():
        os._exit(3)
    connection = http.client.HTTPConnection(API)
    signal.pause()
respond(id, 'alive')
next_event()
",
    ));
    let (error_type, payload) = function_error(world.invoke("fork").await);
    assert_eq!(error_type, "Runtime.ExitError");
    assert!(payload.ends_with("exit status 3\"}"), "{payload}");
    assert_eq!(world.answer("again").await, "alive");
}
