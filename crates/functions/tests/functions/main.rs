//! Real processes behind the real Runtime API: runtimes are small Python programs.
//!
//! The spawner is this executable started again, so there is a `main` of its own. After each case nothing may be left:
//! no process, no directory, no file descriptor.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this program is a test")]

mod cases;
mod confined;
mod cores;
mod ends;
mod extensions;
mod faults;
mod host_network;
mod json_logs;
mod layers;
mod left_behind;
mod logs;
mod output;
mod own_tmp;
mod packages;
mod peers;
mod provisioned;
mod reload;
mod runtime_api;
mod streaming;
mod telemetry;
mod tiers;
mod world;

use std::process::ExitCode;
use std::time::Duration;
use world::World;

type Case = (&'static str, fn(World) -> world::LocalFuture);

/// Far more than any case takes; only a hang reaches it.
const CASE_TIME_MAX: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    sandbox::run_spawner_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let cases = [
        cases::CASES,
        confined::CASES,
        cores::CASES,
        ends::CASES,
        extensions::CASES,
        faults::CASES,
        host_network::CASES,
        json_logs::CASES,
        layers::CASES,
        left_behind::CASES,
        logs::CASES,
        output::CASES,
        own_tmp::CASES,
        packages::CASES,
        peers::CASES,
        provisioned::CASES,
        reload::CASES,
        runtime_api::CASES,
        streaming::CASES,
        telemetry::CASES,
    ];
    let cases = cases.into_iter().flatten();
    if arguments.iter().any(|argument| argument == "--list") {
        cases.for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let (strongest, process) = tiers::spawners();
    let spawners = [strongest, Some(process)];
    // The first runtime of a process makes a pair of sockets for signals, which stays.
    drop(runtime());
    let (mut passed, mut failed) = (0, Vec::new());
    let named: Vec<_> = spawners
        .iter()
        .flatten()
        .flat_map(|spawner| {
            cases
                .clone()
                .map(move |&(name, case)| (format!("{}::{name}", spawner.tier()), case, spawner))
        })
        .collect();
    for (name, case, spawner) in named {
        if !filter.is_none_or(|filter| name.contains(filter.as_str())) {
            continue;
        }
        let outcome = std::panic::catch_unwind(|| run(spawner.clone(), case));
        println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
        match outcome {
            Ok(()) => passed += 1,
            Err(_) => failed.push(name),
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

fn run(spawner: sandbox::Spawner, case: fn(World) -> world::LocalFuture) {
    let descriptors_before = world::open_descriptors();
    let directory = {
        tokio::task::LocalSet::new().block_on(&runtime(), async {
            let world = World::new(spawner);
            let (core, directory) = (world.core.clone(), world.directory.clone());
            tokio::time::timeout(CASE_TIME_MAX, case(world))
                .await
                .expect("the case ends in time");
            core.shutdown().await;
            directory
        })
    };
    assert_eq!(
        world::processes_of(&directory),
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
