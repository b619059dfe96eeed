//! Further certificates of HTTPS listeners. Source: ALB 6.1, 9.5.

use super::call::{Call, Plan};
use super::find;
use super::input::{required, required_list};
use super::listeners::{certificate, tls, unchanged};
use super::page::page;
use crate::aws::error::AwsError;
use model::elb::listener::{ListenerProtocol, Tls};
use model::{CertificateArn, Command};
use wire::xml::Xml;

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    let it = find::listener(call, required(&call.fields, "ListenerArn")?)?;
    let all = match &it.protocol {
        ListenerProtocol::Http => Vec::new(),
        ListenerProtocol::Https(tls) => {
            let further = tls.certificates.iter().map(|arn| (arn, false));
            std::iter::once((&tls.default_certificate, true))
                .chain(further)
                .collect()
        }
    };
    // The default one is the first.
    let page = page(call, all, |(arn, is_default)| {
        format!("{} {arn}", u8::from(!*is_default))
    })?;
    let mut xml = Xml::new();
    xml.list("Certificates", &page.items, |xml, (arn, is_default)| {
        xml.value("CertificateArn", arn);
        xml.value("IsDefault", is_default);
    });
    page.end(&mut xml);
    Ok(xml)
}

pub(super) fn add(call: &Call<'_>) -> Result<Plan, AwsError> {
    let it = find::listener(call, required(&call.fields, "ListenerArn")?)?;
    let tls = tls(it)?;
    let arn = certificate(call, &only(call)?)?;
    // One that is there already is no matter.
    let is_there = tls.certificates.contains(&arn);
    let changed = Tls {
        certificates: tls.certificates.iter().chain([&arn]).cloned().collect(),
        ..tls.clone()
    };
    let modify = unchanged(&it.arn).with_protocol(ListenerProtocol::Https(changed));
    let commands = if is_there {
        Vec::new()
    } else {
        vec![Command::ModifyListener(modify)]
    };
    Ok(Plan::new(commands, move |_| {
        let mut xml = Xml::new();
        xml.list("Certificates", [arn], |xml, arn| {
            xml.value("CertificateArn", arn);
            xml.text("IsDefault", "false");
        });
        Ok(xml)
    }))
}

pub(super) fn remove(call: &Call<'_>) -> Result<Plan, AwsError> {
    let it = find::listener(call, required(&call.fields, "ListenerArn")?)?;
    let tls = tls(it)?;
    let text = only(call)?;
    let is_listed = |arn: &CertificateArn| arn.as_str() == text;
    if is_listed(&tls.default_certificate) && !tls.certificates.iter().any(is_listed) {
        let message = format!("Default certificate '{text}' of a listener cannot be removed");
        return Err(AwsError::new("OperationNotPermitted", message));
    }
    if !tls.certificates.iter().any(is_listed) {
        return Ok(Plan::silent(Vec::new()));
    }
    let changed = Tls {
        certificates: tls.certificates.iter().filter(|arn| !is_listed(arn)).cloned().collect(),
        ..tls.clone()
    };
    let modify = unchanged(&it.arn).with_protocol(ListenerProtocol::Https(changed));
    Ok(Plan::silent(vec![Command::ModifyListener(modify)]))
}

/// The one certificate of the call.
fn only(call: &Call<'_>) -> Result<String, AwsError> {
    let list = required_list(&call.fields, "Certificates")?;
    let [only] = &list[..] else {
        return Err(AwsError::validation("You can specify one certificate in one call"));
    };
    if only.has("IsDefault") {
        return Err(AwsError::validation("'IsDefault' cannot be specified"));
    }
    required(only, "CertificateArn").map(str::to_owned)
}
