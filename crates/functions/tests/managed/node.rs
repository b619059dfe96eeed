//! Node.js handlers, and what comes of them.

mod errors;

use crate::Case;
use crate::stage::{Row, check, log_lines, outcomes};
use crate::world::{World, arn, folder_of};
use errors::check_error;
use functions::Source;
use invoke::{Invocation, Piece, Streaming};
use model::lambda::logging::{ApplicationLogLevel, LogFormat, SystemLogLevel};
use serde_json::Value;

const NODE: &str = "nodejs20.x";

pub(crate) const CASES: &[Case] = &[
    ("node_finds_handlers", |world| Box::pin(finds_handlers(world))),
    ("node_ways_to_answer", |world| Box::pin(ways_to_answer(world))),
    ("node_without_callbacks", |world| Box::pin(without_callbacks(world))),
    ("node_context", |world| Box::pin(context(world))),
    ("node_errors", |world| Box::pin(errors::errors(world))),
    ("node_init_errors", |world| Box::pin(errors::init_errors(world))),
    ("node_syntax_errors_of_other_files", |world| {
        Box::pin(errors::syntax_errors_of_other_files(world))
    }),
    ("node_files_named_like_standard_modules", |world| {
        Box::pin(files_named_like_standard_modules(world))
    }),
    ("node_errors_that_nobody_caught", |world| {
        Box::pin(errors::errors_that_nobody_caught(world))
    }),
    ("node_streams", |world| Box::pin(streams(world))),
    ("node_streams_to_a_reader", |world| Box::pin(streams_to_a_reader(world))),
    ("node_log_text", |world| Box::pin(log_text(world))),
    ("node_log_json", |world| Box::pin(log_json(world))),
];

/// A row whose code is one script.
macro_rules! row {
    ($what:literal, $code:literal, $($event:literal => $outcome:literal),+ $(,)?) => {
        $crate::stage::Row {
            what: $what,
            handler: "index.handler",
            files: &[("index.js", $code)],
            expected: &[$(($event, $outcome)),+],
        }
    };
}
use row;

async fn finds_handlers(world: World) {
    let rows = [
        row!("a script", "exports.handler = async (event) => event", "[1]" => "[1]"),
        Row {
            what: "a script by its extension",
            handler: "index.handler",
            files: &[
                ("index.cjs", "exports.handler = async () => 'cjs'"),
                ("package.json", r#"{"type":"module"}"#),
            ],
            expected: &[("{}", r#""cjs""#)],
        },
        Row {
            what: "a module that waits while it is imported",
            handler: "index.handler",
            files: &[(
                "index.mjs",
                "const x = await Promise.resolve('mjs')\nexport const handler = async () => x",
            )],
            expected: &[("{}", r#""mjs""#)],
        },
        Row {
            what: "a module by its package, importing another",
            handler: "src/index.handler",
            files: &[
                ("package.json", r#"{"type":"module"}"#),
                (
                    "src/index.js",
                    "import { x } from './other.js'\nexport const handler = async () => x",
                ),
                ("src/other.js", "export const x = 'other'"),
            ],
            expected: &[("{}", r#""other""#)],
        },
        Row {
            what: "a nested export in a nested folder",
            handler: "a/b/file.routes.get",
            files: &[("a/b/file.js", "exports.routes = { get: async () => 'got' }")],
            expected: &[("{}", r#""got""#)],
        },
        Row {
            what: "packages of the function",
            handler: "src/index.handler",
            files: &[
                (
                    "src/index.js",
                    "const x = require('mine')\nexports.handler = async () => x",
                ),
                ("node_modules/mine/index.js", "module.exports = 'package'"),
            ],
            expected: &[("{}", r#""package""#)],
        },
        Row {
            what: "a package that is the handler",
            handler: "mine.handler",
            files: &[(
                "node_modules/mine/index.js",
                "exports.handler = async () => 'in a package'",
            )],
            expected: &[("{}", r#""in a package""#)],
        },
    ];
    check(&world, NODE, &rows).await;
}

// LAM-I-003: a handler returning nothing produces the body `null`
async fn ways_to_answer(world: World) {
    let rows = [
        row!("nothing", "exports.handler = async () => {}", "{}" => "null"),
        row!("a promise", "exports.handler = (event) => Promise.resolve({ event })", "1" => r#"{"event":1}"#),
        row!("letters beyond ASCII", "exports.handler = async (event) => [event, event.length]", r#""ä😀""# => r#"["ä😀",3]"#),
        row!("a callback waits for what is left to do",
            "let done = 0\nexports.handler = (event, context, callback) => {\n  setTimeout(() => { done += 1 }, 20)\n  callback(null, { get done() { return done } })\n}",
            "{}" => r#"{"done":1}"#, "{}" => r#"{"done":2}"#),
        row!("a callback that need not wait, and a second call that does not count",
            "exports.handler = (event, context, callback) => {\n  context.callbackWaitsForEmptyEventLoop = false\n  setInterval(() => {}, 1000)\n  callback(null, event)\n  callback(null, 'again')\n}",
            "1" => "1", "2" => "2"),
        row!("a callback with an error", "exports.handler = (event, context, callback) => callback('no')",
            "{}" => r#"Runtime.Unknown {"errorType":"string","errorMessage":"no","trace":[]}"#),
        row!("context.succeed", "exports.handler = (event, context) => { context.succeed(event) }", "1" => "1", "2" => "2"),
        row!("context.done", "exports.handler = (event, context) => { context.done(null, event) }", "1" => "1", "2" => "2"),
        row!("context.fail, without and with an error",
            "exports.handler = (event, context) => { context.fail(event ? undefined : 'why') }",
            "1" => r#"Runtime.Unknown {"errorType":"string","errorMessage":"handled","trace":[]}"#,
            "0" => r#"Runtime.Unknown {"errorType":"string","errorMessage":"why","trace":[]}"#),
        row!("a function without promise and callback has nothing to say", "exports.handler = () => 5", "{}" => "null", "{}" => "null"),
        row!("undefined and functions are no JSON", "exports.handler = async (event) => [() => 1, { a: undefined }, Symbol()][event]",
            "0" => "null", "1" => "{}", "2" => "null"),
        row!("the garbage collector can be called",
            "exports.handler = async () => { gc(); global.gc(); return typeof gc }", "{}" => "\"function\""),
        row!("large events and answers", "exports.handler = async (event) => event.length > 3 ? event.length : 'x'.repeat(event.length * 100000)",
            "\"xxxx\"" => "4", "\"\"" => "\"\""),
    ];
    check(&world, NODE, &rows).await;
}

async fn without_callbacks(world: World) {
    let rows = [
        row!("a plain value is an answer", "exports.handler = (event, context) => [event, context.succeed]", "1" => "[1,null]"),
        row!("an answer that is no JSON", "exports.handler = async () => 1n", "1" => r#"Runtime.JSONStringifyError"#),
        row!("a handler with a callback", "exports.handler = (event, context, callback) => callback(null, 1)",
            "1" => r#"Runtime.CallbackHandlerDeprecated"#),
    ];
    for row in rows {
        let function = world.function("nodejs24.x", row.handler, row.files);
        let outcomes = outcomes(&world, function, &["1"]).await;
        assert_eq!(outcomes[0].split(' ').next(), Some(row.expected[0].1), "{}", row.what);
    }
}

async fn context(world: World) {
    let code = "
exports.handler = async (event, context) => ({
  context,
  stream: context.logStreamName === process.env.AWS_LAMBDA_LOG_STREAM_NAME,
  left: context.getRemainingTimeInMillis() > 25000 && context.getRemainingTimeInMillis() <= 30000,
  methods: [typeof context.done, typeof context.succeed, typeof context.fail],
  trace: process.env._X_AMZN_TRACE_ID,
})";
    let function = world.function(NODE, "index.handler", &[("index.js", code)]);
    let outcomes = outcomes(&world, function, &["{}"]).await;
    let mut found: Value = serde_json::from_str(&outcomes[0]).unwrap();
    assert!(
        found["context"]
            .as_object_mut()
            .unwrap()
            .remove("logStreamName")
            .is_some()
    );
    let expected = r#"{"context":{"callbackWaitsForEmptyEventLoop":true,"functionVersion":"$LATEST","functionName":"f","memoryLimitInMB":"128","logGroupName":"/aws/lambda/f","invokedFunctionArn":"arn:aws:lambda:eu-west-1:111122223333:function:f","awsRequestId":"ID"},"stream":true,"left":true,"methods":["function","function","function"],"trace":"Root=1-5-7"}"#;
    assert_eq!(found, serde_json::from_str::<Value>(expected).unwrap());
}

/// Neither files nor packages of a function take the place of what the runtime itself loads.
async fn files_named_like_standard_modules(world: World) {
    const OWN: &str = "throw new Error('of the function')";
    let code = "
exports.handler = async (event) => {
  if (event) throw new Error('bad')
  return typeof require('util').format
}";
    let mut files = vec![("index.js".to_owned(), code)];
    for name in [
        "child_process",
        "fs",
        "module",
        "net",
        "path",
        "stream",
        "url",
        "util",
        "v8",
        "vm",
        "albacore",
    ] {
        files.push((format!("{name}.js"), OWN));
        files.push((format!("node_modules/{name}/index.js"), OWN));
    }
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let function = world.function(NODE, "index.handler", &files);
    let outcomes = outcomes(&world, function, &["0", "1", "0"]).await;
    assert_eq!(
        (outcomes[0].as_str(), outcomes[2].as_str()),
        (r#""function""#, r#""function""#)
    );
    check_error(&outcomes[1], "Runtime.Unknown", "Error", "bad", &["Error: bad"]);
}

// LAM-R-023: a streaming function that is invoked with buffered Invoke returns the collected bytes, up to 6 MB
async fn streams(world: World) {
    let rows = [
        row!("chunks of every kind",
            "exports.handler = awslambda.streamifyResponse(async (event, stream) => {\n  stream.write('a')\n  stream.write({ b: event })\n  await new Promise((resolve) => setTimeout(resolve, 5))\n  stream.end(Buffer.from('c'))\n})",
            "1" => "a{\"b\":1}c", "2" => "a{\"b\":2}c"),
        row!("a pipeline with a prelude",
            "const { Readable } = require('stream')\nconst { pipeline } = require('stream/promises')\nexports.handler = awslambda.streamifyResponse(async (event, stream, context) => {\n  const to = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { id: context.awsRequestId } })\n  await pipeline(Readable.from(['x', 'y']), to)\n})",
            "1" => "{\"statusCode\":201,\"headers\":{\"id\":\"ID\"}}\0\0\0\0\0\0\0\0xy"),
        row!("nothing at all", "exports.handler = awslambda.streamifyResponse(async (event, stream) => { stream.end() })", "1" => "", "2" => ""),
        row!("much", "exports.handler = awslambda.streamifyResponse(async (event, stream) => {\n  for (let i = 0; i < event; i++) stream.write('x'.repeat(10000))\n  stream.end()\n  stream.on('finish', () => { globalThis.finished = true })\n})\nexports.small = 1",
            "1" => ""),
    ];
    let (much, rows) = rows.split_last().unwrap();
    check(&world, NODE, rows).await;
    let large = world.function(NODE, much.handler, much.files);
    let outcomes_of_large = outcomes(&world, large, &["100", "700", "200"]).await;
    assert_eq!(
        (outcomes_of_large[0].len(), outcomes_of_large[2].len()),
        (1_000_000, 2_000_000)
    );
    assert!(outcomes_of_large[1].starts_with("Function.ResponseSizeTooLarge {"));

    let failing = world.function(NODE,
        "index.handler",
        &[(
            "index.js",
            "exports.handler = awslambda.streamifyResponse(async (event, stream) => {\n  if (event) throw new Error('early')\n  stream.end('fine')\n})",
        )],
    );
    let outcomes_of_failing = outcomes(&world, failing, &["1", "0"]).await;
    check_error(
        &outcomes_of_failing[0],
        "Runtime.Unknown",
        "Error",
        "early",
        &["Error: early"],
    );
    assert_eq!(outcomes_of_failing[1], "fine");
}

// LAM-G-013: a line of the console is one event, with its newlines
// LAM-R-019: pieces come while the handler writes. LAM-R-022: the prelude passes through as it is
async fn streams_to_a_reader(world: World) {
    const PRELUDE: &str = "{\"statusCode\":201}\0\0\0\0\0\0\0\0";
    // More than may wait anywhere between the handler and its reader.
    const PIECES: usize = 1000;
    let code = "
const { once } = require('events')
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  const to = awslambda.HttpResponseStream.from(stream, { statusCode: 201 })
  for (let i = 0; i < event; i++) {
    if (!to.write('x'.repeat(65536))) await once(to, 'drain')
  }
  to.end()
})";
    world.put(world.function(NODE, "index.handler", &[("index.js", code)]));
    let invocation = Invocation::new(arn(), PIECES.to_string().into(), None);
    let Streaming::Began(mut stream) = world.core.invoke_streaming(invocation).await else {
        panic!("refused");
    };
    assert_eq!(
        stream.content_type.as_deref(),
        Some("application/vnd.awslambda.http-integration-response")
    );
    let mut all = Vec::new();
    while all.len() < PRELUDE.len() {
        match stream.next().await {
            Piece::Bytes(bytes) => all.extend(bytes),
            Piece::End(end) => panic!("{end:?}"),
        }
    }
    assert!(all.starts_with(PRELUDE.as_bytes()));
    assert_eq!(world.functions.reports()[0].busy, 1, "nobody has read the rest");
    let end = loop {
        match stream.next().await {
            Piece::Bytes(bytes) => all.extend(bytes),
            Piece::End(end) => break end,
        }
    };
    assert_eq!((all.len(), end.error), (PRELUDE.len() + PIECES * 65536, None));
}

async fn log_text(world: World) {
    let code = "
console.log('while loading')
exports.handler = async (event) => {
  console.log('two\\nlines %d', 5, { a: [1] })
  console.debug('d'); console.info('i'); console.warn('w'); console.error('e'); console.trace('t')
  console.log()
  const error = new Error('bad'); error.code = 'E1'; error.stack = 'Error: bad\\n    at somewhere'
  throw error
}";
    let function = world.function(NODE, "index.handler", &[("index.js", code)]);
    let folder = folder_of(&function);
    outcomes(&world, function, &["{}"]).await;
    assert_eq!(
        log_lines(&world, &folder, Source::Runtime, 9).await,
        [
            "TIME\tundefined\tINFO\twhile loading",
            "TIME\tID\tINFO\ttwo\nlines 5 { a: [ 1 ] }",
            "TIME\tID\tDEBUG\td",
            "TIME\tID\tINFO\ti",
            "TIME\tID\tWARN\tw",
            "TIME\tID\tERROR\te",
            "TIME\tID\tTRACE\tt",
            "TIME\tID\tINFO\tundefined",
            "TIME\tID\tERROR\tInvoke Error \t{\"errorType\":\"Error\",\"errorMessage\":\"bad\",\"code\":\"E1\",\"stack\":[\"Error: bad\",\
             \"    at somewhere\"]}",
        ]
    );
}

// LAM-E-009: AWS_LAMBDA_LOG_FORMAT is JSON when LogFormat is JSON
async fn log_json(world: World) {
    let code = "
exports.handler = async (event) => {
  console.info('not shown')
  console.warn({ a: 1 })
  const error = new RangeError('r'); error.stack = 'RangeError: r\\n    at x'
  console.error('with %s', 'error', error)
  console.error(error)
  return [process.env.AWS_LAMBDA_LOG_FORMAT, process.env.AWS_LAMBDA_LOG_LEVEL]
}";
    let mut function = world.function(NODE, "index.handler", &[("index.js", code)]);
    function.configuration.logging.format = LogFormat::Json {
        application_level: ApplicationLogLevel::Warn,
        system_level: SystemLogLevel::Warn,
    };
    let folder = folder_of(&function);
    let outcomes = outcomes(&world, function, &["{}"]).await;
    assert_eq!(outcomes, [r#"["JSON","WARN"]"#]);
    assert_eq!(
        log_lines(&world, &folder, Source::Runtime, 3).await,
        [
            r#"{"timestamp":"TIME","level":"WARN","requestId":"ID","message":{"a":1}}"#,
            r#"{"timestamp":"TIME","level":"ERROR","requestId":"ID","message":"with error RangeError: r\n    at x","errorType":"RangeError","errorMessage":"r","stackTrace":["RangeError: r","    at x"]}"#,
            r#"{"timestamp":"TIME","level":"ERROR","requestId":"ID","message":{"errorType":"RangeError","errorMessage":"r","stackTrace":["RangeError: r","    at x"]}}"#,
        ]
    );
}
