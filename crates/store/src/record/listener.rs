//! Listeners.

use super::action::ActionsV1;
use super::value::{Text, Word};
use super::{Invalid, Shape};
use model::elb::listener::{
    ClientCertificateHeaders, Listener, ListenerAttributes, ListenerProtocol, MutualAuthentication, Tls,
};
use model::elb::security_policy::SecurityPolicy;
use model::{CertificateArn, ListenerArn, LoadBalancerArn, Owner, RuleArn, TrustStoreArn};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListenerV1 {
    arn: Text<ListenerArn>,
    load_balancer: Text<LoadBalancerArn>,
    port: u16,
    protocol: ProtocolV1,
    default_rule: Text<RuleArn>,
    default_actions: ActionsV1,
    attributes: AttributesV1,
    owner: Word<Owner>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ProtocolV1 {
    Http,
    Https(TlsV1),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsV1 {
    default_certificate: Text<CertificateArn>,
    certificates: Vec<Text<CertificateArn>>,
    policy: String,
    mutual_authentication: MutualAuthenticationV1,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum MutualAuthenticationV1 {
    Off,
    Passthrough,
    Verify {
        trust_store: Text<TrustStoreArn>,
        ignore_client_certificate_expiry: bool,
        advertise_trust_store_ca_names: bool,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributesV1 {
    server_header: bool,
    /// Name and value, in the order in which they were set.
    response_headers: Vec<(String, String)>,
    tls_version_header: Option<String>,
    tls_cipher_suite_header: Option<String>,
    client_certificate_headers: ClientCertificateHeadersV1,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientCertificateHeadersV1 {
    serial_number: Option<String>,
    issuer: Option<String>,
    subject: Option<String>,
    validity: Option<String>,
    leaf: Option<String>,
    chain: Option<String>,
}

impl Shape for ListenerV1 {
    type Resource = Listener;

    fn of(resource: &Listener) -> Self {
        let Listener {
            arn,
            load_balancer,
            port,
            protocol,
            default_rule,
            default_actions,
            attributes,
            owner,
        } = resource.clone();
        Self {
            arn: Text(arn),
            load_balancer: Text(load_balancer),
            port,
            protocol: match protocol {
                ListenerProtocol::Http => ProtocolV1::Http,
                ListenerProtocol::Https(tls) => ProtocolV1::Https(TlsV1::of(tls)),
            },
            default_rule: Text(default_rule),
            default_actions: ActionsV1::of(&default_actions),
            attributes: AttributesV1::of(attributes),
            owner: Word(owner),
        }
    }

    fn into_resource(self) -> Result<Listener, Invalid> {
        Ok(Listener {
            arn: self.arn.0,
            load_balancer: self.load_balancer.0,
            port: self.port,
            protocol: match self.protocol {
                ProtocolV1::Http => ListenerProtocol::Http,
                ProtocolV1::Https(tls) => ListenerProtocol::Https(tls.into_tls()?),
            },
            default_rule: self.default_rule.0,
            default_actions: self.default_actions.into_actions()?,
            attributes: self.attributes.into_attributes()?,
            owner: self.owner.0,
        })
    }
}

impl TlsV1 {
    fn of(tls: Tls) -> Self {
        let Tls {
            default_certificate,
            certificates,
            policy,
            mutual_authentication,
        } = tls;
        Self {
            default_certificate: Text(default_certificate),
            certificates: certificates.into_iter().map(Text).collect(),
            policy: policy.name.to_owned(),
            mutual_authentication: match mutual_authentication {
                MutualAuthentication::Off => MutualAuthenticationV1::Off,
                MutualAuthentication::Passthrough => MutualAuthenticationV1::Passthrough,
                MutualAuthentication::Verify {
                    trust_store,
                    ignore_client_certificate_expiry,
                    advertise_trust_store_ca_names,
                } => MutualAuthenticationV1::Verify {
                    trust_store: Text(trust_store),
                    ignore_client_certificate_expiry,
                    advertise_trust_store_ca_names,
                },
            },
        }
    }

    fn into_tls(self) -> Result<Tls, Invalid> {
        Ok(Tls {
            default_certificate: self.default_certificate.0,
            certificates: self.certificates.into_iter().map(|it| it.0).collect(),
            policy: SecurityPolicy::named(&self.policy).map_err(Invalid::because)?,
            mutual_authentication: match self.mutual_authentication {
                MutualAuthenticationV1::Off => MutualAuthentication::Off,
                MutualAuthenticationV1::Passthrough => MutualAuthentication::Passthrough,
                MutualAuthenticationV1::Verify {
                    trust_store,
                    ignore_client_certificate_expiry,
                    advertise_trust_store_ca_names,
                } => MutualAuthentication::Verify {
                    trust_store: trust_store.0,
                    ignore_client_certificate_expiry,
                    advertise_trust_store_ca_names,
                },
            },
        })
    }
}

impl AttributesV1 {
    fn of(attributes: ListenerAttributes) -> Self {
        let ListenerAttributes {
            server_header,
            response_headers,
            tls_version_header,
            tls_cipher_suite_header,
            client_certificate_headers:
                ClientCertificateHeaders {
                    serial_number,
                    issuer,
                    subject,
                    validity,
                    leaf,
                    chain,
                },
        } = attributes;
        let response_headers = response_headers.into_iter();
        Self {
            server_header,
            response_headers: response_headers.map(|(name, value)| (name.to_owned(), value)).collect(),
            tls_version_header,
            tls_cipher_suite_header,
            client_certificate_headers: ClientCertificateHeadersV1 {
                serial_number,
                issuer,
                subject,
                validity,
                leaf,
                chain,
            },
        }
    }

    fn into_attributes(self) -> Result<ListenerAttributes, Invalid> {
        let known = |(name, value): (String, String)| match ListenerAttributes::response_header(&name) {
            Some(name) => Ok((name, value)),
            None => Err(Invalid::because(format_args!(
                "attributes set no response header {name:?}"
            ))),
        };
        let names = self.client_certificate_headers;
        Ok(ListenerAttributes {
            server_header: self.server_header,
            response_headers: self.response_headers.into_iter().map(known).collect::<Result<_, _>>()?,
            tls_version_header: self.tls_version_header,
            tls_cipher_suite_header: self.tls_cipher_suite_header,
            client_certificate_headers: ClientCertificateHeaders {
                serial_number: names.serial_number,
                issuer: names.issuer,
                subject: names.subject,
                validity: names.validity,
                leaf: names.leaf,
                chain: names.chain,
            },
        })
    }
}
