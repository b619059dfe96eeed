//! Commands on certificates that were made through ACM. They are deleted as all certificates are.

use super::{Commit, Context, Reply};
use crate::acm::{Change as AcmChange, Origin, Record, Requested};
use crate::arn::{CertificateArn, same_scope};
use crate::change::Change;
use crate::elb::certificate::Certificate;
use crate::limits::CERTIFICATES_PER_REGION;
use crate::refusal::{CertificateRefusal, Refusal};
use crate::state::State;
use std::sync::Arc;

/// One thing that is asked of ACM.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Keep a certificate that was issued or brought, or replace one that was brought.
    Put {
        /// The certificate.
        certificate: Box<Certificate>,
        /// How it came to be.
        record: Box<Record>,
    },
    /// Put a new certificate in the place of one that was issued. One that is gone meanwhile is no error.
    Renew(Box<Certificate>),
    /// Set the options of a certificate.
    SetOptions {
        /// The certificate.
        arn: CertificateArn,
        /// `CertificateTransparencyLoggingPreference`.
        transparency_logging: bool,
    },
}

impl Command {
    /// The certificate that it is about.
    pub fn arn(&self) -> &CertificateArn {
        match self {
            Self::Put { certificate, .. } | Self::Renew(certificate) => &certificate.arn,
            Self::SetOptions { arn, .. } => arn,
        }
    }
}

pub(super) fn decide(state: &State, command: &Command, context: &Context) -> Result<Commit, Refusal> {
    match command {
        Command::Put { certificate, record } => put(state, certificate, record),
        Command::Renew(certificate) => Ok(renew(state, certificate, context)),
        Command::SetOptions {
            arn,
            transparency_logging,
        } => set_options(state, arn, *transparency_logging),
    }
}

fn put(state: &State, certificate: &Certificate, record: &Record) -> Result<Commit, Refusal> {
    let arn = &certificate.arn;
    match state.acm().record(arn).map(|it| &it.origin) {
        Some(Origin::Requested(_)) => return Err(CertificateRefusal::NotImported(arn.clone()).into()),
        Some(Origin::Imported { .. }) => {}
        None => {
            let those = state.certificates();
            let in_region = those.filter(|it| same_scope(it.arn.as_str(), arn.as_str())).count();
            if in_region >= CERTIFICATES_PER_REGION {
                return Err(CertificateRefusal::TooMany.into());
            }
        }
    }
    Ok(both(certificate, record.clone()))
}

fn renew(state: &State, certificate: &Certificate, context: &Context) -> Commit {
    let arn = &certificate.arn;
    let (Some(record), Some(served)) = (state.acm().record(arn), state.certificate(arn)) else {
        return Commit::unchanged(Reply::Gone);
    };
    // The same once more, or another renewal was first.
    let is_newer = certificate.chain_pem != served.chain_pem && certificate.not_after >= served.not_after;
    match &record.origin {
        Origin::Requested(requested) if is_newer => {
            let requested = Requested {
                renewed_at: Some(context.now),
                ..requested.clone()
            };
            let record = Record {
                origin: Origin::Requested(requested),
                ..Record::clone(record)
            };
            both(certificate, record)
        }
        Origin::Requested(_) | Origin::Imported { .. } => Commit::unchanged(Reply::Certificate(arn.clone())),
    }
}

fn set_options(state: &State, arn: &CertificateArn, transparency_logging: bool) -> Result<Commit, Refusal> {
    let Some(record) = state.acm().record(arn) else {
        return Err(CertificateRefusal::NoSuchCertificate(arn.clone()).into());
    };
    let record = Record {
        transparency_logging,
        ..Record::clone(record)
    };
    Ok(Commit::one(
        Change::Acm(AcmChange::Put(Arc::new(record))),
        Reply::Certificate(arn.clone()),
    ))
}

fn both(certificate: &Certificate, record: Record) -> Commit {
    Commit {
        changes: vec![
            Change::PutCertificate(Arc::new(certificate.clone())),
            Change::Acm(AcmChange::Put(Arc::new(record))),
        ],
        reply: Reply::Certificate(certificate.arn.clone()),
    }
}
