//! A machine and an internet for tests: two networks, joined by a pair of interfaces. This program runs itself again in the
//! first, where it is the machine, and once more in the second, where it serves every address.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The first argument that makes this program the internet.
pub(crate) const INTERNET: &str = "internet";
/// Set where this program is on the machine already.
const ON_THE_MACHINE: &str = "ALBACORE_TEST_MACHINE";

/// The machine's address in the internet.
pub(crate) const MACHINE: &str = "11.0.0.2";
pub(crate) const PUBLIC: &str = "11.22.33.44:80";
/// One of each kind. All are there.
pub(crate) const PRIVATE: [&str; 4] = ["10.77.0.1:80", "172.20.0.1:80", "192.168.77.1:80", "100.64.77.1:80"];
/// All are there, too.
pub(crate) const NEVER: [&str; 3] = ["169.254.169.254:80", "168.63.129.16:80", "198.18.0.1:80"];

/// Is this a machine with an internet? If not, the test runs again where it is, and that has to succeed; where no such
/// thing can be made, says so.
pub(crate) async fn is_here(test: &str) -> bool {
    if std::env::var_os(ON_THE_MACHINE).is_some() {
        return true;
    }
    if !crate::support::is_root() || !has("ip") || !has("nft") || !has("unshare") {
        println!("not tried: that takes root, and the programs ip, nft and unshare");
        return false;
    }
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command
        .arg("-n")
        .arg(program)
        .arg(test)
        .env(ON_THE_MACHINE, "1")
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

fn has(program: &str) -> bool {
    let folders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    folders.iter().any(|folder| Path::new(folder).join(program).exists())
}

/// The internet, until it is dropped.
pub(crate) struct Internet(Child);

impl Internet {
    /// Makes this network the machine's.
    pub(crate) fn new() -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new("unshare")
            .arg("-n")
            .arg(program)
            .arg(INTERNET)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = || lines.next().unwrap().unwrap();
        assert_eq!(next(), "there");
        let pid = child.id().to_string();
        let ip = |arguments: &str| run("ip", arguments);
        ip("link set lo up");
        ip(&format!("link add wan type veth peer name wan netns {pid}"));
        ip(&format!("addr add {MACHINE}/24 dev wan"));
        ip("link set wan up");
        let there = |arguments: &str| run("nsenter", &format!("-t {pid} -n ip {arguments}"));
        there("link set lo up");
        there("addr add 11.0.0.1/24 dev wan");
        there("link set wan up");
        for address in [PUBLIC].iter().chain(&PRIVATE).chain(&NEVER) {
            let address = address.strip_suffix(":80").unwrap();
            there(&format!("addr add {address}/32 dev lo"));
        }
        ip("route add default via 11.0.0.1");
        forward(true);
        writeln!(child.stdin.as_ref().unwrap(), "serve").unwrap();
        assert_eq!(next(), "serving");
        Self(child)
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Does the machine pass packets on?
pub(crate) fn forward(forwards: bool) {
    std::fs::write("/proc/sys/net/ipv4/ip_forward", if forwards { "1" } else { "0" }).unwrap();
}

/// Interfaces, tables of rules and networks of ours: nothing, where all was taken away.
pub(crate) fn left_over() -> String {
    let links = output("ip", "-o link");
    let links = links.lines().filter(|line| line.contains("albacore"));
    let tables = output("nft", "list tables");
    links.chain(tables.lines()).collect::<Vec<_>>().join("\n")
}

#[track_caller]
pub(crate) fn run(program: &str, arguments: &str) {
    let _ = output(program, arguments);
}

#[track_caller]
pub(crate) fn output(program: &str, arguments: &str) -> String {
    let output = Command::new(program)
        .args(arguments.split_ascii_whitespace())
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Tells whoever connects, or sends a datagram, who they are.
pub(crate) fn serve() {
    println!("there");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let listener = TcpListener::bind("0.0.0.0:80").unwrap();
    // Bound to all addresses it would answer from another one than was asked.
    let socket = UdpSocket::bind(PUBLIC).unwrap();
    println!("serving");
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((_, peer)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(peer.ip().to_string().as_bytes(), peer);
        }
    });
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        let peer = stream.peer_addr().unwrap().ip().to_string();
        let _ = stream.write_all(peer.as_bytes());
    }
}
