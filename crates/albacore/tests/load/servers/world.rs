//! Four groups of servers and a function behind two listeners, and a manifest that changes all the time.

use super::fleet::{Spoken, Target, write_certificate};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use testkit::{Folder, Server, until};

/// The program in `tests/load`: it answers with the path.
const FUNCTION: &str = include_str!("../../../../../tests/load/function.py");

/// Where clients connect to; it stays the same when another process takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listeners {
    pub(crate) clear: SocketAddr,
    pub(crate) secure: SocketAddr,
}

pub(crate) struct World {
    // Dropped first: the folder is the server's.
    pub(crate) server: Server,
    pub(crate) folder: Folder,
    pub(crate) listeners: Listeners,
    plain: Vec<Target>,
    secure: Vec<Target>,
    http2: Vec<Target>,
    fragile: Vec<Target>,
    /// Those that come next, so that nobody waits for an interpreter to start.
    next: BTreeMap<Spoken, JoinHandle<Target>>,
    /// Rises with each change of the manifest.
    change: u64,
}

/// How each group is spoken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Plain,
    Secure,
    Http2,
    Fragile,
}

impl Group {
    pub(crate) const STEADY: [Self; 3] = [Self::Plain, Self::Secure, Self::Http2];

    fn spoken(self) -> Spoken {
        match self {
            Self::Plain | Self::Fragile => Spoken::Http,
            Self::Secure => Spoken::Https,
            Self::Http2 => Spoken::Http2,
        }
    }
}

const FLAGS: [&str; 6] = ["--publish", "8443:0", "--cores", "2", "--drain", "30s"];

impl World {
    /// With listeners and targets, but nothing that leads from one to the other.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
        folder.write_program("function.py", FUNCTION);
        write_certificate(&folder);
        let targets = |spoken, count| (0..count).map(|_| Target::start(&folder.path(""), spoken)).collect();
        let (plain, secure): (Vec<_>, Vec<_>) = (targets(Spoken::Http, 2), targets(Spoken::Https, 1));
        let (http2, fragile) = (targets(Spoken::Http2, 1), targets(Spoken::Http, 2));
        folder.write("albacore.yaml", &listeners("", ""));
        let server = folder.up(&FLAGS);
        Self {
            listeners: Listeners {
                clear: server.socket(8080),
                secure: server.socket(8443),
            },
            server,
            folder,
            plain,
            secure,
            http2,
            fragile,
            next: BTreeMap::new(),
            change: 0,
        }
    }

    fn targets(&mut self, group: Group) -> &mut Vec<Target> {
        match group {
            Group::Plain => &mut self.plain,
            Group::Secure => &mut self.secure,
            Group::Http2 => &mut self.http2,
            Group::Fragile => &mut self.fragile,
        }
    }

    /// Changes the manifest, if only a little, and waits until it is served.
    #[track_caller]
    pub(crate) fn change(&mut self) {
        self.change += 1;
        let text = manifest(self.change, [&self.plain, &self.secure, &self.http2, &self.fragile]);
        self.folder.write("albacore.yaml", &text);
        self.server.notice("revision");
    }

    /// Registers another target.
    #[track_caller]
    pub(crate) fn register(&mut self, group: Group) {
        let spoken = group.spoken();
        let start = || {
            let folder = self.folder.path("");
            std::thread::spawn(move || Target::start(&folder, spoken))
        };
        let target = self.next.remove(&spoken).unwrap_or_else(start).join().unwrap();
        self.next.insert(spoken, start());
        self.targets(group).push(target);
        self.change();
    }

    /// Deregisters the target that has been there longest. It is to be stopped when it [is gone](Self::is_gone).
    #[track_caller]
    pub(crate) fn deregister(&mut self, group: Group) -> Target {
        let target = self.targets(group).remove(0);
        self.change();
        target
    }

    /// Whether the load balancer has let go of a target.
    #[track_caller]
    pub(crate) fn is_gone(&self, target: &Target) -> bool {
        let (_, told) = self.server.own_api("targets");
        let address = target.address.to_string();
        let mut targets = told["targets"].as_array().unwrap().iter();
        targets.all(|told| told["server"]["address"] != address.as_str())
    }

    /// Kills a fragile target in the middle of its work, and replaces it a moment later.
    #[track_caller]
    pub(crate) fn kill_one(&mut self) {
        self.fragile.remove(0).kill();
        self.register(Group::Fragile);
    }

    /// Has another process take the place of the server: the old one, which is to end well.
    #[track_caller]
    pub(crate) fn take_over(&mut self) -> Server {
        let next = self.folder.up(&[&FLAGS[..], &["--takeover"]].concat());
        let mut old = std::mem::replace(&mut self.server, next);
        old.notice("handed_over");
        assert_eq!(
            (self.server.socket(8080), self.server.socket(8443)),
            (self.listeners.clear, self.listeners.secure)
        );
        old
    }

    /// Waits until every target is healthy, and each of them has been asked.
    #[track_caller]
    pub(crate) fn is_ready(&self) {
        until("all targets are healthy", || {
            let (_, told) = self.server.own_api("targets");
            let targets = told["targets"].as_array().unwrap();
            let servers = targets.iter().filter(|target| !target["server"].is_null());
            servers.clone().all(|target| target["state"] == "healthy").then_some(())
        });
    }
}

fn manifest(change: u64, [plain, secure, http2, fragile]: [&Vec<Target>; 4]) -> String {
    let list = |targets: &[Target]| {
        let addresses: Vec<_> = targets.iter().map(|target| format!("'{}'", target.address)).collect();
        addresses.join(", ")
    };
    let common = |protocol: &str| {
        let check = format!("path: /healthz, interval: 5s, timeout: 3s, unhealthy_threshold: 2, protocol: {protocol}");
        format!("health_check: {{ {check} }}, deregistration_delay: 5s")
    };
    let (common, secure_common) = (common("http"), common("https"));
    let algorithm = ["round_robin", "least_outstanding_requests", "weighted_random"][(change / 3 % 3) as usize];
    let (weight, stage) = (1 + change % 5, change / 10);
    let rules = format!(
        "          - {{ priority: 10, path: '/mixed/*', forward: {{ plain: {weight}, secure: 2, hello: 1 }} }}\n          \
         - {{ priority: 20, path: '/servers/*', forward: {{ plain: 2, secure: {weight} }} }}\n          \
         - {{ priority: 30, path: '/fragile/*', forward: fragile }}\n          \
         - {{ priority: 90, path: '/change', fixed_response: {{ status: 200, body: '{change}' }} }}\n"
    );
    let http2_rule = "          - { priority: 40, path: '/http2/*', forward: http2 }\n";
    format!(
        "functions:\n  hello: {{ code: ./function.py, timeout: 30s, concurrency: 4, environment: {{ STAGE: '{stage}' }} }}\n\
         target_groups:\n  \
         plain: {{ targets: [{}], algorithm: {algorithm}, {common} }}\n  \
         secure: {{ protocol: https, targets: [{}], {secure_common} }}\n  \
         http2: {{ protocol_version: http2, targets: [{}], {common} }}\n  \
         fragile: {{ targets: [{}], {common} }}\n  \
         hello: {{ function: hello }}\n{}",
        list(plain),
        list(secure),
        list(http2),
        list(fragile),
        listeners(&rules, http2_rule),
    )
}

/// Both listeners with these rules, and the one with TLS with some more.
fn listeners(rules: &str, secure_rules: &str) -> String {
    let default = "        default: { fixed_response: { status: 404 } }\n        rules:\n          \
                   - { priority: 99, path: '/nothing', fixed_response: { status: 204 } }\n";
    format!(
        "load_balancers:\n  load:\n    listeners:\n      \
         - port: 8080\n{default}{rules}      \
         - port: 8443\n        protocol: https\n        certificates: [{{ domain: load.localhost }}]\n\
         {default}{rules}{secure_rules}"
    )
}
