//! What the start lines say about listeners and TLS policies.

use model::State;
use model::elb::listener::ListenerProtocol;
use model::lambda::url::FunctionUrl;
use proxy::{ListenerStatus, Proxy};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A listener, and where a client on this machine reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OpenListener {
    pub(super) url: String,
    pub(super) load_balancer: String,
    pub(super) protocol: &'static str,
    pub(super) port: u16,
}

impl fmt::Display for OpenListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = self.protocol.to_uppercase();
        write!(
            formatter,
            "{}  ({}, {protocol}:{})",
            self.url, self.load_balancer, self.port
        )
    }
}

/// All open listeners.
pub(super) fn urls(proxy: &Proxy, state: &State) -> Vec<OpenListener> {
    let open = proxy.listeners();
    let url = |listener: &ListenerStatus| OpenListener {
        url: url_of(listener, &open, state),
        load_balancer: listener.load_balancer.clone(),
        protocol: listener.protocol,
        port: listener.port,
    };
    open.iter().map(url).collect()
}

/// A function URL, and where a client on this machine reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OpenFunctionUrl {
    pub(super) url: String,
    pub(super) function: String,
}

impl fmt::Display for OpenFunctionUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}  (URL of the function {})", self.url, self.function)
    }
}

/// All function URLs, which answer on the endpoint's port or on one of their own.
pub(super) fn function_urls(state: &State, address: SocketAddr) -> Vec<OpenFunctionUrl> {
    let open = |url: &Arc<FunctionUrl>| OpenFunctionUrl {
        url: function_url(url, address),
        function: url.function.name().to_owned(),
    };
    state.function_urls().map(open).collect()
}

pub(super) fn function_url(url: &FunctionUrl, address: SocketAddr) -> String {
    format!("http://{}:{}/", gateway::host_name(url), address.port())
}

/// A URL that a browser or curl on this machine can use as it is.
pub(super) fn url_of(listener: &ListenerStatus, open: &[ListenerStatus], state: &State) -> String {
    let is_shared = open.iter().filter(|other| other.socket == listener.socket).count() > 1;
    let certified = certified_name(listener, state);
    let host = match listener.socket.ip() {
        // On a shared port the name says which load balancer is meant.
        _ if is_shared => listener.dns_name.clone(),
        _ if certified.is_some() => certified.unwrap_or_default(),
        ip if ip.is_unspecified() || ip == IpAddr::from([127, 0, 0, 1]) => "localhost".to_owned(),
        ip => {
            let address = SocketAddr::new(ip, 0).to_string();
            address.strip_suffix(":0").unwrap_or(&address).to_owned()
        }
    };
    format!("{}://{host}:{}/", listener.protocol, listener.socket.port())
}

/// The first name of the default certificate that reaches this machine without further ado.
fn certified_name(listener: &ListenerStatus, state: &State) -> Option<String> {
    let arn = state.listeners().find(|it| it.arn.as_str() == listener.arn)?;
    let ListenerProtocol::Https(tls) = &arn.protocol else {
        return None;
    };
    let certificate = state.certificate(&tls.default_certificate)?;
    let is_local = |name: &&String| **name == "localhost" || (name.ends_with(".localhost") && !name.starts_with('*'));
    certificate.names.iter().find(is_local).cloned()
}

/// The TLS policies in use of which something is not served, with what that is, in AWS's names.
pub(super) fn narrowed_policies(state: &State) -> BTreeMap<&'static str, Vec<&'static str>> {
    let policies = state.listeners().filter_map(|listener| match &listener.protocol {
        ListenerProtocol::Https(tls) => Some((tls.policy.name, proxy::missing_of_policy(tls.policy))),
        ListenerProtocol::Http => None,
    });
    policies.filter(|(_, missing)| !missing.is_empty()).collect()
}
