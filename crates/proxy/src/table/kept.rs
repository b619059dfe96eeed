//! What one compilation leaves for the next: the parts whose sources are the very same, so that a change costs what it
//! changes and not what there is.

use super::{Group, ListenerEntry, LoadBalancers, PortEntry, Users};
use crate::health::TargetEntry;
use crate::log_delivery::AllHandles;
use model::elb::listener::Listener;
use model::elb::target_group::TargetGroup;
use model::{ListenerArn, ListenerRules, State, TargetGroupArn};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Parts of the table that was compiled last, whether or not it is served.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Parts>);

/// All of one state. A compilation that fails leaves those before it.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// What they were compiled from.
    pub(super) state: State,
    pub(super) logs: AllHandles,
    pub(super) load_balancers: Arc<LoadBalancers>,
    pub(super) groups: Arc<BTreeMap<TargetGroupArn, KeptGroup>>,
    pub(super) listeners: BTreeMap<ListenerArn, KeptListener>,
    pub(super) ports: Arc<[PortEntry]>,
    pub(super) users: Arc<Users>,
    pub(super) targets: Arc<[TargetEntry]>,
}

/// What a compilation puts in the place of the parts before.
#[derive(Debug)]
pub(super) struct News {
    pub(super) state: State,
    pub(super) logs: AllHandles,
    pub(super) load_balancers: Arc<LoadBalancers>,
    pub(super) groups: Arc<BTreeMap<TargetGroupArn, KeptGroup>>,
    pub(super) listeners: Listeners,
    pub(super) ports: Arc<[PortEntry]>,
    pub(super) users: Arc<Users>,
    pub(super) targets: Arc<[TargetEntry]>,
}

/// Listeners that were compiled.
#[derive(Debug)]
pub(super) enum Listeners {
    /// There are no others.
    All(BTreeMap<ListenerArn, KeptListener>),
    /// The others are as they were.
    Changed(Vec<KeptListener>),
}

impl Parts {
    pub(super) fn take(&mut self, news: News) {
        let listeners = match news.listeners {
            Listeners::All(all) => all,
            Listeners::Changed(changed) => {
                let mut all = std::mem::take(&mut self.listeners);
                all.extend(changed.into_iter().map(|it| (it.entry.arn.clone(), it)));
                all
            }
        };
        *self = Self {
            state: news.state,
            logs: news.logs,
            load_balancers: news.load_balancers,
            groups: news.groups,
            listeners,
            ports: news.ports,
            users: news.users,
            targets: news.targets,
        };
    }
}

/// A target group, and what it was made from.
#[derive(Debug)]
pub(super) struct KeptGroup {
    pub(super) source: Arc<TargetGroup>,
    pub(super) group: Arc<Group>,
}

/// A listener, and what it was made from.
#[derive(Clone, Debug)]
pub(super) struct KeptListener {
    pub(super) source: Arc<Listener>,
    pub(super) rules: Option<Arc<ListenerRules>>,
    /// What its actions forward to.
    pub(super) groups: Arc<[Arc<Group>]>,
    pub(super) entry: Arc<ListenerEntry>,
}

impl Kept {
    /// For one compilation. Others wait, and then find its parts.
    pub(super) fn parts(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeptListener {
    pub(super) fn is_of(&self, source: &Arc<Listener>, rules: Option<&Arc<ListenerRules>>) -> bool {
        let has_same_rules = match (&self.rules, rules) {
            (None, None) => true,
            (Some(kept), Some(rules)) => Arc::ptr_eq(kept, rules),
            _ => false,
        };
        Arc::ptr_eq(&self.source, source) && has_same_rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::Groups;
    use crate::metrics::Metrics;
    use crate::table::Table;
    use crate::tls::TlsShared;
    use model::Timestamp;
    use model::elb::action::{Actions, Answer, ContentType, FixedResponse, Forward, WeightedTargetGroup};
    use model::elb::condition::{Condition, Conditions};
    use model::elb::health_check::HealthCheck;
    use model::elb::listener::{ListenerAttributes, ListenerProtocol, MutualAuthentication, Tls};
    use model::elb::load_balancer::{LoadBalancer, LoadBalancerAttributes, Scheme};
    use model::elb::name::{LoadBalancerName, TargetGroupName};
    use model::elb::rule::{Rule, RulePriority};
    use model::elb::security_policy::SecurityPolicy;
    use model::elb::target_group::{LambdaTargets, TargetKind};
    use model::elb::transform::Transforms;
    use model::{
        AccountId, CertificateArn, Change, LoadBalancerArn, Owner, Region, ResourceId, RuleArn, Scope as Where,
    };

    fn group_arn() -> TargetGroupArn {
        TargetGroupArn::new(&scope(), "red", ResourceId(1))
    }

    fn scope() -> Where {
        Where {
            region: Region::try_from("us-east-1").unwrap(),
            account: AccountId::try_from("000000000000").unwrap(),
        }
    }

    fn listener_arn(id: u64) -> ListenerArn {
        ListenerArn::new(&LoadBalancerArn::new(&scope(), "shop", ResourceId(2)), ResourceId(id))
    }

    fn group(multi_value_headers: bool) -> Change {
        let lambda = LambdaTargets {
            function: None,
            multi_value_headers,
            health_check: HealthCheck::of_lambda(),
        };
        Change::PutTargetGroup(Arc::new(TargetGroup {
            arn: group_arn(),
            name: TargetGroupName::try_from("red").unwrap(),
            targets: TargetKind::Lambda(lambda),
            owner: Owner::Manifest,
        }))
    }

    fn rule(listener: u64, status: i64) -> Change {
        let method = |text: &str| Condition::HttpRequestMethod(vec![text.try_into().unwrap()]);
        let conditions = vec![method("GET")];
        let response = FixedResponse::new(status, ContentType::TextPlain, "").unwrap();
        Change::PutRule(Arc::new(Rule {
            arn: RuleArn::new(&listener_arn(listener), ResourceId(7)),
            listener: listener_arn(listener),
            priority: RulePriority::try_from(1).unwrap(),
            conditions: Conditions::new(conditions).unwrap(),
            transforms: Transforms::default(),
            actions: Actions::from(Answer::FixedResponse(response)),
            owner: Owner::Manifest,
        }))
    }

    /// A listener that forwards to the group.
    fn listener(id: u64) -> Change {
        let group = WeightedTargetGroup {
            target_group: group_arn(),
            weight: 1,
        };
        Change::PutListener(Arc::new(Listener {
            arn: listener_arn(id),
            load_balancer: LoadBalancerArn::new(&scope(), "shop", ResourceId(2)),
            port: 80,
            protocol: ListenerProtocol::Http,
            default_rule: RuleArn::new(&listener_arn(id), ResourceId(0)),
            default_actions: Actions::from(Answer::Forward(Forward::new(vec![group], None).unwrap())),
            attributes: ListenerAttributes::default(),
            owner: Owner::Manifest,
        }))
    }

    /// Its certificate is nowhere.
    fn tls_listener(id: u64) -> Change {
        let Change::PutListener(http) = listener(id) else {
            panic!("a listener");
        };
        Change::PutListener(Arc::new(Listener {
            port: 443,
            protocol: ListenerProtocol::Https(Tls {
                default_certificate: CertificateArn::new(&scope(), 1),
                certificates: vec![],
                policy: &SecurityPolicy::all()[0],
                mutual_authentication: MutualAuthentication::Off,
            }),
            ..Listener::clone(&http)
        }))
    }

    fn balancer(dns_name: &str) -> Change {
        let arn = LoadBalancerArn::new(&scope(), "shop", ResourceId(2));
        Change::PutLoadBalancer(Arc::new(LoadBalancer {
            arn,
            name: LoadBalancerName::try_from("shop").unwrap(),
            scheme: Scheme::InternetFacing,
            dns_name: dns_name.to_owned(),
            created: Timestamp(0),
            attributes: LoadBalancerAttributes::default(),
            subnets: vec![],
            security_groups: vec![],
            owner: Owner::Manifest,
        }))
    }

    /// The listeners of one table after another.
    struct Tables {
        metrics: Metrics,
        groups: Groups,
        tls: TlsShared,
        kept: Kept,
        last: Option<Table>,
    }

    /// What of a listener is not the same as in the table before.
    const NOTHING: [&str; 2] = ["", ""];

    impl Tables {
        fn new() -> Self {
            Self {
                metrics: Metrics::new(1),
                groups: Groups::default(),
                tls: TlsShared::new().unwrap(),
                kept: Kept::default(),
                last: None,
            }
        }

        fn compile(&self, state: &State, logs: Option<&AllHandles>) -> Table {
            Table::compile(state, &self.metrics, &self.groups, &self.tls, logs, &self.kept).unwrap()
        }

        /// What is new of listeners 1 and 2.
        #[track_caller]
        fn check(&mut self, state: &State, expected: [&str; 2], what: &str) {
            let logs = AllHandles::new();
            // As every change does it.
            self.compile(state, None);
            let table = self.compile(state, Some(&logs));
            let anew = Table::compile(
                state,
                &self.metrics,
                &self.groups,
                &self.tls,
                Some(&logs),
                &Kept::default(),
            );
            let ports = |table: &Table| -> Vec<_> {
                let listeners = table
                    .listeners()
                    .map(|it| (it.port, it.arn.clone(), it.rules.rule_count()));
                listeners.collect()
            };
            assert_eq!(ports(&table), ports(&anew.unwrap()), "{what}");
            let of = |table: &Table, id| {
                let arn = listener_arn(id);
                let found = table.listeners().find(|it| it.arn == arn).cloned();
                found.unwrap()
            };
            if let Some(before) = &self.last {
                let new = [1, 2].map(|id| {
                    let (before, after) = (of(before, id), of(&table, id));
                    match (Arc::ptr_eq(&before, &after), Arc::ptr_eq(&before.rules, &after.rules)) {
                        (true, _) => "",
                        (false, true) => "entry",
                        (false, false) => "rules",
                    }
                });
                assert_eq!(new, expected, "{what}");
            }
            self.last = Some(table);
        }
    }

    #[test]
    fn what_did_not_change_is_not_compiled_again() {
        let mut tables = Tables::new();
        let mut state = State::default();
        for change in [
            balancer("a"),
            group(false),
            listener(1),
            listener(2),
            rule(1, 200),
            rule(2, 200),
        ] {
            state.apply(&change);
        }
        tables.check(&state, NOTHING, "the first");
        tables.check(&state, NOTHING, "nothing");
        state.apply(&rule(2, 201));
        tables.check(&state, ["", "rules"], "a rule");
        state.apply(&Change::DeleteRule(RuleArn::new(&listener_arn(1), ResourceId(7))));
        tables.check(&state, ["rules", ""], "a rule less");
        state.apply(&group(true));
        tables.check(&state, ["rules", "rules"], "a group that both forward to");
        state.apply(&balancer("b"));
        tables.check(&state, ["entry", "entry"], "the load balancer");
    }

    #[test]
    fn a_table_that_is_refused_leaves_what_was_there() {
        let mut tables = Tables::new();
        let mut state = State::default();
        for change in [balancer("a"), group(false), listener(1), listener(2)] {
            state.apply(&change);
        }
        tables.check(&state, NOTHING, "the first");
        let mut wrong = state.clone();
        wrong.apply(&rule(1, 200));
        wrong.apply(&tls_listener(3));
        let refused = Table::compile(&wrong, &tables.metrics, &tables.groups, &tables.tls, None, &tables.kept);
        assert!(refused.is_err(), "a listener without its certificate");
        tables.check(&state, NOTHING, "the state before");
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let tables = Tables::new();
        let mut state = State::default();
        for change in [balancer("a"), group(false), listener(1), listener(2)] {
            state.apply(&change);
        }
        tables.compile(&state, None);
        tables.compile(&State::default(), None);
        let parts = tables.kept.parts();
        assert_eq!((parts.groups.len(), parts.listeners.len()), (0, 0));
        assert_eq!((parts.load_balancers.len(), parts.users.len()), (0, 0));
    }

    #[test]
    fn targets_are_followed_when_who_uses_them_changes() {
        let tables = Tables::new();
        let mut state = State::default();
        for change in [balancer("a"), group(false), listener(1), rule(1, 200)] {
            state.apply(&change);
        }
        let first = tables.compile(&state, None);
        assert!(!first.has_targets_of(&Table::empty()), "nothing was followed yet");
        state.apply(&rule(1, 201));
        let second = tables.compile(&state, None);
        assert!(second.has_targets_of(&first), "a rule that forwards nowhere");
        state.apply(&Change::DeleteListener(listener_arn(1)));
        let third = tables.compile(&state, None);
        assert!(!third.has_targets_of(&second), "its only user is gone");
    }
}
