//! Listeners and their attributes. Source: ALB 1.7.

use super::action::Actions;
use super::attribute::{AttributeRefusal, boolean, nearest_key, only};
use super::security_policy::SecurityPolicy;
use crate::arn::{CertificateArn, ListenerArn, LoadBalancerArn, RuleArn};
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
}

impl Default for ListenerAttributes {
    fn default() -> Self {
        Self {
            server_header: true,
            response_headers: Vec::new(),
            tls_version_header: None,
            tls_cipher_suite_header: None,
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
            "routing.http.request.x_amzn_tls_version.header_name" => {
                self.tls_version_header = header_name(known, value, https)?;
            }
            "routing.http.request.x_amzn_tls_cipher_suite.header_name" => {
                self.tls_cipher_suite_header = header_name(known, value, https)?;
            }
            _ => only(known, value, "", "mutual TLS is not built yet")?,
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
    if value.len() <= 128 && token {
        Ok(Some(value.to_owned()))
    } else {
        let expected = "a header name of up to 128 letters, digits, hyphens and underscores".to_owned();
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
    fn renaming_needs_https_and_a_header_name() {
        let key = "routing.http.request.x_amzn_tls_version.header_name";
        let mut attributes = ListenerAttributes::default();
        assert!(attributes.set(key, "X-Tls", false).is_err());
        assert!(attributes.set(key, "X Tls", true).is_err());
        attributes.set(key, "X-Tls", true).unwrap();
        assert_eq!(attributes.tls_version_header.as_deref(), Some("X-Tls"));
    }
}
