//! Every operation of ACM: who answers it, or why nobody does.

use super::{Call, Plan, detail, import, list, options, tags};
use crate::aws::error::AwsError;
use serde_json::Value;

/// One operation.
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) answered: Answered,
    /// What of it is not as on AWS, for the page.
    pub(super) note: &'static str,
}

/// Who answers an operation.
#[derive(Clone, Copy)]
pub(super) enum Answered {
    /// It only reads.
    Read(fn(&Call<'_>) -> Result<Value, AwsError>),
    /// It changes something.
    Change(fn(&Call<'_>) -> Result<Plan, AwsError>),
    /// It has a certificate issued.
    Request,
    /// It has a certificate issued again.
    Renew,
    /// Nobody: it is not built.
    Nobody,
}

/// The operation that AWS calls `name`.
pub(super) fn named(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.name == name)
}

const fn read(name: &'static str, by: fn(&Call<'_>) -> Result<Value, AwsError>, note: &'static str) -> Operation {
    let answered = Answered::Read(by);
    Operation { name, answered, note }
}

const fn change(name: &'static str, by: fn(&Call<'_>) -> Result<Plan, AwsError>, note: &'static str) -> Operation {
    let answered = Answered::Change(by);
    Operation { name, answered, note }
}

const fn request(name: &'static str, note: &'static str) -> Operation {
    let answered = Answered::Request;
    Operation { name, answered, note }
}

const fn renew(name: &'static str, note: &'static str) -> Operation {
    let answered = Answered::Renew;
    Operation { name, answered, note }
}

const fn nobody(name: &'static str, note: &'static str) -> Operation {
    let answered = Answered::Nobody;
    Operation { name, answered, note }
}

const ACME: &str = "the ACME server is not built";
const AT_ONCE: &str = "issued at once by the local authority; no private authorities, HTTP validation or export";

#[rustfmt::skip]
pub(super) const OPERATIONS: &[Operation] = &[
    change("AddTagsToCertificate", tags::add, ""),
    nobody("CreateAcmeDomainValidation", ACME),
    nobody("CreateAcmeEndpoint", ACME),
    nobody("CreateAcmeExternalAccountBinding", ACME),
    nobody("DeleteAcmeDomainValidation", ACME),
    nobody("DeleteAcmeEndpoint", ACME),
    nobody("DeleteAcmeExternalAccountBinding", ACME),
    change("DeleteCertificate", options::delete, ""),
    nobody("DescribeAcmeAccount", ACME),
    nobody("DescribeAcmeDomainValidation", ACME),
    nobody("DescribeAcmeEndpoint", ACME),
    nobody("DescribeAcmeExternalAccountBinding", ACME),
    read("DescribeCertificate", detail::describe, "the certificates of the manifest are shown as imported"),
    read("ExportCertificate", options::export, "no certificate can be exported, and the error says so as on AWS"),
    read("GetAccountConfiguration", options::account, "45 days; no events are emitted"),
    nobody("GetAcmeExternalAccountBindingCredentials", ACME),
    read("GetCertificate", detail::get, ""),
    change("ImportCertificate", import::import, ""),
    nobody("ListAcmeAccounts", ACME),
    nobody("ListAcmeDomainValidations", ACME),
    nobody("ListAcmeEndpoints", ACME),
    nobody("ListAcmeExternalAccountBindings", ACME),
    read("ListCertificates", list::list, ""),
    read("ListTagsForCertificate", tags::list, ""),
    nobody("ListTagsForResource", ACME),
    nobody("PutAccountConfiguration", "no events are emitted"),
    change("RemoveTagsFromCertificate", tags::remove, ""),
    renew("RenewCertificate", "those that are in use, at once"),
    request("RequestCertificate", AT_ONCE),
    read("ResendValidationEmail", options::resend, "nothing is ever waiting for mail, and the error says so as on AWS"),
    nobody("RevokeAcmeAccount", ACME),
    nobody("RevokeAcmeExternalAccountBinding", ACME),
    nobody("RevokeCertificate", "the local authority publishes no revocations"),
    nobody("SearchCertificates", "ListCertificates is built"),
    nobody("TagResource", ACME),
    nobody("UntagResource", ACME),
    nobody("UpdateAcmeDomainValidation", ACME),
    nobody("UpdateAcmeEndpoint", ACME),
    change("UpdateCertificateOptions", options::update, "there is no public log that certificates could be written to"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_of_aws_is_listed_once() {
        assert_eq!(OPERATIONS.len(), 39);
        assert!(OPERATIONS.is_sorted_by(|one, other| one.name < other.name));
        for operation in OPERATIONS {
            let is_not_built = matches!(operation.answered, Answered::Nobody);
            assert!(!is_not_built || !operation.note.is_empty(), "{}", operation.name);
        }
        assert!(named("ListCertificates").is_some() && named("ListCertificate").is_none());
    }
}
