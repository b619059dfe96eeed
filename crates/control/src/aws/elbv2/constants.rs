//! What is the same for everybody: security policies and limits. Source: ALB 6.4, 9.7.

use super::call::Call;
use super::input::one_of;
use super::page::{page, whole};
use crate::aws::error::AwsError;
use model::elb::security_policy::SecurityPolicy;
use model::limits;
use wire::xml::Xml;

pub(super) fn ssl_policies(call: &Call<'_>) -> Result<Xml, AwsError> {
    let names = call.fields.texts("Names")?;
    let types = [("application", true), ("network", true), ("gateway", false)];
    let has_policies = one_of(&call.fields, "LoadBalancerType", &types)?.unwrap_or(true);
    let page = match names.is_empty() {
        true => {
            let all = SecurityPolicy::all().iter().filter(|_| has_policies);
            page(call, all, |it| it.name)?
        }
        false => {
            let named = |name: &&str| SecurityPolicy::named(name);
            let found: Result<Vec<_>, _> = names.iter().map(named).collect();
            let none = |_| AwsError::new("SSLPolicyNotFound", "One or more SSL policies not found");
            whole(found.map_err(none)?)
        }
    };
    let mut xml = Xml::new();
    xml.list("SslPolicies", &page.items, |xml, policy| {
        xml.texts("SslProtocols", policy.versions.iter().map(|version| version.as_str()));
        xml.list("Ciphers", policy.ciphers().zip(1..), |xml, (name, priority)| {
            xml.text("Name", name);
            xml.value("Priority", priority);
        });
        xml.text("Name", policy.name);
        xml.texts("SupportedLoadBalancerTypes", ["application", "network"]);
    });
    page.end(&mut xml);
    Ok(xml)
}

pub(super) fn account_limits(call: &Call<'_>) -> Result<Xml, AwsError> {
    let limits = [
        ("application-load-balancers", limits::LOAD_BALANCERS_PER_REGION),
        (
            "certificates-per-application-load-balancer",
            limits::CERTIFICATES_PER_LOAD_BALANCER,
        ),
        ("condition-values-per-alb-rule", limits::CONDITION_VALUES_PER_RULE),
        ("condition-wildcards-per-alb-rule", limits::WILDCARDS_PER_RULE),
        (
            "listeners-per-application-load-balancer",
            limits::LISTENERS_PER_LOAD_BALANCER,
        ),
        ("rules-per-application-load-balancer", limits::RULES_PER_LOAD_BALANCER),
        ("target-groups", limits::TARGET_GROUPS_PER_REGION),
        (
            "target-groups-per-action-on-application-load-balancer",
            limits::TARGET_GROUPS_PER_ACTION,
        ),
        (
            "target-groups-per-application-load-balancer",
            limits::TARGET_GROUPS_PER_LOAD_BALANCER,
        ),
        (
            "targets-per-application-load-balancer",
            limits::TARGETS_PER_LOAD_BALANCER,
        ),
    ];
    let page = page(call, limits, |(name, _)| *name)?;
    let mut xml = Xml::new();
    xml.list("Limits", &page.items, |xml, (name, max)| {
        xml.text("Name", name);
        xml.value("Max", max);
    });
    page.end(&mut xml);
    Ok(xml)
}
