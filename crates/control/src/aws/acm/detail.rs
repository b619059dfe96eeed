//! One certificate: DescribeCertificate and GetCertificate.

use super::{Call, seconds, validation};
use crate::aws::error::AwsError;
use model::acm::{Origin, Record};
use model::elb::certificate::{Certificate, CertificateKey};
use model::elb::listener::Listener;
use model::{State, Timestamp};
use pki::CertificateDetails;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

pub(super) fn describe(call: &Call<'_>) -> Result<Value, AwsError> {
    let certificate = call.certificate()?;
    let shown = Shown::of(call.state, certificate, call.now);
    let mut detail = shown.common();
    let mut put = |name: &str, value: Value| drop(detail.insert(name.to_owned(), value));
    put("SubjectAlternativeNames", json!(shown.names()));
    put("InUseBy", json!(shown.in_use_by()));
    put("KeyAlgorithm", json!(key_shown(certificate.key)));
    let transparency = shown.record.is_none_or(|it| it.transparency_logging);
    let preference = if transparency { "ENABLED" } else { "DISABLED" };
    put(
        "Options",
        json!({ "CertificateTransparencyLoggingPreference": preference, "Export": "DISABLED" }),
    );
    if let Some(requested) = shown.record.and_then(|it| it.requested()) {
        let options = validation::shown(&call.scope.account, requested);
        if let Some(at) = requested.renewed_at {
            put(
                "RenewalSummary",
                json!({
                    "RenewalStatus": "SUCCESS",
                    "DomainValidationOptions": options.clone(),
                    "UpdatedAt": seconds(at),
                }),
            );
        }
        put("DomainValidationOptions", options);
    }
    // What was stored was read when it came in.
    if let Ok(details) = CertificateDetails::of_leaf(certificate.chain_pem.as_bytes()) {
        put("Serial", json!(details.serial));
        put("Subject", json!(details.subject));
        put("Issuer", json!(details.issuer));
        put("SignatureAlgorithm", json!(details.signature_algorithm));
        let usages = details.key_usages.iter().map(|name| json!({ "Name": name }));
        put("KeyUsages", usages.collect());
        let usages = details.extended_key_usages.iter();
        let usages = usages.map(|(name, oid)| json!({ "Name": name, "OID": oid }));
        put("ExtendedKeyUsages", usages.collect());
    }
    Ok(json!({ "Certificate": detail }))
}

pub(super) fn get(call: &Call<'_>) -> Result<Value, AwsError> {
    let pem = &call.certificate()?.chain_pem;
    let mut parts = pem.match_indices(BEGIN).map(|(at, _)| at);
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    let leaf = pem.get(first..second.unwrap_or(pem.len())).unwrap_or_default();
    let mut answer = json!({ "Certificate": leaf });
    if let Some(chain) = second.and_then(|at| pem.get(at..)) {
        answer["CertificateChain"] = json!(chain);
    }
    Ok(answer)
}

/// A certificate with what is known of it.
pub(super) struct Shown<'a> {
    pub(super) certificate: &'a Certificate,
    /// `None`: the manifest brought it.
    pub(super) record: Option<&'a Record>,
    state: &'a State,
    now: Timestamp,
}

impl<'a> Shown<'a> {
    pub(super) fn of(state: &'a State, certificate: &'a Certificate, now: Timestamp) -> Self {
        Self {
            certificate,
            record: state.acm().record(&certificate.arn).map(|it| &**it),
            state,
            now,
        }
    }

    /// What details and summaries share.
    pub(super) fn common(&self) -> Map<String, Value> {
        let certificate = self.certificate;
        let mut shown = Map::new();
        let mut put = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
        put("CertificateArn", json!(certificate.arn.as_str()));
        put("DomainName", json!(self.domain_name()));
        put("Status", json!(self.status()));
        put("Type", json!(self.kind()));
        put("NotBefore", seconds(certificate.not_before));
        put("NotAfter", seconds(certificate.not_after));
        put("CreatedAt", seconds(self.created_at()));
        match self.record.map(|it| &it.origin) {
            Some(Origin::Requested(requested)) => {
                put("IssuedAt", seconds(requested.renewed_at.unwrap_or(self.created_at())));
            }
            Some(Origin::Imported { at }) => put("ImportedAt", seconds(*at)),
            None => put("ImportedAt", seconds(certificate.not_before)),
        }
        put("RenewalEligibility", json!(self.renewal_eligibility()));
        shown
    }

    /// When it was made; of the manifest's it is not known, and their validity begins about then.
    pub(super) fn created_at(&self) -> Timestamp {
        self.record.map_or(self.certificate.not_before, |it| it.created_at)
    }

    pub(super) fn status(&self) -> &'static str {
        match self.now > self.certificate.not_after {
            true => "EXPIRED",
            false => "ISSUED",
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self.record.and_then(Record::requested) {
            Some(_) => "AMAZON_ISSUED",
            None => "IMPORTED",
        }
    }

    pub(super) fn renewal_eligibility(&self) -> &'static str {
        match is_eligible(self.state, self.certificate) {
            true => "ELIGIBLE",
            false => "INELIGIBLE",
        }
    }

    pub(super) fn names(&self) -> &'a [String] {
        match self.record.and_then(Record::requested) {
            Some(requested) => &requested.names,
            None => &self.certificate.names,
        }
    }

    pub(super) fn domain_name(&self) -> &'a str {
        self.names().first().map_or("", String::as_str)
    }

    /// The load balancers whose listeners use it.
    pub(super) fn in_use_by(&self) -> BTreeSet<&'a str> {
        let load_balancer = |listener: &'a std::sync::Arc<Listener>| listener.load_balancer.as_str();
        let listeners = self.state.listeners_using(&self.certificate.arn);
        listeners.map(load_balancer).collect()
    }
}

/// Whether a certificate is renewed when its time comes: it was issued here, and somebody uses it. Source: EDG 3.1.
pub(super) fn is_eligible(state: &State, certificate: &Certificate) -> bool {
    let record = state.acm().record(&certificate.arn);
    record.is_some_and(|it| it.requested().is_some()) && state.listeners_using(&certificate.arn).next().is_some()
}

/// A kind of key as answers have it. Requests write RSA with an underscore. Source: EDG 3.1.
pub(super) fn key_shown(key: CertificateKey) -> String {
    match key {
        CertificateKey::Rsa(bits) => format!("RSA-{bits}"),
        CertificateKey::Ecdsa(_) => key_word(key).to_owned(),
    }
}

/// A kind of key as requests have it.
pub(super) fn key_word(key: CertificateKey) -> &'static str {
    match key {
        CertificateKey::Rsa(2048) => "RSA_2048",
        CertificateKey::Rsa(3072) => "RSA_3072",
        CertificateKey::Rsa(_) => "RSA_4096",
        CertificateKey::Ecdsa(256) => "EC_prime256v1",
        CertificateKey::Ecdsa(384) => "EC_secp384r1",
        CertificateKey::Ecdsa(_) => "EC_secp521r1",
    }
}
