//! Functions of managed runtimes: real Python, Node.js and Ruby, found in `PATH`, running the embedded bootstraps; and Java with
//! its public client.
//!
//! The spawner is this executable started again, so there is a `main` of its own. After each case nothing may be left:
//! no process, no directory, no file descriptor.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this program is a test")]

mod descriptors;
mod environment;
mod hostile;
mod idle;
mod java;
mod life;
mod node;
mod parked;
mod python;
mod ruby;
mod stage;
#[path = "../functions/tiers.rs"]
mod tiers;
mod world;

use std::process::ExitCode;
use std::time::Duration;
use world::{Start, World};

type Case = (&'static str, fn(World) -> world::LocalFuture);

/// Far more than any case takes; only a hang reaches it.
const CASE_TIME_MAX: Duration = Duration::from_secs(120);
/// After that a process is one that was left.
const GONE_TIME_MAX: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    sandbox::run_spawner_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let cases = [
        python::CASES,
        node::CASES,
        ruby::CASES,
        java::CASES,
        life::CASES,
        environment::CASES,
        hostile::CASES,
        parked::CASES,
        idle::CASES,
        descriptors::CASES,
    ]
    .concat();
    if arguments.iter().any(|argument| argument == "--list") {
        cases.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let (strongest, process) = tiers::spawners();
    // The same cases with every interpreter started for its function, and with every one that may be started ahead.
    let ways = [
        (strongest.as_ref(), Start::Fresh),
        (strongest.as_ref(), Start::Parked),
        (Some(&process), Start::Fresh),
    ];
    // The first runtime of a process makes a pair of sockets for signals, which stays.
    drop(runtime());
    let (mut passed, mut failed) = (0, Vec::new());
    let ways = ways.into_iter().filter_map(|(spawner, start)| Some((spawner?, start)));
    let named: Vec<_> = ways
        .flat_map(|(spawner, start)| {
            let way = match start {
                Start::Fresh => spawner.tier().to_string(),
                Start::Parked => "parked".to_owned(),
            };
            let named = |&(name, case): &Case| (format!("{way}::{name}"), case, spawner, start);
            cases.iter().map(named).collect::<Vec<_>>()
        })
        .collect();
    for (name, case, spawner, start) in named {
        if !filter.is_none_or(|filter| name.contains(filter.as_str())) {
            continue;
        }
        let outcome = std::panic::catch_unwind(|| run(spawner, start, case));
        println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
        match outcome {
            Ok(()) => passed += 1,
            Err(_) => {
                // What it left is not the next one's fault.
                world::end_all_below(spawner);
                failed.push(name);
            }
        }
    }
    if !failed.is_empty() {
        println!("\nfailures: {}", failed.join(", "));
    }
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {} failed; 0 ignored; 0 measured",
        failed.len()
    );
    ExitCode::from(u8::from(!failed.is_empty()))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn run(spawner: &sandbox::Spawner, start: Start, case: fn(World) -> world::LocalFuture) {
    let descriptors_before = world::open_descriptors();
    let directory = {
        tokio::task::LocalSet::new().block_on(&runtime(), async {
            let world = World::new(spawner.clone(), start);
            let (core, directory) = (world.core.clone(), world.directory.clone());
            tokio::time::timeout(CASE_TIME_MAX, case(world))
                .await
                .expect("the case ends in time");
            core.shutdown().await;
            // One that was kept ready may be just ending, and then it does not say any more what it is.
            let gone = world::until(|| world::processes_below(spawner).is_empty());
            let _ = tokio::time::timeout(GONE_TIME_MAX, gone).await;
            directory
        })
    };
    assert_eq!(
        world::processes_below(spawner),
        Vec::<String>::new(),
        "no process is left"
    );
    let environments = std::fs::read_dir(directory.join("data/environments"));
    assert_eq!(environments.map_or(0, Iterator::count), 0, "no directory is left");
    assert_eq!(
        world::open_descriptors(),
        descriptors_before,
        "no file descriptor is left"
    );
    std::fs::remove_dir_all(&directory).expect("the directory of the case");
}
