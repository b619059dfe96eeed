//! Servers that do what a test says, and the checks that ask them.

use crate::balance::CheckSettings;
use crate::health::judge::Ended;
use crate::health::server::{ask, finish};
use crate::target::tls::TargetTls;
use model::elb::health_check::{HealthCheckPath, HttpMatcher, Matcher, ServerHealthCheck};
use model::elb::target_group::{ProtocolVersion, TargetProtocol};
use model::{AccountId, LoadBalancerArn, Region, ResourceId, Scope, State, TargetGroupArn};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, LocalSet};

pub(super) const LOOPBACK: &str = "127.0.0.1:0";

pub(super) fn settings(version: ProtocolVersion) -> CheckSettings {
    let scope = Scope {
        region: Region::try_from("us-east-1").unwrap(),
        account: AccountId::try_from("123456789012").unwrap(),
    };
    let shop = LoadBalancerArn::new(&scope, "shop", ResourceId(1));
    CheckSettings {
        group: TargetGroupArn::new(&scope, "g", ResourceId(1)),
        group_name: "g".to_owned(),
        tls: Some(TargetTls::of(&State::default(), &shop)),
        load_balancer: Some(shop),
        version,
        check: ServerHealthCheck::of_servers(version),
    }
}

pub(super) fn matching(codes: &str) -> CheckSettings {
    let mut settings = settings(ProtocolVersion::Http1);
    settings.check.matcher = Matcher::Http(HttpMatcher::try_from(codes).unwrap());
    settings
}

pub(super) fn at_path(mut settings: CheckSettings, path: &str) -> CheckSettings {
    settings.check.path = HealthCheckPath::try_from(path).unwrap();
    settings
}

pub(super) fn with_tls(mut settings: CheckSettings) -> CheckSettings {
    settings.check.protocol = TargetProtocol::Https;
    settings
}

/// Runs a test on one thread, as checks run.
pub(super) fn run(test: impl Future<Output = ()>) {
    on(false, test);
}

/// The same on simulated time, which passes whenever everybody waits. For servers that keep a check waiting: whatever the
/// kernel does, it has done by then.
pub(super) fn simulated(test: impl Future<Output = ()>) {
    on(true, test);
}

fn on(paused: bool, test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(paused)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// One check to its end, with what it says to people.
pub(super) async fn checked(address: SocketAddr, settings: &CheckSettings) -> (Ended, String) {
    let asked = ask(address, settings).await;
    if let Some(open) = asked.open {
        finish(open).await;
    }
    (asked.ended, asked.cause.unwrap_or_default())
}

/// A server that does the same with every connection. Ends with the test.
pub(super) async fn serve<F: Future<Output = ()>>(
    address: &str,
    each: impl Fn(TcpStream) -> F + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::task::spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            each(stream).await;
        }
    });
    (address, task)
}

/// A server that reads a request, writes these bytes and closes.
pub(super) async fn answering(bytes: impl AsRef<[u8]> + Clone + 'static) -> (SocketAddr, JoinHandle<()>) {
    serve(LOOPBACK, move |mut stream| {
        let bytes = bytes.clone();
        async move {
            request(&mut stream).await;
            let _ = stream.write_all(bytes.as_ref()).await; // the check may have had enough
        }
    })
    .await
}

/// Reads the head of a request.
pub(super) async fn request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "closed before a request");
    }
    String::from_utf8(bytes).unwrap()
}
