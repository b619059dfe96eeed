//! Every operation of STS: who answers it, or why nobody does.
//!
//! The dispatcher looks calls up here, and `docs/aws-api.md` is made from these lines, one operation each.

use super::{access_key_info, assume, caller_identity, session_token};
use crate::aws::query::service::{Operation, nobody, read};

const FEDERATED: &str = "nobody signs in from elsewhere";
const ORGANIZATIONS: &str = "there is one account";
const ENCODED: &str = "errors say what is missing in plain words";
const ASSUME: &str = "no session tags, no source identity, no MFA; the root may assume roles that trust its account";

#[rustfmt::skip]
pub(super) const OPERATIONS: &[Operation] = &[
    read("AssumeRole", assume::role, ASSUME),
    nobody("AssumeRoleWithSAML", FEDERATED),
    nobody("AssumeRoleWithWebIdentity", FEDERATED),
    nobody("AssumeRoot", ORGANIZATIONS),
    nobody("DecodeAuthorizationMessage", ENCODED),
    read("GetAccessKeyInfo", access_key_info, ""),
    read("GetCallerIdentity", caller_identity, ""),
    nobody("GetDelegatedAccessToken", ORGANIZATIONS),
    nobody("GetFederationToken", FEDERATED),
    read("GetSessionToken", session_token, "no MFA"),
    nobody("GetWebIdentityToken", FEDERATED),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_of_aws_is_listed_once() {
        assert_eq!(OPERATIONS.len(), 11);
        assert!(OPERATIONS.is_sorted_by(|one, other| one.name < other.name));
    }
}
