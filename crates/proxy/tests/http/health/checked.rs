//! Servers that are asked how they are, and target groups of them.

use crate::support::*;
use model::command::target_group::CreateTargetGroup;
use model::elb::health_check::{HealthCheckTiming, ServerHealthCheck};
use model::elb::name::TargetGroupName;
use model::elb::target_group::{
    IpAddressType, ProtocolVersion, ServerTargets, ServerType, Target, TargetGroupAttributes, TargetId, TargetKind,
    TargetProtocol, Zone,
};
use model::{Command, Owner};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) const GROUP: &str = "web";

/// A server that answers every request with one status, or not at all.
pub(crate) struct Checked {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<String>>,
    open: AtomicUsize,
    over: AtomicBool,
}

impl Checked {
    pub(crate) fn answering(status: u16) -> Self {
        Self::new(Some(status))
    }

    /// It accepts and says nothing.
    pub(crate) fn hanging() -> Self {
        Self::new(None)
    }

    fn new(status: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let seen = shared.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.over.load(Ordering::SeqCst) {
                    return;
                }
                let (seen, stream) = (seen.clone(), stream.unwrap());
                seen.open.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    serve(stream, status, &seen);
                    seen.open.fetch_sub(1, Ordering::SeqCst);
                });
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

    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // so that it looks
        self.thread.take().map(JoinHandle::join);
    }
}

/// One request at most, then whatever comes until the other side closes.
fn serve(mut stream: TcpStream, status: Option<u16>, seen: &Shared) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(count @ 1..) => bytes.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
    seen.requests.lock().unwrap().push(String::from_utf8(bytes).unwrap());
    if let Some(status) = status {
        let answer = format!("HTTP/1.1 {status} Answer\r\nLocation: /\r\nContent-Length: 2\r\n\r\nok");
        let _ = stream.write_all(answer.as_bytes()); // the check may be over
    }
    while let Ok(1..) = stream.read(&mut buffer) {}
}

pub(crate) fn target(address: SocketAddr) -> Target {
    Target {
        id: TargetId::Ip(address.ip()),
        port: address.port(),
        address: address.ip(),
        zone: Zone::Own,
    }
}

pub(crate) fn timing(interval: u64, timeout: u64) -> HealthCheckTiming {
    HealthCheckTiming::of_servers(Duration::from_secs(interval), Duration::from_secs(timeout)).unwrap()
}

/// As often as may be.
pub(crate) fn health_check() -> ServerHealthCheck {
    ServerHealthCheck {
        timing: timing(5, 4),
        ..ServerHealthCheck::of_servers(ProtocolVersion::Http1)
    }
}

/// All requests go to one group of these servers, which are checked at once.
pub(crate) fn setup(servers: &[&Checked], change: impl FnOnce(&mut ServerTargets)) -> Setup {
    let mut targets = ServerTargets {
        target_type: ServerType::Ip,
        protocol: TargetProtocol::Http,
        protocol_version: ProtocolVersion::Http1,
        port: 80,
        vpc: None,
        ip_address_type: IpAddressType::Ipv4,
        health_check: health_check(),
        attributes: TargetGroupAttributes::default(),
        targets: servers.iter().map(|server| target(server.address())).collect(),
    };
    change(&mut targets);
    let create = CreateTargetGroup {
        arn: group_arn(GROUP),
        name: TargetGroupName::try_from(GROUP).unwrap(),
        targets: TargetKind::Servers(targets),
        owner: Owner::Manifest,
    };
    let mut setup = Setup {
        default: forward(&[(GROUP, 1)], None),
        extra: vec![Command::CreateTargetGroup(create)],
        ..Setup::default()
    };
    setup.limits.health_check_spread = Duration::ZERO;
    setup
}
