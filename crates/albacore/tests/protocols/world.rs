//! Targets and clients that others have written, and the real binary between them.

use rustix::process::Pid;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use testkit::{Authority, Finished, Folder, Pem, Process, Server, repository, run, venv_python};

/// Made once: keys take their time.
static CERTIFICATES: LazyLock<(Authority, Pem)> = LazyLock::new(|| {
    let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
    let authority = Authority::new(&folder);
    let pem = authority.issue(&folder, &["localhost", "127.0.0.1"]);
    (authority, pem)
});

/// A target: a program of `tests/protocols` that says its port when it listens. It is killed with this value.
pub(crate) struct Target {
    child: Child,
    pub(crate) port: u16,
}

impl Target {
    #[track_caller]
    pub(crate) fn start(name: &str) -> Self {
        let mut child = program(name).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let Ok(port) = line.trim().parse() else {
            panic!("{name} says no port, but {line:?}");
        };
        Self { child, port }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        Process::of(Pid::from_child(&self.child)).kill();
        let _ = self.child.wait();
    }
}

/// A server between targets and clients.
pub(crate) struct World {
    // Dropped first: the folder is the server's.
    pub(crate) server: Server,
    folder: Folder,
}

impl World {
    /// A server with these target groups and load balancers. Listeners on 8443 and others find `site.pem` and `site.key`.
    #[track_caller]
    pub(crate) fn start(manifest: &str) -> Self {
        let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
        let (authority, pem) = &*CERTIFICATES;
        folder.write("site.pem", &pem.certificate);
        folder.write("site.key", &pem.private_key);
        folder.write("ca.pem", &authority.certificate);
        folder.write("albacore.yaml", manifest);
        let server = folder.up(&["--publish", "8443:0,8081:0"]);
        Self { server, folder }
    }

    pub(crate) fn port(&self, listener: u16) -> u16 {
        self.server.socket(listener).port()
    }

    /// Runs a client of `tests/protocols` to its end. It finds the ports of the listeners and some variables of its own.
    #[track_caller]
    pub(crate) fn client(&self, name: &str, variables: &[(&str, String)]) -> Finished {
        let mut command = program(name);
        command
            .current_dir(self.folder.path(""))
            .env("HTTP_PORT", self.port(8080).to_string())
            .env("HTTPS_PORT", self.port(8443).to_string())
            .env("CA", self.folder.path("ca.pem"))
            .env("ENDPOINT", self.server.endpoint().to_string())
            .envs(variables.iter().map(|(name, value)| (name, value)));
        run(&mut command)
    }

    /// No panic, and nothing left of what was.
    #[track_caller]
    pub(crate) fn is_well(&self) {
        assert_eq!(self.server.metric("albacore_proxy_panics_total"), Some(0.0));
        testkit::until("all clients are gone", || {
            (self.server.own_api("status").1["connections"] == 0).then_some(())
        });
    }
}

/// A program of `tests/protocols`, with none of the variables of this process but `PATH`.
fn program(name: &str) -> Command {
    let file = repository(&format!("tests/protocols/{name}"));
    let mut command = match name.rsplit_once('.') {
        Some((_, "py")) => Command::new(venv_python()),
        _ => Command::new("node"),
    };
    command.arg(file).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("NODE_PACKAGES", repository("target/protocols/node/node_modules"));
    command
}
