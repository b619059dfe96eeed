//! Tables that change while connections are open, and load balancers that share a port.

use crate::played::*;
use crate::secure::ecdsa;
use crate::support::*;
use model::command::listener::CreateListener;
use model::command::load_balancer::CreateLoadBalancer;
use model::elb::action::Actions;
use model::elb::listener::{ListenerAttributes, ListenerProtocol};
use model::elb::load_balancer::{LoadBalancerAttributes, Scheme};
use model::elb::name::LoadBalancerName;
use model::{Command, ListenerArn, LoadBalancerArn, Owner, ResourceId, RuleArn};
use proxy::{ApplyError, TableError};
use std::net::TcpStream;
use std::time::Duration;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Another load balancer with a listener.
fn another(name: &str, port: u16, default: Actions) -> [Command; 2] {
    let load_balancer = LoadBalancerArn::new(&scope(), name, ResourceId(100));
    let listener = ListenerArn::new(&load_balancer, ResourceId(101));
    [
        Command::CreateLoadBalancer(CreateLoadBalancer {
            arn: load_balancer.clone(),
            name: LoadBalancerName::try_from(name).unwrap(),
            scheme: Scheme::InternetFacing,
            dns_name: format!("{name}-1.us-east-1.elb.localhost"),
            attributes: LoadBalancerAttributes::default(),
            owner: Owner::Manifest,
        }),
        Command::CreateListener(CreateListener {
            arn: listener.clone(),
            default_rule: RuleArn::new(&listener, ResourceId(0)),
            load_balancer,
            port,
            protocol: ListenerProtocol::Http,
            default_actions: default,
            attributes: ListenerAttributes::default(),
            owner: Owner::Manifest,
        }),
    ]
}

fn commands_of(default: Actions) -> Vec<Command> {
    Setup {
        default,
        ..Setup::default()
    }
    .commands()
}

#[test]
fn the_next_request_meets_the_new_rules() {
    let server = Setup::default().start();
    let mut client = server.connect();
    client.send(GET);
    assert_eq!(client.response().text(), "default");
    for turn in 0..20 {
        let text = turn.to_string();
        server.proxy.apply(&state_of(&commands_of(fixed(200, &text)))).unwrap();
        client.send(GET);
        assert_eq!(client.response().text(), text);
    }
}

#[test]
fn a_request_in_hand_ends_by_the_rules_it_began_with() {
    let (gate, function) = Gate::before(r#"{"statusCode":200,"body":"old"}"#);
    let server = Setup::lambda(false, function).start();
    let mut client = server.connect();
    client.send(GET);
    gate.wait();
    server.proxy.apply(&state_of(&commands_of(fixed(200, "new")))).unwrap();
    gate.release();
    assert_eq!(client.response().text(), "old");
    client.send(GET);
    assert_eq!(client.response().text(), "new");
}

/// Its listeners come back at once, or not at all.
fn unforgiving(mut setup: Setup) -> Setup {
    setup.limits.let_go_after = Duration::from_millis(100);
    setup
}

#[test]
fn a_deleted_listener_closes() {
    let server = unforgiving(Setup::default()).start();
    let mut idle = server.connect();
    let mut half = server.connect();
    for client in [&mut idle, &mut half] {
        client.send(GET);
        assert_eq!(client.response().status, 200);
    }
    half.send(b"GET /");
    server.proxy.apply(&state_of(&[])).unwrap();
    assert!(server.proxy.listeners().is_empty());
    assert_eq!(idle.rest(), b"", "it has asked nothing");
    // A head that breaks a limit is looked at once, listener or not.
    half.send(&[b'x'; 20_000]);
    assert_eq!(half.rest(), b"");
    until("the port is closed", || TcpStream::connect(server.address).is_err());
    assert!(server.requests().len() >= 2, "the core still answers");
}

#[test]
fn a_request_in_hand_is_answered_though_its_listener_is_deleted() {
    let (gate, function) = Gate::before(r#"{"statusCode":200,"body":"still"}"#);
    let server = unforgiving(Setup::lambda(false, function)).start();
    let (mut client, mut idle) = (server.connect(), server.connect());
    client.send(GET);
    gate.wait();
    server.proxy.apply(&state_of(&[])).unwrap();
    assert_eq!(idle.rest(), b"");
    gate.release();
    let response = client.response();
    assert_eq!(
        (response.text(), response.header("connection")),
        ("still", Some("close"))
    );
    assert_eq!(client.rest(), b"");
    assert_eq!(server.log()[0][8], "200");
}

#[test]
fn clients_of_a_listener_that_becomes_another_are_let_go() {
    let server = unforgiving(Setup::default()).start();
    let mut client = server.connect();
    client.send(GET);
    assert_eq!(client.response().header("connection"), Some("keep-alive"));
    server
        .proxy
        .apply(&state_of(&Setup::default().with_tls().commands()))
        .unwrap();
    assert_eq!(client.rest(), b"");
    // And nobody after it is.
    server.proxy.apply(&state_of(&Setup::default().commands())).unwrap();
    let mut client = server.connect();
    for _ in 0..2 {
        client.send(GET);
        assert_eq!(client.response().header("connection"), Some("keep-alive"));
    }
}

#[test]
fn ports_open_and_close_with_the_table() {
    let server = Setup::default().start();
    let mut commands = commands_of(fixed(200, "8080"));
    commands.extend(another("blog", 80, fixed(200, "80")));
    server.proxy.apply(&state_of(&commands)).unwrap();
    let open = server.proxy.listeners();
    let ports: Vec<_> = open.iter().map(|listener| listener.port).collect();
    assert_eq!(ports, [80, 8080]);
    for (listener, text) in open.iter().zip(["80", "8080"]) {
        let mut client = Client::new(TcpStream::connect(listener.socket).unwrap());
        client.send(GET);
        assert_eq!(client.response().text(), text);
    }
    // The open port keeps its socket.
    assert_eq!(open[1].socket, server.address);
    server.proxy.apply(&state_of(&commands_of(fixed(200, "8080")))).unwrap();
    until("port 80 is closed", || TcpStream::connect(open[0].socket).is_err());
    assert_eq!(server.get("/").text(), "8080");
}

#[test]
fn load_balancers_share_a_port_by_name() {
    let server = Setup::default().start();
    let mut commands = commands_of(fixed(200, "shop"));
    commands.extend(another("blog", PORT, fixed(200, "blog")));
    server.proxy.apply(&state_of(&commands)).unwrap();
    let mut client = server.connect();
    for (host, text) in [
        ("blog-1.us-east-1.elb.localhost", "blog"),
        ("shop-123456789.us-east-1.elb.localhost", "shop"),
        ("SHOP-123456789.us-east-1.elb.LOCALHOST:8080", "shop"),
        // Made at the same time: by name.
        ("someone.else", "blog"),
    ] {
        // On one connection: each request chooses for itself.
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        assert_eq!(client.response().text(), text, "{host}");
    }
    client.send(b"GET http://shop-123456789.us-east-1.elb.localhost/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().text(), "shop");
    let log = server.log();
    let names: Vec<_> = log.iter().map(|line| line[2].split('/').nth(1).unwrap()).collect();
    assert_eq!(names, ["blog", "shop", "shop", "blog", "shop"]);
}

#[test]
fn a_port_speaks_one_protocol() {
    let server = Setup::default().start();
    let certificate = ecdsa(1, &["shop.example"]);
    let mut commands = Setup::default()
        .secure(crate::secure::POLICY, &[&certificate])
        .commands();
    commands.extend(another("blog", PORT, fixed(200, "blog")));
    let state = state_of(&commands);
    let refused = server.proxy.apply(&state).unwrap_err();
    let ApplyError::Table(TableError::MixedPort { port, http, https }) = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!((*port, http.as_str(), https.as_str()), (PORT, "blog", "shop"));
    assert!(refused.to_string().contains("give one of them another port"));
    assert!(server.proxy.check(&state).is_err());
    // What was served still is.
    assert_eq!(server.get("/").text(), "default");
}
