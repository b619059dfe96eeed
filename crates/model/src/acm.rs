//! What ACM knows of certificates: how they were asked for, and when. What listeners use of them is
//! [`Certificate`](crate::elb::certificate::Certificate). Source: EDG 3.1.

use crate::arn::CertificateArn;
use crate::ids::Timestamp;
use rpds::RedBlackTreeMapSync as Map;
use std::sync::Arc;

/// A certificate that was made through ACM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its ARN, the same as the certificate's.
    pub arn: CertificateArn,
    /// When it was requested or first imported.
    pub created_at: Timestamp,
    /// How it came to be.
    pub origin: Origin,
    /// `Options.CertificateTransparencyLoggingPreference`. There is no public log that the local authority could write to.
    pub transparency_logging: bool,
}

/// How a certificate came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The local authority issued it.
    Requested(Requested),
    /// Somebody brought it.
    Imported {
        /// The last time.
        at: Timestamp,
    },
}

/// A request for a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requested {
    /// `DomainName`, as given.
    pub domain_name: String,
    /// `SubjectAlternativeNames` with the domain name first, each once.
    pub names: Vec<String>,
    /// How the names would be validated.
    pub validation: Validation,
    /// Whose mail would be asked, for names where that is another domain.
    pub validation_domains: Vec<(String, String)>,
    /// `IdempotencyToken`.
    pub token: Option<String>,
    /// When it was renewed last.
    pub renewed_at: Option<Timestamp>,
}

/// `ValidationMethod`. The local authority validates nothing; what AWS would show is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// By a CNAME record.
    Dns,
    /// By mail.
    Email,
}

impl Record {
    /// The request, if there was one.
    pub fn requested(&self) -> Option<&Requested> {
        match &self.origin {
            Origin::Requested(requested) => Some(requested),
            Origin::Imported { .. } => None,
        }
    }
}

/// Every record, by ARN.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Acm {
    records: Map<CertificateArn, Arc<Record>>,
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It was made or changed.
    Put(Arc<Record>),
    /// It is gone, as its certificate is.
    Delete(CertificateArn),
}

impl Acm {
    /// The record of a certificate; those of the manifest have none.
    pub fn record(&self, arn: &CertificateArn) -> Option<&Arc<Record>> {
        self.records.get(arn)
    }

    /// All records, by ARN.
    pub fn records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.records.values()
    }

    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(record) => self.records.insert_mut(record.arn.clone(), record.clone()),
            Change::Delete(arn) => self.forget(arn),
        }
    }

    pub(crate) fn forget(&mut self, arn: &CertificateArn) {
        self.records.remove_mut(arn);
    }
}
