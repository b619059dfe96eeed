//! Python handlers, and what comes of them.

use crate::stage::{Row, check, log_lines, outcomes};
use crate::world::{World, folder_of};
use crate::{Case, world};
use functions::Source;
use model::lambda::logging::{ApplicationLogLevel, LogFormat, SystemLogLevel};
use std::time::Duration;

const PYTHON: &str = "python3.12";

pub(crate) const CASES: &[Case] = &[
    ("python_finds_handlers", |world| Box::pin(finds_handlers(world))),
    ("python_modules_named_like_standard_ones", |world| {
        Box::pin(modules_named_like_standard_ones(world))
    }),
    ("python_lends_packages", |world| Box::pin(lends_packages(world))),
    ("python_results_become_json", |world| {
        Box::pin(results_become_json(world))
    }),
    ("python_older_runtimes_escape", |world| {
        Box::pin(older_runtimes_escape(world))
    }),
    ("python_context", |world| Box::pin(context(world))),
    ("python_exceptions", |world| Box::pin(exceptions(world))),
    ("python_init_errors", |world| Box::pin(init_errors(world))),
    ("python_init_that_ends_the_process", |world| {
        Box::pin(init_that_ends_the_process(world))
    }),
    ("python_log_text", |world| Box::pin(log_text(world))),
    ("python_log_json", |world| Box::pin(log_json(world))),
    ("python_prints", |world| Box::pin(prints(world))),
];

/// A row whose code is one file.
macro_rules! row {
    ($what:literal, $code:literal, $($event:literal => $outcome:literal),+ $(,)?) => {
        Row { what: $what, handler: "app.handler", files: &[("app.py", $code)], expected: &[$(($event, $outcome)),+] }
    };
}

// LAM-I-003: a handler returning nothing produces the body `null`
async fn finds_handlers(world: World) {
    let returns = "def handler(event, context):\n    return [__name__, event]\n";
    let rows = [
        Row {
            what: "a module",
            handler: "app.handler",
            files: &[("app.py", returns)],
            expected: &[("1", r#"["app", 1]"#)],
        },
        Row {
            what: "a package, with dots",
            handler: "pkg.mod.handler",
            files: &[("pkg/__init__.py", ""), ("pkg/mod.py", returns)],
            expected: &[("2", r#"["pkg.mod", 2]"#)],
        },
        Row {
            what: "nested folders without __init__, with slashes",
            handler: "a/b/mod.handler",
            files: &[("a/b/mod.py", returns)],
            expected: &[("3", r#"["a.b.mod", 3]"#)],
        },
        Row {
            what: "relative imports, and modules beside the handler that hide those of the host",
            handler: "pkg/mod.handler",
            files: &[
                (
                    "pkg/mod.py",
                    "from . import other\nimport six, bootstrap\n\ndef handler(event, context):\n    return [other.X, six.X, bootstrap.X]\n",
                ),
                ("pkg/other.py", "X = 'other'\n"),
                ("six.py", "X = 'six'\n"),
                ("bootstrap.py", "X = 'bootstrap'\n"),
            ],
            expected: &[("0", r#"["other", "six", "bootstrap"]"#)],
        },
        row!("nothing", "def handler(event, context):\n    pass\n", "{}" => "null"),
        row!("an object that can be called",
            "class Handler:\n    def __call__(self, event, context):\n        return 'called'\n\nhandler = Handler()\n",
            "{}" => r#""called""#),
        row!("globals live as long as the process",
            "COUNT = 0\ndef handler(event, context):\n    global COUNT\n    COUNT += 1\n    return COUNT\n",
            "{}" => "1", "{}" => "2", "{}" => "3"),
        row!("another working directory and no environment",
            "import os\ndef handler(event, context):\n    os.chdir('/')\n    os.environ.clear()\n    return event\n",
            "1" => "1", "2" => "2"),
    ];
    check(&world, PYTHON, &rows).await;
}

/// What Lambda's client has imported before the function cannot be replaced by a file of the function; anything else can.
async fn modules_named_like_standard_ones(world: World) {
    const LOADED: &str = "__future__ abc atexit codecs collections contextlib copyreg decimal encodings enum functools \
        genericpath heapq importlib io json keyword linecache logging numbers operator os posixpath re reprlib site \
        sre_compile sre_constants sre_parse stat string textwrap threading token tokenize traceback types warnings weakref";
    let code = "
import calendar, json, logging, traceback
log = logging.getLogger()
def handler(event, context):
    log.warning('logged')
    if event:
        raise ValueError('bad')
    return [json.dumps(1), calendar.X]
";
    let names: Vec<String> = LOADED.split_whitespace().map(|name| format!("{name}.py")).collect();
    let mut files = vec![("app.py", code), ("calendar.py", "X = 'own'\n")];
    files.extend(
        names
            .iter()
            .map(|name| (name.as_str(), "raise RuntimeError('of the function')\n")),
    );
    let function = world.function(PYTHON, "app.handler", &files);
    let folder = folder_of(&function);
    let raised = r#"Runtime.Unknown {"errorMessage": "bad", "errorType": "ValueError", "requestId": "ID", "stackTrace": ["  File \"/var/task/app.py\", line 7, in handler\n    raise ValueError('bad')\n"]}"#;
    let good = r#"["1", "own"]"#;
    assert_eq!(outcomes(&world, function, &["0", "1", "0"]).await, [good, raised, good]);
    let lines = log_lines(&world, &folder, Source::Runtime, 4).await;
    assert_eq!(lines[0], "[WARNING]\tTIME\tID\tlogged");

    // Each alone, without what another one would have loaded already.
    for name in ["json", "types", "token", "traceback"] {
        let file = format!("{name}.py");
        let code = "def handler(event, context):\n    raise ValueError('bad')\n";
        let function = world.function(PYTHON, "app.handler", &[("app.py", code), (&file, "X = 1\n")]);
        let outcomes = outcomes(&world, function, &["1", "1"]).await;
        for outcome in outcomes {
            assert!(outcome.contains(r#""errorType": "ValueError""#), "{name}: {outcome}");
        }
    }
}

/// The packages that Lambda brings along may come from the host, and nothing else may.
async fn lends_packages(world: World) {
    // The folders of this host may hold anything, so the function puts others in their place.
    let code = "
import os, sys
sys.meta_path[-1].folders = [os.path.join(os.environ['LAMBDA_TASK_ROOT'], 'host')]
import boto3, boto3.session
try:
    import requests
except ModuleNotFoundError as error:
    missing = str(error)
def handler(event, context):
    return [boto3.session.X, missing, any('host' in folder for folder in sys.path)]
";
    let files = &[
        ("app.py", code),
        ("host/boto3/__init__.py", ""),
        ("host/boto3/session.py", "X = 'lent'"),
        ("host/requests.py", ""),
    ];
    let function = world.function(PYTHON, "app.handler", files);
    let found = outcomes(&world, function, &["{}"]).await;
    assert_eq!(found, [r#"["lent", "No module named 'requests'", false]"#]);
}

async fn results_become_json(world: World) {
    let rows = [
        row!("every kind of value",
            "def handler(event, context):\n    return {'s': 'ä\"\\n', 'n': [1, 2.5, True, None], 't': (1, 2), 3: {}}\n",
            "{}" => r#"{"s": "ä\"\n", "n": [1, 2.5, true, null], "t": [1, 2], "3": {}}"#),
        row!("the event comes as it was",
            "def handler(event, context):\n    return event\n",
            r#"{"b":1,"a":["ä😀","\u00e4",1e2]}"# => r#"{"b": 1, "a": ["ä😀", "ä", 100.0]}"#, "null" => "null"),
        row!("decimal numbers, named tuples, bytes, and floats that are no numbers",
            "from collections import namedtuple\nfrom decimal import Decimal\nPair = namedtuple('Pair', 'a b')\n\
             def handler(event, context):\n    return {'d': [Decimal('1.10'), Decimal('NaN')], 'p': Pair(1, Pair(2, Decimal(3))), 'b': b'raw', 'f': float('inf')}\n",
            "{}" => r#"{"d": [1.10, NaN], "p": {"a": 1, "b": {"a": 2, "b": 3}}, "b": "raw", "f": Infinity}"#),
        row!("bytes are the answer themselves",
            "def handler(event, context):\n    return b'not json'\n", "{}" => "not json"),
        row!("what JSON cannot carry, and then what it can",
            "class Thing:\n    pass\ndef handler(event, context):\n    return {'set': {1}, 'object': Thing(), 'bytes': [b'\\xff'], 'key': {(1, 2): 3}, 'surrogate': '\\ud800'}[event]\n",
            r#""set""# => r#"Runtime.MarshalError {"errorMessage": "Unable to marshal response: Object of type set is not JSON serializable", "errorType": "Runtime.MarshalError", "requestId": "ID", "stackTrace": []}"#,
            r#""object""# => r#"Runtime.MarshalError {"errorMessage": "Unable to marshal response: Object of type Thing is not JSON serializable", "errorType": "Runtime.MarshalError", "requestId": "ID", "stackTrace": []}"#,
            r#""bytes""# => r#"Runtime.MarshalError {"errorMessage": "Unable to marshal response: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte", "errorType": "Runtime.MarshalError", "requestId": "ID", "stackTrace": []}"#,
            r#""key""# => r#"Runtime.MarshalError {"errorMessage": "Unable to marshal response: keys must be str, int, float, bool or None, not tuple", "errorType": "Runtime.MarshalError", "requestId": "ID", "stackTrace": []}"#,
            r#""surrogate""# => r#"Runtime.MarshalError {"errorMessage": "Unable to marshal response: 'utf-8' codec can't encode character '\\ud800' in position 1: surrogates not allowed", "errorType": "Runtime.MarshalError", "requestId": "ID", "stackTrace": []}"#,
        ),
        row!("circles",
            "def handler(event, context):\n    circle = [event]\n    circle.append(circle)\n    return circle if event else 'fine'\n",
            "1" => r#"Runtime.MarshalError {"errorMessage": "Unable to marshal response: Circular reference detected", "errorType": "Runtime.MarshalError", "requestId": "ID", "stackTrace": []}"#,
            "0" => r#""fine""#),
        row!("a coroutine is not awaited",
            "import warnings\nwarnings.simplefilter('ignore')\nasync def handler(event, context):\n    return 1\n",
            "{}" => r#"Runtime.MarshalError {"errorMessage": "Unable to marshal response: Object of type coroutine is not JSON serializable", "errorType": "Runtime.MarshalError", "requestId": "ID", "stackTrace": []}"#),
        row!("a generator",
            "def handler(event, context):\n    yield 1\n",
            "{}" => r#"Runtime.MarshalError {"errorMessage": "Unable to marshal response: Object of type generator is not JSON serializable", "errorType": "Runtime.MarshalError", "requestId": "ID", "stackTrace": []}"#),
        row!("an event that is no JSON",
            "def handler(event, context):\n    return event\n",
            "{x" => r#"Runtime.UnmarshalError {"errorMessage": "Unable to unmarshal input: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)", "errorType": "Runtime.UnmarshalError", "requestId": "ID", "stackTrace": []}"#,
            "1" => "1"),
    ];
    check(&world, PYTHON, &rows).await;
}

async fn older_runtimes_escape(world: World) {
    let row = row!("letters beyond ASCII", "def handler(event, context):\n    return event\n",
        "\"ä😀\"" => r#""\u00e4\ud83d\ude00""#);
    check(&world, "python3.11", &[row]).await;
}

async fn context(world: World) {
    let code = "
import os, time
def handler(event, context):
    left = context.get_remaining_time_in_millis()
    identity, client = context.identity, context.client_context
    return {
        'id': context.aws_request_id, 'arn': context.invoked_function_arn, 'name': context.function_name,
        'version': context.function_version, 'memory': context.memory_limit_in_mb, 'group': context.log_group_name,
        'stream': context.log_stream_name == os.environ['AWS_LAMBDA_LOG_STREAM_NAME'],
        'identity': [identity.cognito_identity_id, identity.cognito_identity_pool_id], 'client': client,
        'tenant': context.tenant_id, 'left': type(left) is int and 25000 < left <= 30000,
        'trace': os.environ['_X_AMZN_TRACE_ID'], 'repr': repr(context).startswith('LambdaContext([aws_request_id='),
    }
";
    let row = Row {
        what: "the context",
        handler: "app.handler",
        files: &[("app.py", code)],
        expected: &[(
            "{}",
            r#"{"id": "ID", "arn": "arn:aws:lambda:eu-west-1:111122223333:function:f", "name": "f", "version": "$LATEST", "memory": "128", "group": "/aws/lambda/f", "stream": true, "identity": [null, null], "client": null, "tenant": null, "left": true, "trace": "Root=1-5-7", "repr": true}"#,
        )],
    };
    check(&world, PYTHON, &[row]).await;
}

// LAM-I-018: a Python error payload arrives as its client posted it
async fn exceptions(world: World) {
    let rows = [
        row!("an exception of a function below the handler, and then an answer",
            "def inner(event):\n    raise ValueError('bad ' + event)\n\ndef handler(event, context):\n    if event:\n        inner(event)\n    return 'fine'\n",
            r#""wörd""# => r#"Runtime.Unknown {"errorMessage": "bad wörd", "errorType": "ValueError", "requestId": "ID", "stackTrace": ["  File \"/var/task/app.py\", line 6, in handler\n    inner(event)\n", "  File \"/var/task/app.py\", line 2, in inner\n    raise ValueError('bad ' + event)\n"]}"#,
            "0" => r#""fine""#),
        row!("no message",
            "class Mine(Exception):\n    pass\ndef handler(event, context):\n    raise Mine\n",
            "{}" => r#"Runtime.Unknown {"errorMessage": "", "errorType": "Mine", "requestId": "ID", "stackTrace": ["  File \"/var/task/app.py\", line 4, in handler\n    raise Mine\n"]}"#),
        row!("a message that fails",
            "class Mine(Exception):\n    def __str__(self):\n        raise KeyError\ndef handler(event, context):\n    raise Mine\n",
            "{}" => r#"Runtime.Unknown {"errorMessage": "<unprintable Mine object>", "errorType": "Mine", "requestId": "ID", "stackTrace": ["  File \"/var/task/app.py\", line 5, in handler\n    raise Mine\n"]}"#),
        row!("a message that UTF-8 cannot carry",
            "def handler(event, context):\n    raise Exception('\\udc80')\n",
            "{}" => r#"Runtime.Unknown {"errorMessage": "\udc80", "errorType": "Exception", "requestId": "ID", "stackTrace": ["  File \"/var/task/app.py\", line 2, in handler\n    raise Exception('\\udc80')\n"]}"#),
        row!("a type named like one of the runtime's",
            "class Fault(Exception):\n    pass\nFault.__name__ = 'Function.Mine'\ndef handler(event, context):\n    raise Fault('f')\n",
            "{}" => r#"Function.Mine {"errorMessage": "f", "errorType": "Function.Mine", "requestId": "ID", "stackTrace": ["  File \"/var/task/app.py\", line 5, in handler\n    raise Fault('f')\n"]}"#),
        row!("a handler with too few parameters",
            "def handler(event):\n    return 1\n",
            "{}" => r#"Runtime.Unknown {"errorMessage": "handler() takes 1 positional argument but 2 were given", "errorType": "TypeError", "requestId": "ID", "stackTrace": []}"#),
    ];
    check(&world, PYTHON, &rows).await;
}

async fn init_errors(world: World) {
    let rows = [
        Row {
            what: "no module",
            handler: "app.handler",
            files: &[("other.py", "")],
            expected: &[(
                "{}",
                r#"Runtime.ImportModuleError {"errorMessage": "Unable to import module 'app': No module named 'app'", "errorType": "Runtime.ImportModuleError", "requestId": "", "stackTrace": []}"#,
            )],
        },
        row!("a package that the function forgot to bring",
            "import a_package_that_nobody_has\n",
            "{}" => r#"Runtime.ImportModuleError {"errorMessage": "Unable to import module 'app': No module named 'a_package_that_nobody_has'", "errorType": "Runtime.ImportModuleError", "requestId": "", "stackTrace": []}"#),
        row!("a syntax error",
            "import os\n\ndef handler(:\n    pass\n",
            "{}" => r#"Runtime.UserCodeSyntaxError {"errorMessage": "Syntax error in module 'app': invalid syntax (app.py, line 3)", "errorType": "Runtime.UserCodeSyntaxError", "requestId": "", "stackTrace": ["  File \"/var/task/app.py\" Line 3\n    def handler(:\n"]}"#),
        row!("a null byte",
            "import os\n\nX = 'a\0b'\n",
            "{}" => r#"Runtime.UserCodeSyntaxError {"errorMessage": "Syntax error in module 'app': source code string cannot contain null bytes", "errorType": "Runtime.UserCodeSyntaxError", "requestId": "", "stackTrace": ["  File \"/var/task/app.py\" Line 3\n    X = 'a\\0\n"]}"#),
        Row {
            what: "a null byte in a module that the handler's imports",
            handler: "app.handler",
            files: &[("app.py", "import pkg.other\n"), ("pkg/other.py", "X = 1 \0\n")],
            expected: &[(
                "{}",
                r#"Runtime.UserCodeSyntaxError {"errorMessage": "Syntax error in module 'app': source code string cannot contain null bytes", "errorType": "Runtime.UserCodeSyntaxError", "requestId": "", "stackTrace": ["  File \"/var/task/pkg/other.py\" Line 1\n    X = 1 \\0\n"]}"#,
            )],
        },
        Row {
            what: "no function of that name",
            handler: "app.handle",
            files: &[("app.py", "def handler(event, context):\n    pass\n")],
            expected: &[(
                "{}",
                r#"Runtime.HandlerNotFound {"errorMessage": "Handler 'handle' missing on module 'app'", "errorType": "Runtime.HandlerNotFound", "requestId": "", "stackTrace": []}"#,
            )],
        },
        Row {
            what: "a handler without a dot",
            handler: "app",
            files: &[("app.py", "")],
            expected: &[(
                "{}",
                r#"Runtime.MalformedHandlerName {"errorMessage": "Bad handler 'app': not enough values to unpack (expected 2, got 1)", "errorType": "Runtime.MalformedHandlerName", "requestId": "", "stackTrace": []}"#,
            )],
        },
        Row {
            what: "a module that the interpreter has built in",
            handler: "sys.handler",
            files: &[("sys.py", "")],
            expected: &[(
                "{}",
                r#"Runtime.BuiltInModuleConflict {"errorMessage": "Cannot use built-in module sys as a handler module", "errorType": "Runtime.BuiltInModuleConflict", "requestId": "", "stackTrace": []}"#,
            )],
        },
        row!("an exception while importing",
            "def load():\n    raise KeyError('TABLE')\n\nload()\n",
            "{}" => r#"Runtime.Unknown {"errorMessage": "'TABLE'", "errorType": "KeyError", "requestId": "", "stackTrace": ["  File \"/var/task/app.py\", line 4, in <module>\n    load()\n", "  File \"/var/task/app.py\", line 2, in load\n    raise KeyError('TABLE')\n"]}"#,
            // Static code runs again with every invocation until it succeeds.
            "{}" => r#"Runtime.Unknown {"errorMessage": "'TABLE'", "errorType": "KeyError", "requestId": "", "stackTrace": ["  File \"/var/task/app.py\", line 4, in <module>\n    load()\n", "  File \"/var/task/app.py\", line 2, in load\n    raise KeyError('TABLE')\n"]}"#),
        row!("corrected", "def handler(event, context):\n    return 'fine'\n", "{}" => r#""fine""#),
    ];
    check(&world, PYTHON, &rows).await;
    // Older versions of Python have another error for it, and tell as little.
    let function = world.function("python3.9", "app.handler", &[("app.py", "import os\n\nX = 'a\0b'\n")]);
    let found = outcomes(&world, function, &["{}"]).await;
    let place = r#""stackTrace": ["  File \"/var/task/app.py\" Line 3\n    X = 'a\\0\n"]"#;
    assert!(found[0].contains(place), "{}", found[0]);
}

async fn init_that_ends_the_process(world: World) {
    let exit = |how: &str| {
        let error = format!("RequestId: ID Error: Runtime exited {how}");
        format!(r#"Runtime.ExitError {{"errorType":"Runtime.ExitError","errorMessage":"{error}"}}"#)
    };
    for (code, how) in [
        ("import sys\nsys.exit(3)\n", "with error: exit status 3"),
        ("import sys\nsys.exit()\n", "without providing a reason"),
        ("raise SystemExit('a text')\n", "with error: exit status 1"),
        ("raise KeyboardInterrupt\n", "with error: signal: interrupt"),
        ("import os\nos.abort()\n", "with error: signal: aborted"),
    ] {
        let function = world.function(PYTHON, "app.handler", &[("app.py", code)]);
        assert_eq!(outcomes(&world, function, &["{}"]).await, [exit(how)], "{code}");
    }
}

// LAM-G-013: a log record and an unhandled error are one event each, with their newlines
async fn log_text(world: World) {
    let code = "
import logging
logging.basicConfig(level='CRITICAL')
log = logging.getLogger()
log.warning('while %s', 'importing')
log.info('not shown')
log.setLevel('INFO')
def handler(event, context):
    logging.getLogger('mine').info('two\\nlines')
    context.log('as it is')
    raise ValueError('bad')
";
    let function = world.function(PYTHON, "app.handler", &[("app.py", code)]);
    let folder = folder_of(&function);
    outcomes(&world, function, &["{}"]).await;
    assert_eq!(
        log_lines(&world, &folder, Source::Runtime, 4).await,
        [
            "[WARNING]\tTIME\t\twhile importing",
            "[INFO]\tTIME\tID\ttwo\nlines",
            "as it is",
            "[ERROR] ValueError: bad\nTraceback (most recent call last):\n\u{a0}\u{a0}File \"/var/task/app.py\", line 11, in \
             handler\n\u{a0}\u{a0}\u{a0}\u{a0}raise ValueError('bad')",
        ]
    );
}

// LAM-E-009: AWS_LAMBDA_LOG_FORMAT is JSON when LogFormat is JSON
async fn log_json(world: World) {
    let code = "
import logging, os
log = logging.getLogger('mine')
def handler(event, context):
    log.debug('not shown')
    log.info('text %d', 1, extra={'order': 7})
    try:
        {}['key']
    except KeyError:
        log.exception('caught')
    if event:
        raise ValueError('bad')
    return [os.environ['AWS_LAMBDA_LOG_FORMAT'], os.environ['AWS_LAMBDA_LOG_LEVEL']]
";
    let mut function = world.function(PYTHON, "app.handler", &[("app.py", code)]);
    function.configuration.logging.format = LogFormat::Json {
        application_level: ApplicationLogLevel::Info,
        system_level: SystemLogLevel::Warn,
    };
    let folder = folder_of(&function);
    let outcomes = outcomes(&world, function, &["0", "1"]).await;
    assert_eq!(outcomes[0], r#"["JSON", "INFO"]"#);
    let lines = log_lines(&world, &folder, Source::Runtime, 5).await;
    assert_eq!(
        lines[0],
        r#"{"timestamp": "TIME", "level": "INFO", "message": "text 1", "logger": "mine", "requestId": "ID", "order": 7}"#
    );
    let caught: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
    for (field, expected) in [
        ("level", "ERROR"),
        ("message", "caught"),
        ("errorType", "KeyError"),
        ("errorMessage", "'key'"),
        ("location", "/var/task/app.py:handler:10"),
    ] {
        assert_eq!(caught[field], expected, "{field}");
    }
    assert!(caught["stackTrace"][0].as_str().unwrap().contains("line 8, in handler"));
    assert_eq!(
        lines[4],
        r#"{"timestamp": "TIME", "level": "ERROR", "errorMessage": "bad", "errorType": "ValueError", "requestId": "ID", "stackTrace": ["  File \"/var/task/app.py\", line 12, in handler\n    raise ValueError('bad')\n"]}"#
    );
    assert_eq!(lines.len(), 5);
}

async fn prints(world: World) {
    let code = "
import os, sys
print('importing')
def handler(event, context):
    print('one', 'ä', '\\udc80')
    sys.stdout.buffer.write(b'\\x00\\xff binary\\n')
    print('to stderr', file=sys.stderr)
    print('no newline', end='')
    if event:
        os._exit(1)
    return 1
";
    let mut function = world.function(PYTHON, "app.handler", &[("app.py", code)]);
    function.configuration.timeout = Duration::from_secs(20).try_into().unwrap();
    let folder = folder_of(&function);
    outcomes(&world, function, &["0", "1"]).await;
    world::until(|| world.functions.reports().iter().all(|report| report.busy == 0)).await;
    // What was printed without a newline is out before the answer, so before what the next invocation prints. What that
    // one wrote below the text layer is lost with its process.
    let expected = "importingone ä \u{fffd}\0\u{fffd} binaryno newlineone ä \u{fffd}";
    let stdout = || world.log.of(Source::Stdout).concat();
    world::until(|| stdout().len() >= expected.len()).await;
    assert_eq!(stdout(), expected);
    let stderr = log_lines(&world, &folder, Source::Stderr, 2).await;
    assert_eq!(stderr, ["to stderr", "to stderr"]);
}
