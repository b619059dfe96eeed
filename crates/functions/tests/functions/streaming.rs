//! Answers that come piece by piece, from real runtimes to callers of both kinds.

use crate::Case;
use crate::logs::with_timeout;
use crate::world::{World, arn, function_error, text, until};
use bytes::Bytes;
use invoke::{AnswerStream, Invocation, Piece, StreamEnd, StreamError, Streaming};

pub(crate) const CASES: &[Case] = &[
    ("a_stream_passes_on_while_it_is_written", |world| {
        Box::pin(it_passes_on_while_it_is_written(world))
    }),
    ("a_stream_with_an_error_in_its_trailers", |world| {
        Box::pin(an_error_in_the_trailers(world))
    }),
    ("a_stream_that_breaks_off", |world| {
        Box::pin(a_stream_that_breaks_off(world))
    }),
    ("a_stream_out_of_time", |world| Box::pin(a_stream_out_of_time(world))),
    ("a_stream_that_nobody_reads", |world| {
        Box::pin(a_stream_that_nobody_reads(world))
    }),
    ("a_slow_reader_holds_up_a_stream", |world| {
        Box::pin(a_slow_reader_holds_up_a_stream(world))
    }),
    ("a_whole_answer_to_a_streaming_caller", |world| {
        Box::pin(a_whole_answer_to_a_streaming_caller(world))
    }),
    ("a_stream_to_a_buffering_caller", |world| {
        Box::pin(a_stream_to_a_buffering_caller(world))
    }),
];

/// What runtimes that stream begin with.
const PRELUDE: &str = "
import base64
def begin(id, content_type='text/plain'):
    line = raw()
    line.sendall(('POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\\r\\nHost: x\\r\\n'
        'Lambda-Runtime-Function-Response-Mode: streaming\\r\\nTransfer-Encoding: chunked\\r\\n'
        'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\\r\\n'
        'Content-Type: %s\\r\\nConnection: close\\r\\n\\r\\n' % (id, content_type)).encode())
    return line
def chunk(line, data):
    line.sendall(b'%x\\r\\n' % len(data) + data + b'\\r\\n')
def end(line, trailers=''):
    line.sendall(b'0\\r\\n' + trailers.encode() + b'\\r\\n')
    answer = b''
    while True:
        more = line.recv(1000)
        if not more:
            return answer
        answer += more
";

async fn streaming(world: &World, event: &str, log_tail: bool) -> AnswerStream {
    let payload = Bytes::copy_from_slice(event.as_bytes());
    let mut invocation = Invocation::new(arn("f"), payload, None);
    invocation.log_tail = log_tail;
    match world.core.invoke_streaming(invocation).await {
        Streaming::Began(stream) => stream,
        Streaming::Refused(refusal) => panic!("{refusal}"),
    }
}

/// All bytes, and the end.
async fn rest(stream: &mut AnswerStream) -> (String, StreamEnd) {
    let mut all = Vec::new();
    loop {
        match stream.next().await {
            Piece::Bytes(bytes) => all.extend(bytes),
            Piece::End(end) => return (String::from_utf8(all).unwrap(), end),
        }
    }
}

fn program(text: &str) -> String {
    format!("{PRELUDE}{text}")
}

#[track_caller]
fn error(end: StreamEnd) -> StreamError {
    end.error.expect("an error")
}

// LAM-R-019: a chunked streaming response is forwarded chunk by chunk before the runtime finishes
// LAM-R-022: the prelude passes through as it is
async fn it_passes_on_while_it_is_written(world: World) {
    world.put(world.function(&program(
        "
while True:
    id, event, _ = next_event()
    line = begin(id, 'application/vnd.awslambda.http-integration-response')
    chunk(line, b'{\"statusCode\":201}' + bytes(8))
    tell(event)
    chunk(line, b'the rest')
    answer = end(line)
    assert answer.startswith(b'HTTP/1.1 202 '), answer
",
    )));
    let mut stream = streaming(&world, "\"one\"", true).await;
    assert_eq!(
        stream.content_type.as_deref(),
        Some("application/vnd.awslambda.http-integration-response")
    );
    let first = stream.next().await;
    assert_eq!(first, Piece::Bytes("{\"statusCode\":201}\0\0\0\0\0\0\0\0".into()));
    // The function still runs, and waits for this.
    let told = world.told().await;
    assert_eq!(told.text, "\"one\"");
    assert_eq!(world.log.count("REPORT"), 0);
    told.go_on().await;
    let (bytes, end) = rest(&mut stream).await;
    assert_eq!((bytes.as_str(), end.error), ("the rest", None));
    // LAM-I-017: the tail of the log comes with the end
    let tail = String::from_utf8(end.log_tail.unwrap().to_vec()).unwrap();
    assert!(
        tail.starts_with(&format!("START RequestId: {}", stream.request_id)),
        "{tail}"
    );
    assert!(tail.contains("\nREPORT RequestId: "), "{tail}");
}

// LAM-R-020: trailers mark the invocation as failed while keeping sent bytes
async fn an_error_in_the_trailers(world: World) {
    world.put(world.function(&program(
        "
document = base64.b64encode(b'{\"errorMessage\":\"late\"}').decode()
while True:
    id, event, _ = next_event()
    line = begin(id)
    if event == '1':
        chunk(line, b'sent')
    end(line, 'Lambda-Runtime-Function-Error-Type: Function.Late\\r\\nLambda-Runtime-Function-Error-Body: ' + document + '\\r\\n')
",
    )));
    for (event, sent) in [("1", "sent"), ("2", "")] {
        let mut stream = streaming(&world, event, false).await;
        let (bytes, end) = rest(&mut stream).await;
        assert_eq!(bytes, sent);
        let expected = StreamError {
            error_type: "Function.Late".to_owned(),
            payload: "{\"errorMessage\":\"late\"}".into(),
        };
        assert_eq!(error(end), expected);
    }
    assert_eq!(world.functions.reports()[0].errors, 2);
    until(|| world.log.count("REPORT") == 2).await;
    assert_eq!(world.log.count("INIT_START"), 1, "the runtime goes on");
}

// LAM-R-021: an aborted response body is recorded as Runtime.TruncatedResponse
async fn a_stream_that_breaks_off(world: World) {
    world.put(world.function(&program(
        "
while True:
    id, event, _ = next_event()
    line = begin(id)
    chunk(line, b'sent')
    if event == '1':
        tell('sent')
        line.close()
        signal.pause()
    os._exit(3)
",
    )));
    let mut stream = streaming(&world, "1", false).await;
    // Known by its process, which has the connection still.
    assert_eq!(stream.next().await, Piece::Bytes("sent".into()));
    world.told().await.go_on().await;
    let (bytes, end) = rest(&mut stream).await;
    assert_eq!(
        (bytes.as_str(), error(end).error_type.as_str()),
        ("", "Runtime.TruncatedResponse")
    );
    // Whoever hears first of the end of a process says how it ended.
    let mut stream = streaming(&world, "2", false).await;
    let (bytes, end) = rest(&mut stream).await;
    let error = error(end);
    assert_eq!(bytes, "sent");
    assert!(
        ["Runtime.ExitError", "Runtime.TruncatedResponse"].contains(&error.error_type.as_str()),
        "{error:?}"
    );
}

async fn a_stream_out_of_time(world: World) {
    let function = world.function(&program(
        "
while True:
    id, event, _ = next_event()
    line = begin(id)
    chunk(line, b'sent')
    signal.pause()
",
    ));
    world.put(with_timeout(function, 3));
    let mut stream = streaming(&world, "1", true).await;
    let (bytes, end) = rest(&mut stream).await;
    assert_eq!(bytes, "sent");
    let tail = end.log_tail.clone().unwrap();
    assert!(tail.ends_with(b"\tStatus: timeout\n"), "{tail:?}");
    let error = error(end);
    assert_eq!(error.error_type, "Sandbox.Timedout");
    let payload = String::from_utf8(error.payload.to_vec()).unwrap();
    assert!(payload.contains("Task timed out after 3.00 seconds"), "{payload}");
}

/// If the caller disconnects, the function keeps running to its end. Source: Lambda 2.6.
async fn a_stream_that_nobody_reads(world: World) {
    world.put(world.function(&program(
        "
while True:
    id, event, _ = next_event()
    line = begin(id)
    chunk(line, b'first')
    tell('began')
    for _ in range(1000):
        chunk(line, b'x' * 10000)
    assert end(line).startswith(b'HTTP/1.1 202 ')
",
    )));
    let stream = streaming(&world, "1", false).await;
    let told = world.told().await;
    drop(stream);
    told.go_on().await;
    until(|| world.log.count("REPORT") == 1).await;
    let report = world
        .log
        .lines()
        .into_iter()
        .find(|line| line.starts_with("REPORT"))
        .unwrap();
    assert!(!report.contains("Status"), "{report}");
}

/// The function waits; nothing piles up here.
async fn a_slow_reader_holds_up_a_stream(world: World) {
    world.put(world.function(&program(
        "
import select
while True:
    id, event, _ = next_event()
    line = begin(id)
    chunk(line, b'first')
    line.setblocking(False)
    sent, data = 0, b'10000\\r\\n' + b'x' * 65536 + b'\\r\\n'
    whole = data * 400
    view = memoryview(whole)
    while sent < len(whole):
        if not select.select([], [line], [], 1)[1]:
            break
        sent += line.send(view[sent:])
    tell(str(sent < len(whole)))
    line.setblocking(True)
    line.sendall(view[sent:])
    end(line)
",
    )));
    let mut stream = streaming(&world, "1", false).await;
    let told = world.told().await;
    assert_eq!(told.text, "True", "it could not write 26 MB that nobody had read");
    let (bytes, end) = tokio::join!(rest(&mut stream), told.go_on()).0;
    assert_eq!((bytes.len(), end.error), (5 + 400 * 65536, None));
}

/// Source: Lambda 5.7.
async fn a_whole_answer_to_a_streaming_caller(world: World) {
    world.put(world.function(
        "
while True:
    id, event, _ = next_event()
    if event == '1':
        respond(id, 'whole')
    elif event == '2':
        call('POST', '/runtime/invocation/' + id + '/error', '{\"errorMessage\":\"no\"}', {'Lambda-Runtime-Function-Error-Type': 'Function.No'})
    else:
        os._exit(1)
",
    ));
    let mut stream = streaming(&world, "1", false).await;
    assert_eq!(stream.content_type, None);
    assert_eq!(rest(&mut stream).await, ("whole".to_owned(), StreamEnd::default()));
    for (event, error_type) in [("2", "Function.No"), ("3", "Runtime.ExitError")] {
        let mut stream = streaming(&world, event, false).await;
        let (bytes, end) = rest(&mut stream).await;
        assert_eq!((bytes.as_str(), error(end).error_type.as_str()), ("", error_type));
    }
    let refused = world
        .core
        .invoke_streaming(Invocation::new(arn("nobody"), Bytes::new(), None))
        .await;
    assert!(
        matches!(refused, Streaming::Refused(invoke::InvokeRefusal::NotFound)),
        "{refused:?}"
    );
    // From outside of the cores it is the same.
    let outside = world
        .functions
        .invoke_streaming(Invocation::new(arn("f"), "1".into(), None))
        .await;
    let Streaming::Began(mut stream) = outside else {
        panic!("{outside:?}")
    };
    assert_eq!(rest(&mut stream).await.0, "whole");
}

// LAM-R-023: a streaming function invoked with buffered Invoke returns the collected bytes, limited to 6 MB
async fn a_stream_to_a_buffering_caller(world: World) {
    world.put(world.function(&program(
        "
while True:
    id, event, _ = next_event()
    line = begin(id)
    for _ in range(int(event)):
        chunk(line, b'x' * 1000000)
    end(line)
",
    )));
    assert_eq!(text(world.invoke("2").await).len(), 2_000_000);
    let (error_type, _) = function_error(world.invoke("7").await);
    assert_eq!(error_type, "Function.ResponseSizeTooLarge");
    // To one who reads it piece by piece, 6 MB are no limit.
    let (bytes, end) = rest(&mut streaming(&world, "7", false).await).await;
    assert_eq!((bytes.len(), end.error), (7_000_000, None));
}
