//! `/tmp` is the environment's own directory, where the host allows it. The code of these functions lies outside of
//! `/tmp`, unlike that of the other cases.

use crate::Case;
use crate::world::{World, function_error, processes_of, text, until};
use model::lambda::function::{CodeLocation, Function, FunctionTimeout};
use sandbox::Tier;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) const CASES: &[Case] = &[
    ("tmp_is_the_environments_own", |world| {
        Box::pin(tmp_is_the_environments_own(world))
    }),
    ("tmp_survives_a_timeout", |world| {
        Box::pin(tmp_survives_a_timeout(world))
    }),
    ("code_in_tmp_is_not_hidden", |world| {
        Box::pin(code_in_tmp_is_not_hidden(world))
    }),
];

/// Events are `write NAME TEXT`, `read NAME`, `list`, `sleep` and `variable NAME`.
const PROGRAM: &str = "
number = 0
while True:
    id, event, _ = next_event()
    word, *rest = event.split(' ')
    number += 1
    if word == 'write':
        open('/tmp/' + rest[0], 'w').write(rest[1])
        answer = 'written'
    elif word == 'read':
        path = '/tmp/' + rest[0]
        answer = open(path).read() if os.path.exists(path) else 'absent'
    elif word == 'list':
        answer = ' '.join(sorted(os.listdir('/tmp')))
    elif word == 'variable':
        answer = os.environ.get(rest[0], 'absent')
    else:
        signal.pause()
    respond(id, answer + ' ' + str(number))
";

/// A folder outside of `/tmp`, removed again.
struct Outside(PathBuf);

impl Outside {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("own-tmp-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The function with its code here.
    fn with(&self, mut function: Function) -> Function {
        let folder = self.0.join(function.name.as_str());
        let CodeLocation::Folder(made) = &function.code.location else {
            unreachable!("the world makes folders");
        };
        fs::create_dir_all(&folder).unwrap();
        fs::copy(made.join("bootstrap"), folder.join("bootstrap")).unwrap();
        function.code.location = CodeLocation::Folder(folder);
        function
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Invokes the function in the environment that it has, if it has one.
async fn say(world: &World, function: &str, event: &str) -> String {
    // An environment that has not asked for its next event yet is not waited for long, and may have to make room then.
    until(|| world.functions.reports().iter().all(|report| report.idle > 0)).await;
    text(world.invoke_named(function, event).await)
}

/// True if `/tmp` is the function's own. Where that cannot be, it has seen that `TMPDIR` names the directory.
async fn has_own_tmp(world: &World, outside: &Outside, function: &str) -> bool {
    let named = say(world, function, "variable TMPDIR").await;
    let in_place = world.spawner.host_features().temporary_mount && !outside.0.starts_with("/tmp");
    if in_place || world.spawner.tier() == Tier::Namespace {
        assert_eq!(named, "absent 1");
        return true;
    }
    assert!(named.starts_with(world.directory.to_str().unwrap()), "{named}");
    false
}

fn unique_name() -> String {
    format!("albacore-own-tmp-{}", std::process::id())
}

async fn tmp_is_the_environments_own(world: World) {
    let outside = Outside::new();
    for name in ["writer", "reader"] {
        world.put(outside.with(world.function_named(name, PROGRAM)));
    }
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    if !has_own_tmp(&world, &outside, "writer").await {
        return;
    }
    let name = unique_name();
    assert_eq!(say(&world, "writer", &format!("write {name} one")).await, "written 2");
    assert_eq!(say(&world, "writer", &format!("read {name}")).await, "one 3");
    assert_eq!(say(&world, "writer", "list").await, format!("{name} 4"));
    // Neither another environment nor the host has it.
    assert_eq!(say(&world, "reader", &format!("read {name}")).await, "absent 1");
    assert_eq!(say(&world, "reader", "list").await, " 2");
    assert!(!Path::new("/tmp").join(&name).exists());
    assert_eq!(mounts(), before);
    world.core.shutdown().await;
    assert_eq!(processes_of(&outside.0), Vec::<String>::new());
    assert_eq!(mounts(), before);
}

// LAM-E-004: a file in /tmp is there for the next invocation and after a timeout reset, memory is not
async fn tmp_survives_a_timeout(world: World) {
    // The next invocation meets the same environment.
    let world = world.with_options(|options| options.environments_max = 1);
    let outside = Outside::new();
    let mut function = outside.with(world.function_named("sleeper", PROGRAM));
    function.configuration.timeout = FunctionTimeout::try_from(Duration::from_secs(1)).unwrap();
    world.put(function);
    if has_own_tmp(&world, &outside, "sleeper").await {
        let name = unique_name();
        assert_eq!(say(&world, "sleeper", &format!("write {name} one")).await, "written 2");
        let (error_type, _) = function_error(world.invoke_named("sleeper", "sleep").await);
        assert_eq!(error_type, "Sandbox.Timedout");
        assert_eq!(say(&world, "sleeper", &format!("read {name}")).await, "one 1");
    }
    world.core.shutdown().await;
}

async fn code_in_tmp_is_not_hidden(world: World) {
    if !world.directory.starts_with("/tmp") || world.spawner.tier() == sandbox::Tier::Namespace {
        return;
    }
    world.put(world.function(PROGRAM));
    let named = world.answer("variable TMPDIR").await;
    assert!(
        named.starts_with(world.directory.join("data/environments").to_str().unwrap()),
        "{named}"
    );
}
