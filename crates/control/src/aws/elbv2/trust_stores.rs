//! Trust stores: listed, deleted, and what they revoke. What is in them is `trust_store_content`'s. Source: ALB 6.5, 9.5.

use super::call::{Call, Plan};
use super::input::{required, required_texts, shown};
use super::load_balancers::at_most;
use super::page::{page, whole};
use super::{find, shapes};
use crate::aws::error::AwsError;
use model::Command;
use model::elb::trust_store::{Revocation, TrustStore};
use wire::xml::Xml;

pub(super) fn describe(call: &Call<'_>) -> Result<Xml, AwsError> {
    let fields = &call.fields;
    let (arns, names) = (fields.texts("TrustStoreArns")?, fields.texts("Names")?);
    let mine = call
        .state
        .trust_stores()
        .filter(|it| find::in_scope(it.arn.as_str(), call.scope));
    let page = match (arns.is_empty(), names.is_empty()) {
        (true, true) => page(call, mine, |it| it.arn.as_str())?,
        (false, true) => {
            at_most(&arns, "trust store ARNs")?;
            let found: Result<Vec<_>, _> = arns.iter().map(|arn| find::trust_store(call, arn)).collect();
            whole(found.map_err(find::several)?)
        }
        (true, false) => {
            at_most(&names, "trust store names")?;
            let all: Vec<_> = mine.collect();
            let named = |name: &&str| all.iter().copied().find(|it| it.name.as_str() == *name);
            let found: Option<Vec<_>> = names.iter().map(named).collect();
            let none = || AwsError::new("TrustStoreNotFound", "One or more trust stores not found");
            whole(found.ok_or_else(none)?)
        }
        (false, false) => {
            let message = "Trust store names and trust store ARNs cannot be specified at the same time";
            return Err(AwsError::validation(message));
        }
    };
    let mut xml = Xml::new();
    xml.list("TrustStores", &page.items, |xml, it| {
        shapes::trust_store(xml, it, "ACTIVE");
    });
    page.end(&mut xml);
    Ok(xml)
}

pub(super) fn describe_associations(call: &Call<'_>) -> Result<Xml, AwsError> {
    let it = named(call)?;
    let users = call
        .state
        .listeners()
        .filter(|listener| listener.protocol.trust_store() == Some(&it.arn));
    let page = page(call, users, |listener| listener.arn.as_str())?;
    let mut xml = Xml::new();
    xml.list("TrustStoreAssociations", &page.items, |xml, listener| {
        xml.value("ResourceArn", &listener.arn);
    });
    page.end(&mut xml);
    Ok(xml)
}

pub(super) fn describe_revocations(call: &Call<'_>) -> Result<Xml, AwsError> {
    let it = named(call)?;
    let wanted = call.fields.texts("RevocationIds")?;
    let by_id = |text: &&str| revocation(it, text);
    let page = match wanted.is_empty() {
        true => page(call, &it.revocations, |list| format!("{:020}", list.id))?,
        false => whole(wanted.iter().map(by_id).collect::<Result<_, _>>()?),
    };
    let mut xml = Xml::new();
    xml.list("TrustStoreRevocations", &page.items, |xml, list| {
        shapes::revocation(xml, it, list);
    });
    page.end(&mut xml);
    Ok(xml)
}

pub(super) fn delete(call: &Call<'_>) -> Result<Plan, AwsError> {
    Ok(Plan::silent(vec![Command::DeleteTrustStore(named(call)?.arn.clone())]))
}

pub(super) fn remove_revocations(call: &Call<'_>) -> Result<Plan, AwsError> {
    let it = named(call)?;
    let ids = required_texts(&call.fields, "RevocationIds")?;
    let is_named = |list: &Revocation| ids.iter().any(|id| *id == list.id.to_string());
    for id in &ids {
        revocation(it, id)?;
    }
    let changed = TrustStore {
        revocations: it.revocations.iter().filter(|list| !is_named(list)).cloned().collect(),
        ..TrustStore::clone(it)
    };
    Ok(Plan::silent(vec![Command::PutTrustStore(changed)]))
}

/// A policy shares a trust store with other accounts, of which there are none.
pub(super) fn resource_policy(call: &Call<'_>) -> Result<Xml, AwsError> {
    let text = required(&call.fields, "ResourceArn")?;
    let message = match find::trust_store(call, text) {
        Ok(it) => format!("Trust store '{}' has no resource policy", it.arn),
        Err(_) => format!("Resource '{}' not found", shown(text)),
    };
    Err(AwsError::new("ResourceNotFound", message))
}

/// One of its revocation lists.
pub(super) fn revocation<'a>(it: &'a TrustStore, id: &str) -> Result<&'a Revocation, AwsError> {
    let found = it.revocations.iter().find(|list| list.id.to_string() == id);
    found.ok_or_else(|| AwsError::new("RevocationIdNotFound", format!("Revocation '{}' not found", shown(id))))
}

/// The trust store that a call is about.
pub(super) fn named<'a>(call: &Call<'a>) -> Result<&'a TrustStore, AwsError> {
    find::trust_store(call, required(&call.fields, "TrustStoreArn")?).map(|it| &**it)
}
