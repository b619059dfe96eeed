//! Attributes of listeners that are accepted and do nothing: names for headers that no target gets. Source: ALB 1.7, 6.5.

use super::Walk;
use crate::reader::{mapping, written};
use crate::yaml::Node;
use model::elb::listener::{ListenerProtocol, MutualAuthentication};

const CHAIN: &str = "routing.http.request.x_amzn_mtls_clientcert.header_name";
const OF_CERTIFICATES: &str = "routing.http.request.x_amzn_mtls_";
const OF_TLS: &str = "routing.http.request.x_amzn_tls_";

impl Walk<'_> {
    /// Of `attributes`, which are good. `tells_of_tls`: the load balancer tells targets version and cipher suite.
    pub(super) fn warn_of_unsent_headers(
        &mut self,
        attributes: &Node,
        protocol: &ListenerProtocol,
        tells_of_tls: bool,
    ) {
        let ListenerProtocol::Https(tls) = protocol else {
            return;
        };
        let mutual = &tls.mutual_authentication;
        for (key, node) in mapping(&mut self.report, attributes, "the attributes").unwrap_or_default() {
            let why = match key.text.as_str() {
                CHAIN => unsent_chain(mutual),
                name if name.starts_with(OF_CERTIFICATES) => unsent_fields(mutual),
                name if name.starts_with(OF_TLS) && !tells_of_tls => {
                    Some("the load balancer's `routing.http.x_amzn_tls_version_and_cipher_suite.enabled` is not `true`")
                }
                _ => None,
            };
            // An empty name is no other name.
            let renames = written(&mut self.report, node, "a name").is_some_and(|name| !name.is_empty());
            if let (Some(why), true) = (why, renames) {
                let message = format!("`{}` names a header that targets do not get: {why}", key.text);
                self.report.warning(key.spot, message);
            }
        }
    }
}

/// Why targets do not get the whole chain.
fn unsent_chain(mutual: &MutualAuthentication) -> Option<&'static str> {
    match mutual {
        MutualAuthentication::Off => Some("`mutual_authentication` is `off`"),
        MutualAuthentication::Verify { .. } => Some("`mutual_authentication` is `verify`, not `passthrough`"),
        MutualAuthentication::Passthrough => None,
    }
}

/// Why targets do not get what the certificate says.
fn unsent_fields(mutual: &MutualAuthentication) -> Option<&'static str> {
    match mutual {
        MutualAuthentication::Off => Some("`mutual_authentication` is `off`"),
        MutualAuthentication::Passthrough => Some("`mutual_authentication` is `passthrough`, not `verify`"),
        MutualAuthentication::Verify { .. } => None,
    }
}
