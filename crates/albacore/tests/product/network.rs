//! A machine that loses IPv6 while albacore runs: in a network of its own, where the host lets users have one.

use crate::support::*;
use rustix::process::Signal;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Switches the loopback interface on, as machines come up, and serves there until it is killed.
const SERVER: &str = r#"
import fcntl, http.server, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh22x", b"lo", 0x41))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *arguments):
        pass
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
server = Server(("::1", 8099), Handler)
print("ready", flush=True)
server.serve_forever()
"#;

/// Asks for a URL: prints the status and the body.
const GET: &str = r#"
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(sys.argv[1])
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.read().decode())
"#;

const SWITCH: &str = "import sys; open('/proc/sys/net/ipv6/conf/all/disable_ipv6', 'w').write(sys.argv[1])";

/// A network with nothing but a loopback interface, and a server at `[::1]:8099`. It is gone with the server.
struct Network(Child);

impl Network {
    /// `None` where the host has no IPv6, or allows no networks of one's own.
    fn new() -> Option<Self> {
        let mut unshare = Command::new("unshare");
        unshare.args(["-rn", "python3", "-c", SERVER]);
        let child = unshare
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut network = Self(child.spawn().ok()?);
        let mut line = String::new();
        BufReader::new(network.0.stdout.take()?).read_line(&mut line).ok()?;
        (line == "ready\n").then_some(network)
    }

    /// A program in it.
    fn command(&self, program: &Command) -> Command {
        let mut command = Command::new("nsenter");
        let holder = self.0.id().to_string();
        command
            .args(["--preserve-credentials", "-U", "-n", "-t", &holder])
            .arg(program.get_program())
            .args(program.get_args())
            .stdin(Stdio::null());
        if let Some(folder) = program.get_current_dir() {
            command.current_dir(folder);
        }
        command
    }

    #[track_caller]
    fn python(&self, script: &str, argument: &str) -> String {
        let finished = run(&mut self.command(Command::new("python3").args(["-c", script, argument])));
        finished.expect_success();
        finished.out
    }

    /// The one target's state in albacore's words.
    fn state_is(&self, state: &str) -> Option<Value> {
        let answer = self.python(GET, "http://127.0.0.1:9000/_albacore/targets");
        let targets: Value = serde_json::from_str(answer.strip_prefix("200 ")?).unwrap();
        let found = targets.to_string().contains(&format!("\"{state}\""));
        found.then_some(targets)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A group with the server of the network in it, and what a listener answers at `/fixed`.
fn manifest_with(status: u16) -> String {
    format!(
        "target_groups:\n  web:\n    targets:\n      - '[::1]:8099'\n    \
         health_check: {{ interval: 5s, timeout: 2s, unhealthy_threshold: 2 }}\n\
         load_balancers:\n  shop:\n    listeners:\n      - port: 8080\n        default: {{ forward: web }}\n        \
         rules: [{{ priority: 1, path: /fixed, fixed_response: {{ status: {status} }} }}]\n"
    )
}

const NO_IPV6: &str = "found the address `::1`: this machine has no IPv6; use an IPv4 address, or switch IPv6 on";

// Source: ALB 4.3: what cannot be reached is answered with 502
#[test]
fn a_machine_that_loses_ipv6_says_so_and_keeps_what_runs() {
    let Some(network) = Network::new() else { return };
    let folder = new_folder();
    folder.write("albacore.yaml", &manifest_with(201));
    let up = folder.albacore(&["up", "--json", "--endpoint", "127.0.0.1:9000", "--data-dir", "state"]);
    let mut server = Server::start(network.command(&up).env("ALBACORE_CORES", "1"));
    until("a healthy target", || network.state_is("healthy"));
    network.python(SWITCH, "1");
    // The target is not connected to any more, and that is no lack of ports.
    assert!(network.python(GET, "http://127.0.0.1:8080/").starts_with("502 "));
    let requests = network.python(GET, "http://127.0.0.1:9000/_albacore/requests?limit=1");
    for said in [
        "TargetConnectionRefused",
        "this machine has no address to reach it from",
    ] {
        assert!(requests.contains(said), "{said}: {requests}");
    }
    until("an unhealthy target", || network.state_is("unhealthy"));
    // A manifest that names it is refused now, and changes nothing.
    folder.write("albacore.yaml", &manifest_with(202));
    let mistake = server.notice("mistake");
    assert_eq!(
        (&mistake["line"], &mistake["column"]),
        (&4.into(), &9.into()),
        "{mistake}"
    );
    assert_eq!(mistake["message"], NO_IPV6);
    assert_eq!(server.notice("kept")["revision"], 1);
    assert!(network.python(GET, "http://127.0.0.1:8080/fixed").starts_with("201 "));
    let checked = run(&mut network.command(&folder.albacore(&["check", "albacore.yaml"])));
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(
        checked.err.contains(&format!("albacore.yaml:4:9: {NO_IPV6}")),
        "{checked:?}"
    );
    // IPv6 is back, and with it the target.
    network.python(SWITCH, "0");
    server.signal(Signal::HUP);
    assert_eq!(server.notice("revision")["revision"], 2);
    assert!(network.python(GET, "http://127.0.0.1:8080/fixed").starts_with("202 "));
    assert_eq!(network.python(GET, "http://127.0.0.1:8080/"), "200 ok\n");
}
