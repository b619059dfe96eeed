//! Listeners that begin or cease to ask, trust stores that change, ports that several load balancers share: nobody gets in
//! by a connection or a session from before, or by somebody else's door.

use super::*;
use crate::frames::{self, Raw};
use model::command::listener::CreateListener;
use model::command::load_balancer::CreateLoadBalancer;
use model::elb::listener::{ListenerAttributes, ListenerProtocol, Tls};
use model::elb::load_balancer::{LoadBalancerAttributes, Scheme};
use model::elb::name::LoadBalancerName;
use model::elb::security_policy::SecurityPolicy;
use model::{Command, ListenerArn, LoadBalancerArn, Owner, ResourceId, RuleArn};
use rustls::ClientConfig;
use std::sync::Arc;

/// One setup with the same server certificate, whatever it asks.
struct Doors {
    root: Authority,
    certificate: model::elb::certificate::Certificate,
}

impl Doors {
    fn new() -> Self {
        Self {
            root: Authority::root("Root"),
            certificate: ecdsa(1, &["shop.example"]),
        }
    }

    fn setup(&self, mutual: MutualAuthentication) -> Setup {
        self.with_store(mutual, &[&self.root], &[])
    }

    fn with_store(&self, mutual: MutualAuthentication, authorities: &[&Authority], lists: &[Vec<u8>]) -> Setup {
        let setup = Setup::default().secure(POLICY, &[&self.certificate]);
        setup.asking(mutual, Some(trust_store(authorities, lists)))
    }

    fn offer(&self) -> Offer {
        Offer::default().showing(self.root.client("client", serial_number(5)))
    }
}

fn gets_in(server: &Server, config: &Arc<ClientConfig>) -> bool {
    let Ok(mut client) = server.handshake(config, "shop.example") else {
        return false;
    };
    // In TLS 1.3 the refusal comes after the client's last word.
    let _ = std::io::Write::write_all(&mut client.stream, b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    let mut first = [0];
    std::io::Read::read_exact(&mut client.stream, &mut first).is_ok()
}

fn change(server: &Server, setup: &Setup) {
    server.proxy.apply(&state_of(&setup.commands())).unwrap();
}

#[test]
fn a_listener_that_begins_to_ask() {
    let doors = Doors::new();
    for mutual in [verify(), MutualAuthentication::Passthrough] {
        let server = doors.setup(MutualAuthentication::Off).start();
        let (old, old_2) = (Offer::default().config(), Offer::tls12().config());
        let mut open = server.handshake(&old, "shop.example").unwrap();
        assert_eq!(open.get().status, 200);
        assert_eq!(server.handshake(&old_2, "shop.example").unwrap().get().status, 200);
        let mut open_2 = Raw::open(&server);
        open_2.send(frames::HEADERS, frames::WHOLE, 1, frames::GET);
        while !open_2.next().unwrap().ends_stream() {}

        change(&server, &doors.setup(mutual.clone()));
        // Neither connections from before nor sessions save anybody the question.
        open.send(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        assert_eq!(open.rest(), b"", "{mutual:?}");
        open_2.send(frames::HEADERS, frames::WHOLE, 3, frames::GET);
        let mut kinds = Vec::new();
        while let Some(frame) = open_2.next() {
            kinds.push(frame.kind);
        }
        assert!(
            kinds.contains(&frames::GOAWAY) && !kinds.contains(&frames::HEADERS),
            "{kinds:?}"
        );
        let verifies = mutual != MutualAuthentication::Passthrough;
        assert_eq!(gets_in(&server, &old), !verifies);
        assert_eq!(gets_in(&server, &old_2), !verifies);
        assert!(gets_in(&server, &doors.offer().config()));
    }
}

#[test]
fn a_listener_that_ceases_to_ask() {
    let doors = Doors::new();
    let server = doors.setup(verify()).start();
    let mut open = server.secure(doors.offer());
    assert_eq!(open.get().status, 200);
    change(&server, &doors.setup(MutualAuthentication::Off));
    assert_eq!(open.get().status, 200, "who was let in stays");
    assert!(gets_in(&server, &Offer::default().config()));
}

#[test]
fn a_trust_store_that_changes() {
    let doors = Doors::new();
    let server = doors.setup(verify()).start();
    let mut open = server.secure(doors.offer());
    let config = doors.offer().config();
    assert!(gets_in(&server, &config));
    // Revoked: new connections are refused, and who is in stays until its connection ends, as with ALB's lists.
    change(
        &server,
        &doors.with_store(verify(), &[&doors.root], &[doors.root.revokes(&[5])]),
    );
    assert!(!gets_in(&server, &config));
    assert_eq!(open.get().status, 200);
    let other = Authority::root("Other");
    change(&server, &doors.with_store(verify(), &[&other], &[]));
    assert!(!gets_in(&server, &config));
    assert!(gets_in(
        &server,
        &Offer::default().showing(other.client("a", as_is)).config()
    ));
    change(&server, &doors.with_store(verify(), &[&other, &doors.root], &[]));
    assert!(gets_in(&server, &config));
}

#[test]
fn a_stricter_listener_asks_again_and_a_milder_one_does_not() {
    let with = |ignore: bool, advertise: bool| MutualAuthentication::Verify {
        trust_store: trust_store_arn(),
        ignore_client_certificate_expiry: ignore,
        advertise_trust_store_ca_names: advertise,
    };
    let doors = Doors::new();
    let server = doors.setup(with(false, false)).start();
    let mut open = server.secure(doors.offer());
    for milder in [
        with(false, true),
        with(true, true),
        with(true, false),
        with(false, false),
    ] {
        change(&server, &doors.setup(milder));
        assert_eq!(open.get().status, 200);
    }
    change(&server, &doors.setup(with(true, false)));
    let mut late = server.secure(Offer::default().showing(doors.root.client("late", valid(-3, -2))));
    assert_eq!(late.get().status, 200);
    change(&server, &doors.setup(with(false, false)));
    assert_eq!(open.get().status, 200);
    late.send(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    assert_eq!(late.rest(), b"");
}

/// A second load balancer on the same port, which verifies its clients.
fn second(certificate: &model::elb::certificate::Certificate) -> Vec<Command> {
    let load_balancer = LoadBalancerArn::new(&scope(), "vault", ResourceId(9));
    let arn = ListenerArn::new(&load_balancer, ResourceId(10));
    vec![
        Command::ImportCertificate(certificate.clone()),
        Command::CreateLoadBalancer(CreateLoadBalancer {
            arn: load_balancer.clone(),
            name: LoadBalancerName::try_from("vault").unwrap(),
            scheme: Scheme::InternetFacing,
            dns_name: VAULT.to_owned(),
            attributes: LoadBalancerAttributes::default(),
            owner: Owner::Manifest,
        }),
        Command::CreateListener(CreateListener {
            default_rule: RuleArn::new(&arn, ResourceId(0)),
            arn,
            load_balancer,
            port: PORT,
            protocol: ListenerProtocol::Https(Tls {
                default_certificate: certificate.arn.clone(),
                certificates: Vec::new(),
                policy: SecurityPolicy::named(POLICY).unwrap(),
                mutual_authentication: verify(),
            }),
            default_actions: fixed(200, "vault"),
            attributes: ListenerAttributes::default(),
            owner: Owner::Manifest,
        }),
    ]
}

const VAULT: &str = "vault-1.us-east-1.elb.localhost";

#[test]
fn a_port_that_two_load_balancers_share() {
    let doors = Doors::new();
    let setup = doors.setup(MutualAuthentication::Off);
    let mut commands = setup.commands();
    commands.extend(second(&ecdsa(2, &["vault.example"])));
    let server = Server::start(setup, &commands);
    let ask = |client: &mut SecureClient, host: &str| {
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
    };
    // Through the open door, and then by the other one's name.
    for name in ["shop.example", "nobody.example", "127.0.0.1"] {
        let mut client = server.handshake(&Offer::default().config(), name).unwrap();
        ask(&mut client, "shop.example");
        assert_eq!(client.response().text(), "default");
        ask(&mut client, VAULT);
        assert_eq!(client.rest(), b"", "{name}");
    }
    // Its own door asks, whatever session the client has.
    for name in [VAULT, "vault.example"] {
        let config = Offer::tls12().config();
        assert!(server.handshake(&config, "shop.example").is_ok());
        assert!(server.handshake(&config, name).is_err(), "{name}");
        let shown = doors.offer().config();
        let mut client = server.handshake(&shown, name).unwrap();
        ask(&mut client, VAULT);
        assert_eq!(client.response().text(), "vault", "{name}");
    }
}
