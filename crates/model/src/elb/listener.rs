//! Listeners and their attributes. Source: ALB 1.7.

use super::action::Actions;
use super::attribute::{AttributeRefusal, boolean, nearest_key};
use super::security_policy::SecurityPolicy;
use crate::arn::{CertificateArn, ListenerArn, LoadBalancerArn, RuleArn, TrustStoreArn};
use crate::ids::Owner;
use crate::limits::LISTENER_ATTRIBUTE_VALUE_CHARS_MAX;

/// One listener: a port of a load balancer.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Its ARN.
    pub arn: ListenerArn,
    /// The load balancer it belongs to.
    pub load_balancer: LoadBalancerArn,
    /// The port that clients and `X-Forwarded-Port` see; unique in the load balancer.
    pub port: u16,
    /// HTTP, or HTTPS with what it needs.
    pub protocol: ListenerProtocol,
    /// The ARN of the default rule.
    pub default_rule: RuleArn,
    /// What the default rule does: it holds when no other rule does.
    pub default_actions: Actions,
    /// Its attributes.
    pub attributes: ListenerAttributes,
    /// Who may change it.
    pub owner: Owner,
}

/// What a listener speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenerProtocol {
    /// Clear text HTTP/1.
    Http,
    /// HTTP/1 and HTTP/2 over TLS.
    Https(Tls),
}

impl ListenerProtocol {
    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https(_) => "https",
        }
    }

    /// The trust store that vouches for clients, if they are verified.
    pub fn trust_store(&self) -> Option<&TrustStoreArn> {
        match self {
            Self::Https(Tls {
                mutual_authentication: MutualAuthentication::Verify { trust_store, .. },
                ..
            }) => Some(trust_store),
            Self::Http | Self::Https(_) => None,
        }
    }
}

/// The TLS side of an HTTPS listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Answers clients whose SNI names nothing else.
    pub default_certificate: CertificateArn,
    /// Further certificates, chosen by SNI.
    pub certificates: Vec<CertificateArn>,
    /// Which versions and ciphers are offered.
    pub policy: &'static SecurityPolicy,
    /// Whether clients show a certificate, and what becomes of it.
    pub mutual_authentication: MutualAuthentication,
}

/// `MutualAuthentication`. Source: ALB 1.7, 6.5.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MutualAuthentication {
    /// `off`: clients are not asked.
    #[default]
    Off,
    /// `passthrough`: asked, not verified; the target gets the chain.
    Passthrough,
    /// `verify`: no connection without a certificate that the trust store vouches for.
    Verify {
        /// `TrustStoreArn`.
        trust_store: TrustStoreArn,
        /// `IgnoreClientCertificateExpiry`.
        ignore_client_certificate_expiry: bool,
        /// `AdvertiseTrustStoreCaNames`.
        advertise_trust_store_ca_names: bool,
    },
}

/// Listener attributes. Source: ALB 1.7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerAttributes {
    /// `routing.http.response.server.enabled`: whether ELB-generated responses carry `Server: awselb/2.0`.
    pub server_header: bool,
    /// Response headers that are set or overwritten on every response: name as sent, value.
    pub response_headers: Vec<(&'static str, String)>,
    /// `routing.http.request.x_amzn_tls_version.header_name`, if renamed.
    pub tls_version_header: Option<String>,
    /// `routing.http.request.x_amzn_tls_cipher_suite.header_name`, if renamed.
    pub tls_cipher_suite_header: Option<String>,
    /// `routing.http.request.x_amzn_mtls_clientcert*.header_name`, those that are renamed.
    pub client_certificate_headers: ClientCertificateHeaders,
}

/// The names of the client-certificate headers that are renamed; `None` keeps AWS's name. Source: ALB 1.7, 6.5.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificateHeaders {
    /// `X-Amzn-Mtls-Clientcert-Serial-Number`.
    pub serial_number: Option<String>,
    /// `X-Amzn-Mtls-Clientcert-Issuer`.
    pub issuer: Option<String>,
    /// `X-Amzn-Mtls-Clientcert-Subject`.
    pub subject: Option<String>,
    /// `X-Amzn-Mtls-Clientcert-Validity`.
    pub validity: Option<String>,
    /// `X-Amzn-Mtls-Clientcert-Leaf`.
    pub leaf: Option<String>,
    /// `X-Amzn-Mtls-Clientcert`.
    pub chain: Option<String>,
}

impl Default for ListenerAttributes {
    fn default() -> Self {
        Self {
            server_header: true,
            response_headers: Vec::new(),
            tls_version_header: None,
            tls_cipher_suite_header: None,
            client_certificate_headers: ClientCertificateHeaders::default(),
        }
    }
}

/// `routing.http.response.{key}.header_value` and the header it sets.
const RESPONSE_HEADERS: &[(&str, &str)] = &[
    (
        "routing.http.response.access_control_allow_credentials.header_value",
        "Access-Control-Allow-Credentials",
    ),
    (
        "routing.http.response.access_control_allow_headers.header_value",
        "Access-Control-Allow-Headers",
    ),
    (
        "routing.http.response.access_control_allow_methods.header_value",
        "Access-Control-Allow-Methods",
    ),
    (
        "routing.http.response.access_control_allow_origin.header_value",
        "Access-Control-Allow-Origin",
    ),
    (
        "routing.http.response.access_control_expose_headers.header_value",
        "Access-Control-Expose-Headers",
    ),
    (
        "routing.http.response.access_control_max_age.header_value",
        "Access-Control-Max-Age",
    ),
    (
        "routing.http.response.content_security_policy.header_value",
        "Content-Security-Policy",
    ),
    (
        "routing.http.response.strict_transport_security.header_value",
        "Strict-Transport-Security",
    ),
    (
        "routing.http.response.x_content_type_options.header_value",
        "X-Content-Type-Options",
    ),
    ("routing.http.response.x_frame_options.header_value", "X-Frame-Options"),
];

const KEYS: &[&str] = &[
    "routing.http.request.x_amzn_mtls_clientcert.header_name",
    "routing.http.request.x_amzn_mtls_clientcert_issuer.header_name",
    "routing.http.request.x_amzn_mtls_clientcert_leaf.header_name",
    "routing.http.request.x_amzn_mtls_clientcert_serial_number.header_name",
    "routing.http.request.x_amzn_mtls_clientcert_subject.header_name",
    "routing.http.request.x_amzn_mtls_clientcert_validity.header_name",
    "routing.http.request.x_amzn_tls_cipher_suite.header_name",
    "routing.http.request.x_amzn_tls_version.header_name",
    "routing.http.response.server.enabled",
];

impl ListenerAttributes {
    /// Sets the attribute that AWS calls `key`; an empty value restores the default. Nothing is changed when it is
    /// refused. `https` says which protocol the listener has: renaming request headers needs HTTPS.
    pub fn set(&mut self, key: &str, value: &str, https: bool) -> Result<(), AttributeRefusal> {
        if let Some(&(known, header)) = RESPONSE_HEADERS.iter().find(|(known, _)| *known == key) {
            if header == "Strict-Transport-Security" && !https && !value.is_empty() {
                return Err(needs_https(known, value));
            }
            check_value(known, value)?;
            self.response_headers.retain(|(name, _)| *name != header);
            if !value.is_empty() {
                self.response_headers.push((header, value.to_owned()));
            }
            return Ok(());
        }
        let Some(&known) = KEYS.iter().find(|known| **known == key) else {
            let all: Vec<_> = KEYS
                .iter()
                .copied()
                .chain(RESPONSE_HEADERS.iter().map(|(key, _)| *key))
                .collect();
            return Err(AttributeRefusal::Unknown {
                key: key.to_owned(),
                nearest: nearest_key(key, &all),
            });
        };
        match known {
            "routing.http.response.server.enabled" => {
                self.server_header = value.is_empty() || boolean(known, value)?;
            }
            _ => {
                let name = header_name(known, value, https)?;
                self.check_unlike_others(known, name.as_deref())?;
                if let Some(renamed) = self.renamed(known) {
                    *renamed = name;
                }
            }
        }
        Ok(())
    }

    /// The response header of this exact name that attributes can set.
    pub fn response_header(name: &str) -> Option<&'static str> {
        let mut headers = RESPONSE_HEADERS.iter().map(|(_, header)| *header);
        headers.find(|header| *header == name)
    }

    /// Every key with its value, by key; of an HTTP listener those that need HTTPS are left out.
    pub fn list(&self, https: bool) -> Vec<(&'static str, String)> {
        let response = RESPONSE_HEADERS.iter().map(|(key, header)| {
            let value = self.response_headers.iter().find(|(name, _)| name == header);
            (*key, value.map(|(_, value)| value.clone()).unwrap_or_default())
        });
        let mut copy = self.clone();
        let request = KEYS.iter().map(|key| match copy.renamed(key) {
            Some(renamed) => (*key, renamed.clone().unwrap_or_default()),
            None => (*key, self.server_header.to_string()),
        });
        let mut all: Vec<_> = response.chain(request).collect();
        all.retain(|(key, _)| https || !(key.contains(".request.") || key.contains("strict_transport_security")));
        all.sort_unstable();
        all
    }

    /// Those that an HTTP listener can have: what needs HTTPS is left out.
    #[must_use]
    pub fn without_https(&self) -> Self {
        let mut kept = Self {
            server_header: self.server_header,
            ..Self::default()
        };
        let of_http = self.response_headers.iter();
        kept.response_headers = of_http
            .filter(|(name, _)| *name != "Strict-Transport-Security")
            .cloned()
            .collect();
        kept
    }

    /// The name that a key renames.
    fn renamed(&mut self, key: &str) -> Option<&mut Option<String>> {
        let certificate = &mut self.client_certificate_headers;
        Some(match key {
            "routing.http.request.x_amzn_tls_version.header_name" => &mut self.tls_version_header,
            "routing.http.request.x_amzn_tls_cipher_suite.header_name" => &mut self.tls_cipher_suite_header,
            "routing.http.request.x_amzn_mtls_clientcert.header_name" => &mut certificate.chain,
            "routing.http.request.x_amzn_mtls_clientcert_issuer.header_name" => &mut certificate.issuer,
            "routing.http.request.x_amzn_mtls_clientcert_leaf.header_name" => &mut certificate.leaf,
            "routing.http.request.x_amzn_mtls_clientcert_serial_number.header_name" => &mut certificate.serial_number,
            "routing.http.request.x_amzn_mtls_clientcert_subject.header_name" => &mut certificate.subject,
            "routing.http.request.x_amzn_mtls_clientcert_validity.header_name" => &mut certificate.validity,
            _ => return None,
        })
    }

    /// Two headers of one name would be one header with two meanings.
    fn check_unlike_others(&mut self, key: &'static str, name: Option<&str>) -> Result<(), AttributeRefusal> {
        let Some(name) = name else {
            return Ok(());
        };
        for other in KEYS.iter().filter(|other| **other != key) {
            let taken = self.renamed(other).and_then(|taken| taken.as_deref());
            if taken.is_some_and(|taken| taken.eq_ignore_ascii_case(name)) {
                return Err(AttributeRefusal::Value {
                    key,
                    value: name.to_owned(),
                    expected: format!("another name than that of {other:?}"),
                });
            }
        }
        Ok(())
    }
}

fn needs_https(key: &'static str, value: &str) -> AttributeRefusal {
    AttributeRefusal::Value {
        key,
        value: value.to_owned(),
        expected: "an HTTPS listener for this attribute".to_owned(),
    }
}

/// Headers that say where a request ends, where it goes and how it came. A target that found our words in one of them would
/// read another request than we sent.
const NOT_TO_BE_RENAMED_TO: &[&str] = &[
    "Accept",
    "Authorization",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Expect",
    "Forwarded",
    "Host",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "User-Agent",
    "X-Amzn-Trace-Id",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
];

fn header_name(key: &'static str, value: &str, https: bool) -> Result<Option<String>, AttributeRefusal> {
    if value.is_empty() {
        return Ok(None);
    }
    if !https {
        return Err(needs_https(key, value));
    }
    let token = value
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let taken = NOT_TO_BE_RENAMED_TO
        .iter()
        .any(|taken| taken.eq_ignore_ascii_case(&value.replace('_', "-")));
    if value.len() <= 128 && token && !taken {
        Ok(Some(value.to_owned()))
    } else {
        let expected = if taken {
            "a header that means nothing else".to_owned()
        } else {
            "a header name of up to 128 letters, digits, hyphens and underscores".to_owned()
        };
        Err(AttributeRefusal::Value {
            key,
            value: value.to_owned(),
            expected,
        })
    }
}

fn check_value(key: &'static str, value: &str) -> Result<(), AttributeRefusal> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_ :;.,\\/'?!(){}[]@<>=-+*#&`|~^%".contains(c);
    if value.len() <= LISTENER_ATTRIBUTE_VALUE_CHARS_MAX && value.chars().all(allowed) {
        Ok(())
    } else {
        let expected = "up to 1024 characters: letters, digits, space and _ : ; . , \\ / ' ? ! ( ) { } [ ] @ < > = - + * # & ` | ~ ^ %";
        Err(AttributeRefusal::Value {
            key,
            value: value.to_owned(),
            expected: expected.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_headers_are_set_replaced_and_cleared() {
        let key = "routing.http.response.x_frame_options.header_value";
        let mut attributes = ListenerAttributes::default();
        attributes.set(key, "DENY", false).unwrap();
        attributes.set(key, "SAMEORIGIN", false).unwrap();
        assert_eq!(
            attributes.response_headers,
            [("X-Frame-Options", "SAMEORIGIN".to_owned())]
        );
        attributes.set(key, "", false).unwrap();
        assert_eq!(attributes, ListenerAttributes::default());
    }

    #[test]
    fn a_value_cannot_carry_a_second_header() {
        let key = "routing.http.response.content_security_policy.header_value";
        for bad in ["a\r\nSet-Cookie: x", "a\0", "ä", &"x".repeat(1025)] {
            assert!(ListenerAttributes::default().set(key, bad, true).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_listed_can_be_set() {
        let mut changed = ListenerAttributes::default();
        let pairs = [
            ("routing.http.response.server.enabled", "false"),
            (
                "routing.http.response.strict_transport_security.header_value",
                "max-age=1",
            ),
            ("routing.http.request.x_amzn_tls_version.header_name", "X-Tls"),
            ("routing.http.request.x_amzn_mtls_clientcert_leaf.header_name", "X-Leaf"),
        ];
        for (key, value) in pairs {
            changed.set(key, value, true).unwrap();
        }
        let listed = changed.list(true);
        assert_eq!(listed.len(), KEYS.len() + RESPONSE_HEADERS.len());
        let mut again = ListenerAttributes::default();
        for (key, value) in &listed {
            again.set(key, value, true).unwrap();
        }
        assert_eq!(again, changed);
        let mut of_http = ListenerAttributes::default();
        for (key, value) in changed.without_https().list(false) {
            of_http.set(key, &value, false).unwrap();
        }
        assert_eq!(of_http, changed.without_https());
        assert!(!of_http.server_header && of_http.response_headers.is_empty());
    }

    #[test]
    fn two_headers_have_two_names() {
        let [subject, issuer] =
            ["subject", "issuer"].map(|part| format!("routing.http.request.x_amzn_mtls_clientcert_{part}.header_name"));
        let mut attributes = ListenerAttributes::default();
        attributes.set(&subject, "X-Who", true).unwrap();
        attributes.set(&subject, "X-Who", true).unwrap();
        let refused = attributes.set(&issuer, "x-who", true).unwrap_err().to_string();
        assert!(refused.contains(&subject), "{refused}");
        assert_eq!(attributes.client_certificate_headers.issuer, None);
        assert!(attributes.set(&issuer, "Cookie", true).is_err());
    }

    #[test]
    fn renaming_needs_https_and_a_header_name() {
        let key = "routing.http.request.x_amzn_tls_version.header_name";
        let mut attributes = ListenerAttributes::default();
        assert!(attributes.set(key, "X-Tls", false).is_err());
        assert!(attributes.set(key, "X Tls", true).is_err());
        for taken in ["content-length", "Transfer_Encoding", "HOST", "X-Forwarded-For"] {
            assert!(attributes.set(key, taken, true).is_err(), "{taken}");
        }
        attributes.set(key, "X-Tls", true).unwrap();
        assert_eq!(attributes.tls_version_header.as_deref(), Some("X-Tls"));
    }
}
