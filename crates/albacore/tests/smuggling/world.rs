//! A server with a load balancer for each desync mode, each with a listener for each target.

use crate::judge::{self, Logged};
use crate::recorder::Recorder;
use crate::targets::{Seen, Target, recorded};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use std::net::SocketAddr;
use testkit::{Folder, Server};

const MODES: [&str; 3] = ["monitor", "defensive", "strictest"];

/// A mode, and the targets in it.
pub(crate) type Lanes = (&'static str, &'static [&'static str]);

/// Targets in every stack.
pub(crate) const STACKS: &[&str] = &["recorder", "node", "python", "nginx"];
/// The same with another parser of Python's, which is strict.
pub(crate) const ALL_STACKS: &[&str] = &["recorder", "node", "python", "python-h11", "nginx"];

/// A target of one mode, and the listeners that lead to it.
pub(crate) struct Lane {
    /// Its mode and its stack.
    pub(crate) mode: &'static str,
    pub(crate) stack: &'static str,
    /// Two digits that stand in every path.
    pub(crate) number: usize,
    pub(crate) clear: SocketAddr,
    pub(crate) secure: SocketAddr,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Recorder(Recorder),
    Stack(Target),
}

impl Lane {
    /// What its target has seen.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        match &self.kind {
            Kind::Recorder(recorder) => recorded(recorder),
            Kind::Stack(target) => target.seen(),
        }
    }
}

pub(crate) struct World {
    // Dropped first: the folder is the server's.
    pub(crate) server: Server,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) folder: Folder,
}

impl World {
    /// With these lanes, and with this idle timeout: whoever waits for more of a request is answered after it.
    #[track_caller]
    pub(crate) fn start(lanes: &[Lanes], idle_seconds: u32) -> Self {
        // Hundreds of connections at once for each target.
        let limit = getrlimit(Resource::Nofile);
        let current = limit.maximum;
        setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
        let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
        let all = lanes
            .iter()
            .flat_map(|(mode, stacks)| stacks.iter().map(move |stack| (*mode, *stack)));
        let kinds: Vec<_> = std::thread::scope(|scope| {
            let folder = &folder;
            let starting: Vec<_> = all
                .enumerate()
                .map(|(number, (mode, stack))| {
                    scope.spawn(move || {
                        let kind = match stack {
                            "recorder" => Kind::Recorder(Recorder::start()),
                            _ => Kind::Stack(Target::start(folder, stack, number)),
                        };
                        (mode, stack, kind)
                    })
                })
                .collect();
            starting.into_iter().map(|starting| starting.join().unwrap()).collect()
        });
        let (mut groups, mut listeners, mut publish) = (String::new(), [const { String::new() }; 3], Vec::new());
        for (number, (mode, _, kind)) in kinds.iter().enumerate() {
            let address = match kind {
                Kind::Recorder(recorder) => recorder.origin.address(),
                Kind::Stack(target) => target.address,
            };
            let check = "health_check: { port: 1, interval: 300s, timeout: 120s }";
            groups += &format!("  lane{number}: {{ targets: ['{address}'], {check} }}\n");
            let (clear, secure) = (9_000 + number, 9_100 + number);
            let of_mode = &mut listeners[MODES.iter().position(|it| it == mode).unwrap()];
            *of_mode += &format!("      - {{ port: {clear}, default: {{ forward: lane{number} }} }}\n");
            let tls = "protocol: https, certificates: [{ domain: lane.localhost }]";
            *of_mode += &format!("      - {{ port: {secure}, {tls}, default: {{ forward: lane{number} }} }}\n");
            publish.push(format!("{clear}:0,{secure}:0"));
        }
        let balancers: String = MODES
            .iter()
            .zip(&listeners)
            .filter(|(_, listeners)| !listeners.is_empty())
            .map(|(mode, listeners)| {
                let attributes = format!(
                    "routing.http.desync_mitigation_mode: {mode}, idle_timeout.timeout_seconds: {idle_seconds}"
                );
                format!("  {mode}:\n    attributes: {{ {attributes} }}\n    listeners:\n{listeners}")
            })
            .collect();
        folder.write(
            "albacore.yaml",
            &format!("target_groups:\n{groups}load_balancers:\n{balancers}"),
        );
        let server = folder.up(&["--publish", &publish.join(","), "--cores", "2"]);
        let lanes = kinds.into_iter().enumerate().map(|(number, (mode, stack, kind))| Lane {
            mode,
            stack,
            number,
            clear: server.socket(9_000 + number as u16),
            secure: server.socket(9_100 + number as u16),
            kind,
        });
        Self {
            lanes: lanes.collect(),
            server,
            folder,
        }
    }

    /// Waits until nothing is left to do, stops the server, and says what it has seen.
    pub(crate) fn finish(&mut self) -> Logged {
        self.server.comes_to_rest(usize::MAX);
        // The last lines of the log are written at the end.
        self.server.signal(Signal::TERM);
        assert_eq!(self.server.exit_code(), Some(0));
        let log = std::fs::read(self.folder.path(".albacore/access.log")).unwrap();
        judge::logged(&String::from_utf8_lossy(&log))
    }
}
