//! Target groups of servers: their targets, attributes and health checks, and who may forward to them.

use crate::support::*;
use model::command::listener::ModifyListener;
use model::command::load_balancer::CreateLoadBalancer;
use model::elb::health_check::{GrpcMatcher, HealthCheckRefusal, HealthCheckTiming, Matcher, ServerHealthCheck};
use model::elb::health_check::{HealthCheckPort, HttpMatcher};
use model::elb::listener::ListenerProtocol;
use model::elb::load_balancer::LoadBalancerAttributes;
use model::elb::target_group::{
    GroupAttributeRefusal, IpAddressType, ProtocolVersion, ServerTargets, ServerType, ServersRefusal, Target,
    TargetGroupAttributes, TargetId, TargetKind, TargetProtocol, TargetRefusal, Zone,
};
use model::refusal::{ActionRefusal, Refusal, TargetGroupRefusal};
use model::{Command, Owner, State};
use std::net::IpAddr;
use std::time::Duration;

fn servers(version: ProtocolVersion) -> ServerTargets {
    ServerTargets {
        target_type: ServerType::Ip,
        protocol: TargetProtocol::Http,
        protocol_version: version,
        port: 80,
        vpc: None,
        ip_address_type: IpAddressType::Ipv4,
        health_check: ServerHealthCheck::of_servers(version),
        attributes: TargetGroupAttributes::default(),
        targets: vec![],
    }
}

fn http1() -> ServerTargets {
    servers(ProtocolVersion::Http1)
}

fn create(name: &str, servers: ServerTargets) -> Command {
    create_group_of(name, TargetKind::Servers(servers))
}

fn ip(address: &str, port: u16) -> Target {
    let address: IpAddr = address.parse().unwrap();
    Target {
        id: TargetId::Ip(address),
        port,
        address,
        zone: Zone::Own,
    }
}

fn instance(id: &str, address: &str, port: u16) -> Target {
    Target {
        id: TargetId::Instance(id.try_into().unwrap()),
        ..ip(address, port)
    }
}

fn register(name: &str, targets: &[Target]) -> Command {
    Command::RegisterServers {
        target_group: group(name),
        targets: targets.to_vec(),
    }
}

fn deregister(name: &str, targets: &[&Target]) -> Command {
    Command::DeregisterServers {
        target_group: group(name),
        targets: targets.iter().map(|it| (it.id.clone(), it.port)).collect(),
    }
}

fn set_attributes(name: &str, pairs: &[(&str, &str)]) -> Command {
    let mut attributes = TargetGroupAttributes::default();
    for (key, value) in pairs {
        attributes.set(key, value).unwrap();
    }
    Command::SetTargetGroupAttributes {
        target_group: group(name),
        attributes,
    }
}

fn set_health_check(name: &str, health_check: ServerHealthCheck) -> Command {
    Command::SetServerHealthCheck {
        target_group: group(name),
        health_check,
    }
}

/// `shop` and the group `legacy`.
fn with_legacy(servers: ServerTargets) -> State {
    let mut state = shop();
    apply(&mut state, &create("legacy", servers)).unwrap();
    state
}

#[track_caller]
fn legacy(state: &State) -> &ServerTargets {
    let servers = match &state.target_group(&group("legacy")).unwrap().targets {
        TargetKind::Servers(servers) => Some(servers),
        TargetKind::Lambda(_) => None,
    };
    servers.unwrap()
}

/// Registering `target` into `servers` is refused, and so is creating the group with it.
#[track_caller]
fn refused_target(servers: ServerTargets, target: &Target, refusal: TargetRefusal) {
    let refusal = TargetGroupRefusal::from(ServersRefusal::from(refusal));
    let registering = register("legacy", std::slice::from_ref(target));
    refused(&with_legacy(servers.clone()), &registering, refusal.clone());
    let with_target = ServerTargets {
        targets: vec![target.clone()],
        ..servers
    };
    refused(&shop(), &create("legacy", with_target), refusal);
}

// ALB-P-018: deregistering an unknown target succeeds
// ALB-P-019: registering the same id and port again changes nothing
#[test]
fn servers_come_and_go() {
    let mut state = with_legacy(http1());
    let (a, b) = (ip("10.0.0.1", 80), ip("10.0.0.1", 81));
    apply(&mut state, &register("legacy", &[a.clone(), b.clone()])).unwrap();
    assert_eq!(legacy(&state).targets, [a.clone(), b.clone()]);
    let before = state.clone();
    apply(&mut state, &register("legacy", std::slice::from_ref(&a))).unwrap();
    assert_eq!(state, before);
    // With something else about it, it is registered anew.
    let moved = Target {
        zone: Zone::try_from("eu-west-1b").unwrap(),
        ..a.clone()
    };
    apply(&mut state, &register("legacy", std::slice::from_ref(&moved))).unwrap();
    assert_eq!(legacy(&state).targets, [moved, b.clone()]);
    apply(&mut state, &deregister("legacy", &[&a, &ip("10.9.9.9", 80)])).unwrap();
    assert_eq!(legacy(&state).targets, [b]);
    refused(
        &state,
        &register("orders", &[a]),
        TargetGroupRefusal::OtherTargetType(group("orders")),
    );
    refused(
        &state,
        &Command::RegisterFunction(group("legacy"), function("f")),
        TargetGroupRefusal::OtherTargetType(group("legacy")),
    );
}

// ALB-P-020: one instance with two ports
#[test]
fn instances_are_registered_by_id() {
    let group = ServerTargets {
        target_type: ServerType::Instance,
        ..http1()
    };
    let mut state = with_legacy(group.clone());
    let (a, b) = (
        instance("i-0123abcd", "10.0.0.1", 80),
        instance("i-0123abcd", "10.0.0.1", 81),
    );
    apply(&mut state, &register("legacy", &[a.clone(), b.clone()])).unwrap();
    assert_eq!(legacy(&state).targets, [a.clone(), b]);
    // The address of an instance may be a public one.
    apply(
        &mut state,
        &register("legacy", &[instance("i-0123abce", "8.8.8.8", 80)]),
    )
    .unwrap();

    let other = ip("10.0.0.1", 80);
    let refusal = |target: &Target, expected| TargetRefusal::OtherType {
        id: target.id.clone(),
        expected,
    };
    refused_target(group.clone(), &other, refusal(&other, ServerType::Instance));
    refused_target(http1(), &a, refusal(&a, ServerType::Ip));
    let TargetId::Instance(id) = a.id.clone() else {
        panic!("an instance");
    };
    let address = "0.0.0.0".parse().unwrap();
    let nowhere = instance("i-0123abcd", "0.0.0.0", 80);
    refused_target(group, &nowhere, TargetRefusal::NoServer { id, address });
}

#[test]
fn a_group_has_one_address_family_and_private_addresses() {
    let v6 = ip("::1", 80);
    let refusal = |target: &Target, expected| TargetRefusal::OtherFamily {
        id: target.id.clone(),
        address: target.address,
        expected,
    };
    refused_target(http1(), &v6, refusal(&v6, IpAddressType::Ipv4));
    let of_v6 = ServerTargets {
        ip_address_type: IpAddressType::Ipv6,
        ..http1()
    };
    apply(&mut with_legacy(of_v6.clone()), &register("legacy", &[v6])).unwrap();
    let v4 = ip("10.0.0.1", 80);
    refused_target(of_v6, &v4, refusal(&v4, IpAddressType::Ipv6));

    let public = ip("8.8.8.8", 80);
    refused_target(http1(), &public, TargetRefusal::OutsideRanges(public.address));
    let loopback = register("legacy", &[ip("127.0.0.1", 80)]);
    apply(&mut with_legacy(http1()), &loopback).unwrap();
    let address = "10.0.0.2".parse().unwrap();
    let two_addresses = Target {
        address,
        ..ip("10.0.0.1", 80)
    };
    let id = two_addresses.id.clone();
    refused_target(http1(), &two_addresses, TargetRefusal::OtherAddress { id, address });
}

#[test]
fn ports_are_1_to_65535() {
    let target = ip("10.0.0.1", 0);
    refused_target(http1(), &target, TargetRefusal::Port(target.id.clone()));
    let group = ServerTargets { port: 0, ..http1() };
    refused(
        &shop(),
        &create("legacy", group),
        TargetGroupRefusal::from(ServersRefusal::Port),
    );
    apply(
        &mut with_legacy(http1()),
        &register("legacy", &[ip("10.0.0.1", 65_535)]),
    )
    .unwrap();
}

#[test]
fn id_and_port_are_unique_in_a_group() {
    let target = ip("10.0.0.1", 80);
    let twice = ServerTargets {
        targets: vec![target.clone(), ip("10.0.0.1", 81), target.clone()],
        ..http1()
    };
    let (id, port) = (target.id, target.port);
    refused(
        &shop(),
        &create("legacy", twice),
        TargetGroupRefusal::from(ServersRefusal::Repeated { id, port }),
    );
}

#[test]
fn a_group_has_at_most_a_thousand_targets() {
    let mut state = with_legacy(http1());
    let targets: Vec<_> = (1..=1000).map(|port| ip("10.0.0.1", port)).collect();
    apply(&mut state, &register("legacy", &targets)).unwrap();
    let more = register("legacy", &[ip("10.0.0.1", 1001)]);
    refused(&state, &more, TargetGroupRefusal::from(ServersRefusal::TooMany(1001)));
    apply(&mut state, &register("legacy", &targets[..1])).unwrap();
    apply(&mut state, &deregister("legacy", &[&targets[0]])).unwrap();
    apply(&mut state, &more).unwrap();
}

#[test]
fn a_load_balancer_of_the_api_has_at_most_a_thousand_targets() {
    let of = |owner: Owner| {
        let Command::CreateLoadBalancer(fresh) = create_load_balancer("new", LoadBalancerAttributes::default()) else {
            unreachable!()
        };
        let mut state = shop();
        let targets = |count: u16| ServerTargets {
            targets: (1..=count).map(|port| ip("10.0.0.1", port)).collect(),
            ..http1()
        };
        for command in [
            Command::CreateLoadBalancer(CreateLoadBalancer { owner, ..fresh }),
            create("one", targets(600)),
            create("two", targets(400)),
            create("three", targets(1)),
            create_listener("new", 81, ListenerProtocol::Http, to_group("one")),
            create_rule("new", 81, 1, 1, to_groups(&["one", "two"])),
        ] {
            apply(&mut state, &command).unwrap();
        }
        state
    };
    let changes = [
        create_rule("new", 81, 2, 2, to_group("three")),
        create_listener("new", 82, ListenerProtocol::Http, to_group("three")),
        register("two", &[ip("10.0.0.2", 1)]),
    ];
    let mut bounded = of(Owner::Api);
    for change in &changes {
        refused(&bounded, change, ActionRefusal::TooManyTargets);
    }
    // Those that are there may be registered again.
    apply(&mut bounded, &register("two", &[ip("10.0.0.1", 1)])).unwrap();
    let mut of_manifest = of(Owner::Manifest);
    for change in &changes {
        apply(&mut of_manifest, change).unwrap();
    }
}

#[test]
fn targets_of_all_zones_need_cross_zone() {
    let off = [("load_balancing.cross_zone.enabled", "false")];
    let everywhere = Target {
        zone: Zone::All,
        ..ip("10.0.0.1", 80)
    };
    let refusal = TargetRefusal::AllZones(everywhere.id.clone());
    let mut state = with_legacy(http1());
    apply(&mut state, &register("legacy", std::slice::from_ref(&everywhere))).unwrap();
    refused(
        &state,
        &set_attributes("legacy", &off),
        TargetGroupRefusal::from(ServersRefusal::from(refusal.clone())),
    );
    apply(&mut state, &deregister("legacy", &[&everywhere])).unwrap();
    apply(&mut state, &set_attributes("legacy", &off)).unwrap();
    let mut own_zone = http1();
    own_zone.attributes.set(off[0].0, off[0].1).unwrap();
    refused_target(own_zone, &everywhere, refusal);
}

#[test]
fn attributes_are_checked_together() {
    let mut state = with_legacy(http1());
    let sticky = ("stickiness.enabled", "true");
    let weighted = ("load_balancing.algorithm.type", "weighted_random");
    refused(
        &state,
        &set_attributes("legacy", &[sticky, weighted]),
        TargetGroupRefusal::from(ServersRefusal::from(GroupAttributeRefusal::WeightedAndSticky)),
    );
    apply(&mut state, &set_attributes("legacy", &[sticky])).unwrap();
    assert!(legacy(&state).attributes.stickiness.enabled);

    let mut group = http1();
    group.attributes.set(sticky.0, sticky.1).unwrap();
    group.attributes.set(weighted.0, weighted.1).unwrap();
    refused(
        &shop(),
        &create("legacy", group),
        TargetGroupRefusal::from(ServersRefusal::from(GroupAttributeRefusal::WeightedAndSticky)),
    );
}

#[test]
fn health_checks_fit_the_group() {
    let refuses = |servers: ServerTargets, refusal: HealthCheckRefusal| {
        let refusal = TargetGroupRefusal::from(ServersRefusal::from(refusal));
        let setting = set_health_check("legacy", servers.health_check.clone());
        refused(
            &with_legacy(self::servers(servers.protocol_version)),
            &setting,
            refusal.clone(),
        );
        refused(&shop(), &create("legacy", servers), refusal);
    };
    let secs = Duration::from_secs;
    let with = |version, change: fn(&mut ServerHealthCheck)| {
        let mut servers = servers(version);
        change(&mut servers.health_check);
        servers
    };
    refuses(
        with(ProtocolVersion::Grpc, |check| {
            check.matcher = Matcher::Http(HttpMatcher::try_from("200").unwrap());
        }),
        HealthCheckRefusal::OtherMatcher(ProtocolVersion::Grpc),
    );
    for version in [ProtocolVersion::Http1, ProtocolVersion::Http2] {
        refuses(
            with(version, |check| {
                check.matcher = Matcher::Grpc(GrpcMatcher::try_from("0").unwrap());
            }),
            HealthCheckRefusal::OtherMatcher(version),
        );
    }
    refuses(
        with(ProtocolVersion::Http1, |check| check.port = HealthCheckPort::Port(0)),
        HealthCheckRefusal::Port("0".to_owned()),
    );
    refuses(
        with(ProtocolVersion::Http1, |check| {
            check.timing = HealthCheckTiming::of_lambda(Duration::from_secs(5), Duration::from_secs(5)).unwrap();
        }),
        HealthCheckRefusal::TimeoutNotUnderInterval {
            timeout: secs(5),
            interval: secs(5),
        },
    );
    let mut state = with_legacy(http1());
    let mut check = ServerHealthCheck::of_servers(ProtocolVersion::Http1);
    check.port = HealthCheckPort::Port(8080);
    apply(&mut state, &set_health_check("legacy", check.clone())).unwrap();
    assert_eq!(legacy(&state).health_check, check);
}

#[test]
fn http2_goes_to_targets_from_https_listeners_only() {
    for version in [ProtocolVersion::Http2, ProtocolVersion::Grpc] {
        let mut state = with_legacy(servers(version));
        let refusal = ActionRefusal::IncompatibleProtocols {
            target_group: group("legacy"),
            version,
        };
        for actions in [to_group("legacy"), to_groups(&["orders", "legacy"])] {
            refused(&state, &create_rule("shop", 80, 1, 1, actions.clone()), refusal.clone());
            let listener = create_listener("shop", 81, ListenerProtocol::Http, actions);
            refused(&state, &listener, refusal.clone());
        }
        apply(&mut state, &create_rule("shop", 443, 1, 1, to_group("legacy"))).unwrap();
        // A listener that turns to HTTP must not take such a rule with it.
        let to_http = Command::ModifyListener(ModifyListener {
            arn: listener("shop", 443),
            port: None,
            protocol: Some(ListenerProtocol::Http),
            default_actions: None,
            attributes: None,
        });
        refused(&state, &to_http, refusal);
    }
    let mut state = with_legacy(http1());
    apply(&mut state, &create_rule("shop", 80, 1, 1, to_group("legacy"))).unwrap();
}

#[test]
fn application_cookies_do_not_work_among_several_groups() {
    let app_cookie = [
        ("stickiness.enabled", "true"),
        ("stickiness.type", "app_cookie"),
        ("stickiness.app_cookie.cookie_name", "SESSION"),
    ];
    let refusal = ActionRefusal::AppCookieAmongSeveral(group("legacy"));
    let mut state = with_legacy(http1());
    apply(&mut state, &set_attributes("legacy", &app_cookie)).unwrap();
    apply(&mut state, &create_rule("shop", 80, 1, 1, to_group("legacy"))).unwrap();
    let among_several = create_rule("shop", 80, 2, 2, to_groups(&["orders", "legacy"]));
    refused(&state, &among_several, refusal.clone());
    apply(&mut state, &set_attributes("legacy", &app_cookie[1..])).unwrap();
    apply(&mut state, &among_several).unwrap();
    refused(&state, &set_attributes("legacy", &app_cookie), refusal);
}

// ALB-R-034: a target group that a rule references stays
#[test]
fn a_group_in_use_is_not_deleted() {
    let mut state = with_legacy(http1());
    apply(&mut state, &create_rule("shop", 80, 1, 1, to_group("legacy"))).unwrap();
    let delete = Command::DeleteTargetGroup(group("legacy"));
    let refusal: Refusal = TargetGroupRefusal::InUse(group("legacy")).into();
    refused(&state, &delete, refusal);
    apply(&mut state, &Command::DeleteRule(rule("shop", 80, 1))).unwrap();
    apply(&mut state, &delete).unwrap();
}
