//! What is not to be told from the inside, is told from the outside: which functions get an interpreter that waits, and what
//! becomes of those that nobody takes.

use crate::Case;
use crate::environment::with_variables;
use crate::hostile::with_memory;
use crate::stage::outcomes;
use crate::world::{Start, World, processes_below, until};
use sandbox::Tier;

pub(crate) const CASES: &[Case] = &[
    ("which_functions_get_one_that_waits", |world| Box::pin(which(world))),
    ("everything_is_as_if_it_had_just_been_started", |world| {
        Box::pin(as_if_just_started(world))
    }),
    ("they_are_few_and_each_is_used_once", |world| Box::pin(few(world))),
    ("each_has_the_heap_of_its_functions_memory", |world| {
        Box::pin(sizes(world))
    }),
    ("they_go_when_nobody_wants_them", |world| Box::pin(unwanted(world))),
    ("a_killed_one_is_not_used", |world| Box::pin(killed(world))),
    ("a_reset_starts_a_new_one_with_the_same_tmp", |world| {
        Box::pin(reset(world))
    }),
    ("code_that_is_not_there_is_the_functions_fault", |world| {
        Box::pin(without_code(world))
    }),
];

const PYTHON: &str = "import os\ndef handler(event, context):\n    return os.environ.get('STAGE')\n";
const NODE: &str = "exports.handler = async () => process.env.STAGE || null";

async fn which(world: World) {
    let python = || {
        world.function(
            "python3.12",
            "app.handler",
            &[("app.py", PYTHON), ("wrapper", "#!/bin/sh\nexec \"$@\"\n")],
        )
    };
    let node = || world.function("nodejs20.x", "index.handler", &[("index.js", NODE)]);
    let mut used = 0;
    for (what, function, variables, is_parked) in [
        ("Python", python(), &[("STAGE", "dev")][..], true),
        ("Node.js", node(), &[("STAGE", "dev"), ("NODE_ENV", "production")], true),
        (
            "its own path",
            python(),
            &[("STAGE", "dev"), ("PYTHONPATH", "/var/task/lib")],
            false,
        ),
        (
            "its own zone",
            python(),
            &[("STAGE", "dev"), ("TZ", "Europe/Paris")],
            false,
        ),
        (
            "another size of memory",
            with_memory(node(), 256),
            &[("STAGE", "dev")],
            true,
        ),
        (
            "options",
            node(),
            &[("STAGE", "dev"), ("NODE_OPTIONS", "--no-warnings")],
            false,
        ),
        (
            "libraries",
            node(),
            &[("STAGE", "dev"), ("LD_LIBRARY_PATH", "/lib")],
            false,
        ),
        (
            "a wrapper",
            python(),
            &[("STAGE", "dev"), ("AWS_LAMBDA_EXEC_WRAPPER", "/var/task/wrapper")],
            false,
        ),
    ] {
        let function = with_variables(function, variables);
        assert_eq!(outcomes(&world, function, &["{}"]).await, ["\"dev\""], "{what}");
        used += u64::from(is_parked && world.start == Start::Parked);
        assert_eq!(world.functions.parking().used, used, "{what}");
    }
}

/// One that waits has the heap of its function's memory; of a few sizes some wait at a time.
async fn sizes(world: World) {
    if world.start == Start::Fresh {
        return;
    }
    const HEAP: &str = "exports.handler = async () => require('v8').getHeapStatistics().heap_size_limit >> 20";
    let world = world.with_options(|options| options.parked_always = false);
    let limits = async |memory: u64| {
        let function = with_memory(
            world.function("nodejs20.x", "index.handler", &[("index.js", HEAP)]),
            memory,
        );
        outcomes(&world, function, &["{}"]).await
    };
    let sizes = [128, 256, 512, 1024];
    let mut first = Vec::new();
    for (number, size) in sizes.into_iter().enumerate() {
        first.push(limits(size).await);
        until(|| world.functions.parking().waiting == number + 1).await;
    }
    assert_eq!(world.functions.parking().used, 0);
    // There is no room for another one.
    limits(2048).await;
    for (number, size) in sizes.into_iter().enumerate() {
        assert_eq!(limits(size).await, first[number], "{size}");
        until(|| world.functions.parking().waiting == sizes.len()).await;
    }
    assert_eq!(world.functions.parking().used, 4);
    limits(2048).await;
    assert_eq!(world.functions.parking().used, 4);
    world.core.shutdown().await;
}

/// A description of everything that a program can see of how it was started. The cases of both ways compare it with one
/// that is written down here, or made by an interpreter that was certainly started for its function.
const REPORT: &str = r#"
import builtins, json, os, resource, signal, sys
MODULES = sorted(name for name in sys.modules if name not in ("resource", "_ctypes", "app"))
def fds():
    found = []
    for name in os.listdir('/proc/self/fd'):
        try:
            found.append([int(name), os.readlink('/proc/self/fd/' + name).split(':')[0]])
        except OSError:
            pass
    return sorted(found)
def handler(event, context):
    with open('/proc/self/status') as status:
        rights = [line for line in status if line.startswith(('Cap', 'Sig', 'Shd', 'Seccomp', 'NoNew', 'Umask', 'Uid', 'Gid', 'Groups'))]
    mounts = sorted(line.split(' ')[4] for line in open('/proc/self/mountinfo'))
    with open('/proc/self/cmdline') as words:
        command = words.read().split(chr(0))
    return {
        'variables': [name for name in os.environ],
        'values': [value for name, value in os.environ.items() if name not in ('AWS_LAMBDA_LOG_STREAM_NAME', 'AWS_LAMBDA_METADATA_TOKEN')],
        'argv': sys.argv, 'orig': getattr(sys, 'orig_argv', None), 'command': command,
        'cwd': os.getcwd(), 'path': sys.path, 'flags': repr(sys.flags), 'prefix': [sys.prefix, sys.executable],
        'modules': MODULES, 'finders': [type(finder).__name__ for finder in sys.meta_path],
        'builtins': sorted(vars(builtins)),
        'main': sorted(vars(sys.modules['__main__'])),
        'limits': [resource.getrlimit(n) for n in range(16)],
        'signals': [repr(signal.getsignal(n)) for n in range(1, 32)],
        'rights': rights, 'mounts': mounts, 'fds': fds(),
        'umask': os.umask(0o022), 'stdin': [sys.stdin.fileno(), sys.stdin.seekable(), sys.stdin.read()],
        'encodings': [sys.getfilesystemencoding(), sys.stdout.encoding, sys.stdout.line_buffering],
        'group': os.getpgrp() == os.getpid(), 'nice': os.nice(0),
        'threads': len(os.listdir('/proc/self/task')),
    }
"#;

const NODE_REPORT: &str = r#"
const fs = require('fs')
const Module = require('module')
const v8 = require('v8')
const fds = () => fs.readdirSync('/proc/self/fd').map((name) => {
  try { return `${name} ${fs.readlinkSync('/proc/self/fd/' + name).split(':')[0]}` } catch { return '' }
}).filter((line) => /^(0|1|2|62|63) /.test(line)).sort()
const loaded = Object.keys(require.cache).sort()
const status = () => fs.readFileSync('/proc/self/status', 'utf8').split(String.fromCharCode(10))
  .filter((line) => /^(Cap|Sig[BIC]|Shd|Seccomp|NoNew|Umask|Uid|Gid|Groups)/.test(line))
exports.handler = async () => ({
  variables: Object.keys(process.env),
  values: Object.keys(process.env).filter((name) => !/_(LOG_STREAM_NAME|METADATA_TOKEN)$/.test(name)).map((name) => process.env[name]),
  argv: process.argv, execArgv: process.execArgv, cwd: process.cwd(), path: process.execPath, title: process.title,
  loaded, globals: Object.getOwnPropertyNames(globalThis).sort(), modules: Module.globalPaths,
  limits: fs.readFileSync('/proc/self/limits', 'utf8'),
  command: fs.readFileSync('/proc/self/cmdline', 'utf8'),
  listeners: process.eventNames().map(String).sort(),
  umask: process.umask(), status: status(), fds: fds(), main: require.main && require.main.filename,
  children: module.parent && module.parent.children.length,
  heap: v8.getHeapStatistics().heap_size_limit, gc: typeof gc,
})
"#;

async fn as_if_just_started(world: World) {
    if world.spawner.tier() == Tier::Process {
        return;
    }
    let variables = &[("STAGE", "dev"), ("UMLAUT", "\u{e4}"), ("EMPTY", ""), ("EQUAL", "a=b")];
    for (runtime, handler, files) in [
        ("python3.12", "app.handler", &[("app.py", REPORT)]),
        ("nodejs20.x", "index.handler", &[("index.js", NODE_REPORT)]),
    ] {
        let used = world.functions.parking().used;
        let function = with_variables(world.function(runtime, handler, files), variables);
        let here = outcomes(&world, function.clone(), &["{}"]).await;
        let parked = u64::from(world.start == Start::Parked);
        assert_eq!(world.functions.parking().used - used, parked);
        // The other way, in the same place.
        let other = world.another(match world.start {
            Start::Fresh => Start::Parked,
            Start::Parked => Start::Fresh,
        });
        let there = outcomes(&other, function, &["{}"]).await;
        let used_there = other.functions.parking().used;
        other.core.shutdown().await;
        assert_eq!(used_there, 1 - parked);
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap_or_else(|_| panic!("{text}"));
        let (here, there) = (parse(&here[0]), parse(&there[0]));
        for (name, value) in here.as_object().unwrap() {
            assert_eq!(value, &there[name], "{runtime}: {name}");
        }
    }
}

const PROCESS: &str = "import os\nMARK = os.urandom(8).hex()\nasked = 0\ndef handler(event, context):\n    global asked\n    asked += 1\n    return [MARK, asked]\n";

async fn few(world: World) {
    if world.start == Start::Fresh {
        return;
    }
    let world = world.with_options(|options| {
        options.parked_per_runtime = 2;
        options.parked_always = false;
    });
    let function = |number: usize| {
        let function = world.function("python3.12", "app.handler", &[("app.py", PROCESS)]);
        with_variables(function, &[("NUMBER", &number.to_string())])
    };
    // Nobody waits yet.
    let mut marks = outcomes(&world, function(0), &["{}"]).await;
    assert_eq!(world.functions.parking().used, 0);
    until(|| world.functions.parking().waiting == 2).await;
    for number in 1..4 {
        marks.extend(outcomes(&world, function(number), &["{}"]).await);
        // Whoever takes one sees to it that as many wait as before.
        until(|| world.functions.parking().waiting == 2).await;
    }
    assert_eq!(world.functions.parking().used, 3);
    let different: std::collections::HashSet<_> = marks.iter().collect();
    assert_eq!(different.len(), 4, "{marks:?}");
    assert!(marks.iter().all(|mark| mark.ends_with(", 1]")), "{marks:?}");
    world.core.shutdown().await;
}

async fn unwanted(world: World) {
    if world.start == Start::Fresh {
        return;
    }
    let world = world.with_options(|options| {
        options.parked_always = false;
        options.idle_retirement = std::time::Duration::from_millis(100);
    });
    outcomes(
        &world,
        world.function("python3.12", "app.handler", &[("app.py", PYTHON)]),
        &["{}"],
    )
    .await;
    // The environment goes too.
    until(|| world.functions.parking().waiting == 1 || processes_below(&world.spawner).is_empty()).await;
    until(|| world.functions.parking().waiting == 0 && processes_below(&world.spawner).is_empty()).await;
    world.core.shutdown().await;
}

async fn killed(world: World) {
    if world.start == Start::Fresh {
        return;
    }
    let world = world.with_options(|options| options.parked_always = false);
    let function = |stage: &str| {
        let function = world.function("python3.12", "app.handler", &[("app.py", PYTHON)]);
        with_variables(function, &[("STAGE", stage)])
    };
    outcomes(&world, function("a"), &["{}"]).await;
    until(|| world.functions.parking().waiting == 1).await;
    let kill = |pid: u32| {
        std::process::Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status()
    };
    for pid in world.interpreters() {
        kill(pid).unwrap();
    }
    assert_eq!(outcomes(&world, function("b"), &["{}"]).await, ["\"b\""]);
    world.core.shutdown().await;
}

async fn reset(world: World) {
    if world.spawner.tier() == Tier::Process {
        return;
    }
    const CODE: &str = "import os\ndef handler(event, context):\n    if event == 1:\n        open('/tmp/kept', 'w').close()\n        os._exit(1)\n    return os.path.exists('/tmp/kept')\n";
    let function = world.function("python3.12", "app.handler", &[("app.py", CODE)]);
    let outcomes = outcomes(&world, function, &["0", "1", "2"]).await;
    assert_eq!(
        (outcomes[0].as_str(), outcomes[2].as_str()),
        ("false", "true"),
        "{outcomes:?}"
    );
    assert_eq!(world.functions.parking().used, u64::from(world.start == Start::Parked));
}

async fn without_code(world: World) {
    let function = world.function("python3.12", "app.handler", &[("app.py", PYTHON)]);
    std::fs::remove_dir_all(crate::world::folder_of(&function)).unwrap();
    let outcome = outcomes(&world, function, &["{}"]).await;
    assert!(
        !outcome[0].contains("dev") && !outcome[0].contains("ServiceFailure"),
        "{outcome:?}"
    );
}
