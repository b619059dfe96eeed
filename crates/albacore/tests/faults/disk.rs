//! A disk that takes no more: lines are lost and counted, no answer waits for them, and when there is room again they are
//! written again.

use crate::world::World;
use rustix::process::{Resource, Rlimit, Signal, prlimit};
use std::process::Command;
use testkit::{Folder, Server, until};

/// Files may not grow beyond this: as a full disk, and for everything that is written.
const FILE_BYTES: u64 = 4 * 1024;

const REQUESTS: u32 = 500;

const LOST: &str = "albacore_access_log_lines_lost_total{reason=\"not_written\"}";
const WRITTEN: &str = "albacore_access_log_lines_total";
/// Of all logs that are delivered.
const UNDELIVERED: &str = "albacore_log_delivery_lines_lost_total{reason=\"not_written\"}";
const ON_THE_WAY: &str = "albacore_log_delivery_lines_total";

fn up(folder: &Folder) -> Server {
    // Everything that a load balancer logs goes to this disk.
    let attributes: String = ["access_logs", "connection_logs", "health_check_logs"]
        .iter()
        .map(|log| format!(", {log}.s3.enabled: true, {log}.s3.bucket: logs"))
        .collect();
    let plain = std::fs::read_to_string(folder.path("albacore.yaml")).unwrap();
    let with_logs = plain.replace("timeout_seconds: 1 }", &format!("timeout_seconds: 1{attributes} }}"));
    assert_ne!(plain, with_logs);
    folder.write("albacore.yaml", &with_logs);
    // With the signal ignored, writing fails as it does on a full disk.
    let limited = "trap '' XFSZ && exec \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell
        .args(["-c", limited, env!("CARGO_BIN_EXE_albacore")])
        .args([
            "up",
            "albacore.yaml",
            "--json",
            "--cores",
            "1",
            "--endpoint",
            "127.0.0.1:0",
        ])
        .args(["--publish", "8080:0,8443:0"])
        .current_dir(folder.path(""))
        .env_clear();
    Server::start(shell.env("PATH", std::env::var_os("PATH").unwrap_or_default()))
}

fn limit_files(world: &World, bytes: Option<u64>) {
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(Some(world.server.pid()), Resource::Fsize, limit).unwrap();
}

/// Many requests, on new connections and with long lines.
fn load(world: &World) {
    let path = format!("/good/{}", "x".repeat(1_000));
    for _ in 0..REQUESTS / 10 {
        let mut connection = world.connect();
        for _ in 0..10 {
            assert_eq!(connection.get(&path).unwrap().body, "good");
        }
    }
}

#[test]
fn a_full_disk_costs_lines_of_all_logs_and_no_answer() {
    let mut world = World::start_with(Vec::new(), 1, up);
    limit_files(&world, Some(FILE_BYTES));
    load(&world);
    for metric in [LOST, UNDELIVERED] {
        until("lines are counted as lost", || {
            world.server.metric(metric).filter(|lost| *lost > 0.0)
        });
    }
    world.settles();
    limit_files(&world, None);
    let before = [WRITTEN, ON_THE_WAY].map(|metric| world.server.metric(metric).unwrap());
    load(&world);
    for (metric, before) in [WRITTEN, ON_THE_WAY].into_iter().zip(before) {
        // The first of them may find the disk as it was.
        let enough = before + f64::from(REQUESTS) * 0.9;
        until("lines are written again", || {
            world.server.metric(metric).filter(|written| *written >= enough)
        });
    }
    world.settles();
    world.server.signal(Signal::TERM);
    assert_eq!(world.server.exit_code(), Some(0));
}
