//! Functions with a way out: on a machine with an internet, which are two networks of this test's own. That takes root.

use crate::support::*;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The internet: serves HTTP at every address, and names at its first one.
const INTERNET: &str = r#"
import socket, struct, sys, threading
print("there", flush=True)
sys.stdin.readline()

def answer_to(message, is_stream):
    at = 12
    labels = []
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode())
        at += 1 + message[at]
    question = message[12:at + 5]
    name = ".".join(labels)
    if name == "big.example" and not is_stream:
        return message[:2] + struct.pack(">HHHHH", 0x8380, 1, 0, 0, 0) + question
    known = {"www.example": [11, 22, 33, 44], "big.example": [11, 22, 33, 44], "private.example": [10, 77, 0, 1]}
    if name not in known:
        return message[:2] + struct.pack(">HHHHH", 0x8183, 1, 0, 0, 0) + question
    if question[-3] == 28:  # AAAA
        return message[:2] + struct.pack(">HHHHH", 0x8180, 1, 0, 0, 0) + question
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes(known[name])
    return message[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + question + record

def datagrams(server):
    while True:
        message, client = server.recvfrom(4096)
        server.sendto(answer_to(message, False), client)

def streams(server):
    while True:
        client = server.accept()[0]
        length = struct.unpack(">H", client.recv(2, socket.MSG_WAITALL))[0]
        answer = answer_to(client.recv(length, socket.MSG_WAITALL), True)
        client.sendall(struct.pack(">H", len(answer)) + answer)
        client.close()

def web(server):
    while True:
        client, peer = server.accept()
        client.recv(4096)
        body = peer[0].encode() + b" " + b"x" * 200000
        client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        client.close()

def echo(server):
    while True:
        message, client = server.recvfrom(4096)
        server.sendto(client[0].encode(), client)

udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("11.0.0.1", 53))
other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
other.bind(("11.22.33.44", 7))
for serve, server in [
    (datagrams, udp),
    (echo, other),
    (streams, socket.create_server(("11.0.0.1", 53))),
    (web, socket.create_server(("0.0.0.0", 80))),
]:
    threading.Thread(target=serve, args=(server,), daemon=True).start()
print("serving", flush=True)
sys.stdin.read()
"#;

/// The machine: makes the internet, and stays until its input ends. Its server of names is the internet's.
const MACHINE: &str = r#"
import os, subprocess, sys
os.environ["PATH"] = "/usr/sbin:/sbin:/usr/bin:/bin"
pipe = subprocess.PIPE
internet = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=pipe, stdout=pipe, text=True,
                            preexec_fn=lambda: os.execvp("unshare", ["unshare", "-n", sys.executable, "-c", sys.argv[1]]))
internet.stdout.readline()
run = lambda line: subprocess.run(line.split(), check=True)
there = lambda line: run("nsenter -t %d -n %s" % (internet.pid, line))
run("ip link set lo up")
run("ip link add wan mtu 1400 type veth peer name wan mtu 1400 netns %d" % internet.pid)
run("ip addr add 11.0.0.2/24 dev wan")
run("ip link set wan up")
there("ip link set lo up")
there("ip addr add 11.0.0.1/24 dev wan")
there("ip link set wan up")
for address in ["11.22.33.44", "10.77.0.1", "192.168.77.1", "172.20.0.1", "169.254.169.254"]:
    there("ip addr add %s/32 dev lo" % address)
run("ip route add default via 11.0.0.1")
open("/proc/sys/net/ipv4/ip_forward", "w").write("1")
open(sys.argv[2], "w").write("nameserver 11.0.0.1\n")
run("mount --bind %s /etc/resolv.conf" % sys.argv[2])
internet.stdin.write("go\n")
internet.stdin.flush()
internet.stdout.readline()
print("ready", flush=True)
sys.stdin.read()
"#;

/// Does what its event says: asks for pages, sends datagrams.
const FUNCTION: &str = r#"
import socket, urllib.request
def handler(event, context):
    answer = {}
    for url in event.get("pages", []):
        try:
            body = urllib.request.urlopen(url, timeout=10).read()
            answer[url] = "%s %d" % (body.split()[0].decode(), len(body) > 200000)
        except OSError as error:
            reason = getattr(error, "reason", error)
            answer[url] = type(reason).__name__ + " " + str(getattr(reason, "errno", ""))
    for address in event.get("datagrams", []):
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        asking.settimeout(10)
        try:
            asking.sendto(b"?", (address, 7))
            answer[address] = asking.recv(100).decode()
        except OSError as error:
            answer[address] = type(error).__name__
    return answer
"#;

const MANIFEST: &str = "functions:
  usual: { code: ./f, runtime: python3.12, handler: app.handler, timeout: 60s }
  none: { code: ./f, runtime: python3.12, handler: app.handler, timeout: 60s, network: none }
  outbound: { code: ./f, runtime: python3.12, handler: app.handler, timeout: 60s, network: outbound }
  private:
    { code: ./f, runtime: python3.12, handler: app.handler, timeout: 60s, network: { outbound: { allow_private: true } } }
";

/// Ends with its input.
struct Machine {
    child: Child,
    folder: Folder,
}

impl Machine {
    /// `None` where there can be no such thing.
    fn new() -> Option<Self> {
        let has = |program: &str| {
            ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
                .iter()
                .any(|it| Path::new(it).join(program).exists())
        };
        if !rustix::process::geteuid().is_root() || !["nft", "ip", "unshare", "nsenter"].into_iter().all(has) {
            println!("not tried: that takes root, and the programs nft, ip, unshare and nsenter");
            return None;
        }
        let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
        std::fs::create_dir(folder.path("f")).unwrap();
        folder.write_program("f/app.py", FUNCTION);
        folder.write("albacore.yaml", MANIFEST);
        let mut unshare = Command::new("unshare");
        let resolver = folder.path("resolv.conf");
        unshare.args(["-nm", "python3", "-c", MACHINE, INTERNET]).arg(resolver);
        let mut child = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        let machine = Self { child, folder };
        let doctor: Value = serde_json::from_str(&machine.run(&["doctor", "--json"]).out).unwrap();
        has_namespaces(doctor["sandbox"]["tier"].as_str().unwrap()).then_some(machine)
    }

    /// A program on it.
    fn on(&self, program: &Command) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-n", "-m", "-t", &self.child.id().to_string()]);
        if let Some(folder) = program.get_current_dir() {
            // It is at the root of the other mounts otherwise.
            command.arg(format!("--wd={}", folder.display()));
        }
        command.arg("--").arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    fn up(&self) -> Server {
        let up = self
            .folder
            .albacore(&["up", "--json", "--endpoint", "127.0.0.1:9000", "--data-dir", "state"]);
        Server::start(&mut self.on(&up))
    }

    fn run(&self, args: &[&str]) -> Finished {
        run(&mut self.on(&self.folder.albacore(args)))
    }

    fn shell(&self, script: &str) -> String {
        let finished = run(&mut self.on(Command::new("sh")
            .args(["-c", script])
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")));
        finished.expect_success();
        finished.out
    }

    #[track_caller]
    fn invoke(&self, function: &str, event: &Value) -> Value {
        let finished = self.run(&[
            "invoke",
            function,
            "--data-dir",
            "state",
            "--payload",
            &event.to_string(),
        ]);
        serde_json::from_str(&finished.out).unwrap_or_else(|_| panic!("{finished:?}"))
    }

    /// Interfaces and rules of albacore's.
    fn left_over(&self) -> String {
        self.shell("ip -o link | grep albacore; nft list tables; true")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn stop(server: &mut Server) {
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn each_function_has_the_network_of_the_manifest() {
    let Some(machine) = Machine::new() else { return };
    let mut server = machine.up();
    let pages = ["http://www.example/", "http://big.example/", "http://11.22.33.44/"];
    let far = [
        "http://10.77.0.1/",
        "http://192.168.77.1/",
        "http://172.20.0.1/",
        "http://private.example/",
    ];
    let never = ["http://169.254.169.254/latest/meta-data/", "http://169.254.64.1/"];
    let all = [&pages[..], &far, &never].concat();
    let event = json!({ "pages": all, "datagrams": ["11.22.33.44"] });
    // The second round is one in environments that have been used, beside parked interpreters.
    for _ in 0..2 {
        for function in ["usual", "outbound", "private"] {
            let answer = machine.invoke(function, &event);
            for page in pages {
                assert_eq!(answer[page], "11.0.0.2 1", "{function} {answer}");
            }
            assert_eq!(answer["11.22.33.44"], "11.0.0.2", "{function} {answer}");
            for page in far {
                let expected = if function == "private" {
                    "11.0.0.2 1"
                } else {
                    "OSError 113"
                };
                assert_eq!(answer[page], expected, "{function} {page} {answer}");
            }
            for page in never {
                assert_eq!(answer[page], "OSError 113", "{function} {page} {answer}");
            }
        }
        let answer = machine.invoke("none", &event);
        for (what, outcome) in answer.as_object().unwrap() {
            let outcome = outcome.as_str().unwrap();
            // No name, or no way.
            assert!(
                outcome.starts_with("gaierror") || outcome.ends_with(" 101") || outcome == "OSError",
                "{what}: {outcome}"
            );
        }
    }
    assert!(
        machine.left_over().contains("table inet albacore0"),
        "{}",
        machine.left_over()
    );
    stop(&mut server);
    assert_eq!(machine.left_over(), "");
}

#[test]
fn a_killed_albacore_leaves_nothing_of_its_network() {
    let Some(machine) = Machine::new() else { return };
    let server = machine.up();
    let event = json!({ "pages": ["http://www.example/"] });
    assert_eq!(machine.invoke("usual", &event)["http://www.example/"], "11.0.0.2 1");
    let networks = || machine.shell("ls -l /proc/[0-9]*/ns/net 2>/dev/null | sed 's/.*-> //' | sort -u | wc -l");
    assert!(machine.left_over().contains("albacore0"));
    let before = networks();
    server.signal(Signal::KILL);
    until("nothing is left", || machine.left_over().is_empty().then_some(()));
    assert_ne!(networks(), before, "its networks have gone, too");
}

#[test]
fn what_is_lacking_is_said_and_nobody_gets_another_network() {
    let Some(machine) = Machine::new() else { return };
    let said = |lack: &str, fix: &str| {
        let doctor = machine.run(&["doctor"]);
        assert!(doctor.out.contains(lack) && doctor.out.contains(fix), "{doctor:?}");
        let mut server = machine.up();
        let event = json!({ "pages": ["http://11.22.33.44/"] });
        for function in ["outbound", "private"] {
            let answer = machine.invoke(function, &event);
            assert_eq!(answer["errorType"], "Albacore.NoNetwork", "{answer}");
            let message = answer["errorMessage"].as_str().unwrap();
            assert!(message.contains(lack) && message.contains(fix), "{message}");
        }
        // Who asked for nothing gets nothing, and runs.
        for function in ["usual", "none"] {
            assert_eq!(machine.invoke(function, &event)["http://11.22.33.44/"], "OSError 101");
        }
        stop(&mut server);
    };
    machine.shell("echo 0 >/proc/sys/net/ipv4/ip_forward");
    said("IPv4 forwarding is off", "sysctl -w net.ipv4.ip_forward=1");
    machine.shell("echo 1 >/proc/sys/net/ipv4/ip_forward; mount --bind /dev/null $(command -v nft)");
    for elsewhere in ["/usr/sbin/nft", "/sbin/nft"] {
        machine.shell(&format!("[ ! -f {elsewhere} ] || mount --bind /dev/null {elsewhere}"));
    }
    said("nft, which filters, is not installed", "install nftables");
}

#[test]
fn another_programs_barrier_is_found() {
    let Some(machine) = Machine::new() else { return };
    let quiet = machine.run(&["doctor"]);
    assert!(
        !quiet.out.contains("DOCKER-USER") && quiet.out.contains("functions without `network` reach: public"),
        "{quiet:?}"
    );
    machine.shell("nft add table ip filter; nft 'add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'");
    let warned = machine.run(&["doctor"]);
    assert!(
        warned.out.contains("the chain `ip filter FORWARD` of another program"),
        "{warned:?}"
    );
}
