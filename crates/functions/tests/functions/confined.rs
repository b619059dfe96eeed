//! What a function finds and may do where it has namespaces of its own. In the `process` tier there is nothing to see here.

use crate::Case;
use crate::world::{World, function_error, until};
use functions::Source;
use model::lambda::function::{EphemeralStorage, FunctionMemory};
use sandbox::Tier;

pub(crate) const CASES: &[Case] = &[
    ("a_function_finds_lambdas_files", |world| Box::pin(lambdas_files(world))),
    ("a_full_tmp_is_an_error_of_the_function", |world| {
        Box::pin(full_tmp(world))
    }),
    ("tmp_has_the_size_it_was_given", |world| Box::pin(sized_tmp(world))),
    ("a_memory_bomb_costs_its_own_invocation", |world| {
        Box::pin(memory_bomb(world))
    }),
    ("a_fork_bomb_costs_its_own_environment", |world| {
        Box::pin(fork_bomb(world))
    }),
];

// LAM-E-001: the runtime starts in /var/task, as a user that is not root
// LAM-E-002: /var/task and /opt cannot be written, /tmp can
async fn lambdas_files(world: World) {
    if world.spawner.tier() == Tier::Process {
        return;
    }
    world.put(world.function(
        "
import errno
def write(folder):
    try:
        open(folder + '/new', 'w').close()
        return 'ok'
    except OSError as error:
        return errno.errorcode[error.errno]
while True:
    id, event, _ = next_event()
    written = [write(folder) for folder in ['/var/task', '/opt', '/usr', '/', '/tmp']]
    respond(id, json.dumps([os.getcwd(), os.getuid(), os.getgid(), oct(os.stat('/tmp').st_mode), API] + written))
",
    ));
    let answer = world.answer("1").await;
    for place in answer.split(", ").skip(5).take(4) {
        assert!(place.contains("EROFS") || place.contains("EACCES"), "{answer}");
    }
    assert!(
        answer.starts_with(r#"["/var/task", 993, 990, "0o41777", "127.0.0.1:9001", "#) && answer.ends_with(r#""ok"]"#),
        "{answer}"
    );
}

// LAM-E-003: /tmp has 512 MB, and not more
async fn full_tmp(world: World) {
    if world.spawner.tier() == Tier::Process {
        return;
    }
    world.put(world.function(
        "
import errno
while True:
    id, event, _ = next_event()
    written = 0
    try:
        with open('/tmp/large', 'wb', buffering=0) as large:
            while written < 600 << 20:
                written += large.write(b'x' * (1 << 20))
        code = 'none'
    except OSError as error:
        code = errno.errorcode[error.errno]
    os.unlink('/tmp/large')
    respond(id, '%d %s %d' % (written >> 20, code, ME))
",
    ));
    let first = world.answer("1").await;
    assert!(
        first.starts_with("512 ENOSPC ") || first.starts_with("511 ENOSPC "),
        "{first}"
    );
    assert_eq!(world.answer("2").await, first, "the same process as before");
}

// LAM-E-003: /tmp has the size that it was given
async fn sized_tmp(world: World) {
    if world.spawner.tier() == Tier::Process {
        return;
    }
    let program = "
sizes = os.statvfs('/tmp')
while True:
    id, event, _ = next_event()
    respond(id, str(sizes.f_blocks * sizes.f_frsize >> 20))
";
    let mut function = world.function(program);
    for megabytes in [512, 700, 10_240] {
        function.configuration.ephemeral_storage = EphemeralStorage::try_from(megabytes).unwrap();
        world.put(function.clone());
        let answer = world.answer("1").await;
        assert_eq!(answer, megabytes.to_string(), "another size wants another environment");
    }
    function.configuration.ephemeral_storage = EphemeralStorage::try_from(600).unwrap();
    let mut full = world.function(
        "
import errno
while True:
    id, event, _ = next_event()
    written = 0
    try:
        with open('/tmp/large', 'wb', buffering=0) as large:
            while written < 700 << 20:
                written += large.write(b'x' * (1 << 20))
    except OSError as error:
        respond(id, '%d %s' % (written >> 20, errno.errorcode[error.errno]))
    os.unlink('/tmp/large')
",
    );
    full.configuration.ephemeral_storage = function.configuration.ephemeral_storage;
    world.put(full);
    let answer = world.answer("1").await;
    assert!(answer == "600 ENOSPC" || answer == "599 ENOSPC", "{answer}");
}

// LAM-E-013: 1024 descriptors, and memory above MemorySize kills; it has 128 MB, and 512 MB in /tmp besides
async fn memory_bomb(world: World) {
    if !world.spawner.controllers().memory {
        return;
    }
    world.put(world.function(
        "
import resource
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (1024, 1024)
while True:
    id, event, _ = next_event()
    kept = b'x' * (int(event) << 20)
    if len(kept) > 128 << 20:
        signal.pause()
    with open('/tmp/large', 'wb') as large:
        for _ in range(4):
            large.write(kept)
    respond(id, str(len(kept) >> 20))
",
    ));
    assert_eq!(world.answer("50").await, "50");
    let (error_type, payload) = function_error(world.invoke("200").await);
    assert_eq!(error_type, "Runtime.ExitError");
    assert!(
        payload.contains("Runtime exited with error: signal: killed"),
        "{payload}"
    );
    assert_eq!(world.answer("20").await, "20");
    let is_told = || {
        let reports = world.log.lines_of(Source::Platform);
        reports
            .iter()
            .any(|line| line.contains("Max Memory Used: 128 MB\t") && line.contains("Error Type: Runtime.OutOfMemory"))
    };
    until(is_told).await;
}

async fn fork_bomb(world: World) {
    if world.spawner.tier() == Tier::Process {
        return;
    }
    let mut bomb = world.function_named(
        "bomb",
        "
id, event, _ = next_event()
children = 0
try:
    while True:
        if os.fork() == 0:
            signal.pause()
        children += 1
except OSError as error:
    respond(id, str(children))
os._exit(1)
",
    );
    // So many processes need more than the usual memory; they are to end by their number.
    bomb.configuration.memory = FunctionMemory::try_from(2048).unwrap();
    world.put(bomb);
    world.put(world.function_named(
        "other",
        "
import subprocess
while True:
    id, event, _ = next_event()
    respond(id, subprocess.check_output(['echo', 'fine']))
",
    ));
    let children: u32 = crate::world::text(world.invoke_named("bomb", "1").await)
        .parse()
        .unwrap();
    assert!((1000..1024).contains(&children), "{children}");
    assert_eq!(crate::world::text(world.invoke_named("other", "1").await), "fine\n");
}
