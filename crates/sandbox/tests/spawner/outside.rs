//! What an enclosure reaches of the world, on a machine with an internet ([`world`]).

use crate::namespace::{groups_of, mounts_of, no_more};
use crate::support::{SCRATCH_BYTES, fds_of, inits_of, start_apart, until};
use crate::walls::{attack, attacker};
use crate::world::{self, Internet, MACHINE, NEVER, PRIVATE, PUBLIC, forward, left_over};
use sandbox::{Completion, Enclosure, Interior, Options, Process, Reach, SpawnError, Spawner, Step};
use std::future::pending;
use std::io::BufRead;
use std::net::{TcpListener, UdpSocket};
use std::process::{Command, ExitCode, Stdio};
use tokio::io::AsyncBufReadExt;
use tokio::task::JoinSet;

/// The argument that makes this program an albacore to be killed, with an environment that reaches something.
pub(crate) const SECOND_ALBACORE: &str = "--second-albacore-outside";

/// Starts an environment with a way out, says so, and stays.
pub(crate) async fn second_albacore() -> ExitCode {
    let Some(spawner) = start_apart() else {
        return ExitCode::SUCCESS;
    };
    let enclosure = enclosure(&spawner, Reach::Public).await;
    let script = crate::support::within(&enclosure, "exec sleep 1000");
    let _process = spawner.spawn(script).await.unwrap();
    println!("started");
    pending().await
}

async fn enclosure(spawner: &Spawner, reach: Reach) -> Enclosure {
    spawner
        .enclosure(&interior(spawner, reach))
        .await
        .expect("an enclosure")
}

fn interior(spawner: &Spawner, reach: Reach) -> Interior {
    Interior {
        mounts: vec![attacker()],
        scratch: spawner.scratch(SCRATCH_BYTES),
        memory_bytes: None,
        reach,
    }
}

async fn said(spawner: &Spawner, enclosure: &Enclosure, arguments: &[&str]) -> String {
    let (out, err, _) = crate::support::run(spawner, attack(enclosure, arguments)).await;
    assert_eq!(err, "");
    out
}

/// One that does not end with its first process, until what comes with it is dropped.
async fn lasting(spawner: &Spawner, reach: Reach) -> (Enclosure, Process) {
    let enclosure = enclosure(spawner, reach).await;
    let script = crate::support::within(&enclosure, "exec sleep 1000");
    let process = spawner.spawn(script).await.unwrap();
    (enclosure, process)
}

/// Of an enclosure with this in reach.
async fn outcome(spawner: &Spawner, reach: Reach, arguments: &[&str]) -> String {
    said(spawner, &enclosure(spawner, reach).await, arguments).await
}

pub(crate) async fn public_addresses_are_reached() {
    if !world::is_here("outside::public_addresses_are_reached").await {
        return;
    }
    let (_internet, Some(spawner)) = (Internet::new(), start_apart()) else {
        return;
    };
    assert_eq!(spawner.outbound_lack(), None);
    let names = spawner.name_sockets();
    assert!(names.borrow().is_none(), "nobody has wanted any yet");
    let out = outcome(&spawner, Reach::Public, &["ask", PUBLIC]).await;
    assert_eq!(out, format!("ask: {MACHINE}\n"), "the internet sees the machine alone");
    let out = outcome(&spawner, Reach::Public, &["datagram", PUBLIC]).await;
    assert_eq!(out, format!("datagram: {MACHINE}\n"));
    // Names are asked for at the gateway, by datagrams and by streams.
    let sockets = names.borrow().clone().expect("there by now");
    assert_eq!(sockets.datagrams.local_addr().unwrap().to_string(), "169.254.64.1:53");
    assert_eq!(sockets.listener.local_addr().unwrap().to_string(), "169.254.64.1:53");
    let out = outcome(&spawner, Reach::Public, &["connect", "169.254.64.1:53"]).await;
    assert_eq!(out, "connect: ok\n");
    let out = outcome(&spawner, Reach::Public, &["read", "/etc/resolv.conf"]).await;
    assert_eq!(out, "/etc/resolv.conf: ok\n");
    // What reaches nothing reaches nothing beside those.
    let nothing = ["connect", PUBLIC, "169.254.64.1:53", "169.254.96.1:80"];
    let out = outcome(&spawner, Reach::Nothing, &nothing).await;
    assert_eq!(out, "connect: ENETUNREACH\n".repeat(3));
    spawner.shutdown().await;
    drop((sockets, names));
    assert_eq!(left_over(), "");
}

pub(crate) async fn private_ones_are_reached_where_that_is_allowed() {
    if !world::is_here("outside::private_ones_are_reached_where_that_is_allowed").await {
        return;
    }
    let (_internet, Some(spawner)) = (Internet::new(), start_apart()) else {
        return;
    };
    let ask: Vec<_> = std::iter::once("ask").chain(PRIVATE).collect();
    let out = outcome(&spawner, Reach::Public, &ask).await;
    assert_eq!(out, "ask: EHOSTUNREACH\n".repeat(PRIVATE.len()));
    let out = outcome(&spawner, Reach::PublicAndPrivate, &ask).await;
    assert_eq!(out, format!("ask: {MACHINE}\n").repeat(PRIVATE.len()));
    let ask: Vec<_> = std::iter::once("ask").chain(NEVER).collect();
    for reach in [Reach::Public, Reach::PublicAndPrivate] {
        let out = outcome(&spawner, reach, &ask).await;
        assert_eq!(out, "ask: EHOSTUNREACH\n".repeat(NEVER.len()), "{reach:?}");
    }
    spawner.shutdown().await;
}

pub(crate) async fn nothing_else_is_reached() {
    if !world::is_here("outside::nothing_else_is_reached").await {
        return;
    }
    let (_internet, Some(spawner)) = (Internet::new(), start_apart()) else {
        return;
    };
    // The machine serves each of its addresses.
    let listener = TcpListener::bind("0.0.0.0:8000").unwrap();
    let socket = UdpSocket::bind("0.0.0.0:8000").unwrap();
    listener.set_nonblocking(true).unwrap();
    socket.set_nonblocking(true).unwrap();
    for reach in [Reach::Public, Reach::PublicAndPrivate] {
        let (enclosure, stays) = lasting(&spawner, reach).await;
        // By its own address, by that towards the router, and as the gateway, which is the router.
        for address in ["11.0.0.2:8000", "169.254.96.1:8000", "169.254.64.1:8000"] {
            for way in ["ask", "datagram"] {
                let out = said(&spawner, &enclosure, &[way, address]).await;
                assert!(!out.contains("ok") && !out.contains(MACHINE), "{address}: {out}");
            }
        }
        let none = [
            "ask",
            "127.0.0.1:8000",
            "[::1]:8000",
            "[2606:4700::1111]:80",
            "[fe80::1%1000]:80",
        ];
        let none: Vec<_> = none.into_iter().filter(|it| !it.contains('%')).collect();
        let out = said(&spawner, &enclosure, &none).await;
        assert_eq!(out, "ask: ECONNREFUSED\nask: ECONNREFUSED\nask: ENETUNREACH\n");
        // There is an address, and it cannot be exchanged for another.
        let out = said(&spawner, &enclosure, &["forge", "169.254.64.77", PUBLIC]).await;
        assert_ne!(out, "forge: ok\n");
        drop(stays);
    }
    let nobody = [listener.accept().map(drop), socket.recv(&mut [0; 8]).map(drop)];
    for nobody in nobody {
        assert_eq!(nobody.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
    // A machine that sends what is for it elsewhere, as those with containers do, does not send this.
    world::run("nft", "add table ip elsewhere");
    world::run(
        "nft",
        "add chain ip elsewhere pre { type nat hook prerouting priority -100 ; }",
    );
    world::run(
        "nft",
        "add rule ip elsewhere pre ip daddr 11.0.0.2 tcp dport 8001 dnat to 10.77.0.1:80",
    );
    let out = outcome(&spawner, Reach::PublicAndPrivate, &["ask", "11.0.0.2:8001"]).await;
    assert!(!out.contains(MACHINE), "{out}");
    spawner.shutdown().await;
}

pub(crate) async fn environments_do_not_reach_each_other() {
    if !world::is_here("outside::environments_do_not_reach_each_other").await {
        return;
    }
    let (_internet, Some(spawner)) = (Internet::new(), start_apart()) else {
        return;
    };
    for reach in [Reach::Public, Reach::PublicAndPrivate] {
        let (one, stays) = lasting(&spawner, reach).await;
        let other = enclosure(&spawner, reach).await;
        let script = "ip -4 -o addr show dev eth0 2>/dev/null || cat /proc/net/fib_trie; exec sleep 1000";
        let mut process = spawner.spawn(crate::support::within(&other, script)).await.unwrap();
        let mut lines = crate::support::receiver(process.take_stdout());
        let mut line = String::new();
        while !line.contains("169.254.") {
            line.clear();
            assert!(lines.read_line(&mut line).await.unwrap() > 0, "an address");
        }
        let start = line.find("169.254.").unwrap();
        let address: String = line[start..]
            .chars()
            .take_while(|it| it.is_ascii_digit() || *it == '.')
            .collect();
        // Its Runtime API listens at the loopback address alone; anything else would refuse at once, if it were reached.
        for port in [80, 9001] {
            let out = said(&spawner, &one, &["ask", &format!("{address}:{port}")]).await;
            assert_eq!(out, "ask: EHOSTUNREACH\n", "{address}");
        }
        drop((process, stays));
    }
    spawner.shutdown().await;
}

pub(crate) async fn a_parked_one_is_connected_late() {
    if !world::is_here("outside::a_parked_one_is_connected_late").await {
        return;
    }
    let (_internet, Some(spawner)) = (Internet::new(), start_apart()) else {
        return;
    };
    let parked = async |reach| {
        let mut interior = interior(&spawner, Reach::Nothing);
        interior.mounts.clear();
        let enclosure = spawner.incomplete_enclosure(&interior).await.unwrap();
        let completion = Completion {
            mounts: vec![attacker()],
            memory_bytes: None,
            reach,
        };
        enclosure.complete(&completion).await.unwrap();
        said(&spawner, &enclosure, &["ask", PUBLIC]).await
    };
    assert_eq!(parked(Reach::Public).await, format!("ask: {MACHINE}\n"));
    assert_eq!(parked(Reach::Nothing).await, "ask: ENETUNREACH\n");
    spawner.shutdown().await;
}

pub(crate) async fn two_share_a_machine() {
    if !world::is_here("outside::two_share_a_machine").await {
        return;
    }
    let (_internet, Some(one)) = (Internet::new(), start_apart()) else {
        return;
    };
    let Some(other) = start_apart() else { return };
    let both = async || {
        for spawner in [&one, &other] {
            let out = outcome(spawner, Reach::Public, &["ask", PUBLIC]).await;
            assert_eq!(out, format!("ask: {MACHINE}\n"));
        }
    };
    both().await;
    let links = world::output("ip", "-o link");
    assert!(links.contains("albacore0") && links.contains("albacore1"), "{links}");
    both().await;
    other.shutdown().await;
    let out = outcome(&one, Reach::Public, &["ask", PUBLIC]).await;
    assert_eq!(out, format!("ask: {MACHINE}\n"), "the one that is left still works");
    one.shutdown().await;
    assert_eq!(left_over(), "");
}

/// Counted before and after: inits, descriptors of both sides, mounts, control groups, interfaces, and what the rules of the
/// machine name.
pub(crate) async fn many_leave_nothing() {
    const ALL: usize = 500;
    const AT_ONCE: usize = 20;
    /// The others only have the way.
    const ONE_IN: usize = 10;
    if !world::is_here("outside::many_leave_nothing").await {
        return;
    }
    let (_internet, Some(spawner)) = (Internet::new(), start_apart()) else {
        return;
    };
    let one = async |spawner: Spawner, number: usize| match number % ONE_IN {
        0 => {
            let out = outcome(&spawner, Reach::Public, &["ask", PUBLIC]).await;
            assert_eq!(out, format!("ask: {MACHINE}\n"));
        }
        _ => {
            let enclosure = enclosure(&spawner, Reach::Public).await;
            let (out, ..) = crate::support::run(&spawner, crate::support::within(&enclosure, "echo a")).await;
            assert_eq!(out, "a\n");
        }
    };
    one(spawner.clone(), 0).await;
    let pid = spawner.pid();
    let shells = Options::default().shells;
    let settled = || inits_of(pid).len() == shells;
    until("the spawner is idle", settled).await;
    let spawners = pid.to_string();
    let count = || {
        let descriptors = [fds_of("self"), fds_of(&spawners)].map(|fds| fds.len());
        let links = world::output("ip", "-o link").lines().count();
        let named = world::output("nft", "list ruleset").matches([',', '\n']).count();
        let (mounts, groups) = (mounts_of(pid).unwrap(), groups_of(pid));
        [descriptors[0], descriptors[1], mounts, groups, links, named]
    };
    let before = count();
    let mut running = JoinSet::new();
    for number in 1..=ALL {
        if running.len() == AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(one(spawner.clone(), number));
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
    until("the spawner is idle again", settled).await;
    until("nothing is left", || no_more(count(), before, shells)).await;
    spawner.shutdown().await;
    assert_eq!(left_over(), "");
}

pub(crate) async fn a_killed_spawner_leaves_nothing() {
    if !world::is_here("outside::a_killed_spawner_leaves_nothing").await {
        return;
    }
    let (_internet, Some(spawner)) = (Internet::new(), start_apart()) else {
        return;
    };
    let ask = async || {
        let opened = spawner.enclosure(&interior(&spawner, Reach::Public)).await;
        match opened {
            Ok(enclosure) => said(&spawner, &enclosure, &["ask", PUBLIC]).await,
            Err(error) => panic!("{error}"),
        }
    };
    let expected = format!("ask: {MACHINE}\n");
    assert_eq!(ask().await, expected);
    let first = spawner.pid();
    crate::support::signal("KILL", first);
    until("there is another one", || spawner.pid() != first).await;
    assert_eq!(ask().await, expected, "and there is a way out again");
    // What the first one left goes when the kernel has taken its interface away, and somebody looks.
    until("its interface is gone", || {
        let links = world::output("ip", "-o link");
        links.lines().filter(|line| line.contains("albacore")).count() == 1
    })
    .await;
    spawner.shutdown().await;
    if let Some(next) = start_apart() {
        next.shutdown().await;
    }
    assert_eq!(left_over(), "");
}

pub(crate) async fn a_killed_albacore_leaves_nothing() {
    if !world::is_here("outside::a_killed_albacore_leaves_nothing").await {
        return;
    }
    let _internet = Internet::new();
    let Some(spawner) = start_apart() else { return };
    spawner.shutdown().await;
    let mut second = Command::new(std::env::current_exe().unwrap())
        .arg(SECOND_ALBACORE)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(second.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "started\n");
    assert!(left_over().contains("albacore0"), "{}", left_over());
    second.kill().unwrap();
    second.wait().unwrap();
    until("nothing is left", || left_over().is_empty()).await;
}

pub(crate) async fn what_killed_ones_left_is_taken_away() {
    if !world::is_here("outside::what_killed_ones_left_is_taken_away").await {
        return;
    }
    let _internet = Internet::new();
    let table = "add table inet albacore0";
    world::run("nft", table);
    world::run("nft", "add table inet somebodys");
    let Some(spawner) = start_apart() else { return };
    assert_eq!(left_over(), "table inet somebodys", "at the start");
    world::run("nft", "delete table inet somebodys");
    world::run("nft", table);
    let out = outcome(&spawner, Reach::Public, &["ask", PUBLIC]).await;
    assert_eq!(
        out,
        format!("ask: {MACHINE}\n"),
        "a table without an interface was in the way"
    );
    spawner.shutdown().await;
    assert_eq!(left_over(), "");
}

pub(crate) async fn what_is_lacking_is_named() {
    if !world::is_here("outside::what_is_lacking_is_named").await {
        return;
    }
    let (_internet, Some(spawner)) = (Internet::new(), start_apart()) else {
        return;
    };
    forward(false);
    let lack = spawner.outbound_lack().expect("forwarding is off");
    assert!(lack.advice().contains("net.ipv4.ip_forward=1"), "{lack}");
    forward(true);
    // Every address that we might take is somebody's.
    world::run("ip", "link add busy type bridge");
    world::run("ip", "link set busy up");
    world::run("ip", "route add 169.254.96.0/19 dev busy");
    let opened = spawner.enclosure(&interior(&spawner, Reach::Public)).await;
    let error = opened.expect_err("no address is free");
    assert!(
        matches!(
            error,
            SpawnError::Setup {
                step: Step::Uplink,
                errno: libc::EADDRNOTAVAIL
            }
        ),
        "{error:?}"
    );
    spawner.shutdown().await;
    assert_eq!(left_over(), "");
}
