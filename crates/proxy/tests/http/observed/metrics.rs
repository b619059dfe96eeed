//! What traffic makes of the metrics. Every metric by itself is told beside the code.

use crate::balance::origin as checked;
use crate::frames::run;
use crate::http2_relay::target as h2;
use crate::played::until;
use crate::relay::origin::{self, GET, OK, Origin, before, to, until_quiet};
use crate::secure::*;
use crate::support::*;
use http::Request;
use model::Command;
use model::elb::health_check::{HealthCheckPort, ServerHealthCheck};
use model::elb::target_group::{ProtocolVersion, TargetProtocol};
use proxy::Readings;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, TcpListener};

const LOAD_BALANCER: &str = "LoadBalancer=app/shop/0000000000000001";
const GROUP: &str = "TargetGroup=targetgroup/web/0000000000000abc";

/// The sums between two readings, by metric and dimensions.
struct Measured(BTreeMap<(String, String), f64>);

impl Measured {
    fn since(before: &Readings, server: &Server) -> Self {
        let mut all = BTreeMap::new();
        proxy::datapoints(before, &server.proxy.readings(), "us-east-1a", |point| {
            let dimensions = point.dimensions.iter().map(|it| format!("{}={}", it.name, it.value));
            let dimensions = dimensions.collect::<Vec<_>>().join(" ");
            all.insert((point.metric.to_owned(), dimensions), point.statistics.sum);
        });
        Self(all)
    }

    /// Of the load balancer; the same in its zone.
    fn whole(&self, metric: &str) -> Option<f64> {
        let found = self.of(metric, LOAD_BALANCER);
        assert_eq!(
            found,
            self.of(metric, &format!("AvailabilityZone=us-east-1a {LOAD_BALANCER}")),
            "{metric}"
        );
        found
    }

    /// Of the group `web`.
    fn group(&self, metric: &str) -> Option<f64> {
        self.of(metric, &format!("{LOAD_BALANCER} {GROUP}"))
    }

    fn of(&self, metric: &str, dimensions: &str) -> Option<f64> {
        self.0.get(&(metric.to_owned(), dimensions.to_owned())).copied()
    }
}

/// What is registered under these ids is the same in all tests.
#[test]
fn ids() {
    assert!(
        load_balancer_arn()
            .to_string()
            .ends_with(&LOAD_BALANCER["LoadBalancer=".len()..])
    );
    assert!(group_arn("web").to_string().ends_with(&GROUP["TargetGroup=".len()..]));
}

// ALB-G-013: RequestCount does not count requests for which no target was chosen
#[test]
fn a_minute_of_traffic() {
    let origin = Origin::answering(OK);
    let server = to(&[origin.address()])
        .rule(1, vec![path(&["/fixed"])], fixed(404, "no"))
        .start();
    let before = server.proxy.readings();
    let mut client = server.connect();
    for _ in 0..3 {
        client.send(GET.as_bytes());
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(server.get("/fixed").status, 404);
    assert_eq!(server.ask("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n").status, 405);
    until("two clients are gone", || server.proxy.connections() == 1);
    let measured = Measured::since(&before, &server);
    for (metric, expected) in [
        ("RequestCount", Some(3.0)),
        ("HTTPCode_Target_2XX_Count", Some(3.0)),
        ("HTTPCode_Target_5XX_Count", Some(0.0)),
        ("HTTPCode_ELB_4XX_Count", Some(2.0)),
        ("HTTPCode_ELB_5XX_Count", None),
        ("HTTP_Fixed_Response_Count", Some(1.0)),
        ("NewConnectionCount", Some(4.0)), // three of clients, one to the target
        ("ActiveConnectionCount", Some(2.0)),
        ("IPv6RequestCount", None),
    ] {
        assert_eq!(measured.whole(metric), expected, "{metric}");
    }
    assert_eq!(measured.group("RequestCount"), Some(3.0));
    assert_eq!(measured.group("HTTPCode_Target_2XX_Count"), Some(3.0));
    assert!(measured.whole("TargetResponseTime").is_some_and(|secs| secs > 0.0));
    assert_eq!(
        measured.of("RuleEvaluations", LOAD_BALANCER),
        Some(4.0),
        "one rule for each but TRACE"
    );
    let processed = measured.whole("ProcessedBytes").unwrap();
    drop(client);
    assert_eq!(
        Measured::since(&server.proxy.readings(), &server).whole("RequestCount"),
        None,
        "nothing came since"
    );
    until_quiet(&server);
    let bytes = |line: &Vec<String>| line[10].parse::<f64>().unwrap() + line[11].parse::<f64>().unwrap();
    assert_eq!(
        server.log().iter().map(bytes).sum::<f64>(),
        processed,
        "what the log says"
    );
}

// ALB-G-014: an error is counted as the load balancer's or as the target's, never as both
#[test]
fn whose_error_it_is() {
    let origin = Origin::answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut setup = to(&[origin.address()])
        .rule(1, vec![path(&["/refused"])], forward(&[("refused", 1)], None))
        .rule(2, vec![path(&["/empty"])], forward(&[("empty", 1)], None));
    setup.extra.push(origin::group("refused", &[nowhere], |_| ()));
    setup.extra.push(origin::group("empty", &[], |_| ()));
    let server = setup.start();
    let before = server.proxy.readings();
    for (target, status) in [("/", 503), ("/refused", 502), ("/empty", 503)] {
        assert_eq!(server.get(target).status, status, "{target}");
    }
    let measured = Measured::since(&before, &server);
    for (metric, expected) in [
        ("HTTPCode_Target_5XX_Count", Some(1.0)),
        ("HTTPCode_ELB_5XX_Count", Some(2.0)),
        ("HTTPCode_ELB_502_Count", Some(1.0)),
        ("HTTPCode_ELB_503_Count", Some(1.0)),
        ("HTTPCode_ELB_500_Count", None),
        ("HTTPCode_ELB_504_Count", None),
        ("TargetConnectionErrorCount", Some(1.0)),
        ("TargetTLSNegotiationErrorCount", None),
        ("RequestCount", Some(2.0)),
    ] {
        assert_eq!(measured.whole(metric), expected, "{metric}");
    }
    let refused = GROUP.replace("web", "refused");
    let refused = measured.of("TargetConnectionErrorCount", &format!("{LOAD_BALANCER} {refused}"));
    assert_eq!(
        (refused, measured.group("TargetConnectionErrorCount")),
        (Some(1.0), None)
    );
}

#[test]
fn a_target_that_speaks_no_tls() {
    let origin = Origin::playing(|line| {
        line.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        line.rest();
    });
    let mut setup = to(&[]);
    setup.extra = vec![origin::group("web", &[origin.address()], |group| {
        group.protocol = TargetProtocol::Https;
    })];
    let server = setup.start();
    let before = server.proxy.readings();
    assert_eq!(server.get("/").status, 502);
    let measured = Measured::since(&before, &server);
    assert_eq!(measured.whole("TargetTLSNegotiationErrorCount"), Some(1.0));
    assert_eq!(measured.group("TargetTLSNegotiationErrorCount"), Some(1.0));
    assert_eq!(measured.group("TargetConnectionErrorCount"), None);
    let log = server.log();
    assert_eq!(log[0][5..8], ["-1", "-1", "-1"], "it was given to nobody");
}

#[test]
fn clients_over_ipv6() {
    let origin = Origin::answering(OK);
    let mut setup = to(&[origin.address()]);
    setup.bind = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let server = setup.start();
    let before = server.proxy.readings();
    assert_eq!(server.get("/").status, 200);
    until_quiet(&server);
    let measured = Measured::since(&before, &server);
    assert_eq!(measured.whole("IPv6RequestCount"), Some(1.0));
    assert_eq!(measured.whole("IPv6ProcessedBytes"), measured.whole("ProcessedBytes"));
    assert!(server.log()[0][3].starts_with("[::1]:"));
}

/// Calls count in groups of HTTP/2, too, and have the same type in the log.
#[test]
fn grpc() {
    for version in [ProtocolVersion::Grpc, ProtocolVersion::Http2] {
        grpc_to(version);
    }
}

fn grpc_to(version: ProtocolVersion) {
    let target = h2::Target::playing(|mut asked: h2::Asked| async move { asked.answer("ok") });
    let mut setup = to(&[]).with_tls();
    setup
        .extra
        .retain(|command| !matches!(command, Command::CreateTargetGroup(_)));
    setup.extra.push(origin::group("web", &[target.address], |group| {
        group.protocol_version = version;
        group.health_check = ServerHealthCheck {
            port: HealthCheckPort::Port(1),
            ..ServerHealthCheck::of_servers(version)
        };
    }));
    let server = setup.start();
    let before = server.proxy.readings();
    run(async {
        let requests = h2::client_of(&server).await;
        for kind in ["application/grpc", "application/grpc+proto", "text/plain"] {
            let request = Request::post("https://shop.example/a.B/C").header("content-type", kind);
            let answer = h2::fetch(&requests, request.body(()).unwrap()).await.unwrap();
            assert_eq!(answer.status, 200);
        }
    });
    let measured = Measured::since(&before, &server);
    assert_eq!(measured.group("GrpcRequestCount"), Some(2.0), "the third one is none");
    assert_eq!(measured.of("GrpcRequestCount", GROUP), Some(2.0));
    assert_eq!(measured.group("RequestCount"), Some(3.0));
    let kinds: Vec<_> = server.log().iter().map(|line| line[0].clone()).collect();
    assert_eq!(kinds, ["grpcs", "grpcs", "h2"]);
}

#[test]
fn connections_that_are_open() {
    let origin = Origin::answering(OK);
    let server = before(&origin);
    let open = || server.counter("albacore_proxy_active_connections");
    let mut clients = [server.connect(), server.connect()];
    until("both are open", || open() == 2.0);
    clients[0].send(GET.as_bytes());
    assert_eq!(clients[0].response().status, 200);
    assert_eq!(server.counter("albacore_proxy_target_group_connections"), 1.0);
    let measured = Measured::since(&Readings::default(), &server);
    assert_eq!(measured.whole("ActiveConnectionCount"), Some(3.0));
    drop(clients);
    until("none is left", || open() == 0.0);

    let server = Setup::default().with_tls().start();
    let open = || server.counter("albacore_proxy_active_connections");
    let client = server.secure(Offer::default());
    until("it is open", || open() == 1.0);
    server.until_closed(&[0xff; 100]);
    assert_eq!(open(), 1.0, "a handshake that failed opened nothing");
    drop(client);
    until("none is left", || open() == 0.0);
}

/// A WebSocket may be open for hours: its bytes count as they pass.
#[test]
fn bytes_of_a_websocket_count_while_it_is_open() {
    let origin = Origin::playing(|line| {
        line.head().unwrap();
        line.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
        let bytes = line.bytes(1000);
        line.send(&bytes);
        line.rest();
    });
    let server = before(&origin);
    let mut client = server.connect();
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    assert_eq!(client.response().status, 101);
    client.send(&[7; 1000]);
    until("they are counted", || {
        ["received", "sent"]
            .iter()
            .all(|way| server.counter(&format!("albacore_proxy_{way}_bytes_total")) > 1000.0)
    });
    assert!(server.requests().is_empty(), "it is open");
    let counted = || ["received", "sent"].map(|way| server.counter(&format!("albacore_proxy_{way}_bytes_total")));
    drop(client);
    until("it has ended", || !server.requests().is_empty());
    let [received, sent] = counted();
    let log = server.log();
    assert_eq!(
        [&log[0][10], &log[0][11]],
        [&received.to_string(), &sent.to_string()],
        "once, and all of them"
    );
}

// ALB-G-015: RequestCountPerTarget divides by healthy targets
#[test]
fn requests_per_healthy_target() {
    let origins = ["a", "b", "c"].map(checked::Origin::new);
    origins[2].be_ill(true);
    let all: Vec<_> = origins.iter().collect();
    let server = checked::web(&all, |_| ()).start();
    checked::until_healthy(&server, &all[..2]);
    let before = server.proxy.readings();
    for _ in 0..6 {
        assert_eq!(server.get("/").status, 200);
    }
    let measured = Measured::since(&before, &server);
    assert_eq!(measured.group("RequestCountPerTarget"), Some(3.0));
    assert_eq!(measured.of("RequestCountPerTarget", GROUP), Some(3.0));
    assert_eq!(
        (measured.group("HealthyHostCount"), measured.group("RequestCount")),
        (Some(2.0), Some(6.0))
    );
    assert_eq!(measured.group("UnhealthyRoutingRequestCount"), Some(0.0));
    assert_eq!(measured.group("HealthyStateRouting"), Some(1.0));
}

#[test]
fn who_is_sticky_and_was_not_yet() {
    let origin = Origin::answering(OK);
    let mut setup = to(&[]);
    setup.extra = vec![origin::group("web", &[origin.address()], |group| {
        group.attributes.stickiness.enabled = true;
    })];
    let server = setup.start();
    let before = server.proxy.readings();
    let first = server.get("/");
    let cookie = first
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let again = server.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n"));
    assert_eq!(again.status, 200);
    assert_eq!(
        Measured::since(&before, &server).whole("NonStickyRequestCount"),
        Some(1.0)
    );
}

/// What was counted for a group in its last minute is told, though the group is gone.
#[test]
fn a_group_that_goes_loses_nothing() {
    let origin = Origin::answering(OK);
    let server = before(&origin);
    let before = server.proxy.readings();
    assert_eq!(server.get("/").status, 200);
    server.proxy.apply(&state_of(&Setup::default().commands())).unwrap();
    let measured = Measured::since(&before, &server);
    assert_eq!(
        (measured.whole("RequestCount"), measured.group("RequestCount")),
        (Some(1.0), Some(1.0))
    );
    assert!(
        !server.metrics().contains("targetgroup/web/"),
        "a scrape shows what there is"
    );
    let now = server.proxy.readings();
    assert_eq!(Measured::since(&now, &server).group("RequestCount"), None);
}
