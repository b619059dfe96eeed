//! An enclosure in the host's network: that wall is down, and every other one stands.

use crate::support::*;
use crate::walls::{attack, attacker};
use sandbox::{Completion, Enclosure, ExitStatus, Interior, Reach, SpawnError, Spawner, Step};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

async fn on_host_network(spawner: &Spawner, reach: Reach) -> Enclosure {
    let interior = Interior {
        mounts: vec![attacker()],
        scratch: spawner.scratch(SCRATCH_BYTES),
        memory_bytes: Some(64 << 20),
        reach,
    };
    spawner.enclosure(&interior).await.expect("an enclosure")
}

async fn outcome(spawner: &Spawner, reach: Reach, arguments: &[&str]) -> (String, ExitStatus) {
    let enclosure = on_host_network(spawner, reach).await;
    let (out, err, status) = run(spawner, attack(&enclosure, arguments)).await;
    assert_eq!(err, "");
    (out, status)
}

pub(crate) async fn it_reaches_what_the_host_reaches() {
    let Some(spawner) = start_apart() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (out, _) = outcome(&spawner, Reach::Host, &["connect", &address]).await;
    assert_eq!(out, "connect: ok\n");
    let (out, _) = outcome(&spawner, Reach::Nothing, &["connect", &address]).await;
    assert_eq!(out, "connect: ECONNREFUSED\n", "so it is really the network");
    // Nothing listens there for it, so nothing of ours is where others could connect to it.
    let enclosure = on_host_network(&spawner, Reach::Host).await;
    assert!(enclosure.take_listener().is_none() && enclosure.take_door().is_none());
    spawner.shutdown().await;
}

pub(crate) async fn every_other_wall_stands() {
    let Some(spawner) = start_apart() else { return };
    let secret = Directory::new();
    let file = secret.path().join("secret").display().to_string();
    std::fs::write(&file, "secret").unwrap();
    let attacks: [&[&str]; 8] = [
        &["read", &file, "/etc/shadow", "/root", "/proc/1/root/etc/shadow"],
        &[
            "write",
            "/",
            "/usr",
            "/etc",
            "/var/task",
            "/proc/sys/net/ipv4/ip_forward",
        ],
        &["list", "/", "/home", "/tmp", "/sys"],
        &["calls"],
        &["processes"],
        &["privileges"],
        &["fill"],
        &["memory", "16"],
    ];
    for arguments in attacks {
        let (there, here) = (
            outcome(&spawner, Reach::Host, arguments).await,
            outcome(&spawner, Reach::Nothing, arguments).await,
        );
        assert!(!here.0.is_empty(), "{arguments:?}");
        assert_eq!(there, here, "{arguments:?}");
    }
    if is_limited("memory", spawner.controllers().memory) {
        let (out, status) = outcome(&spawner, Reach::Host, &["memory", "1000"]).await;
        assert_eq!((out.as_str(), status), ("", ExitStatus::OutOfMemory));
    }
    spawner.shutdown().await;
}

/// They belong to the network, and who listens there may be somebody who does what he is told.
pub(crate) async fn abstract_names_of_others_are_out_of_reach() {
    let Some(spawner) = start_apart() else { return };
    let name = format!("albacore-host-network-{}", std::process::id());
    let local = SocketAddr::from_abstract_name(&name).unwrap();
    let _local = UnixListener::bind_addr(&local).unwrap();
    assert!(std::os::unix::net::UnixStream::connect_addr(&local).is_ok());
    let (out, _) = outcome(&spawner, Reach::Host, &["abstract", &name]).await;
    assert!(
        ["connect: EPERM\n", "connect: EAFNOSUPPORT\n"].contains(&out.as_str()),
        "{out}"
    );
    spawner.shutdown().await;
}

pub(crate) async fn it_cannot_be_chosen_late() {
    let Some(spawner) = start_apart() else { return };
    let interior = Interior {
        mounts: vec![attacker()],
        scratch: spawner.scratch(SCRATCH_BYTES),
        memory_bytes: None,
        reach: Reach::Nothing,
    };
    let enclosure = spawner.incomplete_enclosure(&interior).await.unwrap();
    let completion = Completion {
        mounts: Vec::new(),
        memory_bytes: None,
        reach: Reach::Host,
    };
    let refused = enclosure.complete(&completion).await;
    assert!(
        matches!(
            refused,
            Err(SpawnError::Setup {
                step: Step::Network,
                ..
            })
        ),
        "{refused:?}"
    );
    spawner.shutdown().await;
}

/// Whatever is killed, nothing of them is left; and a new spawner makes more.
pub(crate) async fn nothing_is_left_of_them() {
    let Some(spawner) = start_apart() else { return };
    let mut ended = Vec::new();
    for _ in 0..20 {
        let enclosure = on_host_network(&spawner, Reach::Host).await;
        let script = within(&enclosure, "sleep 1000 & wait");
        let mut process = spawner.spawn(script).await.unwrap();
        ended.extend([process.pid(), process.init_pid()]);
        assert_eq!(parent_of(process.init_pid()), Some(spawner.pid()));
        process.kill();
        process.wait().await;
    }
    until_dead(&ended).await;
    let enclosure = on_host_network(&spawner, Reach::Host).await;
    let process = spawner.spawn(within(&enclosure, "exec sleep 1000")).await.unwrap();
    let mut below = children_of(spawner.pid());
    assert!(below.contains(&process.init_pid()));
    below.push(process.pid());
    signal("KILL", spawner.pid());
    until_dead(&below).await;
    spawner.shutdown().await;
}

/// An ordinary user's spawner has left that network for good, and ends with who has kept it; the next one has it again.
pub(crate) async fn it_comes_back_when_its_keeper_was_killed() {
    let Some(spawner) = start_apart() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let before = spawner.pid();
    let mut keepers = children_of(before);
    keepers.retain(|&pid| name_of(pid) == "albacore-net");
    assert_eq!(keepers.len(), usize::from(!is_root()));
    for &keeper in &keepers {
        signal("KILL", keeper);
    }
    until_dead(&keepers).await;
    if !keepers.is_empty() {
        let interior = Interior {
            mounts: Vec::new(),
            scratch: spawner.scratch(SCRATCH_BYTES),
            memory_bytes: None,
            reach: Reach::Host,
        };
        let failed = spawner.enclosure(&interior).await.map(|_| "an enclosure");
        assert!(failed.is_err(), "{failed:?}");
        until_dead(&[before]).await;
    }
    let (out, _) = outcome(&spawner, Reach::Host, &["connect", &address]).await;
    assert_eq!(out, "connect: ok\n");
    spawner.shutdown().await;
}

/// All of this once more, when it ran as root.
pub(crate) async fn it_is_so_for_an_ordinary_user() {
    as_an_ordinary_user(&["host_network::"]).await;
}
