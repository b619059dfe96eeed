//! Servers through everything: the state says who is checked, checkers ask over real sockets, reports say what they found.

use super::played::*;
use crate::table::users;
use model::change::Change;
use model::elb::action::{Actions, Answer, Forward, WeightedTargetGroup};
use model::elb::health_check::ServerHealthCheck;
use model::elb::listener::{Listener, ListenerAttributes, ListenerProtocol};
use model::elb::name::TargetGroupName;
use model::elb::target_group::{
    IpAddressType, ProtocolVersion, ServerTargets, ServerType, Target, TargetGroup, TargetGroupAttributes, TargetId,
    TargetKind, TargetProtocol, Zone,
};
use model::observed::TargetHealth;
use model::{ListenerArn, Owner, ResourceId, RuleArn, State, TargetGroupArn};
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server whose answer a test changes: a status, or nothing at all for 0. Counts its requests.
#[derive(Clone)]
struct Scripted {
    address: SocketAddr,
    status: Rc<Cell<u16>>,
    asked: Rc<Cell<usize>>,
}

impl Scripted {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scripted = Self {
            address: listener.local_addr().unwrap(),
            status: Rc::new(Cell::new(200)),
            asked: Rc::default(),
        };
        let server = scripted.clone();
        tokio::task::spawn_local(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = Vec::new();
                while !bytes.ends_with(b"\r\n\r\n") {
                    assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
                }
                server.asked.set(server.asked.get() + 1);
                match server.status.get() {
                    0 => drop(stream.read(&mut [0]).await),
                    status => {
                        let answer = format!("HTTP/1.1 {status} Answer\r\nContent-Length: 0\r\n\r\n");
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                }
            }
        });
        scripted
    }

    fn target(&self) -> Target {
        Target {
            id: TargetId::Ip(self.address.ip()),
            port: self.address.port(),
            address: self.address.ip(),
            zone: Zone::Own,
        }
    }
}

/// One group with the settings of a new group (every 30 seconds, 5 and 2 in a row), and a listener that may use it.
fn state(targets: Vec<Target>, used: bool) -> State {
    let arn = TargetGroupArn::new(&scope(), "web", ResourceId(2));
    let servers = ServerTargets {
        target_type: ServerType::Ip,
        protocol: TargetProtocol::Http,
        protocol_version: ProtocolVersion::Http1,
        port: 80,
        vpc: None,
        ip_address_type: IpAddressType::Ipv4,
        health_check: ServerHealthCheck::of_servers(ProtocolVersion::Http1),
        attributes: TargetGroupAttributes::default(),
        targets,
    };
    let group = WeightedTargetGroup {
        target_group: arn.clone(),
        weight: 1,
    };
    let listener = ListenerArn::new(&shop(), ResourceId(3));
    let mut state = State::default();
    state.apply(&Change::PutTargetGroup(Arc::new(TargetGroup {
        arn,
        name: TargetGroupName::try_from("web").unwrap(),
        targets: TargetKind::Servers(servers),
        owner: Owner::Manifest,
    })));
    if !used {
        return state;
    }
    state.apply(&Change::PutListener(Arc::new(Listener {
        default_rule: RuleArn::new(&listener, ResourceId(0)),
        arn: listener,
        load_balancer: shop(),
        port: 80,
        protocol: ListenerProtocol::Http,
        default_actions: Actions::from(Answer::Forward(Forward::new(vec![group], None).unwrap())),
        attributes: ListenerAttributes::default(),
        owner: Owner::Manifest,
    })));
    state
}

impl Core {
    fn follow_servers(&self, state: &State) {
        self.groups.follow(state, &users(state), std::time::Instant::now());
    }

    /// Servers only.
    async fn serve(&mut self, targets: Vec<Target>) {
        self.follow_servers(&state(targets, true));
        self.groups.check_followed();
        self.checkers.changed().await;
        self.checkers.follow().await;
        // The checkers begin.
        tokio::task::yield_now().await;
    }

    /// The same targets, in a group that no listener uses.
    fn leave(&self, targets: Vec<Target>) {
        self.follow_servers(&state(targets, false));
        self.groups.check_followed();
    }

    /// Who gets requests.
    fn eligible(&self) -> Vec<SocketAddr> {
        let group = TargetGroupArn::new(&scope(), "web", ResourceId(2));
        self.groups.group(&group).eligible()
    }

    fn server(&self) -> (&'static str, Option<&'static str>, Option<String>) {
        let TargetHealth {
            state,
            reason,
            description,
        } = self.groups.reports().remove(0).health;
        (state.as_str(), reason, description)
    }
}

// ALB-B-013: one passing check makes a new target healthy, whatever HealthyThresholdCount says
// ALB-B-014: an unhealthy target needs HealthyThresholdCount passes in a row
// ALB-B-015: a healthy target needs UnhealthyThresholdCount failures in a row
// ALB-B-023: the codes stand in brackets
// ALB-B-024: no answer is Target.Timeout
// ALB-B-025: a healthy target has neither reason nor description
#[test]
fn the_states_of_a_server() {
    simulated(async {
        let mut core = Core::new();
        let target = Scripted::new().await;
        core.serve(vec![target.target()]).await;
        let initial = "Initial health checks in progress".to_owned();
        assert_eq!(
            core.server(),
            ("initial", Some("Elb.InitialHealthChecking"), Some(initial))
        );
        // Within the spread of five seconds, and five more that a check may take.
        pass(10 * SECOND).await;
        assert_eq!(core.server(), ("healthy", None, None));
        assert_eq!(target.asked.get(), 1);
        let healthy = ("healthy", None, None);
        let mismatch = |codes: &str| {
            let description = format!("Health checks failed with these codes: [{codes}]");
            ("unhealthy", Some("Target.ResponseCodeMismatch"), Some(description))
        };
        let timeout = (
            "unhealthy",
            Some("Target.Timeout"),
            Some("Request timed out".to_owned()),
        );
        for (status, expected) in [
            (503, healthy.clone()),
            (200, healthy.clone()),
            (503, healthy.clone()),
            (301, mismatch("503, 301")),
            (200, mismatch("503, 301")),
            (200, mismatch("503, 301")),
            (200, mismatch("503, 301")),
            (200, mismatch("503, 301")),
            (0, timeout.clone()),
            (200, timeout.clone()),
            (200, timeout.clone()),
            (200, timeout.clone()),
            (200, timeout),
            (200, healthy),
        ] {
            target.status.set(status);
            pass(30 * SECOND).await;
            assert_eq!(core.server(), expected, "after {status}");
        }
        assert_eq!(target.asked.get(), 15);
        let lines = core.written.lines();
        assert_eq!(lines.len(), 15);
        let of_target = |line: &String| line.contains(&format!(" {} web ", target.address));
        assert!(lines.iter().all(of_target), "{lines:?}");
        let codes: Vec<_> = lines.iter().map(|line| line.rsplit_once("web ").unwrap().1).collect();
        let (pass, wrong) = ("PASS 200 -", "FAIL 301 ResponseCodeMismatch");
        let (error, late) = ("FAIL 503 TargetError", "FAIL - TimedOut");
        assert_eq!(codes[..6], [pass, error, pass, error, wrong, pass]);
        assert_eq!(codes[9..11], [late, pass]);
    });
}

#[test]
fn a_server_is_asked_once_an_interval_however_often_the_state_changes() {
    simulated(async {
        let mut core = Core::new();
        let (one, two) = (Scripted::new().await, Scripted::new().await);
        core.serve(vec![one.target()]).await;
        for at in 0..60 {
            let others = (at % 2 == 0).then(|| two.target());
            core.serve([one.target()].into_iter().chain(others).collect()).await;
            pass(SECOND).await;
        }
        assert_eq!(one.asked.get(), 2);
        assert_eq!(core.server().0, "healthy");
        core.checkers.stop().await;
        pass(100 * SECOND).await;
        assert_eq!(one.asked.get(), 2);
    });
}

#[test]
fn what_is_known_outlives_a_moment_without_use() {
    simulated(async {
        let mut core = Core::new();
        let target = Scripted::new().await;
        core.serve(vec![target.target()]).await;
        pass(10 * SECOND).await;
        assert_eq!(core.server().0, "healthy");
        core.leave(vec![target.target()]);
        assert_eq!(core.server().0, "unused");
        // Used again before the core has looked.
        core.serve(vec![target.target()]).await;
        pass(SECOND).await;
        assert_eq!(core.server().0, "healthy");
        // Once it has, its checks are over and begin anew.
        core.leave(vec![target.target()]);
        core.checkers.changed().await;
        core.checkers.follow().await;
        core.serve(vec![target.target()]).await;
        assert_eq!(core.server().1, Some("Elb.InitialHealthChecking"));
        assert_eq!(target.asked.get(), 1);
        pass(5 * SECOND).await;
        assert_eq!((core.server().0, target.asked.get()), ("healthy", 2));
    });
}

#[test]
fn a_change_of_the_targets_is_no_answer_of_those_that_were_not_asked() {
    simulated(async {
        let mut core = Core::new();
        let mut servers = Vec::new();
        for _ in 0..8 {
            servers.push(Scripted::new().await);
        }
        let targets = |servers: &[Scripted]| servers.iter().map(Scripted::target).collect::<Vec<_>>();
        core.serve(targets(&servers[..7])).await;
        let healthy = |core: &Core| {
            let reports = core.groups.reports();
            reports
                .iter()
                .filter(|it| it.health.state.as_str() == "healthy")
                .count()
        };
        for _ in 0..50 {
            if healthy(&core) == 0 {
                pass(SECOND / 10).await;
            }
        }
        assert!(healthy(&core) > 0);
        let unasked: Vec<_> = servers[..7].iter().filter(|it| it.asked.get() == 0).cloned().collect();
        assert!((1..=6).contains(&unasked.len()), "{} are left", unasked.len());
        assert_eq!(core.eligible().len(), 7);
        // Every checker hears of the new target, which is not of the first and gets no requests yet.
        core.serve(targets(&servers)).await;
        core.serve(targets(&servers[..7])).await;
        core.serve(targets(&servers)).await;
        assert!(unasked.iter().all(|it| it.asked.get() == 0));
        let all: Vec<_> = servers[..7].iter().map(|it| it.address).collect();
        assert_eq!(core.eligible(), all);
        // Out of use for a moment and back: what has been asked is still known, and nothing of the others.
        core.leave(targets(&servers));
        core.serve(targets(&servers)).await;
        assert!(healthy(&core) > 0);
        assert!(unasked.iter().all(|it| core.eligible().contains(&it.address)));
        // A first answer that is no pass ends it.
        unasked.iter().for_each(|it| it.status.set(503));
        pass(10 * SECOND).await;
        assert!(unasked.iter().all(|it| it.asked.get() == 1));
        assert!(!unasked.iter().any(|it| core.eligible().contains(&it.address)));
    });
}
