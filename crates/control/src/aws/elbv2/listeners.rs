//! Listeners. Source: ALB 1.7, 9.5.

use super::actions::actions;
use super::attributes::pairs;
use super::call::{Call, Plan, fresh_id};
use super::input::{boolean, not_in_set, noted, one_of, port, required, shown};
use super::page::{page, whole};
use super::{errors, find, shapes, tags};
use crate::aws::error::AwsError;
use model::command::listener::{CreateListener, ModifyListener};
use model::elb::listener::{Listener, ListenerAttributes, ListenerProtocol, MutualAuthentication, Tls};
use model::elb::security_policy::{self, SecurityPolicy};
use model::refusal::ListenerRefusal;
use model::{CertificateArn, Command, ListenerArn, Owner, RuleArn, TaggedArn};
use wire::query::Fields;
use wire::xml::Xml;

/// Of all kinds of load balancers, as AWS lists them. Source: ALB 9.3, `ProtocolEnum`.
pub(super) const PROTOCOLS: [&str; 9] = [
    "HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "GENEVE", "QUIC", "TCP_QUIC",
];

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    let fields = &call.fields;
    let (of, arns) = (fields.text("LoadBalancerArn"), fields.texts("ListenerArns")?);
    let page = match (of, arns.is_empty()) {
        (None, true) => {
            return Err(AwsError::validation(
                "You must specify either listener ARNs or a load balancer ARN",
            ));
        }
        (Some(_), false) => {
            return Err(AwsError::validation(
                "Listener ARNs and a load balancer ARN cannot be specified at the same time",
            ));
        }
        (Some(load_balancer), true) => {
            let load_balancer = find::load_balancer(call, load_balancer)?;
            page(call, call.state.listeners_of(&load_balancer.arn), |it| it.arn.as_str())?
        }
        (None, false) => {
            let found: Result<Vec<_>, _> = arns.iter().map(|arn| find::listener(call, arn)).collect();
            whole(found.map_err(find::several)?)
        }
    };
    let mut xml = Xml::new();
    xml.list("Listeners", &page.items, |xml, it| shapes::listener(xml, it));
    page.end(&mut xml);
    Ok(xml)
}

pub(super) fn describe_attributes(call: &Call<'_>) -> Result<Xml, AwsError> {
    let it = find::listener(call, required(&call.fields, "ListenerArn")?)?;
    Ok(shapes::attributes(&it.attributes.list(is_https(&it.protocol))))
}

pub(super) fn create(call: &Call<'_>) -> Result<Plan, AwsError> {
    let fields = &call.fields;
    let load_balancer = find::load_balancer(call, required(fields, "LoadBalancerArn")?);
    // All of it is read before any of it is an error, so that every parameter is told that breaks a rule of its own.
    let (port, wanted) = (port(fields, "Port"), Wanted::read(fields));
    let default_actions = actions(call, "DefaultActions");
    let load_balancer = load_balancer?;
    let port = port?.ok_or_else(|| AwsError::validation("A listener port must be specified"))?;
    let wanted = wanted?;
    let protocol = wanted
        .protocol
        .ok_or_else(|| AwsError::validation("A listener protocol must be specified"))?;
    let protocol = match protocol {
        Protocol::Http => wanted.http()?,
        Protocol::Https if wanted.certificate.is_none() => {
            return Err(AwsError::validation(
                "A certificate must be specified for HTTPS listeners",
            ));
        }
        Protocol::Https => wanted.https(call, None)?,
    };
    let default_actions = default_actions?;
    let tags = tags::of_creation(call)?;
    let mut siblings = call.state.listeners_of(&load_balancer.arn);
    if let Some(existing) = siblings.find(|it| it.port == port) {
        // A call that is made again answers as the first time. Source: ALB 9.5.
        let is_same = existing.owner == Owner::Api
            && existing.protocol == protocol
            && existing.default_actions == default_actions
            && tags::are_those_of_creation(call, &TaggedArn::Listener(existing.arn.clone()))?;
        if is_same {
            return Ok(answering(Vec::new(), existing.arn.clone()));
        }
        let holder = existing.arn.clone();
        let refusal = ListenerRefusal::PortTaken { port, holder };
        return Err(errors::of(refusal.into(), &call.api.manifest));
    }
    let arn = ListenerArn::new(&load_balancer.arn, fresh_id()?);
    let create = CreateListener {
        default_rule: RuleArn::new(&arn, fresh_id()?),
        arn: arn.clone(),
        load_balancer: load_balancer.arn.clone(),
        port,
        protocol,
        default_actions,
        attributes: ListenerAttributes::default(),
        owner: Owner::Api,
    };
    let mut commands = vec![Command::CreateListener(create)];
    commands.extend(tags::added(TaggedArn::Listener(arn.clone()), tags));
    Ok(answering(commands, arn))
}

pub(super) fn modify(call: &Call<'_>) -> Result<Plan, AwsError> {
    let fields = &call.fields;
    let existing = find::listener(call, required(fields, "ListenerArn")?);
    let (port, wanted) = (port(fields, "Port"), Wanted::read(fields));
    let default_actions = fields
        .has("DefaultActions")
        .then(|| actions(call, "DefaultActions"))
        .transpose();
    let (existing, wanted) = (existing?, wanted?);
    let protocol = match (wanted.protocol, &existing.protocol) {
        (Some(Protocol::Http), _) | (None, ListenerProtocol::Http) => wanted.http()?,
        (Some(Protocol::Https), ListenerProtocol::Http) if wanted.certificate.is_none() => {
            let message =
                "You must provide a list containing exactly one certificate if the listener protocol is HTTPS.";
            return Err(AwsError::new("InvalidConfigurationRequest", message));
        }
        (Some(Protocol::Https), ListenerProtocol::Http) => wanted.https(call, None)?,
        (_, ListenerProtocol::Https(tls)) => wanted.https(call, Some(tls))?,
    };
    // What an HTTP listener cannot have goes with HTTPS.
    let loses_https = is_https(&existing.protocol) && !is_https(&protocol);
    let modify = ModifyListener {
        arn: existing.arn.clone(),
        port: port?,
        protocol: (protocol != existing.protocol).then_some(protocol),
        default_actions: default_actions?,
        attributes: loses_https.then(|| existing.attributes.without_https()),
    };
    Ok(answering(vec![Command::ModifyListener(modify)], existing.arn.clone()))
}

fn answering(commands: Vec<Command>, arn: ListenerArn) -> Plan {
    Plan::new(commands, move |call| {
        let it = find::listener(call, arn.as_str())?;
        let mut xml = Xml::new();
        xml.list("Listeners", [it], |xml, it| shapes::listener(xml, it));
        Ok(xml)
    })
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    let it = find::listener(call, required(&call.fields, "ListenerArn")?)?;
    Ok(Plan::silent(vec![Command::DeleteListener(it.arn.clone())]))
}

pub(super) fn modify_attributes(call: &Call<'_>) -> Result<Plan, AwsError> {
    let it = find::listener(call, required(&call.fields, "ListenerArn")?)?;
    let mut attributes = it.attributes.clone();
    for (key, value) in pairs(&call.fields)? {
        let set = attributes.set(key, value, is_https(&it.protocol));
        set.map_err(|refusal| errors::attribute("Listener", &refusal))?;
    }
    let arn = it.arn.clone();
    let command = Command::ModifyListener(unchanged(&arn).with_attributes(attributes));
    Ok(Plan::new(vec![command], move |call| {
        let it = find::listener(call, arn.as_str())?;
        Ok(shapes::attributes(&it.attributes.list(is_https(&it.protocol))))
    }))
}

fn is_https(protocol: &ListenerProtocol) -> bool {
    matches!(protocol, ListenerProtocol::Https(_))
}

/// A change that changes nothing yet.
pub(super) fn unchanged(arn: &ListenerArn) -> Unchanged {
    Unchanged(ModifyListener {
        arn: arn.clone(),
        port: None,
        protocol: None,
        default_actions: None,
        attributes: None,
    })
}

/// See [`unchanged`].
pub(super) struct Unchanged(ModifyListener);

impl Unchanged {
    fn with_attributes(self, attributes: ListenerAttributes) -> ModifyListener {
        ModifyListener {
            attributes: Some(attributes),
            ..self.0
        }
    }

    pub(super) fn with_protocol(self, protocol: ListenerProtocol) -> ModifyListener {
        ModifyListener {
            protocol: Some(protocol),
            ..self.0
        }
    }
}

/// The HTTPS side of a listener; HTTP listeners have no certificates.
pub(super) fn tls(it: &Listener) -> Result<&Tls, AwsError> {
    match &it.protocol {
        ListenerProtocol::Https(tls) => Ok(tls),
        ListenerProtocol::Http => Err(AwsError::validation(
            "Certificates can only be added to or removed from HTTPS listeners",
        )),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http,
    Https,
}

/// The protocol that a call wants, with what belongs to it.
struct Wanted<'a> {
    protocol: Option<Protocol>,
    certificate: Option<&'a str>,
    policy: Option<&'a str>,
    mutual_authentication: Option<Fields<'a>>,
}

impl<'a> Wanted<'a> {
    fn read(fields: &Fields<'a>) -> Result<Self, AwsError> {
        if !fields.texts("AlpnPolicy")?.is_empty() {
            let message = "ALPN policies are for TLS listeners of Network Load Balancers";
            return Err(AwsError::validation(message));
        }
        let protocol = match fields.text("Protocol") {
            None => None,
            Some("HTTP") => Some(Protocol::Http),
            Some("HTTPS") => Some(Protocol::Https),
            Some(other @ ("TCP" | "TLS" | "UDP" | "TCP_UDP" | "GENEVE" | "QUIC" | "TCP_QUIC")) => {
                return Err(AwsError::validation(format!(
                    "Listener protocol '{other}' must be one of 'HTTP, HTTPS'"
                )));
            }
            Some(other) => noted(fields, Err(not_in_set("Protocol", other, &PROTOCOLS)), None)?,
        };
        let certificates = fields.list("Certificates")?;
        let certificate = match &certificates[..] {
            [] => None,
            [only] => {
                if only.has("IsDefault") {
                    return Err(AwsError::validation(
                        "'IsDefault' cannot be specified: the certificate is the default one",
                    ));
                }
                Some(required(only, "CertificateArn")?)
            }
            _ => {
                let message =
                    "You must provide a list containing exactly one certificate if the listener protocol is HTTPS.";
                return Err(AwsError::new("InvalidConfigurationRequest", message));
            }
        };
        Ok(Self {
            protocol,
            certificate,
            policy: fields.text("SslPolicy"),
            mutual_authentication: fields.structure("MutualAuthentication"),
        })
    }

    /// HTTP, with nothing that needs HTTPS.
    fn http(&self) -> Result<ListenerProtocol, AwsError> {
        let of_https = [
            (self.certificate.is_some(), "Certificates"),
            (self.policy.is_some(), "An SSL policy"),
            (self.mutual_authentication.is_some(), "Mutual authentication"),
        ];
        match of_https.iter().find(|(is_there, _)| *is_there) {
            None => Ok(ListenerProtocol::Http),
            Some((_, what)) => Err(AwsError::validation(format!(
                "{what} cannot be specified for a listener with protocol 'HTTP'"
            ))),
        }
    }

    /// HTTPS. What is not given stays as it is; of a new listener it is as AWS has it.
    fn https(&self, call: &Call<'_>, existing: Option<&Tls>) -> Result<ListenerProtocol, AwsError> {
        let policy = match (self.policy, existing) {
            (None, Some(tls)) => tls.policy,
            (name, _) => {
                let name = name.unwrap_or(security_policy::DEFAULT);
                SecurityPolicy::named(name)
                    .map_err(|_| AwsError::new("SSLPolicyNotFound", format!("Policy {} not found", shown(name))))?
            }
        };
        let mutual_authentication = match &self.mutual_authentication {
            Some(fields) => mutual_authentication(call, fields)?,
            None => existing
                .map(|tls| tls.mutual_authentication.clone())
                .unwrap_or_default(),
        };
        let default_certificate = match (self.certificate, existing) {
            (Some(text), _) => certificate(call, text)?,
            (None, Some(tls)) => tls.default_certificate.clone(),
            (None, None) => {
                let message = "A certificate must be specified for HTTPS listeners";
                return Err(AwsError::validation(message));
            }
        };
        Ok(ListenerProtocol::Https(Tls {
            default_certificate,
            certificates: existing.map(|tls| tls.certificates.clone()).unwrap_or_default(),
            policy,
            mutual_authentication,
        }))
    }
}

/// A certificate of this account and region.
pub(super) fn certificate(call: &Call<'_>, text: &str) -> Result<CertificateArn, AwsError> {
    let arn = CertificateArn::try_from(text).ok();
    let found = arn.filter(|arn| {
        let scope = call.scope;
        let prefix = format!("arn:{}:acm:{}:{}:", scope.partition(), scope.region, scope.account);
        text.starts_with(&prefix) && call.state.certificate(arn).is_some()
    });
    found.ok_or_else(|| AwsError::new("CertificateNotFound", format!("Certificate {} not found", shown(text))))
}

fn mutual_authentication(call: &Call<'_>, fields: &Fields<'_>) -> Result<MutualAuthentication, AwsError> {
    let modes = [("off", 0), ("passthrough", 1), ("verify", 2)];
    required(fields, "Mode")?;
    let trust_store = fields.text("TrustStoreArn").filter(|text| !text.is_empty());
    let ignores_expiry = boolean(fields, "IgnoreClientCertificateExpiry")?;
    let advertises = one_of(fields, "AdvertiseTrustStoreCaNames", &[("on", true), ("off", false)])?;
    // AWS says it in answers only.
    fields.text("TrustStoreAssociationStatus");
    match one_of(fields, "Mode", &modes)? {
        Some(2) => {
            let message = "A trust store ARN must be specified for mutual authentication in 'verify' mode";
            let trust_store = trust_store.ok_or_else(|| AwsError::validation(message))?;
            Ok(MutualAuthentication::Verify {
                trust_store: find::trust_store(call, trust_store)?.arn.clone(),
                ignore_client_certificate_expiry: ignores_expiry.unwrap_or(false),
                advertise_trust_store_ca_names: advertises.unwrap_or(false),
            })
        }
        mode => {
            if trust_store.is_some() || ignores_expiry == Some(true) || advertises == Some(true) {
                let message = "Trust store settings can only be specified for mutual authentication in 'verify' mode";
                return Err(AwsError::validation(message));
            }
            Ok(match mode {
                Some(1) => MutualAuthentication::Passthrough,
                _ => MutualAuthentication::Off,
            })
        }
    }
}
