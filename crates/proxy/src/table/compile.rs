//! A table is made from a state, and from the table made last: only what is new is compiled.

use super::kept::{Kept, KeptGroup, KeptListener, Listeners, News, Parts};
use super::{
    FunctionTarget, Group, GroupTargets, ListenerEntry, LoadBalancerEntry, LoadBalancers, PortEntry, Scheme, Table,
    TableError, Users,
};
use crate::admission::{Admission, BalancerKey};
use crate::balance::{Groups, Servers};
use crate::headers::{self, ReservedNames};
use crate::health::TargetEntry;
use crate::log_delivery::AllHandles;
use crate::metrics::Metrics;
use crate::target::tls::TargetTls;
use crate::tls::{ListenerTls, TlsShared};
use model::elb::listener::{Listener, ListenerProtocol};
use model::elb::load_balancer::LoadBalancer;
use model::elb::target_group::{TargetGroup, TargetKind};
use model::{FunctionArn, ListenerArn, Owner, Part, State, TargetGroupArn};
use routing::RoutingTable;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One compilation.
struct Compiler<'a> {
    state: &'a State,
    /// What the last one left.
    before: &'a Parts,
    metrics: &'a Metrics,
    known: &'a Groups,
    tls: &'a TlsShared,
}

impl Table {
    /// Compiles a state. Costs time; not for traffic cores. Without `logs` the table is not to serve.
    pub(crate) fn compile(
        state: &State,
        metrics: &Metrics,
        known: &Groups,
        tls: &TlsShared,
        logs: Option<&AllHandles>,
        kept: &Kept,
    ) -> Result<Self, TableError> {
        let mut kept = kept.parts();
        let compiler = Compiler {
            state,
            before: &kept,
            metrics,
            known,
            tls,
        };
        if !compiler.has_all_before(logs) {
            let news = compiler.news(logs)?;
            kept.take(news);
        }
        Ok(Self {
            state: Some(state.clone()),
            ports: kept.ports.clone(),
            load_balancers: kept.load_balancers.clone(),
            users: kept.users.clone(),
            targets: kept.targets.clone(),
        })
    }
}

/// What a table is made from.
const ALL: [Part; 8] = [
    Part::LoadBalancers,
    Part::Listeners,
    Part::Rules,
    Part::TargetGroups,
    Part::Certificates,
    Part::Functions,
    Part::FunctionPolicies,
    Part::Network,
];

impl Compiler<'_> {
    /// Whether nothing of this state is new to the last compilation, which is then what there is to serve.
    fn has_all_before(&self, logs: Option<&AllHandles>) -> bool {
        self.has_before(&ALL) && logs.is_none_or(|logs| *logs == self.before.logs)
    }

    fn news(&self, logs: Option<&AllHandles>) -> Result<News, TableError> {
        let (load_balancers, groups) = (self.load_balancers(logs), self.groups());
        let only_rules = Arc::ptr_eq(&load_balancers, &self.before.load_balancers)
            && Arc::ptr_eq(&groups, &self.before.groups)
            && self.has_before(&[Part::LoadBalancers, Part::Listeners, Part::Certificates, Part::Network]);
        let (listeners, ports) = match only_rules {
            true => {
                let changed = self.with_other_rules(&load_balancers, &groups)?;
                let ports = self.ports_with(&changed);
                (Listeners::Changed(changed), ports)
            }
            false => {
                let all = self.all_listeners(&load_balancers, &groups)?;
                let ports = ports(&all)?;
                (Listeners::All(all), ports)
            }
        };
        let users = self.users();
        Ok(News {
            targets: self.targets(&users),
            state: self.state.clone(),
            logs: match logs {
                Some(logs) => logs.clone(),
                None if Arc::ptr_eq(&load_balancers, &self.before.load_balancers) => self.before.logs.clone(),
                None => AllHandles::new(),
            },
            load_balancers,
            groups,
            listeners,
            ports,
            users,
        })
    }

    fn all_listeners(
        &self,
        load_balancers: &LoadBalancers,
        groups: &Arc<BTreeMap<TargetGroupArn, KeptGroup>>,
    ) -> Result<BTreeMap<ListenerArn, KeptListener>, TableError> {
        let mut listeners = BTreeMap::new();
        for listener in self.state.listeners() {
            let Some(load_balancer) = load_balancers.get(&listener.load_balancer) else {
                continue; // `decide` deletes listeners with their load balancer
            };
            listeners.insert(listener.arn.clone(), self.listener(listener, load_balancer, groups)?);
        }
        Ok(listeners)
    }

    /// The listeners whose rules are others than before, where nothing else is.
    fn with_other_rules(
        &self,
        load_balancers: &LoadBalancers,
        groups: &Arc<BTreeMap<TargetGroupArn, KeptGroup>>,
    ) -> Result<Vec<KeptListener>, TableError> {
        let changed = self.state.listeners_with_other_rules(&self.before.state);
        let known = changed.filter_map(|arn| {
            let listener = self.state.listener(arn)?;
            Some((listener, load_balancers.get(&listener.load_balancer)?))
        });
        known
            .map(|(listener, load_balancer)| self.listener(listener, load_balancer, groups))
            .collect()
    }

    /// The ports before, with these listeners in their places.
    fn ports_with(&self, changed: &[KeptListener]) -> Arc<[PortEntry]> {
        let touched: BTreeSet<_> = changed.iter().map(|it| it.entry.port).collect();
        let changed: BTreeMap<_, _> = changed.iter().map(|it| (&it.entry.arn, &it.entry)).collect();
        let entry = |before: &Arc<ListenerEntry>| Arc::clone(changed.get(&before.arn).copied().unwrap_or(before));
        let port = |before: &PortEntry| {
            let is_touched = touched.contains(&before.number);
            PortEntry {
                number: before.number,
                scheme: before.scheme,
                listeners: match is_touched {
                    true => before.listeners.iter().map(entry).collect(),
                    false => before.listeners.clone(),
                },
            }
        };
        self.before.ports.iter().map(port).collect()
    }

    /// Whether these parts of the state are those of the last compilation.
    fn has_before(&self, parts: &[Part]) -> bool {
        self.state.shares(&self.before.state, parts)
    }

    fn load_balancers(&self, logs: Option<&AllHandles>) -> Arc<LoadBalancers> {
        if self.has_before(&[Part::LoadBalancers, Part::Listeners]) && logs.is_none_or(|logs| *logs == self.before.logs)
        {
            return self.before.load_balancers.clone();
        }
        let entry = |it: &Arc<LoadBalancer>| LoadBalancerEntry {
            key: BalancerKey::of(&it.arn),
            name: it.name.to_string(),
            dns_name: it.dns_name.clone(),
            resource_id: it.arn.resource_id().to_owned(),
            created: it.created,
            attributes: it.attributes.clone(),
            reserved_names: reserved_names(self.state, it),
            target_tls: TargetTls::of(self.state, &it.arn),
            metrics: self.metrics.load_balancer(&it.arn),
            logs: logs.and_then(|logs| logs.get(&it.arn)).cloned().unwrap_or_default(),
        };
        let all = self.state.load_balancers();
        Arc::new(all.map(|it| (it.arn.clone(), Arc::new(entry(it)))).collect())
    }

    fn groups(&self) -> Arc<BTreeMap<TargetGroupArn, KeptGroup>> {
        // A function's policy says whether a group may invoke it.
        if self.has_before(&[Part::TargetGroups, Part::Functions, Part::FunctionPolicies]) {
            return self.before.groups.clone();
        }
        let all = self.state.target_groups();
        Arc::new(all.map(|it| (it.arn.clone(), self.group(it))).collect())
    }

    fn group(&self, source: &Arc<TargetGroup>) -> KeptGroup {
        let targets = match &source.targets {
            TargetKind::Lambda(lambda) => GroupTargets::Function(FunctionTarget {
                function: lambda.function.clone(),
                multi_value: lambda.multi_value_headers,
                is_permitted: is_permitted(self.state, source, lambda.function.as_ref()),
            }),
            TargetKind::Servers(servers) => GroupTargets::Servers(Servers::new(&source.arn, servers, self.known)),
        };
        let fresh = Group {
            arn: source.arn.clone(),
            targets,
            metrics: self.metrics.group(&source.arn),
        };
        let group = match self.before.groups.get(&source.arn) {
            Some(kept) if Arc::ptr_eq(&kept.source, source) && kept.group.has_state_of(&fresh) => kept.group.clone(),
            _ => Arc::new(fresh),
        };
        KeptGroup {
            source: source.clone(),
            group,
        }
    }

    fn listener(
        &self,
        source: &Arc<Listener>,
        load_balancer: &Arc<LoadBalancerEntry>,
        groups: &Arc<BTreeMap<TargetGroupArn, KeptGroup>>,
    ) -> Result<KeptListener, TableError> {
        let resolve = |arn: &TargetGroupArn| match groups.get(arn) {
            Some(kept) => kept.group.clone(),
            // `decide` keeps target groups that are in use; an empty one answers 503.
            None => Arc::new(Group {
                arn: arn.clone(),
                targets: GroupTargets::Function(FunctionTarget::default()),
                metrics: self.metrics.group(arn),
            }),
        };
        let has_same_groups = |kept: &KeptListener| {
            let all_same = || kept.groups.iter().all(|it| Arc::ptr_eq(it, &resolve(&it.arn)));
            Arc::ptr_eq(groups, &self.before.groups) || all_same()
        };
        let of_rules = self.state.listener_rules(&source.arn);
        let kept = self.before.listeners.get(&source.arn);
        let kept = kept.filter(|kept| kept.is_of(source, of_rules) && has_same_groups(kept));
        let (rules, used) = match kept {
            // Whom it lets in depends on the network and on the load balancers in it.
            Some(kept)
                if Arc::ptr_eq(&kept.entry.load_balancer, load_balancer)
                    && self.has_before(&[Part::LoadBalancers, Part::Certificates, Part::Network]) =>
            {
                return Ok(kept.clone());
            }
            Some(kept) => (kept.entry.rules.clone(), kept.groups.clone()),
            None => {
                let mut used = Vec::new();
                let compiled = RoutingTable::compile(
                    self.state.rules_of(&source.arn).map(|rule| &**rule),
                    &source.default_rule,
                    &source.default_actions,
                    |arn| {
                        let group = resolve(arn);
                        used.push(group.clone());
                        group
                    },
                );
                let compiled = compiled.map_err(|error| TableError::Rule {
                    listener: source.arn.clone(),
                    source: error,
                })?;
                (Arc::new(compiled), used.into())
            }
        };
        Ok(KeptListener {
            source: source.clone(),
            rules: of_rules.cloned(),
            groups: used,
            entry: Arc::new(self.entry(source, load_balancer.clone(), rules)?),
        })
    }

    fn entry(
        &self,
        listener: &Listener,
        load_balancer: Arc<LoadBalancerEntry>,
        rules: Arc<RoutingTable<Arc<Group>>>,
    ) -> Result<ListenerEntry, TableError> {
        let state = self.state;
        let balancer = state.load_balancer(&listener.load_balancer);
        let admission = balancer.and_then(|balancer| Admission::of(state, balancer, listener.port));
        let (scheme, tls) = match &listener.protocol {
            ListenerProtocol::Http => (Scheme::Http, None),
            ListenerProtocol::Https(own) => {
                let http2 = load_balancer.attributes.http2;
                let built = ListenerTls::build(state, &listener.arn, own, http2, self.tls);
                let built = built.map_err(|source| TableError::Tls {
                    listener: listener.arn.clone(),
                    source,
                })?;
                (Scheme::Https, Some(built))
            }
        };
        Ok(ListenerEntry {
            arn: listener.arn.clone(),
            load_balancer,
            port: listener.port,
            port_suffix: format!(":{}", listener.port),
            forwarded: headers::forwarded_lines(scheme, listener.port),
            scheme,
            attributes: listener.attributes.clone(),
            rules,
            tls,
            admission,
        })
    }

    fn users(&self) -> Arc<Users> {
        let before = &self.before.users;
        if self.has_before(&[Part::Listeners]) && self.forwards_as_before() {
            return before.clone();
        }
        let now: BTreeMap<_, _> = self.state.forwards().map(|(by, group)| (group, by)).collect();
        match now.iter().map(|(group, by)| (*group, *by)).eq(before.iter()) {
            true => before.clone(),
            false => Arc::new(users(self.state)),
        }
    }

    /// Whether the rules of each listener forward to the same target groups.
    fn forwards_as_before(&self) -> bool {
        fn groups<'a>(state: &'a State, of: &ListenerArn) -> impl Iterator<Item = &'a TargetGroupArn> {
            let rules = state.listener_rules(of);
            rules.into_iter().flat_map(|rules| rules.target_groups())
        }
        let before = &self.before.state;
        let mut changed = self.state.listeners_with_other_rules(before);
        changed.all(|listener| groups(self.state, listener).eq(groups(before, listener)))
    }

    fn targets(&self, users: &Arc<Users>) -> Arc<[TargetEntry]> {
        if Arc::ptr_eq(users, &self.before.users)
            && self.has_before(&[Part::TargetGroups, Part::Functions, Part::FunctionPolicies])
        {
            return self.before.targets.clone();
        }
        let entry = |group: &Arc<TargetGroup>| {
            let TargetKind::Lambda(lambda) = &group.targets else {
                return None;
            };
            Some(TargetEntry {
                group: group.arn.clone(),
                group_name: group.name.to_string(),
                function: lambda.function.clone()?,
                multi_value: lambda.multi_value_headers,
                is_permitted: is_permitted(self.state, group, lambda.function.as_ref()),
                health_check: lambda.health_check.clone(),
                used_by: users.get(&group.arn).cloned(),
            })
        };
        self.state.target_groups().filter_map(entry).collect()
    }
}

/// Who uses the target groups of a state.
pub(crate) fn users(state: &State) -> Users {
    let all = state.forwards();
    all.map(|(by, group)| (group.clone(), by.clone())).collect()
}

fn reserved_names(state: &State, load_balancer: &LoadBalancer) -> ReservedNames {
    let own = state.listeners_of(&load_balancer.arn);
    let tls_headers = load_balancer.attributes.tls_version_and_cipher_suite;
    ReservedNames::new(tls_headers, own.map(|listener| &listener.attributes))
}

/// Whether a group may invoke a function. The manifest's groups may invoke the manifest's functions. One that is not there is
/// for whoever invokes it to find missing.
fn is_permitted(state: &State, group: &TargetGroup, function: Option<&FunctionArn>) -> bool {
    let Some(function) = function else { return false };
    let is_of_manifest = |function: &FunctionArn| {
        let of_manifest = state.function(&function.unqualified()).map(|it| it.owner) == Some(Owner::Manifest);
        of_manifest && group.owner == Owner::Manifest
    };
    let policy = state.function_policy(function);
    policy.is_some_and(|policy| policy.allows_load_balancer(&group.arn))
        || is_of_manifest(function)
        || !state.is_runnable(function)
}

fn ports(listeners: &BTreeMap<ListenerArn, KeptListener>) -> Result<Arc<[PortEntry]>, TableError> {
    let mut ports: BTreeMap<u16, Vec<Arc<ListenerEntry>>> = BTreeMap::new();
    for listener in listeners.values() {
        let entry = &listener.entry;
        ports.entry(entry.port).or_default().push(entry.clone());
    }
    let ports = ports.into_iter();
    ports.map(|(number, listeners)| share_port(number, listeners)).collect()
}

fn share_port(number: u16, mut listeners: Vec<Arc<ListenerEntry>>) -> Result<PortEntry, TableError> {
    listeners.sort_by(|one, other| {
        let (one, other) = (&one.load_balancer, &other.load_balancer);
        (one.created, &one.name).cmp(&(other.created, &other.name))
    });
    let of = |scheme: Scheme| listeners.iter().find(|listener| listener.scheme == scheme);
    match (of(Scheme::Http), of(Scheme::Https)) {
        (Some(http), Some(https)) => Err(TableError::MixedPort {
            port: number,
            http: http.load_balancer.name.clone(),
            https: https.load_balancer.name.clone(),
        }),
        (None, _) => Ok(PortEntry {
            number,
            scheme: Scheme::Https,
            listeners: listeners.into(),
        }),
        (_, None) => Ok(PortEntry {
            number,
            scheme: Scheme::Http,
            listeners: listeners.into(),
        }),
    }
}
