//! Resources as AWS's answers show them. Source: ALB 1, 2.4, 9.

use super::call::Call;
use super::hosted_zones::hosted_zone;
use model::ec2::Network;
use model::ec2::ids::SecurityGroupId;
use model::ec2::interface::subnets_of;
use model::elb::action::redirect::{Redirect, RedirectPort, RedirectProtocol, RedirectStatus};
use model::elb::action::{ActionOrder, Actions, Answer, FixedResponse, Forward};
use model::elb::condition::{Alternatives, Condition};
use model::elb::listener::{Listener, ListenerProtocol, MutualAuthentication};
use model::elb::load_balancer::{LoadBalancer, Scheme};
use model::elb::rule::Rule;
use model::elb::transform::{Rewrite, Transforms};
use model::elb::trust_store::{Revocation, TrustStore};
use model::{ListenerArn, Tags};
use std::collections::BTreeSet;
use std::fmt::Display;
use wire::time::iso8601;
use wire::xml::Xml;

/// What a load balancer's state is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoadBalancerState {
    /// In the answer that creates it. Source: ALB 1.3.
    Provisioning,
    /// From then on: it serves before the answer is sent.
    Active,
}

pub(super) fn load_balancer(xml: &mut Xml, call: &Call<'_>, it: &LoadBalancer, state: LoadBalancerState) {
    let network = call.state.ec2().network(call.scope);
    let vpc = subnets_of(it, &network).first().map(|subnet| subnet.vpc.clone());
    xml.value("LoadBalancerArn", &it.arn);
    xml.text("DNSName", &it.dns_name_shown());
    if let Some(zone) = hosted_zone(&call.scope.region.to_string()) {
        xml.text("CanonicalHostedZoneId", zone);
    }
    xml.text("CreatedTime", &iso8601(it.created.0));
    xml.text("LoadBalancerName", it.name.as_str());
    xml.text("Scheme", scheme(it.scheme));
    if let Some(vpc) = vpc {
        xml.value("VpcId", vpc);
    }
    xml.within("State", |xml| {
        let (code, reason) = match state {
            LoadBalancerState::Provisioning => ("provisioning", None),
            LoadBalancerState::Active => served(call, it),
        };
        xml.text("Code", code);
        if let Some(reason) = reason {
            xml.text("Reason", &reason);
        }
    });
    xml.text("Type", "application");
    zones(xml, &network, it);
    xml.texts("SecurityGroups", it.security_groups.iter().map(SecurityGroupId::as_str));
    xml.text("IpAddressType", "ipv4");
}

/// Whether all listeners of a load balancer are served, and why not. Source: ALB 1.3, `LoadBalancerState`.
fn served(call: &Call<'_>, it: &LoadBalancer) -> (&'static str, Option<String>) {
    let closed = call.api.closed_listeners.0.borrow().clone();
    let is_closed = |arn: &ListenerArn| closed.iter().any(|closed| closed.listener == *arn);
    let mut listeners = call.state.listeners_of(&it.arn);
    let reasons: BTreeSet<&str> = closed
        .iter()
        .filter(|closed| {
            call.state
                .listener(&closed.listener)
                .is_some_and(|its| its.load_balancer == it.arn)
        })
        .map(|closed| closed.reason.as_str())
        .collect();
    if reasons.is_empty() {
        return ("active", None);
    }
    let code = match listeners.all(|listener| is_closed(&listener.arn)) {
        true => "failed",
        false => "active_impaired",
    };
    (code, Some(reasons.into_iter().collect::<Vec<_>>().join("; ")))
}

/// `AvailabilityZones`. A load balancer without subnets of its own has all of the default VPC.
pub(super) fn zones(xml: &mut Xml, network: &Network<'_>, it: &LoadBalancer) {
    xml.list("AvailabilityZones", subnets_of(it, network), |xml, subnet| {
        xml.text("ZoneName", &subnet.zone);
        xml.value("SubnetId", &subnet.id);
        xml.within("LoadBalancerAddresses", |_| {});
    });
}

pub(super) fn scheme(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::InternetFacing => "internet-facing",
        Scheme::Internal => "internal",
    }
}

pub(super) fn listener(xml: &mut Xml, it: &Listener) {
    xml.value("ListenerArn", &it.arn);
    xml.value("LoadBalancerArn", &it.load_balancer);
    xml.value("Port", it.port);
    match &it.protocol {
        ListenerProtocol::Http => xml.text("Protocol", "HTTP"),
        ListenerProtocol::Https(tls) => {
            xml.text("Protocol", "HTTPS");
            xml.list("Certificates", [&tls.default_certificate], |xml, arn| {
                xml.value("CertificateArn", arn);
            });
            xml.text("SslPolicy", tls.policy.name);
            xml.within("MutualAuthentication", |xml| {
                mutual_authentication(xml, &tls.mutual_authentication);
            });
        }
    }
    actions(xml, "DefaultActions", &it.default_actions);
}

fn mutual_authentication(xml: &mut Xml, it: &MutualAuthentication) {
    match it {
        MutualAuthentication::Off => xml.text("Mode", "off"),
        MutualAuthentication::Passthrough => xml.text("Mode", "passthrough"),
        MutualAuthentication::Verify {
            trust_store,
            ignore_client_certificate_expiry,
            advertise_trust_store_ca_names,
        } => {
            xml.text("Mode", "verify");
            xml.value("TrustStoreArn", trust_store);
            xml.value("IgnoreClientCertificateExpiry", ignore_client_certificate_expiry);
            // It exists for as long as a listener uses it.
            xml.text("TrustStoreAssociationStatus", "active");
            let advertise = if *advertise_trust_store_ca_names { "on" } else { "off" };
            xml.text("AdvertiseTrustStoreCaNames", advertise);
        }
    }
}

pub(super) fn rule(xml: &mut Xml, it: &Rule) {
    xml.value("RuleArn", &it.arn);
    xml.value("Priority", it.priority);
    xml.list("Conditions", it.conditions.as_slice(), condition);
    actions(xml, "Actions", &it.actions);
    xml.text("IsDefault", "false");
    transforms(xml, &it.transforms);
}

// ALB-P-015: the default rule has the priority `default`
pub(super) fn default_rule(xml: &mut Xml, of: &Listener) {
    xml.value("RuleArn", &of.default_rule);
    xml.text("Priority", "default");
    xml.within("Conditions", |_| {});
    actions(xml, "Actions", &of.default_actions);
    xml.text("IsDefault", "true");
    xml.within("Transforms", |_| {});
}

/// The actions of a rule. There is one, the routing action.
fn actions(xml: &mut Xml, name: &str, actions: &Actions) {
    xml.list(name, [&actions.answer], |xml, answer| match answer {
        Answer::Forward(it) => forward(xml, it, actions.order),
        Answer::Redirect(it) => redirect(xml, it, actions.order),
        Answer::FixedResponse(it) => fixed_response(xml, it, actions.order),
    });
}

/// One target group stands in both places. Source: ALB 2.4.
fn forward(xml: &mut Xml, it: &Forward, order: ActionOrder) {
    xml.text("Type", "forward");
    if let [only] = it.target_groups() {
        xml.value("TargetGroupArn", &only.target_group);
    }
    xml.value("Order", order);
    xml.within("ForwardConfig", |xml| {
        xml.list("TargetGroups", it.target_groups(), |xml, group| {
            xml.value("TargetGroupArn", &group.target_group);
            xml.value("Weight", group.weight);
        });
        xml.within("TargetGroupStickinessConfig", |xml| {
            xml.value("Enabled", it.stickiness().is_some());
            if let Some(duration) = it.stickiness().or(it.stickiness_when_on()) {
                xml.value("DurationSeconds", duration.as_secs());
            }
        });
    });
}

fn redirect(xml: &mut Xml, it: &Redirect, order: ActionOrder) {
    xml.text("Type", "redirect");
    xml.value("Order", order);
    xml.within("RedirectConfig", |xml| {
        let protocol = match it.protocol() {
            RedirectProtocol::Same => "#{protocol}",
            RedirectProtocol::Http => "HTTP",
            RedirectProtocol::Https => "HTTPS",
        };
        xml.text("Protocol", protocol);
        match it.port() {
            RedirectPort::Same => xml.text("Port", "#{port}"),
            RedirectPort::Number(port) => xml.value("Port", port),
        }
        xml.value("Host", it.host());
        xml.value("Path", it.path());
        xml.value("Query", it.query());
        let status = match it.status {
            RedirectStatus::MovedPermanently => "HTTP_301",
            RedirectStatus::Found => "HTTP_302",
        };
        xml.text("StatusCode", status);
    });
}

fn fixed_response(xml: &mut Xml, it: &FixedResponse, order: ActionOrder) {
    xml.text("Type", "fixed-response");
    xml.value("Order", order);
    xml.within("FixedResponseConfig", |xml| {
        if !it.body().is_empty() {
            xml.text("MessageBody", it.body());
        }
        xml.value("StatusCode", it.status());
        xml.text("ContentType", it.content_type().as_str());
    });
}

/// Values of hosts and paths stand in both places. Source: ALB 2.4.
fn condition(xml: &mut Xml, it: &Condition) {
    xml.text("Field", it.field());
    match it {
        Condition::HostHeader(values) => in_both(xml, "HostHeaderConfig", values),
        Condition::PathPattern(values) => in_both(xml, "PathPatternConfig", values),
        Condition::HttpHeader { name, values } => xml.within("HttpHeaderConfig", |xml| {
            xml.value("HttpHeaderName", name);
            alternatives(xml, values);
        }),
        Condition::HttpRequestMethod(values) => xml.within("HttpRequestMethodConfig", |xml| all(xml, "Values", values)),
        Condition::SourceIp(values) => xml.within("SourceIpConfig", |xml| all(xml, "Values", values)),
        Condition::QueryString(values) => xml.within("QueryStringConfig", |xml| {
            xml.list("Values", values, |xml, pair| {
                if let Some(key) = &pair.key {
                    xml.value("Key", key);
                }
                xml.value("Value", &pair.value);
            });
        }),
    }
}

fn in_both<P: Display>(xml: &mut Xml, config: &str, values: &Alternatives<P>) {
    if let Alternatives::Values(values) = values {
        all(xml, "Values", values);
    }
    xml.within(config, |xml| alternatives(xml, values));
}

fn alternatives<P: Display>(xml: &mut Xml, values: &Alternatives<P>) {
    match values {
        Alternatives::Values(values) => all(xml, "Values", values),
        Alternatives::Regexes(regexes) => all(xml, "RegexValues", regexes),
    }
}

fn all<T: Display>(xml: &mut Xml, name: &str, values: &[T]) {
    xml.texts(name, values.iter().map(T::to_string));
}

fn transforms(xml: &mut Xml, it: &Transforms) {
    let host = it
        .host
        .iter()
        .map(|it| ("host-header-rewrite", "HostHeaderRewriteConfig", it));
    let url = it.url.iter().map(|it| ("url-rewrite", "UrlRewriteConfig", it));
    xml.list("Transforms", host.chain(url), |xml, (kind, config, rewrite)| {
        xml.text("Type", kind);
        xml.within(config, |xml| xml.list("Rewrites", [rewrite], rewritten));
    });
}

fn rewritten(xml: &mut Xml, it: &Rewrite) {
    xml.text("Regex", it.regex());
    xml.text("Replace", it.replace());
}

pub(super) fn revocation(xml: &mut Xml, of: &TrustStore, it: &Revocation) {
    xml.value("TrustStoreArn", &of.arn);
    xml.value("RevocationId", it.id);
    xml.text("RevocationType", "CRL");
    xml.value("NumberOfRevokedEntries", it.entries);
}

pub(super) fn trust_store(xml: &mut Xml, it: &TrustStore, status: &str) {
    xml.text("Name", it.name.as_str());
    xml.value("TrustStoreArn", &it.arn);
    xml.text("Status", status);
    xml.value("NumberOfCaCertificates", it.certificates);
    let entries: u64 = it.revocations.iter().map(|list| u64::from(list.entries)).sum();
    xml.value("TotalRevokedEntries", entries);
}

/// `Attributes`.
pub(super) fn attributes(pairs: &[(&'static str, String)]) -> Xml {
    let mut xml = Xml::new();
    xml.list("Attributes", pairs, |xml, (key, value)| {
        xml.text("Key", key);
        xml.text("Value", value);
    });
    xml
}

pub(super) fn tags(xml: &mut Xml, tags: &Tags) {
    xml.list("Tags", tags.iter(), |xml, (key, value)| {
        xml.text("Key", key);
        xml.text("Value", value);
    });
}
