//! The network.

use crate::support::*;
use model::ec2::command::{
    AnyId, Associate, Authorize, ChangeTags, CreateRouteTable, CreateSecurityGroup, CreateSubnet, Revoke, Revoked, Verb,
};
use model::ec2::default::DefaultVpc;
use model::ec2::ids::{RouteAssociationId, RouteTableId, SecurityGroupId, SecurityGroupRuleId, SubnetId};
use model::ec2::net::Net;
use model::ec2::refusal::Kind;
use model::ec2::resource::{Direction, Permission, Protocol, RulePeer, SecurityGroupRule};
use model::ec2::{Command as Ec2Command, Ec2Refusal, admission};
use model::{Command, ResourceId, State, Tags};

fn ask(verb: Verb) -> Command {
    Command::Ec2(Ec2Command { scope: scope(), verb })
}

fn net(text: &str) -> Net {
    Net::try_from(text).unwrap()
}

fn group(number: u64) -> SecurityGroupId {
    SecurityGroupId::fresh(ResourceId(number))
}

fn create_group(number: u64) -> Command {
    ask(Verb::CreateSecurityGroup(CreateSecurityGroup {
        id: group(number),
        rule: SecurityGroupRuleId::fresh(ResourceId(number)),
        vpc: DefaultVpc::of(&scope()).vpc.id,
        name: format!("group {number}"),
        description: String::new(),
        tags: Tags::default(),
    }))
}

fn permission(ports: Option<(i32, i32)>, protocol: Protocol, peer: RulePeer) -> Permission {
    Permission {
        direction: Direction::Ingress,
        protocol,
        ports,
        peer,
    }
}

/// `first` is the number of the first rule.
fn authorize(id: u64, first: u64, what: &[Permission]) -> Command {
    let rule = |(at, what): (usize, &Permission)| SecurityGroupRule {
        id: SecurityGroupRuleId::fresh(ResourceId(first + at as u64)),
        what: what.clone(),
        description: None,
        tags: Tags::default(),
    };
    ask(Verb::Authorize(Authorize {
        group: group(id),
        rules: what.iter().enumerate().map(rule).collect(),
    }))
}

fn with_groups(groups: &[u64]) -> State {
    let mut state = shop();
    for number in groups {
        apply(&mut state, &create_group(*number)).unwrap();
    }
    let ids = groups.iter().map(|number| group(*number)).collect();
    apply(&mut state, &Command::SetSecurityGroups(load_balancer("shop"), ids)).unwrap();
    state
}

fn sources(state: &State, port: u16) -> Vec<String> {
    let balancer = state.load_balancer(&load_balancer("shop")).unwrap();
    let sources = admission::sources(state, balancer, port).unwrap();
    sources.iter().map(ToString::to_string).collect()
}

#[test]
fn what_a_default_vpc_has_is_stored_when_it_is_changed() {
    let mut state = State::default();
    let default = DefaultVpc::of(&scope());
    assert_eq!(state.ec2().whole().count(), 0);
    let tags = Tags::new([("Name", "mine")]).unwrap();
    let tag = ChangeTags {
        resource: AnyId::Vpc(default.vpc.id.clone()),
        added: tags.clone(),
        removed: Vec::new(),
        clear: false,
    };
    apply(&mut state, &ask(Verb::Tag(tag))).unwrap();
    assert_eq!(state.ec2().whole().count(), 1);
    let network = state.ec2().network(&scope());
    assert_eq!(network.vpc(&default.vpc.id).unwrap().tags, tags);
    assert_eq!(network.vpcs().len(), 1);
    assert_eq!((network.subnets().len(), network.security_groups().len()), (3, 1));
}

// EDG-133: the union of the rules of several groups
#[test]
fn rules_of_all_groups_admit() {
    let mut state = with_groups(&[1, 2]);
    assert_eq!(sources(&state, 80), [""; 0]);
    let rules = [
        permission(Some((80, 81)), Protocol::Tcp, RulePeer::Net(net("10.0.0.0/8"))),
        permission(Some((80, 80)), Protocol::Udp, RulePeer::Net(net("11.0.0.0/8"))),
        permission(None, Protocol::All, RulePeer::Net(net("2001:db8::/32"))),
    ];
    apply(&mut state, &authorize(1, 1000, &rules)).unwrap();
    apply(
        &mut state,
        &authorize(
            2,
            2000,
            &[permission(
                Some((81, 81)),
                Protocol::Tcp,
                RulePeer::Net(net("12.0.0.0/8")),
            )],
        ),
    )
    .unwrap();
    assert_eq!(sources(&state, 80), ["10.0.0.0/8", "2001:db8::/32"]);
    assert_eq!(sources(&state, 81), ["10.0.0.0/8", "12.0.0.0/8", "2001:db8::/32"]);
    assert_eq!(sources(&state, 82), ["2001:db8::/32"]);
    let itself = permission(None, Protocol::All, RulePeer::Group(group(2)));
    apply(&mut state, &authorize(2, 3000, &[itself])).unwrap();
    assert_eq!(sources(&state, 82), ["127.0.0.0/8", "::1/128", "2001:db8::/32"]);
}

#[test]
fn without_groups_everybody_is_admitted() {
    let state = shop();
    let balancer = state.load_balancer(&load_balancer("shop")).unwrap();
    assert_eq!(admission::sources(&state, balancer, 80), None);
}

// EDG-136: a rule twice, and a group that is in use
#[test]
fn rules_are_there_once_and_all_or_none_change() {
    let mut state = with_groups(&[1]);
    let one = permission(Some((80, 80)), Protocol::Tcp, RulePeer::Net(net("10.0.0.0/8")));
    let other = permission(Some((81, 81)), Protocol::Tcp, RulePeer::Net(net("10.0.0.0/8")));
    apply(&mut state, &authorize(1, 1000, std::slice::from_ref(&one))).unwrap();
    refused(
        &state,
        &authorize(2, 2000, std::slice::from_ref(&other)),
        Ec2Refusal::NoSuch {
            kind: Kind::SecurityGroup,
            id: group(2).to_string(),
        },
    );
    refused(
        &state,
        &authorize(1, 3000, &[other.clone(), one.clone()]),
        Ec2Refusal::RuleExists(one.clone()),
    );
    let revoke = |rules: &[&Permission]| {
        ask(Verb::Revoke(Revoke {
            group: group(1),
            direction: Direction::Ingress,
            rules: rules.iter().map(|what| Revoked::What((*what).clone())).collect(),
        }))
    };
    refused(
        &state,
        &revoke(&[&one, &other]),
        Ec2Refusal::NoSuchPermission(other.clone()),
    );
    assert_eq!(
        sources(&state, 80),
        ["10.0.0.0/8"],
        "nothing of what is refused is done"
    );
    apply(&mut state, &revoke(&[&one])).unwrap();
    assert_eq!(sources(&state, 80), [""; 0]);
    refused(
        &state,
        &ask(Verb::DeleteSecurityGroup(group(1))),
        Ec2Refusal::InUse {
            kind: Kind::SecurityGroup,
            id: group(1).to_string(),
            by: load_balancer("shop").to_string(),
        },
    );
    apply(&mut state, &Command::DeleteLoadBalancer(load_balancer("shop"))).unwrap();
    apply(&mut state, &ask(Verb::DeleteSecurityGroup(group(1)))).unwrap();
}

#[test]
fn a_table_that_becomes_the_main_one_is_used_by_all_other_subnets() {
    let mut state = State::default();
    let default = DefaultVpc::of(&scope());
    let (table, vpc) = (RouteTableId::fresh(ResourceId(1)), default.vpc.id.clone());
    let create = CreateRouteTable {
        id: table.clone(),
        vpc: vpc.clone(),
        tags: Tags::default(),
    };
    apply(&mut state, &ask(Verb::CreateRouteTable(create))).unwrap();
    let [own, main] = [2, 3].map(|number| RouteAssociationId::fresh(ResourceId(number)));
    let associate = Associate {
        id: own.clone(),
        table: table.clone(),
        subnet: default.subnets[0].id.clone(),
    };
    apply(&mut state, &ask(Verb::Associate(associate))).unwrap();
    let first = default.route_table.associations[0].id.clone();
    refused(
        &state,
        &ask(Verb::Disassociate(first.clone())),
        Ec2Refusal::MainAssociation(first.clone()),
    );
    apply(
        &mut state,
        &ask(Verb::ReplaceAssociation(first, table.clone(), main.clone())),
    )
    .unwrap();
    let network = state.ec2().network(&scope());
    let found = network.main_route_table_of(&vpc).unwrap();
    let ids: Vec<_> = found.associations.iter().map(|it| it.id.clone()).collect();
    assert_eq!((&found.id, ids), (&table, vec![own, main]));
}

#[test]
fn subnets_neither_overlap_nor_leave_their_vpc() {
    let state = State::default();
    let create = |cidr: &str| {
        ask(Verb::CreateSubnet(CreateSubnet {
            id: SubnetId::fresh(ResourceId(1)),
            vpc: DefaultVpc::of(&scope()).vpc.id,
            cidr: net(cidr),
            zone: None,
            tags: Tags::default(),
        }))
    };
    refused(
        &state,
        &create("172.31.4.0/24"),
        Ec2Refusal::SubnetConflict(net("172.31.4.0/24")),
    );
    refused(
        &state,
        &create("10.0.0.0/24"),
        Ec2Refusal::SubnetRange(net("10.0.0.0/24")),
    );
    refused(
        &state,
        &create("172.31.128.0/29"),
        Ec2Refusal::SubnetSize(net("172.31.128.0/29")),
    );
    assert!(apply(&mut state.clone(), &create("172.31.128.0/24")).is_ok());
}
