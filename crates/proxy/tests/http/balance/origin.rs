//! Servers that say who they are, and target groups of them.

use crate::played::until;
use crate::support::*;
use model::command::target_group::CreateTargetGroup;
use model::elb::health_check::{HealthCheckTiming, ServerHealthCheck};
use model::elb::name::TargetGroupName;
use model::elb::target_group::{
    IpAddressType, ProtocolVersion, ServerTargets, ServerType, Target, TargetGroupAttributes, TargetId, TargetKind,
    TargetProtocol, Zone,
};
use model::observed::{ReportedTarget, ServerReport, TargetState};
use model::{Command, Owner};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A server that answers every request with its name. A request for `/hold` waits until the test lets go.
pub(crate) struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    name: String,
    /// Header lines of every answer.
    extra: Mutex<String>,
    ill: AtomicBool,
    requests: AtomicUsize,
    held: AtomicUsize,
    open: Mutex<bool>,
    opened: Condvar,
    over: AtomicBool,
}

impl Origin {
    pub(crate) fn new(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            ..Shared::default()
        });
        let seen = shared.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.over.load(Ordering::SeqCst) {
                    return;
                }
                let (seen, stream) = (seen.clone(), stream.unwrap());
                std::thread::spawn(move || seen.serve(&stream));
            }
        });
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests so far, health checks not counted.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Requests that wait.
    pub(crate) fn held(&self) -> usize {
        self.shared.held.load(Ordering::SeqCst)
    }

    /// Lets them go, and those to come.
    pub(crate) fn release(&self) {
        *self.shared.open.lock().unwrap() = true;
        self.shared.opened.notify_all();
    }

    /// From now on its answers have these header lines too.
    pub(crate) fn say(&self, extra: &str) {
        extra.clone_into(&mut self.shared.extra.lock().unwrap());
    }

    /// From now on it fails its health checks, or passes them.
    pub(crate) fn be_ill(&self, ill: bool) {
        self.shared.ill.store(ill, Ordering::SeqCst);
    }

    pub(crate) fn target(&self) -> Target {
        Target {
            id: TargetId::Ip(self.address.ip()),
            port: self.address.port(),
            address: self.address.ip(),
            zone: Zone::Own,
        }
    }

    /// What is told about it; `None` when it is not there.
    pub(crate) fn report(&self, server: &Server) -> Option<(TargetState, ServerReport)> {
        server
            .proxy
            .targets()
            .into_iter()
            .find_map(|report| match report.target {
                ReportedTarget::Server(found) if found.target.socket() == self.address => {
                    Some((report.health.state, found))
                }
                _ => None,
            })
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.release();
        let _ = TcpStream::connect(self.address); // so that it looks
        self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn serve(&self, mut stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                match reader.read_line(&mut head) {
                    Ok(1..) => {}
                    _ => return,
                }
            }
            let answer = if head.contains("ELB-HealthChecker") {
                let status = if self.ill.load(Ordering::SeqCst) { 503 } else { 200 };
                format!("HTTP/1.1 {status} Health\r\nContent-Length: 0\r\n\r\n")
            } else {
                self.requests.fetch_add(1, Ordering::SeqCst);
                if head.starts_with("GET /hold ") {
                    self.hold();
                }
                let (extra, length) = (self.extra.lock().unwrap(), self.name.len());
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{extra}\r\n{}",
                    self.name
                )
            };
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn hold(&self) {
        self.held.fetch_add(1, Ordering::SeqCst);
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
        self.held.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A group of these servers, which are checked as often as may be.
pub(crate) fn group(name: &str, servers: &[&Origin], change: impl FnOnce(&mut TargetGroupAttributes)) -> Command {
    let mut attributes = TargetGroupAttributes {
        deregistration_delay: Duration::from_secs(60),
        ..TargetGroupAttributes::default()
    };
    change(&mut attributes);
    let timing = HealthCheckTiming::of_servers(Duration::from_secs(5), Duration::from_secs(4)).unwrap();
    Command::CreateTargetGroup(CreateTargetGroup {
        arn: group_arn(name),
        name: TargetGroupName::try_from(name).unwrap(),
        targets: TargetKind::Servers(ServerTargets {
            target_type: ServerType::Ip,
            protocol: TargetProtocol::Http,
            protocol_version: ProtocolVersion::Http1,
            port: 80,
            vpc: None,
            ip_address_type: IpAddressType::Ipv4,
            health_check: ServerHealthCheck {
                timing,
                ..ServerHealthCheck::of_servers(ProtocolVersion::Http1)
            },
            attributes,
            targets: servers.iter().map(|server| server.target()).collect(),
        }),
        owner: Owner::Manifest,
    })
}

/// All requests go to these groups.
pub(crate) fn setup(groups: Vec<Command>, default: model::elb::action::Actions) -> Setup {
    let mut setup = Setup {
        default,
        extra: groups,
        ..Setup::default()
    };
    setup.limits.health_check_spread = Duration::ZERO;
    setup
}

/// One group, `web`, of these servers.
pub(crate) fn web(servers: &[&Origin], change: impl FnOnce(&mut TargetGroupAttributes)) -> Setup {
    setup(vec![group("web", servers, change)], forward(&[("web", 1)], None))
}

/// Waits until the servers have passed their first check.
pub(crate) fn until_healthy(server: &Server, origins: &[&Origin]) {
    for origin in origins {
        until("a target is healthy", || {
            origin
                .report(server)
                .is_some_and(|(state, _)| state == TargetState::Healthy)
        });
    }
}
