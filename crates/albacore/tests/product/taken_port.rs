//! A port that somebody else has taken while albacore was away.

use crate::aws::{call, element, elements};
use crate::support::{Server, get, until, with_manifest, worker};
use rustix::process::Signal;
use std::net::{SocketAddr, TcpListener};

/// A load balancer with one listener on this port, which answers `made by the api`.
pub(crate) fn load_balancer(endpoint: SocketAddr, name: &str, port: u16) -> (u16, String) {
    let subnets = call(endpoint, "ec2", "Action=DescribeSubnets&Version=2016-11-15")
        .unwrap()
        .1;
    let subnets = elements(&subnets, "subnetId");
    let [one, two] = [subnets[0], subnets[1]];
    let form = format!(
        "Action=CreateLoadBalancer&Version=2015-12-01&Name={name}&Subnets.member.1={one}&Subnets.member.2={two}"
    );
    let (status, made) = call(endpoint, "elasticloadbalancing", &form).unwrap();
    assert_eq!(status, 200, "{made}");
    listener(endpoint, element(&made, "LoadBalancerArn"), port)
}

fn listener(endpoint: SocketAddr, load_balancer: &str, port: u16) -> (u16, String) {
    let form = format!(
        "Action=CreateListener&Version=2015-12-01&LoadBalancerArn={load_balancer}&Protocol=HTTP&Port={port}\
         &DefaultActions.member.1.Type=fixed-response&DefaultActions.member.1.FixedResponseConfig.StatusCode=200\
         &DefaultActions.member.1.FixedResponseConfig.ContentType=text/plain\
         &DefaultActions.member.1.FixedResponseConfig.MessageBody=made"
    );
    call(endpoint, "elasticloadbalancing", &form).unwrap()
}

/// The state of a load balancer and its reason.
fn state(server: &Server, name: &str) -> (String, String) {
    let form = format!("Action=DescribeLoadBalancers&Version=2015-12-01&Names.member.1={name}");
    let (status, said) = call(server.endpoint(), "elasticloadbalancing", &form).unwrap();
    assert_eq!(status, 200, "{said}");
    let reason = elements(&said, "Reason").first().map(|it| (*it).to_owned());
    (element(&said, "Code").to_owned(), reason.unwrap_or_default())
}

#[test]
fn a_taken_port_of_the_api_keeps_nothing_else_closed_and_is_tried_again() {
    let folder = with_manifest("a", "");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let publish = format!("9001:{},9002:0", socket.port());
    let mut server = folder.up(&["--publish", &publish]);
    assert_eq!(load_balancer(server.endpoint(), "made", 9001).0, 200);
    assert_eq!(get(socket, "/"), (200, "made".to_owned()));
    assert_eq!(state(&server, "made"), ("active".to_owned(), String::new()));
    server.signal(Signal::TERM);
    server.exit_code();

    let taken = TcpListener::bind(socket).unwrap();
    let mut server = folder.up(&["--publish", &publish]);
    // It is told, and everything else is served.
    assert_eq!(worker(&server).0, "a");
    let (_, status) = server.own_api("status");
    let closed = status["closed_listeners"].as_array().unwrap();
    assert_eq!((closed.len(), &closed[0]["port"]), (1, &9001.into()));
    let reason = closed[0]["reason"].as_str().unwrap();
    assert!(reason.contains("is in use by another process"), "{reason}");
    assert_eq!(status["ready"], false);
    assert!(
        status["obstacle"].as_str().unwrap().contains("closed_listeners"),
        "{status}"
    );
    assert_eq!(server.own_api("ready").0, 503);
    assert_eq!(state(&server, "made"), ("failed".to_owned(), reason.to_owned()));
    let said = folder.run(&["status"]);
    assert!(
        said.out.contains("not served: arn:") && said.out.contains(reason),
        "{}",
        said.out
    );
    // Changes go on, but for those that need the port.
    let (status, refused) = load_balancer(server.endpoint(), "other", 9001);
    assert_eq!(
        (status, element(&refused, "Code")),
        (400, "InvalidConfigurationRequest"),
        "{refused}"
    );
    let described = "Action=DescribeLoadBalancers&Version=2015-12-01&Names.member.1=made";
    let (_, described) = call(server.endpoint(), "elasticloadbalancing", described).unwrap();
    let arn = element(&described, "LoadBalancerArn").to_owned();
    assert_eq!(listener(server.endpoint(), &arn, 9002).0, 200);
    assert_eq!(get(server.socket(9002), "/"), (200, "made".to_owned()));
    assert_eq!(
        state(&server, "made"),
        ("active_impaired".to_owned(), reason.to_owned())
    );

    drop(taken);
    server.notice("listener");
    until("the port is served", || {
        server.own_api("ready").0.eq(&200).then_some(())
    });
    assert_eq!(get(socket, "/"), (200, "made".to_owned()));
    assert_eq!(state(&server, "made"), ("active".to_owned(), String::new()));
}

#[test]
fn a_taken_port_of_the_manifest_is_a_mistake_in_it() {
    let folder = with_manifest("a", "");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let publish = format!("8080:{}", taken.local_addr().unwrap().port());
    let refused = folder.run(&["up", "--endpoint", "127.0.0.1:0", "--publish", &publish]);
    refused.expect(1, "", "is in use by another process");
}
