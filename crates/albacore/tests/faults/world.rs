//! A server whose patience is a second, one target group for each fault, and what it has open, lent and in hand.

use serde_json::Value;
use std::net::SocketAddr;
use testkit::{Connection, Folder, Origin, Server, until};

/// A response that a target sends when nothing is wrong.
pub(crate) const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";

pub(crate) struct World {
    // Dropped first: the folder is the server's.
    pub(crate) server: Server,
    pub(crate) folder: Folder,
    listener: SocketAddr,
    /// The same with TLS.
    secure_listener: SocketAddr,
    /// Open files without a client, a request or a connection to a target.
    files: usize,
    /// Tasks of traffic, likewise.
    tasks: i64,
    /// Where `/good` leads.
    _good: Origin,
}

/// A target group, and the address of its only target.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) target: SocketAddr,
    /// More of its settings, each with a comma before it.
    pub(crate) more: &'static str,
}

impl Group {
    pub(crate) fn of(name: &str, target: SocketAddr) -> Self {
        Self {
            name: name.to_owned(),
            target,
            more: "",
        }
    }
}

/// A load balancer with a rule for each group: `/NAME/*` leads to it. Health checks go where nobody answers, so that
/// targets see requests alone: all are unhealthy, and all get requests. Source: ALB 5.6.
///
/// `idle` is the idle timeout in seconds.
fn manifest(groups: &[Group], idle: u32) -> String {
    let (mut written, mut rules, mut secure_rules) = (String::new(), String::new(), String::new());
    for (index, Group { name, target, more }) in groups.iter().enumerate() {
        let check = "health_check: { port: 1, interval: 300s, timeout: 120s }";
        written += &format!("  {name}: {{ targets: ['{target}'], {check}{more} }}\n");
        let priority = index + 1;
        let rule = format!("          - {{ priority: {priority}, path: '/{name}/*', forward: {name} }}\n");
        // Groups of HTTP/2 are for TLS alone. Source: ALB 4.2.
        if !more.contains("protocol_version") {
            rules += &rule;
        }
        secure_rules += &rule;
    }
    let default = |rules| format!("        default: {{ fixed_response: {{ status: 404 }} }}\n        rules:\n{rules}");
    let (default, secure_default) = (default(rules), default(secure_rules));
    format!(
        "target_groups:\n{written}load_balancers:\n  faults:\n    \
         attributes: {{ idle_timeout.timeout_seconds: {idle} }}\n    listeners:\n      - port: 8080\n{default}      \
         - port: 8443\n        protocol: https\n        certificates: [{{ domain: faults.localhost }}]\n{secure_default}"
    )
}

impl World {
    /// Starts a server with these groups, and `good`.
    #[track_caller]
    pub(crate) fn start(groups: Vec<Group>) -> Self {
        Self::start_with(groups, 1, |folder| folder.up(&["--publish", "8443:0"]))
    }

    /// The same with more patience, and a server that is started in another way.
    #[track_caller]
    pub(crate) fn start_with(mut groups: Vec<Group>, idle: u32, up: impl FnOnce(&Folder) -> Server) -> Self {
        let good = Origin::answering(GOOD);
        groups.push(Group::of("good", good.address()));
        let folder = Folder::new(env!("CARGO_BIN_EXE_albacore"));
        folder.write("albacore.yaml", &manifest(&groups, idle));
        let server = up(&folder);
        let mut world = Self {
            listener: server.socket(8080),
            secure_listener: server.socket(8443),
            server,
            folder,
            files: 0,
            tasks: 0,
            _good: good,
        };
        world.serves();
        until("the first request is over", || {
            world.server.in_hand().is_empty().then_some(())
        });
        world.tasks = world.tasks();
        world.files = world.server.lasting_files();
        world
    }

    pub(crate) fn listener(&self) -> SocketAddr {
        self.listener
    }

    pub(crate) fn secure_listener(&self) -> SocketAddr {
        self.secure_listener
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.listener).unwrap()
    }

    /// A request that meets no fault is answered.
    #[track_caller]
    pub(crate) fn serves(&self) {
        let answer = self.connect().get("/good/").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "good"));
    }

    /// Waits until nothing of what was is left, and then one more request works.
    #[track_caller]
    pub(crate) fn settles(&self) {
        self.server.comes_to_rest(self.files);
        until("no task is left", || (self.tasks() <= self.tasks).then_some(()));
        self.serves();
    }

    /// Waits until there are so many tasks more than at rest.
    #[track_caller]
    pub(crate) fn has_tasks(&self, count: i64) {
        until("there are tasks", || (self.tasks() >= self.tasks + count).then_some(()));
    }

    fn tasks(&self) -> i64 {
        self.server.gauges()["albacore_proxy_tasks"]
    }

    /// The record of the request to a path.
    #[track_caller]
    pub(crate) fn record(&self, path: &str) -> Value {
        self.record_of("http://localhost:8080", path)
    }

    /// The same with the beginning of the URL.
    #[track_caller]
    pub(crate) fn record_of(&self, origin: &str, path: &str) -> Value {
        let url = format!("{origin}{path} ");
        until("it is recorded", || {
            let (_, told) = self.server.own_api("requests?limit=1000");
            let all = told["requests"].as_array().unwrap();
            all.iter()
                .find(|it| it["request"].as_str().is_some_and(|request| request.contains(&url)))
                .cloned()
        })
    }
}
