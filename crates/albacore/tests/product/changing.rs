//! What changes while traffic runs: the manifest, listeners, certificates. Nobody notices but by the answers.

use crate::support::*;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

/// Two listeners that answer by themselves; `second` is left out when it is empty.
fn fixed(body: &str, second: &str) -> String {
    let listener = |port: u16, body: &str| {
        format!("      - {{ port: {port}, default: {{ fixed_response: {{ status: 200, body: \"{body}\" }} }} }}\n")
    };
    let second = if second.is_empty() {
        String::new()
    } else {
        listener(8081, second)
    };
    format!(
        "load_balancers:\n  shop:\n    listeners:\n{}{second}",
        listener(8080, body)
    )
}

/// Lets the workers of a test end, also when the test fails.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn fifty_busy_connections_do_not_notice_reloads() {
    const CONNECTIONS: u32 = 50;
    const RELOADS: u32 = 5;
    let folder = new_folder();
    folder.write("albacore.yaml", &fixed("0", ""));
    let mut server = folder.up(&["--cores", "2"]);
    let address = server.socket(8080);
    // `told` is the newest configuration that was told; each request after that has to see it, or a newer one.
    let (told, stop, asked) = (AtomicU32::new(0), AtomicBool::new(false), AtomicU32::new(0));
    let work = |_| {
        let mut connection = Connection::open(address).unwrap();
        let mut newest = 0;
        while !stop.load(Ordering::Acquire) {
            let expected = told.load(Ordering::Acquire);
            let answer = connection.get("/").unwrap();
            let found: u32 = answer.body.parse().unwrap();
            assert_eq!(answer.status, 200);
            assert!(
                found >= expected && found >= newest,
                "{found} after {newest}, and {expected} was told"
            );
            newest = found;
            asked.fetch_add(1, Ordering::Relaxed);
        }
        newest
    };
    let newest: Vec<u32> = thread::scope(|scope| {
        let working: Vec<_> = (0..CONNECTIONS)
            .map(|number| scope.spawn(move || work(number)))
            .collect();
        let stop_at_end = StopAtEnd(&stop);
        for number in 1..=RELOADS {
            let before = asked.load(Ordering::Relaxed);
            until("every connection may have asked", || {
                (asked.load(Ordering::Relaxed) > before + 2 * CONNECTIONS).then_some(())
            });
            folder.write("albacore.yaml", &fixed(&number.to_string(), ""));
            server.notice("revision");
            told.store(number, Ordering::Release);
        }
        let before = asked.load(Ordering::Relaxed);
        until("the last one was asked for", || {
            (asked.load(Ordering::Relaxed) > before + 2 * CONNECTIONS).then_some(())
        });
        drop(stop_at_end);
        working.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(newest, vec![RELOADS; CONNECTIONS as usize]);
    let (_, metrics) = server.own_api("metrics");
    let opened = metrics.as_str().unwrap().lines().find_map(|line| {
        let (_, number) = line
            .strip_prefix("albacore_proxy_new_connections_total{")?
            .split_once("} ")?;
        number.parse().ok()
    });
    assert_eq!(opened, Some(CONNECTIONS), "nobody had to connect again");
}

#[test]
fn a_deleted_listener_closes() {
    let folder = new_folder();
    folder.write("albacore.yaml", &fixed("first", "second"));
    let mut server = folder.up(&["--publish", "8081:0"]);
    let (kept, deleted) = (server.socket(8080), server.socket(8081));
    let mut idle = Connection::open(deleted).unwrap();
    assert_eq!(idle.get("/").unwrap().body, "second");
    folder.write("albacore.yaml", &fixed("first", ""));
    assert_eq!(server.notice("revision")["change"], "1 listener removed");
    until("nobody listens there", || Connection::open(deleted).err());
    // Whoever was connected is not answered by another listener's rules.
    assert!(idle.get("/").is_err());
    assert_eq!(get(kept, "/").1, "first");
}

#[test]
fn a_running_request_keeps_the_answer_of_its_time() {
    let folder = with_manifest("old", "");
    folder.make_pipe("gate");
    let mut server = folder.up(&[]);
    let slow = send(
        server.socket(8080),
        "GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    server.log_line("waiting");
    folder.write("albacore.yaml", &manifest("new", ""));
    server.notice("revision");
    assert_eq!(worker(&server).0, "new");
    open_gate(&folder);
    let (status, body) = receive(slow);
    assert!(status == 200 && body.starts_with("old "), "{status} {body}");
}

/// One HTTPS listener with a certificate from files.
const SECURE: &str = "load_balancers:\n  shop:\n    listeners:\n      - port: 8080\n        protocol: https\n        \
                      certificates: [{ certificate: a.pem, private_key: a.key }]\n        \
                      default: { fixed_response: 200 }\n";

#[test]
fn a_certificate_that_is_replaced_on_disk_is_used() {
    let folder = new_folder();
    folder.write("albacore.yaml", SECURE);
    let write = |name: &str| {
        let pem = self_signed(&folder, &[name], Validity::Now);
        // First the key: the certificate that is still there does not fit it, so nothing changes yet.
        folder.write("a.key", &pem.private_key);
        folder.write("a.pem", &pem.certificate);
    };
    write("first.localhost");
    let mut server = folder.up(&[]);
    let address = server.socket(8080).to_string();
    let subject = || run(Command::new("openssl").args(["s_client", "-connect", &address])).out;
    let found = subject();
    assert!(found.contains("subject=CN = first.localhost"), "{found}");
    write("second.localhost");
    server.notice("revision");
    let found = subject();
    assert!(found.contains("subject=CN = second.localhost"), "{found}");
}

#[test]
fn a_useless_certificate_is_a_mistake() {
    let folder = new_folder();
    folder.write("albacore.yaml", SECURE);
    let (good, expired) = (
        self_signed(&folder, &["a.localhost"], Validity::Now),
        self_signed(&folder, &["a.localhost"], Validity::Expired),
    );
    for (certificate, key, line) in [
        (&good.certificate, &good.private_key, ""),
        (
            &expired.certificate,
            &expired.private_key,
            "; renew it, and write the new one and its key here",
        ),
        (
            &good.certificate,
            &expired.private_key,
            "`a.key`: private key does not belong to the certificate in `a.pem`; expected ",
        ),
        (&good.private_key, &good.private_key, "`a.pem`: "),
    ] {
        folder.write("a.pem", certificate);
        folder.write("a.key", key);
        if line.is_empty() {
            folder.run(&["check"]).expect(0, "1 certificate", "");
        } else {
            folder.run(&["check"]).expect(1, "", "albacore.yaml:6:");
            folder.run(&["check"]).expect(1, "", line);
        }
    }
}

/// Where the kernel lets everybody have every port, nobody is refused one.
#[test]
fn a_privileged_port_is_an_error_that_says_what_to_do() {
    let first_for_all = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if first_for_all.trim().parse::<u16>().unwrap() <= 1 {
        return;
    }
    let folder = new_folder();
    folder.write("albacore.yaml", &fixed("here", ""));
    let args = ["up", "--publish", "8080:1", "--endpoint", "127.0.0.1:0", "--ephemeral"];
    let mut command = folder.albacore(&args);
    if rustix::process::geteuid().is_root() {
        // Somebody without rights, who has to be able to reach the program and the manifest.
        let binary = folder.path("albacore");
        std::fs::copy(env!("CARGO_BIN_EXE_albacore"), &binary).unwrap();
        for path in [&binary, &folder.path("")] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let is_there = run(Command::new("sh").args(["-c", "command -v setpriv"])).code == Some(0);
        assert!(
            is_there,
            "root needs `setpriv` (package util-linux) to be somebody else for this test"
        );
        command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(binary)
            .args(args);
        command.current_dir(folder.path("")).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    }
    let refused = run(&mut command);
    refused.expect(1, "", "port 1 ");
    refused.expect(1, "", "--publish 8080:");
}
