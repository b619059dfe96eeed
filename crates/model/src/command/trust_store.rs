//! Commands on trust stores.

use super::{Commit, Reply};
use crate::arn::TrustStoreArn;
use crate::change::Change;
use crate::elb::trust_store::TrustStore;
use crate::limits::{
    CERTIFICATES_PER_TRUST_STORE, REVOCATION_LISTS_PER_TRUST_STORE, REVOCATIONS_PER_TRUST_STORE,
    TRUST_STORES_PER_ACCOUNT,
};
use crate::refusal::{Refusal, TrustStoreRefusal};
use crate::state::State;
use std::sync::Arc;

pub(super) fn put(state: &State, trust_store: &TrustStore) -> Result<Commit, Refusal> {
    let taken = |other: &Arc<TrustStore>| other.name == trust_store.name && other.arn != trust_store.arn;
    if state.trust_stores().any(taken) {
        return Err(TrustStoreRefusal::NameTaken(trust_store.name.to_string()).into());
    }
    if state.trust_store(&trust_store.arn).is_none() && state.trust_stores().count() >= TRUST_STORES_PER_ACCOUNT {
        return Err(TrustStoreRefusal::TooMany.into());
    }
    check(trust_store)?;
    let arn = trust_store.arn.clone();
    let change = Change::PutTrustStore(Arc::new(trust_store.clone()));
    Ok(Commit::one(change, Reply::TrustStore(arn)))
}

/// The quotas of one trust store. Source: ALB 6.5.
fn check(trust_store: &TrustStore) -> Result<(), TrustStoreRefusal> {
    let name = || trust_store.name.to_string();
    let (certificates, lists) = (trust_store.certificates, trust_store.revocations.len());
    if !(1..=CERTIFICATES_PER_TRUST_STORE).contains(&certificates) {
        let name = name();
        return Err(TrustStoreRefusal::Certificates { name, certificates });
    }
    if lists > REVOCATION_LISTS_PER_TRUST_STORE {
        return Err(TrustStoreRefusal::RevocationLists { name: name(), lists });
    }
    let entries = trust_store.revocations.iter().map(|list| u64::from(list.entries)).sum();
    if entries > REVOCATIONS_PER_TRUST_STORE {
        let name = name();
        return Err(TrustStoreRefusal::RevocationEntries { name, entries });
    }
    Ok(())
}

pub(super) fn delete(state: &State, arn: &TrustStoreArn) -> Result<Commit, Refusal> {
    if state.trust_store(arn).is_none() {
        return Err(TrustStoreRefusal::NoSuchTrustStore(arn.clone()).into());
    }
    let user = state
        .listeners()
        .find(|listener| listener.protocol.trust_store() == Some(arn));
    match user {
        Some(listener) => Err(TrustStoreRefusal::InUse {
            trust_store: arn.clone(),
            listener: listener.arn.clone(),
        }
        .into()),
        None => Ok(Commit::one(Change::DeleteTrustStore(arn.clone()), Reply::Gone)),
    }
}
