//! Commands on certificates.

use super::{Commit, Reply};
use crate::arn::CertificateArn;
use crate::change::Change;
use crate::elb::certificate::Certificate;
use crate::refusal::{CertificateRefusal, Refusal};
use crate::state::State;
use std::sync::Arc;

pub(super) fn import(certificate: &Certificate) -> Commit {
    Commit::one(
        Change::PutCertificate(Arc::new(certificate.clone())),
        Reply::Certificate(certificate.arn.clone()),
    )
}

pub(super) fn delete(state: &State, arn: &CertificateArn) -> Result<Commit, Refusal> {
    if state.certificate(arn).is_none() {
        return Err(CertificateRefusal::NoSuchCertificate(arn.clone()).into());
    }
    if let Some(listener) = state.listeners_using(arn).next() {
        return Err(CertificateRefusal::InUse {
            certificate: arn.clone(),
            listener: listener.arn.clone(),
        }
        .into());
    }
    Ok(Commit::one(Change::DeleteCertificate(arn.clone()), Reply::Gone))
}
