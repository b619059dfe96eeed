//! What is done without being asked: certificates that nearly end are issued again, and log files that are too old go.
//! Harmless when it is done twice.

use crate::issuer::LazyAuthority;
use crate::plan::chain;
use crate::server::change::Changes;
use control::ChangeError;
use model::command::acm::Command as AcmCommand;
use model::elb::certificate::{Certificate, CertificateKey};
use model::{Command, Owner, Secret, State, Timestamp};
use observe::LogGroupKeeper;
use pki::{IssuedCertificate, KeyAlgorithm, RENEW_BEFORE};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tracing::{info, warn};

/// The upkeep of a server.
pub(super) struct Upkeep {
    pub(super) changes: Changes,
    pub(super) issuer: Arc<LazyAuthority>,
    pub(super) state: watch::Receiver<Arc<State>>,
    pub(super) keeper: LogGroupKeeper,
}

impl Upkeep {
    /// Everything that is due at `now`.
    pub(super) async fn run(&self, now: SystemTime) {
        self.renew(now).await;
        self.expire(now).await;
    }

    /// Issues certificates again that ACM issued, that listeners use, and that nearly end. The old one is served until the
    /// new one is, and on if there is none. Source: EDG 3.1.
    async fn renew(&self, now: SystemTime) {
        let due = due(&self.state.borrow(), now);
        for (certificate, names) in due {
            let (issuer, key) = (self.issuer.clone(), algorithm(certificate.key));
            let issuing = tokio::task::spawn_blocking(move || {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                issuer.issue_fresh(&names, key, now)
            });
            let issued = match issuing.await {
                Ok(issued) => issued,
                Err(error) => Err(chain(&error)),
            };
            let arn = certificate.arn.clone();
            let renewed = match issued {
                Ok(issued) => self.put(renewed(&certificate, &issued)).await,
                Err(error) => Err(error),
            };
            match renewed {
                Ok(()) => info!(certificate = %arn, "a certificate was renewed"),
                Err(error) => warn!(certificate = %arn, error, "a certificate could not be renewed, and is served on"),
            }
        }
    }

    async fn put(&self, certificate: Certificate) -> Result<(), String> {
        let renew = Command::Acm(AcmCommand::Renew(Box::new(certificate)));
        let made = self.changes.make(move |_| Ok::<_, String>((vec![renew], ()))).await;
        made.map(drop).map_err(|error| match error {
            ChangeError::Build(message) | ChangeError::Traffic(message) | ChangeError::Failed(message) => message,
            ChangeError::Refused(refusal) => refusal.to_string(),
        })
    }

    /// Removes what is older than the retention of its group.
    async fn expire(&self, now: SystemTime) {
        let state = self.state.borrow().clone();
        let groups = state.logs().groups().filter_map(|group| {
            let days = u64::from(group.retention?.days());
            let before = now.checked_sub(Duration::from_secs(days * 24 * 60 * 60))?;
            Some((group.name.as_str().to_owned(), before))
        });
        let (groups, keeper): (Vec<_>, _) = (groups.collect(), self.keeper.clone());
        let expiring = tokio::task::spawn_blocking(move || {
            for (group, before) in groups {
                if let Err(error) = keeper.expire(&group, before) {
                    warn!(group, %error, "log files that are too old cannot be removed");
                }
            }
        });
        if let Err(error) = expiring.await {
            warn!(%error, "log files that are too old cannot be removed");
        }
    }
}

/// The certificates that are to be renewed at `now`, with the names that they were requested for.
fn due(state: &State, now: SystemTime) -> Vec<(Certificate, Vec<String>)> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let soon = Timestamp(millis(now + RENEW_BEFORE));
    let records = state.acm().records().filter_map(|record| {
        let requested = record.requested()?;
        let certificate = state.certificate(&record.arn)?;
        let is_used = state.listeners_using(&record.arn).next().is_some();
        let is_due = certificate.not_after < soon && is_used && certificate.owner == Owner::Api;
        is_due.then(|| (Certificate::clone(certificate), requested.names.clone()))
    });
    records.collect()
}

/// A certificate with what was issued in its place.
fn renewed(certificate: &Certificate, issued: &IssuedCertificate) -> Certificate {
    let validity = issued.certificate.leaf().validity;
    let moment = |time: SystemTime| Timestamp(millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()));
    Certificate {
        not_before: moment(validity.not_before),
        not_after: moment(validity.not_after),
        chain_pem: issued.chain_pem.as_str().into(),
        private_key_pem: Secret::new(issued.private_key_pem.expose().into()),
        ..certificate.clone()
    }
}

fn algorithm(key: CertificateKey) -> KeyAlgorithm {
    match key {
        CertificateKey::Rsa(2048) => KeyAlgorithm::Rsa2048,
        CertificateKey::Rsa(3072) => KeyAlgorithm::Rsa3072,
        CertificateKey::Rsa(_) => KeyAlgorithm::Rsa4096,
        CertificateKey::Ecdsa(256) => KeyAlgorithm::EcdsaP256,
        CertificateKey::Ecdsa(384) => KeyAlgorithm::EcdsaP384,
        CertificateKey::Ecdsa(_) => KeyAlgorithm::EcdsaP521,
    }
}

fn millis(since_epoch: Duration) -> u64 {
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
