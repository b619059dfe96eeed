//! The routing table of the whole process: compiled from the state, swapped as one, read by every core.

use crate::health::TargetEntry;
use crate::metrics::{GroupMetrics, LoadBalancerMetrics, Metrics};
use crate::tls::{ListenerTls, Ticketing, TlsError};
use model::elb::certificate::covers;
use model::elb::listener::{ListenerAttributes, ListenerProtocol};
use model::elb::load_balancer::LoadBalancerAttributes;
use model::elb::target_group::TargetKind;
use model::{FunctionArn, ListenerArn, LoadBalancerArn, State, TargetGroupArn, Timestamp};
use routing::{CompileError, RoutingTable};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Everything traffic asks of the configuration, as of one revision.
#[derive(Debug)]
pub struct Table {
    ports: Vec<PortEntry>,
    /// The registered targets of all target groups, used or not.
    targets: Vec<TargetEntry>,
}

/// A port with the listeners that share it, the one of the oldest load balancer first.
#[derive(Debug)]
pub(crate) struct PortEntry {
    pub(crate) number: u16,
    pub(crate) scheme: Scheme,
    listeners: Vec<Arc<ListenerEntry>>,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// One listener, compiled.
#[derive(Debug)]
pub(crate) struct ListenerEntry {
    pub(crate) arn: ListenerArn,
    pub(crate) load_balancer: Arc<LoadBalancerEntry>,
    pub(crate) port: u16,
    /// `:port`, as the access log prints it behind a host.
    pub(crate) port_suffix: String,
    pub(crate) scheme: Scheme,
    pub(crate) attributes: ListenerAttributes,
    pub(crate) rules: RoutingTable<Arc<Group>>,
    pub(crate) tls: Option<ListenerTls>,
}

/// What the listeners of one load balancer share.
#[derive(Debug)]
pub(crate) struct LoadBalancerEntry {
    pub(crate) name: String,
    pub(crate) dns_name: String,
    /// `app/{name}/{id}`, as the access log prints it.
    pub(crate) resource_id: String,
    pub(crate) created: Timestamp,
    pub(crate) attributes: LoadBalancerAttributes,
    pub(crate) metrics: Arc<LoadBalancerMetrics>,
}

/// A target group as traffic sees it.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) arn: TargetGroupArn,
    pub(crate) function: Option<FunctionArn>,
    pub(crate) multi_value: bool,
    pub(crate) metrics: Arc<GroupMetrics>,
}

/// Why a state cannot be served. The table before it stays.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A rule does not compile.
    #[error("a rule of listener {listener} cannot be compiled")]
    Rule {
        /// The listener.
        listener: ListenerArn,
        /// What is wrong.
        #[source]
        source: CompileError,
    },
    /// The TLS side of a listener cannot be set up.
    #[error("the tls side of listener {listener} cannot be set up")]
    Tls {
        /// The listener.
        listener: ListenerArn,
        /// What is wrong.
        #[source]
        source: TlsError,
    },
    /// Clear text and TLS on one port.
    #[error(
        "port {port} has an HTTP listener and an HTTPS listener (of load balancers {http} and {https}); give one of them another port"
    )]
    MixedPort {
        /// The port.
        port: u16,
        /// The name of the load balancer with the HTTP listener.
        http: String,
        /// The name of the load balancer with the HTTPS listener.
        https: String,
    },
}

impl Table {
    /// A table without listeners.
    pub(crate) fn empty() -> Self {
        Self {
            ports: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// Compiles a state. Costs time; not for traffic cores.
    pub(crate) fn compile(state: &State, metrics: &Metrics, ticketing: &Ticketing) -> Result<Self, TableError> {
        let mut load_balancers: BTreeMap<LoadBalancerArn, Arc<LoadBalancerEntry>> = BTreeMap::new();
        for load_balancer in state.load_balancers() {
            let entry = LoadBalancerEntry {
                name: load_balancer.name.to_string(),
                dns_name: load_balancer.dns_name.clone(),
                resource_id: load_balancer.arn.resource_id().to_owned(),
                created: load_balancer.created,
                attributes: load_balancer.attributes.clone(),
                metrics: metrics.load_balancer(&load_balancer.arn),
            };
            load_balancers.insert(load_balancer.arn.clone(), Arc::new(entry));
        }
        let groups: BTreeMap<TargetGroupArn, Arc<Group>> = state
            .target_groups()
            .map(|group| {
                let TargetKind::Lambda(lambda) = &group.targets;
                let entry = Group {
                    arn: group.arn.clone(),
                    function: lambda.function.clone(),
                    multi_value: lambda.multi_value_headers,
                    metrics: metrics.group(&group.arn),
                };
                (group.arn.clone(), Arc::new(entry))
            })
            .collect();
        let mut ports: BTreeMap<u16, Vec<Arc<ListenerEntry>>> = BTreeMap::new();
        for listener in state.listeners() {
            let Some(load_balancer) = load_balancers.get(&listener.load_balancer) else {
                continue; // `decide` deletes listeners with their load balancer
            };
            let entry = compile_listener(state, listener, load_balancer.clone(), &groups, metrics, ticketing)?;
            ports.entry(listener.port).or_default().push(Arc::new(entry));
        }
        let ports = ports
            .into_iter()
            .map(|(number, listeners)| share_port(number, listeners));
        Ok(Self {
            ports: ports.collect::<Result<_, _>>()?,
            targets: targets(state),
        })
    }

    /// Where the listener stands that a request on port `number` is for.
    #[inline]
    pub(crate) fn locate(&self, number: u16, sni: Option<&str>, host: Option<&[u8]>) -> Option<(usize, usize)> {
        let at = self.ports.binary_search_by_key(&number, |port| port.number).ok()?;
        Some((at, self.ports[at].listener(sni, host)))
    }

    /// What is spoken on a port; `None` when nothing listens there any more.
    pub(crate) fn scheme(&self, number: u16) -> Option<Scheme> {
        let at = self.ports.binary_search_by_key(&number, |port| port.number).ok()?;
        Some(self.ports[at].scheme)
    }

    /// All ports, ascending.
    pub(crate) fn ports(&self) -> &[PortEntry] {
        &self.ports
    }

    /// The registered targets of all target groups.
    pub(crate) fn targets(&self) -> &[TargetEntry] {
        &self.targets
    }

    /// All listeners.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = &Arc<ListenerEntry>> {
        self.ports.iter().flat_map(|port| &port.listeners)
    }
}

fn targets(state: &State) -> Vec<TargetEntry> {
    let used: BTreeSet<_> = state.forwards().map(|(_, group)| group).collect();
    let entry = |group: &Arc<model::elb::target_group::TargetGroup>| {
        let TargetKind::Lambda(lambda) = &group.targets;
        Some(TargetEntry {
            group: group.arn.clone(),
            function: lambda.function.clone()?,
            multi_value: lambda.multi_value_headers,
            health_check: lambda.health_check.clone(),
            in_use: used.contains(&group.arn),
        })
    };
    state.target_groups().filter_map(entry).collect()
}

fn compile_listener(
    state: &State,
    listener: &model::elb::listener::Listener,
    load_balancer: Arc<LoadBalancerEntry>,
    groups: &BTreeMap<TargetGroupArn, Arc<Group>>,
    metrics: &Metrics,
    ticketing: &Ticketing,
) -> Result<ListenerEntry, TableError> {
    let resolve = |arn: &TargetGroupArn| match groups.get(arn) {
        Some(group) => group.clone(),
        // `decide` keeps target groups that are in use; an empty one answers 503.
        None => Arc::new(Group {
            arn: arn.clone(),
            function: None,
            multi_value: false,
            metrics: metrics.group(arn),
        }),
    };
    let rules = state.rules_of(&listener.arn).map(|rule| &**rule);
    let rules =
        RoutingTable::compile(rules, &listener.default_rule, &listener.default_actions, resolve).map_err(|source| {
            TableError::Rule {
                listener: listener.arn.clone(),
                source,
            }
        })?;
    let (scheme, tls) = match &listener.protocol {
        ListenerProtocol::Http => (Scheme::Http, None),
        ListenerProtocol::Https(tls) => {
            let built =
                ListenerTls::build(state, tls, load_balancer.attributes.http2, ticketing).map_err(|source| {
                    TableError::Tls {
                        listener: listener.arn.clone(),
                        source,
                    }
                })?;
            (Scheme::Https, Some(built))
        }
    };
    Ok(ListenerEntry {
        arn: listener.arn.clone(),
        load_balancer,
        port: listener.port,
        port_suffix: format!(":{}", listener.port),
        scheme,
        attributes: listener.attributes.clone(),
        rules,
        tls,
    })
}

fn share_port(number: u16, mut listeners: Vec<Arc<ListenerEntry>>) -> Result<PortEntry, TableError> {
    listeners.sort_by_key(|listener| (listener.load_balancer.created, listener.load_balancer.name.clone()));
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
            listeners,
        }),
        (_, None) => Ok(PortEntry {
            number,
            scheme: Scheme::Http,
            listeners,
        }),
    }
}

impl PortEntry {
    /// The listener at this place.
    pub(crate) fn at(&self, listener: usize) -> &ListenerEntry {
        &self.listeners[listener]
    }

    /// Which of the load balancers that share the port is meant: the one whose DNS name equals the SNI name or the
    /// `Host`, then the one whose certificates cover the SNI name, then the oldest. (Each ALB has an address of its own
    /// on AWS; this choice is albacore's.)
    #[inline]
    fn listener(&self, sni: Option<&str>, host: Option<&[u8]>) -> usize {
        if self.listeners.len() == 1 {
            return 0;
        }
        let position = |holds: &dyn Fn(&ListenerEntry) -> bool| self.listeners.iter().position(|entry| holds(entry));
        let named = |name: &[u8]| position(&|entry| name.eq_ignore_ascii_case(entry.load_balancer.dns_name.as_bytes()));
        let covering = |sni: &str| {
            position(&|entry| {
                entry
                    .tls
                    .as_ref()
                    .is_some_and(|tls| tls.names().any(|name| covers(name, sni)))
            })
        };
        sni.and_then(|sni| named(sni.as_bytes()))
            .or_else(|| host.and_then(|host| named(routing::host_without_port(host))))
            .or_else(|| sni.and_then(covering))
            .unwrap_or(0)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
