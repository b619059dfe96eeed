//! Java handlers behind the public runtime interface client. `make setup` brings the client and compiles the handlers
//! (`tests/stock/java`).

use crate::Case;
use crate::stage::outcomes;
use crate::world::{World, until};
use functions::Source;
use model::Secret;
use model::lambda::function::{Environment, Function};
use sandbox::Tier;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

pub(crate) const CASES: &[Case] = &[
    ("java_runs", |world| Box::pin(runs(world))),
    ("java_errors", |world| Box::pin(errors(world))),
    ("java_brings_its_client", |world| Box::pin(brings_its_client(world))),
];

/// What `make setup` has made.
fn stock(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap();
    let path = root.join("target/stock/java").join(name);
    assert!(path.is_dir(), "{} is not there; run `make setup`", path.display());
    path
}

/// The client where a host has it.
pub(crate) fn install_client(world: &World) {
    let clients = world.directory.join("data/runtime-clients");
    fs::create_dir_all(&clients).unwrap();
    symlink(stock("lib"), clients.join("java")).unwrap();
}

fn function(world: &World, handler: &str, variables: &[(&str, &str)]) -> Function {
    let mut function = world.function("java21", handler, &[]);
    let classes = crate::world::folder_of(&function).join("stock");
    fs::create_dir(&classes).unwrap();
    for entry in fs::read_dir(stock("classes/stock")).unwrap().flatten() {
        fs::copy(entry.path(), classes.join(entry.file_name())).unwrap();
    }
    let variables = variables
        .iter()
        .map(|&(name, value)| (name.to_owned(), Secret::new(value.to_owned())));
    function.configuration.environment = Environment::new(variables.collect()).unwrap();
    function
}

/// The archives of classes in the data folder.
fn archives(world: &World) -> Vec<PathBuf> {
    let runtimes = fs::read_dir(world.directory.join("data/runtimes"))
        .into_iter()
        .flatten()
        .flatten();
    let folders = runtimes.filter_map(|entry| fs::read_dir(entry.path()).ok());
    let files = folders.flatten().flatten().map(|entry| entry.path());
    files
        .filter(|path| path.extension().is_some_and(|it| it == "jsa"))
        .collect()
}

// LAM-R-031: Java's public client runs a handler unmodified
async fn runs(world: World) {
    install_client(&world);
    let facts = function(
        &world,
        "stock.Managed::facts",
        &[("JAVA_TOOL_OPTIONS", "-Dtold=1 -XX:+UseParallelGC")],
    );
    let all = outcomes(&world, facts, &[r#"{"key":"value"}"#]).await;
    let facts: serde_json::Value = serde_json::from_str(&all[0]).unwrap();
    for (name, expected) in [
        ("event", "{key=value}"),
        ("name", "f"),
        ("home", "/var/task"),
        ("environment", "AWS_Lambda_java21"),
        ("told", "1"),
        ("collector", "PS"),
        ("trace", "Root=1-5-7"),
    ] {
        assert_eq!(facts[name], expected, "{name} of {facts}");
    }
    // 85 % of 128 MB, of which a collector keeps a part back.
    let heap: u32 = facts["heap_megabytes"].as_str().unwrap().parse().unwrap();
    assert!((90..=109).contains(&heap), "{heap} MB");
    // Where `/tmp` is the host's, somebody else may have done it.
    if world.spawner.tier() == Tier::Namespace {
        assert_eq!(facts["own_file_in_tmp"], "false", "nothing is unpacked there");
    }
    until(|| {
        world
            .log
            .of(Source::Runtime)
            .iter()
            .any(|line| line.starts_with("logged"))
    })
    .await;

    // Classes are shared by the starts that come after the first.
    until(|| !archives(&world).is_empty()).await;
    let shared = function(&world, "stock.Managed", &[("JAVA_TOOL_OPTIONS", "-Xlog:class+load")]);
    let all = outcomes(&world, shared, &["{}"]).await;
    assert_eq!(all, ["\"\""], "a class alone has the method of an interface");
    let is_shared = |line: &String| line.contains("client.AWSLambda source: shared objects file (top)");
    until(|| world.log.of(Source::Stdout).iter().any(is_shared)).await;
    let archive = &archives(&world)[0];
    assert!(fs::metadata(archive).unwrap().permissions().readonly());
}

// LAM-I-018: an error has the shape that Java's client gives it
async fn errors(world: World) {
    install_client(&world);
    for (handler, expected) in [
        (
            "stock.Gone::handle",
            r#""errorType":"java.lang.ClassNotFoundException""#,
        ),
        ("stock.Managed::gone", "No public method named gone"),
        (
            "stock.Managed::fail",
            r#""errorMessage":"told to fail","errorType":"java.lang.IllegalStateException""#,
        ),
    ] {
        let all = outcomes(&world, function(&world, handler, &[]), &["{}"]).await;
        assert!(all[0].contains(expected), "{handler}: {}", all[0]);
    }
}

/// The client of the function's own package serves on a host that has none.
async fn brings_its_client(world: World) {
    // It unpacks its native part in `/tmp`, which code that lies below `/tmp` keeps the other tier from having of its own.
    if world.spawner.tier() == Tier::Process {
        return;
    }
    let own = function(&world, "stock.Function::handle", &[]);
    let library = crate::world::folder_of(&own).join("lib");
    fs::create_dir(&library).unwrap();
    for entry in fs::read_dir(stock("lib")).unwrap().flatten() {
        fs::copy(entry.path(), library.join(entry.file_name())).unwrap();
    }
    let all = outcomes(&world, own, &[r#"{"path":"/hello"}"#]).await;
    assert!(all[0].contains("Hello from java f"), "{}", all[0]);
}
