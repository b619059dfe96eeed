//! What a managed runtime finds around it: variables, wrapper, folder; and which interpreter serves it.

use crate::Case;
use crate::stage::{Row, check, outcomes};
use crate::world::{World, folder_of};
use functions::Source;
use model::Secret;
use model::lambda::function::{Code, CodeLocation, Environment, Function, Layers};
use model::lambda::runtime::Runtime;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;

pub(crate) const CASES: &[Case] = &[
    ("variables_of_python", |world| Box::pin(variables_of_python(world))),
    ("variables_of_node", |world| Box::pin(variables_of_node(world))),
    ("customer_values_win", |world| Box::pin(customer_values_win(world))),
    ("wrappers", |world| Box::pin(wrappers(world))),
    ("modules_from_layers", |world| Box::pin(modules_from_layers(world))),
    ("the_code_stays_as_it_is", |world| {
        Box::pin(the_code_stays_as_it_is(world))
    }),
    ("strict_runtimes", |world| Box::pin(strict_runtimes(world))),
    ("runtimes_that_cannot_be_written", |world| {
        Box::pin(runtimes_that_cannot_be_written(world))
    }),
];

const PYTHON_VARIABLES: &str = "
import os, sys
def handler(event, context):
    return {'variables': dict(os.environ), 'cwd': os.getcwd(), 'path': sys.path, 'argv': sys.argv, 'program': sys.executable}
";

/// A program that answers once, with the wrapper that it was told of.
const BOOTSTRAP: &str = r#"#!/usr/bin/env python3
import http.client, os
connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
def call(method, path, body=None):
    connection.request(method, '/2018-06-01/runtime/invocation/' + path, body)
    answer = connection.getresponse()
    answer.read()
    return answer.headers['Lambda-Runtime-Aws-Request-Id']
call('POST', call('GET', 'next') + '/response', os.environ.get('AWS_LAMBDA_EXEC_WRAPPER', 'none'))
call('GET', 'next')
"#;

const NODE_VARIABLES: &str = "exports.handler = async () => ({ variables: process.env, cwd: process.cwd() })";

pub(crate) fn with_variables(mut function: Function, variables: &[(&str, &str)]) -> Function {
    let variables: BTreeMap<_, _> = variables
        .iter()
        .map(|&(name, value)| (name.to_owned(), Secret::new(value.to_owned())))
        .collect();
    function.configuration.environment = Environment::new(variables).unwrap();
    function
}

/// A folder of the case as the only layer.
fn with_layer(world: &World, mut function: Function, files: &[(&str, &str)]) -> Function {
    let folder = world.directory.join("layer");
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let layer = Code {
        location: CodeLocation::Folder(folder),
        revision: "1".into(),
    };
    function.configuration.layers = Layers::try_from(vec![layer]).unwrap();
    function
}

/// What layers bring is found, behind the function's own. Source: Lambda 1.7.
async fn modules_from_layers(world: World) {
    let python = [
        ("python/from_layer.py", "NAME = 'layer'"),
        ("python/both.py", "NAME = 'layer'"),
        ("python/more.pth", "more"),
        ("python/more/by_path.py", "NAME = 'path file'"),
    ];
    let files = [
        (
            "app.py",
            "import both, by_path, from_layer\ndef handler(event, context):\n    return [both.NAME, from_layer.NAME, by_path.NAME]",
        ),
        ("both.py", "NAME = 'own'"),
    ];
    let function = with_layer(&world, world.function("python3.12", "app.handler", &files), &python);
    assert_eq!(
        outcomes(&world, function.clone(), &["{}"]).await,
        [r#"["own", "layer", "path file"]"#]
    );
    // A search path of the function's own is instead of that, as on Lambda.
    let own_path = with_variables(function, &[("PYTHONPATH", "/nowhere")]);
    let outcome = outcomes(&world, own_path, &["{}"]).await.remove(0);
    assert!(outcome.contains("No module named 'by_path'"), "{outcome}");

    let node = [("nodejs/node_modules/from-layer/index.js", "module.exports = 'layer'")];
    let files = [("app.js", "exports.handler = async () => require('from-layer')")];
    let function = with_layer(&world, world.function("nodejs22.x", "app.handler", &files), &node);
    assert_eq!(outcomes(&world, function, &["{}"]).await, ["\"layer\""]);
}

async fn report(world: &World, function: Function) -> Value {
    let outcomes = outcomes(world, function, &["{}"]).await;
    serde_json::from_str(&outcomes[0]).unwrap_or_else(|_| panic!("not a report: {}", outcomes[0]))
}

/// The variables that every managed runtime has, but for those that hold a place on this machine.
const EVERYWHERE: &[(&str, &str)] = &[
    ("AWS_DEFAULT_REGION", "eu-west-1"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
    ("AWS_LAMBDA_FUNCTION_NAME", "f"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
    ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f"),
    ("AWS_REGION", "eu-west-1"),
    ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
    ("LAMBDA_TASK_ROOT", "/var/task"),
    ("LANG", "en_US.UTF-8"),
    ("LD_LIBRARY_PATH", "/lib64:/usr/lib64:/var/task:/var/task/lib:/opt/lib"),
    ("STAGE", "dev"),
    ("TZ", ":UTC"),
    ("_X_AMZN_TRACE_ID", "Root=1-5-7"),
];

#[track_caller]
fn check_variables(report: &Value, more: &[(&str, &str)]) {
    let variables = report["variables"].as_object().unwrap();
    for (name, value) in EVERYWHERE.iter().chain(more) {
        assert_eq!(variables.get(*name), Some(&Value::from(*value)), "{name}");
    }
    // Which place, differs. `LC_CTYPE` is Python's own doing where the host lacks the locale of `LANG`.
    let places = [
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_METADATA_API",
        "AWS_LAMBDA_METADATA_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_RUNTIME_DIR",
        "LC_CTYPE",
        "NODE_PATH",
        "PATH",
        "PYTHONPATH",
        "TMPDIR",
    ];
    for name in variables.keys() {
        let known = EVERYWHERE.iter().chain(more).any(|(known, _)| known == name);
        assert!(known || places.contains(&name.as_str()), "{name} is too much");
    }
    assert!(
        variables["PATH"]
            .as_str()
            .unwrap()
            .ends_with(":/usr/local/bin:/usr/bin/:/bin:/opt/bin")
    );
    assert_eq!(report["cwd"], "/var/task");
}

// LAM-E-007: the variables of a managed runtime; credentials come with a door
async fn variables_of_python(world: World) {
    let function = world.function("python3.13", "app.handler", &[("app.py", PYTHON_VARIABLES)]);
    let report = report(&world, with_variables(function, &[("STAGE", "dev")])).await;
    check_variables(
        &report,
        &[
            ("AWS_EXECUTION_ENV", "AWS_Lambda_python3.13"),
            ("_HANDLER", "app.handler"),
        ],
    );
    let variables = &report["variables"];
    assert_eq!(variables["PYTHONPATH"], variables["LAMBDA_RUNTIME_DIR"]);
    assert_eq!(report["path"][0], "/var/task");
    assert_eq!(report["path"][1], variables["LAMBDA_RUNTIME_DIR"]);
    let bootstrap = format!("{}/bootstrap.py", variables["LAMBDA_RUNTIME_DIR"].as_str().unwrap());
    assert_eq!(report["argv"], serde_json::json!([bootstrap]));
    // The program itself, and not what `PATH` has in front of it.
    let program = report["program"].as_str().unwrap();
    let folder = program.rsplit_once('/').unwrap().0;
    assert!(
        variables["PATH"].as_str().unwrap().starts_with(&format!("{folder}:")),
        "{program}"
    );
}

// LAM-E-007
async fn variables_of_node(world: World) {
    let function = world.function("nodejs18.x", "index.handler", &[("index.js", NODE_VARIABLES)]);
    let report = report(&world, with_variables(function, &[("STAGE", "dev")])).await;
    check_variables(
        &report,
        &[
            ("AWS_EXECUTION_ENV", "AWS_Lambda_nodejs18.x"),
            ("_HANDLER", "index.handler"),
        ],
    );
    let variables = &report["variables"];
    let runtime = variables["LAMBDA_RUNTIME_DIR"].as_str().unwrap();
    let path = variables["NODE_PATH"].as_str().unwrap();
    assert!(path.starts_with("/opt/nodejs/node"), "{path}");
    assert!(
        path.ends_with(&format!(
            ":/opt/nodejs/node_modules:{runtime}/node_modules:{runtime}:/var/task"
        )),
        "{path}"
    );
}

// LAM-E-010: customer values for PATH, LD_LIBRARY_PATH, PYTHONPATH and NODE_PATH are honoured
async fn customer_values_win(world: World) {
    let python = world.function("python3.12",
        "app.handler",
        &[
            (
                "app.py",
                "import elsewhere, os\ndef handler(event, context):\n    return [elsewhere.X, os.environ['PATH'], os.environ['LD_LIBRARY_PATH']]\n",
            ),
            ("libraries/elsewhere.py", "X = 'found'\n"),
        ],
    );
    let libraries = world.seen(&python).join("libraries").display().to_string();
    let python = with_variables(
        python,
        &[
            ("PYTHONPATH", &libraries),
            ("PATH", "/mine"),
            ("LD_LIBRARY_PATH", "/lib"),
        ],
    );
    assert_eq!(
        outcomes(&world, python, &["{}"]).await,
        [r#"["found", "/mine", "/lib"]"#]
    );

    let node = world.function(
        "nodejs20.x",
        "index.handler",
        &[
            (
                "index.js",
                "const x = require('elsewhere')\nexports.handler = async () => [x, process.env.PATH]",
            ),
            ("libraries/elsewhere.js", "module.exports = 'found'"),
        ],
    );
    let libraries = world.seen(&node).join("libraries").display().to_string();
    let node = with_variables(
        node,
        &[
            ("NODE_PATH", &libraries),
            ("PATH", "/mine"),
            ("NODE_OPTIONS", "--no-warnings"),
        ],
    );
    assert_eq!(outcomes(&world, node, &["{}"]).await, [r#"["found","/mine"]"#]);
}

// LAM-E-011: the wrapper is executed with the interpreter and its arguments, and ignored for provided.*
// LAM-E-012: a missing wrapper yields Runtime.ExitError exit status 127
async fn wrappers(world: World) {
    const WRAPPER: &str = "#!/bin/sh\nexport WRAPPED=\"$(basename \"$1\") $#\"\nexec \"$@\"\n";
    let python = &[
        (
            "app.py",
            "import os\ndef handler(event, context):\n    return os.environ['WRAPPED']\n",
        ),
        ("wrapper", WRAPPER),
    ];
    let function_with = |wrapper: &str| {
        let function = world.function("python3.12", "app.handler", python);
        with_variables(function, &[("AWS_LAMBDA_EXEC_WRAPPER", wrapper)])
    };
    let wrapped = outcomes(&world, function_with("/var/task/wrapper"), &["{}"]).await;
    assert!(wrapped[0].starts_with("\"python3"), "{wrapped:?}");

    let exit = |status: u32| {
        let error = format!("RequestId: ID Error: Runtime exited with error: exit status {status}");
        format!(r#"Runtime.ExitError {{"errorType":"Runtime.ExitError","errorMessage":"{error}"}}"#)
    };
    let missing = outcomes(&world, function_with("/nowhere/wrapper"), &["{}"]).await;
    assert_eq!(missing, [exit(127)]);

    let provided = world.function("provided.al2023", "", &[("bootstrap", BOOTSTRAP)]);
    let provided = with_variables(provided, &[("AWS_LAMBDA_EXEC_WRAPPER", "/nowhere/wrapper")]);
    assert_eq!(outcomes(&world, provided, &["{}"]).await, ["/nowhere/wrapper"]);
}

async fn the_code_stays_as_it_is(world: World) {
    let function = world.function(
        "python3.12",
        "app.handler",
        &[
            ("app.py", "import other\ndef handler(event, context):\n    pass\n"),
            ("other.py", ""),
        ],
    );
    let folder = folder_of(&function);
    outcomes(&world, function, &["{}"]).await;
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["app.py", "other.py"], "nothing was compiled into it");

    // But the bootstrap was compiled, so that it need not be at every start.
    let runtimes = std::fs::read_dir(world.directory.join("data/runtimes")).unwrap();
    let folders: Vec<_> = runtimes.map(|entry| entry.unwrap().path()).collect();
    let [folder] = folders.as_slice() else {
        panic!("one version, one folder: {folders:?}")
    };
    let compiled = std::fs::read_dir(folder.join("python/_albacore/__pycache__")).unwrap();
    let compiled: Vec<_> = compiled.map(|entry| entry.unwrap().file_name()).collect();
    let is_main = |name: &OsString| name.to_str().is_some_and(|name| name.starts_with("main.cpython-3"));
    assert!(compiled.iter().any(is_main), "{compiled:?}");
}

async fn strict_runtimes(world: World) {
    let code = &[(
        "app.py",
        "import sys\ndef handler(event, context):\n    return list(sys.version_info[:2])\n",
    )];
    let found = outcomes(&world, world.function("python3.12", "app.handler", code), &["{}"]).await;
    let minor: u8 = found[0]
        .trim_start_matches("[3, ")
        .trim_end_matches(']')
        .parse()
        .unwrap();
    let [exact, other] = [
        format!("python3.{minor}"),
        format!("python3.{}", if minor == 8 { 9 } else { 8 }),
    ];

    let strict = world.with_options(|options| options.strict_runtimes = true);
    let function_of = |runtime: &str| strict.function(runtime, "app.handler", code);
    let exact_outcome = outcomes(&strict, function_of(&exact), &["{}"]).await;
    let state = || strict.state.borrow().clone();
    let exact_is_silent = strict.functions.runtime_notices(&state()).await;
    assert!(
        exact_is_silent.is_empty() && Runtime::try_from(exact.as_str()).is_ok(),
        "{exact_is_silent:?}"
    );
    assert_eq!(exact_outcome, [format!("[3, {minor}]")]);

    // Whether this host has the other version too, is not for the test to say.
    let outcomes = outcomes(&strict, function_of(&other), &["{}"]).await;
    let notices = strict.functions.runtime_notices(&state()).await;
    match notices.as_slice() {
        [] => assert_eq!(outcomes[0], format!("[3, {}]", other.trim_start_matches("python3."))),
        [notice] => {
            assert!(notice.missing, "{notice:?}");
            assert!(
                notice
                    .message
                    .starts_with(&format!("{other}: --strict-runtimes wants Python 3.")),
                "{notice:?}"
            );
            // Whoever runs albacore is told more.
            assert_eq!(outcomes[0], "Refused(InvalidRuntime)");
            let log = strict.log.of(Source::Notice);
            assert!(log.contains(&notice.message), "{log:?}");
        }
        more => panic!("one function, one notice: {more:?}"),
    }
    strict.core.shutdown().await;
}

async fn runtimes_that_cannot_be_written(world: World) {
    std::fs::create_dir_all(world.directory.join("data")).unwrap();
    std::fs::write(world.directory.join("data/runtimes"), "a file").unwrap();
    let function = world.function(
        "python3.12",
        "app.handler",
        &[("app.py", "def handler(event, context):\n    return 1\n")],
    );
    let outcomes_without = outcomes(&world, function, &["{}"]).await;
    // It is not the function's fault.
    assert_eq!(outcomes_without, ["Refused(ServiceFailure)"]);
    let notices = world.log.of(Source::Notice);
    assert!(
        notices[0].contains("the managed runtimes cannot be written to "),
        "{notices:?}"
    );
    // Nothing else needs them.
    let provided = world.function("provided.al2023", "", &[("bootstrap", BOOTSTRAP)]);
    assert_eq!(outcomes(&world, provided, &["[1]"]).await, ["none"]);
    let row = Row {
        what: "still not there for another managed runtime",
        handler: "index.handler",
        files: &[("index.js", "")],
        expected: &[],
    };
    check(&world, "nodejs20.x", &[row]).await;
}
