//! The life of a runtime in each language: what its layers bring, an extension beside it, its wrapper, and its end.

use crate::Case;
use crate::environment::with_variables;
use crate::stage::outcomes;
use crate::world::{World, folder_of, until};
use functions::Source;
use model::lambda::function::{Code, CodeLocation, Function, Layers};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(crate) const CASES: &[Case] = &[
    ("life_of_python", |world| Box::pin(life(world, python))),
    ("life_of_node", |world| Box::pin(life(world, node))),
    ("life_of_ruby", |world| Box::pin(life(world, ruby))),
    ("life_of_java", |world| Box::pin(life(world, java))),
    ("end_without_extensions", |world| {
        Box::pin(end_without_extensions(world))
    }),
];

/// What the function of each language does: it answers with the word that a layer brings and with what its wrapper has set,
/// and says `told to end` when it gets SIGTERM.
type Make = fn(&World, &Path) -> Function;

/// Says what it hears, until it is told of the end.
const WATCHER: &str = r#"#!/usr/bin/python3
import http.client, json, os
connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
def call(method, path, body=None, headers={}):
    connection.request(method, '/2020-01-01/extension' + path, body, headers)
    answer = connection.getresponse()
    return answer.read().decode(), answer.headers
events = json.dumps({'events': ['INVOKE', 'SHUTDOWN']})
_, headers = call('POST', '/register', events, {'Lambda-Extension-Name': 'watcher'})
me = {'Lambda-Extension-Identifier': headers['Lambda-Extension-Identifier']}
event = {'eventType': ''}
while event['eventType'] != 'SHUTDOWN':
    event = json.loads(call('GET', '/event/next', None, me)[0])
    print('heard', event['eventType'], event.get('shutdownReason', '-'), flush=True)
"#;

/// A wrapper gets the interpreter and its arguments.
const WRAPPER: (&str, &str) = ("wrapper", "#!/bin/sh\nexport WRAPPED=\"${1##*/}\"\nexec \"$@\"\n");

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn python(world: &World, layer: &Path) -> Function {
    write(&layer.join("python/brought.py"), "WORD = 'brought'\n");
    let code = "
import brought, os, signal, sys
def end(*_):
    print('told to end', flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
def handler(event, context):
    return [brought.WORD, os.environ.get('WRAPPED', '')]
";
    world.function("python3.12", "app.handler", &[("app.py", code), WRAPPER])
}

fn node(world: &World, layer: &Path) -> Function {
    let module = layer.join("nodejs/node_modules/brought/index.js");
    write(&module, "module.exports = 'brought'\n");
    let code = "
const brought = require('brought')
process.on('SIGTERM', () => { console.log('told to end'); process.exit(0) })
exports.handler = async () => [brought, process.env.WRAPPED ?? '']
";
    world.function("nodejs22.x", "app.handler", &[("app.js", code), WRAPPER])
}

fn ruby(world: &World, layer: &Path) -> Function {
    write(&layer.join("ruby/lib/brought.rb"), "WORD = 'brought'\n");
    let code = "
require 'brought'
Signal.trap('TERM') do
  $stdout.syswrite(\"told to end\\n\")
  exit!(0)
end
def handler(event:, context:)
  [WORD, ENV['WRAPPED'].to_s]
end
";
    world.function("ruby3.3", "app.handler", &[("app.rb", code), WRAPPER])
}

fn java(world: &World, layer: &Path) -> Function {
    crate::java::install_client(world);
    let sources = world.directory.join("java");
    let word = sources.join("brought/Word.java");
    let own = sources.join("own/Own.java");
    write(
        &word,
        "package brought; public class Word { public static final String TEXT = new String(\"brought\"); }",
    );
    write(
        &own,
        r#"package own;
        public class Own {
            static {
                Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("told to end")));
            }
            public Object handle(Object event) {
                String wrapped = System.getenv("WRAPPED");
                return java.util.List.of(brought.Word.TEXT, wrapped == null ? "" : wrapped);
            }
        }"#,
    );
    let function = world.function("java21", "own.Own::handle", &[WRAPPER]);
    let classes = world.directory.join("classes");
    run(Command::new("javac")
        .args(["--release", "17", "-d"])
        .args([&classes, &word, &own]));
    fs::create_dir_all(layer.join("java/lib")).unwrap();
    run(Command::new("jar")
        .args(["--create", "--file"])
        .arg(layer.join("java/lib/brought.jar"))
        .arg("-C")
        .arg(&classes)
        .arg("brought"));
    fs::rename(classes.join("own"), folder_of(&function).join("own")).unwrap();
    function
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn with_layer(mut function: Function, folder: PathBuf) -> Function {
    let layer = Code {
        location: CodeLocation::Folder(folder),
        revision: "1".into(),
    };
    function.configuration.layers = Layers::try_from(vec![layer]).unwrap();
    function
}

/// Whether one of these lines was written, by whoever.
fn has_said(world: &World, line: &str) -> bool {
    let sources = [Source::Stdout, Source::Runtime, Source::Extension];
    sources.into_iter().any(|source| {
        let lines = world.log.of(source);
        lines.iter().any(|it| it.trim_end().ends_with(line))
    })
}

// LAM-E-011: the wrapper is executed with the interpreter
// LAM-X-011: an extension is told of the invocation
// LAM-X-014: SIGTERM to the runtime, then SHUTDOWN to the extension
async fn life(world: World, make: Make) {
    let world = world.with_options(|options| options.shutdown_timeout = Duration::from_secs(100));
    let layer = world.directory.join("layer");
    write(&layer.join("extensions/watcher"), WATCHER);
    let function = with_layer(make(&world, &layer), layer);
    let program = match function.configuration.runtime.as_str() {
        name if name.starts_with("python") => "python3",
        name if name.starts_with("node") => "node",
        name if name.starts_with("ruby") => "ruby",
        _ => "java",
    };
    let wrapped = with_variables(function, &[("AWS_LAMBDA_EXEC_WRAPPER", "/var/task/wrapper")]);
    let all = outcomes(&world, wrapped, &["{}"]).await;
    let answer: Vec<String> = serde_json::from_str(&all[0]).unwrap_or_else(|_| panic!("{}", all[0]));
    assert_eq!(answer[0], "brought");
    assert!(answer[1].starts_with(program), "{answer:?}");
    until(|| has_said(&world, "heard INVOKE -")).await;
    assert!(!has_said(&world, "told to end"));
    // The runtime asks for its next event a moment after its answer is here.
    until(|| world.functions.reports().iter().any(|it| it.idle == 1)).await;
    world.core.shutdown().await;
    assert!(
        has_said(&world, "told to end"),
        "the runtime got SIGTERM, and time for it"
    );
    assert!(
        has_said(&world, "heard SHUTDOWN spindown"),
        "and the extension heard of it"
    );
}

// LAM-X-013: without extensions the runtime is killed at once
async fn end_without_extensions(world: World) {
    for make in [python as Make, node, ruby, java] {
        let world = world.another(world.start);
        let layer = world.directory.join("plain");
        let function = with_layer(make(&world, &layer), layer.clone());
        let all = outcomes(&world, function, &["{}"]).await;
        assert_eq!(all[0].replace(", ", ","), r#"["brought",""]"#);
        world.core.shutdown().await;
        assert!(!has_said(&world, "told to end"));
        fs::remove_dir_all(layer).unwrap();
    }
}
