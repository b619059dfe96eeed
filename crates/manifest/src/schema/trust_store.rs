//! `trust_stores.<name>`: who vouches for clients, and what they have revoked.

use super::Walk;
use crate::desired::Placed;
use crate::mistake::{Spot, shown};
use crate::reader::{Fields, accepted, fields, one_or_more, text};
use crate::yaml::{Key, Node};
use model::Owner;
use model::elb::trust_store::{Revocation, TrustStore, TrustStoreName};
use pki::{REVOCATION_LIST_BYTES_MAX, RevocationList, TRUST_BUNDLE_BYTES_MAX, TrustBundle};

impl Walk<'_> {
    pub(super) fn trust_store(&mut self, key: &Key, node: &Node) -> Option<Placed<TrustStore>> {
        let name = accepted(&mut self.report, key.spot, TrustStoreName::try_from(key.text.as_str()));
        let known = ["ca_certificates_bundle", "revocations"];
        let fields = fields(&mut self.report, node, "a trust store", &known, &[])?;
        let bundle = fields
            .require(
                &mut self.report,
                "ca_certificates_bundle",
                "a PEM file with the certificates of authorities",
            )
            .and_then(|node| self.trust_bundle(node));
        let revocations = self.revocations(&fields);
        let (name, bundle) = (name?, bundle?);
        if let Err(error) = bundle.check_advertisable() {
            self.unadvertisable.insert(key.text.clone(), error.to_string());
        }
        let trust_store = TrustStore {
            arn: self.ids().trust_store(name.as_str()),
            name,
            bundle_pem: bundle.pem().into(),
            certificates: u16::try_from(bundle.authorities().len()).unwrap_or(u16::MAX),
            revocations: revocations?,
            owner: Owner::Manifest,
        };
        Some(self.placed(key.spot, trust_store))
    }

    fn trust_bundle(&mut self, node: &Node) -> Option<TrustBundle> {
        let written = text(&mut self.report, node, "the path of a PEM file")?;
        let expected = "a PEM file with the certificates of authorities";
        let pem = self.pem_file((node.spot, written), TRUST_BUNDLE_BYTES_MAX, expected)?;
        match TrustBundle::from_pem(&pem) {
            Ok(bundle) => {
                self.warn_of_validity(node.spot, written, &bundle);
                Some(bundle)
            }
            Err(errors) => {
                for error in errors {
                    self.report.mistake(node.spot, format!("{}: {error}", shown(written)));
                }
                None
            }
        }
    }

    /// The other authorities of the bundle work on.
    fn warn_of_validity(&mut self, spot: Spot, written: &str, bundle: &TrustBundle) {
        for authority in bundle.authorities() {
            if let Err(error) = authority.validity.check(self.now) {
                let subject = shown(&authority.subject);
                let message = format!(
                    "{}: {error}, that of {subject}; clients of it are refused",
                    shown(written)
                );
                self.report.warning(spot, message);
            }
        }
    }

    /// `None` when one of them is wrong.
    fn revocations(&mut self, trust_store: &Fields<'_>) -> Option<Vec<Revocation>> {
        let Some(node) = trust_store.get("revocations") else {
            return Some(Vec::new());
        };
        let before = self.report.reported();
        let mut revocations = Vec::new();
        for (id, node) in (1..).zip(one_or_more(&mut self.report, node, "revocation list")) {
            let Some(written) = text(&mut self.report, node, "the path of a revocation list") else {
                continue;
            };
            let expected = "a file with a revocation list, PEM or DER";
            let Some(bytes) = self.pem_file((node.spot, written), REVOCATION_LIST_BYTES_MAX, expected) else {
                continue;
            };
            let list = RevocationList::from_pem_or_der(&bytes).map_err(|error| format!("{}: {error}", shown(written)));
            if let Some(list) = accepted(&mut self.report, node.spot, list) {
                revocations.push(Revocation {
                    id,
                    crl: list.der().into(),
                    entries: list.entries(),
                });
            }
        }
        (self.report.reported() == before).then_some(revocations)
    }
}
