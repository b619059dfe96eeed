//! Groups with a hand-driven clock: what the state says, what checks say, and who gets requests.

mod choice;
mod drain;
mod reports;
mod slow_start;
mod stickiness;

use super::*;
use crate::connection::Peer;
use crate::table::users;
use http1::RequestHead;
use model::change::Change;
use model::elb::action::{Actions, Answer, Forward, WeightedTargetGroup};
use model::elb::listener::{Listener, ListenerAttributes, ListenerProtocol};
use model::elb::name::TargetGroupName;
use model::elb::target_group::{Algorithm, IpAddressType, MinimumHealthy, ServerType, TargetGroup, TargetId, Zone};
use model::observed::{ReportedTarget, ServerReport, TargetState};
use model::{AccountId, ListenerArn, LoadBalancerArn, Owner, Region, ResourceId, RuleArn, Scope};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn scope() -> Scope {
    Scope {
        region: Region::try_from("us-east-1").unwrap(),
        account: AccountId::try_from("123456789012").unwrap(),
    }
}

fn group_arn(name: &str) -> TargetGroupArn {
    TargetGroupArn::new(&scope(), name, ResourceId(0xabc))
}

/// The target 10.0.0.{at}:80.
fn target(at: u8) -> model::elb::target_group::Target {
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, at));
    model::elb::target_group::Target {
        id: TargetId::Ip(address),
        port: 80,
        address,
        zone: Zone::Own,
    }
}

fn targets(which: impl IntoIterator<Item = u8>) -> Vec<model::elb::target_group::Target> {
    which.into_iter().map(target).collect()
}

/// One group of servers and what happens to it.
struct World {
    groups: Groups,
    state: State,
    servers: ServerTargets,
    in_use: bool,
    now: Instant,
    random: Random,
    key: CookieKey,
}

impl World {
    /// A group that a listener uses, with these targets registered at once.
    fn new(which: impl IntoIterator<Item = u8>, change: impl FnOnce(&mut TargetGroupAttributes)) -> Self {
        let mut attributes = TargetGroupAttributes::default();
        change(&mut attributes);
        let mut world = Self {
            groups: Groups::new(2),
            state: State::default(),
            servers: ServerTargets {
                target_type: ServerType::Ip,
                protocol: TargetProtocol::Http,
                protocol_version: ProtocolVersion::Http1,
                port: 80,
                vpc: None,
                ip_address_type: IpAddressType::Ipv4,
                health_check: ServerHealthCheck::of_servers(ProtocolVersion::Http1),
                attributes,
                targets: targets(which),
            },
            in_use: true,
            now: Instant::now(),
            random: Random::new(1),
            key: CookieKey::new(&[7; 32]),
        };
        world.follow();
        world
    }

    /// As [`World::new`], with all of them healthy.
    fn healthy(which: impl IntoIterator<Item = u8>, change: impl FnOnce(&mut TargetGroupAttributes)) -> Self {
        let world = Self::new(which, change);
        let all: Vec<_> = world.servers.targets.clone();
        for target in &all {
            world.set(target, TargetState::Healthy);
        }
        world
    }

    /// The state is what the fields say.
    fn follow(&mut self) {
        let arn = group_arn("red");
        self.state.apply(&Change::PutTargetGroup(Arc::new(TargetGroup {
            arn: arn.clone(),
            name: TargetGroupName::try_from("red").unwrap(),
            targets: TargetKind::Servers(self.servers.clone()),
            owner: Owner::Manifest,
        })));
        let listener = listener(&arn);
        self.state.apply(&match self.in_use {
            true => Change::PutListener(Arc::new(listener)),
            false => Change::DeleteListener(listener.arn),
        });
        self.groups.follow(&self.state, &users(&self.state), self.now);
        self.groups.check_followed();
    }

    fn register(&mut self, which: impl IntoIterator<Item = u8>) {
        self.servers.targets = targets(which);
        self.follow();
    }

    fn delete_group(&mut self) {
        self.state
            .apply(&Change::DeleteListener(listener(&group_arn("red")).arn));
        self.state.apply(&Change::DeleteTargetGroup(group_arn("red")));
        self.groups.follow(&self.state, &users(&self.state), self.now);
        self.groups.check_followed();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.groups.tick(self.now);
    }

    /// The group as a table that is compiled now has it.
    fn compiled(&self) -> Servers {
        Servers::new(&group_arn("red"), &self.servers, &self.groups)
    }

    /// What the checks of a target found; whether it is checked.
    fn check(&self, at: u8, state: TargetState) -> bool {
        self.set(&target(at), state)
    }

    fn check_all(&self, which: impl IntoIterator<Item = u8>, state: TargetState) {
        for at in which {
            assert!(self.check(at, state), "{at} is checked");
        }
    }

    fn set(&self, target: &model::elb::target_group::Target, state: TargetState) -> bool {
        let checked = self.groups.checked().borrow().clone();
        let Some(checked) = checked.iter().find(|checked| checked.target.is(target)) else {
            return false;
        };
        let health = TargetHealth {
            state,
            reason: None,
            description: None,
        };
        checked.state.set_health(&checked.target, health, self.now)
    }

    fn pick_on(&self, core: usize, servers: &Servers, cookies: &str, now: Wall) -> Result<Picked, NoTarget> {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{cookies}\r\n");
        let mut head = RequestHead::new();
        head.tokenize(bytes.as_bytes()).unwrap();
        let peer = Peer::new(([127, 0, 0, 1], 1).into(), 80, Instant::now(), &Random::new(1));
        let view = View::new(bytes.as_bytes(), &head, &peer);
        servers.pick(core, &view, &self.key, now, &self.random)
    }

    fn pick(&self) -> Result<Picked, NoTarget> {
        self.pick_on(0, &self.compiled(), "", Wall::of_secs(0))
    }

    /// The last byte of the address of the target that gets the next request.
    fn picked(&self) -> Option<u8> {
        self.pick().ok().map(|picked| last_byte(&picked.target))
    }

    /// How many of so many requests each target gets; those that get none are left out.
    fn counts(&self, requests: usize) -> BTreeMap<u8, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..requests {
            *counts.entry(self.picked().unwrap()).or_default() += 1;
        }
        counts
    }

    fn report_of(&self, at: u8) -> Option<(TargetHealth, ServerReport)> {
        let mut found = self
            .groups
            .reports()
            .into_iter()
            .filter_map(|report| match report.target {
                ReportedTarget::Server(server) if server.target.id == target(at).id => Some((report.health, server)),
                _ => None,
            });
        let first = found.next();
        assert!(found.next().is_none(), "target {at} is reported twice");
        first
    }

    fn state_of(&self, at: u8) -> Option<TargetState> {
        self.report_of(at).map(|(health, _)| health.state)
    }
}

fn last_byte(target: &Target) -> u8 {
    match target.address.ip() {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(_) => unreachable!("all targets here have IPv4 addresses"),
    }
}

fn listener(group: &TargetGroupArn) -> Listener {
    let load_balancer = LoadBalancerArn::new(&scope(), "shop", ResourceId(1));
    let arn = ListenerArn::new(&load_balancer, ResourceId(2));
    let weighted = WeightedTargetGroup {
        target_group: group.clone(),
        weight: 1,
    };
    Listener {
        default_rule: RuleArn::new(&arn, ResourceId(0)),
        arn,
        load_balancer,
        port: 80,
        protocol: ListenerProtocol::Http,
        default_actions: Actions::from(Answer::Forward(Forward::new(vec![weighted], None).unwrap())),
        attributes: ListenerAttributes::default(),
        owner: Owner::Manifest,
    }
}
