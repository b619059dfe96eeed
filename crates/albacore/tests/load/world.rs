//! One listener, one function for each behaviour, and what is looked at from outside.

use rustix::process::Pid;
use std::fs;
use std::net::SocketAddr;
use testkit::{Folder, Server, children, open_files, processes_with, zombies};

/// The program and the modules in `tests/load`: they read their behaviour from the path.
const FUNCTION: &str = include_str!("../../../../tests/load/function.py");
const PYTHON_MODULE: &str = include_str!("../../../../tests/load/managed.py");
const NODE_MODULE: &str = include_str!("../../../../tests/load/managed.mjs");

/// A variable of every function, with the folder of the test as its value: so are its processes found.
const MARK: &str = "LOAD_MARK";

/// A function, and what its requests have to become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behaviour {
    pub(crate) name: &'static str,
    /// The status that each request gets.
    pub(crate) status: u16,
    /// What the access log says then. Source: ALB 3.4.
    pub(crate) error_reason: &'static str,
    /// Environments at once.
    concurrency: u32,
    /// Connections that send to it. More than environments: their requests wait for one another.
    pub(crate) clients: usize,
}

/// Every request is answered.
const fn answers(name: &'static str, concurrency: u32, clients: usize) -> Behaviour {
    Behaviour {
        name,
        status: 200,
        error_reason: "-",
        concurrency,
        clients,
    }
}

/// No request is: each gets a 502 for this reason.
const fn fails(name: &'static str, error_reason: &'static str, concurrency: u32, clients: usize) -> Behaviour {
    Behaviour {
        name,
        status: 502,
        error_reason,
        concurrency,
        clients,
    }
}

const UNHANDLED: &str = "LambdaUnhandled";
const INVALID: &str = "LambdaInvalidResponse";

/// What begins with `python-` or `node-` runs in that language's managed runtime.
pub(crate) const BEHAVIOURS: [Behaviour; 14] = [
    answers("good", 3, 6),
    fails("failing", UNHANDLED, 2, 4),
    answers("slow", 8, 10),
    fails("hanging", UNHANDLED, 6, 8),
    fails("exiting", UNHANDLED, 2, 3),
    fails("killed", UNHANDLED, 2, 3),
    answers("forking", 2, 3),
    fails("garbage", INVALID, 2, 4),
    answers("python-good", 2, 4),
    fails("python-raising", UNHANDLED, 1, 2),
    fails("python-exiting", UNHANDLED, 1, 2),
    answers("node-good", 2, 4),
    fails("node-rejecting", UNHANDLED, 1, 2),
    fails("node-exiting", UNHANDLED, 1, 2),
];

pub(crate) struct World {
    // Dropped first: the folder is the server's.
    pub(crate) server: Server,
    pub(crate) folder: Folder,
}

impl World {
    /// A server that has no functions yet.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
        folder.write_program("function.py", FUNCTION);
        for (language, file, module) in [
            ("python", "managed.py", PYTHON_MODULE),
            ("node", "managed.mjs", NODE_MODULE),
        ] {
            fs::create_dir(folder.path(language)).unwrap();
            folder.write(&format!("{language}/{file}"), module);
        }
        folder.write("albacore.yaml", &manifest(&folder, &[]));
        // Two traffic threads, so that environments are asked for from a core that is not theirs.
        let server = folder.up(&["--cores", "2"]);
        Self { server, folder }
    }

    /// From now on it has these functions and no others.
    #[track_caller]
    pub(crate) fn change_functions(&mut self, behaviours: &[Behaviour]) {
        self.folder.write("albacore.yaml", &manifest(&self.folder, behaviours));
        self.server.notice("revision");
    }

    pub(crate) fn listener(&self) -> SocketAddr {
        self.server.socket(8080)
    }

    /// Environments of all functions together: busy or starting, and idle.
    #[track_caller]
    pub(crate) fn environments(&self) -> (u64, u64) {
        let (_, status) = self.server.own_api("status");
        let functions = status["functions"].as_array().unwrap();
        let sum = |phase: &str| functions.iter().map(|it| it[phase].as_u64().unwrap()).sum::<u64>();
        (sum("busy") + sum("starting"), sum("idle"))
    }

    #[track_caller]
    pub(crate) fn connections_are_closed(&self) -> bool {
        self.server.own_api("status").1["connections"] == 0
    }

    /// The processes of all functions, those included that they have forked, in order: what stands below an init, and what has
    /// the mark wherever it is. Interpreters that wait for a function are not among them.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let mut all = processes_with(MARK, &mark(&self.folder));
        let mut parents = self.inits();
        while let Some(parent) = parents.pop() {
            let zombies = zombies(parent);
            let living = children(parent).into_iter().filter(|child| !zombies.contains(child));
            let living: Vec<_> = living
                .filter(|child| !is_waiting(*child) && !is_spare(*child))
                .collect();
            all.extend(&living);
            parents.extend(living);
        }
        in_order(all)
    }

    /// What stands below the init process of an environment, which stands below the spawner, in order.
    pub(crate) fn main_processes(&self) -> Vec<Pid> {
        let mains = self.inits().into_iter();
        let mains = mains.filter_map(|init| children(init).into_iter().find(|it| !is_spare(*it)));
        in_order(mains.filter(|main| !is_waiting(*main)).collect())
    }

    /// Interpreters that wait for a function, and environments that wait for anything.
    pub(crate) fn kept_ready(&self) -> (usize, usize) {
        let inits = self.inits();
        let interpreters = |init: &&Pid| children(**init).into_iter().any(is_waiting);
        let interpreters = inits.iter().filter(interpreters).count();
        (interpreters, inits.len() - interpreters)
    }

    /// How many there are after a while, when no function runs: so many of Python and Node.js, and of nothing yet.
    pub(crate) fn kept_ready_wanted(&self) -> (usize, usize) {
        let (_, status) = self.server.own_api("status");
        if status["sandbox"] == "namespace" {
            (4, 4)
        } else {
            (0, 0)
        }
    }

    fn inits(&self) -> Vec<Pid> {
        let spawner = children(self.server.pid());
        let below = spawner.into_iter().flat_map(children);
        // Who forks them is none of them.
        below.filter(|pid| name(*pid) != "albacore-fork").collect()
    }

    /// Open files of the server and of the processes that it has started itself.
    #[track_caller]
    pub(crate) fn open_files(&self) -> Vec<usize> {
        let own = self.server.pid();
        [own].into_iter().chain(children(own)).map(open_files).collect()
    }
}

/// Whether a process is an interpreter that waits for a function: it has the descriptor through which it gets one.
fn is_waiting(pid: Pid) -> bool {
    fs::symlink_metadata(format!("/proc/{}/fd/63", pid.as_raw_nonzero())).is_ok()
}

/// Whether a process waits in an empty environment to become its main process.
fn is_spare(pid: Pid) -> bool {
    name(pid) == "albacore-wait"
}

fn name(pid: Pid) -> String {
    let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero())).unwrap_or_default();
    name.trim_end().to_owned()
}

fn in_order(mut pids: Vec<Pid>) -> Vec<Pid> {
    pids.sort_by_key(|pid| pid.as_raw_nonzero());
    pids.dedup();
    pids
}

/// The value of [`MARK`] in this folder.
pub(crate) fn mark(folder: &Folder) -> String {
    folder.path("").display().to_string()
}

/// The runtimes are those that the machine has, or the nearest ones serve.
fn code(name: &str) -> &'static str {
    match name.split_once('-') {
        Some(("python", _)) => "runtime: python3.12\n    code: ./python\n    handler: managed.handler",
        Some(("node", _)) => "runtime: nodejs22.x\n    code: ./node\n    handler: managed.handler",
        _ => "code: ./function.py",
    }
}

fn manifest(folder: &Folder, behaviours: &[Behaviour]) -> String {
    let mark = mark(folder);
    let (mut functions, mut groups, mut rules) = (String::new(), String::new(), String::new());
    for (index, it) in behaviours.iter().enumerate() {
        let (name, concurrency) = (it.name, it.concurrency);
        let timeout = if name == "hanging" { "1s" } else { "30s" };
        functions += &format!("  {name}:\n    {}\n    timeout: {timeout}\n", code(name));
        functions += &format!("    concurrency: {concurrency}\n    environment: {{ {MARK}: '{mark}' }}\n");
        groups += &format!("  {name}: {{ function: {name} }}\n");
        let priority = index + 1;
        rules += &format!("          - {{ priority: {priority}, path: \"/{name}/*\", forward: {name} }}\n");
    }
    let listener = "load_balancers:\n  load:\n    listeners:\n      - port: 8080\n        protocol: http\n        \
                    default: { fixed_response: { status: 404 } }\n";
    if behaviours.is_empty() {
        return listener.to_owned();
    }
    format!("functions:\n{functions}target_groups:\n{groups}{listener}        rules:\n{rules}")
}
