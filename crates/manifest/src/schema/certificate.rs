//! An entry of `certificates`: names that the local authority issues for, or two files.

use super::Walk;
use crate::code::read_file;
use crate::mistake::{Spot, shown};
use crate::reader::{Fields, fields, one_or_more, text};
use crate::yaml::Node;
use model::elb::certificate::{Certificate, CertificateKey};
use model::{CertificateArn, Owner, Secret, Timestamp};
use pki::{CHAIN_PEM_BYTES_MAX, CertificateError, KEY_PEM_BYTES_MAX, Part, ServerCertificate, ValidityError};
use std::time::{SystemTime, UNIX_EPOCH};

const EXPECTED: &str = "`domain`, `domains`, or `certificate` with `private_key`";

/// The PEM texts of a certificate, checked together.
struct Pem {
    parsed: ServerCertificate,
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Walk<'_> {
    pub(super) fn certificate(&mut self, node: &Node) -> Option<CertificateArn> {
        let known = ["domain", "domains", "certificate", "private_key"];
        let fields = fields(&mut self.report, node, "a certificate", &known, &[])?;
        let domains = self.domains(&fields);
        if !fields.present(&["certificate", "private_key"]).is_empty() {
            return self.certificate_of_files(&fields, &domains?);
        }
        if fields.present(&["domain", "domains"]).is_empty() {
            let message = format!("found a certificate without a source; expected {EXPECTED}");
            self.report.mistake(node.spot, message);
            return None;
        }
        self.certificate_of_names(node.spot, &domains?)
    }

    /// The names of `domain` and `domains`; `None` when something is wrong with them.
    fn domains<'n>(&mut self, fields: &Fields<'n>) -> Option<Vec<(Spot, &'n str)>> {
        let mut domains = Vec::new();
        let before = self.report.reported();
        if let Some(node) = fields.get("domain")
            && let Some(name) = text(&mut self.report, node, "a domain name")
        {
            domains.push((node.spot, name));
        }
        if let Some(node) = fields.get("domains") {
            for node in one_or_more(&mut self.report, node, "domain name") {
                if let Some(name) = text(&mut self.report, node, "a domain name") {
                    domains.push((node.spot, name));
                }
            }
        }
        (self.report.reported() == before).then_some(domains)
    }

    fn certificate_of_names(&mut self, spot: Spot, domains: &[(Spot, &str)]) -> Option<CertificateArn> {
        let names: Vec<&str> = domains.iter().map(|(_, name)| *name).collect();
        let mut sorted: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let source = format!("domains {}", sorted.join(" "));
        if let Some(known) = self.certificates.get(&source) {
            return Some(known.clone());
        }
        match self.issuer.issue(&names, self.now) {
            Ok(issued) => {
                let (chain, key) = (
                    issued.chain_pem.into_bytes(),
                    issued.private_key_pem.expose().as_bytes(),
                );
                match ServerCertificate::from_pem(&chain, key) {
                    Ok(parsed) => {
                        let key = key.to_vec();
                        Some(self.import(spot, source, &Pem { parsed, chain, key }))
                    }
                    Err(errors) => {
                        errors.iter().for_each(|error| self.report.mistake(spot, error));
                        None
                    }
                }
            }
            Err(refused) => {
                let at = domains.iter().find(|(_, name)| refused.name.as_deref() == Some(name));
                self.report
                    .mistake(at.map_or(spot, |(spot, _)| *spot), &refused.message);
                None
            }
        }
    }

    fn certificate_of_files(&mut self, fields: &Fields<'_>, domains: &[(Spot, &str)]) -> Option<CertificateArn> {
        let chain = fields.require(&mut self.report, "certificate", "a PEM file with the certificate chain");
        let key = fields.require(&mut self.report, "private_key", "a PEM file with the private key");
        let chain = chain.and_then(|node| Some((node.spot, text(&mut self.report, node, "the path of a PEM file")?)));
        let key = key.and_then(|node| Some((node.spot, text(&mut self.report, node, "the path of a PEM file")?)));
        let chain_pem = chain.and_then(|it| self.pem_file(it, CHAIN_PEM_BYTES_MAX, "a PEM file with the certificate"));
        let key_pem = key.and_then(|it| self.pem_file(it, KEY_PEM_BYTES_MAX, "a PEM file with the private key"));
        let (chain, key) = (chain?, key?);
        let (chain_found, key_found) = (chain_pem.is_some(), key_pem.is_some());
        let (chain_pem, key_pem) = (chain_pem.unwrap_or_default(), key_pem.unwrap_or_default());
        let parsed = match ServerCertificate::from_pem(&chain_pem, &key_pem) {
            Ok(parsed) => parsed,
            Err(errors) => {
                for error in errors {
                    match error.part() {
                        Part::Chain if chain_found => {
                            self.report.mistake(chain.0, format!("{}: {error}", shown(chain.1)));
                        }
                        Part::PrivateKey if key_found => {
                            let rest = match error {
                                CertificateError::KeyMismatch => format!(
                                    " in {}; expected the key that it was issued for, or the certificate of this key",
                                    shown(chain.1)
                                ),
                                _ => String::new(),
                            };
                            self.report.mistake(key.0, format!("{}: {error}{rest}", shown(key.1)));
                        }
                        // The file could not be read, which was said.
                        Part::Chain | Part::PrivateKey => {}
                    }
                }
                return None;
            }
        };
        let leaf = parsed.leaf();
        let mut good = true;
        if let Err(error) = leaf.validity.check(self.now) {
            let fix = match error {
                ValidityError::Expired { .. } => "renew it, and write the new one and its key here",
                ValidityError::NotYetValid { .. } => "use one that holds now, or set this machine's clock right",
            };
            self.report
                .mistake(chain.0, format!("{}: {error}; {fix}", shown(chain.1)));
            good = false;
        }
        for (spot, name) in domains.iter().filter(|(_, name)| !leaf.covers(name)) {
            let message = format!(
                "found {}, which {} is not for; expected {}",
                shown(name),
                shown(chain.1),
                listed(&leaf.dns_names)
            );
            self.report.mistake(*spot, message);
            good = false;
        }
        if !good {
            return None;
        }
        let source = format!("files {}\0{}", chain.1, key.1);
        if let Some(known) = self.certificates.get(&source) {
            return Some(known.clone());
        }
        let pem = Pem {
            parsed,
            chain: chain_pem,
            key: key_pem,
        };
        Some(self.import(chain.0, source, &pem))
    }

    /// A file of at most `bytes_max` bytes, from now on watched.
    pub(super) fn pem_file(
        &mut self,
        (spot, written): (Spot, &str),
        bytes_max: usize,
        expected: &str,
    ) -> Option<Vec<u8>> {
        let path = self.path(written);
        read_file(&path, &shown(written), bytes_max, expected)
            .map_err(|message| self.report.mistake(spot, message))
            .ok()
    }

    fn import(&mut self, spot: Spot, source: String, pem: &Pem) -> CertificateArn {
        let leaf = pem.parsed.leaf();
        let bits = leaf.key_algorithm.bits();
        let certificate = Certificate {
            arn: self.ids().certificate(&source),
            names: leaf.dns_names.iter().map(|name| name.to_ascii_lowercase()).collect(),
            key: if leaf.key_algorithm.is_ecdsa() {
                CertificateKey::Ecdsa(bits)
            } else {
                CertificateKey::Rsa(bits)
            },
            not_before: timestamp(leaf.validity.not_before),
            not_after: timestamp(leaf.validity.not_after),
            // What stands between the sections may be in any encoding; the sections are ASCII.
            chain_pem: String::from_utf8_lossy(&pem.chain).into(),
            private_key_pem: Secret::new(String::from_utf8_lossy(&pem.key).into()),
            owner: Owner::Manifest,
        };
        let arn = certificate.arn.clone();
        let placed = self.placed(spot, certificate);
        self.desired.certificates.push(placed);
        self.certificates.insert(source, arn.clone());
        arn
    }
}

fn listed(names: &[String]) -> String {
    const LISTED_MAX: usize = 5;
    let listed: Vec<String> = names.iter().take(LISTED_MAX).map(|name| shown(name)).collect();
    match listed.as_slice() {
        [] => "a certificate for that name".to_owned(),
        [only] => only.clone(),
        several => format!("one of {}", several.join(", ")),
    }
}

/// Milliseconds since 1970; what lies before counts as 1970.
fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
