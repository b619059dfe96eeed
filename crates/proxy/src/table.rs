//! The routing table of the whole process: compiled from the state, swapped as one, read by every core.

mod compile;
mod kept;
mod retired;

pub(crate) use compile::users;
pub(crate) use kept::Kept;
pub(crate) use retired::Retired;

use crate::admission::{Admission, BalancerKey, Met};
use crate::balance::Servers;
use crate::headers::ReservedNames;
use crate::health::TargetEntry;
use crate::left::Door;
use crate::log_delivery::LogHandles;
use crate::metrics::{GroupMetrics, LoadBalancerMetrics};
use crate::target::tls::TargetTls;
use crate::tls::{ListenerTls, TlsError};
use http1::OwnLines;
use http1::desync::Mode;
use model::elb::certificate::covers;
use model::elb::listener::ListenerAttributes;
use model::elb::load_balancer::{DesyncMode, LoadBalancerAttributes};
use model::{FunctionArn, ListenerArn, LoadBalancerArn, Part, State, TargetGroupArn, Timestamp};
use routing::{CompileError, RoutingTable};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Everything traffic asks of the configuration, as of one revision.
#[derive(Debug)]
pub struct Table {
    /// What it was made from; `None`: from nothing.
    state: Option<State>,
    ports: Arc<[PortEntry]>,
    load_balancers: Arc<LoadBalancers>,
    users: Arc<Users>,
    /// The registered functions of all target groups, used or not.
    targets: Arc<[TargetEntry]>,
}

/// All load balancers.
type LoadBalancers = BTreeMap<LoadBalancerArn, Arc<LoadBalancerEntry>>;

/// By target group, the load balancer with a listener or a rule that forwards to it.
pub(crate) type Users = BTreeMap<TargetGroupArn, LoadBalancerArn>;

/// A port with the listeners that share it, the one of the oldest load balancer first.
#[derive(Debug)]
pub(crate) struct PortEntry {
    pub(crate) number: u16,
    pub(crate) scheme: Scheme,
    listeners: Arc<[Arc<ListenerEntry>]>,
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
    /// `X-Forwarded-Proto` and `X-Forwarded-Port`.
    pub(crate) forwarded: OwnLines,
    pub(crate) scheme: Scheme,
    pub(crate) attributes: ListenerAttributes,
    pub(crate) rules: Arc<RoutingTable<Arc<Group>>>,
    pub(crate) tls: Option<ListenerTls>,
    /// Whom it lets in. `None`: everybody.
    pub(crate) admission: Option<Admission>,
}

impl ListenerEntry {
    /// How requests that could be read in two ways are treated. Source: ALB 4.9.
    pub(crate) fn desync_mode(&self) -> Mode {
        match self.load_balancer.attributes.desync {
            DesyncMode::Monitor => Mode::Monitor,
            DesyncMode::Defensive => Mode::Defensive,
            DesyncMode::Strictest => Mode::Strictest,
        }
    }
}

/// What the listeners of one load balancer share.
#[derive(Debug)]
pub(crate) struct LoadBalancerEntry {
    pub(crate) key: BalancerKey,
    pub(crate) name: String,
    pub(crate) dns_name: String,
    /// `app/{name}/{id}`, as the access log prints it.
    pub(crate) resource_id: String,
    pub(crate) created: Timestamp,
    pub(crate) attributes: LoadBalancerAttributes,
    /// Headers that are taken out of clients' requests on all its listeners.
    pub(crate) reserved_names: ReservedNames,
    pub(crate) target_tls: TargetTls,
    pub(crate) metrics: Arc<LoadBalancerMetrics>,
    /// Where its logs go.
    pub(crate) logs: LogHandles,
}

/// A target group as traffic sees it.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) arn: TargetGroupArn,
    pub(crate) targets: GroupTargets,
    pub(crate) metrics: Arc<GroupMetrics>,
}

/// What the targets of a group are.
#[derive(Debug)]
pub(crate) enum GroupTargets {
    Function(FunctionTarget),
    Servers(Servers),
}

/// The target of a Lambda target group.
#[derive(Debug, Default)]
pub(crate) struct FunctionTarget {
    /// None answers 503.
    pub(crate) function: Option<FunctionArn>,
    pub(crate) multi_value: bool,
    /// Whether the function's policy lets the group invoke it.
    pub(crate) is_permitted: bool,
}

impl Group {
    /// The function; `None` for servers, and when there is none.
    pub(crate) fn function(&self) -> Option<&FunctionArn> {
        match &self.targets {
            GroupTargets::Function(target) => target.function.as_ref(),
            GroupTargets::Servers(_) => None,
        }
    }

    /// `lambda.multi_value_headers.enabled`.
    pub(crate) fn multi_value(&self) -> bool {
        matches!(&self.targets, GroupTargets::Function(target) if target.multi_value)
    }

    /// Whether the function's policy lets the group invoke it. Source: ALB 3.1, Lambda 6.5.
    pub(crate) fn is_permitted(&self) -> bool {
        matches!(&self.targets, GroupTargets::Function(target) if target.is_permitted)
    }

    /// Whether both count and balance at the same place, and may do the same.
    fn has_state_of(&self, other: &Self) -> bool {
        let balances = match (&self.targets, &other.targets) {
            (GroupTargets::Servers(one), GroupTargets::Servers(other)) => one.has_state_of(other),
            (GroupTargets::Function(one), GroupTargets::Function(other)) => one.is_permitted == other.is_permitted,
            (GroupTargets::Servers(_), GroupTargets::Function(_))
            | (GroupTargets::Function(_), GroupTargets::Servers(_)) => false,
        };
        balances && Arc::ptr_eq(&self.metrics, &other.metrics)
    }
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
            state: None,
            ports: Arc::default(),
            load_balancers: Arc::default(),
            users: Arc::default(),
            targets: Arc::default(),
        }
    }

    /// A table with these ports and nothing behind them.
    #[cfg(test)]
    pub(crate) fn with_doors(doors: &[Door]) -> Self {
        let port = |&(number, scheme): &Door| PortEntry {
            number,
            scheme,
            listeners: Arc::default(),
        };
        Self {
            ports: doors.iter().map(port).collect(),
            ..Self::empty()
        }
    }

    /// Whether targets, and who uses them, are the very same as in the table before this one.
    pub(crate) fn has_targets_of(&self, before: &Self) -> bool {
        let (Some(state), Some(known)) = (&self.state, &before.state) else {
            return false;
        };
        Arc::ptr_eq(&self.users, &before.users)
            && Arc::ptr_eq(&self.targets, &before.targets)
            && state.shares(known, &[Part::LoadBalancers, Part::Listeners, Part::TargetGroups])
    }

    /// Where the listener stands that a request on port `number` is for.
    #[inline]
    pub(crate) fn locate(&self, number: u16, sni: Option<&str>, host: Option<&[u8]>) -> Option<(usize, usize)> {
        let at = self.ports.binary_search_by_key(&number, |port| port.number).ok()?;
        Some((at, self.ports[at].listener(sni, host)))
    }

    /// Whether something listens on a port.
    pub(crate) fn has(&self, number: u16) -> bool {
        self.ports.binary_search_by_key(&number, |port| port.number).is_ok()
    }

    /// Whether something listens there that speaks so.
    pub(crate) fn is_open(&self, (number, scheme): Door) -> bool {
        let at = self.ports.binary_search_by_key(&number, |port| port.number);
        at.is_ok_and(|at| self.ports[at].scheme == scheme)
    }

    /// What was open in the table before this one, and is not any more.
    pub(crate) fn closes(&self, before: &Self) -> Vec<Door> {
        let doors = before.ports.iter().map(|port| (port.number, port.scheme));
        doors.filter(|door| !self.is_open(*door)).collect()
    }

    /// What a new connection from `peer` meets on a port.
    #[inline]
    pub(crate) fn meet(&self, number: u16, peer: IpAddr) -> Met {
        match self.ports.binary_search_by_key(&number, |port| port.number) {
            Ok(at) => self.ports[at].meet(peer),
            Err(_) => Met::Nobody,
        }
    }

    /// All ports, ascending.
    pub(crate) fn ports(&self) -> &[PortEntry] {
        &self.ports
    }

    /// Who uses target groups.
    pub(crate) fn users(&self) -> &Users {
        &self.users
    }

    /// The registered functions of all target groups.
    pub(crate) fn targets(&self) -> &[TargetEntry] {
        &self.targets
    }

    /// A load balancer.
    pub(crate) fn load_balancer(&self, arn: &LoadBalancerArn) -> Option<&LoadBalancerEntry> {
        self.load_balancers.get(arn).map(|entry| &**entry)
    }

    /// All listeners.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = &Arc<ListenerEntry>> {
        self.ports.iter().flat_map(|port| port.listeners.iter())
    }
}

impl PortEntry {
    /// Those that share it.
    pub(crate) fn listeners(&self) -> &[Arc<ListenerEntry>] {
        &self.listeners
    }

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
