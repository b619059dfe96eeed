//! Every operation of Elastic Load Balancing: who answers it, or why nobody does.
//!
//! The dispatcher looks calls up here, and `docs/aws-api.md` is made from these lines, one operation each. Source: ALB 9.4.

use super::trust_store_content as contents;
use super::{
    capacity, certificates, constants, listeners, load_balancers, rules, tags, target_groups, targets, trust_stores,
};
use crate::aws::query::service::{Operation, change, fetch, read};

const SIGN_IN: &str = "sign-in and token actions are refused";
const NETWORK: &str = "no IPv6, Elastic IPs or address pools";
const S3: &str = "buckets are folders in the one given with --s3-root";
const CAPACITY: &str = "capacity is not reserved";

#[rustfmt::skip]
pub(super) const OPERATIONS: &[Operation] = &[
    change("AddListenerCertificates", certificates::add, ""),
    change("AddTags", tags::add, ""),
    fetch("AddTrustStoreRevocations", contents::revoked_by, contents::add_revocations, S3),
    change("CreateListener", listeners::create, SIGN_IN),
    change("CreateLoadBalancer", load_balancers::create, NETWORK),
    change("CreateRule", rules::create, SIGN_IN),
    change("CreateTargetGroup", target_groups::create, "no target control port"),
    fetch("CreateTrustStore", contents::created_from, contents::create, S3),
    change("DeleteListener", listeners::delete, ""),
    change("DeleteLoadBalancer", load_balancers::delete, ""),
    change("DeleteRule", rules::delete, ""),
    read("DeleteSharedTrustStoreAssociation", contents::delete_shared_association, "there is one account, so nothing is shared"),
    change("DeleteTargetGroup", target_groups::delete, ""),
    change("DeleteTrustStore", trust_stores::delete, ""),
    change("DeregisterTargets", targets::deregister, ""),
    read("DescribeAccountLimits", constants::account_limits, "the limits that are held to"),
    read("DescribeCapacityReservation", capacity::describe, CAPACITY),
    read("DescribeListenerAttributes", listeners::describe_attributes, ""),
    read("DescribeListenerCertificates", certificates::describe, ""),
    read("DescribeListeners", listeners::describe, ""),
    read("DescribeLoadBalancerAttributes", load_balancers::describe_attributes, ""),
    read("DescribeLoadBalancers", load_balancers::describe, ""),
    read("DescribeRules", rules::describe, ""),
    read("DescribeSSLPolicies", constants::ssl_policies, "AWS's lists; what is served of them is narrower"),
    read("DescribeTags", tags::describe, ""),
    read("DescribeTargetGroupAttributes", target_groups::describe_attributes, ""),
    read("DescribeTargetGroups", target_groups::describe, ""),
    read("DescribeTargetHealth", targets::describe_health, ""),
    read("DescribeTrustStoreAssociations", trust_stores::describe_associations, ""),
    read("DescribeTrustStoreRevocations", trust_stores::describe_revocations, ""),
    read("DescribeTrustStores", trust_stores::describe, ""),
    read("GetResourcePolicy", trust_stores::resource_policy, "no resource has one"),
    read("GetTrustStoreCaCertificatesBundle", contents::bundle_link, "`Location` is a link to this endpoint, for ten minutes; the certificates without comments"),
    read("GetTrustStoreRevocationContent", contents::revocation_link, "`Location` is a link to this endpoint, for ten minutes; PEM"),
    read("ModifyCapacityReservation", capacity::modify, CAPACITY),
    read("ModifyIpPools", capacity::modify_pools, "there are no address pools"),
    change("ModifyListener", listeners::modify, SIGN_IN),
    change("ModifyListenerAttributes", listeners::modify_attributes, ""),
    change("ModifyLoadBalancerAttributes", load_balancers::modify_attributes, "what is about WAF and zonal shift is kept: neither is there"),
    change("ModifyRule", rules::modify, SIGN_IN),
    change("ModifyTargetGroup", target_groups::modify, ""),
    change("ModifyTargetGroupAttributes", target_groups::modify_attributes, "what is about WAF is kept: there is none"),
    fetch("ModifyTrustStore", contents::modified_from, contents::modify, S3),
    change("RegisterTargets", targets::register, "instances are those that the manifest names"),
    change("RemoveListenerCertificates", certificates::remove, ""),
    change("RemoveTags", tags::remove, ""),
    change("RemoveTrustStoreRevocations", trust_stores::remove_revocations, ""),
    read("SetIpAddressType", load_balancers::set_ip_address_type, NETWORK),
    change("SetRulePriorities", rules::set_priorities, ""),
    change("SetSecurityGroups", load_balancers::set_security_groups, ""),
    change("SetSubnets", load_balancers::set_subnets, NETWORK),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::elbv2::SERVICE;
    use crate::aws::query::service::Answered;

    #[test]
    fn every_operation_of_aws_is_listed_once() {
        assert_eq!(OPERATIONS.len(), 51);
        assert!(OPERATIONS.is_sorted_by(|one, other| one.name < other.name));
        for operation in OPERATIONS {
            let is_not_built = matches!(operation.answered, Answered::Nobody);
            assert!(!is_not_built || !operation.note.is_empty(), "{}", operation.name);
        }
        assert!(SERVICE.operation("DescribeTags").is_some() && SERVICE.operation("DescribeTag").is_none());
    }
}
